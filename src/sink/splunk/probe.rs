//! A look at every endpoint without sending an event: a request without data, which a collector that would take our
//! events answers with code 5, or with success. Its health alone would prove neither the token nor the path.

use super::Splunk;
use super::endpoints::Endpoint;
use super::response::{Class, classify};
use crate::error::{Code, Error};
use crate::sink::Wanted;

impl Splunk {
    /// Asks every endpoint.
    ///
    /// # Errors
    /// One that does not answer, or does not take this token, if it is wanted. That it takes the index too, only an
    /// event shows.
    pub(super) async fn look(&self, wanted: Wanted) -> Result<(), Error> {
        let mut wrong = Vec::new();
        for endpoint in self.endpoints.all() {
            if let Err(error) = self.look_at(endpoint).await {
                wrong.push(error);
            }
        }
        if wrong.is_empty() || wanted == Wanted::Any && wrong.len() < self.endpoints.all().len() {
            return Ok(());
        }
        let token = wrong.iter().position(|error| error.code == Code::SplunkToken);
        if token.is_some() {
            self.http.forget_token();
        }
        Err(wrong.swap_remove(token.unwrap_or(0)))
    }

    async fn look_at(&self, endpoint: &Endpoint) -> Result<(), Error> {
        let ticket = endpoint.session.ticket();
        let reply = self.http.ask(&endpoint.event_url, &ticket, String::new()).await?;
        let verdict = classify(&reply);
        match verdict.class {
            Class::Accepted { .. } => Ok(()),
            Class::BadEvent { .. } if verdict.code == Some(5) => Ok(()),
            _ => Err(self.error(&verdict)),
        }
    }
}
