use proptest::prelude::*;

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

fn names(plan: &Plan, steps: &[PlanIx]) -> String {
    steps.iter().map(|ix| plan.steps[*ix as usize].key.as_str()).collect::<Vec<_>>().join(" ")
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
fn the_critical_path_is_the_longest_chain_of_timeouts() {
    let check = |text: &str, path: &str, seconds: u64, saved: u64| {
        let plan = plan(text).unwrap();
        assert_eq!(names(&plan, &plan.critical_path), path);
        assert_eq!((plan.longest().as_secs(), plan.saved().as_secs()), (seconds, saved), "{text}");
    };
    check("a:", "a", 1, 0);
    check("a: 5, b: a 10, c: a 20, d: b c 1", "a c d", 26, 10);
    check("a: 5, b: 30", "b", 30, 5);
    // Equally long: the first declared.
    check("a: , b: a, c: a", "a b", 2, 1);
    let plan = plan("a: 5, b: a 10, c: a 20, d: b c 1").unwrap();
    let paths: Vec<_> = plan.steps.iter().map(|step| step.path.as_secs()).collect();
    assert_eq!(paths, [26, 11, 21, 1]);
}

#[test]
fn waves() {
    let plan = plan("d: b c, a:, b: a, c: a, e:").unwrap();
    let waves: Vec<_> = plan.waves().iter().map(|wave| names(&plan, wave)).collect();
    assert_eq!(waves, ["a e", "b c", "d"]);
}

#[test]
fn bottlenecks() {
    let check = |text: &str, expected: &[(PlanIx, Weight)]| {
        let found: Vec<_> = plan(text).unwrap().bottlenecks().iter().map(|b| (b.step, b.weight)).collect();
        assert_eq!(found, expected, "{text}");
    };
    check("a: 300, b: a, c: a", &[]);
    check("a:, b: a, c: a, d: a", &[(0, Weight::Medium)]);
    check("a:, b: a, c: a, d: a, e: a, f: a, g: a", &[(0, Weight::High)]);
    check("a: 301, b: 601, c: 600", &[(0, Weight::Medium), (1, Weight::High), (2, Weight::Medium)]);
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
    wrong("a:, A:", "4:5 duplicate-id: there is already a step A, on line 3");
}

fn chain(steps: usize, needs: impl Fn(usize) -> Vec<usize>) -> Vec<Vec<PlanIx>> {
    (0..steps).map(|i| needs(i).into_iter().map(number).collect()).collect()
}

/// Ten thousand steps, in shapes that would be slow or deep for a careless walk.
#[test]
fn ten_thousand_steps_plan() {
    const STEPS: usize = 10_000;
    let template = plan("a:").unwrap().steps.remove(0);
    let shapes: [Vec<Vec<PlanIx>>; 3] = [
        chain(STEPS, |i| i.checked_sub(1).into_iter().collect()),
        chain(STEPS, |i| (i.saturating_sub(64)..i).collect()),
        chain(STEPS, |i| if i == 0 { vec![] } else { vec![0] }),
    ];
    for needs in shapes {
        assert_eq!(circles(&needs), Vec::<Vec<PlanIx>>::new());
        let mut steps: Vec<Step> =
            needs.iter().map(|needs| Step { needs: needs.clone(), ..template.clone() }).collect();
        let path = link(&mut steps);
        assert_eq!(u64::try_from(path.len()).unwrap(), steps[path[0] as usize].path.as_secs());
        assert_eq!(order(&steps).len(), STEPS);
    }
    let mut circle = chain(STEPS, |i| vec![(i + 1) % STEPS]);
    assert_eq!(circles(&circle)[0].len(), STEPS);
    circle[STEPS - 1].clear();
    assert!(circles(&circle).is_empty());
    // The same through names, as a file would bring them.
    let keys: Vec<String> = (0..STEPS).map(|i| format!("step_{i}")).collect();
    let wanted: Vec<Vec<(String, Place)>> = (0..STEPS)
        .map(|i| keys[i.saturating_sub(64)..i].iter().map(|key| (key.clone(), Place::START)).collect())
        .collect();
    let wanted: Vec<Needs<'_>> =
        keys.iter().zip(&wanted).map(|(key, names)| Needs { key, place: Place::START, names }).collect();
    let mut problems = Problems::default();
    assert_eq!(resolve(&wanted, &mut problems)[STEPS - 1].len(), 64);
    assert!(!problems.has_errors());
}

proptest! {
    /// Any graph: either it has a circle that really is one, or it has an order in which needs come first.
    #[test]
    fn a_graph_has_a_circle_or_an_order(
        needs in prop::collection::vec(prop::collection::btree_set(0_u32..12, 0..3), 12)
    ) {
        let needs: Vec<Vec<PlanIx>> = needs.into_iter().map(|set| set.into_iter().collect()).collect();
        let template = plan("a: 2").unwrap().steps.remove(0);
        let found = circles(&needs);
        for circle in &found {
            for (i, step) in circle.iter().enumerate() {
                let next = circle[(i + 1) % circle.len()];
                prop_assert!(needs[*step as usize].contains(&next), "{:?} in {:?}", circle, needs);
            }
        }
        let mut steps: Vec<Step> =
            needs.iter().map(|needs| Step { needs: needs.clone(), ..template.clone() }).collect();
        if found.is_empty() {
            let path = link(&mut steps);
            let order = order(&steps);
            prop_assert_eq!(order.len(), steps.len());
            for (ix, step) in steps.iter().enumerate() {
                let place = |wanted: usize| order.iter().position(|ix| *ix as usize == wanted).unwrap();
                prop_assert!(step.needs.iter().all(|need| place(*need as usize) < place(ix)));
                let behind = step.dependants.iter().map(|next| steps[*next as usize].path).max().unwrap_or_default();
                prop_assert_eq!(step.path, step.timeout + behind);
            }
            prop_assert_eq!(Some(steps[path[0] as usize].path), steps.iter().map(|step| step.path).max());
        }
    }
}
