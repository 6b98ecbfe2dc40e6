//! S3 and SQS on loopback: a bucket that notifies a queue, which has a dead-letter queue.
//!
//! The demo, the stand-ins example and the tests all use this, so that they have the set-up of the
//! shipped deployment: bucket → queue → (after so many receives) dead-letter queue.

use std::sync::Arc;

use super::clock::Clock;
use super::queue_core::{Redrive, Settings};
use super::s3::{ACCESS_KEY, S3StandIn, SECRET_KEY};
use super::sqs::Sqs;
use super::sqs_http::SqsHttp;

/// Settings; the defaults are those of the shipped deployment, with a shorter visibility timeout.
#[derive(Debug, Clone)]
pub struct AwsSettings {
    /// The bucket's name.
    pub bucket: String,
    /// The queue's name; its dead-letter queue is called `<queue>-dead-letters`.
    pub queue: String,
    /// The queue's visibility timeout in milliseconds.
    pub visibility: u64,
    /// Receives before a message is moved to the dead-letter queue.
    pub max_receive_count: u32,
    /// Seed of all randomness.
    pub seed: u64,
    /// Ports; 0 lets the kernel choose.
    pub sqs_port: u16,
    /// As `sqs_port`.
    pub s3_port: u16,
}

impl Default for AwsSettings {
    fn default() -> Self {
        Self {
            bucket: "audit-logs".to_owned(),
            queue: "cloudtrail-objects".to_owned(),
            visibility: 30_000,
            max_receive_count: 5,
            seed: 1,
            sqs_port: 0,
            s3_port: 0,
        }
    }
}

/// The running stand-ins; dropping it stops them.
pub struct AwsStandIns {
    /// The settings they were started with.
    pub settings: AwsSettings,
    /// The queues themselves, for assertions and seeded faults.
    pub sqs: Arc<Sqs>,
    /// The SQS endpoint.
    pub sqs_http: SqsHttp,
    /// The S3 endpoint.
    pub s3: S3StandIn,
}

impl AwsStandIns {
    /// Starts both endpoints, creates the queues and the bucket, and connects them. The queue then
    /// contains one message, the `s3:TestEvent`, as after a real set-up.
    ///
    /// # Errors
    /// A port cannot be listened on.
    pub async fn start(settings: AwsSettings) -> std::io::Result<Self> {
        let sqs = Arc::new(Sqs::new(Clock::real(), settings.seed));
        let dead_letter = format!("{}-dead-letters", settings.queue);
        sqs.create(&dead_letter, Settings::default());
        let redrive = Some(Redrive { dead_letter, max_receive_count: settings.max_receive_count });
        let visibility = settings.visibility;
        sqs.create(&settings.queue, Settings { visibility, redrive, ..Settings::default() });
        let sqs_http = SqsHttp::start(Arc::clone(&sqs), settings.sqs_port).await?;
        let s3 = S3StandIn::start(Arc::clone(&sqs), settings.s3_port).await?;
        s3.create_bucket(&settings.bucket);
        s3.notify(&settings.bucket, &settings.queue);
        Ok(Self { settings, sqs, sqs_http, s3 })
    }

    /// The queue's URL, for `source.queue_url`.
    pub fn queue_url(&self) -> String {
        self.sqs_http.queue_url(&self.settings.queue)
    }

    /// The name of the dead-letter queue.
    pub fn dead_letter_queue(&self) -> String {
        format!("{}-dead-letters", self.settings.queue)
    }

    /// The environment variables that point any AWS SDK at these stand-ins and nothing else.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL_S3", self.s3.url()),
            ("AWS_ENDPOINT_URL_SQS", self.sqs_http.url().to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
            ("AWS_REGION", super::queue_core::REGION.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("NO_PROXY", "127.0.0.1,localhost".to_owned()),
        ]
    }
}
