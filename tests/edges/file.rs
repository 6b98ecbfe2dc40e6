//! The file sink: whole lines, repair after a crash, and rotation by a clock that the test sets.

use std::cell::Cell;
use std::fs::FileTimes;
use std::time::SystemTime;

use super::*;
use crate::config::SinkKind;
use crate::error::Outcome;
use crate::sink::testing::{Running, config, event, event_of, render_record};

fn settings(path: &Path) -> FileConfig {
    FileConfig { path: path.to_owned(), fsync: true, rotate: None }
}

fn opened(own: &FileConfig) -> Result<LineFile, Error> {
    LineFile::open("archive", own, Box::new(OffsetDateTime::now_utc))
}

fn run(path: &Path) -> Running {
    let own = settings(path);
    let config = config("archive", SinkKind::File(own.clone()));
    Running::start(&config, |context| lines::start(context, opened(&own).unwrap(), render_record))
}

#[tokio::test]
async fn events_are_appended_one_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.ndjson");
    for _ in 0..2 {
        let running = run(&path);
        let outcomes = running.deliver(vec![event(1), event(2)]).await;
        assert_eq!(outcomes, vec![Outcome::Delivered; 2]);
        running.finish().await;
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let ids: Vec<String> = text.lines().map(id_of).collect();
    assert_eq!(ids, ["event-1", "event-2", "event-1", "event-2"]);
}

fn id_of(line: &str) -> String {
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    event["eventID"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_multi_line_record_is_written_on_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.ndjson");
    let running = run(&path);
    let spread = "{\r\n \"eventName\": \"x\",\r\n\"eventSource\": \"y\"\n}";
    running.deliver(vec![event_of(spread)]).await;
    running.finish().await;
    let line = "{   \"eventName\": \"x\",  \"eventSource\": \"y\" }\n";
    assert_eq!(std::fs::read_to_string(&path).unwrap(), line);
}

#[test]
fn a_partial_line_is_removed_a_whole_one_terminated_and_foreign_text_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.ndjson");
    for (before, after) in [
        ("", ""),
        ("{\"a\":1}\n", "{\"a\":1}\n"),
        ("{\"a\":1}\n{\"b\":", "{\"a\":1}\n"),
        ("{\"b\":", ""),
        ("{\"a\":1}\n{\"b\":2}", "{\"a\":1}\n{\"b\":2}\n"),
        ("notes by hand", "notes by hand\n"),
    ] {
        std::fs::write(&path, before).unwrap();
        let opened = opened(&settings(&path)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), after, "from {before:?}");
        let length = opened.current.unwrap().length;
        assert_eq!(length, Some(after.len() as u64), "from {before:?}");
    }
}

#[test]
fn a_device_is_neither_repaired_nor_synced() {
    let mut full = opened(&settings(Path::new("/dev/full"))).unwrap();
    assert_eq!(full.current().unwrap().length, None);
    let error = full.write_lines(b"x\n").unwrap_err();
    assert_eq!(error.code, Code::FileFailed);
    assert!(
        error.text.contains("sink.archive.path") && error.text.contains("/dev/full"),
        "{error}"
    );
    let mut null = opened(&settings(Path::new("/dev/null"))).unwrap();
    assert_eq!(null.write_lines(b"x\n"), Ok(()));
}

#[test]
fn a_missing_folder_is_named_in_the_error() {
    let error = opened(&settings(Path::new("/nowhere/x"))).err().unwrap();
    assert!(error.text.contains("cannot open /nowhere/x"), "{error}");
}

const DAY: u64 = 24 * 3600;

thread_local! {
    /// Seconds since the epoch; each test has a thread of its own.
    static NOW: Cell<u64> = const { Cell::new(0) };
}

fn at(seconds: u64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A file in a folder of its own, and its rotated files.
struct Archive {
    folder: tempfile::TempDir,
    rotation: Rotation,
}

impl Archive {
    fn new(rotation: Rotation) -> Self {
        NOW.set(1000 * DAY);
        Self { folder: tempfile::tempdir().unwrap(), rotation }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("events.ndjson")
    }

    fn open(&self) -> LineFile {
        let own = FileConfig { rotate: Some(self.rotation), ..settings(&self.path()) };
        LineFile::open("archive", &own, Box::new(|| at(NOW.get()))).unwrap()
    }

    /// Name suffixes and texts, in order.
    fn files(&self) -> Vec<(String, String)> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut files: Vec<(String, String)> = entries
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                let text = std::fs::read_to_string(entry.path()).unwrap();
                (name.replace("events.ndjson", ""), text)
            })
            .collect();
        files.sort();
        files
    }

    fn texts(&self) -> Vec<String> {
        self.files().into_iter().map(|(_, text)| text).collect()
    }
}

