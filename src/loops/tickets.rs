//! Tickets of the whole service: an agent's slots, all runs at once.
//!
//! They lie in a global table, so they are taken in a transaction of their own *before* the claim or the grant, and
//! whoever stops in between leaves one behind. Nobody acts on a ticket that somebody else took; what was left behind is
//! swept up when it is older than a lease. So a limit is under-used for a lease at most, and never exceeded.
//!
//! *Invariant:* a claim or grant lands only while its ticket bears the stamp under which it was taken. The sweeper
//! stamps a ticket before it asks whether anybody holds it, so whoever slept in between finds that out at the door.

use tracing::{info, warn};

use super::runs::{Broken, Runs};
use crate::engine::state::SeatState;
use crate::ids::{AgentName, AttemptId, InstallationId};
use crate::store::{Consumed, GateId, GateWrite, Store, TicketRow};
use crate::time::Timestamp;

/// The scope of gates of the whole service.
pub(super) const SERVICE: InstallationId = InstallationId(0);
const SLOT: &str = "slot:";

/// The gate before an agent.
pub(crate) fn slots(agent: &AgentName) -> GateId {
    GateId { scope: SERVICE, name: format!("{SLOT}{agent}") }
}

/// An attempt gives its slot back, if it had one.
pub(crate) fn give_slot(agent: &AgentName, attempt: &AttemptId) -> GateWrite {
    GateWrite::TicketDelete { gate: slots(agent), holder: attempt.to_string() }
}

/// What a claim or a grant demands: that its ticket is still as we took it.
pub(crate) fn used(ticket: &TicketRow) -> Consumed {
    Consumed::Ticket { gate: ticket.gate.clone(), holder: ticket.holder.clone(), stamp: ticket.granted_at }
}

/// Deletes the tickets taken before `before` that nobody holds any more.
pub(super) async fn sweep(store: &Store, runs: &Runs, now: Timestamp, before: Timestamp) -> anyhow::Result<()> {
    for ticket in store.old_tickets(SERVICE, before).await? {
        // One ticket's trouble is not the others'.
        if let Err(error) = look(store, runs, &ticket, now).await {
            let TicketRow { gate, holder, .. } = ticket;
            warn!(gate = gate.name, holder, error = format!("{error:#}"), "nobody knows whether a ticket is held");
        }
    }
    Ok(())
}

async fn look(store: &Store, runs: &Runs, ticket: &TicketRow, now: Timestamp) -> anyhow::Result<()> {
    if !store.stamp_ticket(ticket, now).await? {
        return Ok(());
    }
    let held = match ticket.gate.name.starts_with(SLOT) {
        true => attempt_works(store, ticket).await?,
        false => run_holds(runs, ticket).await?,
    };
    if !held {
        info!(gate = ticket.gate.name, holder = ticket.holder, "a ticket that nobody holds is gone");
        store.drop_ticket(&TicketRow { granted_at: now, ..ticket.clone() }).await?;
    }
    Ok(())
}

async fn attempt_works(store: &Store, ticket: &TicketRow) -> anyhow::Result<bool> {
    let attempts = store.attempts(ticket.run).await?;
    Ok(attempts.iter().any(|row| row.owner.is_some() && row.id.to_string() == ticket.holder))
}

async fn run_holds(runs: &Runs, ticket: &TicketRow) -> anyhow::Result<bool> {
    let held = runs.read_newest(ticket.run, |state| {
        state.seats.iter().any(|seat| seat.gate.0 == ticket.gate.name && seat.state == SeatState::Held)
    });
    match held.await {
        Ok(held) => Ok(held.unwrap_or(false)),
        // Quarantine gave its ticket back; a run that only this release cannot read may hold it well.
        Err(error) if error.is::<Broken>() => Ok(true),
        Err(error) => Err(error),
    }
}
