//! `[sink.NAME]`: what all sinks have, and the plain ones.

use std::ops::Range;
use std::time::Duration;

use toml::de::DeValue;

use super::super::cursor::Section;
use super::super::item::Item;
use super::super::{
    FileConfig, OutputFormat, Rotation, Secret, SinkConfig, SinkKind, StdoutConfig, Tls, defaults,
};
use super::{kafka, secret, splunk};

/// A sink and where it stands.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) config: Option<SinkConfig>,
    /// Its header.
    pub(super) span: Range<usize>,
}

pub(super) const FORMATS: [(&str, OutputFormat); 4] = [
    ("ocsf", OutputFormat::Ocsf),
    ("ecs", OutputFormat::Ecs),
    ("cim", OutputFormat::Cim),
    ("raw", OutputFormat::Raw),
];

#[derive(Clone, Copy)]
enum Kind {
    Kafka,
    SplunkHec,
    Stdout,
    File,
}

const KINDS: [(&str, (&str, Kind)); 4] = [
    ("kafka", ("kafka", Kind::Kafka)),
    ("splunk_hec", ("splunk_hec", Kind::SplunkHec)),
    ("stdout", ("stdout", Kind::Stdout)),
    ("file", ("file", Kind::File)),
];

pub(super) fn read(top: &Section<'_>) -> Vec<Draft> {
    let Some(sinks) = top.table("sink", "[sink]") else {
        top.mistake("there is no [sink.NAME]; write at least one, with its `type`");
        return Vec::new();
    };
    sinks.entries().into_iter().filter_map(|(name, item)| one(name, &item)).collect()
}

fn one(name: String, item: &Item<'_>) -> Option<Draft> {
    if !matches!(item.value(), DeValue::Table(_)) {
        item.reader.mask(item.span());
        item.mistake("[sink] holds sinks by name: write [sink.NAME] with a `type`");
        return None;
    }
    let mut table = item.table(&format!("[sink.{}]", name.escape_debug()))?;
    let span = table.span.clone();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) || name == "discard" {
        item.reader.mistake(
            item.key_span.clone(),
            "a sink's name is up to 64 letters, digits, `-` and `_`, and not `discard`",
        );
    }
    let kind = table.required("type", "\"kafka\"").and_then(|item| item.choice(&KINDS));
    // Without its type nothing of a sink can be judged.
    let Some((word, kind)) = kind else { return Some(Draft { name, config: None, span }) };
    table.set_kind(format!("[sink.NAME] of type {word}"));

    let required = table.flag("required", true);
    let format = table.item("format");
    let plain =
        || format.as_ref().and_then(|item| item.choice(&FORMATS)).unwrap_or(defaults::FORMAT);
    let (kind, format) = match kind {
        Kind::Kafka => (kafka::read(&table).map(SinkKind::Kafka), plain()),
        Kind::SplunkHec => {
            let (hec, format) = splunk::read(&table, format.as_ref());
            (hec.map(SinkKind::SplunkHec), format)
        }
        Kind::Stdout => (Some(SinkKind::Stdout(StdoutConfig {})), plain()),
        Kind::File => (file(&table).map(SinkKind::File), plain()),
    };
    table.finish();
    let config = kind.map(|kind| SinkConfig { name: name.clone(), required, format, kind });
    Some(Draft { name, config, span })
}

fn file(table: &Section<'_>) -> Option<FileConfig> {
    let path = table.required("path", "\"events.ndjson\"").and_then(|item| item.path());
    let fsync = table.flag("fsync", true);
    let rotate = table.item("rotate").map_or(Some(None), |item| rotation(&item).map(Some));
    Some(FileConfig { path: path?, fsync, rotate: rotate? })
}

/// `rotate = { size = "100 MiB", age = "1 d", keep = 10 }`.
fn rotation(item: &Item<'_>) -> Option<Rotation> {
    let table = item.table("`rotate`")?;
    let minute = Duration::from_secs(60);
    let (size, age) = (table.item("size"), table.item("age"));
    if size.is_none() && age.is_none() {
        table.mistake("`rotate` needs `size` or `age`, for example `size = \"100 MiB\"`");
        return None;
    }
    let size = size.map(|item| item.size(1 << 20..=1 << 40));
    let age = age.map(|item| item.duration(minute..=minute * 60 * 24 * 366));
    let keep = table.count("keep", defaults::ROTATED_FILES, 1..=100_000);
    table.finish();
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    let sound = size != Some(None) && age != Some(None);
    sound.then_some(Rotation { size: size.flatten(), age: age.flatten(), keep })
}

/// PEM: a file by its path, or wherever a secret can be.
fn pem(table: &Section<'_>, path: &'static str, place: &'static str) -> Option<Secret> {
    match (table.item(path), table.item(place)) {
        (None, None) => None,
        (Some(path), None) => path.path().map(Secret::file),
        (None, Some(place)) => secret::kept(&place),
        (Some(_), Some(second)) => {
            second.mistake(format!("`tls` has `{path}` or `{place}`, not both"));
            None
        }
    }
}

/// `tls = { … }`.
pub(super) fn tls(item: &Item<'_>) -> Option<Tls> {
    let table = item.table("`tls`")?;
    let tls = Tls {
        ca: pem(&table, "ca_file", "ca"),
        cert: pem(&table, "cert_file", "client_cert"),
        key: pem(&table, "key_file", "client_key"),
        insecure: table.flag("insecure", false),
    };
    let written =
        |keys: [&'static str; 2]| keys.map(|key| table.item(key)).iter().any(Option::is_some);
    if written(["cert_file", "client_cert"]) != written(["key_file", "client_key"]) {
        table.mistake(
            "a certificate and its key belong together: write `cert_file` and `key_file`, or \
             `client_cert` and `client_key`, or none",
        );
    }
    if tls.insecure {
        item.warning("`insecure`: anyone on the way can read and change what is sent");
    }
    table.finish();
    Some(tls)
}
