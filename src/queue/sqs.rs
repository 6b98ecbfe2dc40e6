//! The real queue: the only file that names `aws_sdk_sqs`.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{Entry, Handle, Message, Queue};
use crate::outcome::Why;

/// An SQS queue over the AWS SDK.
pub struct SqsQueue {
    url: String,
}

impl SqsQueue {
    /// A queue at `url`; connects to nothing yet. `visibility` is asked for at each receive.
    #[must_use]
    pub fn new(
        _config: &aws_config::SdkConfig,
        url: &str,
        _region: &str,
        _endpoint: Option<&str>,
        _visibility: Duration,
    ) -> Self {
        Self { url: url.to_owned() }
    }
}

impl Queue for SqsQueue {
    fn receive(&self, _max: usize) -> BoxFuture<'_, Result<Vec<Message>, Why>> {
        todo!("source helper")
    }
    fn change_visibility(
        &self,
        _batch: Vec<(Handle, Duration)>,
    ) -> BoxFuture<'_, Result<Vec<Entry>, Why>> {
        todo!("source helper")
    }
    fn delete(&self, _batch: Vec<Handle>) -> BoxFuture<'_, Result<Vec<Entry>, Why>> {
        todo!("source helper")
    }
    fn name(&self) -> &str {
        &self.url
    }
}
