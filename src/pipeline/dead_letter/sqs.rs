//! Dead letters in a queue: one message each.

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{DeadLetter, DeadLetterWriter};
use crate::error::{Code, Error};
use crate::queue::{MAX_BODY, SqsQueue};

/// What a letter can do without, because it also refers to where that is.
const BYTES: [&str; 3] = ["body", "bytes", "record"];

/// A queue of letters.
pub struct DeadLetterQueue {
    queue: SqsQueue,
}

impl DeadLetterQueue {
    /// Letters sent to `queue`.
    #[must_use]
    pub fn new(queue: SqsQueue) -> Self {
        Self { queue }
    }
}

impl DeadLetterWriter for DeadLetterQueue {
    fn put(&self, letter: DeadLetter) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let failed = |text| Error::new(Code::DeadLetterFailed, text);
            let text = bounded(letter.body, MAX_BODY).map_err(failed)?;
            self.queue.send(&text).await.map_err(|cause| failed(cause.text))
        })
    }
}

/// The letter, if need be without the bytes that it is about: then `omitted` names their members.
///
/// # Errors
/// It is too large, and nothing else holds these bytes: what brought them must stay.
fn bounded(mut body: Value, limit: usize) -> Result<String, String> {
    let text = body.to_string();
    // What is escaped on the way is rare; the room for it is not.
    if text.len() <= limit - limit / 64 {
        return Ok(text);
    }
    let at = |name: &str| body.pointer(&format!("/at/{name}")).is_some();
    if !at("bucket") && !at("path") {
        return Err(format!(
            "the letter has {} bytes, of which SQS takes {limit}, and there is no other copy; \
             name a bucket or a folder in [dead_letter] instead of a queue",
            text.len()
        ));
    }
    if let Value::Object(members) = &mut body {
        let omitted: Vec<Value> =
            BYTES.iter().filter_map(|name| members.remove(*name).map(|_| (*name).into())).collect();
        members.insert("omitted".to_owned(), omitted.into());
    }
    Ok(body.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_letter_that_is_too_large_is_sent_as_a_reference() {
        let at = json!({"bucket": "b", "key": "k"});
        let letter = json!({"kind": "event", "at": at, "record": "x".repeat(2000)});
        assert_eq!(bounded(letter.clone(), 1 << 20).unwrap(), letter.to_string());
        let short: Value = serde_json::from_str(&bounded(letter, 1000).unwrap()).unwrap();
        assert_eq!(short, json!({"kind": "event", "at": at, "omitted": ["record"]}));
    }

    #[test]
    fn a_letter_that_is_the_only_copy_is_never_cut() {
        for letter in [
            json!({"kind": "message", "body": "x".repeat(2000)}),
            json!({"kind": "event", "at": {"message_id": "m"}, "record": "x".repeat(2000)}),
        ] {
            let refused = bounded(letter.clone(), 1000).unwrap_err();
            assert!(refused.contains("no other copy"), "{refused}");
            assert!(bounded(letter, 1 << 20).is_ok());
        }
    }
}
