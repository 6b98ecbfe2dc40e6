//! The program as an operator meets it: exit codes, what goes to stdout and what to stderr, signals.

mod check;
mod context;
mod ending;
mod explain;
mod folders;
mod places;
mod replay;
mod service;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::hec::{HecStandIn, Options};
use service::{Service, within_patience};

const SAMPLES: &str = "examples/cloudtrail";

/// The program, in the project's folder, with nothing of AWS and no proxy in reach.
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
fn check_asks_librdkafka_about_its_options_and_shows_no_value() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certrelay.toml");
    for (options, named) in [
        (r#""linger.ms" = "cAnArY""#, "option linger.ms"),
        (r#""no.such.option" = "cAnArY""#, "no.such.option"),
        (r#""max.in.flight" = 100"#, "max.in.flight"),
    ] {
        let text = format!(
            "[[source]]\ndirectory = \"logs\"\n[[route]]\nname = \"all\"\nsinks = [\"lake\"]\n[sink.lake]\n\
             type = \"kafka\"\nbrokers = [\"broker.example.com:9094\"]\ntopic = \"all\"\n\
             auth = {{ mechanism = \"PLAIN\", username = \"relay\", password = {{ env = \"NOT_SET_HERE\" }} }}\n\
             tls = {{ ca_file = \"/not/there.pem\" }}\noptions = {{ {options} }}\n"
        );
        fs::write(&path, &text).expect("written");
        let output = run(&["check", "-c", path.to_str().expect("a path")]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains(named) && !said.contains("cAnArY"), "{said}");
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
        let says = if code == 64 { &output.stderr } else { &output.stdout };
        let is_help = arguments.first().is_some_and(|first| first.starts_with("--"));
        assert_eq!(!says.is_empty(), code == 64 || is_help, "{arguments:?}");
        assert!(code == 0 || output.stdout.is_empty(), "{arguments:?}: data of a failure");
    }
}

#[test]
fn a_scan_prints_one_json_object_an_event_and_nothing_else() {
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
        let summary = format!("records=300 events={lines} bad=0 damaged=0");
        assert!(lines >= 24 && stderr(&output).contains(&summary), "{}", stderr(&output));
    }
}

#[test]
fn all_events_are_printed_if_asked_for() {
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
fn a_damaged_file_is_named_the_others_are_read_and_the_exit_code_is_1() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = fs::read(one_file()).expect("a sample");
    fs::write(folder.path().join("a.json.gz"), &bytes[..bytes.len() / 2]).expect("a file");
    fs::write(folder.path().join("b.json.gz"), &bytes).expect("a file");
    let output = run(&["scan", folder.path().to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("a.json.gz: corrupt gzip") && said.contains("damaged=1"), "{said}");
    assert!(said.contains("objects=1") && !output.stdout.is_empty(), "{said}");
}

#[test]
fn a_reader_that_has_enough_ends_a_scan_without_a_complaint() {
    let mut command = certrelay();
    command.args(["scan", SAMPLES, "--all-events"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("certrelay runs");
    let mut reader = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    drop(reader);
    let mut said = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "{said}");
    assert!(line.starts_with('{') && !said.contains("stdout"), "{said}");
}

#[test]
fn the_catalogue_lists_all_twelve_for_people_and_for_tools() {
    let table = stdout(&run(&["events"]));
    assert_eq!(table.lines().count(), 13, "{table}");
    let tools = stdout(&run(&["events", "--json"]));
    let names: Vec<String> = tools
        .lines()
        .map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert!(event["means"].is_string() && event["remedies"].is_array(), "{line}");
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
fn mistakes_of_a_configuration_go_to_stderr_with_their_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certrelay.toml");
    fs::write(&path, "[delivery]\nwork = 0\ndrian = 1\n").expect("a file");
    for command in ["check", "run"] {
        let output = run(&[command, "-c", path.to_str().expect("text")]);
        assert_eq!(output.status.code(), Some(64));
        assert!(output.stdout.is_empty());
        let said = stderr(&output);
        assert!(said.contains("certrelay.toml:2:8: mistake:"), "{said}");
        assert!(said.contains("certrelay.toml:3:1: mistake: unknown key `drian`"), "{said}");
    }
}

#[test]
fn what_is_no_address_and_no_place_of_a_configuration_is_told_what_to_write() {
    let said = stderr(&run(&["healthcheck", "--address", "localhost:9600"]));
    assert!(said.contains("write an IP address and a port, such as 127.0.0.1:9600"), "{said}");
    let said = stderr(&run(&["check", "-c", "https://example.com/certrelay.toml"]));
    assert!(said.contains("a configuration is a file, `env:NAME`, `s3://bucket/key`"), "{said}");
}

/// A folder of samples, a collector, probes at any free port.
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
fn a_service_answers_its_health_check_and_ends_at_sigterm() {
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

/// The table of accounts does not come; the sink, which is made before it, and its client are let go of.
#[test]
fn a_sigterm_while_the_parts_are_made_ends_the_start_cleanly() {
    let folder = tempfile::tempdir().expect("a folder");
    let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
    let config = format!(
        "[[source]]\ndirectory = \"logs\"\n[[route]]\nname = \"all\"\nsinks = [\"lake\"]\n[sink.lake]\n\
         type = \"kafka\"\nbrokers = [\"127.0.0.1:1\"]\ntopic = \"all\"\n\
         [accounts]\ns3 = \"s3://tables/accounts.csv\"\n[aws]\ns3_endpoint = \"http://{}\"\n",
        mute.local_addr().expect("an address")
    );
    let service = Service::start(folder.path(), &config);
    let _asked = within_patience(move || (mute.accept().expect("it asks for the table"), mute));
    service.terminate();
    service.await_line("stopped before it began");
    assert_eq!(service.ended().code(), Some(0));
}

#[test]
fn a_second_sigterm_ends_a_service_that_waits_for_a_sink_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", mute.local_addr().expect("an address"));
    let config = to_splunk(&url, "token") + "[delivery]\ndrain = \"1 h\"\n";
    let service = Service::start(folder.path(), &config);
    let _asked = within_patience(move || (mute.accept().expect("the sink sends something"), mute));
    service.terminate();
    service.await_line("stopping");
    service.terminate();
    service.await_line("second signal");
    assert_eq!(service.ended().code(), Some(1), "not all was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_connect_tells_a_collector_that_takes_us_from_one_that_does_not() {
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
    let (code, said) = check(&hec.url(), "stand-in-token");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("sink soc: answers") && hec.indexed().is_empty(), "{said}");

    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("one");
    for url in [hec.url(), format!("http://{closed}")] {
        let (code, said) = check(&url, CANARY);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("sink soc: ") && !said.contains("sink soc: answers"), "{said}");
        assert!(said.contains("is written out here") && !said.contains("cAnA"), "{said}");
    }
}
