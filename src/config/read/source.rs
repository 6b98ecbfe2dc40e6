//! `[[source]]`: queues and folders.

use std::ops::Range;

use url::Url;

use super::super::cursor::Section;
use super::super::item::{Item, is_loopback};
use super::super::{FaultPolicies, FaultPolicy, SourceConfig, SourceKind, iam_region};
use super::bucket;

/// A source and where it stands.
pub(super) struct Draft {
    pub(super) config: Option<SourceConfig>,
    /// Its header.
    pub(super) span: Range<usize>,
    /// Whether it reads SQS, as far as can be told.
    pub(super) is_queue: bool,
    /// Where its `regions` stand, if they leave out IAM's, and that region.
    pub(super) without_iam: Option<(Range<usize>, &'static str)>,
}

const POLICIES: [(&str, FaultPolicy); 2] =
    [("retry", FaultPolicy::Retry), ("dead_letter", FaultPolicy::DeadLetter)];

/// What a folder has no use for.
const QUEUE_ONLY: [&str; 6] = ["region", "buckets", "regions", "keys", "inline_records", "role"];

pub(super) fn read(top: &Section<'_>) -> Vec<Draft> {
    let Some(item) = top.item("source") else {
        top.mistake(
            "there is no [[source]]; write one with `queue_url` and `buckets`, or with `directory`",
        );
        return Vec::new();
    };
    item.tables("[[source]]").unwrap_or_default().into_iter().map(one).collect()
}

fn one(table: Section<'_>) -> Draft {
    let is_queue = table.item("queue_url").is_some();
    let kind = kind(&table);
    let buckets = match table.item("buckets") {
        Some(item) if is_queue => bucket::buckets(&item),
        None if is_queue => {
            table.mistake(
                "an SQS source needs `buckets`, for example `buckets = [\"audit-logs\"]`: \
                 whoever can send to the queue must not choose which objects are read",
            );
            Some(Vec::new())
        }
        _ => Some(Vec::new()),
    };
    let regions_item = table.item("regions");
    let regions = regions_item.as_ref().map_or(Some(Vec::new()), Item::texts);
    let keys = bucket::keys(&table);
    let inline_records = table.flag("inline_records", false);
    let role = match table.item("role") {
        Some(item) => bucket::role(&item).map(Some),
        None => Some(None),
    };
    let faults = faults(&table);
    let span = table.span.clone();
    table.finish();
    let mut draft = Draft { config: None, span, is_queue, without_iam: None };
    let (Some(kind), Some(buckets), Some(regions)) = (kind, buckets, regions) else { return draft };
    let (Some(keys), Some(role)) = (keys, role) else { return draft };
    if let (SourceKind::Sqs { region, .. }, Some(item)) = (&kind, regions_item) {
        let iam = iam_region(region);
        let without = !regions.iter().any(|region| region == iam);
        draft.without_iam = without.then(|| (item.span(), iam));
    }
    draft.config =
        Some(SourceConfig { kind, buckets, regions, keys, inline_records, role, faults });
    draft
}

/// A queue or a folder; beside a folder, what only a queue has is a mistake.
fn kind(table: &Section<'_>) -> Option<SourceKind> {
    let (queue_url, directory) = (table.item("queue_url"), table.item("directory"));
    let region = table.item("region");
    match (&queue_url, &directory) {
        (Some(_), Some(directory)) => {
            directory.mistake("a source has `queue_url` or `directory`, not both");
            None
        }
        (None, None) => {
            table.mistake("[[source]] needs `queue_url` (and `buckets`), or `directory`");
            None
        }
        (Some(url), None) => sqs(url, region.as_ref()),
        (None, Some(directory)) => {
            for key in QUEUE_ONLY {
                if let Some(item) = table.item(key) {
                    item.mistake(format!("`{key}` means nothing beside `directory`; remove it"));
                }
            }
            directory.path().map(SourceKind::Directory)
        }
    }
}

fn faults(table: &Section<'_>) -> FaultPolicies {
    let safe = FaultPolicies::default();
    FaultPolicies {
        missing: table.choice("on_missing", safe.missing, &POLICIES),
        forbidden: table.choice("on_forbidden", safe.forbidden, &POLICIES),
        kms_denied: table.choice("on_kms_denied", safe.kms_denied, &POLICIES),
        archived: table.choice("on_archived", safe.archived, &POLICIES),
        changed: table.choice("on_changed", safe.changed, &POLICIES),
    }
}

fn sqs(item: &Item<'_>, region: Option<&Item<'_>>) -> Option<SourceKind> {
    let queue_url = item.url()?;
    if queue_url
        .path_segments()
        .is_none_or(|parts| parts.filter(|part| !part.is_empty()).count() < 2)
    {
        item.mistake("a queue's URL ends in account and name: https://sqs.REGION.amazonaws.com/111122223333/NAME");
        return None;
    }
    if queue_url.scheme() == "http" && !is_loopback(&queue_url) {
        item.warning("plain http: messages and signatures cross the network unencrypted");
    }
    let told = region_of(&queue_url);
    let region = match (told, region) {
        (told, Some(region)) => {
            let written = region.text()?;
            if told.as_ref().is_some_and(|told| *told != written) {
                region.mistake("`region` differs from the region in `queue_url`; remove it");
                return None;
            }
            written
        }
        (Some(told), None) => told,
        (None, None) => {
            item.mistake("this URL does not tell its region; add `region = \"us-east-1\"`");
            return None;
        }
    };
    Some(SourceKind::Sqs { queue_url, region })
}

/// The region in a queue's host: `sqs.R.amazonaws.com`, `sqs-fips.R…`, `sqs.R.api.aws`,
/// `vpce-….sqs.R.vpce.amazonaws.com` and the older `R.queue.amazonaws.com`.
/// Source: AWS General Reference, "Amazon SQS endpoints and quotas".
pub(super) fn region_of(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    let amazon =
        [".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn"];
    if !amazon.iter().any(|domain| host.ends_with(domain)) {
        return None;
    }
    let parts: Vec<&str> = host.split('.').collect();
    let place = parts.iter().position(|part| matches!(*part, "sqs" | "sqs-fips"));
    let region = match place {
        Some(at) => parts.get(at + 1)?,
        None if parts.get(1) == Some(&"queue") => parts.first()?,
        None => return None,
    };
    region.contains('-').then(|| (*region).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_read_from_every_kind_of_queue_host() {
        for (host, region) in [
            ("sqs.us-east-1.amazonaws.com", Some("us-east-1")),
            ("sqs.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("sqs-fips.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
            ("sqs.eu-west-1.api.aws", Some("eu-west-1")),
            ("vpce-0a1.sqs.us-east-2.vpce.amazonaws.com", Some("us-east-2")),
            ("us-west-2.queue.amazonaws.com", Some("us-west-2")),
            ("queue.amazonaws.com", None),
            ("localhost:4566", None),
            ("sqs.us-east-1.localhost.localstack.cloud", None),
        ] {
            let url = Url::parse(&format!("https://{host}/111122223333/q")).unwrap();
            assert_eq!(region_of(&url).as_deref(), region, "{host}");
        }
    }
}
