//! Parameter Store: the one call that reads a parameter. It is signed and sent here, because Systems Manager's SDK has as
//! many lines as the one for S3, the largest of the tree, and this is all that we want of it.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_types::service_config::ServiceConfigKey;
use reqwest::{Certificate, Client, redirect};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::super::aws::ca_bundle;
use crate::error::{Code, Error, causes};

/// Another endpoint: the first of the settings that may name one.
const ENDPOINT: &str = "AWS_ENDPOINT_URL_SSM";
/// What is called. Source: Systems Manager API, GetParameter.
const OPERATION: &str = "AmazonSSM.GetParameter";
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// Time for one try.
const TIMEOUT: Duration = Duration::from_secs(30);
/// A throttled or failing call is made again, as the SDKs do.
const TRIES: u32 = 3;
/// Most bytes of an answer that are read: a parameter has 8 KiB at most, in JSON six times as many.
const MOST_BODY: usize = 64 * 1024;

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Parameter")]
    parameter: Parameter,
}

#[derive(Deserialize)]
struct Parameter {
    #[serde(rename = "Value")]
    value: String,
}

/// AWS's words for a failure.
#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "__type", default)]
    kind: String,
    message: Option<String>,
    /// As some services spell it; moto sends both.
    #[serde(rename = "Message")]
    capital: Option<String>,
}

/// Why a try failed, and whether another one may not.
struct Fault {
    text: String,
    passes: bool,
}

/// The parameter's value, decrypted.
///
/// # Errors
/// AWS does not give it, with its code and request id; or there are no region or credentials to ask with.
pub(super) async fn read(aws: &SdkConfig, name: &str) -> Result<String, Error> {
    let failed = |text: String| Error::new(Code::ConfigurationUnreadable, text);
    let region = aws.region().map(ToString::to_string).ok_or_else(|| {
        failed("no region to look for the parameter in: set AWS_REGION, or name its ARN".to_owned())
    })?;
    let url = endpoint(aws, &region).map_err(failed)?;
    let client = client()?;
    let provider = aws.credentials_provider();
    let provider =
        provider.ok_or_else(|| failed("AWS's configuration brings no credentials".to_owned()))?;
    let credentials = provider
        .provide_credentials()
        .await
        .map_err(|fault| failed(format!("AWS gives no credentials: {}", causes(&fault))))?;
    let mut tries = 0;
    loop {
        tries += 1;
        let fault = match ask(&client, &url, &region, &credentials, name).await {
            Ok(value) => return Ok(value),
            Err(fault) => fault,
        };
        if tries >= TRIES || !fault.passes {
            return Err(failed(format!("cannot get parameter {name} from {url}: {}", fault.text)));
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(100..500 << tries))).await;
    }
}

/// Where requests go: what is configured, or AWS's own host.
fn endpoint(aws: &SdkConfig, region: &str) -> Result<Url, String> {
    let named = configured_endpoint(aws);
    let (fips, dual) = (aws.use_fips() == Some(true), aws.use_dual_stack() == Some(true));
    let url = match named {
        Some(url) => url,
        None => format!("https://{}/", host(region, fips, dual)?),
    };
    let parsed =
        Url::parse(&url).ok().filter(|url| url.has_host() && url.scheme().starts_with("http"));
    parsed.ok_or_else(|| {
        format!("{ENDPOINT}, AWS_ENDPOINT_URL or `endpoint_url` of the AWS profile is no URL")
    })
}

/// The endpoint that the environment names, or else the profile: in each that of Systems Manager, or else that of all
/// services; none where such settings are to be ignored. Source: "Service-specific endpoints" in AWS's SDKs and Tools
/// Reference Guide, and what AWS's own clients ask of their configuration.
fn configured_endpoint(aws: &SdkConfig) -> Option<String> {
    let of_all = || aws.endpoint_url().map(str::to_owned);
    if aws.get_origin("endpoint_url").is_client_config() {
        return of_all();
    }
    let key = ServiceConfigKey::builder().service_id("SSM");
    let key = key.env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok()?;
    let configured = aws.service_config().and_then(|settings| settings.load_config(key));
    configured.filter(|url| !url.is_empty()).or_else(of_all)
}

/// AWS's own host. Source: the endpoint rules of Systems Manager in AWS's SDKs.
fn host(region: &str, fips: bool, dual: bool) -> Result<String, String> {
    let [plain, both] = match region {
        region if region.starts_with("cn-") => ["amazonaws.com.cn", "api.amazonwebservices.com.cn"],
        region if region.contains("-iso") => {
            return Err(format!("the host of {region} is not known here: set {ENDPOINT}"));
        }
        _ => ["amazonaws.com", "api.aws"],
    };
    // In GovCloud the plain host is the FIPS one.
    let fips = fips && (dual || !region.starts_with("us-gov-"));
    let suffix = if dual { both } else { plain };
    Ok(format!("ssm{}.{region}.{suffix}", if fips { "-fips" } else { "" }))
}

