//! OCSF objects: the actor, the resources that the call acts on, accounts and times.

use serde_json::Value;
use time::OffsetDateTime;

use super::enrichments;
use crate::config::OcsfVersion;
use crate::event::caller;
use crate::event::date::{self, rfc3339};
use crate::event::json::Node;
use crate::event::target::{ServerCertificate, SigningCertificate, Trail, User};
use crate::event::view::View;
use crate::format::object::{Object, array};

/// Returns whether the event is OCSF 1.5.0, which has no `metadata.source`, `log_source` and
/// `original_event_uid`, no `programmatic_credentials` and no `role` of resources.
pub(super) fn is_old(view: &View<'_>) -> bool {
    view.event.options.ocsf == OcsfVersion::V1_5
}

/// Adds epoch milliseconds as `name`, and RFC 3339 as `name_dt` (profile `datetime`).
pub(super) fn instant(object: Object, name: &str, time: Option<OffsetDateTime>) -> Object {
    let Some(time) = time else { return object };
    let milliseconds = time.unix_timestamp_nanos().div_euclid(1_000_000);
    object.with(name, i64::try_from(milliseconds).ok()).with(&format!("{name}_dt"), rfc3339(time))
}

/// Returns an AWS account, if its id is known.
pub(super) fn account(id: Option<&str>) -> Option<Value> {
    Some(aws_account(id?).into())
}

/// Returns an AWS account; `type_id` 10 is "AWS Account".
pub(super) fn aws_account(id: &str) -> Object {
    Object::default().set("uid", id).set("type_id", 10).set("type", "AWS Account")
}

/// Returns one observable with the schema's caption.
pub(super) fn observable(name: &str, id: u64, kind: &str, value: Option<&Value>) -> Option<Value> {
    let value = value?.as_str()?;
    Object::default()
        .set("name", name)
        .set("type_id", id)
        .set("type", kind)
        .set("value", value)
        .some()
}

/// Returns the observable of a user's credential.
pub(super) fn credential(name: &str, id: &Value) -> Option<Value> {
    observable(name, 19, "User Credential ID", Some(id))
}

/// Returns `actor`. The schema requires at least one of user, session and application, and
/// CloudTrail may have none of them.
pub(super) fn actor(view: &View<'_>) -> Object {
    let root = view.root;
    let denied = view.event.fields.call().was_denied();
    let denied = denied.then(|| vec![Value::from(Object::default().set("decision", "denied"))]);
    let object = Object::default()
        .with("session", session(view))
        .with("idp", identity_provider(root))
        .with("app_name", root.take_text("userIdentity.invokedBy"))
        .with("authorizations", denied)
        .with("user", user_of_call(view));
    let is_known = ["session", "app_name", "user"].iter().any(|name| object.get(name).is_some());
    if is_known { object } else { object.set("app_name", "unknown") }
}

/// Returns `actor.user`. It requires an account, a name or an id; else everything is in
/// `unmapped`. A service that called is no user: it is `actor.app_name`.
fn user_of_call(view: &View<'_>) -> Option<Value> {
    let root = view.root;
    let identity = root.at("userIdentity")?;
    let text = |path: &str| identity.take_text(path);
    let kind = identity.text("type");
    let name = caller::user_name(identity);
    let name = match name.filter(|name| identity.text("userName") == Some(name)) {
        Some(_) => text("userName"),
        None => name.or_else(|| root.take_text("additionalEventData.UserName")),
    };
    let (arn, owner) = (text("arn"), text("accountId"));
    let of_center = || text("onBehalfOf.userId");
    let id = arn.or_else(of_center);
    if name.is_none() && id.is_none() && owner.is_none() {
        return None;
    }
    text("type");
    let object = Object::default()
        .with("type", kind)
        .set("type_id", type_id(kind, is_old(view)))
        .with("name", name)
        .with("uid", id)
        .with("uid_alt", text("principalId").or_else(|| arn.and_then(|_| of_center())))
        .with("account", account(owner));
    let key = text("accessKeyId");
    let credential = key.or_else(|| text("credentialId"));
    if is_old(view) {
        return object.with("credential_uid", credential).some();
    }
    let credential = credential.map(|id| {
        let kind = key.map(|_| "Access Key");
        vec![Value::from(Object::default().set("uid", id).with("type", kind))]
    });
    object.with("programmatic_credentials", credential).some()
}

