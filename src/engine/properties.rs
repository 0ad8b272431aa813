//! What must hold whatever happens: random plans, random events, and an oracle beside them.
//!
//! A failure prints its seed: `POINTSMAN_SEED=17 cargo test --lib engine::properties` tells that one alone, event by
//! event.
#![expect(clippy::wildcard_enum_match_arm, reason = "random events need not name every variant")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::effect::Effect;
use super::event::{Again, AttemptResult, Event, Verdict};
use super::oracle::Oracle;
use super::script::plan::{empty, finish, step};
use super::script::{CLASSES, World, birth, hold};
use super::state::{GateKind, HoldKind, OperatorLimits, RunOutcome, RunPhase, SeatState};
use super::step::{StepIx, StepPhase, WaitFor};
use super::{Change, Transition, next_timer};
use crate::workflow::expr::Expr;
use crate::workflow::plan::{Approval, Combination, Join, OnFailure, Plan, Strategy};

const SEEDS: u64 = 2_000;
const EVENTS: usize = 300;
const FAN_OUT_MAX: usize = 3;
const GATES: [&str; 5] = ["group:pr-7", "limit:installation", "limit:service", "environment:prod", "environment:lab"];

#[test]
fn random_runs_keep_the_laws_and_agree_with_the_oracle() {
    let seeds = seeds();
    let told = seeds.len() == 1;
    std::thread::scope(|scope| {
        for part in seeds.chunks(seeds.len().div_ceil(2)) {
            scope.spawn(move || {
                for &seed in part {
                    let blame = Blame(seed);
                    life(&mut Dice(seed), told);
                    std::mem::forget(blame);
                }
            });
        }
    });
}

/// One seed to look at, or another number of them to look for trouble with.
#[expect(clippy::disallowed_methods, reason = "only whoever runs the test sets these")]
fn seeds() -> Vec<u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    match number("POINTSMAN_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("POINTSMAN_SEEDS").unwrap_or(SEEDS)).collect(),
    }
}

/// Ten thousand steps cost ten thousand times one step, not more: each event changes a handful of things, whatever the
/// size of the run.
#[test]
fn a_run_of_10_000_steps_costs_what_changes() {
    const WIDTH: usize = 100;
    let mut plan = empty();
    plan.limits.steps = 50;
    plan.timeout = Duration::from_secs(1 << 30);
    for ix in 0..10_000 {
        let mut new = step(&format!("s{ix}"));
        let above = ix as u32 - if ix < WIDTH { ix as u32 } else { WIDTH as u32 };
        new.needs = if ix < WIDTH { Vec::new() } else { vec![above] };
        new.retry.retries = 1;
        plan.steps.push(new);
    }
    let mut state = super::RunState::unborn(World::new(empty()).state.id, Arc::new(finish(plan)));
    let eager = BTreeSet::from(["shell".parse().unwrap()]);
    let ctx = super::Ctx { at: crate::time::Timestamp(1), jitter: 1, eager: &eager };
    let created = Event::Created(Box::new(birth(&[], &[], OperatorLimits::default())));
    let mut dispatched: Vec<(StepIx, u32)> = Vec::new();
    let (mut events, mut changes, mut most) = (0, 0, 0);
    let mut next = Some(created);
    while let Some(event) = next {
        let transition = super::apply(&mut state, &event, &ctx).unwrap();
        if events > 0 {
            changes += transition.changes.len();
            most = most.max(transition.changes.len());
        }
        events += 1;
        dispatched.extend(transition.effects.iter().filter_map(|effect| match effect {
            Effect::Dispatch { step, number, .. } => Some((*step, *number)),
            _ => None,
        }));
        next = dispatched.pop().map(|(step, number)| {
            let result = AttemptResult::Done { verdict: Verdict::Success, outputs: None, message: None };
            Event::AttemptEnded { step: state.steps[step as usize].key.clone(), number, result, cost_micros: 1 }
        });
    }
    assert_eq!(state.phase, RunPhase::Ended(RunOutcome::Success));
    assert_eq!(events, 10_001, "one event ends one step");
    assert!(most <= 10, "{most} changes in one event");
    assert!(changes <= 60_000, "{changes} changes in all");
    assert!(state.index_is_true());
    let again = Event::RetryRequested { what: Again::All, by: None };
    let round = super::apply(&mut state, &again, &ctx).unwrap();
    assert!(round.changes.iter().filter(|change| matches!(change, Change::RoundOpened { .. })).count() == 1);
    let cancel = Event::CancelRequested { by: None, why: String::new() };
    let row = super::apply(&mut state, &cancel, &ctx).unwrap();
    assert!(row.changes.len() <= 3, "cancelling is one row of a few changes, not one for each step");
}

