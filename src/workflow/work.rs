//! What a step or a rollback does, by whom, for how long and how often: the fields that both have.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::defaults::{self, SHELL, of_agent, of_kind};
use super::file::{Node, Shape};
use super::plan::{Action, Join, Kind, Permissions, Resources, Retry, Step, Strategy};
use super::problem::{Code, Place, Problems};
use super::read::{self, Fields};
use super::steps::{Mention, Sees, mentions_below, mentions_in};
use super::units;
use crate::ids::{AgentName, StepKey};

/// Fallback agents of one step.
pub const FALLBACK_AGENTS_MAX: usize = 8;
/// Variables, and secrets, of one step.
pub const VARIABLES_MAX: usize = 64;
/// Retries with one agent.
pub const RETRIES_MAX: u32 = 20;

/// What a file says for all its steps.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileDefaults {
    pub(crate) agent: Option<AgentName>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: Option<u32>,
    pub(crate) backoff: Backoff,
    /// `None` when the file does not say: a fallback agent then means that it is used.
    pub(crate) strategy: Option<Strategy>,
    pub(crate) max_retries: Option<u32>,
    pub(crate) fallback_agents: Vec<AgentName>,
}

impl FileDefaults {
    /// What a used file says, and where it says nothing, what its user's file says.
    pub(crate) fn or(self, user: &Self) -> Self {
        Self {
            agent: self.agent.or_else(|| user.agent.clone()),
            timeout: self.timeout.or(user.timeout),
            retries: self.retries.or(user.retries),
            backoff: self.backoff,
            ..user.clone()
        }
    }
}

/// `retry:` — how long to wait between tries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    first: Duration,
    factor_percent: u32,
    max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: defaults::BACKOFF, factor_percent: defaults::BACKOFF_FACTOR_PERCENT, max: defaults::BACKOFF_MAX }
    }
}

impl Backoff {
    /// Reads `retry:`; what it does not say stays.
    pub(crate) fn read(self, node: &Node, problems: &mut Problems) -> Self {
        let Some(mut fields) = Fields::of(node, "retry", problems) else { return self };
        let mut time = |name| fields.take(name).and_then(|node| read::duration(node, name, problems));
        let (first, max) = (time("backoff"), time("max"));
        let factor = fields.take("factor").and_then(|node| read::with(node, "factor", factor_percent, problems));
        fields.finish(&[], problems);
        let first = first.unwrap_or(self.first);
        Self {
            first,
            factor_percent: factor.unwrap_or(self.factor_percent),
            // Whoever asks for a long first wait does not mean it to be cut.
            max: max.unwrap_or(self.max).max(first),
        }
    }
}

fn factor_percent(text: &str) -> Result<u32, String> {
    let percent = units::decimal(text, 2).and_then(|percent| u32::try_from(percent).ok());
    let percent = percent.filter(|percent| (100..=1_000).contains(percent));
    percent.ok_or_else(|| format!("{text} is not a number from 1 to 10 with at most two decimals"))
}

/// What is done, by whom, for how long and how often.
pub(crate) struct Work {
    kind: Kind,
    pub(crate) action: Action,
    pub(crate) agent: AgentName,
    fallback_agents: Vec<AgentName>,
    timeout: Duration,
    queue_timeout: Option<Duration>,
    stall_timeout: Option<Duration>,
    retry: Retry,
    pub(crate) mentions: Vec<Mention>,
}

impl Work {
    /// Reads the fields.
    pub(crate) fn read(fields: &mut Fields<'_>, file: &FileDefaults, problems: &mut Problems) -> Self {
        let kind = fields.take("type").and_then(|node| kind(node, problems)).unwrap_or(Kind::Other);
        let mut mentions = Vec::new();
        let line = fields.take("run");
        let action = action(line, fields, &mut mentions, problems);
        let said = fields.take("agent").map(|node| agent(node, problems));
        let agent = whom(said, line.is_some(), file, fields, problems);
        let own_fallbacks = fields.take("fallback_agents").map(|node| agents(node, "fallback_agents", problems));
        let fallback_agents = match &own_fallbacks {
            Some(own) => own.clone(),
            // Nobody in the list of all steps knows what to do with a command line.
            None if line.is_some() => Vec::new(),
            None => file.fallback_agents.clone(),
        };
        let mut time = |name| fields.take(name).and_then(|node| read::duration(node, name, problems));
        let (timeout, queue_timeout, stall_timeout) = (time("timeout"), time("queue_timeout"), time("stall_timeout"));
        let retries = fields.take_either("retries", "retry_count", problems);
        let retries = retries.and_then(|node| read::count(node, "retries", 0..=RETRIES_MAX, problems));
        let backoff = fields.take("retry").map_or(file.backoff, |node| file.backoff.read(node, problems));
        let (by_kind, by_agent) = (of_kind(kind), of_agent(agent.as_str()));
        let first_found = timeout.or(file.timeout).or(by_kind.map(|k| k.timeout)).or(by_agent.map(|a| a.timeout));
        let first_retries = retries.or(file.retries).or(by_kind.map(|k| k.retries)).or(by_agent.map(|a| a.retries));
        let strategy = file.strategy.unwrap_or(match fallback_agents.is_empty() {
            true => Strategy::Retry,
            false => Strategy::RetryWithFallback,
        });
        let retry = Retry {
            strategy,
            retries: first_retries.unwrap_or(defaults::RETRIES).min(file.max_retries.unwrap_or(u32::MAX)),
            verdicts: retries.is_some(),
            backoff: backoff.first,
            factor_percent: backoff.factor_percent,
            backoff_max: backoff.max,
        };
        Self {
            fallback_agents: fallback_agents.into_iter().filter(|fallback| *fallback != agent).collect(),
            kind,
            action,
            agent,
            timeout: first_found.unwrap_or(defaults::TIMEOUT),
            queue_timeout,
            stall_timeout,
            retry,
            mentions,
        }
    }

