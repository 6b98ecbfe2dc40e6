//! One event in words, for a person: what happened, to what, by whom, how bad, and what to do.

use super::catalogue;
use super::certificate::{Certificate, Found};
use super::finding::Finding;
use super::format::{View, with_view};
use super::posture::{self, Facts};
use super::visible::visible;
use super::{Event, Names, date};

/// The event for a person. Every value of the record is shown with its control and bidirectional
/// characters spelled out.
#[must_use]
pub fn explain(event: &Event) -> String {
    with_view(event, |view| {
        let mut page = Page::default();
        what(view, &mut page);
        actor(view, &mut page);
        target(view, &mut page);
        beside(view, &mut page);
        certificates(view, &mut page);
        findings(view, &mut page);
        page.line("evidence", &format!("{} (event {})", event.origin, event.id));
        page.text
    })
}

pub(super) fn names(event: &Event) -> Names {
    with_view(event, Names::of)
}

/// Lines with a label on the left.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, label: &str, value: &str) {
        self.text.push_str(&format!("{label:<13}{}\n", visible(value)));
    }

    fn more(&mut self, value: &str) {
        self.line("", value);
    }
}

fn what(view: &View<'_>, page: &mut Page) {
    let fields = &view.event.fields;
    page.line("event", &view.message());
    match catalogue::find(&fields.source, &fields.name) {
        Some(operation) => {
            page.line("ours", "yes: one of the twelve operations on IAM certificates");
            let worked = fields.outcome == super::CallOutcome::Success;
            page.line(if worked { "meaning" } else { "would mean" }, operation.means);
        }
        None => page.line("ours", "not one of the twelve operations on IAM certificates"),
    }
    let unknown = || "unknown".to_owned();
    let when = fields.time.and_then(date::rfc3339).unwrap_or_else(unknown);
    let read = date::rfc3339(view.event.seen).unwrap_or_else(unknown);
    page.line("when", &format!("{when}, read {read}"));
    let text = |path: &str| view.root.text(path);
    let from = [text("sourceIPAddress"), text("userAgent"), text("tlsDetails.tlsVersion")];
    let from: Vec<_> = from.into_iter().flatten().collect();
    page.line("from", from.first().unwrap_or(&"unknown"));
    for part in from.iter().skip(1) {
        page.more(part);
    }
    if let Some(message) = text("errorMessage") {
        page.line("answer", message);
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
        None => "MFA: the record does not say",
    });
}

fn target(view: &View<'_>, page: &mut Page) {
    let target = view.target;
    let hint = if target.from_message { " (read out of the error message)" } else { "" };
    let phrase = target.phrase().unwrap_or_else(|| "the record does not name one".to_owned());
    page.line("target", &format!("{phrase}{hint}"));
    if let Some(arn) = target.arn() {
        page.more(&arn);
    }
    if let Some(certificate) = &target.server_certificate {
        if certificate.path.is_none() {
            page.more("the record does not state its path; the ARN assumes /");
        }
        if let Some(new) = &certificate.renamed {
            page.more(&format!("becomes {}", new.arn.as_ref().unwrap_or(&new.name)));
        }
    }
}

/// What is known beside the record.
fn beside(view: &View<'_>, page: &mut Page) {
    let event = view.event;
    if let Some(account) = &event.account {
        let parts = [Some(account.id.as_str()), account.name.as_deref(), account.ou.as_deref()];
        page.line("account", &parts.into_iter().flatten().collect::<Vec<_>>().join(", "));
    }
    for (at, (name, value)) in event.labels().into_iter().enumerate() {
        page.line(if at == 0 { "labels" } else { "" }, &format!("{name}: {value}"));
    }
    let posture = &event.posture;
    for (label, of) in [("caller has", &posture.caller), ("target has", &posture.target)] {
        if let Some(of) = of {
            page.line(label, &posture::sentence(&Facts::new(of, view.time())));
        }
    }
}

fn certificates(view: &View<'_>, page: &mut Page) {
    for found in view.certificates {
        for one in &found.chain.certificates {
            match one {
                Ok(certificate) => facts(view, found, certificate, page),
                Err(error) => page.line("certificate", &format!("cannot be read: {error}")),
            }
        }
        if found.chain.certificates.is_empty() {
            page.line("certificate", "no PEM in it");
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
    let flags = certificate.flags(view.time());
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
    let names = Names::of(view);
    let mut told = Vec::new();
    for finding in &fields.findings {
        one_finding(finding, page);
        for remedy in finding.remedies {
            if !told.contains(remedy) {
                told.push(*remedy);
            }
        }
    }
    for remedy in told {
        let advice = remedy.advice(&names);
        page.line("to do", advice.title);
        page.more(&format!("mind: {}", advice.mind));
        page.more(&format!("console: {}", advice.console));
        for line in advice.command_lines() {
            page.more(&format!("$ {line}"));
            if visible(&line) != line {
                page.more("  (a name in it has characters that are shown spelled out: take it from the payload)");
            }
        }
        for (word, meaning) in advice.to_fill_in() {
            page.more(&format!("{word}: {meaning}"));
        }
    }
}

fn one_finding(finding: &Finding, page: &mut Page) {
    page.line("finding", &format!("{}: {}", finding.severity.as_str(), finding.rule.title));
    page.more(&finding.reason);
    finding.because.iter().for_each(|error| page.more(error));
    let attack: Vec<_> =
        finding.attack.iter().map(|one| format!("{} {}", one.id, one.name)).collect();
    if !attack.is_empty() {
        page.more(&format!("ATT&CK {}", attack.join(", ")));
    }
}
