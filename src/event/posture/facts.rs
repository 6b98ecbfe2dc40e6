//! Credentials as facts of one event: with ages at the time of the call, and the report's own.

use time::OffsetDateTime;

use super::super::date;
use super::super::object::{Object, array};
use super::Credentials;

/// Credentials as of a call.
pub(in crate::event) struct Facts<'f> {
    of: &'f Credentials,
    now: OffsetDateTime,
}

impl<'f> Facts<'f> {
    /// As of `now`, the time of the call.
    pub(in crate::event) fn new(of: &'f Credentials, now: OffsetDateTime) -> Self {
        Self { of, now }
    }

    fn days(&self, since: Option<OffsetDateTime>) -> Option<i64> {
        since.map(|since| (self.now - since).whole_days())
    }

    /// Hours between report and call; negative if the report was made after it.
    pub(in crate::event) fn report_age(&self) -> i64 {
        (self.now - self.of.reported).whole_hours()
    }

    /// Age in days of the oldest active key.
    pub(in crate::event) fn oldest_key(&self) -> Option<i64> {
        self.of.keys.iter().filter_map(|key| self.days(key.rotated)).max()
    }

    /// The last use of any active key.
    pub(in crate::event) fn last_use(&self) -> Option<OffsetDateTime> {
        self.of.keys.iter().filter_map(|key| key.used).max()
    }

    /// Flat names and values, all text, for formats that are flat.
    pub(in crate::event) fn flat(&self, prefix: &str, object: Object) -> Object {
        let put = |object: Object, name: &str, value: Option<String>| {
            object.with(&format!("{prefix}_{name}"), value)
        };
        let of = self.of;
        let object = put(object, "mfa_active", Some(of.mfa.to_string()));
        let object = put(object, "password_enabled", of.password.map(|one| one.to_string()));
        let object = put(object, "active_keys", Some(of.keys.len().to_string()));
        let object = put(object, "oldest_key_days", self.oldest_key().map(|days| days.to_string()));
        let object = put(object, "key_last_used", self.last_use().and_then(date::rfc3339));
        let certificates = of.certificates.len().to_string();
        let object = put(object, "active_signing_certificates", Some(certificates));
        let object = put(object, "report_time", date::rfc3339(of.reported));
        put(object, "report_age_hours", Some(self.report_age().to_string()))
    }
}

/// The facts as a nested object.
pub(in crate::event) fn object(facts: &Facts<'_>) -> Object {
    let of = facts.of;
    let keys = of.keys.iter().map(|key| {
        Object::default()
            .with("last_rotated", key.rotated.and_then(date::rfc3339))
            .with("age_days", facts.days(key.rotated))
            .with("last_used", key.used.and_then(date::rfc3339))
            .into()
    });
    let certificates = of.certificates.iter().map(|rotated| {
        Object::default()
            .with("last_rotated", rotated.and_then(date::rfc3339))
            .with("age_days", facts.days(*rotated))
            .into()
    });
    Object::default()
        .set("arn", of.arn.as_str())
        .set("mfa_active", of.mfa)
        .with("password_enabled", of.password)
        .with("password_last_used", of.password_used.and_then(date::rfc3339))
        .set("active_key_count", of.keys.len())
        .with("active_keys", array(keys.collect()))
        .set("active_signing_certificate_count", of.certificates.len())
        .with("active_signing_certificates", array(certificates.collect()))
        .with("report_time", date::rfc3339(of.reported))
        .set("report_age_hours", facts.report_age())
}

/// The facts for a person.
pub(in crate::event) fn sentence(facts: &Facts<'_>) -> String {
    let of = facts.of;
    let mut parts = vec![if of.mfa { "an MFA device" } else { "no MFA device" }.to_owned()];
    let old = facts.oldest_key().map(|days| format!(", the oldest {days} days old"));
    let used = facts.last_use().map(|time| format!(", last used {}", time.date()));
    let keys = counted(of.keys.len(), "active key");
    parts.push(format!("{keys}{}{}", old.unwrap_or_default(), used.unwrap_or_default()));
    parts.push(counted(of.certificates.len(), "active signing certificate"));
    let age = facts.report_age();
    let when = if age < 0 { "after" } else { "before" };
    let (parts, day, age) = (parts.join("; "), of.reported.date(), age.unsigned_abs());
    format!("{parts} (report of {day}, {age} h {when} the call)")
}

fn counted(number: usize, noun: &str) -> String {
    match number {
        0 => format!("no {noun}"),
        1 => format!("1 {noun}"),
        more => format!("{more} {noun}s"),
    }
}
