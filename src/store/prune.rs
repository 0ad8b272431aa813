//! Retention: what is finished and old goes, oldest first, by primary key, in small transactions.

use super::Error;
use super::open::Store;
use crate::crash::crashpoint;
use crate::ids::RunId;
use crate::time::Timestamp;

/// Rows of one transaction at most.
pub(super) const ROWS_MAX: u32 = 500;
/// What the row of a run says while the rest of it goes.
pub(super) const GONE: &str = "it is older than the retention and is being removed";
/// Families (runs, deliveries, heads) of one call at most; the loop calls again.
const FAMILIES_MAX: u32 = 50;

/// What one call removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Finished runs, with their journals.
    pub runs: u64,
    /// Deliveries that were done.
    pub deliveries: u64,
    /// Heads, with their checks.
    pub heads: u64,
    /// Effects, keys of meaning, replicas that are long gone.
    pub others: u64,
    /// Plans that no run names.
    pub plans: u64,
}

impl Pruned {
    /// There was nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Store {
    /// Removes some of what ended before `before`. Call it until it answers with nothing.
    ///
    /// # Errors
    /// When the database does not answer; what was removed stays removed.
    pub async fn prune(&self, before: Timestamp) -> Result<Pruned, Error> {
        let mut pruned = Pruned::default();
        for run in on!(self, prune::runs(before.0, FAMILIES_MAX))? {
            if !self.condemn(run, before).await? {
                continue;
            }
            while on!(self, prune::events(run))? > 0 {}
            crashpoint!("old_rows_gone_in_part");
            while on!(self, prune::blobs(run))? > 0 {}
            pruned.runs += on!(self, tx prune::run(run))?;
        }
        for (installation, id) in on!(self, prune::deliveries(before.0, FAMILIES_MAX))? {
            pruned.deliveries += on!(self, tx prune::delivery(installation, id))?;
        }
        for head in on!(self, prune::heads(before.0, FAMILIES_MAX))? {
            pruned.heads += on!(self, tx prune::head(&head))?;
        }
        pruned.others += on!(self, tx prune::effects(before.0))?;
        pruned.others += on!(self, tx prune::keys(before.0))?;
        pruned.others += on!(self, prune::replicas(before.0))?;
        pruned.plans += on!(self, tx prune::plans(before.0))?;
        Ok(pruned)
    }

    /// Makes sure that nobody brings a run back while its rows go: its `seq`, which the door compares, moves on without a
    /// row of the journal. False when somebody was faster. One that went in part is condemned again by the next call.
    pub(super) async fn condemn(&self, run: RunId, before: Timestamp) -> Result<bool, Error> {
        on!(self, prune::condemn(run, before.0))
    }
}
