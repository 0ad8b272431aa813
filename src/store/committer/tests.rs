//! The committer against a small weak database: commits without an answer, deadlocks, refusals, rivals.

use proptest::prelude::*;

use super::*;
use crate::ids::InstallationId;
use crate::store::tests::world::{bundle, run_id, step};
use crate::store::{Consumed, GateId};

/// What the database holds: for each run, whose transition stands at each place.
#[derive(Default)]
struct Database {
    runs: BTreeMap<RunId, Vec<Ticket>>,
    gates: BTreeMap<GateId, u64>,
}

impl Database {
    fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        for (run, journal) in &self.runs {
            seen.versions.insert(Claim::Run(*run), journal.len() as u64);
        }
        for (gate, version) in &self.gates {
            seen.versions.insert(Claim::Gate(gate.clone()), *version);
        }
        seen
    }

    /// What the driver does, without a line.
    fn write(&mut self, batch: &Batch) -> Vec<(Ticket, Vec<Claim>)> {
        let seen = self.seen();
        let mut losers = Vec::new();
        for (ticket, bundle) in &batch.bundles {
            let lost = seen.lost(&bundle.claims());
            if !lost.is_empty() {
                losers.push((*ticket, lost));
                continue;
            }
            for transition in &bundle.transitions {
                self.runs.entry(transition.run).or_default().push(*ticket);
            }
            for consumed in &bundle.consumed {
                if let Consumed::Gate { gate, .. } = consumed {
                    *self.gates.entry(gate.clone()).or_default() += 1;
                }
            }
        }
        losers
    }

    fn read_back(&self, batch: &Batch) -> Vec<(Ticket, Readback)> {
        let ask = |(ticket, bundle): &(Ticket, Arc<Bundle>)| {
            let first = &bundle.transitions[0];
            let journal = self.runs.get(&first.run).map_or(&[][..], Vec::as_slice);
            let stands = journal.get(usize::try_from(first.expect_seq).unwrap());
            let answer = match stands {
                Some(stands) if stands == ticket => Readback::Ours,
                Some(_) => Readback::Anothers,
                None => Readback::Nothing,
            };
            (*ticket, answer)
        };
        batch.bundles.iter().map(ask).collect()
    }

    /// How often a ticket was written, and for how many runs.
    fn written(&self, ticket: Ticket) -> usize {
        self.runs.values().flatten().filter(|stands| **stands == ticket).count()
    }
}

fn gate(number: u8) -> GateId {
    GateId { scope: InstallationId(1), name: format!("gate {number}") }
}

/// Runs with the places that are expected, and a gate with its version.
type Wish = (Vec<(u8, u64)>, Option<(u8, u64)>);

fn some_bundle() -> impl Strategy<Value = Wish> {
    let transitions = prop::collection::btree_map(0..6_u8, 0..4_u64, 1..4);
    (transitions.prop_map(|runs| runs.into_iter().collect()), prop::option::of((0..2_u8, 0..3_u64)))
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    Deadlock,
    Refused,
    Duplicate,
    LostButWritten,
    LostNotWritten,
    Silent,
    Rival(u8),
}

fn some_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::None),
        1 => Just(Fault::Deadlock),
        1 => Just(Fault::Refused),
        1 => Just(Fault::Duplicate),
        2 => Just(Fault::LostButWritten),
        2 => Just(Fault::LostNotWritten),
        1 => Just(Fault::Silent),
        1 => (0..6_u8).prop_map(Fault::Rival),
    ]
}

fn perform(database: &mut Database, batch: &Batch, fault: Fault) -> Outcome {
    if batch.step == Step::ReadBack {
        return match fault {
            Fault::Silent => Outcome::Unknown,
            _ => Outcome::Read(database.read_back(batch)),
        };
    }
    match fault {
        Fault::None => Outcome::Committed(database.write(batch)),
        Fault::Deadlock => Outcome::RolledBack(Why::Transient("deadlock".to_owned())),
        Fault::Refused => Outcome::RolledBack(Why::Refused("too long".to_owned())),
        Fault::Duplicate => Outcome::RolledBack(Why::Duplicate),
        Fault::LostNotWritten | Fault::Silent => Outcome::Unknown,
        Fault::LostButWritten => {
            database.write(batch);
            Outcome::Unknown
        }
        Fault::Rival(run) => {
            database.runs.entry(run_id(run)).or_default().push(Ticket([255; 16]));
            Outcome::Committed(database.write(batch))
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_written_twice_forgotten_or_torn(
        bundles in prop::collection::vec(some_bundle(), 1..40),
        faults in prop::collection::vec(some_fault(), 0..120),
    ) {
        let (mut core, mut database) = (Committer::default(), Database::default());
        let mut sizes = BTreeMap::new();
        for (number, (runs, asks)) in (0_u8..).zip(bundles) {
            let mut bundle = bundle(runs.iter().map(|(run, seq)| step(run_id(*run), *seq)).collect());
            bundle.consumed.extend(asks.map(|(number, version)| Consumed::Gate { gate: gate(number), version }));
            sizes.insert(Ticket([number; 16]), bundle.transitions.len());
            core.push(Ticket([number; 16]), bundle);
        }
        let mut verdicts = BTreeMap::new();
        let mut faults = faults.into_iter();
        for _ in 0..5_000 {
            let Some(batch) = core.next_batch() else { break };
            prop_assert!(core.next_batch().is_none(), "one batch at a time");
            let mut claims = BTreeSet::new();
            for (_, bundle) in &batch.bundles {
                for claim in bundle.claims().into_keys() {
                    prop_assert!(claims.insert(claim), "two of a batch compare one thing");
                }
            }
            let outcome = perform(&mut database, &batch, faults.next().unwrap_or(Fault::None));
            for (ticket, verdict) in core.on_outcome(&outcome) {
                prop_assert!(verdicts.insert(ticket, verdict).is_none(), "a second verdict");
            }
        }
        prop_assert!(core.is_idle());
        prop_assert_eq!(verdicts.len(), sizes.len());
        for (ticket, verdict) in verdicts {
            let (written, size) = (database.written(ticket), sizes[&ticket]);
            match verdict {
                Verdict::Committed => prop_assert_eq!(written, size),
                Verdict::Lost(_) | Verdict::Failed(_) => prop_assert_eq!(written, 0, "{:?} {:?}", ticket, verdict),
                Verdict::Unknown => prop_assert!(written == 0 || written == size),
            }
        }
    }
}

#[test]
fn a_batch_is_bounded_and_a_large_bundle_goes_alone() {
    let mut core = Committer::default();
    for number in 0..100 {
        core.push(Ticket([number; 16]), bundle(vec![step(run_id(number), 0)]));
    }
    assert_eq!(core.next_batch().unwrap().bundles.len(), BATCH_TRANSITIONS_MAX);
    assert_eq!(core.on_outcome(&Outcome::Committed(Vec::new())).len(), BATCH_TRANSITIONS_MAX);
    assert_eq!(core.next_batch().unwrap().bundles.len(), 36);
    let mut core = Committer::default();
    core.push(Ticket([0; 16]), bundle((0..100).map(|number| step(run_id(number), 0)).collect()));
    core.push(Ticket([1; 16]), bundle(vec![step(run_id(200), 0)]));
    assert_eq!(core.next_batch().unwrap().bundles.len(), 1);
}
