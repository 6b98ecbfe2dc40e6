//! OCSF API Activity (class 6003), version 1.8.0 or 1.5.0, with the profiles `cloud` and
//! `datetime`, and `security_control` if there is a finding.
//!
//! The mapping follows AWS's own for CloudTrail where that is correct; docs/events.md lists the
//! differences: an upload is a Create, `status_id` is set, the target is derived. Leaves without an
//! attribute in the class are in `unmapped`, so that no leaf of the record is lost.
//! Source: <https://schema.ocsf.io/1.8.0/classes/api_activity>.

mod activity;
mod enrichments;
mod objects;

use serde_json::Value;

use self::activity::Activity;
use self::objects::{aws_account, credential, instant, is_old, observable};
use super::object::{Object, array};
use super::unmapped;
use crate::event::client::SourceAddress;
use crate::event::view::View;
use crate::event::{CallOutcome, Channel};

const CLASS: u64 = 6003;

/// Returns OCSF's `activity_id` and `activity_name` of an operation.
#[must_use]
pub fn activity(operation: &str) -> (u64, &'static str) {
    Activity::of(operation, None).id_and_name()
}

/// Returns the event as an OCSF object.
pub(super) fn object(view: &View<'_>) -> Value {
    let event = view.event;
    let activity = Activity::of(&event.fields.name, view.root.flag("readOnly"));
    let (activity_id, activity) = activity.id_and_name();
    let failed = event.fields.outcome == CallOutcome::Failure;
    let actor = objects::actor(view);
    let endpoint = endpoint(view);
    let resources = objects::resources(view);
    let observables = observables(view, &actor, &endpoint, &resources);
    let agent = Object::default().with("user_agent", view.root.take_text("userAgent"));
    let object = Object::default()
        .set("activity_id", activity_id)
        .set("activity_name", activity)
        .set("category_uid", CLASS / 1000)
        .set("category_name", "Application Activity")
        .set("class_uid", CLASS)
        .set("class_name", "API Activity")
        .set("type_uid", CLASS * 100 + activity_id)
        .set("type_name", format!("API Activity: {activity}"))
        .set("status_id", if failed { 2 } else { 1 })
        .set("status", if failed { "Failure" } else { "Success" })
        .with("status_code", view.root.take_text("errorCode"))
        .with("status_detail", view.root.take_text("errorMessage"))
        .set("message", view.message())
        .set("metadata", metadata(view))
        .set("cloud", cloud(view))
        .set("actor", actor)
        .set("api", api(view))
        .set("src_endpoint", endpoint)
        .with("http_request", agent.some())
        .with("resources", array(resources))
        .with("observables", array(observables))
        .with("enrichments", array(enrichments::list(view)));
    enrichments::add_severity(instant(object, "time", Some(view.event.time())), view)
        .with("unmapped", unmapped::object(view))
        .into()
}

fn metadata(view: &View<'_>) -> Object {
    let (event, root) = (view.event, view.root);
    let id = root.text("eventID").filter(|id| *id == event.id);
    id.and_then(|_| root.take_text("eventID"));
    let version = root.take_text("eventVersion");
    let feature = Object::default().with("name", root.take_text("eventCategory")).some();
    let found = !event.fields.findings.is_empty();
    let profiles = ["cloud", "datetime"].into_iter().chain(found.then_some("security_control"));
    let profiles: Vec<_> = profiles.collect();
    let origin = event.origin.to_string();
    let labels = [
        (event.channel == Channel::EventBridge).then(|| "channel:eventbridge".to_owned()),
        is_old(view).then(|| format!("origin:{origin}")),
    ];
    let product = Object::default()
        .set("name", "CloudTrail")
        .set("vendor_name", "AWS")
        .with("version", version)
        .with("feature", feature);
    let object = Object::default()
        .set("version", if is_old(view) { "1.5.0" } else { "1.8.0" })
        .set("profiles", Value::from(profiles))
        .set("uid", event.id.as_str())
        .with("original_event_uid", id.filter(|_| !is_old(view)))
        .with("event_code", root.take_text("eventType"))
        .with("correlation_uid", root.text("requestID"))
        .set("product", product)
        .set("log_name", "CloudTrail")
        .set("log_provider", "AWS CloudTrail")
        .with("log_version", version)
        .with("original_time", root.take_text("eventTime"))
        .with("source", (!is_old(view)).then_some("CloudTrail Events"))
        .with("log_source", (!is_old(view)).then_some(origin))
        .with("labels", array(labels.into_iter().flatten().map(Value::from).collect()))
        .with("tags", tags(view));
    let object = instant(object, "logged_time", event.delivered);
    instant(object, "processed_time", Some(event.seen))
}

