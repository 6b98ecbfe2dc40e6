//! What the formats say of callers, addresses, times, TLS and techniques, for every form that
//! CloudTrail has written.

use certrelay::config::{EventOptions, Network, OutputFormat};
use certrelay::event::{RULES, explain};
use serde_json::{Value, json};

use crate::event_actors::{assumed_root, root};
use crate::event_fixtures::{PEM, SHAPES, payload, read, read_with, record, role};

const USER_ARN: &str = "arn:aws:iam::111122223333:user/ops/alice";

/// Returns the record of an operation with these members replaced.
fn changed(operation: &str, shape: &str, members: &Value) -> String {
    let mut record: Value = serde_json::from_str(&record(operation, shape)).expect("JSON");
    for (name, value) in members.as_object().expect("an object") {
        record[name] = value.clone();
    }
    record.to_string()
}

fn json_of(record: &str, format: OutputFormat) -> Value {
    serde_json::from_str(&payload(record, format)).expect("JSON")
}

fn by(identity: &Value, format: OutputFormat) -> Value {
    json_of(
        &changed("DeleteServerCertificate", "success", &json!({ "userIdentity": identity })),
        format,
    )
}

#[test]
fn ecs_keeps_ids_and_names_of_attack_in_pairs() {
    let texts = |value: &Value| -> Vec<String> {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().map(|item| item.as_str().expect("text").to_owned()).collect()
    };
    let known: Vec<_> = RULES.iter().flat_map(|rule| rule.attack).collect();
    let is_known = |id: &str, name: &str| {
        known.iter().any(|one| {
            let parent = one.id.split('.').next() == Some(id) && one.parent == Some(name);
            parent || (one.tactic_id, one.tactic) == (id, name) || (one.id, one.name) == (id, name)
        })
    };
    let by_root = json!({ "userIdentity": root() });
    let mut seen = 0;
    for operation in crate::event_fixtures::OPERATIONS {
        for record in SHAPES.map(|shape| changed(operation, shape, &by_root)) {
            let threat = json_of(&record, OutputFormat::Ecs)["threat"].take();
            for place in ["tactic", "technique", "technique/subtechnique"] {
                let at = threat.pointer(&format!("/{place}")).unwrap_or(&Value::Null);
                let (ids, names) = (texts(&at["id"]), texts(&at["name"]));
                assert_eq!(ids.len(), names.len(), "{threat}");
                seen += ids.len();
                let pairs = ids.iter().zip(&names);
                pairs.for_each(|(id, name)| assert!(is_known(id, name), "{id} {name}: {threat}"));
            }
        }
    }
    assert!(seen > 60, "{seen}");
    let upload = changed("UploadSigningCertificate", "success", &by_root);
    let technique = json_of(&upload, OutputFormat::Ecs)["threat"]["technique"].take();
    assert_eq!(technique["id"], json!(["T1098", "T1078"]));
    assert_eq!(technique["name"], json!(["Account Manipulation", "Valid Accounts"]));
}

#[test]
fn ecs_names_module_and_dataset() {
    let event = by(&root(), OutputFormat::Ecs)["event"].take();
    assert_eq!((&event["module"], &event["dataset"]), (&json!("aws"), &json!("aws.cloudtrail")));
}

