//! Dead letters in a folder: one JSON file each, whole or not there at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;

use super::{DeadLetter, Letter};
use crate::outcome::Why;

/// A folder of letters.
#[derive(Debug, Clone)]
pub struct DirectoryDeadLetter {
    path: PathBuf,
}

impl DirectoryDeadLetter {
    /// Letters below `path`, which is created with the first one.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl DeadLetter for DirectoryDeadLetter {
    fn put(&self, letter: Letter) -> BoxFuture<'_, Result<(), Why>> {
        let folder = self.path.clone();
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || write(&folder, &letter)).await;
            written.unwrap_or_else(|cause| Err(std::io::Error::other(cause))).map_err(|cause| {
                let place = self.path.display();
                Why::new("dead_letter_failed", format!("dead letter folder {place}: {cause}"))
            })
        })
    }
}

/// Writes beside, syncs, renames: a crash leaves the old state or the new one.
fn write(folder: &Path, letter: &Letter) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut beside = tempfile_in(folder, &letter.name)?;
    let mut text = serde_json::to_vec_pretty(&letter.body)?;
    text.push(b'\n');
    beside.1.write_all(&text)?;
    beside.1.sync_all()?;
    std::fs::rename(&beside.0, folder.join(format!("{}.json", letter.name)))?;
    std::fs::File::open(folder)?.sync_all()
}

fn tempfile_in(folder: &Path, name: &str) -> std::io::Result<(PathBuf, std::fs::File)> {
    let path = folder.join(format!(".{name}.{}.{}", std::process::id(), fastrand::u64(..)));
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    Ok((path, file))
}
