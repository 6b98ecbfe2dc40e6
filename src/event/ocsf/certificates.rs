//! Certificates in OCSF. The class has no attribute for them, so their facts stand in `data` of the
//! resource and of an enrichment, with the member names of OCSF's `certificate` object, to be lifted.

use serde_json::Value;

use super::super::certificate::{Certificate, Found};
use super::super::format::View;
use super::super::object::{Object, array};
use super::super::redact::{Reason, Redaction};
use super::{instant, observable};

/// The certificate that the call brought.
pub(super) fn body(view: &View<'_>) -> Option<Object> {
    let leaf = view.certificates.iter().find(|found| found.is_body())?.chain.leaf()?;
    Some(object(view, leaf))
}

/// What to search for elsewhere: the certificate's fingerprint and serial number.
pub(super) fn observables(view: &View<'_>) -> Vec<Value> {
    let body = view.certificates.iter().find(|found| found.is_body());
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

/// One certificate.
fn object(view: &View<'_>, certificate: &Certificate) -> Object {
    let names = certificate
        .names
        .iter()
        .map(|(kind, name)| Object::default().set("type", *kind).set("name", name.as_str()).into());
    let flags = certificate.flags(view.time()).into_iter().map(|flag| Value::from(flag.as_str()));
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

/// One enrichment for every span that was redacted, or kept because the operator wants it.
pub(super) fn enrichments(view: &View<'_>) -> Vec<Value> {
    view.redactions.iter().map(|redaction| enrichment(view, redaction)).collect()
}

fn enrichment(view: &View<'_>, redaction: &Redaction) -> Value {
    let kept = view.event.options.keep_pem && redaction.reason == Reason::Certificate;
    let facts = view.certificates.iter().find(|found| found.paths.first() == Some(&redaction.path));
    let data = Object::default().set("reason", redaction.reason.as_str());
    let data = match redaction.reason {
        Reason::PrivateKey => data,
        Reason::Certificate => data
            .with("sha256", redaction.sha256.as_deref())
            .set("characters", redaction.characters)
            .with("certificates", facts.and_then(|found| certificates(view, found)))
            .with("count", facts.map(|found| found.chain.count))
            .with("is_ordered", facts.and_then(|found| found.chain.is_ordered()))
            .with("ends_in_root", facts.and_then(|found| found.chain.ends_in_root())),
    };
    Object::default()
        .set("name", redaction.path.as_str())
        .set("value", if kept { "kept" } else { "redacted" })
        .set("type", "redaction")
        .set("provider", "certrelay")
        .set("data", data)
        .into()
}

/// The certificates of one text; of an unreadable one the reason.
fn certificates(view: &View<'_>, found: &Found) -> Option<Value> {
    let all = found.chain.certificates.iter().map(|one| match one {
        Ok(certificate) => object(view, certificate).into(),
        Err(error) => Object::default().set("x509_parse_error", error.as_str()).into(),
    });
    array(all.collect())
}
