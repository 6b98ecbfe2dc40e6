//! What a backfill will process, found by listing: accounts, regions, objects of the time range,
//! and the calls needed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use time::macros::format_description;
use time::{Date, OffsetDateTime, PrimitiveDateTime, UtcOffset};

use crate::cloudtrail::{LogFileName, is_account, is_region};
use crate::error::{Code, Error};
use crate::store::{ListPage, ListRequest, Listed, S3Store};

/// Most levels of folders above `AWSLogs` that are searched.
const MAX_DEPTH: usize = 8;

/// LIST calls for folders above `AWSLogs` after which the others are not searched.
const MAX_SEARCH: usize = 1000;

/// The objects that the operator asks for.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Bucket.
    pub bucket: String,
    /// Prefix of the search; empty, or ending in `/`.
    pub prefix: String,
    /// Files from this minute on, by the time in their names.
    pub since: OffsetDateTime,
    /// Files before this minute.
    pub until: OffsetDateTime,
    /// Only these accounts; empty: all.
    pub accounts: Vec<String>,
    /// Only these CloudTrail regions; empty: all.
    pub regions: Vec<String>,
}

/// A folder with log files. No such folder is in another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct LogFolder {
    /// What is listed: `…/CloudTrail/REGION/`, or further down if the scope's prefix is.
    prefix: String,
    /// `…/CloudTrail/REGION/`: dates follow. `None`: a folder outside CloudTrail's layout, in which
    /// the files with CloudTrail's names are log files.
    root: Option<String>,
}

/// What a backfill will process.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What was asked for.
    pub scope: Scope,
    /// In the order of their keys.
    folders: Vec<LogFolder>,
    /// Accounts found.
    pub accounts: BTreeSet<String>,
    /// Regions found, of those asked for.
    pub regions: BTreeSet<String>,
    /// Objects in range, each of which takes one GET call.
    pub objects: u64,
    /// Their stored bytes.
    pub bytes: u64,
    /// LIST calls for folders above `AWSLogs`.
    searched: usize,
    /// LIST calls made for this plan.
    pub listed: u64,
    /// LIST calls that the backfill itself takes.
    pub to_list: u64,
    /// Folders that are not read, by reason: how many, and the first.
    pub skipped: BTreeMap<&'static str, (u64, String)>,
}

/// Lists the objects of `scope`. Takes LIST calls only: one per folder above the dates, and one per
/// thousand objects in range.
///
/// # Errors
/// The bucket cannot be listed, or has no CloudTrail files there.
pub(super) async fn plan(store: &S3Store, scope: Scope) -> Result<Plan, Error> {
    let mut plan = Plan {
        scope,
        folders: Vec::new(),
        accounts: BTreeSet::new(),
        regions: BTreeSet::new(),
        objects: 0,
        bytes: 0,
        searched: 0,
        listed: 0,
        to_list: 0,
        skipped: BTreeMap::new(),
    };
    // Breadth first, so that a search that ends early has seen the upper folders.
    let mut pending = VecDeque::from([(plan.scope.prefix.clone(), 0)]);
    while let Some((prefix, depth)) = pending.pop_front() {
        plan.visit(store, prefix, depth, &mut pending).await?;
    }
    plan.folders.sort();
    if plan.folders.is_empty() {
        let mut text = format!(
            "there are no CloudTrail files of these accounts and regions below s3://{}/{}",
            plan.scope.bucket, plan.scope.prefix
        );
        for (reason, (count, first)) in &plan.skipped {
            text.push_str(&format!("; {reason}: {count}, first: {first}"));
        }
        return Err(Error::new(Code::NothingFound, text));
    }
    let (mut objects, mut bytes, mut accounts, mut regions) =
        (0, 0, BTreeSet::new(), BTreeSet::new());
    let pages = list_objects(store, &plan, None, async |listed| {
        objects += 1;
        bytes += listed.size;
        if let Some(name) = LogFileName::of(&listed.key) {
            insert(&mut accounts, name.account);
            insert(&mut regions, name.region);
        }
        Ok(())
    })
    .await?;
    (plan.objects, plan.bytes) = (objects, bytes);
    plan.accounts.append(&mut accounts);
    plan.regions.append(&mut regions);
    plan.listed += pages;
    plan.to_list = pages;
    Ok(plan)
}

fn insert(set: &mut BTreeSet<String>, name: &str) {
    if !set.contains(name) {
        set.insert(name.to_owned());
    }
}

fn selected(list: &[String], name: &str) -> bool {
    list.is_empty() || list.iter().any(|selected| selected == name)
}

