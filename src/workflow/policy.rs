//! `.workflows/config.yml` — what a repository decides for all its workflows.

use std::collections::BTreeMap;

use super::file::{self, Node, Shape};
use super::problem::{Code, Problem, Problems};
use super::read::{self, Fields};

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
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            definition_ref: DefinitionRef::Default,
            bare_commands: true,
            trusted_apps: Vec::new(),
            commands: BTreeMap::new(),
            skip_markers: SkipMarkers::default(),
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
/// Fields that the language will have.
const PLANNED: [&str; 4] = ["limits", "notifications", "budgets", "budget"];

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
        Some(policy) if !problems.has_errors() => Ok(policy),
        _ => Err(problems.sorted()),
    }
}

fn lower(root: &Node, problems: &mut Problems) -> Option<Policy> {
    let mut policy = Policy::default();
    let mut fields = Fields::of(root, "config.yml", problems)?;
    if let Some(node) = fields.take("definition_ref") {
        policy.definition_ref = read::choice(node, "definition_ref", &DEFINITION_REFS, problems)?;
    }
    if let Some(node) = fields.take("bare_commands") {
        policy.bare_commands = read::flag(node, "bare_commands", problems)?;
    }
    if let Some(node) = fields.take("trusted_apps") {
        policy.trusted_apps = apps(node, problems);
    }
    if let Some(node) = fields.take("commands") {
        policy.commands = commands(node, problems);
    }
    if let Some(node) = fields.take("skip_markers") {
        policy.skip_markers = read::choice(node, "skip_markers", &SkipMarkers::WORDS, problems)?;
    }
    fields.finish(&PLANNED, problems);
    Some(policy)
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
        problems.error(Code::WrongKind, node.place, format!("commands is a mapping, not {}", node.kind()));
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
