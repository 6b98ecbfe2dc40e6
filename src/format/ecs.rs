//! Elastic Common Schema 9.x with the layout of Elastic's own CloudTrail integration, so that
//! existing rules and dashboards find their fields. Values without an ECS field are under `aws.`.
//! Source: elastic/integrations, `packages/aws/data_stream/cloudtrail`; ECS 9.5.0.

use std::sync::Arc;

use serde_json::Value;

use super::object::{Object, Tree, array};
use super::{credential_report, unmapped};
use crate::event::client::{SourceAddress, is_placeholder, tls_version};
use crate::event::credential_report::CredentialFacts;
use crate::event::date::rfc3339;
use crate::event::json::{self, Node};
use crate::event::target::Target;
use crate::event::view::View;
use crate::event::{Channel, Credentials, Severity, Technique, certificate};

/// Longest text in bytes that Elasticsearch's types `flattened` and `keyword` index.
const MAX_TEXT: usize = 32_766;

/// Returns the event as an ECS document.
pub(super) fn object(view: &View<'_>) -> Value {
    let mut tree = Tree::default();
    event(view, &mut tree);
    users(view, &mut tree);
    network(view, &mut tree);
    cloudtrail(view, &mut tree);
    parameters(view, &mut tree);
    findings(view, &mut tree);
    certificates(view, &mut tree);
    enrichment(view, &mut tree);
    tree.put("aws.cloudtrail.unmapped", unmapped::object(view));
    tree.into()
}

fn texts<'t>(items: impl IntoIterator<Item = Option<&'t str>>) -> Option<Value> {
    let mut texts: Vec<&str> = items.into_iter().flatten().collect();
    texts.sort_unstable();
    texts.dedup();
    array(texts.into_iter().map(Value::from).collect())
}

/// Adds ids and names of ATT&CK at `path`, each pair once and at the same index in both lists.
fn pairs<'p>(path: &str, items: impl Iterator<Item = (&'p str, &'p str)>, tree: &mut Tree) {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for pair in items {
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    tree.put(&format!("{path}.id"), array(pairs.iter().map(|(id, _)| (*id).into()).collect()));
    tree.put(
        &format!("{path}.name"),
        array(pairs.iter().map(|(_, name)| (*name).into()).collect()),
    );
}

fn event(view: &View<'_>, tree: &mut Tree) {
    let (root, event) = (view.root, view.event);
    let time = root.take_text("eventTime");
    let is_shown = event.fields.time.and_then(rfc3339).as_deref() == time;
    tree.put("aws.cloudtrail.event_time", time.filter(|_| !is_shown));
    if root.text("eventID") == Some(&event.id) {
        root.take_text("eventID");
    }
    let alert = event.fields.severity >= Severity::Medium;
    tree.put("@timestamp", rfc3339(view.event.time()));
    tree.put("ecs.version", Some("9.5.0"));
    tree.put("message", Some(view.message()));
    tree.put("event.kind", Some(if alert { "alert" } else { "event" }));
    tree.put("event.module", Some("aws"));
    tree.put("event.dataset", Some("aws.cloudtrail"));
    tree.put("event.provider", root.take_text("eventSource"));
    tree.put("event.action", root.take_text("eventName"));
    tree.put("event.id", Some(event.id.as_str()));
    tree.put("event.outcome", Some(event.fields.outcome.as_str()));
    tree.put("event.created", rfc3339(event.seen));
    tree.put("event.severity", Some(event.fields.severity.id()));
    let (category, kinds) = category(&event.fields.name);
    tree.put("event.category", category.map(|category| vec![category]));
    tree.put("event.type", Some(kinds));
    tree.put("log.file.path", Some(event.origin.to_string()));
    tree.put("error.code", root.text("errorCode"));
    tree.put("error.message", root.text("errorMessage"));
    tree.put("tags", (event.channel == Channel::EventBridge).then(|| vec!["channel:eventbridge"]));
}

