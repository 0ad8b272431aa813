//! Tests as conversations: a plan in lines, what happens in lines, and a trace that reads as a story.
//!
//! [`World::send`] is how every test of the engine applies an event: it also folds the journal into a second run,
//! rebuilds the index, sends everything through its encoding, and holds a rejected event to having changed nothing.

pub(super) mod plan;
mod tests;
mod words;

use std::collections::BTreeSet;
use std::fmt::{Debug, Write as _};
use std::sync::Arc;
use std::time::Duration;

use super::event::{Again, AttemptResult, Event};
use super::state::{Birth, Definition, GateKey, GateKind, Hold, HoldKind, OperatorLimits, RunData, RunState, Trigger};
use super::step::{FaultClass, StepIx};
use super::{Change, Ctx, Rejected, Timer, Transition, apply, next_timer};
use crate::ids::{AgentName, InstallationId, RepoId, RunId, StepKey};
use crate::rehearse::{Answer, Deed};
use crate::time::Timestamp;
use crate::workflow::plan::Plan;

/// The classes of faults that an agent may name.
pub(super) const CLASSES: [FaultClass; 11] = [
    FaultClass::Transient,
    FaultClass::Overloaded,
    FaultClass::RateLimit,
    FaultClass::Timeout,
    FaultClass::Crash,
    FaultClass::BadOutput,
    FaultClass::Auth,
    FaultClass::Config,
    FaultClass::Policy,
    FaultClass::Validation,
    FaultClass::Budget,
];

/// One run, its journal, and a clock that tests move.
pub(super) struct World {
    pub(super) state: RunState,
    /// The same run, made from the journal alone.
    folded: RunState,
    pub(super) rows: Vec<(Timestamp, Vec<Change>)>,
    pub(super) at: Timestamp,
    pub(super) jitter: u64,
    pub(super) eager: BTreeSet<AgentName>,
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let id = RunId { installation: InstallationId(1), uuid: uuid::Uuid::nil() };
        let state = RunState::unborn(id, Arc::new(plan));
        let eager = BTreeSet::from(["shell".parse().unwrap()]);
        Self { folded: state.clone(), state, rows: Vec::new(), at: Timestamp(1_000_000_000), jitter: 7, eager }
    }

    /// Applies one event and holds the engine to its promises.
    pub(super) fn send(&mut self, event: &Event) -> Result<Transition, Rejected> {
        round_trip(event);
        let before = (self.state.data.clone(), self.state.index.clone());
        let ctx = Ctx { at: self.at, jitter: self.jitter, eager: &self.eager };
        let transition = match apply(&mut self.state, event, &ctx) {
            Ok(transition) => transition,
            Err(rejected) => {
                assert_eq!(before.0, self.state.data, "{event:?} was rejected and changed the state");
                assert!(before.1 == self.state.index, "{event:?} was rejected and changed the index");
                return Err(rejected);
            }
        };
        if transition.changes.is_empty() {
            assert_eq!(transition.effects, [], "{event:?} has effects and changes nothing");
            assert_eq!(before.0, self.state.data, "{event:?} changed the state without a change");
            return Ok(transition);
        }
        round_trip(&transition.changes);
        self.folded.fold(transition.at, &transition.changes);
        assert_eq!(self.folded.data, self.state.data, "{event:?}: the journal gives another state");
        assert!(self.state.index_is_true(), "{event:?}: the index is not what would be built");
        round_trip(&self.state.data);
        self.rows.push((transition.at, transition.changes.clone()));
        Ok(transition)
    }

    /// Loses all but the journal, and loads the run from it; a checkpoint must give the same.
    pub(super) fn crash(&mut self) {
        let mut state = RunState::unborn(self.state.id, Arc::clone(&self.state.plan));
        for (at, changes) in &self.rows {
            state.fold(*at, changes);
        }
        let checkpoint = minicbor::decode::<RunData>(&minicbor::to_vec(&self.state.data).unwrap()).unwrap();
        assert_eq!(state.data, checkpoint);
        assert!(RunState::restore(state.id, Arc::clone(&state.plan), checkpoint).index == state.index);
        self.folded = state.clone();
        self.state = state;
    }

    /// The attempt of a step that is live, or was the last.
    pub(super) fn number(&self, key: &StepKey) -> u32 {
        self.state.find(key).map_or(0, |ix| self.state.steps[ix as usize].attempts)
    }
}

