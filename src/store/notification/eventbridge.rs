//! EventBridge's envelope: S3's and Security Lake's `Object Created`, and the fast lane's inline record.
//! Source: Amazon S3 User Guide, "EventBridge event message structure"; Security Lake User Guide,
//! "Sample notification message format" (which shows the envelope without `detail-type`).

use serde_json::value::RawValue;

use super::{Entity, Nothing, Notification, poison};
use crate::error::Error;

/// Reads the envelope's `detail` by its `detail-type`.
pub(super) fn parse(
    detail_type: Option<&str>,
    source: Option<&str>,
    region: Option<String>,
    detail: &RawValue,
) -> Result<Notification, Error> {
    if !detail.get().starts_with('{') {
        return Err(poison("an EventBridge event whose detail is not an object"));
    }
    let from_s3 = matches!(source, Some("aws.s3" | "aws.securitylake"));
    match detail_type {
        Some(
            "AWS API Call via CloudTrail"
            | "AWS Service Event via CloudTrail"
            | "AWS Console Sign In via CloudTrail",
        ) => Ok(Notification::Inline(detail.to_owned())),
        // The source is not asked for: whoever forwards an event must put a source of his own.
        Some(kind) if kind.to_ascii_lowercase().ends_with("object created") => {
            object(region, detail)
        }
        None if from_s3 => object(region, detail),
        Some(_) if from_s3 => Ok(Notification::Nothing(Nothing::NotCreated)),
        _ => Err(poison("an EventBridge event that is neither S3's nor CloudTrail's")),
    }
}

/// `detail` of an `Object Created`. Unlike S3's own notification, the key is as it is, not encoded.
fn object(region: Option<String>, detail: &RawValue) -> Result<Notification, Error> {
    let entity: Entity<'_> = serde_json::from_str(detail.get())
        .map_err(|_| poison("an Object Created event without bucket and object"))?;
    let Some((bucket, key)) = entity.place() else {
        return Err(poison("an Object Created event without a bucket name or a key"));
    };
    Ok(Notification::Objects(vec![entity.at(bucket, key, region)]))
}
