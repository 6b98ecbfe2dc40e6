//! Dead letters in a queue: one message each.

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{DeadLetter, Letter};
use crate::outcome::Why;
use crate::queue::{MAX_BODY, SqsQueue};

/// What a letter can do without, because it also refers to where that is.
const BYTES: [&str; 3] = ["body", "bytes", "record"];

/// A queue of letters.
pub struct SqsDeadLetter {
    queue: SqsQueue,
}

impl SqsDeadLetter {
    /// Letters sent to `queue`.
    #[must_use]
    pub fn new(queue: SqsQueue) -> Self {
        Self { queue }
    }
}

impl DeadLetter for SqsDeadLetter {
    fn put(&self, letter: Letter) -> BoxFuture<'_, Result<(), Why>> {
        Box::pin(async move {
            let sent = self.queue.send(&bounded(letter.body, MAX_BODY)).await;
            sent.map_err(|cause| Why::new("dead_letter_failed", cause.text))
        })
    }
}

/// The letter, if need be without the bytes that it is about: then `omitted` names their members.
fn bounded(mut body: Value, limit: usize) -> String {
    let text = body.to_string();
    // What is escaped on the way is rare; the room for it is not.
    if text.len() <= limit - limit / 64 {
        return text;
    }
    if let Value::Object(members) = &mut body {
        let omitted: Vec<Value> =
            BYTES.iter().filter_map(|name| members.remove(*name).map(|_| (*name).into())).collect();
        members.insert("omitted".to_owned(), omitted.into());
    }
    body.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_letter_that_is_too_large_is_sent_as_a_reference() {
        let letter = json!({"kind": "event", "origin": "s3://b/k#1", "record": "x".repeat(2000)});
        assert_eq!(bounded(letter.clone(), 1 << 20), letter.to_string());
        let short: Value = serde_json::from_str(&bounded(letter, 1000)).unwrap();
        assert_eq!(short, json!({"kind": "event", "origin": "s3://b/k#1", "omitted": ["record"]}));
    }
}
