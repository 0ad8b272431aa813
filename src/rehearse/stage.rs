//! The stage: what happens when. It gives the engine its events in the order of virtual time, and plays everybody whom
//! the engine's effects speak to: agents, gates, people, and the service that crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::answer::{Answer, Deed};
use super::birth::{self, START};
use super::people;
use super::script::{Busy, Rule, Script, What};
use super::story::Story;
use super::tell::Teller;
use crate::engine::encode::{self, Row};
use crate::engine::event::AttemptResult;
use crate::engine::state::GateKey;
use crate::engine::step::StepIx;
use crate::engine::{Ctx, Effect, Event, RunState, Transition, apply, next_timer};
use crate::ids::{AgentName, InstallationId, Login, RunId, StepKey};
use crate::time::Timestamp;
use crate::workflow::Workflow;
use crate::workflow::plan::Step;

/// What may happen in one rehearsal; a story that goes on after that is told as one that does not end.
const EVENTS_MAX: usize = 50_000;
/// How long the service waits for an agent that does not stop, before nothing counts that it says.
const STOP_MAX: Duration = Duration::from_secs(30);

/// Why there is no story.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing can be started.
    #[error("no run begins: {0}")]
    NoRun(String),
    /// The law of recovery is broken.
    #[error(
        "after a crash the journal gives another run than the one that was lost; this is a fault of Pointsman: {0}"
    )]
    Recovery(String),
}

/// Something that will happen.
#[derive(Debug, Clone)]
enum Due {
    Act(usize),
    /// The service is back after a crash.
    Back,
    Granted(GateKey),
    Ended(StepKey, u32, AttemptResult, u64),
    Asks(StepKey, u32),
    Stalls(StepKey, u32),
}

struct Stage<'a> {
    script: &'a Script,
    state: RunState,
    /// What the database holds: when, and the encoded row.
    journal: Vec<(Timestamp, Vec<u8>)>,
    at: Timestamp,
    /// Until then the service is down.
    down_until: Timestamp,
    dues: BTreeMap<(Timestamp, usize), Due>,
    made: usize,
    /// What each attempt that has not ended answers, and which of them never stop.
    answers: BTreeMap<(StepKey, u32), Answer>,
    /// How often each rule has answered for each step.
    used: BTreeMap<(usize, StepKey), usize>,
    agents: BTreeSet<AgentName>,
    person: Login,
    dice: Dice,
    tell: Teller,
}

/// Acts a run of a workflow out. With a seed, durations and back-offs are drawn; without one an attempt takes half of
/// its timeout.
///
/// # Errors
/// When no run can begin, or the engine breaks its law of recovery.
pub fn rehearse(workflow: &Workflow, script: &Script, seed: Option<u64>) -> Result<Story, Fault> {
    let (start, person) = birth::born(workflow, script).map_err(Fault::NoRun)?;
    let id = RunId { installation: InstallationId(1), uuid: uuid::Uuid::nil() };
    let plan = Arc::new(start.plan);
    let agents = plan.steps.iter().flat_map(|step| std::iter::once(&step.agent).chain(&step.fallback_agents));
    let mut stage = Stage {
        script,
        agents: agents.cloned().collect(),
        state: RunState::unborn(id, plan),
        journal: Vec::new(),
        at: START,
        down_until: START,
        dues: BTreeMap::new(),
        made: 0,
        answers: BTreeMap::new(),
        used: BTreeMap::new(),
        person,
        dice: Dice(seed),
        tell: Teller::new(START),
    };
    for (ix, act) in script.acts.iter().enumerate() {
        stage.later(START.plus(act.at), Due::Act(ix));
    }
    stage.happen(&Event::Created(Box::new(start.birth)));
    let mut events = 1;
    while let Some((at, due)) = stage.next() {
        if events == EVENTS_MAX {
            return Ok(stage.tell.endless(&stage.state, EVENTS_MAX));
        }
        events += 1;
        stage.at = stage.at.max(at);
        stage.tell.time_is(stage.at);
        match due {
            Some(due) => stage.due(due)?,
            None => stage.happen(&Event::Ticked),
        }
    }
    stage.recover()?;
    Ok(stage.tell.finish(&stage.state, stage.script))
}

