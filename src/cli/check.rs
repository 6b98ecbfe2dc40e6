//! `check`: every mistake of a configuration in one run, and what it says where there is none.

use std::process::ExitCode;

use super::{EX_USAGE, WithConfig, configuration, connect, context, failed, runtime, tell};
use crate::outcome::Why;
use crate::sink;
use crate::telemetry::escape;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: WithConfig,
    /// Also ask every queue and sink whether it would work with us; sends and receives nothing
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
    let refused: Vec<Why> = config.sinks.iter().filter_map(|one| sink::check(one).err()).collect();
    if !refused.is_empty() {
        refused.iter().for_each(tell);
        return ExitCode::from(EX_USAGE);
    }
    eprintln!("{}: no mistakes", escape(&args.place.config));
    tell(&config.summary());
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(why) => return failed(&why),
    };
    if let Err(code) = runtime.block_on(context::check(&config, args.connect)) {
        return code;
    }
    match args.connect && !runtime.block_on(connect::connect(&config)) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}
