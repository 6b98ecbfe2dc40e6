//! A look at every endpoint without sending an event: a request without data, which a collector that would take our
//! events answers with code 5. Its health alone would prove neither the token nor the path.

use super::Splunk;
use super::response::{Class, classify};
use crate::outcome::Why;

impl Splunk {
    /// Asks every endpoint.
    ///
    /// # Errors
    /// The first that does not answer, or does not take this token. That it takes the index too, only an event shows.
    pub(super) async fn look(&self) -> Result<(), Why> {
        for endpoint in self.endpoints.all() {
            let ticket = endpoint.session.ticket();
            let reply = self.http.ask(&endpoint.event_url, &ticket, String::new()).await?;
            let verdict = classify(&reply);
            match verdict.class {
                Class::BadEvent { .. } if verdict.code == Some(5) => {}
                _ => return Err(self.why(&verdict)),
            }
        }
        Ok(())
    }
}
