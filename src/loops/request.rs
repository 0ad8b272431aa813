//! What an agent is asked, built from state and plan at the moment of sending.
//!
//! Rows hold ids only, so an attempt that waited for hours is asked with what is known now, and a replica that takes
//! over asks the same. What strangers wrote stands apart from what the workflow's author wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::source::Files;
use crate::agents::{Command, Kind, Limits, Policy, Push, Repo, Step, StepRequest, Trust, head};
use crate::engine::state::{Birth, HoldKind, RunState};
use crate::engine::step::{StepIx, StepState};
use crate::engine::{StepScope, status_word};
use crate::ids::{AgentName, AttemptId, CommitSha, StepKey};
use crate::report::StepReport;
use crate::workflow::defaults::KINDS;
use crate::workflow::expr::{Status, Template};
use crate::workflow::plan::{self, Strategy};

/// Earlier steps whose words are told.
const NEEDS_MAX: usize = 32;
/// Bytes of the words of one of them.
const SUMMARY_BYTES_MAX: usize = 8 << 10;
/// How deep expressions in `with:` are looked for.
const DEPTH_MAX: usize = 32;

/// Why there is nothing to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The attempt is over, or its run is.
    Over,
    /// The step cannot be asked like this.
    Wrong(String),
}

/// A request but for what the state does not hold: the files, the words of earlier steps, the way back.
pub(super) struct Draft {
    pub(super) birth: Birth,
    pub(super) agent: AgentName,
    /// Who gets it when this agent cannot be reached.
    pub(super) fallback: Option<AgentName>,
    pub(super) needs: Vec<Need>,
    attempt: AttemptId,
    /// The step's name and what is to be done.
    opening: String,
    /// What went wrong the last time, where the step wants it told.
    analysis: Option<String>,
    step: Step,
}

/// A step that this one needs.
pub(super) struct Need {
    pub(super) step: StepKey,
    pub(super) attempt: u32,
    status: &'static str,
}

/// What kind of answer a step wants: only a review may be answered in plain words.
pub(super) fn kind(planned: &plan::Step) -> Kind {
    match planned.kind {
        _ if planned.action.run.is_some() => Kind::Command,
        plan::Kind::Generation => Kind::Edit,
        plan::Kind::Deployment | plan::Kind::Validation | plan::Kind::Testing => Kind::Test,
        plan::Kind::Analysis | plan::Kind::Security | plan::Kind::Performance | plan::Kind::Other => Kind::Review,
    }
}

/// Reads a request from a state.
pub(super) fn draft(state: &RunState, attempt: &AttemptId) -> Result<Draft, Refusal> {
    let ix = state.find(&attempt.step).ok_or(Refusal::Over)?;
    let step = state.steps.get(ix as usize).ok_or(Refusal::Over)?;
    let live = step.live.as_ref().filter(|live| live.number == attempt.number).ok_or(Refusal::Over)?;
    let birth = state.birth.as_ref().ok_or(Refusal::Over)?;
    let planned = state.plan_of(step);
    let wrong = |what: &str, why: String| Refusal::Wrong(format!("`{what}` of {}: {why}", step.key));
    let asks = Asks { state, ix };
    for wanted in &planned.required_context {
        let value = asks.value(&Value::String(format!("${{{{ {} }}}}", wanted.source())), DEPTH_MAX);
        if value.map_err(|why| wrong("required_context", why))?.is_null() {
            return Err(wrong("required_context", format!("there is no {} here", wanted.source())));
        }
    }
    let mut with = BTreeMap::new();
    for (name, value) in &planned.action.with {
        let value = asks.value(value, DEPTH_MAX).map_err(|why| wrong(&format!("with.{name}"), why))?;
        with.insert(name.clone(), value);
    }
    let mut env = BTreeMap::new();
    for (name, text) in &planned.action.env {
        env.insert(name.clone(), asks.text(text).map_err(|why| wrong(&format!("env.{name}"), why))?);
    }
    let facts: Value = serde_json::from_str(&birth.scope).unwrap_or_default();
    let falls_back = matches!(planned.retry.strategy, Strategy::RetryWithFallback | Strategy::RetryWithAnalysis);
    let fallback = planned.fallback_agents.get(step.tries.agent as usize).filter(|_| falls_back);
    let analysed = step.fault.as_ref().filter(|_| planned.retry.strategy == Strategy::RetryWithAnalysis);
    Ok(Draft {
        birth: birth.clone(),
        agent: live.agent.clone(),
        fallback: fallback.cloned(),
        needs: needs(state, planned),
        attempt: attempt.clone(),
        opening: opening(state, step, planned),
        analysis: analysed.map(|fault| fault.message.clone()),
        step: Step {
            workflow: state.plan.workflow.clone(),
            steps: u32::try_from(state.plan.steps.len()).unwrap_or(u32::MAX),
            kind: kind(planned),
            repo: repo(birth, &facts),
            checkout: None,
            command: planned.action.run.clone().map(|run| Command {
                run,
                env,
                secrets: planned.action.secrets.clone(),
            }),
            with,
            inputs: Map::new(),
            untrusted: untrusted(&facts),
            limits: limits(state, planned, live.started.unwrap_or(state.at).plus(planned.timeout).rfc3339()),
            policy: Policy {
                network: planned.permissions.network.clone(),
                write_paths: planned.permissions.write_paths.clone(),
                tools: planned.permissions.tools.clone(),
            },
            want: vec!["result".to_owned()],
        },
    })
}

