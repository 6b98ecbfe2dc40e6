//! The small tables: `[aws]`, `[format]`, `[privacy]`, `[http]`, `[log]`.

use std::net::SocketAddr;

use url::Url;

use super::super::cursor::Section;
use super::super::item::{Item, is_loopback};
use super::super::suggest::did_you_mean;
use super::super::{Aws, EventOptions, LogConfig, OcsfVersion, defaults};

pub(super) fn aws(top: &Section<'_>) -> Aws {
    let Some(table) = top.table("aws", "[aws]") else { return Aws::default() };
    let aws = Aws {
        s3_endpoint: table.item("s3_endpoint").and_then(|item| endpoint(&item)),
        sqs_endpoint: table.item("sqs_endpoint").and_then(|item| endpoint(&item)),
        secretsmanager_endpoint: table
            .item("secretsmanager_endpoint")
            .and_then(|item| endpoint(&item)),
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
