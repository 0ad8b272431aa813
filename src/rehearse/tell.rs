//! The story: what the changes of the engine say, in the order in which they were made, for somebody who reads along.

use std::collections::BTreeMap;
use std::time::Duration;

use super::script::{Busy, Script};
use super::story::{Bar, BarKind, Line, Said, StepEnd, Story, Tone};
use super::words;
use crate::engine::state::{GateKind, HoldKind, RunPhase, RunState, Trigger};
use crate::engine::step::{StepIx, StepOutcome, StepPhase, WaitFor};
use crate::engine::view::StepView;
use crate::engine::{Change, Event, RunView, Transition};
use crate::ids::{AgentName, Login};
use crate::report::{self, Conclusion, Notes, Status};
use crate::time::Timestamp;

/// Names in one line; more are counted.
const NAMES_MAX: usize = 6;

/// Listens to the engine.
pub(super) struct Teller {
    start: Timestamp,
    pub(super) lines: Vec<Line>,
    bars: Vec<Bar>,
    /// What each step does since when; `true`: it works.
    doing: BTreeMap<StepIx, (Duration, bool)>,
    /// The agent that each step had last.
    agents: BTreeMap<StepIx, AgentName>,
    /// Agents that were told to stop. One that does so at once is not worth a line.
    stopping: BTreeMap<StepIx, Line>,
}

impl Teller {
    pub(super) fn new(start: Timestamp) -> Self {
        let (doing, agents, stopping) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { start, lines: Vec::new(), bars: Vec::new(), doing, agents, stopping }
    }

    fn say(&mut self, at: Timestamp, tone: Tone, text: impl Into<String>) {
        self.lines.push(Line { at: at.since(self.start), step: None, tone, text: text.into() });
    }

    pub(super) fn comment(&mut self, at: Timestamp, by: &Login, text: &str) {
        self.say(at, Tone::Loud, format!("@{by}: {text}"));
    }

    pub(super) fn refused(&mut self, at: Timestamp, by: &Login, text: &str, why: &str) {
        self.say(at, Tone::Loud, format!("@{by}: {text} (does nothing: {})", words::one_line(why)));
    }

    pub(super) fn crash(&mut self, at: Timestamp, rows: usize) {
        self.say(at, Tone::Loud, format!("the service crashes, and goes on from the {rows} rows of its journal"));
    }

    pub(super) fn down(&mut self, at: Timestamp) {
        self.say(at, Tone::Loud, "the service crashes; agents work on");
    }

    pub(super) fn back(&mut self, at: Timestamp, rows: usize) {
        self.say(at, Tone::Loud, format!("the service is back, and goes on from the {rows} rows of its journal"));
    }

    /// Tells of the agents that have not stopped at once.
    pub(super) fn time_is(&mut self, at: Timestamp) {
        let now = at.since(self.start);
        let slow: Vec<StepIx> = self.stopping.iter().filter(|(_, line)| line.at < now).map(|(ix, _)| *ix).collect();
        let lines = slow.into_iter().filter_map(|ix| self.stopping.remove(&ix));
        self.lines.extend(lines);
    }

