//! `run`: the service, from start-up to SIGTERM.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{ConfigArgs, Failure, load_config, runtime};
use crate::app;
use crate::config::{Config, LogConfig};
use crate::error::{Code, Error};
use crate::pipeline;
use crate::telemetry;

/// Time for threads that still block at the end, such as a Kafka client that resolves a name.
const RUNTIME_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Descriptors that the default limits of connections and messages may need.
const MIN_OPEN_FILES: u64 = 1024;

pub(super) fn run(args: &ConfigArgs) -> Result<ExitCode, Failure> {
    let config = load_config(args)?;
    start(&config.log)?;
    let runtime = runtime()?;
    let ended = runtime.block_on(serve(config));
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN_TIMEOUT);
    ended?;
    Ok(ExitCode::SUCCESS)
}

/// Starts the log, and raises the limit of open files as far as the process may: connections to S3,
/// sinks and brokers each need a descriptor.
pub(super) fn start(log: &LogConfig) -> Result<(), Error> {
    telemetry::init(log)?;
    let limit = getrlimit(Resource::Nofile);
    // Some systems refuse their own maximum; what holds is read again.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    if let Some(limit) = getrlimit(Resource::Nofile).current
        && limit < MIN_OPEN_FILES
    {
        tracing::warn!(limit, "limit of open files is low; raise `nofile` to 1024 or more");
    }
    Ok(())
}

async fn serve(config: Config) -> Result<(), Error> {
    let (location, sha256) = (config.location.as_str(), config.sha256.as_str());
    tracing::info!(location, sha256, "configuration loaded");
    for warning in &config.warnings {
        tracing::warn!(warning = warning.to_string(), "configuration warning");
    }
    let stop = stop_on_signal()?;
    let listen = config.http;
    let Some(parts) = stop.run_until_cancelled(app::build(config, None)).await else {
        tracing::info!("shutdown requested during start-up");
        return Ok(());
    };
    let parts = parts?;
    let http_stop = CancellationToken::new();
    let http = match listen {
        None => None,
        Some(address) => {
            let failed = |cause: std::io::Error| {
                Error::caused(Code::HttpListen, format!("[http] listen = \"{address}\""), cause)
            };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            // For port 0 this is the only place where the actual port appears.
            let address = listener.local_addr().map_err(failed)?;
            tracing::info!(%address, "serving /livez, /readyz and /metrics");
            let health = Arc::clone(&parts.health);
            Some(telemetry::serve(listener, health, http_stop.clone()))
        }
    };
    let pipeline = async {
        let ended = pipeline::run(parts, stop).await;
        http_stop.cancel();
        ended
    };
    let http = async {
        if let Some(http) = http {
            http.await;
        }
    };
    let (ended, ()) = tokio::join!(pipeline, http);
    tracing::debug!(?ended, "pipeline stopped");
    if ended.broken {
        let text = "a driver failed (see the log); unacknowledged messages will be redelivered";
        return Err(Error::new(Code::DriverFailed, text));
    }
    Ok(())
}

/// Returns a token that SIGTERM, SIGINT or SIGHUP cancels. A second SIGTERM or SIGINT exits at
/// once, with code 1 because work is unfinished: safe at any moment, because unacknowledged
/// messages are redelivered.
pub(super) fn stop_on_signal() -> Result<CancellationToken, Error> {
    let listen = |kind| {
        signal(kind).map_err(|cause| Error::caused(Code::Signals, "no signal handler", cause))
    };
    let (mut term, mut int) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let mut hangup = listen(SignalKind::hangup())?;
    let stop = CancellationToken::new();
    let (cancel, handle) = (stop.clone(), tokio::runtime::Handle::current());
    let wait = move || {
        handle.block_on(async move {
            tokio::select! {
                () = next_signal(&mut term, &mut int) => {}
                // Not counted again: a terminal that closes and its shell both send one.
                _ = hangup.recv() => {}
            }
            cancel.cancel();
            next_signal(&mut term, &mut int).await;
            tracing::warn!(
                "second signal received, exiting immediately; \
                 unacknowledged messages will be redelivered"
            );
            std::process::exit(1);
        });
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)
        .map_err(|cause| Error::caused(Code::Signals, "no signal thread", cause))?;
    Ok(stop)
}

async fn next_signal(term: &mut Signal, int: &mut Signal) {
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
