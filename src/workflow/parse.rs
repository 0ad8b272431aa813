//! From the text of a file to a [`Workflow`], or to everything that is wrong with it.

use std::collections::BTreeMap;

use super::defaults::Operator;
use super::expr::{Expr, Template};
use super::file::{self, Node, Shape};
use super::inputs::Inputs;
use super::names;
use super::overlay;
use super::plan::{Checks, Concurrency, Limits, Notifications, OnConflict, OnFailure, Plan, PlanIx, Strategy};
use super::planner::{self, Needs};
use super::policy::SkipMarkers;
use super::problem::{Code, Place, Problem, Problems};
use super::read::{self, Fields};
use super::steps::{self, Draft, Sees};
use super::trigger::Triggers;
use super::units;
use super::uses::{Library, Reader};
use super::work::{self, Backoff, FileDefaults, RETRIES_MAX};
use crate::ids::WorkflowId;

/// Workflow files of one repository.
pub const FILES_MAX: usize = 50;
/// Runs of one concurrency group at once.
pub const GROUP_LIMIT_MAX: u32 = 100;

/// A workflow as its file says it.
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    /// What it is for, for people.
    pub description: Option<String>,
    /// Its version, for people.
    pub version: Option<String>,
    /// What starts it. None at all: only people do.
    pub triggers: Triggers,
    /// The values that a person may give it.
    pub inputs: Inputs,
    /// Whether it runs for draft pull requests.
    pub drafts: bool,
    /// What a skip marker in a commit does, where the file says so.
    pub skip_markers: Option<SkipMarkers>,
    /// What it does; also its id and name.
    pub plan: Plan,
    /// What looks wrong but does not keep it from running.
    pub warnings: Vec<Problem>,
}

/// What a path in a repository is to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind {
    /// A workflow.
    Workflow(WorkflowId),
    /// The repository's policy.
    Policy,
    /// Nothing of ours.
    Other,
}

/// What the file at this path is. Folders below `.workflows/` are not looked into.
#[must_use]
pub fn kind_of(path: &str) -> FileKind {
    let name = path.strip_prefix(".workflows/").and_then(|name| name.strip_suffix(".yml"));
    match name.map(|name| (name, name.parse::<WorkflowId>())) {
        Some(("config", _)) => FileKind::Policy,
        Some((name, Ok(id))) if !name.starts_with('.') => FileKind::Workflow(id),
        Some(_) | None => FileKind::Other,
    }
}

/// Reads a workflow.
///
/// # Errors
/// Everything that is wrong with the file, by place; warnings among them.
pub fn parse(id: &WorkflowId, text: &str, operator: &Operator) -> Result<Workflow, Vec<Problem>> {
    parse_with(id, text, operator, &Library::new())
}

/// As [`parse`], of a file whose steps may use these others.
///
/// # Errors
/// As [`parse`]; what is wrong with a used file names it.
pub fn parse_with(
    id: &WorkflowId,
    text: &str,
    operator: &Operator,
    library: &Library,
) -> Result<Workflow, Vec<Problem>> {
    let root = file::read(text)?;
    let mut problems = Problems::default();
    let root = overlay::lay(root, &mut problems);
    let workflow = lower(id, &root, (operator, library), &mut problems);
    match workflow {
        Some(mut workflow) if !problems.has_errors() => {
            workflow.warnings = problems.sorted();
            Ok(workflow)
        }
        _ => Err(problems.sorted()),
    }
}

