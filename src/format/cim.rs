//! Splunk's Common Information Model, data model Change: one flat object of strings and lists.
//! Source: the model's own file in `pytest-splunk-addon` and the CIM manual, "Change".

use std::collections::BTreeSet;

use serde_json::Value;

use super::object::{Object, array};
use super::{credential_report, unmapped};
use crate::event::CallOutcome;
use crate::event::certificate;
use crate::event::client::SourceAddress;
use crate::event::credential_report::CredentialFacts;
use crate::event::date::rfc3339;
use crate::event::json::Node;
use crate::event::view::View;

/// Returns the event as a flat object. Leaves that the model has no field for have their CloudTrail
/// name after `cloudtrail.`.
pub(super) fn object(view: &View<'_>) -> Value {
    let object = findings(change(Object::default(), view), view);
    let object = uploaded_certificate(actor(target(object, view), view), view);
    let object = enrichment(object, view);
    let mut members = match Value::from(object) {
        Value::Object(members) => members,
        _ => serde_json::Map::new(),
    };
    for (name, value) in unmapped::members(view, "cloudtrail") {
        members.entry(name).or_insert(value);
    }
    Value::Object(members)
}

/// Returns the CIM `action` of an operation, a documented value of the model.
#[must_use]
pub fn action(operation: &str) -> &'static str {
    let actions = [
        ("created", "Upload Create Import Request Generate"),
        ("deleted", "Delete Remove"),
        ("read", "Get List Describe Lookup Head"),
        ("stopped", "Stop"),
        ("started", "Start"),
    ];
    let starts = |verbs: &str| verbs.split(' ').any(|verb| operation.starts_with(verb));
    actions.iter().find(|(_, verbs)| starts(verbs)).map_or("modified", |(action, _)| action)
}

fn change(object: Object, view: &View<'_>) -> Object {
    let (root, event) = (view.root, view.event);
    let fields = &event.fields;
    if root.text("eventID") == Some(&event.id) {
        root.take_text("eventID");
    }
    let failed = fields.outcome == CallOutcome::Failure;
    let time = root.take_text("eventTime");
    let result = root.take_text("errorMessage").or(root.text("errorCode"));
    let code = root.take_text("errorCode");
    root.take_text("eventName");
    root.take_text("eventSource");
    root.take_text("recipientAccountId");
    object
        .with("time", rfc3339(view.event.time()))
        .with("event_time", time)
        .set("event_id", event.id.as_str())
        .set("message", view.message())
        .set("action", action(&fields.name))
        .set("change_type", "AAA")
        .set("command", fields.name.as_str())
        .set("signature", fields.name.as_str())
        .set("status", fields.outcome.as_str())
        .with("result", result.or(failed.then_some("failure")))
        .with("result_id", code)
        .with("reason", code)
        .set("dest", fields.source.as_str())
        .set("app", fields.source.as_str())
        .set("dvc", fields.source.as_str())
        .set("vendor_product", "AWS CloudTrail")
        .with("vendor_region", root.take_text("awsRegion"))
        .with("vendor_account", fields.account.as_deref())
        .with("user_agent", root.take_text("userAgent"))
        .set("origin", event.origin.to_string())
        .set("channel", event.channel.as_str())
}

/// Adds `object*` and `tag`: what the call acts on. Signing certificates are a user's, and such an
/// event also belongs to Account Management.
fn target(object: Object, view: &View<'_>) -> Object {
    let target = view.target;
    let is_account = target.signing_certificate.is_some() || target.user.is_some();
    let tags: &[&str] = if is_account { &["change", "account"] } else { &["change"] };
    let user = target.user.as_ref();
    let certificate = target.server_certificate.as_ref();
    let trail = target.trail.as_ref();
    let logged = view.root.get("resources").and_then(|list| list.items().first());
    let id = target.signing_certificate.as_ref().and_then(|one| one.id.as_deref());
    let id = id
        .or(certificate.and_then(|one| one.arn.as_deref()))
        .or(user.and_then(|one| one.arn.as_deref()))
        .or(trail.and_then(|one| one.arn.as_deref()))
        .or(logged.and_then(|one| one.text("ARN")));
    let name = user.map(|one| one.name.as_str()).or(certificate.map(|one| one.name.as_str()));
    let name = name.or(trail.map(|one| one.name.as_str())).or(id);
    let path = certificate.and_then(|one| one.path.as_deref());
    let object = object
        .set("tag", Value::from(tags))
        .set("object_category", category(view, is_account))
        .set("object", name.unwrap_or("unknown"))
        .set("object_id", id.or(name).unwrap_or("unknown"))
        .with("object_path", path)
        .set("object_attrs", attributes(view))
        .with("target_from_message", target.from_message.then_some("true"));
    let new = certificate.and_then(|one| one.renamed.as_ref());
    let in_use = certificate.filter(|one| one.in_use_by.is_some());
    object
        .with("certificate_id", in_use.and_then(|one| one.id.as_deref()))
        .with("in_use_by", in_use.and_then(|one| one.in_use_by.as_deref()))
        .with("derived_fields", in_use.map(|_| vec!["certificate_id", "in_use_by"]))
        .with("new_object", new.map(|new| new.name.as_str()))
        .with("new_object_id", new.and_then(|new| new.arn.as_deref()))
}

/// Returns the kind of the object; for a resource of the record the last word of its type.
fn category(view: &View<'_>, is_account: bool) -> String {
    let fields = &view.event.fields;
    let of_iam = fields.source == crate::config::IAM_EVENT_SOURCE;
    if is_account {
        return "user".to_owned();
    }
    if view.target.trail.is_some() {
        return "trail".to_owned();
    }
    if of_iam && fields.name.contains("Certificate") {
        return "certificate".to_owned();
    }
    let logged = view.root.get("resources").and_then(|list| list.items().first());
    let kind = logged.and_then(|one| one.text("type"));
    kind.and_then(|kind| kind.rsplit("::").next()).unwrap_or("unknown").to_lowercase()
}

