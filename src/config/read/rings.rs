//! Letters that come back: a dead letter that its own source reads is dead again, and so on without an end.

use std::path::{Component, Path, PathBuf};

use super::super::cursor::Section;
use super::super::{DeadLetterConfig, DeadLetterLocation, SourceConfig, SourceKind};
use super::dead_letter::DeadLetter;
use super::source;

/// Where a letter would lie below its prefix.
const A_LETTER: &str = "2026/01/01/object-0.json";

/// The dead letter against what the sources read.
pub(super) fn check(
    top: &Section<'_>,
    sources: &[source::Draft],
    dead_letter: Option<&DeadLetter>,
) {
    let Some(DeadLetter { config: DeadLetterConfig::Write { place, .. }, span }) = dead_letter
    else {
        return;
    };
    for draft in sources {
        let Some(source) = &draft.config else { continue };
        // Where nothing is written, letters have a place all the same.
        let span = span.clone().unwrap_or_else(|| draft.span.clone());
        match (&source.kind, place) {
            (SourceKind::Sqs { .. }, DeadLetterLocation::S3 { bucket, prefix })
                if reads(source, bucket, prefix) =>
            {
                let text = "a [[source]] reads this bucket: where its notifications cover the prefix, each letter \
                            comes back and is dead again; write to another bucket, or `exclude` the prefix in its `keys`";
                top.reader.warning(span, text);
            }
            (
                SourceKind::Sqs { queue_url: read, region: at },
                DeadLetterLocation::Sqs { queue_url, region },
            ) if read == queue_url
                || (region.as_ref() == Some(at) && read.path() == queue_url.path()) =>
            {
                let text = "a [[source]] reads this queue: each letter would come back and be dead again; \
                            name another queue";
                top.reader.mistake(span, text);
            }
            (SourceKind::Directory(read), DeadLetterLocation::Directory(letters))
                if is_below(letters, read) =>
            {
                let text = "letters are written into the folder that a [[source]] reads: each would come back \
                            and be dead again; write `directory` with another folder in [dead_letter]";
                top.reader.mistake(span, text);
            }
            _ => {}
        }
    }
}

fn reads(source: &SourceConfig, bucket: &str, prefix: &str) -> bool {
    source.buckets.iter().any(|one| one.name == bucket)
        && source.keys.wants(&format!("{prefix}{A_LETTER}"))
}

/// Whether a folder source at `root` finds what is written to `folder`: it passes hidden folders over.
fn is_below(folder: &Path, root: &Path) -> bool {
    let (folder, root) = (plain(folder), plain(root));
    let is_hidden = |part: &std::ffi::OsStr| part.as_encoded_bytes().starts_with(b".");
    folder.strip_prefix(root).is_ok_and(|below| !below.iter().any(is_hidden))
}

/// From the root on, without `.` and `..`, as far as the text tells.
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
