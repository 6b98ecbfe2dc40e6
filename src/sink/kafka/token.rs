//! The token that Amazon MSK takes for a login: the URL of a call of `kafka-cluster:Connect`, signed with SigV4 and
//! encoded as base64url. Source: AWS's own signers (`aws-msk-iam-auth`, `aws-msk-iam-sasl-signer-python`), which
//! write `kafka.REGION.amazonaws.com` in every partition.

use std::error::Error;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningParams, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use data_encoding::BASE64URL_NOPAD;
use url::Url;

/// For how long MSK takes a token. AWS's own signers know no other.
pub(super) const LIFETIME: Duration = Duration::from_secs(900);

/// What a token says that it was made by; not signed.
const USER_AGENT: &str = concat!("certrelay/", env!("CARGO_PKG_VERSION"));

/// The token for a cluster in `region`, as of `now`.
///
/// # Errors
/// `region` makes no host name, or the credentials cannot sign.
pub(super) fn signed(
    credentials: &Credentials,
    region: &str,
    now: SystemTime,
) -> Result<String, Box<dyn Error>> {
    let mut url = Url::parse(&format!(
        "https://kafka.{region}.amazonaws.com/?Action=kafka-cluster%3AConnect"
    ))?;
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(LIFETIME);
    let identity = credentials.clone().into();
    let params: SigningParams<'_> = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("kafka-cluster")
        .time(now)
        .settings(settings)
        .build()?
        .into();
    let request =
        SignableRequest::new("GET", url.as_str(), std::iter::empty(), SignableBody::Bytes(&[]))?;
    let (signature, _) = sign(request, &params)?.into_parts();
    for (name, value) in signature.params() {
        url.query_pairs_mut().append_pair(name, value);
    }
    url.query_pairs_mut().append_pair("User-Agent", USER_AGENT);
    Ok(BASE64URL_NOPAD.encode(url.as_str().as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// 2026-09-21T14:13:20Z.
    const NOW: Duration = Duration::from_secs(1_790_000_000);

    fn parameters(session: Option<&str>, region: &str) -> (Url, BTreeMap<String, String>) {
        let credentials = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            session.map(str::to_owned),
            None,
            "test",
        );
        let token = signed(&credentials, region, SystemTime::UNIX_EPOCH + NOW).unwrap();
        let text = String::from_utf8(BASE64URL_NOPAD.decode(token.as_bytes()).unwrap()).unwrap();
        let url = Url::parse(&text).unwrap();
        let pairs = url.query_pairs().into_owned().collect();
        (url, pairs)
    }

    /// The signatures were made by botocore's `SigV4QueryAuth`, as AWS's own signer in Python uses it.
    #[test]
    fn a_token_is_signed_as_botocore_signs_it() {
        for (session, region, signature) in [
            (None, "us-east-1", "44cc1f37dc56be32c2725e80bf17241c446a5c9ae3170ed47f4e51581554fe7b"),
            (
                Some("session+token/with=="),
                "eu-west-1",
                "a0a8d5534dc3622c57b7fd09563ca7d2c57f4fd618d404195076d75ac7a9c8d1",
            ),
        ] {
            let (url, pairs) = parameters(session, region);
            assert_eq!(url.host_str(), Some(format!("kafka.{region}.amazonaws.com").as_str()));
            assert_eq!(url.path(), "/");
            let scope =
                format!("AKIAIOSFODNN7EXAMPLE/20260921/{region}/kafka-cluster/aws4_request");
            let expected = [
                ("Action", Some("kafka-cluster:Connect")),
                ("X-Amz-Algorithm", Some("AWS4-HMAC-SHA256")),
                ("X-Amz-Credential", Some(scope.as_str())),
                ("X-Amz-Date", Some("20260921T141320Z")),
                ("X-Amz-Expires", Some("900")),
                ("X-Amz-SignedHeaders", Some("host")),
                ("X-Amz-Security-Token", session),
                ("X-Amz-Signature", Some(signature)),
                ("User-Agent", Some(USER_AGENT)),
            ];
            for (name, value) in expected {
                assert_eq!(pairs.get(name).map(String::as_str), value, "{name}");
            }
            assert_eq!(pairs.len(), expected.iter().filter(|(_, value)| value.is_some()).count());
        }
    }
}
