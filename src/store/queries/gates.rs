//! Gates.

use sqlx::Row as _;

use super::{Conn, Error, Query, Row, all, first, read_each, run as execute, write_each};
use crate::ids::{InstallationId, RepoId, RunId};
use crate::store::column;
use crate::store::door::{GateId, GateKind};
use crate::store::gates::{HolderRow, TicketRow, WaitRow};
use crate::time::Timestamp;

statements! {
    WAITING = "SELECT DISTINCT scope, gate FROM gate_wait";
    VERSION = "SELECT version FROM gate WHERE installation = ? AND name = ?";
    TICKETS = "SELECT scope, gate, holder, installation, run, granted_at FROM gate_ticket WHERE scope = ? AND gate = ?";
    INSTALLATIONS = "SELECT DISTINCT installation FROM gate_wait WHERE scope = ? AND gate = ?";
    WAITS = "SELECT installation, run, holder, repo, priority, asked_at, source_at FROM gate_wait WHERE scope = ? AND gate = ? AND installation = ? ORDER BY asked_at LIMIT ?";
    OF_RUN = "SELECT installation, run, holder, repo, priority, asked_at, source_at, scope, gate FROM gate_wait WHERE installation = ? AND run = ?";
    RAISE = "UPDATE gate SET version = version + 1 WHERE installation = ? AND name = ? AND version = ?";
    FIRST = "INSERT INTO gate (installation, name, version) VALUES (?, ?, 1)";
    DROP_TICKET = "DELETE FROM gate_ticket WHERE scope = ? AND gate = ? AND holder = ? AND granted_at = ?";
    STAMP = "UPDATE gate_ticket SET granted_at = ? WHERE scope = ? AND gate = ? AND holder = ? AND granted_at = ?";
    OLD = "SELECT scope, gate, holder, installation, run, granted_at FROM gate_ticket WHERE scope = ? AND granted_at < ? ORDER BY granted_at LIMIT ?";
    @sized {
        TAKE = sizes!("INSERT INTO gate_ticket (scope, gate, holder, kind, installation, run, granted_at) VALUES ", "(?, ?, ?, ?, ?, ?, ?)", ", ");
        HOLDERS = sizes!("SELECT installation, id, repo, source_at, broken IS NOT NULL FROM run WHERE ", "(installation = ? AND id = ?)", " OR ");
    }
}

fn key<'q>(query: Query<'q>, gate: &'q GateId) -> Query<'q> {
    query.bind(gate.scope.0).bind(&gate.name)
}

fn wait(row: &Row) -> Result<WaitRow, Error> {
    Ok(WaitRow {
        run: column::run(row.try_get(0)?, row.try_get(1)?)?,
        holder: row.try_get(2)?,
        repo: RepoId(row.try_get(3)?),
        priority: row.try_get(4)?,
        asked_at: Timestamp(row.try_get(5)?),
        source_at: Timestamp(row.try_get(6)?),
    })
}

fn ticket(row: &Row) -> Result<TicketRow, Error> {
    Ok(TicketRow {
        gate: GateId { scope: InstallationId(row.try_get(0)?), name: row.try_get(1)? },
        holder: row.try_get(2)?,
        run: column::run(row.try_get(3)?, row.try_get(4)?)?,
        granted_at: Timestamp(row.try_get(5)?),
    })
}

/// Gates with a line.
pub(in crate::store) async fn waiting(conn: &mut Conn) -> Result<Vec<GateId>, Error> {
    let read = |row: &Row| Ok(GateId { scope: InstallationId(row.try_get(0)?), name: row.try_get(1)? });
    all(conn, sql!(WAITING)).await?.iter().map(read).collect()
}

