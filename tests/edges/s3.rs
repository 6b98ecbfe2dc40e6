//! The store against a scripted server on loopback, which can break bodies off.

use std::collections::VecDeque;
use std::sync::Arc;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

#[path = "s3_untrusted.rs"]
mod untrusted;

/// Serves one scripted response per connection, then closes it; records the heads of the requests.
struct Server {
    endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

async fn serve(responses: impl IntoIterator<Item = String>) -> Server {
    let mut responses: VecDeque<String> = responses.into_iter().collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let endpoint = format!("http://{}", listener.local_addr().expect("address"));
    let requests: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&requests);
    let mut task = JoinSet::new();
    task.spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match socket.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            seen.lock().push(String::from_utf8_lossy(&head).to_ascii_lowercase());
            let response = responses.pop_front().unwrap_or_default();
            socket.write_all(response.as_bytes()).await.expect("write");
            socket.shutdown().await.expect("close");
        }
    });
    Server { endpoint, requests, _task: task }
}

fn response(status: &str, headers: &str, length: usize, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nETag: \"tag-1\"\r\nConnection: close\r\n\
         x-amz-request-id: REQ1\r\nLast-Modified: Sat, 01 Aug 2026 00:00:00 GMT\r\n{headers}\r\n{body}"
    )
}

fn error_response(status: &str, code: &str, headers: &str) -> String {
    let body = format!("<Error><Code>{code}</Code><Message>because</Message></Error>");
    response(status, headers, body.len(), &body)
}