fn by_size(size: u64, keep: usize) -> Rotation {
    Rotation { size: Some(size), age: None, keep }
}

fn by_day() -> Rotation {
    Rotation { size: None, age: Some(Duration::from_secs(DAY)), keep: 10 }
}

#[test]
fn a_file_over_its_size_is_rotated_and_the_newest_are_kept() {
    let archive = Archive::new(by_size(8, 2));
    let mut file = archive.open();
    for line in ["a1\n", "a2\n", "b1\n", "b2\n", "c1\n", "c2\n", "d1\n"] {
        file.write_lines(line.as_bytes()).unwrap();
        NOW.set(NOW.get() + 1);
    }
    let expected = [
        ("", "d1\n"),
        (".19720927T000004.000000Z", "b1\nb2\n"),
        (".19720927T000006.000000Z", "c1\nc2\n"),
    ];
    let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(archive.files(), expected);
}

#[test]
fn a_batch_over_the_size_gets_its_own_file_and_no_file_is_empty() {
    let archive = Archive::new(by_size(8, 10));
    let mut file = archive.open();
    for lines in ["a much longer line\n", "b\n", "another long line\n"] {
        file.write_lines(lines.as_bytes()).unwrap();
    }
    let texts = archive.texts();
    assert_eq!(texts, ["another long line\n", "a much longer line\n", "b\n"]);
}

#[test]
fn each_day_has_its_file_across_a_restart() {
    let archive = Archive::new(by_day());
    archive.open().write_lines(b"monday\n").unwrap();
    // Rotation uses the modification time of the file.
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.get());
    let file = OpenOptions::new().append(true).open(archive.path()).unwrap();
    file.set_times(FileTimes::new().set_modified(written)).unwrap();
    NOW.set(NOW.get() + DAY - 1);
    let mut file = archive.open();
    file.write_lines(b"monday, late\n").unwrap();
    NOW.set(NOW.get() + 1);
    file.write_lines(b"tuesday\n").unwrap();
    NOW.set(NOW.get() + 7 * DAY);
    file.write_lines(b"a week later\n").unwrap();
    let texts = archive.texts();
    assert_eq!(texts, ["a week later\n", "monday\nmonday, late\n", "tuesday\n"]);
}

#[test]
fn a_clock_set_back_overwrites_nothing() {
    let archive = Archive::new(by_size(1, 10));
    let mut file = archive.open();
    for line in ["1\n", "2\n", "3\n", "4\n"] {
        file.write_lines(line.as_bytes()).unwrap();
        NOW.set(NOW.get() - 10);
    }
    assert_eq!(archive.texts(), ["4\n", "1\n", "2\n", "3\n"]);
}

#[test]
fn foreign_files_are_neither_counted_nor_removed() {
    let archive = Archive::new(by_size(1, 1));
    for name in ["events.ndjson.gz", "events.ndjson.1", "events.ndjson.backup.20200101T000000Z"] {
        std::fs::write(archive.folder.path().join(name), "theirs").unwrap();
    }
    let mut file = archive.open();
    for line in ["1\n", "2\n", "3\n"] {
        file.write_lines(line.as_bytes()).unwrap();
        NOW.set(NOW.get() + 1);
    }
    let texts = archive.texts();
    assert_eq!(texts.iter().filter(|text| *text == "theirs").count(), 3);
    assert!(texts.contains(&"3\n".to_owned()) && texts.contains(&"2\n".to_owned()), "{texts:?}");
    assert_eq!(texts.len(), 5);
}

#[test]
fn a_partial_line_of_a_crash_is_not_rotated() {
    let archive = Archive::new(by_size(8, 10));
    std::fs::write(archive.path(), "{\"a\":1}\n{\"b\":").unwrap();
    archive.open().write_lines(b"{\"b\":2}\n").unwrap();
    assert_eq!(archive.texts(), ["{\"b\":2}\n", "{\"a\":1}\n"]);
}

#[test]
fn a_failed_rotation_is_retried_and_loses_no_event() {
    let archive = Archive::new(by_size(1, 10));
    let mut file = archive.open();
    file.write_lines(b"1\n").unwrap();
    // The file is gone, so the rename fails.
    std::fs::remove_file(archive.path()).unwrap();
    let error = file.write_lines(b"2\n").unwrap_err();
    assert!(error.text.contains("cannot rotate"), "{error}");
    assert_eq!(file.write_lines(b"2\n"), Ok(()));
    assert_eq!(archive.texts(), ["2\n"]);
}
