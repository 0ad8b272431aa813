//! Lets queued attempts in at agents that take only so many at once.
//!
//! An agent's limit holds over all replicas and installations, so its slots are tickets of the whole service: the
//! ticket first, then the claim, which is a transition of the run and fails when the run was paused meanwhile. The
//! claimed attempt reaches the `send` module by the channel that eager ones take, too.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context as _;
use futures_util::future::join_all;
use tracing::{debug, error};

use super::beat::Fence;
use super::driver::Next;
use super::runs::{Act, Broken, Done, Runs, Together};
use super::tickets;
use crate::agents::Registry;
use crate::crash::crashpoint;
use crate::engine::Event;
use crate::engine::gate::{Claim, Gate, Verdict, admit};
use crate::ids::{AgentName, AttemptId, InstallationId, random_bytes};
use crate::store::{AttemptRow, Consumed, GateKind, Store, TicketRow};
use crate::time::{Clock, Timestamp};
use crate::workflow::plan::OnConflict;

/// Attempts of one agent that are looked at, longest due first.
const WINDOW: u32 = 200;

/// The loop.
pub struct Dispatch {
    /// Keeps queues and tickets.
    pub store: Store,
    /// Writes claims.
    pub runs: Runs,
    /// Knows how many attempts an agent takes.
    pub registry: Arc<Registry>,
    /// The service's time.
    pub clock: Clock,
    /// Whether we may claim.
    pub fence: Fence,
}

impl Dispatch {
    /// Claims for every agent what it has room for.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tick(&self) -> anyhow::Result<Next> {
        let mut looked = Vec::new();
        for agent in self.store.queued_agents().await? {
            if self.fence.is_up() {
                break;
            }
            looked.push(self.admit(&agent).await.with_context(|| format!("the queue of {agent}")));
        }
        // One queue's trouble is not the others': all are looked at before the first error is.
        let more = looked.into_iter().collect::<anyhow::Result<Vec<bool>>>()?.contains(&true);
        Ok(if more { Next::Again } else { Next::Period })
    }

    /// One look at an agent's queue; true when another replica was faster and it is worth another look.
    async fn admit(&self, agent: &AgentName) -> anyhow::Result<bool> {
        let queued = self.store.queued_attempts(agent.clone(), self.clock.now(), WINDOW).await?;
        if queued.is_empty() {
            return Ok(false);
        }
        if self.runs.is_eager(agent) {
            // No limit, no tickets: what stood in line before the limit was lifted starts at once.
            let claims: Vec<_> = join_all(queued.iter().map(|row| self.claim(row, None))).await;
            let claimed = claims.into_iter().collect::<anyhow::Result<Vec<bool>>>()?;
            return Ok(queued.len() >= WINDOW as usize && claimed.contains(&true));
        }
        let gate = tickets::slots(agent);
        let (version, taken, _) = self.store.gate(gate.clone(), 1).await?;
        // An agent that the settings do not name is asked all the same: the answer says what is wrong.
        let limit = self.registry.settings(agent).map_or(u32::MAX, |settings| settings.max_concurrent);
        let has: BTreeSet<&str> = taken.iter().map(|ticket| ticket.holder.as_str()).collect();
        let holders: Vec<_> = taken.iter().map(|t| claim(t.holder.clone(), t.run.installation, t.granted_at)).collect();
        let holds = |row: &&AttemptRow| has.contains(row.id.to_string().as_str());
        let waiting: Vec<_> = queued
            .iter()
            // Whoever took its ticket claims it, or a lease passes.
            .filter(|row| !holds(row))
            .map(|row| claim(row.id.to_string(), row.id.run.installation, row.due_at))
            .collect();
        let rule = Gate { limit, on_conflict: OnConflict::Queue };
        let granted_at = self.clock.now();
        let granted = admit(&rule, &holders, &waiting).into_iter().filter_map(|verdict| {
            let Verdict::Grant(holder) = verdict else { return None };
            let row = queued.iter().find(|row| row.id.to_string() == holder)?;
            Some((TicketRow { gate: gate.clone(), holder, run: row.id.run, granted_at }, row))
        });
        let granted: Vec<(TicketRow, &AttemptRow)> = granted.collect();
        if granted.is_empty() {
            return Ok(false);
        }
        let taken = granted.iter().map(|(ticket, _)| ticket.clone()).collect();
        if !self.store.take_tickets(taken, GateKind::Slot, version).await? {
            return Ok(true);
        }
        crashpoint!("slot_taken_attempt_not_claimed");
        // Side by side, so that they share transactions. All are looked at before the first error is.
        let claims: Vec<_> = join_all(granted.iter().map(|(ticket, row)| self.start(row, ticket))).await;
        claims.into_iter().collect::<anyhow::Result<()>>().map(|()| false)
    }

    /// Uses a slot, or gives it back.
    async fn start(&self, row: &AttemptRow, ticket: &TicketRow) -> anyhow::Result<()> {
        if !self.claim(row, Some(ticket)).await? {
            // Nobody but us acts on this ticket, and we do not.
            self.store.drop_ticket(ticket).await?;
        }
        Ok(())
    }

    /// Claims an attempt through the door; false when it was not to be had. After an error nobody knows: the sweeper
    /// finds the ticket.
    async fn claim(&self, row: &AttemptRow, ticket: Option<&TicketRow>) -> anyhow::Result<bool> {
        let AttemptId { run, step, number } = row.id.clone();
        let mut act = Act::new(run, Event::AttemptStarted { step, number });
        act.claim = Some((row.id.clone(), random_bytes()));
        let consumed = Consumed::Attempt { id: row.id.clone(), epoch: row.epoch };
        let consumed = [consumed].into_iter().chain(ticket.map(tickets::used)).collect();
        match self.runs.commit(vec![act], Together { consumed, ..Together::default() }).await {
            Ok(Done::Committed(said)) => match said.get(&run) {
                Some(Ok(_)) => Ok(true),
                Some(Err(why)) => {
                    debug!(attempt.id = %row.id, %why, "an attempt cannot start now");
                    Ok(false)
                }
                None => Ok(false),
            },
            Ok(Done::Lost(_)) => Ok(false),
            Err(error) if error.is::<Broken>() => {
                error!(attempt.id = %row.id, error = format!("{error:#}"), "the run of an attempt is left alone");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// One who holds a slot or asks for one. Its repository is not looked up: between installations it is fair, and within
/// one the longest due goes first.
fn claim(holder: String, installation: InstallationId, since: Timestamp) -> Claim<String> {
    Claim { holder, installation, repository: 0, priority: 0, since }
}
