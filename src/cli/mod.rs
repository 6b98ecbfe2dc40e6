//! The command line: one file a subcommand.
//!
//! stdout carries data only; everything for people goes to stderr. Exit codes: 0 done · 1 failed at
//! run time · 64 bad usage or configuration (`EX_USAGE` of sysexits.h).

mod backfill;
mod check;
mod connect;
mod context;
mod events;
mod explain;
mod format;
mod healthcheck;
mod replay;
mod run;
mod scan;
mod schema;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app;
use crate::config::{self, Config, ConfigLocation};
use crate::error::{Code, Error};
use crate::sink;
use crate::telemetry::escape;

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
    Check(check::Args),
    /// Find the events in local CloudTrail files and print them as NDJSON
    Scan(scan::Args),
    /// Deliver the files of a time range, here or by way of the source's queue
    Backfill(backfill::Args),
    /// Offer dead letters again: what becomes final is removed, what does not stays
    Replay(replay::Args),
    /// Say what a record means, and where it would go
    Explain(explain::Args),
    /// List the events: what each means and how grave it is
    Events(events::Args),
    /// Print the JSON Schema of the configuration, or of an output format
    Schema(schema::Args),
    /// Ask a running service whether it is alive (for a container's health check)
    Healthcheck(healthcheck::Args),
}

/// `-c CONFIG`: required, because a hidden default is a surprise.
#[derive(Debug, clap::Args)]
struct WithConfig {
    /// A TOML file; env:NAME for the text in an environment variable; s3://bucket/key
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
        Command::Check(args) => check::check(&args),
        Command::Scan(args) => scan::scan(&args),
        Command::Backfill(args) => backfill::backfill(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Events(args) => events::events(&args),
        Command::Schema(args) => schema::schema(&args),
        Command::Healthcheck(args) => healthcheck::healthcheck(&args),
    }
}

/// The checked configuration, or every mistake on stderr and the exit code for it.
fn configuration(place: &WithConfig) -> Result<Config, ExitCode> {
    let read = match ConfigLocation::parse(&place.config) {
        Ok(None) => config::load(&place.config, sink::kafka_option),
        Ok(Some(elsewhere)) => {
            let runtime = runtime().map_err(|error| failed(&error))?;
            runtime.block_on(app::configuration(&place.config, elsewhere))
        }
        Err(mistakes) => Err(mistakes),
    };
    let config = read.map_err(|mistakes| {
        tell(&mistakes);
        ExitCode::from(EX_USAGE)
    })?;
    let refused: Vec<Error> =
        config.sinks.iter().filter_map(|one| sink::check(one).err()).collect();
    refused.iter().for_each(tell);
    if refused.is_empty() { Ok(config) } else { Err(ExitCode::from(EX_USAGE)) }
}

/// As [`configuration`], where one may be named.
fn optional(place: Option<&String>) -> Result<Option<Config>, ExitCode> {
    place.map(|config| configuration(&WithConfig { config: config.clone() })).transpose()
}

/// Says lines of text on stderr, with nothing in them that a terminal would obey.
fn tell(text: &impl std::fmt::Display) {
    text.to_string().lines().for_each(|line| eprintln!("{}", escape(line)));
}

/// For commands that talk to others.
fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|cause| Error::new(Code::Runtime, format!("no runtime: {cause}")))
}

/// Says why the command failed: in the log where it has begun, so that whoever watches the log hears of it.
fn failed(error: &Error) -> ExitCode {
    if tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!(code = error.code.as_str(), "{}", escape(&error.text));
    } else {
        eprintln!("certrelay: {}", escape(&error.to_string()));
    }
    ExitCode::FAILURE
}

/// Prints a page on stdout. A reader that has seen enough is no failure.
fn print(text: &str) -> ExitCode {
    use std::io::Write as _;

    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(cause) if cause.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("certrelay: stdout: {cause}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
