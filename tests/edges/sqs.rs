//! Requests to SQS and how its responses are read, against scripted responses on loopback.

use std::sync::Arc;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::config::retry::RetryConfig;
use parking_lot::Mutex;
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

/// Responds to every request with `status` and `body`; records the requests.
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
            seen.lock().push(String::from_utf8_lossy(&request).into_owned());
            let response = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\
                 x-amzn-requestid: REQ1\r\nContent-Type: application/x-amz-json-1.0\r\n\r\n{body}",
                body.len()
            );
            socket.write_all(response.as_bytes()).await.expect("write");
        }
    });
    let config = config(RetryConfig::disabled());
    let queue =
        SqsQueue::new(&config, URL, "us-east-1", Some(&endpoint), Duration::from_millis(59_500));
    Server { queue, requests, _task: task }
}

fn config(retries: RetryConfig) -> SdkConfig {
    let keys = aws_sdk_sqs::config::Credentials::new("AKIAEXAMPLE", "example", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .retry_config(retries)
        .build()
}

fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| length.trim().parse() == Ok(body.len()))
}

fn requested(server: &Server) -> serde_json::Value {
    let requests = server.requests.lock();
    let (_, body) = requests[0].split_once("\r\n\r\n").expect("a request");
    serde_json::from_str(body).expect("JSON")
}

#[tokio::test]
async fn receive_requests_messages_and_reads_their_attributes() {
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
        "QueueUrl": URL, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1, "VisibilityTimeout": 60,
        "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp", "ApproximateFirstReceiveTimestamp"],
    });
    assert_eq!(requested(&server), expected);
}