impl Draft {
    /// What kind of answer is wanted.
    pub(super) fn kind(&self) -> Kind {
        self.step.kind
    }

    /// The request, with all that belongs to it.
    pub(super) fn finish(self, files: Files, reports: &[(Need, StepReport)], push: Option<Push>) -> StepRequest {
        let mut text = self.opening;
        if !self.step.with.is_empty() {
            text.push_str("\n## What is asked\n");
            for (name, value) in &self.step.with {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let _ = writeln!(text, "{name}: {value}");
            }
        }
        if !reports.is_empty() {
            text.push_str("\n## What earlier steps said\n");
        }
        let mut from = Map::new();
        for (need, report) in reports {
            let summary = head(&report.summary, SUMMARY_BYTES_MAX);
            let _ = writeln!(text, "### {} ({})\n{summary}", need.step, need.status);
            from.insert(need.step.to_string(), json!({ "status": need.status, "summary": summary }));
        }
        if let Some(analysis) = self.analysis {
            let _ =
                writeln!(text, "\n## What went wrong the last time\n{analysis}\nFind out why before you try again.");
        }
        let mut step = self.step;
        if !from.is_empty() {
            step.inputs.insert("from".to_owned(), Value::Object(from));
        }
        step.repo.clone_url = files.clone_url;
        step.checkout = Some(files.checkout);
        StepRequest { attempt: self.attempt, text, step, push }
    }
}

fn opening(state: &RunState, step: &StepState, planned: &plan::Step) -> String {
    let workflow = &state.plan.workflow;
    let mut text = format!("Step {} ({}) of the workflow {workflow}", step.key, planned.name);
    if let Some(birth) = &state.birth {
        let _ = write!(text, ", for commit {} of {}", birth.sha, birth.repository_name);
    }
    text.push_str(".\n");
    match &planned.action.run {
        Some(run) => {
            let _ = writeln!(text, "Run this command and say how it ended:\n{run}");
        }
        None => {
            let _ = writeln!(text, "Kind of work: {}.", word(planned.kind));
        }
    }
    if !planned.outputs.is_empty() {
        let outputs = planned.outputs.iter().map(|(name, output)| format!("{name} ({})", output.kind.word()));
        let _ = writeln!(text, "Outputs wanted: {}.", outputs.collect::<Vec<_>>().join(", "));
    }
    if let Some(item) = &step.item {
        let _ = writeln!(text, "Its item: {item}");
    }
    text
}

fn word(kind: plan::Kind) -> &'static str {
    match kind {
        plan::Kind::Analysis => "analysis",
        plan::Kind::Generation => "generation",
        plan::Kind::Deployment => "deployment",
        plan::Kind::Validation => "validation",
        plan::Kind::Testing => "testing",
        plan::Kind::Security => "security",
        plan::Kind::Performance => "performance",
        plan::Kind::Other => "other",
    }
}

