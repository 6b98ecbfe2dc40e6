//! Errors of a store, and what a response of S3 means. Pure, so that the table can be read and
//! tested.

use crate::error::{Code, Error};

/// An object could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct StoreError {
    /// What can be done about it.
    pub kind: StoreErrorKind,
    /// A sentence for the operator: location, the service's code, HTTP status and request id.
    pub text: String,
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::new(error.kind.code(), error.text)
    }
}

/// What went wrong with an object, by what can be done about it. The policy is the pipeline's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// 404 `NoSuchKey`, `NoSuchVersion`, `NoSuchBucket`: it does not exist (any more).
    Missing,
    /// 403 `AccessDenied`; without `s3:ListBucket` also S3's response to a missing key.
    Forbidden,
    /// KMS denied the key: disabled, not permitted, pending deletion.
    KmsDenied,
    /// `InvalidObjectState`: archived, not readable until restored.
    Archived,
    /// 412: changed since its notification or since the first read.
    Changed,
    /// Bucket, key or version cannot be requested: too long, or what none can be.
    InvalidName,
    /// 429 or `SlowDown`.
    Throttled,
    /// 5xx.
    Server,
    /// The body ended before its announced length, or the connection broke.
    ShortBody,
    /// No response in time.
    Timeout,
    /// No AWS credentials, or S3 rejects them: nothing is known of the object.
    Credentials,
    /// Anything else: DNS, TLS, an unknown code. Retried.
    Other,
}

impl StoreErrorKind {
    /// Returns the kind's code, for metrics and the runbook.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::Missing => Code::ObjectMissing,
            Self::Forbidden => Code::ObjectForbidden,
            Self::KmsDenied => Code::KmsDenied,
            Self::Archived => Code::ObjectArchived,
            Self::Changed => Code::ObjectChanged,
            Self::InvalidName => Code::ObjectNameInvalid,
            Self::Throttled => Code::S3Throttled,
            Self::Server => Code::S3ServerError,
            Self::ShortBody => Code::ShortBody,
            Self::Timeout => Code::S3Timeout,
            Self::Credentials => Code::S3Credentials,
            Self::Other => Code::S3Other,
        }
    }

    /// Classifies an error of the service. A known code decides, else the status.
    /// Source: Amazon S3 API Reference, "Error responses"; KMS's codes arrive prefixed with `KMS.`,
    /// its denials as `AccessDenied` with a message that names the KMS action.
    pub(super) fn classify(code: Option<&str>, message: Option<&str>, status: Option<u16>) -> Self {
        let code = code.unwrap_or_default();
        if CREDENTIAL_CODES.contains(&code) {
            return Self::Credentials;
        }
        // With the colon it is an action or an ARN: buckets and roles may have `kms` in their
        // names.
        let is_kms = code.starts_with("KMS.")
            || message.is_some_and(|message| message.to_ascii_lowercase().contains("kms:"));
        match (code, status) {
            ("NoSuchKey" | "NoSuchBucket" | "NoSuchVersion", _) => Self::Missing,
            ("InvalidObjectState", _) => Self::Archived,
            ("PreconditionFailed", _) => Self::Changed,
            ("KeyTooLongError" | "InvalidURI" | "InvalidBucketName", _) => Self::InvalidName,
            ("SlowDown" | "Throttling" | "ThrottlingException" | "TooManyRequests", _)
            | ("RequestLimitExceeded" | "BandwidthLimitExceeded" | "RequestThrottled", _) => {
                Self::Throttled
            }
            ("RequestTimeout", _) => Self::Timeout,
            (_, Some(429 | 503)) => Self::Throttled,
            (_, Some(500..=599)) => Self::Server,
            _ if is_kms => Self::KmsDenied,
            ("AccessDenied" | "AllAccessDisabled" | "AccountProblem", _) => Self::Forbidden,
            // 405: the version asked for is a delete marker.
            (_, Some(404 | 405)) => Self::Missing,
            (_, Some(403)) => Self::Forbidden,
            (_, Some(412)) => Self::Changed,
            (_, Some(408)) => Self::Timeout,
            _ => Self::Other,
        }
    }
}

/// Codes of 403 and 400 that concern our credentials or clock, not the object: waiting for the
/// object's policy to change would be wrong, and dead-lettering it for an expired token worse.
const CREDENTIAL_CODES: [&str; 8] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_response_has_its_kind() {
        use StoreErrorKind as Kind;
        let kms = "User is not authorized to perform: kms:Decrypt on this resource";
        let named = "User: arn:aws:sts::111122223333:assumed-role/certrelay-kms/x is not authorized \
                     to perform: s3:GetObject on resource: \"arn:aws:s3:::trail-kms/k\"";
        let table = [
            (Some("NoSuchKey"), "The specified key does not exist.", Some(404), Kind::Missing),
            (Some("NoSuchBucket"), "", Some(404), Kind::Missing),
            (Some("NoSuchVersion"), "", Some(404), Kind::Missing),
            (Some("MethodNotAllowed"), "a delete marker", Some(405), Kind::Missing),
            (None, "", Some(404), Kind::Missing),
            (Some("AccessDenied"), "Access Denied", Some(403), Kind::Forbidden),
            (Some("AllAccessDisabled"), "", Some(403), Kind::Forbidden),
            (None, "", Some(403), Kind::Forbidden),
            (Some("AccessDenied"), kms, Some(403), Kind::KmsDenied),
            (Some("AccessDenied"), named, Some(403), Kind::Forbidden),
            (Some("KMS.DisabledException"), "", Some(400), Kind::KmsDenied),
            (Some("KMS.KMSInvalidStateException"), "", Some(400), Kind::KmsDenied),
            (Some("KMS.NotFoundException"), "", Some(400), Kind::KmsDenied),
            (Some("InvalidObjectState"), "", Some(403), Kind::Archived),
            (Some("PreconditionFailed"), "", Some(412), Kind::Changed),
            (None, "", Some(412), Kind::Changed),
            (Some("KeyTooLongError"), "Your key is too long", Some(400), Kind::InvalidName),
            (Some("InvalidURI"), "Couldn't parse the URI.", Some(400), Kind::InvalidName),
            (Some("SlowDown"), "Please reduce your request rate.", Some(503), Kind::Throttled),
            (Some("ServiceUnavailable"), "", Some(503), Kind::Throttled),
            (Some("ThrottlingException"), "", Some(400), Kind::Throttled),
            (None, "", Some(429), Kind::Throttled),
            (Some("InternalError"), "", Some(500), Kind::Server),
            (Some("InternalError"), "kms is busy", Some(500), Kind::Server),
            (None, "", Some(502), Kind::Server),
            (Some("RequestTimeout"), "", Some(400), Kind::Timeout),
            (Some("ExpiredToken"), "The provided token has expired.", Some(400), Kind::Credentials),
            (Some("InvalidAccessKeyId"), "", Some(403), Kind::Credentials),
            (Some("SignatureDoesNotMatch"), "", Some(403), Kind::Credentials),
            (Some("RequestTimeTooSkewed"), "", Some(403), Kind::Credentials),
            (Some("PermanentRedirect"), "", Some(301), Kind::Other),
            (Some("SomethingNew"), "", Some(400), Kind::Other),
            (None, "", None, Kind::Other),
        ];
        for (code, message, status, kind) in table {
            assert_eq!(Kind::classify(code, Some(message), status), kind, "{code:?} {status:?}");
        }
    }
}
