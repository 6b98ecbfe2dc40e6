//! Every secret of a configuration is a canary. The program runs through every failure of its
//! sinks, and all its output is searched for them: log at level debug, metrics, health, dead
//! letters, `check`, `check --connect`.

mod search;
mod secrets_manager;
mod untrusted_server;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use data_encoding::BASE64;

use crate::support::hec::{Fault, HecStandIn, Options, Token};
use crate::support::{process, samples, tier, wait};
use search::{Canary, found};
use secrets_manager::SecretsManager;
use untrusted_server::UntrustedServer;

const TOKEN: &str = "cAnArY-token/5f0c+2a-77";
const AWS_TOKEN: &str = "cAnArY-kept/81bd+9e-31";
const PASSWORD: &str = "cAnArY-password/30aa+4c-58";
const AWS_KEY: &str = "cAnArY-aws/d2f1+6b-90";

/// The program with its folder, where it writes.
struct Program {
    folder: tempfile::TempDir,
}

impl Program {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.file(name)).unwrap_or_default()).into_owned()
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_certrelay"));
        process::clean_environment(&mut command, self.folder.path());
        command.env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE").env("AWS_SECRET_ACCESS_KEY", AWS_KEY);
        command.env("KAFKA_PASSWORD", PASSWORD);
        let name = arguments.join("-");
        let create = |name: String| fs::File::create(self.file(&name)).expect("a file");
        command.args(arguments).arg("-c").arg(self.file("certrelay.toml")).stdin(Stdio::null());
        command.stdout(create(format!("{name}.out"))).stderr(create(format!("{name}.err")));
        command.spawn().expect("the program runs")
    }

    /// Runs a command to its end; returns its output.
    fn output(&self, arguments: &[&str]) -> String {
        self.start(arguments).wait().expect("it ends");
        let name = arguments.join("-");
        self.text(&format!("{name}.out")) + &self.text(&format!("{name}.err"))
    }
}

