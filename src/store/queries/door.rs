//! What the door writes once the guard has passed, in the order of the house: gates, runs, journal, attempts, effects,
//! dirty checks, inbox marks.

use sqlx::Row as _;

use super::{Conn, Error, Query, change_each, first, run as execute, write_each};
use crate::ids::RunId;
use crate::store::column::signed;
use crate::store::door::{
    AttemptInsert, AttemptWrite, Consumed, DirtyCheck, GateId, GateKind, GateWrite, HeadWrite, Speaker,
};
use crate::store::heads::HeadKey;
use crate::store::rows::{BlobFull, EffectFull, EventFull, Rows, RunFull};

statements! {
    LEAVE_LINES = "DELETE FROM gate_wait WHERE installation = ? AND run = ?";
    LEAVE_GATES = "DELETE FROM gate_ticket WHERE installation = ? AND run = ?";
    CLAIM = "UPDATE attempt SET state = 'claimed', epoch = epoch + 1, owner = ?, token_hash = ? WHERE installation = ? AND run = ? AND step = ? AND number = ?";
    CLOSE_QUEUED = "DELETE FROM attempt WHERE installation = ? AND run = ? AND state = 'queued'";
    STOP_ALL = "UPDATE attempt SET stop = 1 WHERE installation = ? AND run = ?";
    HOLD_QUEUED = "UPDATE attempt SET held = ? WHERE installation = ? AND run = ? AND state = 'queued'";
    HOLD = "UPDATE pr_hold SET version = version + 1, held = ?, actor = ?, why = ?, at = ? WHERE installation = ? AND repo = ? AND number = ? AND workflow = ?";
    DELIVERY = "UPDATE inbox SET pending = NULL, done_at = ?, outcome = ? WHERE installation = ? AND id = ?";
    LANE = "UPDATE lane SET due_at = ? WHERE installation = ? AND repo = ? AND lane = ?";
    READ_BACK = "SELECT transition_id FROM run_event WHERE installation = ? AND run = ? AND seq = ?";
    @sized {
        GATE_NEW = sizes!("INSERT INTO gate (installation, name, version) VALUES ", "(?, ?, 1)", ", ");
        GATE_RAISE = sizes!("UPDATE gate SET version = version + 1 WHERE ", "(installation = ? AND name = ?)", " OR ");
        WAIT = sizes!("INSERT INTO gate_wait (installation, scope, gate, holder, run, repo, priority, asked_at, source_at) VALUES ", "(?, ?, ?, ?, ?, ?, ?, ?, ?)", ", ", " ON DUPLICATE KEY UPDATE priority = VALUES(priority)", " ON CONFLICT DO UPDATE SET priority = excluded.priority");
        WAIT_DROP = sizes!("DELETE FROM gate_wait WHERE ", "(installation = ? AND scope = ? AND gate = ? AND holder = ?)", " OR ");
        TICKET = sizes!("INSERT INTO gate_ticket (scope, gate, holder, kind, installation, run, granted_at) VALUES ", "(?, ?, ?, ?, ?, ?, ?)", ", ");
        TICKET_DROP = sizes!("DELETE FROM gate_ticket WHERE ", "(scope = ? AND gate = ? AND holder = ?)", " OR ");
        RUN_NEW = sizes!("INSERT INTO run (installation, id, seq, chain, data_key, phase, repo, sha, pull, workflow, cause, plan, source_at, created_at, updated_at, wake_at, finished_at, live) VALUES ", "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", ", ");
        RUN = sizes!("INSERT INTO run (installation, id, seq, chain, data_key, phase, repo, sha, pull, workflow, cause, plan, source_at, created_at, updated_at, wake_at, finished_at, live) VALUES ", "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", ", ",
            " ON DUPLICATE KEY UPDATE seq = VALUES(seq), chain = VALUES(chain), phase = VALUES(phase), updated_at = VALUES(updated_at), wake_at = VALUES(wake_at), finished_at = VALUES(finished_at), live = VALUES(live)",
            " ON CONFLICT (installation, id) DO UPDATE SET seq = excluded.seq, chain = excluded.chain, phase = excluded.phase, updated_at = excluded.updated_at, wake_at = excluded.wake_at, finished_at = excluded.finished_at, live = excluded.live");
        EVENT = sizes!("INSERT INTO run_event (installation, run, seq, transition_id, at, kind, actor, chain, body) VALUES ", "(?, ?, ?, ?, ?, ?, ?, ?, ?)", ", ");
        BLOB = sizes!("INSERT INTO run_blob (installation, run, mac, body) VALUES ", "(?, ?, ?, ?)", ", ", " ON DUPLICATE KEY UPDATE mac = mac", " ON CONFLICT DO NOTHING");
        ATTEMPT = sizes!("INSERT INTO attempt (installation, run, step, number, agent, state, epoch, owner, due_at, held, stop, token_hash, created_at) VALUES ", "(?, ?, ?, ?, ?, ?, 1, ?, ?, ?, 0, ?, ?)", ", ");
        ATTEMPT_STOP = sizes!("UPDATE attempt SET stop = 1 WHERE ", "(installation = ? AND run = ? AND step = ? AND number = ?)", " OR ");
        ATTEMPT_DROP = sizes!("DELETE FROM attempt WHERE ", "(installation = ? AND run = ? AND step = ? AND number = ?)", " OR ");
        EFFECT = sizes!("INSERT INTO effect (installation, id, run, kind, name, due_at, epoch, tries, created_at, body) VALUES ", "(?, ?, ?, ?, ?, ?, 0, 0, ?, ?)", ", ", " ON DUPLICATE KEY UPDATE id = id", " ON CONFLICT DO NOTHING");
        SPEAKER_NEW = sizes!("INSERT INTO head_workflow (installation, repo, sha, workflow, version, run, reason, class, source_at) VALUES ", "(?, ?, ?, ?, ?, ?, ?, ?, ?)", ", ");
        SPEAKER = sizes!("INSERT INTO head_workflow (installation, repo, sha, workflow, version, run, reason, class, source_at) VALUES ", "(?, ?, ?, ?, ?, ?, ?, ?, ?)", ", ",
            " ON DUPLICATE KEY UPDATE version = VALUES(version), run = VALUES(run), reason = VALUES(reason), class = VALUES(class), source_at = VALUES(source_at)",
            " ON CONFLICT DO UPDATE SET version = excluded.version, run = excluded.run, reason = excluded.reason, class = excluded.class, source_at = excluded.source_at");
        HEAD = sizes!("INSERT INTO head (installation, repo, sha, due_at, epoch, marks, seen_at) VALUES ", "(?, ?, ?, ?, 0, 1, ?)", ", ",
            " ON DUPLICATE KEY UPDATE marks = marks + 1, due_at = CASE WHEN due_at > VALUES(due_at) AND owner IS NULL THEN VALUES(due_at) ELSE COALESCE(due_at, VALUES(due_at)) END, seen_at = VALUES(seen_at)",
            " ON CONFLICT DO UPDATE SET marks = marks + 1, due_at = CASE WHEN due_at > excluded.due_at AND owner IS NULL THEN excluded.due_at ELSE COALESCE(due_at, excluded.due_at) END, seen_at = excluded.seen_at");
        DIRTY = sizes!("INSERT INTO check_dirty (installation, repo, sha, name, marks) VALUES ", "(?, ?, ?, ?, 1)", ", ", " ON DUPLICATE KEY UPDATE marks = marks + 1", " ON CONFLICT DO UPDATE SET marks = marks + 1");
        KEY = sizes!("INSERT INTO consumed_key (installation, name, at) VALUES ", "(?, ?, ?)", ", ");
    }
}

