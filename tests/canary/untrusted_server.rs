//! A TLS server whose certificate no client trusts.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::tier;

/// A running server; it stops when it is dropped.
pub(crate) struct UntrustedServer {
    pub(crate) address: String,
    _server: JoinSet<()>,
}

impl UntrustedServer {
    pub(crate) async fn start() -> Self {
        let pem = |name: &str| -> PathBuf { tier::project().join("tests/support/tls").join(name) };
        let key = PrivateKeyDer::from_pem_file(pem("server.key")).expect("a test key");
        let certificate = CertificateDer::from_pem_file(pem("server.pem")).expect("a certificate");
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("they belong together");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let mut server = JoinSet::new();
        server.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // The client closes the connection.
                let _ = acceptor.accept(stream).await;
            }
        });
        Self { address, _server: server }
    }
}
