//! The choice among several collectors or indexers. One that fails is skipped for a while and must
//! pass `/services/collector/health` before it is used again; if all fail, the one that failed
//! longest ago is tried.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use url::Url;

use super::channel::HecChannel;
use super::http::{Http, origin};
use crate::error::{Code, Error};

/// How long an endpoint is skipped after its first failure; doubles up to [`MAX_SKIP`].
const SKIP: Duration = Duration::from_secs(5);
/// Maximum time that an endpoint is skipped.
const MAX_SKIP: Duration = Duration::from_secs(120);

/// All endpoints of a sink, used in turn.
pub(super) struct Endpoints {
    sink: String,
    all: Vec<Endpoint>,
    health: Mutex<Health>,
}

/// One collector.
pub(super) struct Endpoint {
    number: usize,
    /// URL of events.
    pub(super) event_url: Url,
    /// URL of acknowledgement polls.
    pub(super) ack_url: Url,
    health_url: Url,
    /// This process's channel there.
    pub(super) channel: HecChannel,
}

struct Health {
    next: usize,
    endpoints: Vec<Failures>,
}

/// Consecutive failures of an endpoint, and until when it is skipped.
#[derive(Clone, Copy, Default)]
struct Failures {
    count: u32,
    until: Option<Instant>,
}

impl Endpoints {
    /// # Errors
    /// There is no endpoint, or its URL cannot carry a path.
    pub(super) fn new(sink: &str, bases: &[Url]) -> Result<Self, Error> {
        let invalid = |text: String| {
            Error::new(Code::SinkConfiguration, format!("sink.{sink}.endpoints {text}"))
        };
        let mut all = Vec::with_capacity(bases.len());
        for (number, base) in bases.iter().enumerate() {
            let join =
                |path| under(base, path).ok_or_else(|| invalid(format!("{base}: not a base URL")));
            all.push(Endpoint {
                number,
                event_url: join("services/collector/event")?,
                ack_url: join("services/collector/ack")?,
                health_url: join("services/collector/health")?,
                channel: HecChannel::new(),
            });
        }
        if all.is_empty() {
            return Err(invalid("is empty".to_owned()));
        }
        let endpoints = vec![Failures::default(); all.len()];
        let health = Mutex::new(Health { next: 0, endpoints });
        Ok(Self { sink: sink.to_owned(), all, health })
    }

    /// Returns all endpoints.
    pub(super) fn all(&self) -> &[Endpoint] {
        &self.all
    }

    /// Chooses the endpoint of the next request.
    pub(super) async fn choose(&self, http: &Http) -> &Endpoint {
        for _ in 0..self.all.len() {
            let (endpoint, recovering) = self.candidate();
            if !recovering || self.all.len() == 1 || http.is_healthy(&endpoint.health_url).await {
                return endpoint;
            }
            self.record(endpoint, false);
        }
        self.candidate().0
    }

    /// Returns the next endpoint that is not skipped, else the one whose time is up first; and
    /// whether it failed before.
    fn candidate(&self) -> (&Endpoint, bool) {
        let mut health = self.health.lock();
        let count = self.all.len();
        let now = Instant::now();
        let start = health.next;
        health.next = (start + 1) % count;
        let in_turn = (0..count).map(|step| (start + step) % count);
        let chosen = in_turn.min_by_key(|at| health.endpoints[*at].until.filter(|t| *t > now));
        let chosen = chosen.unwrap_or(start);
        (&self.all[chosen], health.endpoints[chosen].count > 0)
    }

    /// Records the result of a request to `endpoint`.
    pub(super) fn record(&self, endpoint: &Endpoint, succeeded: bool) {
        let mut health = self.health.lock();
        let failures = &mut health.endpoints[endpoint.number];
        if succeeded {
            *failures = Failures::default();
            return;
        }
        if failures.count == 0 && self.all.len() > 1 {
            let (sink, endpoint) = (&self.sink, origin(&endpoint.event_url));
            tracing::warn!(sink, endpoint, "Splunk endpoint failed, using the others");
        }
        let skip = SKIP.saturating_mul(1 << failures.count.min(8)).min(MAX_SKIP);
        let count = failures.count.saturating_add(1);
        *failures = Failures { count, until: Some(Instant::now() + skip) };
    }
}

/// Returns `base/path`, whether or not `base` ends in a slash.
fn under(base: &Url, path: &str) -> Option<Url> {
    let mut url = base.clone();
    let kept = base.path().trim_end_matches('/').to_owned();
    url.path_segments_mut().ok()?;
    url.set_path(&format!("{kept}/{path}"));
    url.set_query(None);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(count: usize) -> Endpoints {
        let bases: Vec<Url> = (0..count)
            .map(|n| format!("https://hec{n}.example.com:8088").parse().unwrap())
            .collect();
        Endpoints::new("soc", &bases).unwrap()
    }

    fn next(endpoints: &Endpoints) -> (usize, bool) {
        let (endpoint, recovering) = endpoints.candidate();
        (endpoint.number, recovering)
    }

    #[tokio::test(start_paused = true)]
    async fn endpoints_are_used_in_turn_and_a_failed_one_is_skipped_for_a_while() {
        let three = endpoints(3);
        assert_eq!([next(&three).0, next(&three).0, next(&three).0], [0, 1, 2]);
        three.record(&three.all[1], false);
        let seen: Vec<usize> = (0..6).map(|_| next(&three).0).collect();
        assert!(!seen.contains(&1), "{seen:?}");
        tokio::time::advance(SKIP).await;
        let seen: Vec<(usize, bool)> = (0..3).map(|_| next(&three)).collect();
        assert!(seen.contains(&(1, true)), "{seen:?}");
        three.record(&three.all[1], true);
        assert!((0..3).map(|_| next(&three)).all(|(_, recovering)| !recovering));
    }

    #[tokio::test(start_paused = true)]
    async fn if_all_fail_the_one_that_failed_first_is_tried() {
        let three = endpoints(3);
        for number in [2, 0, 1] {
            three.record(&three.all[number], false);
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        assert_eq!(next(&three), (2, true));
    }

    #[test]
    fn the_base_urls_path_is_kept() {
        let at = |base: &str| {
            under(&base.parse().unwrap(), "services/collector/event").map(String::from)
        };
        let plain = Some("https://a.example.com:8088/services/collector/event".to_owned());
        assert_eq!(at("https://a.example.com:8088"), plain);
        assert_eq!(at("https://a.example.com:8088/?x=1"), plain);
        let proxied = Some("https://a.example.com/hec/services/collector/event".to_owned());
        assert_eq!(at("https://a.example.com/hec/"), proxied);
        assert_eq!(at("mailto:alice@example.com"), None);
    }

    #[test]
    fn an_empty_list_is_an_error() {
        assert_eq!(
            Endpoints::new("soc", &[]).err().map(|error| error.code),
            Some(Code::SinkConfiguration)
        );
    }
}
