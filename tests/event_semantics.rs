//! Validators accept nonsense of the right shape. This states what the values must mean a second
//! time, and mutants of the output that it must detect.
//!
//! Mutants of the code itself were tried on 22 November 2026, each behind a switch in one build,
//! against the tests `event_*` (golden, semantics, trail, context, stories, actors, explain) and
//! the unit tests. Of 26, 25 were killed: actor's ARN and account swapped · status flipped · only
//! `AccessDenied` is a failure · the caller's account instead of the recipient's · local time ·
//! seconds instead of milliseconds · the request's id instead of the event's · MFA inverted · the
//! target is always the caller · a rename without its new name · an ARN without its path · the
//! partition by the region only · no call acts on another user · a target out of a message is not
//! marked · nothing raises · a session's ARN is matched as expected · CIM: the caller is the user
//! acted on · ECS: the same · CIM, ECS: every call succeeded · reports of caller and target swapped
//! · the caller's account is named · expired inverted · afternoons are mornings · a fixed label
//! wins over the account's · a trail only by `name`. "The partition by the region only" survived;
//! `event_trail` asks for it since.

use certrelay::config::OutputFormat;
use serde_json::{Value, json};

use crate::event_fixtures::{payload, record, role};
use crate::event_samples::fixtures;

/// Returns what is wrong with `event` as the OCSF of `record`.
fn wrong(record: &Value, event: &Value) -> Vec<&'static str> {
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
    let value = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    let number = |pointer: &str| event.pointer(pointer).and_then(Value::as_i64);
    let failed = text("/errorCode").is_some() || text("/errorMessage").is_some();
    let name = text("/eventName").unwrap_or_default();
    let activity = match name {
        _ if name.starts_with("Upload") => (1, "Create"),
        _ if name.starts_with("Delete") => (4, "Delete"),
        _ if name.starts_with("Get") || name.starts_with("List") => (2, "Read"),
        _ => (3, "Update"),
    };
    let owner = text("/recipientAccountId").or(text("/userIdentity/accountId"));
    let time = text("/eventTime").map(|time| {
        time::OffsetDateTime::parse(time, &time::format_description::well_known::Rfc3339)
            .expect("a time")
    });
    let mfa =
        text("/userIdentity/sessionContext/attributes/mfaAuthenticated").map(|flag| flag == "true");
    [
        ("class", number("/class_uid") == Some(6003) && number("/category_uid") == Some(6)),
        (
            "activity",
            number("/activity_id") == Some(activity.0)
                && value("/activity_name") == Some(activity.1),
        ),
        (
            "type",
            number("/type_uid") == Some(600_300 + activity.0)
                && value("/type_name") == Some(&format!("API Activity: {}", activity.1)),
        ),
        ("status_id", number("/status_id") == Some(if failed { 2 } else { 1 })),
        ("status", value("/status") == Some(if failed { "Failure" } else { "Success" })),
        ("status_code", value("/status_code") == text("/errorCode")),
        ("status_detail", value("/status_detail") == text("/errorMessage")),
        ("error", value("/api/response/error") == text("/errorCode")),
        ("time", number("/time") == time.map(|time| time.unix_timestamp() * 1000)),
        ("time_dt", value("/time_dt") == text("/eventTime")),
        ("original_time", value("/metadata/original_time") == text("/eventTime")),
        ("uid", text("/eventID").is_none_or(|id| value("/metadata/uid") == Some(id))),
        ("correlation", value("/metadata/correlation_uid") == text("/requestID")),
        (
            "operation",
            value("/api/operation") == Some(name)
                && value("/api/service/name") == text("/eventSource"),
        ),
        ("request", text("/requestID").is_none_or(|id| value("/api/request/uid") == Some(id))),
        ("region", value("/cloud/region") == text("/awsRegion")),
        ("owner", value("/cloud/account/uid") == owner),
        ("actor", value("/actor/user/uid") == text("/userIdentity/arn")),
        ("actor account", value("/actor/user/account/uid") == text("/userIdentity/accountId")),
        ("actor name", value("/actor/user/name") == text("/userIdentity/userName")),
        (
            "key",
            value("/actor/user/programmatic_credentials/0/uid")
                == text("/userIdentity/accessKeyId"),
        ),
        ("mfa", event.pointer("/actor/session/is_mfa").and_then(Value::as_bool) == mfa),
        (
            "issuer",
            value("/actor/session/issuer")
                == text("/userIdentity/sessionContext/sessionIssuer/arn"),
        ),
        ("source", text("/sourceIPAddress").is_none_or(|ip| value("/src_endpoint/ip") == Some(ip))),
        ("agent", value("/http_request/user_agent") == text("/userAgent")),
        (
            "severity",
            number("/severity_id").is_some_and(|id| {
                ["", "Informational", "Low", "Medium", "High", "Critical"]
                    .get(usize::try_from(id).unwrap_or(0))
                    .copied()
                    == value("/severity")
            }),
        ),
        ("target", target_is_right(record, event)),
        ("times", number("/metadata/logged_time") < number("/metadata/processed_time")),
        (
            "alert",
            event["is_alert"].as_bool().unwrap_or(false) == (number("/severity_id") >= Some(3)),
        ),
    ]
    .into_iter()
    .filter_map(|(what, is_right)| (!is_right).then_some(what))
    .collect()
}

