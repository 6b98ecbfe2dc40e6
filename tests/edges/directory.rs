//! The folder queue on a paused clock and real files.

use super::*;
use crate::error::Code;

const VISIBILITY: Duration = Duration::from_secs(60);

struct Folder {
    root: tempfile::TempDir,
    queue: DirectoryQueue,
}

fn folder(files: &[&str]) -> Folder {
    let root = tempfile::tempdir().expect("folder");
    let folder = Folder { queue: DirectoryQueue::new(root.path(), VISIBILITY), root };
    files.iter().for_each(|name| folder.write(name, "{}"));
    folder
}

impl Folder {
    fn write(&self, name: &str, content: &str) {
        let path = self.root.path().join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(path, content).expect("write");
    }

    async fn receive(&self, max: usize) -> Vec<Message> {
        self.queue.receive(max).await.expect("receive")
    }

    fn names(&self, messages: &[Message]) -> Vec<String> {
        let root = format!("{}/", self.root.path().display());
        messages.iter().map(|m| m.body.strip_prefix(&root).expect("root").to_owned()).collect()
    }

    async fn delete(&self, message: &Message) -> Entry {
        self.queue.delete(vec![message.receipt.handle()]).await.expect("delete").remove(0)
    }

    async fn change(&self, message: &Message, time: Duration) -> Entry {
        let batch = vec![(message.receipt.handle(), time)];
        self.queue.change_visibility(batch).await.expect("change").remove(0)
    }
}

#[tokio::test(start_paused = true)]
async fn only_complete_files_are_received_in_sorted_order() {
    let folder = folder(&[
        "b.json.gz",
        "a/z.json",
        "c.ndjson",
        "d.jsonl",
        "e.gz",
        // Not these:
        ".hidden.json",
        ".git/x.json",
        "half.json.part",
        "half.json.tmp",
        "x.json~",
        "notes.txt",
    ]);
    let messages = folder.receive(99).await;
    let names = ["a/z.json", "b.json.gz", "c.ndjson", "d.jsonl", "e.gz"];
    assert_eq!(folder.names(&messages), names);
    assert!(
        messages.iter().all(|message| message.id == message.body && message.receive_count == 1)
    );
}

#[tokio::test(start_paused = true)]
async fn receive_returns_at_most_the_limit_and_no_file_twice() {
    let names: Vec<String> = (0..25).map(|n| format!("{n:02}.json")).collect();
    let folder = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut all = Vec::new();
    for (max, got) in [(3, 3), (99, 10), (10, 10), (10, 2)] {
        let messages = folder.receive(max).await;
        assert_eq!(messages.len(), got);
        all.extend(folder.names(&messages));
    }
    assert_eq!(all, names);
}

#[tokio::test(start_paused = true)]
async fn an_empty_folder_returns_nothing_after_the_long_poll() {
    let folder = folder(&[]);
    let start = Instant::now();
    assert!(folder.receive(1).await.is_empty());
    assert_eq!(start.elapsed(), LONG_POLL);
}

#[tokio::test(start_paused = true)]
async fn new_files_are_found_while_a_receive_waits() {
    let folder = folder(&["a.json"]);
    let first = folder.receive(1).await;
    assert_eq!(folder.delete(&first[0]).await, Ok(()));
    let arrives = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        folder.write("b.json", "{}");
    };
    let (messages, ()) = tokio::join!(folder.receive(1), arrives);
    assert_eq!(folder.names(&messages), ["b.json"]);
}

#[tokio::test(start_paused = true)]
async fn a_file_whose_visibility_ended_is_redelivered_and_its_handle_is_stale() {
    let folder = folder(&["a.json"]);
    let start = Instant::now();
    let first = folder.receive(1).await.remove(0);
    tokio::time::sleep(Duration::from_secs(50)).await;
    let second = folder.receive(1).await.remove(0);
    assert_eq!(start.elapsed(), VISIBILITY);
    assert_eq!(second.receive_count, 2);
    assert!(matches!(folder.change(&first, VISIBILITY).await, Err(EntryError::Lost(_))));
    assert_eq!(folder.delete(&first).await, Ok(()), "as SQS does");
    assert_eq!(folder.change(&second, VISIBILITY).await, Ok(()), "and nothing was deleted");
}

#[tokio::test(start_paused = true)]
async fn an_extended_file_stays_hidden_and_a_released_one_is_redelivered_in_time() {
    let folder = folder(&["a.json"]);
    let first = folder.receive(1).await.remove(0);
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(folder.change(&first, VISIBILITY).await, Ok(()));
    assert!(folder.receive(1).await.is_empty());
    assert_eq!(folder.change(&first, Duration::from_secs(7)).await, Ok(()));
    let released = Instant::now();
    let second = folder.receive(1).await.remove(0);
    assert_eq!(released.elapsed(), Duration::from_secs(7));
    assert_eq!(folder.change(&second, Duration::ZERO).await, Ok(()));
    assert_eq!(folder.receive(1).await.remove(0).receive_count, 3);
    assert_eq!(released.elapsed(), Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_release_wakes_a_waiting_receive() {
    let folder = folder(&["a.json"]);
    let first = folder.receive(1).await.remove(0);
    // Between two scans, so that only the release can wake the receive.
    let start = Instant::now();
    let release = async {
        tokio::time::sleep(Duration::from_millis(1300)).await;
        folder.change(&first, Duration::ZERO).await
    };
    let (again, released) = tokio::join!(folder.receive(1), release);
    assert_eq!((again.len(), released), (1, Ok(())));
    assert_eq!(start.elapsed(), Duration::from_millis(1300));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_file_is_not_received_until_it_is_rewritten() {
    let folder = folder(&["a.json"]);
    let first = folder.receive(1).await.remove(0);
    assert_eq!(folder.delete(&first).await, Ok(()));
    assert!(folder.receive(1).await.is_empty());
    folder.write("a.json", "{\"longer\":1}");
    let again = folder.receive(1).await.remove(0);
    assert_eq!(again.receive_count, 1, "it is a new message");
}

#[tokio::test(start_paused = true)]
async fn a_file_rewritten_while_leased_is_received_again_after_its_delete() {
    let folder = folder(&["a.json"]);
    let first = folder.receive(1).await.remove(0);
    folder.write("a.json", "{\"longer\":1}");
    assert!(folder.receive(1).await.is_empty());
    assert_eq!(folder.delete(&first).await, Ok(()));
    assert_eq!(folder.receive(1).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_missing_folder_is_an_error_that_names_it() {
    let folder = folder(&[]);
    let queue = DirectoryQueue::new(&folder.root.path().join("no"), VISIBILITY);
    let error = queue.receive(1).await.expect_err("missing");
    assert_eq!(error.code, Code::DirectoryUnreadable);
    assert!(error.text.contains("/no"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_utf8_is_reported_and_the_rest_is_found() {
    use std::os::unix::ffi::OsStrExt as _;
    let root = tempfile::tempdir().expect("folder");
    std::fs::write(root.path().join("a.json"), "{}").expect("write");
    let odd = std::ffi::OsStr::from_bytes(b"b\xff.json");
    std::fs::write(root.path().join(odd), "{}").expect("write");
    let scan = scan(root.path());
    assert_eq!(scan.files.len(), 1);
    assert!(scan.unreadable.is_some_and(|error| error.text.contains("not UTF-8")));
}
