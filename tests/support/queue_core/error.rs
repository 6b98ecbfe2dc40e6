//! The errors of SQS, under its own names.
//!
//! Source: Amazon SQS API Reference, "Errors" of each action; the texts of the two visibility
//! errors are AWS's own, which consumers are known to match on.

use std::fmt;

/// Why a call, or one entry of a batch call, failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueError {
    /// No queue of that name.
    QueueDoesNotExist,
    /// The queue never returned such a handle.
    ReceiptHandleIsInvalid,
    /// The message is not in flight: its visibility timeout ended.
    MessageNotInflight,
    /// A parameter out of its range, or a total visibility beyond twelve hours.
    InvalidParameterValue(String),
    /// A batch without entries.
    EmptyBatchRequest,
    /// A batch of more than ten.
    TooManyEntriesInBatchRequest,
    /// Two entries of a batch have the same id.
    BatchEntryIdsNotDistinct,
    /// An entry's id is empty, too long or has other characters than `[A-Za-z0-9_-]`.
    InvalidBatchEntryId,
    /// Too many messages in flight (120,000 in a standard queue).
    OverLimit,
    /// A seeded fault: AWS's side failed, and another attempt may succeed.
    InternalError,
}

impl QueueError {
    /// Returns the name of the shape in the JSON protocol.
    pub fn shape(&self) -> &'static str {
        match self {
            Self::QueueDoesNotExist => "QueueDoesNotExist",
            Self::ReceiptHandleIsInvalid => "ReceiptHandleIsInvalid",
            Self::MessageNotInflight => "MessageNotInflight",
            Self::InvalidParameterValue(_) => "InvalidParameterValueException",
            Self::EmptyBatchRequest => "EmptyBatchRequest",
            Self::TooManyEntriesInBatchRequest => "TooManyEntriesInBatchRequest",
            Self::BatchEntryIdsNotDistinct => "BatchEntryIdsNotDistinct",
            Self::InvalidBatchEntryId => "InvalidBatchEntryId",
            Self::OverLimit => "OverLimit",
            Self::InternalError => "InternalFailure",
        }
    }

    /// Returns the code of the older query protocol, which SDKs still report
    /// (`x-amzn-query-error`).
    pub fn code(&self) -> &'static str {
        match self {
            Self::QueueDoesNotExist => "AWS.SimpleQueueService.NonExistentQueue",
            Self::ReceiptHandleIsInvalid => "ReceiptHandleIsInvalid",
            Self::MessageNotInflight => "AWS.SimpleQueueService.MessageNotInflight",
            Self::InvalidParameterValue(_) => "InvalidParameterValue",
            Self::EmptyBatchRequest => "AWS.SimpleQueueService.EmptyBatchRequest",
            Self::TooManyEntriesInBatchRequest => {
                "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"
            }
            Self::BatchEntryIdsNotDistinct => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            Self::InvalidBatchEntryId => "AWS.SimpleQueueService.InvalidBatchEntryId",
            Self::OverLimit => "OverLimit",
            Self::InternalError => "InternalError",
        }
    }

    /// Returns whether another attempt cannot succeed.
    pub fn sender_fault(&self) -> bool {
        !matches!(self, Self::InternalError)
    }
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::QueueDoesNotExist => "The specified queue does not exist.",
            Self::ReceiptHandleIsInvalid => "The input receipt handle is invalid.",
            Self::MessageNotInflight => "The message referred to is not in flight.",
            Self::InvalidParameterValue(text) => text,
            Self::EmptyBatchRequest => {
                "There should be at least one batch request entry in the request."
            }
            Self::TooManyEntriesInBatchRequest => {
                "Maximum number of entries per request are 10."
            }
            Self::BatchEntryIdsNotDistinct => "Two or more batch entries in the request have the same Id.",
            Self::InvalidBatchEntryId => {
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."
            }
            Self::OverLimit => "Too many messages are in flight.",
            Self::InternalError => "An internal error occurred (seeded fault).",
        })
    }
}
