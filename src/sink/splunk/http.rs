//! The HTTP client towards Splunk.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, SET_COOKIE,
};
use reqwest::{Client, redirect};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;
use url::Url;

use super::echo;
use super::response::{Reply, retry_after};
use super::session::Ticket;
use crate::config::{Secret, SplunkConfig, Tls};
use crate::error::{Code, Error};
use crate::sink::http_client;

/// Time for a connection, TLS included. Short, because there may be another endpoint.
const CONNECT: Duration = Duration::from_secs(5);
/// What stands before the token.
const SCHEME: &str = "Splunk ";
/// A body from this size is compressed off the runtime: a full one takes milliseconds.
const LARGE: usize = 64 * 1024;

/// When connections end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ages {
    /// Idle ones are closed before a balancer closes them.
    pub(super) idle: Duration,
    /// A client and its connections are replaced after this long, so that names are resolved again and no balancer's
    /// target is kept forever.
    pub(super) client: Duration,
}

impl Ages {
    /// AWS's balancers close after 60 s of silence.
    pub(super) const DEFAULT: Self =
        Self { idle: Duration::from_secs(50), client: Duration::from_secs(120) };
}

/// Posts to HEC with the sink's token and TLS settings.
pub(super) struct Http {
    sink: String,
    token: Secret,
    tls: Tls,
    timeout: Duration,
    ages: Ages,
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
    pub(super) fn new(sink: &str, own: &SplunkConfig) -> Result<Self, Error> {
        Self::with_ages(sink, own, Ages::DEFAULT)
    }

    pub(super) fn with_ages(sink: &str, own: &SplunkConfig, ages: Ages) -> Result<Self, Error> {
        let client = build_client(sink, &own.tls, own.timeout, ages)?;
        let http = Self {
            sink: sink.to_owned(),
            token: own.token.clone(),
            tls: own.tls.clone(),
            timeout: own.timeout,
            ages,
            client: Mutex::new(Aged { value: client, since: Instant::now() }),
            authorization: Mutex::new(None),
        };
        http.read_token()?;
        Ok(http)
    }

    /// POSTs `body`, which [`pack`] has compressed, and reads the answer, whatever its status.
    ///
    /// # Errors
    /// There was no answer: it may have been acted upon or not.
    pub(super) async fn post(
        &self,
        url: &Url,
        ticket: &Ticket,
        body: Vec<u8>,
    ) -> Result<Reply, Error> {
        self.exchange(url, ticket, body, Some("gzip")).await
    }

    /// POSTs a question, or nothing. As it is: of compressed ones HEC's documentation says nothing.
    ///
    /// # Errors
    /// There was no answer.
    pub(super) async fn ask(
        &self,
        url: &Url,
        ticket: &Ticket,
        body: String,
    ) -> Result<Reply, Error> {
        self.exchange(url, ticket, body.into_bytes(), None).await
    }

    async fn exchange(
        &self,
        url: &Url,
        ticket: &Ticket,
        body: Vec<u8>,
        encoding: Option<&'static str>,
    ) -> Result<Reply, Error> {
        let failed = |fault: reqwest::Error| self.failed(url, fault);
        let authorization = self.authorization().await?;
        let mut request = self
            .client()
            .await?
            .post(url.clone())
            .header(AUTHORIZATION, &authorization)
            .header("x-splunk-request-channel", &ticket.channel)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        if let Some(encoding) = encoding {
            request = request.header(CONTENT_ENCODING, encoding);
        }
        if let Some(cookie) = &ticket.cookie {
            request = request.header(COOKIE, cookie);
        }
        let response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let retry_after = wait_of(response.headers());
        let cookies = cookies_of(response.headers());
        let token = authorization.as_bytes().strip_prefix(SCHEME.as_bytes());
        let body = http_client::body_of(response).await.map_err(failed)?;
        let body = echo::without(body, token.unwrap_or_default());
        Ok(Reply { status, retry_after, cookies, body })
    }

    /// Whether a collector says that it takes events. Splunk's own looks at no token there, others' do; one that refuses
    /// ours (400 is documented for it) is there, and tells the next request, which has the sink read its secret again.
    pub(super) async fn is_healthy(&self, url: &Url) -> bool {
        let (Ok(client), Ok(token)) = (self.client().await, self.authorization().await) else {
            return false;
        };
        let question = client.get(url.clone()).header(AUTHORIZATION, token).timeout(CONNECT);
        match question.send().await.map(|answer| answer.status()) {
            Ok(status) => status.is_success() || matches!(status.as_u16(), 400 | 401 | 403),
            Err(_) => false,
        }
    }

