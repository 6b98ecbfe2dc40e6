//! Our own records: every operation in five shapes, in CloudTrail's form.

use std::sync::Arc;

use bytes::Bytes;
use certrelay::cloudtrail::{InvalidRecord, Origin, Record};
use certrelay::config::{EventOptions, OutputFormat};
use certrelay::event::{Arrival, Channel, Context, Event};
use certrelay::format::render;
use serde_json::{Value, json};
use time::macros::datetime;

/// The twelve operations, in the order of docs/events.md.
pub(crate) use crate::support::samples::EVENTS as OPERATIONS;

/// The shapes of a record.
pub(crate) const SHAPES: [&str; 5] = ["success", "denied", "other error", "omitted", "minimal"];

/// Every output format.
pub(crate) const FORMATS: [OutputFormat; 4] =
    [OutputFormat::Ocsf, OutputFormat::Ecs, OutputFormat::Cim, OutputFormat::Raw];

/// A certificate made for these tests: RSA 2048, self-signed, `CN=web.example.com`.
pub(crate) const PEM: &str = include_str!("fixtures/events/web.example.com.pem");

/// Returns the record of `operation` in `shape`.
pub(crate) fn record(operation: &str, shape: &str) -> String {
    let read_only = operation.starts_with("Get") || operation.starts_with("List");
    let mut record = json!({
        "eventVersion": "1.11",
        "userIdentity": alice(),
        "eventTime": "2026-02-22T16:11:47Z",
        "eventSource": "iam.amazonaws.com",
        "eventName": operation,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "203.0.113.9",
        "userAgent": "aws-cli/2.27.0 md/prompt#off command/iam",
        "requestParameters": request(operation),
        "responseElements": response(operation),
        "requestID": "7f1c9f36-0000-4000-8000-00000000aaaa",
        "eventID": format!("5d2e0a4c-0000-4000-8000-{:012}", OPERATIONS.iter().position(|o| *o == operation).unwrap_or(99)),
        "readOnly": read_only,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "111122223333",
        "eventCategory": "Management",
        "tlsDetails": { "tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader": "iam.amazonaws.com" },
        "sessionCredentialFromConsole": "true",
    });
    match shape {
        "denied" => deny(&mut record, operation),
        "other error" => fail(&mut record, operation),
        "omitted" => {
            record["requestParameters"] = json!({ "omitted": true, "originalSize": 102_401, "reason": "requestParameters too large" });
            record["responseElements"] = Value::Null;
        }
        "minimal" => {
            record = json!({ "eventSource": "iam.amazonaws.com", "eventName": operation, "eventTime": "2015-06-01T00:00:00Z",
                             "userIdentity": {}, "requestParameters": null, "responseElements": null });
        }
        _ => {}
    }
    record.to_string()
}

fn alice() -> Value {
    json!({
        "type": "IAMUser", "principalId": "AIDAEXAMPLEALICE00001", "arn": "arn:aws:iam::111122223333:user/ops/alice",
        "accountId": "111122223333", "accessKeyId": "ASIAEXAMPLEALICE0001", "userName": "alice",
        "sessionContext": { "sessionIssuer": {}, "webIdFederationData": {},
                            "attributes": { "creationDate": "2026-02-22T16:00:01Z", "mfaAuthenticated": "true" } },
    })
}

/// Returns a role of another account, as an automation has it.
pub(crate) fn role() -> Value {
    json!({
        "type": "AssumedRole", "principalId": "AROAEXAMPLEROLE000001:deploy-42",
        "arn": "arn:aws:sts::444455556666:assumed-role/cert-rotation/deploy-42", "accountId": "444455556666",
        "accessKeyId": "ASIAEXAMPLEROLE00001",
        "sessionContext": {
            "sessionIssuer": { "type": "Role", "principalId": "AROAEXAMPLEROLE000001", "userName": "cert-rotation",
                               "arn": "arn:aws:iam::444455556666:role/ci/cert-rotation", "accountId": "444455556666" },
            "attributes": { "creationDate": "2026-02-22T16:00:01Z", "mfaAuthenticated": "false" } },
    })
}

fn request(operation: &str) -> Value {
    let name = "web.example.com";
    match operation {
        "UploadServerCertificate" => {
            json!({ "serverCertificateName": name, "path": "/cloudfront/edge/", "certificateBody": PEM,
            "certificateChain": PEM, "tags": [{ "key": "owner", "value": "platform" }] })
        }
        "UpdateServerCertificate" => {
            json!({ "serverCertificateName": name, "newServerCertificateName": "web-2025.example.com", "newPath": "/retired/" })
        }
        "TagServerCertificate" => {
            json!({ "serverCertificateName": name, "tags": [{ "key": "owner", "value": "platform" }, { "key": "empty", "value": "" }] })
        }
        "UntagServerCertificate" => {
            json!({ "serverCertificateName": name, "tagKeys": ["owner", "cost-centre"] })
        }
        "ListServerCertificates" => json!({ "pathPrefix": "/cloudfront/", "maxItems": 100 }),
        "ListServerCertificateTags" => json!({ "serverCertificateName": name, "maxItems": 5 }),
        "UploadSigningCertificate" => json!({ "userName": "bob", "certificateBody": PEM }),
        "UpdateSigningCertificate" => {
            json!({ "userName": "bob", "certificateId": "TA7SMP42TDN5Z26OBPJE7EXAMPLE", "status": "Inactive" })
        }
        "DeleteSigningCertificate" => json!({ "certificateId": "TA7SMP42TDN5Z26OBPJE7EXAMPLE" }),
        "ListSigningCertificates" => Value::Null,
        _ => json!({ "serverCertificateName": name }),
    }
}

