//! From the bundles of a batch to rows: numbers, chains and seals are put on here, after the guard and before any write.

use std::collections::BTreeMap;

use super::Error;
use super::committer::{Seen, Ticket};
use super::crypt::{Crypt, DataKey, Place, Purpose};
use super::door::{Beside, Bundle, Consumed, HoldWrite, RunWrite, Transition};
use crate::ids::{InstallationId, RunId};

/// Every row of a batch; the statements take them in the order of the house.
#[derive(Default)]
pub(super) struct Rows<'a> {
    pub(super) runs: Vec<RunFull<'a>>,
    pub(super) events: Vec<EventFull<'a>>,
    pub(super) blobs: Vec<BlobFull>,
    pub(super) effects: Vec<EffectFull<'a>>,
    pub(super) transitions: Vec<&'a Transition>,
    pub(super) holds: Vec<&'a HoldWrite>,
    pub(super) consumed: Vec<&'a Consumed>,
    pub(super) beside: Vec<&'a Beside>,
}

/// The ends of journals, as the guard saw them and as this batch moves them on.
type Tips = BTreeMap<RunId, ([u8; 16], Vec<u8>)>;

pub(super) struct RunFull<'a> {
    pub(super) id: RunId,
    pub(super) is_new: bool,
    pub(super) seq: i64,
    pub(super) chain: [u8; 16],
    pub(super) data_key: Vec<u8>,
    pub(super) at: i64,
    pub(super) write: &'a RunWrite,
}

pub(super) struct EventFull<'a> {
    pub(super) id: RunId,
    pub(super) seq: i64,
    pub(super) transition_id: [u8; 16],
    pub(super) at: i64,
    pub(super) kind: &'a str,
    pub(super) actor: &'a str,
    pub(super) chain: [u8; 16],
    pub(super) body: Vec<u8>,
}

pub(super) struct BlobFull {
    pub(super) id: RunId,
    pub(super) mac: [u8; 16],
    pub(super) body: Vec<u8>,
}

pub(super) struct EffectFull<'a> {
    pub(super) installation: InstallationId,
    pub(super) run: Option<RunId>,
    pub(super) at: i64,
    pub(super) write: &'a super::door::EffectWrite,
    pub(super) body: Vec<u8>,
}

/// Where the data key of a run lies.
pub(super) fn key_place(run: &RunId) -> Place<'_> {
    Place { table: "run", installation: run.installation.0, row: run.uuid.as_bytes(), part: b"key" }
}

/// Where a body of a run lies.
pub(super) fn body_place<'a>(table: &'static str, run: &'a RunId, part: &'a [u8]) -> Place<'a> {
    Place { table, installation: run.installation.0, row: run.uuid.as_bytes(), part }
}

/// The next link of a run's chain: a keyed hash over the one before and all that the journal row says.
pub(super) fn link(crypt: &Crypt, before: &[u8; 16], event: &EventFull<'_>) -> [u8; 16] {
    let parts: [&[u8]; 9] = [
        before,
        &event.id.installation.0.to_be_bytes(),
        event.id.uuid.as_bytes(),
        &event.seq.to_be_bytes(),
        &event.transition_id,
        &event.at.to_be_bytes(),
        event.kind.as_bytes(),
        event.actor.as_bytes(),
        &event.body,
    ];
    half(crypt.mac(Purpose::Chain, &parts))
}

/// 128 bits of a keyed hash.
pub(super) fn half(mac: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&mac[..16]);
    half
}

impl<'a> Rows<'a> {
    /// The rows of the bundles that did not lose, sorted by key.
    pub(super) fn new<'b: 'a>(
        crypt: &Crypt,
        seen: &Seen,
        bundles: impl Iterator<Item = (Ticket, &'b Bundle)>,
    ) -> Result<Self, Error> {
        let mut rows = Self::default();
        let mut tips = seen.tips.clone();
        for (ticket, bundle) in bundles {
            for transition in &bundle.transitions {
                rows.add(crypt, &mut tips, ticket, transition)?;
            }
            for (installation, write) in &bundle.beside.effects {
                let body = crypt.seal_alone(super::effects::place(*installation, &write.id), &write.body)?;
                let at = bundle.beside.at.0;
                rows.effects.push(EffectFull { installation: *installation, run: None, at, write, body });
            }
            rows.beside.push(&bundle.beside);
            rows.holds.extend(&bundle.holds);
            rows.consumed.extend(&bundle.consumed);
        }
        rows.runs.sort_unstable_by_key(|row| row.id);
        rows.events.sort_unstable_by_key(|row| (row.id, row.seq));
        rows.blobs.sort_unstable_by_key(|row| (row.id, row.mac));
        rows.effects.sort_unstable_by_key(|row| (row.installation, row.write.id));
        rows.transitions.sort_unstable_by_key(|transition| (transition.run, transition.expect_seq));
        Ok(rows)
    }

    fn add(&mut self, crypt: &Crypt, tips: &mut Tips, ticket: Ticket, transition: &'a Transition) -> Result<(), Error> {
        let id = transition.run;
        let tip = tips.get(&id);
        let is_new = tip.is_none();
        let (key, data_key) = match tip {
            None => crypt.new_key(key_place(&id)),
            Some((_, wrapped)) => (crypt.key(key_place(&id), wrapped)?, wrapped.clone()),
        };
        let event = &transition.event;
        let seq = i64::try_from(transition.expect_seq).unwrap_or(i64::MAX).saturating_add(1);
        let mut row = EventFull {
            id,
            seq,
            transition_id: ticket.0,
            at: event.at.0,
            kind: event.kind,
            actor: &event.actor,
            chain: [0; 16],
            body: key.seal(body_place("run_event", &id, &seq.to_be_bytes()), &event.body)?,
        };
        row.chain = link(crypt, &tip.map_or([0; 16], |(chain, _)| *chain), &row);
        let (write, at, chain) = (&transition.row, event.at.0, row.chain);
        tips.insert(id, (chain, data_key.clone()));
        // The row of a run is as the last of its transitions leaves it.
        let is_new = self.runs.pop_if(|row| row.id == id).map_or(is_new, |before| before.is_new);
        self.runs.push(RunFull { id, is_new, seq, chain, data_key, at, write });
        self.events.push(row);
        self.add_bodies(crypt, &key, transition)?;
        self.transitions.push(transition);
        Ok(())
    }

    fn add_bodies(&mut self, crypt: &Crypt, key: &DataKey, transition: &'a Transition) -> Result<(), Error> {
        let run = transition.run;
        for blob in &transition.blobs {
            let body = key.seal(body_place("run_blob", &run, &blob.key.0), &blob.body)?;
            self.blobs.push(BlobFull { id: run, mac: blob.key.0, body });
        }
        for write in &transition.effects {
            let place = super::effects::place(run.installation, &write.id);
            let body = crypt.seal_alone(place, &write.body)?;
            let at = transition.event.at.0;
            self.effects.push(EffectFull { installation: run.installation, run: Some(run), at, write, body });
        }
        Ok(())
    }
}
