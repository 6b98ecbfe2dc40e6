//! Maps the configuration to librdkafka's properties.

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use secrecy::ExposeSecret as _;

use crate::config::{KafkaAuth, KafkaConfig, Secret, Tls};
use crate::error::{Code, Error};

/// Bytes of the queue for each record that it may contain: librdkafka's memory for a small one,
/// overhead included.
const SMALL_RECORD: u64 = 1024;

/// Milliseconds between two statistics reports. They are large, and metrics are not scraped more
/// often.
const STATISTICS: &str = if cfg!(test) { "200" } else { "15000" };

/// Properties that have their own setting, or that delivery depends on. A trailing `*` matches the
/// rest.
const RESERVED: [&str; 19] = [
    "bootstrap.servers",
    "metadata.broker.list",
    "security.protocol",
    "sasl.*",
    "ssl.ca.*",
    "ssl.certificate.*",
    "ssl.key.*",
    "ssl.keystore.*",
    "enable.ssl.certificate.verification",
    "enable.idempotence",
    "acks",
    "request.required.acks",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "transactional.id",
    "statistics.interval.ms",
    "delivery.report.only.error",
    "log.queue",
    "plugin.library.paths",
];

/// Returns the properties of a producer. Reads the password, so that every new producer has the
/// current one.
///
/// # Errors
/// An option is reserved, or the password cannot be read.
pub(super) fn producer(sink: &str, own: &KafkaConfig) -> Result<ClientConfig, Error> {
    let mut config = connection(sink, own)?;
    let ours = [
        ("enable.idempotence", "true".to_owned()),
        ("acks", "all".to_owned()),
        ("statistics.interval.ms", STATISTICS.to_owned()),
        ("message.timeout.ms", own.timeout.as_millis().max(1).to_string()),
    ];
    let defaults = [
        ("compression.type", "zstd"),
        // The partitioner of Java clients: equal keys of other producers go to the same partition.
        ("partitioner", "murmur2_random"),
        ("linger.ms", "5"),
        // How long a missing topic is expected to appear. Its records take space in the queue
        // meanwhile; the driver retries anyway.
        ("topic.metadata.propagation.max.ms", "5000"),
    ];
    for (key, value) in ours {
        config.set(key, value);
    }
    for (key, value) in defaults {
        if config.get(key).is_none() {
            config.set(key, value);
        }
    }
    set_queue(&mut config, own.queue);
    Ok(config)
}

/// Returns the properties of any client: brokers, authentication, TLS and the operator's options.
///
/// # Errors
/// As [`producer`].
pub(super) fn connection(sink: &str, own: &KafkaConfig) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", own.brokers.join(","))
        .set("client.id", "certrelay")
        .set("statistics.interval.ms", "0")
        .set("log.connection.close", "false")
        // Responses about what a broker would like to measure can end the process: see `probe`.
        .set("enable.metrics.push", "false")
        // A NAT gateway drops an idle connection after 350 s.
        .set("socket.keepalive.enable", "true")
        .set_log_level(RDKafkaLogLevel::Info);
    for (key, value) in &own.options {
        if RESERVED.iter().any(|pattern| covers(pattern, key)) {
            let text = format!(
                "sink.{sink}.options.{key} is set by certrelay or has its own setting; remove it"
            );
            return Err(Error::new(Code::SinkConfiguration, text));
        }
        config.set(key, value);
    }
    set_auth(&mut config, &own.auth, own.tls.is_some())?;
    if let Some(tls) = &own.tls {
        set_tls(&mut config, tls)?;
    }
    Ok(config)
}

fn covers(pattern: &str, key: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => key.starts_with(start),
        None => key == pattern,
    }
}

/// Sets the queue's limits in bytes and records. librdkafka's default of 1 GiB is more than a small
/// task has. Limits in `options` take precedence: the operator also sizes the task.
fn set_queue(config: &mut ClientConfig, bytes: u64) {
    for (key, unit) in
        [("queue.buffering.max.kbytes", 1024), ("queue.buffering.max.messages", SMALL_RECORD)]
    {
        if config.get(key).is_none() {
            config.set(key, (bytes / unit).clamp(1, i32::MAX as u64).to_string());
        }
    }
}

