//! `[sink.NAME]`: the settings of all sinks, and the types `splunk_hec`, `http`, `stdout` and `file`.

use std::ops::Range;
use std::time::Duration;

use toml::de::DeValue;
use url::Url;

use super::super::reader::{Item, Section};
use super::super::setting::Choice;
use super::super::settings::{FILE, HTTP_SINK, KAFKA, ROTATE, SINK, SPLUNK, STDOUT, TOP};
use super::super::types::{
    FileConfig, HttpConfig, OutputFormat, Rotation, SinkConfig, SinkKind, SinkType, SplunkConfig,
    SplunkMode, StdoutConfig,
};
use super::{kafka, mapping, secret};

/// A sink and its span.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) config: Option<SinkConfig>,
    /// Its header.
    pub(super) span: Range<usize>,
}

pub(super) fn read(top: &Section<'_>) -> Vec<Draft> {
    let sinks = top.item(&TOP.sink).and_then(|item| item.table_called("[sink]", "[sink]"));
    let Some(sinks) = sinks else {
        top.error("there is no [sink.NAME]; write at least one, with its `type`");
        return Vec::new();
    };
    sinks.entries().into_iter().filter_map(|(name, item)| one(name, &item)).collect()
}

fn one(name: String, item: &Item<'_>) -> Option<Draft> {
    if !matches!(item.value(), DeValue::Table(_)) {
        item.reader.mask(item.span());
        item.error("[sink] contains sinks by name: write [sink.NAME] with a `type`");
        return None;
    }
    let mut table = item.table_called(&format!("[sink.{}]", name.escape_debug()), "[sink]")?;
    let span = table.span.clone();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) || name == "discard" {
        item.key_error("a sink's name is up to 64 letters, digits, `-` and `_`, and not `discard`");
    }
    let words = SINK.r#type.kind.0;
    let of_type = table.required(&SINK.r#type).and_then(|item| item.choice(words));
    // Without its type nothing else of a sink can be checked.
    let Some(of_type) = of_type else { return Some(Draft { name, config: None, span }) };
    let required = table.flag(&SINK.required);
    let mut format = None;
    let kind = match of_type {
        SinkType::Kafka => {
            table.set_title(&KAFKA);
            kafka::read(&table).map(SinkKind::Kafka)
        }
        SinkType::SplunkHec => {
            table.set_title(&SPLUNK);
            let (hec, of_mode) = splunk(&table);
            format = Some(of_mode);
            hec.map(SinkKind::SplunkHec)
        }
        SinkType::Http => {
            table.set_title(&HTTP_SINK);
            http(&table).map(SinkKind::Http)
        }
        SinkType::Stdout => {
            table.set_title(&STDOUT);
            Some(SinkKind::Stdout(StdoutConfig {}))
        }
        SinkType::File => {
            table.set_title(&FILE);
            file(&table).map(SinkKind::File)
        }
    };
    let format = format.unwrap_or_else(|| table.choice(&SINK.format));
    table.finish();
    let config = kind.map(|kind| SinkConfig { name: name.clone(), required, format, kind });
    Some(Draft { name, config, span })
}

fn http(table: &Section<'_>) -> Option<HttpConfig> {
    let url = table.required(&HTTP_SINK.url).and_then(|item| {
        let url = item.url()?;
        item.warn_if_plain_http(&url, "events cross");
        Some(url)
    });
    let [authorization, signing_key] = [&HTTP_SINK.authorization, &HTTP_SINK.signing_key]
        .map(|setting| table.optional(setting, secret::read));
    let body = table.choice(&HTTP_SINK.body);
    let batch = table.number(&HTTP_SINK.max_batch_bytes);
    let timeout = table.duration(&HTTP_SINK.timeout);
    let tls = table.optional(&HTTP_SINK.tls, secret::tls);
    Some(HttpConfig {
        url: url?,
        authorization: authorization?,
        signing_key: signing_key?,
        body,
        max_batch_bytes: usize::try_from(batch).unwrap_or(usize::MAX),
        timeout,
        tls: tls?.unwrap_or_default(),
    })
}

fn file(table: &Section<'_>) -> Option<FileConfig> {
    let path = table.required(&FILE.path).and_then(|item| item.path());
    let fsync = table.flag(&FILE.fsync);
    let rotate = table.optional(&FILE.rotate, rotation);
    Some(FileConfig { path: path?, fsync, rotate: rotate? })
}

