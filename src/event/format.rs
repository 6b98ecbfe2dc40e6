//! An event as its readers want it: OCSF, or exactly the record.

use time::OffsetDateTime;

use super::caller::Caller;
use super::certificate::{self, Found};
use super::json::{self, Node, Value};
use super::redact::{self, Redaction};
use super::target::Target;
use super::{Event, cim, ecs, ocsf};
use crate::config::OutputFormat;

/// Appends `event` in `format` to `out`: one JSON object, no line end.
///
/// Every format is made from the redacted record. Rendering cannot fail: [`Event::read`] has made
/// sure that the record can be read, and what else is missing is left out.
pub fn render(event: &Event, format: OutputFormat, out: &mut Vec<u8>) {
    match format {
        OutputFormat::Raw => raw(event, out),
        OutputFormat::Ocsf => with_view(event, |view| write(&ocsf::object(view), out)),
        OutputFormat::Ecs => with_view(event, |view| write(&ecs::object(view), out)),
        OutputFormat::Cim => with_view(event, |view| write(&cim::object(view), out)),
    }
}

fn raw(event: &Event, out: &mut Vec<u8>) {
    let bytes = &event.record.bytes;
    let redactions = event.redactions.of(bytes);
    out.extend_from_slice(&redact::apply(bytes, &redactions, event.options.keep_pem));
}

/// Hands the event to `then`, with all that a format is made from.
pub(super) fn with_view<T>(event: &Event, then: impl FnOnce(&View<'_>) -> T) -> T {
    let bytes = &event.record.bytes;
    let redactions = event.redactions.of(bytes);
    let clean = redact::apply(bytes, &redactions, event.options.keep_pem);
    let root = json::parse(&clean).unwrap_or_else(|_| nothing());
    then(&View {
        event,
        root: &root,
        bytes: &clean,
        redactions: &redactions,
        target: &Target::of(&root, &event.fields),
        caller: &Caller::of(&root),
        certificates: &certificate::found(&redactions, bytes),
    })
}

/// All that a format is made from.
pub(super) struct View<'v> {
    /// The event.
    pub(super) event: &'v Event,
    /// Its record, redacted.
    pub(super) root: &'v Node<'v>,
    /// The redacted record's bytes.
    pub(super) bytes: &'v [u8],
    /// What was redacted.
    pub(super) redactions: &'v [Redaction],
    /// What the call acts on.
    pub(super) target: &'v Target,
    /// Who called.
    pub(super) caller: &'v Caller,
    /// The certificates in it.
    pub(super) certificates: &'v [Found],
}

impl View<'_> {
    /// When it happened, as far as anybody knows.
    pub(super) fn time(&self) -> OffsetDateTime {
        self.event.fields.time.or(self.event.delivered).unwrap_or(self.event.seen)
    }

    /// What happened, in one sentence.
    pub(super) fn message(&self) -> String {
        let fields = &self.event.fields;
        let target = self.target.phrase().map(|target| format!(" on {target}")).unwrap_or_default();
        let reason =
            fields.error_code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
        let actor = self.caller.phrase();
        format!("{} by {actor}{target}: {}{reason}", fields.name, fields.outcome.as_str())
    }
}

impl View<'_> {
    /// The JSON text of a value, as CloudTrail wrote it.
    pub(super) fn source_of(&self, node: &Node<'_>) -> String {
        String::from_utf8_lossy(&self.bytes[node.span.clone()]).into_owned()
    }

    /// [`View::source_of`] what stands at `path`, if it says anything; it counts as used.
    pub(super) fn take_source(&self, path: &str) -> Option<String> {
        let node = self.root.at(path).filter(|node| !node.is_nothing())?;
        node.mark_used();
        Some(self.source_of(node))
    }
}

fn nothing() -> Node<'static> {
    Node::new(0..0, Value::Null)
}

/// Writing to memory cannot fail, and our objects have only strings for names.
fn write(object: &serde_json::Value, out: &mut Vec<u8>) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, object).is_err() {
        out.truncate(start);
    }
}
