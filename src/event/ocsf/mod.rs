//! OCSF API Activity (class 6003), version 1.8.0 or 1.5.0, profiles `cloud` and `datetime`,
//! and `security_control` when there is a finding.
//!
//! The map follows AWS's own for CloudTrail where that is right, and says in `docs/events.md` where it
//! is not: an upload is a Create, `status_id` is set, the target is built. What has no place in the
//! class stands in `unmapped`, so that no leaf of the record is lost.
//! Source: <https://schema.ocsf.io/1.8.0/classes/api_activity>.

mod activity;
mod actor;
mod certificates;
mod findings;
mod resources;

use std::net::IpAddr;

use serde_json::Value;
use time::OffsetDateTime;

use self::activity::Activity;
use super::format::View;
use super::object::{Object, array};
use super::posture::{self, Facts};
use super::{CallOutcome, Channel, date, unmapped};
use crate::config::OcsfVersion;

const CLASS: u64 = 6003;

/// `activity_id` and `activity_name` of an operation.
pub(super) fn activity(operation: &str) -> (u64, &'static str) {
    let activity = Activity::of(operation, None);
    (activity.id(), activity.caption())
}

/// The event as an OCSF object.
pub(super) fn object(view: &View<'_>) -> Value {
    let event = view.event;
    let activity = Activity::of(&event.fields.name, view.root.flag("readOnly"));
    let failed = event.fields.outcome == CallOutcome::Failure;
    let actor = actor::object(view);
    let endpoint = endpoint(view);
    let resources = resources::list(view);
    let observables = observables(view, &actor, &endpoint, &resources);
    let object = Object::default()
        .set("activity_id", activity.id())
        .set("activity_name", activity.caption())
        .set("category_uid", CLASS / 1000)
        .set("category_name", "Application Activity")
        .set("class_uid", CLASS)
        .set("class_name", "API Activity")
        .set("type_uid", CLASS * 100 + activity.id())
        .set("type_name", format!("API Activity: {}", activity.caption()))
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
        .with(
            "http_request",
            Object::default().with("user_agent", view.root.take_text("userAgent")).some(),
        )
        .with("resources", array(resources))
        .with("observables", array(observables))
        .with("enrichments", array(enrichments(view)));
    findings::add(instant(object, "time", Some(view.time())), view)
        .with("unmapped", unmapped::object(view))
        .into()
}

/// Whether the event is written as 1.5.0, which has no `metadata.source` and no `role` of resources.
fn is_old(view: &View<'_>) -> bool {
    view.event.options.ocsf == OcsfVersion::V1_5
}

/// Epoch milliseconds under `name`, and RFC 3339 under `name_dt` (profile `datetime`).
fn instant(object: Object, name: &str, time: Option<OffsetDateTime>) -> Object {
    let Some(time) = time else { return object };
    let milliseconds = time.unix_timestamp_nanos().div_euclid(1_000_000);
    object
        .with(name, i64::try_from(milliseconds).ok())
        .with(&format!("{name}_dt"), date::rfc3339(time))
}

fn metadata(view: &View<'_>) -> Object {
    let (event, root) = (view.event, view.root);
    if root.text("eventID") == Some(&event.id) {
        root.take_text("eventID");
    }
    let version = root.take_text("eventVersion");
    let feature = Object::default().with("name", root.take_text("eventCategory")).some();
    let found = !event.fields.findings.is_empty();
    let profiles = ["cloud", "datetime"].into_iter().chain(found.then_some("security_control"));
    let profiles: Vec<_> = profiles.collect();
    let origin = event.origin.to_string();
    let labels = [
        (event.lane == Channel::EventBridge).then(|| "lane:inline".to_owned()),
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
        .with("event_code", root.take_text("eventType"))
        .with("correlation_uid", root.text("requestID"))
        .set("product", product)
        .set("log_name", "CloudTrail")
        .set("log_provider", "AWS CloudTrail")
        .with("log_version", version)
        .with("original_time", root.take_text("eventTime"))
        .with("source", (!is_old(view)).then_some(origin))
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

/// An AWS account, by its id.
fn account(id: Option<&str>) -> Option<Value> {
    Some(aws_account(id?).into())
}

/// `type_id` 10 is "AWS Account".
fn aws_account(id: &str) -> Object {
    Object::default().set("uid", id).set("type_id", 10).set("type", "AWS Account")
}

/// Labels by name, and the account's unit among them: `cloud.org` must say which organisation, and
/// nobody tells us that.
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
    // `uid` is required inside `request`: without a request id the event's own stands in.
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

/// `sourceIPAddress` is an address, several (`a, b`), a service's DNS name or `AWS Internal`.
fn endpoint(view: &View<'_>) -> Object {
    let source = view.root.take_text("sourceIPAddress");
    let object = Object::default().with("uid", view.root.take_text("vpcEndpointId"));
    let Some(source) = source else {
        return if object.is_empty() { object.set("domain", "unknown") } else { object };
    };
    let mut parts = source.split(',').map(str::trim);
    if !source.split(',').all(|part| part.trim().parse::<IpAddr>().is_ok()) {
        return object.set("domain", source);
    }
    let first = parts.next();
    let others = parts.map(Value::from).collect();
    object.with("ip", first).with("intermediate_ips", array(others))
}

/// One line of [`observables`]; captions as the schema has them.
fn observable(name: &str, id: u64, kind: &str, value: Option<&Value>) -> Option<Value> {
    let value = value?.as_str()?;
    Object::default()
        .set("name", name)
        .set("type_id", id)
        .set("type", kind)
        .set("value", value)
        .some()
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
        observable("src_endpoint.domain", 1, "Hostname", endpoint.get("domain")),
        observable("actor.user.name", 4, "User Name", user("name")),
        observable("actor.user.uid", 31, "User Object: uid", user("uid")),
        observable("actor.user.credential_uid", 19, "User Credential ID", user("credential_uid")),
    ];
    let targets = resources.iter().flat_map(|resource| {
        let is_user = resource.get("type").is_some_and(|kind| kind == resources::USER);
        let name = resource.get("name").filter(|_| is_user);
        [
            observable("resources[].uid", 10, "Resource UID", resource.get("uid")),
            observable("resources[].name", 4, "User Name", name),
            observable(
                "resources[].data.new_uid",
                10,
                "Resource UID",
                resource.pointer("/data/new_uid"),
            ),
        ]
    });
    let certificates = certificates::observables(view);
    fixed.into_iter().chain(targets).flatten().chain(certificates).collect()
}

/// What we add to the record: what was redacted, what certificates say, what was found, what the
/// caller and the target had.
fn enrichments(view: &View<'_>) -> Vec<Value> {
    let ours = certificates::enrichments(view).into_iter().chain(findings::enrichments(view));
    ours.chain(posture(view)).collect()
}

/// What credential reports say of the caller and of the user acted on.
fn posture(view: &View<'_>) -> impl Iterator<Item = Value> {
    let posture = &view.event.posture;
    let both = [("actor.user.uid", &posture.caller), ("resources[].uid", &posture.target)];
    both.into_iter().filter_map(|(name, of)| {
        let of = of.as_ref()?;
        let facts = Facts::new(of, view.time());
        Object::default()
            .set("name", name)
            .set("value", of.arn.as_str())
            .set("type", "credential-report")
            .set("provider", "AWS IAM")
            .set("data", posture::object(&facts))
            .some()
    })
}
