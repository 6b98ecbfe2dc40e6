//! What a call on a trail takes away, as its request says: whether less is recorded afterwards, or it goes elsewhere.
//!
//! A record does not tell how the trail was before. So a bucket that is named counts as another one, a flag that is off
//! as turned off, and what is not known here, or was left out of the record, may have taken anything.

use super::super::json::{Member, Node};

/// Flags of `UpdateTrail`, by which a trail records more, or its files can be checked.
/// Source: AWS CloudTrail API Reference, `UpdateTrail`; the same of the fields below.
const FLAGS: [&str; 4] = [
    "includeGlobalServiceEvents",
    "isMultiRegionTrail",
    "enableLogFileValidation",
    "isOrganizationTrail",
];

/// Further places that a trail writes to or tells, beside its bucket; an empty text turns them off.
const FURTHER: [&str; 3] = ["cloudWatchLogsLogGroupArn", "cloudWatchLogsRoleArn", "snsTopicName"];

/// What may go unseen after the call of this name, in words for a bracket; empty: everything may. `None`: the trail
/// records what it did, or more.
pub(super) fn taken(name: &str, root: &Node<'_>) -> Option<String> {
    let request = root.get("requestParameters");
    let request = request.filter(|it| !it.is_nothing() && it.flag("omitted") != Some(true));
    match (name, request) {
        ("UpdateTrail" | "PutEventSelectors", None) => {
            Some("the record does not tell how".to_owned())
        }
        ("UpdateTrail", Some(request)) => {
            let taken: Vec<_> = request
                .members()
                .iter()
                .filter(|member| takes(request, member))
                .map(told)
                .collect();
            (!taken.is_empty()).then(|| taken.join(", "))
        }
        ("PutEventSelectors", Some(request)) => {
            let kept = keeps(request, Access::Read) && keeps(request, Access::Write);
            (!kept).then(|| "not all management events are recorded".to_owned())
        }
        _ => Some(String::new()),
    }
}

/// Whether this parameter of `UpdateTrail` may make the trail record less, or elsewhere.
fn takes(request: &Node<'_>, member: &Member<'_>) -> bool {
    match &*member.name {
        "name" | "kmsKeyId" => false,
        _ if member.node.is_nothing() => false,
        name if FLAGS.contains(&name) => request.flag(name) != Some(true),
        name if FURTHER.contains(&name) => request.text(name).is_none(),
        _ => true,
    }
}

/// `isMultiRegionTrail is false`, `s3BucketName is audit-logs`.
fn told(member: &Member<'_>) -> String {
    let name = &member.name;
    match member.node.as_text() {
        Some("") => format!("{name} is empty"),
        Some(text) => format!("{name} is {text}"),
        None if FLAGS.contains(&&**name) => format!("{name} is false"),
        None => format!("{name} is set"),
    }
}

/// What a management event does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// Whether some selector takes all management events of this access; what one leaves out, another may take.
fn keeps(request: &Node<'_>, access: Access) -> bool {
    let items = |name| request.get(name).map(Node::items).unwrap_or_default().iter();
    items("eventSelectors").any(|selector| takes_all(selector, access))
        || items("advancedEventSelectors").any(|selector| takes_all_advanced(selector, access))
}

/// What is left out of a selector is as AWS has it: all management events.
fn takes_all(selector: &Node<'_>, access: Access) -> bool {
    let wanted = match selector.text("readWriteType") {
        None | Some("All") => true,
        Some("ReadOnly") => access == Access::Read,
        Some("WriteOnly") => access == Access::Write,
        Some(_) => false,
    };
    let excludes =
        selector.get("excludeManagementEventSources").is_some_and(|all| !all.is_nothing());
    wanted && !excludes && selector.flag("includeManagementEvents") != Some(false)
}

/// Of an advanced selector every field narrows it, but for the category that is meant.
fn takes_all_advanced(selector: &Node<'_>, access: Access) -> bool {
    let fields = selector.get("fieldSelectors").map(Node::items).unwrap_or_default();
    let is_management = |field: &Node<'_>| is_only(field, "eventCategory", "Management");
    let flag = if access == Access::Read { "true" } else { "false" };
    fields.iter().any(is_management)
        && fields.iter().all(|field| is_management(field) || is_only(field, "readOnly", flag))
}

/// `{"field": name, "equals": [value]}`, and no other operator.
fn is_only(field: &Node<'_>, name: &str, value: &str) -> bool {
    let equals = field.get("equals").map(Node::items).unwrap_or_default();
    let mut others =
        field.members().iter().filter(|member| !matches!(&*member.name, "field" | "equals"));
    field.text("field") == Some(name)
        && matches!(equals, [one] if one.as_text() == Some(value))
        && others.all(|member| member.node.is_nothing())
}
