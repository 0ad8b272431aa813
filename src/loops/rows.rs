//! From a transition of the engine to rows: what each change and effect is in the database.

use std::collections::BTreeSet;

use super::runs::{Act, wake_at};
use crate::engine::state::{GateKey, GateKind, RunPhase, RunState, Trigger};
use crate::engine::{Change, Effect, Transition};
use crate::ids::{AttemptId, InstallationId, StepKey};
use crate::report::dirty;
use crate::store::{
    self, AttemptInsert, AttemptWrite, Claim, DirtyCheck, EventWrite, GateId, GateWrite, HeadKey, Incarnation,
    PlanHash, RunWrite,
};
use crate::wake::Loop;

/// The prefix of a gate's key that belongs to the whole service.
pub const SERVICE_GATE: &str = "service:";

/// What a row is made from.
pub(crate) struct Parts<'a> {
    pub(crate) act: &'a Act,
    /// After the transition.
    pub(crate) state: &'a RunState,
    pub(crate) plan: PlanHash,
    pub(crate) before: u64,
    pub(crate) transition: &'a Transition,
    pub(crate) body: &'a [u8],
    pub(crate) tokens: &'a [(AttemptId, [u8; 32])],
    pub(crate) replica: Incarnation,
}

/// The rows of a transition; nothing for a run without birth, which has none.
pub(crate) fn transition(parts: &Parts<'_>) -> Option<store::Transition> {
    let state = parts.state;
    let mut gates = gate_writes(parts);
    gates.extend(parts.act.gates.iter().cloned());
    Some(store::Transition {
        run: state.id,
        expect_seq: parts.before,
        row: row(state, parts.plan)?,
        event: EventWrite {
            kind: parts.act.event.kind(),
            at: parts.transition.at,
            actor: parts.act.event.actor().map(ToString::to_string).unwrap_or_default(),
            body: parts.body.to_vec(),
        },
        attempts: attempt_writes(parts),
        hold_attempts: parts.transition.effects.iter().rev().find_map(|effect| match effect {
            Effect::Hold(held) => Some(*held),
            _ => None,
        }),
        gates,
        effects: Vec::new(),
        dirty: dirty_checks(state, &parts.transition.changes),
        heads: parts.act.heads.clone(),
        blobs: parts.act.blobs.clone(),
    })
}

fn row(state: &RunState, plan: PlanHash) -> Option<RunWrite> {
    let birth = state.birth.as_ref()?;
    let (cause, pull) = match &birth.trigger {
        Trigger::PullRequest(number) => ("pull_request", i64::try_from(*number).ok()),
        Trigger::Push(_) => ("push", None),
        Trigger::MergeGroup(_) => ("merge_group", None),
        Trigger::Manual(_) => ("manual", None),
        Trigger::Schedule(_) => ("schedule", None),
    };
    Some(RunWrite {
        repo: birth.repository,
        sha: birth.sha.clone(),
        pull,
        workflow: state.plan.workflow.clone(),
        cause: cause.to_owned(),
        plan,
        source_at: birth.source_time,
        phase: phase_word(state.phase),
        wake_at: wake_at(state),
        finished_at: matches!(state.phase, RunPhase::Ended(_)).then_some(state.at),
    })
}

/// A run's phase in a word, for lists and metrics.
#[must_use]
pub fn phase_word(phase: RunPhase) -> &'static str {
    use crate::engine::state::RunOutcome as Outcome;
    match phase {
        RunPhase::Asking => "asking",
        RunPhase::Running => "running",
        RunPhase::Stopping(_) => "stopping",
        RunPhase::Ended(Outcome::Success) => "success",
        RunPhase::Ended(Outcome::Failure) => "failure",
        RunPhase::Ended(Outcome::TimedOut) => "timed_out",
        RunPhase::Ended(Outcome::Cancelled) => "cancelled",
        RunPhase::Ended(Outcome::Superseded) => "superseded",
        RunPhase::Ended(Outcome::Dropped) => "dropped",
        RunPhase::Ended(Outcome::HandedOver) => "handed_over",
    }
}

fn attempt_writes(parts: &Parts<'_>) -> Vec<AttemptWrite> {
    let key = |ix: u32| parts.state.steps.get(ix as usize).map(|step| step.key.clone());
    let mut writes = Vec::new();
    for effect in &parts.transition.effects {
        match effect {
            Effect::Dispatch { step, number, agent, started } => writes.extend(key(*step).map(|step| {
                let claimed = started.then(|| token_hash(parts, &step, *number)).flatten();
                AttemptWrite::Insert(AttemptInsert {
                    step,
                    number: *number,
                    agent: agent.clone(),
                    due_at: parts.transition.at,
                    held: parts.state.is_held(),
                    claimed: claimed.map(|hash| (parts.replica, hash)),
                })
            })),
            Effect::Stop { step, number } => {
                writes.extend(key(*step).map(|step| AttemptWrite::Stop { step, number: *number }));
            }
            Effect::Forget { step, number } => {
                writes.extend(key(*step).map(|step| AttemptWrite::Delete { step, number: *number }));
            }
            Effect::Answer { .. } | Effect::Hold(_) | Effect::Ask { .. } | Effect::Give { .. } | Effect::Notify(_) => {}
        }
    }
    if let Some((attempt, token)) = &parts.act.claim {
        writes.push(AttemptWrite::Claim {
            step: attempt.step.clone(),
            number: attempt.number,
            owner: parts.replica,
            token_hash: hash(token),
        });
    }
    writes
}

