//! The real pipeline, built from a configuration as the commands build it, with the stand-ins.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::config::{Credentials, Region, SharedCredentialsProvider};
use certrelay::app;
use certrelay::config::{Config, parse_with};
use certrelay::pipeline;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::aws::{AwsSettings, AwsStandIns};
use crate::support::queue_core::Settings;
use crate::support::s3::{ACCESS_KEY, SECRET_KEY};

/// The bucket of dead letters.
pub const DEAD_LETTER_BUCKET: &str = "audit-dead-letters";

/// The queue of dead letters.
pub const DEAD_LETTER_QUEUE: &str = "certrelay-dead-letters";

/// The stand-ins, and a folder for what the file sink writes.
pub struct Service {
    pub world: AwsStandIns,
    folder: tempfile::TempDir,
}

impl Service {
    pub async fn start() -> Self {
        let world = AwsStandIns::start(AwsSettings::default()).await.expect("the stand-ins start");
        world.s3.create_bucket(DEAD_LETTER_BUCKET);
        world.sqs.create(DEAD_LETTER_QUEUE, Settings::default());
        Self { world, folder: tempfile::tempdir().expect("a folder") }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns a configuration of the world's queue, a file sink, and the rest of the text.
    pub fn config(&self, rest: &str) -> Config {
        self.config_with_sink("type = \"file\"\npath = \"out.jsonl\"\nformat = \"raw\"", rest)
    }

    /// Returns a configuration as [`config`](Self::config) does, with another sink.
    pub fn config_with_sink(&self, sink: &str, rest: &str) -> Config {
        let text = format!(
            "[[source]]\nqueue_url = {:?}\nregion = \"us-east-1\"\nbuckets = [\"audit-logs\"]\n\
             [aws]\ns3_endpoint = {:?}\nsqs_endpoint = {:?}\n\
             [[route]]\nname = \"default\"\nsinks = [\"soc\"]\n[sink.soc]\n{sink}\n{rest}\n",
            self.world.queue_url(),
            self.world.s3.url(),
            self.world.sqs_http.url(),
        );
        let read = parse_with("test.toml", &text, self.folder.path(), &|_| None);
        read.unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// Returns AWS's configuration, as the environment would provide it.
    pub fn aws() -> SdkConfig {
        let keys = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .build()
    }

    /// Runs the service until `done`.
    pub async fn run_until(&self, config: Config, done: impl Fn() -> bool) {
        let parts = app::build(config, Some(Self::aws())).await.expect("the parts");
        let stop = CancellationToken::new();
        let watch = async {
            let mut poll = tokio::time::interval(Duration::from_millis(20));
            while !done() {
                poll.tick().await;
            }
            stop.cancel();
        };
        let limit = Duration::from_secs(60);
        let run = tokio::time::timeout(limit, async {
            tokio::join!(watch, pipeline::run(parts, stop.clone()))
        });
        run.await.expect("done within a minute");
    }

    /// Runs the service until its queue is empty.
    pub async fn run_until_empty(&self, config: Config) {
        self.run_until(config, || self.left() == 0).await;
    }

    /// Returns the number of messages in the source's queue, visible or not.
    pub fn left(&self) -> usize {
        self.world.sqs.with(|core, _| core.peek(&self.world.settings.queue)).expect("a queue").len()
    }

    /// Returns the ids of the events in the file, and its number of lines.
    pub fn delivered(&self) -> (BTreeSet<String>, usize) {
        let text = std::fs::read_to_string(self.folder.path().join("out.jsonl"));
        let text = text.unwrap_or_default();
        let id = |line: &str| {
            let record: Value = serde_json::from_str(line).expect("a record");
            record["eventID"].as_str().expect("an id").to_owned()
        };
        (text.lines().map(id).collect(), text.lines().count())
    }
}
