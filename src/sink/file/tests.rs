mod rotation;

use super::*;
use crate::config::SinkKind;
use crate::error::{Code, Outcome};
use crate::sink::testing::{Running, config, event, event_of, render_record};

fn settings(path: &Path) -> FileConfig {
    FileConfig { path: path.to_owned(), fsync: true, rotate: None }
}

fn opened(own: &FileConfig) -> Result<Append, Error> {
    Append::open("archive", own, Box::new(OffsetDateTime::now_utc))
}

fn run(path: &Path) -> Running {
    let own = settings(path);
    let config = config("archive", SinkKind::File(own.clone()));
    Running::start(|metrics, stop| {
        let lines = Lines {
            name: config.name.clone(),
            format: config.format,
            render: render_record,
            metrics: metrics.clone(),
            writer: Arc::new(Mutex::new(opened(&own).unwrap())),
        };
        handle::start(&config, lines, BOUNDS, metrics, stop)
    })
}

#[tokio::test]
async fn events_are_appended_one_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.ndjson");
    for _ in 0..2 {
        let running = run(&path);
        let outcomes = running.built.deliver(vec![event(1), event(2)]).await;
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
async fn a_record_of_several_lines_becomes_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.ndjson");
    let running = run(&path);
    let spread = "{\r\n \"eventName\": \"x\",\r\n\"eventSource\": \"y\"\n}";
    running.built.deliver(vec![event_of(spread)]).await;
    running.finish().await;
    let line = "{   \"eventName\": \"x\",  \"eventSource\": \"y\" }\n";
    assert_eq!(std::fs::read_to_string(&path).unwrap(), line);
}

#[test]
fn a_half_line_is_removed_a_whole_one_is_ended_and_what_is_not_ours_is_kept() {
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
fn a_device_is_written_to_and_neither_mended_nor_synced() {
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
fn a_folder_that_is_not_there_is_named() {
    let error = opened(&settings(Path::new("/nowhere/x"))).err().unwrap();
    assert!(error.text.contains("cannot open /nowhere/x"), "{error}");
}
