//! Runs as the loops see them: load, decide, commit, remember. The only place that calls the engine.
//!
//! The cache holds committed state and at most one transition on its way; whatever goes wrong drops what is cached, and
//! the next look loads the journal again. So there is no second path for recovery: it is a cache miss.
//!
//! *Invariant:* nobody sees a state that is not committed: what is on its way is out of the cache.
//! *Invariant:* a panic of the engine quarantines one run; the process and all other runs go on.

mod line;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, bail};
use moka::future::Cache;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, mpsc};
use tracing::{error, warn};

use super::{measure, rows};
use crate::crash::crashpoint;
use crate::engine::{Ctx, Event, Rejected, RunState, Transition, apply, encode, next_timer};
use crate::ids::{AgentName, AttemptId, InstallationId, RunId, random_bytes};
use crate::metrics::Metrics;
use crate::report::dirty;
use crate::store::{
    Beside, Bundle, Claim, Consumed, DirtyCheck, Door, EffectWrite, Error, GateWrite, HeadWrite, HoldWrite,
    Incarnation, PlanHash, Store, Verdict,
};
use crate::time::{Clock, Timestamp};
use crate::wake::{Loop, Wakes};
use crate::workflow::plan::Plan;

/// Runs that are kept in memory.
const CACHE_RUNS_MAX: u64 = 1_000;
/// How often a decision is made again after somebody else was first.
const RACES_MAX: u32 = 8;
/// A checkpoint is written when the journal behind the last one is larger than it, and at least this large.
const CHECKPOINT_BYTES_MIN: usize = 64 << 10;
/// Started attempts on their way to the dispatcher; one that finds no room is found in the database a little later.
pub const HANDOFF_MAX: usize = 10_000;

/// Runs, by way of the cache. Cheap to clone.
#[derive(Clone)]
pub struct Runs(Arc<Inner>);

struct Inner {
    store: Store,
    door: Door,
    clock: Clock,
    wakes: Wakes,
    replica: Incarnation,
    eager: BTreeSet<AgentName>,
    handoff: mpsc::Sender<Handoff>,
    cache: Cache<RunId, Arc<Slot>>,
    /// Workflow checks whose table changed and nothing else: soon enough within the minute.
    tables: Mutex<BTreeSet<DirtyCheck>>,
    metrics: OnceLock<Metrics>,
}

/// One run's place.
#[derive(Default)]
struct Slot {
    cached: Arc<AsyncMutex<Option<Cached>>>,
    line: line::Line,
}

type Place = OwnedMutexGuard<Option<Cached>>;

/// A transition on its way: its run, the bytes of its journal row, and the push tokens of attempts that start with it.
struct Written {
    run: RunId,
    transition: Transition,
    bytes: usize,
    tokens: Vec<(AttemptId, [u8; 32])>,
}

/// What goes through the door, and what is remembered of it once it is durable.
#[derive(Default)]
struct Draft {
    bundle: Bundle,
    written: Vec<Written>,
}

struct Cached {
    state: RunState,
    plan: PlanHash,
    /// Bytes of the journal behind the last checkpoint, and bytes of that checkpoint.
    tail: usize,
    checkpoint: usize,
}

/// An attempt that started in the transition that freed its step: this replica sends it, at once.
#[derive(Debug)]
pub struct Handoff {
    /// The attempt.
    pub attempt: AttemptId,
    /// What the agent shows when it calls back; the database has only its hash.
    pub token: [u8; 32],
}

/// One event for one run, and what is written with it.
pub struct Act {
    /// The run.
    pub run: RunId,
    /// What happened to it.
    pub event: Event,
    /// For a new run: its plan, stored already.
    pub birth: Option<(Arc<Plan>, PlanHash)>,
    /// A gate's rows beside those that follow from the event: the ticket of a grant.
    pub gates: Vec<GateWrite>,
    /// The claim on a queued attempt, with its token.
    pub claim: Option<(AttemptId, [u8; 32])>,
    /// Speakers that change.
    pub heads: Vec<HeadWrite>,
    /// A report of an attempt, by its key.
    pub blobs: Vec<crate::store::BlobWrite>,
}

