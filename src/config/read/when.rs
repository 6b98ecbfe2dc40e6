//! `when`: the conditions of a route. One that is not understood, or can never hold, is refused:
//! ignoring it would send events to the wrong place.

use std::collections::BTreeMap;

use super::super::cursor::Section;
use super::super::item::Item;
use super::super::suggest::did_you_mean;
use super::super::{
    CERTIFICATE_FLAGS, Condition, FINDINGS, Pattern, SEVERITIES, When, is_account_id,
};
use super::events::{is_arn, is_glob, pattern_of};

/// The conditions and what is still to be checked of them.
pub(super) struct Draft<'t> {
    /// `None`: a mistake was noted.
    pub(super) when: Option<When>,
    /// The patterns of `event`, which must meet the selection.
    pub(super) events: Vec<(Pattern, Item<'t>)>,
    /// The labels that are asked for, which must exist.
    pub(super) labels: Vec<(String, Item<'t>)>,
    /// `ou`, which needs a table of accounts.
    pub(super) ou: Option<Item<'t>>,
    /// Whether anything is asked.
    pub(super) asks: bool,
}

/// One entry of a condition's list.
struct Entry<'t> {
    pattern: Pattern,
    /// Written with `!`.
    excludes: bool,
    item: Item<'t>,
}

pub(super) fn read<'t>(table: Section<'t>) -> Draft<'t> {
    let asks = !table.entries().is_empty();
    let list = |key, check: fn(&Pattern, &Item<'_>) -> bool| match table.item(key) {
        None => Some(Vec::new()),
        Some(item) => entries(&item, check),
    };
    let event = list("event", |_, _| true);
    let events = event.iter().flatten().map(|one| (one.pattern.clone(), one.item.clone()));
    let events = events.collect();
    let outcome = list("outcome", outcome_exists);
    let severity =
        table.item("severity").map_or(Some(Condition::default()), |item| severity(&item));
    let finding = list("finding", finding_exists);
    let account = list("account", account_exists);
    let region = list("region", region_exists);
    let principal = list("principal", is_arn);
    let target = list("target", is_arn);
    let lane = list("lane", lane_exists);
    let ou_item = table.item("ou");
    let ou = list("ou", |_, _| true);
    let certificate = list("certificate", flag_exists);
    let (labels, named) = match table.item("label") {
        Some(item) => labels(&item),
        None => (Some(BTreeMap::new()), Vec::new()),
    };
    table.finish_with(
        "; a route can ask for event, outcome, severity, finding, account, region, principal, target, \
         lane, ou, certificate and label, and ignoring a condition would send events to the wrong place",
    );
    let read = || {
        Some(When {
            event: condition(event?),
            outcome: condition(outcome?),
            severity: severity?,
            finding: condition(finding?),
            account: condition(account?),
            region: condition(region?),
            principal: condition(principal?),
            target: condition(target?),
            lane: condition(lane?),
            ou: condition(ou?),
            certificate: condition(certificate?),
            labels: labels?,
        })
    };
    Draft { when: read(), events, labels: named, ou: ou_item, asks }
}

/// The condition of each label; `None`: a mistake was noted.
type Labels = Option<BTreeMap<String, Condition>>;

/// `label = { environment = "prod*", team = ["!web"] }`: the conditions, and the labels they name.
fn labels<'t>(item: &Item<'t>) -> (Labels, Vec<(String, Item<'t>)>) {
    let Some(table) = item.table("[[route]] when label") else { return (None, Vec::new()) };
    let named = table.entries();
    if named.is_empty() {
        item.mistake("`label` names no label: { environment = \"prod*\" }");
    }
    let read = named.iter().map(|(name, item)| {
        entries(item, |_, _| true).map(|entries| (name.clone(), condition(entries)))
    });
    let labels: Labels = read.collect();
    (labels.filter(|labels| !labels.is_empty()), named)
}

fn condition(entries: Vec<Entry<'_>>) -> Condition {
    let (none, any): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.excludes);
    let bare = |list: Vec<Entry<'_>>| list.into_iter().map(|entry| entry.pattern).collect();
    Condition { any: bare(any), none: bare(none) }
}

