//! `type = "kafka"`: brokers, topic, authentication, schema registry, librdkafka's own options.

use toml::de::DeValue;

use super::super::diagnostic::did_you_mean;
use super::super::kafka::{KafkaAuth, KafkaConfig, RegistryConfig};
use super::super::reader::{Item, Section};
use super::super::region::is_region;
use super::super::settings::{AUTH, KAFKA, REGISTRY};
use super::{mapping, secret, source};

/// librdkafka properties that certrelay sets itself, and what to write instead. A name that ends in
/// a full stop or an underscore is a prefix. Source: librdkafka, CONFIGURATION.md.
const OURS: [(&str, &str); 22] = [
    ("bootstrap.servers", "write `brokers`"),
    ("metadata.broker.list", "write `brokers`"),
    ("acks", "always `all`: an event is delivered when all in-sync replicas have it"),
    (
        "request.required.acks",
        "always `all`: an event is delivered when all in-sync replicas have it",
    ),
    ("enable.idempotence", "always on"),
    ("transactional.id", "transactions are not used"),
    ("security.protocol", "follows from `tls` and `auth`"),
    ("sasl.", "write `auth`"),
    ("ssl.", "write `tls`"),
    ("enable.ssl.certificate.verification", "write `tls = { insecure = true }`"),
    ("enable.sasl.oauthbearer.unsecure.jwt", "write `auth`"),
    ("https.", "write `tls`"),
    ("message.timeout.ms", "write `timeout`"),
    ("delivery.timeout.ms", "write `timeout`"),
    ("delivery.report.only.error", "every delivery report is awaited"),
    ("dr_", "every delivery report is awaited"),
    ("plugin.library.paths", "certrelay loads no foreign code"),
    ("log_", "write `[log]`"),
    ("log.", "write `[log]`"),
    ("statistics.interval.ms", "its statistics are metrics, every 15 s"),
    ("builtin.features", "it cannot be set"),
    ("group.", "certrelay consumes nothing"),
];

/// librdkafka properties that may be set, for suggestions. Source: librdkafka 2.12,
/// CONFIGURATION.md: those of producers and of all clients, without callbacks.
#[rustfmt::skip]
pub(crate) const PROPERTIES: [&str; 58] = [
    "allow.auto.create.topics", "api.version.fallback.ms", "api.version.request",
    "api.version.request.timeout.ms", "batch.num.messages", "batch.size",
    "broker.address.family", "broker.address.ttl", "broker.version.fallback",
    "client.dns.lookup", "client.id", "client.rack", "compression.codec", "compression.level",
    "compression.type", "connections.max.idle.ms", "debug", "enable.gapless.guarantee",
    "enable.metrics.push", "enable.random.seed", "internal.termination.signal", "linger.ms",
    "max.in.flight", "max.in.flight.requests.per.connection", "message.copy.max.bytes",
    "message.max.bytes", "message.send.max.retries", "metadata.max.age.ms",
    "metadata.recovery.rebootstrap.trigger.ms", "metadata.recovery.strategy", "partitioner",
    "queue.buffering.backpressure.threshold", "queue.buffering.max.kbytes",
    "queue.buffering.max.messages", "queue.buffering.max.ms", "queuing.strategy",
    "receive.message.max.bytes", "reconnect.backoff.jitter.ms", "reconnect.backoff.max.ms",
    "reconnect.backoff.ms", "request.timeout.ms", "retries", "retry.backoff.max.ms",
    "retry.backoff.ms", "socket.blocking.max.ms", "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable", "socket.max.fails", "socket.nagle.disable",
    "socket.receive.buffer.bytes", "socket.send.buffer.bytes", "socket.timeout.ms",
    "sticky.partitioning.linger.ms", "topic.blacklist", "topic.metadata.propagation.max.ms",
    "topic.metadata.refresh.fast.interval.ms", "topic.metadata.refresh.interval.ms",
    "topic.metadata.refresh.sparse",
];

/// Properties of Kafka's Java producer, and what librdkafka has instead.
/// Source: Apache Kafka 4.1, "Producer Configs".
const OF_JAVA: [(&str, &str); 12] = [
    ("max.request.size", "write `message.max.bytes`"),
    ("buffer.memory", "write `queue.buffering.max.kbytes`"),
    ("partitioner.class", "write `partitioner`"),
    ("send.buffer.bytes", "write `socket.send.buffer.bytes`"),
    ("receive.buffer.bytes", "write `socket.receive.buffer.bytes`"),
    ("compression.gzip.level", "write `compression.level`"),
    ("compression.lz4.level", "write `compression.level`"),
    ("compression.zstd.level", "write `compression.level`"),
    ("socket.connection.setup.timeout.max.ms", "write `socket.connection.setup.timeout.ms`"),
    ("max.block.ms", "certrelay waits for room by itself; remove it"),
    ("key.serializer", "certrelay writes the keys; remove it"),
    ("value.serializer", "write `format` in the sink"),
];

