//! Sends attempts and looks after them. The counterpart of `loops::{send, watch, look}`.

use std::time::Duration;

use super::agents::Answer;
use super::replica::Said;
use super::world::{Call, Who, World};
use crate::engine::Event;
use crate::engine::event::AttemptResult;
use crate::engine::step::FaultClass;
use crate::ids::AttemptId;
use crate::loops::runs::Act;
use crate::loops::tickets::give_slot;
use crate::store::AttemptRow;
use crate::wake::Loop;

/// How often one attempt is sent while every answer is unclear and every list is empty.
const TRIES_MAX: u32 = 2;
/// The pauses before each try to list a context.
const LIST_PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(4), Duration::from_secs(11)];
/// How long an agent may take to stop.
const STOP_MAX: Duration = Duration::from_secs(30);
/// Looks follow each other after so long.
const LOOK: Duration = Duration::from_secs(5);

impl World {
    /// Sends an attempt that started here, or goes on with one that was perhaps sent before.
    pub(super) fn send(&mut self, who: Who, attempt: AttemptId, perhaps: bool) {
        if self.replica(who).sending.insert(attempt.clone()) {
            self.soon(Some(who), move |world| world.sends(who, attempt, perhaps));
        }
    }

    fn sent_or_not(&mut self, who: Who, attempt: &AttemptId) {
        self.replica(who).sending.remove(attempt);
    }

    fn sends(&mut self, who: Who, attempt: AttemptId, perhaps: bool) {
        let me = self.replica(who).me;
        let row = self.reads().then(|| self.db.attempts.get(&attempt).cloned()).flatten();
        let Some(row) = row.filter(|row| row.owner == Some(me) && row.task.is_none()) else {
            return self.sent_or_not(who, &attempt);
        };
        if self.is_fenced(who) {
            return self.sent_or_not(who, &attempt);
        }
        if perhaps { self.lists(who, row, 0, 0) } else { self.drafts(who, row) }
    }

    /// Asks the agent whether it knows an attempt; the tries before were unclear.
    fn lists(&mut self, who: Who, row: AttemptRow, asked: usize, tries: u32) {
        let Some(pause) = LIST_PAUSES.get(asked).copied() else { return self.unknown(who, &row) };
        self.after(Some(who), pause, move |world| {
            if world.call() != Call::Fine {
                return world.lists(who, row, asked + 1, tries);
            }
            let mut tasks = world.agents.list(&row.id).into_iter();
            match tasks.next() {
                None if tries == TRIES_MAX => world.ends(who, &row, transient()),
                None if tries == 0 => world.drafts(who, row),
                None => world.asks(who, row, tries),
                Some(oldest) => {
                    let now = world.now;
                    tasks.for_each(|task| world.agents.cancel(&task, now));
                    world.soon(Some(who), move |world| world.records(who, row, &oldest));
                }
            }
        });
    }

    fn drafts(&mut self, who: Who, row: AttemptRow) {
        if row.stop {
            return self.ends(who, &row, AttemptResult::Stopped);
        }
        let live = self.laws.truth.get(&row.id.run).and_then(|state| {
            let step = state.steps.get(state.find(&row.id.step)? as usize)?;
            step.live.as_ref().map(|live| live.number)
        });
        if live != Some(row.id.number) {
            return self.sent_or_not(who, &row.id);
        }
        // The files of the step are looked up.
        self.soon(Some(who), move |world| world.asks(who, row, 0));
    }

    fn asks(&mut self, who: Who, row: AttemptRow, tries: u32) {
        if self.is_fenced(who) {
            return self.sent_or_not(who, &row.id);
        }
        let call = self.call();
        if call == Call::Failed {
            return if self.dice.chance(500) {
                self.ends(who, &row, transient())
            } else {
                self.lists(who, row, 0, tries + 1)
            };
        }
        let me = self.replica(who).me;
        self.laws.sends(&self.db, &row.id, me);
        self.figures.sends += 1;
        let task = self.agents.take(row.id.clone(), self.now, &mut self.dice);
        self.tell(|| format!("replica {} sends {} as {task}", who.replica, row.id));
        if call == Call::FailedDone {
            return self.lists(who, row, 0, tries + 1);
        }
        self.soon(Some(who), move |world| world.records(who, row, &task));
    }