    /// Tells what a transition did. `state` is the run after it.
    pub(super) fn transition(&mut self, state: &RunState, event: &Event, transition: &Transition, script: &Script) {
        let at = transition.at;
        let mut order: Vec<StepIx> = Vec::new();
        let mut said: BTreeMap<StepIx, Said> = BTreeMap::new();
        let mut run = Vec::new();
        let mut last = Vec::new();
        for change in &transition.changes {
            if let Some(ix) = note(change, &mut said) {
                if !order.contains(&ix) {
                    order.push(ix);
                }
                continue;
            }
            match change {
                Change::Born(birth) => {
                    run.push((Tone::Loud, format!("{} starts {}", started_by(&birth.trigger), state.plan.workflow)));
                    run.extend(birth.holds.iter().map(|hold| (Tone::Quiet, words::held(hold, &state.plan))));
                }
                Change::AllCancelled(_) => {
                    run.push((Tone::Bad, words::stopping(state, event)));
                    self.all_cancelled(state, at);
                }
                Change::Run(phase) if is_over(state) => last.extend(words::run_ends(*phase)),
                Change::HoldPut(_) | Change::HoldTaken(_) if waits_for_nobody(state, change, script) => {}
                Change::HoldPut(hold) => run.push((Tone::Quiet, words::held(hold, &state.plan))),
                Change::HoldTaken(kind) => run.push((Tone::Plain, words::released(*kind, state.is_held()))),
                Change::RoundOpened { steps, .. } => {
                    let names = words::listed(&names(state, steps), NAMES_MAX);
                    run.push((Tone::Plain, format!("round {}: {names} once more", state.round + 1)));
                }
                Change::Run(_)
                | Change::Clock(_)
                | Change::Seat { .. }
                | Change::Step { .. }
                | Change::AttemptOpened { .. }
                | Change::AttemptStarted { .. }
                | Change::AttemptClosed { .. }
                | Change::Approved { .. }
                | Change::FannedOut { .. }
                | Change::OutputsKept { .. }
                | Change::Faulted { .. } => {}
            }
        }
        // What follows from the end of an attempt stands behind it; else the run comes first.
        let behind = matches!(event, Event::AttemptEnded { .. });
        if behind {
            self.steps(state, at, &order, &said);
        }
        run.into_iter().for_each(|(tone, text)| self.say(at, tone, text));
        if !behind {
            self.steps(state, at, &order, &said);
        }
        last.into_iter().for_each(|text| self.say(at, Tone::Loud, text));
    }

    fn steps(&mut self, state: &RunState, at: Timestamp, order: &[StepIx], said: &BTreeMap<StepIx, Said>) {
        let now = at.since(self.start);
        // Those that never run, together.
        let mut idle: BTreeMap<&'static str, Vec<StepIx>> = BTreeMap::new();
        for &ix in order {
            let Some(said) = said.get(&ix) else { continue };
            self.draw(state, ix, said, now);
            if let Some(StepPhase::Ended(StepOutcome::Cancelled(cause))) = said.phase.filter(|_| said.closed.is_none())
            {
                idle.entry(report::cancelled(cause)).or_default().push(ix);
                continue;
            }
            let view = RunView::new(state, at);
            let before = self.agents.get(&ix);
            let lines = words::step(&view, ix, said, before, self.bars.last());
            let step = state.steps.get(ix as usize).map(|step| step.key.clone());
            let mut lines: Vec<Line> =
                lines.into_iter().map(|(tone, text)| Line { at: now, step: step.clone(), tone, text }).collect();
            if said.closed.is_some() {
                self.stopping.remove(&ix);
            } else if matches!(said.phase, Some(StepPhase::Stopping(_)))
                && let Some(line) = lines.pop()
            {
                self.stopping.insert(ix, line);
            }
            self.lines.extend(lines);
            if let Some((_, agent)) = &said.opened {
                self.agents.insert(ix, agent.clone());
            }
        }
        for (why, steps) in idle {
            let names = words::listed(&names(state, &steps), NAMES_MAX);
            self.say(at, Tone::Quiet, format!("{names}: {}", words::lower(why)));
        }
    }

    /// Keeps the bars of a step.
    fn draw(&mut self, state: &RunState, ix: StepIx, said: &Said, now: Duration) {
        if let Some((fault, _, _)) = &said.closed {
            let vain = fault.is_some() || said.phase.is_some_and(|phase| phase != ended_well(phase));
            self.stop_doing(state, ix, now, vain);
        }
        if said.started {
            self.stop_doing(state, ix, now, false);
            self.doing.insert(ix, (now, true));
        } else if let Some(phase) = said.phase {
            let waits = matches!(phase, StepPhase::BackOff | StepPhase::Waiting(_)) && phase != NEEDS;
            let works = self.doing.get(&ix).is_some_and(|(_, works)| *works);
            if waits && !self.doing.contains_key(&ix) {
                self.doing.insert(ix, (now, false));
            } else if matches!(phase, StepPhase::Ended(_)) && !works {
                self.stop_doing(state, ix, now, false);
            }
        }
    }