fn cloud(view: &View<'_>) -> Object {
    view.root.take_text("recipientAccountId");
    let known = view.event.account.as_deref();
    let name = known.and_then(|account| account.name.as_deref());
    let account = view.event.fields.account.as_deref().map(aws_account);
    Object::default()
        .set("provider", "AWS")
        .with("region", view.root.take_text("awsRegion"))
        .with("account", account.map(|account| account.with("name", name)))
        .set("cloud_partition", view.target.partition.as_str())
}

/// Returns the labels, and the account's unit as one of them: `cloud.org` requires the
/// organisation, which is unknown.
fn tags(view: &View<'_>) -> Option<Value> {
    let known = view.event.account.as_deref();
    let unit = known.and_then(|account| Some(("ou", account.ou.as_deref()?)));
    let labels = view.event.labels().into_iter().chain(unit);
    let tag = |(name, value)| Object::default().set("name", name).set("value", value).into();
    array(labels.map(tag).collect())
}

fn api(view: &View<'_>) -> Object {
    let root = view.root;
    root.take_text("eventName");
    root.take_text("eventSource");
    let (id, data) = (root.take_text("requestID"), view.take_source("requestParameters"));
    // `request` requires `uid`: without a request id it is the event's id.
    let request = (id.is_some() || data.is_some())
        .then(|| Object::default().set("uid", id.unwrap_or(&view.event.id)).with("data", data));
    let response = Object::default()
        .with("error", root.text("errorCode"))
        .with("error_message", root.text("errorMessage"))
        .with("message", root.text("errorMessage"))
        .with("data", view.take_source("responseElements"))
        .some();
    Object::default()
        .set("operation", view.event.fields.name.as_str())
        .set("service", Object::default().set("name", view.event.fields.source.as_str()))
        .with("version", root.take_text("apiVersion"))
        .with("request", request)
        .with("response", response)
}

/// `sourceIPAddress` is an address, several (`a, b`), one with a port, a service's DNS name or
/// `AWS Internal`. A text that is not shown as it is stays in `unmapped`.
fn endpoint(view: &View<'_>) -> Object {
    let object = Object::default().with("uid", view.root.take_text("vpcEndpointId"));
    let Some(source) = view.root.text("sourceIPAddress") else {
        return if object.is_empty() { object.set("name", "unknown") } else { object };
    };
    let SourceAddress { ip, port, others } = SourceAddress::parse(source);
    let ip = ip.map(|ip| ip.to_string());
    if ip.as_deref().is_none_or(|ip| ip == source) {
        view.root.take_text("sourceIPAddress");
    }
    let name = match source {
        _ if ip.is_some() => None,
        _ if source.contains(".amazonaws.") || source == "AWS Internal" => Some("svc_name"),
        _ if source.contains('.') && !source.contains(' ') => Some("hostname"),
        _ => Some("name"),
    };
    let object = name.into_iter().fold(object, |object, name| object.set(name, source));
    let others = others.iter().map(|ip| ip.to_string().into()).collect();
    object.with("ip", ip).with("port", port).with("intermediate_ips", array(others))
}

fn observables(
    view: &View<'_>,
    actor: &Object,
    endpoint: &Object,
    resources: &[Value],
) -> Vec<Value> {
    let user = |name: &str| actor.get("user").and_then(|user| user.get(name));
    let fixed = [
        observable("src_endpoint.ip", 2, "IP Address", endpoint.get("ip")),
        observable("src_endpoint.hostname", 1, "Hostname", endpoint.get("hostname")),
        observable("actor.user.name", 4, "User Name", user("name")),
        observable("actor.user.uid", 31, "User Object: uid", user("uid")),
        user("credential_uid").and_then(|id| credential("actor.user.credential_uid", id)),
        user("programmatic_credentials").and_then(|all| {
            credential("actor.user.programmatic_credentials[].uid", all.pointer("/0/uid")?)
        }),
    ];
    let targets = resources.iter().flat_map(|resource| {
        let is = |kind: &str| resource.get("type").is_some_and(|own| own == kind);
        let name = resource.get("name").filter(|_| is(objects::USER));
        let id = resource.get("uid");
        let signing = id.filter(|_| is(objects::SIGNING_CERTIFICATE));
        let new = resource.pointer("/data/new_uid");
        [
            observable("resources[].uid", 10, "Resource UID", id),
            signing.and_then(|id| credential("resources[].uid", id)),
            observable("resources[].name", 4, "User Name", name),
            observable("resources[].data.new_uid", 10, "Resource UID", new),
        ]
    });
    let certificates = enrichments::observables(view);
    fixed.into_iter().chain(targets).flatten().chain(certificates).collect()
}
