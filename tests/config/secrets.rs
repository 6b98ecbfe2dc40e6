//! No secret is ever shown: not in a error, a quoted line, a summary, or `Debug`.

use std::path::Path;

use certrelay::config::parse_with;

/// Unique in the texts; a part of it is enough to fail.
const CANARY: &str = "cAnArY-cAnArY";
const PART: &str = "cAnA";

/// Everything that can be printed about a text.
fn report(text: &str) -> String {
    match parse_with("certrelay.toml", text, Path::new("."), &|_| Some(CANARY.to_owned())) {
        Ok(config) => {
            let warnings: String = config.warnings.iter().map(ToString::to_string).collect();
            format!("{config:?}\n{}\n{warnings}", config.summary())
        }
        Err(errors) => format!("{errors}\n{errors:?}"),
    }
}

fn assert_silent(text: &str) {
    let report = report(text);
    assert!(!report.contains(PART), "{report}\n\nin:\n{text}");
}

/// A valid configuration whose secrets are written out.
fn literal() -> String {
    format!(
        r#"[[source]]
directory = "logs"
[[route]]
name = "default"
sinks = ["soc", "lake"]
[sink.soc]
type = "splunk_hec"
endpoints = ["https://hec.example.com:8088"]
token = "{CANARY}"
[sink.lake]
type = "kafka"
brokers = ["broker.example.com:9094"]
topic = "certificates"
auth = {{ mechanism = "PLAIN", username = "certrelay", password = "{CANARY}" }}
"#
    )
}

#[test]
fn a_secret_written_out_is_warned_about_and_never_shown() {
    let report = report(&literal());
    assert!(!report.contains(PART), "{report}");
    assert!(report.contains("`token` is written out here"), "{report}");
    assert!(report.contains("`password` is written out here"), "{report}");
    assert!(report.contains("token = ********"), "{report}");
}

#[test]
fn a_secret_in_the_wrong_place_is_never_shown() {
    for (right, wrong) in [
        ("token =", "tokn ="),
        ("token =", "hec_key ="),
        ("token =", "token.value ="),
        ("token =", "token.env ="),
        ("token = \"", "token.aws_secret = \"a secret, not its name: "),
        ("token =", "ack = 1 # token ="),
        ("token = \"", "token = [\""),
        ("password =", "pasword ="),
        ("password =", "x = 1, \"password\" ="),
        ("password = \"", "key_file = 1, password = \"${"),
        ("mechanism = \"PLAIN\"", "mechanism = \"X\""),
        ("[\"https://hec.", "[\"https://user:cAnArY-cAnArY@hec."),
        (":8088\"", ":8088/?token=cAnArY-cAnArY\""),
        ("[\"broker.", "[\"SASL://user:cAnArY-cAnArY@broker."),
        ("topic = ", "options = { sasl.password = \"cAnArY-cAnArY\" }\ntopic = "),
        ("topic = ", "options = { \"ssl.key.pem\" = \"\"\"\ncAnArY\n\"\"\" }\ntopic = "),
        ("topic = \"certificates\"", "topic = \"${TOPIC}//\""),
        ("type = \"splunk_hec\"", "type = \"splunk\""),
        ("[sink.soc]", "[sinks.soc]"),
        ("[sink.soc]", "[[sink.soc]]"),
    ] {
        let text = literal();
        assert!(text.contains(right), "{right}");
        let text = text.replacen(right, wrong, 1);
        assert!(parse_with("x", &text, Path::new("."), &|_| None).is_err(), "no error: {text}");
        assert_silent(&text);
    }
}

#[test]
fn no_typing_error_shows_a_secret() {
    let text = literal();
    for at in 0..text.len() {
        assert_silent(&text[..at]);
        let (before, after) = (&text[..at], &text[at + 1..]);
        for edit in ["", "\"", "'", "\n", "#", "=", "\"\"\""] {
            assert_silent(&format!("{before}{edit}{after}"));
        }
        for edit in ["\"", "\n", " # "] {
            assert_silent(&format!("{before}{edit}{}", &text[at..]));
        }
    }
}

#[test]
fn a_variable_s_value_is_never_shown() {
    let text = literal().replace(CANARY, "${SECRET}").replace("certificates", "${TOPIC}//");
    let report = report(&text);
    assert!(report.contains("a topic is up to 249 letters"), "{report}");
    assert_silent(&text);
    assert_silent(&literal().replace("\"soc\", \"lake\"", "\"${SINK}\""));
}
