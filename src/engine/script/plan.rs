//! Small plans from lines: `run steps 3 fail_fast`, `step test needs build retries 2 agent goose fallback aider`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::workflow::expr::Expr;
use crate::workflow::plan::{
    Action, Approval, Checks, Combination, Join, Kind, Limits, Notifications, OnFailure, Output, OutputKind,
    Permissions, Plan, Resources, Retry, Step, Strategy,
};

/// The plan of these lines. Each step needs only steps above it.
pub(in crate::engine) fn plan(lines: &[&str]) -> Plan {
    let mut plan = empty();
    for line in lines {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("run") => of_run(&mut plan, words),
            Some("step") => of_step(&mut plan, words),
            other => panic!("neither `run` nor `step`: {other:?} in {line:?}"),
        }
    }
    finish(plan)
}

/// A plan without steps.
pub(in crate::engine) fn empty() -> Plan {
    Plan {
        workflow: "ci".parse().unwrap(),
        name: "CI".to_owned(),
        steps: Vec::new(),
        timeout: Duration::from_secs(3_600),
        parallel: OnFailure::FailDependent,
        limits: Limits { steps: 10, resources: Resources::default() },
        concurrency: None,
        max_cost_micros: None,
        notifications: Notifications::default(),
        checks: Checks::default(),
        critical_path: Vec::new(),
        recovery_actions: Vec::new(),
    }
}

/// A step that every default is filled into.
pub(in crate::engine) fn step(key: &str) -> Step {
    Step {
        key: key.parse().unwrap(),
        name: key.to_owned(),
        kind: Kind::Other,
        action: Action { run: None, with: Default::default(), env: Default::default(), secrets: Vec::new() },
        agent: "shell".parse().unwrap(),
        fallback_agents: Vec::new(),
        needs: Vec::new(),
        join: Join::All,
        dependants: Vec::new(),
        condition: None,
        timeout: Duration::from_secs(300),
        queue_timeout: None,
        stall_timeout: Duration::from_secs(60),
        retry: Retry {
            strategy: Strategy::RetryWithFallback,
            retries: 0,
            verdicts: false,
            backoff: Duration::from_secs(10),
            factor_percent: 200,
            backoff_max: Duration::from_secs(60),
        },
        critical: true,
        parallel: true,
        exclusion_group: None,
        priority: 0,
        resources: Resources::default(),
        environment: None,
        approval: None,
        for_each: None,
        matrix: Vec::new(),
        fail_fast: false,
        max_parallel: None,
        rollback_of: None,
        outputs: BTreeMap::new(),
        required_context: Vec::new(),
        permissions: Permissions::default(),
        outputs_used: false,
        path: Duration::ZERO,
    }
}

/// Fills in what follows from the needs: dependants and paths.
pub(in crate::engine) fn finish(mut plan: Plan) -> Plan {
    for ix in (0..plan.steps.len()).rev() {
        let behind = plan.steps[ix].dependants.iter().map(|&d| plan.steps[d as usize].path).max();
        plan.steps[ix].path = plan.steps[ix].timeout + behind.unwrap_or_default();
        for need in plan.steps[ix].needs.clone() {
            plan.steps[need as usize].dependants.insert(0, u32::try_from(ix).unwrap());
        }
    }
    plan
}

fn of_run<'a>(plan: &mut Plan, mut words: impl Iterator<Item = &'a str>) {
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} wants a value"));
        match word {
            "timeout" => plan.timeout = duration(value()),
            "steps" => plan.limits.steps = value().parse().unwrap(),
            "memory" => plan.limits.resources.memory_bytes = value().parse().unwrap(),
            "budget" => plan.max_cost_micros = Some(value().parse().unwrap()),
            "continue" => plan.parallel = OnFailure::Continue,
            "fail_dependent" => plan.parallel = OnFailure::FailDependent,
            "fail_fast" => plan.parallel = OnFailure::FailFast,
            "escalates" => plan.notifications.escalation = Some("notify_admin".to_owned()),
            other => panic!("no word of a run: {other}"),
        }
    }
}

fn of_step<'a>(plan: &mut Plan, mut words: impl Iterator<Item = &'a str>) {
    let mut new = step(words.next().expect("a key"));
    let find = |key: &str| {
        let at = plan.steps.iter().position(|step| step.key.as_str() == key);
        u32::try_from(at.unwrap_or_else(|| panic!("no step {key} above"))).unwrap()
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} wants a value"));
        match word {
            "needs" => new.needs = value().split(',').map(find).collect(),
            "any" => new.join = Join::Any,
            "agent" => new.agent = value().parse().unwrap(),
            "fallback" => new.fallback_agents = value().split(',').map(|agent| agent.parse().unwrap()).collect(),
            "retries" => new.retry.retries = value().parse().unwrap(),
            "verdicts" => new.retry.verdicts = true,
            "strategy" => new.retry.strategy = strategy(value()),
            "backoff" => new.retry.backoff = duration(value()),
            "timeout" => new.timeout = duration(value()),
            "queue" => new.queue_timeout = Some(duration(value())),
            "if" => new.condition = Some(Expr::parse(value()).unwrap()),
            "each" => new.for_each = Some(Expr::parse(value()).unwrap()),
            "matrix" => {
                let one =
                    |os: &str| Combination { title: os.to_owned(), values: [("os".to_owned(), os.into())].into() };
                new.matrix = value().split(',').map(one).collect();
            }
            "fail_fast" => new.fail_fast = true,
            "at_once" => new.max_parallel = Some(value().parse().unwrap()),
            "optional" => new.critical = false,
            "alone" => new.parallel = false,
            "group" => new.exclusion_group = Some(value().to_owned()),
            "priority" => new.priority = value().parse().unwrap(),
            "memory" => new.resources.memory_bytes = value().parse().unwrap(),
            "environment" => new.environment = Some(value().to_owned()),
            "approval" => new.approval = Some(Approval { from: "write".to_owned(), not_author: false }),
            "outputs" => new.outputs_used = true,
            "must_give" => {
                new.outputs.insert(value().to_owned(), Output { kind: OutputKind::List, required: true });
            }
            "undoes" => {
                let undone = find(value());
                (new.rollback_of, new.needs) = (Some(undone), vec![undone]);
            }
            other => panic!("no word of a step: {other}"),
        }
    }
    new.needs.sort_unstable();
    plan.steps.push(new);
}

fn strategy(word: &str) -> Strategy {
    match word {
        "retry" => Strategy::Retry,
        "fallback" => Strategy::RetryWithFallback,
        "analysis" => Strategy::RetryWithAnalysis,
        "escalate" => Strategy::ImmediateEscalation,
        other => panic!("no strategy: {other}"),
    }
}

/// `500ms`, `30s`, `10m`, `1h`.
pub(in crate::engine) fn duration(text: &str) -> Duration {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().unwrap_or_else(|_| panic!("no duration: {text}"));
    match &text[digits.len()..] {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number * 60),
        "h" => Duration::from_secs(number * 3_600),
        unit => panic!("no unit of time: {unit:?}"),
    }
}
