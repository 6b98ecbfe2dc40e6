//! Dead-letter loops: a dead letter that its own source reads is dead-lettered again, without end.

use std::path::{Component, Path, PathBuf};

use super::super::reader::Section;
use super::super::source::{SourceConfig, SourceKind};
use super::super::types::{DeadLetterConfig, DeadLetterLocation};
use super::dead_letter::DeadLetter;
use super::source;

/// Key of a dead letter below its prefix.
const SAMPLE_KEY: &str = "2026/01/01/object-0.json";

/// Reports a dead-letter location that a source reads.
pub(super) fn check(
    top: &Section<'_>,
    sources: &[source::Draft],
    dead_letter: Option<&DeadLetter>,
) {
    let Some(DeadLetter { config: DeadLetterConfig::Write { location, .. }, span }) = dead_letter
    else {
        return;
    };
    for draft in sources {
        let Some(source) = &draft.config else { continue };
        // By default they are written to a folder.
        let span = span.clone().unwrap_or_else(|| draft.span.clone());
        match (&source.kind, location) {
            (SourceKind::Sqs { .. }, DeadLetterLocation::S3 { bucket, prefix, .. })
                if reads(source, bucket, prefix) =>
            {
                let text = "a [[source]] reads this bucket: if its notifications cover the prefix, each \
                            dead letter is read and dead-lettered again; write to another bucket, \
                            or `exclude` the prefix in its `keys`";
                top.reader.warning(span, text);
            }
            (
                SourceKind::Sqs { queue_url: read, region: at },
                DeadLetterLocation::Sqs { queue_url, region },
            ) if read == queue_url
                || (region.as_ref() == Some(at) && read.path() == queue_url.path()) =>
            {
                let text = "a [[source]] reads this queue: each dead letter would be received and \
                            dead-lettered again; name another queue";
                top.reader.error(span, text);
            }
            (SourceKind::Directory(read), DeadLetterLocation::Directory(folder))
                if is_below(folder, read) =>
            {
                let text = "dead letters are written into the folder that a [[source]] reads: each \
                            would be read and dead-lettered again; write `directory` with another \
                            folder in [dead_letter]";
                top.reader.error(span, text);
            }
            _ => {}
        }
    }
}

fn reads(source: &SourceConfig, bucket: &str, prefix: &str) -> bool {
    source.buckets.iter().any(|one| one.name == bucket)
        && source.keys.matches(&format!("{prefix}{SAMPLE_KEY}"))
}

/// Returns whether a folder source at `root` reads files of `folder`: it skips hidden folders.
fn is_below(folder: &Path, root: &Path) -> bool {
    let (folder, root) = (plain(folder), plain(root));
    let is_hidden = |part: &std::ffi::OsStr| part.as_encoded_bytes().starts_with(b".");
    folder.strip_prefix(root).is_ok_and(|below| !below.iter().any(is_hidden))
}

/// Makes a path absolute, without `.` and `..`; does not follow links.
fn plain(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_below_another_however_it_is_written() {
        let is_below = |folder: &str, root: &str| is_below(Path::new(folder), Path::new(root));
        for folder in ["in", "in/", "./in/dead", "x/../in/dead/letters", "in/x/.."] {
            assert!(is_below(folder, "in"), "{folder}");
            assert!(is_below(&format!("/a/{folder}"), "/a/b/../in"), "{folder}");
            assert!(is_below(&format!("../{folder}"), "../in"), "{folder}");
        }
        for folder in ["inbox", "dead", "in/../dead", ".", "../in", "in/.dead"] {
            assert!(!is_below(folder, "in"), "{folder}");
        }
        assert!(is_below("dead-letters", "."));
        let here = std::env::current_dir().expect("a folder").join("in/dead");
        assert!(is_below(&here.to_string_lossy(), "in"));
    }
}
