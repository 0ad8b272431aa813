//! The committer's mind: which bundles share a transaction, and what each of its outcomes means for whom.
//!
//! It does no I/O, so that the simulation can drive this very code against a database with weak rules. A batch is what
//! gathered while the last COMMIT was under way. When one is refused for a reason that is not the moment's, its bundles
//! are tried one by one, so that a bad neighbour harms nobody. When COMMIT is not answered, the journal is asked whose
//! transition stands there.
//!
//! *Invariant:* two bundles that compare the same thing are never in one batch, and keep their order.
//! *Invariant:* every pushed bundle gets exactly one verdict.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::door::{BATCH_BYTES_MAX, BATCH_TRANSITIONS_MAX, Bundle, Claim};
use super::open::TRIES_MAX;
use crate::ids::RunId;

/// How often the journal is asked after a COMMIT without an answer: with the driver's waits about half a minute.
const READBACKS_MAX: u32 = 10;

/// A bundle on its way, and the name under which its transitions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub [u8; 16]);

/// What became of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is durable, whole.
    Committed,
    /// Somebody else was first; nothing of it was written. Names what had changed.
    Lost(Vec<Claim>),
    /// The database would not; nothing of it was written.
    Failed(String),
    /// COMMIT was not answered and nor was the question after it. Load the runs again to learn what happened.
    Unknown,
}

/// What the database showed under lock.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The versions of what was compared; what does not exist is absent, and counts as 0.
    pub versions: BTreeMap<Claim, u64>,
    /// The end of the journal of each run: the chain's last link and the wrapped key of its bodies.
    pub tips: BTreeMap<RunId, ([u8; 16], Vec<u8>)>,
}

impl Seen {
    /// What of these claims has changed since.
    #[must_use]
    pub fn lost(&self, claims: &BTreeMap<Claim, u64>) -> Vec<Claim> {
        let changed = |(claim, expect): &(&Claim, &u64)| self.versions.get(*claim).copied().unwrap_or(0) != **expect;
        claims.iter().filter(changed).map(|(claim, _)| claim.clone()).collect()
    }
}

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Guard, write and commit what has not lost; answer with `Committed`, `RolledBack` or `Unknown`.
    Write,
    /// Ask the journal, on a fresh connection, whose transition stands there; answer with `Read` or `Unknown`.
    ReadBack,
}

/// One transaction's worth of bundles.
#[derive(Debug, Clone)]
pub struct Batch {
    /// What to do.
    pub step: Step,
    /// The bundles, with what each compares.
    pub bundles: Vec<(Ticket, Arc<Bundle>)>,
    /// How often it was tried before; the driver waits accordingly.
    pub tries: u32,
}

/// Why a transaction was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// A deadlock, a lost connection before COMMIT, a failover: the same may succeed now.
    Transient(String),
    /// A key exists already.
    Duplicate,
    /// Anything else.
    Refused(String),
}

/// Whose transition the journal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readback {
    /// Ours: it was committed.
    Ours,
    /// Another's.
    Anothers,
    /// None.
    Nothing,
}

/// How a batch ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Durable, but for these losers, of which nothing was written.
    Committed(Vec<(Ticket, Vec<Claim>)>),
    /// Nothing of it was written.
    RolledBack(Why),
    /// There was no answer.
    Unknown,
    /// What the journal says of each bundle.
    Read(Vec<(Ticket, Readback)>),
}

#[derive(Debug)]
struct Pending {
    ticket: Ticket,
    bundle: Arc<Bundle>,
    claims: BTreeMap<Claim, u64>,
    step: Step,
    writes: u32,
    reads: u32,
    /// It goes alone: in company its batch was refused.
    alone: bool,
    /// It may have been written already: losing may mean having won before.
    ambiguous: bool,
    /// What it lost to, while the journal is asked whether that was itself.
    lost: Vec<Claim>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Committer {
    queue: VecDeque<Pending>,
    under_way: Vec<Pending>,
}

impl Committer {
    /// Takes a bundle. Its ticket is drawn by the driver and never used twice.
    pub fn push(&mut self, ticket: Ticket, bundle: Bundle) {
        self.queue.push_back(Pending {
            ticket,
            claims: bundle.claims(),
            bundle: Arc::new(bundle),
            step: Step::Write,
            writes: 0,
            reads: 0,
            alone: false,
            ambiguous: false,
            lost: Vec::new(),
        });
    }

    /// Nothing waits and nothing is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.under_way.is_empty()
    }

