//! Everything that a life consists of, and the order in which it happens.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Figures;
use super::agents::Agents;
use super::database::{Database, Written};
use super::dice::Dice;
use super::laws::Laws;
use super::replica::Replica;
use crate::time::Timestamp;

/// Replicas of the service.
const REPLICAS: usize = 3;
/// The longest that a life may take, by its own clock: four minutes of storm, the rest to come to an end.
const LIFE_MAX: Duration = Duration::from_secs(4 * 3_600);
/// After everything has ended: until what the sweepers clean up is gone.
const REST: Duration = Duration::from_secs(120);
/// How long the storm lasts.
pub(super) const STORM: Duration = Duration::from_secs(240);
/// Steps of a life at most: a loop that spins is a violation, too.
const STEPS_MAX: u64 = 2_000_000;

/// What happens next.
pub(super) type Then = Box<dyn FnOnce(&mut World)>;

/// One life of one replica: what it planned dies with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) replica: usize,
    pub(super) life: u32,
}

/// How a call to the database or to an agent goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Fine,
    /// It failed and nothing was done.
    Failed,
    /// It failed and was done all the same.
    FailedDone,
}

pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) dice: Dice,
    pub(super) db: Database,
    pub(super) replicas: Vec<Replica>,
    pub(super) agents: Agents,
    pub(super) laws: Laws,
    pub(super) figures: Figures,
    /// Calls in a thousand that fail.
    pub(super) faults_per_mille: u64,
    /// The database does not answer before.
    pub(super) down_until: Timestamp,
    tell: Option<fn(&str)>,
    born: Timestamp,
    queue: BTreeMap<(Timestamp, u64), (Option<Who>, Then)>,
    planned: u64,
}

impl World {
    pub(super) fn new(seed: u64, tell: Option<fn(&str)>) -> Self {
        let mut dice = Dice::new(seed);
        let born = Timestamp(1_700_000_000_000_000);
        // One call in two hundred, as Temporal does it; sometimes far worse.
        let faults_per_mille = if dice.chance(250) { 50 } else { 5 };
        let replicas = (0..REPLICAS).map(|_| Replica::new(&mut dice)).collect();
        Self {
            now: born,
            dice,
            db: Database::default(),
            replicas,
            agents: Agents::default(),
            laws: Laws::default(),
            figures: Figures::default(),
            faults_per_mille,
            down_until: born,
            tell,
            born,
            queue: BTreeMap::new(),
            planned: 0,
        }
    }

    /// The whole life.
    pub(super) fn live(mut self) -> Result<Figures, String> {
        for replica in 0..self.replicas.len() {
            self.start(replica);
        }
        self.people();
        self.weather();
        let mut rest = None;
        for _ in 0..STEPS_MAX {
            if let Some(broken) = self.laws.broken.take() {
                return Err(broken);
            }
            let over = self.now.since(self.born) > LIFE_MAX;
            if over {
                return Err(format!("not all runs ended: {}", self.laws.unfinished(&self.db)));
            }
            // A late command may open again what had ended.
            let calm = self.storm_is_over() && self.laws.all_ended(&self.db);
            rest = calm.then(|| rest.unwrap_or_else(|| self.now.plus(REST)));
            if rest.is_some_and(|rest| self.now > rest) {
                return self.ending();
            }
            let Some(((at, _), (who, then))) = self.queue.pop_first() else { break };
            self.now = self.now.max(at);
            self.figures.events += 1;
            match who.map(|who| (who, self.replicas[who.replica].frozen_until)) {
                Some((who, _)) if !self.lives(who) => {}
                Some((who, thaws)) if thaws > self.now => self.at(Some(who), thaws, then),
                _ => then(&mut self),
            }
        }
        Err("a loop spins".to_owned())
    }

    fn ending(mut self) -> Result<Figures, String> {
        self.laws.nothing_is_left(&self.db)?;
        self.figures.runs = self.db.runs.len() as u64;
        Ok(self.figures)
    }

    pub(super) fn lives(&self, who: Who) -> bool {
        let replica = &self.replicas[who.replica];
        replica.up && replica.life == who.life
    }

    pub(super) fn storm_is_over(&self) -> bool {
        self.now.since(self.born) >= STORM
    }

    pub(super) fn tell(&self, words: impl FnOnce() -> String) {
        if let Some(tell) = self.tell {
            tell(&format!("{:>9.3} {}", self.now.since(self.born).as_secs_f64(), words()));
        }
    }

    fn at(&mut self, who: Option<Who>, at: Timestamp, then: Then) {
        self.planned += 1;
        self.queue.insert((at, self.planned), (who, then));
    }

    /// Plans something; of a replica it happens only if that lives, and not while it is frozen.
    pub(super) fn after(&mut self, who: Option<Who>, wait: Duration, then: impl FnOnce(&mut Self) + 'static) {
        self.at(who, self.now.plus(wait), Box::new(then));
    }

    /// The same after the time of a call.
    pub(super) fn soon(&mut self, who: Option<Who>, then: impl FnOnce(&mut Self) + 'static) {
        let wait = self.latency();
        self.after(who, wait, then);
    }

    /// How long a call takes: mostly a moment.
    pub(super) fn latency(&mut self) -> Duration {
        let most = if self.dice.chance(20) { 2_000 } else { 10 };
        self.dice.between(Duration::from_micros(200), Duration::from_millis(most))
    }

    /// How a call goes.
    pub(super) fn call(&mut self) -> Call {
        if !self.dice.chance(self.faults_per_mille) {
            return Call::Fine;
        }
        self.figures.faults += 1;
        if self.dice.chance(500) { Call::Failed } else { Call::FailedDone }
    }

    /// How a call to the database goes.
    pub(super) fn query(&mut self) -> Call {
        if self.now < self.down_until { Call::Failed } else { self.call() }
    }

    /// Whether a question to the database is answered.
    pub(super) fn reads(&mut self) -> bool {
        self.query() == Call::Fine
    }

    /// Holds what was written against the laws.
    pub(super) fn witness(&mut self, written: &Written) {
        for (ticket, bundle) in written {
            self.figures.transitions += bundle.transitions.len() as u64;
            for transition in &bundle.transitions {
                self.tell(|| format!("{} {}: {}", transition.run, transition.expect_seq + 1, transition.event.kind));
            }
            self.laws.wrote(&self.db, *ticket, bundle);
        }
        for transition in written.iter().flat_map(|(_, bundle)| &bundle.transitions) {
            self.laws.rows(&self.db, transition.run);
        }
        self.laws.limits(&self.db);
    }
}
