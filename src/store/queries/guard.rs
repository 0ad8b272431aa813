//! The guard: locks what a batch compares, in the order of the house, and says what it is now.

use sqlx::Row as _;
use uuid::Uuid;

use super::{Conn, Error, Query, Row, change_each, read_each, write_each};
use crate::ids::{AttemptId, InstallationId, RepoId, RunId};
use crate::store::column;
use crate::store::committer::Seen;
use crate::store::door::{Claim, GateId};
use crate::store::heads::HeadKey;

statements! {
    @sized {
        GATES = sizes!("SELECT installation, name, version FROM gate WHERE ", "(installation = ? AND name = ?)", " OR ", " ORDER BY installation, name FOR UPDATE", "");
        RUNS = sizes!("SELECT installation, id, seq, chain, data_key FROM run WHERE ", "(installation = ? AND id = ?)", " OR ", " ORDER BY installation, id FOR UPDATE", "");
        ATTEMPTS = sizes!("SELECT installation, run, step, number, epoch FROM attempt WHERE state = 'queued' AND held = 0 AND stop = 0 AND (", "(installation = ? AND run = ? AND step = ? AND number = ?)", " OR ", ") ORDER BY installation, run, step, number FOR UPDATE", ")");
        TICKETS = sizes!("SELECT scope, gate, holder, granted_at FROM gate_ticket WHERE ", "(scope = ? AND gate = ? AND holder = ?)", " OR ", " ORDER BY scope, gate, holder FOR UPDATE", "");
        DELIVERIES = sizes!("SELECT installation, id, pending FROM inbox WHERE pending = 1 AND (", "(installation = ? AND id = ?)", " OR ", ") ORDER BY installation, id FOR UPDATE", ")");
        HEADS = sizes!("SELECT installation, repo, sha, workflow, version FROM head_workflow WHERE ", "(installation = ? AND repo = ? AND sha = ? AND workflow = ?)", " OR ", " ORDER BY installation, repo, sha, workflow FOR UPDATE", "");
        HOLD_ROWS = sizes!("INSERT INTO pr_hold (installation, repo, number, workflow, version, held, actor, why, at) VALUES ", "(?, ?, ?, ?, 0, 0, '', '', 0)", ", ", " ON DUPLICATE KEY UPDATE version = version", " ON CONFLICT DO NOTHING");
        HOLDS = sizes!("SELECT installation, repo, number, workflow, version FROM pr_hold WHERE ", "(installation = ? AND repo = ? AND number = ? AND workflow = ?)", " OR ", " ORDER BY installation, repo, number, workflow FOR UPDATE", "");
        TICKETS_UP = sizes!("UPDATE gate_ticket SET granted_at = granted_at + 1 WHERE ", "(scope = ? AND gate = ? AND holder = ?)", " OR ");
        TICKETS_DOWN = sizes!("UPDATE gate_ticket SET granted_at = granted_at - 1 WHERE ", "(scope = ? AND gate = ? AND holder = ?)", " OR ");
        HOLDS_UP = sizes!("UPDATE pr_hold SET version = version + 1 WHERE ", "(installation = ? AND repo = ? AND number = ? AND workflow = ?)", " OR ");
        HOLDS_DOWN = sizes!("UPDATE pr_hold SET version = version - 1 WHERE ", "(installation = ? AND repo = ? AND number = ? AND workflow = ?)", " OR ");
        KEYS = sizes!("SELECT installation, name FROM consumed_key WHERE ", "(installation = ? AND name = ?)", " OR ", " ORDER BY installation, name FOR UPDATE", "");
    }
}

/// Locks and reads. The claims come in their own order, which is the order of locks: gates, runs, and so on.
pub(in crate::store) async fn guard(conn: &mut Conn, claims: &[Claim]) -> Result<Seen, Error> {
    let mut seen = Seen::default();
    let of = |want: fn(&Claim) -> bool| claims.iter().filter(move |claim| want(claim)).collect::<Vec<_>>();
    let gates = of(|claim| matches!(claim, Claim::Gate(_)));
    note(&mut seen, &read_each(conn, &GATES, &gates, bind).await?, gate)?;
    let runs = of(|claim| matches!(claim, Claim::Run(_)));
    for row in &read_each(conn, &RUNS, &runs, bind).await? {
        let id = run_id(row)?;
        seen.versions.insert(Claim::Run(id), version(row, 2)?);
        seen.tips.insert(id, (column::bytes16(row.try_get(3)?)?, row.try_get(4)?));
    }
    let attempts = of(|claim| matches!(claim, Claim::Attempt(_)));
    note(&mut seen, &read_each(conn, &ATTEMPTS, &attempts, bind).await?, attempt)?;
    let tickets = of(|claim| matches!(claim, Claim::Ticket(..)));
    note(&mut seen, &read_each(conn, &TICKETS, &tickets, bind).await?, ticket)?;
    let deliveries = of(|claim| matches!(claim, Claim::Delivery(..)));
    note(&mut seen, &read_each(conn, &DELIVERIES, &deliveries, bind).await?, delivery)?;
    let heads = of(|claim| matches!(claim, Claim::Head(..)));
    note(&mut seen, &read_each(conn, &HEADS, &heads, bind).await?, head)?;
    // A hold that nobody set yet gets a row of version 0, so that there is something to lock.
    let holds = of(|claim| matches!(claim, Claim::Hold(..)));
    write_each(conn, &HOLD_ROWS, &holds, bind).await?;
    note(&mut seen, &read_each(conn, &HOLDS, &holds, bind).await?, hold)?;
    let keys = of(|claim| matches!(claim, Claim::Key(..)));
    note(&mut seen, &read_each(conn, &KEYS, &keys, bind).await?, key)?;
    Ok(seen)
}

