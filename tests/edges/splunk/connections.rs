//! Connections: their ages, TLS, health checks, bounded bodies; and the token, a canary that must
//! appear in requests only.

use std::io::Write;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use futures_util::future::{Either, select};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::sign::any_supported_type;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{
    ALL_VERSIONS, RootCertStore, ServerConfig, SupportedProtocolVersion, version,
};

use super::http::compress;
use super::*;

const LONG: Duration = Duration::from_secs(3600);
/// Ends before the next request.
const SHORT: Duration = Duration::from_nanos(1);

/// Returns how many connections three requests need.
async fn connections(ages: MaxAges) -> usize {
    let hec = stand_in().await;
    let own = settings(&hec);
    let http = Http::new("soc", &own, ages).unwrap();
    let endpoints = Endpoints::new("soc", &own.endpoints).unwrap();
    let endpoint = &endpoints.all()[0];
    for _ in 0..3 {
        let channel = endpoint.channel.state();
        let body = compress(br#"{"event":"x"}"#.to_vec()).await.unwrap();
        let reply = http.post(&endpoint.event_url, &channel, body, Some(GZIP)).await.unwrap();
        assert_eq!(reply.status, 200);
    }
    assert_eq!(hec.count(), 3);
    hec.connections()
}

#[tokio::test]
async fn connections_are_reused_up_to_their_maximum_age() {
    assert_eq!(connections(MaxAges { idle: LONG, client: LONG }).await, 1);
    assert_eq!(
        connections(MaxAges { idle: LONG, client: SHORT }).await,
        3,
        "names are resolved again"
    );
    assert_eq!(
        connections(MaxAges { idle: SHORT, client: LONG }).await,
        3,
        "idle ones are not reused"
    );
    assert_eq!(connections(MaxAges::DEFAULT).await, 1);
    assert!(
        MaxAges::DEFAULT.idle < Duration::from_secs(60),
        "load balancers close them after 60 s"
    );
    assert!(MaxAges::DEFAULT.client <= Duration::from_secs(120));
}

/// A proxy whose error page quotes the token and never ends; counts the bytes that it could send.
async fn endless(written: Arc<AtomicUsize>) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 64 * 1024];
            let _ = stream.read(&mut request).await.unwrap();
            let head = "HTTP/1.1 502 Bad Gateway\r\ntransfer-encoding: chunked\r\n\r\n";
            let line = "<p>authorization: Splunk stand-in-token</p>\n".repeat(100);
            let chunk = format!("{:x}\r\n{line}\r\n", line.len());
            if stream.write_all(head.as_bytes()).await.is_ok() {
                while stream.write_all(chunk.as_bytes()).await.is_ok() {
                    written.fetch_add(chunk.len(), Ordering::Relaxed);
                }
            }
        }
    });
    (url, tasks)
}

#[tokio::test]
async fn an_endless_error_page_is_truncated_and_quoted_without_the_token() {
    let written = Arc::new(AtomicUsize::new(0));
    let (url, _tasks) = endless(written.clone()).await;
    let hec = stand_in().await;
    let own = SplunkConfig { endpoints: vec![url.parse().unwrap()], ..settings(&hec) };
    let http = Http::new("soc", &own, MaxAges::DEFAULT).unwrap();
    let endpoints = Endpoints::new("soc", &own.endpoints).unwrap();
    let endpoint = &endpoints.all()[0];
    let channel = endpoint.channel.state();
    let body = compress(b"{}".to_vec()).await.unwrap();
    let reply = http.post(&endpoint.event_url, &channel, body, Some(GZIP)).await.unwrap();
    assert_eq!(reply.status, 502);
    assert!(reply.body.len() <= 64 * 1024, "{}", reply.body.len());
    // Socket buffers hold some bytes more than were read; the whole page would never end.
    assert!(written.load(Ordering::Relaxed) < 64 << 20);
    let text = String::from_utf8_lossy(&reply.body);
    assert!(text.starts_with("<p>authorization: Splunk [redacted]</p>"), "{}", &text[..100]);
    assert!(!text.contains("stand-in-token"));

    let running = run(own);
    let deliver = Box::pin(running.sink.deliver(vec![event(0)]));
    let failure = Box::pin(running.failure());
    let Either::Right((error, _)) = select(deliver, failure).await else {
        panic!("delivered to a proxy")
    };
    assert_eq!(error.code, Code::SplunkUnavailable);
    assert!(error.text.len() < 400 && error.text.contains("[redacted]"), "{error}");
    assert!(!error.text.contains("stand-in-token"), "{error}");
    running.finish().await;
}

