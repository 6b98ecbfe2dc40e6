//! Checks the tables against each other: references, order, reachability.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use url::Url;

use super::super::accounts::ACCOUNT_LABELS;
use super::super::diagnostic::{did_you_mean, nearest};
use super::super::groups::{IAM_EVENT_SOURCE, known_names};
use super::super::mapping::MappingKey;
use super::super::reader::Section;
use super::super::region::{is_legacy_queue, queue_endpoint, region_of_queue};
use super::super::settings::{KAFKA, SPLUNK};
use super::super::source::SourceKind;
use super::super::types::{
    Aws, DeadLetterConfig, DeadLetterLocation, Delivery, EventRule, SinkConfig, SinkKind,
};
use super::super::when::Pattern;
use super::dead_letter::DeadLetter;
use super::events::is_glob;
use super::{route, sink, source};

/// Checks sources against each other and against `[dead_letter]`.
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
            top.reader.error(draft.span.clone(), "an earlier [[source]] reads the same");
        }
    }
    let reads_queue = sources.iter().any(|draft| draft.queue_url.is_some());
    let Some(dead_letter) = dead_letter else { return };
    match (&dead_letter.config, &dead_letter.span) {
        (_, None) if reads_queue => top.error(
            "there is no [dead_letter], which an SQS source needs: write `s3 = \"s3://bucket/prefix/\"` \
             (or `sqs`, or `directory`), or `redrive = true` to leave it to the queue's own redrive policy",
        ),
        (DeadLetterConfig::Redrive, Some(span)) if sources.iter().any(|draft| draft.queue_url.is_none()) => {
            let text = "a folder has no redrive policy; write `directory = \"…\"`";
            top.reader.error(span.clone(), text);
        }
        _ => {}
    }
}

/// Warns about queues whose URL names another host than the one that is asked: requests go to the
/// endpoint. The host that AWS gives to every queue is no choice, if the endpoint is its region's.
pub(super) fn queue_hosts(
    top: &Section<'_>,
    sources: &[source::Draft],
    dead_letter: Option<&DeadLetter>,
    aws: &Aws,
) {
    let env = top.reader.env;
    let is_set = |name| env(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let (fips, dual_stack) =
        (is_set("AWS_USE_FIPS_ENDPOINT"), is_set("AWS_USE_DUALSTACK_ENDPOINT"));
    let from_env = || {
        let value = env("AWS_ENDPOINT_URL_SQS").or_else(|| env("AWS_ENDPOINT_URL"))?;
        value.parse::<Url>().ok()
    };
    let endpoint = aws.sqs_endpoint.clone().or_else(from_env);
    let warn = |url: &Url, region: &str, span: &Range<usize>| {
        let asked = endpoint.clone().or_else(|| queue_endpoint(region, fips, dual_stack));
        let Some(asked) = asked.filter(|asked| !is_same_host(asked, url)) else { return };
        let is_usual = queue_endpoint(region, false, false)
            .is_some_and(|of| is_same_host(&of, url))
            || is_legacy_queue(url);
        if is_usual && region_of_queue(&asked).as_deref() == Some(region) {
            return;
        }
        let host = match &aws.sqs_endpoint {
            Some(_) => "`sqs_endpoint` in [aws]",
            None => asked.host_str().unwrap_or_default(),
        };
        let text = format!(
            "requests go to {host}, not to this host; to ask this one, write it as `sqs_endpoint` \
             in [aws], or set AWS_USE_FIPS_ENDPOINT or AWS_USE_DUALSTACK_ENDPOINT to true"
        );
        top.reader.warning(span.clone(), text);
    };
    for draft in sources {
        let kind = draft.config.as_ref().map(|config| &config.kind);
        if let (Some(SourceKind::Sqs { queue_url, region }), Some(span)) = (kind, &draft.queue_url)
        {
            warn(queue_url, region, span);
        }
    }
    if let Some(DeadLetter { config: DeadLetterConfig::Write { location, .. }, span: Some(span) }) =
        dead_letter
        && let DeadLetterLocation::Sqs { queue_url, region: Some(region) } = location
    {
        warn(queue_url, region, span);
    }
}

fn is_same_host(one: &Url, other: &Url) -> bool {
    one.host() == other.host() && one.port_or_known_default() == other.port_or_known_default()
}

/// Warns about a selection of IAM's events without the region in whose files they are.
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

/// Checks names and order of the routes, and that routes and sinks name each other.
pub(super) fn routes(top: &Section<'_>, routes: &[route::Draft<'_>], sinks: &[sink::Draft]) {
    let known = || sinks.iter().map(|sink| sink.name.as_str());
    let mut closed = false;
    for (at, route) in routes.iter().enumerate() {
        if closed {
            let text = "never reached: an earlier route without `continue` matches every event";
            top.reader.error(route.span.clone(), text);
        } else if let Some(earlier) = routes[..at].iter().find(|earlier| covers(earlier, route)) {
            let name = earlier.name.as_ref().map_or("", |(name, _)| name);
            let text = format!(
                "never reached: route \"{}\" has no `continue` and matches every event that this \
                 one matches",
                name.escape_debug()
            );
            top.reader.error(route.span.clone(), text);
        }
        closed |= route.is_catch_all && !route.continues;
        let names = routes[..at].iter().filter_map(|route| route.name.as_ref());
        if let Some((name, item)) = &route.name
            && names.into_iter().any(|(earlier, _)| earlier == name)
        {
            item.error("an earlier [[route]] has this name");
        }
        for target in &route.targets {
            if !known().any(|known| known == target.sink) {
                let hint = did_you_mean(&target.sink, known());
                target.item.error(format!("there is no [sink] of this name{hint}"));
            }
        }
    }
    if let Some(last) = routes.last().filter(|last| !closed && !last.is_catch_all) {
        let text = "the last [[route]] must be a catch-all, without `when`: \
                    name the sinks of all other events, or \"discard\"";
        top.reader.error(last.span.clone(), text);
    }
    let targets = routes.iter().flat_map(|route| &route.targets);
    for sink in sinks.iter().filter(|_| !routes.is_empty()) {
        // A misspelt name is reported already.
        let used = targets.clone().any(|target| nearest(&target.sink, known()) == Some(&sink.name));
        if !used {
            top.reader.error(sink.span.clone(), "no [[route]] names this sink");
        }
    }
}