impl Act {
    /// An event for a run, and nothing beside it.
    #[must_use]
    pub fn new(run: RunId, event: Event) -> Self {
        Self { run, event, birth: None, gates: Vec::new(), claim: None, heads: Vec::new(), blobs: Vec::new() }
    }
}

/// What lands together with the acts, or not at all.
#[derive(Clone, Default)]
pub struct Together {
    /// What caused it.
    pub consumed: Vec<Consumed>,
    /// Holds of pull requests that change.
    pub holds: Vec<HoldWrite>,
    /// What belongs to no run.
    pub beside: Beside,
    /// What is answered, once the engine has said what it does with the acts.
    pub answer: Option<Answer>,
}

/// What the engine said to each act, by run.
pub type Decided = BTreeMap<RunId, Result<Transition, Rejected>>;

/// From what the engine said to the effects of the answer.
pub type Answer = Arc<dyn Fn(&Decided) -> Vec<(InstallationId, EffectWrite)> + Send + Sync>;

/// What became of acts.
#[derive(Debug)]
#[must_use]
pub enum Done {
    /// Durable. Acts that the engine rejected are not in it; the others are, by run.
    Committed(Decided),
    /// This had changed meanwhile, or was used up: somebody else did it, or it must be decided anew.
    Lost(Vec<Claim>),
}

/// A run that cannot be read or was quarantined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("run {run} is left alone: {why}")]
pub struct Broken {
    /// The run.
    pub run: RunId,
    /// Why.
    pub why: String,
}

impl Runs {
    /// Runs over this store, written through this door.
    #[must_use]
    pub fn new(
        (store, door): (Store, Door),
        (clock, wakes): (Clock, Wakes),
        replica: Incarnation,
        eager: BTreeSet<AgentName>,
    ) -> (Self, mpsc::Receiver<Handoff>) {
        let (handoff, handed) = mpsc::channel(HANDOFF_MAX);
        let cache = Cache::builder().max_capacity(CACHE_RUNS_MAX).build();
        let inner = Inner {
            store,
            door,
            clock,
            wakes,
            replica,
            eager,
            handoff,
            cache,
            tables: Mutex::default(),
            metrics: OnceLock::new(),
        };
        (Self(Arc::new(inner)), handed)
    }

    /// Counts what happens to runs here from now on.
    #[must_use]
    pub fn measured(self, metrics: Metrics) -> Self {
        // Whoever was first stays: both count the same.
        let _ = self.0.metrics.set(metrics);
        self
    }

    /// Whether attempts of this agent start in the transition that frees their step: it has no limit, and no slots.
    #[must_use]
    pub fn is_eager(&self, agent: &AgentName) -> bool {
        self.0.eager.contains(agent)
    }

    /// Looks at a run; nothing when it does not exist.
    ///
    /// # Errors
    /// When the database does not answer, or the run is [`Broken`].
    pub async fn read<T>(&self, run: RunId, look: impl FnOnce(&RunState) -> T) -> anyhow::Result<Option<T>> {
        let mut slot = self.place(run).await;
        if slot.is_none() {
            *slot = self.load(run).await?;
        }
        Ok(slot.as_ref().map(|cached| look(&cached.state)))
    }

    /// Looks at a run as the database has it now: another replica may have moved it.
    ///
    /// # Errors
    /// As [`Runs::read`].
    pub async fn read_newest<T>(&self, run: RunId, look: impl FnOnce(&RunState) -> T) -> anyhow::Result<Option<T>> {
        let mut slot = self.place(run).await;
        if let Some(cached) = slot.as_ref()
            && self.is_old(&cached.state).await?
        {
            *slot = None;
        }
        if slot.is_none() {
            *slot = self.load(run).await?;
        }
        Ok(slot.as_ref().map(|cached| look(&cached.state)))
    }

