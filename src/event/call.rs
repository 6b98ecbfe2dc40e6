//! The API call of a record: the operation, where it was called, and its outcome.

use super::json::Node;

/// Whether the call succeeded: `errorCode` or `errorMessage` present means failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallOutcome {
    /// AWS performed the operation.
    Success,
    /// AWS denied the call or failed; a denied attempt is a signal too.
    Failure,
}

impl CallOutcome {
    /// Returns `success` or `failure`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }

    /// Returns the outcome of a record.
    pub(super) fn of(root: &Node<'_>) -> Self {
        match root.text("errorCode").or_else(|| root.text("errorMessage")) {
            Some(_) => Self::Failure,
            None => Self::Success,
        }
    }
}

/// One API call, borrowed from [`super::Fields`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'c> {
    /// `eventName`.
    pub(crate) name: &'c str,
    /// `eventSource`.
    pub(crate) source: &'c str,
    /// `recipientAccountId`, else `userIdentity.accountId`.
    pub(crate) account: Option<&'c str>,
    /// `awsRegion`.
    pub(crate) region: Option<&'c str>,
    /// `userIdentity.arn`.
    pub(crate) principal: Option<&'c str>,
    /// By `errorCode` and `errorMessage`.
    pub(crate) outcome: CallOutcome,
    /// `errorCode`.
    pub(crate) error_code: Option<&'c str>,
}

impl Call<'_> {
    /// Returns whether IAM was called.
    pub(super) fn is_of_iam(&self) -> bool {
        self.source == crate::config::IAM_EVENT_SOURCE
    }

    /// Returns whether this operation of IAM was called.
    pub(super) fn is_iam(&self, operation: &str) -> bool {
        self.is_of_iam() && self.name == operation
    }

    /// Returns whether permission was denied, by the error codes of AWS services.
    pub(crate) fn was_denied(&self) -> bool {
        self.error_code.is_some_and(|code| {
            ["AccessDenied", "Unauthorized", "NotAuthorized"].iter().any(|one| code.contains(one))
        })
    }

    /// Returns whether AWS performed the operation.
    pub(super) fn succeeded(&self) -> bool {
        self.outcome == CallOutcome::Success
    }
}
