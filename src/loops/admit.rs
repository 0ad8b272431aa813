//! Decides at gates: who of all runs gets in, who waits, whose place a newer one takes.
//!
//! The rule is `engine::gate::admit`; here its rows are read and its verdicts written. A decision of a gate of one
//! installation is one transaction with the tickets, and compares the gate's version: whoever loses reads and decides
//! again. A ticket of the whole service is taken before its grant (see `tickets`).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use tracing::{debug, error, warn};

use super::driver::Next;
use super::rows::SERVICE_GATE;
use super::runs::{Act, Broken, Done, Runs, Together};
use super::tickets;
use crate::crash::crashpoint;
use crate::engine::Event;
use crate::engine::gate::{Claim, Gate, Verdict, admit};
use crate::engine::state::{GateKey, RunState, Trigger};
use crate::ids::RunId;
use crate::store::{Consumed, GateId, GateKind, GateWrite, HolderRow, Store, TicketRow, WaitRow};
use crate::time::Clock;
use crate::workflow::plan::OnConflict;

/// The oldest that are looked at, of each installation.
const WINDOW: u32 = 50;
/// How often a decision is made again after somebody else was first.
const RACES_MAX: u32 = 8;
/// Gates at once.
const AT_ONCE_MAX: usize = 8;
/// Runs of one decision; more follow at once.
const ACTS_MAX: usize = 100;

/// The loop.
pub struct Admit {
    /// Knows who waits and who holds.
    pub store: Store,
    /// Tells runs what was decided.
    pub runs: Runs,
    /// The service's time.
    pub clock: Clock,
    /// Runs at once, of the whole service.
    pub runs_max: u32,
    /// Runs at once, of one installation; absent: any number.
    pub installation_runs_max: Option<u32>,
}

/// What became of one look at a gate.
enum Look {
    /// All that could be decided is.
    Done,
    /// Somebody else was first, or there is more.
    Again,
    /// This run cannot be worked on; decide without it.
    Without(RunId),
}

