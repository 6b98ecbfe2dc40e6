//! Files of other tools that hold CloudTrail records: `scan` and `explain` unwrap them or refuse
//! them by name, and the service reads none of them.

use std::fs;
use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use super::{certrelay, run, stderr, stdout};
use crate::support::samples::gzip;

/// Spaces and the order of its members show that its own bytes are printed.
const RECORD: &str = r#"{"eventVersion":"1.11", "eventTime":"2026-11-30T09:15:00Z","eventSource":"iam.amazonaws.com","eventName":"UpdateServerCertificate","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.10","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLEAAAAAAAAAA:ops","arn":"arn:aws:sts::111122223333:assumed-role/cert-admin/ops","accountId":"111122223333","sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/cert-admin","userName":"cert-admin"},"attributes":{"mfaAuthenticated":"true"}}},"requestParameters":{"serverCertificateName":"web","newServerCertificateName":"web-2026"},"responseElements":null,"requestID":"r-1","eventID":"e-1","readOnly":false,"eventType":"AwsApiCall","recipientAccountId":"111122223333"}"#;

const OTHER: &str = r#"{"eventVersion":"1.11","eventSource":"s3.amazonaws.com","eventName":"GetObject","eventID":"e-2","eventTime":"2026-11-30T09:15:00Z"}"#;

/// A document in which `RECORD` takes the place of `"@"` as it is, and that of `"$"` as text;
/// `OTHER` those of `"+"` and `"&"`.
fn with_records(document: &str) -> String {
    let text = |text: &str| Value::from(text).to_string();
    [("\"@\"", RECORD.to_owned()), ("\"$\"", text(RECORD))]
        .into_iter()
        .chain([("\"+\"", OTHER.to_owned()), ("\"&\"", text(OTHER))])
        .fold(document.to_owned(), |document, (place, record)| document.replace(place, &record))
}

