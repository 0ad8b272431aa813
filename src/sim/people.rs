//! What comes from outside: pull requests, commands, kills, frozen processes, a database that goes away; and, when the
//! storm is over, somebody who lets everything come to an end.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::replica::Said;
use super::world::{STORM, Who, World};
use crate::engine::Event;
use crate::engine::event::Again;
use crate::engine::state::{Birth, Definition, GateKey, GateKind, Hold, HoldKind, OperatorLimits, RunPhase, Trigger};
use crate::engine::step::{StepPhase, WaitFor};
use crate::ids::{InstallationId, Login, RepoId, RunId};
use crate::loops::runs::Act;
use crate::store::{Claim, Consumed, PlanHash};
use crate::workflow::defaults::Operator;
use crate::workflow::parse::parse;
use crate::workflow::plan::Plan;

/// What repositories declare.
const WORKFLOWS: [&str; 3] = [
    "steps:
  - { id: build, run: make, retries: 1 }
  - { id: unit, agent: goose, needs: [build] }
  - { id: lint, run: make lint, needs: [build], critical: false }
  - { id: review, agent: claude-code, fallback_agents: [goose], needs: [unit, lint], timeout: 2m }
",
    "steps:
  - { id: a, agent: goose, timeout: 1m, retries: 2 }
  - { id: b, agent: goose, timeout: 1m }
  - { id: c, agent: claude-code, exclusion_group: one }
  - { id: d, run: make, exclusion_group: one }
  - { id: e, run: make, needs: [a, b, c, d], if: always() }
",
    "timeout: 10m
error_handling: { parallel: fail_fast }
steps:
  - { id: one, run: make, retries: 0 }
  - { id: two, run: make, needs: [one], approval: true }
  - { id: three, agent: claude-code, needs: [two], retries: 1 }
",
];
/// Pull requests.
const PULLS: usize = 3;
/// What happens to them.
const PUSHES: usize = 24;
const COMMANDS: usize = 24;
/// Whoever waits for a person waits so long at most once the storm is over.
const CARETAKER: Duration = Duration::from_secs(7);

/// What somebody wants, as acts on the runs that there are then; its name acts once.
type Wish = Rc<dyn Fn(&mut World) -> Vec<Act>>;

impl World {
    /// Plans what people do.
    pub(super) fn people(&mut self) {
        let plans: Vec<Arc<Plan>> = match WORKFLOWS.iter().map(|text| plan(text)).collect() {
            Ok(plans) => plans,
            Err(why) => return self.laws.blame(|| why),
        };
        for number in 0..PUSHES {
            let at = self.dice.between(Duration::ZERO, STORM * 3 / 4);
            let (pull, kind) = (self.dice.below(PULLS), self.dice.below(plans.len()));
            let Some(plan) = plans.get(kind).cloned() else { return };
            let sure = self.dice.chance(700);
            let wish = move |world: &mut Self| world.birth(pull, kind, sure, &plan);
            self.wishes(at, format!("push-{number}"), Rc::new(wish));
        }
        for number in 0..COMMANDS {
            let at = self.dice.between(Duration::from_secs(1), STORM);
            let (pull, what) = (self.dice.below(PULLS), self.dice.below(12));
            let Ok(by) = format!("person-{number}").parse::<Login>() else { return };
            self.wishes(at, format!("command-{number}"), Rc::new(move |world| world.command(pull, what, &by)));
        }
        self.after(None, STORM, Self::cares);
    }

    /// A delivery: to one replica or several, again and again until it is done.
    fn wishes(&mut self, at: Duration, name: String, wish: Wish) {
        let copies = 1 + self.dice.below(3);
        for _ in 0..copies {
            let (name, wish) = (name.clone(), wish.clone());
            let late = self.dice.between(Duration::ZERO, Duration::from_millis(20));
            self.after(None, at + late, move |world| world.delivers(name, wish));
        }
    }

    fn delivers(&mut self, name: String, wish: Wish) {
        let key = (InstallationId(1), name.clone());
        let replica = self.dice.below(self.replicas.len());
        let who = Who { replica, life: self.replicas[replica].life };
        // Whoever dies on the way has not said that it is done, so it comes again.
        let (again, wait) = ((name.clone(), wish.clone()), self.dice.between(Duration::from_secs(1), CARETAKER));
        self.after(None, wait, move |world| {
            if !world.db.keys.contains(&(InstallationId(1), again.0.clone())) {
                world.delivers(again.0, again.1);
            }
        });
        self.soon(Some(who), move |world| {
            if !world.reads() || world.db.keys.contains(&key) {
                return;
            }
            let acts = wish(world);
            let at = world.clock(who);
            let consumed = vec![Consumed::Key { installation: key.0, name: key.1, at }];
            world.commit(who, acts, consumed, move |world, said| {
                if let Said::Lost(claims) = said {
                    let done = claims.iter().any(|claim| matches!(claim, Claim::Key(..)));
                    world.tell(|| format!("{name} lost{}", if done { ": it was done before" } else { "" }));
                }
            });
        });
    }

