//! What makes a finding graver, and what makes it expected. Both say why; neither hides anything.

use super::super::caller::Kind;
use super::super::certificate::Flag;
use super::{Rule, Severity, Subject};

/// The rule's severity for this event, and what moved it. Several amplifiers raise once: the words say
/// how many there were.
pub(super) fn judge(rule: &Rule, subject: &Subject<'_>) -> (Severity, Vec<String>) {
    if let Some(expected) = expected(subject) {
        return (rule.severity.lowered(), vec![expected]);
    }
    let because = if subject.succeeded() { success(subject) } else { denied(rule, subject) };
    let severity = if because.is_empty() { rule.severity } else { rule.severity.raised() };
    (severity, because)
}

/// The caller is on the list of `events.expected_principals`, by its own ARN: a session's name is the
/// caller's choice, its issuer is not. Root is never expected, nor is anything but work on certificates.
fn expected(s: &Subject<'_>) -> Option<String> {
    let on_certificates = s.fields.source == crate::config::IAM_EVENT_SOURCE;
    if matches!(s.caller.kind, Kind::Root | Kind::AssumedRoot) || !on_certificates {
        return None;
    }
    let principal = s.caller.principal.as_deref()?;
    let pattern =
        s.options.expected_principals.iter().find(|pattern| pattern.matches(principal))?;
    Some(format!("lowered: {principal} is expected ({})", pattern.as_str()))
}

fn success(s: &Subject<'_>) -> Vec<String> {
    let mut because = Vec::new();
    let caller = s.caller;
    if caller.kind == Kind::Root {
        because.push("raised: root called, which everyday work never needs".to_owned());
    }
    if caller.kind == Kind::User && caller.mfa != Some(true) {
        because.push("raised: the user called without a second factor".to_owned());
    }
    if caller.has_long_term_key() {
        let key = caller.key.as_deref().unwrap_or_default();
        because.push(format!("raised: {key} is a long-term key"));
    }
    because.extend(from_elsewhere(s));
    because.extend(self_signed_at_the_edge(s));
    because.extend(by_report(s));
    because
}

/// What the credential reports add to the record: no MFA device at all, or a second signing
/// certificate beside one that works.
fn by_report(s: &Subject<'_>) -> Vec<String> {
    let mut because = Vec::new();
    if let Some(caller) = &s.posture.caller
        && !caller.mfa
        // A session with a second factor is newer than any report.
        && s.caller.mfa != Some(true)
    {
        because.push(format!(
            "raised: {} has no MFA device, by the credential report of {}",
            s.who(),
            caller.reported.date()
        ));
    }
    if let Some(target) = &s.posture.target
        && s.is_iam("UploadSigningCertificate")
        && !target.certificates.is_empty()
        && target.reported <= s.now
    {
        because.push(format!(
            "raised: its user had an active signing certificate already, by the credential report of {}",
            target.reported.date()
        ));
    }
    because
}

/// Another account, or an address outside the known networks.
fn from_elsewhere(s: &Subject<'_>) -> Vec<String> {
    let mut because = Vec::new();
    if let (Some(own), Some(target)) = (&s.caller.account, &s.target.account)
        && own != target
    {
        because.push(format!("raised: the caller is of account {own}, the target of {target}"));
    }
    let known = &s.options.known_networks;
    if let Some(source) = s.root.text("sourceIPAddress")
        && let Ok(address) = source.parse()
        && !known.is_empty()
        && !known.iter().any(|network| network.contains(address))
    {
        because.push(format!("raised: {source} is outside the known networks"));
    }
    because
}

/// `/cloudfront/` is the path that a distribution may use: there a self-signed certificate faces the world.
fn self_signed_at_the_edge(s: &Subject<'_>) -> Option<String> {
    let path = s.target.server_certificate.as_ref()?.path.as_deref()?;
    let flags = s.certificate()?.flags(s.now);
    (path.starts_with("/cloudfront/") && flags.contains(&Flag::SelfSigned)).then(|| {
        format!("raised: self-signed under {path}, where CloudFront takes its certificates from")
    })
}

/// A denied call did nothing, so only what it aimed at counts.
fn denied(rule: &Rule, s: &Subject<'_>) -> Vec<String> {
    if rule.id != "denied" || s.reads_only() {
        return from_elsewhere(s);
    }
    let mut because = from_elsewhere(s);
    let of_other = s.target.user.as_ref().is_some_and(|user| !user.is_caller);
    if s.fields.name.contains("SigningCertificate") && of_other {
        because.push("raised: it aimed at another user's credentials".to_owned());
    }
    if s.caller.kind == Kind::Root {
        because
            .push("raised: root was refused, by a policy that somebody wrote for this".to_owned());
    }
    because
}