    /// An agent has it: recorded under our epoch, or not ours any more.
    fn records(&mut self, who: Who, row: AttemptRow, task: &str) {
        if self.query() != Call::Failed {
            if self.db.sent(&row.id, row.epoch, task) {
                let (me, owner) = (self.replica(who).me, self.db.owner(&row.id));
                self.laws.touched(&row.id, Some(me), owner);
            } else {
                self.figures.fenced += 1;
            }
        }
        self.sent_or_not(who, &row.id);
        self.wake(who, Loop::Watch);
    }

    fn unknown(&mut self, who: Who, row: &AttemptRow) {
        if self.is_fenced(who) {
            return self.sent_or_not(who, &row.id);
        }
        self.ends(who, row, if row.stop { AttemptResult::Fenced } else { transient() });
    }

    /// What was sent in doubt is cancelled but for the one that counts.
    pub(super) fn cancels_strays(&mut self, who: Who, attempt: &AttemptId) {
        let me = self.replica(who).me;
        let known = match self.db.attempts.get(attempt) {
            None => None,
            Some(row) if row.owner == Some(me) && row.task.is_some() => row.task.clone(),
            Some(_) => return,
        };
        for task in self.agents.list(attempt).into_iter().filter(|task| known.as_ref() != Some(task)) {
            self.agents.cancel(&task, self.now);
        }
    }

    /// Writes the end of an attempt.
    fn ends(&mut self, who: Who, row: &AttemptRow, result: AttemptResult) {
        let attempt = row.id.clone();
        let AttemptId { run, step, number } = attempt.clone();
        let mut act = Act::new(run, Event::AttemptEnded { step, number, result, cost_micros: 0 });
        act.gates.push(give_slot(&row.agent, &attempt));
        self.commit(who, vec![act], Vec::new(), move |world, said| {
            if let Said::Committed(decided) = said
                && decided.get(&run).is_some_and(Result::is_err)
            {
                world.figures.fenced += 1;
            }
            world.sent_or_not(who, &attempt);
            world.replica(who).looking.remove(&attempt);
        });
    }

    /// Looks after the attempts of this replica.
    pub(super) fn watches(&mut self, who: Who) {
        let me = self.replica(who).me;
        if self.is_fenced(who) {
            return;
        }
        let rows: Vec<AttemptRow> = self.db.attempts.values().filter(|row| row.owner == Some(me)).cloned().collect();
        for row in rows {
            if row.task.is_none() {
                self.send(who, row.id, true);
            } else if self.replica(who).looking.insert(row.id.clone()) {
                self.soon(Some(who), move |world| world.looks(who, &row));
            }
        }
    }

    fn looks(&mut self, who: Who, row: &AttemptRow) {
        let now = self.now;
        let Some(task) = &row.task else { return };
        if row.stop {
            self.replica(who).stopping.entry(row.id.clone()).or_insert(now);
            self.agents.cancel(task, now);
        }
        let answered = self.call() == Call::Fine && !self.is_fenced(who);
        let answer = self.agents.get(task, now).filter(|_| answered);
        match answer {
            Some(Answer::Ended(result)) => return self.ends(who, row, result),
            Some(Answer::Cancelled) if row.stop => return self.ends(who, row, AttemptResult::Stopped),
            Some(Answer::Cancelled) => return self.ends(who, row, failed(FaultClass::Crash)),
            Some(Answer::Working) | None => {}
        }
        let since = self.replica(who).stopping.get(&row.id).copied();
        if since.is_some_and(|since| now.since(since) >= STOP_MAX) && !self.is_fenced(who) {
            return self.ends(who, row, AttemptResult::Fenced);
        }
        self.replica(who).looking.remove(&row.id);
        self.wake_later(who, Loop::Watch, LOOK);
    }
}

fn transient() -> AttemptResult {
    failed(FaultClass::Transient)
}

fn failed(class: FaultClass) -> AttemptResult {
    AttemptResult::Failed { class, message: "oh".to_owned(), retry_after_ms: None }
}
