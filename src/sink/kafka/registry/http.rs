//! The HTTP client towards a schema registry. A client is made for each question: there are few, and names, files
//! and secrets are then as they are now.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, redirect};
use secrecy::ExposeSecret as _;

use crate::config::{RegistryConfig, Tls};
use crate::error::{Code, Error};
use crate::sink::http_client;

/// Time for a question, connection included. Events wait meanwhile.
const TIMEOUT: Duration = Duration::from_secs(10);
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
    ) -> Result<Reply, Error> {
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
            .map_err(|text| Error::new(Code::KafkaRegistryTls, self.says(&text)))?
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
            password.reject();
        }
        let body = http_client::body_of(response).await.map_err(|fault| self.failed(fault))?;
        Ok(Reply { status, body })
    }

    fn says(&self, text: &str) -> String {
        format!("sink.{}.schema_registry: {text}", self.sink)
    }

    /// What failed, and where.
    fn failed(&self, fault: reqwest::Error) -> Error {
        let causes = http_client::causes_of(fault);
        let code = if http_client::is_of_tls(&causes) {
            Code::KafkaRegistryTls
        } else {
            Code::KafkaRegistry
        };
        Error::new(code, self.says(&format!("no answer from {}: {causes}", self.place())))
    }
}

fn client(tls: &Tls) -> Result<Client, String> {
    let builder = Client::builder()
        .user_agent(concat!("certrelay/", env!("CARGO_PKG_VERSION")))
        // A redirect would carry the password elsewhere.
        .redirect(redirect::Policy::none())
        .timeout(TIMEOUT);
    http_client::with_tls(builder, tls)
        .map_err(|fault| format!("{} {}", fault.setting, fault.text))?
        .build()
        .map_err(|fault| format!("tls makes no HTTP client: {fault:?}"))
}
