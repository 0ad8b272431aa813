//! Until when GitHub wants to hear nothing: the quickest word on a limit, kept where every call passes.
//!
//! The shared word is in the store ([`super::Budget`]); this one stops the calls of this process within the moment in
//! which GitHub says so, and before the store has been asked.

use std::sync::atomic::{AtomicI64, Ordering};

use super::error::{Error, Limit};
use crate::time::Timestamp;

/// The moments before which nothing is sent, in microseconds; 0 is free.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// REST's own hourly limit.
    rest: AtomicI64,
    /// GraphQL's own hourly limit.
    graphql: AtomicI64,
    /// The limit against bursts, which both share.
    all: AtomicI64,
}

impl Blocks {
    /// Whether a request may be sent.
    pub(super) fn check(&self, graphql: bool, at: Timestamp) -> Result<(), Error> {
        let primary = if graphql { &self.graphql } else { &self.rest };
        for (until, limit) in [(&self.all, Limit::Secondary), (primary, Limit::Primary)] {
            let until = Timestamp(until.load(Ordering::Relaxed));
            if at < until {
                return Err(Error::RateLimited { until, limit });
            }
        }
        Ok(())
    }

    /// Remembers a limit that a call met.
    pub(super) fn learn(&self, graphql: bool, error: &Error) {
        let Error::RateLimited { until, limit } = error else { return };
        let block = match (limit, graphql) {
            (Limit::Secondary, _) => &self.all,
            (Limit::Primary, true) => &self.graphql,
            (Limit::Primary, false) => &self.rest,
        };
        block.fetch_max(until.0, Ordering::Relaxed);
    }

    /// The latest of the moments, if one is to come.
    pub(super) fn until(&self, at: Timestamp) -> Option<Timestamp> {
        let latest = [&self.rest, &self.graphql, &self.all].iter().map(|until| until.load(Ordering::Relaxed)).max();
        latest.map(Timestamp).filter(|until| *until > at)
    }
}
