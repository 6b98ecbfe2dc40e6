//! Data that enriches events, from `[accounts]` and `[credential_reports]`: loaded at start-up and
//! refreshed on a timer. A failed refresh is logged and counted; the previous data stays in use,
//! and no event waits.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_config::SdkConfig;
use time::OffsetDateTime;

use crate::app::build::own_store;
use crate::app::fetch_config::{list_keys, read_text};
use crate::config::{Accounts, Config, ConfigError, Refreshed, TableLocation};
use crate::error::{Code, Error};
use crate::event::{Context, Report, Reports};
use crate::pipeline::EnrichmentSnapshot;
use crate::store::{Location, S3Store};
use crate::telemetry::{ByReason, Metrics};

/// Largest file. A report of the 5,000 users that an account may have is a tenth of this.
const MAX_BYTES: usize = 16 << 20;

/// Most reports that are read: one for each account of an organisation, not their history.
const MAX_REPORTS: usize = 2_000;

/// Longest time that start-up waits for reports: probes must respond soon, and an organisation's
/// reports are many.
const REPORTS_TIMEOUT: Duration = Duration::from_secs(15);

/// Loads the data that the configuration names and provides the current state.
#[derive(Default)]
pub struct Enrichment {
    accounts: Option<Refreshed>,
    credential_reports: Option<Refreshed>,
    s3: Option<Arc<S3Store>>,
    context: EnrichmentSnapshot,
    /// Start-up did not wait for all reports: the first refresh is due at once.
    reports_pending: AtomicBool,
}

/// Why the accounts file was not loaded.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) enum AccountsError {
    /// It cannot be read.
    Unreadable(Error),
    /// It has errors.
    Invalid(ConfigError),
}

impl From<AccountsError> for Error {
    fn from(error: AccountsError) -> Self {
        let errors = match error {
            AccountsError::Unreadable(error) => return error,
            AccountsError::Invalid(errors) => errors,
        };
        let first = errors.diagnostics.first().map(|one| format!("{}: {}", one.line, one.text));
        let (first, count) = (first.unwrap_or_default(), errors.diagnostics.len());
        let text = format!(
            "[accounts] {}:{first}; {count} errors, run `certrelay check` for all of them",
            errors.location
        );
        Self::new(Code::AccountsInvalid, text)
    }
}

/// The result of loading credential reports.
pub(crate) struct LoadedReports {
    /// Accounts that a report is known of.
    pub(crate) accounts: usize,
    /// Reports that could not be used, and why; their previous version stays in use.
    pub(crate) errors: Vec<Error>,
}

impl Enrichment {
    /// Creates the enrichment without data; connects to nothing yet.
    ///
    /// # Errors
    /// Some of the data is in S3 and AWS's client cannot be configured.
    pub(crate) async fn new(config: &Config, aws: Option<SdkConfig>) -> Result<Self, Error> {
        let (accounts, credential_reports) =
            (config.accounts.clone(), config.credential_reports.clone());
        let in_s3 = [&accounts, &credential_reports].into_iter().flatten().any(Refreshed::is_in_s3);
        let s3 = if in_s3 { Some(Arc::new(own_store(config, aws).await?)) } else { None };
        Ok(Self { accounts, credential_reports, s3, ..Self::default() })
    }

    /// Returns the current data.
    #[must_use]
    pub(crate) fn context(&self) -> Context {
        self.context.get()
    }

    /// Returns the handle through which the pipeline reads the current data.
    pub(crate) fn snapshot(&self) -> EnrichmentSnapshot {
        self.context.clone()
    }

    /// Loads the accounts file, if one is configured, and returns its number of accounts.
    ///
    /// # Errors
    /// It cannot be read or has errors; the previous one stays in use.
    pub(crate) async fn load_accounts(&self) -> Result<Option<usize>, AccountsError> {
        let Some(Refreshed { location: place, .. }) = &self.accounts else { return Ok(None) };
        let unreadable = |text: String| {
            let text = format!("[accounts] {text}");
            AccountsError::Unreadable(Error::new(Code::AccountsUnreadable, text))
        };
        let (text, _) = self.read(location(place)).await.map_err(unreadable)?;
        let accounts =
            Accounts::parse(&place.to_string(), &text).map_err(AccountsError::Invalid)?;
        let count = accounts.len();
        self.context.update(|context| context.accounts = Arc::new(accounts));
        Ok(Some(count))
    }

    /// Loads the credential reports, if any are configured.
    pub(crate) async fn load_reports(&self) -> Option<LoadedReports> {
        let Refreshed { location: place, .. } = self.credential_reports.as_ref()?;
        let error = |text: String| {
            let text = format!("[credential_reports] {text}");
            Error::new(Code::CredentialReportUnreadable, text)
        };
        let mut errors = Vec::new();
        let mut locations = self.list(place).await.unwrap_or_else(|text| {
            errors.push(error(text));
            Vec::new()
        });
        if locations.len() > MAX_REPORTS {
            let count = locations.len();
            errors.push(error(format!(
                "{place}: {count} reports, {MAX_REPORTS} of them are read; keep one per account"
            )));
            locations.truncate(MAX_REPORTS);
        }
        let mut reports = Reports::default();
        for location in locations {
            let name = location.to_string();
            match self.load_report(location).await {
                Ok(report) => reports.add(report),
                Err(text) => errors.push(error(format!("{name}: {text}"))),
            }
        }
        let accounts = self.context.update(|context| {
            if !errors.is_empty() {
                reports.add_missing(&context.reports);
            }
            context.reports = Arc::new(reports);
            context.reports.len()
        });
        Some(LoadedReports { accounts, errors })
    }

