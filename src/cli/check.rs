//! `check`: all errors of a configuration in one run; with `--connect` also whether its queues,
//! buckets, secrets, sinks and dead-letter location can be used, without a change to any of them.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use super::output::{print_error, print_line, print_lines, print_warning};
use super::{ConfigArgs, Failure, load_config, runtime};
use crate::app::{self, Enrichment};
use crate::config::{Config, FileConfig, Refreshed, Secret, SinkConfig, SinkKind, SourceKind};
use crate::error::{Code, Error};
use crate::queue::QueueAttributes;
use crate::sink::{self, ProbeScope};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Also check access to every queue, bucket, secret, sink and the dead-letter location; sends
    /// and receives nothing
    #[arg(long)]
    connect: bool,
}

pub(super) fn check(args: &Args) -> Result<ExitCode, Failure> {
    let config = load_config(&args.config)?;
    config.warnings.iter().for_each(print_lines);
    warn_of_secrets(&config);
    print_line(&format_args!("{}: no errors", args.config.config));
    print_lines(&config.summary());
    runtime()?.block_on(async {
        check_enrichment(&config, args.connect).await?;
        let succeeded = !args.connect || check_connections(&config).await?;
        Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// Warns of secrets that cannot be read, and of tokens that Splunk would not accept. Warns only: a
/// file with a secret need not exist on this machine.
fn warn_of_secrets(config: &Config) {
    for sink in &config.sinks {
        for (setting, secret) in sink.secrets() {
            if let Secret::File { path, .. } = secret
                && let Err(cause) = std::fs::File::open(path)
            {
                let (name, path) = (&sink.name, path.display());
                print_warning(&format!(
                    "sink.{name}.{setting}: {path} cannot be read on this machine: {cause}"
                ));
            }
        }
        if let SinkKind::SplunkHec(hec) = &sink.kind
            && let Some(fault) = hec.token.token_fault()
        {
            print_warning(&format!("sink.{}.token: the token {fault}", sink.name));
        }
    }
}

/// Loads the accounts and the credential reports; those in S3 only with `connect`.
async fn check_enrichment(config: &Config, connect: bool) -> Result<(), Failure> {
    let mut config = config.clone();
    let is_checked = |one: &Refreshed| connect || !one.is_in_s3();
    config.accounts = config.accounts.filter(is_checked);
    config.credential_reports = config.credential_reports.filter(is_checked);
    let enrichment = Enrichment::new(&config, None).await?;
    match enrichment.load_accounts().await {
        Ok(None) => {}
        Ok(Some(count)) => print_line(&format_args!("accounts: {count}")),
        Err(errors) => {
            print_lines(&errors);
            return Err(Failure::Reported(ExitCode::FAILURE));
        }
    }
    load_reports(&enrichment).await;
    Ok(())
}

/// Loads the credential reports and prints their number and errors.
pub(super) async fn load_reports(enrichment: &Enrichment) {
    let Some(loaded) = enrichment.load_reports().await else { return };
    loaded.errors.iter().for_each(print_warning);
    print_line(&format_args!("credential reports: {} accounts", loaded.accounts));
}

/// Checks and prints every connection; returns whether all succeeded.
async fn check_connections(config: &Config) -> Result<bool, Error> {
    let sources = app::sources(config, None).await?;
    let mut succeeded = true;
    for (name, result) in app::secrets(config, None).await? {
        succeeded &= print_result(&name, result.map(|()| Vec::new()));
    }
    for (source, settings) in sources.iter().zip(&config.sources) {
        let result = match &settings.kind {
            SourceKind::Sqs { .. } => source.queue.attributes().await,
            SourceKind::Directory(path) => check_directory(path).await,
        };
        let result =
            result.map(|queue| queue.as_ref().map(QueueAttributes::warnings).unwrap_or_default());
        succeeded &= print_result(&format!("source {}", source.queue.name()), result);
    }
    for (name, result) in app::check_access(config, None).await? {
        succeeded &= print_result(&name, result.map(Vec::from_iter));
    }
    for one in &config.sinks {
        let result = match (&one.kind, app::sink_credentials(config, one, None).await) {
            (SinkKind::File(file), _) => check_file(one, file),
            (_, Ok(credentials)) => sink::probe(one, credentials, ProbeScope::AllEndpoints).await,
            (_, Err(error)) => Err(error),
        };
        succeeded &= print_result(&format!("sink {}", one.name), result.map(|()| Vec::new()));
    }
    Ok(succeeded)
}

/// Opens the sink's file, or lists the folder to create it in.
fn check_file(sink: &SinkConfig, file: &FileConfig) -> Result<(), Error> {
    let opened = OpenOptions::new().append(true).open(&file.path);
    let (opened, path) = match opened {
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            let folder = file.path.parent().unwrap_or(&file.path);
            (std::fs::read_dir(folder).map(drop), folder)
        }
        opened => (opened.map(drop), file.path.as_path()),
    };
    opened.map_err(|cause| {
        let text = format!("sink.{}.path: cannot open {}", sink.name, path.display());
        Error::caused(Code::FileFailed, text, cause)
    })
}

/// Lists a source's folder, which has no attributes.
async fn check_directory(path: &Path) -> Result<Option<QueueAttributes>, Error> {
    match tokio::fs::read_dir(path).await {
        Ok(_) => Ok(None),
        Err(cause) => Err(Error::caused(Code::Directory, "cannot be listed", cause)),
    }
}

/// Prints the result of one check and returns whether it succeeded.
fn print_result(name: &str, result: Result<Vec<String>, Error>) -> bool {
    match &result {
        Ok(warnings) => {
            print_line(&format_args!("{name}: ok"));
            warnings.iter().for_each(|warning| print_warning(&format!("{name}: {warning}")));
        }
        Err(error) => print_error(&format!("{name}: {error}")),
    }
    result.is_ok()
}