    /// Whether the database is ahead of a state.
    async fn is_old(&self, state: &RunState) -> anyhow::Result<bool> {
        let row = self.0.store.run(state.id).await?;
        Ok(row.is_none_or(|row| row.seq != state.seq || row.broken.is_some()))
    }

    /// Tells a run what happened to it. `None`: there is no such run.
    ///
    /// # Errors
    /// As [`Runs::commit`].
    pub async fn tell(&self, run: RunId, event: Event) -> anyhow::Result<Option<Result<Transition, Rejected>>> {
        self.note(Act::new(run, event)).await
    }

    /// Decides and writes acts, at most one for each run, together with what belongs to them.
    ///
    /// # Errors
    /// When the database does not take it, or a run is [`Broken`].
    pub async fn commit(&self, mut acts: Vec<Act>, together: Together) -> anyhow::Result<Done> {
        acts.sort_by_key(|act| act.run);
        for _ in 0..RACES_MAX {
            let mut places = Vec::with_capacity(acts.len());
            for act in &acts {
                places.push(self.place(act.run).await);
            }
            if let Some(done) = self.attempt(&acts, &together, &mut places).await? {
                return Ok(done);
            }
        }
        Ok(Done::Lost(Vec::new()))
    }

    /// One try. `None`: another replica moved a run first, so it is loaded and decided anew.
    async fn attempt(&self, acts: &[Act], together: &Together, places: &mut [Place]) -> anyhow::Result<Option<Done>> {
        let mut all = BTreeMap::new();
        let mut states = Vec::with_capacity(acts.len());
        let mut draft = Draft::default();
        draft.bundle.consumed.clone_from(&together.consumed);
        draft.bundle.holds.clone_from(&together.holds);
        draft.bundle.beside = Beside { at: self.0.clock.now(), ..together.beside.clone() };
        for (act, place) in acts.iter().zip(places.iter_mut()) {
            let (cached, is_fresh) = self.take(act, place).await?;
            let Some(mut cached) = cached else { continue };
            let decided = self.decide(act, &mut cached, &mut draft).await?;
            // A decision that writes nothing is compared with nothing: an old state must not make it.
            let writes = decided.as_ref().is_ok_and(|transition| !transition.changes.is_empty());
            if !writes && !is_fresh && self.is_old(&cached.state).await? {
                return Ok(None);
            }
            all.insert(act.run, decided);
            states.push(cached);
        }
        if let Some(answer) = &together.answer {
            draft.bundle.beside.effects.extend(answer(&all));
        }
        if let Some(lost) = self.land(draft, &mut states).await? {
            return Ok((!rows::only_runs(&lost)).then_some(Done::Lost(lost)));
        }
        let mut states = states.into_iter().peekable();
        for (act, place) in acts.iter().zip(places) {
            **place = states.next_if(|cached| cached.state.id == act.run);
        }
        Ok(Some(Done::Committed(all)))
    }

    /// Takes a run out of its place, or loads it, which is told besides. It comes back when what is decided is durable:
    /// whoever stops waiting in between, or meets an error, leaves nothing there that is not.
    async fn take(&self, act: &Act, place: &mut Place) -> anyhow::Result<(Option<Cached>, bool)> {
        if let Some(cached) = place.take() {
            return Ok((Some(cached), false));
        }
        let loaded = match &act.birth {
            Some((plan, hash)) => Some(Cached::unborn(act.run, plan.clone(), *hash)),
            None => self.load(act.run).await?,
        };
        Ok((loaded, true))
    }

