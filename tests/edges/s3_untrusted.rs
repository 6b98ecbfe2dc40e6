//! What messages and responses name is not trusted: no text panics, none leads a request to another
//! partition, and what cannot be requested is told apart from what S3 may still return.

use std::collections::BTreeSet;

use aws_sdk_s3::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::store::notification::{Notification, parse};

/// One region of each partition but the store's own, and texts that look like one.
const FOREIGN: [&str; 12] = [
    "cn-north-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-isob-east-1",
    "us-isof-south-1",
    "eu-isoe-west-1",
    "eusc-de-east-1",
    "us-east-1\r\nHost: evil.example.com",
    "us-east-1.evil.example.com/",
    "aws-global",
    "\u{0}",
    "EU",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(FOREIGN.to_vec()).prop_map(str::to_owned),
        Just("eu-west-1".to_owned()),
        "[a-z]{2,5}-[a-z]{1,6}(-[a-z]{1,6})?-[0-9]{1,3}",
        "\\PC{0,40}",
        any::<String>(),
        prop::sample::select(vec![1024_usize, 1025, 30_000, 70_000]).prop_map(|n| "k".repeat(n)),
    ]
}

/// Notifications of every format, with any text in every member that is used.
fn bodies() -> impl Strategy<Value = String> {
    let own_bucket = prop_oneof![Just("audit-logs".to_owned()), text()];
    let texts = (own_bucket, text(), text(), text(), text());
    (texts, 0..4).prop_map(|((bucket, key, version, etag, region), format)| {
        let name = if format == 0 { "versionId" } else { "version-id" };
        let object = json!({"key": key, name: version, "etag": etag, "size": 7});
        match format {
            0 => json!({"Records": [{"eventName": "ObjectCreated:Put", "awsRegion": region,
                "s3": {"bucket": {"name": bucket}, "object": object}}]}),
            1 => json!({"source": "aws.s3", "detail-type": "Object Created", "region": region,
                "detail": {"bucket": {"name": bucket}, "object": object}}),
            2 => json!({"s3Bucket": bucket, "s3ObjectKey": [key, version]}),
            // A replayed dead letter.
            _ => {
                let location = Location::S3 { bucket, key, version: Some(version) };
                let object =
                    ObjectRef { location, region: Some(region), size: None, etag: Some(etag) };
                return crate::store::notification::created(&object).expect("an object of S3");
            }
        }
        .to_string()
    })
}

/// Hosts that the SDK would send this store's requests to, without `s3_endpoint`.
async fn hosts(store: &S3Store) -> BTreeSet<String> {
    let regions: Vec<String> =
        store.clients.lock().keys().map(|(_, region)| region.clone()).collect();
    let mut hosts = BTreeSet::new();
    for region in regions.into_iter().filter(|region| !region.is_empty()) {
        let params = Params::builder().region(region).bucket("audit-logs").build();
        let endpoint = DefaultResolver::new().resolve_endpoint(&params.expect("complete")).await;
        hosts.insert(endpoint.expect("a host").url().to_owned());
    }
    hosts
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn no_notification_panics_or_leads_to_another_partition(body in bodies()) {
        let Ok(Notification::Objects(objects)) = parse(&body) else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let missing = || error_response("404 Not Found", "NoSuchKey", "");
            let server = serve((0..2).map(|_| missing())).await;
            let store = store(&server);
            for object in &objects {
                assert!(store.open(object, None).await.is_err());
            }
            for host in hosts(&store).await {
                let host = host.strip_prefix("https://audit-logs.s3.").unwrap_or("elsewhere");
                assert!(host.ends_with(".amazonaws.com") && !host.starts_with("cn-"), "{host}");
            }
        });
    }
}

#[tokio::test]
async fn a_region_of_another_partition_is_not_asked() {
    for region in FOREIGN {
        let server = serve([response("200 OK", "", 2, "ok")]).await;
        let store = store(&server);
        let named = ObjectRef { region: Some(region.to_owned()), ..object() };
        assert!(store.open(&named, None).await.is_ok(), "{region}");
        let request = server.requests.lock()[0].clone();
        assert!(request.contains("/us-east-1/s3/"), "{region}: {request}");
    }
}

#[tokio::test]
async fn a_redirect_to_another_partition_is_not_followed() {
    for region in ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "evil.example.com"] {
        let redirect = format!("x-amz-bucket-region: {region}\r\n");
        let moved = error_response("301 Moved Permanently", "PermanentRedirect", &redirect);
        let server = serve([moved, response("200 OK", "", 2, "ok")]).await;
        let error = read(&store(&server), None).await.expect_err("not redirected");
        assert!(error.text.contains("PermanentRedirect"), "{error}");
        assert_eq!(server.requests.lock().len(), 1, "{region}");
    }
}

#[tokio::test]
async fn what_cannot_be_requested_is_no_failure_of_s3() {
    let server = serve([
        error_response("400 Bad Request", "InvalidArgument", ""),
        error_response("400 Bad Request", "InvalidURI", ""),
    ])
    .await;
    let store = store(&server);
    let of = |key: &str, version: Option<&str>| {
        let (bucket, version) = ("audit-logs".to_owned(), version.map(str::to_owned));
        let location = Location::S3 { bucket, key: key.to_owned(), version };
        ObjectRef { location, region: None, size: None, etag: None }
    };
    // The SDK panics at an URL of 64 KiB.
    let [too_long, huge] = [1025, 70_000].map(|length| "k".repeat(length));
    for object in [
        of("k", Some("no version")),
        of("k", None),
        of(&too_long, None),
        of(&huge, None),
        of("k", Some(&huge)),
        of("", None),
    ] {
        let error = store.open(&object, None).await.err().expect("refused");
        assert_eq!(error.kind, StoreErrorKind::InvalidName, "{error:.200}");
    }
    assert_eq!(server.requests.lock().len(), 2);
}

#[tokio::test]
async fn every_request_names_the_owner_that_is_expected_of_the_bucket() {
    let ok = || response("200 OK", "", 0, "");
    let list = "<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>";
    let server = serve([ok(), ok(), response("200 OK", "", list.len(), list), ok()]).await;
    let access =
        BucketAccess { expected_owner: Some("111122223333".to_owned()), ..BucketAccess::default() };
    let store = store(&server).with_bucket("audit-logs", access);
    store.put("audit-logs", "k", Bytes::from_static(b"{}")).await.expect("put");
    store.open(&object(), None).await.expect("get");
    store.list("audit-logs", ListRequest::default()).await.expect("list");
    store.delete("audit-logs", "k").await.expect("delete");
    for request in server.requests.lock().iter() {
        assert!(request.contains("x-amz-expected-bucket-owner: 111122223333"), "{request}");
    }
    assert_eq!(server.requests.lock().len(), 4);
}
