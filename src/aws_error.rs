//! How a failed call of AWS is reported, by every client alike.

use std::fmt::Write as _;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::RequestId as _;

use crate::error::{causes, find_cause};

/// What to check if AWS returns no credentials.
const CREDENTIALS_ADVICE: &str = "; check the task's role (on ECS), AWS_PROFILE or \
     AWS_ACCESS_KEY_ID, and the trust policy of a configured `role`";

/// Why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// There are no credentials to sign with.
    Credentials,
    /// No response in time.
    Timeout,
    /// No connection.
    Unreachable,
    /// The SDK did not send the request.
    NotSent,
    /// The service responded with an error, or with what is none of its responses.
    Response,
}

/// A failed call, without the SDK's error: that holds the response, which may hold a secret.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Why it failed.
    pub(crate) cause: Cause,
    /// HTTP status, if there was a response.
    pub(crate) status: Option<u16>,
    /// The service's code and message, or the chain of causes; HTTP status and request id, because
    /// that is what AWS Support asks for first; what to do if credentials are missing.
    pub(crate) text: String,
}

impl Failure {
    /// Describes `error`.
    pub(crate) fn of<E>(error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let cause = match error {
            _ if find_cause::<CredentialsError>(error).is_some() => Cause::Credentials,
            SdkError::TimeoutError(_) => Cause::Timeout,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Cause::Timeout,
            SdkError::DispatchFailure(_) => Cause::Unreachable,
            SdkError::ConstructionFailure(_) => Cause::NotSent,
            _ => Cause::Response,
        };
        let mut text = match (error.code(), error.message()) {
            (Some(code), message) => format!("{code}: {}", message.unwrap_or("no message")),
            (None, _) => causes(error),
        };
        let status = error.raw_response().map(|response| response.status().as_u16());
        let request_id = error.meta().request_id().unwrap_or("none");
        let shown = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        let _ = write!(text, " (HTTP status {shown}, request id {request_id})");
        if cause == Cause::Credentials {
            text.push_str(CREDENTIALS_ADVICE);
        }
        Self { cause, status, text }
    }
}