/// Identity, and `user.id`, `user.name`, `service.origin.name` in ECS; absent is "".
fn callers() -> Vec<(Value, [&'static str; 3])> {
    let session = "arn:aws:sts::111122223333:assumed-role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123/alice@example.com";
    let store = "arn:aws:identitystore::111122223333:identitystore/d-1234567890";
    let center = json!({ "type": "IdentityCenterUser", "accountId": "111122223333", "credentialId": "C",
                         "onBehalfOf": { "userId": "94d00cd8", "identityStoreArn": store } });
    let user = |name: &str| json!({ "type": "IAMUser", "userName": name, "arn": USER_ARN, "accountId": "111122223333" });
    let mut through = user("alice");
    through["invokedBy"] = "cloudformation.amazonaws.com".into();
    vec![
        (center, ["94d00cd8", "", ""]),
        (
            json!({ "type": "AWSService", "invokedBy": "cloudformation.amazonaws.com" }),
            ["", "", "cloudformation.amazonaws.com"],
        ),
        (
            json!({ "invokedBy": "autoscaling.amazonaws.com" }),
            ["", "", "autoscaling.amazonaws.com"],
        ),
        (
            json!({ "type": "AWSAccount", "principalId": "AIDAEXAMPLE", "accountId": "444455556666" }),
            ["AIDAEXAMPLE", "", ""],
        ),
        (
            json!({ "type": "AssumedRole", "principalId": "AROAEXAMPLE:s", "arn": session }),
            [session, "AWSReservedSSO_Admin_0123", ""],
        ),
        (
            role(),
            ["arn:aws:sts::444455556666:assumed-role/cert-rotation/deploy-42", "cert-rotation", ""],
        ),
        (json!({}), ["", "", ""]),
        (Value::Null, ["", "", ""]),
        (json!("Root"), ["", "", ""]),
        (json!({ "type": "Unknown" }), ["", "", ""]),
        (
            json!({ "type": "SAMLUser", "principalId": "x:alice", "userName": "alice" }),
            ["x:alice", "alice", ""],
        ),
        (user("HIDDEN_DUE_TO_SECURITY_REASONS"), [USER_ARN, "alice", ""]),
        (user(""), [USER_ARN, "alice", ""]),
        (through, [USER_ARN, "alice", "cloudformation.amazonaws.com"]),
        (root(), ["arn:aws:iam::111122223333:root", "root", ""]),
        (assumed_root(), ["arn:aws:iam::111122223333:root", "root", ""]),
    ]
}

/// Returns records with every kind of caller and every form of address.
pub(crate) fn records() -> Vec<String> {
    let by = callers().into_iter().map(|(identity, _)| json!({ "userIdentity": identity }));
    let from = ADDRESSES.iter().map(|(source, ..)| json!({ "sourceIPAddress": source }));
    let conflict =
        json!({ "errorCode": "DeleteConflictException", "errorMessage": message("CloudFront") });
    by.chain(from)
        .chain([
            conflict,
            json!({ "errorCode": "DeleteConflict", "errorMessage": message(BALANCER) }),
        ])
        .map(|members| changed("DeleteServerCertificate", "success", &members))
        .collect()
}

#[test]
fn ecs_has_a_user_or_a_service_for_every_kind_of_caller() {
    for (identity, expected) in callers() {
        let event = by(&identity, OutputFormat::Ecs);
        let text = |at: &str| event.pointer(at).and_then(Value::as_str).unwrap_or_default();
        let found = [text("/user/id"), text("/user/name"), text("/service/origin/name")];
        assert_eq!(found, expected, "{identity}");
    }
}

#[test]
fn cim_has_a_user_for_every_kind_of_caller() {
    for (identity, [id, name, service]) in callers() {
        let event = by(&identity, OutputFormat::Cim);
        let known = [name, service, id].into_iter().find(|text| !text.is_empty());
        assert_eq!(event["src_user"], known.unwrap_or("unknown"), "{identity}");
        assert_eq!(event["user"], event["src_user"], "{identity}");
        let ids = [&event["src_user_id"], &event["user_id"]].map(|id| id.as_str());
        assert_eq!(ids.map(Option::unwrap_or_default), [id, id], "{identity}");
    }
}

#[test]
fn user_ids_of_caller_and_target_are_of_one_kind() {
    let record = record("UpdateSigningCertificate", "success");
    let ecs = json_of(&record, OutputFormat::Ecs)["user"].take();
    assert_eq!(ecs["id"], USER_ARN);
    assert_eq!(ecs["target"]["id"], "arn:aws:iam::111122223333:user/bob");
    let cim = json_of(&record, OutputFormat::Cim);
    assert_eq!((&cim["user"], &cim["user_id"]), (&json!("bob"), &ecs["target"]["id"]));
    assert_eq!(cim["src_user_id"], ecs["id"]);
}

#[test]
fn tls_versions_in_any_spelling_are_read_and_placeholders_are_no_facts() {
    for (text, protocol, version) in [
        ("TLSv1.2", "tls", "1.2"),
        ("TLSv1", "tls", "1"),
        ("1.3", "tls", "1.3"),
        ("TLS1.2", "tls", "1.2"),
        ("tlsv1.2", "tls", "1.2"),
        ("TLS 1.2", "tls", "1.2"),
        ("TLS_1.2", "tls", "1.2"),
        ("SSLv3", "ssl", "3"),
        ("tlsVersion", "", ""),
        ("-", "", ""),
        ("", "", ""),
        ("QUICv1", "", ""),
        ("vvv", "", ""),
        ("TLSv", "", ""),
        ("1.2.3", "", ""),
    ] {
        let details = json!({ "tlsDetails": { "tlsVersion": text } });
        let record = changed("GetServerCertificate", "success", &details);
        let tls = json_of(&record, OutputFormat::Ecs)["tls"].take();
        let found = ["version_protocol", "version"].map(|name| tls[name].as_str());
        assert_eq!(found.map(Option::unwrap_or_default), [protocol, version], "{text}");
    }
    for (cipher, host, is_fact) in [
        ("TLS_AES_128_GCM_SHA256", "iam.amazonaws.com", true),
        ("cipherSuite", "clientProvidedHostHeader", false),
        ("-", "-", false),
        ("null", "n/a", false),
    ] {
        let details = json!({ "cipherSuite": cipher, "clientProvidedHostHeader": host });
        let record = changed("GetServerCertificate", "success", &json!({ "tlsDetails": details }));
        let ecs = json_of(&record, OutputFormat::Ecs);
        assert_eq!(ecs.pointer("/tls/cipher").is_some(), is_fact, "{cipher}");
        assert_eq!(ecs.pointer("/tls/client/server_name").is_some(), is_fact, "{host}");
    }
}

/// `sourceIPAddress`, its first address and its port; an absent one is "" and 0.
const ADDRESSES: [(&str, &str, u64); 12] = [
    ("203.0.113.7", "203.0.113.7", 0),
    ("203.0.113.7, 10.0.0.1", "203.0.113.7", 0),
    ("203.0.113.7,10.0.0.1", "203.0.113.7", 0),
    ("203.0.113.7:443", "203.0.113.7", 443),
    ("[2001:db8::1]:443", "2001:db8::1", 443),
    ("[2001:db8::1]", "2001:db8::1", 0),
    ("2001:db8::1", "2001:db8::1", 0),
    (" 203.0.113.7 ", "203.0.113.7", 0),
    ("unknown, 203.0.113.7", "203.0.113.7", 0),
    ("AWS Internal", "", 0),
    ("cloudformation.amazonaws.com", "", 0),
    ("host.example.com", "", 0),
];

#[test]
fn every_format_has_a_sound_address() {
    for (source, ip, port) in ADDRESSES {
        let record =
            changed("GetServerCertificate", "success", &json!({ "sourceIPAddress": source }));
        let ecs = json_of(&record, OutputFormat::Ecs);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        assert_eq!(text(&ecs["source"]["ip"]), ip, "{source}");
        assert_eq!(ecs["source"]["address"], source);
        assert_eq!(ecs["source"]["port"].as_u64().unwrap_or_default(), port, "{source}");
        let cim = json_of(&record, OutputFormat::Cim);
        assert_eq!(text(&cim["src_ip"]), ip, "{source}");
        assert_eq!(cim["src"], if ip.is_empty() { source } else { ip });
        let ocsf = json_of(&record, OutputFormat::Ocsf)["src_endpoint"].take();
        assert_eq!(text(&ocsf["ip"]), ip, "{source}");
        assert_eq!(ocsf["port"].as_u64().unwrap_or_default(), port, "{source}");
    }
}

#[test]
fn known_networks_contain_addresses_with_ports_and_others() {
    let options = || EventOptions {
        known_networks: vec![Network::new("203.0.113.0/24").expect("a network")],
        ..EventOptions::default()
    };
    for (source, is_outside) in [
        ("203.0.113.7:443", false),
        ("203.0.113.7, 10.0.0.1", false),
        ("198.51.100.7:443", true),
        ("198.51.100.7, 203.0.113.7", true),
        ("[2001:db8::1]:443", true),
        ("AWS Internal", false),
    ] {
        let members = json!({ "sourceIPAddress": source });
        let record = changed("DeleteServerCertificate", "success", &members);
        let event = read_with(&record, options()).expect("a record");
        let reasons = &event.fields.findings[0].severity_reasons;
        let outside = reasons.iter().any(|reason| reason.contains("outside the known networks"));
        assert_eq!(outside, is_outside, "{source}: {reasons:?}");
    }
}

#[test]
fn a_time_in_any_form_is_read() {
    let expected = "2026-11-30T09:15:00Z";
    for (time, expected) in [
        (json!("2026-11-30T09:15:00Z"), expected),
        (json!("2026-11-30T09:15:00.123Z"), "2026-11-30T09:15:00.123Z"),
        (json!("2026-11-30T09:15:00+00:00"), expected),
        (json!("2026-11-30 09:15:00"), expected),
        (json!(1_796_030_100), expected),
        (json!("1796030100"), expected),
        (json!(1_796_030_100_123_i64), "2026-11-30T09:15:00.123Z"),
        (json!("2026-11-30T09:15Z"), expected),
        (json!("2026-11-30T09:15:00"), expected),
        (json!("20261130T091500Z"), expected),
        (json!("Mon Nov 30 09:15:00 UTC 2026"), expected),
        (json!("Nov 30, 2026, 9:15:00\u{202f}AM"), expected),
        (json!("2026-11-30t09:15:00z"), expected),
        (json!("2026-11-30T23:59:60Z"), "2026-11-30T23:59:59.999999999Z"),
        (json!("2026-11-30T24:00:00Z"), "2026-12-01T00:00:00Z"),
        (json!("1970-01-01T00:00:00Z"), "1970-01-01T00:00:00Z"),
    ] {
        let record = changed("GetServerCertificate", "success", &json!({ "eventTime": time }));
        let ecs = json_of(&record, OutputFormat::Ecs);
        assert_eq!(ecs["@timestamp"], expected, "{time}");
        let text = time.as_str().map_or_else(|| time.to_string(), str::to_owned);
        assert!(payload(&record, OutputFormat::Ecs).contains(&text), "{time} is lost");
    }
    for time in [json!(""), Value::Null, json!("yesterday"), json!(7), json!({}), json!("7")] {
        let event =
            read(&changed("GetServerCertificate", "success", &json!({ "eventTime": time })));
        assert_eq!(event.expect("a record").fields.time, None, "{time}");
    }
}

const ID: &str = "ASCAEXAMPLEAAAAAAAAAA";
const BALANCER: &str =
    "arn:aws:elasticloadbalancing:us-west-2:111122223333:loadbalancer/app/web/ac6c911c16400000";

/// Returns IAM's message for a certificate that is in use.
fn message(by: &str) -> String {
    format!(
        "Certificate: {ID} is currently in use by {by}. Please remove it first before deleting it from IAM."
    )
}

#[test]
fn a_conflict_names_certificate_and_load_balancer() {
    let classic = "arn:aws:elasticloadbalancing:us-west-1:111122223333:loadbalancer/test-elb";
    for (code, by) in [
        ("DeleteConflictException", BALANCER),
        ("DeleteConflict", classic),
        ("DeleteConflictException", "CloudFront"),
    ] {
        let members = json!({ "errorCode": code, "errorMessage": message(by) });
        let record = changed("DeleteServerCertificate", "success", &members);
        let ecs = json_of(&record, OutputFormat::Ecs)["aws"]["iam"]["certificate"].take();
        assert_eq!((&ecs["id"], &ecs["in_use_by"]), (&json!(ID), &json!(by)));
        assert_eq!(ecs["derived_fields"], json!(["id", "in_use_by"]));
        let related = json_of(&record, OutputFormat::Ecs)["related"]["entity"].take();
        let related = related.as_array().expect("entities").contains(&json!(by));
        assert_eq!(related, by.starts_with("arn:"));
        let cim = json_of(&record, OutputFormat::Cim);
        assert_eq!((&cim["certificate_id"], &cim["in_use_by"]), (&json!(ID), &json!(by)));
        assert_eq!(cim["derived_fields"], json!(["certificate_id", "in_use_by"]));
        let ocsf = json_of(&record, OutputFormat::Ocsf);
        let certificate = &ocsf["resources"][0];
        assert_eq!(certificate["uid_alt"], ID);
        assert_eq!(certificate["data"]["in_use_by"], by);
        assert_eq!(certificate["data"]["derived_fields"], json!(["uid_alt", "in_use_by"]));
        let explained = explain(&read(&record).expect("a record"));
        assert!(explained.contains(&format!("in use by {by} (parsed from")), "{explained}");
        assert!(explained.contains(&format!("IAMCertificateId==`\"{ID}\"`")), "{explained}");
        let reason = &read(&record).expect("a record").fields.findings[0].reason;
        assert!(reason.contains(&format!("in use by {by}")), "{reason}");
        let related = ocsf["resources"].as_array().expect("resources").get(1);
        let related = related.map(|one| (&one["uid"], &one["role"], &one["data"]["derived_from"]));
        let expected = (&json!(by), &json!("Related"), &json!("errorMessage"));
        assert_eq!(related, by.starts_with("arn:").then_some(expected));
    }
    for message in [Value::Null, json!("Certificate:  is currently in use by . Please")] {
        let members = json!({ "errorCode": "DeleteConflictException", "errorMessage": message });
        let record = changed("DeleteServerCertificate", "success", &members);
        let ecs = json_of(&record, OutputFormat::Ecs)["aws"]["iam"]["certificate"].take();
        assert_eq!((&ecs["id"], &ecs["in_use_by"]), (&Value::Null, &Value::Null));
    }
}

#[test]
fn a_block_before_the_certificate_hides_no_facts() {
    let block = |label: &str| format!("-----BEGIN {label}-----\ns3cret\n-----END {label}-----\n");
    for before in [
        String::new(),
        block("EC PARAMETERS"),
        block("EC PARAMETERS") + &block("EC PRIVATE KEY"),
        block("PRIVATE KEY"),
        "subject=CN = web.example.com\nissuer=CN = web.example.com\n".to_owned(),
        "# made by hand\nBag Attributes\n    friendlyName: web\n".to_owned(),
    ] {
        let request = json!({ "requestParameters": { "serverCertificateName": "web", "certificateBody": before.clone() + PEM } });
        let record = changed("UploadServerCertificate", "success", &request);
        for (format, at) in [
            (OutputFormat::Ecs, "/aws/iam/certificate/serial_number"),
            (OutputFormat::Cim, "/certificate_serial"),
            (OutputFormat::Ocsf, "/resources/0/data/certificate/serial_number"),
        ] {
            let event = json_of(&record, format);
            let serial = event.pointer(at).and_then(Value::as_str);
            assert_eq!(serial, Some("E64B527FE7ED8BD8"), "{format:?} {before}");
            assert!(!event.to_string().contains("s3cret"), "{format:?} {before}");
        }
    }
}