fn response(operation: &str) -> Value {
    match operation {
        "UploadServerCertificate" => {
            json!({ "serverCertificateMetadata": { "path": "/cloudfront/edge/", "serverCertificateName": "web.example.com",
            "serverCertificateId": "ASCAEXAMPLE000000001", "arn": "arn:aws:iam::111122223333:server-certificate/cloudfront/edge/web.example.com",
            "uploadDate": "Feb 22, 2026, 4:11:47\u{202f}PM", "expiration": "Mar 2, 2036 9:18:24 PM" } })
        }
        "UploadSigningCertificate" => {
            json!({ "certificate": { "userName": "bob", "certificateId": "TA7SMP42TDN5Z26OBPJE7EXAMPLE",
            "certificateBody": PEM, "status": "Active", "uploadDate": "Feb 22, 2026, 4:11:47\u{202f}PM" } })
        }
        _ => Value::Null,
    }
}

fn deny(record: &mut Value, operation: &str) {
    let resource = match operation {
        "ListServerCertificates" => "arn:aws:iam::111122223333:server-certificate/*",
        _ if operation.contains("Server") => {
            "arn:aws:iam::111122223333:server-certificate/cloudfront/edge/web.example.com"
        }
        _ => "user bob",
    };
    record["errorCode"] = json!("AccessDenied");
    record["errorMessage"] = json!(format!(
        "User: arn:aws:iam::111122223333:user/ops/alice is not authorized to perform: iam:{operation} on resource: {resource} \
         because no identity-based policy allows the iam:{operation} action"
    ));
    record["requestParameters"] = Value::Null;
    record["responseElements"] = Value::Null;
}

fn fail(record: &mut Value, operation: &str) {
    let (code, message) = match operation {
        "UploadServerCertificate" => (
            "MalformedCertificateException",
            "Unable to parse certificate. Please ensure the certificate is in PEM format.",
        ),
        "DeleteServerCertificate" => (
            "DeleteConflictException",
            "Certificate: ASCAEXAMPLE000000001 is currently in use by arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/app/web/0123456789abcdef. Please remove it first before deleting it from IAM.",
        ),
        "UploadSigningCertificate" => {
            ("LimitExceededException", "Cannot exceed quota for X509CertificatesPerUser: 2")
        }
        "ListServerCertificates" => ("ServiceFailureException", ""),
        _ if operation.contains("Server") => (
            "NoSuchEntityException",
            "The Server Certificate with name web.example.com cannot be found.",
        ),
        _ => ("NoSuchEntityException", "The user with name bob cannot be found."),
    };
    record["errorCode"] = json!(code);
    record["errorMessage"] = if message.is_empty() { Value::Null } else { json!(message) };
    record["responseElements"] = Value::Null;
}

/// Returns the event of a record's text, as read from an object.
pub(crate) fn read(text: &str) -> Result<Event, InvalidRecord> {
    read_with(text, EventOptions::default())
}

/// Returns the same with other settings.
pub(crate) fn read_with(text: &str, options: EventOptions) -> Result<Event, InvalidRecord> {
    read_in(text, options, &Context::default())
}

/// Returns the same with enrichment data.
pub(crate) fn read_in(
    text: &str,
    options: EventOptions,
    context: &Context,
) -> Result<Event, InvalidRecord> {
    let record = Record { bytes: Bytes::copy_from_slice(text.as_bytes()), index: 7, offset: 12 };
    let origin = Origin::Object {
        bucket: "audit-logs".to_owned(),
        key: "AWSLogs/x.json.gz".to_owned(),
        version: None,
        index: 7,
    };
    let arrival = Arrival {
        origin,
        channel: Channel::S3,
        seen: datetime!(2026-02-22 16:20:00.5 UTC),
        delivered: Some(datetime!(2026-02-22 16:17:00 UTC)),
    };
    Event::read_in(record, arrival, &Arc::new(options), context)
}

/// Returns `event` in `format`.
pub(crate) fn rendered(event: &Event, format: OutputFormat) -> String {
    let mut out = Vec::new();
    render(event, format, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

/// Returns the event of a record in `format`.
pub(crate) fn payload(text: &str, format: OutputFormat) -> String {
    rendered(&read(text).expect("a record"), format)
}
