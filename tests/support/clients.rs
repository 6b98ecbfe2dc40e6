//! Clients of the AWS SDK for an endpoint on loopback.

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};

use super::s3::{ACCESS_KEY, SECRET_KEY};

/// Creates clients of S3 (path style) and SQS that do not retry, so that a test sees every
/// response.
pub fn of(s3_url: &str, sqs_url: &str) -> (aws_sdk_s3::Client, aws_sdk_sqs::Client) {
    let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
    let region = Region::from_static(super::queue_core::REGION);
    let s3 = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(credentials.clone())
        .region(region.clone())
        .endpoint_url(s3_url)
        .force_path_style(true)
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
        .build();
    let sqs = aws_sdk_sqs::Config::builder()
        .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
        .credentials_provider(credentials)
        .region(region)
        .endpoint_url(sqs_url)
        .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled())
        .build();
    (aws_sdk_s3::Client::from_conf(s3), aws_sdk_sqs::Client::from_conf(sqs))
}
