//! Intake: reads deliveries, decides, and writes what follows together with the mark that it was done.
//!
//! One delivery of a lane at a time, oldest first; lanes side by side, so that a repository for which GitHub is slow
//! holds nobody else up. A delivery whose facts cannot be loaded is tried again after a pause, in its lane, and given up
//! after many tries with its reason.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::FutureExt as _;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, info, warn};
use url::Url;
use uuid::Uuid;

use super::driver::Next;
use super::facts;
use super::runs::{Act, Done, Runs, Together};
use crate::crash::crashpoint;
use crate::engine::Event as Happened;
use crate::github::{self, App, Installation};
use crate::ids::{InstallationId, RunId, random_bytes};
use crate::inbound::event::{PullRequestChanged, Pushed};
use crate::inbound::{self, Event};
use crate::report::{CONFIG_CHECK, Reason};
use crate::route::{self, Class, Facts, Intent, OperatorFacts};
use crate::store::{
    Beside, Claim, Consumed, Delivery, DirtyCheck, HeadKey, HeadWrite, RunFilter, RunRow, Speaker, Store,
};
use crate::time::{Clock, Timestamp};
use crate::wake::{Loop, Wakes};
use crate::workflow::defaults::Operator;

/// Lanes that are worked on at once.
pub const LANES_MAX: usize = 16;
/// How long a lane is ours; what a crash costs. Where a decision takes longer, another may make it too, and the first of
/// the two to be written counts.
const LEASE: Duration = Duration::from_secs(30);
/// How often a decision is made again when what it rests on has changed meanwhile.
pub(super) const RACES_MAX: u32 = 5;
/// The longest pause before a delivery is tried again.
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// GitHub's own replicas lag behind its webhooks: what it does not know is asked for again so often, half a minute in all.
const UNKNOWN_TRIES: u32 = 5;
/// The pause while GitHub cannot be asked.
const BAD_DAY_PAUSE: Duration = Duration::from_secs(15);
/// Runs of a pull request that are looked at.
pub(super) const RUNS_MAX: u32 = 100;

/// The loop that reads deliveries.
pub struct Intake {
    /// Where deliveries lie.
    pub store: Store,
    /// The runs.
    pub runs: Runs,
    /// GitHub.
    pub app: App,
    /// Our App's number: only its own checks have buttons of ours.
    pub app_id: i64,
    /// Where run pages are found, if anywhere.
    pub public_url: Option<Url>,
    /// The time.
    pub clock: Clock,
    /// The other loops.
    pub wakes: Wakes,
    /// Room for lanes.
    pub room: Arc<Semaphore>,
    /// What the service waits for when it stops.
    pub tasks: TaskTracker,
    /// What the operator gives to every run.
    pub operator: OperatorFacts,
    /// Defaults and ceilings of workflow files.
    pub language: Operator,
}

