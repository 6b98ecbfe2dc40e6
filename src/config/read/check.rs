//! Checks the tables against each other, once each has been read: references, order, reachability.

use super::super::cursor::Section;
use super::super::suggest::did_you_mean;
use super::super::{DeadLetterConfig, Delivery, EventRule, Pattern, SourceKind};
use super::delivery::SQS_CAP;
use super::events::{is_glob, known_names};
use super::service::DeadLetter;
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
            "there is no [dead_letter], which an SQS source needs: write `directory = \"…\"`, \
             or `redrive = true` to leave it to the queue's own redrive policy",
        ),
        (DeadLetterConfig::Redrive, Some(span)) if sources.iter().any(|draft| !draft.is_queue) => {
            let text = "a folder has no redrive policy; write `directory = \"…\"`";
            top.reader.mistake(span.clone(), text);
        }
        _ => {}
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
        }
        closed |= route.is_catch_all && !route.goes_on;
        let names = routes[..at].iter().filter_map(|route| route.name.as_ref());
        if let Some((name, item)) = &route.name
            && names.into_iter().any(|(earlier, _)| earlier == name)
        {
            item.mistake("an earlier [[route]] has this name");
        }
        for (sink, item) in &route.sinks {
            if !known().any(|known| known == sink) {
                let hint = did_you_mean(sink, known());
                item.mistake(format!("there is no [sink] of this name{hint}"));
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
            routes.iter().any(|route| route.sinks.iter().any(|(name, _)| *name == sink.name));
        if !used {
            top.reader.mistake(sink.span.clone(), "no [[route]] names this sink");
        }
    }
}

/// `when.event` that no selected event can match.
pub(super) fn conditions(routes: &[route::Draft<'_>], events: &[EventRule]) {
    // Without a selection its own mistake has been noted.
    if events.is_empty() {
        return;
    }
    for (pattern, item) in routes.iter().flat_map(|route| &route.events) {
        if events.iter().any(|rule| may_meet(pattern, &rule.name)) {
            continue;
        }
        let selected = events.iter().map(|rule| rule.name.as_str());
        let hint = did_you_mean(pattern.as_str(), selected);
        item.mistake(format!("no event that [events] selects has such a name{hint}"));
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

/// A message must leave its sinks' waiting room before SQS takes it away for good.
pub(super) fn patience(top: &Section<'_>, delivery: &Delivery) {
    if delivery.patience + delivery.visibility > SQS_CAP {
        top.reader.mistake(
            delivery_span(top),
            "`patience` and `visibility` together must be at most 12 h: \
             SQS takes a message back 12 h after its receive",
        );
    }
}

fn delivery_span(top: &Section<'_>) -> std::ops::Range<usize> {
    top.table("delivery", "[delivery]").map_or(0..0, |table| table.span)
}
