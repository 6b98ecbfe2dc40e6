//! Files of other tools that hold CloudTrail records: the service reads none of them.

use serde_json::{Value, json};

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
