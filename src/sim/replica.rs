//! A replica: what it has in memory, and how it decides and writes. The counterpart of `loops::runs` and of the door's
//! hands, over the same engine, the same rows and the same committer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::database::Wrote;
use super::dice::Dice;
use super::world::{Call, Who, World};
use crate::engine::{Ctx, RunState, apply, encode};
use crate::ids::{AgentName, AttemptId, RunId};
use crate::loops::rows;
use crate::loops::runs::{Act, Decided, wake_at};
use crate::store::{
    Batch, Beside, Bundle, Claim, Committer, Consumed, Incarnation, Outcome, PlanHash, Step, Ticket, Verdict, Why,
};
use crate::time::Timestamp;
use crate::wake::Loop;

/// How often a decision is made again after somebody else was first.
const RACES_MAX: u32 = 8;
/// How often a replica shows that it lives.
pub(super) const BEAT: Duration = Duration::from_secs(10);
/// Silent for so long: others take over.
pub(super) const LEASE: Duration = Duration::from_secs(30);
/// Without a good beat for so long: it sends nothing more.
const FENCE: Duration = Duration::from_secs(20);
/// A replica's idea of the time is so far off at most, either way.
const SKEW: Duration = Duration::from_millis(300);

/// What became of acts.
pub(super) enum Said {
    Committed(Decided),
    Lost(Vec<Claim>),
    Error,
}

/// Acts on their way.
pub(super) struct Commit {
    acts: Vec<Act>,
    consumed: Vec<Consumed>,
    races: u32,
    decided: Decided,
    tokens: Vec<AttemptId>,
    then: Follow,
}

/// What follows when it is known what became of acts.
type Follow = Box<dyn FnOnce(&mut World, Said)>;

pub(super) struct Replica {
    pub(super) up: bool,
    pub(super) life: u32,
    pub(super) frozen_until: Timestamp,
    pub(super) me: Incarnation,
    skew: i64,
    pub(super) heard: Option<Timestamp>,
    core: Committer,
    waiting: BTreeMap<Ticket, Commit>,
    cache: BTreeMap<RunId, RunState>,
    busy: BTreeSet<RunId>,
    parked: VecDeque<Commit>,
    pub(super) woken: BTreeSet<Loop>,
    pub(super) planned: BTreeMap<Loop, Timestamp>,
    /// Attempts that somebody here sends.
    pub(super) sending: BTreeSet<AttemptId>,
    /// Attempts that somebody here looks at.
    pub(super) looking: BTreeSet<AttemptId>,
    /// Since when agents know that they shall stop.
    pub(super) stopping: BTreeMap<AttemptId, Timestamp>,
}

impl Replica {
    /// A process that does not run yet.
    pub(super) fn new(dice: &mut Dice) -> Self {
        let skew = crate::time::micros(dice.between(Duration::ZERO, SKEW * 2)) - crate::time::micros(SKEW);
        Self {
            up: false,
            life: 0,
            frozen_until: Timestamp(0),
            me: Incarnation(dice.bytes()),
            skew,
            heard: None,
            core: Committer::default(),
            waiting: BTreeMap::new(),
            cache: BTreeMap::new(),
            busy: BTreeSet::new(),
            parked: VecDeque::new(),
            woken: BTreeSet::new(),
            planned: BTreeMap::new(),
            sending: BTreeSet::new(),
            looking: BTreeSet::new(),
            stopping: BTreeMap::new(),
        }
    }
}

impl World {
    /// A new process in the place of the one that died.
    pub(super) fn start(&mut self, replica: usize) {
        let life = self.replicas[replica].life + 1;
        self.replicas[replica] = Replica { up: true, life, ..Replica::new(&mut self.dice) };
        self.tell(|| format!("replica {replica} starts"));
        self.loops(Who { replica, life });
    }

    pub(super) fn replica(&mut self, who: Who) -> &mut Replica {
        &mut self.replicas[who.replica]
    }

    /// Whether a replica has not been heard for too long to do anything outside. Its own clock says so.
    pub(super) fn is_fenced(&self, who: Who) -> bool {
        self.replicas[who.replica].heard.is_none_or(|heard| self.now.since(heard) > FENCE)
    }

    /// What a replica thinks the time is.
    pub(super) fn clock(&self, who: Who) -> Timestamp {
        Timestamp(self.now.0 + self.replicas[who.replica].skew)
    }

