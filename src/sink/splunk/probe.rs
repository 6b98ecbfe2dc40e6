//! A look at every endpoint without sending an event: a request without data, which a collector that would take our
//! events answers with code 5, or with success. Its health alone would prove neither the token nor the path.

use super::Splunk;
use super::endpoints::Endpoint;
use super::response::{Class, classify};
use crate::outcome::Why;
use crate::sink::Wanted;

/// What a token is refused with, at whichever endpoint.
const TOKEN: &str = "splunk_token";

impl Splunk {
    /// Asks every endpoint.
    ///
    /// # Errors
    /// One that does not answer, or does not take this token, if it is wanted. That it takes the index too, only an
    /// event shows.
    pub(super) async fn look(&self, wanted: Wanted) -> Result<(), Why> {
        let mut wrong = Vec::new();
        for endpoint in self.endpoints.all() {
            if let Err(why) = self.look_at(endpoint).await {
                wrong.push(why);
            }
        }
        if wrong.is_empty() || wanted == Wanted::Any && wrong.len() < self.endpoints.all().len() {
            return Ok(());
        }
        let token = wrong.iter().position(|why| why.code == TOKEN);
        if token.is_some() {
            self.http.forget_token();
        }
        Err(wrong.swap_remove(token.unwrap_or(0)))
    }

    async fn look_at(&self, endpoint: &Endpoint) -> Result<(), Why> {
        let ticket = endpoint.session.ticket();
        let reply = self.http.ask(&endpoint.event_url, &ticket, String::new()).await?;
        let verdict = classify(&reply);
        match verdict.class {
            Class::Accepted { .. } => Ok(()),
            Class::BadEvent { .. } if verdict.code == Some(5) => Ok(()),
            _ => Err(self.why(&verdict)),
        }
    }
}
