//! Asks the brokers for the topics' metadata, in a process of its own: for `check --connect`, at
//! start-up, and before each new producer.
//!
//! Some responses of a broker end the process that reads them: librdkafka up to 2.15.0 (the latest)
//! allocates the -1 elements of a null array in `ApiVersions` and aborts, and copies as many in
//! `Metadata`. So a child process reads them first, with librdkafka and all of the sink's settings,
//! and TLS, login and every version of the protocol are as they will be. It does not help against a
//! broker that responds differently afterwards.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::client::OAuthToken;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::Instant;

use super::client_context::{ClientCallbacks, TokenSource};
use super::iam::Iam;
use super::{client, errors, settings};
use crate::config::KafkaConfig;
use crate::error::{Code, Error};

/// The subcommand that runs a probe.
pub(super) const SUBCOMMAND: &str = "kafka-probe";
/// The program itself, even if its file was replaced since the start.
const PROGRAM: &str = "/proc/self/exe";
/// How much longer than its own timeout the child process may run: it closes the client last.
const GRACE: Duration = Duration::from_secs(10);
/// Signals that a process sends itself: SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV.
const FAULTS: [i32; 5] = [4, 6, 7, 8, 11];
/// Maximum bytes of the child's stderr in an error text.
const SNIPPET: usize = 200;

/// Events of librdkafka, such as failed connections, that are read for the reason of a failure.
const EVENTS: usize = 32;

/// Whether this program has the subcommand: not so in tests of the library.
static HAS_SUBCOMMAND: AtomicBool = AtomicBool::new(false);

/// Makes probes run in a process of their own.
pub(super) fn isolate() {
    HAS_SUBCOMMAND.store(true, Ordering::Relaxed);
}

/// Runs the probe that stdin describes, and prints its result on stdout.
pub(super) fn main() -> ExitCode {
    let mut text = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut text);
    let request = read.ok().and_then(|_| serde_json::from_slice::<Probe>(&text).ok());
    let Some(request) = request else { return ExitCode::FAILURE };
    let result = serde_json::to_vec(&request.execute().err()).unwrap_or_default();
    match std::io::stdout().write_all(&result) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// A probe, as the child process reads it.
#[derive(Serialize, Deserialize)]
struct Probe {
    sink: String,
    properties: BTreeMap<String, String>,
    topics: Vec<String>,
    timeout: Duration,
    /// The login with AWS credentials: the token and the end of its lifetime.
    token: Option<(String, i64)>,
}

/// Why a probe failed.
#[derive(Serialize, Deserialize)]
struct Failure {
    /// [`Code::as_str`].
    code: String,
    text: String,
    /// Authentication failed.
    login: bool,
    /// A broker described the topics, and one of them is the reason.
    answered: bool,
}

/// Probes for `check --connect` and at start-up.
///
/// # Errors
/// No broker responds, authentication fails (the password is then read again before the next
/// probe), or a topic does not exist.
pub(super) async fn topics(
    sink: &str,
    settings: &KafkaConfig,
    iam: Option<&Iam>,
    timeout: Duration,
) -> Result<(), Error> {
    failure(sink, settings, iam, timeout).await?.map_or(Ok(()), |failure| Err(failure.error()))
}

/// Probes before a producer is created, in a process of its own or not at all.
///
/// # Errors
/// No broker described the topics, with success or not.
pub(super) async fn brokers(
    sink: &str,
    settings: &KafkaConfig,
    iam: Option<&Iam>,
) -> Result<(), Error> {
    if !HAS_SUBCOMMAND.load(Ordering::Relaxed) {
        return Ok(());
    }
    match failure(sink, settings, iam, settings.timeout).await? {
        Some(failure) if !failure.answered => Err(failure.error()),
        _ => Ok(()),
    }
}

/// Runs a probe; the result is its failure.
async fn failure(
    sink: &str,
    settings: &KafkaConfig,
    iam: Option<&Iam>,
    timeout: Duration,
) -> Result<Option<Failure>, Error> {
    let token = match iam {
        Some(iam) => {
            iam.ready().await?;
            let token = iam.token()?;
            Some((token.token, token.lifetime_ms))
        }
        None => None,
    };
    let probe = Probe::new(sink, settings, token, timeout)?;
    let failure = if HAS_SUBCOMMAND.load(Ordering::Relaxed) {
        probe.execute_in_child(&settings.brokers.join(", ")).await
    } else {
        let probe = tokio::task::spawn_blocking(move || probe.execute().err());
        let panicked =
            |panic| Error::caused(Code::SinkInternal, "the probe of Kafka failed", panic);
        probe.await.map_err(panicked)?
    };
    if let Some(failure) = &failure {
        client::secrets_rejected(settings, failure.login);
    }
    Ok(failure)
}

impl Probe {
    fn new(
        sink: &str,
        own: &KafkaConfig,
        token: Option<(String, i64)>,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let config = settings::connection(sink, own)?;
        // The map's own values have the secrets removed.
        let value = |name: &str| Some((name.to_owned(), config.get(name)?.to_owned()));
        Ok(Self {
            sink: sink.to_owned(),
            properties: config.config_map().into_keys().filter_map(value).collect(),
            topics: own.topic.texts().into_iter().map(str::to_owned).collect(),
            timeout,
            token,
        })
    }

