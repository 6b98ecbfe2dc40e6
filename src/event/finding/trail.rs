//! Whether a call on a trail reduces logging, according to its request: less is recorded
//! afterwards, or it is delivered to another destination.
//!
//! A record does not state the trail's previous settings. So a bucket in the request counts as
//! another bucket, a flag that is off as turned off, and a request that is unknown or omitted from
//! the record may have changed anything.

use super::super::json::{Member, Node};

/// Flags of `UpdateTrail` with which a trail records more, or its files can be validated.
/// Source: AWS CloudTrail API Reference, `UpdateTrail`; also for the fields below.
const FLAGS: [&str; 4] = [
    "includeGlobalServiceEvents",
    "isMultiRegionTrail",
    "enableLogFileValidation",
    "isOrganizationTrail",
];

/// Further destinations of a trail besides its bucket; an empty string turns them off.
const DESTINATIONS: [&str; 3] =
    ["cloudWatchLogsLogGroupArn", "cloudWatchLogsRoleArn", "snsTopicName"];

/// Returns what is no longer logged after the call of this name, as text for a parenthesis; empty
/// for everything. `None`: the trail records as much as before, or more.
pub(super) fn reduced(name: &str, root: &Node<'_>) -> Option<String> {
    let request = root.get("requestParameters");
    let request = request.filter(|it| !it.is_empty() && it.flag("omitted") != Some(true));
    match (name, request) {
        ("UpdateTrail" | "PutEventSelectors", None) => {
            Some("the record does not state how".to_owned())
        }
        ("UpdateTrail", Some(request)) => {
            let members = request.members().iter();
            let reduced: Vec<_> =
                members.filter(|member| reduces(request, member)).map(setting).collect();
            (!reduced.is_empty()).then(|| reduced.join(", "))
        }
        ("PutEventSelectors", Some(request)) => {
            let complete =
                selects_all(request, Access::Read) && selects_all(request, Access::Write);
            (!complete).then(|| "not all management events are recorded".to_owned())
        }
        _ => Some(String::new()),
    }
}

/// Returns whether this parameter of `UpdateTrail` may reduce logging.
fn reduces(request: &Node<'_>, member: &Member<'_>) -> bool {
    match &*member.name {
        "name" | "kmsKeyId" => false,
        _ if member.node.is_empty() => false,
        name if FLAGS.contains(&name) => request.flag(name) != Some(true),
        name if DESTINATIONS.contains(&name) => request.text(name).is_none(),
        _ => true,
    }
}

/// Formats `isMultiRegionTrail is false`, `s3BucketName is audit-logs`.
fn setting(member: &Member<'_>) -> String {
    let name = &member.name;
    match member.node.as_text() {
        Some("") => format!("{name} is empty"),
        Some(text) => format!("{name} is {text}"),
        None if FLAGS.contains(&&**name) => format!("{name} is false"),
        None => format!("{name} is set"),
    }
}

/// Whether a management event reads or writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// Returns whether some selector includes all management events of this access.
fn selects_all(request: &Node<'_>, access: Access) -> bool {
    let items = |name| request.get(name).map(Node::items).unwrap_or_default().iter();
    items("eventSelectors").any(|selector| includes_all(selector, access))
        || items("advancedEventSelectors").any(|selector| includes_all_advanced(selector, access))
}

/// A setting that is absent from a selector has AWS's default: all management events.
fn includes_all(selector: &Node<'_>, access: Access) -> bool {
    let includes = match selector.text("readWriteType") {
        None | Some("All") => true,
        Some("ReadOnly") => access == Access::Read,
        Some("WriteOnly") => access == Access::Write,
        Some(_) => false,
    };
    let excludes = selector.get("excludeManagementEventSources").is_some_and(|all| !all.is_empty());
    includes && !excludes && selector.flag("includeManagementEvents") != Some(false)
}

/// Every field narrows an advanced selector, except the category itself.
fn includes_all_advanced(selector: &Node<'_>, access: Access) -> bool {
    let fields = selector.get("fieldSelectors").map(Node::items).unwrap_or_default();
    let is_management = |field: &Node<'_>| is_only(field, "eventCategory", "Management");
    let flag = if access == Access::Read { "true" } else { "false" };
    fields.iter().any(is_management)
        && fields.iter().all(|field| is_management(field) || is_only(field, "readOnly", flag))
}

/// Returns whether this is `{"field": name, "equals": [value]}` with no other operator.
fn is_only(field: &Node<'_>, name: &str, value: &str) -> bool {
    let equals = field.get("equals").map(Node::items).unwrap_or_default();
    let mut others =
        field.members().iter().filter(|member| !matches!(&*member.name, "field" | "equals"));
    field.text("field") == Some(name)
        && matches!(equals, [one] if one.as_text() == Some(value))
        && others.all(|member| member.node.is_empty())
}