/// Writes the whole batch.
pub(in crate::store) async fn write(conn: &mut Conn, rows: &Rows<'_>) -> Result<(), Error> {
    raise_gates(conn, rows).await?;
    tickets(conn, rows).await?;
    let (new, old): (Vec<_>, Vec<_>) = rows.runs.iter().partition(|row| row.is_new);
    write_each(conn, &RUN_NEW, &new, bind_run).await?;
    write_each(conn, &RUN, &old, bind_run).await?;
    write_each(conn, &EVENT, &rows.events, bind_event).await?;
    write_each(conn, &BLOB, &rows.blobs, bind_blob).await?;
    attempts(conn, rows).await?;
    write_each(conn, &EFFECT, &rows.effects, bind_effect).await?;
    heads(conn, rows).await?;
    for hold in &rows.holds {
        let workflow = hold.workflow.as_ref().map_or("", |workflow| workflow.as_str());
        let sql = sql!(HOLD, i64::from(hold.held), &hold.actor, &hold.why, hold.at.0);
        let key = sql.bind(hold.installation.0).bind(hold.repo.0).bind(hold.number).bind(workflow);
        execute(conn, key).await?;
    }
    inbox(conn, rows).await
}

async fn raise_gates(conn: &mut Conn, rows: &Rows<'_>) -> Result<(), Error> {
    let mut gates: Vec<(&GateId, u64)> = Vec::new();
    for consumed in &rows.consumed {
        if let Consumed::Gate { gate, version } = consumed {
            gates.push((gate, *version));
        }
    }
    gates.sort_unstable();
    let (new, old): (Vec<_>, Vec<_>) = gates.into_iter().partition(|(_, version)| *version == 0);
    write_each(conn, &GATE_NEW, &new, |query, (gate, _)| query.bind(gate.scope.0).bind(&gate.name)).await?;
    change_each(conn, &GATE_RAISE, &old, |query, (gate, _)| query.bind(gate.scope.0).bind(&gate.name)).await?;
    Ok(())
}