/// Every wrapper, with [`RECORD`] and [`OTHER`] in it.
pub(crate) fn wrapped() -> Vec<(&'static str, String)> {
    let detail = with_records(r#"{"version":"0","source":"aws.iam","detail":"@"}"#);
    let other_detail = with_records(r#"{"version":"0","source":"aws.s3","detail":"+"}"#);
    let sns = |event: &str| json!({"Type": "Notification", "Message": event}).to_string();
    let hit = |record: &str| format!(r#"{{"_source":{{"event":{{"original":"{record}"}}}}}}"#);
    let mut documents: Vec<(&str, String)> = [
        ("lookup-events", r#"{"Events":[{"EventId":"e-1","EventName":"x","CloudTrailEvent":"$"},{"CloudTrailEvent":"&"}]}"#),
        ("its items", r#"[{"EventName":"UpdateServerCertificate","CloudTrailEvent":"$"},{"CloudTrailEvent":"&"}]"#),
        ("its items, one a line", "{\"EventName\":\"x\",\"CloudTrailEvent\":\"$\"}\n{\"CloudTrailEvent\":\"&\"}\n"),
        ("EventBridge, a list", r#"[{"detail-type":"AWS API Call via CloudTrail","detail":"@"},{"detail":"+"}]"#),
        ("EventBridge, lines", "{\"detail\":\"@\"}\n{\"detail\":\"+\"}"),
        ("EventBridge in Records", r#"{"Records":[{"version":"0","detail":"@"},{"detail":"+"}]}"#),
        ("a list of documents", r#"[{"Records":["+"]}, {"Records":["@"]}]"#),
        ("Records in Records", r#"{"Records":[{"Records":["@","+"]}]}"#),
        ("a CloudWatch subscription", r#"{"messageType":"DATA_MESSAGE","logEvents":[{"id":"1","timestamp":1,"message":"$"},{"message":"&"}]}"#),
        ("filter-log-events", r#"{"events":[{"logStreamName":"x","message":"$"},{"message":"&"}],"searchedLogStreams":[]}"#),
        ("its events", r#"[{"logStreamName":"x","timestamp":1,"message":"$"},{"message":"&"}]"#),
        ("an export of CloudWatch Logs", "2026-11-30T09:15:00.000Z \"@\"\n2026-11-30T09:15:01.000Z \"+\"\n"),
        ("aws logs tail", "2026-11-30T09:15:00 111122223333_CloudTrail_us-east-1 \"@\"\nx \"+\"\n"),
        ("a Splunk export", "{\"preview\":false,\"result\":{\"_raw\":\"$\",\"sourcetype\":\"aws:cloudtrail\"}}\n{\"result\":{\"_raw\":\"&\"}}\n"),
        ("Splunk results", r#"{"results":[{"_raw":"$","eventName":"UpdateServerCertificate","eventSource":"x"},{"_raw":"&"}]}"#),
        ("_raw", "{\"_raw\":\"$\"}\n{\"_raw\":\"&\"}"),
        ("Splunk HEC events", "{\"time\":1,\"event\":\"@\"}\n{\"event\":\"+\"}"),
        ("Elasticsearch with the record", r#"{"hits":{"total":2,"hits":[{"_source":"@"},{"_source":"+"}]}}"#),
        ("Elasticsearch with a message", r#"[{"_source":{"event":{"module":"aws"},"message":"$"}},{"_source":{"message":"&"}}]"#),
        ("CloudTrail Lake", r#"{"QueryResultRows":[[{"eventID":"e-1"},{"eventJson":"$"}],[{"eventJson":"&"}]]}"#),
        ("lines of text", "\"$\"\n\"&\"\n"),
    ]
    .map(|(name, document)| (name, with_records(document)))
    .into();
    documents.extend([
        ("EventBridge", format!("{detail}{other_detail}")),
        ("SNS", format!("{}\n{}", sns(&detail), sns(OTHER))),
        (
            "receive-message",
            json!({"Messages": [{"Body": sns(&detail)}, {"Body": OTHER}]}).to_string(),
        ),
        (
            "a Lambda event of SQS",
            json!({"Records": [{"body": RECORD}, {"body": OTHER}]}).to_string(),
        ),
        ("Elasticsearch, lines", with_records(&format!("{}\n{}", hit("$"), hit("&")))),
    ]);
    documents
}

/// `scan --format raw` of a document: as a file, as a compressed one, and through a pipe.
fn scans(document: &[u8]) -> Vec<Output> {
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, zipped) = (folder.path().join("a.json"), folder.path().join("b.json.gz"));
    fs::write(&plain, document).expect("a file");
    fs::write(&zipped, gzip(document)).expect("a file");
    let scan =
        |path: &std::path::Path| run(&["scan", "--format", "raw", path.to_str().expect("text")]);
    let mut command = certrelay();
    command.args(["scan", "--format", "raw", "-"]);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().expect("certrelay runs");
    child.stdin.take().expect("piped").write_all(document).expect("it reads");
    vec![scan(&plain), scan(&zipped), child.wait_with_output().expect("it ends")]
}

#[test]
fn records_in_files_of_other_tools_are_unwrapped() {
    for (name, document) in wrapped() {
        for output in scans(document.as_bytes()) {
            assert_eq!(stdout(&output), format!("{RECORD}\n"), "{name}: {}", stderr(&output));
            assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
            let summary = "objects=1 records=2 events=1 invalid=0 failed=0 skipped=0\n";
            assert!(stderr(&output).ends_with(summary), "{name}: {}", stderr(&output));
        }
    }
}

#[test]
fn a_row_of_athena_is_made_a_record_again() {
    let row = |value: Value| -> Value {
        let record: Value = serde_json::from_str(RECORD).expect("JSON");
        let lower = |(name, value): (&String, &Value)| (name.to_lowercase(), value.clone());
        let mut row: serde_json::Map<_, _> =
            record.as_object().expect("an object").iter().map(lower).collect();
        row.insert("useridentity".into(), value);
        row.insert("requestparameters".into(), record["requestParameters"].to_string().into());
        row.insert("readonly".into(), "false".into());
        row.into()
    };
    let identity = json!({"type": "AssumedRole", "principalid": "AROAEXAMPLEAAAAAAAAAA:ops",
        "arn": "arn:aws:sts::111122223333:assumed-role/cert-admin/ops", "accountid": "111122223333",
        "sessioncontext": {"sessionissuer": {"type": "Role", "username": "cert-admin",
            "arn": "arn:aws:iam::111122223333:role/cert-admin"},
            "attributes": {"mfaauthenticated": "true"}}});
    let document = format!("{}\n{}\n", row(identity.clone()), row(identity.to_string().into()));
    for output in scans(document.as_bytes()) {
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let record: Value = serde_json::from_str(RECORD).expect("JSON");
        let lines = stdout(&output);
        let found: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(found, [record.clone(), record]);
    }
}

#[test]
fn records_in_files_of_other_tools_are_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.json");
    for (name, document) in wrapped() {
        fs::write(&path, document).expect("a file");
        let output = run(&["explain", path.to_str().expect("text")]);
        let printed = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{name}: {printed}");
        assert!(printed.contains("explained=1 skipped=1"), "{name}: {printed}");
        assert!(stdout(&output).contains("UpdateServerCertificate"), "{name}");
    }
}

#[test]
fn long_files_are_unwrapped_and_their_first_elements_are_not_invalid_records() {
    let item = with_records(r#"{"EventName":"x","CloudTrailEvent":"$"}"#);
    for count in [400, 3000] {
        let items = vec![item.as_str(); count];
        let list = format!("[{}]", items.join(",\n"));
        for document in [&list, &format!("{{\"Events\":{list}}}"), &items.join("\n")] {
            for output in scans(document.as_bytes()) {
                let summary = format!("records={count} events={count} invalid=0 failed=0");
                assert!(stderr(&output).contains(&summary), "{}", stderr(&output));
                assert_eq!(output.status.code(), Some(0));
                assert_eq!(stdout(&output).lines().count(), count);
            }
        }
    }
}

#[test]
fn among_records_wrappers_are_invalid_records() {
    let item = with_records(r#"{"EventName":"x","CloudTrailEvent":"$"}"#);
    for count in [1, 400, 900] {
        let items = vec![item.as_str(); count].join(",\n");
        let lines = format!("{RECORD}\n{}", items.replace(",\n", "\n"));
        for document in [format!("[{items},{RECORD}]"), format!("[{RECORD},{items}]"), lines] {
            for output in scans(document.as_bytes()) {
                let counts = format!("events=1 invalid={count} failed=0");
                assert!(stderr(&output).contains(&counts), "{}", stderr(&output));
                assert_eq!(output.status.code(), Some(1));
            }
        }
    }
}

#[test]
fn a_file_without_records_is_refused_by_its_name() {
    let utf_16: Vec<u8> = RECORD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let rows = r#"{"ResultSet":{"Rows":[{"Data":[{"VarCharValue":"eventname"}]}]}}"#;
    let topic =
        r#"{"Type":"Notification","Message":"{\"s3Bucket\":\"b\",\"s3ObjectKey\":[\"k\"]}"}"#;
    let s3 = r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}"#;
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    for (document, named) in [
        (s3.as_bytes(), "a notification of S3"),
        (topic.as_bytes(), "a notification of S3"),
        (rows.as_bytes(), "an answer of Athena's GetQueryResults"),
        (br#"{"a":1}"#, "jq -c '"),
        (br#"[{"a":1},{"b":[]}]"#, "jq -c '"),
        (br#"{"Events":[]}"#, "jq -c '"),
        (br#"{"events":[{"message":"START RequestId"}]}"#, "jq -c '"),
        (deep.as_bytes(), "jq -c '"),
        (&utf_16, "it is UTF-16 text (`iconv -f UTF-16LE -t UTF-8 FILE`)"),
        (b"PK\x03\x04\x14\0", "it is a zip file (`unzip -p FILE`)"),
        (b"\x28\xb5\x2f\xfd\x04\0", "it is zstd (`zstd -dc FILE`)"),
        (b"PAR1\x15\x04", "it is Parquet"),
        (br#"{"digestS3Bucket":"b","logFiles":[]}"#, "it is a digest file; it lists log files"),
        (b"neither gzip nor JSON", "it starts with byte 0x6e"),
        (br#"{"Events":[{"CloudTrailEvent":"{}"}]} and"#, "neither Records nor the fields"),
    ] {
        for output in scans(document) {
            let printed = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{named}: {printed}");
            assert!(printed.contains("not a CloudTrail log file: "), "{named}: {printed}");
            assert!(printed.contains(named), "{named}: {printed}");
            let is_hint = named.contains("jq") || named.contains("S3") || named.contains("Athena");
            assert_eq!(printed.contains("jq -"), is_hint, "{named}: {printed}");
            assert!(printed.contains("events=0 invalid=0 failed=1"), "{named}: {printed}");
            assert!(output.stdout.is_empty());
        }
    }
}
