//! The lease keeper: one driver per queue that renews every held message's visibility, in batches of ten.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Handle, Queue};

/// The keeper's margins, named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseSettings {
    /// Visibility asked for at each renewal.
    pub visibility: Duration,
    /// A lease is renewed when this much of it is left.
    pub renew_before: Duration,
    /// SQS's absolute cap on one receive's visibility, counted from the receive: 12 h.
    pub cap: Duration,
}

/// A cheap handle to the keeper.
#[derive(Clone)]
pub struct LeaseKeeper {}

/// Held from receive to settlement. Dropping it stops the renewal; losing it resolves [`Lease::lost`].
pub struct Lease {}

impl LeaseKeeper {
    /// The keeper's handle, and its driver, which runs until `stop` is cancelled and every lease is dropped.
    #[must_use]
    pub fn new(
        _queue: Arc<dyn Queue>,
        _settings: LeaseSettings,
        _stop: CancellationToken,
    ) -> (Self, BoxFuture<'static, ()>) {
        todo!("source helper")
    }

    /// Starts renewing the message that `handle` names, received by a call made at `received_at`.
    #[must_use]
    pub fn hold(&self, _handle: Handle, _received_at: Instant) -> Lease {
        todo!("source helper")
    }
}

impl Lease {
    /// Resolves when the lease is lost: someone else may have the message now. Cancel-safe.
    pub async fn lost(&self) {
        todo!("source helper")
    }

    /// Whether it is lost already.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        todo!("source helper")
    }
}
