//! Invented CloudTrail files for the demo and tests: each of the twelve events, successful and
//! denied, among records that only mention them. The same seed generates the same bytes.
//!
//! Accounts, addresses and names are those of documentation (111122223333, 203.0.113.0/24,
//! example.com).

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// A record that a correct filter must select.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub name: String,
    pub denied: bool,
}

/// One delivered file.
#[derive(Debug, Clone)]
pub struct SampleObject {
    pub key: String,
    pub gzip: Vec<u8>,
}

/// A set of files, and the events in them.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    pub objects: Vec<SampleObject>,
    /// By eventID.
    pub expected: BTreeMap<String, Expected>,
    pub records: usize,
    pub decoys: usize,
}

/// The twelve events, with the request and the response that IAM logs for each. Source of the
/// shapes: AWS IAM API Reference.
pub const EVENTS: [&str; 12] = [
    "UploadServerCertificate",
    "UpdateServerCertificate",
    "DeleteServerCertificate",
    "GetServerCertificate",
    "ListServerCertificates",
    "TagServerCertificate",
    "UntagServerCertificate",
    "ListServerCertificateTags",
    "UploadSigningCertificate",
    "UpdateSigningCertificate",
    "DeleteSigningCertificate",
    "ListSigningCertificates",
];

/// A self-signed certificate for www.example.com, created for the tests.
pub const PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIB1jCCAXygAwIBAgIUErAVBCPd3ADrIYSMI6+DQB3DTEswCgYIKoZIzj0EAwIw\nLDEYMBYGA1UEAwwPd3d3LmV4YW1wbGUuY29tMRAwDgYDVQQKDAdFeGFtcGxlMB4X\nDTI2MTEyMTIyMjkxMloXDTM2MTExODIyMjkxMlowLDEYMBYGA1UEAwwPd3d3LmV4\nYW1wbGUuY29tMRAwDgYDVQQKDAdFeGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZIzj0D\nAQcDQgAEUCvXL0fPaxHbonoltkRqwIPAKxTu2m/vTOaiMJEu0qx5ivMzc3BYDAIY\nIUzWXTXLq5oDJSIQbnKPW3Qp1hJE0KN8MHowHQYDVR0OBBYEFKVjkpUfoOOyWFhG\nfnL3wJH/0WtlMB8GA1UdIwQYMBaAFKVjkpUfoOOyWFhGfnL3wJH/0WtlMA8GA1Ud\nEwEB/wQFMAMBAf8wJwYDVR0RBCAwHoIPd3d3LmV4YW1wbGUuY29tggtleGFtcGxl\nLmNvbTAKBggqhkjOPQQDAgNIADBFAiAiKPX7u/txSpi5jomiMLgQBwUSv34CBZAX\nXeBFe0yzKgIhAMiWICmSrpRd1lHjmkIDdB4XhVrTww9atP4FLOa6kQDp\n-----END CERTIFICATE-----\n";

const ACCOUNTS: [&str; 2] = ["111122223333", "444455556666"];
const USERS: [&str; 4] = ["alice", "bob", "carol", "deploy"];

/// The shape of a set of files.
pub struct Shape<'a> {
    pub files: usize,
    /// Returns the number of records of one file.
    pub records: &'a dyn Fn(&mut fastrand::Rng) -> usize,
    /// Share of records to select, and of records that only mention them, in 0.0..=0.5.
    pub selected: f64,
    pub decoys: f64,
}

/// Generates `files` files of `each` records, a third of them to select.
pub fn generate(seed: u64, files: usize, each: usize) -> Samples {
    shaped(seed, &Shape { files, records: &|_| each, selected: 1.0 / 3.0, decoys: 1.0 / 6.0 })
}

/// Generates files of a given shape.
pub fn shaped(seed: u64, shape: &Shape<'_>) -> Samples {
    let mut samples = Samples::default();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut event = 0;
    for file in 0..shape.files {
        let each = (shape.records)(&mut rng);
        add_file(&mut samples, &mut rng, &mut event, (file, each), (shape.selected, shape.decoys));
    }
    samples
}