    /// A step that does this and stands alone.
    pub(crate) fn step(&self, key: StepKey, name: Option<String>) -> Step {
        Step {
            name: name.unwrap_or_else(|| key.to_string()),
            key,
            kind: self.kind,
            action: self.action.clone(),
            agent: self.agent.clone(),
            fallback_agents: self.fallback_agents.clone(),
            needs: Vec::new(),
            join: Join::All,
            dependants: Vec::new(),
            condition: None,
            timeout: self.timeout,
            queue_timeout: self.queue_timeout,
            stall_timeout: self.stall_timeout.unwrap_or(defaults::STALL_TIMEOUT),
            retry: self.retry.clone(),
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
            path: self.timeout,
        }
    }
}

fn kind(node: &Node, problems: &mut Problems) -> Option<Kind> {
    let text = read::text(node, "type", problems)?;
    if text == "other" {
        return Some(Kind::Other);
    }
    let known = defaults::KINDS.iter().find(|facts| facts.name == text);
    if known.is_none() {
        let names: Vec<&str> = defaults::KINDS.iter().map(|facts| facts.name).collect();
        let all = || Some(format!("those that do are {}", names.join(", ")));
        let problem = problems.warning(Code::UnknownType, node.place, format!("the type {text} sets no defaults"));
        problem.did_you_mean(&text, names.iter().copied(), all);
    }
    known.map(|facts| facts.kind)
}

fn agent(node: &Node, problems: &mut Problems) -> Option<AgentName> {
    read::text(node, "agent", problems).and_then(|text| read::parsed(&text, node.place, problems))
}

/// A list of agents.
pub(crate) fn agents(node: &Node, what: &str, problems: &mut Problems) -> Vec<AgentName> {
    let texts = read::texts(node, what, FALLBACK_AGENTS_MAX, problems);
    texts.into_iter().filter_map(|(text, place)| read::parsed(&text, place, problems)).collect()
}

/// The agent that gets it: the one that is said, the shell for a command line, the file's.
fn whom(
    said: Option<Option<AgentName>>,
    by_line: bool,
    file: &FileDefaults,
    fields: &Fields<'_>,
    problems: &mut Problems,
) -> AgentName {
    let place = fields.place;
    #[expect(clippy::expect_used, reason = "the text is a constant")]
    let shell = || SHELL.parse().expect("is a name");
    let agent: AgentName = match said {
        Some(Some(said)) => said,
        // What is no name was told already, and so will be a slip for run or agent.
        Some(None) => return shell(),
        None if by_line => shell(),
        None if fields.slip_of("run") || fields.slip_of("agent") => return shell(),
        None => match &file.agent {
            Some(agent) => agent.clone(),
            None => {
                let message = "nobody does this: there is neither run nor agent";
                problems.error(Code::MissingField, place, message);
                problems.help("write run: …, agent: …, or defaults: { agent: … }");
                return shell();
            }
        },
    };
    if by_line && of_agent(agent.as_str()).is_some() {
        let message = format!("{agent} is told in words (with:), it runs no command line");
        problems.error(Code::Conflict, place, message).help("remove agent, or put the words into with");
    }
    if !by_line && agent.as_str() == SHELL {
        problems.error(Code::MissingField, place, "the shell needs run: what shall it do?");
    }
    agent
}

