//! Heads, speakers, holds.

use sqlx::Row as _;

use super::{Conn, Error, Query, Row, all, first, run as execute, write_each};
use crate::ids::{InstallationId, RepoId, RunId};
use crate::store::column;
use crate::store::door::{DirtyCheck, Speaker};
use crate::store::heads::{Again, HeadDue, HeadKey, PrHold, SpeakerRow};
use crate::store::replicas::Incarnation;
use crate::time::Timestamp;

statements! {
    DUE = "SELECT installation, repo, sha, epoch, marks FROM head WHERE due_at <= ? ORDER BY due_at LIMIT ?";
    CLAIM = "UPDATE head SET epoch = epoch + 1, due_at = ?, owner = ? WHERE installation = ? AND repo = ? AND sha = ? AND epoch = ? AND due_at IS NOT NULL";
    DIRTY = "SELECT name, marks FROM check_dirty WHERE installation = ? AND repo = ? AND sha = ? ORDER BY name";
    LEAVE = "UPDATE head SET due_at = CASE WHEN marks = ? THEN ? ELSE ? END, owner = CASE WHEN ? = 1 THEN owner END WHERE installation = ? AND repo = ? AND sha = ? AND epoch = ?";
    CLEAN = "DELETE FROM check_dirty WHERE installation = ? AND repo = ? AND sha = ? AND name = ? AND marks = ?";
    SPEAKERS = "SELECT installation, workflow, version, run, reason, class, source_at FROM head_workflow WHERE installation = ? AND repo = ? AND sha = ? ORDER BY workflow";
    HOLDS = "SELECT workflow, version, held, actor, why, at FROM pr_hold WHERE installation = ? AND repo = ? AND number = ? ORDER BY workflow";
    OLDEST = "SELECT due_at FROM head WHERE due_at > 0 ORDER BY due_at LIMIT 1";
}

fn key<'q>(query: Query<'q>, head: &'q HeadKey) -> Query<'q> {
    query.bind(head.installation.0).bind(head.repo.0).bind(head.sha.as_str())
}

/// What is due.
pub(in crate::store) async fn due(conn: &mut Conn, at: i64, limit: u32) -> Result<Vec<HeadDue>, Error> {
    let read = |row: &Row| {
        let head = HeadKey {
            installation: InstallationId(row.try_get(0)?),
            repo: RepoId(row.try_get(1)?),
            sha: column::parse(&row.try_get::<String, _>(2)?)?,
        };
        let (epoch, marks) = (column::unsigned(row.try_get(3)?), column::unsigned(row.try_get(4)?));
        Ok(HeadDue { head, epoch, marks, dirty: Vec::new() })
    };
    all(conn, sql!(DUE, at, i64::from(limit))).await?.iter().map(read).collect()
}

/// Claims one as it was read.
pub(in crate::store) async fn claim(
    conn: &mut Conn,
    (head, epoch): (&HeadKey, u64),
    (until, me): (i64, Option<Incarnation>),
) -> Result<bool, Error> {
    let sql = sql!(CLAIM, until, me.map(|me| me.0.to_vec()));
    Ok(execute(conn, key(sql, head).bind(column::signed(epoch))).await? == 1)
}

/// The names that may look different.
pub(in crate::store) async fn dirty(conn: &mut Conn, head: &HeadKey) -> Result<Vec<(String, u64)>, Error> {
    let rows = all(conn, key(sql!(DIRTY), head)).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, column::unsigned(row.try_get(1)?)))).collect()
}

/// Ends a claim.
pub(in crate::store) async fn settled(
    conn: &mut Conn,
    due: &HeadDue,
    settled: &[(String, u64)],
    at: i64,
    again: Option<Again>,
) -> Result<bool, Error> {
    // An owner keeps later marks from hastening it.
    let (unmarked, marked, keep) = match again {
        None => (None, at, 0),
        Some(Again::Unless(until)) => (Some(until.0), at, 0),
        Some(Again::NotBefore(until)) => (Some(until.0), until.0, 1_i64),
    };
    let leave = sql!(LEAVE, column::signed(due.marks), unmarked, marked, keep);
    if execute(conn, key(leave, &due.head).bind(column::signed(due.epoch))).await? == 0 {
        return Ok(false);
    }
    for (name, marks) in settled {
        execute(conn, key(sql!(CLEAN), &due.head).bind(name).bind(column::signed(*marks))).await?;
    }
    Ok(true)
}

/// Marks checks; they come sorted.
pub(in crate::store) async fn mark(conn: &mut Conn, checks: &[DirtyCheck], at: i64) -> Result<(), Error> {
    let mut heads: Vec<_> = checks.iter().map(|check| (&check.head, at)).collect();
    heads.dedup_by_key(|(head, _)| *head);
    write_each(conn, &super::door::HEAD, &heads, |q, (head, at)| key(q, head).bind(at).bind(at)).await?;
    write_each(conn, &super::door::DIRTY, checks, |q, check| key(q, &check.head).bind(&check.name)).await?;
    Ok(())
}

/// Who speaks.
pub(in crate::store) async fn speakers(conn: &mut Conn, head: &HeadKey) -> Result<Vec<SpeakerRow>, Error> {
    let read = |row: &Row| {
        let installation = InstallationId(row.try_get(0)?);
        let speaker = match row.try_get::<Option<Vec<u8>>, _>(3)? {
            Some(id) => Speaker::Run(RunId { installation, uuid: column::uuid(id)? }),
            None => Speaker::Reason(row.try_get::<Option<String>, _>(4)?.unwrap_or_default()),
        };
        Ok(SpeakerRow {
            workflow: column::parse(&row.try_get::<String, _>(1)?)?,
            version: column::unsigned(row.try_get(2)?),
            speaker,
            class: row.try_get(5)?,
            source_at: Timestamp(row.try_get(6)?),
        })
    };
    all(conn, key(sql!(SPEAKERS), head)).await?.iter().map(read).collect()
}

/// The holds of a pull request.
pub(in crate::store) async fn holds(
    conn: &mut Conn,
    installation: InstallationId,
    repo: RepoId,
    number: i64,
) -> Result<Vec<PrHold>, Error> {
    let read = |row: &Row| {
        let workflow = row.try_get::<String, _>(0)?;
        Ok(PrHold {
            workflow: if workflow.is_empty() { None } else { Some(column::parse(&workflow)?) },
            version: column::unsigned(row.try_get(1)?),
            held: row.try_get::<i64, _>(2)? != 0,
            actor: row.try_get(3)?,
            why: row.try_get(4)?,
            at: Timestamp(row.try_get(5)?),
        })
    };
    all(conn, sql!(HOLDS, installation.0, repo.0, number)).await?.iter().map(read).collect()
}

/// When the longest overdue was due.
pub(in crate::store) async fn oldest(conn: &mut Conn) -> Result<Option<i64>, Error> {
    first(conn, sql!(OLDEST)).await?.map(|row| Ok(row.try_get(0)?)).transpose()
}