impl Admit {
    /// One decision at every gate that somebody waits for.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tick(&self) -> anyhow::Result<Next> {
        let gates = self.store.waiting_gates().await?;
        if !gates.is_empty() {
            crashpoint!("run_waits_nobody_admits");
        }
        let decided = stream::iter(gates).map(|gate| self.decide(gate)).buffer_unordered(AT_ONCE_MAX);
        let decided: Vec<anyhow::Result<bool>> = decided.collect().await;
        let more = decided.into_iter().collect::<anyhow::Result<Vec<bool>>>()?.contains(&true);
        Ok(if more { Next::Again } else { Next::Period })
    }

    /// Decides at one gate; true when there is more to do.
    async fn decide(&self, gate: GateId) -> anyhow::Result<bool> {
        let mut without = BTreeSet::new();
        for _ in 0..RACES_MAX {
            match self.look(&gate, &without).await.with_context(|| format!("gate {}", gate.name))? {
                Look::Done => return Ok(false),
                Look::Again => {}
                Look::Without(run) => {
                    error!(run.id = %run, gate = gate.name, "a run cannot be worked on; the gate goes on without it");
                    without.insert(run);
                }
            }
        }
        Ok(true)
    }

    async fn look(&self, gate: &GateId, without: &BTreeSet<RunId>) -> anyhow::Result<Look> {
        let (version, tickets, waits) = self.store.gate(gate.clone(), WINDOW).await?;
        let runs: Vec<RunId> = tickets.iter().map(|ticket| ticket.run).collect();
        let rows = self.store.holders(runs.clone()).await?;
        let mut rows: BTreeMap<RunId, HolderRow> = rows.into_iter().map(|row| (row.run, row)).collect();
        let holders: Vec<(RunId, Option<HolderRow>)> = runs.into_iter().map(|run| (run, rows.remove(&run))).collect();
        // A ticket of the whole service without its grant: who took it grants it, or died, and the sweeper is coming.
        let has: BTreeSet<RunId> = holders.iter().map(|(run, _)| *run).collect();
        let left_out = |run: &RunId| without.contains(run) || has.contains(run);
        let waits: Vec<WaitRow> = waits.into_iter().filter(|wait| !left_out(&wait.run)).collect();
        let rule = match self.rule(gate, &waits).await {
            Ok(Some(rule)) => rule,
            Ok(None) => return Ok(Look::Done),
            Err(error) => return excluded(error),
        };
        // A broken run keeps its group and its environment until a person ends it, and nobody can take its place.
        let stuck = |(run, row): &(RunId, Option<HolderRow>)| {
            without.contains(run) || row.as_ref().is_some_and(|row| row.is_broken)
        };
        let (kept, movable): (Vec<_>, Vec<_>) = holders.into_iter().partition(stuck);
        let limit = rule.limit.saturating_sub(u32::try_from(kept.len()).unwrap_or(u32::MAX));
        if limit == 0 {
            return Ok(Look::Done);
        }
        let claims: Vec<_> = movable.iter().map(|(run, row)| held(*run, row.as_ref())).collect();
        let asked: Vec<_> = waits.iter().map(waiting).collect();
        let verdicts = admit(&Gate { limit, ..rule }, &claims, &asked);
        if gate.name.starts_with(SERVICE_GATE) {
            self.grant_of_service(gate, version, &verdicts).await
        } else {
            self.write(gate, version, &verdicts).await
        }
    }

    /// The rule of a gate; none while nobody waits who could tell it.
    async fn rule(&self, gate: &GateId, waits: &[WaitRow]) -> anyhow::Result<Option<Gate>> {
        let limit = match kind(gate) {
            GateKind::Group => {
                let Some(newest) = waits.iter().max_by_key(|wait| (wait.source_at, wait.run)) else { return Ok(None) };
                return self.runs.read(newest.run, group_rule).await;
            }
            GateKind::RunLimit if gate.name.starts_with(SERVICE_GATE) => self.runs_max,
            GateKind::RunLimit => self.installation_runs_max.unwrap_or(u32::MAX),
            GateKind::Environment | GateKind::Budget | GateKind::Slot => 1,
        };
        Ok(Some(Gate { limit, on_conflict: OnConflict::Queue }))
    }

    /// Writes verdicts of a gate of one installation, whole or not at all.
    async fn write(&self, gate: &GateId, version: u64, verdicts: &[Verdict<RunId>]) -> anyhow::Result<Look> {
        let acts: Vec<Act> = verdicts.iter().filter_map(|verdict| act(gate, verdict, true)).collect();
        let more = acts.len() > ACTS_MAX;
        let acts: Vec<Act> = acts.into_iter().take(ACTS_MAX).collect();
        if acts.is_empty() {
            return Ok(Look::Done);
        }
        let consumed = vec![Consumed::Gate { gate: gate.clone(), version }];
        match self.runs.commit(acts, Together { consumed, ..Together::default() }).await {
            Ok(Done::Committed(decided)) => {
                for (run, rejected) in decided.iter().filter_map(|(run, said)| Some((run, said.as_ref().err()?))) {
                    warn!(run.id = %run, gate = gate.name, why = %rejected, "a run does not take a gate's verdict");
                }
                Ok(if more { Look::Again } else { Look::Done })
            }
            Ok(Done::Lost(_)) => Ok(Look::Again),
            Err(error) => excluded(error),
        }
    }

    /// Grants places of the whole service: the tickets in one transaction, then each run its event.
    async fn grant_of_service(&self, gate: &GateId, version: u64, all: &[Verdict<RunId>]) -> anyhow::Result<Look> {
        let granted_at = self.clock.now();
        let granted = all.iter().filter_map(|verdict| match verdict {
            Verdict::Grant(run) => Some((*run, act(gate, verdict, false)?)),
            Verdict::Supersede { .. } | Verdict::Drop(_) | Verdict::Wait { .. } => None,
        });
        let (tickets, acts): (Vec<TicketRow>, Vec<Act>) = granted
            .take(ACTS_MAX)
            .map(|(run, act)| (TicketRow { gate: gate.clone(), holder: run.to_string(), run, granted_at }, act))
            .unzip();
        if tickets.is_empty() {
            return Ok(Look::Done);
        }
        if !self.store.take_tickets(tickets.clone(), GateKind::RunLimit, version).await? {
            return Ok(Look::Again);
        }
        crashpoint!("ticket_taken_run_not_granted");
        // Side by side, so that they share transactions. All are looked at before the first error is.
        let grants = tickets.iter().zip(acts).map(|(ticket, act)| self.grant(ticket, act));
        let looks: Vec<anyhow::Result<Look>> = join_all(grants).await;
        let mut all = Look::Done;
        for look in looks {
            if let Look::Without(run) = look? {
                all = Look::Without(run);
            }
        }
        Ok(all)
    }

    /// Uses a ticket of the whole service, or gives it back.
    async fn grant(&self, ticket: &TicketRow, act: Act) -> anyhow::Result<Look> {
        let run = ticket.run;
        let said =
            self.runs.commit(vec![act], Together { consumed: vec![tickets::used(ticket)], ..Together::default() });
        let look = match said.await {
            Ok(Done::Committed(said)) if said.get(&run).is_some_and(Result::is_ok) => return Ok(Look::Done),
            Ok(_) => Ok(Look::Done),
            Err(error) if error.is::<Broken>() => excluded(error),
            // It may have been granted: if not, the sweeper finds the ticket.
            Err(error) => return Err(error),
        };
        // Nobody but us acts on this ticket, and we do not.
        self.store.drop_ticket(ticket).await?;
        debug!(run.id = %run, gate = ticket.gate.name, "a run does not want its place any more");
        look
    }
}

