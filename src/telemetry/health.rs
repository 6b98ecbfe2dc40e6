//! `/livez`, `/readyz`, `/metrics`.
//!
//! Liveness is about this process alone: it never fails because a destination is down, or an
//! orchestrator would restart the whole fleet in a loop and lose its warm state. Readiness says
//! whether work flows, and names what stops it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Metrics;
use crate::error::Error;

/// No sign of life from the pipeline's own loop for this long means that it is wedged.
const WEDGED_AFTER: Duration = Duration::from_secs(120);

/// How a source is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceHealth {
    /// Not asked yet.
    Starting,
    /// The last receive was answered.
    Up,
    /// The last receive failed.
    Failing(Error),
}

/// How a destination is doing, asked at each probe: the name, whether it is required, `Err` when it
/// takes nothing.
type SinkProbe = Box<dyn Fn() -> Vec<(String, bool, Result<String, Error>)> + Send + Sync>;

/// What the probes are answered from.
pub struct Health {
    sources: Mutex<BTreeMap<String, SourceHealth>>,
    /// Sources that are refused every object, and why.
    refused: Mutex<BTreeMap<String, Error>>,
    sinks: Mutex<Option<SinkProbe>>,
    draining: AtomicBool,
    beat: Mutex<Instant>,
    metrics: Arc<Metrics>,
    refresh: Mutex<Option<Box<dyn Fn() + Send + Sync>>>,
}

impl Health {
    /// Health of a process that starts now.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            sources: Mutex::default(),
            refused: Mutex::default(),
            sinks: Mutex::default(),
            draining: AtomicBool::new(false),
            beat: Mutex::new(Instant::now()),
            metrics,
            refresh: Mutex::default(),
        })
    }

    /// Notes how the source `name` is doing.
    pub fn source(&self, name: &str, health: SourceHealth) {
        lock(&self.sources).insert(name.to_owned(), health);
    }

    /// Notes why the source `name` can read no object, or that it can.
    pub fn objects(&self, name: &str, refused: Option<Error>) {
        let mut all = lock(&self.refused);
        match refused {
            Some(error) => all.insert(name.to_owned(), error),
            None => all.remove(name),
        };
    }

    /// Says how the sinks can be asked.
    pub fn watch_sinks(&self, probe: SinkProbe) {
        *lock(&self.sinks) = Some(probe);
    }

    /// Says what brings the gauges up to date before they are shown.
    pub fn before_metrics(&self, refresh: Box<dyn Fn() + Send + Sync>) {
        *lock(&self.refresh) = Some(refresh);
    }

    /// The pipeline's loop turned.
    pub fn beat(&self) {
        *lock(&self.beat) = Instant::now();
    }

    /// From now on not ready: the process is going away.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn live(&self) -> bool {
        lock(&self.beat).elapsed() < WEDGED_AFTER
    }

    /// Whether work flows, and the state of each source and sink.
    #[must_use]
    pub fn ready(&self) -> (bool, Value) {
        let draining = self.draining.load(Ordering::Relaxed);
        let mut ready = !draining;
        let mut sources = Vec::new();
        let refused = lock(&self.refused);
        for (name, health) in lock(&self.sources).iter() {
            let (state, error) = match (health, refused.get(name)) {
                (SourceHealth::Starting, _) => ("starting", None),
                (SourceHealth::Failing(error), _) => ("failing", Some(error)),
                (SourceHealth::Up, Some(error)) => ("denied", Some(error)),
                (SourceHealth::Up, None) => ("up", None),
            };
            ready &= state == "up";
            sources.push(match error {
                None => json!({"name": name, "state": state}),
                Some(error) => {
                    json!({"name": name, "state": state, "code": error.code, "error": error.text})
                }
            });
        }
        drop(refused);
        let mut sinks = Vec::new();
        for (name, required, state) in lock(&self.sinks).as_ref().map_or_else(Vec::new, |ask| ask())
        {
            ready &= !required || state.is_ok();
            sinks.push(match state {
                Ok(state) => json!({"name": name, "required": required, "state": state}),
                Err(error) => json!({"name": name, "required": required, "state": "paused",
                                   "code": error.code, "error": error.text}),
            });
        }
        (ready, json!({"ready": ready, "draining": draining, "sources": sources, "sinks": sinks}))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers probes on `listener` until `stop`.
pub async fn serve(listener: TcpListener, health: Arc<Health>, stop: CancellationToken) {
    let app = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health);
    let served = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(cause) = served.await {
        tracing::error!(%cause, "the health listener ended");
    }
}

async fn livez(State(health): State<Arc<Health>>) -> impl IntoResponse {
    if health.live() {
        (StatusCode::OK, "live\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "wedged\n")
    }
}

async fn readyz(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let (ready, body) = health.ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n"))
}

async fn metrics(State(health): State<Arc<Health>>) -> impl IntoResponse {
    if let Some(refresh) = lock(&health.refresh).as_ref() {
        refresh();
    }
    (
        [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")],
        health.metrics.encode(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[tokio::test]
    async fn a_paused_required_sink_is_not_ready_and_a_best_effort_one_is() {
        let health = Health::new(Arc::new(Metrics::new()));
        health.source("q", SourceHealth::Up);
        let paused = |required| -> SinkProbe {
            Box::new(move || {
                vec![("soc".into(), required, Err(Error::new(Code::SplunkToken, "Invalid token")))]
            })
        };
        health.watch_sinks(paused(false));
        assert!(health.ready().0);
        health.watch_sinks(paused(true));
        let (ready, body) = health.ready();
        assert!(!ready);
        assert_eq!(body["sinks"][0]["code"], "hec_4");
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_stopped_turning_is_not_live_whatever_the_sinks_do() {
        let health = Health::new(Arc::new(Metrics::new()));
        assert!(health.live());
        tokio::time::advance(WEDGED_AFTER).await;
        assert!(!health.live());
        health.beat();
        assert!(health.live());
    }
}
