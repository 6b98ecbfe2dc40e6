//! What is logged about objects that exist and that we may not read. Only an operator can fix that,
//! and nothing else shows it for half a day: the messages are released, and one received three
//! times leaves the queue's own age metric.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::error::{Code, Error};
use crate::store::Location;
use crate::telemetry::{Health, LogThrottle};

/// Each code is logged once in this window; and a source that reads nothing for as long after a
/// denied object is not ready.
const WINDOW: Duration = Duration::from_secs(10 * 60);

/// The access of one source to its objects.
#[derive(Debug, Default)]
pub(super) struct AccessMonitor(Mutex<State>);

#[derive(Debug)]
struct State {
    /// An object was opened once.
    read: bool,
    /// The first denied object since the last that was opened.
    denied_since: Option<Instant>,
    throttle: LogThrottle<Code>,
    /// The health endpoint shows that the source reads nothing.
    unhealthy: bool,
}

impl AccessMonitor {
    /// Notes an object that was opened: the role has the rights.
    pub(super) fn opened(&self, queue: &str, health: &Health) {
        let mut state = self.0.lock();
        (state.read, state.denied_since) = (true, None);
        if std::mem::take(&mut state.unhealthy) {
            health.access_denied(queue, None);
        }
    }

    /// Notes an object to which access was denied. One among others does not make the source
    /// unhealthy, nor does the first after an idle time.
    pub(super) fn denied(&self, queue: &str, health: &Health, location: &Location, error: &Error) {
        let now = Instant::now();
        let mut state = self.0.lock();
        let since = *state.denied_since.get_or_insert(now);
        if !state.read || now.saturating_duration_since(since) >= WINDOW {
            state.unhealthy = true;
            health.access_denied(queue, Some(error.clone()));
        }
        let Some(suppressed) = state.throttle.due(error.code) else { return };
        drop(state);
        let (code, text) = (error.code.as_str(), &error.text);
        let help = help(location, error.code);
        if help.is_empty() {
            tracing::error!(code, suppressed, error = text, "access to objects denied");
        } else {
            tracing::error!(
                code,
                suppressed,
                error = text,
                help,
                "access denied by S3; fix the IAM or KMS policy"
            );
        }
    }
}

impl Default for State {
    fn default() -> Self {
        let throttle = LogThrottle::new(WINDOW);
        Self { read: false, denied_since: None, throttle, unhealthy: false }
    }
}

/// Returns the policies to fix; empty if no policy of S3 or KMS denies access.
fn help(location: &Location, code: Code) -> &'static str {
    match (location, code) {
        (Location::S3 { .. }, Code::ObjectForbidden) => {
            "allow s3:GetObject to the role, and in the bucket's policy"
        }
        (Location::S3 { .. }, Code::KmsDenied) => {
            "allow kms:Decrypt to the role, and in the key's policy; check that the key is enabled"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::telemetry::{Metrics, SourceHealth};

    fn health() -> Arc<Health> {
        let health = Health::new(Arc::new(Metrics::new()));
        health.source("q", SourceHealth::Up);
        health
    }

    fn object() -> Location {
        Location::S3 { bucket: "audit-logs".to_owned(), key: "a".to_owned(), version: None }
    }

    fn deny(monitor: &AccessMonitor, health: &Health) {
        let error = Error::new(Code::ObjectForbidden, "cannot get s3://audit-logs/a: AccessDenied");
        monitor.denied("q", health, &object(), &error);
    }

    #[test]
    fn help_names_s3_policies_for_objects_of_s3_only() {
        assert!(help(&object(), Code::ObjectForbidden).contains("s3:GetObject"));
        assert!(help(&object(), Code::KmsDenied).contains("kms:Decrypt"));
        assert_eq!(help(&Location::File("/logs/a".into()), Code::ObjectForbidden), "");
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_has_read_nothing_is_not_ready_after_the_first_denied_object() {
        let (health, monitor) = (health(), AccessMonitor::default());
        deny(&monitor, &health);
        let (ready, body) = health.ready();
        assert!(!ready);
        assert_eq!(body["sources"][0]["state"], "denied");
        assert_eq!(body["sources"][0]["code"], "object_forbidden");
        health.source("q", SourceHealth::Up);
        assert!(!health.ready().0, "a successful receive does not fix it");
        monitor.opened("q", &health);
        assert!(health.ready().0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_denied_object_among_others_leaves_the_source_ready() {
        let (health, monitor) = (health(), AccessMonitor::default());
        for _ in 0..30 {
            monitor.opened("q", &health);
            tokio::time::advance(WINDOW / 2).await;
            deny(&monitor, &health);
            assert!(health.ready().0);
        }
        tokio::time::advance(WINDOW).await;
        deny(&monitor, &health);
        assert!(!health.ready().0, "nothing was read for ten minutes");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_source_is_ready_until_nothing_was_read_for_ten_minutes_after_a_denial() {
        let (health, monitor) = (health(), AccessMonitor::default());
        monitor.opened("q", &health);
        tokio::time::advance(10 * WINDOW).await;
        deny(&monitor, &health);
        assert!(health.ready().0, "the source was idle, and this may be one foreign object");
        tokio::time::advance(WINDOW / 2).await;
        deny(&monitor, &health);
        assert!(health.ready().0);
        tokio::time::advance(WINDOW / 2).await;
        deny(&monitor, &health);
        assert!(!health.ready().0);
        monitor.opened("q", &health);
        assert!(health.ready().0);
        deny(&monitor, &health);
        assert!(health.ready().0, "denials before that read are forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn each_code_is_logged_once_in_ten_minutes() {
        let (mut state, mut suppressed) = (State::default(), Vec::new());
        for _ in 0..=1200 {
            let codes = [Code::ObjectForbidden, Code::KmsDenied];
            suppressed.extend(codes.into_iter().filter_map(|code| state.throttle.due(code)));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(suppressed, [0, 0, 599, 599, 599, 599]);
    }
}
