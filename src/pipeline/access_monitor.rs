//! What is said about objects that are there and that we may not read. Only an operator can mend that, and nothing else
//! shows it for half a day: the messages are released, and one received three times leaves the queue's own age metric.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Code, Error};
use crate::store::Location;
use crate::telemetry::{Health, escape};

/// A code is said once in this time; and a source that reads nothing for as long after a refusal is not ready.
const WHILE: Duration = Duration::from_secs(10 * 60);

/// What a source was seen to do.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// An object was opened once.
    read: bool,
    /// The first refusal since then.
    refused: Option<Instant>,
    /// When each code was last said.
    said: BTreeMap<Code, Instant>,
    /// The probes were told that the source reads nothing.
    told: bool,
}

impl Refusals {
    /// An object was opened: the source works, as far as its rights go.
    pub(super) fn read(&self, queue: &str, health: &Health) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.read, seen.refused) = (true, None);
        if std::mem::take(&mut seen.told) {
            health.access_denied(queue, None);
        }
    }

    /// An object was refused. One among many says nothing of the source, nor does one that was refused just now.
    pub(super) fn refused(&self, queue: &str, health: &Health, location: &Location, error: &Error) {
        let now = Instant::now();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = *seen.refused.get_or_insert(now);
        if !seen.read || now.saturating_duration_since(since) >= WHILE {
            seen.told = true;
            health.access_denied(queue, Some(error.clone()));
        }
        if seen.speak(error.code, now) {
            tracing::error!(
                queue,
                code = error.code.as_str(),
                "an object is refused, which only an operator can mend; this is said once in ten minutes, and \
                 the messages are kept meanwhile: {}{}",
                escape(&error.text),
                advice(location, error.code)
            );
        }
    }
}

impl Seen {
    /// Whether it is time to say this code.
    fn speak(&mut self, code: Code, now: Instant) -> bool {
        let due =
            self.said.get(&code).is_none_or(|said| now.saturating_duration_since(*said) >= WHILE);
        if due {
            self.said.insert(code, now);
        }
        due
    }
}

/// What an operator looks at.
fn advice(location: &Location, code: Code) -> &'static str {
    match (location, code) {
        (Location::File(_), _) => "",
        (_, Code::ObjectForbidden) => {
            "; allow s3:GetObject to the role, and in the bucket's policy"
        }
        (_, Code::KmsDenied) => {
            "; allow kms:Decrypt to the role, and in the key's policy; is the key enabled?"
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

    fn refuse(refusals: &Refusals, health: &Health) {
        let error = Error::new(Code::ObjectForbidden, "cannot get s3://audit-logs/a: AccessDenied");
        refusals.refused("q", health, &object(), &error);
    }

    #[test]
    fn rights_at_s3_are_advised_for_objects_of_s3() {
        assert!(advice(&object(), Code::ObjectForbidden).contains("s3:GetObject"));
        assert!(advice(&object(), Code::KmsDenied).contains("kms:Decrypt"));
        assert_eq!(advice(&Location::File("/logs/a".into()), Code::ObjectForbidden), "");
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_has_read_nothing_is_not_ready_with_its_first_refusal() {
        let (health, refusals) = (health(), Refusals::default());
        refuse(&refusals, &health);
        let (ready, body) = health.ready();
        assert!(!ready);
        assert_eq!(body["sources"][0]["state"], "denied");
        assert_eq!(body["sources"][0]["code"], "object_forbidden");
        health.source("q", SourceHealth::Up);
        assert!(!health.ready().0, "an answered receive does not mend it");
        refusals.read("q", &health);
        assert!(health.ready().0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_refused_object_among_others_leaves_the_source_ready() {
        let (health, refusals) = (health(), Refusals::default());
        for _ in 0..30 {
            refusals.read("q", &health);
            tokio::time::advance(WHILE / 2).await;
            refuse(&refusals, &health);
            assert!(health.ready().0);
        }
        tokio::time::advance(WHILE).await;
        refuse(&refusals, &health);
        assert!(!health.ready().0, "nothing was read for ten minutes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_source_stays_ready_until_nothing_was_read_for_ten_minutes_after_a_refusal() {
        let (health, refusals) = (health(), Refusals::default());
        refusals.read("q", &health);
        tokio::time::advance(10 * WHILE).await;
        refuse(&refusals, &health);
        assert!(health.ready().0, "nothing had come, and this may be a foreign object");
        tokio::time::advance(WHILE / 2).await;
        refuse(&refusals, &health);
        assert!(health.ready().0);
        tokio::time::advance(WHILE / 2).await;
        refuse(&refusals, &health);
        assert!(!health.ready().0);
        refusals.read("q", &health);
        assert!(health.ready().0);
        refuse(&refusals, &health);
        assert!(health.ready().0, "what was refused before that read is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn each_code_is_said_once_in_ten_minutes_however_often_it_comes() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        let mut said = |second| {
            let now = start + Duration::from_secs(second);
            let told = [seen.speak(Code::ObjectForbidden, now), seen.speak(Code::KmsDenied, now)];
            told.into_iter().filter(|told| *told).count()
        };
        assert_eq!((0..=1200).map(&mut said).sum::<usize>(), 6);
    }
}
