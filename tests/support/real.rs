//! Real servers: moto's SQS, S3 and SNS, and an Apache Kafka broker, each started once per test
//! binary.
//!
//! Ports are free ones and every file is in a temporary folder, so that two clones can run their
//! tests at once. A server ends with the test binary, however that ends (see [`super::process`]).

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::util::Timeout;

use super::process::{self, ChildServer};
use super::tier;

/// Options of a small, fast-starting JVM that logs warnings to standard error.
const JVM: &str = "-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
                   -Dorg.slf4j.simpleLogger.defaultLogLevel=warn";

/// Partitions of a topic.
const PARTITIONS: i32 = 3;

/// A running `moto_server`.
pub struct Moto {
    /// `http://127.0.0.1:PORT`, the endpoint of every service.
    pub url: String,
    venv: PathBuf,
    _server: Option<ChildServer>,
}

/// A bucket of moto whose notifications reach a queue.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct NotifiedBucket {
    /// The bucket's name.
    pub bucket: String,
    /// The queue's URL, for `source.queue_url`.
    pub queue_url: String,
    /// Its dead-letter queue's URL.
    pub dead_letter_url: String,
    /// The SNS topic between them, for routes that have one.
    pub topic_arn: Option<String>,
}

/// A running broker (and controller, in one process).
pub struct Kafka {
    /// `127.0.0.1:PORT`, for `bootstrap.servers`.
    pub bootstrap: String,
    jars: PathBuf,
    _server: ChildServer,
}

/// A record as printed by Apache Kafka's console consumer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Consumed {
    /// `name:value,name:value`, or `NO_HEADERS`.
    pub headers: String,
    /// The key, or `null`.
    pub key: String,
    /// The value.
    pub value: String,
}

/// The URL of another server with AWS's API, already running, instead of moto: `LocalStack`, for
/// example.
const URL_VARIABLE: &str = "CERTRELAY_AWS_URL";

/// Returns moto, started by the first call; `None` if its tier cannot run (which is reported).
pub fn moto() -> Option<&'static Moto> {
    static MOTO: OnceLock<Option<Moto>> = OnceLock::new();
    MOTO.get_or_init(|| tier::require("moto").map(|venv| start_moto(&venv))).as_ref()
}

/// Returns Apache Kafka, started by the first call; `None` if its tier cannot run (which is
/// reported).
pub fn kafka() -> Option<&'static Kafka> {
    static KAFKA: OnceLock<Option<Kafka>> = OnceLock::new();
    KAFKA.get_or_init(|| tier::require("kafka").map(start_kafka)).as_ref()
}

fn start_moto(venv: &Path) -> Moto {
    if let Ok(url) = std::env::var(URL_VARIABLE) {
        return Moto { url, venv: venv.to_owned(), _server: None };
    }
    let mut command = Command::new(venv.join("bin/python"));
    command.arg(venv.join("bin/moto_server")).args(["-H", "127.0.0.1", "-p", "0"]);
    let (server, lines) = ChildServer::start("moto", &work_folder("moto"), &command);
    let url = server.await_line(&lines, Duration::from_secs(60), |line| {
        let (_, url) = line.split_once("Running on ")?;
        Some(url.trim().to_owned())
    });
    Moto { url, venv: venv.to_owned(), _server: Some(server) }
}

impl Moto {
    /// Creates a bucket that notifies a new queue by `route`, one of `tests/real/moto_wiring.py`.
    /// Messages are hidden for `visibility` seconds, and dead-lettered after `receives`.
    pub fn create_bucket_with(
        &self,
        route: &str,
        visibility: u32,
        receives: u32,
    ) -> NotifiedBucket {
        let (visibility, receives) = (visibility.to_string(), receives.to_string());
        let printed = self.moto_wiring(
            &["--route", route, "--visibility", &visibility, "--max-receive-count", &receives],
            "",
        );
        serde_json::from_slice(&printed).expect("JSON")
    }

    /// As [`Self::create_bucket_with`], with a hundred receives, which cause no warning.
    pub fn create_bucket(&self, route: &str, visibility: u32) -> NotifiedBucket {
        self.create_bucket_with(route, visibility, 100)
    }

    /// Publishes each line of `messages` to a topic.
    pub fn publish(&self, topic: &str, messages: &str) {
        self.moto_wiring(&["--publish", topic], messages);
    }

    fn moto_wiring(&self, flags: &[&str], input: &str) -> Vec<u8> {
        self.python("moto_wiring.py", flags, input)
    }

    /// Runs a script of `tests/real` with this server's URL and these flags; returns its output.
    pub fn python(&self, script: &str, flags: &[&str], input: &str) -> Vec<u8> {
        let home = tempfile::tempdir().expect("a temporary folder");
        let stdin = home.path().join("stdin");
        std::fs::write(&stdin, input).expect("the temporary folder can be written");
        let mut command = Command::new(self.venv.join("bin/python"));
        process::clean_environment(&mut command, home.path());
        command.arg("-B").arg(tier::project().join("tests/real").join(script));
        command.args(["--url", &self.url]).args(flags);
        command.stdin(std::fs::File::open(&stdin).expect("it was written"));
        let output = command.output().expect("python runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script} failed: {errors}");
        output.stdout
    }
}

