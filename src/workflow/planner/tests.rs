use super::*;
use crate::ids::WorkflowId;
use crate::workflow::defaults::Operator;
use crate::workflow::parse;

/// `a: , b: a 10, c: a b` — needs, then the timeout in seconds (1 without).
fn file(text: &str) -> String {
    let mut yaml = String::from("defaults: { agent: x }\nsteps:\n");
    for step in text.split(',') {
        let (id, rest) = step.trim().split_once(':').unwrap();
        let words: Vec<_> = rest.split_whitespace().collect();
        let (needs, seconds) = match words.split_last() {
            Some((last, needs)) if last.parse::<u64>().is_ok() => (needs, *last),
            _ => (words.as_slice(), "1"),
        };
        yaml += &format!("  - {{ id: {id}, timeout: {seconds}s, needs: [{}] }}\n", needs.join(", "));
    }
    yaml
}

fn id() -> WorkflowId {
    "w".parse().unwrap()
}

fn plan(text: &str) -> Result<Plan, Vec<String>> {
    let workflow = parse(&id(), &file(text), &Operator::default());
    workflow.map(|w| w.plan).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[track_caller]
fn wrong(text: &str, expected: &str) {
    assert_eq!(plan(text).expect_err("is wrong").join("\n"), expected);
}

#[test]
fn needs_become_numbers_and_dependants_mirror_them() {
    let plan = plan("a:, d: c b a b, b: a, c: a").unwrap();
    let seen: Vec<_> = plan.steps.iter().map(|step| (step.needs.clone(), step.dependants.clone())).collect();
    assert_eq!(seen, [(vec![], vec![1, 2, 3]), (vec![0, 2, 3], vec![]), (vec![0], vec![1]), (vec![0], vec![1]),]);
}

#[test]
fn circles_are_named() {
    wrong("a: b, b: a", "3:35 circle: Circular dependency detected: a -> b -> a (take one of these needs away)");
    wrong("a:, b: b", "4:35 circle: Circular dependency detected: b -> b (take one of these needs away)");
    wrong(
        "s: a, a: b, b: c, c: a, x: y, y: x",
        "4:35 circle: Circular dependency detected: a -> b -> c -> a (take one of these needs away)\n\
         7:35 circle: Circular dependency detected: x -> y -> x (take one of these needs away)",
    );
    let long: Vec<_> = (0..100).map(|i| format!("s{i}: s{}", (i + 1) % 100)).collect();
    let problem = plan(&long.join(", ")).unwrap_err().remove(0);
    assert!(problem.contains("s11 -> (88 more) -> s0 ("), "{problem}");
}

#[test]
fn names_that_do_not_exist_are_told() {
    wrong("build:, b: biuld", "4:35 unknown-need: b needs biuld, but there is no such step (did you mean build?)");
    wrong("build:, b: Build", "4:35 unknown-need: b needs Build, but there is no such step (did you mean build?)");
    wrong("a:, A:", "4:5 duplicate-id: there is already a step A, on line 3 (give one of them another id)");
}

#[test]
fn paths_are_the_longest_chains_of_timeouts() {
    let plan = plan("a: 5, b: a 10, c: a 20, d: b c 1").unwrap();
    let paths: Vec<_> = plan.steps.iter().map(|step| step.path.as_secs()).collect();
    assert_eq!((paths, plan.critical_path), (vec![26, 11, 21, 1], vec![0, 2, 3]));
}

/// Whoever waits for a rollback waits, where nothing fails, for what it would undo.
#[test]
fn rollbacks_are_on_no_path() {
    let steps = "
defaults: { agent: x, timeout: 1s }
steps:
  - { id: a, timeout: 5s, rollback: { timeout: 60s } }
  - { id: b, needs: [a.rollback], timeout: 2s }
";
    let plan = parse(&id(), steps, &Operator::default()).unwrap().plan;
    let seen: Vec<_> = plan.steps.iter().map(|step| format!("{} {}", step.key, step.path.as_secs())).collect();
    assert_eq!(seen, ["a 7", "a.rollback 60", "b 2"]);
    assert_eq!(plan.critical_path, [0, 2]);
    assert_eq!(plan.steps[0].dependants, [1]);
}

/// Ten thousand steps with names, as no file could bring them.
#[test]
fn ten_thousand_steps_plan() {
    const STEPS: usize = 10_000;
    let keys: Vec<String> = (0..STEPS).map(|i| format!("step_{i}")).collect();
    let wanted: Vec<Vec<(String, Place)>> = (0..STEPS)
        .map(|i| keys[i.saturating_sub(64)..i].iter().map(|key| (key.clone(), Place::START)).collect())
        .collect();
    let wanted: Vec<Needs<'_>> =
        keys.iter().zip(&wanted).map(|(key, names)| Needs { key, place: Place::START, names }).collect();
    let mut problems = Problems::default();
    let needs = resolve(&wanted, &mut problems);
    assert_eq!(needs[STEPS - 1].len(), 64);
    assert!(!problems.has_errors());
    let template = plan("a:").unwrap().steps.remove(0);
    let mut steps: Vec<Step> = needs.into_iter().map(|needs| Step { needs, ..template.clone() }).collect();
    assert_eq!(link(&mut steps).len(), STEPS);
    assert_eq!(steps[0].path.as_secs(), STEPS as u64);
}
