//! Apache Kafka brokers with TLS, authentication, ACLs and no automatic topic creation. They can be
//! stopped, frozen, killed and restarted; a second one can join the first.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Message as _, OwnedMessage};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::Timeout;

use crate::support::process::{self, ChildServer};
use crate::support::tier;

/// The password of the super user `relay`.
pub(crate) const PASSWORD: &str = "correct-horse";

/// A small, quickly started JVM that logs warnings to standard error.
const JVM: &str = "-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
                   -Dorg.slf4j.simpleLogger.defaultLogLevel=warn";

/// Restarts the broker whenever it ends, except while a file `down` exists in its folder.
const SCRIPT: &str = r#"
    java $JVM kafka.tools.StorageTool format -t certrelayTestCluster0w -c server.properties $SCRAM 1>&2
    while :; do
        while [ -e down ]; do sleep 0.1; done
        java $JVM kafka.Kafka server.properties 1>&2 &
        echo $! > pid
        wait $!
    done"#;

/// SCRAM users, created at the first start.
const SCRAM: &str = "--add-scram SCRAM-SHA-512=[name=relay,password=correct-horse] \
                     --add-scram SCRAM-SHA-256=[name=relay,password=correct-horse]";

/// Partitions of a topic.
const PARTITIONS: i32 = 3;

/// A running broker, with listeners for the sink and one for the test itself.
pub(crate) struct Broker {
    /// TLS and SASL.
    pub(crate) secured: String,
    /// TLS with client certificates.
    pub(crate) mutual: String,
    /// Neither; anonymous super user.
    pub(crate) open: String,
    controller: String,
    jars: PathBuf,
    work: PathBuf,
    _server: ChildServer,
}

/// Returns a broker shared by tests that neither stop it nor read other tests' topics; `None` if
/// Apache Kafka is not installed.
pub(crate) fn shared() -> Option<&'static Broker> {
    static BROKER: OnceLock<Option<Broker>> = OnceLock::new();
    BROKER.get_or_init(|| Broker::start("kafka-secured")).as_ref()
}

impl Broker {
    /// Starts a cluster of one. `None` if Apache Kafka is not installed, which was logged.
    pub(crate) fn start(name: &'static str) -> Option<Self> {
        let jars = tier::require("kafka")?;
        Some(Self::launch(name, 1, None, jars))
    }

    /// Starts a second broker of this cluster; the first remains the controller.
    pub(crate) fn joined(&self, name: &'static str) -> Self {
        Self::launch(name, 2, Some(&self.controller), self.jars.clone())
    }

