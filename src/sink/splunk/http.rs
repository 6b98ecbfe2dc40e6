//! The HTTP client for Splunk.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use parking_lot::Mutex;
use reqwest::Client;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, SET_COOKIE,
};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;
use url::Url;

use super::channel::ChannelState;
use super::redact_token::redact;
use super::response::{Reply, retry_after};
use crate::config::{Secret, SplunkConfig, Tls};
use crate::error::{Code, Error};
use crate::sink::{http_client, secrets, tls};

/// Timeout of a connection, TLS included. Short, because there may be another endpoint.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The content encoding of compressed bodies.
pub(super) const GZIP: &str = "gzip";
/// What precedes the token.
const SCHEME: &str = "Splunk ";
/// A body of this size or more is compressed off the runtime: a full one takes milliseconds.
const LARGE_BODY: usize = 64 * 1024;

/// Maximum ages of connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct MaxAges {
    /// Idle connections are closed before a load balancer closes them.
    pub(super) idle: Duration,
    /// A client and its connections are replaced after this time, so that names are resolved again
    /// and a load balancer's target does not stay the same forever.
    pub(super) client: Duration,
}

impl MaxAges {
    /// AWS's load balancers close idle connections after 60 s.
    pub(super) const DEFAULT: Self =
        Self { idle: Duration::from_secs(50), client: Duration::from_secs(120) };
}

/// Posts to HEC with the sink's token and TLS settings.
pub(super) struct Http {
    sink: String,
    token: Secret,
    tls: Tls,
    timeout: Duration,
    max_ages: MaxAges,
    client: Mutex<Aged<Client>>,
    authorization: Mutex<Option<Aged<HeaderValue>>>,
}

/// Something that is renewed by age.
struct Aged<T> {
    value: T,
    since: Instant,
}

impl Http {
    /// Reads the TLS files and the token once, so that an error shows at start-up.
    ///
    /// # Errors
    /// A file or the token cannot be read, or is not PEM.
    pub(super) fn new(
        sink: &str,
        settings: &SplunkConfig,
        max_ages: MaxAges,
    ) -> Result<Self, Error> {
        let SplunkConfig { token, tls, timeout, .. } = settings;
        let client = build_client(sink, tls, *timeout, max_ages)?;
        let http = Self {
            sink: sink.to_owned(),
            token: token.clone(),
            tls: tls.clone(),
            timeout: *timeout,
            max_ages,
            client: Mutex::new(Aged { value: client, since: Instant::now() }),
            authorization: Mutex::new(None),
        };
        http.read_token()?;
        Ok(http)
    }

    /// POSTs `body` and returns the response, whatever its status. `encoding` is [`GZIP`] for a
    /// body that [`compress`] returned; HEC documents compression for events only.
    ///
    /// # Errors
    /// There was no response: the request may or may not have been processed.
    pub(super) async fn post(
        &self,
        url: &Url,
        channel: &ChannelState,
        body: Vec<u8>,
        encoding: Option<&'static str>,
    ) -> Result<Reply, Error> {
        let failed = |error: reqwest::Error| self.no_response(url, error);
        let authorization = self.authorization().await?;
        let mut request = self
            .client()
            .await?
            .post(url.clone())
            .header(AUTHORIZATION, &authorization)
            .header("x-splunk-request-channel", &channel.id)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        if let Some(encoding) = encoding {
            request = request.header(CONTENT_ENCODING, encoding);
        }
        if let Some(cookie) = &channel.cookie {
            request = request.header(COOKIE, cookie);
        }
        let response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let retry_after = retry_after_of(response.headers());
        let cookies = cookies_of(response.headers());
        let token = authorization.as_bytes().strip_prefix(SCHEME.as_bytes());
        let body = http_client::body_of(response).await.map_err(failed)?;
        let body = redact(body, token.unwrap_or_default());
        Ok(Reply { status, retry_after, cookies, body })
    }

    /// Returns whether a collector reports itself healthy. Splunk's own checks no token there,
    /// others do; one that denies ours (400 is documented for it) is available, and denies the next
    /// request, after which the secret is read again.
    pub(super) async fn is_healthy(&self, url: &Url) -> bool {
        let (Ok(client), Ok(token)) = (self.client().await, self.authorization().await) else {
            return false;
        };
        let request = client.get(url.clone()).header(AUTHORIZATION, token).timeout(CONNECT_TIMEOUT);
        match request.send().await.map(|response| response.status()) {
            Ok(status) => status.is_success() || matches!(status.as_u16(), 400 | 401 | 403),
            Err(_) => false,
        }
    }