fn pem(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/tls").join(name)
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(pem(name)).unwrap()
}

/// Serves any certificate, also one that rustls itself would not, with any key.
fn server_with(
    name: &str,
    key: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> TlsAcceptor {
    let key = PrivateKeyDer::from_pem_file(pem(key)).unwrap();
    let key = any_supported_type(&key).unwrap();
    let pair = SingleCertAndKey::from(CertifiedKey::new(vec![certificate(name)], key));
    let config = ServerConfig::builder_with_protocol_versions(versions)
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(pair));
    TlsAcceptor::from(Arc::new(config))
}

fn server(ask_for_client: bool) -> TlsAcceptor {
    let key = PrivateKeyDer::from_pem_file(pem("server.key")).unwrap();
    let mut trusted = RootCertStore::empty();
    trusted.add(certificate("ca.pem")).unwrap();
    let verifier = match ask_for_client {
        true => WebPkiClientVerifier::builder(Arc::new(trusted)).build().unwrap(),
        false => WebPkiClientVerifier::no_client_auth(),
    };
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate("server.pem")], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Starts TLS in front of the stand-in; returns its `https` URL and tasks.
async fn in_front_of(hec: &HecStandIn, acceptor: TlsAcceptor) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let behind = hec.url().replace("http://", "");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            connections.spawn(async move {
                let Ok(mut outer) = acceptor.accept(stream).await else { return };
                let mut inner = TcpStream::connect(behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            });
        }
    });
    (url, tasks)
}

/// Delivers an event, or returns the error that pauses the sink.
async fn deliver_over_tls(ask_for_client: bool, tls: Tls) -> Result<(), Error> {
    deliver_to(server(ask_for_client), tls).await
}

async fn deliver_to(server: TlsAcceptor, tls: Tls) -> Result<(), Error> {
    let hec = stand_in().await;
    let (url, _tasks) = in_front_of(&hec, server).await;
    let running =
        run(SplunkConfig { endpoints: vec![url.parse().unwrap()], tls, ..settings(&hec) });
    let deliver = Box::pin(running.sink.deliver(vec![event(0)]));
    let failure = Box::pin(running.failure());
    match select(deliver, failure).await {
        Either::Left((outcomes, _)) => {
            assert_eq!(outcomes, [Outcome::Delivered]);
            Ok(())
        }
        Either::Right((error, _)) => {
            assert!(matches!(running.sink.state(), SinkState::Paused(_)), "{error}");
            Err(error)
        }
    }
}

fn trusting() -> Tls {
    Tls { ca: Some(Secret::file(pem("ca.pem"))), ..Tls::default() }
}

#[tokio::test]
async fn an_unknown_ca_pauses_the_sink_and_names_the_setting() {
    let error = deliver_over_tls(false, Tls::default()).await.unwrap_err();
    assert_eq!(error.code, Code::SplunkTls, "{error}");
    assert!(error.text.contains("certificate") && error.text.contains("tls.ca_file"), "{error}");
}

#[tokio::test]
async fn a_private_ca_is_trusted_and_insecure_trusts_any() {
    assert_eq!(deliver_over_tls(false, trusting()).await, Ok(()));
    assert_eq!(deliver_over_tls(false, Tls { insecure: true, ..Tls::default() }).await, Ok(()));
}

#[tokio::test]
async fn a_client_certificate_is_sent_on_request() {
    let error = deliver_over_tls(true, trusting()).await.unwrap_err();
    assert_eq!(error.code, Code::SplunkTls, "{error}");
    let file = |name| Some(Secret::file(pem(name)));
    let (cert, key) = (file("client.pem"), file("client.key"));
    assert_eq!(deliver_over_tls(true, Tls { cert, key, ..trusting() }).await, Ok(()));
    // As text, from a variable or from AWS.
    let text = |name| {
        let pem = std::fs::read_to_string(pem(name)).unwrap();
        Some(Secret::Literal(Arc::new(pem.trim_end().into())))
    };
    let tls = Tls {
        ca: text("ca.pem"),
        cert: text("client.pem"),
        key: text("client.key"),
        ..Tls::default()
    };
    assert_eq!(deliver_over_tls(true, tls).await, Ok(()));
}

