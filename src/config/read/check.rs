//! Checks the tables against each other, once each has been read: references, order, reachability.

use std::collections::BTreeMap;

use super::super::cursor::Section;
use super::super::suggest::did_you_mean;
use super::super::{
    ACCOUNT_LABELS, DeadLetterConfig, Delivery, EventRule, IAM_EVENT_SOURCE, MappingKey, Pattern,
    SinkConfig, SinkKind, SourceKind, defaults,
};
use super::dead_letter::DeadLetter;
use super::events::{is_glob, known_names};

use super::{route, sink, source};

/// Sources against each other and against the dead letter.
pub(super) fn sources(
    top: &Section<'_>,
    sources: &[source::Draft],
    dead_letter: Option<&DeadLetter>,
) {
    for (at, draft) in sources.iter().enumerate() {
        let same = sources[..at].iter().any(|earlier| {
            matches!((name(earlier), name(draft)), (Some(one), Some(other)) if one == other)
        });
        if same {
            top.reader.mistake(draft.span.clone(), "an earlier [[source]] reads the same");
        }
    }
    let reads_queue = sources.iter().any(|draft| draft.is_queue);
    let Some(dead_letter) = dead_letter else { return };
    match (&dead_letter.config, &dead_letter.span) {
        (_, None) if reads_queue => top.mistake(
            "there is no [dead_letter], which an SQS source needs: write `s3 = \"s3://bucket/prefix/\"` \
             (or `sqs`, or `directory`), or `redrive = true` to leave it to the queue's own redrive policy",
        ),
        (DeadLetterConfig::Redrive, Some(span)) if sources.iter().any(|draft| !draft.is_queue) => {
            let text = "a folder has no redrive policy; write `directory = \"…\"`";
            top.reader.mistake(span.clone(), text);
        }
        _ => {}
    }
}

/// IAM's events stand in the files of one region; without those, a selection of them finds nothing.
pub(super) fn regions(top: &Section<'_>, sources: &[source::Draft], events: &[EventRule]) {
    if !events.iter().any(|rule| rule.source == IAM_EVENT_SOURCE) {
        return;
    }
    for (span, iam) in sources.iter().filter_map(|draft| draft.without_iam.as_ref()) {
        let text = format!(
            "IAM writes its events to {iam}, which is not among these: no event of IAM will be found"
        );
        top.reader.warning(span.clone(), text);
    }
}

fn name(draft: &source::Draft) -> Option<String> {
    Some(match &draft.config.as_ref()?.kind {
        SourceKind::Sqs { queue_url, .. } => queue_url.to_string(),
        SourceKind::Directory(path) => path.display().to_string(),
    })
}

/// Names and order of the routes, and that routes and sinks name each other.
pub(super) fn routes(top: &Section<'_>, routes: &[route::Draft<'_>], sinks: &[sink::Draft]) {
    let known = || sinks.iter().map(|sink| sink.name.as_str());
    let mut closed = false;
    for (at, route) in routes.iter().enumerate() {
        if closed {
            let text = "never reached: an earlier route without `continue` takes every event";
            top.reader.mistake(route.span.clone(), text);
        } else if let Some(earlier) = routes[..at].iter().find(|earlier| takes_all(earlier, route))
        {
            let name = earlier.name.as_ref().map_or("", |(name, _)| name);
            let text = format!(
                "never reached: route \"{}\" has no `continue` and takes every event that this one \
                 asks for",
                name.escape_debug()
            );
            top.reader.mistake(route.span.clone(), text);
        }
        closed |= route.is_catch_all && !route.goes_on;
        let names = routes[..at].iter().filter_map(|route| route.name.as_ref());
        if let Some((name, item)) = &route.name
            && names.into_iter().any(|(earlier, _)| earlier == name)
        {
            item.mistake("an earlier [[route]] has this name");
        }
        for target in &route.targets {
            if !known().any(|known| known == target.sink) {
                let hint = did_you_mean(&target.sink, known());
                target.place.mistake(format!("there is no [sink] of this name{hint}"));
            }
        }
    }
    if let Some(last) = routes.last().filter(|last| !closed && !last.is_catch_all) {
        let text = "the last [[route]] must be a catch-all, without `when`: \
                    say where all other events go, if only to \"discard\"";
        top.reader.mistake(last.span.clone(), text);
    }
    for sink in sinks.iter().filter(|_| !routes.is_empty()) {
        let used =
            routes.iter().any(|route| route.targets.iter().any(|target| target.sink == sink.name));
        if !used {
            top.reader.mistake(sink.span.clone(), "no [[route]] names this sink");
        }
    }
}

