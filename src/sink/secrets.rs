//! Renewal of the secrets of a sink.

use crate::config::Secret;

/// Reads again from AWS every secret that was rejected or is due. A failure is only logged: the
/// previous value may still be valid.
pub(super) async fn renew(sink: &str, secrets: Vec<&Secret>) {
    for secret in secrets {
        if let Err(error) = secret.renew().await {
            let code = error.code.as_str();
            tracing::warn!(
                sink,
                code,
                error = error.text,
                "secret renewal failed, using the previous value"
            );
        }
    }
}