fn lower(
    id: &WorkflowId,
    root: &Node,
    (operator, library): (&Operator, &Library),
    problems: &mut Problems,
) -> Option<Workflow> {
    let mut fields = Fields::of(root, "a workflow", problems)?;
    let name = fields.take("name").and_then(|node| read::name(node, "name", problems));
    let description = fields.take("description").and_then(|node| read::text(node, "description", problems));
    let version = fields.take("version").and_then(|node| read::name(node, "version", problems));
    if let Some(node) = fields.take("id")
        && read::text(node, "id", problems).is_some_and(|said| said != id.as_str())
    {
        let message = format!("the id of a workflow is the name of its file, {id}");
        problems.error(Code::Conflict, node.place, message).help("rename the file, or remove id");
    }
    let triggers = fields.take("on").map(|node| Triggers::read(node, problems)).unwrap_or_default();
    let inputs = inputs(fields.take("inputs"), &triggers, problems);
    let timeout = fields.take("timeout").and_then(|node| read::duration(node, "timeout", problems));
    let concurrency = fields.take("concurrency").and_then(|node| concurrency(node, (&triggers, &inputs), problems));
    let limits = fields.take("resource_limits").map(|node| limits(node, operator, problems));
    let budget = fields.take("budget").and_then(|node| budget(node, problems));
    let mut notifications = fields.take("notifications").map(|node| notify(node, problems)).unwrap_or_default();
    let checks = fields.take("checks").and_then(|node| read::choice(node, "checks", &CHECKS, problems));
    let drafts = fields.take("drafts").and_then(|node| read::flag(node, "drafts", problems)).unwrap_or(true);
    let skip_markers = fields.take("skip_markers");
    let skip_markers = skip_markers.and_then(|node| read::choice(node, "skip_markers", &SkipMarkers::WORDS, problems));
    let handling = fields.take("error_handling").map(|node| handling(node, problems)).unwrap_or_default();
    notifications.escalation = handling.escalation;
    let defaults = fields.take("defaults").map(|node| defaults(node, problems)).unwrap_or_default();
    let defaults = FileDefaults {
        strategy: handling.strategy,
        max_retries: handling.max_retries,
        fallback_agents: handling.fallback_agents,
        ..defaults
    };
    let env = fields.take("env").map(|node| env(node, &inputs, problems)).unwrap_or_default();
    if let Some(node) = fields.take_either("run-name", "run_name", problems) {
        run_name(node, &inputs, problems);
    }
    let permissions = fields.take("permissions").map(|node| steps::permissions(node, problems)).unwrap_or_default();
    let drafted = fields.take("steps").map(|node| Reader::new(operator, library).read(node, &defaults, problems));
    if drafted.is_none() && !fields.slip_of("steps") {
        problems.error(Code::MissingField, fields.place, "a workflow has no steps").help("write steps: with a list");
    }
    fields.finish(&[], problems);
    let mut drafted = drafted?;
    count(&drafted, operator, problems);
    for draft in &mut drafted {
        draft.step.inherit(&env, &permissions);
    }
    let (steps, critical_path) = graph(drafted, &inputs, problems)?;
    let plan = Plan {
        workflow: id.clone(),
        name: name.unwrap_or_else(|| id.to_string()),
        steps,
        timeout: timeout.unwrap_or(operator.timeout),
        parallel: handling.parallel,
        limits: limits.unwrap_or_else(|| operator.limits.clone()),
        concurrency,
        max_cost_micros: budget,
        notifications,
        checks: checks.unwrap_or_default(),
        recovery_actions: handling.recovery_actions,
        critical_path,
    };
    Some(Workflow { description, version, triggers, inputs, drafts, skip_markers, plan, warnings: Vec::new() })
}

/// Says where there are more steps than there may be.
fn count(drafts: &[Draft], operator: &Operator, problems: &mut Problems) {
    let max = operator.steps_max;
    // A matrix is as many steps as it has combinations.
    let counts = drafts.iter().scan(0, |all, draft| {
        *all += draft.step.matrix.len().max(1);
        Some(*all)
    });
    let counts: Vec<usize> = counts.collect();
    if let Some(beyond) = counts.iter().position(|all| *all > max).and_then(|at| drafts.get(at)) {
        let all = counts.last().copied().unwrap_or_default();
        let message = format!("a workflow has at most {max} steps with its rollbacks, this one has {all}");
        problems.error(Code::TooLarge, beyond.place, message).help("split it into two workflows");
    }
}

