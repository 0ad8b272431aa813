//! Deletes what is old: finished runs with all that is theirs, deliveries, heads, plans that no run names.

use std::time::Duration;

use tracing::info;

use super::driver::Next;
use crate::store::Store;
use crate::time::Clock;

/// The loop.
pub struct Prune {
    /// Deletes in small transactions.
    pub store: Store,
    /// The service's time.
    pub clock: Clock,
    /// How long what is finished is kept.
    pub retention: Duration,
}

impl Prune {
    /// Deletes some of it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tick(&self) -> anyhow::Result<Next> {
        let before = self.clock.now().minus(self.retention);
        let pruned = self.store.prune(before).await?;
        if pruned.is_empty() {
            return Ok(Next::Period);
        }
        info!(
            prune.runs = pruned.runs,
            prune.deliveries = pruned.deliveries,
            prune.heads = pruned.heads,
            prune.plans = pruned.plans,
            prune.others = pruned.others,
            "old rows are gone"
        );
        Ok(Next::Again)
    }
}
