//! The configuration as librdkafka's properties.

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use secrecy::ExposeSecret as _;

use crate::config::{KafkaAuth, KafkaConfig, Tls};
use crate::outcome::Why;

/// Memory for records that wait in librdkafka. Its own default is 1 GiB, more than a small task has.
const QUEUE_KIB: u64 = 32 * 1024;

/// Milliseconds between two reports of librdkafka's own numbers. They are large, and nobody looks more often.
const STATISTICS: &str = if cfg!(test) { "200" } else { "15000" };

/// Properties that have a setting of their own, or on which delivery rests. A trailing `*` stands for the rest.
const OURS: [&str; 19] = [
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

/// The properties of a producer. Reads the password: it is read anew for every producer.
///
/// # Errors
/// An option is one of ours, or the password cannot be read.
pub(super) fn of_producer(sink: &str, own: &KafkaConfig) -> Result<ClientConfig, Why> {
    let mut config = of_connection(sink, own)?;
    let ours = [
        ("enable.idempotence", "true".to_owned()),
        ("acks", "all".to_owned()),
        ("statistics.interval.ms", STATISTICS.to_owned()),
        ("message.timeout.ms", own.timeout.as_millis().max(1).to_string()),
    ];
    let defaults = [
        ("compression.type", "zstd"),
        // Java's partitioner: the same key meets the records of other producers in the same partition.
        ("partitioner", "murmur2_random"),
        ("linger.ms", "5"),
    ];
    for (key, value) in ours {
        config.set(key, value);
    }
    for (key, value) in defaults {
        if config.get(key).is_none() {
            config.set(key, value);
        }
    }
    set_queue(&mut config);
    Ok(config)
}

/// The properties of any client: where to, how to log in, and the operator's options.
///
/// # Errors
/// As [`of_producer`].
pub(super) fn of_connection(sink: &str, own: &KafkaConfig) -> Result<ClientConfig, Why> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", own.brokers.join(","))
        .set("client.id", "certrelay")
        .set("statistics.interval.ms", "0")
        .set("log.connection.close", "false")
        // A NAT gateway forgets an idle connection after 350 s.
        .set("socket.keepalive.enable", "true")
        .set_log_level(RDKafkaLogLevel::Info);
    for (key, value) in &own.options {
        if OURS.iter().any(|pattern| covers(pattern, key)) {
            let text = format!(
                "sink.{sink}.options.{key} is decided by certrelay or has its own setting; remove it"
            );
            return Err(Why::new("sink_setting", text));
        }
        config.set(key, value);
    }
    set_auth(&mut config, &own.auth, own.tls.is_some())?;
    if let Some(tls) = &own.tls {
        set_tls(&mut config, tls);
    }
    Ok(config)
}

fn covers(pattern: &str, key: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => key.starts_with(start),
        None => key == pattern,
    }
}

/// The queue has room for at least a few of the largest records, or such a record could never be queued.
fn set_queue(config: &mut ClientConfig) {
    if config.get("queue.buffering.max.kbytes").is_some() {
        return;
    }
    let largest = ["message.max.bytes", "batch.size"].iter().filter_map(|key| config.get(key));
    let largest: u64 = largest.filter_map(|bytes| bytes.parse().ok()).max().unwrap_or(0);
    config.set("queue.buffering.max.kbytes", QUEUE_KIB.max(largest / 1024 * 4).to_string());
}

fn set_auth(config: &mut ClientConfig, auth: &KafkaAuth, tls: bool) -> Result<(), Why> {
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
        // librdkafka asks for the token when it needs one.
        KafkaAuth::AwsMskIam { .. } => {
            config.set("sasl.mechanism", "OAUTHBEARER");
        }
    }
    Ok(())
}

fn set_tls(config: &mut ClientConfig, tls: &Tls) {
    // Without a path librdkafka would trust what its OpenSSL was built with, which no image has.
    let ca = tls.ca_file.as_ref().map_or("probe".to_owned(), |path| path.display().to_string());
    config.set("ssl.ca.location", ca);
    if let Some(path) = &tls.cert_file {
        config.set("ssl.certificate.location", path.display().to_string());
    }
    if let Some(path) = &tls.key_file {
        config.set("ssl.key.location", path.display().to_string());
    }
    if tls.insecure {
        config.set("enable.ssl.certificate.verification", "false");
        config.set("ssl.endpoint.identification.algorithm", "none");
    }
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
        }
    }

    fn get(own: &KafkaConfig, keys: &[&str]) -> Vec<String> {
        let config = of_producer("lake", own).unwrap();
        keys.iter().map(|key| config.get(key).unwrap_or("-").to_owned()).collect()
    }

    #[test]
    fn nothing_less_than_all_replicas_in_order_and_once() {
        let keys = [
            "bootstrap.servers",
            "enable.idempotence",
            "acks",
            "message.timeout.ms",
            "security.protocol",
            "queue.buffering.max.kbytes",
            "partitioner",
            "socket.keepalive.enable",
        ];
        let values = get(&settings(), &keys);
        assert_eq!(
            values,
            [
                "a.example.com:9092,b.example.com:9092",
                "true",
                "all",
                "30000",
                "plaintext",
                "32768",
                "murmur2_random",
                "true"
            ]
        );
    }

    #[test]
    fn logins_and_tls_are_mapped() {
        let auth = KafkaAuth::Sasl {
            mechanism: "SCRAM-SHA-512",
            username: "relay".to_owned(),
            password: Secret::Literal(Arc::new("canary".into())),
        };
        let tls = Tls { ca_file: Some("/ca.pem".into()), insecure: true, ..Tls::default() };
        let own = KafkaConfig { auth, tls: Some(tls), ..settings() };
        let keys = ["security.protocol", "sasl.mechanism", "sasl.username", "sasl.password"];
        assert_eq!(get(&own, &keys), ["sasl_ssl", "SCRAM-SHA-512", "relay", "canary"]);
        let keys = ["ssl.ca.location", "enable.ssl.certificate.verification", "ssl.key.location"];
        assert_eq!(get(&own, &keys), ["/ca.pem", "false", "-"]);
        let own = KafkaConfig { tls: Some(Tls::default()), ..settings() };
        assert_eq!(get(&own, &["security.protocol", "ssl.ca.location"]), ["ssl", "probe"]);
        let auth = KafkaAuth::AwsMskIam { region: "us-east-1".to_owned(), role: None };
        let keys = ["security.protocol", "sasl.mechanism", "sasl.password"];
        assert_eq!(get(&KafkaConfig { auth, ..own }, &keys), ["sasl_ssl", "OAUTHBEARER", "-"]);
    }

    #[test]
    fn options_pass_through_but_for_those_that_are_ours() {
        let with = |key: &str, value: &str| KafkaConfig {
            options: vec![(key.to_owned(), value.to_owned())],
            ..settings()
        };
        assert_eq!(get(&with("linger.ms", "50"), &["linger.ms"]), ["50"]);
        for key in
            ["acks", "sasl.password", "enable.idempotence", "bootstrap.servers", "ssl.ca.pem"]
        {
            let why = of_producer("lake", &with(key, "x")).err().unwrap();
            assert!(why.text.contains(&format!("sink.lake.options.{key}")), "{why}");
        }
    }

    #[test]
    fn the_queue_is_small_but_never_smaller_than_a_few_records() {
        let key = ["queue.buffering.max.kbytes"];
        assert_eq!(get(&settings(), &key), ["32768"]);
        let options = vec![("message.max.bytes".to_owned(), "16777216".to_owned())];
        assert_eq!(get(&KafkaConfig { options, ..settings() }, &key), ["65536"]);
    }
}
