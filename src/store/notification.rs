//! Pure: a message body → what it announces, auto-detected among the formats AWS uses.

use super::ObjectRef;
use crate::outcome::Why;

/// What a body says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// These objects arrived: every record of the body, in order.
    Objects(Vec<ObjectRef>),
    /// Understood, and there is nothing to fetch.
    Nothing(Nothing),
}

/// Why there is nothing to fetch. Counted under [`Nothing::code`], never dead-lettered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nothing {
    /// `s3:TestEvent`: the notification was just configured.
    TestEvent,
    /// CloudTrail's plain-text `CloudTrail validation message.`
    Validation,
    /// Only records of other kinds (`ObjectRemoved:*` …).
    NotCreated,
    /// SNS subscription confirmation.
    Subscription,
}

impl Nothing {
    /// The stable label.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TestEvent => "test_event",
            Self::Validation => "validation_message",
            Self::NotCreated => "not_created",
            Self::Subscription => "subscription",
        }
    }
}

/// Understands a body.
///
/// # Errors
/// Poison: not JSON, or JSON of no known kind. The text says what was seen, without the body.
pub fn parse(_body: &str) -> Result<Notification, Why> {
    todo!("source helper")
}
