//! The event's own names, for command lines. What the record does not say stands as a word in
//! capitals, to be filled in.

use time::OffsetDateTime;

use super::super::caller::Kind;
use super::super::format::View;
use super::super::{CallOutcome, date};

/// What remedies are filled in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Operation that was done; `None` if it failed or is not said.
    pub done: Option<String>,
    /// Status that a signing certificate was given.
    pub status: Option<String>,
    /// User whose signing certificate it is; `None` for root, who is not named but calls itself.
    pub user: Option<String>,
    /// Its id.
    pub certificate_id: String,
    /// Server certificate.
    pub server_certificate: String,
    /// Its id.
    pub server_certificate_id: String,
    /// Its ARN.
    pub server_certificate_arn: String,
    /// Path that it had, if it was moved.
    pub path: Option<String>,
    /// Name that a rename gave it.
    pub new_name: String,
    /// ARN that a rename gave it.
    pub new_arn: Option<String>,
    /// Keys of the tags that were changed.
    pub tags: Vec<String>,
    /// What kind of caller it was: what stops a user does nothing to a role.
    pub caller_kind: Kind,
    /// User or role that called.
    pub caller: String,
    /// The caller's access key, if it is a long-term one: temporary keys are not managed.
    pub key: String,
    /// When the record was read: what was issued before is revoked.
    pub read: String,
    /// Account of the target.
    pub account: String,
    /// `aws`, `aws-us-gov`…
    pub partition: String,
}

impl Default for Names {
    fn default() -> Self {
        let text = str::to_owned;
        Self {
            done: None,
            status: None,
            user: Some(text("USER")),
            certificate_id: text("CERTIFICATE_ID"),
            server_certificate: text("CERTIFICATE_NAME"),
            server_certificate_id: text("SERVER_CERTIFICATE_ID"),
            server_certificate_arn: text("CERTIFICATE_ARN"),
            path: Some(text("/OLD/PATH/")),
            new_name: text("NEW_NAME"),
            new_arn: None,
            tags: vec![text("TAG_KEY")],
            caller_kind: Kind::User,
            caller: text("CALLER"),
            key: text("ACCESS_KEY_ID"),
            read: text("NOW"),
            account: text("ACCOUNT_ID"),
            partition: text("aws"),
        }
    }
}

impl Names {
    pub(in crate::event) fn of(view: &View<'_>) -> Self {
        let (target, caller) = (view.target, view.caller);
        let unknown = Self::default();
        let server = target.server_certificate.as_ref();
        let signing = target.signing_certificate.as_ref();
        let renamed = server.and_then(|server| server.renamed.as_ref());
        let user = match &target.user {
            Some(user) if user.is_root => None,
            Some(user) => Some(user.name.clone()),
            None => unknown.user,
        };
        let moved = renamed.is_none_or(|new| new.path.is_some());
        let path = server.and_then(|one| one.path.clone()).or(unknown.path);
        let key = caller.key.clone().filter(|_| caller.has_long_term_key());
        let tags = server.map(|one| one.tags.iter().map(|(key, _)| key.clone()).collect());
        let tags = tags.filter(|keys: &Vec<_>| !keys.is_empty());
        let has_name = matches!(caller.kind, Kind::User | Kind::Role);
        let caller_name = caller.name().filter(|_| has_name).map(str::to_owned);
        let done = view.event.fields.outcome == CallOutcome::Success;
        Self {
            done: done.then(|| view.event.fields.name.clone()),
            status: signing.and_then(|one| one.status.clone()),
            user,
            certificate_id: signing
                .and_then(|one| one.id.clone())
                .unwrap_or(unknown.certificate_id),
            server_certificate: server.map_or(unknown.server_certificate, |one| one.name.clone()),
            server_certificate_id: server
                .and_then(|one| one.id.clone())
                .unwrap_or(unknown.server_certificate_id),
            server_certificate_arn: server
                .and_then(|one| one.arn.clone())
                .unwrap_or(unknown.server_certificate_arn),
            path: path.filter(|_| moved),
            new_name: renamed.map_or(unknown.new_name, |new| new.name.clone()),
            new_arn: renamed.and_then(|new| new.arn.clone()),
            tags: tags.unwrap_or(unknown.tags),
            caller_kind: caller.kind,
            caller: caller_name.unwrap_or(unknown.caller),
            key: key.unwrap_or(unknown.key),
            read: whole_seconds(view.event.seen).unwrap_or(unknown.read),
            account: target.account.clone().unwrap_or(unknown.account),
            partition: target.partition.clone(),
        }
    }
}

/// As policies have it: a fraction of a second is nothing to them.
fn whole_seconds(time: OffsetDateTime) -> Option<String> {
    date::rfc3339(time.replace_nanosecond(0).ok()?)
}

/// Words of a command line.
pub(super) fn words<const N: usize>(fixed: [&str; N], rest: Vec<String>) -> Vec<String> {
    fixed.into_iter().map(str::to_owned).chain(rest).collect()
}
