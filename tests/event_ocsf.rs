//! OCSF against the descriptions of its attributes, which no validator reads.

use std::collections::BTreeMap;

use certrelay::config::{EventOptions, OcsfVersion, OutputFormat};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::event_actors::{root, script};
use crate::event_fixtures::{read_with, record, rendered, role};
use crate::event_samples::{fixtures, samples};
use crate::event_trail::trail_records;

fn event_in(record: &str, ocsf: OcsfVersion) -> Value {
    let options = EventOptions { ocsf, ..EventOptions::default() };
    let event = read_with(record, options).expect("a record");
    serde_json::from_str(&rendered(&event, OutputFormat::Ocsf)).expect("JSON")
}

fn event(record: &Value) -> Value {
    event_in(&record.to_string(), OcsfVersion::V1_8)
}

fn changed(operation: &str, shape: &str, members: &Value) -> Value {
    let mut record: Value = serde_json::from_str(&record(operation, shape)).expect("JSON");
    for (name, value) in members.as_object().expect("an object") {
        record[name] = value.clone();
    }
    record
}

/// An object of the schema, as `ocsf_objects.py` writes it.
#[derive(Debug, Deserialize)]
struct Attributes {
    deprecated: Vec<String>,
    objects: BTreeMap<String, String>,
}

type Objects = BTreeMap<String, Attributes>;

/// Returns the deprecated attributes of `value`, and objects that the list does not have.
fn refused(value: &Value, kind: &str, objects: &Objects, into: &mut Vec<String>) {
    let Some(attributes) = objects.get(kind) else {
        return into.push(format!("{kind} is unknown: run tests/fixtures/events/ocsf_objects.py"));
    };
    for (name, below) in value.as_object().into_iter().flatten() {
        if attributes.deprecated.contains(name) {
            into.push(format!("{kind}.{name} is deprecated"));
        }
        let items = below.as_array().map_or(std::slice::from_ref(below), Vec::as_slice);
        if name == "unmapped" || (name == "data" && kind != "actor") {
            continue;
        }
        for item in items.iter().filter(|item| item.is_object()) {
            match attributes.objects.get(name) {
                Some(kind) => refused(item, kind, objects, into),
                None => into.push(format!("{kind}.{name} is unknown: run ocsf_objects.py")),
            }
        }
    }
}

fn callers() -> Vec<String> {
    let center = json!({ "type": "IdentityCenterUser", "accountId": "111122223333", "credentialId": "C",
                         "onBehalfOf": { "userId": "u", "identityStoreArn": "a" } });
    let service = json!({ "type": "AWSService", "invokedBy": "cloudformation.amazonaws.com" });
    [center, service, role(), root(), script()]
        .map(|one| changed("UploadSigningCertificate", "success", &json!({ "userIdentity": one })))
        .map(|one| one.to_string())
        .to_vec()
}

#[test]
fn no_event_has_a_deprecated_attribute() {
    let all: BTreeMap<String, Objects> =
        serde_json::from_str(include_str!("fixtures/events/ocsf_objects.json")).expect("a list");
    let records = [fixtures(), callers(), trail_records(), samples()].concat();
    for version in [OcsfVersion::V1_8, OcsfVersion::V1_5] {
        for record in &records {
            let event = event_in(record, version);
            let objects = &all[event["metadata"]["version"].as_str().expect("a version")];
            let mut found = Vec::new();
            refused(&event, "api_activity", objects, &mut found);
            assert!(found.is_empty(), "{found:?}: {event}");
        }
    }
}

#[test]
fn a_deprecated_attribute_is_refused() {
    let all: BTreeMap<String, Objects> =
        serde_json::from_str(include_str!("fixtures/events/ocsf_objects.json")).expect("a list");
    for (event, refused_one) in [
        (json!({ "actor": { "invoked_by": "x" } }), "actor.invoked_by is deprecated"),
        (
            json!({ "actor": { "user": { "credential_uid": "x" } } }),
            "user.credential_uid is deprecated",
        ),
        (json!({ "attacks": [{ "tactics": [] }] }), "attack.tactics is deprecated"),
        (
            json!({ "resources": [{ "unheard": {} }] }),
            "resource_details.unheard is unknown: run ocsf_objects.py",
        ),
    ] {
        let mut found = Vec::new();
        refused(&event, "api_activity", &all["1.8.0"], &mut found);
        assert_eq!(found, [refused_one]);
    }
}

#[test]
fn the_origin_is_the_log_source_and_the_source_is_a_name() {
    let record = record("UploadServerCertificate", "success");
    let new = event_in(&record, OcsfVersion::V1_8)["metadata"].take();
    assert_eq!(new["log_source"], "s3://audit-logs/AWSLogs/x.json.gz#7");
    assert_eq!(new["source"], "CloudTrail Events");
    assert_eq!(new["original_event_uid"], new["uid"]);
    let old = event_in(&record, OcsfVersion::V1_5)["metadata"].take();
    assert_eq!(old["labels"], json!(["origin:s3://audit-logs/AWSLogs/x.json.gz#7"]));
    for absent in ["log_source", "source", "original_event_uid"] {
        assert_eq!(old[absent], Value::Null);
    }
    let without = crate::event_fixtures::record("GetServerCertificate", "minimal");
    let without = event_in(&without, OcsfVersion::V1_8)["metadata"].take();
    assert_eq!(without["original_event_uid"], Value::Null, "the id is certrelay's");
}