/// Writes what is compared and would not be written otherwise, there and back again. A lock holds on one node of a
/// Galera cluster; a transaction that comes first on another node is noticed only if both have written the same row.
pub(in crate::store) async fn touch(conn: &mut Conn, claims: &[Claim]) -> Result<(), Error> {
    let of = |want: fn(&Claim) -> bool| claims.iter().filter(move |claim| want(claim)).collect::<Vec<_>>();
    let tickets = of(|claim| matches!(claim, Claim::Ticket(..)));
    change_each(conn, &TICKETS_UP, &tickets, bind).await?;
    change_each(conn, &TICKETS_DOWN, &tickets, bind).await?;
    let holds = of(|claim| matches!(claim, Claim::Hold(..)));
    change_each(conn, &HOLDS_UP, &holds, bind).await?;
    change_each(conn, &HOLDS_DOWN, &holds, bind).await?;
    Ok(())
}

fn bind<'q>(query: Query<'q>, claim: &'q &Claim) -> Query<'q> {
    match claim {
        Claim::Gate(gate) => query.bind(gate.scope.0).bind(&gate.name),
        Claim::Run(run) => query.bind(run.installation.0).bind(run.bytes().to_vec()),
        Claim::Attempt(id) => query
            .bind(id.run.installation.0)
            .bind(id.run.bytes().to_vec())
            .bind(id.step.as_str())
            .bind(i64::from(id.number)),
        Claim::Ticket(gate, holder) => query.bind(gate.scope.0).bind(&gate.name).bind(holder),
        Claim::Delivery(installation, id) => query.bind(installation.0).bind(id.as_bytes().to_vec()),
        Claim::Head(head, workflow) => {
            query.bind(head.installation.0).bind(head.repo.0).bind(head.sha.as_str()).bind(workflow.as_str())
        }
        Claim::Hold(installation, repo, number, workflow) => {
            query.bind(installation.0).bind(repo.0).bind(number).bind(workflow)
        }
        Claim::Key(installation, name) => query.bind(installation.0).bind(name),
    }
}

fn note(seen: &mut Seen, rows: &[Row], read: fn(&Row) -> Result<(Claim, u64), Error>) -> Result<(), Error> {
    for row in rows {
        let (claim, version) = read(row)?;
        seen.versions.insert(claim, version);
    }
    Ok(())
}

fn version(row: &Row, column: usize) -> Result<u64, Error> {
    Ok(column::unsigned(row.try_get(column)?))
}

fn run_id(row: &Row) -> Result<RunId, Error> {
    column::run(row.try_get(0)?, row.try_get(1)?)
}

fn gate(row: &Row) -> Result<(Claim, u64), Error> {
    let gate = GateId { scope: InstallationId(row.try_get(0)?), name: row.try_get(1)? };
    Ok((Claim::Gate(gate), version(row, 2)?))
}

fn attempt(row: &Row) -> Result<(Claim, u64), Error> {
    let (step, number) = (row.try_get::<String, _>(2)?, row.try_get::<i64, _>(3)?);
    let id = AttemptId { run: run_id(row)?, step: column::parse(&step)?, number: column::number(number) };
    Ok((Claim::Attempt(id), version(row, 4)?))
}

fn ticket(row: &Row) -> Result<(Claim, u64), Error> {
    let gate = GateId { scope: InstallationId(row.try_get(0)?), name: row.try_get(1)? };
    Ok((Claim::Ticket(gate, row.try_get(2)?), version(row, 3)?))
}

fn delivery(row: &Row) -> Result<(Claim, u64), Error> {
    let id = Uuid::from_bytes(column::bytes16(row.try_get(1)?)?);
    Ok((Claim::Delivery(InstallationId(row.try_get(0)?), id), version(row, 2)?))
}

fn head(row: &Row) -> Result<(Claim, u64), Error> {
    let (sha, workflow) = (row.try_get::<String, _>(2)?, row.try_get::<String, _>(3)?);
    let (installation, repo) = (InstallationId(row.try_get(0)?), RepoId(row.try_get(1)?));
    let head = HeadKey { installation, repo, sha: column::parse(&sha)? };
    Ok((Claim::Head(head, column::parse(&workflow)?), version(row, 4)?))
}

fn hold(row: &Row) -> Result<(Claim, u64), Error> {
    let (installation, repo) = (InstallationId(row.try_get(0)?), RepoId(row.try_get(1)?));
    Ok((Claim::Hold(installation, repo, row.try_get(2)?, row.try_get(3)?), version(row, 4)?))
}

fn key(row: &Row) -> Result<(Claim, u64), Error> {
    Ok((Claim::Key(InstallationId(row.try_get(0)?), row.try_get(1)?), 1))
}
