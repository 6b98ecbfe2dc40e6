//! Every format that AWS sends, and bodies that are none of them.

use super::*;
use crate::error::Code;

fn objects(body: &str) -> Vec<ObjectRef> {
    match parse(body) {
        Ok(Notification::Objects(objects)) => objects,
        other => panic!("{other:?}"),
    }
}

fn keys(body: &str) -> Vec<String> {
    let key = |object: ObjectRef| match object.location {
        Location::S3 { key, .. } => key,
        Location::File(path) => panic!("{path:?}"),
    };
    objects(body).into_iter().map(key).collect()
}

fn ignored(body: &str) -> IgnoredReason {
    match parse(body) {
        Ok(Notification::Ignored(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

fn unreadable(body: &str) -> String {
    let error = parse(body).expect_err(body);
    assert_eq!(error.code, Code::UnreadableMessage);
    error.text
}

fn record(name: &str, key: &str) -> String {
    format!(
        r#"{{"eventVersion":"2.3","eventSource":"aws:s3","awsRegion":"eu-west-1","eventName":"{name}",
        "s3":{{"s3SchemaVersion":"1.0","bucket":{{"name":"audit-logs","arn":"arn:aws:s3:::audit-logs"}},
        "object":{{"key":"{key}","size":3000000000,"eTag":"\"d41d8\"","versionId":"v1","sequencer":"00"}}}},
        "somethingNew":{{"a":[1]}}}}"#
    )
}

fn s3(records: &[String]) -> String {
    format!(r#"{{"Records":[{}],"anotherNewMember":null}}"#, records.join(","))
}

fn sns(message: &str) -> String {
    serde_json::json!({
        "Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:eu-west-1:111122223333:t",
        "Subject": "Amazon S3 Notification", "Message": message, "Timestamp": "2026-08-01T00:00:00Z",
    })
    .to_string()
}

fn eventbridge(detail_type: &str, detail: &str) -> String {
    format!(
        r#"{{"version":"0","id":"x","detail-type":"{detail_type}","source":"aws.s3",
        "account":"111122223333","region":"ca-central-1","resources":[],"detail":{detail}}}"#
    )
}

#[test]
fn s3_events_are_parsed_with_every_known_member() {
    let body = s3(&[record("ObjectCreated:Put", "AWSLogs/a.json.gz")]);
    let expected = ObjectRef {
        location: Location::S3 {
            bucket: "audit-logs".into(),
            key: "AWSLogs/a.json.gz".into(),
            version: Some("v1".into()),
        },
        region: Some("eu-west-1".into()),
        size: Some(3_000_000_000),
        etag: Some("d41d8".into()),
    };
    assert_eq!(objects(&body), [expected]);
}

#[test]
fn optional_members_may_be_absent() {
    let body = r#"{"Records":[{"eventName":"s3:ObjectCreated:Copy",
        "s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}"#;
    let [object] = <[ObjectRef; 1]>::try_from(objects(body)).expect("one");
    assert_eq!((object.region, object.size, object.etag), (None, None, None));
}

#[test]
fn only_records_of_created_objects_are_returned() {
    let body = s3(&[
        record("ObjectCreated:Put", "a"),
        record("ObjectRemoved:Delete", "b"),
        record("ObjectCreated:CompleteMultipartUpload", "c"),
    ]);
    assert_eq!(keys(&body), ["a", "c"]);
    assert_eq!(ignored(&s3(&[record("ObjectRemoved:Delete", "b")])), IgnoredReason::NotCreated);
    assert_eq!(ignored(&s3(&[])), IgnoredReason::NoRecords);
}

#[test]
fn keys_of_s3_events_are_form_decoded_exactly_once() {
    for (encoded, decoded) in [
        ("a+b", "a b"),
        ("a%2Bb", "a+b"),
        ("a%252Fb", "a%2Fb"),
        ("%C3%a9t%C3%A9", "été"),
        ("k%3Dv/x", "k=v/x"),
    ] {
        let body = s3(&[record("ObjectCreated:Put", encoded)]);
        assert_eq!(keys(&body), [decoded]);
        assert_eq!(keys(&sns(&body)), [decoded]);
    }
}

#[test]
fn keys_that_do_not_decode_are_unreadable() {
    for encoded in ["a%FF", "a%", "a%2", "a%zz", "%+1"] {
        let text = unreadable(&s3(&[record("ObjectCreated:Put", encoded)]));
        assert!(text.contains("Records[0] has a key"), "{text}");
    }
}

#[test]
fn event_versions_are_compared_by_major_only() {
    for (version, good) in
        [("2.1", true), ("2.99", true), ("2", true), ("3.0", false), ("22", false)]
    {
        let body = s3(&[record("ObjectCreated:Put", "a").replace("2.3", version)]);
        assert_eq!(parse(&body).is_ok(), good, "{version}");
    }
}

#[test]
fn sns_is_unwrapped_exactly_once() {
    let body = s3(&[record("ObjectCreated:Put", "a")]);
    assert_eq!(objects(&sns(&body)), objects(&body));
    assert!(unreadable(&sns(&sns(&body))).contains("within an SNS envelope"));
}

#[test]
fn eventbridge_keys_are_not_decoded() {
    let detail = r#"{"version":"0","bucket":{"name":"b"},"object":{"key":"a+b%20c","size":5,
        "etag":"e","version-id":"v","sequencer":"0"},"reason":"PutObject"}"#;
    let body = eventbridge("Object Created", detail);
    let expected = ObjectRef {
        location: Location::S3 {
            bucket: "b".into(),
            key: "a+b%20c".into(),
            version: Some("v".into()),
        },
        region: Some("ca-central-1".into()),
        size: Some(5),
        etag: Some("e".into()),
    };
    assert_eq!(objects(&body), [expected]);
    assert_eq!(objects(&sns(&body)), objects(&body));
    assert_eq!(ignored(&eventbridge("Object Deleted", detail)), IgnoredReason::NotCreated);
}

