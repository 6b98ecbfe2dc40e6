//! With files of our own: a bad one is said and counted, and what was known before stays.

use std::path::PathBuf;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::error::Code;

const HOUR: Duration = Duration::from_secs(3600);
const REPORT: &str = include_str!("../../../examples/credential-reports/111122223333.csv");
const BOB: &str = "arn:aws:iam::111122223333:user/bob";

struct World {
    folder: TempDir,
    surroundings: Arc<Enrichment>,
    metrics: Arc<Metrics>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("reports")).expect("a folder");
        let at = |name: &str| Refreshed {
            location: TableLocation::Local(folder.path().join(name)),
            refresh: HOUR,
        };
        let surroundings = Enrichment {
            accounts: Some(at("accounts.csv")),
            credential_reports: Some(at("reports")),
            ..Enrichment::default()
        };
        Self { folder, surroundings: Arc::new(surroundings), metrics: Arc::new(Metrics::new()) }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    fn name_of_account(&self) -> Option<String> {
        let known = self.surroundings.known();
        known.accounts.get("111122223333").and_then(|account| account.name.clone())
    }

    fn knows_bob(&self) -> bool {
        self.surroundings.known().reports.of(BOB).is_some()
    }

    fn errors(&self, code: &str) -> u64 {
        self.metrics.enrichment_errors.get_or_create(&ByReason::new(code)).get()
    }
}

#[tokio::test]
async fn at_start_a_table_with_a_mistake_keeps_us_and_a_report_never_does() {
    let world = World::new();
    let first = async || world.surroundings.read_first(&world.metrics).await;
    assert_eq!(first().await.map_err(|error| error.code), Err(Code::AccountsUnreadable));
    world.write("accounts.csv", "id,name\n111122223333,shop\n1,short\n");
    let error = first().await.expect_err("a mistake");
    assert_eq!(error.code, Code::AccountsInvalid);
    assert!(error.text.contains("accounts.csv:3: `id`"), "{error}");
    world.write("accounts.csv", "id,name\n111122223333,shop\n");
    world.write("reports/a.csv", "no\nreport\n");
    assert_eq!(first().await, Ok(()));
    assert_eq!(world.name_of_account().as_deref(), Some("shop"));
    assert_eq!(
        (world.errors(Code::CredentialReportUnreadable.as_str()), world.knows_bob()),
        (1, false)
    );
}

#[tokio::test]
async fn what_was_known_before_stays_when_something_cannot_be_read() {
    let world = World::new();
    world.write("accounts.csv", "id,name\n111122223333,shop\n");
    let report = world.write("reports/a.csv", REPORT);
    world.write("reports/readme.txt", "not looked at");
    world.surroundings.read_first(&world.metrics).await.expect("read");
    assert!(world.knows_bob() && world.errors(Code::CredentialReportUnreadable.as_str()) == 0);

    world.write("accounts.csv", "id,name\n1,short\n");
    world.write("reports/a.csv", "damaged");
    world.surroundings.refresh_accounts(&world.metrics).await;
    world.surroundings.refresh_reports(&world.metrics).await;
    assert_eq!((world.name_of_account().as_deref(), world.knows_bob()), (Some("shop"), true));
    assert_eq!(
        (
            world.errors(Code::AccountsInvalid.as_str()),
            world.errors(Code::CredentialReportUnreadable.as_str())
        ),
        (1, 1)
    );

    // Taken away is not damaged: what nobody says any more is not known any more.
    std::fs::remove_file(report).expect("removed");
    world.surroundings.refresh_reports(&world.metrics).await;
    assert!(!world.knows_bob());
}

#[tokio::test(start_paused = true)]
async fn it_is_read_again_on_the_timer_until_the_end() {
    let world = World::new();
    world.write("accounts.csv", "id,name\n111122223333,shop\n");
    world.surroundings.read_first(&world.metrics).await.expect("read");
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let surroundings = Arc::clone(&world.surroundings);
    tasks.spawn(surroundings.keep_fresh(Arc::clone(&world.metrics), stop.clone()));
    world.write("accounts.csv", "id,name\n111122223333,store\n");
    world.write("reports/a.csv", REPORT);
    let mut hours = 0;
    while world.name_of_account().as_deref() != Some("store") || !world.knows_bob() {
        tokio::time::sleep(HOUR).await;
        hours += 1;
        assert!(hours < 100, "never read again");
    }
    stop.cancel();
    assert!(tasks.join_next().await.is_some_and(|ended| ended.is_ok()));
}

/// S3 that takes every request and answers none.
fn silent_s3(endpoint: &str) -> S3Store {
    let own = Credentials::new("AKIAEXAMPLE", "example", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(own))
        .build();
    S3Store::new(&config, Some(endpoint))
}

#[tokio::test(start_paused = true)]
async fn a_start_waits_fifteen_seconds_for_reports_then_goes_on_and_asks_again_at_once() {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let writer = Arc::new(log.reopen().expect("a file"));
    let subscriber = tracing_subscriber::fmt().with_writer(writer).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let place = TableLocation::S3 { bucket: "reports".to_owned(), key: String::new() };
    let surroundings = Arc::new(Enrichment {
        credential_reports: Some(Refreshed { location: place, refresh: HOUR }),
        s3: Some(Arc::new(silent_s3(&endpoint))),
        ..Enrichment::default()
    });
    let metrics = Arc::new(Metrics::new());

    let begin = tokio::time::Instant::now();
    let (first, asked) = tokio::join!(surroundings.read_first(&metrics), listener.accept());
    assert_eq!((first, asked.is_ok()), (Ok(()), true));
    assert_eq!(begin.elapsed().as_secs(), 15);
    let said = std::fs::read_to_string(log.path()).expect("the log");
    assert!(said.contains("WARN") && said.contains("not all credential reports were read in 15 s"));

    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(&surroundings).keep_fresh(metrics, CancellationToken::new()));
    let _unanswered = listener.accept().await.expect("they are asked for again");
    assert_eq!(begin.elapsed().as_secs(), 15, "not an hour later");
}