/// Returns `event.category` and `event.type` of an operation. Elastic's table has none of the
/// twelve; these follow similar operations (access keys, SSH keys, key pairs).
#[must_use]
pub fn category(operation: &str) -> (Option<&'static str>, Vec<&'static str>) {
    let kinds = match operation {
        "UploadSigningCertificate" | "UpdateSigningCertificate" | "DeleteSigningCertificate" => {
            ["user", "change"]
        }
        "ListSigningCertificates" => ["user", "info"],
        "UploadServerCertificate" => ["admin", "creation"],
        "UpdateServerCertificate" | "TagServerCertificate" | "UntagServerCertificate" => {
            ["admin", "change"]
        }
        "DeleteServerCertificate" => ["admin", "deletion"],
        "GetServerCertificate" | "ListServerCertificates" | "ListServerCertificateTags" => {
            ["admin", "info"]
        }
        "DeleteTrail" => return (Some("configuration"), vec!["deletion"]),
        "StopLogging" | "UpdateTrail" | "PutEventSelectors" => {
            return (Some("configuration"), vec!["change"]);
        }
        _ => return (None, vec!["info"]),
    };
    (Some("iam"), kinds.to_vec())
}

/// `user.name` is the role's if a role called, because rules group by it. The ids of caller and
/// target are ARNs. A service that called is no user.
fn users(view: &View<'_>, tree: &mut Tree) {
    let identity = |path: &str| view.root.text(&format!("userIdentity.{path}"));
    let target = view.target.user.as_ref();
    let own = view.caller.user_name();
    tree.put("user.id", view.caller.id());
    tree.put("user.name", own);
    tree.put("service.origin.name", view.caller.service());
    tree.put("user.target.name", target.map(|user| user.name.as_str()));
    tree.put("user.target.id", target.and_then(|user| user.arn.as_deref()));
    tree.put("related.user", texts([own, target.map(|user| user.name.as_str())]));
    let certificate = view.target.server_certificate.as_ref();
    tree.put(
        "related.entity",
        texts([
            identity("arn"),
            identity("principalId"),
            identity("sessionContext.sessionIssuer.arn"),
            certificate.and_then(|certificate| certificate.arn.as_deref()),
            certificate
                .and_then(|certificate| certificate.in_use_by.as_deref())
                .filter(|user| user.starts_with("arn:")),
            target.and_then(|user| user.arn.as_deref()),
            view.target.trail.as_ref().and_then(|trail| trail.arn.as_deref()),
        ]),
    );
}

fn network(view: &View<'_>, tree: &mut Tree) {
    let root = view.root;
    let source = root.take_text("sourceIPAddress");
    let SourceAddress { ip, port, others } = source.map(SourceAddress::parse).unwrap_or_default();
    let ips: Vec<String> = ip.iter().chain(&others).map(ToString::to_string).collect();
    let is_host = |source: &&str| ip.is_none() && source.contains('.') && !source.contains(' ');
    tree.put("source.address", source);
    tree.put("source.ip", ips.first().map(String::as_str));
    tree.put("source.port", port);
    tree.put("source.domain", source.filter(is_host));
    tree.put("related.ip", texts(ips.iter().map(|ip| Some(ip.as_str()))));
    tree.put("user_agent.original", root.take_text("userAgent"));
    tree.put("cloud.provider", Some("aws"));
    tree.put("cloud.region", root.take_text("awsRegion"));
    tree.put("cloud.account.id", account(view));
    tls(root, tree);
}

/// What states nothing stays where it is, in `unmapped`.
fn tls(root: &Node<'_>, tree: &mut Tree) {
    let text = root.text("tlsDetails.tlsVersion");
    if let Some((protocol, version)) = text.and_then(tls_version) {
        tree.put("tls.version_protocol", Some(protocol));
        tree.put("tls.version", Some(version));
        if text == Some(&format!("{}v{version}", protocol.to_ascii_uppercase())) {
            root.take_text("tlsDetails.tlsVersion");
        }
    }
    for (field, name) in
        [("cipher", "cipherSuite"), ("client.server_name", "clientProvidedHostHeader")]
    {
        let path = format!("tlsDetails.{name}");
        if root.text(&path).is_some_and(|value| !is_placeholder(name, value)) {
            tree.put(&format!("tls.{field}"), root.take_text(&path));
        }
    }
}

/// Texts that Elastic has under `aws.cloudtrail`, by its names.
const TEXTS: [(&str, &str); 20] = [
    ("event_version", "eventVersion"),
    ("event_type", "eventType"),
    ("event_category", "eventCategory"),
    ("error_code", "errorCode"),
    ("error_message", "errorMessage"),
    ("request_id", "requestID"),
    ("recipient_account_id", "recipientAccountId"),
    ("api_version", "apiVersion"),
    ("shared_event_id", "sharedEventID"),
    ("vpc_endpoint_id", "vpcEndpointId"),
    ("user_identity.type", "userIdentity.type"),
    ("user_identity.arn", "userIdentity.arn"),
    ("user_identity.principal_id", "userIdentity.principalId"),
    ("user_identity.account_id", "userIdentity.accountId"),
    ("user_identity.user_name", "userIdentity.userName"),
    ("user_identity.access_key_id", "userIdentity.accessKeyId"),
    ("user_identity.invoked_by", "userIdentity.invokedBy"),
    (
        "user_identity.session_context.creation_date",
        "userIdentity.sessionContext.attributes.creationDate",
    ),
    (
        "user_identity.session_context.mfa_authenticated",
        "userIdentity.sessionContext.attributes.mfaAuthenticated",
    ),
    ("session_credential_from_console", "sessionCredentialFromConsole"),
];