/// Numbers the needs and links the graph. `None` when there is no graph to speak of.
fn graph(
    mut drafts: Vec<Draft>,
    inputs: &Inputs,
    problems: &mut Problems,
) -> Option<(Vec<super::plan::Step>, Vec<PlanIx>)> {
    let wanted: Vec<Needs<'_>> = drafts
        .iter()
        .map(|draft| Needs { key: draft.step.key.as_str(), place: draft.place, names: &draft.needs })
        .collect();
    let needs = planner::resolve(&wanted, problems);
    let graph = planner::graph_of(needs.iter().map(Vec::as_slice));
    let circles = graph.circles();
    for circle in &circles {
        let draft = |ix: &PlanIx| drafts.get(*ix as usize);
        let message =
            planner::circle_message(circle, |ix| draft(&ix).map_or_else(String::new, |d| d.step.key.to_string()));
        // The need that leads from the first to the second step of the circle, or from the only one to itself.
        let next = circle.get(1).or(circle.first()).and_then(draft).map(|next| next.step.key.as_str());
        let first = circle.first().and_then(draft);
        let need = first.and_then(|first| first.needs.iter().find(|(name, _)| Some(name.as_str()) == next));
        let place = need.map(|(_, place)| *place).or(first.map(|first| first.place)).unwrap_or(Place::START);
        problems.error(Code::Circle, place, message).help("take one of these needs away");
    }
    if !circles.is_empty() {
        return None;
    }
    names::check_steps(&mut drafts, &graph, inputs, problems);
    let mut steps = Vec::with_capacity(drafts.len());
    for (draft, needs) in drafts.into_iter().zip(needs) {
        let mut step = draft.step;
        step.needs = needs;
        if draft.undoes {
            step.rollback_of = step.needs.first().copied();
        }
        steps::finish_name(&mut step);
        steps.push(step);
    }
    let critical_path = planner::link(&mut steps);
    Some((steps, critical_path))
}

const CHECKS: [(&str, Checks); 3] =
    [("each_step", Checks::EachStep), ("failed", Checks::Failed), ("workflow", Checks::Workflow)];
const ON_CONFLICT: [(&str, OnConflict); 4] = [
    ("queue", OnConflict::Queue),
    ("replace_running", OnConflict::ReplaceRunning),
    ("replace_queued", OnConflict::ReplaceQueued),
    ("drop_new", OnConflict::DropNew),
];
const STRATEGIES: [(&str, Strategy); 4] = [
    ("retry", Strategy::Retry),
    ("retry_with_fallback", Strategy::RetryWithFallback),
    ("retry_with_analysis", Strategy::RetryWithAnalysis),
    ("immediate_escalation", Strategy::ImmediateEscalation),
];
const ON_FAILURE: [(&str, OnFailure); 3] = [
    ("continue", OnFailure::Continue),
    ("fail_dependent", OnFailure::FailDependent),
    ("fail_fast", OnFailure::FailFast),
];
const ESCALATIONS: [(&str, &str); 3] = [
    ("notify_admin", "notify_admin"),
    ("immediate_admin_notify", "immediate_admin_notify"),
    ("team_notify", "team_notify"),
];
const RECOVERY_ACTIONS: [(&str, &str); 5] = [
    ("rollback", "rollback"),
    ("immediate_rollback", "immediate_rollback"),
    ("retry", "retry"),
    ("skip", "skip"),
    ("skip_non_critical", "skip_non_critical"),
];
const CHANNELS: [(&str, &str); 4] = [("slack", "slack"), ("email", "email"), ("sms", "sms"), ("webhook", "webhook")];

/// `concurrency: group` or a mapping; `cancel-in-progress` is Actions' word for `on_conflict`.
fn concurrency(node: &Node, of: (&Triggers, &Inputs), problems: &mut Problems) -> Option<Concurrency> {
    if node.shape == Shape::Text {
        let group = group(node, of, problems)?;
        return Some(Concurrency { group, limit: 1, on_conflict: OnConflict::Queue });
    }
    let mut fields = Fields::of(node, "concurrency", problems)?;
    let group_node = fields.take("group");
    if group_node.is_none() {
        problems.error(Code::MissingField, node.place, "concurrency has no group");
    }
    let group = group_node.and_then(|node| group(node, of, problems));
    let limit = fields.take("limit").map_or(Some(1), |node| read::count(node, "limit", 1..=GROUP_LIMIT_MAX, problems));
    let cancel = fields.take("cancel-in-progress").map(|node| (node, read::flag(node, "cancel-in-progress", problems)));
    let said = fields.take("on_conflict").map(|node| read::choice(node, "on_conflict", &ON_CONFLICT, problems));
    if let (Some((node, _)), Some(_)) = (&cancel, &said) {
        problems.error(Code::Conflict, node.place, "cancel-in-progress and on_conflict say the same: use one of them");
    }
    fields.finish(&[], problems);
    // Actions without cancel-in-progress keeps what runs and replaces what waits.
    let by_cancel = cancel.and_then(|(_, cancel)| cancel).map(|cancel| match cancel {
        true => OnConflict::ReplaceRunning,
        false => OnConflict::ReplaceQueued,
    });
    let on_conflict = said.flatten().or(by_cancel).unwrap_or(OnConflict::Queue);
    Some(Concurrency { group: group?, limit: limit?, on_conflict })
}

