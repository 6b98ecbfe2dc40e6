//! Words that were replaced stay replaced: one thing has one name.

use super::tracked::sources;
use super::{Source, assert_none};

/// Retired words and their successors. Matched as whole words, whatever the case.
const RETIRED: [(&str, &str); 32] = [
    ("graveyard", "dead letters"),
    ("surroundings", "enrichment"),
    ("worklist", "job queue"),
    ("settler", "acknowledger"),
    ("lease keeper", "visibility extender"),
    ("leasekeeper", "VisibilityExtender"),
    ("fast lane", "EventBridge channel"),
    ("counted out", "reconciled"),
    ("untried", "unverified"),
    ("accepts events again", "sink recovered"),
    ("would take no event", "sink probe failed"),
    ("inline_records", "eventbridge_records"),
    ("inline records", "EventBridge records"),
    ("unacknowledged_in_use", "messages_in_flight"),
    ("work_in_use", "messages_processing"),
    ("ledger", "dedup"),
    ("posture", "credential report"),
    ("mistake", "error"),
    ("mistakes", "errors"),
    ("bad_record", "invalid_record"),
    ("bad records", "invalid records"),
    ("bury", "dead_letter"),
    ("condemn", "reject_object"),
    ("in hand", "in flight"),
    ("in_hand", "in_flight"),
    ("out of patience", "timed out"),
    ("how grave", "how severe"),
    ("mended", "fixed"),
    ("mend", "fix"),
    ("comes again", "is redelivered"),
    ("meeting room", "module"),
    ("drawer", "reader"),
];

/// Files that may name retired words: this one, history, and the table of renamed settings.
const EXCUSED: [&str; 3] = ["tests/tidy/words.rs", "CHANGELOG.md", "src/config/renamed.rs"];

/// Texts by others: captured records, licences, lock files.
const FOREIGN: [&str; 5] =
    ["tests/fixtures/", "tests/fuzzing/kept/", "examples/cloudtrail", "LICENSE", "Cargo.lock"];

fn word_rule(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let ours = |source: &&Source| {
        !EXCUSED.contains(&source.path.as_str())
            && !FOREIGN.iter().any(|foreign| source.path.starts_with(foreign))
    };
    for source in sources.iter().filter(ours) {
        for (number, line) in source.text.lines().enumerate() {
            let line = line.to_lowercase();
            for (word, successor) in RETIRED {
                let found = line.match_indices(word).any(|(at, _)| {
                    !line[..at].ends_with(is_word) && !line[at + word.len()..].starts_with(is_word)
                });
                if found {
                    let path = &source.path;
                    complaints
                        .push(format!("{path}:{}: {word:?} is now {successor:?}", number + 1));
                }
            }
        }
    }
    complaints
}

#[test]
fn retired_words_are_gone() {
    assert_none(&word_rule(&sources()));
}

#[test]
fn a_retired_word_is_found_whole_and_in_any_case() {
    let found = |text: &str| word_rule(&[Source::sample("docs/delivery.md", text)]).len();
    assert_eq!(found("The Ledger folds.\n"), 1);
    assert_eq!(found("the general ledgers, recommend, dedup\n"), 0);
}
