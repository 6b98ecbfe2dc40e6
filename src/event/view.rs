//! An event with its record parsed again: what formats and `explain` read.

use super::caller::Caller;
use super::certificate::{self, Found};
use super::json::{self, Node, Value};
use super::record::Event;
use super::redact::{self, Redaction};
use super::target::Target;

/// Redactions that an event lists. IAM's own calls have at most three; hostile records have
/// thousands, and each is an object in OCSF.
const MAX_LISTED: usize = 100;

/// Everything that a format is made from. All of it comes from the redacted record.
pub(crate) struct View<'v> {
    /// The event.
    pub(crate) event: &'v Event,
    /// Its redacted record.
    pub(crate) root: &'v Node<'v>,
    /// The redacted record's bytes.
    pub(crate) bytes: &'v [u8],
    /// The redacted spans, the first [`MAX_LISTED`] of them: the record has a placeholder for each.
    pub(crate) redactions: &'v [Redaction],
    /// What the call acts on.
    pub(crate) target: &'v Target,
    /// Who called.
    pub(crate) caller: &'v Caller,
    /// The certificates in the record.
    pub(crate) certificates: &'v [Found],
}

/// Calls `then` with the view of `event`.
pub(crate) fn with_view<T>(event: &Event, then: impl FnOnce(&View<'_>) -> T) -> T {
    let bytes = &event.record().bytes;
    let redactions = event.redactions.of(bytes);
    let clean = redact::apply(bytes, &redactions, event.options.keep_pem);
    // `Event::read` has parsed it: this cannot fail.
    let root = json::parse(&clean).unwrap_or_else(|_| Node::new(0..0, Value::Null));
    then(&View {
        event,
        root: &root,
        bytes: &clean,
        redactions: &redactions[..redactions.len().min(MAX_LISTED)],
        target: &Target::of(&root, event.fields.call()),
        caller: &Caller::of(&root),
        certificates: &certificate::found(&redactions, bytes),
    })
}

/// Appends the redacted record of `event` to `out`.
pub(crate) fn write_record(event: &Event, out: &mut Vec<u8>) {
    let bytes = &event.record().bytes;
    let redactions = event.redactions.of(bytes);
    out.extend_from_slice(&redact::apply(bytes, &redactions, event.options.keep_pem));
}

impl View<'_> {
    /// Returns what happened, in one sentence.
    pub(crate) fn message(&self) -> String {
        let fields = &self.event.fields;
        let target = self.target.phrase().map(|target| format!(" on {target}")).unwrap_or_default();
        let reason =
            fields.error_code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
        let actor = self.caller.phrase();
        format!("{} by {actor}{target}: {}{reason}", fields.name, fields.outcome.as_str())
    }

    /// Returns the JSON text of a value, as CloudTrail wrote it.
    pub(crate) fn source_of(&self, node: &Node<'_>) -> String {
        String::from_utf8_lossy(&self.bytes[node.span.clone()]).into_owned()
    }

    /// Returns [`View::source_of`] the value at `path` unless it is empty, and marks it as used.
    pub(crate) fn take_source(&self, path: &str) -> Option<String> {
        let node = self.root.at(path).filter(|node| !node.is_empty())?;
        node.mark_used();
        Some(self.source_of(node))
    }
}