/// Returns `user.type_id`: 1 User, 2 Admin, 4 Service (3 System before 1.7), 99 Other, 0 Unknown.
/// Only root is certain to be an admin.
fn type_id(kind: Option<&str>, is_old: bool) -> u64 {
    match kind {
        None | Some("Unknown") => 0,
        Some("IAMUser" | "IdentityCenterUser") => 1,
        Some("Root") => 2,
        Some("AWSService") if is_old => 3,
        Some("AWSService") => 4,
        Some(_) => 99,
    }
}

fn session(view: &View<'_>) -> Option<Value> {
    let context = view.root.at("userIdentity.sessionContext");
    let created = context.and_then(|context| {
        let time = context.at("attributes.creationDate").and_then(date::of)?;
        if rfc3339(time).as_deref() == context.text("attributes.creationDate") {
            context.take_text("attributes.creationDate");
        }
        Some(time)
    });
    let temporary = view.caller.key.as_deref().filter(|_| !view.caller.has_long_term_key());
    let object = Object::default()
        .with("uid", view.caller.session())
        .with("uid_alt", view.caller.session().and(view.event.fields.principal.as_deref()))
        .with("credential_uid", temporary)
        .with("is_mfa", context.and_then(|one| one.take_flag("attributes.mfaAuthenticated")))
        .with("issuer", context.and_then(|one| one.take_text("sessionIssuer.arn")));
    instant(object, "created_time", created).some()
}

fn identity_provider(root: &Node<'_>) -> Option<Value> {
    let identity = root.at("userIdentity")?;
    let name = identity.take_text("identityProvider").or_else(|| {
        root.take_text("userIdentity.sessionContext.webIdFederationData.federatedProvider")
    });
    Object::default()
        .with("name", name)
        .with("uid", identity.take_text("onBehalfOf.identityStoreArn"))
        .some()
}

/// `type` of an IAM user.
pub(super) const USER: &str = "AWS::IAM::User";

/// `type` of a signing certificate. The name is certrelay's: CloudFormation has none.
pub(super) const SIGNING_CERTIFICATE: &str = "AWS::IAM::SigningCertificate";

/// Returns `resources`. IAM never logs them: what is derived is marked as such.
pub(super) fn resources(view: &View<'_>) -> Vec<Value> {
    let target = view.target;
    let derived = [
        target.server_certificate.as_ref().map(|one| server_certificate(view, one)),
        target.signing_certificate.as_ref().and_then(|one| signing_certificate(view, one)),
        target.user.as_ref().map(|one| user(view, one)),
        target.trail.as_ref().map(|one| trail(view, one)),
        target.server_certificate.as_ref().and_then(|one| load_balancer(view, one)),
    ];
    let stated = view.root.get("resources").map(Node::items).unwrap_or_default();
    derived.into_iter().flatten().chain(stated.iter().filter_map(logged)).collect()
}

/// Returns a resource of the record.
fn logged(resource: &Node<'_>) -> Option<Value> {
    let arn = resource.take_text("ARN")?;
    let owner = account(resource.take_text("accountId"));
    Object::default()
        .set("uid", arn)
        .with("type", resource.take_text("type"))
        .with("owner", owner.map(|account| Object::default().set("account", account)))
        .some()
}

/// Returns what all derived resources have. `role_id` 1 is Target.
fn target(view: &View<'_>, kind: &str) -> Object {
    let owner = account(view.target.account.as_deref());
    Object::default()
        .set("type", kind)
        .with("role_id", (!is_old(view)).then_some(1))
        .with("role", (!is_old(view)).then_some("Target"))
        .set("cloud_partition", view.target.partition.as_str())
        .with("owner", owner.map(|account| Object::default().set("account", account)))
}