/// What a verdict means for its run.
pub(crate) fn act(gate: &GateId, verdict: &Verdict<RunId>, ticket: bool) -> Option<Act> {
    let (run, event) = match verdict {
        Verdict::Grant(run) => (*run, Event::Granted(GateKey(gate.name.clone()))),
        Verdict::Supersede { holder, .. } => (*holder, Event::Superseded),
        Verdict::Drop(run) => (*run, Event::Dropped),
        Verdict::Wait { .. } => return None,
    };
    let mut act = Act::new(run, event);
    if matches!(verdict, Verdict::Grant(_)) {
        let holder = run.to_string();
        act.gates.push(GateWrite::DropWait { gate: gate.clone(), holder: holder.clone() });
        if ticket {
            act.gates.push(GateWrite::TicketInsert { gate: gate.clone(), kind: kind(gate), holder });
        }
    }
    Some(act)
}

/// The kind of a gate, by its name.
fn kind(gate: &GateId) -> GateKind {
    match gate.name.split(':').next() {
        Some("group") => GateKind::Group,
        Some("environment") => GateKind::Environment,
        _ => GateKind::RunLimit,
    }
}

/// The rule of the newest waiting run. Pull requests without one: the newest commit is the one that matters.
pub(crate) fn group_rule(state: &RunState) -> Gate {
    let pull = state.birth.as_ref().is_some_and(|birth| matches!(birth.trigger, Trigger::PullRequest(_)));
    let default = if pull { OnConflict::ReplaceRunning } else { OnConflict::Queue };
    state.plan.concurrency.as_ref().map_or(Gate { limit: 1, on_conflict: default }, |concurrency| Gate {
        limit: concurrency.limit.max(1),
        on_conflict: concurrency.on_conflict,
    })
}

fn held(run: RunId, row: Option<&HolderRow>) -> Claim<RunId> {
    Claim {
        holder: run,
        installation: run.installation,
        repository: row.map_or(0, |row| row.repo.0),
        priority: 0,
        since: row.map(|row| row.source_at).unwrap_or_default(),
    }
}

pub(crate) fn waiting(wait: &WaitRow) -> Claim<RunId> {
    Claim {
        holder: wait.run,
        installation: wait.run.installation,
        repository: wait.repo.0,
        priority: i32::try_from(wait.priority).unwrap_or_default(),
        since: wait.source_at,
    }
}

/// A run that cannot be worked on is left out; any other error is one.
fn excluded(error: anyhow::Error) -> anyhow::Result<Look> {
    match error.downcast::<Broken>() {
        Ok(broken) => Ok(Look::Without(broken.run)),
        Err(error) => Err(error),
    }
}
