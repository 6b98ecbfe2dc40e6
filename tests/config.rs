//! The configuration: the shipped files, every kind of error, and that no secret is ever shown.

mod errors;
mod location;
mod order;
mod routes;
mod schema;
mod secrets;
mod shipped;

use std::path::Path;

use certrelay::config::{Config, ConfigError, parse_with};

/// Checks a text in an environment that has only `SET`, whose value is `alice`.
fn parse(text: &str) -> Result<Config, ConfigError> {
    let env = |name: &str| (name == "SET").then(|| "alice".to_owned());
    parse_with("certrelay.toml", text, Path::new("/etc/certrelay"), &env)
}

/// Returns the diagnostics of a text that has errors.
fn errors(text: &str) -> String {
    parse(text).expect_err("an error is expected").to_string()
}

/// A source, a route and a sink without errors, to add one to.
const SOUND: &str = r#"
[[source]]
directory = "logs"
[[route]]
name = "default"
sinks = ["screen"]
[sink.screen]
type = "stdout"
"#;

/// [`SOUND`] and more.
fn sound_with(text: &str) -> String {
    format!("{}{SOUND}", text.trim_start())
}
