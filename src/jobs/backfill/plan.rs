//! What a backfill will process, found by listing: accounts, regions, objects of the time range,
//! and the calls needed.

use std::collections::BTreeSet;

use time::macros::format_description;
use time::{Date, OffsetDateTime, PrimitiveDateTime, UtcOffset};

use crate::error::{Code, Error};
use crate::store::{ListRequest, Listed, S3Store};

/// Most levels of folders above `AWSLogs` that are searched.
const MAX_DEPTH: usize = 4;

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

/// The files of one account and region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct LogFolder {
    /// What is listed: `…/CloudTrail/REGION/`, or further down if the scope's prefix is.
    prefix: String,
    /// `…/CloudTrail/REGION/`: dates follow.
    root: String,
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
    /// LIST calls made for this plan.
    pub listed: u64,
    /// LIST calls that the backfill itself takes.
    pub to_list: u64,
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
        listed: 0,
        to_list: 0,
    };
    let mut pending = vec![(plan.scope.prefix.clone(), 0)];
    while let Some((prefix, depth)) = pending.pop() {
        plan.visit(store, prefix, depth, &mut pending).await?;
    }
    plan.folders.sort();
    if plan.folders.is_empty() {
        let text = format!(
            "there are no CloudTrail files of these accounts and regions below s3://{}/{}",
            plan.scope.bucket, plan.scope.prefix
        );
        return Err(Error::new(Code::NothingFound, text));
    }
    let (mut objects, mut bytes) = (0, 0);
    let pages = list_objects(store, &plan, None, async |listed| {
        objects += 1;
        bytes += listed.size;
        Ok(())
    })
    .await?;
    (plan.objects, plan.bytes) = (objects, bytes);
    plan.listed += pages;
    plan.to_list = pages;
    Ok(plan)
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Plan {
    /// Adds the folders one level below `prefix` to `pending`: by name where that is known, else by
    /// listing. Below `AWSLogs/`, and an organisation's folder in it, are accounts, then services,
    /// then regions, then dates.
    async fn visit(
        &mut self,
        store: &S3Store,
        prefix: String,
        depth: usize,
        pending: &mut Vec<(String, usize)>,
    ) -> Result<(), Error> {
        let selected =
            |list: &[String], name: &str| list.is_empty() || list.iter().any(|l| l == name);
        let parts: Vec<&str> = prefix.trim_end_matches('/').split('/').collect();
        let Some(at) = parts.iter().rposition(|part| *part == "AWSLogs") else {
            if depth < MAX_DEPTH {
                let folders = self.list_folders(store, &prefix).await?;
                // Next to `AWSLogs` there are no CloudTrail files.
                let logs = folders.iter().find(|folder| folder.ends_with("AWSLogs/")).cloned();
                let folders = logs.map_or(folders, |logs| vec![logs]);
                pending.extend(folders.into_iter().map(|folder| (folder, depth + 1)));
            }
            return Ok(());
        };
        let below = match &parts[at + 1..] {
            [organisation, below @ ..] if organisation.starts_with("o-") => below,
            below => below,
        };
        if below.first().is_some_and(|account| !selected(&self.scope.accounts, account)) {
            return Ok(());
        }
        match below {
            [account] if is_account(account) => {
                pending.push((format!("{prefix}CloudTrail/"), depth))
            }
            [] | [_, "CloudTrail"] => {
                let folders = self.list_folders(store, &prefix).await?;
                pending.extend(folders.into_iter().map(|folder| (folder, depth)));
            }
            [account, "CloudTrail", region, deeper @ ..]
                if selected(&self.scope.regions, region) =>
            {
                self.accounts.insert((*account).to_owned());
                self.regions.insert((*region).to_owned());
                let deeper: usize = deeper.iter().map(|part| part.len() + 1).sum();
                let root = prefix[..prefix.len() - deeper].to_owned();
                self.folders.push(LogFolder { root, prefix: prefix.clone() });
            }
            _ => {}
        }
        Ok(())
    }

    async fn list_folders(&mut self, store: &S3Store, prefix: &str) -> Result<Vec<String>, Error> {
        let (mut folders, mut page) = (Vec::new(), None::<String>);
        loop {
            let ask = ListRequest { prefix, folders: true, page: page.as_deref(), after: None };
            let listing = store.list(&self.scope.bucket, ask).await;
            let listing = listing.map_err(|error| Error::new(Code::ListFailed, error.text))?;
            self.listed += 1;
            folders.extend(listing.folders);
            page = listing.next;
            if page.is_none() {
                return Ok(folders);
            }
        }
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
                after: Some(&start),
                page: page.as_deref(),
                folders: false,
            };
            let listing = store.list(&plan.scope.bucket, ask).await;
            let listing = listing.map_err(|error| Error::new(Code::ListFailed, error.text))?;
            calls += 1;
            for listed in listing.objects {
                match position(&listed.key[folder.root.len()..], &plan.scope) {
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
    let first = format!("{}{day}/", folder.root);
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
    let named = below.rsplit('/').next().unwrap_or(below).split('_').find_map(|part| {
        let layout = format_description!("[year][month][day]T[hour][minute]Z");
        PrimitiveDateTime::parse(part, layout).ok()
    });
    let within = match named {
        Some(time) => (since..until).contains(&time.assume_utc()),
        None => day >= day_folder(since.date()).as_str(),
    };
    if within { Position::Within } else { Position::Outside }
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
        let folder = LogFolder { prefix: root.clone(), root: root.clone() };
        let from = |after: Option<&str>| start_key(&folder, &scope(), after);
        let first = format!("{root}2026/03/01/");
        assert_eq!(from(None), Some(first.clone()));
        assert_eq!(from(Some("AWSLogs/000000000000/z")), Some(first.clone()));
        let later = format!("{root}2026/03/02/x");
        assert_eq!(from(Some(&later)), Some(later));
        assert_eq!(from(Some("AWSLogs/222222222222/a")), None);
    }
}