fn entries<'t>(item: &Item<'t>, check: fn(&Pattern, &Item<'_>) -> bool) -> Option<Vec<Entry<'t>>> {
    let items = item.one_or_many()?;
    let count = items.len();
    let read: Vec<_> = items
        .into_iter()
        .filter_map(|item| {
            let text = item.text()?;
            let (excludes, name) = exclusion(&text);
            let pattern = pattern_of(name, &item)?;
            check(&pattern, &item).then_some(Entry { pattern, excludes, item })
        })
        .collect();
    (read.len() == count).then_some(read)
}

/// `!name`: whether it excludes, and the name.
fn exclusion(text: &str) -> (bool, &str) {
    match text.strip_prefix('!') {
        Some(name) => (true, name),
        None => (false, text),
    }
}

/// `"high"`, `["high", "critical"]`, `">=medium"`, `"!low"`: comparisons become the names they mean.
fn severity(item: &Item<'_>) -> Option<Condition> {
    let mut condition = Condition::default();
    for item in item.one_or_many()? {
        let text = item.text()?;
        let (excludes, rest) = exclusion(&text);
        let names = match comparison(rest) {
            Some((meant, word)) => compared(meant, word, &item)?,
            None => {
                let pattern = pattern_of(rest, &item)?;
                one_of(&SEVERITIES, "a severity", &pattern, &item).then_some(vec![pattern])?
            }
        };
        let list = if excludes { &mut condition.none } else { &mut condition.any };
        list.extend(names);
    }
    if !SEVERITIES.iter().any(|one| condition.matches(one)) {
        item.mistake("no severity is left: the route would never match");
        return None;
    }
    Some(condition)
}

/// Whether a place on the scale is meant, by its order to the place that is named.
type Meant = fn(usize, usize) -> bool;

fn comparison(text: &str) -> Option<(Meant, &str)> {
    let operators: [(&str, Meant); 4] = [
        (">=", |place, named| place >= named),
        ("<=", |place, named| place <= named),
        (">", |place, named| place > named),
        ("<", |place, named| place < named),
    ];
    operators
        .into_iter()
        .find_map(|(operator, meant)| Some((meant, text.strip_prefix(operator)?.trim())))
}

fn compared(meant: Meant, word: &str, item: &Item<'_>) -> Option<Vec<Pattern>> {
    let Some(named) = SEVERITIES.iter().position(|one| *one == word) else {
        let hint = did_you_mean(word, SEVERITIES);
        item.mistake(format!("a comparison names one of {}{hint}", SEVERITIES.join(", ")));
        return None;
    };
    let names = SEVERITIES.iter().enumerate().filter(|(place, _)| meant(*place, named));
    let names: Vec<Pattern> = names.filter_map(|(_, name)| pattern_of(name, item)).collect();
    if names.is_empty() {
        item.mistake("there is no severity beyond this one: the route would never match");
        return None;
    }
    Some(names)
}

/// Whether a pattern can mean one of a few words.
fn one_of(words: &[&str], what: &str, pattern: &Pattern, item: &Item<'_>) -> bool {
    let exists = words.iter().any(|word| pattern.matches(word));
    if !exists {
        let hint = did_you_mean(pattern.as_str(), words.iter().copied());
        item.mistake(format!("{what} is one of {}{hint}", words.join(", ")));
    }
    exists
}

fn outcome_exists(pattern: &Pattern, item: &Item<'_>) -> bool {
    one_of(&["success", "failure"], "an outcome", pattern, item)
}

fn lane_exists(pattern: &Pattern, item: &Item<'_>) -> bool {
    one_of(&["file", "inline"], "a lane", pattern, item)
}

fn finding_exists(pattern: &Pattern, item: &Item<'_>) -> bool {
    one_of(&FINDINGS, "a finding", pattern, item)
}

fn flag_exists(pattern: &Pattern, item: &Item<'_>) -> bool {
    one_of(&CERTIFICATE_FLAGS, "a certificate's flag", pattern, item)
}

fn account_exists(pattern: &Pattern, item: &Item<'_>) -> bool {
    let text = pattern.as_str();
    let exists = is_glob(text) || is_account_id(text);
    if !exists {
        item.mistake("an account is its 12 digits, or a glob");
    }
    exists
}

fn region_exists(pattern: &Pattern, item: &Item<'_>) -> bool {
    let text = pattern.as_str();
    let exists = is_glob(text) || looks_like_region(text);
    if !exists {
        item.mistake("a region is written like \"us-east-1\", or is a glob");
    }
    exists
}

/// `us-east-1`, `us-gov-west-1`, `ap-southeast-2`.
fn looks_like_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase()))
        && !number.is_empty()
        && number.chars().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::looks_like_region;

    #[test]
    fn regions_have_words_and_a_number() {
        for text in ["us-east-1", "us-gov-west-1", "ap-southeast-2", "mx-central-1"] {
            assert!(looks_like_region(text), "{text}");
        }
        for text in ["us-east", "useast1", "US-EAST-1", "us-east-1a", "-1", ""] {
            assert!(!looks_like_region(text), "{text}");
        }
    }
}
