//! The files of a scan: those that the service would read of the same folders.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::cloudtrail::KeyKind;
use crate::queue::is_log_file_name;

/// One input; `-` is stdin.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    /// Stored bytes, for the progress bar; 0 where unknown.
    pub(super) size: u64,
    /// Whether a read may wait for another process, as a pipe does.
    pub(super) may_block: bool,
}

/// The files below some paths, in a stable order: those that the service would read of the same
/// folder.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) inputs: Vec<Input>,
    /// What could not be listed, and why.
    pub(super) unreadable: Vec<(PathBuf, io::Error)>,
    /// Files skipped, by reason: how many, and the first.
    pub(super) skipped: BTreeMap<&'static str, (u64, PathBuf)>,
    /// Whether the sizes of files in folders are read.
    sized: bool,
}

impl Listing {
    /// Lists the files that `paths` name, folders in sorted order. Reads sizes of files in folders
    /// only if `sized`: that takes a tenth of a scan of small files.
    pub(super) fn new(paths: &[PathBuf], sized: bool) -> Self {
        let mut listing = Self { sized, ..Self::default() };
        for path in paths {
            if path.as_os_str() == "-" {
                listing.inputs.push(Input { path: path.clone(), size: 0, may_block: true });
            } else if let Err(cause) = listing.add_path(path) {
                listing.unreadable.push((path.clone(), cause));
            }
        }
        listing
    }

    /// Adds a folder, or a file whatever its name and folder.
    fn add_path(&mut self, path: &Path) -> io::Result<()> {
        let metadata = std::fs::metadata(path)?;
        if metadata.is_dir() {
            // The path as given may begin within CloudTrail's layout.
            let absolute = std::path::absolute(path);
            return self.add_folder(path, absolute.as_deref().unwrap_or(path));
        }
        let (size, may_block) = (metadata.len(), !metadata.is_file());
        self.inputs.push(Input { path: path.to_owned(), size, may_block });
        Ok(())
    }

    /// Adds the entries of a folder, except hidden ones; continues after what cannot be read.
    fn add_folder(&mut self, path: &Path, absolute: &Path) -> io::Result<()> {
        let mut entries: Vec<_> = std::fs::read_dir(path)?.collect::<Result<_, _>>()?;
        entries.sort_by_cached_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            if !name.as_encoded_bytes().starts_with(b".")
                && let Err(cause) = self.add_entry(&entry, &absolute.join(name))
            {
                self.unreadable.push((entry.path(), cause));
            }
        }
        Ok(())
    }

    fn add_entry(&mut self, entry: &std::fs::DirEntry, absolute: &Path) -> io::Result<()> {
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            return self.add_folder(&path, absolute);
        }
        // A cycle of links would be read for ever.
        let is_folder_link = kind.is_symlink() && path.is_dir();
        let reason = if is_folder_link { Some("link to a folder") } else { skip_reason(absolute) };
        if let Some(reason) = reason {
            self.skipped.entry(reason).or_insert((0, path)).0 += 1;
            return Ok(());
        }
        if kind.is_symlink() {
            return self.add_path(&path);
        }
        let size = if self.sized { entry.metadata().map_or(0, |file| file.len()) } else { 0 };
        self.inputs.push(Input { path, size, may_block: !kind.is_file() });
        Ok(())
    }
}

/// Returns why a file in a folder is skipped, by its name or its place in CloudTrail's layout.
fn skip_reason(absolute: &Path) -> Option<&'static str> {
    if !is_log_file_name(absolute.file_name().unwrap_or_default()) {
        return Some("other name");
    }
    match KeyKind::of(&absolute.to_string_lossy()) {
        KeyKind::Digest(_) => Some("digest"),
        KeyKind::Insight => Some("insight"),
        KeyKind::OtherService(_) => Some("other service"),
        KeyKind::Log(_) | KeyKind::Folder | KeyKind::Unknown => None,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_folder_is_listed_in_order_links_included_and_sizes_are_read_only_if_asked() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir_all(at("b/c")).expect("folders");
        for name in ["b/c/2.json", "b/1.json.gz", "a.json", "a.txt"] {
            std::fs::write(at(name), "{}").expect("a file");
        }
        symlink(at("b/1.json.gz"), at("d.json")).expect("a link");
        symlink("gone.txt", at("e.txt")).expect("a link");
        symlink(root.path(), at("b/up")).expect("a cycle");
        for (sized, size) in [(false, 0), (true, 2)] {
            let listing = Listing::new(&[root.path().to_owned()], sized);
            assert!(listing.unreadable.is_empty());
            let skipped = [("link to a folder", (1, at("b/up"))), ("other name", (2, at("a.txt")))];
            assert_eq!(listing.skipped, skipped.into());
            let inputs = listing.inputs;
            let path =
                |input: &Input| input.path.strip_prefix(root.path()).ok().map(Path::to_owned);
            let names: Vec<_> = inputs.iter().filter_map(path).collect();
            assert_eq!(names, ["a.json", "b/1.json.gz", "b/c/2.json", "d.json"].map(PathBuf::from));
            let sizes_asked = |input: &&Input| !input.path.ends_with("d.json");
            assert!(inputs.iter().filter(sizes_asked).all(|input| input.size == size));
            assert!(inputs.iter().all(|input| !input.may_block));
        }
        let inputs = Listing::new(&["-".into(), "/dev/null".into()], false).inputs;
        assert!(inputs.iter().all(|input| input.may_block));
    }
}