fn group(node: &Node, (triggers, inputs): (&Triggers, &Inputs), problems: &mut Problems) -> Option<Expr> {
    read::text(node, "group", problems)?;
    outside(node, inputs, problems);
    let expr = Template::parse(&node.written).ok()?.into_expr();
    let expr = expr.map_err(|error| read::bad_expression(&error, node, problems)).ok()?;
    // What is no pull request has none; a group that leans on it alone would be none at all.
    if let Some(event) = triggers.without_pr()
        && expr.names().iter().all(|name| name == "pr")
        && names::is_null_without_pr(&expr)
    {
        let message = format!("the group is empty for {event}, which has no pull request");
        problems.error(Code::BadValue, node.place, message).help("write ${{ pr.number || sha }}");
    }
    Some(expr)
}

/// Checks a text that is evaluated before there is a run.
fn outside(node: &Node, inputs: &Inputs, problems: &mut Problems) {
    for mention in steps::mentions_in(node, Sees::Step, problems) {
        names::check_outside(&mention, inputs, problems);
    }
}

/// `inputs:`, which may stand under `on: manual` or at the top.
fn inputs(node: Option<&Node>, triggers: &Triggers, problems: &mut Problems) -> Inputs {
    let of_trigger = triggers.manual.clone().unwrap_or_default();
    let Some(node) = node else { return of_trigger };
    if !of_trigger.is_empty() {
        problems.error(Code::Conflict, node.place, "inputs stand under on: manual already: use one of them");
    }
    Inputs::read(node, problems)
}

/// `env:` of all command lines of the file.
pub(crate) fn env(node: &Node, inputs: &Inputs, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut mentions = Vec::new();
    let env = work::env(node, &mut mentions, problems);
    mentions.iter().for_each(|mention| names::check_outside(mention, inputs, problems));
    env
}

fn run_name(node: &Node, inputs: &Inputs, problems: &mut Problems) {
    if read::title(node, "run-name", problems).is_some() {
        outside(node, inputs, problems);
        let message = "this release checks run-name but shows the name of the workflow";
        problems.warning(Code::NotYet, node.place, message);
    }
}

fn limits(node: &Node, operator: &Operator, problems: &mut Problems) -> Limits {
    let most = &operator.limits;
    let Some(mut fields) = Fields::of(node, "resource_limits", problems) else { return most.clone() };
    let at_once = fields.take("max_concurrent_steps");
    let at_once = at_once.and_then(|node| read::count(node, "max_concurrent_steps", 1..=1_000, problems));
    let memory = fields.take("memory_limit").and_then(|n| read::with(n, "memory_limit", units::bytes, problems));
    let cpu = fields.take("cpu_limit").and_then(|n| read::with(n, "cpu_limit", units::cpu_millis, problems));
    let disk = fields.take("disk_space").and_then(|n| read::with(n, "disk_space", units::bytes, problems));
    fields.finish(&[], problems);
    let resources = super::plan::Resources {
        memory_bytes: ceiling(memory, most.resources.memory_bytes),
        cpu_millis: ceiling(cpu, most.resources.cpu_millis),
        disk_bytes: ceiling(disk, most.resources.disk_bytes),
    };
    Limits { steps: ceiling(at_once, most.steps), resources }
}

/// What the file says, at most what the operator allows.
fn ceiling<T: Ord + Copy>(said: Option<T>, most: T) -> T {
    said.map_or(most, |said| said.min(most))
}

