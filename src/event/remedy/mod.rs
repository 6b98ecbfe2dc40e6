//! What to do about a finding, each as console path, AWS CLI and boto3, filled in with the event's own
//! names. A command line here is pasted into a shell by somebody in a hurry: quoting is exact, and a
//! hostile name stays one argument.

mod caller;
mod guard;
mod mfa;
mod names;
mod policies;
mod quote;
mod server;
mod signing;
mod tags;
#[cfg(test)]
mod tests;
mod trail;

use super::caller::Kind;
pub use names::Names;
use quote::{python, shell};

/// One remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// Make a signing certificate Inactive: stops it, keeps the evidence.
    Deactivate,
    /// Delete a signing certificate.
    DeleteSigning,
    /// Delete a server certificate that nothing uses.
    DeleteServer,
    /// Give a renamed or moved server certificate its old name and path.
    RollBackRename,
    /// Put changed tags of a server certificate back.
    RestoreTags,
    /// Find the load balancers and distributions that use a server certificate.
    FindUses,
    /// Stop the caller's credentials: a user's key, a role's sessions, root's keys; or find whose they are to stop.
    RotateKey,
    /// List and require second factors.
    Mfa,
    /// The account's password policy: hygiene, stops no signing certificate.
    PasswordPolicy,
    /// A trail at work again; where it is gone, a new one in all regions, with log-file validation.
    Trail,
    /// A service control policy that leaves what was done to named roles.
    Guard,
}

/// A remedy for one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What it does, as an order.
    pub title: &'static str,
    /// Where to click.
    pub console: &'static str,
    /// Command lines as arguments after `aws`, in order.
    pub cli: Vec<Vec<String>>,
    /// The same with boto3.
    pub boto3: String,
    /// What goes wrong if one does not mind it.
    pub mind: &'static str,
}

impl Advice {
    /// The command lines for a POSIX shell.
    #[must_use]
    pub fn command_lines(&self) -> Vec<String> {
        self.cli.iter().map(|arguments| shell(arguments)).collect()
    }

    /// The words in the command lines that the event does not know, each with what to put there.
    #[must_use]
    pub fn to_fill_in(&self) -> Vec<(&'static str, &'static str)> {
        names::to_fill_in(&self.cli)
    }
}

impl Remedy {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::Deactivate,
        Self::DeleteSigning,
        Self::FindUses,
        Self::DeleteServer,
        Self::RollBackRename,
        Self::RestoreTags,
        Self::RotateKey,
        Self::Mfa,
        Self::PasswordPolicy,
        Self::Trail,
        Self::Guard,
    ];

    /// Names that show every form that it takes: some differ by who called.
    #[must_use]
    pub fn examples(self) -> Vec<Names> {
        let by = |(caller_kind, caller): (Kind, &str)| Names {
            caller_kind,
            caller: caller.to_owned(),
            ..Names::default()
        };
        let after = |done: &str| Names { done: Some(done.to_owned()), ..Names::default() };
        match self {
            Self::Mfa => [(Kind::User, "CALLER"), (Kind::Root, "CALLER")].map(by).to_vec(),
            Self::RotateKey => CALLERS.map(by).to_vec(),
            Self::Trail => ["StopLogging", "PutEventSelectors", "UpdateTrail", "DeleteTrail"]
                .map(after)
                .to_vec(),
            _ => vec![Names::default()],
        }
    }

    /// The remedy for an event with these names.
    #[must_use]
    pub fn advice(self, names: &Names) -> Advice {
        match self {
            Self::Deactivate => signing::deactivate(names),
            Self::DeleteSigning => signing::delete(names),
            Self::FindUses => server::find_uses(names),
            Self::DeleteServer => server::delete(names),
            Self::RollBackRename => server::roll_back(names),
            Self::RestoreTags => tags::put_back(names),
            Self::RotateKey => caller::stop(names),
            Self::Mfa => mfa::require(names),
            Self::PasswordPolicy => policies::password(),
            Self::Trail => trail::restore(names),
            Self::Guard => guard::guard(names),
        }
    }
}

/// Every kind of caller that is stopped in its own way, with what commands know it by.
const CALLERS: [(Kind, &str); 10] = [
    (Kind::User, "CALLER"),
    (Kind::Role, "ROLE"),
    (Kind::Role, "AWSReservedSSO_PERMISSION_SET"),
    (Kind::Root, "CALLER"),
    (Kind::AssumedRoot, "CALLER"),
    (Kind::Federated, "CALLER"),
    (Kind::IdentityCenter, "USER_ID"),
    (Kind::Account, "CALLER"),
    (Kind::Service, "SERVICE"),
    (Kind::Other, "CALLER"),
];

/// Advice that is often given and wrong, with the reason.
pub const WRONG_ADVICE: [(&str, &str); 11] = [
    (
        "Detach the signing certificate from the role.",
        "Roles have none: signing certificates belong to users and to root.",
    ),
    (
        "Set a password policy with `update-login-profile`.",
        "It changes one user's password; the policy is the account's, `update-account-password-policy`.",
    ),
    (
        "Read the password with `get_login_profile`.",
        "It returns the date and whether a reset is required, never a password.",
    ),
    (
        "Turn on MFA with one call.",
        "It takes a device and two consecutive codes from it; `enable-mfa-device` alone has neither.",
    ),
    (
        "Look at `LastUsedDate` in `list_access_keys`.",
        "It is not there; `get_access_key_last_used` has it, one key at a time.",
    ),
    (
        "Compare `CreateDate` with `datetime.now()`.",
        "One is aware of its time zone, the other is not: Python refuses. Use `datetime.now(timezone.utc)`.",
    ),
    (
        "Call `list_users()` once.",
        "It returns a page of at most 100 by default; use the paginator.",
    ),
    (
        "Delete the old key when the new one is made.",
        "What still uses it breaks. Make it Inactive, look at its last use, delete it later.",
    ),
    ("Tighten the password policy.", "Hygiene; a signing certificate needs no password."),
    ("Require MFA.", "Hygiene; a signature with a certificate asks for no second factor."),
    (
        "Refuse TLS below 1.2.",
        "AWS endpoints have refused it themselves since 2024; an old version in a record is history.",
    ),
];
