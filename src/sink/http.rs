//! The HTTP sink: POSTs events to a webhook, as NDJSON or one event a request.
//!
//! Any 2xx is delivered. A response about the login, the path or TLS pauses the sink; 429 and 5xx
//! are retried; only 400, 413 and 422 can be about an event, and then about one alone: lists are
//! halved until it is found.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use data_encoding::HEXLOWER;
use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response};
use secrecy::ExposeSecret as _;
use sha2::Sha256;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::driver::{self, BatchLimits, Sent, Transport};
use super::splunk::retry_after;
use super::types::{BuildContext, Built, ProbeScope, Render, SinkType};
use super::{http_client, secrets, tls};
use crate::config::{HttpBody, HttpConfig, OutputFormat, Secret, SinkConfig};
use crate::error::{Code, Error, Outcome};
use crate::event::Event;
use crate::telemetry::BySink;

const LIMITS: BatchLimits = BatchLimits { batch: 1000, requests: 1, min_batch: 1, pending: 10_000 };

/// Timeout of a connection, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client and its connections are replaced after this time, so that names are resolved again and
/// changed files are read.
const MAX_CLIENT_AGE: Duration = Duration::from_secs(120);

/// `t=UNIX-SECONDS,v1=HEX`: HMAC-SHA256 of the seconds, a `.` and the body.
const SIGNATURE: &str = "x-certrelay-signature";

impl SinkType for HttpConfig {
    fn build(&self, context: BuildContext<'_>) -> Result<Built, Error> {
        let sink = HttpSink::new(context.config, self, crate::format::render)?;
        let bytes = context.metrics.sink_bytes.get_or_create(&BySink::new(&sink.name)).clone();
        Ok(driver::start(context, HttpSink { bytes, ..sink }, LIMITS))
    }

    /// Asks for the URL's headers: a webhook need not answer that with success, but it shows
    /// whether there is a server that accepts the login.
    fn probe<'a>(
        &'a self,
        config: &'a SinkConfig,
        _aws: Option<SharedCredentialsProvider>,
        _scope: ProbeScope,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let sink = HttpSink::new(config, self, crate::format::render)?;
            let request = sink.authorized(sink.client().await?.head(self.url.clone()))?;
            let response = request.send().await.map_err(|error| sink.no_response(error))?;
            match classify(response.status().as_u16()) {
                Class::Setting(code @ (Code::HttpAuth | Code::HttpRedirect)) => {
                    Err(sink.refused(code, response.status().as_u16()))
                }
                _ => Ok(()),
            }
        })
    }
}

/// Everything that a request needs.
struct HttpSink {
    name: String,
    settings: HttpConfig,
    format: OutputFormat,
    render: Render,
    client: Mutex<(Client, Instant)>,
    bytes: Counter,
}

/// What a response means for the events of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Delivered,
    /// One of the events cannot be accepted, or they are too many.
    Event(Code),
    /// Nothing is wrong with the request.
    Busy,
    /// An operator has to act.
    Setting(Code),
}

/// Source: RFC 9110, "Status Codes"; 425 is RFC 8470.
fn classify(status: u16) -> Class {
    match status {
        200..=299 => Class::Delivered,
        400 | 422 => Class::Event(Code::HttpRejected),
        413 => Class::Event(Code::HttpTooLarge),
        408 | 425 | 429 | 500.. => Class::Busy,
        401 | 403 | 407 => Class::Setting(Code::HttpAuth),
        300..=399 => Class::Setting(Code::HttpRedirect),
        _ => Class::Setting(Code::HttpEndpoint),
    }
}

impl HttpSink {
    fn new(config: &SinkConfig, settings: &HttpConfig, render: Render) -> Result<Self, Error> {
        let client = Mutex::new((build_client(&config.name, settings)?, Instant::now()));
        Ok(Self {
            name: config.name.clone(),
            settings: settings.clone(),
            format: config.format,
            render,
            client,
            bytes: Counter::default(),
        })
    }

    async fn client(&self) -> Result<Client, Error> {
        let (client, since) = self.client.lock().clone();
        if since.elapsed() < MAX_CLIENT_AGE {
            return Ok(client);
        }
        secrets::renew(&self.name, self.settings.secrets().map(|(_, secret)| secret).collect())
            .await;
        let client = build_client(&self.name, &self.settings)?;
        *self.client.lock() = (client.clone(), Instant::now());
        Ok(client)
    }

    fn authorized(&self, request: RequestBuilder) -> Result<RequestBuilder, Error> {
        let Some(secret) = &self.settings.authorization else { return Ok(request) };
        let mut value = HeaderValue::try_from(secret.read()?.expose_secret()).map_err(|_| {
            let text = format!("sink.{}.authorization has a control character", self.name);
            Error::new(Code::SecretUnreadable, text)
        })?;
        value.set_sensitive(true);
        Ok(request.header(AUTHORIZATION, value))
    }

