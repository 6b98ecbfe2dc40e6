//! What is known beside the records: `[accounts]`, `[posture]`, `[labels]`. Only where it lies is
//! checked here; what it says is read at start and again on a timer.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::cursor::Section;
use super::super::item::Item;
use super::super::units::plain_text_fault;
use super::super::{Place, Refreshed, defaults};
use super::bucket::is_bucket;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Labels that all events carry, at most.
const MAX_LABELS: usize = 32;

/// `[accounts]`: one file or one object.
pub(super) fn accounts(top: &Section<'_>) -> Option<Refreshed> {
    let table = top.table("accounts", "[accounts]")?;
    let (file, s3) = (table.item("file"), table.item("s3"));
    let refresh = refresh(&table);
    let place = match (file, s3) {
        (Some(_), Some(s3)) => {
            s3.mistake("[accounts] has `file` or `s3`, not both");
            None
        }
        (Some(file), None) => local_table(&file),
        (None, Some(s3)) => object(&s3),
        (None, None) => {
            table.mistake(
                "[accounts] needs `file = \"accounts.csv\"` or `s3 = \"s3://bucket/accounts.csv\"`",
            );
            None
        }
    };
    table.finish();
    Some(Refreshed { place: place?, refresh })
}

/// `[posture]`: a folder or a prefix.
pub(super) fn posture(top: &Section<'_>) -> Option<Refreshed> {
    let table = top.table("posture", "[posture]")?;
    let reports = table.required("credential_reports", "\"s3://bucket/credential-reports/\"");
    let refresh = refresh(&table);
    table.finish();
    let item = reports?;
    let text = item.text()?;
    let place = if text.starts_with("s3://") {
        let place = in_s3(&text).filter(|(_, key)| key.is_empty() || key.ends_with('/'));
        if place.is_none() {
            item.mistake("reports in S3 lie below a prefix that ends in `/`: s3://bucket/prefix/");
        }
        let (bucket, key) = place?;
        Place::S3 { bucket, key }
    } else {
        Place::Local(item.resolved(&text)?)
    };
    Some(Refreshed { place, refresh })
}

fn refresh(table: &Section<'_>) -> Duration {
    table.duration("refresh", defaults::REFRESH, MINUTE..=DAY)
}

fn local_table(item: &Item<'_>) -> Option<Place> {
    let text = item.text()?;
    is_table(&text, item).then_some(())?;
    item.resolved(&text).map(Place::Local)
}

fn object(item: &Item<'_>) -> Option<Place> {
    let text = item.text()?;
    let Some((bucket, key)) = in_s3(&text) else {
        item.mistake("`s3` is a bucket and a key: s3://bucket/accounts.csv");
        return None;
    };
    is_table(&key, item).then_some(Place::S3 { bucket, key })
}

/// The name tells the format.
fn is_table(name: &str, item: &Item<'_>) -> bool {
    let name = name.to_ascii_lowercase();
    let known = name.ends_with(".csv") || name.ends_with(".json");
    if !known {
        item.mistake("a table of accounts is a .csv or a .json");
    }
    known
}

fn in_s3(text: &str) -> Option<(String, String)> {
    let rest = text.strip_prefix("s3://")?;
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    (is_bucket(bucket) && !key.starts_with('/')).then(|| (bucket.to_owned(), key.to_owned()))
}

/// `[labels]`: whatever the operator calls things.
pub(super) fn labels(top: &Section<'_>) -> BTreeMap<String, String> {
    let Some(table) = top.table("labels", "[labels]") else { return BTreeMap::new() };
    let entries = table.entries();
    if entries.len() > MAX_LABELS {
        table.mistake(format!("[labels] has at most {MAX_LABELS}: every event carries them all"));
    }
    entries.into_iter().filter_map(|(name, item)| label(name, &item)).collect()
}

fn label(name: String, item: &Item<'_>) -> Option<(String, String)> {
    let value = item.text()?;
    if !is_label(&name) {
        item.reader.mistake(
            item.key_span.clone(),
            "a label's name is a letter and up to 63 more letters, digits or `_`",
        );
        return None;
    }
    if name == "ou" {
        item.reader
            .mistake(item.key_span.clone(), "`ou` is an account's: it comes from [accounts]");
        return None;
    }
    if let Some(fault) = plain_text_fault(&value) {
        item.mistake(format!("a label {fault}"));
        return None;
    }
    Some((name, value))
}

/// What every format can carry: Elasticsearch takes a dot for a step down.
fn is_label(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}
