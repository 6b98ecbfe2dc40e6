//! What the HTTP clients of sinks share: TLS settings, no redirects, bounded bodies, errors without
//! URLs.

use reqwest::{Certificate, Client, ClientBuilder, Identity, Response, redirect};
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::{Secret, Tls};
use crate::error::{Code, Error};

/// Maximum bytes of a response body that are read; a proxy may send more.
const MAX_BODY: usize = 64 * 1024;

/// Creates a client. Files are read now, so that changes since the start count; secrets in AWS have
/// the value of their last renewal. Errors have this code, and name the setting under `settings`
/// (`sink.soc`).
///
/// # Errors
/// A file or secret cannot be read, or is not PEM.
pub(super) fn client(
    tls: &Tls,
    settings: &str,
    code: Code,
    configure: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<Client, Error> {
    let invalid = |text: String| Error::new(code, format!("{settings}.{text}"));
    let read = |setting: &str, secret: &Secret| -> Result<SecretString, Error> {
        secret.read().map_err(|error| invalid(format!("{setting} {}", error.text)))
    };
    let mut builder = configure(Client::builder())
        .user_agent(concat!("certrelay/", env!("CARGO_PKG_VERSION")))
        // A redirect would send the login to another server, and turn a POST into a GET.
        .redirect(redirect::Policy::none());
    if let Some(ca) = &tls.ca {
        let pem = read("tls.ca_file", ca)?;
        let certificates = Certificate::from_pem_bundle(pem.expose_secret().as_bytes());
        let certificates = certificates.map_err(|error| {
            Error::caused(code, format!("{settings}.tls.ca_file {ca:?}"), error)
        })?;
        builder = builder.tls_certs_only(certificates);
    }
    match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => {
            let (private, chain) = (read("tls.key_file", key)?, read("tls.cert_file", cert)?);
            let pem = format!("{}\n{}\n", private.expose_secret(), chain.expose_secret());
            let not_a_pair = || invalid(format!("tls {cert:?} and {key:?} are not a PEM pair"));
            builder = if tls.pins.is_empty() {
                builder.identity(Identity::from_pem(pem.as_bytes()).map_err(|_| not_a_pair())?)
            } else {
                let pinned = super::tls::pinned(&tls.pins, Some(&pem)).map_err(|_| not_a_pair())?;
                builder.tls_backend_preconfigured(pinned)
            };
        }
        _ if !tls.pins.is_empty() => {
            let pinned = super::tls::pinned(&tls.pins, None);
            let pinned = pinned.map_err(|error| invalid(format!("tls: {error}")))?;
            builder = builder.tls_backend_preconfigured(pinned);
        }
        _ => {}
    }
    builder
        .tls_danger_accept_invalid_certs(tls.insecure)
        .build()
        .map_err(|error| invalid(format!("tls: no HTTP client can be created: {error:?}")))
}

/// Reads the first 64 KiB of a response body; a longer one costs the connection.
///
/// # Errors
/// The connection broke.
pub(super) async fn body_of(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while body.len() < MAX_BODY
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk[..chunk.len().min(MAX_BODY - body.len())]);
    }
    Ok(body)
}