    /// The next transaction; none while one is under way, or when there is nothing to do.
    pub fn next_batch(&mut self) -> Option<Batch> {
        if !self.under_way.is_empty() {
            return None;
        }
        let mut room = Room::default();
        let mut taken = BTreeSet::new();
        let mut left = Vec::new();
        while !room.is_full()
            && let Some(pending) = self.queue.pop_front()
        {
            let is_free = pending.claims.keys().all(|claim| !taken.contains(claim));
            // What stays behind keeps its place: nothing that touches the same may overtake it.
            taken.extend(pending.claims.keys().cloned());
            if is_free && room.take(&pending) { self.under_way.push(pending) } else { left.push(pending) }
        }
        for pending in left.into_iter().rev() {
            self.queue.push_front(pending);
        }
        let first = self.under_way.first()?;
        let bundles = self.under_way.iter().map(|pending| (pending.ticket, pending.bundle.clone())).collect();
        let tries = self.under_way.iter().map(|pending| pending.writes + pending.reads).max().unwrap_or(0);
        Some(Batch { step: first.step, bundles, tries })
    }

    /// Learns how the batch under way ended; the verdicts that follow. What has none is tried again, before the others.
    #[must_use]
    pub fn on_outcome(&mut self, outcome: &Outcome) -> Vec<(Ticket, Verdict)> {
        let batch = std::mem::take(&mut self.under_way);
        let in_company = batch.len() > 1;
        let mut verdicts = Vec::with_capacity(batch.len());
        for mut pending in batch.into_iter().rev() {
            match pending.judge(outcome, in_company) {
                Some(verdict) => verdicts.push((pending.ticket, verdict)),
                None => self.queue.push_front(pending),
            }
        }
        verdicts
    }
}

/// What a batch still has room for.
#[derive(Default)]
struct Room {
    transitions: usize,
    bytes: usize,
    /// Of the first bundle: what the batch does, and whether it does it for one only.
    first: Option<(Step, bool)>,
}

impl Room {
    fn is_full(&self) -> bool {
        self.transitions >= BATCH_TRANSITIONS_MAX || self.first.is_some_and(|(_, alone)| alone)
    }

    fn take(&mut self, pending: &Pending) -> bool {
        let transitions = self.transitions + pending.bundle.transitions.len().max(1);
        let bytes = self.bytes + pending.bundle.bytes();
        let fits = match self.first {
            None => true,
            Some((step, _)) => {
                let small = transitions <= BATCH_TRANSITIONS_MAX && bytes <= BATCH_BYTES_MAX;
                step == pending.step && !pending.alone && small
            }
        };
        if fits {
            self.first.get_or_insert((pending.step, pending.alone));
            (self.transitions, self.bytes) = (transitions, bytes);
        }
        fits
    }
}

impl Pending {
    fn judge(&mut self, outcome: &Outcome, in_company: bool) -> Option<Verdict> {
        match outcome {
            Outcome::Committed(losers) => match losers.iter().find(|(ticket, _)| *ticket == self.ticket) {
                None => Some(Verdict::Committed),
                Some((_, lost)) => self.lose(lost.clone()),
            },
            Outcome::RolledBack(Why::Transient(why)) => self.repeat(why),
            Outcome::RolledBack(_) if in_company => {
                self.alone = true;
                None
            }
            // Whose key it was, the guard will say when it looks once more.
            Outcome::RolledBack(Why::Duplicate) if self.writes == 0 => self.repeat("a key exists already"),
            Outcome::RolledBack(Why::Duplicate) => self.lose(self.claims.keys().cloned().collect()),
            Outcome::RolledBack(Why::Refused(why)) => Some(Verdict::Failed(why.clone())),
            Outcome::Unknown => self.read_back(),
            Outcome::Read(answers) => match answers.iter().find(|(ticket, _)| *ticket == self.ticket) {
                Some((_, Readback::Ours)) => Some(Verdict::Committed),
                Some((_, Readback::Anothers)) => Some(Verdict::Lost(self.claims.keys().cloned().collect())),
                Some((_, Readback::Nothing)) => self.write_again(),
                None => self.read_back(),
            },
        }
    }

    fn lose(&mut self, lost: Vec<Claim>) -> Option<Verdict> {
        if self.ambiguous {
            self.lost = lost;
            return self.read_back();
        }
        Some(Verdict::Lost(lost))
    }

    fn repeat(&mut self, why: &str) -> Option<Verdict> {
        self.writes += 1;
        let verdict = if self.ambiguous { Verdict::Unknown } else { Verdict::Failed(why.to_owned()) };
        (self.writes >= TRIES_MAX).then_some(verdict)
    }

    fn read_back(&mut self) -> Option<Verdict> {
        self.step = Step::ReadBack;
        self.ambiguous = true;
        self.reads += 1;
        (self.reads > READBACKS_MAX).then_some(Verdict::Unknown)
    }

    /// The journal has nothing there. The transaction of the lost connection may still end either way, so this stays
    /// ambiguous: the guard waits for its locks, and whoever loses then asks once more.
    fn write_again(&mut self) -> Option<Verdict> {
        if !self.lost.is_empty() {
            return Some(Verdict::Lost(std::mem::take(&mut self.lost)));
        }
        self.step = Step::Write;
        None
    }
}

#[cfg(test)]
mod tests;
