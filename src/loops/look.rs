//! One look at one attempt that an agent has.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, warn};
use url::Url;

use super::beat::Fence;
use super::ending::{Ending, Endings};
use super::live::Live;
use super::request::kind;
use super::runs::{Broken, Runs};
use crate::agents::a2a::TaskSnapshot;
use crate::agents::{Class, Failure, Fault, Kind, Outcome, Picked, Registry};
use crate::crash::crashpoint;
use crate::engine::Event;
use crate::engine::event::AttemptResult;
use crate::ids::AttemptId;
use crate::store::{AttemptRow, Store};
use crate::time::{Clock, Timestamp};

/// How long an agent may take to stop; then its attempt is fenced off.
const STOP_MAX: Duration = Duration::from_secs(30);

/// Looks at attempts.
pub(super) struct Looker {
    runs: Runs,
    registry: Arc<Registry>,
    live: Live,
    fence: Fence,
    clock: Clock,
    endings: Endings,
}

/// What is remembered between two looks at one attempt.
#[derive(Default)]
pub(super) struct Memory {
    facts: Option<Facts>,
    /// The last sign of life, and when it changed.
    sign: Option<(Sign, Timestamp)>,
    /// The question was passed on.
    asked: bool,
    /// When the agent was told to stop.
    stop_at: Option<Timestamp>,
}

/// What is known of the step.
#[derive(Clone, Copy)]
struct Facts {
    kind: Kind,
    stall: Duration,
}

type Sign = (String, Option<Timestamp>);

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// It goes on.
    Open,
    /// It is over, and that is written.
    Over,
}

impl Looker {
    pub(super) fn new(
        (store, runs): (Store, Runs),
        registry: Arc<Registry>,
        live: Live,
        (fence, clock): (Fence, Clock),
    ) -> Self {
        let endings = Endings::new(store, runs.clone());
        Self { runs, registry, live, fence, clock, endings }
    }

