//! The stand-in behaves as Splunk was observed to: tested over plain sockets, independent of any
//! HTTP client.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const CHANNEL: &str = "x-splunk-request-channel: 0f2b7b1a-5d6e-4f70-8a91-b2c3d4e5f607";
const TOKEN: &str = "authorization: Splunk stand-in-token";

async fn start(change: impl FnOnce(&mut Options)) -> HecStandIn {
    let mut options = Options::default();
    change(&mut options);
    HecStandIn::start(options).await.unwrap()
}

/// Sends a request; returns status and body, or nothing if the connection was closed.
async fn request(
    hec: &HecStandIn,
    line: &str,
    headers: &[&str],
    body: &[u8],
) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(hec.address).await.unwrap();
    let mut head = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

async fn post(hec: &HecStandIn, headers: &[&str], body: &str) -> (u16, Value) {
    let line = "POST /services/collector/event";
    let (status, body) = request(hec, line, headers, body.as_bytes()).await.unwrap();
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

/// Posts with a valid token; returns status, code, `invalid-event-number`, and all indexed events.
async fn send(hec: &HecStandIn, body: &str) -> (u16, i64, Option<i64>, Vec<String>) {
    let (status, answer) = post(hec, &[TOKEN], body).await;
    let events = hec.indexed().into_iter().map(|indexed| indexed.event).collect();
    (status, answer["code"].as_i64().unwrap_or(-1), answer["invalid-event-number"].as_i64(), events)
}

#[tokio::test]
async fn objects_are_concatenated() {
    let hec = start(|_| {}).await;
    let body = r#"{"event":"a"}{"event":{"b":1},"index":"i"}
        {"event":["c"],"time":1790000000.001,"fields":{"k":"v","l":["x"]}}"#;
    let (status, code, _, events) = send(&hec, body).await;
    assert_eq!((status, code), (200, 0));
    assert_eq!(events, [r#""a""#, r#"{"b":1}"#, r#"["c"]"#]);
    assert_eq!(hec.indexed()[2].field("k"), Some("v"));
    assert_eq!(hec.indexed()[1].value(), json!({ "b": 1 }));
}

#[tokio::test]
async fn objects_before_a_bad_one_are_indexed_and_none_after_it() {
    for (bad, code, number) in [
        ("{broken", 6, 1),
        ("[1]", 6, 1),
        (r#"{"event":""}"#, 13, 1),
        (r#"{"host":"h"}"#, 12, 1),
        (r#"{"event":null}"#, 12, 1),
        (r#"{"event":"x","fields":{"a":{"b":"c"}}}"#, 15, 1),
        (r#"{"event":"x","fields":{"a":1}}"#, 15, 1),
        (r#"{"event":"x","time":1.79e9}"#, 15, 1),
        (r#"{"event":"x","index":"secret"}"#, 7, 2),
    ] {
        let hec = start(|options| options.tokens[0].indexes = vec!["main".to_owned()]).await;
        let body = format!(r#"{{"event":"before"}}{bad}{{"event":"after"}}"#);
        let (status, got, at, events) = send(&hec, &body).await;
        assert_eq!((status, got, at), (400, code, Some(number)), "{bad}");
        assert_eq!(events, [r#""before""#], "{bad}");
    }
}

#[tokio::test]
async fn from_an_unknown_key_on_nothing_is_indexed_silently() {
    let hec = start(|_| {}).await;
    let body = r#"{"event":"a"}{"event":"b","Index":"x"}{"event":"c"}"#;
    assert_eq!(send(&hec, body).await, (200, 0, None, vec![r#""a""#.to_owned()]));
    let (status, code, ..) = send(&hec, r#"{"event":"b","Index":"x"}"#).await;
    assert_eq!((status, code), (400, 5), "every object was ignored");
}

#[tokio::test]
async fn no_data_is_an_error_and_fields_alone_are_skipped() {
    let hec = start(|_| {}).await;
    assert_eq!(send(&hec, "").await, (400, 5, None, vec![]));
    assert_eq!(send(&hec, r#"{"fields":{"a":"b"}}"#).await, (200, 0, None, vec![]));
}

#[tokio::test]
async fn every_token_error_has_its_code() {
    let off = Token { disabled: true, ..Token::new("off") };
    let hec = start(|options| options.tokens.push(off)).await;
    for (header, status, code) in [
        ("x-none: 1", 401, 2),
        ("authorization: Bearer stand-in-token", 401, 3),
        ("authorization: Splunk wrong", 403, 4),
        ("authorization: Splunk off", 403, 1),
        (TOKEN, 200, 0),
    ] {
        let (got, answer) = post(&hec, &[header], r#"{"event":"a"}"#).await;
        assert_eq!((got, &answer["code"]), (status, &json!(code)), "{header}");
    }
}

#[tokio::test]
async fn gzip_is_supported_and_deflate_is_not() {
    use std::io::Write as _;
    let hec = start(|_| {}).await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(br#"{"event":"packed"}"#).unwrap();
    let packed = gzip.finish().unwrap();
    let line = "POST /services/collector/event";
    let headers = [TOKEN, "content-encoding: gzip"];
    assert_eq!(request(&hec, line, &headers, &packed).await.unwrap().0, 200);
    assert_eq!(hec.indexed()[0].event, r#""packed""#);
    let seen = &hec.requests()[0];
    assert_eq!((seen.stored_bytes, seen.body.len()), (packed.len(), 18));
    let headers = [TOKEN, "content-encoding: deflate"];
    let (status, body) = request(&hec, line, &headers, b"x").await.unwrap();
    assert_eq!(status, 415);
    assert!(body.starts_with("<!doctype html>"), "{body}");
}

#[tokio::test]
async fn an_oversized_body_is_413_or_reported_as_bad_data() {
    let hec = start(|options| options.max_content_length = 20).await;
    assert_eq!(send(&hec, r#"{"event":"0123456789"}"#).await.0, 413);
    hec.change(|options| options.oversize_as_bad_data = true);
    let (status, code, number, events) = send(&hec, r#"{"event":"0123456789"}"#).await;
    assert_eq!((status, code, number, events.len()), (400, 6, Some(0), 0));
}

#[tokio::test]
async fn ack_ids_count_for_each_channel_and_true_is_returned_once() {
    let hec = start(|options| options.tokens[0].use_ack = true).await;
    let other = CHANNEL.replace("0f2b", "ffff");
    for (channel, id) in [(CHANNEL, 0), (CHANNEL, 1), (other.as_str(), 0)] {
        let (status, answer) = post(&hec, &[TOKEN, channel], r#"{"event":"a"}"#).await;
        assert_eq!((status, &answer["ackId"]), (200, &json!(id)));
    }
    let poll = async |channel: &str| {
        let line = "POST /services/collector/ack";
        let body = br#"{"acks":[0,1,7]}"#;
        request(&hec, line, &[TOKEN, channel], body).await.unwrap().1
    };
    hec.withhold_acks(true);
    assert_eq!(poll(CHANNEL).await, r#"{"acks":{"0":false,"1":false,"7":false}}"#);
    hec.withhold_acks(false);
    assert_eq!(poll(CHANNEL).await, r#"{"acks":{"0":true,"1":true,"7":false}}"#);
    assert_eq!(poll(CHANNEL).await, r#"{"acks":{"0":false,"1":false,"7":false}}"#);
    assert_eq!(poll(&other).await, r#"{"acks":{"0":true,"1":false,"7":false}}"#);
}

#[tokio::test]
async fn a_restart_resets_ack_ids_and_loses_unwritten_events() {
    let hec = start(|options| options.tokens[0].use_ack = true).await;
    for _ in 0..2 {
        let (_, answer) = post(&hec, &[TOKEN, CHANNEL], r#"{"event":"x"}"#).await;
        assert_eq!((&answer["ackId"], hec.count()), (&json!(0), 1));
        hec.restart();
        assert_eq!(hec.count(), 0);
    }
    assert_eq!(hec.connections(), 2);
}

#[tokio::test]
async fn an_error_with_acknowledgement_has_the_ack_id_of_the_prefix() {
    let hec = start(|options| options.tokens[0].use_ack = true).await;
    let (_, answer) = post(&hec, &[TOKEN, CHANNEL], r#"{"event":"a"}{"event":""}"#).await;
    assert_eq!((&answer["code"], &answer["ackId"]), (&json!(13), &json!(0)));
}

#[tokio::test]
async fn acknowledgement_requires_a_guid_channel_and_an_enabled_token() {
    let hec = start(|options| options.tokens[0].use_ack = true).await;
    let code =
        async |headers: &[&str]| post(&hec, headers, r#"{"event":"a"}"#).await.1["code"].clone();
    assert_eq!(code(&[TOKEN]).await, 10);
    assert_eq!(code(&[TOKEN, "x-splunk-request-channel: mine"]).await, 11);
    hec.change(|options| options.tokens[0].use_ack = false);
    let line = "POST /services/collector/ack";
    let (status, body) = request(&hec, line, &[TOKEN, CHANNEL], br#"{"acks":[0]}"#).await.unwrap();
    assert_eq!((status, body.contains("\"code\":14")), (400, true), "{body}");
}

#[tokio::test]
async fn health_needs_no_token_by_default_and_other_paths_fail() {
    let hec = start(|options| options.cookie = Some("indexer=1".to_owned())).await;
    let status = async |line: &str| request(&hec, line, &[], b"").await.unwrap().0;
    assert_eq!(status("GET /services/collector/health").await, 200);
    hec.change(|options| options.health_needs_token = true);
    assert_eq!(status("GET /services/collector/health").await, 401);
    hec.change(|options| options.health_needs_token = false);
    hec.set_healthy(false);
    assert_eq!(status("GET /services/collector/health").await, 503);
    assert_eq!(status("GET /services/collector/event").await, 405);
    assert_eq!(status("POST /en-US/account/login").await, 404);
    assert_eq!(hec.requests()[0].header("connection"), Some("close"));
}

#[tokio::test]
async fn scripted_responses_apply_before_or_after_indexing() {
    let hec = start(|_| {}).await;
    let late = Fault { after_indexing: true, ..Fault::code(503, 9) };
    hec.script([Fault::code(503, 9), late, Fault::cut(false), Fault::cut(true)]);
    let line = "POST /services/collector/event";
    let mut seen = Vec::new();
    for _ in 0..5 {
        let answer = request(&hec, line, &[TOKEN], br#"{"event":"a"}"#).await;
        seen.push((answer.map(|(status, _)| status), hec.count()));
    }
    assert_eq!(seen, [(Some(503), 0), (Some(503), 1), (None, 1), (None, 2), (Some(200), 3)]);
    assert!(hec.url().starts_with("http://127.0.0.1:"));
}

#[tokio::test]
async fn events_can_be_rejected_by_text_and_requests_awaited() {
    let hec = start(|options| options.reject = vec![("needle".to_owned(), 7)]).await;
    let (sent, ()) = futures_util::future::join(
        send(&hec, r#"{"event":"a"}{"event":"a needle"}{"event":"b"}"#),
        hec.wait_for_requests(1),
    )
    .await;
    assert_eq!(sent, (400, 7, Some(2), vec![r#""a""#.to_owned()]));
}