    fn birth(&mut self, pull: usize, kind: usize, is_pull: bool, plan: &Arc<Plan>) -> Vec<Act> {
        let run = RunId { installation: InstallationId(1), uuid: uuid::Uuid::from_bytes(self.dice.bytes()) };
        let names = ("octo/repo".parse(), format!("{:040x}", self.dice.next()).parse());
        let (Ok(repository_name), Ok(sha)) = names else { return Vec::new() };
        let trigger = match is_pull {
            true => Trigger::PullRequest(pull as u64),
            false => Trigger::Push("refs/heads/main".to_owned()),
        };
        let group = format!("group:1:{kind}:{pull}:{is_pull}");
        let held = self.dice.chance(100);
        let birth = Birth {
            repository: RepoId(1),
            repository_name,
            sha,
            trigger,
            source_time: self.now,
            definition: Definition { sha: None, path: "builtin:ci".to_owned(), blob: String::new() },
            gates: vec![(GateKind::Group, GateKey(group)), (GateKind::Limit, GateKey("service:runs".to_owned()))],
            holds: held.then(|| self.hold(HoldKind::Trust, None)).into_iter().collect(),
            limits: OperatorLimits::default(),
            scope: "{}".to_owned(),
        };
        // Plans are stored before their runs.
        self.db.plans.insert(run, plan.clone());
        let mut act = Act::new(run, Event::Created(Box::new(birth)));
        act.birth = Some((plan.clone(), PlanHash([0; 32])));
        vec![act]
    }

    fn hold(&self, kind: HoldKind, by: Option<Login>) -> Hold {
        Hold { kind, by, why: String::new(), since: self.now }
    }

    fn command(&mut self, pull: usize, what: usize, by: &Login) -> Vec<Act> {
        let by = Some(by.clone());
        let event = |world: &Self| match what {
            0..=2 => Event::Held(world.hold(HoldKind::Pause, by.clone())),
            3..=5 => Event::Released { kind: HoldKind::Pause, by: by.clone() },
            6 => Event::Released { kind: HoldKind::Trust, by: by.clone() },
            7 => Event::CancelRequested { by: by.clone(), why: String::new() },
            8 => Event::RetryRequested { what: Again::All, by: by.clone() },
            _ => Event::RetryRequested { what: Again::Failed, by: by.clone() },
        };
        let of_pull = |id: &&RunId| {
            let birth = self.laws.truth.get(id).and_then(|state| state.birth.as_ref());
            birth.is_some_and(|birth| birth.trigger == Trigger::PullRequest(pull as u64))
        };
        let runs: Vec<RunId> = self.laws.truth.keys().filter(of_pull).copied().collect();
        runs.into_iter().map(|run| Act::new(run, event(self))).collect()
    }

    /// Plans what befalls the machines.
    pub(super) fn weather(&mut self) {
        let kills = self.dice.below(7);
        for _ in 0..kills {
            let at = self.dice.between(Duration::ZERO, STORM);
            self.after(None, at, Self::kills);
        }
        for _ in 0..self.dice.below(4) {
            let at = self.dice.between(Duration::ZERO, STORM);
            self.after(None, at, Self::freezes);
        }
        for _ in 0..self.dice.below(3) {
            let at = self.dice.between(Duration::ZERO, STORM);
            self.after(None, at, |world| {
                world.down_until = world.now.plus(world.dice.between(Duration::from_secs(1), Duration::from_secs(40)));
                world.tell(|| "the database is gone".to_owned());
            });
        }
        let at = self.dice.between(Duration::from_secs(1), Duration::from_secs(5));
        self.after(None, at, Self::time_passes);
    }

    /// Transactions without a connection end one day.
    fn time_passes(&mut self) {
        self.ends_lingering(None);
        let wait = self.dice.between(Duration::from_secs(1), Duration::from_secs(20));
        self.after(None, wait, Self::time_passes);
    }

    fn kills(&mut self) {
        let replica = self.dice.below(self.replicas.len());
        if !self.replicas[replica].up {
            return;
        }
        self.replicas[replica].up = false;
        self.figures.kills += 1;
        self.tell(|| format!("replica {replica} is killed"));
        let wait = self.dice.between(Duration::from_millis(100), Duration::from_secs(60));
        self.after(None, wait, move |world| world.start(replica));
    }

    fn freezes(&mut self) {
        let replica = self.dice.below(self.replicas.len());
        let until = self.now.plus(self.dice.between(Duration::from_secs(1), Duration::from_secs(120)));
        // One who sleeps already wakes no earlier: what it had begun would go on without it otherwise.
        let asleep = &mut self.replicas[replica].frozen_until;
        *asleep = until.max(*asleep);
        self.figures.freezes += 1;
        self.tell(|| format!("replica {replica} is frozen until {}", until.rfc3339()));
    }

    /// The storm is over: somebody lifts what is held and approves what waits.
    fn cares(&mut self) {
        self.faults_per_mille = 0;
        let mut acts = Vec::new();
        for (run, state) in self.laws.truth.iter().filter(|(_, state)| !matches!(state.phase, RunPhase::Ended(_))) {
            let held = state.holds.keys().find(|kind| matches!(kind, HoldKind::Pause | HoldKind::Trust));
            let waits = state.steps.iter().find(|step| step.phase == StepPhase::Waiting(WaitFor::Approval));
            let by = format!("carer-{}", self.now.0).parse::<Login>();
            match (held, waits, by) {
                (Some(kind), _, Ok(by)) => acts.push(Act::new(*run, Event::Released { kind: *kind, by: Some(by) })),
                (None, Some(step), Ok(by)) => {
                    acts.push(Act::new(*run, Event::Approved { step: step.key.clone(), by }));
                }
                _ => {}
            }
        }
        if let Some(replica) = self.replicas.iter().position(|replica| replica.up)
            && !acts.is_empty()
        {
            let who = Who { replica, life: self.replicas[replica].life };
            acts.into_iter().for_each(|act| self.commit(who, vec![act], Vec::new(), |_, _| {}));
        }
        self.after(None, CARETAKER, Self::cares);
    }
}

fn plan(text: &str) -> Result<Arc<Plan>, String> {
    let id = "ci".parse().map_err(|error| format!("{error}"))?;
    let workflow = parse(&id, text, &Operator::default()).map_err(|problems| format!("{problems:?}"))?;
    Ok(Arc::new(workflow.plan))
}
