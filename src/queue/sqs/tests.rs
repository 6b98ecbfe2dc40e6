//! What is asked of SQS and how its answers are read, against scripted answers on loopback.

use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::error::Code;

const URL: &str = "https://sqs.us-east-1.amazonaws.com/111122223333/objects";

struct Server {
    queue: SqsQueue,
    requests: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

/// Answers every request with `status` and `body`; remembers the requests' bodies.
async fn serve(status: &'static str, body: &'static str) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let endpoint = format!("http://{}", listener.local_addr().expect("address"));
    let requests: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&requests);
    let mut task = JoinSet::new();
    task.spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !complete(&request) {
                match socket.read_u8().await {
                    Ok(byte) => request.push(byte),
                    Err(_) => break,
                }
            }
            seen.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\
                 x-amzn-requestid: REQ1\r\nContent-Type: application/x-amz-json-1.0\r\n\r\n{body}",
                body.len()
            );
            socket.write_all(answer.as_bytes()).await.expect("write");
        }
    });
    let keys = aws_sdk_sqs::config::Credentials::new("AKIAEXAMPLE", "example", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(aws_sdk_sqs::config::SharedCredentialsProvider::new(keys))
        .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled())
        .build();
    let queue =
        SqsQueue::new(&config, URL, "us-east-1", Some(&endpoint), Duration::from_millis(59_500));
    Server { queue, requests, _task: task }
}

fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| length.trim().parse() == Ok(body.len()))
}

fn asked(server: &Server) -> serde_json::Value {
    let requests = server.requests.lock().unwrap();
    let (_, body) = requests[0].split_once("\r\n\r\n").expect("a request");
    serde_json::from_str(body).expect("JSON")
}

#[tokio::test]
async fn a_receive_asks_for_a_long_poll_and_the_attributes_and_reads_them() {
    let server = serve(
        "200 OK",
        r#"{"Messages":[{"MessageId":"m1","ReceiptHandle":"h1","Body":"b","Attributes":
        {"ApproximateReceiveCount":"3","SentTimestamp":"1785542400123"}},
        {"MessageId":"m2","ReceiptHandle":"h2","Body":"c"},{"MessageId":"m3","Body":"no handle"}]}"#,
    )
    .await;
    let messages = server.queue.receive(99).await.expect("messages");
    assert_eq!(messages.len(), 2);
    assert_eq!((messages[0].id.as_str(), messages[0].body.as_str()), ("m1", "b"));
    assert_eq!(&*messages[0].receipt.handle(), "h1");
    assert_eq!([messages[0].receive_count, messages[1].receive_count], [3, 1]);
    let sent = messages[0].sent.expect("sent").duration_since(SystemTime::UNIX_EPOCH);
    assert_eq!(sent.expect("after 1970").as_millis(), 1_785_542_400_123);
    let expected = serde_json::json!({
        "QueueUrl": URL, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20, "VisibilityTimeout": 60,
        "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp", "ApproximateFirstReceiveTimestamp"],
    });
    assert_eq!(asked(&server), expected);
}

#[tokio::test]
async fn an_empty_receive_is_no_error_and_asks_for_at_least_one() {
    let server = serve("200 OK", "{}").await;
    assert!(server.queue.receive(0).await.expect("nothing").is_empty());
    assert_eq!(asked(&server)["MaxNumberOfMessages"], 1);
}

#[tokio::test]
async fn the_entries_of_a_batch_are_answered_in_order() {
    let server = serve(
        "200 OK",
        r#"{"Successful":[{"Id":"2"},{"Id":"0"}],"Failed":[
        {"Id":"1","SenderFault":true,"Code":"ReceiptHandleIsInvalid","Message":"gone"},
        {"Id":"3","SenderFault":false,"Code":"InternalError","Message":"try again"}]}"#,
    )
    .await;
    let handles = ["a", "b", "c", "d", "e"].map(Handle::from).to_vec();
    let entries = server.queue.delete(handles).await.expect("answers");
    let codes: Vec<_> = entries
        .iter()
        .map(|entry| match entry {
            Ok(()) => None,
            Err(EntryError::Lost(error) | EntryError::Transient(error)) => Some(error.code),
        })
        .collect();
    assert_eq!(
        codes,
        [None, Some(Code::LeaseLost), None, Some(Code::SqsError), Some(Code::SqsNoAnswer)]
    );
    assert!(matches!(entries[3], Err(EntryError::Transient(_))));
    assert_eq!(asked(&server)["Entries"][4]["Id"], "4");
}

#[tokio::test]
async fn visibilities_are_asked_in_whole_seconds_within_what_sqs_takes() {
    let server = serve("200 OK", r#"{"Successful":[],"Failed":[]}"#).await;
    let times = [0, 1, 999, 1000, 60_001, u64::from(u32::MAX)];
    let batch = times.map(|millis| (Handle::from("h"), Duration::from_millis(millis))).to_vec();
    assert_eq!(server.queue.change_visibility(batch).await.expect("answers").len(), times.len());
    let entries = asked(&server)["Entries"].as_array().cloned().expect("entries");
    let seconds: Vec<_> = entries.iter().map(|e| e["VisibilityTimeout"].as_u64()).collect();
    assert_eq!(seconds, [0, 1, 1, 1, 61, 43_200].map(Some));
}

#[test]
fn only_a_spent_receipt_is_lost() {
    for code in ["ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"] {
        assert!(is_lost(code), "{code}");
    }
    for code in ["RequestThrottled", "InternalError", "AccessDenied", ""] {
        assert!(!is_lost(code), "{code}");
    }
}

#[tokio::test]
async fn an_error_names_call_queue_code_status_and_request() {
    let server = serve(
        "403 Forbidden",
        r#"{"__type":"com.amazonaws.sqs#AccessDeniedException","message":"not allowed"}"#,
    )
    .await;
    let error = server.queue.receive(1).await.expect_err("denied");
    assert_eq!(error.code, Code::SqsAccessDenied);
    for part in ["ReceiveMessage", URL, "AccessDenied", "not allowed", "403", "REQ1"] {
        assert!(error.text.contains(part), "{part} in {error}");
    }
}

#[tokio::test]
async fn the_facts_of_a_queue_are_read_from_its_attributes() {
    let server = serve(
        "200 OK",
        r#"{"Attributes":{"VisibilityTimeout":"30","MessageRetentionPeriod":"345600","RedrivePolicy":
        "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:111122223333:dead\",\"maxReceiveCount\":7}"}}"#,
    )
    .await;
    let facts = server.queue.attributes().await.expect("answered").expect("facts");
    assert_eq!(facts.redrive.map(|redrive| redrive.max_receive_count), Some(7));
    assert_eq!(facts.retention, Some(Duration::from_secs(345_600)));
}

#[tokio::test]
async fn without_credentials_nothing_is_unreachable_and_the_role_is_named() {
    let nobody =
        provide_credentials_fn(async || Err(CredentialsError::not_loaded("nothing in the chain")));
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(nobody))
        .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled())
        .build();
    let queue = SqsQueue::new(&config, URL, "us-east-1", Some("http://127.0.0.1:1"), READ_TIME);
    let error = queue.receive(1).await.expect_err("no credentials");
    assert_eq!(error.code, Code::SqsCredentials);
    for part in [URL, "nothing in the chain", "task's role"] {
        assert!(error.text.contains(part), "{part} in {error}");
    }
}
