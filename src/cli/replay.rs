//! `replay`: dead letters through the same path again.

use std::process::ExitCode;

use super::output::print_line;
use super::run::{start, stop_on_signal};
use super::{ConfigArgs, Failure, load_config, runtime};
use crate::jobs::{self, Replayed};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Dead letters, folders of dead letters, or s3://bucket/prefix
    #[arg(required = true, value_name = "DEAD-LETTERS")]
    dead_letters: Vec<String>,
}

/// Runs the command; exit code 1 if any dead letter is kept.
pub(super) fn replay(args: &Args) -> Result<ExitCode, Failure> {
    let config = load_config(&args.config)?;
    start(&config.log)?;
    let replayed = runtime()?.block_on(async {
        let stop = stop_on_signal()?;
        jobs::replay(config, None, &args.dead_letters, stop).await
    })?;
    let Replayed { found, deleted } = replayed;
    let kept = found - deleted;
    print_line(&format_args!("dead_letters={found} deleted={deleted} kept={kept}"));
    Ok(if kept > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
