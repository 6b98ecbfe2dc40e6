//! Which files a scan reads, in a stable order.

use std::io;
use std::path::{Path, PathBuf};

/// One input; `-` is stdin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    /// Stored bytes, for the progress bar; 0 where unknown.
    pub(super) size: u64,
    /// Whether reading it may wait for another process, as a pipe does.
    pub(super) may_wait: bool,
}

/// The files that `paths` name, folders walked in sorted order; and what could not be listed. Sizes
/// of files in folders only if `sized`: to ask for them takes a tenth of a scan of small files.
pub(super) fn list(paths: &[PathBuf], sized: bool) -> (Vec<Input>, Vec<(PathBuf, io::Error)>) {
    let (mut inputs, mut missing) = (Vec::new(), Vec::new());
    for path in paths {
        if path.as_os_str() == "-" {
            inputs.push(Input { path: path.clone(), size: 0, may_wait: true });
        } else if let Err(cause) = named(path, sized, &mut inputs) {
            missing.push((path.clone(), cause));
        }
    }
    (inputs, missing)
}

/// A file named outright is read whatever its name; in a folder only those that look like logs.
fn named(path: &Path, sized: bool, inputs: &mut Vec<Input>) -> io::Result<()> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        return folder(path, sized, inputs);
    }
    let (size, may_wait) = (metadata.len(), !metadata.is_file());
    inputs.push(Input { path: path.to_owned(), size, may_wait });
    Ok(())
}

fn folder(path: &Path, sized: bool, inputs: &mut Vec<Input>) -> io::Result<()> {
    let mut below: Vec<_> = std::fs::read_dir(path)?.collect::<Result<_, _>>()?;
    below.sort_by_cached_key(std::fs::DirEntry::file_name);
    for entry in below {
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            folder(&path, sized, inputs)?;
        } else if kind.is_symlink() {
            if looks_like_a_log(&path) || path.is_dir() {
                named(&path, sized, inputs)?;
            }
        } else if looks_like_a_log(&path) {
            let size = if sized { entry.metadata().map_or(0, |file| file.len()) } else { 0 };
            inputs.push(Input { path, size, may_wait: !kind.is_file() });
        }
    }
    Ok(())
}

fn looks_like_a_log(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    !name.starts_with('.')
        && [".json", ".ndjson", ".jsonl"].iter().any(|ending| name.ends_with(ending))
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
        symlink(at("b/c"), at("d")).expect("a link");
        symlink("gone.txt", at("e.txt")).expect("a link");
        for (sized, size) in [(false, 0), (true, 2)] {
            let (inputs, missing) = list(&[root.path().to_owned()], sized);
            assert!(missing.is_empty());
            let path =
                |input: &Input| input.path.strip_prefix(root.path()).ok().map(Path::to_owned);
            let names: Vec<_> = inputs.iter().filter_map(path).collect();
            assert_eq!(
                names,
                ["a.json", "b/1.json.gz", "b/c/2.json", "d/2.json"].map(PathBuf::from)
            );
            assert!(inputs.iter().all(|input| input.size == size && !input.may_wait));
        }
        let (inputs, _) = list(&["-".into(), "/dev/null".into()], false);
        assert!(inputs.iter().all(|input| input.may_wait));
    }
}