/// Whether `earlier` leaves nothing of what `later` asks for.
fn takes_all(earlier: &route::Draft<'_>, later: &route::Draft<'_>) -> bool {
    let (Some(own), Some(other)) = (&earlier.when, &later.when) else { return false };
    !earlier.goes_on && own.covers(other)
}

/// `when.event` that no selected event can match. Where the route's other names can, and this one
/// is an event's at all, it may be meant for a wider selection: a warning.
pub(super) fn conditions(routes: &[route::Draft<'_>], events: &[EventRule]) {
    // Without a selection its own mistake has been noted.
    if events.is_empty() {
        return;
    }
    let met = |pattern: &Pattern| events.iter().any(|rule| may_meet(pattern, &rule.name));
    for route in routes {
        let alive = route.events.iter().any(|(pattern, _)| met(pattern));
        for (pattern, item) in route.events.iter().filter(|(pattern, _)| !met(pattern)) {
            let selected = events.iter().map(|rule| rule.name.as_str());
            let hint = did_you_mean(pattern.as_str(), selected);
            let text = format!("no event that [events] selects has such a name{hint}");
            if alive && known_names().any(|name| pattern.matches(name)) {
                item.warning(text);
            } else {
                item.mistake(text);
            }
        }
    }
}

/// Labels and units that no event can have: those of accounts need a table of accounts.
pub(super) fn labels(
    routes: &[route::Draft<'_>],
    labels: &BTreeMap<String, String>,
    has_accounts: bool,
) {
    let known = || labels.keys().map(String::as_str).chain(ACCOUNT_LABELS);
    for route in routes {
        for (name, item) in &route.labels {
            let of_accounts = ACCOUNT_LABELS.contains(&name.as_str());
            if labels.contains_key(name) || (of_accounts && has_accounts) {
                continue;
            }
            let text = if of_accounts {
                format!("`{name}` is known of accounts: add [accounts], or `{name}` to [labels]")
            } else {
                let (name, hint) = (name.escape_debug(), did_you_mean(name, known()));
                format!("unknown label `{name}`: neither in [labels] nor of an account{hint}")
            };
            item.reader.mistake(item.key_span.clone(), text);
        }
        if let Some(item) = route.ou.as_ref().filter(|_| !has_accounts) {
            let text = "the unit of an account is known from a table of accounts: add [accounts]";
            item.reader.mistake(item.key_span.clone(), text);
        }
    }
}

/// A mapping by unit needs the table that knows units.
pub(super) fn mappings(top: &Section<'_>, sinks: &[sink::Draft], has_accounts: bool) {
    for sink in sinks.iter().filter(|_| !has_accounts) {
        let mappings = sink.config.as_ref().map(SinkConfig::mappings).unwrap_or_default();
        if mappings.iter().any(|mapping| mapping.by() == Some(MappingKey::Ou)) {
            let text = "`by = \"ou\"`: the unit of an account is known from a table of accounts: add [accounts]";
            top.reader.mistake(sink.span.clone(), text);
        }
    }
}

/// Whether some name may match both patterns.
fn may_meet(one: &Pattern, other: &Pattern) -> bool {
    match (is_glob(one.as_str()), is_glob(other.as_str())) {
        (_, false) => one.matches(other.as_str()),
        (false, true) => other.matches(one.as_str()),
        // Two globs: a glob may mean names that we do not know, so this is a guess in their favour.
        (true, true) => {
            known_names().any(|name| one.matches(name) && other.matches(name))
                || !known_names().any(|name| other.matches(name))
        }
    }
}

/// A request that is under way at SIGTERM should be answered before the drain ends. The defaults are
/// not complained about.
pub(super) fn timeouts(top: &Section<'_>, delivery: &Delivery, sinks: &[sink::Draft]) {
    for sink in sinks {
        let timeout = match sink.config.as_ref().map(|config| &config.kind) {
            Some(SinkKind::Kafka(kafka)) => kafka.timeout,
            Some(SinkKind::SplunkHec(hec)) => hec.timeout,
            _ => continue,
        };
        if timeout > delivery.drain.max(defaults::KAFKA_TIMEOUT.max(defaults::SPLUNK_TIMEOUT)) {
            let text = "its `timeout` is longer than `drain` in [delivery]: what is under way \
                        at SIGTERM may be cut off, and sent again by the next task";
            top.reader.warning(sink.span.clone(), text);
        }
    }
}
