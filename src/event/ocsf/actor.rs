//! Who called. The schema wants at least one of user, session, `invoked_by` or an application, and
//! CloudTrail may know none of them.

use super::super::format::View;
use super::super::json::Node;
use super::super::object::Object;
use super::super::record;
use super::{account, instant};

/// `actor`.
pub(super) fn object(view: &View<'_>) -> Object {
    let root = view.root;
    let object = Object::default()
        .with("session", session(root))
        .with("idp", identity_provider(root))
        .with("invoked_by", root.text("userIdentity.invokedBy"))
        .with("user", user(root));
    root.take_text("userIdentity.invokedBy");
    let says_who = ["session", "invoked_by", "user"].iter().any(|name| object.get(name).is_some());
    if says_who { object } else { object.set("app_name", view.event.fields.source.as_str()) }
}

/// `actor.user`: needs an account, a name or an ARN; without, all of it stays in `unmapped`.
fn user(root: &Node<'_>) -> Option<serde_json::Value> {
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
        .set("type_id", type_id(kind))
        .with("name", name)
        .with("uid", arn)
        .with("uid_alt", text("principalId").or_else(|| text("onBehalfOf.userId")))
        .with("account", account(owner))
        .with("credential_uid", text("accessKeyId").or_else(|| text("credentialId")))
        .some()
}

/// `user.type_id`: 1 User, 2 Admin, 4 Service, 99 Other, 0 Unknown. Root is the one sure admin.
fn type_id(kind: Option<&str>) -> u64 {
    match kind {
        None => 0,
        Some("IAMUser") => 1,
        Some("Root") => 2,
        Some("AWSService") => 4,
        Some(_) => 99,
    }
}

fn session(root: &Node<'_>) -> Option<serde_json::Value> {
    let context = root.at("userIdentity.sessionContext");
    let created = context.and_then(|context| {
        let time = context.text("attributes.creationDate").and_then(record::instant)?;
        context.take_text("attributes.creationDate");
        Some(time)
    });
    let object = Object::default()
        .with("uid", session_name(root))
        .with(
            "is_mfa",
            context.and_then(|context| context.take_flag("attributes.mfaAuthenticated")),
        )
        .with("issuer", context.and_then(|context| context.take_text("sessionIssuer.arn")));
    instant(object, "created_time", created).some()
}

/// The last part of `arn:aws:sts::…:assumed-role/ROLE/SESSION`.
fn session_name<'r>(root: &'r Node<'_>) -> Option<&'r str> {
    assumed_role(root).map(|(_, session)| session)
}

fn assumed_role<'r>(root: &'r Node<'_>) -> Option<(&'r str, &'r str)> {
    root.text("userIdentity.arn")?.split_once(":assumed-role/")?.1.split_once('/')
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

/// What to call the caller in a sentence.
pub(super) fn phrase(root: &Node<'_>) -> String {
    let text = |path: &str| root.text(&format!("userIdentity.{path}"));
    let account = || text("accountId").map(|id| format!("account {id}"));
    match (text("type"), assumed_role(root), text("userName")) {
        (Some("Root"), None, _) => "root".to_owned(),
        (Some("Root"), Some((role, session)), _) | (_, Some((role, session)), _) => {
            format!("role {role} (session {session})")
        }
        (_, None, Some(name)) => format!("user {name}"),
        _ => text("invokedBy")
            .or_else(|| text("arn"))
            .map(str::to_owned)
            .or_else(account)
            .unwrap_or_else(|| "an unknown caller".to_owned()),
    }
}