    /// Runs this in a child process, which may be ended by what `brokers` respond.
    async fn execute_in_child(&self, brokers: &str) -> Option<Failure> {
        let failed = |code: Code, text: String| {
            let text = format!("sink.{}: {text}", self.sink);
            Some(Failure { code: code.as_str().to_owned(), text, login: false, answered: false })
        };
        let output = match tokio::time::timeout(self.timeout + GRACE, self.spawn()).await {
            Ok(Ok(output)) => output,
            // Nothing is known of the brokers then.
            Ok(Err(cause)) => {
                let failure =
                    failed(Code::KafkaError, format!("no process to probe Kafka: {cause}"));
                return failure.map(|failure| Failure { answered: true, ..failure });
            }
            Err(_) => {
                return failed(Code::KafkaTimeout, "the probe of Kafka does not end".to_owned());
            }
        };
        if output.status.signal().is_some_and(|signal| FAULTS.contains(&signal)) {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let stderr: String = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
            let text = format!(
                "a response of the Kafka brokers {brokers} ends librdkafka ({}: {}); check that \
                 each address is that of a Kafka broker",
                output.status,
                stderr.chars().take(SNIPPET).collect::<String>()
            );
            return failed(Code::KafkaProtocol, text);
        }
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
            let text = format!("the probe of Kafka ended early ({})", output.status);
            failed(Code::KafkaError, text)
        })
    }

    async fn spawn(&self) -> std::io::Result<Output> {
        let mut command = Command::new(PROGRAM);
        command.arg(SUBCOMMAND).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // Fails if the child has ended already, which its status tells.
            let _ = stdin.write_all(&serde_json::to_vec(self)?).await;
        }
        child.wait_with_output().await
    }

    /// Runs this here; blocks.
    fn execute(&self) -> Result<(), Failure> {
        let mut properties = ClientConfig::new();
        properties.extend(self.properties.clone());
        // To read a response of every broker, not only of the first one that is needed.
        properties.set("enable.sparse.connections", "false");
        let token = self.token.clone().map(|(token, lifetime_ms)| -> TokenSource {
            let principal_name = "certrelay".to_owned();
            Arc::new(move || {
                let (token, principal_name) = (token.clone(), principal_name.clone());
                Ok(OAuthToken { token, principal_name, lifetime_ms })
            })
        });
        let callbacks = ClientCallbacks::new(&self.sink, token);
        let failed = request_metadata(&properties, &callbacks, &self.topics, self.timeout);
        failed.map_err(|NoMetadata { topics, code, answered }| {
            let cause = callbacks.explain(code);
            Failure {
                code: errors::code_of(cause.code).as_str().to_owned(),
                text: format!("sink.{}: Kafka topic {topics}: {}", self.sink, cause.text),
                login: errors::is_authentication(cause.code),
                answered,
            }
        })
    }
}

impl Failure {
    fn error(self) -> Error {
        let code = Code::ALL.iter().find(|code| code.as_str() == self.code);
        Error::new(code.copied().unwrap_or(Code::KafkaError), self.text)
    }
}

/// Topics without metadata, and why.
struct NoMetadata {
    topics: String,
    code: RDKafkaErrorCode,
    answered: bool,
}

/// Requests the metadata of every topic that the sink may write to; blocks. As a consumer: brokers
/// may create a topic that a producer asks for.
fn request_metadata(
    properties: &ClientConfig,
    callbacks: &ClientCallbacks,
    topics: &[String],
    timeout: Duration,
) -> Result<(), NoMetadata> {
    let all = |error: KafkaError| NoMetadata {
        topics: topics.join(", "),
        code: errors::kafka_code(&error),
        answered: false,
    };
    let deadline = Instant::now() + timeout;
    let consumer: BaseConsumer<ClientCallbacks> =
        BaseConsumer::from_config_and_context(properties, callbacks.clone()).map_err(all)?;
    // librdkafka requests an OAuth token, and reports the reason of a failure, only when it is
    // polled.
    let _ = consumer.poll(Duration::ZERO);
    let mut failed: Option<(Vec<&str>, RDKafkaErrorCode)> = None;
    for topic in topics {
        let left = deadline.saturating_duration_since(Instant::now());
        let metadata = consumer.fetch_metadata(Some(topic), left);
        // Each call delivers one event at most, and the reason of a failure is one of them.
        for _ in 0..EVENTS {
            let _ = consumer.poll(Duration::ZERO);
        }
        let metadata = metadata.map_err(all)?;
        let error = metadata.topics().first().and_then(|topic| topic.error());
        if let Some(code) = error.map(RDKafkaErrorCode::from) {
            failed.get_or_insert_with(|| (Vec::new(), code)).0.push(topic);
        }
    }
    failed.map_or(Ok(()), |(topics, code)| {
        Err(NoMetadata { topics: topics.join(", "), code, answered: true })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{KafkaAuth, KafkaKey, Secret};

    #[test]
    fn every_property_and_secret_reaches_the_child_process() {
        let password = Secret::Literal(Arc::new("canary".into()));
        let auth = KafkaAuth::Sasl { mechanism: "PLAIN", username: "relay".to_owned(), password };
        let own = KafkaConfig {
            brokers: vec!["a.example.com:9092".to_owned(), "b.example.com:9092".to_owned()],
            topic: "t".into(),
            auth,
            tls: None,
            key: KafkaKey::Account,
            registry: None,
            options: vec![("client.rack".to_owned(), "a".to_owned())],
            timeout: Duration::from_secs(30),
            queue: 16 << 20,
        };
        let token = Some(("token".to_owned(), 7));
        let probe = Probe::new("lake", &own, token.clone(), own.timeout).unwrap();
        let read: Probe = serde_json::from_slice(&serde_json::to_vec(&probe).unwrap()).unwrap();
        let value = |name: &str| read.properties.get(name).map(String::as_str);
        assert_eq!(value("sasl.password"), Some("canary"));
        assert_eq!(value("client.rack"), Some("a"));
        assert_eq!(value("bootstrap.servers"), Some("a.example.com:9092,b.example.com:9092"));
        assert_eq!((read.topics, read.token), (vec!["t".to_owned()], token));
    }
}
