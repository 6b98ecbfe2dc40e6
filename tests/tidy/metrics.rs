//! A metric that nobody can look up is noise: each one registered is in `docs/operations.md`, and
//! the page names none that is gone.

use std::collections::BTreeSet;

use super::tracked::sources;
use super::{Source, assert_none};

const PAGE: &str = "docs/operations.md";

/// Names given to a `register` call or macro, as they appear at `/metrics` without their suffixes:
/// the first literal within the call's first two arguments.
fn registered(source: &Source) -> Vec<String> {
    let code: String = source.code().iter().map(|(_, line)| *line).collect();
    let mut names = Vec::new();
    for call in [".register(", ".register_with_unit(", "register!("] {
        for (at, _) in code.match_indices(call) {
            let arguments = code[at + call.len()..].splitn(3, ',').take(2).map(str::trim_start);
            let literal = arguments.filter_map(|argument| argument.strip_prefix('"')).next();
            if let Some(name) = literal.and_then(|rest| rest.split('"').next()) {
                names.push(format!("certrelay_{name}"));
            }
        }
    }
    names
}

/// Every `certrelay_…` in code quotes on the page.
fn documented(page: &str) -> BTreeSet<&str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    page.split('`')
        .skip(1)
        .step_by(2)
        .filter(|quoted| quoted.starts_with("certrelay_"))
        .map(|quoted| quoted.split(|c| !is_word(c)).next().unwrap_or(quoted))
        .collect()
}

/// Prometheus adds the unit and `_total`, or `_info`; the page has the full name.
fn is_same(registered: &str, documented: &str) -> bool {
    let units = ["", "_seconds", "_bytes", "_info"];
    let rest = documented.strip_prefix(registered);
    rest.is_some_and(|rest| units.contains(&rest.strip_suffix("_total").unwrap_or(rest)))
}

fn metrics_rule(registered: &[String], page: &str) -> Vec<String> {
    let documented = documented(page);
    let unknown = registered
        .iter()
        .filter(|name| !documented.iter().any(|d| is_same(name, d)))
        .map(|name| format!("{name}: not in {PAGE}"));
    let gone = documented
        .iter()
        .filter(|d| !registered.iter().any(|name| is_same(name, d)))
        .map(|name| format!("{PAGE}: {name} is not registered in src/telemetry"));
    unknown.chain(gone).collect()
}

#[test]
fn every_metric_is_documented_and_no_other() {
    let sources = sources();
    let of_telemetry = |s: &&Source| s.is_rust() && s.path.starts_with("src/telemetry/");
    let names: Vec<String> = sources.iter().filter(of_telemetry).flat_map(registered).collect();
    assert!(!names.is_empty(), "no registered metric was found");
    let page = sources.iter().find(|source| source.path == PAGE).expect("the operator's page");
    assert_none(&metrics_rule(&names, &page.text));
}

#[test]
fn an_undocumented_and_a_vanished_metric_are_found() {
    let text =
        "registry.register(\n    \"sink_bytes\",\n    \"Help\", x);\nregister!(r, \"new\", \"\");";
    let names = registered(&Source::sample("src/telemetry/metrics.rs", text));
    assert_eq!(names, ["certrelay_sink_bytes", "certrelay_new"]);
    let complaints = metrics_rule(&names, "`certrelay_sink_bytes_total{sink}` and `certrelay_old`");
    assert_eq!(complaints.len(), 2, "{complaints:?}");
}
