//! `replay`: dead letters back through the same path.

use std::process::ExitCode;

use super::run::stop_on_signal;
use super::{WithConfig, configuration, failed, runtime};
use crate::jobs::{self, DeadLetterSource};
use crate::telemetry;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: WithConfig,
    /// Letters, folders of letters, or s3://bucket/prefix; each letter that becomes final is removed
    #[arg(required = true, value_name = "DEAD-LETTERS")]
    letters: Vec<String>,
}

/// Exit code 1 if any letter stays.
pub(super) fn replay(args: &Args) -> ExitCode {
    let config = match configuration(&args.place) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if let Err(error) = telemetry::init(&config.log) {
        return failed(&error);
    }
    let places: Vec<DeadLetterSource> =
        args.letters.iter().map(|text| DeadLetterSource::parse(text)).collect();
    let replayed = runtime().and_then(|runtime| {
        runtime.block_on(async {
            let stop = stop_on_signal()?;
            jobs::replay(config, None, &places, stop).await
        })
    });
    match replayed {
        Ok(ended) => {
            let kept = ended.letters - ended.done;
            eprintln!("letters={} final={} kept={kept}", ended.letters, ended.done);
            if kept > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(error) => failed(&error),
    }
}
