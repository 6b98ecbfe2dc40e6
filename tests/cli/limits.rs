//! What a service does with its descriptors, its files, its signals and its admin port.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::service::Service;
use super::{run, stderr};
use crate::support::wait;

const HALF_SENT: &[u8] = b"GET /livez HTTP/1.1\r\nHost: a\r\nX: ";

/// A folder `logs`, a file sink, the admin address at any free port.
fn config() -> &'static str {
    "[[source]]\ndirectory = \"logs\"\n[[route]]\nname = \"all\"\nsinks = [\"out\"]\n\
     [sink.out]\ntype = \"file\"\npath = \"out.ndjson\"\n[http]\nlisten = \"127.0.0.1:0\"\n"
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("logs")).expect("a folder");
    folder
}

/// Connects `count` clients that send half a request.
fn slow_clients(address: &str, count: usize) -> Vec<TcpStream> {
    let client = |_| {
        let mut stream = TcpStream::connect(address).expect("a connection");
        // It may be closed already.
        let _ = stream.write_all(HALF_SENT);
        stream
    };
    (0..count).map(client).collect()
}

#[test]
fn slow_clients_neither_fail_the_health_check_nor_keep_the_process_alive() {
    let folder = folder();
    let service = Service::start_limited("ulimit -n 256", folder.path(), config());
    let warned = service.await_line("limit of open files is low");
    assert!(warned.contains(r#""level":"WARN""#) && warned.contains(r#""limit":256"#), "{warned}");
    let address = service.address();
    let clients = slow_clients(&address, 300);
    let healthy = run(&["healthcheck", "--address", &address]);
    assert_eq!(healthy.status.code(), Some(0), "{}", stderr(&healthy));
    service.terminate();
    assert_eq!(service.ended().code(), Some(0));
    drop(clients);
}

#[test]
fn a_shortage_of_descriptors_at_the_admin_port_is_named_and_passes() {
    let folder = folder();
    let service = Service::start_limited("ulimit -n 40", folder.path(), config());
    let address = service.address();
    let clients = slow_clients(&address, 60);
    let line = service.await_line("health connection not accepted");
    assert!(line.contains("out of file descriptors; raise `nofile`"), "{line}");
    drop(clients);
    let healthy = run(&["healthcheck", "--address", &address]);
    assert_eq!(healthy.status.code(), Some(0), "{}", stderr(&healthy));
}

#[test]
fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let folder = folder();
    let service = Service::start_limited("ulimit -Sn 100", folder.path(), config());
    service.address();
    let limits = fs::read_to_string(format!("/proc/{}/limits", service.pid())).expect("limits");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line");
    let mut numbers = line.split_whitespace().skip(3);
    let (soft, hard) = (numbers.next(), numbers.next());
    assert!(soft.is_some() && soft == hard && soft != Some("100"), "{line}");
}

#[test]
fn sighup_ends_a_service_like_sigterm() {
    let folder = folder();
    let service = Service::start(folder.path(), config());
    service.address();
    service.signal("HUP");
    service.await_line("shutdown complete");
    assert_eq!(service.ended().code(), Some(0));
}

#[tokio::test]
async fn files_are_created_for_owner_and_group() {
    let folder = folder();
    let sample = super::one_file();
    fs::copy(&sample, folder.path().join("logs/sound.json.gz")).expect("a file");
    fs::write(folder.path().join("logs/broken.json.gz"), b"\x1f\x8bno gzip").expect("a file");
    // An operator's own mask may be anything.
    let service = Service::start_limited("umask 000", folder.path(), config());
    service.await_line("object rejected");
    let created = |path: &Path| fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
    let out = folder.path().join("out.ndjson");
    let letters = folder.path().join("dead-letters");
    let letter = wait::until("an event and a dead letter", async || {
        fs::metadata(&out).ok().filter(|file| file.len() > 0)?;
        let mut entries = fs::read_dir(&letters).ok()?.flatten().map(|entry| entry.path());
        entries.find(|path| path.extension().is_some_and(|extension| extension == "json"))
    })
    .await;
    assert_eq!([created(&out), created(&letter), created(&letters)], [0o640, 0o640, 0o750]);
    service.terminate();
    assert_eq!(service.ended().code(), Some(0));
}