/// Returns the request parameters as `name=value`, those with long values as `name`.
fn attributes(view: &View<'_>) -> Value {
    let parameters = view.root.at("requestParameters").map(Node::members);
    let changed = parameters.unwrap_or_default().iter().filter(|member| !member.node.is_empty());
    let changed = changed.map(|member| {
        let text =
            member.node.as_text().map_or_else(|| view.source_of(&member.node), str::to_owned);
        if text.len() > 200 { member.name.to_string() } else { format!("{}={text}", member.name) }
    });
    let changed: Vec<Value> = changed.take(50).map(Value::from).collect();
    array(changed).unwrap_or_else(|| "unknown".into())
}

fn actor(object: Object, view: &View<'_>) -> Object {
    let root = view.root;
    let (id, service) = (view.caller.id(), view.caller.service());
    let caller = view.caller.user_name().or(service).or(id).or(view.caller.account.as_deref());
    let caller = caller.unwrap_or("unknown");
    let target = view.target.user.as_ref();
    let kind = root.take_text("userIdentity.type");
    // `user` is the target, if there is one; its type and id are then not the caller's.
    let own = target.is_none().then_some(());
    if id == root.text("userIdentity.arn") {
        root.take_text("userIdentity.arn");
    }
    if root.text("userIdentity.userName") == Some(caller) {
        root.take_text("userIdentity.userName");
    }
    let text = root.text("sourceIPAddress");
    let ip = text.and_then(|text| SourceAddress::parse(text).ip).map(|ip| ip.to_string());
    let source = ip.as_deref().or(text);
    if source == text {
        root.take_text("sourceIPAddress");
    }
    object
        .set("user", target.map_or(caller, |user| user.name.as_str()))
        .set("src_user", caller)
        .with("src_user_type", kind)
        .with("user_type", own.and(kind))
        .with("src_user_id", id)
        .with("user_id", target.map_or(id, |user| user.arn.as_deref()))
        .with("src_service", service)
        .with("access_key_id", root.take_text("userIdentity.accessKeyId"))
        .with("src_account", root.take_text("userIdentity.accountId"))
        .with("mfa", view.caller.mfa.map(|mfa| mfa.to_string()))
        .set("src", source.unwrap_or("unknown"))
        .with("src_ip", ip.as_deref())
}

fn findings(object: Object, view: &View<'_>) -> Object {
    let fields = &view.event.fields;
    let list = |items: Vec<String>| array(items.into_iter().map(Value::from).collect());
    let attack = fields.findings.iter().flat_map(|finding| finding.attack);
    let mut attack: Vec<_> = attack.map(|technique| technique.id.to_owned()).collect();
    attack.sort_unstable();
    attack.dedup();
    let reasons = fields.findings.iter().flat_map(|one| one.severity_reasons.clone());
    let reasons: BTreeSet<String> = reasons.collect();
    object
        .set("severity", fields.severity.as_str())
        .set("severity_id", fields.severity.id().to_string())
        .with("finding", list(fields.findings.iter().map(|one| one.rule.id.to_owned()).collect()))
        .with(
            "finding_reason",
            list(fields.findings.iter().map(|one| one.reason.clone()).collect()),
        )
        .with("severity_reasons", list(reasons.into_iter().collect()))
        .with("mitre_technique_id", list(attack))
        .with("redacted", list(view.redactions.iter().map(|one| one.path.clone()).collect()))
}

/// Adds account, labels and credential reports.
fn enrichment(object: Object, view: &View<'_>) -> Object {
    let event = view.event;
    let known = event.account.as_deref();
    let mut object = object
        .with("vendor_account_name", known.and_then(|account| account.name.as_deref()))
        .with("vendor_account_ou", known.and_then(|account| account.ou.as_deref()));
    for (name, value) in event.labels() {
        object = object.with(&format!("label_{name}"), Some(value));
    }
    let reported = &event.credential_report;
    for (prefix, of) in [("caller", &reported.caller), ("target", &reported.target)] {
        let Some(of) = of else { continue };
        let facts = CredentialFacts::new(of, event.time());
        object = credential_report::flat(&facts, prefix, object);
    }
    object
}

fn uploaded_certificate(object: Object, view: &View<'_>) -> Object {
    let Some(found) = certificate::body(view.certificates) else { return object };
    let object = object.with("certificate_pem_sha256", found.sha256.as_deref());
    let certificate = match found.chain.certificates.first() {
        Some(Ok(certificate)) => certificate,
        Some(Err(error)) => return object.set("certificate_parse_error", error.as_str()),
        None => return object,
    };
    let bits = certificate.key_bits.map(|bits| format!(" {bits}")).unwrap_or_default();
    let flags =
        certificate.flags(view.event.time()).into_iter().map(|flag| Value::from(flag.as_str()));
    object
        .set("certificate_subject", certificate.subject.as_str())
        .set("certificate_issuer", certificate.issuer.as_str())
        .set("certificate_serial", certificate.serial.as_str())
        .with("certificate_not_before", certificate.not_before.and_then(rfc3339))
        .with("certificate_not_after", certificate.not_after.and_then(rfc3339))
        .set("certificate_key", format!("{}{bits}", certificate.key_type))
        .set("certificate_signature", certificate.signature.as_str())
        .set("certificate_sha256", certificate.sha256.as_str())
        .set("certificate_sha1", certificate.sha1.as_str())
        .with(
            "certificate_names",
            array(certificate.names.iter().map(|(_, name)| name.as_str().into()).collect()),
        )
        .with("certificate_flags", array(flags.collect()))
}
