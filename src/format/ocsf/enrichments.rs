//! What certrelay adds to the record in OCSF: severity and findings, certificates, redactions and
//! credential reports.

use serde_json::Value;

use super::objects::{instant, observable};
use crate::event::certificate::{self, Certificate, Found};
use crate::event::credential_report::CredentialFacts;
use crate::event::redact::{Reason, Redaction};
use crate::event::view::View;
use crate::event::{Finding, Severity, Technique};
use crate::format::credential_report::nested;
use crate::format::object::{Object, array};

/// Returns what certrelay adds to the record: redactions, certificates, findings, credential
/// reports.
pub(super) fn list(view: &View<'_>) -> Vec<Value> {
    let redactions = view.redactions.iter().map(|one| redaction(view, one));
    let findings = view.event.fields.findings.iter().map(|one| finding(view, one));
    redactions.chain(findings).chain(credential_reports(view)).collect()
}

/// Returns an enrichment for the credential report of the caller, and for that of the user acted
/// on.
fn credential_reports(view: &View<'_>) -> impl Iterator<Item = Value> {
    let reported = &view.event.credential_report;
    let both = [("actor.user.uid", &reported.caller), ("resources[].uid", &reported.target)];
    both.into_iter().filter_map(|(name, of)| {
        let of = of.as_ref()?;
        Object::default()
            .set("name", name)
            .set("value", of.arn.as_str())
            .set("type", "credential-report")
            .set("provider", "AWS IAM")
            .set("data", nested(&CredentialFacts::new(of, view.event.time())))
            .some()
    })
}

/// Returns the certificate that the call uploads.
pub(super) fn certificate(view: &View<'_>) -> Option<Object> {
    let leaf = certificate::body(view.certificates)?.chain.leaf()?;
    Some(certificate_object(view, leaf))
}

