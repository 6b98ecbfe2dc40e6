//! The group `audit-trail`: calls that stop, delete or change a trail, to the same standard as the
//! twelve; and what a call of any other service becomes.

use certrelay::config::{AUDIT_TRAIL, OutputFormat};
use certrelay::event::{Event, Severity, explain};
use serde_json::{Value, json};

use crate::event_fixtures::{payload, read, record, role};
use crate::event_golden::pretty;

const ARN: &str = "arn:aws:cloudtrail:eu-west-1:111122223333:trail/audit";

/// The shapes that a record of this group comes in.
pub(crate) const SHAPES: [&str; 5] = ["success", "by ARN", "denied", "omitted", "minimal"];

/// The record of `operation` in `shape`.
pub(crate) fn trail_record(operation: &str, shape: &str) -> String {
    let like = if shape == "by ARN" { "success" } else { shape };
    let mut record: Value =
        serde_json::from_str(&record("GetServerCertificate", like)).expect("JSON");
    record["eventName"] = operation.into();
    record["eventSource"] = "cloudtrail.amazonaws.com".into();
    if shape == "minimal" {
        return record.to_string();
    }
    record["awsRegion"] = "eu-west-1".into();
    record["readOnly"] = false.into();
    let (name, response) = match operation {
        "PutEventSelectors" => {
            ("trailName", json!({ "trailARN": ARN, "eventSelectors": selectors() }))
        }
        "UpdateTrail" => {
            ("name", json!({ "name": "audit", "trailARN": ARN, "isMultiRegionTrail": false }))
        }
        _ => ("name", Value::Null),
    };
    match shape {
        "denied" => {
            record["errorMessage"] = format!(
                "User: arn:aws:iam::111122223333:user/ops/alice is not authorized to perform: \
                 cloudtrail:{operation} on resource: {ARN} because no identity-based policy allows the \
                 cloudtrail:{operation} action"
            )
            .into();
        }
        "omitted" => record["responseElements"] = Value::Null,
        _ => {
            let mut request = json!({ name: if shape == "by ARN" { ARN } else { "audit" } });
            match operation {
                "PutEventSelectors" => request["eventSelectors"] = selectors(),
                "UpdateTrail" => request["isMultiRegionTrail"] = false.into(),
                _ => {}
            }
            record["requestParameters"] = request;
            record["responseElements"] = response;
        }
    }
    record.to_string()
}

fn selectors() -> Value {
    json!([{ "readWriteType": "ReadOnly", "includeManagementEvents": false, "dataResources": [] }])
}

/// Every record of the group.
pub(crate) fn trail_records() -> Vec<String> {
    let operations = AUDIT_TRAIL.2.iter();
    operations.flat_map(|operation| SHAPES.map(|shape| trail_record(operation, shape))).collect()
}

fn golden(format: OutputFormat, folder: &str) {
    for operation in AUDIT_TRAIL.2 {
        let shapes = SHAPES.map(|shape| {
            format!("# {shape}\n{}\n", pretty(&payload(&trail_record(operation, shape), format)))
        });
        insta::with_settings!({ snapshot_path => format!("fixtures/events/{folder}"), prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(*operation, shapes.join("\n"));
        });
    }
}

#[test]
fn ocsf_of_every_call_on_a_trail_in_every_shape() {
    golden(OutputFormat::Ocsf, "ocsf");
}

#[test]
fn ecs_of_every_call_on_a_trail_in_every_shape() {
    golden(OutputFormat::Ecs, "ecs");
}

#[test]
fn cim_of_every_call_on_a_trail_in_every_shape() {
    golden(OutputFormat::Cim, "cim");
}

#[test]
fn raw_is_the_record_itself() {
    for record in trail_records() {
        assert_eq!(payload(&record, OutputFormat::Raw), record);
    }
}

fn event(text: &str) -> Event {
    read(text).expect("a record")
}

#[test]
fn the_trail_is_the_target_in_every_shape() {
    for operation in AUDIT_TRAIL.2 {
        for shape in ["success", "by ARN", "denied"] {
            let event = event(&trail_record(operation, shape));
            assert_eq!(event.fields.target.as_deref(), Some(ARN), "{operation}, {shape}");
            let text = explain(&event);
            assert!(text.contains("trail audit"), "{text}");
        }
        assert_eq!(event(&trail_record(operation, "minimal")).fields.target, None);
    }
}

