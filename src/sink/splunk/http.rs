//! The HTTP client towards Splunk: the only file that knows reqwest.

use std::error::Error as _;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, SET_COOKIE,
};
use reqwest::{Certificate, Client, ClientBuilder, Identity, Response, redirect};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;
use url::Url;

use super::echo;
use super::response::{Reply, retry_after};
use super::session::Ticket;
use crate::config::{Secret, SplunkConfig, Tls};
use crate::outcome::Why;

/// Time for a connection, TLS included. Short, because there may be another endpoint.
const CONNECT: Duration = Duration::from_secs(5);
/// Connections are closed before a balancer closes them (AWS: 60 s idle).
const IDLE: Duration = Duration::from_secs(50);
/// A client is replaced after this long, so that names are resolved again and no balancer's target is kept forever.
const CLIENT_AGE: Duration = Duration::from_secs(120);
/// A secret is read again after this long, refused or not; what AWS keeps has a time of its own.
const TOKEN_AGE: Duration = Duration::from_secs(60);
/// What stands before the token.
const SCHEME: &str = "Splunk ";
/// A body from this size is compressed off the runtime: a full one takes milliseconds.
const LARGE: usize = 64 * 1024;
/// Most bytes of an answer that are read.
const MOST_BODY: usize = 64 * 1024;

/// Posts to HEC with the sink's token and TLS settings.
pub(super) struct Http {
    sink: String,
    token: Secret,
    tls: Tls,
    timeout: Duration,
    client: Mutex<Aged<Client>>,
    authorization: Mutex<Option<Aged<HeaderValue>>>,
}

/// Something that is renewed by age.
struct Aged<T> {
    value: T,
    since: Instant,
}

impl Http {
    /// Reads the TLS files and the token once, so that a mistake shows at the start.
    ///
    /// # Errors
    /// A file or the token cannot be read, or is no PEM.
    pub(super) fn new(sink: &str, own: &SplunkConfig) -> Result<Self, Why> {
        let client = build_client(sink, &own.tls, own.timeout)?;
        let http = Self {
            sink: sink.to_owned(),
            token: own.token.clone(),
            tls: own.tls.clone(),
            timeout: own.timeout,
            client: Mutex::new(Aged { value: client, since: Instant::now() }),
            authorization: Mutex::new(None),
        };
        http.read_token()?;
        Ok(http)
    }

    /// POSTs `body`, which [`gzip`] or [`pack`] has compressed, and reads the answer, whatever its status.
    ///
    /// # Errors
    /// There was no answer: it may have been acted upon or not.
    pub(super) async fn post(
        &self,
        url: &Url,
        ticket: &Ticket,
        body: Vec<u8>,
    ) -> Result<Reply, Why> {
        let failed = |fault: reqwest::Error| self.failed(url, fault);
        let authorization = self.authorization().await?;
        let mut request = self
            .client()?
            .post(url.clone())
            .header(AUTHORIZATION, &authorization)
            .header("x-splunk-request-channel", &ticket.channel)
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_ENCODING, "gzip")
            .body(body);
        if let Some(cookie) = &ticket.cookie {
            request = request.header(COOKIE, cookie);
        }
        let response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let retry_after = wait_of(response.headers());
        let cookies = cookies_of(response.headers());
        let token = authorization.as_bytes().strip_prefix(SCHEME.as_bytes());
        let body = read(response).await.map_err(failed)?;
        let body = echo::without(body, token.unwrap_or_default());
        Ok(Reply { status, retry_after, cookies, body })
    }

    /// Whether a collector says that it takes events. Its health proves nothing about the token.
    pub(super) async fn is_healthy(&self, url: &Url) -> bool {
        let Ok(client) = self.client() else { return false };
        match client.get(url.clone()).timeout(CONNECT).send().await {
            Ok(response) => response.status().is_success(),
            Err(_) => false,
        }
    }

    /// The token was refused: the next request reads the secret again.
    pub(super) fn forget_token(&self) {
        self.token.refuse();
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn authorization(&self) -> Result<HeaderValue, Why> {
        if let Some(kept) = &*self.authorization.lock().unwrap_or_else(PoisonError::into_inner)
            && kept.since.elapsed() < TOKEN_AGE
        {
            return Ok(kept.value.clone());
        }
        if let Err(why) = self.token.renew().await {
            tracing::warn!(sink = self.sink, code = why.code, "the secret stays as it is: {why}");
        }
        self.read_token()
    }

    fn read_token(&self) -> Result<HeaderValue, Why> {
        let token = self.token.read()?;
        let mut value = HeaderValue::try_from(format!("{SCHEME}{}", token.expose_secret()))
            .map_err(|_| {
                Why::new("secret_unreadable", self.says("token", "has a control character"))
            })?;
        value.set_sensitive(true);
        let mut kept = self.authorization.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(Aged { value: value.clone(), since: Instant::now() });
        Ok(value)
    }

    fn client(&self) -> Result<Client, Why> {
        let mut kept = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.since.elapsed() >= CLIENT_AGE {
            let value = build_client(&self.sink, &self.tls, self.timeout)?;
            *kept = Aged { value, since: Instant::now() };
        }
        Ok(kept.value.clone())
    }

    /// What an error names the sink by.
    pub(super) fn place(&self) -> String {
        format!("sink.{}", self.sink)
    }

    fn says(&self, setting: &str, text: &str) -> String {
        format!("sink.{}.{setting} {text}", self.sink)
    }

    /// What failed, with every cause that the client knows, and no query or credentials of the URL.
    fn failed(&self, url: &Url, fault: reqwest::Error) -> Why {
        let (connecting, late) = (fault.is_connect(), fault.is_timeout());
        let fault = fault.without_url();
        let mut causes = fault.to_string();
        let mut cause = fault.source();
        while let Some(inner) = cause {
            causes.push_str(&format!(": {inner}"));
            cause = inner.source();
        }
        let code = match () {
            // rustls's own words, "invalid peer certificate: …" and "received fatal alert: CertificateRequired".
            () if causes.to_lowercase().contains("certificate") => "splunk_tls",
            () if connecting => "splunk_connect",
            () if late => "splunk_timeout",
            () => "splunk_transport",
        };
        let todo = if code == "splunk_tls" { "; see tls.ca_file, tls.cert_file" } else { "" };
        let text = format!("sink.{}: no answer from {}: {causes}{todo}", self.sink, place(url));
        Why::new(code, text)
    }
}