/// Says which seed it was when a test panics.
struct Blame(u64);

impl Drop for Blame {
    fn drop(&mut self) {
        eprintln!("POINTSMAN_SEED={} cargo test --lib engine::properties", self.0);
    }
}

/// Runs one after the other, until there were enough events.
fn life(dice: &mut Dice, told: bool) {
    let mut left = EVENTS;
    while left > 0 {
        let mut run = Run::new(plan(dice), told);
        run.create(dice);
        left -= 1;
        while left > 0 && !run.is_gone() {
            let event = run.next_event(dice);
            run.send(&event);
            left -= 1;
        }
        run.world.crash();
        run.bring_to_an_end();
    }
}

/// A run under test, with what only the laws know of it.
struct Run {
    world: World,
    oracle: Oracle,
    told: bool,
    sent: Vec<Event>,
    /// Attempts that were dispatched and not forgotten.
    rows: BTreeSet<(StepIx, u32)>,
    numbers: BTreeMap<StepIx, u32>,
}

impl Run {
    fn new(plan: Plan, told: bool) -> Self {
        let oracle = Oracle::new(Arc::new(plan.clone()), FAN_OUT_MAX);
        let world = World::new(plan);
        Self { world, oracle, told, sent: Vec::new(), rows: BTreeSet::new(), numbers: BTreeMap::new() }
    }

    /// Nothing can wake it any more.
    fn is_gone(&self) -> bool {
        use RunOutcome as O;
        matches!(self.world.state.phase, RunPhase::Ended(O::Superseded | O::Dropped | O::HandedOver))
    }

    fn create(&mut self, dice: &mut Dice) {
        let gates: Vec<&str> = GATES.into_iter().filter(|_| dice.chance(40)).collect();
        let holds: &[HoldKind] = if dice.chance(15) { &[HoldKind::Trust] } else { &[] };
        let limits = OperatorLimits { fan_out_max: FAN_OUT_MAX as u32, ..OperatorLimits::default() };
        self.send(&Event::Created(Box::new(birth(&gates, holds, limits))));
    }

    fn send(&mut self, event: &Event) {
        let holds: Vec<HoldKind> = self.world.state.holds.keys().copied().collect();
        let phase = self.world.state.phase;
        let accepts = self.oracle.accepts(event, &holds);
        let answer = self.world.send(event);
        if self.told {
            println!("{} {event:?}\n    {answer:?}", self.world.at.0);
        }
        assert!(accepts.is_none_or(|accepts| accepts == answer.is_ok()), "{event:?}: the engine says {answer:?}");
        self.sent.push(event.clone());
        if let Ok(transition) = answer {
            self.laws(event, phase, &transition);
            self.oracle.happen(event, transition.at, &self.world);
        }
    }

    fn laws(&mut self, event: &Event, before: RunPhase, transition: &Transition) {
        let state = &self.world.state;
        let dispatches = transition.effects.iter().filter(|effect| matches!(effect, Effect::Dispatch { .. })).count();
        let starts = |change: &Change| matches!(change, Change::AttemptStarted { .. });
        if state.is_held() {
            assert_eq!(dispatches, 0, "a held run dispatched");
            assert!(!transition.changes.iter().any(starts), "a held run started an attempt");
        }
        if let RunPhase::Ended(_) = before {
            let again = matches!(event, Event::RetryRequested { .. });
            assert!(again || transition.changes.is_empty(), "a run that is over did something");
        }
        for effect in &transition.effects {
            match effect {
                Effect::Dispatch { step, number, .. } => {
                    let ix = *step as usize;
                    assert!(self.rows.iter().all(|(live, _)| live != step), "two live attempts of one step");
                    assert_eq!(self.numbers.insert(*step, *number).unwrap_or(0) + 1, *number, "the next number");
                    self.rows.insert((*step, *number));
                    let needs = &state.plan_of(&state.steps[ix]).needs;
                    let ended = |need: &u32| state.steps[*need as usize].outcome().is_some();
                    let one = state.plan_of(&state.steps[ix]).join == Join::Any && needs.iter().any(ended);
                    assert!(one || needs.iter().all(ended), "{} started before its needs", state.steps[ix].key);
                }
                Effect::Forget { step, number } => {
                    assert!(self.rows.remove(&(*step, *number)), "forgotten twice, or never dispatched");
                }
                Effect::Stop { step, number } | Effect::Answer { step, number, .. } => {
                    assert!(self.rows.contains(&(*step, *number)), "{effect:?} to nobody");
                }
                Effect::Hold(_) | Effect::Ask { .. } | Effect::Give { .. } | Effect::Notify(_) => {}
            }
        }
        self.limits();
        self.seats();
    }

