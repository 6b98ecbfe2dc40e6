//! `run`: the service, from start to SIGTERM.

use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{WithConfig, configuration, failed, runtime};
use crate::app;
use crate::config::Config;
use crate::error::{Code, Error};
use crate::pipeline;
use crate::telemetry;

/// For what still blocks a thread when all is said, such as a Kafka client that waits for a name to be resolved.
const LAST: Duration = Duration::from_secs(1);

pub(super) fn run(place: &WithConfig) -> ExitCode {
    let config = match configuration(place) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if let Err(error) = telemetry::init(&config.log) {
        return failed(&error);
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let ended = runtime.block_on(serve(config));
    runtime.shutdown_timeout(LAST);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn serve(config: Config) -> Result<(), Error> {
    for warning in &config.warnings {
        tracing::warn!("configuration: {warning}");
    }
    let stop = stop_on_signal()?;
    let listen = config.http;
    let Some(parts) = stop.run_until_cancelled(app::build(config, None)).await else {
        tracing::info!("stopped before it began");
        return Ok(());
    };
    let parts = parts?;
    let probes_stop = CancellationToken::new();
    let probes = match listen {
        None => None,
        Some(address) => {
            let cannot = |cause: std::io::Error| {
                Error::new(Code::HttpListen, format!("[http] listen = \"{address}\": {cause}"))
            };
            let listener = TcpListener::bind(address).await.map_err(cannot)?;
            // Where port 0 was asked for, this is the only place that tells the port.
            let address = listener.local_addr().map_err(cannot)?;
            tracing::info!(%address, "answering /livez /readyz /metrics");
            let health = std::sync::Arc::clone(&parts.health);
            Some(telemetry::serve(listener, health, probes_stop.clone()))
        }
    };
    let work = async {
        let ended = pipeline::run(parts, stop).await;
        probes_stop.cancel();
        ended
    };
    let answer = async {
        if let Some(probes) = probes {
            probes.await;
        }
    };
    let (ended, ()) = tokio::join!(work, answer);
    tracing::debug!(?ended, "end");
    if ended.broken {
        let text = "a part of the pipeline failed (the log says which); what was not settled is redelivered";
        return Err(Error::new(Code::DriverFailed, text));
    }
    Ok(())
}

/// A token that SIGTERM or SIGINT cancels. A second signal ends the process at once, with exit code 1
/// because work was left undone: safe at any moment, because what is not settled is redelivered.
pub(super) fn stop_on_signal() -> Result<CancellationToken, Error> {
    let listen = |kind| {
        signal(kind)
            .map_err(|cause| Error::new(Code::Signals, format!("no signal handler: {cause}")))
    };
    let (mut term, mut int) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn({
            let handle = tokio::runtime::Handle::current();
            move || {
                handle.block_on(async move {
                    next(&mut term, &mut int).await;
                    cancel.cancel();
                    next(&mut term, &mut int).await;
                    tracing::warn!(
                        "second signal: ending at once; what is not settled comes again"
                    );
                    std::process::exit(1);
                });
            }
        })
        .map_err(|cause| Error::new(Code::Signals, format!("no signal thread: {cause}")))?;
    Ok(stop)
}

async fn next(term: &mut Signal, int: &mut Signal) {
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
