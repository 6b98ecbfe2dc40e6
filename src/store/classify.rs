//! What an answer of S3 means, by its code and status. Pure, so that the table can be read and tested.

use super::StoreErrorKind;

/// Codes of 403 and 400 that speak of our credentials or clock, not of the object: waiting for the
/// object's policy to change would be wrong, and dead-lettering it for an expired token worse.
const OURS: [&str; 8] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
];

/// The kind of a service's error. The code decides where it is known, and the status where not.
/// Source: Amazon S3 API Reference, "Error responses"; KMS's codes arrive prefixed with `KMS.`, its
/// refusals as `AccessDenied` with a message that names the KMS action.
pub(super) fn classify(
    code: Option<&str>,
    message: Option<&str>,
    status: Option<u16>,
) -> StoreErrorKind {
    use StoreErrorKind as Kind;
    let code = code.unwrap_or_default();
    if OURS.contains(&code) {
        return Kind::Credentials;
    }
    // With the colon it is an action or an ARN: buckets and roles may have `kms` in their names.
    let of_kms = code.starts_with("KMS.")
        || message.is_some_and(|message| message.to_ascii_lowercase().contains("kms:"));
    match (code, status) {
        ("NoSuchKey" | "NoSuchBucket" | "NoSuchVersion", _) => Kind::Missing,
        ("InvalidObjectState", _) => Kind::Archived,
        ("PreconditionFailed", _) => Kind::Changed,
        ("SlowDown" | "Throttling" | "ThrottlingException" | "TooManyRequests", _) => {
            Kind::Throttled
        }
        ("RequestLimitExceeded" | "BandwidthLimitExceeded" | "RequestThrottled", _) => {
            Kind::Throttled
        }
        ("RequestTimeout", _) => Kind::Timeout,
        (_, Some(429 | 503)) => Kind::Throttled,
        (_, Some(500..=599)) => Kind::Server,
        _ if of_kms => Kind::KmsDenied,
        ("AccessDenied" | "AllAccessDisabled" | "AccountProblem", _) => Kind::Forbidden,
        // 405: the version asked for is a delete marker.
        (_, Some(404 | 405)) => Kind::Missing,
        (_, Some(403)) => Kind::Forbidden,
        (_, Some(412)) => Kind::Changed,
        (_, Some(408)) => Kind::Timeout,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_its_kind() {
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
            assert_eq!(classify(code, Some(message), status), kind, "{code:?} {status:?}");
        }
    }
}
