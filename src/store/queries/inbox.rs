//! Deliveries and their lanes.

use std::collections::BTreeSet;

use sqlx::Row as _;
use uuid::Uuid;

use super::{Conn, Error, Query, all, first, pick, read_each, run, write_each};
use crate::ids::{InstallationId, RepoId};
use crate::store::column;
use crate::store::inbox::{ArrivalFull, Arrived, DeliveryRow, Lane, PART_BYTES_MAX, Parked};
use crate::store::replicas::Incarnation;
use crate::time::Timestamp;

statements! {
    PART = pick(
        "INSERT INTO inbox_part (installation, inbox, part, body) VALUES (?, ?, ?, ?) ON DUPLICATE KEY UPDATE part = part",
        "INSERT INTO inbox_part (installation, inbox, part, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
    );
    DUE = "SELECT installation, repo, lane, epoch, arrivals FROM lane WHERE due_at <= ? ORDER BY due_at LIMIT ?";
    CLAIM = "UPDATE lane SET epoch = epoch + 1, due_at = ?, owner = ? WHERE installation = ? AND repo = ? AND lane = ? AND epoch = ?";
    OLDEST = "SELECT id, event, guid, received_at, tries, data_key FROM inbox WHERE installation = ? AND repo = ? AND lane = ? AND pending = 1 ORDER BY id LIMIT 1";
    DROP_LANE = "DELETE FROM lane WHERE installation = ? AND repo = ? AND lane = ? AND epoch = ? AND arrivals = ?";
    BODY = "SELECT body FROM inbox_part WHERE installation = ? AND inbox = ? ORDER BY part";
    FAILED = "UPDATE inbox SET tries = tries + 1, outcome = ? WHERE installation = ? AND id = ? AND pending = 1";
    PARK = "UPDATE inbox SET tries = tries + 1, pending = NULL, parked_at = ?, outcome = ? WHERE installation = ? AND id = ? AND pending = 1";
    LANE_DUE = "UPDATE lane SET due_at = ? WHERE installation = ? AND repo = ? AND lane = ? AND epoch = ?";
    UNPARK = "UPDATE inbox SET pending = 1, parked_at = NULL, tries = 0 WHERE installation = ? AND id = ? AND parked_at IS NOT NULL";
    LANE_OF = "SELECT repo, lane FROM inbox WHERE installation = ? AND id = ?";
    PARKED = "SELECT installation, id, event, guid, parked_at, outcome FROM inbox WHERE parked_at > 0 ORDER BY parked_at DESC LIMIT 100";
    OLDEST_PENDING = "SELECT received_at FROM inbox WHERE pending = 1 ORDER BY received_at LIMIT 1";
    @sized {
        LANE = sizes!("INSERT INTO lane (installation, repo, lane, due_at, epoch, arrivals) VALUES ", "(?, ?, ?, ?, ?, 1)", ", ", " ON DUPLICATE KEY UPDATE arrivals = arrivals + 1", " ON CONFLICT DO UPDATE SET arrivals = arrivals + 1");
        INSERT = sizes!("INSERT INTO inbox (installation, id, app, guid, tag, event, action, repo, lane, received_at, pending, tries, data_key, parts) VALUES ", "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, ?, ?)", ", ", " ON DUPLICATE KEY UPDATE id = id", " ON CONFLICT DO NOTHING");
        STORED = sizes!("SELECT id FROM inbox WHERE ", "(installation = ? AND id = ?)", " OR ");
        KNOWN = sizes!("SELECT guid FROM inbox WHERE ", "(app = ? AND guid = ?)", " OR ");
    }
}

/// A delivery in its claimed lane.
type Key<'a> = (InstallationId, &'a Lane, Uuid);