fn token_hash(parts: &Parts<'_>, step: &StepKey, number: u32) -> Option<[u8; 32]> {
    let found = parts.tokens.iter().find(|(attempt, _)| attempt.step == *step && attempt.number == number);
    found.map(|(_, token)| hash(token))
}

/// What the database keeps of a push token.
#[must_use]
pub fn hash(token: &[u8; 32]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(token).into()
}

/// The attempts that start with this transition.
pub(crate) fn started(state: &RunState, transition: &Transition) -> impl Iterator<Item = AttemptId> {
    transition.effects.iter().filter_map(|effect| match effect {
        Effect::Dispatch { step, number, started: true, .. } => {
            state.steps.get(*step as usize).map(|step| state.attempt_id(step, *number))
        }
        _ => None,
    })
}

fn gate_writes(parts: &Parts<'_>) -> Vec<GateWrite> {
    let state = parts.state;
    let gate = |seat: u32| state.seats.get(seat as usize).map(|seat| gate_id(state.id.installation, &seat.gate));
    let holder = state.id.to_string();
    let gives = parts.transition.effects.iter().any(|effect| matches!(effect, Effect::Give { .. }));
    if gives && matches!(state.phase, RunPhase::Ended(_)) {
        return vec![GateWrite::Leave];
    }
    let mut writes = Vec::new();
    for effect in &parts.transition.effects {
        match effect {
            Effect::Ask { seat } => writes.extend(gate(*seat).map(|gate| GateWrite::Wait {
                gate,
                holder: holder.clone(),
                priority: 0,
                source_at: state.birth.as_ref().map(|birth| birth.source_time).unwrap_or_default(),
            })),
            Effect::Give { seat } => {
                if let Some(gate) = gate(*seat) {
                    writes.push(GateWrite::DropWait { gate: gate.clone(), holder: holder.clone() });
                    writes.push(GateWrite::TicketDelete { gate, holder: holder.clone() });
                }
            }
            Effect::Dispatch { .. }
            | Effect::Stop { .. }
            | Effect::Forget { .. }
            | Effect::Answer { .. }
            | Effect::Hold(_)
            | Effect::Notify(_) => {}
        }
    }
    writes
}

/// Where a gate of a run stands.
#[must_use]
pub fn gate_id(installation: InstallationId, gate: &GateKey) -> GateId {
    let scope = if gate.0.starts_with(SERVICE_GATE) { InstallationId(0) } else { installation };
    GateId { scope, name: gate.0.clone() }
}

/// The store's word for a kind of gate.
#[must_use]
pub fn gate_kind(kind: GateKind) -> store::GateKind {
    match kind {
        GateKind::Group => store::GateKind::Group,
        GateKind::Limit => store::GateKind::RunLimit,
        GateKind::Environment => store::GateKind::Environment,
    }
}

fn head(state: &RunState) -> Option<HeadKey> {
    let birth = state.birth.as_ref()?;
    Some(HeadKey { installation: state.id.installation, repo: birth.repository, sha: birth.sha.clone() })
}

fn dirty_checks(state: &RunState, changes: &[Change]) -> Vec<DirtyCheck> {
    let Some(head) = head(state) else { return Vec::new() };
    dirty(state, changes).now.into_iter().map(|name| DirtyCheck { head: head.clone(), name }).collect()
}

/// The workflow check of a run.
pub(super) fn workflow_check(state: &RunState) -> Option<DirtyCheck> {
    head(state).map(|head| DirtyCheck { head, name: state.plan.workflow.to_string() })
}

/// The loops that have something to do after this transition.
pub(crate) fn wakes(transition: &Transition, woken: &mut BTreeSet<Loop>) {
    for effect in &transition.effects {
        match effect {
            Effect::Dispatch { started: false, .. } | Effect::Hold(false) => woken.insert(Loop::Dispatch),
            Effect::Forget { .. } => woken.insert(Loop::Dispatch),
            Effect::Stop { .. } | Effect::Answer { .. } => woken.insert(Loop::Watch),
            Effect::Ask { .. } | Effect::Give { .. } => woken.insert(Loop::Admit),
            Effect::Dispatch { started: true, .. } | Effect::Hold(true) | Effect::Notify(_) => false,
        };
    }
}

/// Whether only runs were moved by somebody else, so that deciding anew is enough.
pub(crate) fn only_runs(claims: &[Claim]) -> bool {
    claims.iter().all(|claim| matches!(claim, Claim::Run(_)))
}
