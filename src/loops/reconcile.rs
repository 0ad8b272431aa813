//! Makes GitHub show what it should: for each commit that may look different, the checks that follow from its speakers
//! are compared with what was sent last, and the difference is written.
//!
//! Check runs are not effects. An effect list would have to be right about every lost answer and every order of events;
//! a comparison only has to be repeated. A burst of events costs one write, a lost write is found and mended, and the
//! order in which marks were made does not matter.
//!
//! *Invariant:* a check run is made after its row says so, and a row whose outcome is unknown is asked about before
//! anything is made again.
//! *Invariant:* what a claim read is newer than what any earlier claim read, so the claim's number is the version that
//! a check carries, and an older one is never sent.

mod body;
mod desired;
mod show;

pub use desired::report_key;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::join_all;
use tracing::warn;
use url::Url;

use super::driver::Next;
use super::runs::Runs;
use super::writer::{NotNow, Share, Writers};
use crate::crash::crashpoint;
use crate::github::App;
use crate::store::{Again, CheckRow, HeadDue, Store};
use crate::time::{Clock, Timestamp};
use desired::Desired;
use show::{Showing, Shown};

/// Heads of one piece of work.
const HEADS_MAX: u32 = 16;
/// How long a claimed head is ours. Work on it begins in the first half of this only.
const LEASE: Duration = Duration::from_secs(120);
/// Names of one head that are written in one piece of work.
const NAMES_MAX: usize = 20;
/// A workflow check's table is brought up to date so often at most.
const TABLES_EVERY: Duration = Duration::from_secs(60);
/// A new run is not shown as queued before this: the gates let most of them in at once, and one write is saved.
const QUEUED_PAUSE: Duration = Duration::from_secs(1);
/// When something of our own failed.
const FAILED_PAUSE: Duration = Duration::from_secs(10);
/// When the App may do nothing there for now.
const SUSPENDED_PAUSE: Duration = Duration::from_secs(600);

/// The loop.
pub struct Reconcile {
    /// Where heads, checks and reports are.
    pub store: Store,
    /// Where runs are.
    pub runs: Runs,
    /// GitHub.
    pub app: App,
    /// Turns at writing.
    pub writers: Writers,
    /// The service's time.
    pub clock: Clock,
    /// Where people reach us; without it checks have no link.
    pub public_url: Option<Url>,
    /// How many runs the whole service lets run at once.
    pub runs_max: u32,
    /// When the tables were taken last.
    pub tables_at: Mutex<Timestamp>,
}

/// What a piece of work leaves of a head.
#[derive(Default)]
struct Left {
    /// Names that are as they should be, or never will.
    settled: BTreeSet<String>,
    /// When something can be written again.
    again_at: Option<Timestamp>,
    /// When to show what may look different by then.
    early_until: Option<Timestamp>,
}

impl Left {
    fn later(&mut self, until: Timestamp) {
        self.again_at = Some(self.again_at.map_or(until, |at| at.min(until)));
    }

    fn again(&self) -> Option<Again> {
        self.again_at.map(Again::NotBefore).or(self.early_until.map(Again::Unless))
    }
}