/// Inserts arrivals: lanes first, since whoever empties a lane looks at its count of arrivals. Epochs begin with the
/// time: a lane is forgotten and comes again, and whoever had the earlier one does not have this one.
pub(in crate::store) async fn insert(conn: &mut Conn, rows: &[ArrivalFull]) -> Result<Vec<Arrived>, Error> {
    let mut lanes: Vec<_> = rows.iter().map(|row| (lane_key(row), row.arrival.received_at.0)).collect();
    lanes.sort_unstable();
    lanes.dedup_by_key(|(key, _)| *key);
    write_each(conn, &LANE, &lanes, |q, ((installation, repo, lane), at)| {
        q.bind(installation).bind(repo).bind(*lane).bind(at).bind(at)
    })
    .await?;
    write_each(conn, &INSERT, rows, bind).await?;
    let found = read_each(conn, &STORED, rows, |q, row: &ArrivalFull| {
        q.bind(row.arrival.installation.0).bind(row.id.as_bytes().to_vec())
    });
    let mut stored = BTreeSet::new();
    for row in found.await? {
        stored.insert(column::uuid(row.try_get(0)?)?);
    }
    let mut answers = Vec::with_capacity(rows.len());
    for row in rows {
        if !stored.contains(&row.id) {
            answers.push(Arrived::Duplicate);
            continue;
        }
        for (part, body) in (0_i64..).zip(row.sealed.chunks(PART_BYTES_MAX)) {
            run(conn, sql!(PART, row.arrival.installation.0, row.id.as_bytes().to_vec(), part, body)).await?;
        }
        answers.push(Arrived::Stored(row.id));
    }
    Ok(answers)
}

fn lane_key(row: &ArrivalFull) -> (i64, i64, &str) {
    (row.arrival.installation.0, row.arrival.repo.0, row.arrival.lane.as_str())
}

fn bind<'q>(query: Query<'q>, row: &'q ArrivalFull) -> Query<'q> {
    let arrival = &row.arrival;
    let parts = i64::try_from(row.sealed.len().div_ceil(PART_BYTES_MAX)).unwrap_or(i64::MAX);
    query
        .bind(arrival.installation.0)
        .bind(row.id.as_bytes().to_vec())
        .bind(arrival.app)
        .bind(&arrival.guid)
        .bind(arrival.tag.to_vec())
        .bind(&arrival.event)
        .bind(arrival.action.as_deref())
        .bind(arrival.repo.0)
        .bind(&arrival.lane)
        .bind(arrival.received_at.0)
        .bind(&row.data_key)
        .bind(parts)
}

/// Lanes that are due, with their counts of arrivals.
pub(in crate::store) async fn due_lanes(
    conn: &mut Conn,
    at: i64,
    limit: u32,
) -> Result<Vec<(InstallationId, Lane, i64)>, Error> {
    let rows = all(conn, sql!(DUE, at, i64::from(limit))).await?;
    let read = |row: &super::Row| {
        let lane =
            Lane { repo: RepoId(row.try_get(1)?), name: row.try_get(2)?, epoch: column::unsigned(row.try_get(3)?) };
        Ok((InstallationId(row.try_get(0)?), lane, row.try_get(4)?))
    };
    rows.iter().map(read).collect()
}

/// Claims a lane as it was read, and reads its oldest delivery. None when another was faster, or when nothing is
/// pending: the lane is forgotten then. If something arrived since it was read, it is due again at once instead, for
/// the claim has put it off.
pub(in crate::store) async fn claim_oldest(
    conn: &mut Conn,
    (installation, lane, arrivals): (InstallationId, &Lane, i64),
    (until, me): (i64, Option<Incarnation>),
) -> Result<Option<(Lane, DeliveryRow)>, Error> {
    let claim = sql!(CLAIM, until, me.map(|me| me.0.to_vec()), installation.0, lane.repo.0, &lane.name);
    let claim = claim.bind(column::signed(lane.epoch));
    if run(conn, claim).await? == 0 {
        return Ok(None);
    }
    let lane = Lane { epoch: lane.epoch + 1, ..lane.clone() };
    let Some(row) = first(conn, sql!(OLDEST, installation.0, lane.repo.0, &lane.name)).await? else {
        let forget = sql!(DROP_LANE, installation.0, lane.repo.0, &lane.name, column::signed(lane.epoch), arrivals);
        if run(conn, forget).await? == 0 {
            lane_due(conn, installation, &lane, 0).await?;
        }
        return Ok(None);
    };
    let row = DeliveryRow {
        id: column::uuid(row.try_get(0)?)?,
        event: row.try_get(1)?,
        guid: row.try_get(2)?,
        received_at: row.try_get(3)?,
        tries: column::number(row.try_get(4)?),
        data_key: row.try_get(5)?,
    };
    Ok(Some((lane, row)))
}