    fn stop_doing(&mut self, state: &RunState, ix: StepIx, now: Duration, vain: bool) {
        let Some((from, works)) = self.doing.remove(&ix) else { return };
        let Some(step) = state.steps.get(ix as usize).map(|step| step.key.clone()) else { return };
        let kind = match (works, vain) {
            (true, false) => BarKind::Work,
            (true, true) => BarKind::Vain,
            (false, _) => BarKind::Wait,
        };
        if works || now > from {
            self.bars.push(Bar { step, kind, from, to: now });
        }
    }

    /// Steps that waited for something end with the others.
    fn all_cancelled(&mut self, state: &RunState, at: Timestamp) {
        let now = at.since(self.start);
        let ended = |ix: &StepIx| state.steps.get(*ix as usize).is_some_and(|step| step.outcome().is_some());
        let idle: Vec<StepIx> = self.doing.keys().copied().filter(ended).collect();
        for ix in idle {
            self.stop_doing(state, ix, now, true);
        }
    }

    /// The story of a run to which nothing more happens.
    pub(super) fn finish(mut self, state: &RunState, script: &Script) -> Story {
        let mut notes = words::notes(state, script);
        if !is_over(state) {
            notes.insert(0, words::stuck(state));
        }
        self.close(state, notes)
    }

    /// The story of a run to which too much happens.
    pub(super) fn endless(mut self, state: &RunState, events: usize) -> Story {
        self.close(state, vec![format!("This story does not end: it was left after {events} events.")])
    }

    fn close(&mut self, state: &RunState, notes: Vec<String>) -> Story {
        let took = state.at.since(self.start);
        for ix in self.doing.keys().copied().collect::<Vec<_>>() {
            self.stop_doing(state, ix, took, false);
        }
        self.bars.sort_by_key(|bar| bar.from);
        let view = RunView::new(state, state.at);
        let check = report::workflow_check(&view, &Notes::default());
        Story {
            workflow: state.plan.workflow.clone(),
            started_by: state.birth.as_ref().map(|birth| started_by(&birth.trigger)).unwrap_or_default(),
            lines: std::mem::take(&mut self.lines),
            bars: std::mem::take(&mut self.bars),
            steps: view.steps().map(|step| step_end(&view, step)).collect(),
            conclusion: Some(check.status).and_then(concluded).filter(|_| is_over(state)),
            title: check.title,
            took,
            longest: longest(&state.plan),
            critical_path: state
                .plan
                .critical_path
                .iter()
                .map(|ix| state.plan.steps[*ix as usize].key.clone())
                .collect(),
            cost_micros: state.cost_micros,
            notes,
        }
    }
}

const NEEDS: StepPhase = StepPhase::Waiting(WaitFor::Needs);

/// The same phase, if a step has ended well in it.
fn ended_well(phase: StepPhase) -> StepPhase {
    match phase {
        StepPhase::Ended(outcome) if outcome.satisfies() && outcome != StepOutcome::SkippedByCommand => phase,
        StepPhase::Ended(_)
        | StepPhase::Waiting(_)
        | StepPhase::Queued
        | StepPhase::Running
        | StepPhase::AwaitingInput
        | StepPhase::BackOff
        | StepPhase::Stopping(_) => NEEDS,
    }
}

