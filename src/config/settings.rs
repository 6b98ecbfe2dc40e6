//! The settings table: name, type, default, range and documentation of every setting, once.
//!
//! The reader takes defaults and ranges from it; the JSON Schema, the tables of
//! `docs/configuration.md` and the comments of `config/certrelay.toml` are generated from it
//! (`schema.rs`). A doc comment here is what the operator reads there.

use super::choices::{
    FORMATS, HTTP_BODIES, KAFKA_KEYS, LOG_FORMATS, MAPPING_KEYS, MODES, OCSF_VERSIONS, POLICIES,
    SINK_TYPES, SUBJECTS,
};
use super::kafka::{KafkaKey, SubjectName};
use super::mapping::MappingKey;
use super::secret::REFRESH as SECRET_REFRESH;
use super::setting::{
    Choice, Flag, NONE, Number, Other, RequiredChoice, Rule, Shape, Table, Text, choice, count,
    defaulted, duration, optional, required, size, tables,
};
use super::source::FaultPolicy;
use super::types::{HttpBody, OcsfVersion, OutputFormat, SinkType, SplunkMode};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
/// Durations are in milliseconds.
const S: u64 = 1000;
const MIN: u64 = 60 * S;
const HOUR: u64 = 60 * MIN;
const DAY: u64 = 24 * HOUR;

