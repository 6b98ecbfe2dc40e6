//! What an event costs: reading a record (target, findings, certificate facts) and rendering it, in
//! each format, with a certificate in the record and without.
//!
//! Nanoseconds of the thread's CPU time per event, and the ratio to the minimum: parsing the record
//! with serde_json and writing it again, measured alternately. `cargo bench --bench event`.

#![expect(clippy::print_stdout, reason = "a program for people, ended by a closed stream")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use certrelay::cloudtrail::{Origin, Record};
use certrelay::config::{EventOptions, OutputFormat};
use certrelay::event::{Arrival, Channel, Event};
use certrelay::format::render;
use serde_json::{Value, json};
use time::OffsetDateTime;

const ROUNDS: usize = 15;
const EVENTS: u32 = 400;
const PEM: &str = include_str!("../tests/fixtures/events/web.example.com.pem");
const FORMATS: [(&str, OutputFormat); 4] = [
    ("raw", OutputFormat::Raw),
    ("cim", OutputFormat::Cim),
    ("ecs", OutputFormat::Ecs),
    ("ocsf", OutputFormat::Ocsf),
];

/// One measured operation.
struct Variant {
    name: String,
    run: Box<dyn FnMut()>,
    times: Vec<Duration>,
}

fn main() {
    let upload = record(
        "UploadServerCertificate",
        json!({ "serverCertificateName": "web", "path": "/edge/", "certificateBody": PEM }),
    );
    let rename = record(
        "UpdateServerCertificate",
        json!({ "serverCertificateName": "web", "newServerCertificateName": "web-2" }),
    );
    measure("with a certificate (RSA 2048) in the record", &upload);
    measure("without", &rename);
}

fn record(name: &str, request: Value) -> Bytes {
    let record = json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole", "principalId": "AROAEXAMPLE:session", "accountId": "111122223333",
            "arn": "arn:aws:sts::111122223333:assumed-role/deploy/session", "accessKeyId": "ASIAEXAMPLE",
            "sessionContext": {
                "sessionIssuer": { "type": "Role", "principalId": "AROAEXAMPLE", "userName": "deploy",
                                   "arn": "arn:aws:iam::111122223333:role/deploy", "accountId": "111122223333" },
                "attributes": { "creationDate": "2026-02-22T16:00:01Z", "mfaAuthenticated": "false" } } },
        "eventTime": "2026-02-22T16:11:47Z", "eventSource": "iam.amazonaws.com", "eventName": name,
        "awsRegion": "us-east-1", "sourceIPAddress": "203.0.113.9", "userAgent": "aws-cli/2.27.0",
        "requestParameters": request, "responseElements": null,
        "requestID": "7f1c9f36-0000-4000-8000-00000000aaaa", "readOnly": false,
        "eventID": "5d2e0a4c-0000-4000-8000-000000000001", "eventType": "AwsApiCall",
        "managementEvent": true, "recipientAccountId": "111122223333", "eventCategory": "Management",
        "tlsDetails": { "tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256",
                        "clientProvidedHostHeader": "iam.amazonaws.com" },
    });
    record.to_string().into()
}

fn read(bytes: &Bytes, options: &Arc<EventOptions>) -> Event {
    let record = Record { bytes: bytes.clone(), index: 0, offset: 0 };
    let arrival = Arrival {
        origin: Origin::Message { message_id: "bench".to_owned() },
        channel: Channel::S3,
        seen: OffsetDateTime::UNIX_EPOCH,
        delivered: None,
    };
    Event::read_with(record, arrival, options).expect("a sound record")
}

fn variants(record: &Bytes) -> Vec<Variant> {
    let variant = |name: &str, run: Box<dyn FnMut()>| Variant {
        name: name.to_owned(),
        run,
        times: Vec::new(),
    };
    let plain = record.clone();
    let parse = move || {
        let value: Value = serde_json::from_slice(&plain).expect("JSON");
        black_box(serde_json::to_vec(&value).expect("JSON"));
    };
    let options = Arc::new(EventOptions::default());
    let (bytes, own) = (record.clone(), Arc::clone(&options));
    let mut all = vec![
        variant("parse and write", Box::new(parse)),
        variant("read", Box::new(move || drop(black_box(read(&bytes, &own))))),
    ];
    for (name, format) in FORMATS {
        let event = read(record, &options);
        let mut out = Vec::new();
        let run = move || {
            out.clear();
            render(&event, format, &mut out);
            black_box(&out);
        };
        all.push(variant(&format!("render {name}"), Box::new(run)));
    }
    all
}

/// Runs all variants alternately; prints medians, and the median of the ratios within a round.
fn measure(what: &str, record: &Bytes) {
    println!("\n{what}: {} bytes, {ROUNDS} rounds of {EVENTS} events", record.len());
    let mut all = variants(record);
    for _ in 0..ROUNDS {
        for one in &mut all {
            let before = cpu();
            (0..EVENTS).for_each(|_| (one.run)());
            one.times.push((cpu() - before) / EVENTS);
        }
    }
    let base = all[0].times.clone();
    for one in &all {
        let ratios =
            one.times.iter().zip(&base).map(|(own, base)| own.as_secs_f64() / base.as_secs_f64());
        let nanos = median(one.times.iter().map(|time| time.as_secs_f64() * 1e9).collect());
        println!("{:<16} {nanos:>9.0} ns {:>7.2}", one.name, median(ratios.collect()));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns the CPU time of this thread.
fn cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}