#[test]
fn a_trail_of_the_organisation_belongs_to_its_account() {
    let text = trail_record("StopLogging", "by ARN")
        .replace(ARN, "arn:aws:cloudtrail:eu-west-1:444455556666:trail/org");
    let out: Value = serde_json::from_str(&payload(&text, OutputFormat::Ocsf)).expect("JSON");
    assert_eq!(out["resources"][0]["owner"]["account"]["uid"], "444455556666");
    assert_eq!(out["cloud"]["account"]["uid"], "111122223333");
}

#[test]
fn the_partition_is_the_callers() {
    let text = trail_record("StopLogging", "success").replace("arn:aws:iam", "arn:aws-us-gov:iam");
    let out: Value = serde_json::from_str(&payload(&text, OutputFormat::Ocsf)).expect("JSON");
    assert_eq!(out["resources"][0]["uid"], ARN.replace("arn:aws:", "arn:aws-us-gov:"));
    assert_eq!(out["cloud"]["cloud_partition"], "aws-us-gov");
}

#[test]
fn reducing_a_trail_is_severe_and_a_denied_attempt_is_a_finding() {
    for operation in AUDIT_TRAIL.2 {
        let done = event(&trail_record(operation, "success")).fields;
        assert_eq!(done.findings[0].rule.id, "trail-silenced");
        assert!(done.severity >= Severity::High, "{operation}");
        let denied = event(&trail_record(operation, "denied")).fields;
        assert_eq!(denied.findings[0].rule.id, "denied");
        assert!(
            denied.findings[0].reason.contains("on trail audit"),
            "{}",
            denied.findings[0].reason
        );
    }
    let mut expected: Value =
        serde_json::from_str(&trail_record("StopLogging", "success")).expect("JSON");
    expected["userIdentity"] = role();
    assert!(event(&expected.to_string()).fields.severity >= Severity::High);
}

#[test]
fn a_call_of_another_service_has_the_resource_of_its_record() {
    let mut record: Value =
        serde_json::from_str(&record("GetServerCertificate", "success")).expect("JSON");
    record["eventSource"] = "acm.amazonaws.com".into();
    record["eventName"] = "ImportCertificate".into();
    let arn = "arn:aws:acm:us-east-1:111122223333:certificate/0a1b";
    record["resources"] =
        json!([{ "ARN": arn, "accountId": "111122223333", "type": "AWS::ACM::Certificate" }]);
    let text = record.to_string();
    let ocsf: Value = serde_json::from_str(&payload(&text, OutputFormat::Ocsf)).expect("JSON");
    assert_eq!(ocsf["resources"][0]["uid"], arn);
    assert_eq!(
        (ocsf["activity_name"].as_str(), ocsf["type_uid"].as_u64()),
        (Some("Create"), Some(600_301))
    );
    let cim: Value = serde_json::from_str(&payload(&text, OutputFormat::Cim)).expect("JSON");
    assert_eq!(
        (cim["object_id"].as_str(), cim["object_category"].as_str()),
        (Some(arn), Some("certificate"))
    );
    assert_eq!(cim["action"], "created");
}

/// Returns the finding of a call with this request, its severity and its reason.
fn judged(operation: &str, request: Value) -> (&'static str, Severity, String) {
    let mut record: Value =
        serde_json::from_str(&trail_record(operation, "success")).expect("JSON");
    record["userIdentity"] = role();
    record["requestParameters"] = request;
    // A role of the trail's own account: the call has no other finding.
    let record = record.to_string().replace("444455556666", "111122223333");
    let fields = event(&record).fields;
    assert_eq!(fields.findings.len(), 1);
    let finding = &fields.findings[0];
    (finding.rule.id, fields.severity, finding.reason.clone())
}

