//! TLS towards a collector: whom it trusts, and who it says it is.

use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::*;
use crate::error::Code;

fn pem(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/tls").join(name)
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(pem(name)).unwrap()
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

/// TLS in front of the stand-in: `https` URL, and the tasks that serve it.
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

/// What becomes of an event: delivered, or the trouble.
async fn try_with(ask_for_client: bool, tls: Tls) -> Result<(), Error> {
    let hec = stand_in().await;
    let (url, _tasks) = in_front_of(&hec, server(ask_for_client)).await;
    let running =
        run(SplunkConfig { endpoints: vec![url.parse().unwrap()], tls, ..settings(&hec) });
    let deliver = Box::pin(running.built.deliver(vec![event(0)]));
    let trouble = Box::pin(running.trouble());
    match futures_util::future::select(deliver, trouble).await {
        futures_util::future::Either::Left((outcomes, _)) => {
            assert_eq!(outcomes, [Outcome::Delivered]);
            Ok(())
        }
        futures_util::future::Either::Right((error, _)) => {
            assert!(matches!(running.built.state(), SinkState::Paused(_)), "{error}");
            Err(error)
        }
    }
}

fn trusting() -> Tls {
    Tls { ca: Some(Secret::file(pem("ca.pem"))), ..Tls::default() }
}

#[tokio::test]
async fn an_unknown_authority_pauses_the_sink_and_names_the_setting() {
    let error = try_with(false, Tls::default()).await.unwrap_err();
    assert_eq!(error.code, Code::SplunkTls, "{error}");
    assert!(error.text.contains("certificate") && error.text.contains("tls.ca_file"), "{error}");
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_and_so_is_anyone_if_told_to() {
    assert_eq!(try_with(false, trusting()).await, Ok(()));
    assert_eq!(try_with(false, Tls { insecure: true, ..Tls::default() }).await, Ok(()));
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_it_is_asked_for() {
    let error = try_with(true, trusting()).await.unwrap_err();
    assert_eq!(error.code, Code::SplunkTls, "{error}");
    let file = |name| Some(Secret::file(pem(name)));
    let (cert, key) = (file("client.pem"), file("client.key"));
    assert_eq!(try_with(true, Tls { cert, key, ..trusting() }).await, Ok(()));
    // As it comes from a variable or from AWS.
    let text = |name| {
        let pem = std::fs::read_to_string(pem(name)).unwrap();
        Some(Secret::Literal(Arc::new(pem.trim_end().into())))
    };
    let tls = Tls {
        ca: text("ca.pem"),
        cert: text("client.pem"),
        key: text("client.key"),
        insecure: false,
    };
    assert_eq!(try_with(true, tls).await, Ok(()));
}