tables! {
    "the configuration" TopSettings TOP {
        /// Where events come from.
        source: Other = required(Shape::Tables(&SOURCE));
        /// The bounds of everything in flight.
        delivery: Other = optional(Shape::Table(&DELIVERY), "the defaults");
        /// The limits of one object.
        decode: Other = optional(Shape::Table(&DECODE), "the defaults");
        /// Which records are selected.
        events: Other = optional(Shape::Table(&EVENTS), "the defaults");
        /// What every event carries.
        labels: Other = optional(Shape::Labels, "none");
        /// The names of the organisation's accounts.
        accounts: Other = optional(Shape::Table(&ACCOUNTS), "none");
        /// IAM's credential reports.
        credential_reports: Other = optional(Shape::Table(&CREDENTIAL_REPORTS), "none");
        /// What is removed from a record.
        privacy: Other = optional(Shape::Table(&PRIVACY), "the defaults");
        /// Endpoints of AWS.
        aws: Other = optional(Shape::Table(&AWS), "the defaults");
        /// What events look like.
        format: Other = optional(Shape::Table(&FORMAT), "the defaults");
        /// Which events go to which sinks; the first route that matches decides.
        route: Other = required(Shape::Tables(&ROUTE));
        /// Where events go, by name.
        sink: Other = required(Shape::NamedSinks);
        /// Where messages, objects, records and events go that can never be processed.
        dead_letter: Other = optional(Shape::Table(&DEAD_LETTER), "a folder");
        /// When an operator is called.
        alerts: Other = optional(Shape::Table(&ALERTS), "the defaults");
        /// Health and metrics.
        http: Other = optional(Shape::Table(&HTTP), "no listener");
        /// The log.
        log: Other = optional(Shape::Table(&LOG), "the defaults");
    }

    "[[source]]" SourceSettings SOURCE {
        /// URL of the SQS queue that S3 notifies of new CloudTrail files, directly, through SNS or
        /// through EventBridge.
        queue_url: Other = optional(Shape::Text, "none")
            => "\"https://sqs.us-east-1.amazonaws.com/111122223333/cloudtrail-objects\"";
        /// The only buckets that objects are read from: bare names, or tables with a `role`, an
        /// `expected_owner` or `requester_pays`. Required with `queue_url`: whoever can send to the
        /// queue must not be able to point certrelay at their own evidence. Objects in other
        /// buckets are dead-lettered unread.
        buckets: Other = optional(Shape::Mixed(&BUCKET), "required with `queue_url`")
            => "[\"audit-logs\"]"
            | "[{ name = \"org-logs\", role = { arn = \"arn:aws:iam::444455556666:role/logs\", external_id = \"x\" }, expected_owner = \"444455556666\", requester_pays = true }]";
        /// The queue's region. Required only where `queue_url` does not contain it (VPC endpoints
        /// with private names, emulators).
        region: Other = defaulted(Shape::Text, "\"us-east-1\"", "the one in `queue_url`");
        /// Only objects of these CloudTrail regions are fetched. IAM writes its events to us-east-1
        /// (cn-north-1, us-gov-west-1 … in other partitions), so this saves most downloads of a
        /// trail of all regions; leaving IAM's region out is warned about.
        regions: Other = optional(Shape::Texts, "all") => "[\"us-east-1\"]";
        /// Only objects with matching keys are fetched: globs in which `*` and `?` match within a
        /// segment and `**` crosses `/`. An object that no `include` matches, or that an `exclude`
        /// matches, is not fetched.
        keys: Other = optional(Shape::Table(&KEYS), "all")
            => "{ include = [\"AWSLogs/**\"], exclude = [\"AWSLogs/444455556666/**\"] }";
        /// `true`: accept CloudTrail records in EventBridge events (`AWS API Call via CloudTrail`),
        /// which arrive seconds after the call. The log file that follows confirms them and is
        /// deduplicated. `false`: such a message is dead-lettered (`eventbridge_not_enabled`).
        eventbridge_records: Flag = Flag(false);
        /// The role that reads the queue and its buckets.
        role: Other = optional(Shape::Table(&ROLE), "the process's credentials")
            => "{ arn = \"arn:aws:iam::444455556666:role/cloudtrail-reader\", external_id = \"x\" }";
        /// Object not found (404): `"dead_letter"`, or `"retry"` (release with backoff) where
        /// objects can arrive later than their notification (replication).
        on_missing: Choice<FaultPolicy> = choice(POLICIES, FaultPolicy::DeadLetter);
        /// Access denied (403): `"retry"` or `"dead_letter"`.
        on_forbidden: Choice<FaultPolicy> = choice(POLICIES, FaultPolicy::Retry);
        /// KMS access denied for the object's key: `"retry"` or `"dead_letter"`.
        on_kms_denied: Choice<FaultPolicy> = choice(POLICIES, FaultPolicy::Retry);
        /// Object in an archive class, unreadable until it is restored: `"dead_letter"` or
        /// `"retry"`.
        on_archived: Choice<FaultPolicy> = choice(POLICIES, FaultPolicy::DeadLetter);
        /// Object changed while it was read (412): `"retry"` or `"dead_letter"`.
        on_changed: Choice<FaultPolicy> = choice(POLICIES, FaultPolicy::Retry);
        /// A folder instead of a queue; each file (`.json`, `.jsonl`, `.ndjson`, `.gz`) is one
        /// object. Needs no AWS. In a copy of a bucket, folders are read like keys: digest files
        /// are counted and not read.
        directory: Other = optional(Shape::Text, "none");
    }

    "a bucket" BucketSettings BUCKET {
        /// The bucket's bare name.
        name: Other = required(Shape::Text) => "\"audit-logs\"";
        /// The role that reads the bucket.
        role: Other = optional(Shape::Table(&ROLE), "the source's");
        /// The account that must own the bucket (`x-amz-expected-bucket-owner`); S3 responds 403 if
        /// another account owns it.
        expected_owner: Other = optional(Shape::Text, "any");
        /// `true`: requests are charged to us.
        requester_pays: Flag = Flag(false);
    }

    "`role`" RoleSettings ROLE {
        /// `arn:PARTITION:iam::ACCOUNT:role/NAME`.
        arn: Other = required(Shape::Text) => "\"arn:aws:iam::444455556666:role/cloudtrail-reader\"";
        /// The external id that the role's trust policy requires.
        external_id: Other = optional(Shape::Text, "none");
    }

    "`keys`" KeySettings KEYS {
        /// One of these must match.
        include: Other = optional(Shape::Texts, "any");
        /// None of these may match.
        exclude: Other = optional(Shape::Texts, "none");
    }

    "[delivery]" DeliverySettings DELIVERY {
        /// Messages that are fetched and decoded at once. Half as many more are received ahead.
        max_concurrent_messages: Number = count(64, 1, 1024);
        /// Messages that wait for their sinks. At the limit receiving stops: the queue is the
        /// buffer.
        max_in_flight_messages: Number = count(1000, 1, 100_000);
        /// Memory for objects and for events that wait; with Kafka sinks, a quarter of it is for
        /// their queues.
        memory_limit: Number = size(64 * MIB, 16 * MIB, TIB);
        /// Time to finish messages in flight after SIGTERM; the rest is released. Keep it below the
        /// container's stop timeout (Fargate: at most 120 s).
        shutdown_grace_period: Number = duration(100 * S, S, HOUR);
        /// How long a delivered event is remembered, at least, after its last use, so that it is
        /// not sent twice.
        dedup_window: Number = duration(HOUR, MIN, DAY);
        /// SQS visibility timeout of a received message; extended while certrelay processes it.
        /// After a crash messages are redelivered when it ends. Below 30 s, which is for tests, a
        /// warning.
        visibility_timeout: Number = duration(2 * MIN, 2 * S, 12 * HOUR);
        /// How long a message waits for its sinks before it is released and redelivered. Long,
        /// because each release counts towards the queue's redrive policy. With
        /// `visibility_timeout` at most 12 h, the SQS limit.
        delivery_timeout: Number = duration(11 * HOUR, S, 12 * HOUR);
    }

    "[decode]" DecodeSettings DECODE {
        /// Uncompressed bytes of one object.
        max_decompressed: Number = size(2 * GIB, MIB, TIB);
        /// Bytes of one record. CloudTrail keeps records below 256 KiB.
        max_record: Number = size(MIB, 64 * KIB, 64 * MIB);
        /// JSON values (objects, lists, strings, numbers …) of a selected record, which is parsed
        /// as a whole: a value can take 150 bytes of memory. A record with more is invalid.
        /// CloudTrail's largest have a few thousand.
        max_values: Number = count(50_000, 1_000, 10_000_000);
        /// Uncompressed ÷ compressed bytes, checked after the first MiB. Log files reach 15.
        max_ratio: Number = count(200, 10, 2000);
        /// Nested objects and lists of a record that is read, the two around it included. A deeper
        /// record is one invalid record.
        max_nesting: Number = count(62, 8, 62);
        /// Records of one object.
        max_records: Number = count(5_000_000, 1, 1_000_000_000);
        /// `true`: validate the JSON of every record, not only of those that may be selected.
        strict: Flag = Flag(false);
        /// `true`: compute the SHA-256 of the uncompressed content, as in CloudTrail's digest
        /// files. It is `file_sha256` in Splunk's indexed fields, Kafka's headers and dead letters,
        /// and is logged for each file at level `debug`. `certrelay scan --hash` prints it for
        /// local files.
        hash: Flag = Flag(false);
    }

    "[events]" EventSettings EVENTS {
        /// Groups (`"server-certificate"`, `"signing-certificate"`, `"audit-trail"`), names and
        /// globs of IAM events (`*`, `?`, `[…]`, `{a,b}`), and tables for the events of other
        /// services.
        include: Other =
            defaulted(Shape::Mixed(&INCLUDE), "[\"server-certificate\", \"signing-certificate\"]", "")
            => "[\"Upload*Certificate\", { source = \"acm.amazonaws.com\", names = [\"ImportCertificate\"] }]";
        /// ARNs of roles and users, or globs of them, that are expected to change certificates. A
        /// role matches by its own ARN, not by its sessions'. Lowers a finding's severity and says
        /// so; never hides a finding. A wildcard for the account is warned about.
        expected_principals: Other = defaulted(Shape::TextList, "[]", "")
            => "[\"arn:aws:iam::111122223333:role/cert-rotation\"]";
        /// CIDRs or addresses that calls are expected from; a call from another address raises a
        /// finding's severity. Empty: any address.
        known_networks: Other = defaulted(Shape::TextList, "[]", "")
            => "[\"203.0.113.0/24\", \"2001:db8::/32\"]";
    }

    "[events] include" IncludeSettings INCLUDE {
        /// The `eventSource`, exactly.
        source: Other = required(Shape::Text) => "\"acm.amazonaws.com\"";
        /// Names and globs of its events.
        names: Other = required(Shape::Texts) => "[\"ImportCertificate\"]";
    }

    "[accounts]" AccountSettings ACCOUNTS [Rule::ExactlyOne(&["file", "s3"])] {
        /// The table: a `.csv` whose first line names the columns `id`, `name`, `ou`, `owner` and
        /// `environment` (all but `id` are optional), or a `.json` with a list of such objects.
        file: Other = optional(Shape::Text, "none");
        /// The same in S3, `s3://bucket/key`, read with the process's credentials (`s3:GetObject`).
        s3: Other = optional(Shape::Text, "none") => "\"s3://audit-tables/accounts.csv\"";
        /// How often it is read again. A table with an error is not used; the previous one stays in
        /// use.
        refresh: Number = duration(HOUR, MIN, DAY);
    }

    "[credential_reports]" ReportSettings CREDENTIAL_REPORTS {
        /// A folder, or `s3://bucket/prefix/`, with at most 2,000 reports, one `.csv` per account;
        /// S3 is read with the process's credentials (`s3:ListBucket`, `s3:GetObject`).
        location: Other = required(Shape::Text)
            => "\"s3://audit-tables/credential-reports/\"";
        /// How often they are read again. If a report cannot be read, the previous one stays in
        /// use.
        refresh: Number = duration(HOUR, MIN, DAY);
    }

    "[privacy]" PrivacySettings PRIVACY {
        /// `true`: certificates stay in the event as PEM, not only as their fields and hash.
        /// Private keys never stay.
        keep_pem: Flag = Flag(false);
    }

    "[aws]" AwsSettings AWS {
        /// Endpoint of S3 (VPC endpoint with private names, emulator); with path-style addressing.
        s3_endpoint: Other = optional(Shape::Text, "AWS's own")
            => "\"https://bucket.vpce-0a1b2c3d.s3.us-east-1.vpce.amazonaws.com\"";
        /// Endpoint of SQS. Requests go to it, or else to AWS's own in the queue's region, whatever
        /// the host in `queue_url` is; another host there is warned about.
        sqs_endpoint: Other = optional(Shape::Text, "AWS's own")
            => "\"https://vpce-0a1b2c3d.sqs.us-east-1.vpce.amazonaws.com\"";
        /// Endpoint of Secrets Manager.
        secretsmanager_endpoint: Other = optional(Shape::Text, "AWS's own")
            => "\"https://vpce-0a1b2c3d.secretsmanager.us-east-1.vpce.amazonaws.com\"";
    }

    "[format]" FormatSettings FORMAT {
        /// OCSF.
        ocsf: Other = optional(Shape::Table(&OCSF), "the defaults");
    }

    "[format.ocsf]" OcsfSettings OCSF {
        /// `"1.8.0"`, or `"1.5.0"` as in the mapping that AWS publishes.
        version: Choice<OcsfVersion> = choice(OCSF_VERSIONS, OcsfVersion::V1_8)
            => "\"1.5.0\"";
    }

    "[[route]]" RouteSettings ROUTE {
        /// Unique name, for metrics and `explain`.
        name: Other = required(Shape::Text) => "\"default\"";
        /// The conditions; all must be true.
        when: Other = optional(Shape::Table(&WHEN), "everything");
        /// Names of sinks, or tables with another topic or index for this route; or `"discard"`. An
        /// event goes to a sink at most once: the first route that names it decides.
        sinks: Other = required(Shape::Sinks(&ROUTE_SINK)) => "[\"…\"]";
        /// `true`: the routes below are tried, too.
        r#continue: Flag = Flag(false);
    }

    "[[route]] sinks" RouteSinkSettings ROUTE_SINK {
        /// The sink's name.
        sink: Other = required(Shape::Text) => "\"lake\"";
        /// Another Kafka topic.
        topic: Other = optional(Shape::Text, "the sink's");
        /// Another Splunk index.
        index: Other = optional(Shape::Text, "the sink's");
    }

    "[[route]] when" WhenSettings WHEN {
        /// `eventName`. A name that `[events]` does not select is an error.
        event: Other = optional(Shape::OneOrMany, "any");
        /// `success`, `failure`: whether the call has an `errorCode`.
        outcome: Other = optional(Shape::OneOrMany, "any");
        /// Highest severity of the findings: `informational`, `low`, `medium`, `high`, `critical`,
        /// or a comparison: `">=medium"`, `"<high"`.
        severity: Other = optional(Shape::OneOrMany, "any");
        /// Ids of findings; an event can have several, or none.
        finding: Other = optional(Shape::OneOrMany, "any");
        /// `recipientAccountId`, 12 digits.
        account: Other = optional(Shape::OneOrMany, "any");
        /// `awsRegion`.
        region: Other = optional(Shape::OneOrMany, "any");
        /// The caller's own ARN; for a session, its role's.
        principal: Other = optional(Shape::OneOrMany, "any");
        /// ARN of what the call acts on.
        target: Other = optional(Shape::OneOrMany, "any");
        /// `s3` (a log file), `eventbridge` (an EventBridge event).
        channel: Other = optional(Shape::OneOrMany, "any");
        /// Organisational unit of the account, from `[accounts]`.
        ou: Other = optional(Shape::OneOrMany, "any");
        /// Flags of the certificate in the call, as of the time of the call: `expired`,
        /// `not_yet_valid`, `valid_over_398_days`, `valid_over_825_days`, `rsa_below_2048`,
        /// `weak_signature`, `self_signed`, `certificate_authority`, `wildcard`, `internal_name`; a
        /// certificate can have several, or none.
        certificate: Other = optional(Shape::OneOrMany, "any");
        /// A table of labels, `{ environment = "prod*", team = "!web" }`: those of `[labels]`, and
        /// `owner` and `environment` of the account.
        label: Other = optional(Shape::NamedConditions, "any");
    }

    "[sink.NAME]" SinkSettings SINK {
        /// `"kafka"`, `"splunk_hec"`, `"http"`, `"stdout"` or `"file"`.
        r#type: RequiredChoice<SinkType> = RequiredChoice(SINK_TYPES) => "\"kafka\"";
        /// `"ocsf"`: OCSF API Activity. `"ecs"`: Elastic Common Schema. `"cim"`: Splunk's Common
        /// Information Model, flat. `"raw"`: exactly the record.
        format: Choice<OutputFormat> = choice(FORMATS, OutputFormat::Ocsf);
        /// `false`: best effort; failures are counted and no message waits for this sink.
        required: Flag = Flag(true);
    }

    "[sink.NAME] of type splunk_hec" SplunkSettings SPLUNK: SINK {
        /// `"cim"`, `"ecs"`, `"ocsf"` or `"raw"`; always `"raw"` in mode `"records"`.
        format: Choice<OutputFormat> = choice(FORMATS, OutputFormat::Cim);
        /// Base URLs, `https://host:8088`, with the path of a gateway if there is one; several are
        /// used in turn.
        endpoints: Other = required(Shape::Texts) => "[\"https://hec.example.com:8088\"]";
        /// The HEC token, a secret. It is read again when Splunk rejects it, and after `refresh`.
        token: Other = required(Shape::TextOrTable(&SECRET))
            => "{ env = \"HEC_TOKEN\" }"
            | "{ file = \"/run/secrets/hec-token\", refresh = \"5 min\" }"
            | "{ aws_secret = \"arn:aws:secretsmanager:us-east-1:111122223333:secret:hec-AbCdEf\", key = \"token\", refresh = \"5 min\" }";
        /// `"events"`: certrelay's own events, sourcetype `certrelay:event`, next to an existing
        /// CloudTrail feed. `"records"`: the raw records as `aws:cloudtrail`, as the only feed, so
        /// that the Splunk add-on works unchanged.
        mode: Choice<SplunkMode> = choice(MODES, SplunkMode::Events);
        /// The index: lower-case letters, digits, `_` and `-`. A string or a mapping.
        index: Other = optional(Shape::TextOrTable(&MAPPING), "the token's")
            => "\"security\""
            | "{ by = \"account\", values = { \"111122223333\" = \"security-prod\", \"4444*\" = \"security-lab\" }, default = \"security\" }";
        /// The source. A string or a mapping.
        source: Other = optional(Shape::TextOrTable(&MAPPING), "the event's origin")
            => "\"certrelay\"";
        /// The sourcetype. A string or a mapping.
        sourcetype: Other = optional(Shape::TextOrTable(&MAPPING), "the mode's")
            => "\"certrelay:event\"";
        /// The host. A string or a mapping.
        host: Other = optional(Shape::TextOrTable(&MAPPING), "the account's id")
            => "\"certrelay\"";
        /// `true`: an event is delivered when the indexers have acknowledged it. The token must
        /// have indexer acknowledgement enabled.
        ack: Flag = Flag(false);
        /// Uncompressed bytes of one request, at most. Splunk recommends at most 1 MB for Cloud.
        max_batch_bytes: Number = size(1_000_000, 64 * KIB, 64 * MIB);
        /// Timeout of one request. Shorter than Splunk's own pauses, it makes duplicates.
        timeout: Number = duration(MIN, S, 10 * MIN);
        /// TLS, a table.
        tls: Other = defaulted(Shape::Table(&TLS), "{ insecure = false }", "the system's authorities")
            => "{ ca_file = \"ca.pem\", cert_file = \"client.pem\", key_file = \"client.key\" }"
            | "{ ca = { env = \"CA_PEM\" }, client_cert = { file = \"client.pem\" }, client_key = { aws_secret = \"arn:aws:secretsmanager:us-east-1:111122223333:secret:tls-AbCdEf\", key = \"key\" } }"
            | "{ pin_sha256 = \"0f8d2a4c6b1e3f5079a8c2d4e6f80b1d3f507192a4b6c8dae0f2143658799bad\" }";
    }

    "[sink.NAME] of type kafka" KafkaSettings KAFKA: SINK {
        /// `host:port` each.
        brokers: Other = required(Shape::Texts) => "[\"broker-1.example.com:9092\"]";
        /// The topic: a string or a mapping. Topics that the brokers do not know are warned about
        /// at start and by `check --connect`.
        topic: Other = required(Shape::TextOrTable(&MAPPING))
            => "\"iam-certificate-events\""
            | "{ by = \"account\", values = { \"444455556666\" = \"iam-certificate-events-lab\" }, default = \"iam-certificate-events\" }";
        /// The record key, which decides the partition: `"account"` keeps the events of an account
        /// in order, `"target_arn"` those of a certificate (of the account, if a call has no
        /// target), `"event_id"` spreads them evenly.
        key: Choice<KafkaKey> = choice(KAFKA_KEYS, KafkaKey::Account);
        /// SASL authentication, a table.
        auth: Other = defaulted(Shape::Table(&AUTH), "{ mechanism = \"none\" }", "none")
            => "{ mechanism = \"aws_msk_iam\", region = \"us-east-1\", role = { arn = \"arn:aws:iam::444455556666:role/certrelay-kafka\", external_id = \"certrelay\" } }"
            | "{ mechanism = \"SCRAM-SHA-512\", username = \"certrelay\", password = { env = \"KAFKA_PASSWORD\" } }";
        /// TLS, a table. Its presence turns TLS on; `{}` trusts the system's authorities.
        tls: Other = optional(Shape::Table(&TLS), "off")
            => "{ ca_file = \"ca.pem\", cert_file = \"client.pem\", key_file = \"client.key\" }";
        /// A schema registry, a table: values then begin with the id of their schema.
        schema_registry: Other = optional(Shape::Table(&REGISTRY), "none")
            => "{ url = \"https://registry.example.com\", username = \"certrelay\", password = { env = \"REGISTRY_PASSWORD\" } }"
            | "{ url = \"https://registry.example.com\", subject = \"record\", register = false, tls = { ca_file = \"ca.pem\" } }";
        /// Other librdkafka properties, validated by librdkafka. Those that certrelay sets itself
        /// (`bootstrap.servers`, `acks`, `enable.idempotence`, `security.protocol`, `sasl.*`,
        /// `ssl.*` …) are errors.
        options: Other = defaulted(Shape::Anything, "{}", "none")
            => "{ \"compression.type\" = \"zstd\", \"socket.keepalive.enable\" = true }";
        /// How long librdkafka retries before it reports a failure; certrelay then retries. Keep it
        /// below `shutdown_grace_period`.
        timeout: Number = duration(MIN, S, HOUR);
    }

    "[sink.NAME] of type http" HttpSinkSettings HTTP_SINK: SINK {
        /// Where events are posted, by POST.
        url: Other = required(Shape::Text) => "\"https://hooks.example.com/certificates\"";
        /// The whole `Authorization` header, a secret. It is read again when it is refused.
        authorization: Other = optional(Shape::TextOrTable(&SECRET), "none")
            => "{ env = \"WEBHOOK_AUTHORIZATION\" }";
        /// A secret: `X-Certrelay-Signature` is then `t=UNIX-SECONDS,v1=HEX`, the HMAC-SHA256 of
        /// the seconds, a `.` and the body.
        signing_key: Other = optional(Shape::TextOrTable(&SECRET), "none")
            => "{ env = \"WEBHOOK_KEY\" }";
        /// `"ndjson"`: events, one a line. `"event"`: one event a request, with its id as
        /// `Idempotency-Key`.
        body: Choice<HttpBody> = choice(HTTP_BODIES, HttpBody::Ndjson);
        /// Bytes of one request, at most.
        max_batch_bytes: Number = size(1_000_000, 64 * KIB, 64 * MIB);
        /// Timeout of one request.
        timeout: Number = duration(30 * S, S, 10 * MIN);
        /// TLS, a table.
        tls: Other = optional(Shape::Table(&TLS), "the system's authorities")
            => "{ ca_file = \"ca.pem\" }";
    }

    "[sink.NAME] of type stdout" StdoutSettings STDOUT: SINK {
    }

    "[sink.NAME] of type file" FileSettings FILE: SINK {
        /// The file; one event per line, appended.
        path: Other = required(Shape::Text) => "\"events.ndjson\"";
        /// `true`: an event is delivered when it is on the disk (`fsync`).
        fsync: Flag = Flag(true);
        /// When a new file is started: a table with `size`, `age` or both.
        rotate: Other = optional(Shape::Table(&ROTATE), "never")
            => "{ size = \"100 MiB\", age = \"1 d\", keep = 10 }";
    }

    "`rotate`" RotateSettings ROTATE [Rule::AtLeastOne(&["size", "age"])] {
        /// Largest size of a file. Only a batch (up to 1,000 events) that is larger by itself
        /// exceeds it.
        size: Number = size(NONE, MIB, TIB);
        /// Period of a file, counted in UTC: `"1 d"` is a file a day, whenever the task was
        /// started.
        age: Number = duration(NONE, MIN, 366 * DAY);
        /// Rotated files that are kept; older ones are deleted.
        keep: Number = count(10, 1, 100_000);
    }

    "`auth`" AuthSettings AUTH {
        /// `"none"`, `"PLAIN"`, `"SCRAM-SHA-256"`, `"SCRAM-SHA-512"`, or `"aws_msk_iam"`: IAM
        /// authentication of Amazon MSK. Kerberos is not supported.
        mechanism: Other = required(Shape::Text) => "\"SCRAM-SHA-512\"";
        /// The user.
        username: Other = optional(Shape::Text, "none");
        /// The password, a secret.
        password: Other = optional(Shape::TextOrTable(&SECRET), "none");
        /// With `"aws_msk_iam"`: the cluster's region.
        region: Other = optional(Shape::Text, "the one in the brokers' names");
        /// With `"aws_msk_iam"`: the role to authenticate as.
        role: Other = optional(Shape::Table(&ROLE), "the process's credentials");
    }

    "`schema_registry`" RegistrySettings REGISTRY {
        /// Base URL.
        url: Other = required(Shape::Text) => "\"https://registry.example.com\"";
        /// Subject naming: `"topic"`: TOPIC-value. `"record"`: certrelay.FORMAT. `"topic_record"`:
        /// TOPIC-certrelay.FORMAT.
        subject: Choice<SubjectName> = choice(SUBJECTS, SubjectName::Topic);
        /// User of HTTP basic authentication.
        username: Other = optional(Shape::Text, "none");
        /// Its password, a secret.
        password: Other = optional(Shape::TextOrTable(&SECRET), "none");
        /// Register the schema if it is absent. `false`: somebody else does, and events wait for
        /// it.
        register: Flag = Flag(true);
        /// TLS, a table.
        tls: Other = optional(Shape::Table(&TLS), "the system's authorities");
    }

    "a secret" SecretSettings SECRET [Rule::ExactlyOne(&["env", "file", "aws_secret"])] {
        /// The environment variable that holds the secret.
        env: Other = optional(Shape::Text, "none");
        /// The file that holds the secret; trailing line ends are removed.
        file: Other = optional(Shape::Text, "none");
        /// ARN of a secret in AWS Secrets Manager, read in its region; or a name, read in the
        /// region of the first queue. Needs `secretsmanager:GetSecretValue`, and `kms:Decrypt` for
        /// a customer managed key.
        aws_secret: Other = optional(Shape::Text, "none");
        /// With `aws_secret`: the member of its JSON object.
        key: Other = optional(Shape::Text, "the whole text");
        /// How often it is read again, even if it was never rejected.
        refresh: Number = duration(SECRET_REFRESH.as_secs() * S, 10 * S, DAY);
    }

    "a mapping" MappingSettings MAPPING {
        /// `"account"`, `"ou"` (the account's organisational unit, from `[accounts]`), `"event"`
        /// (its name) or `"severity"` (highest of its findings).
        by: RequiredChoice<MappingKey> = RequiredChoice(MAPPING_KEYS) => "\"account\"";
        /// A table from accounts, units … or globs of them to strings. Exact keys win over globs;
        /// the first glob that matches wins.
        values: Other = required(Shape::NamedTexts) => "{ \"111122223333\" = \"main\" }";
        /// For everything else, and for events without such a value.
        default: Other = required(Shape::Text) => "\"main\"";
    }

    "`tls`" TlsSettings TLS {
        /// PEM file of the authorities to trust instead of the system's.
        ca_file: Other = optional(Shape::Text, "the system's");
        /// PEM file of the client certificate chain; with `key_file`.
        cert_file: Other = optional(Shape::Text, "none");
        /// PEM file of its private key.
        key_file: Other = optional(Shape::Text, "none");
        /// Instead of `ca_file`: a secret that holds the PEM.
        ca: Other = optional(Shape::Table(&SECRET), "none");
        /// Instead of `cert_file`: a secret that holds the PEM.
        client_cert: Other = optional(Shape::Table(&SECRET), "none");
        /// Instead of `key_file`: a secret that holds the PEM.
        client_key: Other = optional(Shape::Table(&SECRET), "none");
        /// `true`: no certificate verification, for a laboratory; warned about at every start.
        insecure: Flag = Flag(false);
        /// For servers over HTTPS, instead of `ca_file`: SHA-256 of the server certificates to
        /// accept, in hexadecimal digits, whatever their issuer, names, version and dates. One or
        /// a list.
        pin_sha256: Other = optional(Shape::OneOrMany, "none")
            => "\"0f8d2a4c6b1e3f5079a8c2d4e6f80b1d3f507192a4b6c8dae0f2143658799bad\"";
    }

    "[dead_letter]" DeadLetterSettings DEAD_LETTER {
        /// `s3://bucket/prefix/`: one object per dead letter, `YYYY/MM/DD/KIND-HASH.json` below the
        /// prefix, by the day (UTC) of the event, of the object's key, or of the dead letter if
        /// neither is known. Needs `s3:PutObject`. Encryption is the bucket's.
        s3: Other = optional(Shape::Text, "none") => "\"s3://audit-dead-letters/certrelay/\"";
        /// With `s3`: the account that must own the bucket (`x-amz-expected-bucket-owner`); S3
        /// responds 403 if another account owns it, and no dead letter reaches a bucket whose name
        /// somebody else took over.
        expected_owner: Other = optional(Shape::Text, "any") => "\"111122223333\"";
        /// URL of a standard queue: one message per dead letter. One beyond 1 MiB is sent without
        /// the bytes that it is about; if no bucket has these, it is not sent and its message stays
        /// in the source queue. Needs `sqs:SendMessage`.
        sqs: Other = optional(Shape::Text, "none")
            => "\"https://sqs.us-east-1.amazonaws.com/111122223333/certrelay-dead-letters\"";
        /// A folder, one JSON file per dead letter; created when it is needed.
        directory: Text = Text("dead-letters");
        /// `true`: include the bytes of invalid records, not only references; never those that may
        /// hold a private key or a certificate.
        keep_bytes: Flag = Flag(false);
        /// `true`, instead of a location: release until the queue's redrive policy moves the
        /// message. An event that a sink rejects then blocks its message. Not with a folder source.
        redrive: Flag = Flag(false);
    }

    "[alerts]" AlertSettings ALERTS {
        /// How long events may wait for a required sink that delivers nothing. Then the log has an
        /// `ERROR`, again hourly, and `/readyz` returns 503, until it delivers.
        sink_after: Number = duration(5 * MIN, S, DAY);
    }

    "[http]" HttpSettings HTTP {
        /// Address and port of `/livez`, `/readyz` and `/metrics`.
        listen: Text = Text("127.0.0.1:9600");
    }

    "[log]" LogSettings LOG {
        /// `"json"`, one object per line, or `"text"` for people. On stderr.
        format: Choice<bool> = choice(LOG_FORMATS, true);
        /// `off`, `error`, `warn`, `info`, `debug`, `trace`, or pairs such as
        /// `"certrelay=debug,warn"`.
        level: Text = Text("info");
    }
}

/// The types of sinks, and the settings of each.
pub(super) static SINK_TABLES: [(&str, &dyn Table); 5] = [
    ("kafka", &KAFKA),
    ("splunk_hec", &SPLUNK),
    ("http", &HTTP_SINK),
    ("stdout", &STDOUT),
    ("file", &FILE),
];