/// Returns the certificate's fingerprint and serial number, for searches.
pub(super) fn observables(view: &View<'_>) -> Vec<Value> {
    let body = certificate::body(view.certificates);
    let Some(leaf) = body.and_then(|found| found.chain.leaf()) else { return Vec::new() };
    let (sha256, serial) = (Value::from(leaf.sha256.as_str()), Value::from(leaf.serial.as_str()));
    let at = |name: &str| format!("enrichments[].data.certificates[].{name}");
    [
        observable(&at("fingerprints[].value"), 30, "Fingerprint", Some(&sha256)),
        observable(&at("serial_number"), 37, "Serial Number", Some(&serial)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns one certificate with the member names of OCSF's object `certificate`. The class has no
/// attribute for it, so it is in `data` of the resource and of the enrichment.
fn certificate_object(view: &View<'_>, certificate: &Certificate) -> Object {
    let names = certificate
        .names
        .iter()
        .map(|(kind, name)| Object::default().set("type", *kind).set("name", name.as_str()).into());
    let flags =
        certificate.flags(view.event.time()).into_iter().map(|flag| Value::from(flag.as_str()));
    let fingerprint = |id: u64, name: &str, value: &str| -> Value {
        Object::default().set("algorithm_id", id).set("algorithm", name).set("value", value).into()
    };
    let fingerprints = vec![
        fingerprint(3, "SHA-256", &certificate.sha256),
        fingerprint(2, "SHA-1", &certificate.sha1),
    ];
    let object = Object::default()
        .set("subject", certificate.subject.as_str())
        .set("issuer", certificate.issuer.as_str())
        .set("serial_number", certificate.serial.as_str())
        .set("version", certificate.version.to_string())
        .with("sans", array(names.collect()))
        .with("sans_not_shown", (certificate.more_names > 0).then_some(certificate.more_names))
        .set("key_type", certificate.key_type.as_str())
        .with("key_bits", certificate.key_bits)
        .set("signature_algorithm", certificate.signature.as_str())
        .set("fingerprints", Value::from(fingerprints))
        .set("is_self_signed", certificate.self_signed)
        .set("is_ca", certificate.is_authority)
        .with("flags", array(flags.collect()));
    let object = instant(object, "created_time", certificate.not_before);
    instant(object, "expiration_time", certificate.not_after)
}

/// Returns the enrichment for a span that was redacted, or kept by `privacy.keep_pem`.
fn redaction(view: &View<'_>, redaction: &Redaction) -> Value {
    let kept = view.event.options.keep_pem && redaction.reason == Reason::Certificate;
    let facts = view.certificates.iter().find(|found| found.paths.first() == Some(&redaction.path));
    let shown = view.root.text(&redaction.path);
    let characters = Some(redaction.characters).filter(|_| redaction.reason == Reason::Certificate);
    let data = Object::default()
        .set("reason", redaction.reason.as_str())
        .set("path", redaction.path.as_str())
        .with("sha256", redaction.sha256.as_deref())
        .with("characters", characters)
        .with("certificates", facts.and_then(|found| certificates(view, found)))
        .with("count", facts.map(|found| found.chain.count))
        .with("is_ordered", facts.and_then(|found| found.chain.is_ordered()))
        .with("ends_in_root", facts.and_then(|found| found.chain.ends_in_root()));
    Object::default()
        .set("name", attribute(&redaction.path))
        .set("value", if kept { "kept" } else { shown.unwrap_or("redacted") })
        .set("type", "redaction")
        .set("provider", "certrelay")
        .set("data", data)
        .into()
}

/// Returns the attribute that has the value at this path of the record.
fn attribute(path: &str) -> String {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    match first {
        "requestParameters" => format!("api.request.data.{rest}"),
        "responseElements" => format!("api.response.data.{rest}"),
        "errorMessage" => "status_detail".to_owned(),
        _ => "unmapped".to_owned(),
    }
}

/// Returns the certificates of one text, or why one cannot be parsed.
fn certificates(view: &View<'_>, found: &Found) -> Option<Value> {
    let all = found.chain.certificates.iter().map(|one| match one {
        Ok(certificate) => certificate_object(view, certificate).into(),
        Err(error) => Object::default().set("x509_parse_error", error.as_str()).into(),
    });
    array(all.collect())
}

/// ATT&CK release of the names.
const ATTACK_VERSION: &str = "18.1";

/// Adds the severity and, if there are findings, the attributes of the profile `security_control`.
pub(super) fn add_severity(object: Object, view: &View<'_>) -> Object {
    let fields = &view.event.fields;
    let risk = fields.severity.id().saturating_sub(1).min(4);
    let captions = ["Informational", "Low", "Medium", "High", "Critical"];
    let object = object
        .set("severity_id", fields.severity.id())
        .set("severity", captions[usize::from(risk)]);
    if fields.findings.is_empty() {
        return object;
    }
    let reasons: Vec<_> = fields.findings.iter().map(|finding| finding.reason.as_str()).collect();
    let mut techniques: Vec<&Technique> = Vec::new();
    for technique in fields.findings.iter().flat_map(|finding| finding.attack) {
        if !techniques.contains(&technique) {
            techniques.push(technique);
        }
    }
    object
        .set("is_alert", fields.severity >= Severity::Medium)
        .set("risk_level_id", risk)
        .set("risk_level", ["Info", "Low", "Medium", "High", "Critical"][usize::from(risk)])
        .set("risk_details", reasons.join("; "))
        .with("attacks", array(techniques.into_iter().map(attack).collect()))
}

fn attack(technique: &Technique) -> Value {
    let named = |id: &str, name: &str| Object::default().set("uid", id).set("name", name);
    let tactic = named(technique.tactic_id, technique.tactic);
    let object = Object::default().set("version", ATTACK_VERSION).set("tactic", tactic);
    let (id, name) = technique.above();
    let below = technique.parent.map(|_| named(technique.id, technique.name));
    object.set("technique", named(id, name)).with("sub_technique", below).into()
}

/// Returns the enrichment for a finding: its reason, what changed its severity, and references. It
/// pertains to the operation.
fn finding(view: &View<'_>, finding: &Finding) -> Value {
    let reasons = finding.severity_reasons.iter().map(|reason| Value::from(reason.as_str()));
    let data = Object::default()
        .set("id", finding.rule.id)
        .set("title", finding.rule.title)
        .set("severity", finding.severity.as_str())
        .set("reason", finding.reason.as_str())
        .with("severity_reasons", array(reasons.collect()))
        .set("references", Value::from(finding.rule.references));
    Object::default()
        .set("name", "api.operation")
        .set("value", view.event.fields.name.as_str())
        .set("type", "finding")
        .set("provider", "certrelay")
        .set("data", data)
        .into()
}