    /// Asks how an attempt stands, and writes what follows.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn look(&self, row: &AttemptRow, memory: &mut Memory) -> anyhow::Result<Looked> {
        let Some(task) = &row.task else { return Ok(Looked::Open) };
        let facts = match memory.facts {
            Some(facts) => facts,
            None => match self.facts(&row.id).await {
                Ok(Some(facts)) => *memory.facts.insert(facts),
                Ok(None) => return Ok(Looked::Over),
                Err(error) if error.is::<Broken>() => return Ok(self.abandon(row, task, memory).await),
                Err(error) => return Err(error),
            },
        };
        let Some(picked) = self.picked(row) else {
            let message = format!("the settings name {} no more, so nobody can be asked", row.agent);
            let ending = if row.stop { Ending::bare(AttemptResult::Fenced) } else { config(message) };
            return self.end(row, ending).await;
        };
        let answer = self.ask(row, &picked, task, memory).await;
        if self.fence.is_up() {
            return Ok(Looked::Open);
        }
        match answer {
            Ok(found) => match Ending::of(&found, facts.kind, row.id.number, row.stop) {
                Ok(ending) => self.end(row, ending).await,
                Err(outcome) => self.open(row, memory, facts, outcome).await,
            },
            Err(Fault::Lost) => {
                let failure = Failure::new(Class::Crash, "the agent does not know the attempt any more");
                let ending = if row.stop { Ending::bare(AttemptResult::Stopped) } else { Ending::failed(failure) };
                self.end(row, ending).await
            }
            Err(error) => {
                if let Fault::Unclear { why } = &error {
                    picked.failed(why);
                }
                debug!(attempt.id = %row.id, %error, "an agent does not say how an attempt stands");
                self.silent(row, memory, facts).await
            }
        }
    }

    /// Asks for the task; one that shall stop is told so, again and again.
    async fn ask(
        &self,
        row: &AttemptRow,
        picked: &Picked,
        task: &str,
        memory: &mut Memory,
    ) -> Result<TaskSnapshot, Fault> {
        if !row.stop {
            return picked.client().get(task).await;
        }
        memory.stop_at.get_or_insert_with(|| self.clock.now());
        let answer = picked.client().cancel(task).await;
        crashpoint!("cancel_sent_not_recorded");
        match answer {
            Err(Fault::NotCancelable) => picked.client().get(task).await,
            answer => answer,
        }
    }

    /// It has not ended.
    async fn open(
        &self,
        row: &AttemptRow,
        memory: &mut Memory,
        facts: Facts,
        outcome: Outcome,
    ) -> anyhow::Result<Looked> {
        match outcome {
            Outcome::Working { text, at } => {
                self.live.put(&row.id, &text);
                let sign = (text, at);
                if memory.sign.as_ref().is_none_or(|(last, _)| *last != sign) {
                    memory.sign = Some((sign, self.clock.now()));
                }
                memory.asked = false;
            }
            Outcome::InputRequired { question } => {
                self.live.put(&row.id, &question);
                memory.sign = Some(((question, None), self.clock.now()));
                if !memory.asked && !row.stop {
                    let AttemptId { run, step, number } = row.id.clone();
                    self.tell(row, Event::InputAsked { step, number }, run).await?;
                    memory.asked = true;
                }
            }
            Outcome::Ended(_) | Outcome::Canceled(_) => {}
        }
        self.silent(row, memory, facts).await
    }

    /// Whether it has been silent for too long, or takes too long to stop.
    async fn silent(&self, row: &AttemptRow, memory: &mut Memory, facts: Facts) -> anyhow::Result<Looked> {
        let now = self.clock.now();
        if let Some(stop_at) = memory.stop_at {
            if now.since(stop_at) < STOP_MAX {
                return Ok(Looked::Open);
            }
            warn!(attempt.id = %row.id, "an agent did not stop in time; what it says later does not count");
            return self.end(row, Ending::bare(AttemptResult::Fenced)).await;
        }
        let (_, since) = memory.sign.get_or_insert_with(|| (Sign::default(), now));
        if now.since(*since) >= facts.stall && !row.stop {
            let AttemptId { run, step, number } = row.id.clone();
            self.tell(row, Event::Stalled { step, number }, run).await?;
            *since = now;
        }
        Ok(Looked::Open)
    }

    /// A run that cannot be worked on: its agents are told to stop, once, and nothing is written.
    async fn abandon(&self, row: &AttemptRow, task: &str, memory: &mut Memory) -> Looked {
        if row.stop && memory.stop_at.is_none() && !self.fence.is_up() {
            memory.stop_at = Some(self.clock.now());
            if let Some(picked) = self.picked(row)
                && let Err(error) = picked.client().cancel(task).await
            {
                debug!(attempt.id = %row.id, %error, "an attempt of a quarantined run was not cancelled");
            }
        }
        Looked::Over
    }

    async fn facts(&self, attempt: &AttemptId) -> anyhow::Result<Option<Facts>> {
        let facts = self.runs.read_newest(attempt.run, |state| {
            let step = state.steps.get(state.find(&attempt.step)? as usize)?;
            let planned = state.plan_of(step);
            Some(Facts { kind: kind(planned), stall: planned.stall_timeout })
        });
        Ok(facts.await?.flatten())
    }

    fn picked(&self, row: &AttemptRow) -> Option<Picked> {
        let endpoint: Url = row.endpoint.as_ref()?.parse().ok()?;
        self.registry.at(&row.agent, &endpoint)
    }

    async fn tell(&self, row: &AttemptRow, event: Event, run: crate::ids::RunId) -> anyhow::Result<()> {
        if let Some(Err(why)) = self.runs.tell(run, event).await? {
            debug!(attempt.id = %row.id, %why, "what an agent shows comes late");
        }
        Ok(())
    }

    async fn end(&self, row: &AttemptRow, ending: Ending) -> anyhow::Result<Looked> {
        self.endings.end(&row.agent, &row.id, ending).await?;
        self.live.remove(&row.id);
        Ok(Looked::Over)
    }
}

fn config(message: String) -> Ending {
    Ending::failed(Failure::new(Class::Config, message))
}