    async fn load_report(&self, location: Location) -> Result<Report, String> {
        let name = location.to_string();
        let (text, written) = self.read(location).await?;
        let made = Report::made(&name, written).ok_or("its creation time is unknown")?;
        Report::parse(&text, made)
    }

    /// Loads everything before the first event.
    ///
    /// # Errors
    /// An accounts file that cannot be used: routes may depend on it. Reports only delay the start.
    pub(crate) async fn load(&self, metrics: &Metrics) -> Result<(), Error> {
        if let Some(accounts) = self.load_accounts().await? {
            tracing::info!(accounts, "accounts loaded");
        }
        let reports = self.refresh_reports(metrics);
        if tokio::time::timeout(REPORTS_TIMEOUT, reports).await.is_err() {
            let timeout_seconds = REPORTS_TIMEOUT.as_secs();
            tracing::warn!(timeout_seconds, "credential reports timeout, starting without them");
            self.reports_pending.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn refresh_accounts(&self, metrics: &Metrics) {
        if let Err(error) = self.load_accounts().await {
            log_failure(&error.into(), metrics);
        }
    }

    async fn refresh_reports(&self, metrics: &Metrics) {
        let Some(LoadedReports { accounts, errors }) = self.load_reports().await else { return };
        errors.iter().for_each(|error| log_failure(error, metrics));
        tracing::info!(accounts, "credential reports loaded");
    }

    /// Refreshes everything, each on its own timer, until dropped.
    pub(crate) async fn refresh(self: Arc<Self>, metrics: Arc<Metrics>) {
        let accounts = async {
            let Some(interval) = self.accounts.as_ref().map(|one| one.refresh) else { return };
            loop {
                tokio::time::sleep(interval).await;
                self.refresh_accounts(&metrics).await;
            }
        };
        let reports = async {
            let Some(one) = self.credential_reports.as_ref() else { return };
            if self.reports_pending.swap(false, Ordering::Relaxed) {
                self.refresh_reports(&metrics).await;
            }
            loop {
                tokio::time::sleep(one.refresh).await;
                self.refresh_reports(&metrics).await;
            }
        };
        tokio::join!(accounts, reports);
    }

    /// Returns the files or objects at `place` that may be reports.
    async fn list(&self, place: &TableLocation) -> Result<Vec<Location>, String> {
        match place {
            TableLocation::Local(folder) => {
                list_folder(folder).await.map_err(|cause| format!("{}: {cause}", folder.display()))
            }
            TableLocation::S3 { bucket, key } => {
                let s3 = self.s3.as_ref().ok_or("S3 is not configured")?;
                let keys = list_keys(s3, bucket, key, is_report, MAX_REPORTS).await?;
                let bucket = || bucket.clone();
                let location = |key| Location::S3 { bucket: bucket(), key, version: None };
                Ok(keys.into_iter().map(location).collect())
            }
        }
    }

    async fn read(&self, location: Location) -> Result<(String, Option<OffsetDateTime>), String> {
        read_text(self.s3.as_deref(), location, MAX_BYTES).await
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

async fn list_folder(folder: &Path) -> std::io::Result<Vec<Location>> {
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

fn log_failure(error: &Error, metrics: &Metrics) {
    let code = error.code.as_str();
    metrics.enrichment_errors.get_or_create(&ByReason::new(code)).inc();
    tracing::warn!(code, error = error.text, "enrichment refresh failed, keeping previous data");
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use aws_config::{BehaviorVersion, Region};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use tempfile::TempDir;
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;
    use tokio_util::sync::CancellationToken;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const REPORT: &str = include_str!("../../examples/credential-reports/111122223333.csv");
    const BOB: &str = "arn:aws:iam::111122223333:user/bob";

    struct World {
        folder: TempDir,
        enrichment: Arc<Enrichment>,
        metrics: Arc<Metrics>,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a directory");
            std::fs::create_dir(folder.path().join("reports")).expect("a directory");
            let at = |name: &str| Refreshed {
                location: TableLocation::Local(folder.path().join(name)),
                refresh: HOUR,
            };
            let enrichment = Enrichment {
                accounts: Some(at("accounts.csv")),
                credential_reports: Some(at("reports")),
                ..Enrichment::default()
            };
            Self { folder, enrichment: Arc::new(enrichment), metrics: Arc::new(Metrics::new()) }
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        }

        fn account_name(&self) -> Option<String> {
            let context = self.enrichment.context();
            context.accounts.get("111122223333").and_then(|account| account.name.clone())
        }

        fn has_report_of_bob(&self) -> bool {
            self.enrichment.context().reports.of(BOB).is_some()
        }

        fn errors(&self, code: &str) -> u64 {
            self.metrics.enrichment_errors.get_or_create(&ByReason::new(code)).get()
        }
    }

    #[tokio::test]
    async fn an_invalid_accounts_file_fails_the_start_and_an_invalid_report_does_not() {
        let world = World::new();
        let first = async || world.enrichment.load(&world.metrics).await;
        assert_eq!(first().await.map_err(|error| error.code), Err(Code::AccountsUnreadable));
        world.write("accounts.csv", "id,name\n111122223333,shop\n1,short\n");
        let error = first().await.expect_err("an invalid row");
        assert_eq!(error.code, Code::AccountsInvalid);
        assert!(error.text.contains("accounts.csv:3: `id`"), "{error}");
        world.write("accounts.csv", "id,name\n111122223333,shop\n");
        world.write("reports/a.csv", "no\nreport\n");
        assert_eq!(first().await, Ok(()));
        assert_eq!(world.account_name().as_deref(), Some("shop"));
        assert_eq!(
            (world.errors(Code::CredentialReportUnreadable.as_str()), world.has_report_of_bob()),
            (1, false)
        );
    }

    #[tokio::test]
    async fn previous_data_stays_in_use_when_a_refresh_fails() {
        let world = World::new();
        world.write("accounts.csv", "id,name\n111122223333,shop\n");
        let report = world.write("reports/a.csv", REPORT);
        world.write("reports/readme.txt", "not a report");
        world.enrichment.load(&world.metrics).await.expect("read");
        assert!(
            world.has_report_of_bob()
                && world.errors(Code::CredentialReportUnreadable.as_str()) == 0
        );

        world.write("accounts.csv", "id,name\n1,short\n");
        world.write("reports/a.csv", "damaged");
        world.enrichment.refresh_accounts(&world.metrics).await;
        world.enrichment.refresh_reports(&world.metrics).await;
        assert_eq!(
            (world.account_name().as_deref(), world.has_report_of_bob()),
            (Some("shop"), true)
        );
        assert_eq!(
            (
                world.errors(Code::AccountsInvalid.as_str()),
                world.errors(Code::CredentialReportUnreadable.as_str())
            ),
            (1, 1)
        );

        // A deleted report is not an unreadable one: its data goes.
        std::fs::remove_file(report).expect("removed");
        world.enrichment.refresh_reports(&world.metrics).await;
        assert!(!world.has_report_of_bob());
    }

    #[tokio::test(start_paused = true)]
    async fn data_is_refreshed_on_a_timer_until_stop() {
        let world = World::new();
        world.write("accounts.csv", "id,name\n111122223333,shop\n");
        world.enrichment.load(&world.metrics).await.expect("read");
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let enrichment = Arc::clone(&world.enrichment);
        let (metrics, stopped) = (Arc::clone(&world.metrics), stop.clone());
        tasks.spawn(async move {
            let _ = stopped.run_until_cancelled(enrichment.refresh(metrics)).await;
        });
        world.write("accounts.csv", "id,name\n111122223333,store\n");
        world.write("reports/a.csv", REPORT);
        let mut hours = 0;
        while world.account_name().as_deref() != Some("store") || !world.has_report_of_bob() {
            tokio::time::sleep(HOUR).await;
            hours += 1;
            assert!(hours < 100, "never refreshed");
        }
        stop.cancel();
        assert!(tasks.join_next().await.is_some_and(|ended| ended.is_ok()));
    }

    /// S3 that accepts every request and responds to none.
    fn unresponsive_s3(endpoint: &str) -> S3Store {
        let own = Credentials::new("AKIAEXAMPLE", "example", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(own))
            .build();
        S3Store::new(&config, Some(endpoint))
    }

    #[tokio::test(start_paused = true)]
    async fn start_up_waits_fifteen_seconds_for_reports_and_retries_them_at_once() {
        let log = tempfile::NamedTempFile::new().expect("a file");
        let writer = Arc::new(log.reopen().expect("a file"));
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let place = TableLocation::S3 { bucket: "reports".to_owned(), key: String::new() };
        let enrichment = Arc::new(Enrichment {
            credential_reports: Some(Refreshed { location: place, refresh: HOUR }),
            s3: Some(Arc::new(unresponsive_s3(&endpoint))),
            ..Enrichment::default()
        });
        let metrics = Arc::new(Metrics::new());

        let begin = tokio::time::Instant::now();
        let (loaded, requested) = tokio::join!(enrichment.load(&metrics), listener.accept());
        assert_eq!((loaded, requested.is_ok()), (Ok(()), true));
        assert_eq!(begin.elapsed().as_secs(), 15);
        let log = std::fs::read_to_string(log.path()).expect("the log");
        assert!(log.contains("WARN") && log.contains("credential reports timeout"), "{log}");
        assert!(log.contains("timeout_seconds=15"), "{log}");

        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&enrichment).refresh(metrics));
        let _request = listener.accept().await.expect("a second request");
        assert_eq!(begin.elapsed().as_secs(), 15, "not an hour later");
    }
}