fn needs(state: &RunState, planned: &plan::Step) -> Vec<Need> {
    let needed = planned.needs.iter().filter_map(|&need| state.steps.get(need as usize));
    let worked = needed.filter(|step| step.attempts > 0).take(NEEDS_MAX);
    worked
        .map(|step| Need { step: step.key.clone(), attempt: step.attempts, status: status_word(step.phase) })
        .collect()
}

fn repo(birth: &Birth, facts: &Value) -> Repo {
    let base = facts.pointer("/pr/base/sha").and_then(Value::as_str);
    // Approved or not, a stranger wrote it.
    let stranger = birth.holds.iter().any(|hold| hold.kind == HoldKind::Trust);
    let fork = facts.pointer("/pr/head/fork").and_then(Value::as_bool).unwrap_or(false);
    Repo {
        full_name: birth.repository_name.clone(),
        clone_url: String::new(),
        base_sha: base.and_then(|sha| CommitSha::full(sha).ok()),
        head_sha: birth.sha.clone(),
        trust: if stranger || fork { Trust::Fork } else { Trust::Member },
    }
}

fn untrusted(facts: &Value) -> BTreeMap<String, String> {
    let title = facts.pointer("/pr/title").and_then(Value::as_str);
    title.map(|title| ("pr_title".to_owned(), title.to_owned())).into_iter().collect()
}

fn limits(state: &RunState, planned: &plan::Step, deadline: String) -> Limits {
    let (said, most) = (planned.resources, state.plan.limits.resources);
    let default = KINDS.iter().find(|facts| facts.kind == planned.kind).map(|facts| facts.resources);
    let default = default.unwrap_or_default();
    Limits {
        deadline: Some(deadline),
        timeout_ms: u64::try_from(planned.timeout.as_millis()).ok(),
        max_cost_micros: state.plan.max_cost_micros.map(|max| max.saturating_sub(state.cost_micros)),
        max_turns: None,
        max_patch_bytes: None,
        memory_bytes: first(said.memory_bytes, default.memory_bytes, most.memory_bytes),
        cpu_millis: first(said.cpu_millis, default.cpu_millis, most.cpu_millis),
        disk_bytes: first(said.disk_bytes, default.disk_bytes, most.disk_bytes),
    }
}

/// What the step says, else its type's default, cut at what the run may use; zero means: not said.
fn first<T: Ord + Default>(said: T, default: T, most: T) -> Option<T> {
    let none = T::default();
    let found = match (said > none, most > none) {
        (true, _) => said,
        (false, true) => default.min(most),
        (false, false) => default,
    };
    (found > none).then_some(found)
}

/// Resolves the expressions of one step.
struct Asks<'a> {
    state: &'a RunState,
    ix: StepIx,
}

impl Asks<'_> {
    fn with<T>(
        &self,
        text: &str,
        resolve: impl FnOnce(&Template, &StepScope<'_>) -> Result<T, crate::workflow::expr::Error>,
    ) -> Result<T, String> {
        let template = Template::parse(text).map_err(|error| error.to_string())?;
        let named: BTreeSet<String> = template.exprs().flat_map(|expr| expr.steps_named()).collect();
        let scope = StepScope::new(self.state, self.ix, Status::Success, named);
        resolve(&template, &scope).map_err(|error| error.to_string())
    }

    fn text(&self, text: &str) -> Result<String, String> {
        self.with(text, |template, scope| template.render(scope))
    }

    /// A value with the expressions in its strings resolved, at most `depth` levels down.
    fn value(&self, value: &Value, depth: usize) -> Result<Value, String> {
        let deeper = depth.checked_sub(1).ok_or_else(|| format!("is deeper than {DEPTH_MAX} levels"))?;
        Ok(match value {
            Value::String(text) => self.with(text, |template, scope| template.value(scope))?,
            Value::Array(items) => {
                items.iter().map(|item| self.value(item, deeper)).collect::<Result<Vec<_>, _>>()?.into()
            }
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, field)| Ok((name.clone(), self.value(field, deeper)?)));
                Value::Object(fields.collect::<Result<Map<_, _>, String>>()?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        })
    }
}