/// Returns whether `earlier` leaves no event for `later`.
fn covers(earlier: &route::Draft<'_>, later: &route::Draft<'_>) -> bool {
    let (Some(own), Some(other)) = (&earlier.when, &later.when) else { return false };
    !earlier.continues && own.covers(other)
}

/// Reports a `when.event` that no selected event can match. Only a warning if the route's other
/// names can and this is an event's name: it may be meant for a wider selection.
pub(super) fn conditions(routes: &[route::Draft<'_>], events: &[EventRule]) {
    // The selection has an error of its own.
    if events.is_empty() {
        return;
    }
    let is_selected =
        |pattern: &Pattern| events.iter().any(|rule| may_overlap(pattern, &rule.name));
    for route in routes {
        let can_match = route.events.iter().any(|(pattern, _)| is_selected(pattern));
        for (pattern, item) in route.events.iter().filter(|(pattern, _)| !is_selected(pattern)) {
            let selected = events.iter().map(|rule| rule.name.as_str());
            let hint = did_you_mean(pattern.as_str(), selected);
            let text = format!("[events] selects no event of this name{hint}");
            if can_match && known_names().any(|name| pattern.matches(name)) {
                item.warning(text);
            } else {
                item.error(text);
            }
        }
    }
}

/// Reports labels and units that no event can have: those of accounts need `[accounts]`.
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
                format!("`{name}` is a label of accounts: add [accounts], or `{name}` to [labels]")
            } else {
                let (name, hint) = (name.escape_debug(), did_you_mean(name, known()));
                format!("unknown label `{name}`: neither in [labels] nor of an account{hint}")
            };
            item.key_error(text);
        }
        if let Some(item) = route.ou.as_ref().filter(|_| !has_accounts) {
            item.key_error("the unit of an account comes from a table of accounts: add [accounts]");
        }
    }
}

/// Reports a mapping by unit without `[accounts]`.
pub(super) fn mappings(top: &Section<'_>, sinks: &[sink::Draft], has_accounts: bool) {
    for sink in sinks.iter().filter(|_| !has_accounts) {
        let mappings = sink.config.as_ref().map(SinkConfig::mappings).unwrap_or_default();
        if mappings.iter().any(|mapping| mapping.by() == Some(MappingKey::Ou)) {
            let text = "`by = \"ou\"`: the unit of an account comes from a table of accounts: add \
                        [accounts]";
            top.reader.error(sink.span.clone(), text);
        }
    }
}

/// Returns whether some name may match both patterns.
fn may_overlap(one: &Pattern, other: &Pattern) -> bool {
    match (is_glob(one.as_str()), is_glob(other.as_str())) {
        (_, false) => one.matches(other.as_str()),
        (false, true) => other.matches(one.as_str()),
        // Two globs may match names that certrelay does not know: assumed in their favour.
        (true, true) => {
            known_names().any(|name| one.matches(name) && other.matches(name))
                || !known_names().any(|name| other.matches(name))
        }
    }
}

/// Warns about requests that may outlast the shutdown grace period; not about the defaults.
pub(super) fn timeouts(top: &Section<'_>, delivery: &Delivery, sinks: &[sink::Draft]) {
    let defaults = KAFKA.timeout.kind.default.max(SPLUNK.timeout.kind.default);
    let most = delivery.shutdown_grace_period.max(Duration::from_millis(defaults));
    for sink in sinks {
        let timeout = match sink.config.as_ref().map(|config| &config.kind) {
            Some(SinkKind::Kafka(kafka)) => kafka.timeout,
            Some(SinkKind::SplunkHec(hec)) => hec.timeout,
            Some(SinkKind::Http(http)) => http.timeout,
            Some(SinkKind::Stdout(_) | SinkKind::File(_)) | None => continue,
        };
        if timeout > most {
            let text = "its `timeout` is longer than `shutdown_grace_period` in [delivery]: a request in \
                        flight at SIGTERM may be interrupted, and its events sent again by the next task";
            top.reader.warning(sink.span.clone(), text);
        }
    }
}
