//! `[accounts]`: what the organisation calls its accounts. A checked table, by id; every row that
//! cannot be right is a mistake with its line.

mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Names of labels that an account brings along, for `when.label` and the formats.
pub const ACCOUNT_LABELS: [&str; 2] = ["owner", "environment"];

/// One AWS account, as its organisation knows it. Nothing in it is secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Its 12 digits.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// Organisational unit: a name, or a path of names.
    pub ou: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// `production`, `sandbox` …
    pub environment: Option<String>,
}

impl Account {
    /// Its label of this name, one of [`ACCOUNT_LABELS`].
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        match name {
            "owner" => self.owner.as_deref(),
            "environment" => self.environment.as_deref(),
            _ => None,
        }
    }
}

/// The accounts by id.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Accounts(BTreeMap<String, Arc<Account>>);

impl Accounts {
    /// The account of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Account>> {
        self.0.get(id)
    }

    /// How many there are.
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

impl fmt::Debug for Accounts {
    /// Their number: a table of thousands would fill a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} accounts", self.0.len())
    }
}

/// A file, an object, or a folder or prefix of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On this machine.
    Local(PathBuf),
    /// In S3, read with the process's own rights.
    S3 {
        /// Bucket.
        bucket: String,
        /// Key, or prefix.
        key: String,
    },
}

impl fmt::Display for Place {
    /// `s3://bucket/key` or the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::S3 { bucket, key } => write!(f, "s3://{bucket}/{key}"),
        }
    }
}

/// Something that is read at start and again on a timer: `[accounts]`, `[posture]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refreshed {
    /// Where it lies.
    pub place: Place,
    /// How often it is read again.
    pub refresh: Duration,
}

impl Refreshed {
    /// Whether reading it needs AWS.
    #[must_use]
    pub fn is_in_s3(&self) -> bool {
        matches!(self.place, Place::S3 { .. })
    }
}
