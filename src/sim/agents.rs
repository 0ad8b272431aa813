//! Agents: they take what they are sent, twice if it is sent twice, and keep their own ledger.

use std::time::Duration;

use super::dice::Dice;
use crate::engine::event::{AttemptResult, Verdict};
use crate::engine::step::FaultClass;
use crate::ids::AttemptId;
use crate::time::Timestamp;

/// A task as its agent sees it.
pub(super) struct Task {
    pub(super) id: String,
    pub(super) attempt: AttemptId,
    ends: Timestamp,
    result: AttemptResult,
    obeys: bool,
    cancelled: bool,
}

/// What an agent says of a task.
#[derive(Clone)]
pub(super) enum Answer {
    Working,
    Ended(AttemptResult),
    Cancelled,
}

#[derive(Default)]
pub(super) struct Agents {
    tasks: Vec<Task>,
}

impl Agents {
    /// A new task; agents do not ask whether they have had it before.
    pub(super) fn take(&mut self, attempt: AttemptId, now: Timestamp, dice: &mut Dice) -> String {
        let id = format!("task-{}", self.tasks.len());
        let hangs = dice.chance(30);
        let most = if hangs { Duration::from_secs(100_000) } else { Duration::from_secs(20) };
        let ends = now.plus(dice.between(Duration::from_millis(1), most));
        let (result, obeys) = (result(dice), !dice.chance(100));
        self.tasks.push(Task { id: id.clone(), attempt, ends, result, obeys, cancelled: false });
        id
    }

    /// The tasks of an attempt, oldest first.
    pub(super) fn list(&self, attempt: &AttemptId) -> Vec<String> {
        self.tasks.iter().filter(|task| task.attempt == *attempt).map(|task| task.id.clone()).collect()
    }

    /// How a task stands.
    pub(super) fn get(&self, id: &str, now: Timestamp) -> Option<Answer> {
        let task = self.tasks.iter().find(|task| task.id == id)?;
        Some(match task {
            Task { cancelled: true, .. } => Answer::Cancelled,
            Task { ends, result, .. } if *ends <= now => Answer::Ended(result.clone()),
            _ => Answer::Working,
        })
    }

    /// Asks a task to stop; some do not listen.
    pub(super) fn cancel(&mut self, id: &str, now: Timestamp) {
        if let Some(task) = self.tasks.iter_mut().find(|task| task.id == id)
            && task.ends > now
            && task.obeys
        {
            task.cancelled = true;
        }
    }
}

fn result(dice: &mut Dice) -> AttemptResult {
    let done = |verdict| AttemptResult::Done { verdict, outputs: None, message: None };
    let failed = |class| AttemptResult::Failed { class, message: "oh".to_owned(), retry_after_ms: None };
    match dice.below(20) {
        0 => done(Verdict::Failure),
        1 => done(Verdict::Neutral),
        2 => failed(FaultClass::Transient),
        3 => failed(FaultClass::Crash),
        4 => failed(FaultClass::BadOutput),
        5 => AttemptResult::Declined { message: "too much to do".to_owned() },
        _ => done(Verdict::Success),
    }
}
