//! Fills buckets and inspects queues, of moto or of our stand-ins, with the real SDK.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sqs::types::QueueAttributeName;

use crate::support::aws::AwsStandIns;
use crate::support::real::{Moto, NotifiedBucket};
use crate::support::samples::SampleObject;
use crate::support::{clients, wait};

/// S3 and SQS: moto, or our stand-ins.
pub(crate) struct Aws {
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
}

impl Aws {
    /// moto.
    pub(crate) fn of_moto(moto: &Moto) -> Self {
        let (s3, sqs) = clients::of(&moto.url, &moto.url);
        Self { s3, sqs }
    }

    /// Our stand-ins.
    pub(crate) fn of_world(world: &AwsStandIns) -> Self {
        let (s3, sqs) = clients::of(&world.s3.url(), world.sqs_http.url());
        Self { s3, sqs }
    }

    /// Puts an object as CloudTrail does; S3 sends its notifications.
    pub(crate) async fn put(&self, bucket: &str, key: &str, bytes: Vec<u8>) {
        let put = self.s3.put_object().bucket(bucket).key(key).content_type("application/json");
        let put = put.content_encoding("gzip").body(ByteStream::from(bytes));
        put.send().await.expect("put");
    }

    /// Puts all of them.
    pub(crate) async fn put_all(&self, bucket: &str, objects: &[SampleObject]) {
        for object in objects {
            self.put(bucket, &object.key, object.gzip.clone()).await;
        }
    }

    /// Sends a message directly to the queue.
    pub(crate) async fn send(&self, queue_url: &str, body: &str) {
        let send = self.sqs.send_message().queue_url(queue_url).message_body(body);
        send.send().await.expect("sent");
    }

    /// Messages of a queue: visible, and in flight.
    pub(crate) async fn counts(&self, queue_url: &str) -> (usize, usize) {
        let request = self.sqs.get_queue_attributes().queue_url(queue_url);
        let request = request.attribute_names(QueueAttributeName::All);
        let response = request.send().await.expect("a queue");
        let attributes = response.attributes().expect("attributes");
        let number = |name| attributes.get(&name).and_then(|text| text.parse().ok());
        (
            number(QueueAttributeName::ApproximateNumberOfMessages).expect("a number"),
            number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible).expect("a number"),
        )
    }

    /// Waits until a queue has these numbers of messages: visible, and in flight.
    pub(crate) async fn await_counts(&self, queue_url: &str, expected: (usize, usize)) {
        wait::until(&format!("{expected:?} messages in {queue_url}"), async || {
            (self.counts(queue_url).await == expected).then_some(())
        })
        .await;
    }

    /// Waits until a queue is empty; its dead-letter queue must be empty too.
    pub(crate) async fn await_empty(&self, wired: &NotifiedBucket) {
        self.await_counts(&wired.queue_url, (0, 0)).await;
        assert_eq!(
            self.counts(&wired.dead_letter_url).await,
            (0, 0),
            "moved to the dead-letter queue"
        );
    }
}
