use super::*;
use crate::workflow::defaults::Operator;
use crate::workflow::parse;

/// `a: | b: a 10 | c: a b` — needs, then the timeout in seconds (1 without), then fields of the step in brackets; before
/// a `;` fields of the file.
fn plan(text: &str) -> Plan {
    let (head, steps) = text.split_once(';').unwrap_or(("", text));
    let mut yaml = format!("defaults: {{ agent: x }}\n{}\nsteps:\n", head.trim());
    for step in steps.split('|') {
        let (id, rest) = step.trim().split_once(':').unwrap();
        let (rest, fields) = rest.split_once('[').unwrap_or((rest, ""));
        let words: Vec<_> = rest.split_whitespace().collect();
        let (needs, seconds) = match words.split_last() {
            Some((last, needs)) if last.parse::<u64>().is_ok() => (needs, *last),
            _ => (words.as_slice(), "1"),
        };
        let fields = fields.trim_end_matches(']');
        let comma = if fields.is_empty() { "" } else { ", " };
        yaml += &format!("  - {{ id: {id}, timeout: {seconds}s, needs: [{}]{comma}{fields} }}\n", needs.join(", "));
    }
    let workflow = parse(&"w".parse().unwrap(), &yaml, &Operator::default());
    workflow.unwrap_or_else(|problems| panic!("{problems:#?} in {yaml}")).plan
}

fn names(plan: &Plan, steps: &[PlanIx]) -> String {
    steps.iter().map(|ix| plan.steps[*ix as usize].key.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_critical_path_is_the_longest_chain() {
    let check = |text: &str, path: &str, seconds: u64, saved: u64| {
        let plan = plan(text);
        let forecast = plan.forecast(&BTreeMap::new());
        assert_eq!(names(&plan, &forecast.critical_path), path, "{text}");
        assert_eq!(forecast.critical_path, plan.critical_path);
        assert_eq!((forecast.longest.as_secs(), forecast.saved().as_secs()), (seconds, saved), "{text}");
    };
    check("a:", "a", 1, 0);
    check("a: 5 | b: a 10 | c: a 20 | d: b c 1", "a c d", 26, 10);
    check("a: 5 | b: 30", "b", 30, 5);
    // Equally long: the first declared.
    check("a: | b: a | c: a", "a b", 2, 1);
}

#[test]
fn what_steps_took_before_counts_in_place_of_their_timeouts() {
    let plan = plan("a: 5 | b: a 10 | c: a 20 | d: b c 1");
    let medians = BTreeMap::from([("c".parse().unwrap(), Duration::from_secs(2))]);
    let forecast = plan.forecast(&medians);
    assert_eq!((names(&plan, &forecast.critical_path).as_str(), forecast.longest.as_secs()), ("a b d", 16));
    assert_eq!(names(&plan, &plan.critical_path), "a c d", "what a run starts first does not change with the weather");
}

#[test]
fn slack_is_how_late_a_step_may_be() {
    let plan = plan("a: 5 | b: a 10 | c: a 20 | d: b c 1 | e: 3");
    let forecast = plan.forecast(&BTreeMap::new());
    let told = |timing: Timing| {
        format!("{}+{} slack {}", timing.earliest.as_secs(), timing.takes.as_secs(), timing.slack.as_secs())
    };
    let told: Vec<_> = forecast.timings.iter().map(|timing| told(timing.unwrap())).collect();
    assert_eq!(told, ["0+5 slack 0", "5+10 slack 10", "5+20 slack 0", "25+1 slack 0", "0+3 slack 23"]);
}

#[test]
fn waves_say_what_they_save_and_want() {
    let plan = plan(
        "d: b c | a: [resources: { memory: 1GB, cpu: 2 }] | b: a 5 [resources: { memory: 2GB, disk: 1GB }] \
         | c: a 7 [resources: { memory: 1GB, cpu: 0.5 }] | e:",
    );
    let told = plan.forecast(&BTreeMap::new()).waves.into_iter().map(|wave| {
        let Resources { memory_bytes, cpu_millis, disk_bytes } = wave.wants;
        let (memory, disk) = (memory_bytes >> 30, disk_bytes >> 30);
        format!("{} saves {} wants {memory}/{cpu_millis}/{disk}", names(&plan, &wave.steps), wave.saves.as_secs())
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        ["a e saves 1 wants 1/2000/0", "b c saves 5 wants 3/500/1", "d saves 0 wants 0/0/0"]
    );
}

#[test]
fn limits_make_a_run_longer() {
    let check = |text: &str, seconds: u64| {
        let forecast = plan(text).forecast(&BTreeMap::new());
        assert_eq!(forecast.within_limits.as_secs(), seconds, "{text}");
    };
    check("a: 3 | b: 4 | c: 5", 5);
    check("resource_limits: { max_concurrent_steps: 1 }; a: 3 | b: 4 | c: 5", 12);
    // The longest first: 5 beside 4, then 3 behind 4.
    check("resource_limits: { max_concurrent_steps: 2 }; a: 3 | b: 4 | c: 5", 7);
    check("a: 3 [exclusion_group: g] | b: 4 [exclusion_group: g] | c: 5", 7);
    // One that runs alone stops those behind it, too.
    check("a: 3 | b: 4 [parallel: false] | c: 5", 12);
    check("a: 6 | b: 4 [parallel: false] | c: 5", 10);
    check(
        "resource_limits: { memory_limit: 2GB }; a: 3 [resources: { memory: 2GB }] | b: 4 [resources: { memory: 1GB }]",
        7,
    );
    check("a: 3 [rollback: { timeout: 60s }] | b: a 4", 7);
}

#[test]
fn bottlenecks() {
    let check = |text: &str, expected: &[(PlanIx, Weight)]| {
        let found: Vec<_> = plan(text).forecast(&BTreeMap::new()).bottlenecks;
        assert_eq!(found.iter().map(|b| (b.step, b.weight)).collect::<Vec<_>>(), expected, "{text}");
    };
    check("a: 300 | b: a | c: a", &[]);
    check("a: | b: a | c: a | d: a", &[(0, Weight::Medium)]);
    check("a: | b: a | c: a | d: a | e: a | f: a | g: a", &[(0, Weight::High)]);
    check("a: 301 | b: 601 | c: 600", &[(0, Weight::Medium), (1, Weight::High), (2, Weight::Medium)]);
}

/// Whatever the plan: within its limits a run is never faster than its critical path, and never slower than one step
/// after the other.
#[test]
fn a_thousand_steps_within_limits() {
    let mut plan = plan("a: 3");
    let template = plan.steps.remove(0);
    plan.steps = (0..1_000_u32)
        .map(|ix| Step {
            needs: (ix.saturating_sub(9)..ix).step_by(7).collect(),
            timeout: Duration::from_secs(u64::from(ix * 7 % 11 + 1)),
            parallel: ix % 13 != 0,
            exclusion_group: (ix % 3 == 0).then(|| "g".to_owned()),
            ..template.clone()
        })
        .collect();
    plan.critical_path = planner::link(&mut plan.steps);
    let forecast = plan.forecast(&BTreeMap::new());
    assert!(forecast.longest <= forecast.within_limits && forecast.within_limits <= forecast.one_by_one);
    assert!(forecast.critical_path.iter().all(|ix| forecast.timings[*ix as usize].unwrap().slack.is_zero()));
}