    /// The token was refused: the next request reads the secret again.
    pub(super) fn forget_token(&self) {
        self.token.reject();
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn authorization(&self) -> Result<HeaderValue, Error> {
        if let Some(kept) = &*self.authorization.lock().unwrap_or_else(PoisonError::into_inner)
            && self.token.refresh().is_none_or(|refresh| kept.since.elapsed() < refresh)
        {
            return Ok(kept.value.clone());
        }
        self.renew(&self.token).await;
        self.read_token()
    }

    /// Looks whether the secret has changed. What was read before may still be good.
    async fn renew(&self, secret: &Secret) {
        if let Err(error) = secret.renew().await {
            tracing::warn!(
                sink = self.sink,
                code = error.code.as_str(),
                "the secret stays as it is: {error}"
            );
        }
    }

    fn read_token(&self) -> Result<HeaderValue, Error> {
        let token = self.token.read()?;
        let mut value = HeaderValue::try_from(format!("{SCHEME}{}", token.expose_secret()))
            .map_err(|_| {
                Error::new(Code::SecretUnreadable, self.says("token", "has a control character"))
            })?;
        value.set_sensitive(true);
        let mut kept = self.authorization.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(Aged { value: value.clone(), since: Instant::now() });
        Ok(value)
    }

    async fn client(&self) -> Result<Client, Error> {
        {
            let kept = self.client.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.since.elapsed() < self.ages.client {
                return Ok(kept.value.clone());
            }
        }
        for secret in self.tls.secrets() {
            self.renew(secret).await;
        }
        // A certificate and its key, say, of which only one was changed so far: they are read again.
        let value = build_client(&self.sink, &self.tls, self.timeout, self.ages)
            .inspect_err(|_| self.tls.secrets().for_each(Secret::expire))?;
        let mut kept = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Aged { value: value.clone(), since: Instant::now() };
        Ok(value)
    }

    /// What an error names the sink by.
    pub(super) fn place(&self) -> String {
        format!("sink.{}", self.sink)
    }

    fn says(&self, setting: &str, text: &str) -> String {
        format!("sink.{}.{setting} {text}", self.sink)
    }

    /// What failed, and where.
    fn failed(&self, url: &Url, fault: reqwest::Error) -> Error {
        let (connecting, late) = (fault.is_connect(), fault.is_timeout());
        let causes = http_client::causes_of(fault);
        let code = match () {
            () if http_client::is_of_tls(&causes) => Code::SplunkTls,
            () if connecting => Code::SplunkConnect,
            () if late => Code::SplunkTimeout,
            () => Code::SplunkTransport,
        };
        let todo = if code == Code::SplunkTls { "; see tls.ca_file, tls.cert_file" } else { "" };
        let text = format!("sink.{}: no answer from {}: {causes}{todo}", self.sink, place(url));
        Error::new(code, text)
    }
}

/// `https://host:8088`: what an operator needs of a URL.
pub(super) fn place(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// A body as it is sent, compressed where that does not hold up what else runs.
///
/// # Errors
/// The runtime ends.
pub(super) async fn pack(body: Vec<u8>) -> Result<Vec<u8>, Error> {
    if body.len() < LARGE {
        return Ok(gzip(&body));
    }
    let packed = tokio::task::spawn_blocking(move || gzip(&body)).await;
    packed
        .map_err(|fault| Error::new(Code::SinkInternal, format!("a request was not made: {fault}")))
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // Writing to memory cannot fail; if it ever did, the collector refuses half a stream.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
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

fn build_client(sink: &str, tls: &Tls, timeout: Duration, ages: Ages) -> Result<Client, Error> {
    let builder = Client::builder()
        .user_agent(concat!("certrelay/", env!("CARGO_PKG_VERSION")))
        // A redirect would carry the token elsewhere and turn the POST into a GET.
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(timeout)
        .pool_idle_timeout(ages.idle)
        .tcp_keepalive(Duration::from_secs(30));
    http_client::with_tls(builder, tls)
        .map_err(|fault| setting(sink, fault.setting, &fault.text))?
        .build()
        .map_err(|fault| setting(sink, "tls", &format!("makes no HTTP client: {fault:?}")))
}

fn setting(sink: &str, key: &str, text: &str) -> Error {
    Error::new(Code::SinkConfiguration, format!("sink.{sink}.{key} {text}"))
}
