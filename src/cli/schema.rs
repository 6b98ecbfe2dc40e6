//! `schema`: what a configuration may say, and what a consumer may rely on, for other people's tools.

use std::process::ExitCode;

use super::format::Format;
use super::print;
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
