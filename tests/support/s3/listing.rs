//! `ListObjectsV2`: keys in order, by prefix, grouped at a delimiter, a page at a time.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::Object;

/// One page.
#[derive(Debug, Default)]
pub struct Page {
    /// Keys and their objects.
    pub objects: Vec<(String, Object)>,
    /// The common prefixes of keys with a delimiter after the prefix.
    pub common_prefixes: Vec<String>,
    /// The start of the next page, if there is one.
    pub next: Option<String>,
}

/// Returns the page of at most `max` entries that follows `after` (a key, or a common prefix of the
/// last page).
pub fn page(
    objects: &BTreeMap<String, Object>,
    prefix: &str,
    delimiter: Option<&str>,
    after: Option<&str>,
    max: usize,
) -> Page {
    let mut page = Page::default();
    let start = match after {
        Some(after) if after >= prefix => Bound::Excluded(after.to_owned()),
        _ => Bound::Included(prefix.to_owned()),
    };
    let mut last = String::new();
    for (key, object) in objects.range((start, Bound::Unbounded)) {
        let Some(rest) = key.strip_prefix(prefix) else { break };
        let grouped = delimiter.filter(|d| !d.is_empty()).and_then(|delimiter| {
            let end = rest.find(delimiter)? + delimiter.len();
            Some(&key[..prefix.len() + end])
        });
        // A common prefix at the end of the last page is not repeated.
        if let Some(common) = grouped
            && (page.common_prefixes.last().is_some_and(|last| last == common)
                || after.is_some_and(|after| after == common))
        {
            continue;
        }
        if page.objects.len() + page.common_prefixes.len() == max {
            page.next = Some(last);
            break;
        }
        match grouped {
            Some(common) => {
                common.clone_into(&mut last);
                page.common_prefixes.push(common.to_owned());
            }
            None => {
                key.clone_into(&mut last);
                page.objects.push((key.clone(), object.clone()));
            }
        }
    }
    page
}