pub(super) fn read(table: &Section<'_>) -> Option<KafkaConfig> {
    let brokers = table.required(&KAFKA.brokers);
    let topic = table.required(&KAFKA.topic);
    let auth_item = table.item(&KAFKA.auth);
    let tls_item = table.item(&KAFKA.tls);
    let key = table.choice(&KAFKA.key);
    let registry = table.optional(&KAFKA.schema_registry, registry);
    let options = table.optional(&KAFKA.options, options);
    let timeout = table.duration(&KAFKA.timeout);
    let brokers = brokers.and_then(|item| item.each(address));
    let topic = topic.and_then(|item| mapping::read(&item, topic_name));
    let auth = auth_item.as_ref().map_or(Some(KafkaAuth::None), |item| {
        authentication(item, brokers.as_deref(), tls_item.is_some())
    });
    if let (Some(item), Some(KafkaAuth::Sasl { mechanism: "PLAIN", .. }), None) =
        (&auth_item, &auth, &tls_item)
    {
        item.warning("PLAIN without `tls`: the password crosses the network unencrypted");
    }
    let tls = tls_item.map_or(Some(None), |item| {
        let tls = secret::tls(&item)?;
        if !tls.pins.is_empty() {
            item.error("`pin_sha256` is not for Kafka's brokers: write `ca_file`");
        }
        Some(Some(tls))
    });
    Some(KafkaConfig {
        brokers: brokers?,
        topic: topic?,
        auth: auth?,
        tls: tls?,
        key,
        registry: registry?,
        options: options?.unwrap_or_default(),
        timeout,
        // Known when all sinks are.
        queue: 0,
    })
}

/// `host:port`.
fn address(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    let port = text.rsplit_once(':').and_then(|(host, port)| {
        let clean = !host.is_empty() && !host.contains(['/', '@', ' ', ',']);
        port.parse::<u16>().ok().filter(|port| clean && *port > 0)
    });
    if port.is_none() {
        item.error("a broker is a host and a port, such as \"broker-1.example.com:9092\"");
        return None;
    }
    let others = [(2181, "ZooKeeper's"), (8081, "a schema registry's")];
    if let Some((port, whose)) = others.into_iter().find(|(other, _)| port == Some(*other)) {
        item.warning(format!("port {port} is usually {whose}, not a broker's"));
    }
    Some(text)
}

/// Kafka's rule: up to 249 of `[a-zA-Z0-9._-]`, and neither `.` nor `..`.
pub(super) fn topic_name(item: &Item<'_>) -> Option<String> {
    let topic = item.text()?;
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if topic.len() > 249 || !topic.chars().all(legal) || topic == "." || topic == ".." {
        item.error("a topic is up to 249 letters, digits, `.`, `_` and `-`");
        return None;
    }
    Some(topic)
}

/// librdkafka's own properties, except those that certrelay sets.
fn options(item: &Item<'_>) -> Option<Vec<(String, String)>> {
    let table = item.table_called("`options`", "`options`")?;
    let mut options = Vec::new();
    flatten(&table, "", &mut options)?;
    Some(options)
}

/// TOML reads `a.b = 1` as a table `a` with a key `b`; in librdkafka it is one name.
fn flatten(table: &Section<'_>, prefix: &str, options: &mut Vec<(String, String)>) -> Option<()> {
    let mut valid = Some(());
    for (key, item) in table.entries() {
        let name = format!("{prefix}{key}");
        if let DeValue::Table(_) = item.value() {
            let inner = item.table_called("`options`", "`options`")?;
            valid = flatten(&inner, &format!("{name}."), options).and(valid);
            continue;
        }
        let ours = OURS.iter().find(|(ours, _)| {
            name == *ours || (ours.ends_with(['.', '_']) && name.starts_with(ours))
        });
        if let Some((_, instead)) = ours {
            if name.starts_with("sasl.") || name.starts_with("ssl.") {
                item.reader.mask(item.span());
            }
            let text = format!("certrelay sets `{}` itself: {instead}", name.escape_debug());
            item.key_error(text);
            valid = None;
            continue;
        }
        let value = match item.value() {
            DeValue::String(_) => item.text(),
            DeValue::Boolean(flag) => Some(flag.to_string()),
            DeValue::Integer(number) if number.radix() == 10 => Some(number.to_string()),
            _ => {
                item.error("an option is a string, a decimal integer, or a boolean");
                None
            }
        };
        let error = value.as_ref().and_then(|value| (item.reader.kafka_option)(&name, value).err());
        match (value, error) {
            (Some(value), None) => options.push((name, value)),
            (_, error) => {
                if let Some(text) = error {
                    rejected(&item, &name, text);
                }
                valid = None;
            }
        }
    }
    valid
}

