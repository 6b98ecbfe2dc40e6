//! AWS Secrets Manager: the only file that names `aws_sdk_secretsmanager`.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::RequestId;
use futures_util::future::BoxFuture;

use crate::config::{CREDENTIALS_ADVICE, Stage, Version, Versions};
use crate::error::{Code, Error, causes, find_cause};

/// A sink waits for the answer, retries of the SDK included.
const LONGEST: Duration = Duration::from_secs(15);

/// Secrets of one region.
pub struct SecretsManager(Client);

impl SecretsManager {
    /// Connects to nothing yet.
    #[must_use]
    pub fn new(config: &SdkConfig, endpoint: Option<&str>) -> Self {
        let timeouts = config.timeout_config().map(TimeoutConfig::to_builder).unwrap_or_default();
        let mut builder = aws_sdk_secretsmanager::config::Builder::from(config)
            .timeout_config(timeouts.operation_timeout(LONGEST).build());
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
        let asked = self.0.get_secret_value().secret_id(id).version_stage(label).send().await;
        let answer = match asked {
            Ok(answer) => answer,
            // Before the first rotation there is no previous version.
            Err(fault) if stage == Stage::Previous && is_absent(&fault) => return Ok(None),
            Err(fault) => return Err(failed(id, &fault)),
        };
        let age = answer.created_date().and_then(|made| SystemTime::try_from(*made).ok());
        let age = age.and_then(|made| SystemTime::now().duration_since(made).ok());
        let Some(text) = answer.secret_string else {
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

fn is_absent<E: ProvideErrorMetadata, R>(fault: &SdkError<E, R>) -> bool {
    fault.code() == Some("ResourceNotFoundException")
}

/// The secret, what is to be done, and what AWS said: its code and request id, never an answer's body.
fn failed<E>(id: &str, fault: &SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + RequestId + std::error::Error + 'static,
{
    let said = match (fault.code(), fault.message()) {
        (Some(code), message) => {
            let request = fault.request_id().unwrap_or("none");
            format!("{code}: {} (request id {request})", message.unwrap_or("no message"))
        }
        // Not the answer that the SDK would show beside: it may hold the secret.
        (None, _) => causes(fault),
    };
    let todo = match fault.code() {
        Some("AccessDeniedException") => {
            "; allow secretsmanager:GetSecretValue on it, and kms:Decrypt on its key"
        }
        Some("ResourceNotFoundException") => "; a name is looked up in the region of the queue",
        _ if find_cause::<CredentialsError>(fault).is_some() => CREDENTIALS_ADVICE,
        _ => "",
    };
    Error::new(Code::SecretUnreadable, format!("aws_secret {id}: {said}{todo}"))
}
