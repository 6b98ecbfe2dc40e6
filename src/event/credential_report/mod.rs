//! IAM's credential reports: MFA device, access keys and signing certificates of every user. A
//! record states what a call did; the report states what the user had before it.
//!
//! No call to IAM is made for an event: reports are read beforehand and passed in, and every fact
//! has the time of its report. The CSV is that of `aws iam get-credential-report`.
//! Source: IAM User Guide, "Generate credential reports for your AWS account".

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use time::OffsetDateTime;

use super::date;
use crate::config::{has_open_quote, span_of};

/// A report's row of one user, or of root. Only active credentials are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's ARN.
    pub arn: String,
    /// When the report was generated.
    pub reported: OffsetDateTime,
    /// `mfa_active`: it has an MFA device.
    pub mfa: bool,
    /// `password_enabled`; unknown for root, whose value is `not_supported`.
    pub password: Option<bool>,
    /// `password_last_used`.
    pub password_used: Option<OffsetDateTime>,
    /// Active access keys, by their `last_rotated` and `last_used_date`.
    pub keys: Vec<AccessKey>,
    /// `last_rotated` of each active signing certificate.
    pub certificates: Vec<Option<OffsetDateTime>>,
}

/// An active access key. The report does not have its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessKey {
    /// When it was created or last changed.
    pub rotated: Option<OffsetDateTime>,
    /// When it was last used.
    pub used: Option<OffsetDateTime>,
}

/// The report of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    account: String,
    made: OffsetDateTime,
    users: BTreeMap<String, Arc<Credentials>>,
}

/// The latest report of every account.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Reports(BTreeMap<String, Report>);

impl Reports {
    /// Adds a report, unless there is a newer one of its account.
    pub fn add(&mut self, report: Report) {
        let newer = self.0.get(&report.account).is_some_and(|known| known.made > report.made);
        if !newer {
            self.0.insert(report.account.clone(), report);
        }
    }

    /// Adds the reports of `earlier` for accounts that are missing here: if today's report cannot
    /// be read, yesterday's stays in use.
    pub(crate) fn add_missing(&mut self, earlier: &Self) {
        for (account, report) in &earlier.0 {
            self.0.entry(account.clone()).or_insert_with(|| report.clone());
        }
    }

    /// Returns the credentials of this user, or of root. The path is ignored: names are unique
    /// without it, and records do not always state it.
    #[must_use]
    pub fn of(&self, arn: &str) -> Option<&Arc<Credentials>> {
        let (account, name) = principal(arn)?;
        self.0.get(account)?.users.get(name)
    }

    /// Returns the credentials of a caller and of the user acted on, by their ARNs.
    pub(super) fn of_call(&self, caller: Option<&str>, user: Option<&str>) -> ReportedCredentials {
        let of = |arn: Option<&str>| self.of(arn?).cloned();
        ReportedCredentials { caller: of(caller), target: of(user) }
    }

    /// Returns the number of accounts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "credential reports of {} accounts", self.0.len())
    }
}

/// Returns account and name of `arn:aws:iam::111122223333:user/path/alice`; root has the name that
/// reports give it, which no user can have.
fn principal(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, _, account) = (parts.next()?, parts.next()?, parts.next()?);
    let resource = parts.next().filter(|_| service == "iam")?;
    match resource.strip_prefix("user/") {
        Some(path) => Some((account, path.rsplit('/').next()?)),
        None => (resource == "root").then_some((account, ROOT)),
    }
}

/// What the reports say of the users that an event is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportedCredentials {
    /// The caller, if it is a user or root.
    pub caller: Option<Arc<Credentials>>,
    /// The user whose signing certificate it is.
    pub target: Option<Arc<Credentials>>,
}

/// The `user` of root's row.
const ROOT: &str = "<root_account>";

/// Columns that every credential report has.
const REQUIRED: [&str; 7] = [
    "user",
    "arn",
    "mfa_active",
    "access_key_1_active",
    "access_key_2_active",
    "cert_1_active",
    "cert_2_active",
];

/// A row by column name; AWS may add columns.
struct Row<'r>(BTreeMap<&'r str, &'r str>);

impl Report {
    /// Parses a report that was generated at `made`.
    ///
    /// # Errors
    /// The first error and its row.
    pub fn parse(text: &str, made: OffsetDateTime) -> Result<Self, String> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let header = reader.headers().map_err(|error| error.to_string())?.clone();
        if header.is_empty() {
            return Err("the file is empty".to_owned());
        }
        if let Some(missing) = REQUIRED.iter().find(|name| !header.iter().any(|f| f == **name)) {
            return Err(format!("not a credential report: the header has no column `{missing}`"));
        }
        let mut account: Option<String> = None;
        let mut users = BTreeMap::new();
        let (mut record, mut number) = (csv::StringRecord::new(), 1);
        while reader.read_record(&mut record).map_err(|error| error.to_string())? {
            number += 1;
            let wrong = |what: &str| format!("row {number}: {what}");
            if has_open_quote(&text[span_of(text, &record, reader.position())]) {
                return Err(wrong("a quotation mark is never closed"));
            }
            if record.len() != header.len() {
                return Err(wrong("it has not as many fields as the header"));
            }
            let row = Row(header.iter().zip(&record).collect());
            let arn = row.text("arn").ok_or_else(|| wrong("`arn` is empty"))?;
            let (own, name) = principal(arn).ok_or_else(|| wrong("`arn` is not a user's"))?;
            if account.get_or_insert_with(|| own.to_owned()) != own {
                return Err(wrong("the user is of another account"));
            }
            let credentials = row.credentials(arn, made).map_err(|what| wrong(&what))?;
            users.insert(name.to_owned(), Arc::new(credentials));
        }
        let account = account.ok_or("the file has no users")?;
        Ok(Self { account, made, users })
    }

    /// Returns when the report of this name was generated: the time in its name
    /// (`…2026-02-22T16:11:47Z.csv`, `…2026-02-22T16_11_47.csv`, `…20260222T161147Z.csv`), else
    /// `written`.
    pub(crate) fn made(name: &str, written: Option<OffsetDateTime>) -> Option<OffsetDateTime> {
        let digits: Vec<(usize, u8)> =
            name.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()).collect();
        let stamp = digits.windows(14).rev().find_map(|window| {
            let (first, last) = (window.first()?.0, window.last()?.0);
            let text = name.get(first..=last)?;
            let plain = text.chars().all(|c| c.is_ascii_digit() || "-_:T".contains(c));
            let stamp: String = window.iter().map(|(_, byte)| char::from(*byte)).collect();
            timestamp(&stamp).filter(|_| plain && text.contains('T'))
        });
        stamp.or(written)
    }
}