/// Reports a property that librdkafka rejects: its name, or its value. The value of an unknown one
/// may be a secret.
fn rejected(item: &Item<'_>, name: &str, text: String) {
    if PROPERTIES.contains(&name) {
        return item.error(text);
    }
    item.reader.mask(item.span());
    let dotted = name.to_ascii_lowercase().replace('_', ".");
    let of_java = OF_JAVA.iter().find(|(of_java, _)| *of_java == dotted);
    let ours = OURS.iter().map(|(ours, _)| *ours).filter(|ours| !ours.ends_with(['.', '_']));
    let hint = || did_you_mean(&dotted, PROPERTIES.into_iter().chain(ours));
    item.key_error(match of_java {
        Some((_, instead)) => {
            format!("a property of Kafka's Java client, not of librdkafka: {instead}")
        }
        None => format!("{text}{}", hint()),
    });
}

/// A mechanism, as it is written.
#[derive(Clone, Copy)]
enum Mechanism {
    None,
    /// With a user name and a password; librdkafka's spelling.
    Password(&'static str),
    AwsMskIam,
}

const MECHANISMS: [(&str, Mechanism); 5] = [
    ("NONE", Mechanism::None),
    ("PLAIN", Mechanism::Password("PLAIN")),
    ("SCRAM-SHA-256", Mechanism::Password("SCRAM-SHA-256")),
    ("SCRAM-SHA-512", Mechanism::Password("SCRAM-SHA-512")),
    ("AWS-MSK-IAM", Mechanism::AwsMskIam),
];

/// Unsupported mechanisms, and what to write instead.
const NOT_SUPPORTED: [(&str, &str); 3] = [
    ("GSSAPI", "Kerberos is not supported; use mutual TLS, SCRAM over TLS or \"aws_msk_iam\""),
    ("KERBEROS", "Kerberos is not supported; use mutual TLS, SCRAM over TLS or \"aws_msk_iam\""),
    (
        "OAUTHBEARER",
        "OAUTHBEARER is supported only for Amazon MSK, as \"aws_msk_iam\"; else use mutual TLS or SCRAM",
    ),
];

/// `auth = { mechanism = …, … }`. The region of MSK is in the names of `brokers`; IAM needs `tls`.
fn authentication(item: &Item<'_>, brokers: Option<&[String]>, tls: bool) -> Option<KafkaAuth> {
    let table = item.table(&AUTH)?;
    let mechanism = table.required(&AUTH.mechanism);
    let [username, password, region, role] =
        [&AUTH.username, &AUTH.password, &AUTH.region, &AUTH.role]
            .map(|setting| table.item(setting));
    let mechanism_item = mechanism.clone();
    let mechanism = mechanism.and_then(|item| mechanism_of(&item));
    let of_msk = region.is_some() || role.is_some();
    let of_password = username.is_some() || password.is_some();
    let auth = match mechanism {
        None => None,
        Some(Mechanism::None | Mechanism::Password(_)) if of_msk => {
            table.error("only mechanism \"aws_msk_iam\" has a `region` and a `role`");
            None
        }
        Some(Mechanism::None) if of_password => {
            table.error("mechanism \"none\" has no `username` and `password`");
            None
        }
        Some(Mechanism::None) => Some(KafkaAuth::None),
        Some(Mechanism::Password(mechanism)) => match (&username, &password) {
            (Some(username), Some(password)) => {
                let (username, password) = (username.text(), secret::read(password));
                username.zip(password).map(|(username, password)| KafkaAuth::Sasl {
                    mechanism,
                    username,
                    password,
                })
            }
            _ => {
                table.error("`auth` needs `username` and `password = { env = \"NAME\" }`");
                None
            }
        },
        Some(Mechanism::AwsMskIam) if of_password => {
            table.error(
                "mechanism \"aws_msk_iam\" has no `username` and `password`: credentials come from \
                 the AWS default chain, or are those of `role`",
            );
            None
        }
        Some(Mechanism::AwsMskIam) => {
            if let (Some(item), false) = (&mechanism_item, tls) {
                item.error(
                    "\"aws_msk_iam\" works only over TLS: add `tls = {}`; MSK's port for it is 9098",
                );
            }
            msk(item, brokers, region.as_ref(), role.as_ref())
        }
    };
    table.finish();
    auth
}

fn msk(
    auth: &Item<'_>,
    brokers: Option<&[String]>,
    region: Option<&Item<'_>>,
    role: Option<&Item<'_>>,
) -> Option<KafkaAuth> {
    let role = role.map_or(Some(None), |item| source::role(item).map(Some));
    let region = match region {
        Some(item) => source::region(item),
        // Brokers with errors are reported already.
        None => {
            let found = brokers?.iter().find_map(|broker| msk_region(broker));
            if found.is_none() {
                auth.error(
                    "`auth` needs `region`: the brokers' names do not contain the cluster's",
                );
            }
            found.map(str::to_owned)
        }
    };
    Some(KafkaAuth::AwsMskIam { region: region?, role: role? })
}

/// Returns the region in a broker's name of MSK: `b-1.NAME.ID.c2.kafka.REGION.amazonaws.com:9098`,
/// or with `kafka-serverless`.
fn msk_region(broker: &str) -> Option<&str> {
    let host = broker.rsplit_once(':')?.0;
    let parts: Vec<&str> = host.split('.').collect();
    let at = parts.iter().position(|part| matches!(*part, "kafka" | "kafka-serverless"))?;
    match parts.get(at + 1..)? {
        [region, "amazonaws", "com" | "eu", ..] if is_region(region) => Some(region),
        _ => None,
    }
}

/// Returns the mechanism; upper and lower case, `-` and `_` are the same.
fn mechanism_of(item: &Item<'_>) -> Option<Mechanism> {
    let text = item.text()?.to_uppercase().replace('_', "-");
    if let Some((_, mechanism)) = MECHANISMS.iter().find(|(name, _)| *name == text) {
        return Some(*mechanism);
    }
    let advice = NOT_SUPPORTED.iter().find(|(name, _)| *name == text).map(|(_, advice)| *advice);
    item.error(advice.unwrap_or(
        "`mechanism` must be \"none\", \"PLAIN\", \"SCRAM-SHA-256\", \"SCRAM-SHA-512\" or \"aws_msk_iam\"",
    ));
    None
}

/// `schema_registry = { url = …, … }`.
fn registry(item: &Item<'_>) -> Option<RegistryConfig> {
    if let DeValue::String(_) = item.value() {
        item.error("write `schema_registry = { url = \"https://registry.example.com\" }`");
        return None;
    }
    let table = item.table(&REGISTRY)?;
    let url = table.required(&REGISTRY.url);
    let subject = table.choice(&REGISTRY.subject);
    let (username, password) = (table.item(&REGISTRY.username), table.item(&REGISTRY.password));
    let register = table.flag(&REGISTRY.register);
    let tls = table.optional(&REGISTRY.tls, secret::tls);
    let url_item = url.clone();
    let url = url.and_then(|item| item.url());
    if let (Some(item), Some(url)) = (&url_item, &url) {
        let host = url.host_str().unwrap_or_default();
        if host.starts_with("glue.") && host.contains(".amazonaws.com") {
            item.error(
                "AWS Glue's schema registry is not supported: it has another interface and another \
                 format",
            );
        }
        if password.is_some() {
            item.warn_if_plain_http(url, "the password crosses");
        }
    }
    let login = match (&username, &password) {
        (None, None) => Some(None),
        (Some(username), Some(password)) => username.text().zip(secret::read(password)).map(Some),
        _ => {
            table.error("`username` and `password` belong together: write both or none");
            None
        }
    };
    table.finish();
    Some(RegistryConfig {
        url: url?,
        subject,
        login: login?,
        tls: tls?.unwrap_or_default(),
        register,
    })
}

#[cfg(test)]
mod tests {
    use super::msk_region;

    #[test]
    fn the_region_is_read_from_the_names_of_msk_s_brokers() {
        for (broker, region) in [
            ("b-1.lake.abc123.c2.kafka.eu-west-1.amazonaws.com:9098", Some("eu-west-1")),
            ("boot-abc123.c1.kafka-serverless.us-east-1.amazonaws.com:9098", Some("us-east-1")),
            ("b-1.lake.abc123.c2.kafka.cn-north-1.amazonaws.com.cn:9098", Some("cn-north-1")),
            ("kafka.example.com:9098", None),
            ("kafka.amazonaws.example.com:9098", None),
            ("b-1.kafka:9098", None),
        ] {
            assert_eq!(msk_region(broker), region, "{broker}");
        }
    }
}
