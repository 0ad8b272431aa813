//! The slow sweep: compares every live run with what GitHub shows of it, whole, whatever marked it or did not.
//!
//! Transitions mark what they touch, so a sweep that finds work has found a mistake of ours; it heals within minutes in
//! place of never. What shows already costs no request.

use std::sync::Mutex;

use super::driver::Next;
use super::runs::Runs;
use crate::engine::RunView;
use crate::ids::RunId;
use crate::report::names;
use crate::store::{DirtyCheck, HeadKey, RunRow, Store};
use crate::time::Clock;
use crate::wake::{Loop, Wakes};

/// Runs of one tick; more than that takes turns.
const RUNS_MAX: u32 = 100;

/// The loop.
pub struct Sweep {
    /// Where runs and heads are.
    pub store: Store,
    /// The runs.
    pub runs: Runs,
    /// The time.
    pub clock: Clock,
    /// The reconcile loop.
    pub wakes: Wakes,
    /// Where the last tick stopped; nothing after the oldest run.
    pub stopped_at: Mutex<Option<RunId>>,
}

impl Sweep {
    /// Marks all checks of the next runs.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tick(&self) -> anyhow::Result<Next> {
        let before = *self.stopped_at.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let rows = self.store.live_runs(before, RUNS_MAX).await?;
        let mut checks = Vec::new();
        for row in &rows {
            let head = HeadKey { installation: row.id.installation, repo: row.repo, sha: row.sha.clone() };
            checks.extend(self.names(row).await.into_iter().map(|name| DirtyCheck { head: head.clone(), name }));
        }
        if !checks.is_empty() {
            self.store.mark_dirty(checks, self.clock.now()).await?;
            self.wakes.wake(Loop::Reconcile);
        }
        let full = rows.len() >= RUNS_MAX as usize;
        let last = rows.last().filter(|_| full).map(|row| row.id);
        *self.stopped_at.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = last;
        Ok(Next::Period)
    }

    /// What a run should show; of one that cannot be read at least the workflow check, which says so.
    async fn names(&self, row: &RunRow) -> Vec<String> {
        let at = self.clock.now();
        let seen = self.runs.read(row.id, |state| names(&RunView::new(state, at))).await;
        seen.ok().flatten().unwrap_or_else(|| vec![row.workflow.to_string()])
    }
}
