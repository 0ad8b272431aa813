//! Gates decide what one run cannot know: who of all runs gets in. Pure; a loop reads the rows and writes verdicts.
//!
//! A run never tests a shared limit. It asks, and is answered by an event that is written together with the ticket,
//! so durable state needs no heartbeat and no crash leaks a place.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::InstallationId;
use crate::time::Timestamp;
use crate::workflow::plan::OnConflict;

/// A gate as its row and its operator know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Holders at once.
    pub limit: u32,
    /// What happens to those beyond the limit.
    pub on_conflict: OnConflict,
}

/// Who holds a ticket or asks for one. `H` names the holder: a run, or an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim<H> {
    /// The holder.
    pub holder: H,
    /// Whose it is; for fairness.
    pub installation: InstallationId,
    /// Which of its repositories.
    pub repository: i64,
    /// Higher first.
    pub priority: i32,
    /// The source's time: "older" is by this, never by arrival.
    pub since: Timestamp,
}

/// What a gate says to one who asks, or to a holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<H> {
    /// Come in.
    Grant(H),
    /// A newer one takes its place.
    Supersede {
        /// Who goes.
        holder: H,
        /// Who comes.
        by: H,
    },
    /// The gate is full and drops newcomers.
    Drop(H),
    /// Wait.
    Wait {
        /// Who waits.
        holder: H,
        /// The place in the queue, from 1.
        position: u32,
    },
}

/// Decides about everyone who asks, at once: deterministic, whatever the order of the rows.
///
/// Under [`OnConflict::ReplaceRunning`] the newest by source time stay, whoever asked first; those in their way are
/// superseded, holders and waiters alike. [`OnConflict::ReplaceQueued`] does the same to waiters only.
#[must_use]
pub fn admit<H: Ord + Clone>(gate: &Gate, holders: &[Claim<H>], waiting: &[Claim<H>]) -> Vec<Verdict<H>> {
    let limit = gate.limit.max(1) as usize;
    match gate.on_conflict {
        OnConflict::Queue => queue(limit, holders, waiting),
        OnConflict::ReplaceRunning => replace_running(limit, holders, waiting),
        OnConflict::ReplaceQueued => replace_queued(limit, holders, waiting),
        OnConflict::DropNew => {
            let free = limit.saturating_sub(holders.len());
            let order = ranked(holders, waiting);
            let verdict = |(at, claim): (usize, &Claim<H>)| {
                let holder = claim.holder.clone();
                if at < free { Verdict::Grant(holder) } else { Verdict::Drop(holder) }
            };
            order.into_iter().enumerate().map(verdict).collect()
        }
    }
}

fn queue<H: Ord + Clone>(limit: usize, holders: &[Claim<H>], waiting: &[Claim<H>]) -> Vec<Verdict<H>> {
    let free = limit.saturating_sub(holders.len());
    let verdict = |(at, claim): (usize, &Claim<H>)| {
        let holder = claim.holder.clone();
        match at.checked_sub(free) {
            None => Verdict::Grant(holder),
            Some(behind) => Verdict::Wait { holder, position: position(behind) },
        }
    };
    ranked(holders, waiting).into_iter().enumerate().map(verdict).collect()
}

/// The newest `limit` of all stay; whoever must go is superseded by the newest.
fn replace_running<H: Ord + Clone>(limit: usize, holders: &[Claim<H>], waiting: &[Claim<H>]) -> Vec<Verdict<H>> {
    let newest = newest_first(holders.iter().chain(waiting));
    let Some(first) = newest.first().map(|claim| claim.holder.clone()) else { return Vec::new() };
    let holds: BTreeSet<&H> = holders.iter().map(|claim| &claim.holder).collect();
    let mut verdicts = Vec::new();
    for (at, claim) in newest.iter().enumerate() {
        let holder = claim.holder.clone();
        match (at < limit, holds.contains(&holder)) {
            (true, true) => {}
            (true, false) => verdicts.push(Verdict::Grant(holder)),
            (false, _) => verdicts.push(Verdict::Supersede { holder, by: first.clone() }),
        }
    }
    verdicts
}

/// Holders stay. Free places go to the newest; when none is free, only the newest waits.
fn replace_queued<H: Ord + Clone>(limit: usize, holders: &[Claim<H>], waiting: &[Claim<H>]) -> Vec<Verdict<H>> {
    let newest = newest_first(waiting);
    let Some(first) = newest.first().map(|claim| claim.holder.clone()) else { return Vec::new() };
    let free = limit.saturating_sub(holders.len());
    let verdict = |(at, claim): (usize, &&Claim<H>)| {
        let holder = claim.holder.clone();
        match at {
            _ if at < free => Verdict::Grant(holder),
            0 => Verdict::Wait { holder, position: 1 },
            _ => Verdict::Supersede { holder, by: first.clone() },
        }
    };
    newest.iter().enumerate().map(verdict).collect()
}

fn newest_first<'a, H: Ord + 'a>(claims: impl IntoIterator<Item = &'a Claim<H>>) -> Vec<&'a Claim<H>> {
    let mut claims: Vec<_> = claims.into_iter().collect();
    claims.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| b.holder.cmp(&a.holder)));
    claims
}

/// The order in which waiting ones get in: priority, then the installation with the fewest holders, then the
/// repository with the fewest, then age. Each one let in counts as a holder for the next.
fn ranked<'a, H: Ord>(holders: &[Claim<H>], waiting: &'a [Claim<H>]) -> Vec<&'a Claim<H>> {
    let mut of_installation: BTreeMap<InstallationId, usize> = BTreeMap::new();
    let mut of_repository: BTreeMap<(InstallationId, i64), usize> = BTreeMap::new();
    for claim in holders {
        *of_installation.entry(claim.installation).or_default() += 1;
        *of_repository.entry((claim.installation, claim.repository)).or_default() += 1;
    }
    // Within one repository and priority only the oldest is a candidate, so each round looks at few.
    let mut lines: BTreeMap<(i32, InstallationId, i64), Vec<&Claim<H>>> = BTreeMap::new();
    for claim in waiting {
        let line = (claim.priority.saturating_neg(), claim.installation, claim.repository);
        lines.entry(line).or_default().push(claim);
    }
    for line in lines.values_mut() {
        line.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| b.holder.cmp(&a.holder)));
    }
    let mut order = Vec::with_capacity(waiting.len());
    while let Some((&line, _)) = lines.iter().min_by_key(|((priority, installation, repository), claims)| {
        let seats = of_installation.get(installation).copied().unwrap_or_default();
        let here = of_repository.get(&(*installation, *repository)).copied().unwrap_or_default();
        (*priority, seats, here, claims.last().map(|claim| (claim.since, &claim.holder)))
    }) {
        let Some(claims) = lines.get_mut(&line) else { break };
        if let Some(next) = claims.pop() {
            *of_installation.entry(line.1).or_default() += 1;
            *of_repository.entry((line.1, line.2)).or_default() += 1;
            order.push(next);
        }
        if claims.is_empty() {
            lines.remove(&line);
        }
    }
    order
}

fn position(behind: usize) -> u32 {
    u32::try_from(behind + 1).unwrap_or(u32::MAX)
}
