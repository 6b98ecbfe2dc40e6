//! What a backfill will do, found by listing: which accounts and regions there are, how many objects
//! of the time range, and how many calls that takes.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use super::walk::walk;
use crate::error::{Code, Error};
use crate::store::{ListRequest, S3Store};

/// Folders above `AWSLogs` that are looked through, at most so deep.
const DEPTH: usize = 4;

/// What the operator asks for.
#[derive(Debug, Clone)]
pub struct Span {
    /// Bucket.
    pub bucket: String,
    /// Where to look; empty, or ending in `/`.
    pub prefix: String,
    /// Files of this minute and later, by the time in their names.
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
pub(super) struct Trail {
    /// What is listed: `…/CloudTrail/REGION/`, or further down if the operator said so.
    pub(super) prefix: String,
    /// `…/CloudTrail/REGION/`: dates come next.
    pub(super) root: String,
}

/// What will be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What was asked for.
    pub span: Span,
    /// In the order of their keys.
    pub(super) trails: Vec<Trail>,
    /// Accounts found.
    pub accounts: BTreeSet<String>,
    /// Regions found and wanted.
    pub regions: BTreeSet<String>,
    /// Objects in range: so many GET calls.
    pub objects: u64,
    /// Their stored bytes.
    pub bytes: u64,
    /// LIST calls made for this plan.
    pub listed: u64,
    /// LIST calls that the work itself takes.
    pub to_list: u64,
}

/// Finds out what there is. Costs LIST calls only: one a folder above the dates, and one for every
/// thousand objects in range.
///
/// # Errors
/// The bucket cannot be listed, or holds no CloudTrail files there.
pub(super) async fn plan(store: &S3Store, span: Span) -> Result<Plan, Error> {
    let mut plan = Plan {
        span,
        trails: Vec::new(),
        accounts: BTreeSet::new(),
        regions: BTreeSet::new(),
        objects: 0,
        bytes: 0,
        listed: 0,
        to_list: 0,
    };
    let mut open = vec![(plan.span.prefix.clone(), 0)];
    while let Some((prefix, depth)) = open.pop() {
        plan.explore(store, prefix, depth, &mut open).await?;
    }
    plan.trails.sort();
    if plan.trails.is_empty() {
        let text = format!(
            "there are no CloudTrail files of such accounts and regions below s3://{}/{}",
            plan.span.bucket, plan.span.prefix
        );
        return Err(Error::new(Code::NothingFound, text));
    }
    let (mut objects, mut bytes) = (0, 0);
    let pages = walk(store, &plan, None, async |listed| {
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

/// How far down a folder is.
enum Level<'p> {
    /// No `AWSLogs` on the way yet.
    Above,
    /// `AWSLogs/`, or an organisation in it: accounts come next.
    Accounts,
    /// `…/ACCOUNT/`.
    Account(&'p str),
    /// `…/ACCOUNT/CloudTrail/`: regions come next.
    Regions(&'p str),
    /// `…/ACCOUNT/CloudTrail/REGION/` or deeper: the region, and where its folder ends.
    Dates(&'p str, &'p str, usize),
    /// Another service's.
    Other,
}

fn level(prefix: &str) -> Level<'_> {
    let parts: Vec<&str> = prefix.trim_end_matches('/').split('/').collect();
    let Some(at) = parts.iter().rposition(|part| *part == "AWSLogs") else { return Level::Above };
    let mut rest = &parts[at + 1..];
    if let [organisation, more @ ..] = rest
        && organisation.starts_with("o-")
    {
        rest = more;
    }
    match rest {
        [] => Level::Accounts,
        [account] if is_account(account) => Level::Account(account),
        [account, "CloudTrail"] => Level::Regions(account),
        [account, "CloudTrail", region, deeper @ ..] => {
            let below: usize = deeper.iter().map(|part| part.len() + 1).sum();
            Level::Dates(account, region, prefix.len() - below)
        }
        _ => Level::Other,
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Plan {
    /// Takes one folder a level down, by name where that is known and by listing where not.
    async fn explore(
        &mut self,
        store: &S3Store,
        prefix: String,
        depth: usize,
        open: &mut Vec<(String, usize)>,
    ) -> Result<(), Error> {
        let wanted =
            |list: &[String], name: &str| list.is_empty() || list.iter().any(|l| l == name);
        match level(&prefix) {
            Level::Above if depth < DEPTH => {
                let folders = self.folders(store, &prefix).await?;
                // Beside `AWSLogs` there is nothing of CloudTrail's.
                let logs = folders.iter().find(|folder| folder.ends_with("AWSLogs/")).cloned();
                let next = logs.map_or(folders, |logs| vec![logs]);
                open.extend(next.into_iter().map(|folder| (folder, depth + 1)));
            }
            Level::Accounts => {
                let folders = self.folders(store, &prefix).await?;
                open.extend(folders.into_iter().map(|folder| (folder, depth)));
            }
            Level::Account(account) if wanted(&self.span.accounts, account) => {
                open.push((format!("{prefix}CloudTrail/"), depth));
            }
            Level::Regions(account) if wanted(&self.span.accounts, account) => {
                let folders = self.folders(store, &prefix).await?;
                open.extend(folders.into_iter().map(|folder| (folder, depth)));
            }
            Level::Dates(account, region, end)
                if wanted(&self.span.accounts, account) && wanted(&self.span.regions, region) =>
            {
                self.accounts.insert(account.to_owned());
                self.regions.insert(region.to_owned());
                self.trails.push(Trail { root: prefix[..end].to_owned(), prefix: prefix.clone() });
            }
            Level::Above
            | Level::Account(_)
            | Level::Regions(_)
            | Level::Dates(..)
            | Level::Other => {}
        }
        Ok(())
    }

    async fn folders(&mut self, store: &S3Store, prefix: &str) -> Result<Vec<String>, Error> {
        let (mut folders, mut page) = (Vec::new(), None::<String>);
        loop {
            let ask = ListRequest { prefix, folders: true, page: page.as_deref(), after: None };
            let listing = store.list(&self.span.bucket, ask).await;
            let listing = listing.map_err(|cause| Error::new(Code::ListFailed, cause.text))?;
            self.listed += 1;
            folders.extend(listing.folders);
            page = listing.next;
            if page.is_none() {
                return Ok(folders);
            }
        }
    }
}