    /// No limit is ever exceeded.
    fn limits(&self) {
        let state = &self.world.state;
        let live: Vec<_> = state.steps.iter().filter(|step| step.live.is_some()).collect();
        let rows = (0..).zip(&state.steps).filter_map(|(ix, step)| Some((ix, step.live.as_ref()?.number)));
        assert!(rows.eq(self.rows.iter().copied()), "the rows are not the live attempts");
        assert!(live.len() <= state.plan.limits.steps as usize, "too many steps at once");
        assert!(live.len() <= 1 || live.iter().all(|step| state.plan_of(step).parallel), "not alone");
        let memory: u64 = live.iter().map(|step| state.plan_of(step).resources.memory_bytes).sum();
        let limit = state.plan.limits.resources.memory_bytes;
        assert!(limit == 0 || live.len() <= 1 || memory <= limit, "too much memory");
        for (at, step) in live.iter().enumerate() {
            let planned = state.plan_of(step);
            let with = |other: &&&super::step::StepState| {
                planned.exclusion_group.is_some() && state.plan_of(other).exclusion_group == planned.exclusion_group
            };
            assert_eq!(live[..at].iter().filter(with).count(), 0, "two of one exclusion group");
            let siblings = live.iter().filter(|other| other.parent.is_some() && other.parent == step.parent).count();
            assert!(planned.max_parallel.is_none_or(|max| siblings <= max as usize), "too many instances at once");
            let gate = planned.environment.as_ref().map(|name| format!("environment:{name}"));
            let shut =
                |seat: &&super::state::Seat| Some(&seat.gate.0) == gate.as_ref() && seat.state != SeatState::Held;
            assert!(!state.seats.iter().any(|seat| shut(&seat)), "{} works without its environment", step.key);
        }
    }

    /// No later gate is held while an earlier one is asked; the run-level gates stand while an attempt is live.
    fn seats(&self) {
        let state = &self.world.state;
        if let RunPhase::Ended(_) = state.phase {
            assert!(state.seats.iter().all(|seat| seat.state == SeatState::Idle), "a place outlived its run");
            return;
        }
        let live = state.steps.iter().any(|step| step.live.is_some());
        assert!(state.is_held() == state.clock.stopped_since.is_some(), "the clock stands exactly while held");
        for (at, seat) in state.seats.iter().enumerate() {
            let later =
                state.seats[at + 1..].iter().filter(|later| later.kind > seat.kind || seat.kind == GateKind::Limit);
            let holds_later = later.clone().any(|later| later.state == SeatState::Held);
            let wants_later = later.clone().any(|later| later.state != SeatState::Idle);
            if seat.kind != GateKind::Environment && matches!(state.phase, RunPhase::Asking | RunPhase::Running) {
                assert!(seat.state != SeatState::Asked || !holds_later, "{seat:?} asked while a later one is held");
                assert!(seat.state == SeatState::Held || !wants_later, "{seat:?} not held and a later one is wanted");
                assert!(seat.state == SeatState::Held || !live, "{seat:?} not held and an attempt is live");
            }
        }
    }

    /// When everybody answers and time passes, the run ends: no state is a dead end.
    fn bring_to_an_end(&mut self) {
        for _ in 0..1_000 {
            if let RunPhase::Ended(_) = self.world.state.phase {
                assert!(self.rows.is_empty(), "an attempt was dispatched and never forgotten");
                return;
            }
            let event = self.good_event().expect("nobody can move this run any more");
            self.send(&event);
        }
        panic!("the run does not end");
    }