    fn launch(name: &'static str, id: u32, controller: Option<&str>, jars: PathBuf) -> Self {
        let folder = tempfile::Builder::new().prefix(&format!("certrelay-{name}-")).tempdir();
        let work = folder.expect("a temporary folder").keep();
        let ports = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").expect("loopback is there"));
        let [secured, mutual, open, own] =
            ports.each_ref().map(|port| port.local_addr().expect("it is bound").to_string());
        let tls = tier::project().join("tests/support/tls");
        let read = |name| fs::read_to_string(tls.join(name)).expect("a test certificate");
        fs::write(work.join("server.pem"), read("server.key") + &read("server.pem"))
            .expect("written");
        fs::write(work.join("ca.pem"), read("ca.pem")).expect("written");
        let listeners = Listeners { secured: &secured, mutual: &mutual, open: &open, own: &own };
        fs::write(work.join("server.properties"), properties(&work, id, &listeners, controller))
            .expect("the temporary folder can be written");
        drop(ports);
        // MSK authentication can be checked if its classes were compiled.
        let classes = [jars.join("*"), tier::real_folder().join("login")];
        let classes = std::env::join_paths(classes).expect("no colon in a path");
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).env("JVM", JVM).env("CLASSPATH", classes);
        command.env("SCRAM", if controller.is_some() { "" } else { SCRAM });
        let (server, _) = ChildServer::start(name, &work, &command);
        let controller = controller.map_or(own, str::to_owned);
        let broker = Self { secured, mutual, open, controller, jars, work, _server: server };
        broker.await_metadata(name);
        broker
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.open).set("log_level", "0").set("group.id", "test");
        config
            .set("reconnect.backoff.max.ms", "200")
            .set("topic.metadata.refresh.interval.ms", "500");
        config
    }

    fn consumer(&self) -> BaseConsumer {
        self.client().create().expect("a client")
    }

    fn await_metadata(&self, name: &str) {
        let client = self.consumer();
        let up = (0..150).any(|_| client.fetch_metadata(None, Duration::from_secs(1)).is_ok());
        assert!(up, "Apache Kafka did not respond within 150 s, see target/real/{name}.log");
    }

    /// Creates a topic with these settings and so many replicas.
    pub(crate) async fn create_topic(&self, name: &str, replicas: i32, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let topic = NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(replicas));
        let topic = settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        let created = admin.create_topics([&topic], &long_timeouts()).await.expect("a response");
        assert_eq!(created, [Ok(name.to_owned())]);
    }

    /// Deletes a topic, and waits until it is gone.
    pub(crate) async fn delete_topic(&self, name: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let deleted = admin.delete_topics(&[name], &long_timeouts()).await.expect("a response");
        assert_eq!(deleted, [Ok(name.to_owned())]);
    }

    /// Returns each partition's leader and number of in-sync replicas, as this broker knows them.
    pub(crate) fn partitions(&self, topic: &str) -> Vec<(i32, usize)> {
        let metadata = self.consumer().fetch_metadata(Some(topic), Duration::from_secs(5));
        let Ok(metadata) = metadata else { return Vec::new() };
        let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        partitions.map(|partition| (partition.leader(), partition.isr().len())).collect()
    }

    /// Freezes it (SIGSTOP): it accepts requests and responds to none.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Kills it (SIGKILL); it stays down until [`restart`](Self::restart).
    pub(crate) fn kill(&self) {
        self.stay_down();
        self.signal("-KILL");
    }

    /// Stops it (SIGTERM); it stays down.
    pub(crate) fn stop(&self) {
        self.stay_down();
        self.signal("-TERM");
    }

    /// Returns whether its process runs.
    pub(crate) fn is_up(&self) -> bool {
        let pid = fs::read_to_string(self.work.join("pid")).expect("it has run");
        let check = Command::new("kill").args(["-0", pid.trim()]).stderr(Stdio::null()).status();
        check.expect("kill runs").success()
    }

    fn stay_down(&self) {
        fs::write(self.work.join("down"), "").expect("written");
    }

    fn signal(&self, signal: &str) {
        let pid = fs::read_to_string(self.work.join("pid")).expect("it has run");
        let sent = Command::new("kill").args([signal, pid.trim()]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Restarts it.
    pub(crate) fn restart(&self) {
        fs::remove_file(self.work.join("down")).expect("it is down");
    }

    /// Returns the log of the broker's MSK authentication.
    pub(crate) fn logins(&self) -> String {
        fs::read_to_string(self.work.join("logins")).unwrap_or_default()
    }

    /// Runs one of Apache Kafka's own tools and returns what it printed.
    pub(crate) fn tool(&self, class: &str, arguments: &[String]) -> String {
        let home = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("java");
        process::clean_environment(&mut command, home.path());
        command.args(JVM.split_whitespace()).env("CLASSPATH", self.jars.join("*"));
        command.arg(class).args(arguments);
        let output = command.stdin(Stdio::null()).output().expect("java runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{class} {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Reads all records of a topic; waits for at least `count`.
    pub(crate) fn consume(&self, topic: &str, count: usize) -> Vec<OwnedMessage> {
        let consumer = self.consumer();
        let mut partitions = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            partitions.add_partition_offset(topic, partition, Offset::Beginning).expect("assigned");
        }
        consumer.assign(&partitions).expect("assigned");
        let mut read = Vec::new();
        loop {
            let seconds = if read.len() < count { 60 } else { 1 };
            match consumer.poll(Duration::from_secs(seconds)) {
                Some(Ok(message)) => read.push(message.detach()),
                // Errors about a broker that was down arrive here, too.
                Some(Err(_)) => {}
                None => return read,
            }
        }
    }
}

fn long_timeouts() -> AdminOptions {
    let timeout = Some(Timeout::After(Duration::from_secs(60)));
    AdminOptions::new().operation_timeout(timeout).request_timeout(timeout)
}

/// The ids of records, sorted: their keys, as the tests' sinks write them.
pub(crate) fn ids(records: &[OwnedMessage]) -> Vec<String> {
    let id =
        |record: &OwnedMessage| String::from_utf8_lossy(record.key().unwrap_or(b"?")).into_owned();
    let mut ids: Vec<String> = records.iter().map(id).collect();
    ids.sort();
    ids
}

struct Listeners<'a> {
    secured: &'a str,
    mutual: &'a str,
    open: &'a str,
    /// The controller's, of the first broker.
    own: &'a str,
}

fn properties(work: &Path, id: u32, at: &Listeners<'_>, controller: Option<&str>) -> String {
    let Listeners { secured, mutual, open, own } = at;
    let module = "org.apache.kafka.common.security";
    let listeners = format!("SASL_SSL://{secured},MUTUAL://{mutual},PLAINTEXT://{open}");
    let (roles, with_controller) = match controller {
        None => ("broker,controller", format!("{listeners},CONTROLLER://{own}")),
        Some(_) => ("broker", listeners.clone()),
    };
    let (login, mechanisms) = if tier::real_folder().join("login.stamp").exists() {
        let login = format!(
            "listener.name.sasl_ssl.oauthbearer.sasl.jaas.config={module}.oauthbearer.OAuthBearerLoginModule required;\n\
             listener.name.sasl_ssl.oauthbearer.sasl.server.callback.handler.class=SignedUrlLogin\n\
             listener.name.sasl_ssl.oauthbearer.connections.max.reauth.ms=60000\n"
        );
        (login, "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN,OAUTHBEARER")
    } else {
        (String::new(), "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN")
    };
    format!(
        "process.roles={roles}\n\
         node.id={id}\n\
         controller.quorum.voters=1@{controller}\n\
         listeners={with_controller}\n\
         advertised.listeners={listeners}\n\
         listener.security.protocol.map=SASL_SSL:SASL_SSL,MUTUAL:SSL,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAINTEXT\n\
         broker.heartbeat.interval.ms=500\n\
         broker.session.timeout.ms=6000\n\
         sasl.enabled.mechanisms={mechanisms}\n\
         listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={module}.scram.ScramLoginModule required;\n\
         listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={module}.scram.ScramLoginModule required;\n\
         listener.name.sasl_ssl.plain.sasl.jaas.config={module}.plain.PlainLoginModule required user_relay=\"{PASSWORD}\";\n\
         {login}\
         ssl.keystore.type=PEM\n\
         ssl.keystore.location={keys}\n\
         ssl.truststore.type=PEM\n\
         ssl.truststore.location={authority}\n\
         listener.name.mutual.ssl.client.auth=required\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS;User:relay;User:CN=client.example.com\n\
         auto.create.topics.enable=false\n\
         log.dirs={log}\n\
         offsets.topic.num.partitions=1\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.num.partitions=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n\
         log.index.size.max.bytes=1048576\n",
        controller = controller.unwrap_or(own),
        keys = work.join("server.pem").display(),
        authority = work.join("ca.pem").display(),
        log = work.join("log").display(),
    )
}
