//! Several collectors, or indexers: which one is posted to. One that fails is left out for a while and must
//! answer `/services/collector/health` before it is used again; if all fail, the one that failed longest ago is tried.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::http::{Http, place};
use super::session::Session;
use crate::error::{Code, Error};

/// How long an endpoint is left out after its first failure; doubles up to [`LONGEST_OUT`].
const OUT: Duration = Duration::from_secs(5);
/// Longest time before an endpoint is looked at again.
const LONGEST_OUT: Duration = Duration::from_secs(120);

/// All endpoints of a sink, used in turn.
pub(super) struct Endpoints {
    all: Vec<Endpoint>,
    health: Mutex<Health>,
}

/// One collector.
pub(super) struct Endpoint {
    number: usize,
    /// Where events go.
    pub(super) event_url: Url,
    /// Where receipts are asked for.
    pub(super) ack_url: Url,
    health_url: Url,
    /// This process's channel there.
    pub(super) session: Session,
}

struct Health {
    next: usize,
    endpoints: Vec<Out>,
}

/// Failures in a row, and until when the endpoint is left out.
#[derive(Clone, Copy, Default)]
struct Out {
    failures: u32,
    until: Option<Instant>,
}

impl Endpoints {
    /// # Errors
    /// There is no endpoint, or its URL cannot carry a path.
    pub(super) fn new(sink: &str, bases: &[Url]) -> Result<Self, Error> {
        let wrong = |text: String| {
            Error::new(Code::SinkConfiguration, format!("sink.{sink}.endpoints {text}"))
        };
        let mut all = Vec::with_capacity(bases.len());
        for (number, base) in bases.iter().enumerate() {
            let join =
                |path| under(base, path).ok_or_else(|| wrong(format!("{base}: no such URL")));
            all.push(Endpoint {
                number,
                event_url: join("services/collector/event")?,
                ack_url: join("services/collector/ack")?,
                health_url: join("services/collector/health")?,
                session: Session::new(),
            });
        }
        if all.is_empty() {
            return Err(wrong("is empty".to_owned()));
        }
        let endpoints = vec![Out::default(); all.len()];
        Ok(Self { all, health: Mutex::new(Health { next: 0, endpoints }) })
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Endpoint] {
        &self.all
    }

    /// The endpoint for the next request.
    pub(super) async fn choose(&self, http: &Http) -> &Endpoint {
        for _ in 0..self.all.len() {
            let (endpoint, recovering) = self.candidate();
            if !recovering || self.all.len() == 1 || http.is_healthy(&endpoint.health_url).await {
                return endpoint;
            }
            self.judge(endpoint, false);
        }
        self.candidate().0
    }

    /// The next one that is not left out, else the one whose time is up first; and whether it failed before.
    fn candidate(&self) -> (&Endpoint, bool) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let count = self.all.len();
        let now = Instant::now();
        let start = health.next;
        health.next = (start + 1) % count;
        let in_turn = (0..count).map(|step| (start + step) % count);
        let chosen = in_turn.min_by_key(|at| health.endpoints[*at].until.filter(|t| *t > now));
        let chosen = chosen.unwrap_or(start);
        (&self.all[chosen], health.endpoints[chosen].failures > 0)
    }

    /// Remembers how a request to `endpoint` went.
    pub(super) fn judge(&self, endpoint: &Endpoint, good: bool) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let out = &mut health.endpoints[endpoint.number];
        if good {
            *out = Out::default();
            return;
        }
        if out.failures == 0 && self.all.len() > 1 {
            let endpoint = place(&endpoint.event_url);
            tracing::warn!(endpoint, "a Splunk endpoint fails and is left out for a while");
        }
        let wait = OUT.saturating_mul(1 << out.failures.min(8)).min(LONGEST_OUT);
        *out = Out { failures: out.failures.saturating_add(1), until: Some(Instant::now() + wait) };
    }
}

/// `base/path`, whether or not `base` ends in a slash.
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
    async fn endpoints_take_turns_and_one_that_fails_is_left_out_until_its_time_is_up() {
        let three = endpoints(3);
        assert_eq!([next(&three).0, next(&three).0, next(&three).0], [0, 1, 2]);
        three.judge(&three.all[1], false);
        let seen: Vec<usize> = (0..6).map(|_| next(&three).0).collect();
        assert!(!seen.contains(&1), "{seen:?}");
        tokio::time::advance(OUT).await;
        let seen: Vec<(usize, bool)> = (0..3).map(|_| next(&three)).collect();
        assert!(seen.contains(&(1, true)), "{seen:?}");
        three.judge(&three.all[1], true);
        assert!((0..3).map(|_| next(&three)).all(|(_, recovering)| !recovering));
    }

    #[tokio::test(start_paused = true)]
    async fn if_all_fail_the_one_that_failed_first_is_tried() {
        let three = endpoints(3);
        for number in [2, 0, 1] {
            three.judge(&three.all[number], false);
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        assert_eq!(next(&three), (2, true));
    }

    #[test]
    fn a_path_of_the_url_is_kept() {
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
    fn no_endpoint_is_a_mistake() {
        assert_eq!(
            Endpoints::new("soc", &[]).err().map(|error| error.code),
            Some(Code::SinkConfiguration)
        );
    }
}
