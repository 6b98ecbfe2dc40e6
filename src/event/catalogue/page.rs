//! The catalogue as a page of Markdown.

use std::fmt::Write;

use super::super::finding::{RULES, Rule};
use super::super::remedy::{Names, Remedy, WRONG_ADVICE};
use super::{CATALOGUE, Operation};

/// `docs/events.md`.
#[must_use]
pub fn page() -> String {
    let mut page = include_str!("intro.md").to_owned();
    page.push_str("\n## The twelve operations\n");
    CATALOGUE.iter().for_each(|one| operation(one, &mut page));
    page.push_str(FINDINGS);
    RULES.iter().for_each(|rule| finding(rule, &mut page));
    page.push_str(REMEDIES);
    for one in Remedy::ALL {
        one.examples().iter().for_each(|names| remedy(one, names, &mut page));
    }
    page.push_str("\n## Advice that is often given and wrong\n\n");
    for (advice, reason) in WRONG_ADVICE {
        line(&mut page, format_args!("- “{advice}” {reason}"));
    }
    page
}

const FINDINGS: &str = "
## Findings

A finding is a rule that one event met; an event's severity is that of its gravest finding, and informational without one.
Rules are stateless: what depends on several events is for the SIEM.

**Raised** by one step, however many reasons there are: root called; a user without a second factor; a long-term key; caller and
target of different accounts; an address outside `events.known_networks`; self-signed under `/cloudfront/`; by the credential
report, a caller without any MFA device, or an upload for a user who had an active signing certificate already; a denied call that
aimed at another user's signing certificates. **Lowered** where the caller is one of `events.expected_principals` (matched on the role's or user's own ARN,
never on a session's name): medium becomes low, high becomes medium; nothing is hidden, root is never expected. Successful reads
have no finding: scanners, consoles and Terraform list certificates every day.

`UpdateTrail` and `PutEventSelectors` are judged by their request: a flag that is off, a bucket or prefix (no record tells whether
it is another one), a topic or log group taken away, management events that are left out, or a request that the record lacks are
`trail-silenced`; anything else is `trail-changed`.

The ATT&CK techniques of `denied` below are those of a read. A denied write has those of what it would have done: T1098.001 for
an upload or update of a signing certificate, T1531 for its deletion, and for the rest those of the finding of its success.

| id | what | severity | ATT&CK |
|---|---|---|---|
";

const REMEDIES: &str = "
## Remedies

`certrelay explain` prints these with the event's own names; a word in capitals is what the record does not tell.
";

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(page, "{text}");
}

fn operation(operation: &Operation, page: &mut String) {
    let (id, caption) = operation.ocsf_activity();
    let (category, kinds) = operation.ecs_category();
    let rules = operation.rules.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    let remedies = operation.remedies.iter().map(|one| one.advice(&Names::default()).title);
    line(
        page,
        format_args!("\n### {}\n\n{}\n\n{}\n", operation.name, operation.means, operation.matters),
    );
    line(
        page,
        format_args!(
            "- OCSF activity {id} {caption}; ECS {} [{}]; CIM `{}`; severity {}",
            category.unwrap_or("none"),
            kinds.join(", "),
            operation.cim_action(),
            operation.severity.as_str()
        ),
    );
    line(page, format_args!("- findings: {rules}"));
    line(page, format_args!("- check: {}", operation.check.join(" ")));
    line(page, format_args!("- do: {}", remedies.collect::<Vec<_>>().join("; ")));
    for (code, meaning) in operation.errors {
        line(page, format_args!("- error `{code}`: {meaning}"));
    }
}

fn finding(rule: &Rule, page: &mut String) {
    let attack = rule.attack.iter().map(|one| match one.parent {
        Some(parent) => format!("{} {parent}: {}", one.id, one.name),
        None => format!("{} {}", one.id, one.name),
    });
    let attack = attack.collect::<Vec<_>>().join("; ");
    line(
        page,
        format_args!("| `{}` | {} | {} | {attack} |", rule.id, rule.title, rule.severity.as_str()),
    );
}

fn remedy(remedy: Remedy, names: &Names, page: &mut String) {
    let advice = remedy.advice(names);
    line(
        page,
        format_args!(
            "\n### {}\n\nMind: {}\n\nConsole: {}\n",
            advice.title, advice.mind, advice.console
        ),
    );
    line(page, format_args!("```sh\n{}\n```\n", advice.command_lines().join("\n")));
    let left = advice.to_fill_in();
    let left = left.iter().map(|(word, meaning)| format!("`{word}`: {meaning}"));
    let left = left.collect::<Vec<_>>().join("; ");
    if !left.is_empty() {
        line(page, format_args!("Fill in {left}.\n"));
    }
    line(page, format_args!("```python\nimport boto3\n\n{}```", advice.boto3));
}
