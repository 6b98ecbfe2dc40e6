//! `auth` of a Kafka sink: how to log in.

use super::super::KafkaAuth;
use super::super::item::Item;
use super::{bucket, secret};

/// A mechanism, as it is written.
#[derive(Clone, Copy)]
enum Mechanism {
    None,
    /// With a name and a password; librdkafka's spelling.
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

/// Mechanisms that people ask for, and what to write instead.
const NOT_SUPPORTED: [(&str, &str); 3] = [
    ("GSSAPI", "Kerberos is not supported; use mutual TLS, SCRAM over TLS or \"aws_msk_iam\""),
    ("KERBEROS", "Kerberos is not supported; use mutual TLS, SCRAM over TLS or \"aws_msk_iam\""),
    (
        "OAUTHBEARER",
        "OAUTHBEARER is supported for Amazon MSK alone, as \"aws_msk_iam\"; else use mutual TLS or SCRAM",
    ),
];

/// `auth = { mechanism = …, … }`. `brokers` tell MSK's region; IAM's logins want `tls`.
pub(super) fn read(item: &Item<'_>, brokers: Option<&[String]>, tls: bool) -> Option<KafkaAuth> {
    let table = item.table("`auth`")?;
    let mechanism = table.required("mechanism", "\"SCRAM-SHA-512\"");
    let [username, password, region, role] =
        ["username", "password", "region", "role"].map(|key| table.item(key));
    let mechanism_item = mechanism.clone();
    let mechanism = mechanism.and_then(|item| mechanism_of(&item));
    let of_msk = region.is_some() || role.is_some();
    let of_password = username.is_some() || password.is_some();
    let auth = match mechanism {
        None => None,
        Some(Mechanism::None | Mechanism::Password(_)) if of_msk => {
            table.mistake("only mechanism \"aws_msk_iam\" has a `region` and a `role`");
            None
        }
        Some(Mechanism::None) if of_password => {
            table.mistake("mechanism \"none\" has no `username` and `password`");
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
                table.mistake("`auth` needs `username` and `password = { env = \"NAME\" }`");
                None
            }
        },
        Some(Mechanism::AwsMskIam) if of_password => {
            table.mistake(
                "mechanism \"aws_msk_iam\" has no `username` and `password`: credentials come from \
                 the AWS default chain, or are those of `role`",
            );
            None
        }
        Some(Mechanism::AwsMskIam) => {
            if let (Some(item), false) = (&mechanism_item, tls) {
                item.mistake("\"aws_msk_iam\" works over TLS alone: add `tls = {}`; MSK's port for it is 9098");
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
    let role = role.map_or(Some(None), |item| bucket::role(item).map(Some));
    let region = match region {
        Some(item) => item.text().and_then(|region| {
            let legal = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
            let sound =
                region.contains('-') && region.split('-').all(|part| part.chars().all(legal));
            if !sound {
                item.mistake("a region is written as in \"us-east-1\"");
            }
            sound.then_some(region)
        }),
        // Brokers that cannot be read are a mistake already.
        None => {
            let found = brokers?.iter().find_map(|broker| msk_region(broker));
            if found.is_none() {
                auth.mistake(
                    "`auth` needs `region = \"us-east-1\"`: the brokers' names do not tell the cluster's",
                );
            }
            found.map(str::to_owned)
        }
    };
    Some(KafkaAuth::AwsMskIam { region: region?, role: role? })
}

/// The region in a name that MSK gives: `b-1.NAME.ID.c2.kafka.REGION.amazonaws.com:9098`, or with `kafka-serverless`.
fn msk_region(broker: &str) -> Option<&str> {
    let host = broker.rsplit_once(':')?.0;
    let parts: Vec<&str> = host.split('.').collect();
    let at = parts.iter().position(|part| matches!(*part, "kafka" | "kafka-serverless"))?;
    match parts.get(at + 1..)? {
        [region, "amazonaws", "com", ..] => Some(region),
        _ => None,
    }
}

/// Kafka's spelling, in any case.
fn mechanism_of(item: &Item<'_>) -> Option<Mechanism> {
    let text = item.text()?.to_uppercase().replace('_', "-");
    if let Some((_, mechanism)) = MECHANISMS.iter().find(|(name, _)| *name == text) {
        return Some(*mechanism);
    }
    let advice = NOT_SUPPORTED.iter().find(|(name, _)| *name == text).map(|(_, advice)| *advice);
    item.mistake(advice.unwrap_or(
        "`mechanism` must be \"none\", \"PLAIN\", \"SCRAM-SHA-256\", \"SCRAM-SHA-512\" or \"aws_msk_iam\"",
    ));
    None
}

#[cfg(test)]
mod tests {
    use super::msk_region;

    #[test]
    fn the_names_that_msk_gives_tell_its_region() {
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
