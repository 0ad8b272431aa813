//! Lets what is due happen: timeouts, back-offs, queue timeouts.
//!
//! Timers are derived from the state; the column `wake_at` is only a lower bound that says which runs to look at. So a
//! look too many is harmless, and a look that found nothing due corrects the column.

use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use tracing::{error, warn};

use super::driver::Next;
use super::runs::{Broken, Runs, wake_at};
use crate::crash::crashpoint;
use crate::engine::Event;
use crate::ids::RunId;
use crate::store::Store;
use crate::time::{Clock, Timestamp};

/// Runs of one look.
const RUNS_MAX: u32 = 100;
/// Of them at once.
const AT_ONCE_MAX: usize = 16;
/// A run that cannot be worked on stands at the front of the line until it is looked at again so much later.
const BROKEN_PAUSE: Duration = Duration::from_secs(300);

/// The loop.
pub struct Advance {
    /// Knows which runs are due.
    pub store: Store,
    /// Tells them.
    pub runs: Runs,
    /// The service's time.
    pub clock: Clock,
}

impl Advance {
    /// Tells the runs whose timer may have come that time has passed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tick(&self) -> anyhow::Result<Next> {
        let due = self.store.due_runs(self.clock.now(), RUNS_MAX).await?;
        let full = due.len() == RUNS_MAX as usize;
        let told = stream::iter(due).map(|run| self.advance(run)).buffer_unordered(AT_ONCE_MAX).collect::<Vec<_>>();
        // One run's trouble is not the others': all are told before the first error is.
        told.await.into_iter().collect::<anyhow::Result<()>>()?;
        if full { Ok(Next::Again) } else { self.next().await }
    }

    async fn advance(&self, run: RunId) -> anyhow::Result<()> {
        crashpoint!("timer_due_run_not_told");
        match self.runs.tell(run, Event::Ticked).await {
            Ok(Some(Ok(transition))) if transition.changes.is_empty() => self.correct(run).await,
            Ok(Some(Ok(_)) | None) => Ok(()),
            Ok(Some(Err(rejected))) => {
                warn!(run.id = %run, why = %rejected, "a run was woken that knows no time");
                self.correct(run).await
            }
            Err(error) if error.is::<Broken>() => {
                error!(run.id = %run, error = format!("{error:#}"), "a run is left alone");
                self.postpone(run).await
            }
            Err(error) => Err(error.context(format!("run {run}"))),
        }
    }

    /// Nothing was due: the column learns the true time.
    async fn correct(&self, run: RunId) -> anyhow::Result<()> {
        let Some((seq, wake)) = self.runs.read_newest(run, |state| (state.seq, wake_at(state))).await? else {
            return Ok(());
        };
        self.store.set_wake(run, seq, wake).await.context("a timer could not be corrected")
    }

    async fn postpone(&self, run: RunId) -> anyhow::Result<()> {
        let Some(row) = self.store.run(run).await? else { return Ok(()) };
        let later = self.clock.now().plus(BROKEN_PAUSE);
        self.store.set_wake(run, row.seq, Some(later)).await.context("a timer could not be postponed")
    }

    /// When the first of all timers comes.
    async fn next(&self) -> anyhow::Result<Next> {
        let first = self.store.due_runs(Timestamp(i64::MAX), 1).await?;
        let Some(run) = first.first() else { return Ok(Next::Period) };
        let wake = self.store.run(*run).await?.and_then(|row| row.wake_at);
        Ok(wake.map_or(Next::Period, Next::At))
    }
}
