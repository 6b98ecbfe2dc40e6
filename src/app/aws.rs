//! AWS's own configuration, once per role and region: credentials, endpoints, trust, proxies.
//!
//! What the environment and the profile say (`AWS_USE_FIPS_ENDPOINT`, `AWS_ENDPOINT_URL_*`, `HTTPS_PROXY` …)
//! the SDK honours by itself. What it does not honour is done here (`AWS_CA_BUNDLE`) or refused.

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

/// Names our sessions in the `CloudTrail` of the account that owns the role.
const SESSION: &str = "certrelay";

/// As long as every role allows; the SDK renews before the end.
const SESSION_LENGTH: Duration = Duration::from_secs(3600);

/// PEM certificates to trust instead of the system's, as in AWS's command line and older SDKs.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// The configurations made so far, so that clients of one role and region share its credentials.
pub(super) struct Configurations {
    base: Option<SdkConfig>,
    made: BTreeMap<(Option<Role>, String), SdkConfig>,
}

impl Configurations {
    /// With `base` as the environment, where a caller brings one.
    pub(super) fn new(base: Option<SdkConfig>) -> Self {
        Self { base, made: BTreeMap::new() }
    }

    /// The configuration for `region` with the rights of `role`, or with the process's own.
    ///
    /// # Errors
    /// What the environment asks for and cannot be had.
    pub(super) async fn of(
        &mut self,
        role: Option<&Role>,
        region: &str,
        settings: &Aws,
    ) -> Result<SdkConfig, Error> {
        let key = (role.cloned(), region.to_owned());
        if let Some(made) = self.made.get(&key) {
            return Ok(made.clone());
        }
        let base = match &self.base {
            Some(base) => base.clone(),
            None => {
                let loaded = load(Some(region)).await?;
                refuse_contradictions(&loaded, settings)?;
                self.base.insert(loaded).clone()
            }
        };
        let here = base.into_builder().region(Region::new(region.to_owned())).build();
        let config = match role {
            None => here,
            Some(role) => assume(role, here).await,
        };
        self.made.insert(key, config.clone());
        Ok(config)
    }
}

/// What the environment says; without `region` in the environment's own, if it names one.
///
/// # Errors
/// What the environment asks for and cannot be had.
pub(super) async fn load(region: Option<&str>) -> Result<SdkConfig, Error> {
    let mut loader = aws_config::from_env();
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some(pem) = ca_bundle()? {
        loader = trusting(loader, pem)?;
    }
    Ok(loader.load().await)
}

/// The authorities that AWS's clients are to trust instead of the system's.
///
/// # Errors
/// The file cannot be read.
pub(super) fn ca_bundle() -> Result<Option<Vec<u8>>, Error> {
    let Some(path) = std::env::var_os(CA_BUNDLE).filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let pem = std::fs::read(&path).map_err(|cause| {
        let text = format!("{CA_BUNDLE} = {}: {cause}", path.display());
        Error::new(Code::CaBundle, text)
    })?;
    Ok(Some(pem))
}

/// The SDK's own default client, but for the authorities it trusts. The PEM is read by the first use.
fn trusting(loader: ConfigLoader, pem: Vec<u8>) -> Result<ConfigLoader, Error> {
    if !pem.windows(5).any(|five| five == b"-----") {
        return Err(Error::new(Code::CaBundle, format!("{CA_BUNDLE} holds no PEM certificate")));
    }
    let trust = TrustStore::empty().with_pem_certificate(pem);
    let context = TlsContext::builder().with_trust_store(trust).build().map_err(|cause| {
        Error::new(Code::CaBundle, format!("{CA_BUNDLE} cannot be used: {cause}"))
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

/// The SDK refuses such a pair at every single call; better said once, before the first.
fn refuse_contradictions(config: &SdkConfig, settings: &Aws) -> Result<(), Error> {
    let endpoints = [
        ("s3_endpoint", &settings.s3_endpoint),
        ("sqs_endpoint", &settings.sqs_endpoint),
        ("secretsmanager_endpoint", &settings.secretsmanager_endpoint),
    ];
    let variables = [
        ("AWS_USE_FIPS_ENDPOINT", config.use_fips()),
        ("AWS_USE_DUALSTACK_ENDPOINT", config.use_dual_stack()),
    ];
    let written = endpoints.iter().find(|(_, endpoint)| endpoint.is_some());
    let asked = variables.iter().find(|(_, on)| *on == Some(true));
    let (Some((setting, _)), Some((variable, _))) = (written, asked) else { return Ok(()) };
    let text = format!(
        "[aws] {setting} and {variable} contradict each other: write the FIPS or dual-stack host \
         into {setting} and unset {variable}, or remove {setting}"
    );
    Err(Error::new(Code::EndpointConflict, text))
}

/// The credentials of `role`, taken from STS's endpoint in the same region and renewed before they end.
async fn assume(role: &Role, config: SdkConfig) -> SdkConfig {
    let mut provider = AssumeRoleProvider::builder(&role.arn)
        .session_name(SESSION)
        .session_length(SESSION_LENGTH)
        .configure(&config);
    if let Some(external_id) = &role.external_id {
        provider = provider.external_id(external_id);
    }
    let provider = SharedCredentialsProvider::new(provider.build().await);
    config.into_builder().credentials_provider(provider).build()
}

#[cfg(test)]
mod tests;
