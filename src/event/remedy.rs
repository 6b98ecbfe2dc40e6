//! What to do about a finding.

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
    /// Find the load balancers and distributions that use a server certificate.
    FindUses,
    /// Replace the caller's access key.
    RotateKey,
    /// List and require second factors.
    Mfa,
    /// The account's password policy: hygiene, stops no signing certificate.
    PasswordPolicy,
    /// CloudTrail on in all regions, with log-file validation.
    Trail,
    /// A service control policy that leaves uploads to named roles.
    Guard,
}