fn round_trip<T>(value: &T)
where
    T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()> + PartialEq + Debug,
{
    let bytes = minicbor::to_vec(value).unwrap();
    assert_eq!(&minicbor::decode::<T>(&bytes).unwrap(), value, "lost on its way through CBOR");
}

/// A birth with these gates: `group`, `limit`, `environment:<name>`.
pub(super) fn birth(gates: &[&str], holds: &[HoldKind], limits: OperatorLimits) -> Birth {
    let gate = |name: &&str| {
        let kind = match name.split(':').next() {
            Some("group") => GateKind::Group,
            Some("limit") => GateKind::Limit,
            _ => GateKind::Environment,
        };
        (kind, GateKey((*name).to_owned()))
    };
    Birth {
        repository: RepoId(1),
        repository_name: "octo/hello".parse().unwrap(),
        sha: "a".repeat(40).parse().unwrap(),
        trigger: Trigger::PullRequest(7),
        source_time: Timestamp(0),
        definition: Definition { sha: None, path: "builtin:ci".to_owned(), blob: String::new() },
        gates: gates.iter().map(gate).collect(),
        holds: holds.iter().map(|&kind| hold(kind)).collect(),
        limits,
        scope: r#"{"pr":{"number":7}}"#.to_owned(),
    }
}

pub(super) fn hold(kind: HoldKind) -> Hold {
    Hold { kind, by: Some("mona".parse().unwrap()), why: "wait".to_owned(), since: Timestamp(0) }
}

/// Tells a story: lines that begin at the margin happen, indented ones are what came of it and are written anew.
fn tell(story: &str) -> String {
    let said = story.lines().filter(|line| !line.starts_with(' ') && !line.is_empty());
    let planned = |line: &&&str| line.starts_with("run ") || line.starts_with("step ");
    let lines: Vec<&str> = said.collect();
    let plan_lines: Vec<&str> = lines.iter().filter(planned).copied().collect();
    let mut world = World::new(plan::plan(&plan_lines));
    let mut told = String::new();
    for line in lines {
        if line.starts_with("create") {
            told.push('\n');
        }
        told.push_str(line);
        told.push('\n');
        if line.starts_with('#') || planned(&&line) {
            continue;
        }
        if let Some(time) = line.strip_prefix('+') {
            wait(&mut world, plan::duration(time), &mut told);
        } else if line == "crash" {
            world.crash();
        } else {
            let event = event(&world, line);
            happen(&mut world, &event, &mut told);
        }
    }
    told
}

/// Lets time pass, and each timer fire at its time.
fn wait(world: &mut World, time: Duration, told: &mut String) {
    let begin = world.at;
    let end = begin.plus(time);
    while let Some((due, timer)) = next_timer(&world.state)
        && due <= end
    {
        world.at = world.at.max(due);
        let key = |ix: StepIx| world.state.steps[ix as usize].key.clone();
        let why = match timer {
            Timer::RunTimeout => "the run's time is up".to_owned(),
            Timer::AttemptTimeout(ix) => format!("{}'s time is up", key(ix)),
            Timer::QueueTimeout(ix) => format!("{} has waited long enough", key(ix)),
            Timer::Retry(ix) => format!("{} is to be tried again", key(ix)),
        };
        writeln!(told, "  after {}: {why}", crate::time::human(world.at.since(begin))).unwrap();
        happen(world, &Event::Ticked, told);
    }
    world.at = end;
}

fn happen(world: &mut World, event: &Event, told: &mut String) {
    match world.send(event) {
        Err(rejected) => writeln!(told, "    rejected: {rejected}").unwrap(),
        Ok(transition) => {
            for change in &transition.changes {
                writeln!(told, "    {}", words::change(&world.state, change)).unwrap();
            }
            for effect in &transition.effects {
                writeln!(told, "    {}", words::effect(&world.state, effect)).unwrap();
            }
        }
    }
}

