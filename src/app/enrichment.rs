//! What is known beside the records, `[accounts]` and `[credential_reports]`: read at start, and again on a
//! timer. What cannot be read is said and counted; what was known before stays, and no event waits.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_config::SdkConfig;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::app::build::own_store;
use crate::app::text;
use crate::config::{Accounts, Config, ConfigError, Refreshed, TableLocation};
use crate::error::{Code, Error};
use crate::event::{Context, Report, Reports};
use crate::store::{Ask, FileStore, Location, S3Store, Store};
use crate::telemetry::{ByReason, Metrics};

/// A report of the 5,000 users that an account may have is a tenth of this.
const MAX_BYTES: usize = 16 << 20;

/// Reports that are read: an organisation's accounts, not their history.
const MAX_REPORTS: usize = 2_000;

/// So long the start waits for reports: probes must answer soon, and an organisation's are many.
const FIRST_REPORTS: Duration = Duration::from_secs(15);

/// Reads what the configuration names, and hands out what it knows.
#[derive(Default)]
pub struct Enrichment {
    accounts: Option<Refreshed>,
    credential_reports: Option<Refreshed>,
    s3: Option<Arc<S3Store>>,
    known: RwLock<Context>,
    /// The start did not wait for all reports: read them at once.
    reports_owed: AtomicBool,
}

/// Why a table of accounts is not used.
#[derive(Debug)]
pub enum Unusable {
    /// It cannot be read.
    Unreadable(Error),
    /// It has mistakes.
    Mistaken(ConfigError),
}

impl From<Unusable> for Error {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Unreadable(error) => error,
            Unusable::Mistaken(mistakes) => {
                let first =
                    mistakes.diagnostics.first().map(|one| format!("{}: {}", one.line, one.text));
                let (place, count) = (&mistakes.location, mistakes.diagnostics.len());
                let text = format!(
                    "[accounts] {place}:{}; {count} errors, which `certrelay check` shows",
                    first.unwrap_or_default()
                );
                Self::new(Code::AccountsInvalid, text)
            }
        }
    }
}

impl Enrichment {
    /// Knows nothing yet and has connected to nothing.
    ///
    /// # Errors
    /// AWS's own configuration, where something lies in S3.
    pub async fn new(config: &Config, aws: Option<SdkConfig>) -> Result<Self, Error> {
        let (accounts, credential_reports) =
            (config.accounts.clone(), config.credential_reports.clone());
        let in_s3 = [&accounts, &credential_reports].into_iter().flatten().any(Refreshed::is_in_s3);
        let s3 = if in_s3 { Some(Arc::new(own_store(config, aws).await?)) } else { None };
        Ok(Self {
            accounts,
            credential_reports,
            s3,
            known: RwLock::default(),
            reports_owed: AtomicBool::default(),
        })
    }

