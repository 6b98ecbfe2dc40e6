//! Which files a scan reads, in a stable order.

use std::io;
use std::path::{Path, PathBuf};

/// One input; `-` is stdin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    /// Stored bytes, for the progress bar; 0 where unknown.
    pub(super) size: u64,
}

/// The files that `paths` name, folders walked in sorted order; and what could not be listed.
pub(super) fn list(paths: &[PathBuf]) -> (Vec<Input>, Vec<(PathBuf, io::Error)>) {
    let (mut inputs, mut missing) = (Vec::new(), Vec::new());
    for path in paths {
        if path.as_os_str() == "-" {
            inputs.push(Input { path: path.clone(), size: 0 });
        } else if let Err(cause) = walk(path, true, &mut inputs) {
            missing.push((path.clone(), cause));
        }
    }
    (inputs, missing)
}

/// A file named outright is read whatever its name; in a folder only those that look like logs.
fn walk(path: &Path, named: bool, inputs: &mut Vec<Input>) -> io::Result<()> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        let mut below: Vec<_> = std::fs::read_dir(path)?.collect::<Result<_, _>>()?;
        below.sort_by_key(std::fs::DirEntry::file_name);
        return below.iter().try_for_each(|entry| walk(&entry.path(), false, inputs));
    }
    if named || looks_like_a_log(path) {
        inputs.push(Input { path: path.to_owned(), size: metadata.len() });
    }
    Ok(())
}

fn looks_like_a_log(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    !name.starts_with('.')
        && [".json", ".ndjson", ".jsonl"].iter().any(|ending| name.ends_with(ending))
}
