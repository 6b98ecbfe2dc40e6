//! Secrets as written: a place, or the value itself with a warning.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use toml::de::DeValue;

use super::super::cursor::Section;
use super::super::expand::is_variable_name;
use super::super::item::Item;
use super::super::{AwsSecret, Secret, defaults};

/// `{ env = "NAME" }`, `{ file = "path" }`, `{ aws_secret = "arn" }`, or the value.
pub(super) fn read(item: &Item<'_>) -> Option<Secret> {
    if let DeValue::String(written) = item.value() {
        let value = item.text()?;
        if !(written.starts_with("${") && written.ends_with('}')) || written.contains(":-") {
            item.warning(format!(
                "`{0}` is written out here; better {0} = {{ env = \"NAME\" }} or {{ file = \"path\" }}, \
                 which is also read again when it was changed",
                item.key
            ));
        }
        return Some(Secret::Literal(Arc::new(SecretString::from(value))));
    }
    kept(item)
}

/// As [`read`], but never written out: what is many lines long, or a key.
pub(super) fn kept(item: &Item<'_>) -> Option<Secret> {
    if let DeValue::String(_) = item.value() {
        item.reader.mask(item.span());
        let text = "`{0}` is not written out here: write {0} = { file = \"path\" }, { env = \"NAME\" } \
                    or { aws_secret = \"ARN\" }";
        item.mistake(text.replace("{0}", item.key));
        return None;
    }
    let mut table = item.table(&format!("`{}`", item.key))?;
    table.set_kind("a secret".to_owned());
    let places = [table.item("env"), table.item("file"), table.item("aws_secret")];
    let second = Duration::from_secs(1);
    let refresh =
        table.duration("refresh", defaults::SECRET_REFRESH, second * 10..=second * 86_400);
    let aws = places[2].as_ref().map(|place| aws_secret(&table, place, refresh));
    let secret = match &places {
        [Some(env), None, None] => variable(env, refresh),
        [None, Some(file), None] => file.path().map(|path| Secret::File { path, refresh }),
        [None, None, Some(_)] => aws.flatten(),
        [None, None, None] => {
            table.mistake(format!("`{}` needs `env`, `file` or `aws_secret`", item.key));
            None
        }
        _ => {
            let last = places.iter().flatten().max_by_key(|place| place.key_span.start);
            let text = format!("`{}` has one of `env`, `file` and `aws_secret`", item.key);
            last.unwrap_or(item).mistake(text);
            None
        }
    };
    table.finish();
    secret
}

/// `{ aws_secret = "ARN or name", key = "member" }`.
fn aws_secret(table: &Section<'_>, place: &Item<'_>, refresh: Duration) -> Option<Secret> {
    let key = table.item("key").map(|item| item.text());
    let id = place.text()?;
    let arn = id.starts_with("arn:");
    let sound = match arn {
        true => id.split(':').nth(2) == Some("secretsmanager") && id.split(':').count() == 7,
        // Source: Secrets Manager API, CreateSecret, Name.
        false => {
            id.len() <= 512
                && id.chars().all(|c| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c))
        }
    };
    if !sound {
        place.mistake(
            "`aws_secret` is the ARN or the name of a secret in AWS Secrets Manager, not the secret itself",
        );
        return None;
    }
    let key = match key {
        None => None,
        Some(key) => Some(key?),
    };
    Some(Secret::Aws(Arc::new(AwsSecret::new(id, key, refresh))))
}

fn variable(item: &Item<'_>, refresh: Duration) -> Option<Secret> {
    let name = item.text()?;
    if !is_variable_name(&name) {
        item.mistake("`env` is the name of an environment variable, not the secret itself");
        return None;
    }
    if (item.reader.env)(&name).is_none_or(|value| value.is_empty()) {
        item.warning("this environment variable is not set here");
    }
    Some(Secret::Env { name, refresh })
}