impl Plan {
    /// Adds the folders one level below `prefix` to `pending`. Below `AWSLogs/`, and an
    /// organisation's folder in it, are accounts, then services, then regions, then dates; what is
    /// elsewhere is found by CloudTrail's file names.
    async fn visit(
        &mut self,
        store: &S3Store,
        prefix: String,
        depth: usize,
        pending: &mut VecDeque<(String, usize)>,
    ) -> Result<(), Error> {
        let parts: Vec<&str> = prefix.trim_end_matches('/').split('/').collect();
        let below = parts.iter().rposition(|part| *part == "AWSLogs").map(|at| &parts[at + 1..]);
        let below = match below {
            Some([organisation, below @ ..]) if organisation.starts_with("o-") => Some(below),
            below => below,
        };
        let is_other = |account: &str| !selected(&self.scope.accounts, account);
        match below {
            Some([account, ..]) if is_account(account) && is_other(account) => Ok(()),
            Some([_, "CloudTrail-Digest" | "CloudTrail-Insight", ..]) => Ok(()),
            Some([account, "CloudTrail", region, deeper @ ..])
                if is_region(region) && selected(&self.scope.accounts, account) =>
            {
                if selected(&self.scope.regions, region) {
                    self.accounts.insert((*account).to_owned());
                    self.regions.insert((*region).to_owned());
                    let deeper: usize = deeper.iter().map(|part| part.len() + 1).sum();
                    let root = Some(prefix[..prefix.len() - deeper].to_owned());
                    self.folders.push(LogFolder { root, prefix });
                }
                Ok(())
            }
            Some([account, service, rest @ ..])
                if is_account(account) && (*service != "CloudTrail" || !rest.is_empty()) =>
            {
                let ask = ListRequest { prefix: &prefix, ..ListRequest::default() };
                let page = self.list(store, ask).await?;
                if !self.add_named(&page, &prefix) {
                    self.skip("folders without CloudTrail's file names", prefix);
                }
                Ok(())
            }
            below => {
                let is_known = below.is_some_and(|b| b.first().is_none_or(|one| is_account(one)));
                let depth = if is_known { depth } else { depth + 1 };
                self.list_folders(store, &prefix, depth, !is_known, pending).await
            }
        }
    }

    /// Adds the folders directly below `prefix` to `pending`, or `prefix` itself if it has files
    /// with CloudTrail's names.
    async fn list_folders(
        &mut self,
        store: &S3Store,
        prefix: &str,
        depth: usize,
        is_search: bool,
        pending: &mut VecDeque<(String, usize)>,
    ) -> Result<(), Error> {
        let (mut folders, mut next) = (Vec::new(), None::<String>);
        loop {
            if is_search {
                if depth > MAX_DEPTH || self.searched == MAX_SEARCH {
                    self.skip("folders not searched", prefix.to_owned());
                    break;
                }
                self.searched += 1;
            }
            let ask = ListRequest { prefix, folders: true, page: next.as_deref(), after: None };
            let page = self.list(store, ask).await?;
            if self.add_named(&page, prefix) {
                return Ok(());
            }
            folders.extend(page.folders.into_iter().map(|folder| (folder, depth)));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        pending.extend(folders);
        Ok(())
    }

    async fn list(&mut self, store: &S3Store, ask: ListRequest<'_>) -> Result<ListPage, Error> {
        let page = store.list(&self.scope.bucket, ask).await;
        self.listed += 1;
        page.map_err(|error| Error::new(Code::ListFailed, error.text))
    }

    /// Adds the folder at `prefix` if a page of it has a file with CloudTrail's name. Returns
    /// whether it was added.
    fn add_named(&mut self, page: &ListPage, prefix: &str) -> bool {
        let found = page.objects.iter().any(|listed| LogFileName::of(&listed.key).is_some());
        if found {
            self.folders.push(LogFolder { prefix: prefix.to_owned(), root: None });
        }
        found
    }

    fn skip(&mut self, reason: &'static str, prefix: String) {
        self.skipped.entry(reason).or_insert((0, prefix)).0 += 1;
    }
}

/// Calls `each` for every object in range whose key is after `after`, in the order of their keys,
/// and returns the number of LIST calls made.
///
/// # Errors
/// The bucket cannot be listed, or `each` fails.
pub(super) async fn list_objects(
    store: &S3Store,
    plan: &Plan,
    after: Option<String>,
    mut each: impl AsyncFnMut(Listed) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut calls = 0;
    for folder in &plan.folders {
        let Some(start) = start_key(folder, &plan.scope, after.as_deref()) else { continue };
        let mut page = None::<String>;
        'pages: loop {
            let ask = ListRequest {
                prefix: &folder.prefix,
                after: Some(start.as_str()).filter(|start| !start.is_empty()),
                page: page.as_deref(),
                folders: false,
            };
            let listing = store.list(&plan.scope.bucket, ask).await;
            let listing = listing.map_err(|error| Error::new(Code::ListFailed, error.text))?;
            calls += 1;
            for listed in listing.objects {
                let position = match &folder.root {
                    Some(root) => position(&listed.key[root.len()..], &plan.scope),
                    None => position_by_name(&listed.key, &plan.scope),
                };
                match position {
                    Position::Within => each(listed).await?,
                    Position::Outside => {}
                    Position::After => break 'pages,
                }
            }
            page = listing.next;
            if page.is_none() {
                break;
            }
        }
    }
    Ok(calls)
}