/// The event of a line.
fn event(world: &World, line: &str) -> Event {
    if let Some((who, what)) = line.split_once(": ") {
        return attempt_event(world, who, what);
    }
    let mut words = line.split_whitespace();
    let command = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    let key = || rest.first().expect("a step").parse::<StepKey>().unwrap();
    let by = || "mona".parse().unwrap();
    match command {
        "create" => Event::Created(Box::new(created(&rest))),
        "grant" => Event::Granted(GateKey(rest[0].to_owned())),
        "supersede" => Event::Superseded,
        "drop" => Event::Dropped,
        "hand_over" => Event::HandedOver("b".repeat(40).parse().unwrap()),
        "tick" => Event::Ticked,
        "/pause" => Event::Held(hold(HoldKind::Pause)),
        "/resume" => Event::Released { kind: HoldKind::Pause, by: Some(by()) },
        "release" => Event::Released { kind: hold_kind(rest[0]), by: Some(by()) },
        "/cancel" => Event::CancelRequested { by: Some(by()), why: String::new() },
        "/approve" => Event::Approved { step: key(), by: by() },
        "/refuse" => Event::Refused { step: key(), by: by() },
        "/skip" => Event::SkipRequested { step: key(), by: by() },
        "/answer" => Event::Answered { step: key(), by: by(), text: rest[1..].join(" ") },
        "/retry" => {
            let what = match rest.as_slice() {
                [] => Again::Failed,
                ["--all"] => Again::All,
                [_, "--from"] => Again::From(key()),
                keys => Again::Steps(keys.iter().map(|key| key.parse().unwrap()).collect()),
            };
            Event::RetryRequested { what, by: Some(by()) }
        }
        other => panic!("no event: {other}"),
    }
}

/// `create group limit environment:prod trust fan_out 2 outputs 50 100`
fn created(words: &[&str]) -> Birth {
    let mut limits = OperatorLimits::default();
    let (mut gates, mut holds) = (Vec::new(), Vec::new());
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        let mut number = || words.next().expect("a number").parse().unwrap();
        match word {
            "fan_out" => limits.fan_out_max = number(),
            "outputs" => (limits.step_outputs_bytes_max, limits.run_outputs_bytes_max) = (number(), number()),
            "pause" | "trust" | "budget" => holds.push(hold_kind(word)),
            gate => gates.push(gate),
        }
    }
    birth(&gates, &holds, limits)
}

fn hold_kind(word: &str) -> HoldKind {
    match word {
        "pause" => HoldKind::Pause,
        "trust" => HoldKind::Trust,
        "budget" => HoldKind::Budget,
        "queue" => HoldKind::Queue,
        other => panic!("no hold: {other}"),
    }
}

/// `build: ok`, `build.a1: rate limit retry after 30s cost $0.05`: the words of a rehearsal's script, but what they say
/// happens now.
fn attempt_event(world: &World, who: &str, what: &str) -> Event {
    let numbered = who.rsplit_once(".a").and_then(|(key, number)| Some((key, number.parse::<u32>().ok()?)));
    let step: StepKey = numbered.map_or(who, |(key, _)| key).parse().unwrap();
    let number = numbered.map_or_else(|| world.number(&step), |(_, number)| number);
    let (result, cost_micros) = match what {
        "start" => return Event::AttemptStarted { step, number },
        "stall" => return Event::Stalled { step, number },
        "ask" => return Event::InputAsked { step, number },
        "fenced" => (AttemptResult::Fenced, 0),
        "stopped" => (AttemptResult::Stopped, 0),
        words => {
            let mut answer = Answer::read(words).unwrap_or_else(|wrong| panic!("{words:?}: {wrong}"));
            if answer.deed == Deed::TimeOut {
                answer.deed = Deed::Fault(FaultClass::Timeout);
            }
            if let Deed::Fault(_) = answer.deed {
                answer.message.get_or_insert_with(|| "oh".to_owned());
            }
            (answer.result().expect("an answer that ends the attempt"), answer.cost_micros)
        }
    };
    Event::AttemptEnded { step, number, result, cost_micros }
}