/// What a change says of a step, if it speaks of one.
fn note(change: &Change, said: &mut BTreeMap<StepIx, Said>) -> Option<StepIx> {
    let mut of = |ix: &StepIx, note: &dyn Fn(&mut Said)| {
        note(said.entry(*ix).or_default());
        Some(*ix)
    };
    match change {
        Change::Step { step, phase, .. } => of(step, &|said| said.phase = Some(*phase)),
        Change::AttemptOpened { step, number, agent, .. } => {
            of(step, &|said| said.opened = Some((*number, agent.clone())))
        }
        Change::AttemptStarted { step, .. } => of(step, &|said| said.started = true),
        Change::AttemptClosed { step, cost_micros, fault, tries } => {
            of(step, &|said| said.closed = Some((fault.clone(), *tries, *cost_micros)))
        }
        Change::Approved { step, by } => of(step, &|said| said.approved = Some(by.clone())),
        Change::FannedOut { step, items } => of(step, &|said| said.items = Some(items.clone())),
        Change::OutputsKept { step, .. } => of(step, &|said| said.outputs = true),
        Change::Faulted { step, fault } => of(step, &|said| said.fault = Some(fault.clone())),
        Change::Born(_)
        | Change::Run(_)
        | Change::HoldPut(_)
        | Change::HoldTaken(_)
        | Change::Clock(_)
        | Change::Seat { .. }
        | Change::AllCancelled(_)
        | Change::RoundOpened { .. } => None,
    }
}

/// A run asks its group and is let in at once, unless the script says that somebody else is there.
fn waits_for_nobody(state: &RunState, change: &Change, script: &Script) -> bool {
    let queue = match change {
        Change::HoldPut(hold) => hold.kind == HoldKind::Queue,
        Change::HoldTaken(kind) => *kind == HoldKind::Queue,
        _ => false,
    };
    let busy = script.busy.iter().any(|(busy, _)| *busy == Busy::Group);
    queue && !(busy && state.seats.iter().any(|seat| seat.kind == GateKind::Group))
}

fn started_by(trigger: &Trigger) -> String {
    match trigger {
        Trigger::PullRequest(number) => format!("pull request #{number}"),
        Trigger::Push(reference) => {
            let name = reference.strip_prefix("refs/heads/").or_else(|| reference.strip_prefix("refs/tags/"));
            format!("a push to {}", name.unwrap_or(reference))
        }
        Trigger::MergeGroup(_) => "the merge queue".to_owned(),
        Trigger::Manual(by) => format!("@{by}"),
        Trigger::Schedule(cron) => format!("the schedule {cron}"),
    }
}

fn names(state: &RunState, steps: &[StepIx]) -> Vec<String> {
    steps.iter().filter_map(|ix| state.steps.get(*ix as usize)).map(|step| step.key.to_string()).collect()
}

fn step_end(view: &RunView<'_>, step: StepView<'_>) -> StepEnd {
    let state = step.step();
    let check = report::step_check(view, step, None);
    StepEnd {
        step: state.key.clone(),
        instance: state.parent.is_some(),
        conclusion: check.as_ref().and_then(|check| concluded(check.status)),
        title: match check {
            Some(check) => check.title,
            None if step.plan().rollback_of.is_some() && state.outcome().is_some() => "Not needed".to_owned(),
            None => report::step_title(view, step),
        },
        attempts: state.attempts,
        agent: (state.attempts > 0).then(|| step.agent().clone()),
    }
}

fn concluded(status: Status) -> Option<Conclusion> {
    match status {
        Status::Completed(conclusion) => Some(conclusion),
        Status::Queued | Status::InProgress => None,
    }
}

/// Whether nothing but acts of the script can still change the run.
fn is_over(state: &RunState) -> bool {
    matches!(state.phase, RunPhase::Ended(_))
}

/// How long the critical path takes, when each of its steps takes as long as it may.
fn longest(plan: &crate::workflow::plan::Plan) -> Duration {
    plan.critical_path.first().and_then(|ix| plan.steps.get(*ix as usize)).map_or(Duration::ZERO, |step| step.path)
}
