//! `[dead_letter]`: a folder, a bucket, a queue, or the queue's own redrive policy.

use std::ops::Range;

use super::super::cursor::Section;
use super::super::item::{Item, is_loopback};
use super::super::{DeadLetterConfig, DeadLetterLocation, defaults};
use super::bucket::is_bucket;
use super::source::region_of;

/// The dead letter and where it stands; no place where it was not written.
pub(super) struct DeadLetter {
    pub(super) config: DeadLetterConfig,
    pub(super) span: Option<Range<usize>>,
}

/// What is written where something is missing.
const PLACES: &str = "`s3 = \"s3://bucket/prefix/\"`, `sqs = \"https://…\"`, `directory = \"…\"` or `redrive = true`";

/// Absent: a folder beside the configuration. `check::sources` insists on it for SQS.
pub(super) fn read(top: &Section<'_>) -> Option<DeadLetter> {
    let Some(item) = top.item("dead_letter") else {
        let place = DeadLetterLocation::Directory(top.reader.resolve(defaults::DEAD_LETTERS));
        let config = DeadLetterConfig::Write { place, keep_bytes: false };
        return Some(DeadLetter { config, span: None });
    };
    let table = item.table("[dead_letter]")?;
    let span = Some(table.span.clone());
    let places = [table.item("s3"), table.item("sqs"), table.item("directory")];
    let written = places.iter().flatten().count();
    let redrive = table.item("redrive");
    let redrives = redrive.as_ref().is_some_and(|item| item.flag() == Some(true));
    let keep_bytes = table.item("keep_bytes");
    let keeps = keep_bytes.as_ref().is_some_and(|item| item.flag() == Some(true));
    let config = match (written + usize::from(redrives), redrives) {
        (0, _) => {
            table.mistake(format!("[dead_letter] needs {PLACES}"));
            None
        }
        (1, true) => {
            if let Some(item) = keep_bytes {
                item.mistake("`keep_bytes` means nothing with `redrive`; remove it");
            }
            Some(DeadLetterConfig::Redrive)
        }
        (1, false) => {
            place(places).map(|place| DeadLetterConfig::Write { place, keep_bytes: keeps })
        }
        _ => {
            table.mistake(format!("[dead_letter] is one of {PLACES}, not several"));
            None
        }
    };
    table.finish();
    Some(DeadLetter { config: config?, span })
}

/// The one that was written.
fn place([s3, sqs, directory]: [Option<Item<'_>>; 3]) -> Option<DeadLetterLocation> {
    match (s3, sqs, directory) {
        (Some(item), ..) => bucket(&item),
        (_, Some(item), _) => queue(&item),
        (_, _, item) => item?.path().map(DeadLetterLocation::Directory),
    }
}

fn bucket(item: &Item<'_>) -> Option<DeadLetterLocation> {
    let text = item.text()?;
    let place = text.strip_prefix("s3://").and_then(|rest| {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let whole = prefix.is_empty() || prefix.ends_with('/');
        (is_bucket(bucket) && whole && !prefix.starts_with('/')).then(|| DeadLetterLocation::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    });
    if place.is_none() {
        item.mistake("`s3` is a bucket and a prefix that ends in `/`: s3://bucket/prefix/");
    }
    place
}

fn queue(item: &Item<'_>) -> Option<DeadLetterLocation> {
    let queue_url = item.url()?;
    let parts = queue_url.path_segments()?.filter(|part| !part.is_empty()).count();
    if parts < 2 {
        item.mistake("a queue's URL ends in account and name: https://sqs.REGION.amazonaws.com/111122223333/NAME");
        return None;
    }
    if queue_url.path().ends_with(".fifo") {
        item.mistake("a FIFO queue cannot hold letters; name a standard one");
        return None;
    }
    if queue_url.scheme() == "http" && !is_loopback(&queue_url) {
        item.warning("plain http: letters and signatures cross the network unencrypted");
    }
    let region = region_of(&queue_url);
    Some(DeadLetterLocation::Sqs { queue_url, region })
}