fn add_file(
    samples: &mut Samples,
    rng: &mut fastrand::Rng,
    event: &mut usize,
    (file, each): (usize, usize),
    (selected, decoys): (f64, f64),
) {
    let account = ACCOUNTS[file % ACCOUNTS.len()];
    let minute = file % 60;
    let mut records = Vec::new();
    for _ in 0..each {
        let mut record = envelope(rng, account, minute);
        let draw = rng.f64();
        if draw < selected {
            let denied = *event % 5 == 4;
            let name = EVENTS[*event % EVENTS.len()];
            *event += 1;
            fill(&mut record, name, denied, account, rng.usize(..));
            let id = record["eventID"].as_str().unwrap_or_default().to_owned();
            samples.expected.insert(id, Expected { name: name.to_owned(), denied });
        } else if draw < selected + decoys {
            decoy(&mut record, rng.usize(..));
            samples.decoys += 1;
        } else {
            ordinary(&mut record, rng.usize(..));
        }
        records.push(record);
    }
    samples.records += records.len();
    samples.objects.push(object(rng, account, minute, &records));
}

fn envelope(rng: &mut fastrand::Rng, account: &str, minute: usize) -> Value {
    let user = USERS[rng.usize(..USERS.len())];
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLE0000000001",
            "arn": format!("arn:aws:iam::{account}:user/{user}"),
            "accountId": account,
            "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
            "userName": user,
            "sessionContext": {"attributes": {
                "creationDate": "2026-03-01T08:00:00Z",
                "mfaAuthenticated": if rng.bool() { "true" } else { "false" },
            }},
        },
        "eventTime": format!("2026-03-01T09:{minute:02}:{:02}Z", rng.u8(0..60)),
        "eventSource": "iam.amazonaws.com",
        "eventName": "",
        "awsRegion": "us-east-1",
        "sourceIPAddress": format!("203.0.113.{}", rng.u8(1..255)),
        "userAgent": "aws-cli/2.30.0",
        "requestParameters": null,
        "responseElements": null,
        "requestID": uuid(rng),
        "eventID": uuid(rng),
        "readOnly": false,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": account,
        "eventCategory": "Management",
        "tlsDetails": {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": "iam.amazonaws.com",
        },
    })
}

fn fill(record: &mut Value, name: &str, denied: bool, account: &str, pick: usize) {
    let user = USERS[pick % USERS.len()];
    let certificate = format!("www-{}.example.com", pick % 97);
    record["eventName"] = name.into();
    record["readOnly"] = (name.starts_with("Get") || name.starts_with("List")).into();
    if denied {
        let resource = if name.contains("Signing") {
            format!("user {user}")
        } else {
            format!("arn:aws:iam::{account}:server-certificate/{certificate}")
        };
        record["errorCode"] = "AccessDenied".into();
        record["errorMessage"] = format!(
            "User: {} is not authorized to perform: iam:{name} on resource: {resource} because no identity-based policy allows the iam:{name} action",
            record["userIdentity"]["arn"].as_str().unwrap_or_default()
        )
        .into();
        return;
    }
    let named = |more: Value| merge(json!({"serverCertificateName": certificate}), more);
    let of_user = |more: Value| merge(json!({"userName": user}), more);
    record["requestParameters"] = match name {
        "UploadServerCertificate" => named(json!({"certificateBody": PEM, "path": "/cloudfront/"})),
        "UpdateServerCertificate" => {
            named(json!({"newServerCertificateName": format!("old-{certificate}")}))
        }
        "TagServerCertificate" => named(json!({"tags": [{"key": "Owner", "value": "secops"}]})),
        "UntagServerCertificate" => named(json!({"tagKeys": ["Owner"]})),
        "ListServerCertificates" => json!({"pathPrefix": "/cloudfront/"}),
        "UploadSigningCertificate" => of_user(json!({"certificateBody": PEM})),
        "UpdateSigningCertificate" => {
            of_user(json!({"certificateId": "TA7SMP42TDN5Z26OBPJE7EXAMPLE", "status": "Inactive"}))
        }
        "DeleteSigningCertificate" => {
            of_user(json!({"certificateId": "TA7SMP42TDN5Z26OBPJE7EXAMPLE"}))
        }
        "ListSigningCertificates" => of_user(json!({})),
        _ => named(json!({})),
    };
    if name == "UploadServerCertificate" {
        record["responseElements"] = json!({"serverCertificateMetadata": {
            "path": "/cloudfront/",
            "serverCertificateName": certificate,
            "serverCertificateId": "ASCAEXAMPLE123EXAMPLE",
            "arn": format!("arn:aws:iam::{account}:server-certificate/cloudfront/{certificate}"),
            "uploadDate": "Mar 1, 2026, 9:00:00\u{202f}AM",
            "expiration": "Feb 27, 2036, 9:00:00\u{202f}AM",
        }});
    } else if name == "UploadSigningCertificate" {
        record["responseElements"] = json!({"certificate": {
            "userName": user,
            "certificateId": "TA7SMP42TDN5Z26OBPJE7EXAMPLE",
            "certificateBody": PEM,
            "status": "Active",
            "uploadDate": "Mar 1, 2026, 9:00:00\u{202f}AM",
        }});
    }
}