/// Parses `20260222161147`, UTC.
fn timestamp(digits: &str) -> Option<OffsetDateTime> {
    let (day, time) = digits.split_at_checked(8)?;
    let [year, month, day] = [day.get(..4)?, day.get(4..6)?, day.get(6..)?];
    let [hour, minute, second] = [time.get(..2)?, time.get(2..4)?, time.get(4..)?];
    date::instant(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

impl Row<'_> {
    /// Returns a known value: IAM writes `N/A`, `no_information` and `not_supported` for unknown
    /// ones.
    fn text(&self, name: &str) -> Option<&str> {
        let unknown = ["", "N/A", "no_information", "not_supported"];
        self.0.get(name).copied().filter(|text| !unknown.contains(text))
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, String> {
        let flag = self.text(name).map(|text| text.to_ascii_lowercase().parse());
        flag.transpose().map_err(|_| format!("`{name}` is neither true nor false"))
    }

    /// Returns a time, or `None` if it cannot be parsed: an active credential still counts.
    fn time(&self, name: &str) -> Option<OffsetDateTime> {
        date::instant(self.text(name)?)
    }

    fn credentials(&self, arn: &str, reported: OffsetDateTime) -> Result<Credentials, String> {
        let (mut keys, mut certificates) = (Vec::new(), Vec::new());
        for number in 1..=2 {
            if self.flag(&format!("access_key_{number}_active"))? == Some(true) {
                let time = |what: &str| self.time(&format!("access_key_{number}_{what}"));
                keys.push(AccessKey {
                    rotated: time("last_rotated"),
                    used: time("last_used_date"),
                });
            }
            if self.flag(&format!("cert_{number}_active"))? == Some(true) {
                certificates.push(self.time(&format!("cert_{number}_last_rotated")));
            }
        }
        let mfa = self.flag("mfa_active")?.ok_or("`mfa_active` is empty")?;
        Ok(Credentials {
            arn: arn.to_owned(),
            reported,
            mfa,
            password: self.flag("password_enabled")?,
            password_used: self.time("password_last_used"),
            keys,
            certificates,
        })
    }
}

/// Credentials with ages at the time of a call.
pub(crate) struct CredentialFacts<'f> {
    pub(crate) of: &'f Credentials,
    now: OffsetDateTime,
}

impl<'f> CredentialFacts<'f> {
    /// Returns the facts as of `now`, the time of the call.
    pub(crate) fn new(of: &'f Credentials, now: OffsetDateTime) -> Self {
        Self { of, now }
    }

    /// Returns the age in days.
    pub(crate) fn days(&self, since: Option<OffsetDateTime>) -> Option<i64> {
        since.map(|since| (self.now - since).whole_days())
    }

    /// Returns the hours between report and call; negative if the report is newer.
    pub(crate) fn report_age(&self) -> i64 {
        (self.now - self.of.reported).whole_hours()
    }

    /// Returns the age in days of the oldest active key.
    pub(crate) fn oldest_key(&self) -> Option<i64> {
        self.of.keys.iter().filter_map(|key| self.days(key.rotated)).max()
    }

    /// Returns the last use of any active key.
    pub(crate) fn last_use(&self) -> Option<OffsetDateTime> {
        self.of.keys.iter().filter_map(|key| key.used).max()
    }

    /// Returns the facts as a sentence for a person.
    pub(crate) fn sentence(&self) -> String {
        let of = self.of;
        let mfa = if of.mfa { "an MFA device" } else { "no MFA device" };
        let old = self.oldest_key().map(|days| format!(", the oldest {days} days old"));
        let used = self.last_use().map(|time| format!(", last used {}", time.date()));
        let keys = counted(of.keys.len(), "active key") + &old.unwrap_or_default();
        let keys = keys + &used.unwrap_or_default();
        let certificates = counted(of.certificates.len(), "active signing certificate");
        let age = self.report_age();
        let when = if age < 0 { "after" } else { "before" };
        let (day, age) = (of.reported.date(), age.unsigned_abs());
        format!("{mfa}; {keys}; {certificates} (report of {day}, {age} h {when} the call)")
    }
}

fn counted(number: usize, noun: &str) -> String {
    match number {
        0 => format!("no {noun}"),
        1 => format!("1 {noun}"),
        more => format!("{more} {noun}s"),
    }
}