    fn good_event(&mut self) -> Option<Event> {
        let state = &self.world.state;
        let by = || "mona".parse().unwrap();
        if let Some(&kind) = state.holds.keys().find(|kind| **kind != HoldKind::Queue)
            && matches!(state.phase, RunPhase::Asking | RunPhase::Running)
        {
            return Some(Event::Released { kind, by: None });
        }
        if let Some(step) = state.steps.iter().find(|step| step.live.is_some()) {
            let (step, number) = (step.key.clone(), step.attempts);
            let outputs = Some(r#"{"items":[1]}"#.to_owned());
            let result = AttemptResult::Done { verdict: Verdict::Success, outputs, message: None };
            return Some(Event::AttemptEnded { step, number, result, cost_micros: 0 });
        }
        if let Some(seat) = state.seats.iter().find(|seat| seat.state == SeatState::Asked) {
            return Some(Event::Granted(seat.gate.clone()));
        }
        let approval = StepPhase::Waiting(WaitFor::Approval);
        if let Some(step) = state.steps.iter().find(|step| step.phase == approval && !step.retired) {
            return Some(Event::Approved { step: step.key.clone(), by: by() });
        }
        self.world.at = self.world.at.max(next_timer(state)?.0);
        Some(Event::Ticked)
    }

    fn next_event(&mut self, dice: &mut Dice) -> Event {
        self.world.jitter = dice.next();
        let state = &self.world.state;
        let by = || "mona".parse().unwrap();
        let any = state.steps[dice.below(state.steps.len())].key.clone();
        let live: Vec<_> = state.steps.iter().filter(|step| step.live.is_some()).collect();
        let over = matches!(state.phase, RunPhase::Ended(_));
        match dice.below(100) {
            0..45 if !live.is_empty() => {
                let step = live[dice.below(live.len())];
                let (key, number) = (step.key.clone(), step.attempts);
                match step.phase {
                    StepPhase::Queued if dice.chance(80) => Event::AttemptStarted { step: key, number },
                    StepPhase::Running if dice.chance(5) => Event::Stalled { step: key, number },
                    StepPhase::Running if dice.chance(5) => Event::InputAsked { step: key, number },
                    StepPhase::AwaitingInput => Event::Answered { step: key, by: by(), text: "yes".to_owned() },
                    _ => Event::AttemptEnded { step: key, number, result: dice.result(), cost_micros: dice.next() % 5 },
                }
            }
            0..58 => {
                let mut asked = state.seats.iter().filter(|seat| seat.state == SeatState::Asked);
                match asked.next_back() {
                    Some(seat) if dice.chance(70) => Event::Granted(seat.gate.clone()),
                    _ => Event::Approved { step: any, by: by() },
                }
            }
            58..70 => {
                let jump = Duration::from_millis(dice.next() % 40_000);
                let due = next_timer(state).map(|(due, _)| due).filter(|_| dice.chance(70));
                // Now and then another replica's clock is behind; the run's own time never goes back.
                let late = crate::time::Timestamp(state.at.0 - 1_000_000);
                let next = due.unwrap_or_default().max(state.at.plus(jump));
                self.world.at = if dice.chance(5) { late } else { next };
                Event::Ticked
            }
            70..75 => Event::Held(hold(dice.hold())),
            75..82 => Event::Released { kind: *state.holds.keys().next().unwrap_or(&HoldKind::Pause), by: None },
            82..85 if over || dice.chance(50) => Event::RetryRequested { what: dice.again(&self.world), by: None },
            82..87 => match dice.below(5) {
                0 | 1 => Event::Refused { step: any, by: by() },
                2 if dice.chance(20) => Event::CancelRequested { by: None, why: String::new() },
                _ => Event::SkipRequested { step: any, by: by() },
            },
            87..94 if !self.sent.is_empty() => self.sent[dice.below(self.sent.len())].clone(),
            94..96 => {
                let number = state.find(&any).map_or(0, |ix| state.steps[ix as usize].attempts);
                let number = number.wrapping_sub(dice.below(2) as u32);
                Event::AttemptEnded { step: any, number, result: dice.result(), cost_micros: 0 }
            }
            96 if dice.chance(15) => match dice.below(3) {
                0 => Event::Superseded,
                1 => Event::HandedOver("b".repeat(40).parse().unwrap()),
                _ => Event::Dropped,
            },
            _ if over => Event::RetryRequested { what: dice.again(&self.world), by: None },
            _ => Event::Ticked,
        }
    }
}

fn plan(dice: &mut Dice) -> Plan {
    let mut plan = empty();
    plan.parallel = [OnFailure::Continue, OnFailure::FailDependent, OnFailure::FailFast][dice.below(3)];
    plan.limits.steps = 1 + dice.below(5) as u32;
    plan.limits.resources.memory_bytes = dice.next() % 4;
    plan.max_cost_micros = dice.chance(10).then_some(30);
    plan.timeout = Duration::from_secs(60 + dice.next() % 1_000);
    for ix in 0..1 + dice.below(9) {
        let mut new = step(&format!("s{ix}"));
        let before = 0..ix as u32;
        new.needs = before.filter(|_| dice.chance(30)).collect();
        new.join = if dice.chance(20) { Join::Any } else { Join::All };
        new.timeout = Duration::from_secs(10 + dice.next() % 3 * 20);
        new.queue_timeout = dice.chance(30).then_some(Duration::from_secs(20));
        new.agent = ["shell", "goose"][dice.below(2)].parse().unwrap();
        new.fallback_agents =
            ["aider", "shell"].iter().filter(|_| dice.chance(30)).map(|a| a.parse().unwrap()).collect();
        new.retry.strategy =
            [Strategy::Retry, Strategy::RetryWithFallback, Strategy::RetryWithAnalysis, Strategy::ImmediateEscalation]
                [dice.below(4)];
        new.retry.retries = dice.below(3) as u32;
        new.retry.verdicts = dice.chance(30);
        new.critical = dice.chance(70);
        new.parallel = dice.chance(85);
        new.priority = dice.below(2) as i32;
        new.resources.memory_bytes = dice.next() % 4;
        new.outputs_used = true;
        let group = ["db", "net", "", "", ""][dice.below(5)];
        new.exclusion_group = (!group.is_empty()).then(|| group.to_owned());
        let environment = ["prod", "lab", "", "", "", ""][dice.below(6)];
        new.environment = (!environment.is_empty()).then(|| environment.to_owned());
        new.approval = dice.chance(10).then(|| Approval { from: "write".to_owned(), not_author: false });
        let condition = ["always()", "failure()", "success()", "pr.number==8", "", "", "", "", "", ""][dice.below(10)];
        new.condition = (!condition.is_empty()).then(|| Expr::parse(condition).unwrap());
        if dice.chance(20) {
            let list = match new.needs.first() {
                Some(need) if plan.parallel != OnFailure::FailFast => format!("steps.s{need}.outputs.items"),
                _ => "fromJSON('[1,2]')".to_owned(),
            };
            new.for_each = Some(Expr::parse(&list).unwrap());
            if dice.chance(25) {
                new.condition = Some(Expr::parse("item == 1").unwrap());
            }
            if dice.chance(25) {
                let one =
                    |os: &str| Combination { title: os.to_owned(), values: [("os".to_owned(), os.into())].into() };
                (new.for_each, new.condition) = (None, None);
                new.matrix = ["a", "b"].map(one).into();
            }
            new.fail_fast = dice.chance(40);
            new.max_parallel = dice.chance(40).then(|| 1 + dice.below(2) as u32);
        }
        plan.steps.push(new);
    }
    for ix in 0..plan.steps.len() {
        if dice.chance(8) {
            let mut undo = step(&format!("s{ix}.rollback"));
            (undo.rollback_of, undo.needs) = (Some(ix as u32), vec![ix as u32]);
            plan.steps.push(undo);
        }
    }
    finish(plan)
}

/// SplitMix64: the same seed is the same life everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        super::retry::spread(self.0, 0)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    fn hold(&mut self) -> HoldKind {
        [HoldKind::Pause, HoldKind::Trust, HoldKind::Budget, HoldKind::Recovery, HoldKind::Approval][self.below(5)]
    }

    fn again(&mut self, world: &World) -> Again {
        let steps = &world.state.steps;
        let one = self.below(steps.len());
        let two = self.below(steps.len());
        match self.below(6) {
            0 => Again::All,
            1 => Again::From(steps[one].key.clone()),
            2 => Again::Steps(vec![steps[one].key.clone(), steps[two].key.clone()]),
            3 => Again::Steps(vec![steps[one].key.clone()]),
            _ => Again::Failed,
        }
    }

    fn result(&mut self) -> AttemptResult {
        let outputs = match self.below(6) {
            0 => None,
            1 => Some(r#"{"items":[]}"#.to_owned()),
            2 => Some(r#"{"items":[1,2,3,4]}"#.to_owned()),
            _ => Some(r#"{"items":[1,2]}"#.to_owned()),
        };
        let done = |verdict| AttemptResult::Done { verdict, outputs, message: None };
        match self.below(20) {
            0..9 => done(Verdict::Success),
            9 => done(Verdict::Neutral),
            10..13 => done(Verdict::Failure),
            13 => AttemptResult::Declined { message: "no".to_owned() },
            14 => AttemptResult::Fenced,
            15 => AttemptResult::Stopped,
            _ => {
                let class = CLASSES[self.below(CLASSES.len())];
                let retry_after_ms = self.chance(20).then(|| self.next() % 60_000);
                AttemptResult::Failed { class, message: "oh".to_owned(), retry_after_ms }
            }
        }
    }
}
