//! With files of our own: a bad one is said and counted, and what was known before stays.

use std::path::PathBuf;

use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const REPORT: &str = include_str!("../../../examples/credential-reports/111122223333.csv");
const BOB: &str = "arn:aws:iam::111122223333:user/bob";

struct World {
    folder: TempDir,
    surroundings: Arc<Surroundings>,
    metrics: Arc<Metrics>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("reports")).expect("a folder");
        let at =
            |name: &str| Refreshed { place: Place::Local(folder.path().join(name)), refresh: HOUR };
        let surroundings = Surroundings {
            accounts: Some(at("accounts.csv")),
            posture: Some(at("reports")),
            ..Surroundings::default()
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
        self.metrics.context_errors.get_or_create(&ByReason::new(code)).get()
    }
}

#[tokio::test]
async fn at_start_a_table_with_a_mistake_keeps_us_and_a_report_never_does() {
    let world = World::new();
    let first = async || world.surroundings.read_first(&world.metrics).await;
    assert_eq!(first().await.map_err(|why| why.code), Err("accounts_unreadable"));
    world.write("accounts.csv", "id,name\n111122223333,shop\n1,short\n");
    let why = first().await.expect_err("a mistake");
    assert_eq!(why.code, "accounts_mistakes");
    assert!(why.text.contains("accounts.csv:3: `id`"), "{why}");
    world.write("accounts.csv", "id,name\n111122223333,shop\n");
    world.write("reports/a.csv", "no\nreport\n");
    assert_eq!(first().await, Ok(()));
    assert_eq!(world.name_of_account().as_deref(), Some("shop"));
    assert_eq!((world.errors("report_unreadable"), world.knows_bob()), (1, false));
}

#[tokio::test]
async fn what_was_known_before_stays_when_something_cannot_be_read() {
    let world = World::new();
    world.write("accounts.csv", "id,name\n111122223333,shop\n");
    let report = world.write("reports/a.csv", REPORT);
    world.write("reports/readme.txt", "not looked at");
    world.surroundings.read_first(&world.metrics).await.expect("read");
    assert!(world.knows_bob() && world.errors("report_unreadable") == 0);

    world.write("accounts.csv", "id,name\n1,short\n");
    world.write("reports/a.csv", "damaged");
    world.surroundings.refresh_accounts(&world.metrics).await;
    world.surroundings.refresh_reports(&world.metrics).await;
    assert_eq!((world.name_of_account().as_deref(), world.knows_bob()), (Some("shop"), true));
    assert_eq!((world.errors("accounts_mistakes"), world.errors("report_unreadable")), (1, 1));

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
