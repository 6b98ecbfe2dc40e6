//! No secret is ever shown: not in a mistake, a quoted line, a summary, or `Debug`.

use std::path::Path;

use certrelay::config::parse_with;

/// Looks like nothing else; a part of it is enough to fail.
const CANARY: &str = "cAnArY-cAnArY";
const PART: &str = "cAnA";

/// All that can be printed about a text.
fn said(text: &str) -> String {
    match parse_with("certrelay.toml", text, Path::new("."), &|_| Some(CANARY.to_owned())) {
        Ok(config) => {
            let warnings: String = config.warnings.iter().map(ToString::to_string).collect();
            format!("{config:?}\n{}\n{warnings}", config.summary())
        }
        Err(mistakes) => format!("{mistakes}\n{mistakes:?}"),
    }
}

fn assert_silent(text: &str) {
    let said = said(text);
    assert!(!said.contains(PART), "{said}\n\nin:\n{text}");
}

/// A sound configuration whose secrets are written out.
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
    let said = said(&literal());
    assert!(!said.contains(PART), "{said}");
    assert!(said.contains("`token` is written out here"), "{said}");
    assert!(said.contains("`password` is written out here"), "{said}");
    assert!(said.contains("token = ********"), "{said}");
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
        assert!(parse_with("x", &text, Path::new("."), &|_| None).is_err(), "no mistake: {text}");
        assert_silent(&text);
    }
}

#[test]
fn no_slip_of_the_finger_shows_a_secret() {
    let text = literal();
    for at in 0..text.len() {
        assert_silent(&text[..at]);
        let (before, after) = (&text[..at], &text[at + 1..]);
        for slip in ["", "\"", "'", "\n", "#", "=", "\"\"\""] {
            assert_silent(&format!("{before}{slip}{after}"));
        }
        for slip in ["\"", "\n"] {
            assert_silent(&format!("{before}{slip}{}", &text[at..]));
        }
    }
}

#[test]
fn a_variable_s_value_is_never_shown() {
    let text = literal().replace(CANARY, "${SECRET}").replace("certificates", "${TOPIC}//");
    let said = said(&text);
    assert!(said.contains("a topic is up to 249 letters"), "{said}");
    assert_silent(&text);
    assert_silent(&literal().replace("\"soc\", \"lake\"", "\"${SINK}\""));
}
