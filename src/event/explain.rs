//! One event as text for a person: what happened, to what, by whom, how severe, and what to do.

use super::certificate::{Certificate, Found};
use super::client::is_placeholder;
use super::credential_report::CredentialFacts;
use super::finding::Finding;
use super::record::Event;
use super::remediation::Names;
use super::view::{View, with_view};
use super::{caller, date, operations};
use crate::escape::escape;

/// Returns the event as text for a terminal. Control and bidirectional characters of the record's
/// values are escaped.
#[must_use]
pub fn explain(event: &Event) -> String {
    with_view(event, |view| {
        let mut page = Page::default();
        call(view, &mut page);
        actor(view, &mut page);
        target(view, &mut page);
        enrichment(view, &mut page);
        certificates(view, &mut page);
        findings(view, &mut page);
        page.line("evidence", &format!("{} (event {})", event.origin, event.id));
        page.text
    })
}

/// Returns the names of an event, for [`super::Remediation::advice`].
#[cfg(test)]
pub(super) fn names(event: &Event) -> Names {
    with_view(event, names_of)
}

/// Lines with a label on the left.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, label: &str, value: &str) {
        self.text.push_str(&format!("{label:<13}{}\n", escape(value)));
    }

    fn more(&mut self, value: &str) {
        self.line("", value);
    }
}

fn call(view: &View<'_>, page: &mut Page) {
    let fields = &view.event.fields;
    page.line("event", &view.message());
    match operations::find(&fields.source, &fields.name) {
        Some(operation) => {
            page.line("in scope", "yes: one of the twelve operations on IAM certificates");
            let succeeded = fields.call().succeeded();
            page.line(if succeeded { "meaning" } else { "would mean" }, operation.means);
        }
        None => page.line("in scope", "no: not one of the twelve operations on IAM certificates"),
    }
    let unknown = || "unknown".to_owned();
    let when = fields.time.and_then(date::rfc3339).unwrap_or_else(unknown);
    let read = date::rfc3339(view.event.seen).unwrap_or_else(unknown);
    page.line("when", &format!("{when}, read {read}"));
    let text = |path: &str| view.root.text(path);
    let tls = text("tlsDetails.tlsVersion").filter(|one| !is_placeholder("tlsVersion", one));
    let from = [text("sourceIPAddress"), text("userAgent"), tls];
    let from: Vec<_> = from.into_iter().flatten().collect();
    page.line("from", from.first().unwrap_or(&"unknown"));
    from.iter().skip(1).for_each(|part| page.more(part));
    if let Some(message) = text("errorMessage") {
        page.line("error", message);
    }
}

fn actor(view: &View<'_>, page: &mut Page) {
    let caller = view.caller;
    page.line("actor", &caller.phrase());
    if let Some(principal) = &caller.principal {
        page.more(principal);
    }
    if let Some(key) = &caller.key {
        let kind = if caller.has_long_term_key() { "long-term" } else { "temporary" };
        page.more(&format!("{kind} key {key}"));
    }
    page.more(match caller.mfa {
        Some(true) => "with MFA",
        Some(false) => "without MFA",
        None => "MFA: not in the record",
    });
}

fn target(view: &View<'_>, page: &mut Page) {
    let target = view.target;
    let hint = if target.from_message { " (parsed from the error message)" } else { "" };
    let phrase = target.phrase().unwrap_or_else(|| "not in the record".to_owned());
    page.line("target", &format!("{phrase}{hint}"));
    if let Some(arn) = target.arn() {
        page.more(&arn);
    }
    if let Some(certificate) = &target.server_certificate {
        if certificate.path.is_none() {
            page.more("the record does not state its path; the ARN assumes /");
        }
        if let Some(user) = &certificate.in_use_by {
            page.more(&format!("in use by {user} (parsed from the error message)"));
        }
        if let Some(new) = &certificate.renamed {
            page.more(&format!("becomes {}", new.arn.as_ref().unwrap_or(&new.name)));
        }
    }
}

fn enrichment(view: &View<'_>, page: &mut Page) {
    let event = view.event;
    if let Some(account) = &event.account {
        let parts = [Some(account.id.as_str()), account.name.as_deref(), account.ou.as_deref()];
        page.line("account", &parts.into_iter().flatten().collect::<Vec<_>>().join(", "));
    }
    for (at, (name, value)) in event.labels().into_iter().enumerate() {
        page.line(if at == 0 { "labels" } else { "" }, &format!("{name}: {value}"));
    }
    let reported = &event.credential_report;
    for (label, of) in [("caller has", &reported.caller), ("target has", &reported.target)] {
        if let Some(of) = of {
            page.line(label, &CredentialFacts::new(of, event.time()).sentence());
        }
    }
}

fn certificates(view: &View<'_>, page: &mut Page) {
    for found in view.certificates {
        for one in &found.chain.certificates {
            match one {
                Ok(certificate) => facts(view, found, certificate, page),
                Err(error) => page.line("certificate", &format!("cannot be parsed: {error}")),
            }
        }
        if found.chain.certificates.is_empty() {
            page.line("certificate", "contains no PEM");
        }
    }
    for redaction in view.redactions {
        page.line("redacted", &format!("{} ({})", redaction.path, redaction.reason.as_str()));
    }
}

