//! Secrets as written: a location, or the value itself with a warning; and TLS, whose PEM is a
//! secret.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER_PERMISSIVE;
use secrecy::SecretString;
use toml::de::DeValue;

use super::super::reader::{Item, Section};
use super::super::secret::{AwsSecret, Secret, Tls};
use super::super::setting::{Other, Setting, Table as _};
use super::super::settings::{SECRET, TLS};
use super::super::values::is_variable_name;

/// `{ env = "NAME" }`, `{ file = "path" }`, `{ aws_secret = "arn" }`, or the value.
pub(super) fn read(item: &Item<'_>) -> Option<Secret> {
    let DeValue::String(written) = item.value() else { return location(item) };
    let value = item.text()?;
    if !(written.starts_with("${") && written.ends_with('}')) || written.contains(":-") {
        item.warning(format!(
            "`{0}` is written out here; better {0} = {{ env = \"NAME\" }} or {{ file = \"path\" }}, \
             which is also read again after a change",
            item.key
        ));
    }
    Some(Secret::Literal(Arc::new(SecretString::from(value))))
}

/// As [`read`], but the value itself is an error: what has many lines, or is a private key.
fn location(item: &Item<'_>) -> Option<Secret> {
    if let DeValue::String(_) = item.value() {
        item.reader.mask(item.span());
        let text = "`{0}` is not written out here: write {0} = { file = \"path\" }, { env = \"NAME\" } \
                    or { aws_secret = \"ARN\" }";
        item.error(text.replace("{0}", item.key));
        return None;
    }
    let table = item.table_called(&format!("`{}`", item.key), SECRET.title())?;
    let locations =
        [&SECRET.env, &SECRET.file, &SECRET.aws_secret].map(|setting| table.item(setting));
    let refresh = table.duration(&SECRET.refresh);
    let aws = locations[2].as_ref().map(|id| aws_secret(&table, id, refresh));
    let secret = match &locations {
        [Some(env), None, None] => variable(env, refresh),
        [None, Some(file), None] => file.path().map(|path| Secret::File { path, refresh }),
        [None, None, Some(_)] => aws.flatten(),
        [None, None, None] => {
            table.error(format!("`{}` needs `env`, `file` or `aws_secret`", item.key));
            None
        }
        _ => {
            let last = locations.iter().flatten().max_by_key(|one| one.key_span.start);
            let text = format!("`{}` has one of `env`, `file` and `aws_secret`", item.key);
            last.unwrap_or(item).error(text);
            None
        }
    };
    table.finish();
    secret
}

/// `{ aws_secret = "ARN or name", key = "member" }`.
fn aws_secret(table: &Section<'_>, item: &Item<'_>, refresh: Duration) -> Option<Secret> {
    let key = table.optional(&SECRET.key, Item::text);
    let id = item.text()?;
    let is_valid = if id.starts_with("arn:") {
        id.split(':').nth(2) == Some("secretsmanager") && id.split(':').count() == 7
    } else {
        // Source: Secrets Manager API, CreateSecret, Name.
        id.len() <= 512 && id.chars().all(|c| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c))
    };
    if !is_valid {
        item.error(
            "`aws_secret` is the ARN or the name of a secret in AWS Secrets Manager, not the secret \
             itself",
        );
        return None;
    }
    Some(Secret::Aws(Arc::new(AwsSecret::new(id, key?, refresh))))
}

fn variable(item: &Item<'_>, refresh: Duration) -> Option<Secret> {
    let name = item.text()?;
    if !is_variable_name(&name) {
        item.error("`env` is the name of an environment variable, not the secret itself");
        return None;
    }
    if (item.reader.env)(&name).is_none_or(|value| value.is_empty()) {
        item.warning("this environment variable is not set here");
    }
    Some(Secret::Env { name, refresh })
}

/// `tls = { … }`.
pub(super) fn tls(item: &Item<'_>) -> Option<Tls> {
    let table = item.table(&TLS)?;
    let tls = Tls {
        ca: pem(&table, &TLS.ca_file, &TLS.ca),
        cert: pem(&table, &TLS.cert_file, &TLS.client_cert),
        key: pem(&table, &TLS.key_file, &TLS.client_key),
        insecure: table.flag(&TLS.insecure),
        pins: table.optional(&TLS.pin_sha256, pins)?.unwrap_or_default(),
    };
    if !tls.pins.is_empty() && (tls.ca.is_some() || tls.insecure) {
        table.error("`pin_sha256` replaces `ca_file`, `ca` and `insecure`: remove them");
    }
    let has = |file: &Setting<Other>, secret: &Setting<Other>| {
        table.item(file).is_some() || table.item(secret).is_some()
    };
    if has(&TLS.cert_file, &TLS.client_cert) != has(&TLS.key_file, &TLS.client_key) {
        table.error(
            "a certificate and its key belong together: write `cert_file` and `key_file`, or \
             `client_cert` and `client_key`, or none",
        );
    }
    if tls.insecure {
        item.warning("`insecure`: anyone on the network path can read and change what is sent");
    }
    table.finish();
    Some(tls)
}

/// SHA-256 of certificates, with or without the colons that `openssl x509 -fingerprint` prints.
fn pins(item: &Item<'_>) -> Option<Vec<[u8; 32]>> {
    let pin = |item: &Item<'_>| {
        let digits = item.text()?.replace(':', "");
        let hash = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?;
        hash.try_into().ok()
    };
    let items = item.one_or_many()?;
    let pins: Option<Vec<[u8; 32]>> = items.iter().map(pin).collect();
    if pins.is_none() {
        item.error("`pin_sha256` is the SHA-256 of a certificate: 64 hexadecimal digits");
    }
    pins
}

/// PEM: the path of a file, or a secret.
fn pem(table: &Section<'_>, file: &Setting<Other>, secret: &Setting<Other>) -> Option<Secret> {
    match (table.item(file), table.item(secret)) {
        (None, None) => None,
        (Some(path), None) => path.path().map(Secret::file),
        (None, Some(item)) => location(&item),
        (Some(_), Some(second)) => {
            second.error(format!("`tls` has `{}` or `{}`, not both", file.key, secret.key));
            None
        }
    }
}
