//! What raises the severity of a finding, and what lowers it. Both are reported as reasons; no
//! finding is dropped.

use super::super::caller::Kind;
use super::super::certificate::Flag;
use super::super::client::SourceAddress;
use super::{Rule, Severity, Subject};

/// Returns the rule's severity for this event, and what changed it. Several reasons raise it by one
/// step only.
pub(super) fn assess(rule: &Rule, subject: &Subject<'_>) -> (Severity, Vec<String>) {
    if let Some(expected) = expected(subject) {
        return (rule.severity.lowered(), vec![expected]);
    }
    let reasons = if subject.call.succeeded() { success(subject) } else { denied(rule, subject) };
    let severity = if reasons.is_empty() { rule.severity } else { rule.severity.raised() };
    (severity, reasons)
}

/// Returns why the caller is expected: `events.expected_principals` has its own ARN, because the
/// caller chooses a session's name but not its issuer. Root is never expected, nor is any call that
/// is not about certificates.
fn expected(s: &Subject<'_>) -> Option<String> {
    if matches!(s.caller.kind, Kind::Root | Kind::AssumedRoot) || !s.call.is_of_iam() {
        return None;
    }
    let principal = s.caller.principal.as_deref()?;
    let pattern =
        s.options.expected_principals.iter().find(|pattern| pattern.matches(principal))?;
    Some(format!("lowered: {principal} is expected ({})", pattern.as_str()))
}

fn success(s: &Subject<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    let caller = s.caller;
    if caller.kind == Kind::Root {
        reasons.push("raised: root called, which routine work never needs".to_owned());
    }
    if caller.kind == Kind::User && caller.mfa != Some(true) {
        reasons.push("raised: the user called without MFA".to_owned());
    }
    if caller.has_long_term_key() {
        let key = caller.key.as_deref().unwrap_or_default();
        reasons.push(format!("raised: {key} is a long-term key"));
    }
    reasons.extend(unusual_origin(s));
    reasons.extend(self_signed_for_cloudfront(s));
    reasons.extend(by_report(s));
    reasons
}

/// Returns what the credential reports add: the caller has no MFA device, or the target had an
/// active signing certificate already.
fn by_report(s: &Subject<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some(caller) = &s.reported.caller
        && !caller.mfa
        // A session with MFA is newer than any report.
        && s.caller.mfa != Some(true)
    {
        reasons.push(format!(
            "raised: {} has no MFA device, by the credential report of {}",
            s.who(),
            caller.reported.date()
        ));
    }
    if let Some(target) = &s.reported.target
        && s.call.is_iam("UploadSigningCertificate")
        && !target.certificates.is_empty()
        && target.reported <= s.now
    {
        reasons.push(format!(
            "raised: its user had an active signing certificate already, by the credential report of {}",
            target.reported.date()
        ));
    }
    reasons
}

/// Returns whether the caller is of another account, or outside the known networks.
fn unusual_origin(s: &Subject<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    if let (Some(own), Some(target)) = (&s.caller.account, &s.target.account)
        && own != target
    {
        reasons.push(format!("raised: the caller is of account {own}, the target of {target}"));
    }
    let known = &s.options.known_networks;
    if let Some(source) = s.root.text("sourceIPAddress")
        && let Some(address) = SourceAddress::parse(source).ip
        && !known.is_empty()
        && !known.iter().any(|network| network.contains(address))
    {
        reasons.push(format!("raised: {source} is outside the known networks"));
    }
    reasons
}

/// CloudFront may serve certificates under `/cloudfront/`: a self-signed one there is public.
fn self_signed_for_cloudfront(s: &Subject<'_>) -> Option<String> {
    let path = s.target.server_certificate.as_ref()?.path.as_deref()?;
    let flags = s.certificate()?.flags(s.now);
    (path.starts_with("/cloudfront/") && flags.contains(&Flag::SelfSigned)).then(|| {
        format!("raised: self-signed under {path}, from which CloudFront serves certificates")
    })
}

/// A denied call changed nothing, so only its target counts.
fn denied(rule: &Rule, s: &Subject<'_>) -> Vec<String> {
    if rule.id != "denied" || s.reads_only() {
        return unusual_origin(s);
    }
    let mut reasons = unusual_origin(s);
    let of_other = s.target.user.as_ref().is_some_and(|user| !user.is_caller);
    if s.call.name.contains("SigningCertificate") && of_other {
        reasons.push("raised: the target was another user's credentials".to_owned());
    }
    if s.caller.kind == Kind::Root {
        reasons.push("raised: root was denied, which requires an explicit policy".to_owned());
    }
    reasons
}
