//! People: they open pull requests, push to them, and comment, while everything falls apart.

use std::time::Duration;

use pointsman::playground::State;
use tokio_util::sync::CancellationToken;

use super::size::Dice;
use super::world::{REPO, World};

/// What is said on a pull request, and how often of a hundred.
const SAID: [(&str, u64); 5] = [("/retry", 30), ("/pause", 20), ("/resume", 25), ("/cancel", 15), ("/status", 10)];
/// Only the youngest pull requests see anything new.
const YOUNG: usize = 6;

/// Goes on until it is told to stop.
pub async fn people(world: &World, stop: &CancellationToken) {
    let mut dice = Dice::new(world.size.seed, "people");
    while stop.run_until_cancelled(tokio::time::sleep(dice.millis(200, 900))).await.is_some() {
        let pulls = world.notes.pulls.lock().unwrap().clone();
        let young = &pulls[pulls.len().saturating_sub(YOUNG)..];
        let open = pulls.iter().filter(|number| !world.github.read(|state| concluded(state, **number))).count();
        let roll = dice.next() % 100;
        if young.is_empty() || (roll < 70 && open < world.size.at_once && pulls.len() < world.size.pulls) {
            opens(world, pulls.len()).await;
        } else if (70..76).contains(&roll) {
            let number = young[dice.below(young.len())];
            let branch = world.github.read(|state| branch(state, number));
            let text = format!("{}", dice.next());
            world.github.person("bob").push(REPO, &branch, &[("a.txt", &text)], "More").await.unwrap();
            world.notes.count("pushes", 1);
        } else {
            says(world, young[dice.below(young.len())], verb(&mut dice)).await;
        }
    }
}

async fn opens(world: &World, number: usize) {
    let bob = world.github.person("bob");
    let branch = format!("change-{number}");
    let number = bob.open_pull_request(REPO, &branch, "A change", &[("a.txt", &branch)]).await.unwrap();
    world.notes.pulls.lock().unwrap().push(number);
}

/// ann, who may, comments.
pub async fn says(world: &World, number: u64, verb: &'static str) {
    world.github.person("ann").comment(number, verb).await.unwrap();
    world.notes.said.lock().unwrap().push((number, verb));
}

fn verb(dice: &mut Dice) -> &'static str {
    let mut roll = dice.next() % 100;
    let found = SAID.iter().find(|(_, share)| {
        let here = roll < *share;
        roll = roll.saturating_sub(*share);
        here
    });
    found.unwrap().0
}

fn branch(state: &State, number: u64) -> String {
    state.pull_requests().into_iter().find(|pull| pull.number == number).unwrap().branch
}

/// Whether the workflow's check says how it ended.
pub fn concluded(state: &State, number: u64) -> bool {
    let sha = state.head_of(number).to_owned();
    state.check(&sha, "ci").is_some_and(|check| check.conclusion.is_some())
}

/// The last requests are read before the playground forgets them; and who grows is seen.
pub async fn housekeeping(world: &World, stop: &CancellationToken) {
    let mut beats = tokio::time::interval(Duration::from_secs(1));
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(beats.tick()).await.is_some() {
        world.hub.read(&world.github);
        for replica in &world.replicas {
            replica.weigh().await;
        }
    }
}