    /// Discards a rejected token: the next request reads the secret again.
    pub(super) fn token_rejected(&self) {
        self.token.reject();
        *self.authorization.lock() = None;
    }

    /// Returns what Splunk would not accept in the token.
    pub(super) fn token_fault(&self) -> Option<&'static str> {
        self.token.token_fault()
    }

    async fn authorization(&self) -> Result<HeaderValue, Error> {
        let current = self.authorization.lock().as_ref().and_then(|cached| {
            let fresh = |refresh| cached.since.elapsed() < refresh;
            self.token.refresh().is_none_or(fresh).then(|| cached.value.clone())
        });
        if let Some(current) = current {
            return Ok(current);
        }
        secrets::renew(&self.sink, vec![&self.token]).await;
        self.read_token()
    }

    fn read_token(&self) -> Result<HeaderValue, Error> {
        let token = self.token.read()?;
        let mut value = HeaderValue::try_from(format!("{SCHEME}{}", token.expose_secret()))
            .map_err(|_| {
                let text = format!("sink.{}.token has a control character", self.sink);
                Error::new(Code::SecretUnreadable, text)
            })?;
        value.set_sensitive(true);
        *self.authorization.lock() = Some(Aged { value: value.clone(), since: Instant::now() });
        Ok(value)
    }

    async fn client(&self) -> Result<Client, Error> {
        {
            let cached = self.client.lock();
            if cached.since.elapsed() < self.max_ages.client {
                return Ok(cached.value.clone());
            }
        }
        secrets::renew(&self.sink, self.tls.secrets().collect()).await;
        // Of a certificate and its key, for example, only one may have been replaced so far: both
        // are read again.
        let value = build_client(&self.sink, &self.tls, self.timeout, self.max_ages)
            .inspect_err(|_| self.tls.secrets().for_each(Secret::expire))?;
        *self.client.lock() = Aged { value: value.clone(), since: Instant::now() };
        Ok(value)
    }

    /// Returns the sink's name.
    pub(super) fn sink(&self) -> &str {
        &self.sink
    }

    fn no_response(&self, url: &Url, error: reqwest::Error) -> Error {
        let error = error.without_url();
        let advice = tls::advice(&error);
        let code = match advice {
            Some(_) => Code::SplunkTls,
            None if error.is_connect() => Code::SplunkConnect,
            None if error.is_timeout() => Code::SplunkTimeout,
            None => Code::SplunkTransport,
        };
        let advice = advice.map(|advice| format!("; {advice}")).unwrap_or_default();
        let text = format!("sink.{}: no response from {}{advice}", self.sink, origin(url));
        Error::caused(code, text, error)
    }
}

/// Returns the origin of a URL, `https://host:8088`, for errors and logs.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Compresses a body without blocking other tasks.
///
/// # Errors
/// The runtime is shutting down.
pub(super) async fn compress(body: Vec<u8>) -> Result<Vec<u8>, Error> {
    if body.len() < LARGE_BODY {
        return Ok(gzip(&body));
    }
    let compressed = tokio::task::spawn_blocking(move || gzip(&body)).await;
    compressed.map_err(|error| Error::caused(Code::SinkInternal, "compression failed", error))
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // Writing to memory cannot fail; if it ever did, the collector would reject the truncated
    // stream.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}

/// Returns names and values of `Set-Cookie`; attributes are not needed.
fn cookies_of(headers: &HeaderMap) -> Vec<(String, String)> {
    let values = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = values.filter_map(|value| value.split(';').next()?.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

fn retry_after_of(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("retry-after")?.to_str().ok()?;
    retry_after(value, time::OffsetDateTime::now_utc().unix_timestamp())
}

fn build_client(
    sink: &str,
    tls: &Tls,
    timeout: Duration,
    max_ages: MaxAges,
) -> Result<Client, Error> {
    let setting = format!("sink.{sink}");
    http_client::client(tls, &setting, Code::SinkConfiguration, |builder| {
        builder
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            .pool_idle_timeout(max_ages.idle)
            .tcp_keepalive(Duration::from_secs(30))
    })
}