fn facts(view: &View<'_>, found: &Found, certificate: &Certificate, page: &mut Page) {
    let day = |time: Option<time::OffsetDateTime>| {
        time.map_or_else(|| "unknown".to_owned(), |time| time.date().to_string())
    };
    let bits = certificate.key_bits.map(|bits| format!(" {bits}")).unwrap_or_default();
    let flags = certificate.flags(view.event.time());
    let flags: Vec<_> = flags.iter().map(|flag| flag.as_str().replace('_', " ")).collect();
    page.line("certificate", &certificate.subject);
    page.more(&format!("in {}", found.paths.join(", ")));
    page.more(&format!("issued by {}", certificate.issuer));
    page.more(&format!("serial {}", certificate.serial));
    page.more(&format!("valid {} to {}", day(certificate.not_before), day(certificate.not_after)));
    page.more(&format!("{}{bits}, {}", certificate.key_type, certificate.signature));
    page.more(&format!("SHA-256 {}", certificate.sha256));
    if !flags.is_empty() {
        page.more(&flags.join(", "));
    }
}

fn findings(view: &View<'_>, page: &mut Page) {
    let fields = &view.event.fields;
    page.line("severity", fields.severity.as_str());
    let names = names_of(view);
    let mut remediations = Vec::new();
    for finding in &fields.findings {
        one_finding(finding, page);
        for remediation in finding.remediations {
            if !remediations.contains(remediation) {
                remediations.push(*remediation);
            }
        }
    }
    for remediation in remediations {
        let advice = remediation.advice(&names);
        page.line("remediation", advice.title);
        page.more(&format!("note: {}", advice.note));
        page.more(&format!("console: {}", advice.console));
        for line in advice.command_lines() {
            page.more(&format!("$ {line}"));
            if escape(&line) != line {
                page.more("  (a name in it has escaped characters: take it from the payload)");
            }
        }
        for (word, meaning) in advice.placeholders() {
            page.more(&format!("{word}: {meaning}"));
        }
    }
}

fn one_finding(finding: &Finding, page: &mut Page) {
    page.line("finding", &format!("{}: {}", finding.severity.as_str(), finding.rule.title));
    page.more(&finding.reason);
    finding.severity_reasons.iter().for_each(|reason| page.more(reason));
    let attack: Vec<_> =
        finding.attack.iter().map(|one| format!("{} {}", one.id, one.name)).collect();
    if !attack.is_empty() {
        page.more(&format!("ATT&CK {}", attack.join(", ")));
    }
}

fn names_of(view: &View<'_>) -> Names {
    let (target, caller) = (view.target, view.caller);
    let default = Names::default();
    let server = target.server_certificate.as_ref();
    let signing = target.signing_certificate.as_ref();
    let renamed = server.and_then(|server| server.renamed.as_ref());
    let user = match &target.user {
        Some(user) if user.is_root => None,
        Some(user) => Some(user.name.clone()),
        None => default.user,
    };
    let moved = renamed.is_none_or(|new| new.path.is_some());
    let path = server.and_then(|one| one.path.clone()).or(default.path);
    let can_use_key = caller.has_long_term_key() || caller.kind == caller::Kind::Other;
    let key = caller.key.clone().filter(|_| can_use_key);
    let store = caller.identity_store.as_deref().and_then(|arn| arn.rsplit('/').next());
    let tags = server.map(|one| one.tags.iter().map(|(key, _)| key.clone()).collect());
    let tags = tags.filter(|keys: &Vec<_>| !keys.is_empty());
    let trail = target.trail.as_ref();
    let region = trail.and_then(|trail| trail.arn.as_deref()?.split(':').nth(3));
    let call = view.event.fields.call();
    let or = |name: Option<String>, default: String| name.unwrap_or(default);
    // IAM's policies have no fractions of a second.
    let read = view.event.seen.replace_nanosecond(0).ok().and_then(date::rfc3339);
    Names {
        done: call.succeeded().then(|| call.name.to_owned()),
        status: signing.and_then(|one| one.status.clone()),
        user,
        certificate_id: or(signing.and_then(|one| one.id.clone()), default.certificate_id),
        server_certificate: or(server.map(|one| one.name.clone()), default.server_certificate),
        server_certificate_id: or(
            server.and_then(|one| one.id.clone()),
            default.server_certificate_id,
        ),
        server_certificate_arn: or(
            server.and_then(|one| one.arn.clone()),
            default.server_certificate_arn,
        ),
        path: path.filter(|_| moved),
        new_name: or(renamed.map(|new| new.name.clone()), default.new_name),
        new_arn: renamed.and_then(|new| new.arn.clone()),
        tags: tags.unwrap_or(default.tags),
        trail: or(trail.map(|trail| trail.name.clone()), default.trail),
        trail_region: or(region.map(str::to_owned), default.trail_region),
        caller_kind: caller.kind,
        caller: or(caller.command_name().map(str::to_owned), default.caller),
        caller_account: or(caller.account.clone(), default.caller_account),
        identity_store: or(store.map(str::to_owned), default.identity_store),
        key: or(key, default.key),
        read: or(read, default.read),
        account: or(target.account.clone(), default.account),
        partition: target.partition.clone(),
    }
}
