//! Secrets as written: a place, or the value itself with a warning.

use std::sync::Arc;

use secrecy::SecretString;
use toml::de::DeValue;

use super::super::Secret;
use super::super::expand::is_variable_name;
use super::super::item::Item;

/// `{ env = "NAME" }`, `{ file = "path" }`, or the value.
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
    let mut table = item.table(&format!("`{}`", item.key))?;
    table.set_kind("a secret".to_owned());
    let (env, file) = (table.item("env"), table.item("file"));
    table.not_yet("aws_secret");
    table.not_yet("key");
    let secret = match (&env, &file) {
        (Some(env), None) => variable(env),
        (None, Some(file)) => file.path().map(Secret::File),
        (Some(_), Some(file)) => {
            file.mistake(format!("`{}` has `env` or `file`, not both", item.key));
            None
        }
        (None, None) => {
            table.mistake(format!("`{}` needs `env` or `file`", item.key));
            None
        }
    };
    table.finish();
    secret
}

fn variable(item: &Item<'_>) -> Option<Secret> {
    let name = item.text()?;
    if !is_variable_name(&name) {
        item.mistake("`env` is the name of an environment variable, not the secret itself");
        return None;
    }
    if (item.reader.env)(&name).is_none_or(|value| value.is_empty()) {
        item.warning("this environment variable is not set here");
    }
    Some(Secret::Env(name))
}