/// `https://host:8088`: what an operator needs of a URL.
pub(super) fn place(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// [`gzip`], where it does not hold up what else runs.
///
/// # Errors
/// The runtime ends.
pub(super) async fn pack(body: Vec<u8>) -> Result<Vec<u8>, Why> {
    if body.len() < LARGE {
        return Ok(gzip(&body));
    }
    let packed = tokio::task::spawn_blocking(move || gzip(&body)).await;
    packed.map_err(|fault| Why::new("sink_fault", format!("a request was not made: {fault}")))
}

/// A body as it is sent.
pub(super) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // Writing to memory cannot fail; if it ever did, the collector refuses half a stream.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
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

/// Names and values of `Set-Cookie`; a balancer's attributes are of no use here.
fn cookies_of(headers: &HeaderMap) -> Vec<(String, String)> {
    let values = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = values.filter_map(|value| value.split(';').next()?.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

fn wait_of(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("retry-after")?.to_str().ok()?;
    retry_after(value, time::OffsetDateTime::now_utc().unix_timestamp())
}

fn build_client(sink: &str, tls: &Tls, timeout: Duration) -> Result<Client, Why> {
    let builder = Client::builder()
        .user_agent(concat!("certrelay/", env!("CARGO_PKG_VERSION")))
        // A redirect would carry the token elsewhere and turn the POST into a GET.
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(timeout)
        .pool_idle_timeout(IDLE)
        .tcp_keepalive(Duration::from_secs(30));
    with_tls(sink, tls, builder)?
        .build()
        .map_err(|fault| setting(sink, "tls", &format!("makes no HTTP client: {fault:?}")))
}

fn with_tls(sink: &str, tls: &Tls, mut builder: ClientBuilder) -> Result<ClientBuilder, Why> {
    let read = |key: &str, path: &std::path::Path| {
        std::fs::read(path)
            .map_err(|fault| setting(sink, key, &format!("{}: {fault}", path.display())))
    };
    if let Some(path) = &tls.ca_file {
        let pem = read("tls.ca_file", path)?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|fault| {
            setting(sink, "tls.ca_file", &format!("{}: {fault}", path.display()))
        })?;
        builder = builder.tls_certs_only(certificates);
    }
    if let (Some(cert), Some(key)) = (&tls.cert_file, &tls.key_file) {
        let mut pem = read("tls.key_file", key)?;
        pem.push(b'\n');
        pem.extend(read("tls.cert_file", cert)?);
        let identity = Identity::from_pem(&pem)
            .map_err(|_| setting(sink, "tls.cert_file", "and key_file are no PEM pair"))?;
        builder = builder.identity(identity);
    }
    Ok(builder.tls_danger_accept_invalid_certs(tls.insecure))
}

fn setting(sink: &str, key: &str, text: &str) -> Why {
    Why::new("sink_setting", format!("sink.{sink}.{key} {text}"))
}