async fn tickets(conn: &mut Conn, rows: &Rows<'_>) -> Result<(), Error> {
    let (mut waits, mut drops, mut takes, mut gives) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for transition in &rows.transitions {
        for gate in &transition.gates {
            match gate {
                GateWrite::Wait { .. } => waits.push((*transition, gate)),
                GateWrite::DropWait { gate, holder } => drops.push((transition.run, gate, holder)),
                GateWrite::TicketInsert { gate, kind, holder } => takes.push((*transition, gate, *kind, holder)),
                GateWrite::TicketDelete { gate, holder } => gives.push((gate, holder)),
                GateWrite::Leave => {
                    let id = transition.run;
                    execute(conn, bind_id(sql!(LEAVE_LINES), id)).await?;
                    execute(conn, bind_id(sql!(LEAVE_GATES), id)).await?;
                }
            }
        }
    }
    change_each(conn, &TICKET_DROP, &gives, |q, (gate, holder)| q.bind(gate.scope.0).bind(&gate.name).bind(*holder))
        .await?;
    change_each(conn, &WAIT_DROP, &drops, |q, (run, gate, holder)| {
        q.bind(run.installation.0).bind(gate.scope.0).bind(&gate.name).bind(*holder)
    })
    .await?;
    write_each(conn, &TICKET, &takes, |q, (transition, gate, kind, holder): &(_, &GateId, GateKind, &String)| {
        let transition: &crate::store::door::Transition = transition;
        let q = q.bind(gate.scope.0).bind(&gate.name).bind(*holder).bind(kind.as_str());
        bind_id(q, transition.run).bind(transition.event.at.0)
    })
    .await?;
    write_each(conn, &WAIT, &waits, |q, (transition, wait)| {
        let GateWrite::Wait { gate, holder, priority, source_at } = wait else { return q };
        let (run, at) = (transition.run, transition.event.at.0);
        let q = q.bind(run.installation.0).bind(gate.scope.0).bind(&gate.name).bind(holder);
        q.bind(run.bytes().to_vec()).bind(transition.row.repo.0).bind(priority).bind(at).bind(source_at.0)
    })
    .await?;
    Ok(())
}

