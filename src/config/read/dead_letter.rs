//! `[dead_letter]`: a folder, a bucket, a queue, or the queue's own redrive policy.

use std::ops::Range;

use super::super::reader::{Item, Section};
use super::super::region::region_of_queue;
use super::super::settings::{DEAD_LETTER, TOP};
use super::super::source::s3_url;
use super::super::types::{DeadLetterConfig, DeadLetterLocation};
use super::source::{account, queue_url};
use super::tables::is_prefix;

/// `[dead_letter]` and its span, if it was written.
pub(super) struct DeadLetter {
    pub(super) config: DeadLetterConfig,
    pub(super) span: Option<Range<usize>>,
}

/// The choices, for diagnostics.
const LOCATIONS: &str = "`s3 = \"s3://bucket/prefix/\"`, `sqs = \"https://…\"`, `directory = \"…\"` \
                         or `redrive = true`";

/// Absent: a folder next to the configuration. `check::sources` requires it for SQS.
pub(super) fn read(top: &Section<'_>) -> Option<DeadLetter> {
    let Some(item) = top.item(&TOP.dead_letter) else {
        let folder = top.reader.resolve(DEAD_LETTER.directory.kind.0);
        let location = DeadLetterLocation::Directory(folder);
        let config = DeadLetterConfig::Write { location, keep_bytes: false };
        return Some(DeadLetter { config, span: None });
    };
    let table = item.table(&DEAD_LETTER)?;
    let span = Some(table.span.clone());
    let [s3, sqs] = [&DEAD_LETTER.s3, &DEAD_LETTER.sqs].map(|setting| table.item(setting));
    let locations = [s3, sqs, table.item(&DEAD_LETTER.directory)];
    let written = locations.iter().flatten().count();
    let redrive = table.item(&DEAD_LETTER.redrive);
    let redrives = redrive.as_ref().is_some_and(|item| item.flag() == Some(true));
    let owner = table.item(&DEAD_LETTER.expected_owner);
    if let (Some(owner), None) = (&owner, &locations[0]) {
        owner.error("`expected_owner` has an effect only with `s3`; remove it");
    }
    let keep_bytes = table.item(&DEAD_LETTER.keep_bytes);
    let keeps_bytes = keep_bytes.as_ref().is_some_and(|item| item.flag() == Some(true));
    let config = match (written + usize::from(redrives), redrives) {
        (0, _) => {
            table.error(format!("[dead_letter] needs {LOCATIONS}"));
            None
        }
        (1, true) => {
            if let Some(item) = keep_bytes {
                item.error("`keep_bytes` has no effect with `redrive`; remove it");
            }
            Some(DeadLetterConfig::Redrive)
        }
        (1, false) => location(locations, owner.as_ref())
            .map(|location| DeadLetterConfig::Write { location, keep_bytes: keeps_bytes }),
        _ => {
            table.error(format!("[dead_letter] is one of {LOCATIONS}, not several"));
            None
        }
    };
    table.finish();
    Some(DeadLetter { config: config?, span })
}

/// Returns the one that was written.
fn location(
    [s3, sqs, directory]: [Option<Item<'_>>; 3],
    owner: Option<&Item<'_>>,
) -> Option<DeadLetterLocation> {
    match (s3, sqs, directory) {
        (Some(item), ..) => bucket(&item, owner),
        (_, Some(item), _) => queue(&item),
        (_, _, item) => item?.path().map(DeadLetterLocation::Directory),
    }
}

fn bucket(item: &Item<'_>, owner: Option<&Item<'_>>) -> Option<DeadLetterLocation> {
    let expected_owner = owner.map_or(Some(None), |owner| account(owner).map(Some));
    let Some((bucket, prefix)) = s3_url(&item.text()?).filter(|(_, key)| is_prefix(key)) else {
        item.error("`s3` is a bucket and a prefix that ends in `/`: s3://bucket/prefix/");
        return None;
    };
    Some(DeadLetterLocation::S3 { bucket, prefix, expected_owner: expected_owner? })
}

fn queue(item: &Item<'_>) -> Option<DeadLetterLocation> {
    let queue_url = queue_url(item, "dead letters and signatures cross")?;
    if queue_url.path().ends_with(".fifo") {
        item.error("dead letters are not sent to a FIFO queue; name a standard one");
        return None;
    }
    let region = region_of_queue(&queue_url);
    Some(DeadLetterLocation::Sqs { queue_url, region })
}
