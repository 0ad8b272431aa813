//! What one event costs in runs of 10, 1,000 and 10,000 steps: decided, encoded, shown; then with the commit.

#[path = "bench/mod.rs"]
mod bench;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bench::database;
use bench::room::{Room, birth, ended, plan};
use bench::table::{Table, ratio, say, us};
use pointsman::engine::{Ctx, Effect, Event, RunState, RunView, apply, encode};
use pointsman::ids::{AttemptId, InstallationId, RunId, random_bytes};
use pointsman::report::{Notes, dirty, run_check};
use pointsman::time::Clock;
use pointsman::workflow::plan::{Plan, Step};

const SIZES: [usize; 3] = [10, 1_000, 10_000];
/// Steps side by side; each result frees one step.
const WIDTH: usize = 5;
/// So many events at least are measured of each size.
const EVENTS_MIN: usize = 20_000;

fn main() -> anyhow::Result<()> {
    bench::main(false, run)
}

/// Five chains of steps. It is made from one step's plan: no file may be as long as the longest.
fn chains(steps: usize) -> anyhow::Result<Plan> {
    let mut plan = plan("steps: [{ id: s0, run: 'true' }]")?;
    let only = plan.steps.pop().context("no step")?;
    for step in 0..steps {
        let near = |at: Option<usize>| at.filter(|at| *at < steps).and_then(|at| u32::try_from(at).ok());
        plan.steps.push(Step {
            key: format!("s{step}").parse()?,
            needs: near(step.checked_sub(WIDTH)).into_iter().collect(),
            dependants: near(step.checked_add(WIDTH)).into_iter().collect(),
            ..only.clone()
        });
    }
    Ok(plan)
}

/// What was spent on all events of some runs.
#[derive(Default)]
struct Spent {
    events: u32,
    engine: Duration,
    shown: Duration,
}

/// A whole run, without any database.
fn pure(plan: &Arc<Plan>, spent: &mut Spent) -> anyhow::Result<()> {
    let clock = Clock::machine();
    let run = RunId { installation: InstallationId(7), uuid: uuid::Uuid::from_bytes(random_bytes()) };
    let mut state = RunState::unborn(run, plan.clone());
    let eager = BTreeSet::from(["shell".parse()?]);
    let birth = pointsman::engine::state::Birth { gates: Vec::new(), ..birth(&clock)? };
    let notes = Notes::default();
    let mut started: VecDeque<AttemptId> = VecDeque::new();
    let mut event = Event::Created(Box::new(birth));
    loop {
        let ctx = Ctx { at: clock.now(), jitter: 0, eager: &eager };
        let begun = bench::now();
        let transition = apply(&mut state, &event, &ctx).context("refused")?;
        let row = encode::row(&encode::Row { event: event.clone(), changes: transition.changes.clone() });
        let decided = bench::now();
        let view = RunView::new(&state, ctx.at);
        let names = dirty(&state, &transition.changes).now;
        let checks = names.iter().filter_map(|name| run_check(&view, name, None, &notes)).count();
        let shown = bench::now();
        std::hint::black_box((row, checks));
        // The birth of a run touches every step, by its nature; it is no event of the kind that is compared here.
        if !matches!(event, Event::Created(_)) {
            spent.events += 1;
            spent.engine += decided - begun;
            spent.shown += shown - decided;
        }
        for effect in &transition.effects {
            if let Effect::Dispatch { step, number, .. } = effect {
                started.extend(state.steps.get(*step as usize).map(|step| state.attempt_id(step, *number)));
            }
        }
        let Some(next) = started.pop_front() else { break };
        event = ended(&next);
    }
    ensure!(state.steps.iter().all(|step| step.outcome().is_some()), "a step has not ended");
    Ok(())
}

async fn run() -> anyhow::Result<()> {
    let title = "An event (the end of an attempt that frees a step), by the size of its run";
    let mut table = Table::new(
        title,
        &["steps", "engine and encoding", "checks it shows", "with journal and commit", "÷ 10 steps"],
    );
    let mut small = None;
    for steps in SIZES {
        say(format!("{steps} steps"));
        let plan = chains(steps)?;
        let shared = Arc::new(plan.clone());
        let mut spent = Spent::default();
        while (spent.events as usize) < EVENTS_MIN {
            pure(&shared, &mut spent)?;
        }
        let room = Room::open(&database::fresh("bench_cost").await?, plan, None).await?;
        let (mut events, begun) = (0_u32, bench::now());
        while events < 2_000 {
            room.run().await?;
            events += u32::try_from(steps)?;
        }
        let whole = begun.elapsed() / events;
        let engine = spent.engine / spent.events;
        let of_small = *small.get_or_insert(engine);
        table.row([
            steps.to_string(),
            us(engine),
            us(spent.shown / spent.events),
            us(whole),
            ratio(engine.as_secs_f64(), of_small.as_secs_f64()),
        ]);
    }
    table.print()
}
