//! `scan --format table`: one line an event, for a person.

use crate::escape::escape;
use crate::event::Event;

/// The line above the table.
pub(super) const HEADER: &str = "time                  severity       account       event                      outcome  finding; caller → target\n";

/// Appends the line of an event.
pub(super) fn write(event: &Event, lines: &mut Vec<u8>) {
    let fields = &event.fields;
    let time = fields.time.map_or_else(
        || "-".to_owned(),
        |time| time.replace_nanosecond(0).unwrap_or(time).to_string().chars().take(19).collect(),
    );
    let finding = fields.findings.first().map_or("-", |finding| finding.rule.id);
    let name = |arn: &Option<String>| {
        let arn = arn.as_deref().unwrap_or("-");
        escape(arn.splitn(6, ':').nth(5).unwrap_or(arn)).into_owned()
    };
    let line = format!(
        "{time:<21} {:<14} {:<13} {:<26} {:<8} {finding}; {} → {}\n",
        fields.severity.as_str(),
        escape(fields.account.as_deref().unwrap_or("-")),
        escape(&fields.name),
        fields.outcome.as_str(),
        name(&fields.caller),
        name(&fields.target),
    );
    lines.extend_from_slice(line.as_bytes());
}
