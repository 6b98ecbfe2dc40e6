//! The CSV that `aws iam get-credential-report` returns, decoded.
//! Source: IAM User Guide, "Generate credential reports for your AWS account".

use std::collections::BTreeMap;
use std::sync::Arc;

use time::OffsetDateTime;

use super::super::date;
use super::{Credentials, Key, Report, principal};

/// The `user` of root's row.
pub(super) const ROOT: &str = "<root_account>";

/// Columns without which it is no credential report.
const REQUIRED: [&str; 7] = [
    "user",
    "arn",
    "mfa_active",
    "access_key_1_active",
    "access_key_2_active",
    "cert_1_active",
    "cert_2_active",
];

/// A row, by the names of its columns; more may come with time.
struct Row<'r>(BTreeMap<&'r str, &'r str>);

impl Report {
    /// Reads a report that was made at `made`.
    ///
    /// # Errors
    /// What is wrong, and in which row; a report with a fault is not used.
    pub fn parse(text: &str, made: OffsetDateTime) -> Result<Self, String> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let header = reader.headers().map_err(|fault| fault.to_string())?.clone();
        if header.is_empty() {
            return Err("it is empty".to_owned());
        }
        if let Some(missing) = REQUIRED.iter().find(|name| !header.iter().any(|f| f == **name)) {
            return Err(format!("no credential report: its first line has no column `{missing}`"));
        }
        let mut account: Option<String> = None;
        let mut users = BTreeMap::new();
        for (number, row) in reader.records().enumerate() {
            let wrong = |what: &str| format!("row {}: {what}", number + 2);
            let row = row.map_err(|fault| wrong(&fault.to_string()))?;
            if row.len() != header.len() {
                return Err(wrong("another number of fields than the first line has"));
            }
            let row = Row(header.iter().zip(&row).collect());
            let arn = row.text("arn").ok_or_else(|| wrong("no `arn`"))?;
            let (own, name) = principal(arn).ok_or_else(|| wrong("`arn` is no user's"))?;
            if account.get_or_insert_with(|| own.to_owned()) != own {
                return Err(wrong("a user of another account"));
            }
            let credentials = row.credentials(arn, made).map_err(|what| wrong(&what))?;
            users.insert(name.to_owned(), Arc::new(credentials));
        }
        let account = account.ok_or("there is no user in it")?;
        Ok(Self { account, made, users })
    }

    /// When the report of this name was made: the instant in its name
    /// (`…2026-02-22T16:11:47Z.csv`, `…2026-02-22T16_11_47.csv`, `…20260222T161147Z.csv`), else when
    /// it was written.
    #[must_use]
    pub fn made(name: &str, written: Option<OffsetDateTime>) -> Option<OffsetDateTime> {
        let digits: Vec<(usize, u8)> =
            name.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()).collect();
        let stamp = digits.windows(14).rev().find_map(|window| {
            let (first, last) = (window.first()?.0, window.last()?.0);
            let text = name.get(first..=last)?;
            let plain = text.chars().all(|c| c.is_ascii_digit() || "-_:T".contains(c));
            let stamp: String = window.iter().map(|(_, byte)| char::from(*byte)).collect();
            instant(&stamp).filter(|_| plain && text.contains('T'))
        });
        stamp.or(written)
    }
}

/// `20260222161147`, UTC.
fn instant(digits: &str) -> Option<OffsetDateTime> {
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    );
    date::instant(&text)
}

impl Row<'_> {
    /// A value that says something: IAM writes `N/A`, `no_information` and `not_supported` where it
    /// knows nothing.
    fn text(&self, name: &str) -> Option<&str> {
        let silent = ["", "N/A", "no_information", "not_supported"];
        self.0.get(name).copied().filter(|text| !silent.contains(text))
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, String> {
        let flag = self.text(name).map(|text| text.to_ascii_lowercase().parse());
        flag.transpose().map_err(|_| format!("`{name}` is neither true nor false"))
    }

    /// A time that cannot be read is one that is not known: what is active still counts.
    fn time(&self, name: &str) -> Option<OffsetDateTime> {
        date::instant(self.text(name)?)
    }

    fn credentials(&self, arn: &str, reported: OffsetDateTime) -> Result<Credentials, String> {
        let (mut keys, mut certificates) = (Vec::new(), Vec::new());
        for slot in 1..=2 {
            if self.flag(&format!("access_key_{slot}_active"))? == Some(true) {
                let time = |what: &str| self.time(&format!("access_key_{slot}_{what}"));
                keys.push(Key { rotated: time("last_rotated"), used: time("last_used_date") });
            }
            if self.flag(&format!("cert_{slot}_active"))? == Some(true) {
                certificates.push(self.time(&format!("cert_{slot}_last_rotated")));
            }
        }
        let mfa = self.flag("mfa_active")?.ok_or("`mfa_active` says nothing")?;
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
