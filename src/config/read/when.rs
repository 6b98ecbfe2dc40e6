//! `when`: the conditions of a route. One that is unknown, or can never match, is an error:
//! ignoring it would send events to the wrong sinks.

use std::collections::BTreeMap;

use super::super::diagnostic::did_you_mean;
use super::super::groups::{CERTIFICATE_FLAGS, FINDINGS, SEVERITIES};
use super::super::reader::{Item, Section};
use super::super::renamed;
use super::super::settings::WHEN;
use super::super::source::is_account_id;
use super::super::when::{Condition, Pattern, When};
use super::events::{is_arn, is_glob, pattern_of, warn_of_session};
use super::source;

/// The conditions, and what is checked when the other tables are known.
pub(super) struct Draft<'t> {
    /// `None`: there was an error.
    pub(super) when: Option<When>,
    /// The patterns of `event`, which must match a selected event.
    pub(super) events: Vec<(Pattern, Item<'t>)>,
    /// The labels of `label`, which must exist.
    pub(super) labels: Vec<(String, Item<'t>)>,
    /// `ou`, which needs a table of accounts.
    pub(super) ou: Option<Item<'t>>,
    /// Whether there is no condition.
    pub(super) is_empty: bool,
}

/// One entry of a condition's list.
struct Entry<'t> {
    pattern: Pattern,
    /// Written with `!`.
    excludes: bool,
    item: Item<'t>,
}

pub(super) fn read<'t>(table: Section<'t>) -> Draft<'t> {
    let is_empty = table.entries().is_empty();
    let list = |setting, check: fn(&Pattern, &Item<'_>) -> bool| match table.item(setting) {
        None => Some(Vec::new()),
        Some(item) => entries(&item, check),
    };
    let event = list(&WHEN.event, |_, _| true);
    let events = event.iter().flatten().map(|one| (one.pattern.clone(), one.item.clone()));
    let events = events.collect();
    let outcome = list(&WHEN.outcome, outcome_exists);
    let severity =
        table.item(&WHEN.severity).map_or(Some(Condition::default()), |item| severity(&item));
    let finding = list(&WHEN.finding, finding_exists);
    let account = list(&WHEN.account, account_exists);
    let region = list(&WHEN.region, region_exists);
    let principal = list(&WHEN.principal, is_principal);
    let target = list(&WHEN.target, is_arn);
    let channel = list(&WHEN.channel, channel_exists);
    let ou_item = table.item(&WHEN.ou);
    let ou = list(&WHEN.ou, |_, _| true);
    let certificate = list(&WHEN.certificate, flag_exists);
    let (labels, named) = match table.item(&WHEN.label) {
        Some(item) => labels(&item),
        None => (Some(BTreeMap::new()), Vec::new()),
    };
    table.finish_with(
        "; the conditions are event, outcome, severity, finding, account, region, principal, target, \
         channel, ou, certificate and label, and ignoring one would send events to the wrong sinks",
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
            channel: condition(channel?),
            ou: condition(ou?),
            certificate: condition(certificate?),
            labels: labels?,
        })
    };
    Draft { when: read(), events, labels: named, ou: ou_item, is_empty }
}

/// The condition of each label; `None`: there was an error.
type Labels = Option<BTreeMap<String, Condition>>;

