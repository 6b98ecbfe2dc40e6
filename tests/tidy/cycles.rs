//! Imports form no cycle between files of different folders, and none of more than four files in
//! one.
//!
//! An import is followed through re-exports to the file that defines the item, so that `mod.rs`,
//! which only gathers names, is no part of a cycle. What a module takes from the one that contains
//! it (the types that its siblings share) does not count.

use std::collections::{BTreeMap, BTreeSet};

use super::tracked::sources;
use super::{Source, assert_none, shipped};

/// Most files of one folder that may import each other in a cycle.
const MAX_CYCLE: usize = 4;

/// A module's path from the crate's root.
type Path = Vec<String>;

/// The modules of `src/`, each with its file, its re-exports and the names that it imports.
#[derive(Default)]
struct Modules<'s> {
    files: BTreeMap<Path, &'s str>,
    /// (module, name) → the path that is re-exported under that name.
    exports: BTreeMap<(Path, String), Path>,
    /// Glob re-exports, and the names that each module defines.
    globs: BTreeMap<Path, Vec<Path>>,
    definitions: BTreeMap<Path, BTreeSet<String>>,
    imports: Vec<(Path, Path)>,
}

/// `src/queue/sqs.rs` → `queue::sqs`; `src/queue/mod.rs` → `queue`.
fn module(path: &str) -> Option<Path> {
    let stem = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    Some(match stem {
        "lib" | "main" => Vec::new(),
        _ => stem.split('/').map(str::to_owned).collect(),
    })
}

/// Splits `a::{b, c::{d, e as f}}` into (path, name) pairs.
fn expand(prefix: &[String], tree: &str, found: &mut Vec<(Path, String)>) {
    let tree = tree.trim();
    if let Some(open) = tree.find('{') {
        let inner = tree[open + 1..].strip_suffix('}').unwrap_or(&tree[open + 1..]);
        let mut path = prefix.to_vec();
        path.extend(
            tree[..open].split("::").map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned),
        );
        let (mut depth, mut start) = (0_usize, 0);
        for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                ',' if depth == 0 => {
                    expand(&path, &inner[start..at], found);
                    start = at + 1;
                }
                _ => {}
            }
        }
    } else if !tree.is_empty() {
        let (tree, alias) = tree.split_once(" as ").map_or((tree, None), |(t, a)| (t, Some(a)));
        let mut path = prefix.to_vec();
        path.extend(tree.split("::").map(|segment| segment.trim().to_owned()));
        if path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let name = alias.map(str::trim).or(path.last().map(String::as_str)).unwrap_or_default();
        found.push((path.clone(), name.to_owned()));
    }
}

/// Turns a path as written in `module` into one from the crate's root; `None` for other crates.
fn absolute(modules: &Modules<'_>, module: &Path, written: &[String]) -> Option<Path> {
    let mut base = module.clone();
    let mut rest = written;
    match written.first()?.as_str() {
        "crate" => {
            base.clear();
            rest = &rest[1..];
        }
        "self" => rest = &rest[1..],
        "super" => {
            while rest.first().is_some_and(|segment| segment == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        first => {
            base.push(first.to_owned());
            if !modules.files.contains_key(&base) {
                return None;
            }
            rest = &rest[1..];
        }
    }
    base.extend_from_slice(rest);
    Some(base)
}

/// The module that defines what `path` names.
fn resolve(modules: &Modules<'_>, path: &[String], depth: usize) -> Option<Path> {
    let mut at: Path = Vec::new();
    for (number, segment) in path.iter().enumerate() {
        let mut child = at.clone();
        child.push(segment.clone());
        if modules.files.contains_key(&child) {
            at = child;
            continue;
        }
        if depth == 0 || modules.definitions.get(&at).is_some_and(|names| names.contains(segment)) {
            return Some(at);
        }
        if let Some(target) = modules.exports.get(&(at.clone(), segment.clone())) {
            let target: Path = target.iter().chain(&path[number + 1..]).cloned().collect();
            return resolve(modules, &target, depth - 1);
        }
        let defines = |glob: &&Path| {
            modules.definitions.get(*glob).is_some_and(|names| names.contains(segment))
        };
        return modules
            .globs
            .get(&at)
            .and_then(|globs| globs.iter().find(defines))
            .cloned()
            .or(Some(at));
    }
    Some(at)
}

/// The statements of a file that import, each with whether it re-exports; and inline paths.
fn statements(code: &str) -> Vec<(bool, String)> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let line = rest[..at].rsplit('\n').next().unwrap_or_default();
        let (head, tail) = (line.trim(), &rest[at + 4..]);
        let end = tail.find(';').unwrap_or(tail.len());
        if head.is_empty() || (head.starts_with("pub") && !head.contains(char::is_whitespace)) {
            found.push((!head.is_empty(), tail[..end].replace('\n', " ")));
        }
        rest = &tail[end.min(tail.len())..];
    }
    found
}

/// The code without its `use` statements.
fn without_imports(code: &str) -> String {
    let mut inside = false;
    let mut rest = String::new();
    for line in code.lines() {
        let word = line.trim_start().trim_start_matches(|c| c != ' ').trim_start();
        inside |= line.trim_start().starts_with("use ")
            || (line.contains("pub") && word.starts_with("use "));
        if !inside {
            rest.push_str(line);
            rest.push('\n');
        }
        inside &= !line.ends_with(';');
    }
    rest
}

/// Paths in expressions and types, those of other crates included.
fn inline_paths(code: &str) -> Vec<Path> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.split(|c: char| !is_path(c))
        .filter(|word| word.contains("::") && !word.starts_with(':'))
        .map(|word| word.trim_end_matches(':').split("::").map(str::to_owned).collect())
        .collect()
}