/// `rotate = { size = "100 MiB", age = "1 d", keep = 10 }`.
fn rotation(item: &Item<'_>) -> Option<Rotation> {
    let table = item.table(&ROTATE)?;
    let size = table.optional(&ROTATE.size, |item| item.number(ROTATE.size.kind));
    let age = table.optional(&ROTATE.age, |item| item.number(ROTATE.age.kind));
    if (size, age) == (Some(None), Some(None)) {
        table.error("`rotate` needs `size` or `age`, for example `size = \"100 MiB\"`");
        return None;
    }
    let keep = usize::try_from(table.number(&ROTATE.keep)).unwrap_or(usize::MAX);
    table.finish();
    Some(Rotation { size: size?, age: age?.map(Duration::from_millis), keep })
}

/// Returns its settings, and the output format.
fn splunk(table: &Section<'_>) -> (Option<SplunkConfig>, OutputFormat) {
    let mode = table.choice(&SPLUNK.mode);
    (splunk_settings(table, mode), splunk_format(table, mode))
}

fn splunk_settings(table: &Section<'_>, mode: SplunkMode) -> Option<SplunkConfig> {
    let endpoints = table.required(&SPLUNK.endpoints);
    let token = table.required(&SPLUNK.token);
    let index = table.item(&SPLUNK.index).and_then(|item| mapping::read(&item, index_name));
    let [source, sourcetype, host] = [&SPLUNK.source, &SPLUNK.sourcetype, &SPLUNK.host]
        .map(|setting| table.item(setting).and_then(|item| mapping::read(&item, metadata)));
    let ack = table.flag(&SPLUNK.ack);
    let batch = table.number(&SPLUNK.max_batch_bytes);
    let timeout = table.duration(&SPLUNK.timeout);
    let tls = table.optional(&SPLUNK.tls, secret::tls);
    let endpoints = endpoints.and_then(|item| item.each(endpoint));
    let token = token.and_then(|item| secret::read(&item));
    Some(SplunkConfig {
        endpoints: endpoints?,
        token: token?,
        mode,
        index,
        source,
        sourcetype,
        host,
        ack,
        tls: tls?.unwrap_or_default(),
        max_batch_bytes: usize::try_from(batch).unwrap_or(usize::MAX),
        timeout,
    })
}

/// Splunk's rule for custom indexes: lower-case letters, digits, `_` and `-`, the first one a
/// letter or digit. Source: Managing Indexers, "Create custom indexes".
pub(super) fn index_name(item: &Item<'_>) -> Option<String> {
    let index = item.text()?;
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    if !index.chars().all(legal) || index.starts_with(['_', '-']) || index.contains("kvstore") {
        item.error(
            "an index has lower-case letters, digits, `_` and `-`, starts with a letter or digit, \
             and does not contain \"kvstore\"",
        );
        return None;
    }
    Some(index)
}

/// Splunk's metadata of an event.
fn metadata(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    if text.contains(char::is_control) {
        item.error(format!("`{}` must not have control characters", item.key));
        return None;
    }
    Some(text)
}

/// In mode `records` the Splunk add-on reads the raw record; any other format is an error.
fn splunk_format(table: &Section<'_>, mode: SplunkMode) -> OutputFormat {
    let Choice { words, default } = SPLUNK.format.kind;
    let written = table.item(&SPLUNK.format).and_then(|item| Some((item.choice(words)?, item)));
    if mode == SplunkMode::Events {
        return written.map_or(default, |(format, _)| format);
    }
    if let Some((_, item)) = written.filter(|(format, _)| *format != OutputFormat::Raw) {
        item.error("mode \"records\" sends raw records; remove `format`, or use mode \"events\"");
    }
    OutputFormat::Raw
}

/// A base URL, with the path of a gateway if there is one; the sink adds the collector's path.
fn endpoint(item: &Item<'_>) -> Option<Url> {
    let url = item.url()?;
    if url.path().contains("/services/collector") {
        item.error(
            "an endpoint is a base URL, such as \"https://hec.example.com:8088\": remove \
             /services/collector, which certrelay adds",
        );
        return None;
    }
    item.warn_if_plain_http(&url, "the token crosses");
    let others = [(8000, "Splunk Web"), (8089, "Splunk's management"), (9997, "forwarders")];
    if let Some((port, whose)) = others.into_iter().find(|(other, _)| url.port() == Some(*other)) {
        item.warning(format!("port {port} is usually for {whose}; HEC's is 8088"));
    }
    Some(url)
}