fn store(server: &Server) -> S3Store {
    let keys = aws_sdk_s3::config::Credentials::new("AKIAEXAMPLE", "example", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(aws_sdk_s3::config::SharedCredentialsProvider::new(keys))
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
        .build();
    S3Store::new(&config, Some(&server.endpoint))
}

fn object() -> ObjectRef {
    let location = Location::S3 {
        bucket: "audit-logs".into(),
        key: "a b+c/é.gz".into(),
        version: Some("v1".into()),
    };
    ObjectRef { location, region: Some("eu-west-1".into()), size: None, etag: None }
}

async fn read(store: &S3Store, if_match: Option<&str>) -> Result<String, StoreError> {
    let mut body = store.open(&object(), if_match).await?;
    let mut all = Vec::new();
    while let Some(chunk) = body.chunks.next().await {
        all.extend_from_slice(&chunk?);
    }
    Ok(String::from_utf8(all).expect("text"))
}

#[tokio::test]
async fn one_get_has_key_version_and_condition() {
    let server =
        serve([response("200 OK", "", 5, "hello"), response("200 OK", "", 5, "hello")]).await;
    let store = store(&server);
    let body = store.open(&object(), None).await.expect("open");
    assert_eq!(body.etag.as_deref(), Some("tag-1"));
    assert_eq!((body.length, body.last_modified), (Some(5), Some(1_785_542_400)));
    assert_eq!(body.request_id.as_deref(), Some("REQ1"));
    drop(body);
    assert_eq!(read(&store, Some("tag-1")).await, Ok("hello".to_owned()));
    let requests = server.requests.lock().clone();
    let line = requests[0].lines().next().expect("request line");
    assert!(line.starts_with("get /audit-logs/a%20b%2bc/%c3%a9.gz?"), "{line}");
    assert!(line.contains("versionid=v1"), "{line}");
    assert!(!requests[0].contains("if-match") && !requests[0].contains("range:"));
    assert!(requests[0].contains("/eu-west-1/s3/"), "signed for the object's region");
    assert!(requests[1].contains("if-match: \"tag-1\""), "{}", requests[1]);
}

#[tokio::test]
async fn a_broken_body_is_resumed_where_it_broke() {
    let rest = |range: &str, length, body| {
        response("206 Partial Content", &format!("Content-Range: bytes {range}\r\n"), length, body)
    };
    let server = serve([
        response("200 OK", "", 10, "0123"),
        rest("4-9/10", 6, "45"),
        rest("6-9/10", 4, "6789"),
    ])
    .await;
    assert_eq!(read(&store(&server), None).await, Ok("0123456789".to_owned()));
    let requests = server.requests.lock().clone();
    assert!(requests[1].contains("range: bytes=4-") && requests[2].contains("range: bytes=6-"));
    assert!(requests[1].contains("if-match: \"tag-1\""), "{}", requests[1]);
}

#[tokio::test]
async fn a_body_that_keeps_breaking_is_short() {
    let server = serve([
        response("200 OK", "", 10, "0"),
        response("206 Partial Content", "Content-Range: bytes 1-9/10\r\n", 9, ""),
        response("206 Partial Content", "Content-Range: bytes 1-9/10\r\n", 9, ""),
        response("206 Partial Content", "Content-Range: bytes 1-9/10\r\n", 9, ""),
    ])
    .await;
    let error = read(&store(&server), None).await.expect_err("short");
    assert_eq!(error.kind, StoreErrorKind::ShortBody);
    assert!(error.text.contains("at byte 1 of 10 (request id REQ1)"), "{error}");
    assert_eq!(server.requests.lock().len(), 1 + MAX_RESUMES as usize);
}

#[tokio::test]
async fn an_object_that_changed_is_not_resumed() {
    let changed = error_response("412 Precondition Failed", "PreconditionFailed", "");
    let server = serve([response("200 OK", "", 10, "0123"), changed]).await;
    let error = read(&store(&server), None).await.expect_err("changed");
    assert_eq!(error.kind, StoreErrorKind::Changed);

    let starts_over = response("200 OK", "", 10, "0123456789");
    let server = serve([response("200 OK", "", 10, "0123"), starts_over]).await;
    let error = read(&store(&server), None).await.expect_err("no range");
    assert_eq!(error.kind, StoreErrorKind::ShortBody);
}

#[tokio::test]
async fn errors_name_object_code_status_and_request_id() {
    let server = serve([error_response("403 Forbidden", "AccessDenied", "")]).await;
    let error = read(&store(&server), None).await.expect_err("denied");
    assert_eq!(error.kind, StoreErrorKind::Forbidden);
    for part in ["s3://audit-logs/a b+c/é.gz", "AccessDenied", "because", "403", "REQ1"] {
        assert!(error.text.contains(part), "{part} in {error}");
    }
}

#[tokio::test]
async fn a_bucket_in_another_region_is_found_once_and_cached() {
    let redirect = "x-amz-bucket-region: ap-south-1\r\n";
    let server = serve([
        error_response("301 Moved Permanently", "PermanentRedirect", redirect),
        response("200 OK", "", 2, "ok"),
        response("200 OK", "", 2, "ok"),
    ])
    .await;
    let store = store(&server);
    assert_eq!(read(&store, None).await, Ok("ok".to_owned()));
    assert_eq!(read(&store, None).await, Ok("ok".to_owned()));
    let requests = server.requests.lock().clone();
    assert_eq!(requests.len(), 3);
    assert!(requests[0].contains("/eu-west-1/s3/"));
    assert!(requests[1].contains("/ap-south-1/s3/") && requests[2].contains("/ap-south-1/s3/"));
}

#[tokio::test]
async fn an_unreachable_server_is_a_retryable_error() {
    let server = serve([]).await;
    let store = store(&server);
    drop(server);
    let error = read(&store, None).await.expect_err("unreachable");
    assert_eq!(error.kind, StoreErrorKind::Other);
    assert!(error.text.contains("s3://audit-logs/"), "{error}");
}

#[tokio::test]
async fn missing_credentials_have_a_kind_of_their_own() {
    let nobody =
        provide_credentials_fn(async || Err(CredentialsError::not_loaded("nothing in the chain")));
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(nobody))
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
        .build();
    let store = S3Store::new(&config, Some("http://127.0.0.1:1"));
    let error = read(&store, None).await.expect_err("no credentials");
    assert_eq!(error.kind, StoreErrorKind::Credentials);
    assert!(error.text.contains("nothing in the chain") && error.text.contains("role"), "{error}");
}