fn pinned(name: &str) -> Tls {
    Tls { pins: vec![Sha256::digest(certificate(name)).into()], ..Tls::default() }
}

#[tokio::test]
async fn a_certificate_that_rustls_does_not_accept_names_the_remedy_and_can_be_pinned() {
    for (name, cause) in [
        ("no-san.pem", "no subject alternative name"),
        ("v1.pem", "version 1"),
        ("authority.pem", "of authorities"),
    ] {
        let ca = Some(Secret::file(pem(name)));
        let trusting = Tls { ca, ..Tls::default() };
        let server = |versions: &[_]| server_with(name, "server.key", versions);
        let error = deliver_to(server(ALL_VERSIONS), trusting).await.unwrap_err();
        assert_eq!(error.code, Code::SplunkTls, "{name}: {error}");
        assert!(error.text.contains(cause) && error.text.contains("tls.pin_sha256"), "{error}");
        for versions in [&[&version::TLS12], &[&version::TLS13]] {
            assert_eq!(deliver_to(server(versions), pinned(name)).await, Ok(()), "{name}");
        }
    }
}

#[tokio::test]
async fn only_a_pinned_certificate_whose_key_the_server_has_is_accepted() {
    let error = deliver_over_tls(false, pinned("v1.pem")).await.unwrap_err();
    let presented = HEXLOWER.encode(&pinned("server.pem").pins[0]);
    assert_eq!(error.code, Code::SplunkTls, "{error}");
    assert!(error.text.contains(&presented), "{error}");
    let both = [pinned("v1.pem").pins, pinned("server.pem").pins].concat();
    assert_eq!(deliver_over_tls(false, Tls { pins: both, ..Tls::default() }).await, Ok(()));
    for version in [&version::TLS12, &version::TLS13] {
        let stolen = server_with("server.pem", "client.key", &[version]);
        let error = deliver_to(stolen, pinned("server.pem")).await.unwrap_err();
        assert_eq!(error.code, Code::SplunkTls, "{error}");
    }
    let file = |name| Some(Secret::file(pem(name)));
    let login = Tls { cert: file("client.pem"), key: file("client.key"), ..pinned("server.pem") };
    assert_eq!(deliver_over_tls(true, login).await, Ok(()));
}

fn health_checks(hec: &HecStandIn) -> usize {
    hec.requests().iter().filter(|seen| seen.path.ends_with("/health")).count()
}

/// Returns endpoints that have all failed, the first one first.
fn all_failed(hecs: &[&HecStandIn]) -> (Http, Endpoints) {
    let urls = hecs.iter().map(|hec| hec.url().parse().unwrap()).collect();
    let own = SplunkConfig { endpoints: urls, ..settings(hecs[0]) };
    let endpoints = Endpoints::new("soc", &own.endpoints).unwrap();
    for endpoint in endpoints.all() {
        endpoints.record(endpoint, false);
    }
    (Http::new("soc", &own, MaxAges::DEFAULT).unwrap(), endpoints)
}

#[tokio::test]
async fn a_failed_endpoint_must_pass_its_health_check_before_reuse() {
    let (unhealthy, healthy) = (stand_in().await, stand_in().await);
    unhealthy.set_healthy(false);
    let (http, endpoints) = all_failed(&[&unhealthy, &healthy]);
    // The one that failed first is checked first, and is still unhealthy.
    let chosen = endpoints.choose(&http).await;
    assert!(chosen.event_url.as_str().starts_with(&healthy.url()), "{}", chosen.event_url);
    assert_eq!((health_checks(&unhealthy), health_checks(&healthy)), (1, 1));
    endpoints.record(chosen, true);
    for _ in 0..3 {
        let chosen = endpoints.choose(&http).await;
        assert!(chosen.event_url.as_str().starts_with(&healthy.url()), "{}", chosen.event_url);
    }
    assert_eq!(
        (health_checks(&unhealthy), health_checks(&healthy)),
        (1, 1),
        "a healthy endpoint is not checked"
    );
}

