//! Asks every endpoint of every agent how it is, so that attempts go to those that are well.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use super::driver::Next;
use crate::agents::Registry;

/// Endpoints that are asked at once; each is given a few seconds.
const AT_ONCE_MAX: usize = 32;

/// The loop.
pub struct Health {
    /// Knows the endpoints, and remembers what was found.
    pub registry: Arc<Registry>,
}

impl Health {
    /// One look at each endpoint.
    ///
    /// # Errors
    /// Never: an endpoint that is not well is what this is for.
    pub async fn tick(&self) -> anyhow::Result<Next> {
        stream::iter(self.registry.endpoints())
            .for_each_concurrent(AT_ONCE_MAX, |endpoint| self.registry.check(endpoint))
            .await;
        Ok(Next::Period)
    }
}
