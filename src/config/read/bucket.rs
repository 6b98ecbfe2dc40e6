//! What a `[[source]]` reads and as whom: buckets, object keys, roles.

use toml::de::DeValue;

use super::super::cursor::Section;
use super::super::item::Item;
use super::super::{Bucket, KeyFilter, KeyPattern, Role, is_account_id};

/// A list of bare names, and of tables for buckets with something of their own.
pub(super) fn buckets(list: &Item<'_>) -> Option<Vec<Bucket>> {
    let mut buckets: Vec<Bucket> = Vec::new();
    for item in list.filled_list()? {
        let bucket = match item.value() {
            DeValue::Table(_) => bucket(&item)?,
            _ => Bucket::named(&name(&item)?),
        };
        if buckets.iter().any(|earlier| earlier.name == bucket.name) {
            item.mistake("this bucket is in the list already");
            return None;
        }
        buckets.push(bucket);
    }
    Some(buckets)
}

fn bucket(item: &Item<'_>) -> Option<Bucket> {
    let mut table = item.table("a bucket")?;
    table.set_kind("a bucket".to_owned());
    let name = table.required("name", "\"audit-logs\"").and_then(|item| name(&item));
    let role = match table.item("role") {
        Some(item) => role(&item).map(Some),
        None => Some(None),
    };
    let expected_owner = match table.item("expected_owner") {
        Some(item) => account(&item).map(Some),
        None => Some(None),
    };
    let requester_pays = table.flag("requester_pays", false);
    table.finish();
    Some(Bucket { name: name?, role: role?, expected_owner: expected_owner?, requester_pays })
}

/// A bucket's name: no URL, no ARN, no glob.
fn name(item: &Item<'_>) -> Option<String> {
    let name = item.text()?;
    if !is_bucket(&name) {
        item.mistake("a bucket is its bare name, without `s3://`, ARN, prefix or `*`");
        return None;
    }
    Some(name)
}

/// Whether `name` is made of what a bucket's name may hold.
pub(in crate::config) fn is_bucket(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    !name.is_empty() && name.chars().all(plain)
}

fn account(item: &Item<'_>) -> Option<String> {
    let id = item.text()?;
    if !is_account_id(&id) {
        item.mistake(format!("`{}` is an account id: 12 digits, in quotes", item.key));
        return None;
    }
    Some(id)
}

/// `{ arn = "…", external_id = "…" }`.
pub(super) fn role(item: &Item<'_>) -> Option<Role> {
    let mut table = item.table("`role`")?;
    table.set_kind("a role".to_owned());
    let arn = table.required("arn", "\"arn:aws:iam::444455556666:role/cloudtrail-reader\"");
    let arn = arn.and_then(|item| {
        let arn = item.text()?;
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let is_role = matches!(parts[..], ["arn", _, "iam", "", account, name]
            if account.len() == 12 && name.strip_prefix("role/").is_some_and(|name| !name.is_empty()));
        if !is_role {
            item.mistake("a role's ARN is arn:aws:iam::444455556666:role/NAME");
            return None;
        }
        Some(arn)
    });
    let external_id = match table.item("external_id") {
        Some(item) => item.text().map(Some),
        None => Some(None),
    };
    table.finish();
    Some(Role { arn: arn?, external_id: external_id? })
}

/// `keys = { include = […], exclude = […] }`.
pub(super) fn keys(source: &Section<'_>) -> Option<KeyFilter> {
    let Some(item) = source.item("keys") else { return Some(KeyFilter::default()) };
    let mut table = item.table("`keys`")?;
    table.set_kind("keys of a source".to_owned());
    let include = patterns(&table, "include");
    let exclude = patterns(&table, "exclude");
    table.finish();
    Some(KeyFilter { include: include?, exclude: exclude? })
}

fn patterns(table: &Section<'_>, key: &'static str) -> Option<Vec<KeyPattern>> {
    let Some(item) = table.item(key) else { return Some(Vec::new()) };
    let mut patterns = Vec::new();
    for item in item.filled_list()? {
        let text = item.text()?;
        if text.starts_with('/') || text.starts_with("s3://") {
            item.mistake("a key starts neither with `/` nor with its bucket: \"AWSLogs/**\"");
            return None;
        }
        match KeyPattern::new(&text) {
            Ok(pattern) => patterns.push(pattern),
            Err(problem) => {
                item.mistake(format!("not a glob: {problem}"));
                return None;
            }
        }
    }
    Some(patterns)
}
