//! `schema`: the JSON Schema of the configuration or of an output format, for other programs.

use std::process::ExitCode;

use super::Format;
use super::output::print;
use crate::config;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The schema of this output format instead of the configuration's
    #[arg(long, value_enum)]
    format: Option<Format>,
}

pub(super) fn schema(args: &Args) -> ExitCode {
    let text = match args.format {
        None => config::schema(),
        Some(format) => crate::format::schema(format.into()),
    };
    print(text)
}