/// Returns the load balancer that uses the certificate, if a refused deletion names one. Its role,
/// 4, is Related.
fn load_balancer(view: &View<'_>, certificate: &ServerCertificate) -> Option<Value> {
    let arn = certificate.in_use_by.as_deref().filter(|user| user.starts_with("arn:"))?;
    let mut parts = arn.splitn(6, ':').skip(3);
    let (region, owner) = (parts.next(), parts.next().filter(|owner| !owner.is_empty()));
    let owner = account(owner).map(|account| Object::default().set("account", account));
    let kind = arn.split_once(":loadbalancer/").map(|(_, name)| {
        match ["app/", "gwy/", "net/"].iter().any(|kind| name.starts_with(kind)) {
            true => "AWS::ElasticLoadBalancingV2::LoadBalancer",
            false => "AWS::ElasticLoadBalancing::LoadBalancer",
        }
    });
    Object::default()
        .set("uid", arn)
        .with("type", kind)
        .with("region", region.filter(|region| !region.is_empty()))
        .with("role_id", (!is_old(view)).then_some(4))
        .with("role", (!is_old(view)).then_some("Related"))
        .with("owner", owner)
        .set("data", Object::default().set("derived_from", "errorMessage"))
        .some()
}

/// Returns the field that the target was parsed out of, if the record does not state it.
fn source(view: &View<'_>) -> Option<&'static str> {
    view.target.from_message.then_some("errorMessage")
}

fn server_certificate(view: &View<'_>, certificate: &ServerCertificate) -> Value {
    let renamed = certificate.renamed.as_ref();
    let tags = certificate.tags.iter().filter_map(|(key, value)| {
        let value = value.as_deref()?;
        Object::default().set("name", key.as_str()).set("value", value).some()
    });
    let removed = certificate.tags.iter().filter(|(_, value)| value.is_none());
    let removed = removed.map(|(key, _)| Value::from(key.as_str()));
    let data = Object::default()
        .with("path", certificate.path.as_deref())
        .with("path_is_assumed", certificate.path.is_none().then_some(true))
        .with("server_certificate_id", certificate.id.as_deref())
        .with("new_name", renamed.map(|new| new.name.as_str()))
        .with("new_path", renamed.and_then(|new| new.path.as_deref()))
        .with("new_uid", renamed.and_then(|new| new.arn.as_deref()))
        .with("removed_tag_keys", array(removed.collect()))
        .with("upload_date", certificate.uploaded.and_then(rfc3339))
        .with("expiration", certificate.expires.and_then(rfc3339))
        .with("in_use_by", certificate.in_use_by.as_deref())
        .with(
            "derived_fields",
            certificate.in_use_by.as_ref().map(|_| vec!["uid_alt", "in_use_by"]),
        )
        .with("derived_from", source(view))
        .with("certificate", enrichments::certificate(view));
    let object = target(view, "AWS::IAM::ServerCertificate")
        .set("name", certificate.name.as_str())
        .with("uid", certificate.arn.as_deref())
        .with("uid_alt", certificate.id.as_deref())
        .with("tags", array(tags.collect()))
        .with("data", data.some());
    instant(object, "created_time", certificate.uploaded).into()
}

/// Returns a signing certificate; its owner is the user.
fn signing_certificate(view: &View<'_>, certificate: &SigningCertificate) -> Option<Value> {
    let id = certificate.id.as_deref()?;
    let user = view.target.user.as_ref();
    let data = Object::default()
        .with("status", certificate.status.as_deref())
        .with("upload_date", certificate.uploaded.and_then(rfc3339))
        .with("user_name", user.map(|user| user.name.as_str()))
        .with("certificate", enrichments::certificate(view));
    let owner = user.map(|user| {
        Object::default()
            .set("name", user.name.as_str())
            .with("uid", user.arn.as_deref())
            .with("account", account(view.target.account.as_deref()))
    });
    let object = target(view, SIGNING_CERTIFICATE)
        .set("uid", id)
        .with("owner", owner)
        .with("data", data.some());
    Some(instant(object, "created_time", certificate.uploaded).into())
}

fn trail(view: &View<'_>, trail: &Trail) -> Value {
    let data = Object::default().with("derived_from", source(view));
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
        .with("derived_from", source(view));
    target(view, USER)
        .set("name", user.name.as_str())
        .with("uid", user.arn.as_deref())
        .with("data", data.some())
        .into()
}