#[tokio::test]
async fn health_checks_send_the_token() {
    let (unhealthy, guarded) = (stand_in().await, stand_in().await);
    guarded.change(|options| options.health_needs_token = true);
    guarded.set_healthy(false);
    let (http, endpoints) = all_failed(&[&guarded, &unhealthy]);
    let chosen = endpoints.choose(&http).await;
    // With the token it reports that it is unhealthy.
    assert!(chosen.event_url.as_str().starts_with(&unhealthy.url()), "{}", chosen.event_url);
    guarded.set_healthy(true);
    let (http, endpoints) = all_failed(&[&guarded, &unhealthy]);
    let chosen = endpoints.choose(&http).await;
    assert!(chosen.event_url.as_str().starts_with(&guarded.url()), "{}", chosen.event_url);
    let requests = guarded.requests();
    let last = requests.last().unwrap();
    assert_eq!(last.header("authorization"), Some("Splunk stand-in-token"));
}

#[tokio::test]
async fn an_endpoint_that_denies_the_token_of_a_health_check_is_used() {
    let (guarded, other) = (stand_in().await, stand_in().await);
    guarded.change(|options| {
        options.health_needs_token = true;
        options.tokens = vec![hec::Token::new("another-token")];
    });
    let (http, endpoints) = all_failed(&[&guarded, &other]);
    let chosen = endpoints.choose(&http).await;
    assert!(chosen.event_url.as_str().starts_with(&guarded.url()), "{}", chosen.event_url);
    assert_eq!((health_checks(&guarded), health_checks(&other)), (1, 0));
}

const CANARY: &str = "canary-5f0c2a";

/// The captured log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        Write::write(&mut *self.0.lock(), line)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        let bytes = self.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }
}

#[tokio::test]
async fn the_token_is_in_no_log_error_metric_or_outcome() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let hec =
        HecStandIn::start(Options { tokens: vec![hec::Token::new(CANARY)], ..Options::default() });
    let hec = hec.await.unwrap();
    let echo = |status| Fault {
        status,
        body: format!("<pre>authorization: Splunk {CANARY}\nx: {CANARY}</pre>"),
        ..Fault::default()
    };
    let named = Fault {
        body: format!(r#"{{"code":4,"text":"no such token {CANARY}"}}"#),
        ..Fault::code(403, 4)
    };
    let rejected = Fault {
        body: format!(r#"{{"code":13,"text":"{CANARY}","invalid-event-number":0}}"#),
        ..Fault::code(400, 13)
    };
    hec.script([echo(502), named, echo(303), Fault::cut(false), rejected]);
    let own = SplunkConfig { token: Secret::Literal(Arc::new(CANARY.into())), ..settings(&hec) };
    let running = run(own.clone());
    let mut output = format!("{own:?}");
    let watch = async {
        let mut states = String::new();
        for requests in 1..=5 {
            hec.wait_for_requests(requests).await;
            states.push_str(&format!("{:?}", running.sink.state()));
        }
        states
    };
    let (outcomes, states) = running.deliver_while((0..2).map(event).collect(), watch).await;
    assert!(matches!(&outcomes[0], Outcome::Rejected(error) if error.text.contains("[redacted]")));
    assert_eq!(outcomes[1], Outcome::Delivered);
    output.push_str(&format!("{outcomes:?}{states}{}{}", running.metrics.encode(), log.text()));
    for reason in ["splunk_unavailable", "splunk_token", "splunk_redirect", "splunk_transport"] {
        assert!(output.contains(reason), "{reason} is not in {output}");
    }
    assert!(!output.contains(CANARY), "{output}");
    running.finish().await;
}

/// Returns how many requests deliver one event with each of two tokens; Splunk and the file change
/// to the second one in between.
async fn requests_through_a_rotation(refresh: Duration) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "one").unwrap();
    let options = Options { tokens: vec![hec::Token::new("one")], ..Options::default() };
    let hec = HecStandIn::start(options).await.unwrap();
    let token = Secret::File { path: path.clone(), refresh };
    let running = run(SplunkConfig { token, ..settings(&hec) });
    assert_eq!(running.deliver(vec![event(0)]).await, [Outcome::Delivered]);
    std::fs::write(&path, "two").unwrap();
    hec.change(|options| options.tokens = vec![hec::Token::new("two")]);
    assert_eq!(running.deliver(vec![event(1)]).await, [Outcome::Delivered]);
    running.finish().await;
    posts(&hec)
}

#[tokio::test]
async fn a_token_in_a_file_is_read_again_after_its_refresh_and_when_it_is_denied() {
    assert_eq!(requests_through_a_rotation(Duration::ZERO).await, 2);
    assert_eq!(requests_through_a_rotation(Duration::from_secs(3600)).await, 3);
}
