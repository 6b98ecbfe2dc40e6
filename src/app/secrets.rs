//! Secrets that AWS keeps: connected, and read once before the first event, so that a mistake shows at the start.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_config::SdkConfig;
use url::Url;

use crate::app::aws::Configurations;
use crate::app::build::first_region;
use crate::app::secrets_manager::SecretsManager;
use crate::config::{Config, Versions};
use crate::error::Error;

/// Reads each such secret, and answers for each by its place; never with its value. Afterwards the sinks read
/// them again by themselves.
///
/// # Errors
/// What the environment asks of AWS's clients and cannot be had.
pub async fn secrets(
    config: &Config,
    aws: Option<SdkConfig>,
) -> Result<Vec<(String, Result<(), Error>)>, Error> {
    let endpoint = config.aws.secretsmanager_endpoint.as_ref().map(Url::as_str);
    let mut configurations = Configurations::new(aws);
    let mut managers: BTreeMap<String, Arc<dyn Versions>> = BTreeMap::new();
    let mut answers = Vec::new();
    for secret in config.aws_secrets() {
        let region = secret.region().unwrap_or_else(|| first_region(config)).to_owned();
        let manager = match managers.get(&region) {
            Some(manager) => manager,
            None => {
                let own = configurations.of(None, &region, &config.aws).await?;
                let manager = Arc::new(SecretsManager::new(&own, endpoint));
                managers.entry(region).or_insert(manager)
            }
        };
        secret.connect(manager.clone());
        answers.push((format!("{secret:?}"), secret.renew().await));
    }
    Ok(answers)
}
