//! AWS's SDK configuration, one per role and region: credentials, endpoints, trust, proxies.
//!
//! The SDK honours the environment and the profile by itself (`AWS_USE_FIPS_ENDPOINT`,
//! `AWS_ENDPOINT_URL_*`, `HTTPS_PROXY` …). What it does not honour is implemented here
//! (`AWS_CA_BUNDLE`) or rejected.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};

use crate::config::{Aws, Role};
use crate::error::{Code, Error};

/// Session name, as `CloudTrail` records it in the account that owns the role.
const SESSION_NAME: &str = "certrelay";

/// Longest session that every role allows; the SDK renews the credentials before they expire.
const SESSION_LENGTH: Duration = Duration::from_secs(3600);

/// Variable with a file of PEM certificates to trust instead of the system's, as in the AWS CLI and
/// older SDKs.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// The SDK configurations created so far, so that clients of one role and region share its
/// credentials.
pub(super) struct AwsConfigs {
    base: Option<SdkConfig>,
    configs: BTreeMap<(Option<Role>, String), SdkConfig>,
}

impl AwsConfigs {
    /// Creates an empty cache; `base` replaces the environment's configuration.
    pub(super) fn new(base: Option<SdkConfig>) -> Self {
        Self { base, configs: BTreeMap::new() }
    }

    /// Returns the configuration for `region` with the credentials of `role`, or with the process's
    /// own.
    ///
    /// # Errors
    /// The SDK cannot be configured as the environment asks.
    pub(super) async fn get(
        &mut self,
        role: Option<&Role>,
        region: &str,
        settings: &Aws,
    ) -> Result<SdkConfig, Error> {
        let key = (role.cloned(), region.to_owned());
        if let Some(config) = self.configs.get(&key) {
            return Ok(config.clone());
        }
        let base = match &self.base {
            Some(base) => base.clone(),
            None => {
                let loaded = load(Some(region)).await?;
                check_endpoint_conflict(&loaded, settings)?;
                self.base.insert(loaded).clone()
            }
        };
        let own = base.into_builder().region(Region::new(region.to_owned())).build();
        let config = match role {
            None => own,
            Some(role) => assume(role, own).await,
        };
        self.configs.insert(key, config.clone());
        Ok(config)
    }
}

/// Loads the environment's configuration, for `region` or else for the environment's own region, if
/// it names one.
///
/// # Errors
/// The SDK cannot be configured as the environment asks.
pub(super) async fn load(region: Option<&str>) -> Result<SdkConfig, Error> {
    let mut loader = aws_config::from_env();
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some(pem) = ca_bundle()? {
        loader = with_ca_bundle(loader, pem)?;
    }
    Ok(loader.load().await)
}

/// Returns the PEM file that `AWS_CA_BUNDLE` names.
///
/// # Errors
/// The file cannot be read.
fn ca_bundle() -> Result<Option<Vec<u8>>, Error> {
    let Some(path) = std::env::var_os(CA_BUNDLE).filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let pem = std::fs::read(&path).map_err(|cause| {
        Error::caused(Code::CaBundle, format!("{CA_BUNDLE} = {}", path.display()), cause)
    })?;
    Ok(Some(pem))
}

/// Replaces the trust store of the SDK's default client. The PEM is parsed by the first use.
fn with_ca_bundle(loader: ConfigLoader, pem: Vec<u8>) -> Result<ConfigLoader, Error> {
    if !pem.windows(5).any(|five| five == b"-----") {
        return Err(Error::new(Code::CaBundle, format!("{CA_BUNDLE} has no PEM certificate")));
    }
    let trust = TrustStore::empty().with_pem_certificate(pem);
    let context = TlsContext::builder().with_trust_store(trust).build();
    let context = context.map_err(|cause| {
        Error::caused(Code::CaBundle, format!("{CA_BUNDLE} cannot be used"), cause)
    })?;
    let client = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context.clone())
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    });
    Ok(loader.http_client(client))
}

/// Rejects an endpoint combined with FIPS or dual-stack: the SDK rejects the pair at every call, so
/// it is reported once, before the first.
fn check_endpoint_conflict(config: &SdkConfig, settings: &Aws) -> Result<(), Error> {
    let endpoints = [
        ("s3_endpoint", &settings.s3_endpoint),
        ("sqs_endpoint", &settings.sqs_endpoint),
        ("secretsmanager_endpoint", &settings.secretsmanager_endpoint),
    ];
    let variables = [
        ("AWS_USE_FIPS_ENDPOINT", config.use_fips()),
        ("AWS_USE_DUALSTACK_ENDPOINT", config.use_dual_stack()),
    ];
    let setting = endpoints.iter().find(|(_, endpoint)| endpoint.is_some());
    let variable = variables.iter().find(|(_, enabled)| *enabled == Some(true));
    let (Some((setting, _)), Some((variable, _))) = (setting, variable) else { return Ok(()) };
    let text = format!(
        "[aws] {setting} conflicts with {variable}: set {setting} to the FIPS or dual-stack host \
         and unset {variable}, or remove {setting}"
    );
    Err(Error::new(Code::EndpointConflict, text))
}