/// Reads `label = { environment = "prod*", team = ["!web"] }`: the conditions, and the labels in
/// them.
fn labels<'t>(item: &Item<'t>) -> (Labels, Vec<(String, Item<'t>)>) {
    let label = "[[route]] when label";
    let Some(table) = item.table_called(label, label) else { return (None, Vec::new()) };
    let named = table.entries();
    if named.is_empty() {
        item.error("`label` has no label: { environment = \"prod*\" }");
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

/// Splits `!name`: whether it excludes, and the name.
fn exclusion(text: &str) -> (bool, &str) {
    match text.strip_prefix('!') {
        Some(name) => (true, name),
        None => (false, text),
    }
}

/// Reads `"high"`, `["high", "critical"]`, `">=medium"`, `"!low"`: comparisons are expanded to
/// names.
fn severity(item: &Item<'_>) -> Option<Condition> {
    let mut condition = Condition::default();
    for item in item.one_or_many()? {
        let text = item.text()?;
        let (excludes, rest) = exclusion(&text);
        let names = match comparison(rest) {
            Some((compare, word)) => compared(compare, word, &item)?,
            None => {
                let pattern = pattern_of(rest, &item)?;
                one_of(&SEVERITIES, "a severity", &pattern, &item).then_some(vec![pattern])?
            }
        };
        let list = if excludes { &mut condition.none } else { &mut condition.any };
        list.extend(names);
    }
    if !SEVERITIES.iter().any(|one| condition.matches(one)) {
        item.error("no severity is left: the route would never match");
        return None;
    }
    Some(condition)
}

/// Compares the rank of a severity with that of the named one.
type Comparison = fn(usize, usize) -> bool;

fn comparison(text: &str) -> Option<(Comparison, &str)> {
    let operators: [(&str, Comparison); 4] = [
        (">=", |rank, named| rank >= named),
        ("<=", |rank, named| rank <= named),
        (">", |rank, named| rank > named),
        ("<", |rank, named| rank < named),
    ];
    operators
        .into_iter()
        .find_map(|(operator, compare)| Some((compare, text.strip_prefix(operator)?.trim())))
}

fn compared(compare: Comparison, word: &str, item: &Item<'_>) -> Option<Vec<Pattern>> {
    let Some(named) = SEVERITIES.iter().position(|one| *one == word) else {
        let hint = did_you_mean(word, SEVERITIES);
        item.error(format!("a comparison names one of {}{hint}", SEVERITIES.join(", ")));
        return None;
    };
    let names = SEVERITIES.iter().enumerate().filter(|(rank, _)| compare(*rank, named));
    let names: Vec<Pattern> = names.filter_map(|(_, name)| pattern_of(name, item)).collect();
    if names.is_empty() {
        item.error("there is no severity beyond this one: the route would never match");
        return None;
    }
    Some(names)
}

/// Checks that a pattern matches one of a few words.
fn one_of(words: &[&str], what: &str, pattern: &Pattern, item: &Item<'_>) -> bool {
    let exists = words.iter().any(|word| pattern.matches(word));
    if !exists {
        let hint = did_you_mean(pattern.as_str(), words.iter().copied());
        item.error(format!("{what} is one of {}{hint}", words.join(", ")));
    }
    exists
}

fn outcome_exists(pattern: &Pattern, item: &Item<'_>) -> bool {
    one_of(&["success", "failure"], "an outcome", pattern, item)
}

fn channel_exists(pattern: &Pattern, item: &Item<'_>) -> bool {
    let text = pattern.as_str();
    if let Some(now) = renamed::value("channel", text) {
        item.error(format!("\"{text}\" was renamed to \"{now}\""));
        return false;
    }
    one_of(&["s3", "eventbridge"], "a channel", pattern, item)
}

fn finding_exists(pattern: &Pattern, item: &Item<'_>) -> bool {
    one_of(&FINDINGS, "a finding", pattern, item)
}

fn flag_exists(pattern: &Pattern, item: &Item<'_>) -> bool {
    one_of(&CERTIFICATE_FLAGS, "a certificate's flag", pattern, item)
}

fn is_principal(pattern: &Pattern, item: &Item<'_>) -> bool {
    warn_of_session(pattern, item);
    is_arn(pattern, item)
}

fn account_exists(pattern: &Pattern, item: &Item<'_>) -> bool {
    let text = pattern.as_str();
    let exists = is_glob(text) || is_account_id(text);
    if !exists {
        item.error("an account is its 12 digits, or a glob");
    }
    exists
}

fn region_exists(pattern: &Pattern, item: &Item<'_>) -> bool {
    is_glob(pattern.as_str()) || source::region_exists(pattern.as_str(), item)
}