fn budget(node: &Node, problems: &mut Problems) -> Option<u64> {
    let mut fields = Fields::of(node, "budget", problems)?;
    let cost =
        fields.take("max_cost_usd").and_then(|node| read::with(node, "max_cost_usd", units::dollar_micros, problems));
    fields.finish(&[], problems);
    cost
}

pub(crate) fn notify(node: &Node, problems: &mut Problems) -> Notifications {
    let Some(mut fields) = Fields::of(node, "notifications", problems) else { return Notifications::default() };
    let mut flag = |name| fields.take(name).and_then(|node| read::flag(node, name, problems)).unwrap_or(false);
    let (on_start, on_complete, on_failure) = (flag("on_start"), flag("on_complete"), flag("on_failure"));
    let critical = flag("critical");
    let channels = words(fields.take("channels"), "channels", &CHANNELS, problems);
    fields.finish(&[], problems);
    Notifications { on_start, on_complete, on_failure, critical, channels, escalation: None }
}

/// A list of words of a table.
fn words(node: Option<&Node>, what: &str, table: &[(&str, &str)], problems: &mut Problems) -> Vec<String> {
    let items = match node.map(|node| &node.shape) {
        None => return Vec::new(),
        Some(Shape::List(items)) => items.as_slice(),
        Some(_) => node.map(std::slice::from_ref).unwrap_or_default(),
    };
    items.iter().filter_map(|item| read::choice(item, what, table, problems)).map(str::to_owned).collect()
}

/// `error_handling:`
#[derive(Default)]
struct Handling {
    strategy: Option<Strategy>,
    max_retries: Option<u32>,
    fallback_agents: Vec<crate::ids::AgentName>,
    parallel: OnFailure,
    escalation: Option<String>,
    recovery_actions: Vec<String>,
}

fn handling(node: &Node, problems: &mut Problems) -> Handling {
    let Some(mut fields) = Fields::of(node, "error_handling", problems) else { return Handling::default() };
    let strategy = fields.take("strategy").and_then(|node| read::choice(node, "strategy", &STRATEGIES, problems));
    let max = fields.take("max_retries");
    let max_retries = max.and_then(|node| read::count(node, "max_retries", 0..=RETRIES_MAX, problems));
    let fallbacks = fields.take("fallback_agents");
    let parallel = fields.take("parallel").and_then(|node| read::choice(node, "parallel", &ON_FAILURE, problems));
    let escalation = fields.take("escalation");
    let escalation = escalation.and_then(|node| read::choice(node, "escalation", &ESCALATIONS, problems));
    let recovery_actions = words(fields.take("recovery_actions"), "recovery_actions", &RECOVERY_ACTIONS, problems);
    fields.finish(&[], problems);
    if let (Some(node), Some(Strategy::Retry)) = (fallbacks, strategy) {
        let message = "the strategy retry uses no fallback agents";
        problems.warning(Code::NoEffect, node.place, message).help("write strategy: retry_with_fallback");
    }
    Handling {
        strategy,
        max_retries,
        fallback_agents: fallbacks.map(|n| work::agents(n, "fallback_agents", problems)).unwrap_or_default(),
        parallel: parallel.unwrap_or_default(),
        escalation: escalation.map(str::to_owned),
        recovery_actions,
    }
}

/// `defaults:`
pub(crate) fn defaults(node: &Node, problems: &mut Problems) -> FileDefaults {
    let mut found = FileDefaults::default();
    let Some(mut fields) = Fields::of(node, "defaults", problems) else { return found };
    found.agent = fields.take("agent").and_then(|node| {
        read::text(node, "agent", problems).and_then(|text| read::parsed(&text, node.place, problems))
    });
    found.timeout = fields.take("timeout").and_then(|node| read::duration(node, "timeout", problems));
    let retries = fields.take_either("retries", "retry_count", problems);
    found.retries = retries.and_then(|node| read::count(node, "retries", 0..=RETRIES_MAX, problems));
    found.backoff = fields.take("retry").map_or(Backoff::default(), |node| Backoff::default().read(node, problems));
    fields.finish(&["env", "run", "shell"], problems);
    found
}

#[cfg(test)]
mod tests;
