//! The state that `/livez`, `/readyz` and `/metrics` report.
//!
//! Liveness concerns this process alone: it never fails because a destination is down, or an
//! orchestrator would restart the whole fleet in a loop and lose its caches. Readiness is whether
//! messages are processed, with the cause if they are not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Metrics;
use crate::error::Error;

/// The process is stalled, not live, if the pipeline's loop has not turned for this long.
const STALLED_AFTER: Duration = Duration::from_secs(120);

/// The state of a source's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SourceHealth {
    /// No receive has completed yet.
    Starting,
    /// The last receive succeeded.
    Up,
    /// The last receive failed.
    Failing(Error),
}

/// What is shown of a sink.
#[derive(Debug)]
pub(crate) struct SinkHealth {
    pub(crate) name: String,
    pub(crate) required: bool,
    /// `Err`: it accepts no events, why.
    pub(crate) state: Result<String, (&'static str, Error)>,
}

/// Returns the sinks in the order of the configuration.
type SinkStates = Box<dyn Fn() -> Vec<SinkHealth> + Send + Sync>;

/// The state that the endpoints report.
pub struct Health {
    sources: Mutex<BTreeMap<String, SourceHealth>>,
    /// Sources that are denied access to every object, and the last error.
    denied: Mutex<BTreeMap<String, Error>>,
    sinks: Mutex<Option<SinkStates>>,
    shutting_down: AtomicBool,
    last_beat: Mutex<Instant>,
    metrics: Arc<Metrics>,
    before_metrics: Mutex<Option<Box<dyn Fn() + Send + Sync>>>,
}

impl Health {
    /// Creates the state of a process that starts now.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            sources: Mutex::default(),
            denied: Mutex::default(),
            sinks: Mutex::default(),
            shutting_down: AtomicBool::new(false),
            last_beat: Mutex::new(Instant::now()),
            metrics,
            before_metrics: Mutex::default(),
        })
    }

    /// Sets the state of the source `name`.
    pub(crate) fn source(&self, name: &str, health: SourceHealth) {
        self.sources.lock().insert(name.to_owned(), health);
    }

    /// Sets the error by which the source `name` is denied access to its objects; `None` clears it.
    pub(crate) fn access_denied(&self, name: &str, error: Option<Error>) {
        let mut denied = self.denied.lock();
        match error {
            Some(error) => denied.insert(name.to_owned(), error),
            None => denied.remove(name),
        };
    }

    /// Sets the function that returns the states of the sinks.
    pub(crate) fn set_sinks(&self, states: SinkStates) {
        *self.sinks.lock() = Some(states);
    }

    /// Sets the function that updates the gauges before they are encoded.
    pub(crate) fn before_metrics(&self, update: Box<dyn Fn() + Send + Sync>) {
        *self.before_metrics.lock() = Some(update);
    }

    /// Records that the pipeline's loop turned.
    pub(crate) fn beat(&self) {
        *self.last_beat.lock() = Instant::now();
    }

    /// Returns all metrics as text, gauges as they are now.
    pub(super) fn metrics(&self) -> String {
        if let Some(update) = self.before_metrics.lock().as_ref() {
            update();
        }
        self.metrics.encode()
    }

    /// Makes the process not ready until its end.
    pub(crate) fn set_shutting_down(&self) {
        self.shutting_down.store(true, Ordering::Relaxed);
    }

    /// Returns whether the pipeline's loop turns.
    pub(super) fn live(&self) -> bool {
        self.last_beat.lock().elapsed() < STALLED_AFTER
    }

    /// Returns whether messages are processed, and the state of each source and sink.
    #[must_use]
    pub fn ready(&self) -> (bool, Value) {
        let shutting_down = self.shutting_down.load(Ordering::Relaxed);
        let mut ready = !shutting_down;
        let mut sources = Vec::new();
        let denied = self.denied.lock();
        for (name, health) in self.sources.lock().iter() {
            let (state, error) = match (health, denied.get(name)) {
                (SourceHealth::Starting, _) => ("starting", None),
                (SourceHealth::Failing(error), _) => ("failing", Some(error)),
                (SourceHealth::Up, Some(error)) => ("denied", Some(error)),
                (SourceHealth::Up, None) => ("up", None),
            };
            ready &= state == "up";
            sources.push(with_error(json!({"name": name, "state": state}), error));
        }
        drop(denied);
        let mut sinks = Vec::new();
        let states = self.sinks.lock().as_ref().map_or_else(Vec::new, |states| states());
        for SinkHealth { name, required, state } in states {
            ready &= !required || state.is_ok();
            let (state, error) = match &state {
                Ok(state) => (state.as_str(), None),
                Err((state, error)) => (*state, Some(error)),
            };
            let sink = json!({"name": name, "required": required, "state": state});
            sinks.push(with_error(sink, error));
        }
        let body = json!({
            "ready": ready, "shutting_down": shutting_down, "sources": sources, "sinks": sinks,
        });
        (ready, body)
    }
}

fn with_error(mut one: Value, error: Option<&Error>) -> Value {
    if let Some(error) = error {
        one["code"] = error.code.as_str().into();
        one["error"] = error.text.as_str().into();
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[tokio::test]
    async fn a_paused_required_sink_is_not_ready_and_a_best_effort_one_is() {
        let health = Health::new(Arc::new(Metrics::new()));
        health.source("q", SourceHealth::Up);
        let paused = |required| -> SinkStates {
            Box::new(move || {
                let state = Err(("paused", Error::new(Code::SplunkToken, "Invalid token")));
                vec![SinkHealth { name: "soc".into(), required, state }]
            })
        };
        health.set_sinks(paused(false));
        assert!(health.ready().0);
        health.set_sinks(paused(true));
        let (ready, body) = health.ready();
        assert!(!ready);
        assert_eq!(body["sinks"][0]["code"], "splunk_token");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_loop_is_not_live_whatever_the_sinks_do() {
        let health = Health::new(Arc::new(Metrics::new()));
        assert!(health.live());
        tokio::time::advance(STALLED_AFTER).await;
        assert!(!health.live());
        health.beat();
        assert!(health.live());
    }
}
