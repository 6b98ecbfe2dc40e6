//! What is known beside the records, for commands that run once: read, and every mistake in it told.

use std::process::ExitCode;

use super::{runtime, tell};
use crate::app::{Enrichment, Unusable};
use crate::config::{Config, Refreshed};
use crate::event::Context;

/// Tells what is there and what is wrong with it. What lies in S3 is asked for only with `connect`.
pub(super) async fn check(config: &Config, connect: bool) -> Result<(), ExitCode> {
    let mut config = config.clone();
    let within_reach = |one: &Refreshed| connect || !one.is_in_s3();
    config.accounts = config.accounts.filter(within_reach);
    config.credential_reports = config.credential_reports.filter(within_reach);
    let Some(surroundings) = opened(&config).await else { return Err(ExitCode::FAILURE) };
    match surroundings.read_accounts().await {
        Ok(None) => {}
        Ok(Some(count)) => eprintln!("accounts: {count}"),
        Err(Unusable::Mistaken(mistakes)) => {
            tell(&mistakes);
            return Err(ExitCode::FAILURE);
        }
        Err(Unusable::Unreadable(error)) => {
            tell(&error);
            return Err(ExitCode::FAILURE);
        }
    }
    reports(&surroundings).await;
    Ok(())
}

async fn reports(surroundings: &Enrichment) {
    let Some((accounts, faults)) = surroundings.read_reports().await else { return };
    faults.iter().for_each(|error| tell(&format!("warning: {error}")));
    eprintln!("credential reports: of {accounts} accounts");
}

async fn opened(config: &Config) -> Option<Enrichment> {
    match Enrichment::new(config, None).await {
        Ok(surroundings) => Some(surroundings),
        Err(error) => {
            tell(&error);
            None
        }
    }
}

/// All that can be known; what cannot be read is told, and records are read without it.
pub(super) fn for_reading(config: &Config) -> Context {
    if config.accounts.is_none() && config.credential_reports.is_none() {
        return Context::default();
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            tell(&error);
            return Context::default();
        }
    };
    runtime.block_on(async {
        let Some(surroundings) = opened(config).await else { return Context::default() };
        match surroundings.read_accounts().await {
            Ok(_) => {}
            Err(Unusable::Mistaken(mistakes)) => tell(&mistakes),
            Err(Unusable::Unreadable(error)) => tell(&error),
        }
        reports(&surroundings).await;
        surroundings.known()
    })
}
