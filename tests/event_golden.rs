//! Every operation in every shape, as each format shows it.

use certrelay::config::{EventOptions, OcsfVersion, OutputFormat};
use certrelay::event::CallOutcome;
use serde_json::{Value, json};

use crate::event_fixtures::{
    OPERATIONS, PEM, SHAPES, payload, read, read_with, record, rendered, role,
};

pub(crate) fn pretty(json: &str) -> String {
    let value: Value = serde_json::from_str(json).expect("valid JSON");
    serde_json::to_string_pretty(&value).expect("JSON")
}

/// One snapshot an operation: its five shapes below one another.
fn golden(format: OutputFormat, folder: &str) {
    for operation in OPERATIONS {
        let shapes = SHAPES.map(|shape| {
            format!("# {shape}\n{}\n", pretty(&payload(&record(operation, shape), format)))
        });
        insta::with_settings!({ snapshot_path => format!("fixtures/events/{folder}"), prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(operation, shapes.join("\n"));
        });
    }
}

#[test]
fn ocsf_of_every_operation_in_every_shape() {
    golden(OutputFormat::Ocsf, "ocsf");
}

#[test]
fn ecs_of_every_operation_in_every_shape() {
    golden(OutputFormat::Ecs, "ecs");
}

#[test]
fn cim_of_every_operation_in_every_shape() {
    golden(OutputFormat::Cim, "cim");
}

/// Removes what 1.5.0 does not know; the rest must be equal.
fn without_new_attributes(event: &mut Value) {
    event["metadata"]["version"] = "1.5.0".into();
    let metadata = event["metadata"].as_object_mut().expect("an object");
    metadata.remove("source").expect("1.8.0 has a source");
    metadata.remove("original_event_uid");
    let origin = metadata.remove("log_source").expect("1.8.0 has a log source");
    metadata
        .insert("labels".to_owned(), json!([format!("origin:{}", origin.as_str().expect("text"))]));
    for resource in event.get_mut("resources").and_then(Value::as_array_mut).into_iter().flatten() {
        let resource = resource.as_object_mut().expect("an object");
        resource.remove("role");
        resource.remove("role_id");
    }
    let Some(user) = event.pointer_mut("/actor/user").and_then(Value::as_object_mut) else {
        return;
    };
    let credentials = user.remove("programmatic_credentials").expect("1.8.0 has credentials");
    user.insert("credential_uid".to_owned(), credentials[0]["uid"].clone());
    for observable in event["observables"].as_array_mut().expect("observables") {
        if observable["name"] == "actor.user.programmatic_credentials[].uid" {
            observable["name"] = "actor.user.credential_uid".into();
        }
    }
}

#[test]
fn ocsf_1_5_differs_in_what_it_does_not_know_only() {
    for operation in OPERATIONS {
        for shape in SHAPES {
            let text = record(operation, shape);
            let mut new: Value =
                serde_json::from_str(&payload(&text, OutputFormat::Ocsf)).expect("JSON");
            let options = EventOptions { ocsf: OcsfVersion::V1_5, ..EventOptions::default() };
            let old = rendered(&read_with(&text, options).expect("a record"), OutputFormat::Ocsf);
            without_new_attributes(&mut new);
            assert_eq!(
                serde_json::from_str::<Value>(&old).expect("JSON"),
                new,
                "{operation}, {shape}"
            );
        }
    }
}

#[test]
fn raw_is_byte_for_byte_the_record_when_nothing_is_redacted() {
    for operation in OPERATIONS {
        for shape in SHAPES {
            let text = record(operation, shape);
            if !text.contains("-----BEGIN") {
                assert_eq!(payload(&text, OutputFormat::Raw), text, "{operation}, {shape}");
            }
        }
    }
    let odd = " { \"eventName\" : \"x\", \"eventSource\":\"y\",\n\"n\": 12345678901234567890.000, \"e\": \"\\u00e9\\/\" } ";
    assert_eq!(payload(odd, OutputFormat::Raw), odd);
}

#[test]
fn raw_with_a_certificate_differs_in_its_spans_only() {
    let text = record("UploadSigningCertificate", "success");
    let raw = payload(&text, OutputFormat::Raw);
    let escaped = serde_json::to_string(PEM).expect("JSON");
    let hidden: Vec<&str> = text.split(&escaped).collect();
    assert_eq!(hidden.len(), 3, "once in the request, once in the response");
    let mut rest = raw.as_str();
    for part in hidden {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part} survives in {rest}"));
        rest = &rest[at + part.len()..];
    }
    assert!(!raw.contains("-----BEGIN"), "{raw}");
}