    /// What is known now.
    #[must_use]
    pub fn known(&self) -> Context {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the table of accounts, if there is one: how many it has.
    ///
    /// # Errors
    /// It cannot be read or has mistakes; the one before stays.
    pub async fn read_accounts(&self) -> Result<Option<usize>, Unusable> {
        let Some(Refreshed { location: place, .. }) = &self.accounts else { return Ok(None) };
        let unreadable = |text: String| {
            Unusable::Unreadable(Error::new(Code::AccountsUnreadable, format!("[accounts] {text}")))
        };
        let (text, _) = self.fetch(location(place)).await.map_err(unreadable)?;
        let accounts = Accounts::parse(&place.to_string(), &text).map_err(Unusable::Mistaken)?;
        let count = accounts.len();
        self.known.write().unwrap_or_else(PoisonError::into_inner).accounts = Arc::new(accounts);
        Ok(Some(count))
    }

    /// Reads the credential reports, if there are any: of how many accounts they are, and what is wrong
    /// with those that cannot be used. What they said before stays.
    pub async fn read_reports(&self) -> Option<(usize, Vec<Error>)> {
        let Refreshed { location: place, .. } = self.credential_reports.as_ref()?;
        let mut faults = Vec::new();
        let fault = |text: String| {
            Error::new(Code::CredentialReportUnreadable, format!("[credential_reports] {text}"))
        };
        let mut places = self.list(place).await.unwrap_or_else(|text| {
            faults.push(fault(text));
            Vec::new()
        });
        if places.len() > MAX_REPORTS {
            faults.push(fault(format!(
                "{place}: {} reports, of which {MAX_REPORTS} are read; keep one an account",
                places.len()
            )));
            places.truncate(MAX_REPORTS);
        }
        let mut reports = Reports::default();
        for one in places {
            let name = one.to_string();
            match self.report(one).await {
                Ok(report) => reports.add(report),
                Err(text) => faults.push(fault(format!("{name}: {text}"))),
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if !faults.is_empty() {
            reports.keep(&known.reports);
        }
        known.reports = Arc::new(reports);
        Some((known.reports.len(), faults))
    }

    async fn report(&self, place: Location) -> Result<Report, String> {
        let name = place.to_string();
        let (text, written) = self.fetch(place).await?;
        let made = Report::made(&name, written).ok_or("nobody knows when it was made")?;
        Report::parse(&text, made)
    }

    /// All there is to read, before the first event.
    ///
    /// # Errors
    /// A table of accounts that cannot be used: routes may hang on it. Reports never keep us for long.
    pub(crate) async fn read_first(&self, metrics: &Metrics) -> Result<(), Error> {
        if let Some(count) = self.read_accounts().await? {
            tracing::info!(accounts = count, "the table of accounts is read");
        }
        let reports = self.refresh_reports(metrics);
        if tokio::time::timeout(FIRST_REPORTS, reports).await.is_err() {
            let seconds = FIRST_REPORTS.as_secs();
            tracing::warn!(
                "not all credential reports were read in {seconds} s; events go on without them until they are"
            );
            self.reports_owed.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn refresh_accounts(&self, metrics: &Metrics) {
        if let Err(unusable) = self.read_accounts().await {
            complain(&unusable.into(), metrics);
        }
    }

    async fn refresh_reports(&self, metrics: &Metrics) {
        let Some((accounts, faults)) = self.read_reports().await else { return };
        faults.iter().for_each(|error| complain(error, metrics));
        tracing::info!(accounts, "the credential reports are read");
    }

    /// Reads everything again and again, each at its own pace, until `stop`.
    pub(crate) async fn keep_fresh(
        self: Arc<Self>,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) {
        let accounts = async {
            let Some(every) = self.accounts.as_ref().map(|one| one.refresh) else { return };
            while pause(every, &stop).await {
                self.refresh_accounts(&metrics).await;
            }
        };
        let reports = async {
            let Some(every) = self.credential_reports.as_ref().map(|one| one.refresh) else {
                return;
            };
            if self.reports_owed.swap(false, Ordering::Relaxed) {
                self.refresh_reports(&metrics).await;
            }
            while pause(every, &stop).await {
                self.refresh_reports(&metrics).await;
            }
        };
        stop.run_until_cancelled(async { tokio::join!(accounts, reports) }).await;
    }

    /// What lies at a place: files or objects that may be reports.
    async fn list(&self, place: &TableLocation) -> Result<Vec<Location>, String> {
        match place {
            TableLocation::Local(folder) => {
                in_folder(folder).await.map_err(|cause| format!("{}: {cause}", folder.display()))
            }
            TableLocation::S3 { bucket, key } => {
                let store = self.s3.as_ref().ok_or("S3 is not configured")?;
                in_bucket(store, bucket, key).await
            }
        }
    }

    /// The text at a place and when it was written.
    async fn fetch(&self, location: Location) -> Result<(String, Option<OffsetDateTime>), String> {
        let store: &dyn Store = match (&location, &self.s3) {
            (Location::File(_), _) => &FileStore,
            (Location::S3 { .. }, Some(store)) => store.as_ref(),
            (Location::S3 { .. }, None) => return Err("S3 is not configured".to_owned()),
        };
        text::read(store, location, MAX_BYTES).await
    }
}

fn location(place: &TableLocation) -> Location {
    match place {
        TableLocation::Local(path) => Location::File(path.clone()),
        TableLocation::S3 { bucket, key } => {
            Location::S3 { bucket: bucket.clone(), key: key.clone(), version: None }
        }
    }
}

fn is_report(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".csv")
}

async fn in_folder(folder: &Path) -> std::io::Result<Vec<Location>> {
    let mut entries = tokio::fs::read_dir(folder).await?;
    let mut files = Vec::new();
    while let Some(entry) = entries.next_entry().await? {
        if is_report(&entry.file_name().to_string_lossy()) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files.into_iter().map(Location::File).collect())
}

/// Pages until there are more than anybody should keep there.
async fn in_bucket(store: &S3Store, bucket: &str, prefix: &str) -> Result<Vec<Location>, String> {
    let mut found = Vec::new();
    let mut page: Option<String> = None;
    loop {
        let ask = Ask { prefix, page: page.as_deref(), ..Ask::default() };
        let listing = store.list(bucket, ask).await.map_err(|error| error.text)?;
        let keys =
            listing.objects.into_iter().map(|object| object.key).filter(|key| is_report(key));
        found.extend(keys.map(|key| Location::S3 {
            bucket: bucket.to_owned(),
            key,
            version: None,
        }));
        page = listing.next;
        if page.is_none() || found.len() > MAX_REPORTS {
            return Ok(found);
        }
    }
}

fn complain(error: &Error, metrics: &Metrics) {
    metrics.enrichment_errors.get_or_create(&ByReason::new(error.code.as_str())).inc();
    tracing::warn!(code = error.code.as_str(), "{error}; what was known before stays");
}

/// Waits; `false`: it is time to stop.
async fn pause(every: Duration, stop: &CancellationToken) -> bool {
    stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some()
}

#[cfg(test)]
mod tests;