#[test]
fn an_update_that_records_more_is_not_a_reduction() {
    let more = json!({ "name": "audit", "isMultiRegionTrail": true, "includeGlobalServiceEvents": "true",
        "enableLogFileValidation": true, "isOrganizationTrail": true, "snsTopicName": "trail",
        "kmsKeyId": "arn:aws:kms:eu-west-1:111122223333:key/0a1b", "s3BucketName": null });
    let (rule, severity, reason) = judged("UpdateTrail", more.clone());
    assert_eq!((rule, severity), ("trail-changed", Severity::Low), "{reason}");
    assert!(reason.contains("called UpdateTrail on trail audit"), "{reason}");
    for (name, value, setting) in [
        ("isMultiRegionTrail", json!(false), "isMultiRegionTrail is false"),
        ("includeGlobalServiceEvents", json!("false"), "includeGlobalServiceEvents is false"),
        ("enableLogFileValidation", json!(false), "enableLogFileValidation is false"),
        ("isOrganizationTrail", json!(false), "isOrganizationTrail is false"),
        ("s3BucketName", json!("elsewhere"), "s3BucketName is elsewhere"),
        ("s3KeyPrefix", json!("other"), "s3KeyPrefix is other"),
        ("snsTopicName", json!(""), "snsTopicName is empty"),
        ("somethingNew", json!({ "a": 1 }), "somethingNew is set"),
    ] {
        let mut less = more.clone();
        less[name] = value;
        let (rule, severity, reason) = judged("UpdateTrail", less);
        assert_eq!((rule, severity), ("trail-silenced", Severity::High), "{name}");
        assert!(reason.contains(&format!("on trail audit ({setting}): later")), "{reason}");
    }
}

#[test]
fn selectors_of_all_management_events_are_not_a_reduction() {
    let basic = |selectors: Value| json!({ "trailName": "audit", "eventSelectors": selectors });
    let advanced = |selectors: Value| {
        let selectors: Vec<_> = selectors
            .as_array()
            .expect("a list")
            .iter()
            .map(|fields| json!({ "fieldSelectors": fields }))
            .collect();
        json!({ "trailName": "audit", "advancedEventSelectors": selectors })
    };
    let management = json!({ "field": "eventCategory", "equals": ["Management"] });
    let only = |access: &str| json!({ "field": "readOnly", "equals": [access] });
    for (request, all) in [
        (
            basic(
                json!([{ "readWriteType": "All", "includeManagementEvents": true, "excludeManagementEventSources": [] }]),
            ),
            true,
        ),
        (basic(json!([{ "dataResources": [{ "type": "AWS::S3::Object" }] }])), true),
        (basic(json!([{ "readWriteType": "ReadOnly" }, { "readWriteType": "WriteOnly" }])), true),
        (basic(json!([{ "readWriteType": "WriteOnly", "includeManagementEvents": true }])), false),
        (basic(json!([{ "readWriteType": "All", "includeManagementEvents": false }])), false),
        (
            basic(
                json!([{ "readWriteType": "All", "excludeManagementEventSources": ["kms.amazonaws.com"] }]),
            ),
            false,
        ),
        (basic(json!([])), false),
        (advanced(json!([[management], [{ "field": "eventCategory", "equals": ["Data"] }]])), true),
        (advanced(json!([[management, only("true")], [only("false"), management]])), true),
        (advanced(json!([[management, only("false")]])), false),
        (
            advanced(
                json!([[management, { "field": "eventSource", "notEquals": ["iam.amazonaws.com"] }]]),
            ),
            false,
        ),
        (advanced(json!([[{ "field": "eventCategory", "equals": ["Data"] }]])), false),
        (
            advanced(
                json!([[{ "field": "eventCategory", "equals": ["Management"], "notStartsWith": ["M"] }]]),
            ),
            false,
        ),
    ] {
        let expected = match all {
            true => ("trail-changed", Severity::Low),
            false => ("trail-silenced", Severity::High),
        };
        let (rule, severity, reason) = judged("PutEventSelectors", request.clone());
        assert_eq!((rule, severity), expected, "{request}: {reason}");
    }
}

#[test]
fn omitted_parameters_count_as_a_reduction() {
    let too_long = json!({ "omitted": true, "originalSize": 102_401, "reason": "requestParameters too large" });
    for operation in ["UpdateTrail", "PutEventSelectors"] {
        for request in [Value::Null, json!({}), too_long.clone()] {
            let (rule, severity, reason) = judged(operation, request);
            assert_eq!((rule, severity), ("trail-silenced", Severity::High));
            assert!(reason.contains("(the record does not state how)"), "{reason}");
        }
    }
    let (rule, ..) = judged("StopLogging", json!({ "name": "audit" }));
    assert_eq!(rule, "trail-silenced");
}
