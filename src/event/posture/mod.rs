//! What IAM's credential reports say of a user: second factor, keys, signing certificates. A record
//! tells what a call did; the report tells what the user had before it.
//!
//! No call to IAM is made for an event: reports are read beforehand and handed in, and every fact
//! carries the time its report was made.

mod facts;
mod report;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use time::OffsetDateTime;

pub(super) use facts::{Facts, object, sentence};

/// What a report says of one user, or of root. Only what is active is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's ARN.
    pub arn: String,
    /// When the report was made.
    pub reported: OffsetDateTime,
    /// `mfa_active`: it has an MFA device.
    pub mfa: bool,
    /// `password_enabled`; root's is `not_supported`, which is nothing said.
    pub password: Option<bool>,
    /// `password_last_used`.
    pub password_used: Option<OffsetDateTime>,
    /// Active access keys, by their `last_rotated` and `last_used_date`.
    pub keys: Vec<Key>,
    /// `last_rotated` of each active signing certificate.
    pub certificates: Vec<Option<OffsetDateTime>>,
}

/// An active access key. The report does not tell its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// When it was made, or last changed.
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

/// The newest report of every account.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Reports(BTreeMap<String, Report>);

impl Reports {
    /// Takes a report in, unless a newer one of its account is there.
    pub fn add(&mut self, report: Report) {
        let newer = self.0.get(&report.account).is_some_and(|known| known.made > report.made);
        if !newer {
            self.0.insert(report.account.clone(), report);
        }
    }

    /// Takes over what `earlier` has of accounts that are missing here: a report that cannot be read
    /// today leaves yesterday's in force.
    pub fn keep(&mut self, earlier: &Self) {
        for (account, report) in &earlier.0 {
            self.0.entry(account.clone()).or_insert_with(|| report.clone());
        }
    }

    /// The credentials of this user, or of root. A path does not matter: names are unique without it,
    /// and records do not always state it.
    #[must_use]
    pub fn of(&self, arn: &str) -> Option<&Arc<Credentials>> {
        let (account, name) = principal(arn)?;
        self.0.get(account)?.users.get(name)
    }

    /// How many accounts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
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

/// Account and name of `arn:aws:iam::111122223333:user/path/alice`; root goes by the name that the
/// report gives it, which no user can have.
fn principal(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, _, account) = (parts.next()?, parts.next()?, parts.next()?);
    let resource = parts.next().filter(|_| service == "iam")?;
    match resource.strip_prefix("user/") {
        Some(path) => Some((account, path.rsplit('/').next()?)),
        None => (resource == "root").then_some((account, report::ROOT)),
    }
}

/// What the reports say of those that an event is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Posture {
    /// The caller, where it is a user or root.
    pub caller: Option<Arc<Credentials>>,
    /// The user whose signing certificate it is.
    pub target: Option<Arc<Credentials>>,
}
