//! The command line: one file per subcommand.
//!
//! stdout carries data only; everything for people goes to stderr. Exit codes: 0 done · 1 failed at
//! run time · 64 bad usage or configuration (`EX_USAGE` of sysexits.h).

mod backfill;
mod check;
mod events;
mod explain;
mod filter;
mod healthcheck;
mod listing;
mod output;
mod replay;
mod run;
mod scan;
mod schema;
mod table;
mod unwrap;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use rustix::fs::Mode;
use rustix::process::umask;

use crate::app;
use crate::config::{self, Config, ConfigLocation, OutputFormat};
use crate::error::{Code, Error};
use crate::sink;
use output::{print, print_error, print_lines};

/// Bad usage or configuration.
const EX_USAGE: u8 = 64;

#[derive(Debug, Parser)]
#[command(
    name = "certrelay",
    version,
    about = "Watches AWS CloudTrail for changes to IAM certificates and forwards each one"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service until SIGTERM
    Run(ConfigArgs),
    /// Check a configuration and report all errors in one run
    Check(check::Args),
    /// Find IAM certificate events in local CloudTrail files and print them as NDJSON
    Scan(scan::Args),
    /// Process the CloudTrail files of a time range, here or through the source's queue
    Backfill(backfill::Args),
    /// Reprocess dead letters; delete those that succeed
    Replay(replay::Args),
    /// Explain what a record means and where it is routed
    Explain(explain::Args),
    /// List the IAM certificate events with their severity and meaning
    Events(events::Args),
    /// Print the JSON Schema of the configuration or of an output format
    Schema(schema::Args),
    /// Check that a running service is alive, for a container's health check
    Healthcheck(healthcheck::Args),
    /// Read the first responses of Kafka's brokers, as `run` starts it
    #[command(hide = true)]
    KafkaProbe,
}

/// `-c CONFIG`: required, because a hidden default is a surprise.
#[derive(Debug, clap::Args)]
struct ConfigArgs {
    /// The configuration: a TOML file, env:NAME for the text of an environment variable, or
    /// s3://bucket/key
    #[arg(short, long, value_name = "CONFIG")]
    config: String,
}

/// What is printed for each event.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// OCSF 1.8.0, class API Activity
    Ocsf,
    /// Elastic Common Schema
    Ecs,
    /// Splunk's Common Information Model, data model Change
    Cim,
    /// The record as CloudTrail wrote it, secrets redacted
    Raw,
}

impl From<Format> for OutputFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Ocsf => Self::Ocsf,
            Format::Ecs => Self::Ecs,
            Format::Cim => Self::Cim,
            Format::Raw => Self::Raw,
        }
    }
}

/// Parses the arguments, runs the command, and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    restrict_new_files();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) if usage.use_stderr() => {
            print_lines(&usage);
            return ExitCode::from(EX_USAGE);
        }
        Err(help) => return print(&help.to_string()),
    };
    sink::isolate_kafka_probes();
    let ended = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Scan(args) => scan::scan(&args),
        Command::Backfill(args) => backfill::backfill(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Events(args) => Ok(events::events(&args)),
        Command::Schema(args) => Ok(schema::schema(&args)),
        Command::Healthcheck(args) => Ok(healthcheck::healthcheck(&args)),
        Command::KafkaProbe => Ok(sink::kafka_probe()),
    };
    match ended {
        Ok(code) => code,
        Err(Failure::Reported(code)) => code,
        Err(Failure::Error(error)) => report(&error),
    }
}

/// Lets nobody else read the files that are created from now on, nor the group write them: events
/// and dead letters name users, addresses and certificates.
fn restrict_new_files() {
    let restricted = Mode::WGRP | Mode::RWXO;
    // A stricter mask of the operator's holds.
    umask(umask(restricted) | restricted);
}

/// Why a command ended early.
enum Failure {
    /// The errors have been printed; the exit code.
    Reported(ExitCode),
    /// Still to be reported, with exit code 1.
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Reports why the command failed: in the log if it has started, so that alarms on the log see it.
fn report(error: &Error) -> ExitCode {
    if tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!(code = error.code.as_str(), error = error.text, "certrelay failed");
    } else {
        print_error(error);
    }
    ExitCode::FAILURE
}

/// Loads and checks the configuration; prints all its errors.
fn load_config(args: &ConfigArgs) -> Result<Config, Failure> {
    let usage = Failure::Reported(ExitCode::from(EX_USAGE));
    let loaded = match ConfigLocation::parse(&args.config) {
        Ok(None) => config::load(&args.config, sink::kafka_option),
        Ok(Some(location)) => runtime()?.block_on(app::fetch_config(&args.config, location)),
        Err(errors) => Err(errors),
    };
    let config = match loaded {
        Ok(config) => config,
        Err(errors) => {
            print_lines(&errors);
            return Err(usage);
        }
    };
    let errors: Vec<Error> = config.sinks.iter().filter_map(|one| sink::check(one).err()).collect();
    errors.iter().for_each(print_error);
    if errors.is_empty() { Ok(config) } else { Err(usage) }
}

/// As [`load_config`], where a configuration is optional.
fn load_optional_config(config: Option<&String>) -> Result<Option<Config>, Failure> {
    config.map(|config| load_config(&ConfigArgs { config: config.clone() })).transpose()
}

/// Creates the async runtime, for commands that connect to others.
fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|cause| Error::caused(Code::Runtime, "the runtime cannot be started", cause))
}
