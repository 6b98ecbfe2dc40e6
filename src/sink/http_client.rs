//! What the sinks' HTTP clients do alike: whom they trust, how much of an answer they read, and what they say of a fault.
//! Towards whom and with which secret is each one's own affair.

use reqwest::{Certificate, ClientBuilder, Identity, Response};
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::{Secret, Tls};
use crate::error::causes;

/// Most bytes of an answer that are read; a proxy may have more to say.
const MOST_BODY: usize = 64 * 1024;

/// A setting of `tls` that cannot be used.
pub(super) struct TlsFault {
    /// `tls.ca_file`
    pub(super) setting: &'static str,
    /// What is wrong with it.
    pub(super) text: String,
}

/// Whom to trust, and who we say we are. Files are read now: what an operator put there since counts. What AWS keeps is
/// as it was when it was renewed last.
///
/// # Errors
/// A file or secret cannot be read, or is no PEM.
pub(super) fn with_tls(mut builder: ClientBuilder, tls: &Tls) -> Result<ClientBuilder, TlsFault> {
    if let Some(ca) = &tls.ca {
        let pem = read("tls.ca_file", ca)?;
        let certificates = Certificate::from_pem_bundle(pem.expose_secret().as_bytes())
            .map_err(|fault| no("tls.ca_file", format!("{ca:?}: {fault}")))?;
        builder = builder.tls_certs_only(certificates);
    }
    if let (Some(cert), Some(key)) = (&tls.cert, &tls.key) {
        let (private, chain) = (read("tls.key_file", key)?, read("tls.cert_file", cert)?);
        let pem = format!("{}\n{}\n", private.expose_secret(), chain.expose_secret());
        let identity = Identity::from_pem(pem.as_bytes())
            .map_err(|_| no("tls", format!("{cert:?} and {key:?} are no PEM pair")))?;
        builder = builder.identity(identity);
    }
    Ok(builder.tls_danger_accept_invalid_certs(tls.insecure))
}

fn read(setting: &'static str, secret: &Secret) -> Result<SecretString, TlsFault> {
    secret.read().map_err(|fault| no(setting, fault.text))
}

fn no(setting: &'static str, text: String) -> TlsFault {
    TlsFault { setting, text }
}

/// The first 64 KiB of an answer's body; the connection of a longer one is given up.
///
/// # Errors
/// It broke off.
pub(super) async fn body_of(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while body.len() < MOST_BODY
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk[..chunk.len().min(MOST_BODY - body.len())]);
    }
    Ok(body)
}

/// What failed, with every cause that the client knows, and no URL: it may carry credentials.
pub(super) fn causes_of(fault: reqwest::Error) -> String {
    causes(&fault.without_url())
}

/// Whether certificates are what failed, in rustls's own words: "invalid peer certificate: …", "received fatal
/// alert: CertificateRequired".
pub(super) fn is_of_tls(causes: &str) -> bool {
    causes.to_lowercase().contains("certificate")
}