/// The target's name, its type and its owner.
fn target_is_right(record: &Value, event: &Value) -> bool {
    let parameters = &record["requestParameters"];
    let signing = record["eventName"].as_str().is_some_and(|name| name.contains("Signing"));
    let named = if signing {
        parameters["userName"].as_str()
    } else {
        parameters["serverCertificateName"].as_str()
    };
    let Some(named) = named else { return true };
    let kind = if signing { "AWS::IAM::User" } else { "AWS::IAM::ServerCertificate" };
    let resources = event["resources"].as_array().map(Vec::as_slice).unwrap_or_default();
    let owner = record["recipientAccountId"].as_str();
    resources.iter().any(|resource| {
        let uid = resource["uid"].as_str().unwrap_or_default();
        resource["type"] == kind
            && resource["name"] == named
            && resource["role_id"] == 1
            && resource["owner"]["account"]["uid"].as_str() == owner
            && uid.ends_with(&format!("/{named}"))
            && owner.is_none_or(|owner| uid.contains(owner))
    })
}

fn pairs() -> Vec<(Value, Value)> {
    let mut records: Vec<Value> =
        fixtures().iter().map(|text| serde_json::from_str(text).expect("JSON")).collect();
    let mut by_role: Value =
        serde_json::from_str(&record("UpdateSigningCertificate", "success")).expect("JSON");
    by_role["userIdentity"] = role();
    records.push(by_role);
    let event = |record: &Value| {
        serde_json::from_str(&payload(&record.to_string(), OutputFormat::Ocsf)).expect("JSON")
    };
    records
        .into_iter()
        .map(|record| {
            let event = event(&record);
            (record, event)
        })
        .collect()
}

#[test]
fn every_event_has_the_values_of_its_record() {
    for (record, event) in pairs() {
        assert_eq!(wrong(&record, &event), Vec::<&str>::new(), "{record}\n{event}");
    }
}