/// A body, whole.
pub(in crate::store) async fn body(conn: &mut Conn, installation: InstallationId, id: Uuid) -> Result<Vec<u8>, Error> {
    let rows = all(conn, sql!(BODY, installation.0, id.as_bytes().to_vec())).await?;
    let parts = rows.iter().map(|row| Ok(row.try_get::<Vec<u8>, _>(0)?)).collect::<Result<Vec<_>, Error>>()?;
    Ok(parts.concat())
}

/// A claimed lane is due at another time.
pub(in crate::store) async fn lane_due(
    conn: &mut Conn,
    installation: InstallationId,
    lane: &Lane,
    due_at: i64,
) -> Result<(), Error> {
    let sql = sql!(LANE_DUE, due_at, installation.0, lane.repo.0, &lane.name, column::signed(lane.epoch));
    run(conn, sql).await.map(drop)
}

/// Marks a delivery done; its lane is due again.
pub(in crate::store) async fn done(
    conn: &mut Conn,
    (installation, lane, id): Key<'_>,
    outcome: &str,
    at: i64,
) -> Result<(), Error> {
    super::door::done(conn, (installation.0, id.as_bytes()), outcome, at).await?;
    lane_due(conn, installation, lane, at).await
}

/// Records a failure; the lane waits.
pub(in crate::store) async fn failed(
    conn: &mut Conn,
    (installation, lane, id): Key<'_>,
    reason: &str,
    due_at: i64,
) -> Result<(), Error> {
    let reason: String = reason.chars().take(500).collect();
    run(conn, sql!(FAILED, reason, installation.0, id.as_bytes().to_vec())).await?;
    lane_due(conn, installation, lane, due_at).await
}

/// Gives a delivery up; its lane goes on.
pub(in crate::store) async fn park(
    conn: &mut Conn,
    (installation, lane, id): Key<'_>,
    reason: &str,
    at: i64,
) -> Result<(), Error> {
    let reason: String = reason.chars().take(500).collect();
    run(conn, sql!(PARK, at, reason, installation.0, id.as_bytes().to_vec())).await?;
    lane_due(conn, installation, lane, at).await
}

/// Takes a delivery back into its lane.
pub(in crate::store) async fn unpark(
    conn: &mut Conn,
    installation: InstallationId,
    id: Uuid,
    at: i64,
) -> Result<bool, Error> {
    let Some(row) = first(conn, sql!(LANE_OF, installation.0, id.as_bytes().to_vec())).await? else { return Ok(false) };
    let (repo, lane): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
    write_each(conn, &LANE, &[(repo, lane, installation.0, at)], |q, (repo, lane, installation, at)| {
        q.bind(installation).bind(repo).bind(lane).bind(at).bind(at)
    })
    .await?;
    Ok(run(conn, sql!(UNPARK, installation.0, id.as_bytes().to_vec())).await? == 1)
}

/// What was given up.
pub(in crate::store) async fn parked(conn: &mut Conn) -> Result<Vec<Parked>, Error> {
    let read = |row: &super::Row| {
        Ok(Parked {
            installation: InstallationId(row.try_get(0)?),
            id: column::uuid(row.try_get(1)?)?,
            event: row.try_get(2)?,
            guid: row.try_get(3)?,
            parked_at: Timestamp(row.try_get(4)?),
            reason: row.try_get::<Option<String>, _>(5)?.unwrap_or_default(),
        })
    };
    all(conn, sql!(PARKED)).await?.iter().map(read).collect()
}

/// When the oldest that waits arrived.
pub(in crate::store) async fn oldest_pending(conn: &mut Conn) -> Result<Option<i64>, Error> {
    first(conn, sql!(OLDEST_PENDING)).await?.map(|row| Ok(row.try_get(0)?)).transpose()
}

/// Which of these we have.
pub(in crate::store) async fn known(conn: &mut Conn, app: i64, guids: &[String]) -> Result<Vec<String>, Error> {
    let keys: Vec<_> = guids.iter().map(|guid| (app, guid)).collect();
    let rows = read_each(conn, &KNOWN, &keys, |q, (app, guid)| q.bind(app).bind(*guid)).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