    /// Returns the value of the signature header for a body sent at `now`, in Unix seconds.
    fn signature(&self, body: &[u8], now: i64) -> Result<Option<String>, Error> {
        let Some(secret) = &self.settings.signing_key else { return Ok(None) };
        let key = secret.read()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes())
            .map_err(|error| Error::caused(Code::SecretUnreadable, "signing_key", error))?;
        mac.update(format!("{now}.").as_bytes());
        mac.update(body);
        Ok(Some(format!("t={now},v1={}", HEXLOWER.encode(&mac.finalize().into_bytes()))))
    }

    /// Renders events from the start of `events` until the request is full; returns how many. One
    /// event is always rendered, however large.
    fn pack(&self, events: &[Arc<Event>]) -> (Vec<u8>, usize) {
        let most = if self.settings.body == HttpBody::Event { 1 } else { events.len() };
        let (mut body, mut count) = (Vec::new(), 0);
        for event in &events[..most] {
            let before = body.len();
            (self.render)(event, self.format, &mut body);
            crate::format::end_line(before, &mut body);
            if count > 0 && body.len() > self.settings.max_batch_bytes {
                body.truncate(before);
                break;
            }
            count += 1;
        }
        (body, count)
    }

    async fn post(&self, body: Vec<u8>, first: &Event) -> Result<Response, Error> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let content_type = match self.settings.body {
            HttpBody::Ndjson => "application/x-ndjson",
            HttpBody::Event => "application/json",
        };
        let mut request = self.client().await?.post(self.settings.url.clone());
        request = self.authorized(request)?.header(CONTENT_TYPE, content_type);
        if let Some(signature) = self.signature(&body, now)? {
            request = request.header(SIGNATURE, signature);
        }
        if self.settings.body == HttpBody::Event
            && let Ok(id) = HeaderValue::try_from(&first.id)
        {
            request = request.header("idempotency-key", id);
        }
        self.bytes.inc_by(body.len() as u64);
        request.body(body).send().await.map_err(|error| self.no_response(error))
    }

    fn no_response(&self, error: reqwest::Error) -> Error {
        let error = error.without_url();
        let advice = tls::advice(&error);
        let code = match advice {
            Some(_) => Code::HttpTls,
            None if error.is_timeout() => Code::HttpTimeout,
            None => Code::HttpConnect,
        };
        let advice = advice.map(|advice| format!("; {advice}")).unwrap_or_default();
        let origin = self.settings.url.origin().ascii_serialization();
        Error::caused(code, format!("sink.{}: no response from {origin}{advice}", self.name), error)
    }

    fn refused(&self, code: Code, status: u16) -> Error {
        let advice = match code {
            Code::HttpAuth => "; put a valid value into `authorization`, it is read again",
            Code::HttpRedirect => "; redirects are not followed: write the final `url`",
            Code::HttpEndpoint => "; check the path of `url`",
            _ => "",
        };
        let origin = self.settings.url.origin().ascii_serialization();
        Error::new(code, format!("sink.{}: {origin} returned HTTP {status}{advice}", self.name))
    }

    async fn send_all(&self, events: &[Arc<Event>]) -> Sent {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; events.len()];
        let all = 0..events.len();
        let mut unsent: Vec<Range<usize>> = vec![all];
        let mut halt = (Error::new(Code::SinkInternal, "the event was not sent"), None);
        while let Some(range) = unsent.pop() {
            let (body, count) = self.pack(&events[range.clone()]);
            let sent = range.start..range.start + count;
            if sent.end < range.end {
                unsent.push(sent.end..range.end);
            }
            if body.len() > self.settings.max_batch_bytes {
                let text = format!("sink.{}: over max_batch_bytes: {}", self.name, body.len());
                outcomes[sent.start] =
                    Some(Outcome::Rejected(Error::new(Code::HttpTooLarge, text)));
                continue;
            }
            let response = match self.post(body, &events[sent.start]).await {
                Ok(response) => response,
                Err(error) => {
                    halt.0 = error;
                    break;
                }
            };
            let status = response.status().as_u16();
            match classify(status) {
                Class::Delivered => outcomes[sent].fill(Some(Outcome::Delivered)),
                Class::Event(code) if count == 1 => {
                    let error = self.refused(code, status);
                    outcomes[sent.start] = Some(Outcome::Rejected(error));
                }
                Class::Event(_) => {
                    let middle = sent.start + count / 2;
                    unsent.extend([middle..sent.end, sent.start..middle]);
                }
                Class::Busy => {
                    halt = (self.refused(Code::HttpUnavailable, status), delay(&response));
                    break;
                }
                Class::Setting(code) => {
                    self.settings.secrets().for_each(|(_, secret)| Secret::reject(secret));
                    halt.0 = self.refused(code, status);
                    break;
                }
            }
            // Read to its end, so that the connection is used again.
            let _ = http_client::body_of(response).await;
        }
        let (error, retry_after) = halt;
        let known = |known: Option<Outcome>| known.unwrap_or_else(|| Outcome::Retry(error.clone()));
        Sent { retry_after, ..Sent::new(outcomes.into_iter().map(known).collect()) }
    }
}

impl Transport for HttpSink {
    fn send(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Sent> {
        Box::pin(async move { self.send_all(&events).await })
    }
}

fn delay(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    retry_after(value, OffsetDateTime::now_utc().unix_timestamp())
}

fn build_client(sink: &str, settings: &HttpConfig) -> Result<Client, Error> {
    let setting = format!("sink.{sink}");
    http_client::client(&settings.tls, &setting, Code::SinkConfiguration, |builder| {
        builder
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(settings.timeout)
            .pool_idle_timeout(Duration::from_secs(50))
    })
}

#[cfg(test)]
#[path = "../../tests/edges/webhook.rs"]
mod tests;