/// A gate's version (0 while it has none), who holds it, and the oldest of each installation that waits.
pub(in crate::store) async fn look(
    conn: &mut Conn,
    gate: &GateId,
    each: u32,
) -> Result<(i64, Vec<TicketRow>, Vec<WaitRow>), Error> {
    // The version first: whatever changes after it makes the decision lose.
    let version = first(conn, key(sql!(VERSION), gate)).await?.map_or(Ok(0), |row| row.try_get(0))?;
    let tickets = all(conn, key(sql!(TICKETS), gate)).await?.iter().map(ticket).collect::<Result<_, Error>>()?;
    let mut waits = Vec::new();
    for row in all(conn, key(sql!(INSTALLATIONS), gate)).await? {
        let sql = key(sql!(WAITS), gate).bind(row.try_get::<i64, _>(0)?).bind(i64::from(each));
        for row in &all(conn, sql).await? {
            waits.push(wait(row)?);
        }
    }
    Ok((version, tickets, waits))
}

/// What a run waits for.
pub(in crate::store) async fn of_run(conn: &mut Conn, run: RunId) -> Result<Vec<(GateId, WaitRow)>, Error> {
    let read = |row: &Row| Ok((GateId { scope: InstallationId(row.try_get(7)?), name: row.try_get(8)? }, wait(row)?));
    all(conn, sql!(OF_RUN, run.installation.0, run.bytes().to_vec())).await?.iter().map(read).collect()
}

/// The runs that hold something; what is gone is absent.
pub(in crate::store) async fn holders(conn: &mut Conn, runs: &[RunId]) -> Result<Vec<HolderRow>, Error> {
    let read = |row: &Row| {
        Ok(HolderRow {
            run: column::run(row.try_get(0)?, row.try_get(1)?)?,
            repo: RepoId(row.try_get(2)?),
            source_at: Timestamp(row.try_get(3)?),
            is_broken: row.try_get::<i64, _>(4)? != 0,
        })
    };
    let rows = read_each(conn, &HOLDERS, runs, |q, run| q.bind(run.installation.0).bind(run.bytes().to_vec())).await?;
    rows.iter().map(read).collect()
}

/// Raises the version of a gate as it was read, then takes tickets there.
pub(in crate::store) async fn take(
    conn: &mut Conn,
    tickets: &[TicketRow],
    kind: GateKind,
    version: i64,
) -> Result<bool, Error> {
    let Some(TicketRow { gate, .. }) = tickets.first() else { return Ok(true) };
    let raised = match version {
        0 => execute(conn, key(sql!(FIRST), gate)).await?,
        _ => execute(conn, key(sql!(RAISE), gate).bind(version)).await?,
    };
    if raised == 0 {
        return Ok(false);
    }
    let rows: Vec<_> = tickets.iter().map(|ticket| (ticket, kind)).collect();
    write_each(conn, &TAKE, &rows, |query, (ticket, kind)| {
        let sql = key(query, &ticket.gate).bind(&ticket.holder).bind(kind.as_str());
        sql.bind(ticket.run.installation.0).bind(ticket.run.bytes().to_vec()).bind(ticket.granted_at.0)
    })
    .await?;
    Ok(true)
}

/// Gives a ticket back, if it is still as it was read.
pub(in crate::store) async fn drop_ticket(conn: &mut Conn, ticket: &TicketRow) -> Result<(), Error> {
    let sql = key(sql!(DROP_TICKET), &ticket.gate).bind(&ticket.holder).bind(ticket.granted_at.0);
    execute(conn, sql).await.map(drop)
}

/// Stamps a ticket anew, if it is still as it was read.
pub(in crate::store) async fn stamp(conn: &mut Conn, ticket: &TicketRow, at: i64) -> Result<bool, Error> {
    let sql = key(sql!(STAMP, at), &ticket.gate).bind(&ticket.holder).bind(ticket.granted_at.0);
    Ok(execute(conn, sql).await? == 1)
}

/// Old tickets.
pub(in crate::store) async fn old(
    conn: &mut Conn,
    scope: InstallationId,
    before: i64,
    limit: u32,
) -> Result<Vec<TicketRow>, Error> {
    all(conn, sql!(OLD, scope.0, before, i64::from(limit))).await?.iter().map(ticket).collect()
}
