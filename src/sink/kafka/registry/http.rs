//! The HTTP client towards a schema registry. A client is made for each question: there are few, and names, files
//! and secrets are then as they are now.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Certificate, Client, Identity, Response, redirect};
use secrecy::ExposeSecret as _;

use crate::config::{RegistryConfig, Secret, Tls};
use crate::outcome::Why;

/// Time for a question, connection included. Events wait meanwhile.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of an answer that are read.
const MOST_BODY: usize = 64 * 1024;
/// What registries speak.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// Asks a registry.
pub(super) struct Http {
    sink: String,
    own: RegistryConfig,
}

/// An answer, whatever its status.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Http {
    pub(super) fn new(sink: &str, own: &RegistryConfig) -> Self {
        Self { sink: sink.to_owned(), own: own.clone() }
    }

    /// Where the registry is, for errors.
    pub(super) fn place(&self) -> String {
        self.own.url.origin().ascii_serialization()
    }

    /// Posts a schema to a subject: to be registered, or to be looked up.
    ///
    /// # Errors
    /// There was no answer, or the settings make no client.
    pub(super) async fn post(
        &self,
        subject: &str,
        register: bool,
        body: String,
    ) -> Result<Reply, Why> {
        let mut url = self.own.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["subjects", subject]);
            if register {
                path.push("versions");
            }
        }
        for secret in self.own.tls.secrets() {
            // If AWS does not answer, what it said before may still be good.
            let _ = secret.renew().await;
        }
        let mut request = client(&self.own.tls)
            .map_err(|text| Why::new("kafka_registry_tls", self.says(&text)))?
            .post(url)
            .header(ACCEPT, MEDIA_TYPE)
            .header(CONTENT_TYPE, MEDIA_TYPE)
            .body(body);
        if let Some((username, password)) = &self.own.login {
            let _ = password.renew().await;
            request = request.basic_auth(username, Some(password.read()?.expose_secret()));
        }
        let response = request.send().await.map_err(|fault| self.failed(fault))?;
        let status = response.status().as_u16();
        if let (401 | 403, Some((_, password))) = (status, &self.own.login) {
            password.refuse();
        }
        let body = read(response).await.map_err(|fault| self.failed(fault))?;
        Ok(Reply { status, body })
    }

    fn says(&self, text: &str) -> String {
        format!("sink.{}.schema_registry: {text}", self.sink)
    }

    /// What failed, with every cause that the client knows.
    fn failed(&self, fault: reqwest::Error) -> Why {
        let fault = fault.without_url();
        let mut causes = fault.to_string();
        let mut cause = fault.source();
        while let Some(inner) = cause {
            causes.push_str(&format!(": {inner}"));
            cause = inner.source();
        }
        let of_tls = causes.to_lowercase().contains("certificate");
        let code = if of_tls { "kafka_registry_tls" } else { "kafka_registry" };
        Why::new(code, self.says(&format!("no answer from {}: {causes}", self.place())))
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while body.len() < MOST_BODY
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk[..chunk.len().min(MOST_BODY - body.len())]);
    }
    Ok(body)
}

fn client(tls: &Tls) -> Result<Client, String> {
    let read = |secret: &Secret| secret.read().map_err(|fault| format!("tls: {}", fault.text));
    let mut builder = Client::builder()
        .user_agent(concat!("certrelay/", env!("CARGO_PKG_VERSION")))
        // A redirect would carry the password elsewhere.
        .redirect(redirect::Policy::none())
        .timeout(TIMEOUT)
        .tls_danger_accept_invalid_certs(tls.insecure);
    if let Some(ca) = &tls.ca {
        let certificates = Certificate::from_pem_bundle(read(ca)?.expose_secret().as_bytes())
            .map_err(|fault| format!("tls: authorities of {ca:?}: {fault}"))?;
        builder = builder.tls_certs_only(certificates);
    }
    if let (Some(cert), Some(key)) = (&tls.cert, &tls.key) {
        let pem = format!("{}\n{}\n", read(key)?.expose_secret(), read(cert)?.expose_secret());
        let identity = Identity::from_pem(pem.as_bytes())
            .map_err(|_| format!("tls: {cert:?} and {key:?} are no PEM pair"))?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(|fault| format!("tls makes no HTTP client: {fault:?}"))
}
