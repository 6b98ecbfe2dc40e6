//! `[events]`: groups, names and globs → rules; expected principals and known networks.

use toml::de::DeValue;

use super::super::diagnostic::{did_you_mean, nearest};
use super::super::groups::{IAM_EVENT_SOURCE, groups, known_names};
use super::super::reader::{Item, Section};
use super::super::setting::{Other, Setting};
use super::super::settings::{EVENTS, INCLUDE, TOP};
use super::super::source::has_mistyped_account;
use super::super::types::{EventOptions, EventRule, names_one_account};
use super::super::when::{Network, Pattern};

/// Returns the rules; expected principals and known networks go to `options`.
pub(super) fn read(top: &Section<'_>, options: &mut EventOptions) -> Vec<EventRule> {
    let Some(table) = top.table(&TOP.events, &EVENTS) else { return EventRule::defaults() };
    let rules = table.item(&EVENTS.include).map(|item| {
        let entries = item.filled_list().unwrap_or_default();
        entries.iter().filter_map(rules).flatten().collect()
    });
    options.expected_principals = each(&table, &EVENTS.expected_principals, principal);
    options.known_networks = each(&table, &EVENTS.known_networks, network);
    table.finish();
    rules.unwrap_or_else(EventRule::defaults)
}

/// Reads the items of a list; those with errors are left out.
fn each<T>(
    table: &Section<'_>,
    setting: &Setting<Other>,
    read: fn(&Item<'_>) -> Option<T>,
) -> Vec<T> {
    let items = table.item(setting).and_then(|item| item.list()).unwrap_or_default();
    items.iter().filter_map(read).collect()
}

/// An ARN or a glob of one. A wildcard for the account lets a role of the same name in any account
/// pass as expected, which is rarely meant.
fn principal(item: &Item<'_>) -> Option<Pattern> {
    let pattern = pattern(item).filter(|pattern| is_arn(pattern, item))?;
    warn_of_session(&pattern, item);
    if !names_one_account(&pattern) {
        item.warning("this does not name one account: a principal of any account may match");
    }
    Some(pattern)
}

/// Returns the ARN of the role that the sessions of this ARN or glob are of.
pub(super) fn role_of_session(text: &str) -> Option<String> {
    let (before, rest) = text.split_once(":assumed-role/")?;
    let role = rest.rsplit_once('/').map_or(rest, |(role, _)| role);
    Some(format!("{}:role/{role}", before.replacen(":sts:", ":iam:", 1)))
}

/// Warns about a session's ARN where the caller's own is compared: for a session, its role's.
pub(super) fn warn_of_session(pattern: &Pattern, item: &Item<'_>) {
    if let Some(role) = role_of_session(pattern.as_str()) {
        item.warning(format!(
            "a session is matched by the ARN of its role: write \"{role}\", with the role's path if it \
             has one"
        ));
    }
}

/// Checks that an ARN can match; anything else never would.
pub(super) fn is_arn(pattern: &Pattern, item: &Item<'_>) -> bool {
    let text = pattern.as_str();
    let possible = text.starts_with("arn:") || text.starts_with('*');
    if !possible {
        item.error(
            "an ARN, or a glob of one, is expected, such as \"arn:aws:iam::111122223333:role/*\"",
        );
    } else if has_mistyped_account(text) {
        item.error("the account in an ARN has 12 digits");
        return false;
    }
    possible
}

fn network(item: &Item<'_>) -> Option<Network> {
    let network = Network::new(&item.text()?).ok();
    if network.is_none() {
        item.error(
            "a network is written like \"203.0.113.0/24\" or \"2001:db8::/32\", or is one address",
        );
    }
    network
}

/// Returns the rules of one entry: a string is a group, or a name or glob of IAM's.
fn rules(item: &Item<'_>) -> Option<Vec<EventRule>> {
    if let DeValue::Table(_) = item.value() {
        return of_source(item);
    }
    let text = item.text()?;
    if let Some((_, source, names)) = groups().find(|(group, ..)| *group == text) {
        return Some(EventRule::exactly(source, names));
    }
    // Event names start with a capital letter, groups do not.
    if text.starts_with(|first: char| first.is_ascii_lowercase()) {
        let groups: Vec<&str> = groups().map(|(group, ..)| *group).collect();
        let hint = did_you_mean(&text, groups.iter().copied().chain(known_names()));
        item.error(format!("neither a group ({}) nor an event's name{hint}", groups.join(", ")));
        return None;
    }
    rule(IAM_EVENT_SOURCE, item).map(|rule| vec![rule])
}

/// `{ source = "acm.amazonaws.com", names = ["ImportCertificate"] }`.
fn of_source(item: &Item<'_>) -> Option<Vec<EventRule>> {
    let table = item.table(&INCLUDE)?;
    let source = table.required(&INCLUDE.source);
    let names = table.required(&INCLUDE.names);
    table.finish();
    let (source, names) = (source?, names?);
    let text = source.text()?;
    if !text.contains('.') || is_glob(&text) {
        source.error("`source` is an eventSource without wildcards, such as \"acm.amazonaws.com\"");
        return None;
    }
    Some(names.filled_list()?.iter().filter_map(|name| rule(&text, name)).collect())
}

fn rule(source: &str, item: &Item<'_>) -> Option<EventRule> {
    let name = pattern(item)?;
    let known = known_names().any(|known| name.matches(known));
    if source == IAM_EVENT_SOURCE
        && !known
        && let Some(near) = nearest(name.as_str(), known_names())
    {
        item.warning(format!(
            "not a certificate event that certrelay knows; did you mean `{near}`?"
        ));
    }
    Some(EventRule { source: source.to_owned(), name })
}

/// A name or a glob.
pub(super) fn pattern(item: &Item<'_>) -> Option<Pattern> {
    pattern_of(&item.text()?, item)
}

/// A name or a glob that is a part of `item`.
pub(super) fn pattern_of(text: &str, item: &Item<'_>) -> Option<Pattern> {
    let pattern = Pattern::new(text);
    pattern.map_err(|error| item.error(format!("not a glob: {error}"))).ok()
}

/// Returns whether a pattern can match more than one name.
pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{', '\\'])
}
