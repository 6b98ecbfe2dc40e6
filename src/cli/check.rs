//! `check`: every mistake of a configuration in one run, and what it says where there is none.

use std::process::ExitCode;

use super::{WithConfig, configuration, connect, context, failed, runtime, tell};
use crate::config::{Config, Secret};
use crate::telemetry::escape;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: WithConfig,
    /// Also ask every queue, bucket, sink and the dead-letter place whether it would work with us; sends and receives
    /// nothing
    #[arg(long)]
    connect: bool,
}

pub(super) fn check(args: &Args) -> ExitCode {
    let config = match configuration(&args.place) {
        Ok(config) => config,
        Err(code) => return code,
    };
    for warning in &config.warnings {
        tell(warning);
    }
    unreadable_files(&config);
    eprintln!("{}: no mistakes", escape(&args.place.config));
    tell(&config.summary());
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    if let Err(code) = runtime.block_on(context::check(&config, args.connect)) {
        return code;
    }
    match args.connect && !runtime.block_on(connect::connect(&config)) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

/// A secret that is a file need not be on this machine, so it is no mistake.
fn unreadable_files(config: &Config) {
    for sink in &config.sinks {
        for (setting, secret) in sink.secrets() {
            if let Secret::File { path, .. } = secret
                && let Err(cause) = std::fs::File::open(path)
            {
                let (name, path) = (&sink.name, path.display());
                tell(&format!(
                    "warning: sink.{name}.{setting}: {path} cannot be read here: {cause}"
                ));
            }
        }
    }
}