#[test]
fn fields_are_read_once_for_routing() {
    let fields = read(&record("UpdateSigningCertificate", "denied")).expect("a record").fields;
    assert_eq!(
        (fields.name.as_str(), fields.source.as_str()),
        ("UpdateSigningCertificate", "iam.amazonaws.com")
    );
    assert_eq!(
        (fields.account.as_deref(), fields.region.as_deref()),
        (Some("111122223333"), Some("us-east-1"))
    );
    assert_eq!(
        (fields.outcome, fields.error_code.as_deref()),
        (CallOutcome::Failure, Some("AccessDenied"))
    );
    assert_eq!(fields.time.map(time::OffsetDateTime::unix_timestamp), Some(1_771_776_707));
    assert_eq!(fields.principal.as_deref(), Some("arn:aws:iam::111122223333:user/ops/alice"));
}

#[test]
fn an_event_without_id_is_known_by_its_bytes_and_a_forged_id_folds_nothing() {
    let minimal = record("GetServerCertificate", "minimal");
    let event = read(&minimal).expect("a record");
    assert_eq!(event.id.len(), 64);
    assert_eq!(event.id, read(&minimal).expect("a record").id);
    let real = record("GetServerCertificate", "success");
    let forged = real.replace("GetServerCertificate", "DeleteServerCertificate");
    let (real, forged) = (read(&real).expect("a record"), read(&forged).expect("a record"));
    assert_eq!(real.id, forged.id);
    assert_ne!(real.key, forged.key);
}

#[test]
fn what_is_no_record_is_named_and_keeps_its_bytes() {
    for (text, reason) in [
        ("[]", "the record is not a JSON object"),
        ("{\"eventName\":\"x\"}", "eventSource is missing"),
        ("{\"eventName\":7,\"eventSource\":\"y\"}", "eventName is not a non-empty string"),
        ("{\"eventName\":\"x\",\"eventSource\":null}", "eventSource is not a non-empty string"),
        ("{\"eventName\":\"x\"", "the record is not JSON: expected ',' or '}' at byte 16"),
    ] {
        let bad = read(text).expect_err("bad");
        assert_eq!(bad.reason, reason);
        assert_eq!((bad.bytes.as_ref(), bad.index, bad.offset), (text.as_bytes(), 7, 12));
        assert_eq!(bad.sha256.len(), 64);
    }
}

#[test]
fn nulls_and_wrong_types_anywhere_are_tolerated() {
    let full: Value =
        serde_json::from_str(&record("UploadServerCertificate", "success")).expect("JSON");
    for name in full
        .as_object()
        .expect("an object")
        .keys()
        .filter(|name| !["eventName", "eventSource"].contains(&name.as_str()))
    {
        for odd in [Value::Null, json!(7), json!([null]), json!({ "type": null }), json!("")] {
            let mut record = full.clone();
            record[name] = odd;
            for format in crate::event_fixtures::FORMATS {
                pretty(&payload(&record.to_string(), format));
            }
        }
    }
}

#[test]
fn a_role_of_another_account_is_the_actor_and_the_recipient_owns_the_target() {
    let mut record: Value =
        serde_json::from_str(&record("UpdateSigningCertificate", "success")).expect("JSON");
    record["userIdentity"] = role();
    let event: Value =
        serde_json::from_str(&payload(&record.to_string(), OutputFormat::Ocsf)).expect("JSON");
    assert_eq!(
        event["message"],
        "UpdateSigningCertificate by role cert-rotation (session deploy-42) on signing certificate TA7SMP42TDN5Z26OBPJE7EXAMPLE of user bob: success"
    );
    assert_eq!(event["actor"]["user"]["account"]["uid"], "444455556666");
    assert_eq!(event["cloud"]["account"]["uid"], "111122223333");
    assert_eq!(
        event["actor"]["session"]["issuer"],
        "arn:aws:iam::444455556666:role/ci/cert-rotation"
    );
    assert_eq!(event["actor"]["session"]["is_mfa"], false);
    assert_eq!(event["resources"][1]["uid"], "arn:aws:iam::111122223333:user/bob");
}
