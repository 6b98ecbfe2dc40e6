//! The settler: one driver per queue that deletes and releases in batches of ten and retries the entries that failed.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::{Queue, Receipt};
use crate::outcome::{Settlement, Why};

/// A cheap handle to the settler.
#[derive(Clone)]
pub struct Settler {}

impl Settler {
    /// The settler's handle, and its driver, which runs until `stop` is cancelled and every
    /// settlement handed over has been answered.
    #[must_use]
    pub fn new(_queue: Arc<dyn Queue>, _stop: CancellationToken) -> (Self, BoxFuture<'static, ()>) {
        todo!("source helper")
    }

    /// Spends `receipt`. Dropping the future does not take the settlement back.
    ///
    /// # Errors
    /// The queue refused it for good, or did not take it in several tries: the message will come again.
    pub async fn settle(&self, _receipt: Receipt, _settlement: Settlement) -> Result<(), Why> {
        todo!("source helper")
    }
}
