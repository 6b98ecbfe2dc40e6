//! An environment whose proxies and endpoints are not on this machine is ignored: what `make demo`
//! and `make test` run is started through `tests/run cleaned`, and its connections are observed.
//!
//! Three observers: a proxy that must see no connection, the kernel's list of each process's
//! sockets, and addresses of 203.0.113.0/24, where no host responds.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::standins::program::example;
use crate::support::wait;

/// The peers of a process group.
#[derive(Debug, Default)]
struct Seen {
    loopback: BTreeSet<IpAddr>,
    remote: BTreeSet<IpAddr>,
}

/// A proxy that only counts connections.
struct Proxy(TcpListener);

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        listener.set_nonblocking(true).expect("it is a socket");
        Self(listener)
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("it is bound"))
    }

    /// Returns the number of connections made since the last call.
    fn connections(&self) -> usize {
        std::iter::from_fn(|| self.0.accept().ok()).count()
    }
}

/// Runs `command` in the poisoned environment and observes its process group until it ends.
async fn observed(mut command: Command, proxy: &Proxy) -> (Output, Seen) {
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SQS"] {
        command.env(name, "http://203.0.113.1");
    }
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"] {
        command.env(name, proxy.url());
    }
    command.env("AWS_PROFILE", "nonsense").env("AWS_REGION", "nowhere-1");
    command.env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE").env("AWS_CA_BUNDLE", "/nonexistent");
    command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://203.0.113.1");
    command.env_remove("NO_PROXY").env_remove("no_proxy");
    command.process_group(0).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    // Into files: a pipe that is not read meanwhile would fill.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [out, err] = ["out", "err"].map(|name| folder.path().join(name));
    let create = |path: &Path| std::fs::File::create(path).expect("the folder is ours");
    command.stdout(create(&out)).stderr(create(&err));
    let mut child = command.spawn().expect("it runs");
    let mut seen = Seen::default();
    let status = wait::until("the end of the poisoned program", async || {
        for peer in peers_of_group(child.id()) {
            let set = if is_local(peer) { &mut seen.loopback } else { &mut seen.remote };
            set.insert(peer);
        }
        child.try_wait().expect("it is our child")
    })
    .await;
    let read = |path: &Path| std::fs::read(path).expect("it was written");
    (Output { status, stdout: read(&out), stderr: read(&err) }, seen)
}

fn is_local(peer: IpAddr) -> bool {
    peer.to_canonical().is_loopback()
}

/// Addresses that any process of the group has a socket to, by the kernel's own lists.
fn peers_of_group(group: u32) -> BTreeSet<IpAddr> {
    let mut peers = BTreeSet::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let process = entry.path();
        if group_of(&process) != Some(group) {
            continue;
        }
        let sockets = sockets_of(&process);
        for list in ["tcp", "tcp6", "udp", "udp6"] {
            let text = std::fs::read_to_string(process.join("net").join(list)).unwrap_or_default();
            let ours = text.lines().skip(1).filter_map(peer_and_inode);
            peers.extend(ours.filter(|(_, inode)| sockets.contains(inode)).map(|(peer, _)| peer));
        }
    }
    peers
}

/// The process group, after the name in parentheses: state, parent, group.
fn group_of(process: &Path) -> Option<u32> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(2)?.parse().ok()
}

fn sockets_of(process: &Path) -> BTreeSet<u64> {
    let links = std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let target = |entry: std::fs::DirEntry| std::fs::read_link(entry.path()).ok();
    let inode = |target: std::path::PathBuf| {
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    links.filter_map(target).filter_map(inode).collect()
}

/// The remote address and the inode of a line of `/proc/net/tcp` and its like; none while
/// unconnected.
fn peer_and_inode(line: &str) -> Option<(IpAddr, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, port) = fields.get(2)?.split_once(':')?;
    let peer = address_of(address)?;
    (port != "0000").then_some((peer, fields.get(9)?.parse().ok()?))
}

/// The kernel prints addresses as words of 32 bits in the machine's own order.
fn address_of(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes)
    };
    if hex.len() == 8 {
        return Some(IpAddr::V4(Ipv4Addr::from(word(0)?)));
    }
    let words = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
    Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(words).ok()?)))
}

/// Returns `program` started through the script that `make demo` and `make test` use.
fn cleaned(program: &Path) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run"));
    command.arg("cleaned").arg(program);
    command
}

#[tokio::test]
async fn the_demo_passes_in_a_poisoned_environment_and_stays_on_loopback() {
    let Some(demo) = example("demo") else { return };
    let proxy = Proxy::start();
    let (output, seen) = observed(cleaned(&demo), &proxy).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("Every event arrived, and no other."), "{text}");
    assert!(!seen.loopback.is_empty(), "the observer sees connections: {seen:?}");
    assert_eq!(seen.remote, BTreeSet::new());
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn scan_ignores_the_environment_cleaned_or_not() {
    let proxy = Proxy::start();
    let program = Path::new(env!("CARGO_BIN_EXE_certrelay"));
    for mut command in [cleaned(program), Command::new(program)] {
        command.args(["scan", "--format", "raw", "examples/cloudtrail"]);
        let (output, seen) = observed(command, &proxy).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{errors}");
        assert!(output.stdout.iter().filter(|byte| **byte == b'\n').count() > 10, "{errors}");
        assert_eq!(seen.remote.len() + seen.loopback.len(), 0, "{seen:?}");
        assert_eq!(proxy.connections(), 0);
    }
}

#[test]
fn the_kernels_lists_are_parsed_correctly() {
    let (native, host) = ("0100007F:1F90", "   0: 0200007F:0016");
    let line = format!("{host} {native} 01 00000000:00000000 00:00000000 00000000 0 0 4711 1");
    if cfg!(target_endian = "little") {
        assert_eq!(peer_and_inode(&line), Some((IpAddr::V4(Ipv4Addr::LOCALHOST), 4711)));
    }
    assert_eq!(peer_and_inode(&line.replace(native, "00000000:0000")), None, "it only listens");
    let six = "00000000000000000000000001000000";
    if cfg!(target_endian = "little") {
        assert_eq!(address_of(six), Some(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    }
    let server = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let _client = std::net::TcpStream::connect(server.local_addr().expect("bound")).expect("up");
    let own = Path::new("/proc/self");
    let peers = peers_of_group(group_of(own).expect("we have a group"));
    assert!(peers.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)), "{peers:?}");
}