/// Members of the session's issuer that Elastic has.
const ISSUER: [(&str, &str); 5] = [
    ("type", "type"),
    ("principal_id", "principalId"),
    ("arn", "arn"),
    ("account_id", "accountId"),
    ("user_name", "userName"),
];

fn cloudtrail(view: &View<'_>, tree: &mut Tree) {
    let root = view.root;
    for (field, path) in TEXTS {
        tree.put(&format!("aws.cloudtrail.{field}"), root.take_text(path));
    }
    for (field, path) in ISSUER {
        let value = root.take_text(&format!("userIdentity.sessionContext.sessionIssuer.{path}"));
        let field = format!("aws.cloudtrail.user_identity.session_context.session_issuer.{field}");
        tree.put(&field, value);
    }
    tree.put("aws.cloudtrail.read_only", root.take_flag("readOnly"));
    tree.put("aws.cloudtrail.management_event", root.take_flag("managementEvent"));
}

/// Parameters as text, and as an object for the type `flattened`: its leaves are strings, which
/// also preserves the digits of numbers.
fn parameters(view: &View<'_>, tree: &mut Tree) {
    for (field, path) in [
        ("request_parameters", "requestParameters"),
        ("response_elements", "responseElements"),
        ("additional_eventdata", "additionalEventData"),
    ] {
        let node = view.root.at(path).filter(|node| !node.is_empty());
        let flat = node
            .filter(|node| !node.members().is_empty() && node.span.len() < MAX_TEXT)
            .map(flattened);
        tree.put(&format!("aws.cloudtrail.flattened.{field}"), flat);
        tree.put(&format!("aws.cloudtrail.{field}"), view.take_source(path));
    }
}

fn flattened(node: &Node<'_>) -> Value {
    match &node.value {
        json::Value::Null => Value::Null,
        json::Value::Bool(flag) => flag.to_string().into(),
        json::Value::Number(text) => (*text).into(),
        json::Value::Text(text) => text.as_ref().into(),
        json::Value::Array(items) => {
            items.iter().filter(|item| !item.is_empty()).map(flattened).collect()
        }
        json::Value::Object(members) => {
            let known = members.iter().filter(|member| !member.node.is_empty());
            Value::Object(
                known.map(|member| (member.name.to_string(), flattened(&member.node))).collect(),
            )
        }
    }
}

fn findings(view: &View<'_>, tree: &mut Tree) {
    let findings = &view.event.fields.findings;
    let Some(first) = findings.first() else { return };
    tree.put("event.reason", Some(first.reason.as_str()));
    tree.put("rule.id", Some(first.rule.id));
    tree.put("rule.name", Some(first.rule.title));
    tree.put("rule.ruleset", Some("certrelay"));
    let attack = || findings.iter().flat_map(|finding| finding.attack);
    if attack().next().is_some() {
        tree.put("threat.framework", Some("MITRE ATT&CK"));
    }
    let below = attack().filter(|one| one.parent.is_some());
    pairs("threat.tactic", attack().map(|one| (one.tactic_id, one.tactic)), tree);
    pairs("threat.technique", attack().map(Technique::above), tree);
    pairs("threat.technique.subtechnique", below.map(|one| (one.id, one.name)), tree);
    let all = findings.iter().map(|finding| {
        let reasons = finding.severity_reasons.iter().map(|reason| Some(reason.as_str()));
        Object::default()
            .set("id", finding.rule.id)
            .set("title", finding.rule.title)
            .set("severity", finding.severity.as_str())
            .set("reason", finding.reason.as_str())
            .with("severity_reasons", texts(reasons))
            .into()
    });
    tree.put("aws.iam.findings", array(all.collect()));
}

/// Returns the caller's account, as Elastic does; if it is unknown, the recipient's.
fn account<'v>(view: &View<'v>) -> Option<&'v str> {
    view.root.text("userIdentity.accountId").or(view.event.fields.account.as_deref())
}

