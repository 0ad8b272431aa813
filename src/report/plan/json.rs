//! A plan for programs. Fields are only ever added; `docs/plan.md` describes them.

use serde::Serialize;

use super::{items, kind_name, millis};
use crate::workflow::forecast::{Bottleneck, Forecast, Wave, Weight};
use crate::workflow::plan::{Approval, Plan, PlanIx, Resources, Step};

/// What [`json`] writes. It goes up when a field changes its meaning.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Whole<'a> {
    version: u32,
    workflow: &'a str,
    name: &'a str,
    timeout_ms: u64,
    critical_path: Vec<&'a str>,
    longest_ms: u64,
    within_limits_ms: u64,
    one_by_one_ms: u64,
    limits: Most,
    waves: Vec<WaveOut<'a>>,
    bottlenecks: Vec<BottleneckOut<'a>>,
    steps: Vec<StepOut<'a>>,
}

#[derive(Serialize)]
struct Most {
    steps: u32,
    #[serde(flatten)]
    resources: Resources,
}

#[derive(Serialize)]
struct WaveOut<'a> {
    steps: Vec<&'a str>,
    saves_ms: u64,
    wants: Resources,
}

#[derive(Serialize)]
struct BottleneckOut<'a> {
    step: &'a str,
    severity: &'static str,
    dependants: Option<usize>,
    timeout_ms: Option<u64>,
}

#[derive(Serialize)]
struct StepOut<'a> {
    id: &'a str,
    name: &'a str,
    r#type: &'static str,
    agent: &'a str,
    fallback_agents: Vec<&'a str>,
    needs: Vec<&'a str>,
    rollback_of: Option<&'a str>,
    r#if: Option<&'a str>,
    for_each: Option<&'a str>,
    items: Option<usize>,
    max_parallel: Option<u32>,
    timeout_ms: u64,
    retries: u32,
    critical: bool,
    environment: Option<&'a str>,
    approval: Option<&'a Approval>,
    resources: Resources,
    wave: Option<usize>,
    earliest_ms: Option<u64>,
    slack_ms: Option<u64>,
}

/// The plan and its forecast as JSON, for people to read and for programs to rely on.
///
/// # Errors
/// Never; the type is serde's.
pub fn json(plan: &Plan, forecast: &Forecast) -> Result<String, serde_json::Error> {
    let keys = |steps: &[PlanIx]| steps.iter().map(|ix| plan.steps[*ix as usize].key.as_str()).collect();
    let wave = |wave: &Wave| WaveOut { steps: keys(&wave.steps), saves_ms: millis(wave.saves), wants: wave.wants };
    let bottleneck = |found: &Bottleneck| BottleneckOut {
        step: plan.steps[found.step as usize].key.as_str(),
        severity: severity(found.weight),
        dependants: found.dependants,
        timeout_ms: found.timeout.map(millis),
    };
    let whole = Whole {
        version: VERSION,
        workflow: plan.workflow.as_str(),
        name: &plan.name,
        timeout_ms: millis(plan.timeout),
        critical_path: keys(&forecast.critical_path),
        longest_ms: millis(forecast.longest),
        within_limits_ms: millis(forecast.within_limits),
        one_by_one_ms: millis(forecast.one_by_one),
        limits: Most { steps: plan.limits.steps, resources: plan.limits.resources },
        waves: forecast.waves.iter().map(wave).collect(),
        bottlenecks: forecast.bottlenecks.iter().map(bottleneck).collect(),
        steps: (0..).zip(&plan.steps).map(|(ix, step)| step_out(plan, forecast, ix, step)).collect(),
    };
    let mut text = serde_json::to_string_pretty(&whole)?;
    text.push('\n');
    Ok(text)
}

fn step_out<'a>(plan: &'a Plan, forecast: &Forecast, ix: PlanIx, step: &'a Step) -> StepOut<'a> {
    let key = |ix: &PlanIx| plan.steps[*ix as usize].key.as_str();
    let timing = forecast.timings[ix as usize];
    StepOut {
        id: step.key.as_str(),
        name: &step.name,
        r#type: kind_name(step.kind),
        agent: step.agent.as_str(),
        fallback_agents: step.fallback_agents.iter().map(|agent| agent.as_str()).collect(),
        needs: step.needs.iter().map(key).collect(),
        rollback_of: step.rollback_of.as_ref().map(key),
        r#if: step.condition.as_ref().map(|condition| condition.source()),
        for_each: step.for_each.as_ref().map(|list| list.source()),
        items: step.for_each.as_ref().and_then(items),
        max_parallel: step.max_parallel,
        timeout_ms: millis(step.timeout),
        retries: step.retry.retries,
        critical: step.critical,
        environment: step.environment.as_deref(),
        approval: step.approval.as_ref(),
        resources: step.resources,
        wave: forecast.waves.iter().position(|wave| wave.steps.binary_search(&ix).is_ok()).map(|at| at + 1),
        earliest_ms: timing.map(|timing| millis(timing.earliest)),
        slack_ms: timing.map(|timing| millis(timing.slack)),
    }
}

/// The word for how much a bottleneck holds up.
pub(super) fn severity(weight: Weight) -> &'static str {
    match weight {
        Weight::Medium => "medium",
        Weight::High => "high",
    }
}
