//! `.workflows/config.yml` — what a repository decides for all its workflows.

use std::collections::BTreeMap;
use std::time::Duration;

use super::file::{self, Node, Shape};
use super::plan::{Notifications, Plan, Resources};
use super::problem::{Code, Problem, Problems};
use super::read::{self, Fields};
use super::units;

/// Apps that a repository trusts.
pub const TRUSTED_APPS_MAX: usize = 100;

/// What a repository decides for all its workflows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Which version of a workflow counts for a pull request.
    pub definition_ref: DefinitionRef,
    /// Whether `/retry` works as well as `/pointsman retry`.
    pub bare_commands: bool,
    /// The ids of Apps whose commits need no approval.
    pub trusted_apps: Vec<i64>,
    /// Who may use a command, where it differs from the default.
    pub commands: BTreeMap<String, Permission>,
    /// What a skip marker in a commit does.
    pub skip_markers: SkipMarkers,
    /// The most that any run may take, whatever its file says.
    pub limits: Ceilings,
    /// Who hears of a run whose file does not say.
    pub notifications: Option<Notifications>,
    /// What looks wrong, or is not acted on yet.
    pub warnings: Vec<Problem>,
}

/// The most that any run of the repository may take. What is absent is left to the files and the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ceilings {
    /// Steps of one run at once.
    pub steps: Option<u32>,
    /// A run's timeout.
    pub timeout: Option<Duration>,
    /// Memory, CPU and disk of one run; zero: not said.
    pub resources: Resources,
    /// What one run may cost before it asks, in millionths of a US dollar.
    pub max_cost_micros: Option<u64>,
}

impl Policy {
    /// Cuts a plan at what the repository allows, before a run is made of it.
    pub fn bound(&self, plan: &mut Plan) {
        let most = &self.limits;
        plan.limits.steps = plan.limits.steps.min(most.steps.unwrap_or(u32::MAX));
        plan.timeout = plan.timeout.min(most.timeout.unwrap_or(Duration::MAX));
        let resources = &mut plan.limits.resources;
        resources.memory_bytes = least(resources.memory_bytes, most.resources.memory_bytes);
        resources.cpu_millis = least(resources.cpu_millis, most.resources.cpu_millis);
        resources.disk_bytes = least(resources.disk_bytes, most.resources.disk_bytes);
        plan.max_cost_micros = [plan.max_cost_micros, most.max_cost_micros].into_iter().flatten().min();
        if let Some(notifications) = &self.notifications {
            let silent =
                Notifications { escalation: plan.notifications.escalation.clone(), ..Notifications::default() };
            if plan.notifications == silent {
                plan.notifications = Notifications { escalation: silent.escalation, ..notifications.clone() };
            }
        }
    }
}

/// The smaller of two limits of which zero is none.
fn least<T: Ord + Default>(a: T, b: T) -> T {
    let none = T::default();
    if a == none || b == none { a.max(b) } else { a.min(b) }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            definition_ref: DefinitionRef::Default,
            bare_commands: true,
            trusted_apps: Vec::new(),
            commands: BTreeMap::new(),
            skip_markers: SkipMarkers::default(),
            limits: Ceilings::default(),
            notifications: None,
            warnings: Vec::new(),
        }
    }
}

/// Which version of a workflow counts for a pull request. Never the head's: a pull request must not choose its policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefinitionRef {
    /// That of the default branch.
    Default,
    /// That of the branch that it shall be merged into.
    Base,
}

/// What `[skip ci]` in a commit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SkipMarkers {
    /// The workflow check waits for a person.
    #[default]
    Hold,
    /// The workflow check is skipped, which lets a pull request be merged.
    Pass,
    /// Nothing.
    Off,
}

impl SkipMarkers {
    pub(crate) const WORDS: [(&str, Self); 3] = [("hold", Self::Hold), ("pass", Self::Pass), ("off", Self::Off)];
}

/// What a person may do in a repository, as GitHub ranks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Read.
    Read,
    /// Order issues and pull requests.
    Triage,
    /// Push.
    Write,
    /// Manage without access to what is dangerous.
    Maintain,
    /// Everything.
    Admin,
}

impl Permission {
    pub(crate) const WORDS: [(&str, Self); 5] = [
        ("read", Self::Read),
        ("triage", Self::Triage),
        ("write", Self::Write),
        ("maintain", Self::Maintain),
        ("admin", Self::Admin),
    ];

    /// Its word in files.
    pub(crate) fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, permission)| *permission == self).map_or("", |(word, _)| word)
    }
}

/// The commands whose permission can be set.
pub const VERBS: [&str; 13] = [
    "retry", "pause", "resume", "cancel", "approve", "reject", "skip", "run", "status", "plan", "why", "answer", "help",
];
const DEFINITION_REFS: [(&str, DefinitionRef); 2] =
    [("default", DefinitionRef::Default), ("base", DefinitionRef::Base)];
/// Runs of a repository at once.
const RUNS_MAX: u32 = 1_000;

/// Reads the policy. A file with nothing but comments says nothing.
///
/// # Errors
/// Everything that is wrong with the file, by place.
pub fn parse(text: &str) -> Result<Policy, Vec<Problem>> {
    let silent = |line: &str| line.trim_start().is_empty() || line.trim_start().starts_with('#');
    if text.lines().all(silent) {
        return Ok(Policy::default());
    }
    let root = file::read(text)?;
    let mut problems = Problems::default();
    let policy = lower(&root, &mut problems);
    match policy {
        Some(policy) if !problems.has_errors() => Ok(Policy { warnings: problems.sorted(), ..policy }),
        _ => Err(problems.sorted()),
    }
}