/// On an idle queue the source is ready after a second, not after a long poll.
#[tokio::test]
async fn a_poll_is_long_only_after_one_that_succeeded() {
    let server = serve("200 OK", "{}").await;
    for _ in 0..2 {
        server.queue.receive(1).await.expect("nothing");
    }
    let requests = server.requests.lock().clone();
    assert!(requests[0].ends_with(r#""WaitTimeSeconds":1}"#), "{requests:?}");
    assert!(requests[1].ends_with(r#""WaitTimeSeconds":20}"#), "{requests:?}");
    let failing = serve("500 Internal Server Error", "{}").await;
    failing.queue.responds.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        failing.queue.receive(1).await.expect_err("500");
    }
    let requests = failing.requests.lock().clone();
    assert!(requests[1].ends_with(r#""WaitTimeSeconds":1}"#), "{requests:?}");
}

/// The clock is paused: it advances while everybody waits. With the SDK's own retries.
#[tokio::test(start_paused = true)]
async fn a_queue_that_never_responds_is_a_timeout_after_the_first_time_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let endpoint = format!("http://{}", listener.local_addr().expect("address"));
    let config = config(RetryConfig::standard());
    let queue = SqsQueue::new(&config, URL, "us-east-1", Some(&endpoint), READ_TIMEOUT);
    let begin = Instant::now();
    let error = queue.receive(1).await.expect_err("no response");
    assert_eq!(error.code, Code::SqsTimeout, "{error}");
    assert_eq!(begin.elapsed(), FIRST_POLL + RESPONSE_TIME);
    queue.responds.store(true, Ordering::Relaxed);
    let begin = Instant::now();
    queue.receive(1).await.expect_err("no response");
    assert_eq!(begin.elapsed(), LONG_POLL + RESPONSE_TIME);
}

#[tokio::test]
async fn an_empty_receive_is_no_error_and_requests_at_least_one() {
    let server = serve("200 OK", "{}").await;
    assert!(server.queue.receive(0).await.expect("nothing").is_empty());
    assert_eq!(requested(&server)["MaxNumberOfMessages"], 1);
}

#[tokio::test]
async fn batch_results_are_in_the_order_of_the_entries() {
    let server = serve(
        "200 OK",
        r#"{"Successful":[{"Id":"2"},{"Id":"0"}],"Failed":[
        {"Id":"1","SenderFault":true,"Code":"ReceiptHandleIsInvalid","Message":"gone"},
        {"Id":"3","SenderFault":false,"Code":"InternalError","Message":"try again"}]}"#,
    )
    .await;
    let handles = ["a", "b", "c", "d", "e"].map(Handle::from).to_vec();
    let entries = server.queue.delete(handles).await.expect("results");
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
    assert_eq!(requested(&server)["Entries"][4]["Id"], "4");
}

#[tokio::test]
async fn visibility_timeouts_are_whole_seconds_within_the_range_of_sqs() {
    let server = serve("200 OK", r#"{"Successful":[],"Failed":[]}"#).await;
    let times = [0, 1, 999, 1000, 60_001, u64::from(u32::MAX)];
    let batch = times.map(|millis| (Handle::from("h"), Duration::from_millis(millis))).to_vec();
    assert_eq!(server.queue.change_visibility(batch).await.expect("results").len(), times.len());
    let entries = requested(&server)["Entries"].as_array().cloned().expect("entries");
    let seconds: Vec<_> = entries.iter().map(|e| e["VisibilityTimeout"].as_u64()).collect();
    assert_eq!(seconds, [0, 1, 1, 1, 61, 43_200].map(Some));
}

#[test]
fn only_codes_of_an_invalid_receipt_handle_are_lost() {
    for code in ["ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"] {
        assert!(is_lost(code), "{code}");
    }
    for code in ["RequestThrottled", "InternalError", "AccessDenied", ""] {
        assert!(!is_lost(code), "{code}");
    }
}

#[tokio::test]
async fn errors_name_call_queue_code_status_and_request_id() {
    let server = serve(
        "403 Forbidden",
        r#"{"__type":"com.amazonaws.sqs#AccessDeniedException","message":"not allowed"}"#,
    )
    .await;
    let error = server.queue.receive(1).await.expect_err("denied");
    assert_eq!(error.code, Code::SqsAccessDenied);
    // The queue's URL names another host than the one that was asked.
    let asked = "objects failed at 127.0.0.1:";
    for part in ["ReceiveMessage", URL, asked, "AccessDenied", "not allowed", "403", "REQ1"] {
        assert!(error.text.contains(part), "{part} in {error}");
    }
}

#[tokio::test]
async fn queue_attributes_are_read() {
    let server = serve(
        "200 OK",
        r#"{"Attributes":{"VisibilityTimeout":"30","MessageRetentionPeriod":"345600","RedrivePolicy":
        "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:111122223333:dead\",\"maxReceiveCount\":7}"}}"#,
    )
    .await;
    let attributes = server.queue.attributes().await.expect("a response").expect("attributes");
    assert_eq!(attributes.redrive.map(|redrive| redrive.max_receive_count), Some(7));
    assert_eq!(attributes.retention, Some(Duration::from_secs(345_600)));
}

#[tokio::test]
async fn missing_credentials_have_a_code_of_their_own_and_advice() {
    let nobody =
        provide_credentials_fn(async || Err(CredentialsError::not_loaded("nothing in the chain")));
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(nobody))
        .retry_config(RetryConfig::disabled())
        .build();
    let queue = SqsQueue::new(&config, URL, "us-east-1", Some("http://127.0.0.1:1"), READ_TIMEOUT);
    let error = queue.receive(1).await.expect_err("no credentials");
    assert_eq!(error.code, Code::SqsCredentials);
    for part in [URL, "nothing in the chain", "task's role"] {
        assert!(error.text.contains(part), "{part} in {error}");
    }
}

#[test]
fn characters_that_sqs_rejects_are_escaped_and_parse_to_the_same() {
    let text = serde_json::to_string("a\u{fffe}b\u{ffff}c\u{1}").unwrap();
    let sent = escape_body(&text);
    assert!(!sent.contains(['\u{fffe}', '\u{ffff}', '\u{1}']));
    assert_eq!(serde_json::from_str::<String>(&sent).unwrap(), "a\u{fffe}b\u{ffff}c\u{1}");
}
