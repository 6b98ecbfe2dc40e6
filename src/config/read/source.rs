//! `[[source]]`: queues and folders, buckets, object keys, roles.

use std::ops::Range;

use toml::de::DeValue;
use url::Url;

use super::super::diagnostic::{did_you_mean, nearest};
use super::super::reader::{Item, Section};
use super::super::region::{REGIONS, fault_of_queue_host, iam_region, is_region, region_of_queue};
use super::super::setting::{Choice, Setting};
use super::super::settings::{BUCKET, KEYS, ROLE, SOURCE, SourceSettings, TOP};
use super::super::source::{
    Bucket, FaultPolicies, FaultPolicy, KeyFilter, KeyPattern, Role, SourceConfig, SourceKind,
    has_mistyped_account, is_account_id, is_bucket,
};
use super::events::role_of_session;

/// A source and its span.
pub(super) struct Draft {
    pub(super) config: Option<SourceConfig>,
    /// Its header.
    pub(super) span: Range<usize>,
    /// The span of its `queue_url`, if it reads SQS.
    pub(super) queue_url: Option<Range<usize>>,
    /// The span of its `regions`, if they leave out IAM's, and that region.
    pub(super) without_iam: Option<(Range<usize>, &'static str)>,
}

pub(super) fn read(top: &Section<'_>) -> Vec<Draft> {
    let Some(item) = top.item(&TOP.source) else {
        top.error(
            "there is no [[source]]; write one with `queue_url` and `buckets`, or with `directory`",
        );
        return Vec::new();
    };
    item.tables(&SOURCE).unwrap_or_default().into_iter().map(one).collect()
}

fn one(table: Section<'_>) -> Draft {
    let queue_url = table.item(&SOURCE.queue_url).map(|item| item.span());
    let is_queue = queue_url.is_some();
    let kind = kind(&table);
    let buckets = match table.item(&SOURCE.buckets) {
        Some(item) if is_queue => buckets(&item),
        None if is_queue => {
            table.error(
                "an SQS source needs `buckets`, for example `buckets = [\"audit-logs\"]`: \
                 whoever can send to the queue must not choose which objects are read",
            );
            Some(Vec::new())
        }
        _ => Some(Vec::new()),
    };
    let regions_item = table.item(&SOURCE.regions);
    let regions = regions_item.as_ref().map_or(Some(Vec::new()), |item| item.each(region));
    let keys = table.optional(&SOURCE.keys, keys);
    let eventbridge_records = table.flag(&SOURCE.eventbridge_records);
    let role = table.optional(&SOURCE.role, role);
    let faults = FaultPolicies::build(|setting| table.choice(setting));
    let span = table.span.clone();
    table.finish();
    let mut draft = Draft { config: None, span, queue_url, without_iam: None };
    let (Some(kind), Some(buckets), Some(regions)) = (kind, buckets, regions) else { return draft };
    let (Some(keys), Some(role)) = (keys, role) else { return draft };
    if let (SourceKind::Sqs { region, .. }, Some(item)) = (&kind, regions_item) {
        let iam = iam_region(region);
        let without = !regions.iter().any(|region| region == iam);
        draft.without_iam = without.then(|| (item.span(), iam));
    }
    let keys = keys.unwrap_or_default();
    draft.config =
        Some(SourceConfig { kind, buckets, regions, keys, eventbridge_records, role, faults });
    draft
}

/// A queue or a folder; with a folder, settings of queues are errors.
fn kind(table: &Section<'_>) -> Option<SourceKind> {
    let (queue_url, directory) = (table.item(&SOURCE.queue_url), table.item(&SOURCE.directory));
    let region = table.item(&SOURCE.region);
    match (&queue_url, &directory) {
        (Some(_), Some(directory)) => {
            directory.error("a source has `queue_url` or `directory`, not both");
            None
        }
        (None, None) => {
            table.error("[[source]] needs `queue_url` (and `buckets`), or `directory`");
            None
        }
        (Some(url), None) => sqs(url, region.as_ref()),
        (None, Some(directory)) => {
            let SourceSettings { region, buckets, regions, keys, role, .. } = &SOURCE;
            let of_queue = [region, buckets, regions, keys, role].map(|one| table.item(one));
            let records = table.item(&SOURCE.eventbridge_records);
            for item in of_queue.into_iter().chain([records]).flatten() {
                let key = item.key;
                item.error(format!("`{key}` has no effect with `directory`; remove it"));
            }
            directory.path().map(SourceKind::Directory)
        }
    }
}

impl FaultPolicies {
    /// Builds it from the value of each setting.
    fn build(policy: impl Fn(&'static Setting<Choice<FaultPolicy>>) -> FaultPolicy) -> Self {
        Self {
            missing: policy(&SOURCE.on_missing),
            forbidden: policy(&SOURCE.on_forbidden),
            kms_denied: policy(&SOURCE.on_kms_denied),
            archived: policy(&SOURCE.on_archived),
            changed: policy(&SOURCE.on_changed),
        }
    }
}

impl Default for FaultPolicies {
    /// Failures that somebody is likely to correct are retried; permanent ones are dead-lettered.
    fn default() -> Self {
        Self::build(|setting| setting.kind.default)
    }
}

fn sqs(item: &Item<'_>, region: Option<&Item<'_>>) -> Option<SourceKind> {
    let queue_url = queue_url(item, "messages and signatures cross")?;
    let region = match (region_of_queue(&queue_url), region) {
        (in_url, Some(region)) => {
            let written = match region.text()? {
                // An emulator's, such as "elasticmq".
                text if nearest(&text, REGIONS).is_none() => text,
                _ => self::region(region)?,
            };
            if in_url.as_ref().is_some_and(|in_url| *in_url != written) {
                region.error("`region` differs from the region in `queue_url`; remove it");
                return None;
            }
            written
        }
        (Some(in_url), None) => in_url,
        (None, None) => {
            item.error("this URL does not contain its region: add `region`, where the queue is");
            return None;
        }
    };
    Some(SourceKind::Sqs { queue_url, region })
}

/// Reads a region. One that is not known may be new: a warning.
pub(super) fn region(item: &Item<'_>) -> Option<String> {
    let region = item.text()?;
    region_exists(&region, item).then_some(region)
}

pub(super) fn region_exists(region: &str, item: &Item<'_>) -> bool {
    let is_region = is_region(region);
    if !REGIONS.contains(&region) {
        let hint = did_you_mean(region, REGIONS);
        if is_region {
            item.warning(format!("not a region that certrelay knows{hint}"));
        } else {
            let text = if hint.is_empty() {
                "a region is written like \"us-east-1\""
            } else {
                "not a region"
            };
            item.error(format!("{text}{hint}"));
        }
    }
    is_region
}

/// URL of a queue; `what` names what crosses the network.
pub(super) fn queue_url(item: &Item<'_>, what: &str) -> Option<Url> {
    if !item.text()?.contains("://") {
        item.error(
            "write the queue's URL, not its name or ARN: `aws sqs get-queue-url --queue-name NAME` \
             prints it",
        );
        return None;
    }
    let url = item.url()?;
    let parts: Vec<&str> = url.path_segments()?.filter(|part| !part.is_empty()).collect();
    let fault = match parts[..] {
        [.., account, _] if !is_account_id(account) && region_of_queue(&url).is_some() => {
            Some("the account in a queue's URL has 12 digits".to_owned())
        }
        [_, _, ..] => fault_of_queue_host(&url),
        _ => Some(
            "a queue's URL ends in account and name: \
             https://sqs.REGION.amazonaws.com/111122223333/NAME"
                .to_owned(),
        ),
    };
    if let Some(fault) = fault {
        item.error(fault);
        return None;
    }
    item.warn_if_plain_http(&url, what);
    Some(url)
}

/// A list of bare names and tables.
fn buckets(list: &Item<'_>) -> Option<Vec<Bucket>> {
    let mut buckets: Vec<Bucket> = Vec::new();
    for item in list.filled_list()? {
        let bucket = match item.value() {
            DeValue::Table(_) => bucket(&item)?,
            _ => Bucket::named(&name(&item)?),
        };
        if buckets.iter().any(|earlier| earlier.name == bucket.name) {
            item.error("this bucket is in the list already");
            return None;
        }
        buckets.push(bucket);
    }
    Some(buckets)
}

fn bucket(item: &Item<'_>) -> Option<Bucket> {
    let table = item.table(&BUCKET)?;
    let name = table.required(&BUCKET.name).and_then(|item| name(&item));
    let role = table.optional(&BUCKET.role, role);
    let expected_owner = table.optional(&BUCKET.expected_owner, account);
    let requester_pays = table.flag(&BUCKET.requester_pays);
    table.finish();
    Some(Bucket { name: name?, role: role?, expected_owner: expected_owner?, requester_pays })
}

/// A bucket's name: no URL, no ARN, no glob.
fn name(item: &Item<'_>) -> Option<String> {
    let name = item.text()?;
    if !is_bucket(&name) {
        item.error("a bucket is its bare name, without `s3://`, ARN, prefix or `*`");
        return None;
    }
    Some(name)
}

pub(super) fn account(item: &Item<'_>) -> Option<String> {
    let id = item.text()?;
    if !is_account_id(&id) {
        item.error(format!("`{}` is an account id: 12 digits, in quotes", item.key));
        return None;
    }
    Some(id)
}

/// `{ arn = "…", external_id = "…" }`.
pub(super) fn role(item: &Item<'_>) -> Option<Role> {
    if let DeValue::String(_) = item.value() {
        item.error("write `role = { arn = \"…\" }`");
        return None;
    }
    let table = item.table(&ROLE)?;
    let arn = table.required(&ROLE.arn).and_then(|item| {
        let arn = item.text()?;
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let is_role = matches!(parts[..], ["arn", _, "iam", "", account, name]
            if is_account_id(account) && name.strip_prefix("role/").is_some_and(|name| !name.is_empty()));
        if !is_role {
            let right = role_of_session(&arn);
            item.error(right.map_or_else(
                || {
                    "a role's ARN is arn:PARTITION:iam::ACCOUNT:role/NAME: the partition is `aws` in \
                     most regions, the account has 12 digits"
                        .to_owned()
                },
                |right| format!("a role's ARN is {right}"),
            ));
            return None;
        }
        Some(arn)
    });
    let external_id = table.optional(&ROLE.external_id, Item::text);
    table.finish();
    Some(Role { arn: arn?, external_id: external_id? })
}

/// `keys = { include = […], exclude = […] }`.
fn keys(item: &Item<'_>) -> Option<KeyFilter> {
    let table = item.table(&KEYS)?;
    let include = table.optional(&KEYS.include, |item| item.each(pattern));
    let exclude = table.optional(&KEYS.exclude, |item| item.each(pattern));
    table.finish();
    Some(KeyFilter { include: include?.unwrap_or_default(), exclude: exclude?.unwrap_or_default() })
}

fn pattern(item: &Item<'_>) -> Option<KeyPattern> {
    let text = item.text()?;
    if text.starts_with('/') || text.starts_with("s3://") {
        item.error("a key starts neither with `/` nor with its bucket: \"AWSLogs/**\"");
        return None;
    }
    if has_mistyped_account(&text) {
        item.warning("an account has 12 digits: no key of CloudTrail will match");
    }
    KeyPattern::new(&text).map_err(|error| item.error(format!("not a glob: {error}"))).ok()
}
