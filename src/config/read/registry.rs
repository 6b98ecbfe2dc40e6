//! `schema_registry` of a Kafka sink.

use toml::de::DeValue;

use super::super::item::{Item, is_loopback};
use super::super::{RegistryConfig, SubjectName, Tls};
use super::{secret, sink};

const SUBJECTS: [(&str, SubjectName); 3] = [
    ("topic", SubjectName::Topic),
    ("record", SubjectName::Record),
    ("topic_record", SubjectName::TopicRecord),
];

/// `schema_registry = { url = …, … }`.
pub(super) fn read(item: &Item<'_>) -> Option<RegistryConfig> {
    if let DeValue::String(_) = item.value() {
        item.mistake("write `schema_registry = { url = \"https://registry.example.com\" }`");
        return None;
    }
    let table = item.table("`schema_registry`")?;
    let url = table.required("url", "\"https://registry.example.com\"");
    let subject = table.choice("subject", SubjectName::Topic, &SUBJECTS);
    let (username, password) = (table.item("username"), table.item("password"));
    let register = table.flag("register", true);
    let tls = table.item("tls").map_or(Some(Tls::default()), |item| sink::tls(&item));
    let url_item = url.clone();
    let url = url.and_then(|item| item.url());
    if let (Some(item), Some(url)) = (&url_item, &url) {
        let host = url.host_str().unwrap_or_default();
        if host.starts_with("glue.") && host.contains(".amazonaws.com") {
            item.mistake(
                "AWS Glue's schema registry is not supported: it has another interface and another wire format",
            );
        }
        if url.scheme() == "http" && password.is_some() && !is_loopback(url) {
            item.warning("plain http: the password crosses the network unencrypted; use https");
        }
    }
    let login = match (&username, &password) {
        (None, None) => Some(None),
        (Some(username), Some(password)) => username.text().zip(secret::read(password)).map(Some),
        _ => {
            table.mistake("`username` and `password` belong together: write both or none");
            None
        }
    };
    table.finish();
    Some(RegistryConfig { url: url?, subject, login: login?, tls: tls?, register })
}