    /// Asks the engine, and drafts what it decided. A panic there quarantines the run.
    async fn decide(
        &self,
        act: &Act,
        cached: &mut Cached,
        draft: &mut Draft,
    ) -> anyhow::Result<Result<Transition, Rejected>> {
        let jitter = u64::from_ne_bytes(random_bytes());
        let ctx = Ctx { at: self.0.clock.now(), jitter, eager: &self.0.eager };
        let before = cached.state.seq;
        let decided = catch_unwind(AssertUnwindSafe(|| apply(&mut cached.state, &act.event, &ctx)));
        let Ok(decided) = decided else {
            error!(run.id = %act.run, event.kind = act.event.kind(), "the engine panicked; the run is quarantined");
            self.0.store.quarantine(act.run, "the engine panicked").await?;
            return Err(Broken { run: act.run, why: "the engine panicked".to_owned() }.into());
        };
        if let Ok(transition) = &decided
            && !transition.changes.is_empty()
        {
            draft.add(self.0.replica, act, cached, (before, transition));
        }
        Ok(decided)
    }

    /// Sends a draft through the door. What had changed meanwhile, so that nothing of it was written; or nothing.
    async fn land(&self, draft: Draft, states: &mut [Cached]) -> anyhow::Result<Option<Vec<Claim>>> {
        let Draft { bundle, written } = draft;
        if bundle.is_empty() {
            return Ok(None);
        }
        match self.0.door.commit(bundle).await.context("Failed to persist workflow state")? {
            Verdict::Committed => {
                self.committed(states, written);
                Ok(None)
            }
            Verdict::Lost(claims) => Ok(Some(claims)),
            Verdict::Failed(why) => bail!("Failed to persist workflow state: {why}"),
            Verdict::Unknown => bail!("Failed to persist workflow state: the database did not say whether it did"),
        }
    }

    /// Remembers what is durable now and wakes whoever has something to do.
    fn committed(&self, states: &mut [Cached], written: Vec<Written>) {
        let mut woken = BTreeSet::new();
        for Written { run, transition, bytes, tokens } in written {
            for (attempt, token) in tokens {
                crashpoint!("attempt_started_not_handed_on");
                if self.0.handoff.try_send(Handoff { attempt, token }).is_err() {
                    woken.insert(Loop::Dispatch);
                }
            }
            let Some(cached) = states.iter_mut().find(|cached| cached.state.id == run) else { continue };
            cached.tail += bytes;
            if cached.tail > cached.checkpoint.max(CHECKPOINT_BYTES_MIN) {
                self.checkpoint(cached);
            }
            if let Some(metrics) = self.0.metrics.get() {
                measure::count(metrics, &cached.state, &transition.changes);
            }
            rows::wakes(&transition, &mut woken);
            let touched = dirty(&cached.state, &transition.changes);
            if !touched.now.is_empty() {
                woken.insert(Loop::Reconcile);
            }
            if touched.table {
                let mut tables = self.0.tables.lock().unwrap_or_else(PoisonError::into_inner);
                tables.extend(rows::workflow_check(&cached.state));
            }
            if next_timer(&cached.state).is_some() {
                woken.insert(Loop::Advance);
            }
        }
        woken.into_iter().for_each(|which| self.0.wakes.wake(which));
    }

