//! Secrets in AWS Secrets Manager, read once before the first event so that an error shows at
//! start-up. The only file that names `aws_sdk_secretsmanager`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use futures_util::future::BoxFuture;
use url::Url;

use crate::app::aws::AwsConfigs;
use crate::app::build::first_region;
use crate::aws_error::Failure;
use crate::config::{Config, Stage, Version, Versions};
use crate::error::{Code, Error};

/// Longest time of one read, retries of the SDK included: a sink waits for it.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Connects every such secret to its client and reads it; returns each result with the secret's
/// name, never its value. Afterwards the sinks refresh the secrets themselves.
///
/// # Errors
/// AWS's clients cannot be configured as the environment asks.
pub async fn secrets(
    config: &Config,
    aws: Option<SdkConfig>,
) -> Result<Vec<(String, Result<(), Error>)>, Error> {
    let endpoint = config.aws.secretsmanager_endpoint.as_ref().map(Url::as_str);
    let mut configs = AwsConfigs::new(aws);
    let mut clients: BTreeMap<String, Arc<dyn Versions>> = BTreeMap::new();
    let mut results = Vec::new();
    for secret in config.aws_secrets() {
        let region = secret.region().map_or_else(|| first_region(config), str::to_owned);
        let client = match clients.get(&region) {
            Some(client) => client,
            None => {
                let own = configs.get(None, &region, &config.aws).await?;
                let client = Arc::new(SecretsManager::new(&own, endpoint));
                clients.entry(region).or_insert(client)
            }
        };
        secret.connect(Arc::clone(client));
        results.push((format!("{secret:?}"), secret.renew().await));
    }
    Ok(results)
}

/// Secrets Manager's client for one region.
struct SecretsManager(Client);

impl SecretsManager {
    /// Creates the client; connects to nothing yet.
    fn new(config: &SdkConfig, endpoint: Option<&str>) -> Self {
        let timeouts = config.timeout_config().map(TimeoutConfig::to_builder).unwrap_or_default();
        let mut builder = aws_sdk_secretsmanager::config::Builder::from(config)
            .timeout_config(timeouts.operation_timeout(TIMEOUT).build());
        if let Some(endpoint) = endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        Self(Client::from_conf(builder.build()))
    }

    async fn read(&self, id: &str, stage: Stage) -> Result<Option<Version>, Error> {
        let label = match stage {
            Stage::Current => "AWSCURRENT",
            Stage::Previous => "AWSPREVIOUS",
        };
        let response = self.0.get_secret_value().secret_id(id).version_stage(label).send().await;
        let response = match response {
            Ok(response) => response,
            // Before the first rotation there is no previous version.
            Err(error) if stage == Stage::Previous && is_absent(&error) => return Ok(None),
            Err(error) => return Err(failed(id, &error)),
        };
        let created = response.created_date().and_then(|date| SystemTime::try_from(*date).ok());
        let age = created.and_then(|created| SystemTime::now().duration_since(created).ok());
        let Some(text) = response.secret_string else {
            let text = format!("aws_secret {id} is binary; store it as text");
            return Err(Error::new(Code::SecretUnreadable, text));
        };
        Ok(Some(Version { text: text.into(), age }))
    }
}

impl Versions for SecretsManager {
    fn get<'a>(
        &'a self,
        id: &'a str,
        stage: Stage,
    ) -> BoxFuture<'a, Result<Option<Version>, Error>> {
        Box::pin(self.read(id, stage))
    }
}

fn is_absent<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("ResourceNotFoundException")
}

/// Returns an error with AWS's code and request id and what to do, never with the body of a
/// response.
fn failed<E>(id: &str, error: &SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let advice = match error.code() {
        Some("AccessDeniedException") => {
            "; allow secretsmanager:GetSecretValue on it, and kms:Decrypt on its key"
        }
        Some("ResourceNotFoundException") => {
            "; a secret given by name must be in the region of the queue"
        }
        _ => "",
    };
    let text = Failure::of(error).text;
    Error::new(Code::SecretUnreadable, format!("aws_secret {id}: {text}{advice}"))
}