async fn attempts(conn: &mut Conn, rows: &Rows<'_>) -> Result<(), Error> {
    let (mut drops, mut stops, mut inserts) = (Vec::new(), Vec::new(), Vec::new());
    for transition in &rows.transitions {
        let id = transition.run;
        for attempt in &transition.attempts {
            match attempt {
                AttemptWrite::Insert(insert) => inserts.push((id, transition.event.at.0, insert)),
                AttemptWrite::Delete { step, number } => drops.push((id, step.as_str(), *number)),
                AttemptWrite::Stop { step, number } => stops.push((id, step.as_str(), *number)),
                AttemptWrite::StopAll => {
                    execute(conn, bind_id(sql!(CLOSE_QUEUED), id)).await?;
                    execute(conn, bind_id(sql!(STOP_ALL), id)).await?;
                }
                AttemptWrite::Claim { step, number, owner, token_hash } => {
                    let sql = sql!(CLAIM, owner.0.to_vec(), token_hash.to_vec());
                    execute(conn, bind_id(sql, id).bind(step.as_str()).bind(i64::from(*number))).await?;
                }
            }
        }
        if let Some(held) = transition.hold_attempts {
            execute(conn, bind_id(sql!(HOLD_QUEUED, i64::from(held)), id)).await?;
        }
    }
    change_each(conn, &ATTEMPT_DROP, &drops, bind_attempt_key).await?;
    change_each(conn, &ATTEMPT_STOP, &stops, bind_attempt_key).await?;
    write_each(conn, &ATTEMPT, &inserts, bind_attempt).await?;
    Ok(())
}

async fn heads(conn: &mut Conn, rows: &Rows<'_>) -> Result<(), Error> {
    let mut speakers: Vec<&HeadWrite> = rows.transitions.iter().flat_map(|transition| &transition.heads).collect();
    let mut heads: Vec<(&HeadKey, i64)> = Vec::new();
    let mut dirty: Vec<&DirtyCheck> = Vec::new();
    for transition in &rows.transitions {
        let at = transition.event.at.0;
        dirty.extend(&transition.dirty);
        heads.extend(transition.dirty.iter().map(|check| (&check.head, at)));
        heads.extend(transition.heads.iter().map(|write| (&write.head, at)));
    }
    for beside in &rows.beside {
        speakers.extend(&beside.heads);
        dirty.extend(&beside.dirty);
        heads.extend(beside.dirty.iter().map(|check| (&check.head, beside.at.0)));
        heads.extend(beside.heads.iter().map(|write| (&write.head, beside.at.0)));
    }
    speakers.sort_unstable_by(|a, b| (&a.head, &a.workflow).cmp(&(&b.head, &b.workflow)));
    dirty.sort_unstable();
    dirty.dedup();
    heads.sort_unstable();
    heads.dedup_by_key(|(head, _)| *head);
    let (new, old): (Vec<_>, Vec<_>) = speakers.into_iter().partition(|write| write.expect == 0);
    write_each(conn, &SPEAKER_NEW, &new, bind_speaker).await?;
    write_each(conn, &SPEAKER, &old, bind_speaker).await?;
    write_each(conn, &HEAD, &heads, |q, (head, at)| bind_head(q, head).bind(at).bind(at)).await?;
    write_each(conn, &DIRTY, &dirty, |q, check| bind_head(q, &check.head).bind(&check.name)).await?;
    Ok(())
}

async fn inbox(conn: &mut Conn, rows: &Rows<'_>) -> Result<(), Error> {
    let mut keys = Vec::new();
    for consumed in &rows.consumed {
        match consumed {
            Consumed::Delivery { installation, id, lane, outcome, at } => {
                done(conn, (installation.0, id.as_bytes()), outcome, at.0).await?;
                execute(conn, sql!(LANE, at.0, installation.0, lane.repo.0, &lane.name)).await?;
            }
            Consumed::Key { installation, name, at } => keys.push((installation.0, name, at.0)),
            Consumed::Attempt { .. } | Consumed::Ticket { .. } | Consumed::Gate { .. } | Consumed::Hold { .. } => {}
        }
    }
    keys.sort_unstable();
    write_each(conn, &KEY, &keys, |q, (installation, name, at)| q.bind(installation).bind(*name).bind(at)).await?;
    Ok(())
}

/// Marks a delivery done. Its outcome is for people: it is cut where the column ends.
pub(in crate::store) async fn done(
    conn: &mut Conn,
    key: (i64, &[u8; 16]),
    outcome: &str,
    at: i64,
) -> Result<(), Error> {
    let outcome: String = outcome.chars().take(500).collect();
    execute(conn, sql!(DELIVERY, at, outcome, key.0, key.1.to_vec())).await.map(drop)
}