/// Fills a record that names an event, but not as the event of IAM.
fn decoy(record: &mut Value, pick: usize) {
    let name = EVENTS[pick % EVENTS.len()];
    match pick % 4 {
        0 => {
            record["eventName"] = "PutUserPolicy".into();
            let document =
                json!({"Statement": [{"Effect": "Deny", "Action": format!("iam:{name}")}]});
            record["requestParameters"] =
                json!({"userName": "alice", "policyDocument": document.to_string()});
        }
        1 => {
            record["eventName"] = "ListUsers".into();
            record["userAgent"] = format!("aws-cli/2.30.0 command/iam.{name} \"{name}\"").into();
        }
        2 => {
            record["eventName"] = name.into();
            record["eventSource"] = "iam.example.com".into();
        }
        _ => {
            record["eventName"] = "GetUser".into();
            record["requestParameters"] =
                json!({"eventName": name, "eventSource": "iam.amazonaws.com"});
        }
    }
}

fn ordinary(record: &mut Value, pick: usize) {
    let calls = [
        ("ec2.amazonaws.com", "DescribeInstances"),
        ("s3.amazonaws.com", "GetBucketLocation"),
        ("sts.amazonaws.com", "AssumeRole"),
        ("iam.amazonaws.com", "ListRoles"),
    ];
    let (source, name) = calls[pick % calls.len()];
    record["eventSource"] = source.into();
    record["eventName"] = name.into();
    record["readOnly"] = true.into();
}

fn object(
    rng: &mut fastrand::Rng,
    account: &str,
    minute: usize,
    records: &[Value],
) -> SampleObject {
    let document = json!({"Records": records}).to_string();
    let unique: String = (0..16).map(|_| rng.alphanumeric()).collect();
    let key = format!(
        "AWSLogs/{account}/CloudTrail/us-east-1/2026/03/01/{account}_CloudTrail_us-east-1_20260301T09{minute:02}Z_{unique}.json.gz"
    );
    SampleObject { key, gzip: gzip(document.as_bytes()) }
}

/// Compresses into one gzip member, as CloudTrail does.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn merge(mut base: Value, more: Value) -> Value {
    if let (Value::Object(base), Value::Object(more)) = (&mut base, more) {
        base.extend(more);
    }
    base
}

fn uuid(rng: &mut fastrand::Rng) -> String {
    let bits = format!("{:032x}", rng.u128(..));
    format!("{}-{}-4{}-a{}-{}", &bits[..8], &bits[8..12], &bits[13..16], &bits[17..20], &bits[20..])
}
/// Returns an object's content, decompressed.
pub fn document(object: &SampleObject) -> Vec<u8> {
    let mut document = Vec::new();
    let mut stream = flate2::read::MultiGzDecoder::new(object.gzip.as_slice());
    stream.read_to_end(&mut document).expect("it was made here");
    document
}

/// Returns the eventIDs of all records of an object.
pub fn event_ids(object: &SampleObject) -> Vec<String> {
    let document: Value = serde_json::from_slice(&document(object)).expect("it was made here");
    let records = document["Records"].as_array().into_iter().flatten();
    records.filter_map(|record| Some(record["eventID"].as_str()?.to_owned())).collect()
}