    /// Decides and writes acts, together with what caused them.
    pub(super) fn commit(
        &mut self,
        who: Who,
        mut acts: Vec<Act>,
        consumed: Vec<Consumed>,
        then: impl FnOnce(&mut Self, Said) + 'static,
    ) {
        acts.sort_by_key(|act| act.run);
        let (decided, tokens, then) = (Decided::new(), Vec::new(), Box::new(then));
        self.advance_commit(who, Commit { acts, consumed, races: 0, decided, tokens, then });
    }

    fn advance_commit(&mut self, who: Who, commit: Commit) {
        let replica = self.replica(who);
        if commit.acts.iter().any(|act| replica.busy.contains(&act.run)) {
            return replica.parked.push_back(commit);
        }
        replica.busy.extend(commit.acts.iter().map(|act| act.run));
        self.decide(who, commit);
    }

    fn decide(&mut self, who: Who, mut commit: Commit) {
        commit.decided.clear();
        commit.tokens.clear();
        let at = self.clock(who);
        let mut bundle = Bundle { beside: Beside { at, ..Beside::default() }, ..Bundle::default() };
        bundle.consumed.clone_from(&commit.consumed);
        for act in &commit.acts {
            let loaded = !self.replica(who).cache.contains_key(&act.run);
            if loaded && !self.load(who, act) {
                return self.settle(who, commit, Err(()));
            }
            let jitter = self.dice.next();
            let replica = &mut self.replicas[who.replica];
            let Some(state) = replica.cache.get_mut(&act.run) else { continue };
            let before = state.seq;
            let decided = apply(state, &act.event, &Ctx { at, jitter, eager: &eager() });
            let transition = decided.as_ref().ok().filter(|transition| !transition.changes.is_empty());
            let newest = self.db.runs.get(&act.run).map_or(0, |record| record.journal.len() as u64);
            if transition.is_none() && !loaded && before != newest {
                return self.again(who, commit);
            }
            if let Some(transition) = transition {
                let body = encode::row(&encode::Row { event: act.event.clone(), changes: transition.changes.clone() });
                let mut tokens: Vec<_> = rows::started(state, transition).map(|attempt| (attempt, [0; 32])).collect();
                tokens.extend(act.claim.clone());
                let (plan, replica) = (PlanHash([0; 32]), replica.me);
                let tokens_of = &tokens;
                let parts =
                    rows::Parts { act, state, plan, before, transition, body: &body, tokens: tokens_of, replica };
                bundle.transitions.extend(rows::transition(&parts));
                commit.tokens.extend(tokens.into_iter().map(|(attempt, _)| attempt));
            }
            commit.decided.insert(act.run, decided);
        }
        if bundle.is_empty() {
            return self.settle(who, commit, Ok(Verdict::Committed));
        }
        let ticket = Ticket(self.dice.bytes());
        let replica = self.replica(who);
        replica.core.push(ticket, bundle);
        replica.waiting.insert(ticket, commit);
        self.pump(who);
    }

    /// Has the run in memory; false when the database does not say.
    fn load(&mut self, who: Who, act: &Act) -> bool {
        if let Some((plan, _)) = &act.birth {
            let state = RunState::unborn(act.run, plan.clone());
            self.replica(who).cache.insert(act.run, state);
            return true;
        }
        if !self.reads() {
            return false;
        }
        if let Some(state) = self.folded(act.run) {
            self.replica(who).cache.insert(act.run, state);
        }
        true
    }

    /// A run as checkpoint and journal have it.
    fn folded(&mut self, run: RunId) -> Option<RunState> {
        let (record, plan) = (self.db.runs.get(&run)?, self.db.plans.get(&run)?.clone());
        let saved = record.saved.as_ref().and_then(|(_, body)| encode::read_checkpoint(body).ok());
        let mut state = match saved {
            Some(data) => RunState::restore(run, plan, data),
            None => RunState::unborn(run, plan),
        };
        for line in record.journal.iter().skip(usize::try_from(state.seq).unwrap_or(usize::MAX)) {
            match encode::read_row(&line.body) {
                Ok(row) => state.fold(line.at, &row.changes),
                Err(error) => {
                    self.laws.blame(|| format!("{run}: a row that was written cannot be read: {error}"));
                    return None;
                }
            }
        }
        Some(state)
    }

    fn again(&mut self, who: Who, mut commit: Commit) {
        commit.races += 1;
        if commit.races >= RACES_MAX {
            return self.settle(who, commit, Ok(Verdict::Lost(Vec::new())));
        }
        self.forget(who, &commit);
        self.decide(who, commit);
    }