/// A change to the mapping, seen from its output.
type Mutant = (&'static str, fn(&mut Value));

fn swap(event: &mut Value, one: &str, other: &str) {
    let (a, b) = (
        event.pointer(one).cloned().unwrap_or(Value::Null),
        event.pointer(other).cloned().unwrap_or(Value::Null),
    );
    set(event, one, b);
    set(event, other, a);
}

fn set(event: &mut Value, pointer: &str, value: Value) {
    if let Some(target) = event.pointer_mut(pointer) {
        *target = value;
    }
}

fn shift(event: &mut Value, pointer: &str, by: i64) {
    if let Some(number) = event.pointer(pointer).and_then(Value::as_i64) {
        set(event, pointer, json!(number + by));
    }
}

const MUTANTS: [Mutant; 25] = [
    ("actor and target swapped", |e| swap(e, "/actor/user/uid", "/resources/0/uid")),
    ("actor's name is the target's", |e| swap(e, "/actor/user/name", "/resources/1/name")),
    ("status flipped", |e| {
        let id = e["status_id"].as_i64().unwrap_or(1);
        e["status_id"] = json!(3 - id);
    }),
    ("status words flipped", |e| {
        e["status"] = json!(if e["status"] == "Success" { "Failure" } else { "Success" })
    }),
    ("status by a fixed list of codes", |e| {
        if e["status_code"] != "AccessDenied" {
            e["status_id"] = json!(1)
        }
    }),
    ("account of the caller instead of the recipient's", |e| {
        swap(e, "/cloud/account/uid", "/actor/user/account/uid")
    }),
    ("owner of the target is the caller's account", |e| {
        let own = e["actor"]["user"]["account"]["uid"].clone();
        set(e, "/resources/1/owner/account/uid", own);
    }),
    ("local time", |e| shift(e, "/time", -4 * 3_600_000)),
    ("seconds instead of milliseconds", |e| {
        let ms = e["time"].as_i64().unwrap_or(0);
        e["time"] = json!(ms / 1000);
    }),
    ("time of reading", |e| {
        let read = e["metadata"]["processed_time"].clone();
        e["time"] = read;
    }),
    ("local time in words", |e| e["time_dt"] = json!("2026-02-22T12:11:47-04:00")),
    ("delivered and read swapped", |e| {
        swap(e, "/metadata/logged_time", "/metadata/processed_time")
    }),
    ("upload is Other", |e| {
        if e["activity_id"] == 1 {
            e["activity_id"] = json!(99)
        }
    }),
    ("type_uid not computed", |e| e["type_uid"] = json!(600_300)),
    ("type_name of another activity", |e| e["type_name"] = json!("API Activity: Other")),
    ("id is the request's", |e| swap(e, "/metadata/uid", "/metadata/correlation_uid")),
    ("MFA always true", |e| set(e, "/actor/session/is_mfa", json!(true))),
    ("MFA as text", |e| {
        if e.pointer("/actor/session/is_mfa").is_some() {
            set(e, "/actor/session/is_mfa", json!("false"))
        }
    }),
    ("issuer is the session", |e| {
        let own = e["actor"]["user"]["uid"].clone();
        set(e, "/actor/session/issuer", own);
    }),
    ("principal instead of key", |e| {
        swap(e, "/actor/user/programmatic_credentials/0/uid", "/actor/user/uid_alt")
    }),
    ("operation is the event type", |e| e["api"]["operation"] = json!("AwsApiCall")),
    ("source is the host header", |e| set(e, "/src_endpoint/ip", json!("203.0.113.200"))),
    ("severity unknown", |e| e["severity_id"] = json!(0)),
    ("every event an alert", |e| e["is_alert"] = json!(true)),
    ("target without its owner's account in the ARN", |e| {
        set(e, "/resources/0/uid", json!("arn:aws:iam::000000000000:user/other"))
    }),
];

#[test]
fn every_mutant_of_the_mapping_is_detected() {
    let pairs = pairs();
    for (mutant, change) in MUTANTS {
        let caught = pairs.iter().any(|(record, event)| {
            let mut mutated = event.clone();
            change(&mut mutated);
            mutated != *event && !wrong(record, &mutated).is_empty()
        });
        assert!(caught, "survived: {mutant}");
    }
}

#[test]
fn ecs_has_the_id_path_and_status_of_a_certificate() {
    let certificate = |operation: &str| -> Value {
        let ecs = payload(&record(operation, "success"), OutputFormat::Ecs);
        serde_json::from_str::<Value>(&ecs).expect("JSON")["aws"]["iam"]["certificate"].take()
    };
    let signing = certificate("UpdateSigningCertificate");
    assert_eq!(signing, json!({ "id": "TA7SMP42TDN5Z26OBPJE7EXAMPLE", "status": "Inactive" }));
    let server = certificate("UploadServerCertificate");
    assert_eq!(server["id"], "ASCAEXAMPLE000000001");
    assert_eq!(server["path"], "/cloudfront/edge/");
}

#[test]
fn cim_has_a_reason_once_if_it_raises_several_findings() {
    let cim = payload(&record("UploadServerCertificate", "success"), OutputFormat::Cim);
    let cim: Value = serde_json::from_str(&cim).expect("JSON");
    assert_eq!(cim["finding"].as_array().map(Vec::len), Some(2));
    assert_eq!(cim["severity_reasons"].as_array().map(Vec::len), Some(1), "{cim}");
}
