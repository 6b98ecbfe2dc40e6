//! An Apache Kafka broker as a careful operator runs it: TLS, SCRAM, ACLs, no topics by accident. It can be killed
//! and comes back.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Message as _, OwnedMessage};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::support::leash::Leashed;
use crate::support::tier;

/// The password of the user `certrelay`.
pub(crate) const PASSWORD: &str = "correct-horse";

/// Starts the broker again whenever it ends, but not while `down` lies in its folder.
const SCRIPT: &str = r#"
    java $JVM kafka.tools.StorageTool format -t certrelayTestCluster0w -c server.properties \
        --add-scram "SCRAM-SHA-512=[name=certrelay,password=correct-horse]" 1>&2
    while :; do
        while [ -e down ]; do sleep 0.1; done
        java $JVM kafka.Kafka server.properties 1>&2 &
        echo $! > pid
        wait $!
    done"#;

/// A running broker, with a listener for us and one for the test itself.
pub(crate) struct Broker {
    /// TLS and SCRAM.
    pub(crate) secured: String,
    /// Neither; whoever comes here may do everything.
    open: String,
    work: PathBuf,
    _server: Leashed,
}

impl Broker {
    /// `None` where Apache Kafka is not installed, and has been said so.
    pub(crate) fn start() -> Option<Self> {
        let jars = tier::require("kafka")?;
        let folder = tempfile::Builder::new().prefix("certrelay-broker-").tempdir();
        let work = folder.expect("a temporary folder").keep();
        let ports = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("loopback is there"));
        let [secured, open, controller] =
            ports.each_ref().map(|port| port.local_addr().expect("it is bound").to_string());
        let tls = tier::project().join("tests/support/tls");
        let read = |name| fs::read_to_string(tls.join(name)).expect("a test certificate");
        fs::write(work.join("server.pem"), read("server.key") + &read("server.pem"))
            .expect("written");
        fs::write(work.join("server.properties"), properties(&work, &secured, &open, &controller))
            .expect("the temporary folder can be written");
        drop(ports);
        let jvm = "-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
                   -Dorg.slf4j.simpleLogger.defaultLogLevel=warn";
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).env("JVM", jvm).env("CLASSPATH", jars.join("*"));
        let (server, _) = Leashed::start("kafka-secured", &work, &command);
        let broker = Self { secured, open, work, _server: server };
        broker.await_metadata();
        Some(broker)
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.open).set("log_level", "0").set("group.id", "test");
        config.set("reconnect.backoff.max.ms", "200");
        config
    }

    fn await_metadata(&self) {
        let client: BaseConsumer = self.client().create().expect("a client");
        let up = (0..90).any(|_| client.fetch_metadata(None, Duration::from_secs(1)).is_ok());
        assert!(up, "Apache Kafka did not answer in 90 s, see target/real/kafka-secured.log");
    }

    /// A topic that takes batches of at most `max_message_bytes`; our user may write to it.
    pub(crate) async fn create_topic(&self, name: &str, max_message_bytes: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let topic = NewTopic::new(name, 3, TopicReplication::Fixed(1))
            .set("max.message.bytes", max_message_bytes);
        let created = admin.create_topics([&topic], &AdminOptions::new()).await.expect("an answer");
        assert_eq!(created, [Ok(name.to_owned())]);
    }

    /// Stops it in its tracks: it takes requests in and answers none.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Ends it with SIGKILL; it stays down until [`come_back`](Self::come_back).
    pub(crate) fn kill(&self) {
        fs::write(self.work.join("down"), "").expect("written");
        self.signal("-KILL");
    }

    fn signal(&self, signal: &str) {
        let pid = fs::read_to_string(self.work.join("pid")).expect("it has run");
        let sent = Command::new("kill").args([signal, pid.trim()]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Lets it start again.
    pub(crate) fn come_back(&self) {
        fs::remove_file(self.work.join("down")).expect("it is down");
    }

    /// All records of a topic; at least `count` are waited for.
    pub(crate) fn consume(&self, topic: &str, count: usize) -> Vec<OwnedMessage> {
        let consumer: BaseConsumer = self.client().create().expect("a client");
        let mut partitions = TopicPartitionList::new();
        for partition in 0..3 {
            partitions.add_partition_offset(topic, partition, Offset::Beginning).expect("assigned");
        }
        consumer.assign(&partitions).expect("assigned");
        let mut read = Vec::new();
        loop {
            let patience = if read.len() < count { 30 } else { 1 };
            match consumer.poll(Duration::from_secs(patience)) {
                Some(message) => read.push(message.expect("a record").detach()),
                None => return read,
            }
        }
    }
}

/// The ids of records, sorted: their keys, as the tests' sinks write them.
pub(crate) fn ids(records: &[OwnedMessage]) -> Vec<String> {
    let id =
        |record: &OwnedMessage| String::from_utf8_lossy(record.key().unwrap_or(b"?")).into_owned();
    let mut ids: Vec<String> = records.iter().map(id).collect();
    ids.sort();
    ids
}

fn properties(work: &Path, secured: &str, open: &str, controller: &str) -> String {
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule";
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@{controller}\n\
         listeners=SASL_SSL://{secured},PLAINTEXT://{open},CONTROLLER://{controller}\n\
         advertised.listeners=SASL_SSL://{secured},PLAINTEXT://{open}\n\
         listener.security.protocol.map=SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAINTEXT\n\
         sasl.enabled.mechanisms=SCRAM-SHA-512\n\
         listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram} required;\n\
         ssl.keystore.type=PEM\n\
         ssl.keystore.location={}\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS;User:certrelay\n\
         auto.create.topics.enable=false\n\
         log.dirs={}\n\
         offsets.topic.num.partitions=1\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.num.partitions=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         log.index.size.max.bytes=1048576\n",
        work.join("server.pem").display(),
        work.join("log").display()
    )
}