fn action(
    line: Option<&Node>,
    fields: &mut Fields<'_>,
    mentions: &mut Vec<Mention>,
    problems: &mut Problems,
) -> Action {
    let run = line.and_then(|node| run(node, problems));
    let run = within(run, line.is_some(), fields, problems);
    let with = fields.take_either("with", "config", problems);
    let with = with.map_or_else(BTreeMap::new, |node| {
        mentions.extend(mentions_below(node, problems));
        free_form(node, problems)
    });
    let env = fields.take("env").map(|node| (node.place, env(node, mentions, problems)));
    let secrets = fields.take("secrets").map(|node| (node.place, secrets(node, problems)));
    for (place, field) in [(env.as_ref().map(|e| e.0), "env"), (secrets.as_ref().map(|s| s.0), "secrets")] {
        if let (Some(place), None) = (place, line) {
            let help = "what an agent shall know stands in with:, and it gets no secrets";
            problems.error(Code::NoEffect, place, format!("{field} is for steps with run only")).help(help);
        }
    }
    let (env, secrets) = (env.map(|e| e.1).unwrap_or_default(), secrets.map(|s| s.1).unwrap_or_default());
    Action { run, with, env, secrets }
}

/// A command line. What comes from outside reaches it by its environment, never by its text: otherwise whoever names a
/// branch writes the script.
fn run(node: &Node, problems: &mut Problems) -> Option<String> {
    let text = read::text(node, "run", problems)?;
    if let Some(at) = text.find("${{") {
        let message = "run holds no expressions: a title or a branch name could then run commands";
        let place = node.place_of(at).unwrap_or(node.place);
        problems.error(Code::BadExpression, place, message).help("put it into env: and write \"$NAME\" here");
        return None;
    }
    if text.trim().is_empty() {
        problems.error(Code::BadValue, node.place, "run is empty");
        return None;
    }
    Some(text)
}

/// `working-directory:` and `shell:`. The first is sugar for a line that goes there; the second may only name what runs
/// command lines anyway.
fn within(run: Option<String>, by_line: bool, fields: &mut Fields<'_>, problems: &mut Problems) -> Option<String> {
    const SHELLS: [(&str, ()); 2] = [("bash", ()), ("sh", ())];
    let directory = fields.take_either("working-directory", "working_directory", problems);
    let shell = fields.take("shell");
    for (node, field) in [(directory, "working-directory"), (shell, "shell")] {
        if let (Some(node), false) = (node, by_line) {
            problems.error(Code::NoEffect, node.place, format!("{field} is for steps with run only"));
        }
    }
    let _ = shell.and_then(|node| read::choice(node, "shell", &SHELLS, problems));
    let Some(directory) = directory.and_then(|node| read::with(node, "working-directory", relative, problems)) else {
        return run;
    };
    run.map(|run| format!("cd -- '{}'\n{run}", directory.replace('\'', r"'\''")))
}

/// A folder of the checkout.
fn relative(text: &str) -> Result<String, String> {
    let inside = !text.is_empty() && !text.starts_with('/') && text.split('/').all(|part| part != "..");
    let plain = !text.contains(['\n', '\r', '\0']) && !text.contains("${{") && text.len() <= read::TEXT_BYTES_MAX / 8;
    if inside && plain { Ok(text.to_owned()) } else { Err(format!("{text:?} is no folder of the repository")) }
}

fn free_form(node: &Node, problems: &mut Problems) -> BTreeMap<String, Value> {
    match &node.shape {
        Shape::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), entry.node.to_value())).collect(),
        Shape::Null => BTreeMap::new(),
        Shape::Bool(_) | Shape::Number(_) | Shape::Text | Shape::List(_) => {
            read::wrong_kind(node, "with", "a mapping", problems);
            BTreeMap::new()
        }
    }
}

pub(crate) fn env(node: &Node, mentions: &mut Vec<Mention>, problems: &mut Problems) -> BTreeMap<String, String> {
    let Shape::Map(entries) = &node.shape else {
        read::wrong_kind(node, "env", "a mapping", problems);
        return BTreeMap::new();
    };
    if entries.len() > VARIABLES_MAX {
        problems.error(Code::TooLarge, node.place, format!("env has at most {VARIABLES_MAX} entries"));
    }
    let mut env = BTreeMap::new();
    for entry in entries.iter().take(VARIABLES_MAX) {
        variable(&entry.key, entry.place, problems);
        if let Some(text) = read::text(&entry.node, &entry.key, problems) {
            mentions.extend(mentions_in(&entry.node, Sees::Instance, problems));
            env.insert(entry.key.clone(), text);
        }
    }
    env
}

fn secrets(node: &Node, problems: &mut Problems) -> Vec<String> {
    let texts = read::texts(node, "secrets", VARIABLES_MAX, problems);
    texts.iter().for_each(|(name, place)| variable(name, *place, problems));
    texts.into_iter().map(|(name, _)| name).collect()
}

fn variable(name: &str, place: Place, problems: &mut Problems) {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !starts || !plain || name.len() > read::NAME_CHARS_MAX {
        problems.error(Code::BadId, place, format!("{name:?} is no name of a variable")).help("letters, digits and _");
    } else if name.starts_with("POINTSMAN_") {
        let message = format!("{name}: names with POINTSMAN_ are the runner's own");
        problems.error(Code::BadId, place, message).help("choose another name");
    }
}
