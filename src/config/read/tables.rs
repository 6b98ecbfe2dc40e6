//! The small tables: `[delivery]`, `[decode]`, `[aws]`, `[format]`, `[privacy]`, `[labels]`,
//! `[accounts]`, `[credential_reports]`, `[alerts]`, `[http]`, `[log]`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use url::Url;

use super::super::accounts::{Refreshed, TableLocation};
use super::super::diagnostic::did_you_mean;
use super::super::reader::{Item, Section};
use super::super::setting::{Flag, Number, Setting};
use super::super::settings::{
    ACCOUNTS, ALERTS, AWS, CREDENTIAL_REPORTS, DECODE, DELIVERY, FORMAT, HTTP, LOG, OCSF, PRIVACY,
    TOP,
};
use super::super::source::s3_url;
use super::super::types::{Alerts, Aws, Decode, Delivery, EventOptions, LogConfig, OcsfVersion};
use super::super::values::plain_text_fault;

/// SQS hides a message at most this long after one receive.
const SQS_CAP: Duration = Duration::from_secs(12 * 3600);
/// Visibility is extended at half its time, and a request may be retried several times.
const SHORT_VISIBILITY: Duration = Duration::from_secs(30);
/// ECS on Fargate kills a task at most 120 s after SIGTERM; releasing what is left takes some of
/// it.
const FARGATE_GRACE_PERIOD: Duration = Duration::from_secs(110);

/// Labels that all events carry, at most.
const MAX_LABELS: usize = 32;