fn start_kafka(jars: PathBuf) -> Kafka {
    let work = work_folder("kafka");
    // Bound until the last moment, so that no other process gets the ports in between.
    let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("loopback is there"));
    let [broker, controller] =
        ports.each_ref().map(|port| port.local_addr().expect("it is bound").to_string());
    let properties = work.join("server.properties");
    std::fs::write(&properties, broker_properties(&work, &broker, &controller))
        .expect("the temporary folder can be written");
    drop(ports);
    // One process for both steps: format the storage, then serve from it.
    let script = r#"java $JVM kafka.tools.StorageTool format -t certrelayTestCluster0w -c "$CONF" 1>&2 &&
        exec java $JVM kafka.Kafka "$CONF""#;
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .env("CONF", &properties)
        .env("JVM", JVM)
        .env("CLASSPATH", jars.join("*"));
    let (mut server, _) = ChildServer::start("kafka", &work, &command);
    await_metadata(&broker, &mut server);
    Kafka { bootstrap: broker, jars, _server: server }
}

impl Kafka {
    /// Creates a topic. A missing topic is the subject of other tests.
    pub async fn create_topic(&self, topic: &str) {
        let client: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .create()
            .expect("a client");
        let topic = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
        let timeout = Some(Timeout::After(Duration::from_secs(60)));
        let options = AdminOptions::new().operation_timeout(timeout).request_timeout(timeout);
        let results = client.create_topics(&[topic], &options).await.expect("a response");
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }

    /// Returns all records of `topic`, read by Apache Kafka's console consumer.
    pub fn consume_all(&self, topic: &str) -> Vec<Consumed> {
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("log_level", "0")
            .create()
            .expect("a client");
        let timeout = Timeout::After(Duration::from_secs(30));
        let ends = (0..PARTITIONS)
            .map(|partition| client.fetch_watermarks(topic, partition, timeout))
            .map(|ends| ends.expect("the topic is there").1);
        let count = usize::try_from(ends.sum::<i64>()).expect("not below zero");
        let consumed = self.consume(topic, count);
        assert_eq!(consumed.len(), count, "the consumer did not read {topic} to its end");
        consumed
    }

    /// Reads `topic` from its beginning with Apache Kafka's console consumer, which shares no code
    /// with our producer: up to `count` records, fewer if no further one comes for ten seconds.
    pub fn consume(&self, topic: &str, count: usize) -> Vec<Consumed> {
        let home = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("java");
        process::clean_environment(&mut command, home.path());
        command.args(JVM.split(' ')).env("CLASSPATH", self.jars.join("*"));
        command.arg("org.apache.kafka.tools.consumer.ConsoleConsumer");
        command.args(["--bootstrap-server", &self.bootstrap, "--topic", topic]);
        command.args(["--from-beginning", "--timeout-ms", "10000"]);
        command.args(["--max-messages", &count.to_string()]);
        for property in ["print.headers=true", "print.key=true", "key.separator=\u{1f}"] {
            command.args(["--formatter-property", property]);
        }
        let output = command.stdin(Stdio::null()).output().expect("java runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter_map(as_consumed).collect()
    }
}

fn as_consumed(line: &str) -> Option<Consumed> {
    let mut parts = line.splitn(3, '\u{1f}').map(str::to_owned);
    Some(Consumed { headers: parts.next()?, key: parts.next()?, value: parts.next()? })
}

fn broker_properties(work: &Path, broker: &str, controller: &str) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@{controller}\n\
         listeners=PLAINTEXT://{broker},CONTROLLER://{controller}\n\
         advertised.listeners=PLAINTEXT://{broker}\n\
         controller.listener.names=CONTROLLER\n\
         log.dirs={}\n\
         num.partitions={PARTITIONS}\n\
         offsets.topic.num.partitions=1\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.num.partitions=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n\
         log.index.size.max.bytes=1048576\n",
        work.join("log").display()
    )
}

/// Waits until the broker results a metadata request, for at most a minute and a half.
fn await_metadata(broker: &str, server: &mut ChildServer) {
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker)
        .set("reconnect.backoff.max.ms", "200")
        .set("log_level", "0")
        .create()
        .expect("a client");
    for _ in 0..90 {
        server.must_be_alive();
        let metadata = client.fetch_metadata(None, Timeout::After(Duration::from_secs(1)));
        if metadata.is_ok_and(|metadata| !metadata.brokers().is_empty()) {
            return;
        }
    }
    panic!("Apache Kafka did not respond in 90 s, see target/real/kafka.log");
}

/// A temporary folder that is removed with the server.
fn work_folder(name: &str) -> PathBuf {
    let folder = tempfile::Builder::new().prefix(&format!("certrelay-{name}-")).tempdir();
    folder.expect("a temporary folder").keep()
}