#[test]
fn security_lake_events_have_no_detail_type() {
    let body = r#"{"source":"aws.s3","time":"2026-08-01T00:00:00Z","account":"111122223333",
        "region":"eu-west-1","resources":["arn:aws:s3:::lake"],"detail":{"bucket":{"name":"lake"},
        "object":{"key":"aws/CLOUD_TRAIL_MGMT/x.gz.parquet","size":5,"etag":"e"},
        "requester":"securitylake.amazonaws.com"}}"#;
    assert_eq!(keys(body), ["aws/CLOUD_TRAIL_MGMT/x.gz.parquet"]);
}

#[test]
fn keys_of_the_cloudtrail_topic_are_not_decoded() {
    let body = r#"{"s3Bucket":"audit-logs","s3ObjectKey":["a+b%20c","d"]}"#;
    assert_eq!(keys(body), ["a+b%20c", "d"]);
    assert_eq!(keys(&sns(body)), ["a+b%20c", "d"]);
    assert_eq!(ignored(r#"{"s3Bucket":"b","s3ObjectKey":[]}"#), IgnoredReason::NoRecords);
    assert!(unreadable(r#"{"s3Bucket":"b","s3ObjectKey":[1]}"#).contains("list of strings"));
    assert!(unreadable(r#"{"s3Bucket":"b","s3ObjectKey":[""]}"#).contains("empty key"));
}

#[test]
fn messages_without_objects_are_ignored() {
    let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b","RequestId":"r"}"#;
    assert_eq!(ignored(test), IgnoredReason::TestEvent);
    assert_eq!(ignored(&sns(test)), IgnoredReason::TestEvent);
    assert_eq!(ignored("CloudTrail validation message."), IgnoredReason::Validation);
    assert_eq!(ignored(&sns("CloudTrail validation message.")), IgnoredReason::Validation);
    for kind in ["SubscriptionConfirmation", "UnsubscribeConfirmation"] {
        let body = format!(r#"{{"Type":"{kind}","Token":"t","Message":"You have chosen"}}"#);
        assert_eq!(ignored(&body), IgnoredReason::Subscription);
    }
}

#[test]
fn eventbridge_events_keep_the_bytes_of_the_record() {
    let detail =
        r#"{"eventVersion":"1.11" , "eventName":"Upload\u0053erverCertificate","n":1.50e2}"#;
    let body = eventbridge("AWS API Call via CloudTrail", detail).replace("aws.s3", "aws.iam");
    let Ok(Notification::EventBridge(record)) = parse(&body) else { panic!() };
    assert_eq!(record.get(), detail);
    assert!(unreadable(&eventbridge("AWS API Call via CloudTrail", "7")).contains("not an object"));
}

#[test]
fn a_pasted_log_file_is_named_as_such() {
    let file = r#"{"Records":[{"eventVersion":"1.11","eventID":"e","eventSource":"iam.amazonaws.com",
        "eventName":"UploadServerCertificate","requestParameters":{"serverCertificateName":"tajna"}}]}"#;
    let text = unreadable(file);
    assert!(text.contains("CloudTrail log file"), "{text}");
    assert!(unreadable(r#"{"eventID":"e","eventName":"x"}"#).contains("bare CloudTrail record"));
}

#[test]
fn other_bodies_are_unreadable_and_never_quoted() {
    for body in [
        "",
        "tajna",
        "[\"tajna\"]",
        "{\"tajna\":",
        r#"{"tajna":1}"#,
        r#"{"Records":"tajna"}"#,
        r#"{"Records":["tajna"]}"#,
        r#"{"Records":[{"tajna":1}]}"#,
        r#"{"Records":[{"s3":{},"eventName":"ObjectCreated:tajna"}]}"#,
        r#"{"Records":[{"s3":{"bucket":{"name":""},"object":{"key":"tajna"}},"eventName":"ObjectCreated:Put"}]}"#,
        r#"{"Type":"Notification","Message":{"tajna":1}}"#,
        r#"{"Type":"Notification","Message":"tajna"}"#,
        r#"{"detail-type":"tajna","source":"x","detail":{}}"#,
        r#"{"detail-type":"Object Created","detail":{"tajna":1}}"#,
        r#"{"s3Bucket":7,"s3ObjectKey":["tajna"]}"#,
    ] {
        let text = unreadable(body);
        assert!(!text.contains("tajna"), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_body_panics(body in ".{0,200}", at in 0_usize..400, byte in 0_u8..128) {
        let _ = parse(&body);
        let mut valid = s3(&[record("ObjectCreated:Put", "a%2Bb")]).into_bytes();
        if let Some(changed) = valid.get_mut(at) {
            *changed = byte;
        }
        if let Ok(text) = String::from_utf8(valid) {
            let _ = parse(&text);
        }
    }
}