impl Delivery {
    /// Builds it from the value of each setting.
    fn build(value: impl Fn(&'static Setting<Number>) -> u64) -> Self {
        let time = |setting| Duration::from_millis(value(setting));
        let number = |setting| usize::try_from(value(setting)).unwrap_or(usize::MAX);
        Self {
            max_concurrent_messages: number(&DELIVERY.max_concurrent_messages),
            max_in_flight_messages: number(&DELIVERY.max_in_flight_messages),
            memory_limit: value(&DELIVERY.memory_limit),
            shutdown_grace_period: time(&DELIVERY.shutdown_grace_period),
            dedup_window: time(&DELIVERY.dedup_window),
            visibility_timeout: time(&DELIVERY.visibility_timeout),
            delivery_timeout: time(&DELIVERY.delivery_timeout),
        }
    }
}

impl Default for Delivery {
    fn default() -> Self {
        Self::build(|setting| setting.kind.default)
    }
}

pub(super) fn delivery(top: &Section<'_>) -> Delivery {
    let Some(table) = top.table(&TOP.delivery, &DELIVERY) else { return Delivery::default() };
    let delivery = Delivery::build(|setting| table.number(setting));
    if delivery.shutdown_grace_period > FARGATE_GRACE_PERIOD
        && let Some(item) = table.item(&DELIVERY.shutdown_grace_period)
    {
        item.warning(
            "longer than 110 s: ECS on Fargate kills a task at most 120 s after SIGTERM, \
             so keep this below the container's stop timeout",
        );
    }
    let visibility = table.item(&DELIVERY.visibility_timeout);
    if delivery.visibility_timeout < SHORT_VISIBILITY
        && let Some(item) = &visibility
    {
        item.warning(
            "shorter than 30 s: after a slow request to AWS messages are redelivered while they \
             are processed; for tests only",
        );
    }
    if delivery.delivery_timeout + delivery.visibility_timeout > SQS_CAP
        && let Some(item) = table.item(&DELIVERY.delivery_timeout).or(visibility)
    {
        item.error(
            "`delivery_timeout` and `visibility_timeout` together must be at most 12 h: \
             SQS redelivers a message 12 h after its receive",
        );
    }
    table.finish();
    delivery
}

impl Decode {
    /// Builds it from the value of each setting.
    fn build(
        value: impl Fn(&'static Setting<Number>) -> u64,
        flag: impl Fn(&'static Setting<Flag>) -> bool,
    ) -> Self {
        Self {
            max_decompressed: value(&DECODE.max_decompressed),
            max_record: value(&DECODE.max_record),
            max_records: value(&DECODE.max_records),
            max_nesting: u32::try_from(value(&DECODE.max_nesting)).unwrap_or(u32::MAX),
            max_ratio: value(&DECODE.max_ratio),
            strict: flag(&DECODE.strict),
            hash: flag(&DECODE.hash),
        }
    }
}

impl Default for Decode {
    fn default() -> Self {
        Self::build(|setting| setting.kind.default, |setting| setting.kind.0)
    }
}

impl Default for EventOptions {
    fn default() -> Self {
        Self {
            keep_pem: false,
            expected_principals: Vec::new(),
            known_networks: Vec::new(),
            ocsf: OcsfVersion::default(),
            labels: BTreeMap::new(),
            max_values: usize::try_from(DECODE.max_values.kind.default).unwrap_or(usize::MAX),
        }
    }
}

pub(super) fn decode(top: &Section<'_>, options: &mut EventOptions) -> Decode {
    let Some(table) = top.table(&TOP.decode, &DECODE) else { return Decode::default() };
    let decode = Decode::build(|setting| table.number(setting), |setting| table.flag(setting));
    options.max_values = usize::try_from(table.number(&DECODE.max_values)).unwrap_or(usize::MAX);
    table.finish();
    decode
}

pub(super) fn aws(top: &Section<'_>) -> Aws {
    let Some(table) = top.table(&TOP.aws, &AWS) else { return Aws::default() };
    let [s3_endpoint, sqs_endpoint, secretsmanager_endpoint] =
        [&AWS.s3_endpoint, &AWS.sqs_endpoint, &AWS.secretsmanager_endpoint]
            .map(|setting| table.item(setting).and_then(|item| endpoint(&item)));
    table.finish();
    Aws { s3_endpoint, sqs_endpoint, secretsmanager_endpoint }
}

fn endpoint(item: &Item<'_>) -> Option<Url> {
    let url = item.url()?;
    item.warn_if_plain_http(&url, "objects and signatures cross");
    Some(url)
}

/// `[format.ocsf]`.
pub(super) fn format(top: &Section<'_>, options: &mut EventOptions) {
    let Some(table) = top.table(&TOP.format, &FORMAT) else { return };
    if let Some(ocsf) = table.table(&FORMAT.ocsf, &OCSF) {
        options.ocsf = ocsf.choice(&OCSF.version);
        ocsf.finish();
    }
    table.finish();
}

pub(super) fn privacy(top: &Section<'_>, options: &mut EventOptions) {
    let Some(table) = top.table(&TOP.privacy, &PRIVACY) else { return };
    options.keep_pem = table.flag(&PRIVACY.keep_pem);
    table.finish();
}

/// `[labels]`: any names.
pub(super) fn labels(top: &Section<'_>) -> BTreeMap<String, String> {
    let table = top.item(&TOP.labels).and_then(|item| item.table_called("[labels]", "[labels]"));
    let Some(table) = table else { return BTreeMap::new() };
    let entries = table.entries();
    if entries.len() > MAX_LABELS {
        table.error(format!("[labels] has at most {MAX_LABELS}: every event carries them all"));
    }
    entries.into_iter().filter_map(|(name, item)| label(name, &item)).collect()
}

fn label(name: String, item: &Item<'_>) -> Option<(String, String)> {
    let value = item.text()?;
    // Elasticsearch reads a dot as a nested field.
    let is_label = name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if !is_label {
        item.key_error("a label's name is a letter and up to 63 more letters, digits or `_`");
    } else if name == "ou" {
        item.key_error("`ou` is an account's: it comes from [accounts]");
    } else if let Some(fault) = plain_text_fault(&value) {
        item.error(format!("a label {fault}"));
    } else {
        return Some((name, value));
    }
    None
}

/// `[accounts]`: one file or one object; `app` reads it at start and again on a timer.
pub(super) fn accounts(top: &Section<'_>) -> Option<Refreshed> {
    let table = top.table(&TOP.accounts, &ACCOUNTS)?;
    let (file, s3) = (table.item(&ACCOUNTS.file), table.item(&ACCOUNTS.s3));
    let refresh = table.duration(&ACCOUNTS.refresh);
    let location = match (file, s3) {
        (Some(_), Some(s3)) => {
            s3.error("[accounts] has `file` or `s3`, not both");
            None
        }
        (Some(file), None) => accounts_file(&file),
        (None, Some(s3)) => accounts_object(&s3),
        (None, None) => {
            table.error(
                "[accounts] needs `file = \"accounts.csv\"` or `s3 = \"s3://bucket/accounts.csv\"`",
            );
            None
        }
    };
    table.finish();
    Some(Refreshed { location: location?, refresh })
}

fn accounts_file(item: &Item<'_>) -> Option<TableLocation> {
    let text = item.text()?;
    is_table(&text, item).then_some(())?;
    item.resolved(&text).map(TableLocation::Local)
}

fn accounts_object(item: &Item<'_>) -> Option<TableLocation> {
    let Some((bucket, key)) = s3_url(&item.text()?).filter(|(_, key)| !key.starts_with('/')) else {
        item.error("`s3` is a bucket and a key: s3://bucket/accounts.csv");
        return None;
    };
    is_table(&key, item).then_some(TableLocation::S3 { bucket, key })
}

/// Checks the extension, which decides the format.
fn is_table(name: &str, item: &Item<'_>) -> bool {
    let name = name.to_ascii_lowercase();
    let known = name.ends_with(".csv") || name.ends_with(".json");
    if !known {
        item.error("a table of accounts is a .csv or a .json");
    }
    known
}

/// `[credential_reports]`: a folder or a prefix.
pub(super) fn credential_reports(top: &Section<'_>) -> Option<Refreshed> {
    let table = top.table(&TOP.credential_reports, &CREDENTIAL_REPORTS)?;
    let item = table.required(&CREDENTIAL_REPORTS.location);
    let refresh = table.duration(&CREDENTIAL_REPORTS.refresh);
    table.finish();
    let item = item?;
    let text = item.text()?;
    if !text.starts_with("s3://") {
        return item
            .resolved(&text)
            .map(|path| Refreshed { location: TableLocation::Local(path), refresh });
    }
    let Some((bucket, key)) = s3_url(&text).filter(|(_, key)| is_prefix(key)) else {
        item.error("reports in S3 are below a prefix that ends in `/`: s3://bucket/prefix/");
        return None;
    };
    Some(Refreshed { location: TableLocation::S3 { bucket, key }, refresh })
}

/// Returns whether all keys of a folder, or of the whole bucket, start with it.
pub(super) fn is_prefix(key: &str) -> bool {
    key.is_empty() || key.ends_with('/') && !key.starts_with('/')
}

impl Default for Alerts {
    fn default() -> Self {
        Self { sink_after: Duration::from_millis(ALERTS.sink_after.kind.default) }
    }
}

pub(super) fn alerts(top: &Section<'_>) -> Alerts {
    let Some(table) = top.table(&TOP.alerts, &ALERTS) else { return Alerts::default() };
    let sink_after = table.duration(&ALERTS.sink_after);
    table.finish();
    Alerts { sink_after }
}

pub(super) fn http(top: &Section<'_>) -> Option<SocketAddr> {
    let table = top.table(&TOP.http, &HTTP)?;
    let listen = match table.item(&HTTP.listen) {
        None => HTTP.listen.kind.0.parse().ok(),
        Some(item) => {
            let address: Option<Option<SocketAddr>> = item.text().map(|text| text.parse().ok());
            if address == Some(None) {
                item.error("`listen` is an address and a port, such as \"127.0.0.1:9600\"");
            }
            let address = address.flatten();
            if address.is_some_and(|address| !address.ip().to_canonical().is_loopback()) {
                item.warning(
                    "whoever can connect reads the names of queues and sinks and their errors: \
                     there is neither TLS nor a login. Unless metrics are scraped from another \
                     host, listen on 127.0.0.1, as the container's health check does",
                );
            }
            address
        }
    };
    table.finish();
    listen
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { json: LOG.format.kind.default, level: LOG.level.kind.0.to_owned() }
    }
}

pub(super) fn log(top: &Section<'_>) -> LogConfig {
    let default = LogConfig::default();
    let Some(table) = top.table(&TOP.log, &LOG) else { return default };
    let json = table.choice(&LOG.format);
    let level = table.item(&LOG.level).and_then(|item| filter(&item)).unwrap_or(default.level);
    table.finish();
    LogConfig { json, level }
}

/// Returns a level, or `target=level` pairs. Checked here because `tracing` reads a misspelt level
/// as the name of a target, and logs nothing.
fn filter(item: &Item<'_>) -> Option<String> {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let text = item.text()?;
    for directive in text.split(',') {
        let level = directive.rsplit('=').next().unwrap_or(directive).trim();
        if !levels.contains(&level) {
            let hint = did_you_mean(level, levels);
            item.error(format!(
                "`level` is one of {}, or pairs such as \"certrelay=debug,warn\"{hint}",
                levels.join(", ")
            ));
            return None;
        }
    }
    Some(text)
}
