//! Findings in OCSF: the event's severity, the profile `security_control`, and each finding's words.

use serde_json::Value;

use super::super::finding::{Finding, Severity, Technique};
use super::super::format::View;
use super::super::object::{Object, array};

/// ATT&CK release that the names are from.
const ATTACK_VERSION: &str = "18.1";

/// Severity, and with findings the profile's attributes.
pub(super) fn add(object: Object, view: &View<'_>) -> Object {
    let fields = &view.event.fields;
    let object =
        object.set("severity_id", fields.severity.id()).set("severity", caption(fields.severity));
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
    let risk = fields.severity.id().saturating_sub(1);
    object
        .set("is_alert", fields.severity >= Severity::Medium)
        .set("risk_level_id", risk)
        .set("risk_level", ["Info", "Low", "Medium", "High", "Critical"][usize::from(risk.min(4))])
        .set("risk_details", reasons.join("; "))
        .with("attacks", array(techniques.into_iter().map(attack).collect()))
}

fn caption(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "Informational",
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
        Severity::Critical => "Critical",
    }
}

fn attack(technique: &Technique) -> Value {
    let named = |id: &str, name: &str| Object::default().set("uid", id).set("name", name);
    let tactic = named(technique.tactic_id, technique.tactic);
    let object = Object::default().set("version", ATTACK_VERSION).set("tactic", tactic);
    let parent = technique.id.split('.').next().unwrap_or(technique.id);
    match technique.parent {
        None => object.set("technique", named(technique.id, technique.name)),
        Some(name) => object
            .set("technique", named(parent, name))
            .set("sub_technique", named(technique.id, technique.name)),
    }
    .into()
}

/// Each finding with its reason, what moved its severity, and what to read.
pub(super) fn enrichments(view: &View<'_>) -> Vec<Value> {
    view.event.fields.findings.iter().map(enrichment).collect()
}

fn enrichment(finding: &Finding) -> Value {
    let data = Object::default()
        .set("severity", finding.severity.as_str())
        .set("reason", finding.reason.as_str())
        .with(
            "because",
            array(finding.because.iter().map(|error| Value::from(error.as_str())).collect()),
        )
        .set("references", Value::from(finding.rule.references));
    Object::default()
        .set("name", finding.rule.id)
        .set("value", finding.rule.title)
        .set("type", "finding")
        .set("provider", "certrelay")
        .set("data", data)
        .into()
}