impl Reconcile {
    /// Does some heads, those of one installation one after the other.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tick(&self) -> anyhow::Result<Next> {
        let at = self.clock.now();
        self.mark_tables(at).await?;
        let mut groups: BTreeMap<_, Vec<HeadDue>> = BTreeMap::new();
        for due in self.store.claim_heads(at, LEASE, HEADS_MAX).await? {
            groups.entry(due.head.installation).or_default().push(due);
        }
        let done = join_all(groups.into_values().map(|heads| self.heads(heads, at))).await;
        done.into_iter().collect::<anyhow::Result<()>>()?;
        Ok(self.store.oldest_head().await?.map_or(Next::Period, Next::At))
    }

    /// Tables change with every step; nobody reads them that fast.
    async fn mark_tables(&self, at: Timestamp) -> anyhow::Result<()> {
        {
            let mut last = self.tables_at.lock().unwrap_or_else(PoisonError::into_inner);
            if at.since(*last) < TABLES_EVERY {
                return Ok(());
            }
            *last = at;
        }
        let tables: Vec<_> = self.runs.take_tables().into_iter().collect();
        if tables.is_empty() { Ok(()) } else { Ok(self.store.mark_dirty(tables, at).await?) }
    }

    async fn heads(&self, heads: Vec<HeadDue>, claimed_at: Timestamp) -> anyhow::Result<()> {
        for due in heads {
            let now = self.clock.now();
            let left = if now.since(claimed_at) > LEASE / 2 {
                Left { again_at: Some(now), ..Left::default() }
            } else {
                self.head(&due).await.unwrap_or_else(|error| {
                    let sha = due.head.sha.as_str();
                    warn!(head.sha = sha, error = format!("{error:#}"), "a commit's checks could not be compared");
                    Left { again_at: Some(now.plus(FAILED_PAUSE)), ..Left::default() }
                })
            };
            let settled = due.dirty.iter().filter(|(name, _)| left.settled.contains(name)).cloned().collect();
            crashpoint!("head_shown_not_settled");
            // Another claim since then is no error: it sees to everything that we have not settled.
            self.store.head_settled(due, settled, self.clock.now(), left.again()).await?;
        }
        Ok(())
    }

    async fn head(&self, due: &HeadDue) -> anyhow::Result<Left> {
        crashpoint!("head_claimed_not_compared");
        let mut left = Left::default();
        let dirty = || due.dirty.iter().map(|(name, _)| name.clone());
        let head = &due.head;
        let installation = self.store.installation(head.installation).await?.filter(|row| row.removed_at.is_none());
        let repository = self.store.repository(head.installation, head.repo).await?;
        let (Some(installation), Some(repository)) = (installation, repository) else {
            warn!(
                head.sha = head.sha.as_str(),
                repo.id = head.repo.0,
                "the App is not there any more; nothing is shown"
            );
            left.settled.extend(dirty());
            return Ok(left);
        };
        if installation.suspended_at.is_some() {
            left.later(self.clock.now().plus(SUSPENDED_PAUSE));
            return Ok(left);
        }
        let rows = newest(self.store.checks(head.clone()).await?);
        let desired = self.desired(due, &rows).await?;
        // A name that should show nothing, and shows nothing that is open, is as it should be.
        left.settled.extend(dirty().filter(|name| !desired.iter().any(|desired| desired.check.name == *name)));
        let now = self.clock.now();
        let differs = |one: &&Desired| one.differs(rows.get(&one.check.name));
        let is_early =
            |one: &&Desired| !rows.contains_key(&one.check.name) && one.not_before.is_some_and(|at| now < at);
        let (early, mut wanted): (Vec<&Desired>, Vec<&Desired>) = desired.iter().filter(differs).partition(is_early);
        left.early_until = early.iter().filter_map(|one| one.not_before).min();
        // A workflow's own check goes last: whoever sees it completed sees its steps completed.
        wanted.sort_by_key(|one| !one.check.name.contains(" / "));
        let settled = desired.iter().filter(|one| !wanted.contains(one) && !early.contains(one));
        left.settled.extend(settled.map(|one| one.check.name.clone()));
        if wanted.is_empty() {
            return Ok(left);
        }
        let installation = self.app.installation(head.installation).await;
        let turn = match self.writers.turn(&installation, Share::Whole).await {
            Ok(turn) => turn,
            Err(NotNow::Wait(wait)) => {
                left.later(wait.until);
                return Ok(left);
            }
            Err(NotNow::Store(error)) => return Err(error.into()),
        };
        let (store, clock) = (&self.store, &self.clock);
        let mut showing = Showing { store, clock, installation, repo: repository.name, due, turn };
        let shown = self.write(&mut showing, &wanted, &rows, &mut left).await;
        showing.turn.end().await?;
        // A name that nobody marked is found again by the name of its workflow.
        let open = wanted.iter().map(|one| &one.check.name).filter(|name| !left.settled.contains(*name));
        let workflows: Vec<&str> = open.filter_map(|name| Some(name.split_once(" / ")?.0)).collect();
        left.settled.retain(|name| !workflows.contains(&name.as_str()));
        shown.map(|()| left)
    }

    async fn write(
        &self,
        showing: &mut Showing<'_>,
        wanted: &[&Desired],
        rows: &BTreeMap<String, CheckRow>,
        left: &mut Left,
    ) -> anyhow::Result<()> {
        for desired in wanted.iter().take(NAMES_MAX) {
            let name = &desired.check.name;
            match showing.show(desired, rows.get(name).cloned()).await.with_context(|| format!("check {name}"))? {
                Shown::Done => {
                    left.settled.insert(name.clone());
                }
                Shown::Later(until) => left.later(until),
                Shown::Stop(until) => {
                    left.later(until);
                    return Ok(());
                }
            }
        }
        if wanted.len() > NAMES_MAX {
            left.later(self.clock.now());
        }
        Ok(())
    }
}

/// The newest generation of each name; rows come in order.
fn newest(rows: Vec<CheckRow>) -> BTreeMap<String, CheckRow> {
    rows.into_iter().map(|row| (row.name.clone(), row)).collect()
}
