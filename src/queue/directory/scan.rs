//! Finds the files of a folder queue. Blocking: called off the runtime's own threads.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use super::{FileName, Stamp};

/// Endings of files that may hold CloudTrail records. A file that is still being written under a
/// temporary name (`x.json.part`, `x.json.tmp`, `.x.json.swp`, `x.json~`) has none of these.
const ENDINGS: [&str; 4] = [".json", ".jsonl", ".ndjson", ".gz"];

/// Folders within folders, at most.
const DEPTH: usize = 64;

/// Whether a file in a folder is taken for one of CloudTrail's, by its name.
#[must_use]
pub fn looks_like_a_log(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    !name.starts_with(b".") && ENDINGS.iter().any(|end| name.ends_with(end.as_bytes()))
}

pub(super) struct Scan {
    /// By absolute path, sorted.
    pub(super) files: BTreeMap<FileName, Stamp>,
    /// The first folder or file that cannot be read, and why. A file that vanishes is no fault.
    pub(super) unreadable: Option<String>,
}

/// All files below `root`. Hidden files and folders are skipped; links to files are followed, links
/// to folders are not, so that no ring of links can catch us.
pub(super) fn files(root: &Path) -> Scan {
    let mut scan = Scan { files: BTreeMap::new(), unreadable: None };
    let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let mut folders = vec![(root, 0)];
    while let Some((folder, depth)) = folders.pop() {
        if let Err(error) = read(&folder, depth, &mut folders, &mut scan)
            && (depth == 0 || error.kind() != io::ErrorKind::NotFound)
        {
            let text = format!("cannot read the folder {}: {error}", folder.display());
            scan.unreadable.get_or_insert(text);
        }
    }
    scan
}

fn read(
    folder: &Path,
    depth: usize,
    folders: &mut Vec<(PathBuf, usize)>,
    scan: &mut Scan,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            if depth < DEPTH {
                folders.push((entry.path(), depth + 1));
            }
        } else if looks_like_a_log(&name)
            && let Some(stamp) = stamp(&entry)
        {
            let path = entry.path();
            // A message's body is text, and would name another file.
            if path.to_str().is_some() {
                scan.files.insert(path.into(), stamp);
            } else {
                let text = format!("rename {}: its name is not UTF-8", path.display());
                scan.unreadable.get_or_insert(text);
            }
        }
    }
    Ok(())
}

/// `None` if it is no file, or none any more.
fn stamp(entry: &DirEntry) -> Option<Stamp> {
    let metadata = fs::metadata(entry.path()).ok().filter(fs::Metadata::is_file)?;
    Some(Stamp { size: metadata.len(), modified: metadata.modified().ok() })
}