impl Intake {
    /// Begins work on one delivery of each lane that is due, as far as there is room. Whoever is done wakes this loop.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tick(self: Arc<Self>) -> anyhow::Result<Next> {
        let room = u32::try_from(self.room.available_permits()).unwrap_or(0);
        if room == 0 {
            return Ok(Next::Period);
        }
        let deliveries = self.store.next_deliveries(self.clock.now(), LEASE, room).await?;
        let next = if deliveries.is_empty() { Next::Period } else { Next::Again };
        for delivery in deliveries {
            let place = self.room.clone().acquire_owned().await?;
            let intake = self.clone();
            let work = async move {
                if let Err(error) = intake.work_on(&delivery).await {
                    let reason = format!("{error:#}");
                    warn!(delivery.id = %delivery.guid, reason, "a delivery could not be put back; its lane waits out its lease");
                }
                drop(place);
                intake.wakes.wake(Loop::Intake);
            };
            self.tasks.spawn(work.in_current_span().boxed());
        }
        Ok(next)
    }

    async fn work_on(&self, delivery: &Delivery) -> anyhow::Result<()> {
        let Err(error) = self.decide(delivery).await else { return Ok(()) };
        if hopeless(&error, delivery.tries) {
            return self.done(delivery, &format!("skipped: {error:#}")).await;
        }
        let pause = Duration::from_secs(1).saturating_mul(1 << delivery.tries.min(10)).min(PAUSE_MAX);
        let reason = format!("{error:#}");
        warn!(delivery.id = %delivery.guid, delivery.tries, reason, "a delivery could not be worked on and is tried again");
        let at = self.clock.now();
        // GitHub's bad days are nobody's fault: however long they last, no delivery is given up for them.
        if let Some(until) = bad_day(&error, at) {
            return self.store.delivery_waits(delivery, until).await.map_err(Into::into);
        }
        self.store.delivery_failed(delivery, &reason, at, at.plus(pause)).await.map_err(Into::into)
    }

    async fn decide(&self, delivery: &Delivery) -> anyhow::Result<()> {
        crashpoint!("delivery_claimed_not_decided");
        let event = match inbound::parse(&delivery.event, &delivery.body) {
            Ok(event) => event,
            Err(unfit) => return self.done(delivery, &format!("rejected: {unfit}")).await,
        };
        match &event {
            Event::PullRequestChanged(change) => self.pull_request(delivery, &event, change).await,
            Event::Pushed(push) => self.push(delivery, &event, push).await,
            Event::Commented(comment) => self.comment(delivery, comment).await,
            Event::CheckRerequested(asked) => self.rerequested(delivery, &event, asked).await,
            Event::CheckActionRequested(click) => self.clicked(delivery, &event, click).await,
            Event::SuiteRerequested(asked) => self.suite_rerequested(delivery, &event, asked).await,
            Event::InstallationChanged(change) => self.installation(delivery, change).await,
            Event::RepositoriesChanged(change) => self.repositories(delivery, change).await,
            Event::RepositoryRenamed(renamed) => {
                self.remember(delivery.installation, &renamed.repository).await?;
                self.done(delivery, "renamed").await
            }
            Event::MergeGroupRequested(_) | Event::MergeGroupDestroyed(_) => {
                self.done(delivery, "merge groups are not in this release").await
            }
            Event::Ping(_) => self.done(delivery, "ping").await,
            Event::Ignored(ignored) => self.done(delivery, &format!("{}: {}", ignored.what, ignored.why)).await,
        }
    }

    /// A delivery that caused nothing.
    pub(super) async fn done(&self, delivery: &Delivery, outcome: &str) -> anyhow::Result<()> {
        Ok(self.store.delivery_done(delivery, outcome, self.clock.now()).await?)
    }

    /// What uses a delivery up, and with it everything else that says the same.
    pub(super) fn consumed(&self, delivery: &Delivery, event: &Event, outcome: &str) -> Vec<Consumed> {
        let at = self.clock.now();
        let (installation, id) = (delivery.installation, delivery.id);
        let mark =
            Consumed::Delivery { installation, id, lane: delivery.lane.clone(), outcome: outcome.to_owned(), at };
        let key = event.meaning().map(|meaning| Consumed::Key { installation, name: key_of(&meaning), at });
        std::iter::once(mark).chain(key).collect()
    }

    pub(super) async fn github(&self, installation: InstallationId) -> Installation {
        self.app.installation(installation).await
    }

    /// Makes a decision durable. `None`: it rests on something that has changed, so it is to be made again.
    pub(super) async fn settle(
        &self,
        delivery: &Delivery,
        acts: Vec<Act>,
        together: Together,
    ) -> anyhow::Result<Option<()>> {
        match self.runs.commit(acts, together).await? {
            Done::Committed(_) => {
                self.decided();
                Ok(Some(()))
            }
            Done::Lost(claims) if claims.iter().any(|claim| matches!(claim, Claim::Delivery(..))) => Ok(Some(())),
            Done::Lost(claims) if claims.iter().any(|claim| matches!(claim, Claim::Key(..))) => {
                self.done(delivery, "says the same as an earlier delivery").await.map(Some)
            }
            Done::Lost(_) => Ok(None),
        }
    }

    /// Wakes those who act on what was decided.
    pub(super) fn decided(&self) {
        crashpoint!("decision_committed_not_woken");
        self.wakes.wake(Loop::Reconcile);
        self.wakes.wake(Loop::Deliver);
    }

    async fn pull_request(
        &self,
        delivery: &Delivery,
        event: &Event,
        change: &PullRequestChanged,
    ) -> anyhow::Result<()> {
        self.remember(delivery.installation, &change.repository).await?;
        if self.is_outdated(delivery.installation, change).await? {
            return self.done(delivery, "came late: GitHub says otherwise by now").await;
        }
        for _ in 0..RACES_MAX {
            let head = facts::head(delivery.installation, change.repository.id, &change.head_sha);
            if change.action == "closed" {
                let intents = vec![Intent::CancelRuns { why: closed(change).to_owned() }];
                if self.carry_out((delivery, event), &head, intents, (&BTreeMap::new(), Vec::new())).await?.is_some() {
                    return Ok(());
                }
                continue;
            }
            let (facts, rows, holds) = self.pull_request_facts(delivery, change, &head).await?;
            let intents = route::pull_request(change, &facts);
            if self.carry_out((delivery, event), &head, intents, (&rows, holds)).await?.is_some() {
                return Ok(());
            }
        }
        bail!("what the decision rests on changed {RACES_MAX} times in a row")
    }

    /// Whether this came late, and the pull request was closed or opened again since.
    async fn is_outdated(&self, installation: InstallationId, change: &PullRequestChanged) -> anyhow::Result<bool> {
        let number = i64::try_from(change.number).context("a pull request's number")?;
        match self.github(installation).await.pull_request(&change.repository.name, number).await {
            Ok(pull) => Ok(pull.open != change.open && pull.updated_at.is_some_and(|at| at > change.updated_at)),
            // What is gone is not open again: its runs may be cancelled.
            Err(github::Error::NotFound(_) | github::Error::Uninstalled(_)) if !change.open => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn pull_request_facts(
        &self,
        delivery: &Delivery,
        change: &PullRequestChanged,
        head: &HeadKey,
    ) -> anyhow::Result<(Facts, BTreeMap<crate::ids::WorkflowId, u64>, Vec<Consumed>)> {
        let github = self.github(delivery.installation).await;
        let repo = &change.repository.name;
        let sources = facts::sources(&github, repo, &change.base_ref, &change.head_sha, &self.language).await?;
        let differs = sources.counts.tree_oid != sources.head.tree_oid;
        let wants_paths = differs || facts::ask_for_paths(&sources.definitions);
        let number = i64::try_from(change.number).context("a pull request's number")?;
        let changed = if wants_paths { facts::paths(github.pull_request_files(repo, number).await?) } else { None };
        let touched = changed.as_deref().filter(|_| differs).map(|paths| {
            let ours = |path: &&String| path.starts_with(".workflows/");
            paths.iter().filter(ours).cloned().collect::<Vec<_>>()
        });
        let touched = touched.filter(|paths| !paths.is_empty());
        let speakers = facts::speakers(&self.store, &self.runs, head).await?;
        let people = [change.author.as_ref(), change.sender.as_ref()];
        let runs_anything = !sources.definitions.workflows.is_empty();
        // Who sent an event that moved nothing need not be who pushed: to somebody else's fork that was perhaps nobody
        // with write. An own fork is in its owner's hands.
        let moved = matches!(change.action.as_str(), "opened" | "synchronize");
        let pusher_known = moved || !change.fork || facts::is_own_fork(change);
        let trusted =
            speakers.trusted || runs_anything && pusher_known && facts::all_write(&github, repo, people).await?;
        let message = if runs_anything { Some(github.commit(repo, &change.head_sha).await?.message) } else { None };
        let holds = self.store.pr_holds(delivery.installation, change.repository.id, number).await?;
        let of_all = holds.iter().find(|hold| hold.workflow.is_none()).map_or(0, |hold| hold.version);
        let (installation, repo) = (delivery.installation, change.repository.id);
        let consumed = vec![Consumed::Hold { installation, repo, number, workflow: None, version: of_all }];
        let facts = Facts {
            touched: touched.map(|paths| facts::problems(&sources.head, &paths, &self.language)),
            definitions: sources.definitions,
            changed,
            trusted,
            paused: facts::paused(&holds),
            speakers: speakers.speaks,
            operator: self.operator.clone(),
            pulls: Vec::new(),
            message,
        };
        Ok((facts, versions(speakers.rows), consumed))
    }

    async fn push(&self, delivery: &Delivery, event: &Event, push: &Pushed) -> anyhow::Result<()> {
        self.remember(delivery.installation, &push.repository).await?;
        let Some(sha) = &push.after else { return self.done(delivery, "a ref is gone").await };
        let github = self.github(delivery.installation).await;
        let name = &push.repository.name;
        let branch = push.git_ref.to_string();
        for _ in 0..RACES_MAX {
            let definitions = facts::of_commit(&github, name, sha, &branch, &self.language).await?;
            let wants_paths = facts::ask_for_paths(&definitions);
            let changed = match &push.before {
                Some(before) if wants_paths => match github.changed_files(name, before, sha).await {
                    // Histories that have nothing in common cannot be compared: everything may have changed.
                    Err(github::Error::NotFound(_)) => None,
                    changed => facts::paths(changed?),
                },
                Some(_) | None => None,
            };
            let pulls = match definitions.workflows.is_empty() {
                true => Vec::new(),
                false => github.pull_requests_of(name, sha).await?,
            };
            let head = facts::head(delivery.installation, push.repository.id, sha);
            let speakers = facts::speakers(&self.store, &self.runs, &head).await?;
            let mut open = Vec::new();
            for pull in pulls.into_iter().filter(|pull| pull.open && pull.head.sha == *sha) {
                let base = pull.base.branch;
                let counts = facts::sources(&github, name, &base, sha, &self.language).await?;
                open.push(route::Pull { base, definitions: counts.definitions });
            }
            let facts = Facts {
                definitions,
                changed,
                // Whoever pushed to the repository has write; a fork's push never arrives here.
                trusted: true,
                paused: Vec::new(),
                speakers: speakers.speaks,
                operator: self.operator.clone(),
                touched: None,
                pulls: open,
                message: Some(push.message.clone()),
            };
            let intents = route::push(push, &facts);
            let rows = versions(speakers.rows);
            if self.carry_out((delivery, event), &head, intents, (&rows, Vec::new())).await?.is_some() {
                return Ok(());
            }
        }
        bail!("what the decision rests on changed {RACES_MAX} times in a row")
    }

    /// Turns intents into acts and writes them, together with the delivery's mark.
    async fn carry_out(
        &self,
        (delivery, event): (&Delivery, &Event),
        head: &HeadKey,
        intents: Vec<Intent>,
        (versions, consumed): (&BTreeMap<crate::ids::WorkflowId, u64>, Vec<Consumed>),
    ) -> anyhow::Result<Option<()>> {
        let at = self.clock.now();
        let mut acts = Vec::new();
        let mut beside = Beside { at, ..Beside::default() };
        let mut outcome = Vec::new();
        let expect = |workflow: &crate::ids::WorkflowId| versions.get(workflow).copied().unwrap_or(0);
        for intent in intents {
            match intent {
                Intent::Start(start) => {
                    let workflow = start.plan.workflow.clone();
                    let run = new_run(delivery.installation, at);
                    outcome.push(format!("{workflow}: {run}"));
                    let hash = self.store.put_plan(delivery.installation, start.plan.to_json()?.as_bytes(), at).await?;
                    crashpoint!("plan_stored_run_not_created");
                    let mut act = Act::new(run, Happened::Created(Box::new(start.birth.clone())));
                    act.birth = Some((Arc::new(start.plan), hash));
                    act.heads.push(HeadWrite {
                        head: head.clone(),
                        expect: expect(&workflow),
                        workflow,
                        speaker: Speaker::Run(run),
                        class: Class::Run as i64,
                        source_at: start.birth.source_time,
                    });
                    acts.push(act);
                }
                Intent::Say { workflow, reason } => {
                    outcome.push(format!("{workflow}: {}", reason.word()));
                    let is_config = matches!(reason, Reason::Config { .. });
                    let name = if is_config { CONFIG_CHECK.to_owned() } else { workflow.to_string() };
                    beside.dirty.push(DirtyCheck { head: head.clone(), name });
                    beside.heads.push(HeadWrite {
                        head: head.clone(),
                        expect: expect(&workflow),
                        workflow,
                        class: Class::of(&reason) as i64,
                        speaker: Speaker::Reason(serde_json::to_string(&reason)?),
                        source_at: event.source_time().unwrap_or(delivery.received_at),
                    });
                }
                Intent::CancelRuns { why } => {
                    let runs = self.live_of(delivery.installation, event).await?;
                    outcome.push(format!("{} to cancel", runs.len()));
                    let cancel = |run| Act::new(run, Happened::CancelRequested { by: None, why: why.clone() });
                    acts.extend(runs.into_iter().map(cancel));
                }
            }
        }
        let outcome = if outcome.is_empty() { "nothing to do".to_owned() } else { outcome.join(", ") };
        info!(delivery.id = %delivery.guid, outcome, "decided");
        let mut together =
            Together { consumed: self.consumed(delivery, event, &outcome), beside, ..Together::default() };
        if !acts.is_empty() {
            together.consumed.extend(consumed);
        }
        self.settle(delivery, acts, together).await
    }

    /// The live runs of a pull request that was closed.
    async fn live_of(&self, installation: InstallationId, event: &Event) -> anyhow::Result<Vec<RunId>> {
        let Event::PullRequestChanged(change) = event else { return Ok(Vec::new()) };
        let number = i64::try_from(change.number).context("a pull request's number")?;
        let filter = RunFilter::Pull(change.repository.id, number);
        let rows = self.store.list_runs(installation, filter, None, RUNS_MAX).await?;
        // What is newer than the event goes on: the event came late, and the pull request is open again.
        let ends =
            |row: &RunRow| row.finished_at.is_none() && row.broken.is_none() && row.source_at <= change.updated_at;
        Ok(rows.into_iter().filter(ends).map(|row| row.id).collect())
    }
}

fn versions(rows: BTreeMap<crate::ids::WorkflowId, crate::store::SpeakerRow>) -> BTreeMap<crate::ids::WorkflowId, u64> {
    rows.into_iter().map(|(workflow, row)| (workflow, row.version)).collect()
}

/// Whether another try is of no use: GitHub has no such installation, or goes on not knowing what the delivery speaks of.
fn hopeless(error: &anyhow::Error, tries: u32) -> bool {
    match error.downcast_ref::<github::Error>() {
        Some(github::Error::Uninstalled(_)) => true,
        Some(github::Error::NotFound(_)) => tries >= UNKNOWN_TRIES,
        _ => false,
    }
}

/// Until when nothing can be asked, where that is GitHub's to say or to mend.
fn bad_day(error: &anyhow::Error, at: Timestamp) -> Option<Timestamp> {
    match error.downcast_ref::<github::Error>()? {
        github::Error::RateLimited { until, .. } => Some((*until).max(at.plus(BAD_DAY_PAUSE))),
        github::Error::Unavailable(_) => Some(at.plus(BAD_DAY_PAUSE)),
        _ => None,
    }
}

fn closed(change: &PullRequestChanged) -> &'static str {
    if change.merged { "the pull request was merged" } else { "the pull request was closed" }
}

/// A new run's id: UUIDs version 7 sort by birth.
fn new_run(installation: InstallationId, at: Timestamp) -> RunId {
    let millis = u64::try_from(at.0 / 1_000).unwrap_or(0);
    RunId { installation, uuid: uuid::Builder::from_unix_timestamp_millis(millis, &random_bytes()).into_uuid() }
}

/// A key of meaning as the database keeps it: refs have no bound, so a digest of it.
pub(super) fn key_of(meaning: &str) -> String {
    use sha2::Digest as _;
    format!("event:{}", hex::encode(sha2::Sha256::digest(meaning)))
}

/// An id for an effect.
pub(super) fn effect_id(at: Timestamp) -> Uuid {
    new_run(InstallationId(0), at).uuid
}
