//! Which files a scan reads, in a stable order: what the service would read of the same folder.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::cloudtrail::KeyKind;
use crate::queue::is_log_file_name;

/// One input; `-` is stdin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    /// Stored bytes, for the progress bar; 0 where unknown.
    pub(super) size: u64,
    /// Whether reading it may wait for another process, as a pipe does.
    pub(super) may_wait: bool,
}

/// What was found below some paths.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) inputs: Vec<Input>,
    /// What could not be listed or looked at, and why.
    pub(super) unreadable: Vec<(PathBuf, io::Error)>,
    /// What is passed over, by reason: how many, and the first.
    pub(super) skipped: BTreeMap<&'static str, (u64, PathBuf)>,
    /// Whether the sizes of files in folders are wanted.
    sized: bool,
}

/// The files that `paths` name, folders walked in sorted order. Sizes of files in folders only if
/// `sized`: to ask for them takes a tenth of a scan of small files.
pub(super) fn list(paths: &[PathBuf], sized: bool) -> Listing {
    let mut listing = Listing { sized, ..Listing::default() };
    for path in paths {
        if path.as_os_str() == "-" {
            listing.inputs.push(Input { path: path.clone(), size: 0, may_wait: true });
        } else if let Err(cause) = listing.named(path) {
            listing.unreadable.push((path.clone(), cause));
        }
    }
    listing
}

impl Listing {
    /// A file named outright is read whatever it is called and wherever it lies.
    fn named(&mut self, path: &Path) -> io::Result<()> {
        let metadata = std::fs::metadata(path)?;
        if metadata.is_dir() {
            // The path as given may begin within the layout.
            let whole = std::path::absolute(path);
            return self.folder(path, whole.as_deref().unwrap_or(path));
        }
        let (size, may_wait) = (metadata.len(), !metadata.is_file());
        self.inputs.push(Input { path: path.to_owned(), size, may_wait });
        Ok(())
    }

    /// Goes past what cannot be read. What is hidden is not looked at. `whole` is its path from the root on.
    fn folder(&mut self, path: &Path, whole: &Path) -> io::Result<()> {
        let mut below: Vec<_> = std::fs::read_dir(path)?.collect::<Result<_, _>>()?;
        below.sort_by_cached_key(std::fs::DirEntry::file_name);
        for entry in below {
            let name = entry.file_name();
            if !name.as_encoded_bytes().starts_with(b".")
                && let Err(cause) = self.entry(&entry, &whole.join(name))
            {
                self.unreadable.push((entry.path(), cause));
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &std::fs::DirEntry, whole: &Path) -> io::Result<()> {
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            return self.folder(&path, whole);
        }
        // A ring of them would be read for ever.
        let links_to_folder = kind.is_symlink() && path.is_dir();
        let reason = if links_to_folder { Some("link to a folder") } else { no_log(whole) };
        if let Some(reason) = reason {
            self.skipped.entry(reason).or_insert((0, path)).0 += 1;
            return Ok(());
        }
        if kind.is_symlink() {
            return self.named(&path);
        }
        let size = if self.sized { entry.metadata().map_or(0, |file| file.len()) } else { 0 };
        self.inputs.push(Input { path, size, may_wait: !kind.is_file() });
        Ok(())
    }
}

/// Why a file in a folder is none for us, by its name or its place in CloudTrail's layout.
fn no_log(whole: &Path) -> Option<&'static str> {
    if !is_log_file_name(whole.file_name().unwrap_or_default()) {
        return Some("other name");
    }
    match KeyKind::of(&whole.to_string_lossy()) {
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
    fn a_folder_is_listed_in_order_links_included_and_sized_only_if_asked() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir_all(at("b/c")).expect("folders");
        for name in ["b/c/2.json", "b/1.json.gz", "a.json", "a.txt"] {
            std::fs::write(at(name), "{}").expect("a file");
        }
        symlink(at("b/1.json.gz"), at("d.json")).expect("a link");
        symlink("gone.txt", at("e.txt")).expect("a link");
        symlink(root.path(), at("b/up")).expect("a ring");
        for (sized, size) in [(false, 0), (true, 2)] {
            let listing = list(&[root.path().to_owned()], sized);
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
            assert!(inputs.iter().all(|input| !input.may_wait));
        }
        let inputs = list(&["-".into(), "/dev/null".into()], false).inputs;
        assert!(inputs.iter().all(|input| input.may_wait));
    }
}