/// Names that a file defines at any level.
fn defined(code: &str) -> BTreeSet<String> {
    let kinds = ["struct", "enum", "trait", "type", "fn", "const", "static", "mod"];
    let words: Vec<&str> =
        code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    let pairs = words.windows(2).filter(|pair| kinds.contains(&pair[0]));
    pairs.map(|pair| pair[1].to_owned()).collect()
}

fn read<'s>(sources: &[&'s Source]) -> Modules<'s> {
    let mut modules = Modules::default();
    let rust: Vec<(Path, String)> = sources
        .iter()
        .filter_map(|source| {
            let path = module(&source.path)?;
            modules.files.insert(path.clone(), source.path.as_str());
            let code: String = source.code().iter().map(|(_, line)| format!("{line}\n")).collect();
            Some((path, code))
        })
        .collect();
    let mut written = Vec::new();
    for (path, code) in &rust {
        modules.definitions.entry(path.clone()).or_default().extend(defined(code));
        for (is_export, tree) in statements(code) {
            let mut items = Vec::new();
            expand(&[], &tree, &mut items);
            for (item, name) in items {
                let Some(target) = absolute(&modules, path, &item) else { continue };
                match (is_export, name.as_str()) {
                    (true, "*") => {
                        let glob = target[..target.len() - 1].to_vec();
                        modules.globs.entry(path.clone()).or_default().push(glob);
                    }
                    (true, _) => drop(modules.exports.insert((path.clone(), name), target)),
                    // A private import is visible to the modules below.
                    (false, _) => {
                        modules.exports.insert((path.clone(), name), target.clone());
                        written.push((path.clone(), target));
                    }
                }
            }
        }
        for item in inline_paths(&without_imports(code)) {
            written.extend(absolute(&modules, path, &item).map(|target| (path.clone(), target)));
        }
    }
    for (from, target) in written {
        if let Some(to) = resolve(&modules, &target, 8).filter(|to| !from.starts_with(to)) {
            modules.imports.push((from, to));
        }
    }
    modules
}

/// Every cycle: the files that reach each other.
fn cycles(modules: &Modules<'_>) -> Vec<BTreeSet<String>> {
    let names: Vec<&Path> = modules.files.keys().collect();
    let index: BTreeMap<&Path, usize> =
        names.iter().enumerate().map(|(n, name)| (*name, n)).collect();
    let mut next = vec![BTreeSet::new(); names.len()];
    for (from, to) in &modules.imports {
        if let (Some(from), Some(to)) = (index.get(from), index.get(to)) {
            next[*from].insert(*to);
        }
    }
    let reach: Vec<BTreeSet<usize>> = (0..names.len())
        .map(|start| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
            while let Some(at) = open.pop() {
                open.extend(next[at].iter().copied().filter(|to| seen.insert(*to)));
            }
            seen
        })
        .collect();
    let mut found = BTreeSet::new();
    for start in 0..names.len() {
        let cycle: BTreeSet<usize> =
            reach[start].iter().copied().filter(|other| reach[*other].contains(&start)).collect();
        if cycle.len() > 1 {
            found.insert(cycle);
        }
    }
    let path = |n: &usize| modules.files[names[*n]].to_owned();
    found.iter().map(|cycle| cycle.iter().map(path).collect()).collect()
}

fn folder(path: &str) -> &str {
    path.strip_prefix("src/").and_then(|rest| rest.split_once('/')).map_or("", |(folder, _)| folder)
}

fn cycle_rule(sources: &[&Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for cycle in cycles(&read(sources)) {
        let folders: BTreeSet<&str> = cycle.iter().map(|path| folder(path)).collect();
        if folders.len() > 1 || cycle.len() > MAX_CYCLE {
            let files: Vec<&str> = cycle.iter().map(String::as_str).collect();
            complaints.push(format!("a cycle of {} files: {}", files.len(), files.join(", ")));
        }
    }
    complaints
}

#[test]
fn imports_form_no_large_cycle_and_none_across_folders() {
    assert_none(&cycle_rule(&shipped(&sources())));
}

#[test]
fn a_cycle_through_a_re_export_is_found() {
    let lib = Source::sample("src/lib.rs", "pub mod queue;\npub mod store;\n");
    let queue = Source::sample("src/queue/mod.rs", "mod sqs;\npub use sqs::Queue;\n");
    let sqs = Source::sample("src/queue/sqs.rs", "use crate::{store::Store};\npub struct Queue;\n");
    let clean = Source::sample("src/store/mod.rs", "pub struct Store;\n");
    let bad = Source::sample("src/store/mod.rs", "use crate::queue::{Queue};\npub struct Store;\n");
    assert_none(&cycle_rule(&[&lib, &queue, &sqs, &clean]));
    let complaints = cycle_rule(&[&lib, &queue, &sqs, &bad]);
    assert_eq!(complaints, ["a cycle of 2 files: src/queue/sqs.rs, src/store/mod.rs"]);
}

#[test]
fn a_cycle_of_five_files_in_one_folder_is_found() {
    let ring = |most: usize| -> Vec<Source> {
        let parent: String = (0..most).map(|n| format!("mod f{n};\n")).collect();
        let file = |n: usize| {
            let text =
                format!("use super::f{}::F{};\npub struct F{n};\n", (n + 1) % most, (n + 1) % most);
            Source::sample(&format!("src/sink/f{n}.rs"), &text)
        };
        [Source::sample("src/sink/mod.rs", &parent)]
            .into_iter()
            .chain((0..most).map(file))
            .collect()
    };
    let (four, five) = (ring(4), ring(5));
    assert_none(&cycle_rule(&four.iter().collect::<Vec<_>>()));
    assert_eq!(cycle_rule(&five.iter().collect::<Vec<_>>()).len(), 1);
}
