//! Dead letters in a folder: one JSON file each, whole or not there at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;

use super::{DeadLetter, DeadLetterWriter};
use crate::error::{Code, Error};

/// A folder of letters.
#[derive(Debug, Clone)]
pub struct DeadLetterDirectory {
    path: PathBuf,
}

impl DeadLetterDirectory {
    /// Letters below `path`, which is created with the first one.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl DeadLetterWriter for DeadLetterDirectory {
    fn put(&self, letter: DeadLetter) -> BoxFuture<'_, Result<(), Error>> {
        let folder = self.path.clone();
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || write(&folder, &letter)).await;
            written.unwrap_or_else(|cause| Err(std::io::Error::other(cause))).map_err(|cause| {
                let place = self.path.display();
                Error::new(Code::DeadLetterFailed, format!("dead letter folder {place}: {cause}"))
            })
        })
    }
}

/// Writes beside, syncs, renames: a crash leaves the old state or the new one.
fn write(folder: &Path, letter: &DeadLetter) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut text = serde_json::to_vec_pretty(&letter.body)?;
    text.push(b'\n');
    let (beside, mut file) = tempfile_in(folder, &letter.name)?;
    let written = file
        .write_all(&text)
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&beside, folder.join(format!("{}.json", letter.name))));
    if written.is_err() {
        // Each attempt would leave another one, and on a full disk there are many.
        let _ = std::fs::remove_file(&beside);
    }
    written?;
    std::fs::File::open(folder)?.sync_all()
}

fn tempfile_in(folder: &Path, name: &str) -> std::io::Result<(PathBuf, std::fs::File)> {
    let path = folder.join(format!(".{name}.{}.{}", std::process::id(), fastrand::u64(..)));
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    Ok((path, file))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::date;

    use super::*;

    #[tokio::test]
    async fn a_letter_that_cannot_be_written_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        // Where the letter would be, so that the last step fails.
        std::fs::create_dir(folder.path().join("object-1.json")).expect("a folder");
        let letters = DeadLetterDirectory::new(folder.path().to_owned());
        let name = "object-1".to_owned();
        let body = json!({"kind": "object"});
        let letter = DeadLetter {
            kind: "object",
            name,
            code: Code::CorruptGzip,
            day: date!(2026 - 03 - 01),
            body,
        };
        let error = letters.put(letter).await.expect_err("it cannot be kept");
        assert_eq!(error.code, Code::DeadLetterFailed);
        assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 1);
    }
}