/// Responses of HEC and of proxies in front of it, with the token in each.
fn responses(token: &str) -> Vec<Fault> {
    let page = |status, body: String| Fault { status, body, ..Fault::default() };
    let echo = |text: &str| format!("<pre>POST /\nauthorization: Splunk {text}\nx: {text}</pre>");
    let encoded: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
    let location = format!("http://127.0.0.1:1/?token={encoded}");
    vec![
        page(401, echo(token)),
        page(403, format!(r#"{{"code":4,"text":"no such token {}"}}"#, token.replace('/', "\\/"))),
        page(502, echo(&encoded)),
        page(404, echo(&encoded.to_lowercase())),
        page(500, BASE64.encode(format!("authorization: Splunk {token}\r\n").as_bytes())),
        Fault { headers: vec![("location", location)], ..page(303, echo(token)) },
        Fault::cut(false),
        page(429, format!(r#"{{"code":26,"text":"{token}"}}"#)),
        page(400, format!(r#"{{"code":7,"text":"{token}","invalid-event-number":1}}"#)),
        page(400, format!(r#"{{"code":13,"text":"{token}","invalid-event-number":0}}"#)),
    ]
}

/// Sinks that fail in every way, and some that recover.
fn configuration(
    collectors: &[HecStandIn],
    kept: &HecStandIn,
    secrets_manager: &SecretsManager,
    untrusted: &str,
    closed: &str,
) -> String {
    let tls = tier::project().join("tests/support/tls");
    let client =
        format!("cert_file = \"{0}/client.pem\", key_file = \"{0}/client.key\"", tls.display());
    let no_tls = kept.url().replace("http://", "");
    let socs: String = (0..collectors.len()).map(|n| format!("\"soc{n}\", ")).collect();
    let collectors = collectors.iter().enumerate().map(|(n, hec)| {
        let (kind, url) = ("type = \"splunk_hec\"", hec.url());
        format!("[sink.soc{n}]\n{kind}\nendpoints = [{url:?}]\ntoken = {{ file = \"token\" }}\n")
    });
    let collectors: String = collectors.collect();
    let label = "x".repeat(64);
    format!(
        r#"
[[source]]
directory = "in"
[[route]]
name = "all"
sinks = [{socs}"kept", "not-tls", "closed", "nameless", "hook", "lake", "secured"]
{collectors}
[sink.kept]
type = "splunk_hec"
endpoints = ["{kept}"]
token = {{ aws_secret = "hec", key = "token", refresh = "10 s" }}
[sink.not-tls]
type = "splunk_hec"
endpoints = ["https://{no_tls}", "https://{untrusted}"]
token = "{TOKEN}"
tls = {{ {client} }}
[sink.closed]
type = "splunk_hec"
endpoints = ["http://{closed}"]
token = {{ file = "token" }}
[sink.nameless]
type = "splunk_hec"
endpoints = ["https://{label}.example.com:8088"]
token = {{ file = "token" }}
tls = {{ insecure = true }}
[sink.hook]
type = "http"
url = "{kept}/hook"
authorization = {{ file = "token" }}
signing_key = {{ env = "KAFKA_PASSWORD" }}
[sink.lake]
type = "kafka"
brokers = ["{no_tls}"]
topic = "certificates"
timeout = "1 s"
auth = {{ mechanism = "PLAIN", username = "certrelay", password = {{ env = "KAFKA_PASSWORD" }} }}
[sink.secured]
type = "kafka"
brokers = ["{no_tls}"]
topic = "certificates"
timeout = "1 s"
auth = {{ mechanism = "SCRAM-SHA-512", username = "certrelay", password = "{PASSWORD}" }}
tls = {{ {client} }}
[aws]
secretsmanager_endpoint = "{secrets_manager}"
[delivery]
shutdown_grace_period = "1 s"
[dead_letter]
directory = "dead-letters"
keep_bytes = true
[http]
listen = "127.0.0.1:0"
[log]
level = "debug"
"#,
        kept = kept.url(),
        secrets_manager = secrets_manager.url,
    )
}

/// A collector with these first responses.
async fn collector(token: &str, responses: Vec<Fault>) -> HecStandIn {
    let options = Options { tokens: vec![Token::new(token)], ..Options::default() };
    let hec = HecStandIn::start(options).await.expect("the stand-in");
    hec.script(responses);
    hec
}

fn prepare(folder: &Path) {
    fs::write(folder.join("token"), format!("{TOKEN}\n")).expect("a file");
    fs::create_dir(folder.join("in")).expect("a file");
    let samples = samples::generate(7, 1, 12);
    fs::write(folder.join("in/a.json.gz"), &samples.objects[0].gzip).expect("a file");
    // An invalid record with a private key, in a valid file.
    let bad = r#"{"Records":[{"eventSource":"iam.amazonaws.com","eventName":"UploadServerCertificate","requestParameters":{"privateKey":"cAnArY-key/11+22-33"},"eventTime":tomorrow}]}"#;
    fs::write(folder.join("in/b.json"), bad).expect("a file");
}

/// The value of this member in the first line of the log that has it.
fn member(log: &str, name: &str) -> Option<String> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut members = lines.filter_map(|line| line[name].as_str().map(str::to_owned));
    members.next()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_output_contains_a_secret_whatever_fails() {
    // A few responses each: a sink waits longer after each failure.
    let mut collectors = Vec::new();
    for responses in responses(TOKEN).chunks(3) {
        collectors.push(collector(TOKEN, responses.to_vec()).await);
    }
    let kept = collector(AWS_TOKEN, vec![responses(AWS_TOKEN).swap_remove(0); 5]).await;
    let secrets_manager = SecretsManager::start(AWS_TOKEN).await;
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("one");
    let program = Program { folder: tempfile::tempdir().expect("a folder") };
    prepare(program.folder.path());
    let untrusted = UntrustedServer::start().await;
    let closed = closed.to_string();
    let config = configuration(&collectors, &kept, &secrets_manager, &untrusted.address, &closed);
    fs::write(program.file("certrelay.toml"), config).expect("a file");

    let mut outputs = vec![("check", program.output(&["check"]))];
    let mut child = program.start(&["run"]);
    let expected = [
        "splunk_token",
        "splunk_unavailable",
        "splunk_redirect",
        "splunk_endpoint",
        "splunk_index",
        "splunk_event_missing",
        "splunk_busy",
        "splunk_tls",
        "splunk_connect",
        "secret_unreadable",
        "http_endpoint",
        "kafka_",
        "may hold a private key",
    ];
    let log = || program.text("run.err");
    let dead_letters = || {
        let entries = fs::read_dir(program.file("dead-letters")).into_iter().flatten();
        let texts = entries.map(|entry| fs::read_to_string(entry.expect("a dead letter").path()));
        texts.map(Result::unwrap_or_default).collect::<String>()
    };
    for code in expected {
        wait::until(code, async || {
            let ended = child.try_wait().expect("our child");
            assert!(ended.is_none(), "it exited: {}", log());
            (log() + &dead_letters()).contains(code).then_some(())
        })
        .await;
    }
    for hec in collectors.iter().chain([&kept]) {
        wait::until("those that recover", async || (hec.count() > 0).then_some(())).await;
    }
    let requests = secrets_manager.requests();
    assert!(requests >= 6, "only {requests} requests");
    let address = member(&log(), "address").expect("the probes' address");
    let address = address.trim_start_matches("Some(").trim_end_matches(')');
    for path in ["metrics", "readyz", "livez"] {
        let response = reqwest::get(format!("http://{address}/{path}")).await.expect("a response");
        outputs.push((path, response.text().await.expect("text")));
    }
    outputs.push(("check --connect", program.output(&["check", "--connect"])));
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    outputs.extend([
        ("log", log()),
        ("stdout", program.text("run.out")),
        ("dead letters", dead_letters()),
    ]);

    let pem = fs::read_to_string(tier::project().join("tests/support/tls/client.key"));
    let pem = pem.expect("a test key");
    let canaries = [
        Canary::new("HEC token", TOKEN),
        Canary::new("token in Secrets Manager", AWS_TOKEN),
        Canary::new("Kafka password", PASSWORD),
        Canary::new("AWS secret access key", AWS_KEY),
        Canary::new("private key of a record", "cAnArY-key/11+22-33"),
        Canary::new("private key of TLS", pem.lines().nth(1).expect("a line of base64")),
    ];
    for (name, text) in &outputs {
        assert!(text.len() > 50 || *name == "stdout" || *name == "livez", "{name}: {text:?}");
        let leaks = found(&canaries, text);
        assert!(leaks.is_empty(), "{name}: {leaks:#?}");
    }
    // The secrets could have leaked: they were sent, and returned in responses that were quoted.
    let all = collectors.iter().map(|hec| (hec, TOKEN)).chain([(&kept, AWS_TOKEN)]);
    for (hec, token) in all {
        let header = format!("Splunk {token}");
        assert!(hec.requests().iter().any(|seen| seen.header("authorization") == Some(&header)));
    }
    let quoted = log().matches("[redacted]").count();
    assert!(quoted >= 5, "only {quoted} responses were quoted");
}
