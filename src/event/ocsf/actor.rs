//! Who called. The schema wants at least one of user, session, `invoked_by` or an application, and
//! CloudTrail may know none of them.

use super::super::date;
use super::super::format::View;
use super::super::json::Node;
use super::super::object::Object;
use super::{account, instant, is_old};

/// `actor`.
pub(super) fn object(view: &View<'_>) -> Object {
    let root = view.root;
    let object = Object::default()
        .with("session", session(view))
        .with("idp", identity_provider(root))
        .with("invoked_by", root.text("userIdentity.invokedBy"))
        .with("user", user(root, is_old(view)));
    root.take_text("userIdentity.invokedBy");
    let says_who = ["session", "invoked_by", "user"].iter().any(|name| object.get(name).is_some());
    if says_who { object } else { object.set("app_name", view.event.fields.source.as_str()) }
}

/// `actor.user`: needs an account, a name or an ARN; without, all of it stays in `unmapped`.
fn user(root: &Node<'_>, is_old: bool) -> Option<serde_json::Value> {
    let identity = root.at("userIdentity");
    let text = |path: &str| identity.and_then(|identity| identity.take_text(path));
    let kind = identity.and_then(|identity| identity.text("type"));
    let service = identity
        .and_then(|identity| identity.text("invokedBy"))
        .filter(|_| kind == Some("AWSService"));
    let name =
        text("userName").or_else(|| root.take_text("additionalEventData.UserName")).or(service);
    let (arn, owner) = (text("arn"), text("accountId"));
    if name.is_none() && arn.is_none() && owner.is_none() {
        return None;
    }
    text("type");
    Object::default()
        .with("type", kind)
        .set("type_id", type_id(kind, is_old))
        .with("name", name)
        .with("uid", arn)
        .with("uid_alt", text("principalId").or_else(|| text("onBehalfOf.userId")))
        .with("account", account(owner))
        .with("credential_uid", text("accessKeyId").or_else(|| text("credentialId")))
        .some()
}

/// `user.type_id`: 1 User, 2 Admin, 4 Service (3 System
/// before 1.7), 99 Other, 0 Unknown. Root is the one sure admin.
fn type_id(kind: Option<&str>, is_old: bool) -> u64 {
    match kind {
        None => 0,
        Some("IAMUser") => 1,
        Some("Root") => 2,
        Some("AWSService") if is_old => 3,
        Some("AWSService") => 4,
        Some(_) => 99,
    }
}

fn session(view: &View<'_>) -> Option<serde_json::Value> {
    let context = view.root.at("userIdentity.sessionContext");
    let created = context.and_then(|context| {
        let time = context.text("attributes.creationDate").and_then(date::instant)?;
        context.take_text("attributes.creationDate");
        Some(time)
    });
    let object = Object::default()
        .with("uid", view.caller.session())
        .with(
            "is_mfa",
            context.and_then(|context| context.take_flag("attributes.mfaAuthenticated")),
        )
        .with("issuer", context.and_then(|context| context.take_text("sessionIssuer.arn")));
    instant(object, "created_time", created).some()
}

fn identity_provider(root: &Node<'_>) -> Option<serde_json::Value> {
    let identity = root.at("userIdentity")?;
    let name = identity.take_text("identityProvider").or_else(|| {
        root.take_text("userIdentity.sessionContext.webIdFederationData.federatedProvider")
    });
    Object::default()
        .with("name", name)
        .with("uid", identity.take_text("onBehalfOf.identityStoreArn"))
        .some()
}