/// Adds account, labels and credential reports. ECS has no organisational unit, so it is a label.
/// Name and unit belong to the recipient's account and are omitted if the id is another account's.
fn enrichment(view: &View<'_>, tree: &mut Tree) {
    let event = view.event;
    let id = account(view);
    let known = event.account.as_deref().filter(|known| id == Some(known.id.as_str()));
    tree.put("cloud.account.name", known.and_then(|account| account.name.as_deref()));
    tree.put("labels.ou", known.and_then(|account| account.ou.as_deref()));
    for (name, value) in event.labels() {
        tree.put(&format!("labels.{name}"), Some(value));
    }
    let facts = |of: &Option<Arc<Credentials>>| {
        let facts = CredentialFacts::new(of.as_deref()?, event.time());
        Some(credential_report::nested(&facts))
    };
    let reported = &event.credential_report;
    tree.put("aws.iam.credential_report.caller", facts(&reported.caller));
    tree.put("aws.iam.credential_report.target", facts(&reported.target));
}

/// Adds the certificate that the call acts on: a server certificate, or a signing certificate,
/// which has no name.
fn acted_on(target: &Target, tree: &mut Tree) {
    let (server, signing) =
        (target.server_certificate.as_ref(), target.signing_certificate.as_ref());
    let new = server.and_then(|server| server.renamed.as_ref());
    let id = server.and_then(|server| server.id.as_deref());
    let mut put =
        |name: &str, value: Option<&str>| tree.put(&format!("aws.iam.certificate.{name}"), value);
    put("id", id.or(signing.and_then(|signing| signing.id.as_deref())));
    put("name", server.map(|server| server.name.as_str()));
    put("path", server.and_then(|server| server.path.as_deref()));
    put("arn", server.and_then(|server| server.arn.as_deref()));
    put("new_name", new.map(|new| new.name.as_str()));
    put("new_path", new.and_then(|new| new.path.as_deref()));
    put("new_arn", new.and_then(|new| new.arn.as_deref()));
    put("status", signing.and_then(|signing| signing.status.as_deref()));
    let user = server.and_then(|server| server.in_use_by.as_deref());
    put("in_use_by", user);
    tree.put("aws.iam.certificate.derived_fields", user.map(|_| vec!["id", "in_use_by"]));
}

fn certificates(view: &View<'_>, tree: &mut Tree) {
    let redacted = view.redactions.iter().map(|redaction| Some(redaction.path.as_str()));
    tree.put("aws.iam.redacted", texts(redacted));
    acted_on(view.target, tree);
    let trail = view.target.trail.as_ref();
    tree.put("aws.cloudtrail.trail.name", trail.map(|trail| trail.name.as_str()));
    tree.put("aws.cloudtrail.trail.arn", trail.and_then(|trail| trail.arn.as_deref()));
    tree.put("aws.iam.target_from_message", view.target.from_message.then_some(true));
    let Some(found) = certificate::body(view.certificates) else { return };
    tree.put("aws.iam.certificate.pem_sha256", found.sha256.as_deref());
    let certificate = match found.chain.certificates.first() {
        Some(Ok(certificate)) => certificate,
        Some(Err(error)) => {
            return tree.put("aws.iam.certificate.x509_parse_error", Some(error.as_str()));
        }
        None => return,
    };
    let flags = certificate.flags(view.event.time());
    let mut put =
        |name: &str, value: Option<Value>| tree.put(&format!("aws.iam.certificate.{name}"), value);
    put("subject", Some(certificate.subject.as_str().into()));
    put("issuer", Some(certificate.issuer.as_str().into()));
    put("serial_number", Some(certificate.serial.as_str().into()));
    put("not_before", certificate.not_before.and_then(rfc3339).map(Value::from));
    put("not_after", certificate.not_after.and_then(rfc3339).map(Value::from));
    put("public_key_algorithm", Some(certificate.key_type.as_str().into()));
    put("public_key_size", certificate.key_bits.map(Value::from));
    put("signature_algorithm", Some(certificate.signature.as_str().into()));
    put("alternative_names", texts(certificate.names.iter().map(|(_, name)| Some(name.as_str()))));
    put("hash.sha256", Some(certificate.sha256.as_str().into()));
    put("hash.sha1", Some(certificate.sha1.as_str().into()));
    put("flags", texts(flags.iter().map(|flag| Some(flag.as_str()))));
}
