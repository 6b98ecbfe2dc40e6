//! `type = "kafka"`.

use std::time::Duration;

use toml::de::DeValue;

use super::super::cursor::Section;
use super::super::item::Item;
use super::super::{KafkaAuth, KafkaConfig, KafkaKey, defaults};
use super::{kafka_login, mapping, registry, sink};

/// librdkafka properties that certrelay sets itself, and what to write instead. A name that ends in
/// a full stop or an underscore stands for all that start so.
/// Source: librdkafka, CONFIGURATION.md.
const OURS: [(&str, &str); 22] = [
    ("bootstrap.servers", "write `brokers`"),
    ("metadata.broker.list", "write `brokers`"),
    ("acks", "always `all`: nothing is settled before it is safe"),
    ("request.required.acks", "always `all`: nothing is settled before it is safe"),
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
    ("delivery.report.only.error", "every answer is awaited"),
    ("dr_", "every answer is awaited"),
    ("plugin.library.paths", "certrelay loads no foreign code"),
    ("log_", "write `[log]`"),
    ("log.", "write `[log]`"),
    ("statistics.interval.ms", "its statistics are metrics, every 15 s"),
    ("builtin.features", "it cannot be set"),
    ("group.", "certrelay consumes nothing"),
];

pub(super) fn read(table: &Section<'_>) -> Option<KafkaConfig> {
    let brokers = table.required("brokers", "[\"broker-1.example.com:9092\"]");
    let topic = table.required("topic", "\"iam-certificate-events\"");
    let auth_item = table.item("auth");
    let tls_item = table.item("tls");
    let key = table.choice(
        "key",
        defaults::KAFKA_KEY,
        &[
            ("account", KafkaKey::Account),
            ("event_id", KafkaKey::EventId),
            ("target_arn", KafkaKey::TargetArn),
        ],
    );
    let registry = table.item("schema_registry");
    let options = table.item("options").map_or(Some(Vec::new()), |item| options(&item));
    let second = Duration::from_secs(1);
    let timeout = table.duration("timeout", defaults::KAFKA_TIMEOUT, second..=second * 3600);
    let brokers = brokers.and_then(|item| addresses(&item));
    let topic = topic.and_then(|item| mapping::read(&item, topic_name));
    let registry = registry.map_or(Some(None), |item| registry::read(&item).map(Some));
    let auth = auth_item.as_ref().map_or(Some(KafkaAuth::None), |item| {
        kafka_login::read(item, brokers.as_deref(), tls_item.is_some())
    });
    if let (Some(item), Some(KafkaAuth::Sasl { mechanism: "PLAIN", .. }), None) =
        (&auth_item, &auth, &tls_item)
    {
        item.warning("PLAIN without `tls`: the password crosses the network unencrypted");
    }
    let tls = tls_item.map_or(Some(None), |item| sink::tls(&item).map(Some));
    Some(KafkaConfig {
        brokers: brokers?,
        topic: topic?,
        auth: auth?,
        tls: tls?,
        key,
        registry: registry?,
        options: options?,
        timeout,
        // Known when all sinks are.
        queue: 0,
    })
}

/// `host:port` each.
fn addresses(list: &Item<'_>) -> Option<Vec<String>> {
    let items = list.filled_list()?;
    let mut brokers = Vec::new();
    for item in &items {
        let text = item.text()?;
        let port = text.rsplit_once(':').and_then(|(host, port)| {
            let clean = !host.is_empty() && !host.contains(['/', '@', ' ', ',']);
            port.parse::<u16>().ok().filter(|port| clean && *port > 0)
        });
        if port.is_none() {
            item.mistake("a broker is a host and a port, such as \"broker-1.example.com:9092\"");
            continue;
        }
        brokers.push(text);
    }
    (brokers.len() == items.len()).then_some(brokers)
}

/// Kafka's rule: up to 249 of `[a-zA-Z0-9._-]`, and neither `.` nor `..`.
pub(super) fn topic_name(item: &Item<'_>) -> Option<String> {
    let topic = item.text()?;
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if topic.len() > 249 || !topic.chars().all(legal) || topic == "." || topic == ".." {
        item.mistake("a topic is up to 249 letters, digits, `.`, `_` and `-`");
        return None;
    }
    Some(topic)
}

/// librdkafka's own properties, but for ours.
fn options(item: &Item<'_>) -> Option<Vec<(String, String)>> {
    let table = item.table("`options`")?;
    let mut options = Vec::new();
    flatten(&table, "", &mut options)?;
    Some(options)
}

/// TOML reads `a.b = 1` as a table `a` holding `b`; librdkafka means one name.
fn flatten(table: &Section<'_>, prefix: &str, options: &mut Vec<(String, String)>) -> Option<()> {
    let mut sound = Some(());
    for (key, item) in table.entries() {
        let name = format!("{prefix}{key}");
        if let DeValue::Table(_) = item.value() {
            let inner = item.table("`options`")?;
            sound = flatten(&inner, &format!("{name}."), options).and(sound);
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
            item.reader.mistake(item.key_span.clone(), text);
            sound = None;
            continue;
        }
        let value = match item.value() {
            DeValue::String(_) => item.text(),
            DeValue::Boolean(flag) => Some(flag.to_string()),
            DeValue::Integer(number) if number.radix() == 10 => Some(number.to_string()),
            _ => {
                item.mistake("an option is a string, a decimal integer, or a boolean");
                None
            }
        };
        let refused = value.as_ref().and_then(|value| (item.reader.option)(&name, value).err());
        match (value, refused) {
            (Some(value), None) => options.push((name, value)),
            (_, refused) => {
                if let Some(text) = refused {
                    item.reader.mask(item.span());
                    item.mistake(text);
                }
                sound = None;
            }
        }
    }
    sound
}
