//! What to do about a finding: console path, AWS CLI and boto3, filled in with the event's own
//! names. Command lines are pasted into a shell: quoting is exact, and a hostile name stays one
//! argument.

mod advice;
mod caller;
mod certificates;
mod policies;
mod quote;
#[cfg(test)]
mod tests;
mod trail;

use super::caller::Kind;
pub use advice::{Advice, Names};

/// One remediation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remediation {
    /// Make a signing certificate Inactive: stops it, keeps the evidence.
    Deactivate,
    /// Delete a signing certificate.
    DeleteSigning,
    /// Delete a server certificate that nothing uses.
    DeleteServer,
    /// Restore name and path of a renamed or moved server certificate.
    RollBackRename,
    /// Restore changed tags of a server certificate.
    RestoreTags,
    /// Find the load balancers and distributions that use a server certificate.
    FindUses,
    /// Stop the caller's credentials: a user's key, a role's sessions, root's keys; or find their
    /// owner.
    RotateKey,
    /// List and require MFA devices.
    Mfa,
    /// The account's password policy: hygiene, stops no signing certificate.
    PasswordPolicy,
    /// Restore a trail; if it is deleted, create one in all regions, with log-file validation.
    Trail,
    /// A service control policy that leaves the operation to named roles.
    Guard,
}

impl Remediation {
    /// All of them, in the order of docs/events.md.
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

    /// Returns names for every form that it has: some differ by the caller's kind.
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

    /// Returns the advice for an event with these names.
    #[must_use]
    pub fn advice(self, names: &Names) -> Advice {
        match self {
            Self::Deactivate => certificates::deactivate(names),
            Self::DeleteSigning => certificates::delete_signing(names),
            Self::FindUses => certificates::find_uses(names),
            Self::DeleteServer => certificates::delete_server(names),
            Self::RollBackRename => certificates::roll_back(names),
            Self::RestoreTags => certificates::restore_tags(names),
            Self::RotateKey => caller::stop(names),
            Self::Mfa => policies::require_mfa(names),
            Self::PasswordPolicy => policies::password(),
            Self::Trail => trail::restore(names),
            Self::Guard => policies::guard(names),
        }
    }
}

/// Every kind of caller that is stopped differently, with its name in commands.
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