impl Stage<'_> {
    /// What happens next: something of ours, or (nothing) a timer of the run. While the service is down nothing does.
    fn next(&mut self) -> Option<(Timestamp, Option<Due>)> {
        let timer = next_timer(&self.state).map(|(at, _)| at.max(self.down_until));
        let first = self.dues.first_key_value().map(|(key, _)| key.0.max(self.down_until));
        match (first, timer) {
            (Some(first), timer) if timer.is_none_or(|timer| first <= timer) => {
                self.dues.pop_first().map(|(_, due)| (first, Some(due)))
            }
            (_, timer) => timer.map(|timer| (timer, None)),
        }
    }

    fn later(&mut self, at: Timestamp, due: Due) {
        self.made += 1;
        self.dues.insert((at, self.made), due);
    }

    fn due(&mut self, due: Due) -> Result<(), Fault> {
        match due {
            Due::Act(ix) => self.act(ix)?,
            Due::Back => {
                self.recover()?;
                self.tell.back(self.at, self.journal.len());
            }
            Due::Granted(gate) => self.happen(&Event::Granted(gate)),
            Due::Ended(step, number, result, cost_micros) if self.is_live(&step, number) => {
                self.answers.remove(&(step.clone(), number));
                self.happen(&Event::AttemptEnded { step, number, result, cost_micros });
            }
            Due::Asks(step, number) if self.is_live(&step, number) => {
                self.happen(&Event::InputAsked { step, number });
            }
            Due::Stalls(step, number) if self.is_live(&step, number) => self.happen(&Event::Stalled { step, number }),
            // It was over before.
            Due::Ended(..) | Due::Asks(..) | Due::Stalls(..) => {}
        }
        Ok(())
    }

    fn is_live(&self, step: &StepKey, number: u32) -> bool {
        let step = self.state.find(step).and_then(|ix| self.state.steps.get(ix as usize));
        step.and_then(|step| step.live.as_ref()).is_some_and(|live| live.number == number)
    }

    fn act(&mut self, ix: usize) -> Result<(), Fault> {
        let script = self.script;
        let Some(act) = script.acts.get(ix) else { return Ok(()) };
        match &act.what {
            What::Comment(text, command) => {
                let event = people::obey(&self.state, command, &self.person, self.at);
                let told = self.tell.lines.len();
                self.tell.comment(self.at, &self.person, text);
                let heard = event.and_then(|event| self.send(&event).map_err(|rejected| rejected.to_string()));
                if let Err(why) = heard {
                    self.tell.lines.truncate(told);
                    self.tell.refused(self.at, &self.person, text, &why);
                }
            }
            What::Crash(Duration::ZERO) => {
                self.recover()?;
                self.tell.crash(self.at, self.journal.len());
            }
            What::Crash(down) => {
                self.down_until = self.at.plus(*down);
                self.tell.down(self.at);
                self.later(self.at, Due::Back);
            }
            What::Push => self.happen(&Event::Superseded),
            What::Close => {
                let why = "the pull request was closed".to_owned();
                self.happen(&Event::CancelRequested { by: None, why });
            }
        }
        Ok(())
    }

    /// Lets something happen that cannot be refused, or whose refusal nobody hears: it came too late.
    fn happen(&mut self, event: &Event) {
        let _ = self.send(event);
    }

    fn send(&mut self, event: &Event) -> Result<(), crate::engine::Rejected> {
        let ctx = Ctx { at: self.at, jitter: self.dice.roll(), eager: &self.agents };
        let transition = apply(&mut self.state, event, &ctx)?;
        if !transition.changes.is_empty() {
            let row = Row { event: event.clone(), changes: transition.changes.clone() };
            self.journal.push((transition.at, encode::row(&row)));
        }
        self.tell.transition(&self.state, event, &transition, self.script);
        self.play(&transition);
        Ok(())
    }

    /// Does what the engine wants done.
    fn play(&mut self, transition: &Transition) {
        for effect in &transition.effects {
            match effect {
                Effect::Dispatch { step, number, agent, .. } => self.begin(*step, *number, agent),
                Effect::Stop { step, number } => self.stop(*step, *number),
                Effect::Forget { step, number } => {
                    self.answers.remove(&(self.key(*step), *number));
                }
                Effect::Answer { step, number, .. } => self.answered(*step, *number),
                Effect::Ask { seat } => self.ask(*seat),
                // Nothing is ever queued here, a place that is given back is nobody else's, and nobody is notified.
                Effect::Hold(_) | Effect::Give { .. } | Effect::Notify(_) => {}
            }
        }
    }

    fn key(&self, step: StepIx) -> StepKey {
        self.state.steps[step as usize].key.clone()
    }

    fn begin(&mut self, ix: StepIx, number: u32, agent: &AgentName) {
        let key = self.key(ix);
        let plan = Arc::clone(&self.state.plan);
        let planned = &plan.steps[self.state.steps[ix as usize].plan as usize];
        let mut answer = self.answer(&key, &planned.key, agent);
        let after = answer.after.unwrap_or_else(|| self.dice.takes(planned, answer.deed));
        answer.after = Some(after);
        let end = self.at.plus(after);
        match answer.deed {
            Deed::TimeOut => {}
            Deed::Silent => self.later(self.at.plus(planned.stall_timeout), Due::Stalls(key.clone(), number)),
            Deed::Ask => self.later(end, Due::Asks(key.clone(), number)),
            Deed::Done(_) | Deed::Fault(_) | Deed::Away | Deed::Declined => self.ends(end, &key, number, &answer),
        }
        self.answers.insert((key, number), answer);
    }

    fn ends(&mut self, at: Timestamp, key: &StepKey, number: u32, answer: &Answer) {
        if let Some(result) = answer.result() {
            self.later(at, Due::Ended(key.clone(), number, result, answer.cost_micros));
        }
    }

    /// The most telling rule of the script; of equally telling ones the last.
    fn answer(&mut self, key: &StepKey, planned: &StepKey, agent: &AgentName) -> Answer {
        let weight = |rule: &Rule| {
            let of_step = match &rule.step {
                Some(step) if step == key => 4,
                Some(step) if step == planned => 2,
                Some(_) => return None,
                None => 0,
            };
            match &rule.agent {
                Some(named) if named == agent => Some(of_step + 1),
                Some(_) => None,
                None => Some(of_step),
            }
        };
        let rules = self.script.rules.iter().enumerate();
        let best =
            rules.filter_map(|(ix, rule)| Some((weight(rule)?, ix, rule))).max_by_key(|(weight, ix, _)| (*weight, *ix));
        let mut answer = best.map_or_else(Answer::default, |(_, ix, rule)| {
            let used = self.used.entry((ix, key.clone())).or_default();
            let answer = rule.answers.get(*used).or(rule.answers.last()).cloned().unwrap_or_default();
            *used += 1;
            answer
        });
        if let (None, Deed::Done(_) | Deed::Ask) = (&answer.outputs, answer.deed) {
            let said = |name: &StepKey| self.script.outputs.iter().rfind(|(step, _)| step == name);
            answer.outputs = said(key).or_else(|| said(planned)).map(|(_, outputs)| outputs.clone());
        }
        answer
    }

    fn stop(&mut self, ix: StepIx, number: u32) {
        let key = self.key(ix);
        let silent = self.answers.get(&(key.clone(), number)).is_some_and(|answer| answer.deed == Deed::Silent);
        let (at, result) = match silent {
            true => (self.at.plus(STOP_MAX), AttemptResult::Fenced),
            false => (self.at, AttemptResult::Stopped),
        };
        self.later(at, Due::Ended(key, number, result, 0));
    }

    fn answered(&mut self, ix: StepIx, number: u32) {
        let key = self.key(ix);
        if let Some(answer) = self.answers.get(&(key.clone(), number)).cloned() {
            self.ends(self.at.plus(answer.after.unwrap_or_default()), &key, number, &answer);
        }
    }

    fn ask(&mut self, seat: u32) {
        let Some(seat) = self.state.seats.get(seat as usize) else { return };
        let gate = seat.gate.clone();
        let is = |busy: &Busy| match busy {
            Busy::Group => gate.0.starts_with("group:"),
            Busy::Environment(name) => gate.0.starts_with("environment:") && gate.0.ends_with(&format!(":{name}")),
        };
        let free = self.script.busy.iter().filter(|(busy, _)| is(busy)).map(|(_, at)| START.plus(*at)).max();
        self.later(free.unwrap_or(self.at).max(self.at), Due::Granted(gate));
    }

    /// Throws the run away and folds it from its journal, through the encoding that the database keeps.
    fn recover(&mut self) -> Result<(), Fault> {
        let mut state = RunState::unborn(self.state.id, Arc::clone(&self.state.plan));
        for (at, bytes) in &self.journal {
            let row = encode::read_row(bytes).map_err(|why| Fault::Recovery(why.to_string()))?;
            state.fold(*at, &row.changes);
        }
        if *state != *self.state {
            return Err(Fault::Recovery(format!("after {} rows", self.journal.len())));
        }
        if !state.index_is_true() {
            return Err(Fault::Recovery("its index".to_owned()));
        }
        self.state = state;
        Ok(())
    }
}

/// Chance, from the seed alone. (SplitMix64.)
struct Dice(Option<u64>);

impl Dice {
    /// Without a seed always the same.
    fn roll(&mut self) -> u64 {
        let Some(seed) = &mut self.0 else { return u64::MAX };
        *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// How long an attempt takes of which the script does not say it: half of its timeout, or between a tenth and nine
    /// tenths of it; an agent that is not there says so at once.
    fn takes(&mut self, planned: &Step, deed: Deed) -> Duration {
        if matches!(deed, Deed::Away | Deed::Declined) {
            return Duration::ZERO;
        }
        let percent = if self.0.is_some() { 10 + self.roll() % 81 } else { 50 };
        let micros = planned.timeout.as_micros() * u128::from(percent) / 100;
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}
