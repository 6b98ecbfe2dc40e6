//! The command line: one file a subcommand.
//!
//! stdout carries data only; everything for people goes to stderr. Exit codes: 0 done · 1 failed at
//! run time · 64 bad usage or configuration (`EX_USAGE` of sysexits.h).

mod check;
mod healthcheck;
mod run;
mod scan;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, Config};

/// Bad usage or configuration.
const EX_USAGE: u8 = 64;

#[derive(Debug, Parser)]
#[command(
    name = "certrelay",
    version,
    about = "Watches AWS CloudTrail for changes to IAM certificates and puts each one in front of a security team"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service until SIGTERM
    Run(WithConfig),
    /// Check a configuration: every mistake in one run
    Check(WithConfig),
    /// Find the events in local CloudTrail files and print them as NDJSON
    Scan(scan::Args),
    /// Ask a running service whether it is alive (for a container's health check)
    Healthcheck(healthcheck::Args),
}

/// `-c CONFIG`: required, because a hidden default is a surprise.
#[derive(Debug, clap::Args)]
struct WithConfig {
    /// A TOML file, or env:NAME for the text in an environment variable
    #[arg(short, long, value_name = "CONFIG")]
    config: String,
}

/// Parses the arguments, runs the command, answers its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            let _ = usage.print();
            return if usage.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match cli.command {
        Command::Run(place) => run::run(&place),
        Command::Check(place) => check::check(&place),
        Command::Scan(args) => scan::scan(&args),
        Command::Healthcheck(args) => healthcheck::healthcheck(&args),
    }
}

/// The checked configuration, or every mistake on stderr and the exit code for it.
fn configuration(place: &WithConfig) -> Result<Config, ExitCode> {
    config::load(&place.config).map_err(|mistakes| {
        eprintln!("{mistakes}");
        ExitCode::from(EX_USAGE)
    })
}

/// Says on stderr why the command failed.
fn failed(why: &crate::outcome::Why) -> ExitCode {
    eprintln!("certrelay: {why}");
    ExitCode::FAILURE
}
