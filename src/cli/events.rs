//! `events`: the catalogue, for a terminal and for programs. `docs/events.md` has the same in full.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::output::print;
use crate::event::{Names, OPERATIONS, Operation, RULES};
use crate::format::{cim_action, ecs_category, ocsf_activity};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print one JSON object per line, with everything about each event
    #[arg(long)]
    json: bool,
}

pub(super) fn events(args: &Args) -> ExitCode {
    let mut text = String::new();
    if !args.json {
        text.push_str(&row(["EVENT", "SEVERITY", "MEANING"]));
    }
    for operation in &OPERATIONS {
        text.push_str(&if args.json {
            format!("{}\n", to_json(operation))
        } else {
            row([operation.name, operation.severity.as_str(), operation.means])
        });
    }
    print(&text)
}

fn row([name, severity, means]: [&str; 3]) -> String {
    format!("{name:<26} {severity:<14} {means}\n")
}

fn to_json(operation: &Operation) -> Value {
    let (activity_id, activity) = ocsf_activity(operation.name);
    let (category, kinds) = ecs_category(operation.name);
    let rules = RULES.iter().filter(|rule| operation.rules.contains(&rule.id));
    let findings = rules.map(|rule| {
        let attack = rule.techniques(operation.name).iter().map(|one| one.id).collect::<Vec<_>>();
        json!({
            "id": rule.id,
            "title": rule.title,
            "severity": rule.severity.as_str(),
            "attack": attack,
        })
    });
    let remediations = operation.remediations.iter().map(|one| one.advice(&Names::default()).title);
    let errors =
        operation.errors.iter().map(|(code, meaning)| json!({ "code": code, "means": meaning }));
    json!({
        "name": operation.name,
        "source": crate::config::IAM_EVENT_SOURCE,
        "means": operation.means,
        "matters": operation.matters,
        "severity": operation.severity.as_str(),
        "ocsf": { "activity_id": activity_id, "activity_name": activity },
        "ecs": { "category": category, "type": kinds },
        "cim": { "action": cim_action(operation.name) },
        "findings": findings.collect::<Vec<_>>(),
        "errors": errors.collect::<Vec<_>>(),
        "check": operation.check,
        "remediations": remediations.collect::<Vec<_>>(),
    })
}
