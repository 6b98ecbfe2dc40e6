//! Makes log files to measure with: the same ones for the same numbers, made of nobody's records.
//!
//! Sizes are those of files that CloudTrail delivered (4,559 objects of two accounts: half of them
//! hold five records or fewer, one in a hundred more than 42). Records follow real ones: 1.4 KB, 18
//! brackets and 150 quotes each, packed to less than a fifth in small files.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

/// What to make.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) files: usize,
    /// Records of a file; as delivered, if none.
    pub(crate) records: Option<usize>,
    /// One record in so many is a wanted one; none if 0.
    pub(crate) hit_every: usize,
    /// One record in so many names wanted events in some other place; none if 0.
    pub(crate) decoy_every: usize,
}

/// Makes the files, as CloudTrail stores them.
pub(crate) fn make(shape: Shape) -> Vec<Vec<u8>> {
    let mut source = Source::new(0x5eed_0fc1_0d7a_1100);
    (0..shape.files)
        .map(|_| {
            let count = shape.records.unwrap_or_else(|| source.delivered_count());
            let mut document = b"{\"Records\":[".to_vec();
            source.records(count, shape, &mut document);
            document.extend_from_slice(b"]}");
            pack(&document)
        })
        .collect()
}

/// One document far larger than memory should be: its first member, one to repeat, and its last.
pub(crate) fn endless() -> [Vec<u8>; 3] {
    let shape = Shape { files: 1, records: None, hit_every: 10_000, decoy_every: 1000 };
    let mut source = Source::new(7);
    let mut part = Vec::new();
    source.records(5000, shape, &mut part);
    let last = part.clone();
    part.push(b',');
    [pack(b"{\"Records\":["), pack(&part), pack(&[&last[..], b"]}"].concat())]
}

fn pack(document: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(document).expect("memory");
    encoder.finish().expect("memory")
}

/// Numbers that look arbitrary (xorshift), and what is made of them.
struct Source(u64);

/// Sources, names, and what is asked; `#` becomes a number, `*` something that looks random.
const CALLS: [(&str, &str, &str); 16] = [
    ("s3.amazonaws.com", "GetBucketAcl", S3),
    ("s3.amazonaws.com", "GetObject", S3),
    ("s3.amazonaws.com", "ListObjects", S3),
    ("kms.amazonaws.com", "Decrypt", KMS),
    ("kms.amazonaws.com", "GenerateDataKey", KMS),
    ("kms.amazonaws.com", "DescribeKey", KMS),
    ("sts.amazonaws.com", "AssumeRole", STS),
    ("sts.amazonaws.com", "GetCallerIdentity", ""),
    ("ec2.amazonaws.com", "DescribeInstances", EC2),
    ("ec2.amazonaws.com", "DescribeNetworkInterfaces", EC2),
    ("logs.amazonaws.com", "CreateLogStream", LOGS),
    ("logs.amazonaws.com", "DescribeLogStreams", LOGS),
    ("iam.amazonaws.com", "GetRole", IAM),
    ("iam.amazonaws.com", "ListAttachedRolePolicies", IAM),
    ("ssm.amazonaws.com", "UpdateInstanceInformation", EC2),
    ("cloudtrail.amazonaws.com", "LookupEvents", ""),
];

const S3: &str =
    r#""bucketName":"audit-logs-#","Host":"audit-logs-#.s3.us-east-1.amazonaws.com","prefix":"*","#;
const KMS: &str = r#""encryptionContext":{"aws:s3:arn":"arn:aws:s3:::audit-logs-#/*"},"keyId":"arn:aws:kms:us-east-1:111122223333:key/*","encryptionAlgorithm":"SYMMETRIC_DEFAULT","#;
const STS: &str = r#""roleArn":"arn:aws:iam::111122223333:role/service-#","roleSessionName":"*","durationSeconds":3600,"#;
const EC2: &str = r#""instancesSet":{"items":[{"instanceId":"i-*"}]},"filterSet":{},"#;
const LOGS: &str = r#""logGroupName":"/ecs/service-#","logStreamName":"ecs/app/*","#;
const IAM: &str = r#""roleName":"service-#-execution","#;

const HITS: [&str; 4] = [
    "UploadServerCertificate",
    "GetServerCertificate",
    "DeleteSigningCertificate",
    "ListSigningCertificates",
];

const DECOYS: [&str; 4] = [
    r#"{\"Action\":[\"iam:UploadServerCertificate\",\"iam:GetServerCertificate\"],\"Resource\":\"*\"}"#,
    r#"{\"eventName\":\"UploadServerCertificate\",\"eventSource\":\"iam.amazonaws.com\"}"#,
    "User is not authorized to perform: iam:DeleteSigningCertificate on resource: user alice",
    "GetServerCertificate",
];

impl Source {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// By the shares of delivered objects, straight lines between them.
    fn delivered_count(&mut self) -> usize {
        const SHARES: [(usize, usize); 9] = [
            (0, 1),
            (100, 1),
            (250, 3),
            (500, 5),
            (750, 9),
            (900, 16),
            (990, 42),
            (999, 204),
            (1000, 622),
        ];
        let at = self.below(1000);
        let above = SHARES.iter().position(|(share, _)| *share > at).unwrap_or(SHARES.len() - 1);
        let ((from, low), (to, high)) = (SHARES[above - 1], SHARES[above]);
        low + (high - low) * (at - from) / (to - from)
    }

    fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(self.one_of(alphabet))).collect()
    }

    fn id(&mut self) -> String {
        let hex = b"0123456789abcdef";
        [8, 4, 4, 4, 12].map(|length| self.text(hex, length)).join("-")
    }

    fn records(&mut self, count: usize, shape: Shape, document: &mut Vec<u8>) {
        let callers: Vec<(String, String)> = (0..40)
            .map(|_| {
                let role = self.text(b"abcdefghijklmnopqrstuvwxyz", 12);
                (role, self.text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16))
            })
            .collect();
        let mut caller = 0;
        for number in 0..count {
            // Calls come in runs.
            caller = if self.below(3) == 0 { self.below(callers.len()) } else { caller };
            let (role, key) = &callers[caller];
            if number > 0 {
                document.push(b',');
            }
            let mut one_in = |every: usize| every > 0 && self.below(every) == 0;
            let (hit, decoy) = (one_in(shape.hit_every), one_in(shape.decoy_every));
            let (source, name, asked) = match hit {
                true => ("iam.amazonaws.com", self.one_of(&HITS), IAM),
                false => self.one_of(&CALLS),
            };
            let said = if decoy { self.one_of(&DECOYS) } else { "" };
            let asked = self.asked(asked, said);
            self.record(source, name, &asked, (role, key), document);
        }
    }

    /// The members of `requestParameters`.
    fn asked(&mut self, pattern: &str, said: &str) -> String {
        let number = self.below(2000).to_string();
        let random = self.text(b"0123456789abcdefghijklmnopqrstuvwxyz", 24);
        let asked = pattern.replace('#', &number).replace('*', &random);
        match said {
            "" => asked.trim_end_matches(',').to_owned(),
            _ => format!(r#"{asked}"description":"{said}""#),
        }
    }

    fn record(
        &mut self,
        source: &str,
        name: &str,
        asked: &str,
        (role, key): (&str, &str),
        document: &mut Vec<u8>,
    ) {
        let base64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let (minute, second) = (self.below(60), self.below(60));
        let (request, event) = (self.id(), self.id());
        let (network, host) = (self.below(4), self.below(250));
        let agent = self.text(base64, 16);
        let (extra, resources) = self.beside(source, host, base64);
        write!(
            document,
            concat!(
                r#"{{"eventVersion":"1.11","userIdentity":{{"type":"AssumedRole","#,
                r#""principalId":"AROA{key}:{role}","#,
                r#""arn":"arn:aws:sts::111122223333:assumed-role/{role}-execution/{role}","#,
                r#""accountId":"111122223333","accessKeyId":"ASIA{key}","#,
                r#""sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROA{key}","#,
                r#""arn":"arn:aws:iam::111122223333:role/{role}-execution","#,
                r#""accountId":"111122223333","userName":"{role}-execution"}},"#,
                r#""attributes":{{"creationDate":"2026-03-01T00:{minute:02}:00Z","#,
                r#""mfaAuthenticated":"false"}}}},"invokedBy":"ecs-tasks.amazonaws.com"}},"#,
                r#""eventTime":"2026-03-01T00:{minute:02}:{second:02}Z","#,
                r#""eventSource":"{source}","eventName":"{name}","awsRegion":"us-east-1","#,
                r#""sourceIPAddress":"203.0.113.{host}","#,
                r#""userAgent":"aws-sdk-rust/1.3.{network} os/linux lang/rust/1.95.0 {agent}","#,
                r#""requestParameters":{{{asked}}},"responseElements":null,{extra}"#,
                r#""requestID":"{request}","eventID":"{event}","readOnly":true,{resources}"#,
                r#""eventType":"AwsApiCall","managementEvent":true,"#,
                r#""recipientAccountId":"111122223333","eventCategory":"Management","#,
                r#""tlsDetails":{{"tlsVersion":"TLSv1.3","#,
                r#""cipherSuite":"TLS_AES_128_GCM_SHA256","#,
                r#""clientProvidedHostHeader":"{source}"}}}}"#,
            ),
            key = key,
            role = role,
            minute = minute,
            second = second,
            source = source,
            name = name,
            host = host,
            network = network,
            agent = agent,
            asked = asked,
            extra = extra,
            resources = resources,
            request = request,
            event = event,
        )
        .expect("memory");
    }

    /// `additionalEventData`, which S3 writes, and `resources`, of it and KMS.
    fn beside(&mut self, source: &str, host: usize, base64: &[u8]) -> (String, String) {
        let number = self.below(2000);
        let resources = |kind: &str, arn: &str| {
            format!(
                r#""resources":[{{"accountId":"111122223333","type":"AWS::{kind}","ARN":"{arn}-{number}"}}],"#
            )
        };
        match source {
            "s3.amazonaws.com" => {
                let token = self.text(base64, 76);
                let extra = format!(
                    concat!(
                        r#""additionalEventData":{{"SignatureVersion":"SigV4","#,
                        r#""CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":0,"#,
                        r#""AuthenticationMethod":"AuthHeader","x-amz-id-2":"{token}","#,
                        r#""bytesTransferredOut":{host}}},"#,
                    ),
                    token = token,
                    host = host,
                );
                (extra, resources("S3::Bucket", "arn:aws:s3:::audit-logs"))
            }
            "kms.amazonaws.com" => {
                let arn = "arn:aws:kms:us-east-1:111122223333:key/audit";
                (String::new(), resources("KMS::Key", arn))
            }
            _ => (String::new(), String::new()),
        }
    }
}