    fn forget(&mut self, who: Who, commit: &Commit) {
        let replica = self.replica(who);
        commit.acts.iter().for_each(|act| drop(replica.cache.remove(&act.run)));
    }

    /// Lets the committer go on.
    fn pump(&mut self, who: Who) {
        let Some(batch) = self.replica(who).core.next_batch() else { return };
        let wait = if batch.tries > 0 { Duration::from_millis(20 << batch.tries.min(8)) } else { Duration::ZERO };
        self.after(Some(who), wait, move |world| {
            // From here on it is in the hands of the network: it arrives although we may die.
            world.soon(None, move |world| world.arrives(who, batch));
        });
    }

    /// A transaction reaches the database.
    fn arrives(&mut self, who: Who, batch: Batch) {
        if !self.lives(who) && self.dice.chance(500) {
            return;
        }
        let outcome = match (batch.step, self.query()) {
            (Step::ReadBack, Call::Fine) => Outcome::Read(self.db.read_back(&batch)),
            (Step::ReadBack, _) => Outcome::Unknown,
            (Step::Write, Call::Failed) => match self.dice.below(3) {
                0 => Outcome::RolledBack(Why::Transient("deadlock".to_owned())),
                // Refused at COMMIT, as a cluster does; nobody can be sure of that.
                1 => Outcome::Unknown,
                _ => {
                    self.db.linger(batch);
                    Outcome::Unknown
                }
            },
            (Step::Write, call) => {
                self.ends_lingering(Some(&batch));
                let outcome = match self.db.write(&batch) {
                    Wrote::Duplicate => Outcome::RolledBack(Why::Duplicate),
                    Wrote::Done { losers, written } => {
                        self.witness(&written);
                        Outcome::Committed(losers)
                    }
                };
                if call == Call::Fine { outcome } else { Outcome::Unknown }
            }
        };
        self.soon(Some(who), move |world| world.hears(who, &outcome));
    }

    /// What lingers ends: whatever stands in a batch's way, or all of it.
    pub(super) fn ends_lingering(&mut self, before: Option<&Batch>) {
        let dice = &mut self.dice;
        let landed = self.db.end_lingering(before, || dice.chance(500));
        self.witness(&landed);
    }

    fn hears(&mut self, who: Who, outcome: &Outcome) {
        for (ticket, verdict) in self.replica(who).core.on_outcome(outcome) {
            self.laws.verdict(ticket, &verdict);
            if let Some(commit) = self.replica(who).waiting.remove(&ticket) {
                match verdict {
                    Verdict::Lost(claims) if rows::only_runs(&claims) => self.again(who, commit),
                    verdict => self.settle(who, commit, Ok(verdict)),
                }
            }
        }
        self.pump(who);
    }

    fn settle(&mut self, who: Who, commit: Commit, verdict: Result<Verdict, ()>) {
        if !matches!(verdict, Ok(Verdict::Committed)) {
            self.forget(who, &commit);
        }
        let Commit { acts, decided, tokens, then, .. } = commit;
        let replica = self.replica(who);
        replica.busy.retain(|run| acts.iter().all(|act| act.run != *run));
        match verdict {
            Ok(Verdict::Committed) => {
                for run in acts.iter().map(|act| act.run) {
                    self.follow(who, run, &decided);
                }
                tokens.into_iter().for_each(|attempt| self.send(who, attempt, false));
                then(self, Said::Committed(decided));
            }
            Ok(Verdict::Lost(claims)) => then(self, Said::Lost(claims)),
            Ok(Verdict::Failed(_) | Verdict::Unknown) | Err(()) => then(self, Said::Error),
        }
        for parked in std::mem::take(&mut self.replica(who).parked) {
            self.advance_commit(who, parked);
        }
    }

    /// A transition is durable: whoever has to do with it is woken.
    fn follow(&mut self, who: Who, run: RunId, decided: &Decided) {
        let Some(Ok(transition)) = decided.get(&run) else { return };
        let mut woken = BTreeSet::new();
        rows::wakes(transition, &mut woken);
        if self.dice.chance(50)
            && let Some(state) = self.replicas[who.replica].cache.get(&run)
            && let Some(record) = self.db.runs.get_mut(&run)
        {
            record.saved = Some((state.seq, encode::checkpoint(state)));
        }
        if self.replica(who).cache.get(&run).and_then(wake_at).is_some() {
            woken.insert(Loop::Advance);
        }
        woken.into_iter().for_each(|which| self.wake(who, which));
    }
}

/// Agents before which no gate stands.
fn eager() -> BTreeSet<AgentName> {
    "shell".parse().into_iter().collect()
}