/// Replaces the credentials by those of `role`, from STS in the same region and renewed before they
/// expire.
async fn assume(role: &Role, config: SdkConfig) -> SdkConfig {
    let mut provider = AssumeRoleProvider::builder(&role.arn)
        .session_name(SESSION_NAME)
        .session_length(SESSION_LENGTH)
        .configure(&config);
    if let Some(external_id) = &role.external_id {
        provider = provider.external_id(external_id);
    }
    let provider = SharedCredentialsProvider::new(provider.build().await);
    config.into_builder().credentials_provider(provider).build()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_credential_types::Credentials;
    use aws_credential_types::provider::ProvideCredentials;
    use axum::Router;
    use axum::http::HeaderMap;
    use parking_lot::Mutex;
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    use super::*;

    const RESPONSE: &str = "
        <AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>
        <AssumedRoleUser><AssumedRoleId>AROAEXAMPLE:certrelay</AssumedRoleId>
        <Arn>arn:aws:sts::444455556666:assumed-role/reader/certrelay</Arn></AssumedRoleUser>
        <Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId>
        <SecretAccessKey>example</SecretAccessKey><SessionToken>example</SessionToken>
        <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>
        </AssumeRoleResult></AssumeRoleResponse>";

    /// STS on loopback: records every request and returns the same response to each.
    async fn sts() -> (String, Arc<Mutex<Vec<String>>>, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let endpoint = format!("http://{}", listener.local_addr().expect("address"));
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let recorded = Arc::clone(&requests);
        let respond = async move |headers: HeaderMap, body: String| {
            recorded.lock().push(format!("{headers:?} {body}"));
            ([("content-type", "text/xml")], RESPONSE)
        };
        let mut server = JoinSet::new();
        server.spawn(async move {
            let _ = axum::serve(listener, Router::new().fallback(respond)).await;
        });
        (endpoint, requests, server)
    }

    async fn base(endpoint: &str) -> SdkConfig {
        let own = Credentials::new("AKIAEXAMPLE", "example", None, None, "test");
        let loader =
            aws_config::from_env().region(Region::new("us-east-1")).credentials_provider(own);
        loader.endpoint_url(endpoint).load().await
    }

    #[tokio::test]
    async fn a_role_is_assumed_once_per_region_at_sts_of_that_region() {
        let (endpoint, requests, _task) = sts().await;
        let mut configs = AwsConfigs::new(Some(base(&endpoint).await));
        let role = Role {
            arn: "arn:aws:iam::444455556666:role/reader".to_owned(),
            external_id: Some("from-the-other-side".to_owned()),
        };
        let settings = Aws::default();
        let config =
            configs.get(Some(&role), "eu-west-1", &settings).await.expect("a configuration");
        assert!(requests.lock().is_empty(), "no request before the first use");
        let credentials =
            config.credentials_provider().expect("a provider").provide_credentials().await;
        assert_eq!(credentials.expect("assumed").access_key_id(), "ASIAEXAMPLE");
        let request = requests.lock()[0].clone();
        for part in [
            "Action=AssumeRole",
            "RoleArn=arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2Freader",
            "RoleSessionName=certrelay",
            "ExternalId=from-the-other-side",
            "/eu-west-1/sts/",
        ] {
            assert!(request.contains(part), "{part} in {request}");
        }
        assert_eq!(config.region().map(Region::as_ref), Some("eu-west-1"));

        configs.get(Some(&role), "eu-west-1", &settings).await.expect("a configuration");
        configs.get(Some(&role), "us-east-1", &settings).await.expect("a configuration");
        configs.get(None, "us-east-1", &settings).await.expect("a configuration");
        assert_eq!(configs.configs.len(), 3, "one configuration per role and region");
    }

    #[test]
    fn a_configured_endpoint_conflicts_with_fips_and_dual_stack() {
        let settings = Aws { s3_endpoint: "https://s3.example.com".parse().ok(), ..Aws::default() };
        let plain = SdkConfig::builder().build();
        assert_eq!(check_endpoint_conflict(&plain, &settings), Ok(()));
        for config in
            [SdkConfig::builder().use_fips(true), SdkConfig::builder().use_dual_stack(true)]
        {
            let config = config.build();
            assert_eq!(check_endpoint_conflict(&config, &Aws::default()), Ok(()));
            let error = check_endpoint_conflict(&config, &settings).expect_err("rejected");
            assert!(
                error.text.contains("s3_endpoint") && error.text.contains("AWS_USE_"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_ca_bundle_without_a_certificate_is_rejected() {
        let error =
            with_ca_bundle(aws_config::from_env(), b"not PEM".to_vec()).expect_err("rejected");
        assert_eq!(error.code, Code::CaBundle);
    }
}
