//! Records that differ as real ones do, so that a compressor has its work: callers, names, ids,
//! addresses and times come from a generator of arbitrary numbers, the same ones in every process.

use bytes::Bytes;
use certrelay::cloudtrail::{Origin, Record};
use certrelay::event::{Arrival, Channel, Event};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// Distinct records; a round sends them several times over. Far more than any compressor looks
/// back.
pub(crate) const DISTINCT: usize = 20_000;

/// Records of one file, for the name that they come under.
const OF_A_FILE: usize = 40;

const CALLS: [(&str, bool); 8] = [
    ("ListServerCertificates", true),
    ("GetServerCertificate", true),
    ("ListSigningCertificates", true),
    ("ListServerCertificateTags", true),
    ("UpdateServerCertificate", false),
    ("TagServerCertificate", false),
    ("UpdateSigningCertificate", false),
    ("DeleteServerCertificate", false),
];

const AGENTS: [&str; 5] = [
    "aws-cli/2.27.{n} md/awscrt#0.26.1 ua/2.1 os/linux#6.1.{n} md/arch#x86_64 lang/python#3.13.2 md/command#iam",
    "Boto3/1.38.{n} md/Botocore#1.38.{n} ua/2.1 os/linux#5.10.{n} md/arch#aarch64 lang/python#3.12.9 Botocore/1.38.{n}",
    "APN/1.0 HashiCorp/1.0 Terraform/1.11.{n} (+https://www.terraform.io) terraform-provider-aws/5.9{n}",
    "aws-sdk-go-v2/1.36.{n} os/linux lang/go#1.24.{n} md/GOOS#linux md/GOARCH#amd64 api/iam#1.41.{n}",
    "cloudformation.amazonaws.com",
];

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const CAPITALS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A record, and what is known of it beside its bytes: what a sender starts from.
pub(crate) struct Known {
    pub(crate) bytes: Bytes,
    pub(crate) id: String,
    pub(crate) name: &'static str,
    pub(crate) account: String,
    pub(crate) time: OffsetDateTime,
    /// The file's key.
    pub(crate) key: String,
    index: u64,
}

impl Known {
    /// The event, as the pipeline hands it over.
    pub(crate) fn event(&self) -> Result<Event, String> {
        let origin = Origin::Object {
            bucket: "audit-logs".to_owned(),
            key: self.key.clone(),
            version: None,
            index: self.index,
        };
        let arrival = Arrival { origin, channel: Channel::S3, seen: self.time, delivered: None };
        let record = Record { bytes: self.bytes.clone(), index: self.index, offset: 0 };
        Event::read(record, arrival).map_err(|bad| bad.reason)
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Known> {
    let mut source = Source(0x5eed_0fc1_0d7a_1100);
    let mut time = OffsetDateTime::UNIX_EPOCH + Duration::days(20_513);
    let callers: Vec<Caller> = (0..300).map(|_| source.caller()).collect();
    let mut key = String::new();
    (0..DISTINCT)
        .map(|n| {
            time += Duration::seconds(source.below(20) as i64);
            if n % OF_A_FILE == 0 {
                key = source.key();
            }
            let caller = &callers[source.below(callers.len())];
            source.record((n % OF_A_FILE) as u64, time, caller, &key)
        })
        .collect()
}

/// Numbers that look arbitrary (xorshift), and what is made of them.
struct Source(u64);

struct Caller {
    account: String,
    role: String,
    key: String,
}

impl Source {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }

    fn id(&mut self) -> String {
        [8, 4, 4, 4, 12].map(|length| self.text(b"0123456789abcdef", length)).join("-")
    }

    fn caller(&mut self) -> Caller {
        Caller {
            account: format!("1111222233{:02}", self.below(40)),
            role: format!("{}-{}", self.text(LETTERS, 7), self.text(LETTERS, 5)),
            key: self.text(CAPITALS, 16),
        }
    }

    fn key(&mut self) -> String {
        let id = self.text(CAPITALS, 16);
        format!("AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/01/{id}.json.gz")
    }

    fn parameters(&mut self, call: &str, account: &str) -> String {
        let name = format!("{}-{}", self.text(LETTERS, 8), self.below(500));
        match call {
            "ListServerCertificates" => r#"{"pathPrefix":"/","maxItems":100}"#.to_owned(),
            "ListSigningCertificates" => format!(r#"{{"userName":"{name}"}}"#),
            "UpdateServerCertificate" => format!(
                r#"{{"serverCertificateName":"{name}","newServerCertificateName":"{name}-{}"}}"#,
                self.below(90)
            ),
            "TagServerCertificate" => format!(
                r#"{{"serverCertificateName":"{name}","tags":[{{"key":"owner","value":"{}@example.com"}},{{"key":"arn","value":"arn:aws:iam::{account}:role/{name}"}}]}}"#,
                self.text(LETTERS, 6)
            ),
            "UpdateSigningCertificate" => format!(
                r#"{{"userName":"{name}","certificateId":"{}","status":"Inactive"}}"#,
                self.text(CAPITALS, 32)
            ),
            _ => format!(r#"{{"serverCertificateName":"{name}"}}"#),
        }
    }

    fn record(&mut self, index: u64, time: OffsetDateTime, caller: &Caller, key: &str) -> Known {
        let Caller { account, role, key: access } = caller;
        let (name, read_only) = CALLS[self.below(CALLS.len())];
        let parameters = self.parameters(name, account);
        let agent = AGENTS[self.below(AGENTS.len())].replace("{n}", &self.below(20).to_string());
        let (id, request, session) = (self.id(), self.id(), self.text(LETTERS, 9));
        let (address, began) = (self.below(250), time - Duration::seconds(self.below(3000) as i64));
        let denied = match self.below(12) {
            0 => format!(
                r#""errorCode":"AccessDenied","errorMessage":"User: arn:aws:sts::{account}:assumed-role/{role}/{session} is not authorized to perform: iam:{name} because no identity-based policy allows the action","#
            ),
            _ => String::new(),
        };
        let written = |time: OffsetDateTime| time.format(&Rfc3339).unwrap_or_default();
        let (time_text, began) = (written(time), written(began));
        let text = format!(
            r#"{{"eventVersion":"1.11","userIdentity":{{"type":"AssumedRole","principalId":"AROA{access}:{session}","arn":"arn:aws:sts::{account}:assumed-role/{role}/{session}","accountId":"{account}","accessKeyId":"ASIA{access}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROA{access}","arn":"arn:aws:iam::{account}:role/{role}","accountId":"{account}","userName":"{role}"}},"attributes":{{"creationDate":"{began}","mfaAuthenticated":"false"}}}}}},"eventTime":"{time_text}","eventSource":"iam.amazonaws.com","eventName":"{name}","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.{address}","userAgent":"{agent}",{denied}"requestParameters":{parameters},"responseElements":null,"requestID":"{request}","eventID":"{id}","readOnly":{read_only},"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"{account}","eventCategory":"Management","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"iam.amazonaws.com"}}}}"#
        );
        let (bytes, account) = (Bytes::from(text), account.clone());
        Known { bytes, id, name, account, time, key: key.to_owned(), index }
    }
}
