//! Files that are moved aside, by a clock that the test sets.

use std::cell::Cell;
use std::fs::FileTimes;
use std::time::{Duration, SystemTime};

use super::*;

const DAY: u64 = 24 * 3600;

thread_local! {
    /// Seconds since the epoch; each test has a thread of its own.
    static NOW: Cell<u64> = const { Cell::new(0) };
}

fn at(seconds: u64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A file in a folder of its own, and whatever is moved aside beside it.
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

    fn open(&self) -> Append {
        let own = FileConfig { rotate: Some(self.rotation), ..settings(&self.path()) };
        Append::open("archive", &own, Box::new(|| at(NOW.get()))).unwrap()
    }

    /// Names behind the common part, each with its text, in order.
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
fn a_file_that_would_grow_too_large_is_moved_aside_and_the_newest_are_kept() {
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
fn a_batch_that_no_file_can_hold_has_one_of_its_own_and_no_empty_one_is_made() {
    let archive = Archive::new(by_size(8, 10));
    let mut file = archive.open();
    for lines in ["a much longer line\n", "b\n", "another long line\n"] {
        file.write_lines(lines.as_bytes()).unwrap();
    }
    let texts = archive.texts();
    assert_eq!(texts, ["another long line\n", "a much longer line\n", "b\n"]);
}

#[test]
fn each_day_has_its_file_even_if_the_task_was_restarted_in_between() {
    let archive = Archive::new(by_day());
    archive.open().write_lines(b"monday\n").unwrap();
    // The file says itself when it was written to.
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
fn a_clock_that_is_put_back_overwrites_nothing() {
    let archive = Archive::new(by_size(1, 10));
    let mut file = archive.open();
    for line in ["1\n", "2\n", "3\n", "4\n"] {
        file.write_lines(line.as_bytes()).unwrap();
        NOW.set(NOW.get() - 10);
    }
    assert_eq!(archive.texts(), ["4\n", "1\n", "2\n", "3\n"]);
}

#[test]
fn what_is_not_ours_is_neither_counted_nor_removed() {
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
fn half_a_line_of_a_crash_is_not_moved_aside_with_the_rest() {
    let archive = Archive::new(by_size(8, 10));
    std::fs::write(archive.path(), "{\"a\":1}\n{\"b\":").unwrap();
    archive.open().write_lines(b"{\"b\":2}\n").unwrap();
    assert_eq!(archive.texts(), ["{\"b\":2}\n", "{\"a\":1}\n"]);
}

#[test]
fn a_folder_that_takes_no_new_name_keeps_the_event_for_another_try() {
    let archive = Archive::new(by_size(1, 10));
    let mut file = archive.open();
    file.write_lines(b"1\n").unwrap();
    // Its name goes to something that cannot be moved over a file, nor opened as one.
    std::fs::remove_file(archive.path()).unwrap();
    let error = file.write_lines(b"2\n").unwrap_err();
    assert!(error.text.contains("cannot rotate"), "{error}");
    assert_eq!(file.write_lines(b"2\n"), Ok(()));
    assert_eq!(archive.texts(), ["2\n"]);
}
