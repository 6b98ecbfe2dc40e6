//! What the call acted on, as `resources`. IAM never logs it; what is built says how sure it is.

use serde_json::Value;

use super::super::date;
use super::super::format::View;
use super::super::json::Node;
use super::super::object::{Object, array};
use super::super::target::{ServerCertificate, SigningCertificate, Trail, User};
use super::{account, certificates, is_old};

/// `type` of a user.
pub(super) const USER: &str = "AWS::IAM::User";

/// `resources`.
pub(super) fn list(view: &View<'_>) -> Vec<Value> {
    let target = view.target;
    let built = [
        target.server_certificate.as_ref().map(|certificate| server_certificate(view, certificate)),
        target
            .signing_certificate
            .as_ref()
            .and_then(|certificate| signing_certificate(view, certificate)),
        target.user.as_ref().map(|user| self::user(view, user)),
        target.trail.as_ref().map(|trail| self::trail(view, trail)),
    ];
    let stated = view.root.get("resources").map(Node::items).unwrap_or_default();
    built.into_iter().flatten().chain(stated.iter().filter_map(logged)).collect()
}

/// A resource that the record itself names.
fn logged(resource: &Node<'_>) -> Option<Value> {
    let arn = resource.take_text("ARN")?;
    let owner = account(resource.take_text("accountId"));
    Object::default()
        .set("uid", arn)
        .with("type", resource.take_text("type"))
        .with("owner", owner.map(|account| Object::default().set("account", account)))
        .some()
}

/// What all built resources have. `role_id` 1 is Target.
fn target(view: &View<'_>, kind: &str) -> Object {
    let owner = account(view.target.account.as_deref());
    Object::default()
        .set("type", kind)
        .with("role_id", (!is_old(view)).then_some(1))
        .with("role", (!is_old(view)).then_some("Target"))
        .set("cloud_partition", view.target.partition.as_str())
        .with("owner", owner.map(|account| Object::default().set("account", account)))
}

/// Where a target comes from, if the record does not simply state it.
fn derived(view: &View<'_>) -> Option<&'static str> {
    view.target.from_message.then_some("errorMessage")
}

fn server_certificate(view: &View<'_>, certificate: &ServerCertificate) -> Value {
    let renamed = certificate.renamed.as_ref();
    let tags = certificate.tags.iter().filter_map(|(key, value)| {
        let value = value.as_deref()?;
        Object::default().set("name", key.as_str()).set("value", value).some()
    });
    let removed = certificate.tags.iter().filter(|(_, value)| value.is_none());
    let data = Object::default()
        .with("path", certificate.path.as_deref())
        .with("path_is_assumed", certificate.path.is_none().then_some(true))
        .with("server_certificate_id", certificate.id.as_deref())
        .with("new_name", renamed.map(|new| new.name.as_str()))
        .with("new_path", renamed.and_then(|new| new.path.as_deref()))
        .with("new_uid", renamed.and_then(|new| new.arn.as_deref()))
        .with(
            "removed_tag_keys",
            array(removed.map(|(key, _)| Value::from(key.as_str())).collect()),
        )
        .with("upload_date", certificate.uploaded.and_then(date::rfc3339))
        .with("expiration", certificate.expires.and_then(date::rfc3339))
        .with("derived_from", derived(view))
        .with("certificate", certificates::body(view));
    target(view, "AWS::IAM::ServerCertificate")
        .set("name", certificate.name.as_str())
        .with("uid", certificate.arn.as_deref())
        .with("uid_alt", certificate.id.as_deref())
        .with("tags", array(tags.collect()))
        .with("data", data.some())
        .into()
}

/// Our own type name: CloudFormation has none for signing certificates.
fn signing_certificate(view: &View<'_>, certificate: &SigningCertificate) -> Option<Value> {
    let id = certificate.id.as_deref()?;
    let user = view.target.user.as_ref();
    let data = Object::default()
        .with("status", certificate.status.as_deref())
        .with("upload_date", certificate.uploaded.and_then(date::rfc3339))
        .with("user_name", user.map(|user| user.name.as_str()))
        .with("certificate", certificates::body(view));
    let object =
        target(view, "AWS::IAM::SigningCertificate").set("uid", id).with("data", data.some());
    Some(object.into())
}

fn trail(view: &View<'_>, trail: &Trail) -> Value {
    let data = Object::default().with("derived_from", derived(view));
    target(view, "AWS::CloudTrail::Trail")
        .set("name", trail.name.as_str())
        .with("uid", trail.arn.as_deref())
        .with("data", data.some())
        .into()
}

fn user(view: &View<'_>, user: &User) -> Value {
    let data = Object::default()
        .with("is_caller", user.is_caller.then_some(true))
        .with("is_root", user.is_root.then_some(true))
        .with("derived_from", derived(view));
    target(view, USER)
        .set("name", user.name.as_str())
        .with("uid", user.arn.as_deref())
        .with("data", data.some())
        .into()
}
