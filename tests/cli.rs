//! The program's interface: exit codes, stdout and stderr, signals.

mod check;
mod config_location;
pub(crate) mod containers;
mod enrichment;
mod exit;
mod explain;
mod filters;
mod folders;
mod hostile_broker;
mod limits;
mod replay;
mod service;
mod streams;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sha2::Digest as _;

use crate::support::hec::{HecStandIn, Options};
use service::{Service, within_timeout};

const SAMPLES: &str = "examples/cloudtrail";

/// The program, in the project's folder, without AWS credentials and proxy.
fn certrelay() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_certrelay"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_clear();
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("NO_PROXY", "127.0.0.1");
    command
}

fn run(arguments: &[&str]) -> Output {
    certrelay().args(arguments).stdin(Stdio::null()).output().expect("certrelay runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[test]
fn check_validates_librdkafka_options_and_prints_no_value_that_may_be_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certrelay.toml");
    for (options, named) in [
        (r#""linger.ms" = "soon""#, "option linger.ms"),
        (r#""linger.ms" = "soon""#, r#"{ "linger.ms" = "soon" }"#),
        (r#""no.such.option" = "cAnArY""#, "no.such.option"),
        (r#""max.in.flight" = 100"#, "max.in.flight"),
        (r#""lingr.ms" = "cAnArY""#, "did you mean `linger.ms`?"),
        (r#"linger_ms = 50"#, "did you mean `linger.ms`?"),
        (r#"bootstrap.server = "cAnArY""#, "did you mean `bootstrap.servers`?"),
        (r#"max.request.size = 1000000"#, "not of librdkafka: write `message.max.bytes`"),
        (r#""key.serializer" = "cAnArY""#, "not of librdkafka: certrelay writes the keys"),
    ] {
        let text = format!(
            "[[source]]\ndirectory = \"logs\"\n[[route]]\nname = \"all\"\nsinks = [\"lake\"]\n[sink.lake]\n\
             type = \"kafka\"\nbrokers = [\"broker.example.com:9094\"]\ntopic = \"all\"\n\
             auth = {{ mechanism = \"PLAIN\", username = \"relay\", password = {{ env = \"NOT_SET_HERE\" }} }}\n\
             tls = {{ ca_file = \"/not/there.pem\" }}\noptions = {{ {options} }}\n"
        );
        fs::write(&path, &text).expect("written");
        let output = run(&["check", "-c", path.to_str().expect("a path")]);
        let printed = stderr(&output);
        assert_eq!(output.status.code(), Some(64), "{printed}");
        assert!(printed.contains(named) && !printed.contains("cAnArY"), "{printed}");
        fs::write(&path, text.replace(options, "")).expect("written");
        let output = run(&["check", "-c", path.to_str().expect("a path")]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

/// One of the sample files.
fn one_file() -> PathBuf {
    let day = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/15";
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(SAMPLES).join(day);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the samples")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files.swap_remove(0)
}

#[test]
fn exit_codes_are_0_1_and_64_and_usage_goes_to_stderr() {
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["check", "-c", "config/local.toml"], 0),
        (&["check", "-c", "config/local.toml", "--connect"], 0),
        (&["scan", "no/such/file"], 1),
        (&["scan", SAMPLES, "--hash", "--all-events"], 64),
        (&["explain", "no/such/file"], 1),
        (&["healthcheck", "--address", "127.0.0.1:1"], 1),
        (&[], 64),
        (&["frobnicate"], 64),
        (&["run"], 64),
        (&["scan"], 64),
        (&["scan", SAMPLES, "--format", "xml"], 64),
        (&["check", "-c", "no/such.toml"], 64),
        (&["check", "-c", "https://example.com/certrelay.toml"], 64),
        (&["healthcheck", "--address", "localhost:9600"], 64),
        (&["run", "-c", "no/such.toml"], 64),
        (&["explain", SAMPLES, "-c", "no/such.toml"], 64),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        let printed = if code == 64 { &output.stderr } else { &output.stdout };
        let is_help = arguments.first().is_some_and(|first| first.starts_with("--"));
        assert_eq!(!printed.is_empty(), code == 64 || is_help, "{arguments:?}");
        assert!(
            code == 0 || output.stdout.is_empty(),
            "{arguments:?}: data on stdout despite a failure"
        );
    }
}

#[test]
fn a_scan_prints_one_json_object_per_event_and_nothing_else() {
    for format in ["ocsf", "ecs", "cim", "raw"] {
        let output = run(&["scan", SAMPLES, "--format", format]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let lines = stdout(&output)
            .lines()
            .map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).expect("one JSON object");
                assert!(value.is_object(), "{line}");
            })
            .count();
        let summary = format!("records=300 events={lines} invalid=0 failed=0");
        assert!(lines >= 24 && stderr(&output).contains(&summary), "{}", stderr(&output));
    }
}

#[test]
fn raw_output_has_one_line_for_each_event_however_its_record_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pretty.json");
    let record = serde_json::json!({
        "eventVersion": "1.11", "eventSource": "iam.amazonaws.com", "eventID": "e-1",
        "eventName": "ListSigningCertificates", "requestParameters": { "userName": "a\nb" },
    });
    let document = serde_json::json!({ "Records": [record, record] });
    let pretty = serde_json::to_string_pretty(&document).expect("JSON").replace('\n', "\r\n");
    fs::write(&path, pretty).expect("a file");
    let output = run(&["scan", "--format", "raw", path.to_str().expect("text")]);
    let lines = stdout(&output);
    let parse = |line| serde_json::from_str::<serde_json::Value>(line).expect("JSON");
    assert_eq!(lines.lines().map(parse).collect::<Vec<_>>(), [record.clone(), record], "{lines}");
}

#[test]
fn all_events_are_printed_on_request() {
    let output = run(&["scan", SAMPLES, "--all-events", "--format", "cim"]);
    assert_eq!(stdout(&output).lines().count(), 300);
    assert!(stderr(&output).contains("records=300 events=300"), "{}", stderr(&output));
}

#[test]
fn a_scan_reads_stdin() {
    let mut command = certrelay();
    command.args(["scan", "-", "--format", "raw"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("certrelay runs");
    let bytes = fs::read(one_file()).expect("a sample");
    child.stdin.take().expect("piped").write_all(&bytes).expect("it reads");
    let piped = child.wait_with_output().expect("it ends");
    let named = run(&["scan", one_file().to_str().expect("text"), "--format", "raw"]);
    assert!(piped.status.success() && !piped.stdout.is_empty(), "{}", stderr(&piped));
    assert_eq!(piped.stdout, named.stdout);
}

#[test]
fn a_corrupt_file_is_named_the_others_are_read_and_the_exit_code_is_1() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = fs::read(one_file()).expect("a sample");
    fs::write(folder.path().join("a.json.gz"), &bytes[..bytes.len() / 2]).expect("a file");
    fs::write(folder.path().join("b.json.gz"), &bytes).expect("a file");
    let output = run(&["scan", folder.path().to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    let printed = stderr(&output);
    assert!(
        printed.contains("a.json.gz: corrupt gzip") && printed.contains("failed=1"),
        "{printed}"
    );
    assert!(printed.contains("objects=1") && !output.stdout.is_empty(), "{printed}");
}

#[test]
fn file_names_are_printed_without_control_characters() {
    const EVIL: &str = "\u{1b}[2J\u{202e}a\u{200b}\nb.json";
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(EVIL);
    let path = path.to_str().expect("text");
    fs::write(path, "{\"Records\":[]}").expect("a file");
    let hash = stdout(&run(&["scan", path, "--hash"]));
    fs::write(path, "{\"Records\":[").expect("a file");
    let texts = ["scan", "explain"].map(|command| stderr(&run(&[command, path])));
    let checked = stderr(&run(&["check", "-c", path]));
    for text in texts.iter().chain([&hash, &checked]) {
        assert!(text.contains(r"\u{1b}[2J\u{202e}a\u{200b}"), "{text:?}");
        for line in text.lines() {
            assert_eq!(certrelay::escape::escape(line), line);
        }
    }
}

#[test]
fn a_scan_whose_reader_closes_the_pipe_ends_without_an_error() {
    let mut command = certrelay();
    command.args(["scan", SAMPLES, "--all-events"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("certrelay runs");
    let mut reader = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    drop(reader);
    let mut printed = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut printed).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "{printed}");
    assert!(line.starts_with('{') && !printed.contains("stdout"), "{printed}");
}

#[test]
fn the_catalogue_lists_all_twelve_events_as_a_table_and_as_json() {
    let table = stdout(&run(&["events"]));
    assert_eq!(table.lines().count(), 13, "{table}");
    let json = stdout(&run(&["events", "--json"]));
    let names: Vec<String> = json
        .lines()
        .map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert!(event["means"].is_string() && event["remediations"].is_array(), "{line}");
            event["name"].as_str().expect("a name").to_owned()
        })
        .collect();
    let known = certrelay::config::GROUPS.iter().flat_map(|(_, _, names)| names.iter());
    assert_eq!(known.clone().count(), names.len());
    for name in known {
        assert!(names.iter().any(|listed| listed == name), "{name} is not in {names:?}");
        assert!(table.lines().any(|row| row.starts_with(&format!("{name} "))), "{name}: {table}");
    }
}

#[test]
fn errors_of_a_configuration_go_to_stderr_with_their_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certrelay.toml");
    fs::write(&path, "[delivery]\nmax_concurrent_messages = 0\ndedup_windw = 1\n").expect("a file");
    for command in ["check", "run"] {
        let output = run(&[command, "-c", path.to_str().expect("text")]);
        assert_eq!(output.status.code(), Some(64));
        assert!(output.stdout.is_empty());
        let printed = stderr(&output);
        assert!(printed.contains("certrelay.toml:2:27: error:"), "{printed}");
        assert!(
            printed.contains("certrelay.toml:3:1: error: unknown key `dedup_windw`"),
            "{printed}"
        );
    }
}

#[test]
fn an_invalid_address_or_configuration_location_is_an_error_with_advice() {
    let printed = stderr(&run(&["healthcheck", "--address", "localhost:9600"]));
    assert!(
        printed.contains("write an IP address and a port, such as 127.0.0.1:9600"),
        "{printed}"
    );
    let printed = stderr(&run(&["check", "-c", "https://example.com/certrelay.toml"]));
    assert!(
        printed.contains("a configuration is a file, `env:NAME` or `s3://bucket/key`"),
        "{printed}"
    );
}

/// A folder of samples, a Splunk sink, the admin address at any free port.
fn to_splunk(url: &str, token: &str) -> String {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join(SAMPLES);
    format!(
        r#"
[[source]]
directory = "{}"
[[route]]
name = "default"
sinks = ["soc"]
[sink.soc]
type = "splunk_hec"
endpoints = ["{url}"]
token = "{token}"
[http]
listen = "127.0.0.1:0"
"#,
        samples.display()
    )
}

#[test]
fn a_service_passes_its_health_check_and_exits_at_sigterm() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = fs::read_to_string("config/local.toml").expect("the shipped file");
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join(SAMPLES);
    let config = config
        .replace("../examples/cloudtrail", samples.to_str().expect("text"))
        .replace("../target/dead-letters", "dead-letters")
        .replace("format = \"text\"", "format = \"json\"");
    let service = Service::start(folder.path(), &(config + "[http]\nlisten = \"127.0.0.1:0\"\n"));
    let address = service.address();
    let healthy = run(&["healthcheck", "--address", &address]);
    assert_eq!(healthy.status.code(), Some(0), "{}", stderr(&healthy));
    service.terminate();
    assert_eq!(service.ended().code(), Some(0));
    assert_eq!(run(&["healthcheck", "--address", &address]).status.code(), Some(1));
}

#[test]
fn the_log_tells_what_was_loaded_started_read_and_delivered() {
    let folder = tempfile::tempdir().expect("a folder");
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join(SAMPLES);
    let config = format!(
        "[[source]]\ndirectory = {samples:?}\n[dead_letter]\ndirectory = \"dead-letters\"\n[[route]]\nname = \"all\"\nsinks = [\"soc\"]\n[sink.soc]\n\
         type = \"file\"\npath = \"out.ndjson\"\n[log]\nlevel = \"certrelay=debug\"\n"
    );
    let service = Service::start(folder.path(), &config);
    let line = |text| -> serde_json::Value {
        serde_json::from_str(&service.await_line(text)).expect("a JSON log line")
    };
    let loaded = line("configuration loaded");
    let sha256 = sha2::Sha256::digest(&config);
    assert_eq!(loaded["sha256"], data_encoding::HEXLOWER.encode(&sha256));
    assert!(loaded["location"].as_str().expect("text").ends_with("certrelay.toml"), "{loaded}");
    assert_eq!(line("processing started")["sinks"], "soc");
    let read = line("object read");
    assert!(read["records"].as_u64() >= read["selected"].as_u64(), "{read}");
    let delivered = line("event delivered");
    assert_eq!((&delivered["sink"], delivered["event_id"].is_string()), (&"soc".into(), true));
}

/// S3 does not respond with the accounts file; the sink, created before it, and its client are
/// dropped.
#[test]
fn a_sigterm_during_start_up_exits_cleanly() {
    let folder = tempfile::tempdir().expect("a folder");
    let unresponsive = TcpListener::bind("127.0.0.1:0").expect("a port");
    let config = format!(
        "[[source]]\ndirectory = \"logs\"\n[[route]]\nname = \"all\"\nsinks = [\"lake\"]\n[sink.lake]\n\
         type = \"kafka\"\nbrokers = [\"127.0.0.1:1\"]\ntopic = \"all\"\n\
         [accounts]\ns3 = \"s3://tables/accounts.csv\"\n[aws]\ns3_endpoint = \"http://{}\"\n",
        unresponsive.local_addr().expect("an address")
    );
    let service = Service::start(folder.path(), &config);
    let _request = within_timeout(move || {
        (unresponsive.accept().expect("a request for the file"), unresponsive)
    });
    service.terminate();
    service.await_line("shutdown requested during start-up");
    assert_eq!(service.ended().code(), Some(0));
}

#[test]
fn a_second_sigterm_exits_immediately_while_a_sink_is_unresponsive() {
    let folder = tempfile::tempdir().expect("a folder");
    let unresponsive = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", unresponsive.local_addr().expect("an address"));
    let config = to_splunk(&url, "token") + "[delivery]\nshutdown_grace_period = \"1 h\"\n";
    let service = Service::start(folder.path(), &config);
    let _request = within_timeout(move || {
        (unresponsive.accept().expect("a request of the sink"), unresponsive)
    });
    service.terminate();
    service.await_line("shutdown started");
    service.terminate();
    service.await_line("second signal received, exiting immediately");
    assert_eq!(service.ended().code(), Some(1), "work was unfinished");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_connect_tells_whether_a_splunk_sink_accepts_events() {
    const CANARY: &str = "cAnArY-cAnArY";
    let hec = HecStandIn::start(Options::default()).await.expect("the stand-in");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certrelay.toml");
    let check = |url: &str, token: &str| {
        fs::write(&path, to_splunk(url, token)).expect("the configuration");
        let output = run(&["check", "--connect", "-c", path.to_str().expect("text")]);
        assert!(output.stdout.is_empty(), "stdout is for data");
        (output.status.code(), stderr(&output))
    };
    let (code, printed) = check(&hec.url(), "stand-in-token");
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("sink soc: ok") && hec.indexed().is_empty(), "{printed}");

    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("one");
    for url in [hec.url(), format!("http://{closed}")] {
        let (code, printed) = check(&url, CANARY);
        assert_eq!(code, Some(1), "{printed}");
        assert!(printed.contains("sink soc: ") && !printed.contains("sink soc: ok"), "{printed}");
        assert!(printed.contains("is written out here") && !printed.contains("cAnA"), "{printed}");
    }
}