fn lower(root: &Node, problems: &mut Problems) -> Option<Policy> {
    let mut policy = Policy::default();
    let mut fields = Fields::of(root, "config.yml", problems)?;
    if let Some(node) = fields.take("definition_ref") {
        let said = read::choice(node, "definition_ref", &DEFINITION_REFS, problems);
        policy.definition_ref = said.unwrap_or(policy.definition_ref);
    }
    if let Some(node) = fields.take("bare_commands") {
        policy.bare_commands = read::flag(node, "bare_commands", problems).unwrap_or(policy.bare_commands);
    }
    if let Some(node) = fields.take("trusted_apps") {
        policy.trusted_apps = apps(node, problems);
    }
    if let Some(node) = fields.take("commands") {
        policy.commands = commands(node, problems);
    }
    if let Some(node) = fields.take("skip_markers") {
        policy.skip_markers = read::choice(node, "skip_markers", &SkipMarkers::WORDS, problems).unwrap_or_default();
    }
    if let Some(node) = fields.take("limits") {
        policy.limits = limits(node, problems);
    }
    if let Some(node) = fields.take("notifications") {
        policy.notifications = Some(super::parse::notify(node, problems));
    }
    if let Some(node) = fields.take_either("budgets", "budget", problems) {
        policy.limits.max_cost_micros = budgets(node, problems);
    }
    fields.finish(&[], problems);
    Some(policy)
}

/// `limits:` — ceilings of one run, and how many runs there may be at once.
fn limits(node: &Node, problems: &mut Problems) -> Ceilings {
    let Some(mut fields) = Fields::of(node, "limits", problems) else { return Ceilings::default() };
    let steps = fields.take("max_concurrent_steps");
    let steps = steps.and_then(|node| read::count(node, "max_concurrent_steps", 1..=1_000, problems));
    let timeout = fields.take("timeout").and_then(|node| read::duration(node, "timeout", problems));
    let memory = fields.take("memory_limit").and_then(|n| read::with(n, "memory_limit", units::bytes, problems));
    let cpu = fields.take("cpu_limit").and_then(|n| read::with(n, "cpu_limit", units::cpu_millis, problems));
    let disk = fields.take("disk_space").and_then(|n| read::with(n, "disk_space", units::bytes, problems));
    if let Some(node) = fields.take("max_concurrent_workflows") {
        let _ = read::count(node, "max_concurrent_workflows", 1..=RUNS_MAX, problems);
        let message = "this release checks max_concurrent_workflows of a repository but does not hold runs to it yet";
        problems.warning(Code::NotYet, node.place, message);
    }
    fields.finish(&[], problems);
    let resources = Resources {
        memory_bytes: memory.unwrap_or_default(),
        cpu_millis: cpu.unwrap_or_default(),
        disk_bytes: disk.unwrap_or_default(),
    };
    Ceilings { steps, timeout, resources, max_cost_micros: None }
}

/// `budgets:` — what one run may cost, and all of a day.
fn budgets(node: &Node, problems: &mut Problems) -> Option<u64> {
    let mut fields = Fields::of(node, "budgets", problems)?;
    let of_run = fields.take("max_cost_usd");
    let of_run = of_run.and_then(|node| read::with(node, "max_cost_usd", units::dollar_micros, problems));
    for name in ["max_cost_usd_per_day", "max_cost_usd_per_month"] {
        if let Some(node) = fields.take(name) {
            let _ = read::with(node, name, units::dollar_micros, problems);
            let message = format!("this release checks {name} but adds up no costs over runs yet");
            problems.warning(Code::NotYet, node.place, message);
        }
    }
    fields.finish(&[], problems);
    of_run
}

fn apps(node: &Node, problems: &mut Problems) -> Vec<i64> {
    let Shape::List(items) = &node.shape else {
        problems.error(Code::WrongKind, node.place, format!("trusted_apps is a list of ids, not {}", node.kind()));
        return Vec::new();
    };
    if items.len() > TRUSTED_APPS_MAX {
        problems.error(Code::TooLarge, node.place, format!("trusted_apps has at most {TRUSTED_APPS_MAX} entries"));
    }
    let items = items.iter().take(TRUSTED_APPS_MAX);
    items.filter_map(|item| read::whole(item, "the id of an App", 1..=i64::MAX, problems)).collect()
}

fn commands(node: &Node, problems: &mut Problems) -> BTreeMap<String, Permission> {
    let mut commands = BTreeMap::new();
    let Shape::Map(entries) = &node.shape else {
        read::wrong_kind(node, "commands", "a mapping", problems);
        return commands;
    };
    for entry in entries {
        if !VERBS.contains(&entry.key.as_str()) {
            let message = format!("there is no command {}", entry.key);
            problems.error(Code::UnknownField, entry.place, message).did_you_mean(&entry.key, VERBS, || None);
        } else if let Some(permission) = read::choice(&entry.node, &entry.key, &Permission::WORDS, problems) {
            commands.insert(entry.key.clone(), permission);
        }
    }
    commands
}

#[cfg(test)]
mod tests;
