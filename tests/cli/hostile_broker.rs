//! Brokers whose responses end the process that reads them with librdkafka: the program runs on,
//! its Kafka sink reports them, and its other sinks deliver.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use super::service::Service;
use super::{one_file, run, stderr};
use crate::support::hec::{HecStandIn, Options};
use crate::support::wait;

/// A response without its length and correlation id, to each request.
type Responses = fn(api: i16) -> Option<&'static [u8]>;

const API_VERSIONS: i16 = 18;
const METADATA: i16 = 3;

/// `ApiVersions` version 3: no error, the versions of `ApiVersions` (0 to 3) and of `Metadata` (9).
const VERSIONS: &[u8] = b"\0\0\x03\0\x03\0\x09\0\x09\0\0\x12\0\0\0\x03\0\0\0\0\0\0";

/// Seen to end librdkafka 2.12.1, by an assertion and by a fault of memory.
const HOSTILE: [(&str, Responses); 3] = [
    ("ApiVersions: a null array", |_| Some(b"\0\0\0")),
    ("Metadata: a null array of brokers", |api| match api {
        API_VERSIONS => Some(VERSIONS),
        METADATA => Some(&[0; 64]),
        _ => None,
    }),
    ("Metadata: a null array of partitions", |api| match api {
        API_VERSIONS => Some(VERSIONS),
        // Tags, throttle time, no broker, cluster "c", controller, topic "t", no partitions.
        METADATA => Some(b"\0\0\0\0\0\x01\x02c\0\0\0\x01\x02\0\0\x02t\0\0\x80\0\0\0\0\x80\0\0\0\0"),
        _ => None,
    }),
];

/// Starts a broker that responds so; returns its address.
fn broker(respond: Responses) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve(stream, respond));
        }
    });
    address
}

/// Responds to requests until the connection closes.
fn serve(mut stream: TcpStream, respond: Responses) -> Option<()> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).ok()?;
        let mut request = vec![0; usize::try_from(u32::from_be_bytes(length)).ok()?];
        stream.read_exact(&mut request).ok()?;
        let body = respond(i16::from_be_bytes([request[0], request[1]]))?;
        let length = u32::try_from(4 + body.len()).ok()?;
        stream.write_all(&[&length.to_be_bytes(), &request[4..8], body].concat()).ok()?;
    }
}

fn configuration(broker: &str, hec: &str) -> String {
    format!(
        r#"
[[source]]
directory = "in"
[[route]]
name = "all"
sinks = ["lake", "soc"]
[sink.lake]
type = "kafka"
brokers = [{broker:?}]
topic = "t"
timeout = "1 s"
[sink.soc]
type = "splunk_hec"
endpoints = [{hec:?}]
token = "stand-in-token"
[delivery]
shutdown_grace_period = "2 s"
"#
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_that_end_librdkafka_end_neither_the_program_nor_its_other_sinks() {
    for (name, respond) in HOSTILE {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("in")).expect("a folder");
        fs::copy(one_file(), folder.path().join("in/log.json.gz")).expect("a copy");
        let hec = HecStandIn::start(Options::default()).await.expect("it starts");
        let address = broker(respond);
        let service = Service::start(folder.path(), &configuration(&address, &hec.url()));
        let line = tokio::task::block_in_place(|| service.await_line("sink paused"));
        assert!(line.contains("kafka_protocol") && line.contains(&address), "{name}: {line}");
        wait::until("an event in Splunk", async || (hec.count() > 0).then_some(())).await;
        service.terminate();
        let status = tokio::task::block_in_place(|| service.ended());
        assert!(status.success(), "{name}: {status}");
    }
}

#[test]
fn check_reports_a_hostile_broker() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certrelay.toml");
    let text = configuration(&broker(HOSTILE[0].1), "http://127.0.0.1:1");
    fs::write(&path, text).expect("written");
    let output = run(&["check", "--connect", "-c", path.to_str().expect("text")]);
    let printed = stderr(&output);
    assert!(printed.contains("[kafka_protocol]") && printed.contains("Assertion"), "{printed}");
    assert_eq!(output.status.code(), Some(1), "{printed}");
}