/// Whose transition stands at a place of a run's journal.
pub(in crate::store) async fn read_back(conn: &mut Conn, run: RunId, seq: i64) -> Result<Option<Vec<u8>>, Error> {
    let row = first(conn, bind_id(sql!(READ_BACK), run).bind(seq)).await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

fn bind_id(query: Query<'_>, run: RunId) -> Query<'_> {
    query.bind(run.installation.0).bind(run.bytes().to_vec())
}

fn bind_head<'q>(query: Query<'q>, head: &'q HeadKey) -> Query<'q> {
    query.bind(head.installation.0).bind(head.repo.0).bind(head.sha.as_str())
}

fn bind_run<'q>(query: Query<'q>, row: &'q &RunFull<'_>) -> Query<'q> {
    let write = row.write;
    let live = write.finished_at.is_none().then_some(1_i64);
    bind_id(query, row.id)
        .bind(row.seq)
        .bind(row.chain.to_vec())
        .bind(&row.data_key)
        .bind(write.phase)
        .bind(write.repo.0)
        .bind(write.sha.as_str())
        .bind(write.pull)
        .bind(write.workflow.as_str())
        .bind(&write.cause)
        .bind(write.plan.0.to_vec())
        .bind(write.source_at.0)
        .bind(row.at)
        .bind(row.at)
        .bind(write.wake_at.map(|at| at.0))
        .bind(write.finished_at.map(|at| at.0))
        .bind(live)
}

fn bind_event<'q>(query: Query<'q>, row: &'q EventFull<'_>) -> Query<'q> {
    bind_id(query, row.id)
        .bind(row.seq)
        .bind(row.transition_id.to_vec())
        .bind(row.at)
        .bind(row.kind)
        .bind(row.actor)
        .bind(row.chain.to_vec())
        .bind(&row.body)
}

fn bind_blob<'q>(query: Query<'q>, row: &'q BlobFull) -> Query<'q> {
    bind_id(query, row.id).bind(row.mac.to_vec()).bind(&row.body)
}

fn bind_effect<'q>(query: Query<'q>, row: &'q EffectFull<'_>) -> Query<'q> {
    let write = row.write;
    query
        .bind(row.installation.0)
        .bind(write.id.as_bytes().to_vec())
        .bind(row.run.map(|run| run.bytes().to_vec()))
        .bind(write.kind)
        .bind(&write.name)
        .bind(write.due_at.0)
        .bind(row.at)
        .bind(&row.body)
}

fn bind_attempt_key<'q>(query: Query<'q>, (run, step, number): &'q (RunId, &str, u32)) -> Query<'q> {
    bind_id(query, *run).bind(*step).bind(i64::from(*number))
}

fn bind_attempt<'q>(query: Query<'q>, (run, at, insert): &'q (RunId, i64, &AttemptInsert)) -> Query<'q> {
    let (owner, token) = insert.claimed.map(|(owner, hash)| (owner.0.to_vec(), hash.to_vec())).unzip();
    bind_id(query, *run)
        .bind(insert.step.as_str())
        .bind(i64::from(insert.number))
        .bind(insert.agent.as_str())
        .bind(if insert.claimed.is_some() { "claimed" } else { "queued" })
        .bind(owner)
        .bind(insert.due_at.0)
        .bind(i64::from(insert.held))
        .bind(token)
        .bind(at)
}

fn bind_speaker<'q>(query: Query<'q>, write: &'q &HeadWrite) -> Query<'q> {
    let (run, reason) = match &write.speaker {
        Speaker::Run(run) => (Some(run.bytes().to_vec()), None),
        Speaker::Reason(reason) => (None, Some(reason.as_str())),
    };
    bind_head(query, &write.head)
        .bind(write.workflow.as_str())
        .bind(signed(write.expect.saturating_add(1)))
        .bind(run)
        .bind(reason)
        .bind(write.class)
        .bind(write.source_at.0)
}
