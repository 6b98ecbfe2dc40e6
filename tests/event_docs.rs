//! `docs/events.md` is made from the code: operations, rules, remediations.

use std::fmt::Write;

use certrelay::event::{Names, OPERATIONS, Operation, RULES, Remediation, Rule};
use certrelay::format;

#[test]
fn the_events_page_is_up_to_date() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/events.md");
    if std::env::var_os("CERTRELAY_WRITE_DOCS").is_some() {
        std::fs::write(&path, page()).expect("written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/events.md is out of date: run the tests once with CERTRELAY_WRITE_DOCS=1"
    );
}

/// The text of `docs/events.md`.
fn page() -> String {
    let mut page = include_str!("fixtures/events/docs_intro.md").to_owned();
    page.push_str("\n## The twelve operations\n");
    OPERATIONS.iter().for_each(|one| operation(one, &mut page));
    page.push_str(FINDINGS);
    RULES.iter().for_each(|rule| finding(rule, &mut page));
    page.push_str(REMEDIATIONS);
    for one in Remediation::ALL {
        one.examples().iter().for_each(|names| remediation(one, names, &mut page));
    }
    page.push_str("\n## Advice that is often given and wrong\n\n");
    for (advice, reason) in WRONG_ADVICE {
        line(&mut page, format_args!("- “{advice}” {reason}"));
    }
    page
}

const FINDINGS: &str = "
## Findings

A finding is a rule that one event matched; an event's severity is the highest of its findings, and informational without one.
Rules are stateless: what depends on several events is for the SIEM.

**Raised** by one step, however many reasons there are: root called; a user without MFA; a long-term key; caller and
target of different accounts; an address outside `events.known_networks`; self-signed under `/cloudfront/`; by the credential
report, a caller without any MFA device, or an upload for a user who had an active signing certificate already; a denied call on
another user's signing certificates. **Lowered** where the caller is one of `events.expected_principals` (matched on the role's or user's own ARN,
never on a session's name): medium becomes low, high becomes medium; nothing is hidden, root is never expected. Successful reads
have no finding: scanners, consoles and Terraform list certificates every day.

`UpdateTrail` and `PutEventSelectors` are judged by their request: a flag that is off, a bucket or prefix (no record states whether
it is another one), a topic or log group removed, management events that are excluded, or a request that the record lacks are
`trail-silenced`; anything else is `trail-changed`.

The ATT&CK techniques of `denied` below are those of a read. A denied write has those of what it would have done: T1098.001 for
an upload or update of a signing certificate, T1531 for its deletion, and for the rest those of the finding of its success.

| id | what | severity | ATT&CK |
|---|---|---|---|
";

const REMEDIATIONS: &str = "
## Remediations

`certrelay explain` prints these with the event's own names; a word in capitals is what the record does not state.
";

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(page, "{text}");
}

fn operation(operation: &Operation, page: &mut String) {
    let (id, caption) = format::ocsf_activity(operation.name);
    let (category, kinds) = format::ecs_category(operation.name);
    let rules = operation.rules.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    let remediations = operation.remediations.iter().map(|one| one.advice(&Names::default()).title);
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
            format::cim_action(operation.name),
            operation.severity.as_str()
        ),
    );
    line(page, format_args!("- findings: {rules}"));
    line(page, format_args!("- check: {}", operation.check.join(" ")));
    line(page, format_args!("- do: {}", remediations.collect::<Vec<_>>().join("; ")));
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

fn remediation(remediation: Remediation, names: &Names, page: &mut String) {
    let advice = remediation.advice(names);
    line(
        page,
        format_args!(
            "\n### {}\n\nNote: {}\n\nConsole: {}\n",
            advice.title, advice.note, advice.console
        ),
    );
    line(page, format_args!("```sh\n{}\n```\n", advice.command_lines().join("\n")));
    let left = advice.placeholders();
    let left = left.iter().map(|(word, meaning)| format!("`{word}`: {meaning}"));
    let left = left.collect::<Vec<_>>().join("; ");
    if !left.is_empty() {
        line(page, format_args!("Fill in {left}.\n"));
    }
    line(page, format_args!("```python\nimport boto3\n\n{}```", advice.boto3));
}

/// Common advice that is wrong, with the reason.
const WRONG_ADVICE: [(&str, &str); 11] = [
    (
        "Detach the signing certificate from the role.",
        "Roles have none: signing certificates belong to users and to root.",
    ),
    (
        "Set a password policy with `update-login-profile`.",
        "It changes one user's password; the policy is the account's, `update-account-password-policy`.",
    ),
    (
        "Read the password with `get_login_profile`.",
        "It returns the date and whether a reset is required, never a password.",
    ),
    (
        "Turn on MFA with one call.",
        "It takes a device and two consecutive codes from it; `enable-mfa-device` alone has neither.",
    ),
    (
        "Look at `LastUsedDate` in `list_access_keys`.",
        "It is not there; `get_access_key_last_used` has it, one key at a time.",
    ),
    (
        "Compare `CreateDate` with `datetime.now()`.",
        "One is aware of its time zone, the other is not: Python refuses. Use `datetime.now(timezone.utc)`.",
    ),
    (
        "Call `list_users()` once.",
        "It returns a page of at most 100 by default; use the paginator.",
    ),
    (
        "Delete the old key when the new one is made.",
        "What still uses it breaks. Make it Inactive, look at its last use, delete it later.",
    ),
    ("Tighten the password policy.", "Hygiene; a signing certificate needs no password."),
    ("Require MFA.", "Hygiene; a signature with a certificate asks for no second factor."),
    (
        "Refuse TLS below 1.2.",
        "AWS endpoints have refused it themselves since 2024; an old version in a record is history.",
    ),
];