/// Returns the key that a folder's listing starts after; `None` if all of the folder is before
/// `after`.
fn start_key(folder: &LogFolder, scope: &Scope, after: Option<&str>) -> Option<String> {
    let day = day_folder(scope.since.to_offset(UtcOffset::UTC).date());
    let first = match &folder.root {
        Some(root) => format!("{root}{day}/"),
        None => folder.prefix.clone(),
    };
    match after {
        Some(after) if after.starts_with(&folder.prefix) => Some(first.max(after.to_owned())),
        Some(after) if after > folder.prefix.as_str() => None,
        _ => Some(first),
    }
}

fn day_folder(day: Date) -> String {
    format!("{:04}/{:02}/{:02}", day.year(), u8::from(day.month()), day.day())
}

/// The position of a key relative to the time range.
#[derive(Debug, PartialEq, Eq)]
enum Position {
    Within,
    Outside,
    /// This key and all that follow are after the range.
    After,
}

/// Returns the position of `below`, `YYYY/MM/DD/file`, by the time in the file's name, or else by
/// its day.
fn position(below: &str, scope: &Scope) -> Position {
    let (since, until) =
        (scope.since.to_offset(UtcOffset::UTC), scope.until.to_offset(UtcOffset::UTC));
    let day = below.get(..10).unwrap_or(below);
    if day > day_folder(until.date()).as_str() {
        return Position::After;
    }
    if below.ends_with('/') {
        return Position::Outside;
    }
    let named = below.rsplit('/').next().unwrap_or(below).split('_').find_map(file_time);
    let within = match named {
        Some(time) => (since..until).contains(&time),
        None => day >= day_folder(since.date()).as_str(),
    };
    if within { Position::Within } else { Position::Outside }
}

/// Parses the time in a file's name.
fn file_time(text: &str) -> Option<OffsetDateTime> {
    let layout = format_description!("[year][month][day]T[hour][minute]Z");
    PrimitiveDateTime::parse(text, layout).ok().map(PrimitiveDateTime::assume_utc)
}

/// Returns the position of a key outside CloudTrail's layout, by what the file's name states.
fn position_by_name(key: &str, scope: &Scope) -> Position {
    let is_within = |name: LogFileName<'_>| {
        selected(&scope.accounts, name.account)
            && selected(&scope.regions, name.region)
            && file_time(name.time).is_some_and(|time| (scope.since..scope.until).contains(&time))
    };
    match LogFileName::of(key).is_some_and(is_within) {
        true => Position::Within,
        false => Position::Outside,
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn scope() -> Scope {
        Scope {
            bucket: "audit-logs".into(),
            prefix: String::new(),
            since: datetime!(2026-03-01 06:00 UTC),
            until: datetime!(2026-03-02 12:00 UTC),
            accounts: Vec::new(),
            regions: Vec::new(),
        }
    }

    #[test]
    fn a_file_is_in_range_by_the_time_in_its_name() {
        let file = |time: &str| {
            let day = format!("{}/{}/{}", &time[..4], &time[4..6], &time[6..8]);
            position(&format!("{day}/111122223333_CloudTrail_us-east-1_{time}_x.json.gz"), &scope())
        };
        assert_eq!(file("20260301T0559Z"), Position::Outside);
        assert_eq!(file("20260301T0600Z"), Position::Within);
        assert_eq!(file("20260302T1159Z"), Position::Within);
        assert_eq!(file("20260302T1200Z"), Position::Outside);
        assert_eq!(file("20260303T0000Z"), Position::After);
        assert_eq!(position("2026/03/01/copy.json.gz", &scope()), Position::Within);
        assert_eq!(position("2026/03/01/", &scope()), Position::Outside);
    }

    #[test]
    fn a_listing_continues_after_the_last_recorded_key() {
        let root = "AWSLogs/111122223333/CloudTrail/us-east-1/".to_owned();
        let folder = LogFolder { prefix: root.clone(), root: Some(root.clone()) };
        let from = |after: Option<&str>| start_key(&folder, &scope(), after);
        let first = format!("{root}2026/03/01/");
        assert_eq!(from(None), Some(first.clone()));
        assert_eq!(from(Some("AWSLogs/000000000000/z")), Some(first.clone()));
        let later = format!("{root}2026/03/02/x");
        assert_eq!(from(Some(&later)), Some(later));
        assert_eq!(from(Some("AWSLogs/222222222222/a")), None);
    }
}
