//! The event's own names, for command lines. What the record does not say stands as a word in
//! capitals, to be filled in; what each such word means is told beside the commands.

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
    /// Trail.
    pub trail: String,
    /// The region that the trail is at home in.
    pub trail_region: String,
    /// What kind of caller it was: what stops a user does nothing to a role.
    pub caller_kind: Kind,
    /// What commands know the caller by: user or role, the user whose token a federated user has, a service's host name,
    /// the id of a user of IAM Identity Center.
    pub caller: String,
    /// Account of the caller.
    pub caller_account: String,
    /// Identity store of a caller that is a user of IAM Identity Center.
    pub identity_store: String,
    /// The caller's access key, if it is a long-term one: temporary keys are not managed. Of a caller of unknown kind
    /// it is whichever key the record has, because nothing else tells who that was.
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
            trail: text("TRAIL"),
            trail_region: text("REGION"),
            caller_kind: Kind::User,
            caller: text("CALLER"),
            caller_account: text("CALLER_ACCOUNT_ID"),
            identity_store: text("IDENTITY_STORE_ID"),
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
        let is_of_use = caller.has_long_term_key() || caller.kind == Kind::Other;
        let key = caller.key.clone().filter(|_| is_of_use);
        let store = caller.identity_store.as_deref().and_then(|arn| arn.rsplit('/').next());
        let tags = server.map(|one| one.tags.iter().map(|(key, _)| key.clone()).collect());
        let tags = tags.filter(|keys: &Vec<_>| !keys.is_empty());
        let trail = target.trail.as_ref();
        let region = trail.and_then(|trail| trail.arn.as_deref()?.split(':').nth(3));
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
            trail: trail.map_or(unknown.trail, |trail| trail.name.clone()),
            trail_region: region.map_or(unknown.trail_region, str::to_owned),
            caller_kind: caller.kind,
            caller: caller.goes_by().map_or(unknown.caller, str::to_owned),
            caller_account: caller.account.clone().unwrap_or(unknown.caller_account),
            identity_store: store.map_or(unknown.identity_store, str::to_owned),
            key: key.unwrap_or(unknown.key),
            read: whole_seconds(view.event.seen).unwrap_or(unknown.read),
            account: target.account.clone().unwrap_or(unknown.account),
            partition: target.partition.clone(),
        }
    }
}

/// Words that stand in command lines for what the record does not say, and what to put there.
const WORDS: [(&str, &str); 26] = [
    ("USER", "the user whose signing certificate it is"),
    ("CERTIFICATE_ID", "the signing certificate's id, which list-signing-certificates shows"),
    ("CERTIFICATE_NAME", "the server certificate's name, which list-server-certificates shows"),
    (
        "SERVER_CERTIFICATE_ID",
        "the server certificate's id (ASCA…), which get-server-certificate shows, or an earlier event",
    ),
    ("CERTIFICATE_ARN", "the server certificate's ARN, from where its id is"),
    ("/OLD/PATH/", "the path that it had, from an earlier event of the same id"),
    ("NEW_NAME", "the name that it was given"),
    ("TAG_KEY", "the key of the tag that was changed"),
    ("OLD_VALUE", "the value from before, from an earlier event or the code that manages it"),
    ("CALLER", "the user that called"),
    ("ROLE", "the role that called"),
    // With its beginning, by which commands know such a role.
    (
        "AWSReservedSSO_PERMISSION_SET",
        "the role that called, as AWSReservedSSO_Admins_0123456789abcdef",
    ),
    ("SERVICE", "the service that called, as iam.amazonaws.com"),
    ("CALLER_ACCOUNT_ID", "the account of the caller"),
    ("IDENTITY_STORE_ID", "d-…, which sso-admin list-instances shows"),
    ("USER_ID", "the user's id in that store"),
    (
        "ACCESS_KEY_ID",
        "the caller's access key; list-access-keys shows those of a user, a console session has none",
    ),
    ("NOW", "the time now, in UTC, as 2026-01-01T00:00:00Z"),
    ("ACCOUNT_ID", "the account that the certificate or the trail is in"),
    ("LOAD_BALANCER_ARN", "each of those that the command before shows"),
    ("LISTENER_ARN", "each of those that the command before shows"),
    ("POLICY_ID", "the id in the answer of create-policy"),
    ("REGION", "the trail's home region"),
    ("TRAIL", "the trail's name"),
    ("BUCKET", "the bucket that its files go to"),
    ("BEGINNING", "since when its files are to be checked, as 2026-01-01T00:00:00Z"),
];

/// The words that are left to fill in, in the order of [`WORDS`].
pub(super) fn to_fill_in(cli: &[Vec<String>]) -> Vec<(&'static str, &'static str)> {
    let is_left = |word: &str| cli.iter().flatten().any(|argument| has_word(argument, word));
    WORDS.into_iter().filter(|(word, _)| is_left(word)).collect()
}

/// Whether `word` stands in `text`, not as a part of another one.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

/// As policies have it: a fraction of a second is nothing to them.
fn whole_seconds(time: OffsetDateTime) -> Option<String> {
    date::rfc3339(time.replace_nanosecond(0).ok()?)
}

/// Words of a command line.
pub(super) fn words<const N: usize>(fixed: [&str; N], rest: Vec<String>) -> Vec<String> {
    fixed.into_iter().map(str::to_owned).chain(rest).collect()
}
