//! The small tables: `[aws]`, `[format]`, `[privacy]`, `[dead_letter]`, `[http]`, `[log]`.

use std::net::SocketAddr;
use std::ops::Range;

use url::Url;

use super::super::cursor::Section;
use super::super::item::{Item, is_loopback};
use super::super::suggest::did_you_mean;
use super::super::{Aws, DeadLetterConfig, EventOptions, LogConfig, OcsfVersion, defaults};

/// The dead letter and where it stands; no place where it was not written.
pub(super) struct DeadLetter {
    pub(super) config: DeadLetterConfig,
    pub(super) span: Option<Range<usize>>,
}

pub(super) fn aws(top: &Section<'_>) -> Aws {
    let Some(table) = top.table("aws", "[aws]") else { return Aws::default() };
    let aws = Aws {
        s3_endpoint: table.item("s3_endpoint").and_then(|item| endpoint(&item)),
        sqs_endpoint: table.item("sqs_endpoint").and_then(|item| endpoint(&item)),
    };
    table.finish();
    aws
}

fn endpoint(item: &Item<'_>) -> Option<Url> {
    let url = item.url()?;
    if url.scheme() == "http" && !is_loopback(&url) {
        item.warning("plain http: objects and signatures cross the network unencrypted");
    }
    Some(url)
}

/// `[format.ocsf]`.
pub(super) fn format(top: &Section<'_>, options: &mut EventOptions) {
    let Some(table) = top.table("format", "[format]") else { return };
    if let Some(ocsf) = table.table("ocsf", "[format.ocsf]") {
        let versions = [OcsfVersion::V1_8, OcsfVersion::V1_5].map(|one| (one.as_str(), one));
        options.ocsf = ocsf.choice("version", options.ocsf, &versions);
        ocsf.finish();
    }
    table.finish();
}

pub(super) fn privacy(top: &Section<'_>, options: &mut EventOptions) {
    let Some(table) = top.table("privacy", "[privacy]") else { return };
    options.keep_pem = table.flag("keep_pem", options.keep_pem);
    table.finish();
}

/// Absent: a folder beside the configuration. `check::sources` insists on it for SQS.
pub(super) fn dead_letter(top: &Section<'_>) -> Option<DeadLetter> {
    let Some(item) = top.item("dead_letter") else {
        let path = top.reader.resolve(defaults::DEAD_LETTERS);
        let config = DeadLetterConfig::Directory { path, keep_bytes: false };
        return Some(DeadLetter { config, span: None });
    };
    let table = item.table("[dead_letter]")?;
    let span = Some(table.span.clone());
    let directory = table.item("directory");
    let redrive = table.item("redrive");
    let keep_bytes = table.item("keep_bytes");
    let planned = table.not_yet("s3") | table.not_yet("sqs");
    let keeps = keep_bytes.as_ref().is_some_and(|item| item.flag() == Some(true));
    let redrives = redrive.as_ref().is_some_and(|item| item.flag() == Some(true));
    let config = match (directory, redrives) {
        (Some(_), true) => {
            table.mistake("[dead_letter] has `directory` or `redrive = true`, not both");
            None
        }
        (Some(item), false) => {
            item.path().map(|path| DeadLetterConfig::Directory { path, keep_bytes: keeps })
        }
        (None, true) => {
            if let Some(item) = keep_bytes {
                item.mistake("`keep_bytes` means nothing with `redrive`; remove it");
            }
            Some(DeadLetterConfig::Redrive)
        }
        (None, false) if planned => None,
        (None, false) => {
            table.mistake("[dead_letter] needs `directory = \"…\"` or `redrive = true`");
            None
        }
    };
    table.finish();
    Some(DeadLetter { config: config?, span })
}

pub(super) fn http(top: &Section<'_>) -> Option<SocketAddr> {
    let table = top.table("http", "[http]")?;
    let listen = match table.item("listen") {
        None => Some(defaults::LISTEN),
        Some(item) => {
            let address = item.text().map(|text| text.parse().ok());
            if address == Some(None) {
                item.mistake("`listen` is an address and a port, such as \"127.0.0.1:9600\"");
            }
            address.flatten()
        }
    };
    table.finish();
    listen
}

pub(super) fn log(top: &Section<'_>) -> LogConfig {
    let default = LogConfig::default();
    let Some(table) = top.table("log", "[log]") else { return default };
    let json = table.choice("format", default.json, &[("json", true), ("text", false)]);
    let level = table.item("level").and_then(|item| filter(&item)).unwrap_or(default.level);
    table.finish();
    LogConfig { json, level }
}

/// A level, or `target=level` pairs. Checked here because `tracing` takes a misspelt level for the
/// name of a target, and logs nothing.
fn filter(item: &Item<'_>) -> Option<String> {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let text = item.text()?;
    for directive in text.split(',') {
        let level = directive.rsplit('=').next().unwrap_or(directive).trim();
        if !levels.contains(&level) {
            let hint = did_you_mean(level, levels);
            item.mistake(format!(
                "`level` is one of {}, or pairs such as \"certrelay=debug,warn\"{hint}",
                levels.join(", ")
            ));
            return None;
        }
    }
    Some(text)
}