#[test]
fn credentials_are_programmatic_and_a_temporary_one_is_the_sessions() {
    let by = |identity: Value| {
        changed("DeleteServerCertificate", "success", &json!({ "userIdentity": identity }))
    };
    let session = event(&by(role()))["actor"].take();
    let key = "ASIAEXAMPLEROLE00001";
    assert_eq!(
        session["user"]["programmatic_credentials"],
        json!([{ "uid": key, "type": "Access Key" }])
    );
    assert_eq!(session["session"]["credential_uid"], key);
    assert_eq!(session["session"]["uid"], "deploy-42");
    assert_eq!(
        session["session"]["uid_alt"],
        "arn:aws:sts::444455556666:assumed-role/cert-rotation/deploy-42"
    );
    let long_term = event(&by(script()))["actor"].take();
    assert_eq!(long_term["user"]["programmatic_credentials"][0]["uid"], "AKIAEXAMPLEALICE0001");
    assert_eq!(long_term["session"], Value::Null);
    let old = event_in(&by(script()).to_string(), OcsfVersion::V1_5)["actor"].take();
    assert_eq!(old["user"]["credential_uid"], "AKIAEXAMPLEALICE0001", "1.5.0 has no other");
    assert_eq!(old["user"]["programmatic_credentials"], Value::Null);
}

#[test]
fn services_are_applications_and_no_users_or_host_names() {
    for source in ["cloudformation.amazonaws.com", "AWS Internal"] {
        let identity = json!({ "type": "AWSService", "invokedBy": "cloudformation.amazonaws.com" });
        let members = json!({ "sourceIPAddress": source, "userIdentity": identity });
        let event = event(&changed("DeleteServerCertificate", "success", &members));
        assert_eq!(event["src_endpoint"], json!({ "svc_name": source }));
        assert_eq!(event["actor"], json!({ "app_name": "cloudformation.amazonaws.com" }));
        let observables = event["observables"].as_array().expect("observables");
        let has = |id: u64| observables.iter().any(|one| one["type_id"] == id);
        assert!(!has(1) && !has(4), "no host name, no user name: {observables:?}");
    }
    let endpoint = |source: Value| {
        let members = json!({ "sourceIPAddress": source });
        event(&changed("GetServerCertificate", "success", &members))["src_endpoint"].take()
    };
    assert_eq!(endpoint(json!("host.example.com")), json!({ "hostname": "host.example.com" }));
    assert_eq!(endpoint(Value::Null), json!({ "name": "unknown" }), "no domain of that name");
    let two = endpoint(json!("203.0.113.7, 10.0.0.1"));
    assert_eq!(two, json!({ "ip": "203.0.113.7", "intermediate_ips": ["10.0.0.1"] }));
    let unknown =
        event(&changed("GetServerCertificate", "success", &json!({ "userIdentity": {} })));
    assert_eq!(
        unknown["actor"],
        json!({ "app_name": "unknown" }),
        "the service called is no caller"
    );
}

#[test]
fn a_denied_call_has_the_decision() {
    for code in ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"] {
        let denied =
            event(&changed("UpdateSigningCertificate", "denied", &json!({ "errorCode": code })));
        assert_eq!(denied["actor"]["authorizations"], json!([{ "decision": "denied" }]), "{code}");
    }
    for shape in ["success", "other error"] {
        let other = event(&changed("UpdateSigningCertificate", shape, &json!({})));
        assert_eq!(other["actor"]["authorizations"], Value::Null, "{shape}");
    }
}

/// Returns whether `path` names an attribute of the event; JSON in text is looked into.
fn resolves(event: &Value, path: &str) -> bool {
    let mut values = vec![event.clone()];
    for name in path.split('.') {
        let (name, is_array) = name.strip_suffix("[]").map_or((name, false), |name| (name, true));
        values = values
            .into_iter()
            .map(|value| match &value {
                Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
                _ => value,
            })
            .filter_map(|value| value.get(name).cloned())
            .flat_map(|value| match value {
                Value::Array(items) if is_array => items,
                other => vec![other],
            })
            .collect();
    }
    !values.is_empty()
}

#[test]
fn enrichments_and_observables_are_named_by_attributes() {
    let context = crate::event_context::context();
    for record in [fixtures(), callers()].concat() {
        let options = crate::event_context::options();
        let event = crate::event_fixtures::read_in(&record, options, &context).expect("a record");
        let event =
            serde_json::from_str::<Value>(&rendered(&event, OutputFormat::Ocsf)).expect("JSON");
        for list in ["enrichments", "observables"] {
            for one in event[list].as_array().into_iter().flatten() {
                let name = one["name"].as_str().expect("a name");
                assert!(resolves(&event, name), "{name}: {event}");
            }
        }
    }
}

#[test]
fn a_signing_certificate_is_a_credential_of_its_owner() {
    let event = event(&changed("UploadSigningCertificate", "success", &json!({})));
    let id = "TA7SMP42TDN5Z26OBPJE7EXAMPLE";
    let observables = event["observables"].as_array().expect("observables");
    let credentials: Vec<_> =
        observables.iter().filter(|one| one["type_id"] == 19).map(|one| &one["value"]).collect();
    assert_eq!(credentials, [&json!("ASIAEXAMPLEALICE0001"), &json!(id)]);
    let certificate = &event["resources"][0];
    assert_eq!(certificate["uid"], id);
    assert_eq!(certificate["created_time_dt"], "2026-02-22T16:11:47Z");
    assert_eq!(certificate["created_time"], 1_771_776_707_000_i64);
    assert_eq!(certificate["owner"]["name"], "bob");
    assert_eq!(certificate["owner"]["uid"], "arn:aws:iam::111122223333:user/bob");
}

#[test]
fn a_server_certificate_has_the_time_of_its_upload() {
    let event = event(&changed("UploadServerCertificate", "success", &json!({})));
    assert_eq!(event["resources"][0]["created_time_dt"], "2026-02-22T16:11:47Z");
}
