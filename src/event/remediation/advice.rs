//! Advice for one event: command lines and snippets with the event's own names. What the record
//! does not state is a placeholder in capitals, which is explained below the commands.

use super::super::caller::Kind;
use super::quote;

/// A remediation with the names of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What it does, in the imperative.
    pub title: &'static str,
    /// Where it is in the console.
    pub console: &'static str,
    /// Command lines in order, each as the arguments of `aws`.
    pub cli: Vec<Vec<String>>,
    /// The same with boto3.
    pub boto3: String,
    /// Side effects and preconditions.
    pub note: &'static str,
}

impl Advice {
    /// Returns the command lines for a POSIX shell.
    #[must_use]
    pub fn command_lines(&self) -> Vec<String> {
        self.cli.iter().map(|arguments| quote::shell(arguments)).collect()
    }

    /// Returns the placeholders in the command lines, each with what to replace it by.
    #[must_use]
    pub fn placeholders(&self) -> Vec<(&'static str, &'static str)> {
        let occurs =
            |word: &str| self.cli.iter().flatten().any(|argument| has_word(argument, word));
        PLACEHOLDERS.into_iter().filter(|(word, _)| occurs(word)).collect()
    }
}

/// The names that remediations are filled in with; a placeholder where the record has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Operation that succeeded; `None` if it failed or is unknown.
    pub done: Option<String>,
    /// New status of the signing certificate.
    pub status: Option<String>,
    /// User whose signing certificate it is; `None` for root, which has no user name.
    pub user: Option<String>,
    /// Its id.
    pub certificate_id: String,
    /// Server certificate.
    pub server_certificate: String,
    /// Its id.
    pub server_certificate_id: String,
    /// Its ARN.
    pub server_certificate_arn: String,
    /// Path before a move.
    pub path: Option<String>,
    /// Name after a rename.
    pub new_name: String,
    /// ARN after a rename.
    pub new_arn: Option<String>,
    /// Keys of the changed tags.
    pub tags: Vec<String>,
    /// Trail.
    pub trail: String,
    /// Home region of the trail.
    pub trail_region: String,
    /// Kind of the caller: what stops a user has no effect on a role.
    pub caller_kind: Kind,
    /// The caller's name in commands: user or role, the user whose token a federated user has, a
    /// service's host name, the id of a user of IAM Identity Center.
    pub caller: String,
    /// Account of the caller.
    pub caller_account: String,
    /// Identity store of a user of IAM Identity Center.
    pub identity_store: String,
    /// The caller's access key, if it is a long-term one: temporary keys cannot be managed. For a
    /// caller of unknown kind it is any key of the record, because nothing else identifies it.
    pub key: String,
    /// When the record was read: sessions issued before are revoked.
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

/// Placeholders for what the record does not state, and what to replace each by.
const PLACEHOLDERS: [(&str, &str); 26] = [
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
    // With its prefix, by which such a role is recognised.
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

/// Returns whether `text` contains `word`, and not as a part of another word.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

/// Returns the arguments of `aws` for a command with options. `--name=value` is one argument, so
/// that a value with a leading `-` is not parsed as an option.
pub(super) fn aws<'o>(
    command: &str,
    options: impl IntoIterator<Item = (&'o str, &'o str)>,
) -> Vec<String> {
    let options = options.into_iter().map(|(name, value)| format!("--{name}={value}"));
    command.split(' ').map(str::to_owned).chain(options).collect()
}