fn client() -> Result<Client, Error> {
    let mut builder = Client::builder()
        .user_agent(concat!("certrelay/", env!("CARGO_PKG_VERSION")))
        // A redirect would carry the signature elsewhere.
        .redirect(redirect::Policy::none())
        .timeout(TIMEOUT);
    if let Some(pem) = ca_bundle()? {
        let trusted = Certificate::from_pem_bundle(&pem).map_err(|fault| {
            Error::new(Code::CaBundle, format!("AWS_CA_BUNDLE cannot be used: {fault}"))
        })?;
        builder = builder.tls_certs_only(trusted);
    }
    builder.build().map_err(|fault| {
        Error::new(Code::ConfigurationUnreadable, format!("no HTTP client: {fault:?}"))
    })
}

/// One try.
async fn ask(
    client: &Client,
    url: &Url,
    region: &str,
    credentials: &Credentials,
    name: &str,
) -> Result<String, Fault> {
    let body = json!({"Name": name, "WithDecryption": true}).to_string();
    let mut request = client.post(url.clone());
    for (header, value) in signed(url, region, credentials, &body)
        .map_err(|fault| Fault { text: format!("cannot be signed: {fault}"), passes: false })?
    {
        request = request.header(header, value);
    }
    let unanswered = |fault: reqwest::Error| Fault {
        text: format!("no answer: {}", causes(&fault.without_url())),
        passes: true,
    };
    let mut response = request.body(body).send().await.map_err(unanswered)?;
    let status = response.status().as_u16();
    let id = response.headers().get("x-amzn-requestid").and_then(|id| id.to_str().ok());
    let id = id.unwrap_or("none").to_owned();
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unanswered)? {
        answer.extend_from_slice(&chunk);
        if answer.len() > MOST_BODY {
            let text =
                format!("the answer is longer than 64 KiB (HTTP status {status}, request id {id})");
            return Err(Fault { text, passes: false });
        }
    }
    if status == 200 {
        let parsed = serde_json::from_slice::<Answer>(&answer);
        // The answer holds the value: it is not quoted.
        let unlike = || format!("the answer holds no parameter (HTTP status 200, request id {id})");
        return parsed
            .map(|answer| answer.parameter.value)
            .map_err(|_| Fault { text: unlike(), passes: false });
    }
    Err(refused(status, &id, &answer, region))
}

fn refused(status: u16, id: &str, answer: &[u8], region: &str) -> Fault {
    let refusal = serde_json::from_slice::<Refusal>(answer).ok();
    let (code, message) = match &refusal {
        Some(refusal) => {
            let message = refusal.message.as_deref().or(refusal.capital.as_deref());
            (refusal.kind.rsplit('#').next().unwrap_or_default(), message.unwrap_or("no message"))
        }
        None => ("no code", "the answer is not AWS's"),
    };
    let todo = match code {
        "AccessDeniedException" => "; allow ssm:GetParameter on it, and kms:Decrypt on its key",
        "ParameterNotFound" => "; it is looked for in the region of AWS_REGION, or of its ARN",
        _ => "",
    };
    let message: String = message.chars().take(500).collect();
    let text =
        format!("{code}: {message} (region {region}, HTTP status {status}, request id {id}){todo}");
    let passes = status >= 500 || status == 429 || code.starts_with("Throttl");
    Fault { text, passes }
}

/// The headers of a signed request.
fn signed(
    url: &Url,
    region: &str,
    credentials: &Credentials,
    body: &str,
) -> Result<Vec<(String, String)>, Box<dyn std::error::Error>> {
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("ssm")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let own = [("content-type", CONTENT_TYPE), ("x-amz-target", OPERATION)];
    let signable = SignableBody::Bytes(body.as_bytes());
    let request = SignableRequest::new("POST", url.as_str(), own.into_iter(), signable)?;
    let (signature, _) = sign(request, &params)?.into_parts();
    let made = signature.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(own.into_iter().chain(made).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_its_own_host() {
        for (region, fips, dual, expected) in [
            ("us-east-1", false, false, "ssm.us-east-1.amazonaws.com"),
            ("us-east-1", true, false, "ssm-fips.us-east-1.amazonaws.com"),
            ("us-gov-west-1", true, false, "ssm.us-gov-west-1.amazonaws.com"),
            ("eu-west-1", false, true, "ssm.eu-west-1.api.aws"),
            ("cn-north-1", false, false, "ssm.cn-north-1.amazonaws.com.cn"),
        ] {
            assert_eq!(host(region, fips, dual).as_deref(), Ok(expected));
        }
        assert!(host("us-iso-east-1", false, false).is_err());
    }

    #[test]
    fn a_refusal_names_aws_s_code_and_request_and_what_to_allow() {
        let answer =
            br#"{"__type":"com.amazonaws.ssm#AccessDeniedException","Message":"not authorized"}"#;
        let fault = refused(400, "r-1", answer, "us-east-1");
        for part in ["AccessDeniedException: not authorized", "request id r-1", "ssm:GetParameter"]
        {
            assert!(fault.text.contains(part), "{}", fault.text);
        }
        assert!(!fault.passes);
        assert!(refused(400, "r", br#"{"__type":"ThrottlingException"}"#, "x").passes);
        assert!(refused(503, "r", b"<html>", "x").passes);
        let both = br#"{"__type":"ParameterNotFound","message":"a","Message":"a"}"#;
        assert!(refused(400, "r", both, "x").text.starts_with("ParameterNotFound: a ("));
    }
}
