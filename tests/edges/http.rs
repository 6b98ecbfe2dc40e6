//! The health endpoints against clients that are slow, many, or never finish.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use super::*;
use crate::telemetry::{Metrics, SourceHealth};

/// Longer than anything takes, unless it never happens.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Served endpoints, and clients that connect to them.
struct Served {
    address: std::net::SocketAddr,
    health: Arc<Health>,
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl Served {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, mut task) = (CancellationToken::new(), JoinSet::new());
        let health = Health::new(Arc::new(Metrics::new()));
        task.spawn(serve(listener, Arc::clone(&health), stop.clone()));
        Self { address, health, stop, task }
    }

    /// Connects and sends `request`, or a part of one.
    async fn client(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("sent");
        stream
    }

    async fn get(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        String::from_utf8(rest(self.client(&request).await).await).expect("text")
    }
}

/// Returns what else a client receives until its connection is closed.
async fn rest(mut client: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(TIMEOUT, client.read_to_end(&mut bytes)).await;
    // Closed with unread bytes: a reset.
    let _ = read.expect("it is closed in time");
    bytes
}

#[tokio::test]
async fn a_connection_is_closed_after_its_response() {
    let served = Served::start().await;
    served.health.source("q\u{202e}", SourceHealth::Up);
    let live = served.get("/livez").await;
    assert!(live.starts_with("HTTP/1.1 200 OK\r\n") && live.ends_with("live\n"), "{live}");
    let ready = served.get("/readyz").await;
    assert!(ready.contains("application/json"), "{ready}");
    assert!(ready.contains(r#""name":"q\u202e""#), "{ready}");
    assert!(served.get("/metrics").await.contains("certrelay_build_info"));
    assert!(served.get("/").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn half_sent_and_idle_connections_end_with_the_service() {
    let mut served = Served::start().await;
    let half = served.client("GET /livez HTTP/1.1\r\nHost: a\r\nX: ").await;
    let idle = served.client("").await;
    served.get("/livez").await;
    served.stop.cancel();
    let ended = tokio::time::timeout(TIMEOUT, served.task.join_next()).await;
    ended.expect("it ends in time").expect("a task").expect("no panic");
    assert_eq!((rest(half).await, rest(idle).await), (Vec::new(), Vec::new()));
}

/// The clock is paused: it advances while everybody waits.
#[tokio::test(start_paused = true)]
async fn a_slow_request_is_cut_off() {
    let served = Served::start().await;
    let begin = tokio::time::Instant::now();
    let half = served.client("GET /livez HTTP/1.1\r\nHost: a\r\nX: ").await;
    assert_eq!(rest(half).await, b"");
    assert_eq!(begin.elapsed().as_secs(), CONNECTION_TIMEOUT.as_secs());
}

#[tokio::test]
async fn slow_clients_do_not_keep_the_health_check_out() {
    let served = Served::start().await;
    let mut slow = Vec::new();
    for _ in 0..300 {
        slow.push(served.client("GET /livez HTTP/1.1\r\nX: ").await);
    }
    assert!(served.get("/livez").await.ends_with("live\n"));
    let open = slow.split_off(300 + 1 - 64);
    for client in slow {
        assert_eq!(rest(client).await, b"", "the oldest are closed");
    }
    for mut client in open {
        client.write_all(b"y\r\n\r\n").await.expect("it is open");
        assert!(rest(client).await.ends_with(b"live\n"), "the newest are served");
    }
}
