//! `type = "splunk_hec"`.

use std::time::Duration;

use url::Url;

use super::super::cursor::Section;
use super::super::item::{Item, is_loopback};
use super::super::{OutputFormat, SplunkConfig, SplunkMode, Tls, defaults};
use super::{mapping, secret, sink};

/// Its settings, and what it is sent.
pub(super) fn read(
    table: &Section<'_>,
    format: Option<&Item<'_>>,
) -> (Option<SplunkConfig>, OutputFormat) {
    let mode = table.choice(
        "mode",
        defaults::SPLUNK_MODE,
        &[("beside", SplunkMode::Events), ("only", SplunkMode::Records)],
    );
    (settings(table, mode), format_of(mode, format))
}

fn settings(table: &Section<'_>, mode: SplunkMode) -> Option<SplunkConfig> {
    let endpoints = table.required("endpoints", "[\"https://hec.example.com:8088\"]");
    let token = table.required("token", "{ env = \"HEC_TOKEN\" }");
    let index = table.item("index").and_then(|item| mapping::read(&item, index_name));
    let [source, sourcetype, host] = ["source", "sourcetype", "host"]
        .map(|key| table.item(key).and_then(|item| mapping::read(&item, metadata)));
    let ack = table.flag("ack", false);
    let tls_item = table.item("tls");
    let batch = table.size("max_batch_bytes", defaults::SPLUNK_BATCH, 64 << 10..=64 << 20);
    let second = Duration::from_secs(1);
    let timeout = table.duration("timeout", defaults::SPLUNK_TIMEOUT, second..=second * 600);
    let endpoints = endpoints.and_then(|item| urls(&item));
    let token = token.and_then(|item| secret::read(&item));
    let tls = tls_item.map_or(Some(Tls::default()), |item| sink::tls(&item));
    Some(SplunkConfig {
        endpoints: endpoints?,
        token: token?,
        mode,
        index,
        source,
        sourcetype,
        host,
        ack,
        tls: tls?,
        max_batch_bytes: usize::try_from(batch).unwrap_or(usize::MAX),
        timeout,
    })
}

/// Splunk's rule for the indexes that one makes: small letters, digits, `_` and `-`, none of these two first.
/// Source: Managing Indexers, "Create custom indexes".
pub(super) fn index_name(item: &Item<'_>) -> Option<String> {
    let index = item.text()?;
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    if !index.chars().all(legal) || index.starts_with(['_', '-']) || index.contains("kvstore") {
        item.mistake(
            "an index has small letters, digits, `_` and `-`, starts with a letter or digit, \
             and does not contain \"kvstore\"",
        );
        return None;
    }
    Some(index)
}

/// What Splunk keeps of an event besides the event.
fn metadata(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    if text.contains(char::is_control) {
        item.mistake(format!("`{}` must not have control characters", item.key));
        return None;
    }
    Some(text)
}

/// In mode `only` the raw record is what the Splunk add-on reads; nothing else makes sense.
fn format_of(mode: SplunkMode, item: Option<&Item<'_>>) -> OutputFormat {
    let written = item.and_then(|item| item.choice(&sink::FORMATS));
    match (mode, written, item) {
        (SplunkMode::Records, Some(written), Some(item)) if written != OutputFormat::Raw => {
            item.mistake(
                "mode \"only\" sends raw records; remove `format`, or use mode \"beside\"",
            );
            OutputFormat::Raw
        }
        (SplunkMode::Records, ..) => OutputFormat::Raw,
        (SplunkMode::Events, written, _) => written.unwrap_or(defaults::SPLUNK_FORMAT),
    }
}

/// Base URLs; the collector's path is ours to add.
fn urls(list: &Item<'_>) -> Option<Vec<Url>> {
    let items = list.filled_list()?;
    let urls: Vec<Url> = items.iter().filter_map(url).collect();
    (urls.len() == items.len()).then_some(urls)
}

fn url(item: &Item<'_>) -> Option<Url> {
    let url = item.url()?;
    if url.path() != "/" {
        item.mistake("an endpoint is a base URL, such as \"https://hec.example.com:8088\": leave the path away");
        return None;
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        item.warning("plain http: the token crosses the network unencrypted; use https");
    }
    Some(url)
}