    /// Workflow checks whose table changed since this was asked last.
    #[must_use]
    pub fn take_tables(&self) -> BTreeSet<DirtyCheck> {
        std::mem::take(&mut *self.0.tables.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Saves the state beside the journal, off the path of whoever waits. It never decides, so failing is harmless.
    fn checkpoint(&self, cached: &mut Cached) {
        let bytes = encode::checkpoint(&cached.state);
        cached.tail = 0;
        cached.checkpoint = bytes.len();
        let (store, run, seq) = (self.0.store.clone(), cached.state.id, cached.state.seq);
        tokio::spawn(async move {
            if let Err(error) = store.write_checkpoint(run, seq, &bytes).await {
                warn!(run.id = %run, error = %error, "a checkpoint was not written; loading this run takes longer");
            }
        });
    }

    async fn slot(&self, run: RunId) -> Arc<Slot> {
        self.0.cache.get_with(run, async { Arc::default() }).await
    }

    async fn place(&self, run: RunId) -> Place {
        self.slot(run).await.cached.clone().lock_owned().await
    }

    /// Loads a run: its checkpoint, if that can be read, and the journal behind it. What cannot be read is this run's
    /// trouble and nobody else's: it is [`Broken`].
    async fn load(&self, run: RunId) -> anyhow::Result<Option<Cached>> {
        let unreadable = |why: String| Broken { run, why };
        let sorted = |error: Error| match error {
            Error::Unreadable { .. } => unreadable(error.to_string()).into(),
            error => anyhow::Error::from(error),
        };
        let Some(loaded) = self.0.store.load_run(run).await.map_err(sorted)? else { return Ok(None) };
        if let Some(why) = &loaded.row.broken {
            return Err(unreadable(why.clone()).into());
        }
        let body = self.0.store.plan(run.installation, loaded.row.plan).await.map_err(sorted)?;
        let body = body.ok_or_else(|| unreadable("its plan is missing".to_owned()))?;
        let plan = serde_json::from_slice(&body).map_err(|error| unreadable(format!("its plan: {error}")))?;
        let plan: Arc<Plan> = Arc::new(plan);
        let tail: usize = loaded.tail.iter().map(|event| event.body.len()).sum();
        let checkpoint = loaded.checkpoint.as_ref().map_or(0, |(_, body)| body.len());
        let folded = catch_unwind(AssertUnwindSafe(|| fold(run, plan, &loaded)));
        let state = folded.map_err(|_| unreadable("folding its journal panicked".to_owned()))?.map_err(unreadable)?;
        Ok(Some(Cached { state, plan: loaded.row.plan, tail, checkpoint }))
    }
}

impl Draft {
    /// The rows of a transition, and of the act that led to it.
    fn add(&mut self, replica: Incarnation, act: &Act, cached: &Cached, (before, transition): (u64, &Transition)) {
        let body = encode::row(&encode::Row { event: act.event.clone(), changes: transition.changes.clone() });
        let tokens = tokens(act, &cached.state, transition);
        self.bundle.transitions.extend(rows::transition(&rows::Parts {
            act,
            state: &cached.state,
            plan: cached.plan,
            before,
            transition,
            body: &body,
            tokens: &tokens,
            replica,
        }));
        self.written.push(Written { run: act.run, transition: transition.clone(), bytes: body.len(), tokens });
    }
}

/// The push tokens of the attempts that start with this transition: drawn for eager ones, brought along by a claim.
fn tokens(act: &Act, state: &RunState, transition: &Transition) -> Vec<(AttemptId, [u8; 32])> {
    let eager = rows::started(state, transition).map(|attempt| (attempt, random_bytes()));
    eager.chain(act.claim.clone()).collect()
}

/// Folds a journal over a checkpoint, or over nothing.
fn fold(run: RunId, plan: Arc<Plan>, loaded: &crate::store::Loaded) -> Result<RunState, String> {
    let saved = loaded.checkpoint.as_ref().and_then(|(_, body)| encode::read_checkpoint(body).ok());
    let mut state = match saved {
        Some(data) => RunState::restore(run, plan, data),
        None => RunState::unborn(run, plan),
    };
    for event in &loaded.tail {
        if event.seq <= state.seq {
            continue;
        }
        if event.seq != state.seq + 1 {
            return Err(format!("its journal has no row {}", state.seq + 1));
        }
        let row = encode::read_row(&event.body).map_err(|error| format!("row {}: {error}", event.seq))?;
        state.fold(event.at, &row.changes);
    }
    Ok(state)
}

impl Cached {
    fn unborn(run: RunId, plan: Arc<Plan>, hash: PlanHash) -> Self {
        Self { state: RunState::unborn(run, plan), plan: hash, tail: 0, checkpoint: 0 }
    }
}

/// When the run is to be looked at next.
#[must_use]
pub fn wake_at(state: &RunState) -> Option<Timestamp> {
    next_timer(state).map(|(at, _)| at)
}