fn set_auth(config: &mut ClientConfig, auth: &KafkaAuth, tls: bool) -> Result<(), Error> {
    let protocol = match (auth, tls) {
        (KafkaAuth::None, false) => "plaintext",
        (KafkaAuth::None, true) => "ssl",
        (KafkaAuth::Sasl { .. }, false) => "sasl_plaintext",
        (KafkaAuth::Sasl { .. }, true) | (KafkaAuth::AwsMskIam { .. }, _) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    match auth {
        KafkaAuth::None => {}
        KafkaAuth::Sasl { mechanism, username, password } => {
            config
                .set("sasl.mechanism", *mechanism)
                .set("sasl.username", username)
                .set("sasl.password", password.read()?.expose_secret());
        }
        // librdkafka requests the token when it needs one.
        KafkaAuth::AwsMskIam { .. } => {
            config.set("sasl.mechanism", "OAUTHBEARER");
        }
    }
    Ok(())
}

/// Sets TLS. librdkafka reads files itself (the CA may be a folder); other secrets are passed as
/// PEM text.
fn set_tls(config: &mut ClientConfig, tls: &Tls) -> Result<(), Error> {
    if tls.ca.is_none() {
        // Otherwise librdkafka uses the path that its OpenSSL was built with, which no image has.
        config.set("ssl.ca.location", "probe");
    }
    for (name, pem) in [("ca", &tls.ca), ("certificate", &tls.cert), ("key", &tls.key)] {
        match pem {
            None => {}
            Some(Secret::File { path, .. }) => {
                config.set(format!("ssl.{name}.location"), path.display().to_string());
            }
            Some(secret) => {
                config.set(format!("ssl.{name}.pem"), secret.read()?.expose_secret());
            }
        }
    }
    if tls.insecure {
        config.set("enable.ssl.certificate.verification", "false");
        config.set("ssl.endpoint.identification.algorithm", "none");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::config::{KafkaKey, Secret};

    fn settings() -> KafkaConfig {
        KafkaConfig {
            brokers: vec!["a.example.com:9092".to_owned(), "b.example.com:9092".to_owned()],
            topic: "t".into(),
            auth: KafkaAuth::None,
            tls: None,
            key: KafkaKey::Account,
            registry: None,
            options: Vec::new(),
            timeout: Duration::from_secs(30),
            queue: 16 << 20,
        }
    }

    /// Returns the values of these properties, `-` for those that are not set; both separated by
    /// spaces.
    fn get(own: &KafkaConfig, keys: &str) -> String {
        let config = producer("lake", own).unwrap();
        let values: Vec<&str> = keys.split(' ').map(|key| config.get(key).unwrap_or("-")).collect();
        values.join(" ")
    }

    #[test]
    fn delivery_is_idempotent_and_acknowledged_by_all_replicas() {
        for (keys, values) in [
            ("bootstrap.servers", "a.example.com:9092,b.example.com:9092"),
            ("enable.idempotence acks message.timeout.ms", "true all 30000"),
            ("security.protocol socket.keepalive.enable", "plaintext true"),
            ("queue.buffering.max.kbytes queue.buffering.max.messages", "16384 16384"),
            ("partitioner", "murmur2_random"),
        ] {
            assert_eq!(get(&settings(), keys), values);
        }
    }

    #[test]
    fn authentication_and_tls_are_mapped() {
        let auth = KafkaAuth::Sasl {
            mechanism: "SCRAM-SHA-512",
            username: "relay".to_owned(),
            password: Secret::Literal(Arc::new("canary".into())),
        };
        let tls = Tls { ca: Some(Secret::file("/ca.pem")), insecure: true, ..Tls::default() };
        let own = KafkaConfig { auth, tls: Some(tls), ..settings() };
        let keys = "security.protocol sasl.mechanism sasl.username sasl.password";
        assert_eq!(get(&own, keys), "sasl_ssl SCRAM-SHA-512 relay canary");
        let keys = "ssl.ca.location enable.ssl.certificate.verification ssl.key.location";
        assert_eq!(get(&own, keys), "/ca.pem false -");
        let own = KafkaConfig { tls: Some(Tls::default()), ..settings() };
        assert_eq!(get(&own, "security.protocol ssl.ca.location"), "ssl probe");
        let auth = KafkaAuth::AwsMskIam { region: "us-east-1".to_owned(), role: None };
        let keys = "security.protocol sasl.mechanism sasl.password";
        assert_eq!(get(&KafkaConfig { auth, ..own }, keys), "sasl_ssl OAUTHBEARER -");
    }

    #[test]
    fn options_pass_through_except_reserved_ones() {
        let with = |key: &str, value: &str| KafkaConfig {
            options: vec![(key.to_owned(), value.to_owned())],
            ..settings()
        };
        assert_eq!(get(&with("linger.ms", "50"), "linger.ms"), "50");
        for key in
            ["acks", "sasl.password", "enable.idempotence", "bootstrap.servers", "ssl.ca.pem"]
        {
            let error = producer("lake", &with(key, "x")).err().unwrap();
            assert!(error.text.contains(&format!("sink.lake.options.{key}")), "{error}");
        }
    }

    #[test]
    fn librdkafka_knows_every_property_that_is_suggested() {
        for name in crate::config::KAFKA_PROPERTIES {
            let error = crate::sink::kafka_option(name, "no value of it").err().unwrap_or_default();
            assert!(!error.contains("No such configuration property"), "{error}");
        }
    }

    #[test]
    fn pem_without_a_file_is_passed_as_text() {
        let pem = |text: &str| Some(Secret::Literal(Arc::new(text.into())));
        let tls = Tls { ca: pem("a"), cert: pem("b"), key: pem("c"), ..Tls::default() };
        let own = KafkaConfig { tls: Some(tls), ..settings() };
        let keys = "ssl.ca.pem ssl.certificate.pem ssl.key.pem ssl.ca.location ssl.key.location";
        assert_eq!(get(&own, keys), "a b c - -");
    }

    #[test]
    fn all_queues_share_a_quarter_of_the_memory_and_fit_the_largest_records() {
        let queues = |memory: &str, more: &str| {
            let text = format!(
                r#"
                [delivery]
                memory_limit = "{memory}"
                [[source]]
                directory = "logs"
                [[route]]
                name = "uploads"
                when = {{ event = "Upload*" }}
                sinks = [{{ sink = "lake", topic = "uploads" }}]
                [[route]]
                name = "all"
                sinks = ["lake", "pond", "sea"]
                [sink.lake]
                type = "kafka"
                brokers = ["broker.example.com:9092"]
                topic = "all"
                [sink.pond]
                type = "kafka"
                brokers = ["broker.example.com:9092"]
                topic = "all"
                {more}
                [sink.sea]
                type = "kafka"
                brokers = ["broker.example.com:9092"]
                topic = "all"
                options."queue.buffering.max.kbytes" = 512
                "#
            );
            let config = crate::config::parse("test", &text, std::path::Path::new("."));
            let config = config.unwrap_or_else(|errors| panic!("{errors}"));
            let kib = |sink: &crate::config::SinkConfig| {
                let crate::config::SinkKind::Kafka(own) = &sink.kind else { panic!("{sink:?}") };
                get(own, "queue.buffering.max.kbytes")
            };
            let queues: Vec<String> = config.sinks.iter().map(kib).collect();
            (queues.join(" "), config.memory_for_objects() >> 10)
        };
        // lake, lake:uploads, pond, sea.
        assert_eq!(queues("96 MiB", ""), ("8192 8192 8192 512".to_owned(), 72 << 10));
        // Too little for two records of a megabyte each; objects keep half at least.
        assert_eq!(queues("16 MiB", ""), ("1953 1953 1953 512".to_owned(), (16 << 10) - 5860));
        let large = r#"options."message.max.bytes" = 5000000"#;
        assert_eq!(queues("16 MiB", large), ("1953 1953 9765 512".to_owned(), 8 << 10));
    }

    #[test]
    fn queue_options_take_precedence() {
        let keys = "queue.buffering.max.kbytes queue.buffering.max.messages";
        let options = vec![("queue.buffering.max.kbytes".to_owned(), "4096".to_owned())];
        assert_eq!(get(&KafkaConfig { options, ..settings() }, keys), "4096 16384");
    }
}
