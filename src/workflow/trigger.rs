//! `on:` — which events start a workflow, and whether a given one does.

use super::file::{Node, Shape};
use super::pattern::Patterns;
use super::problem::{Code, Place, Problems};
use super::read::{self, Fields};

/// The kinds of events that start a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Triggers {
    /// Pull requests.
    pub pull_request: Option<PullRequest>,
    /// Pushes of branches and tags.
    pub push: Option<Push>,
}

/// Which pull request events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// The actions, as GitHub names them.
    pub types: Vec<&'static str>,
    /// By base branch.
    pub branches: Filter,
    /// By changed files.
    pub paths: Filter,
}

/// Which pushes. With neither branches nor tags every push counts; with one of them only that kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Push {
    /// By branch.
    pub branches: Filter,
    /// By tag.
    pub tags: Filter,
    /// By changed files; not asked for tags.
    pub paths: Filter,
}

/// A filter over names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Filter {
    /// All pass.
    #[default]
    None,
    /// What matches passes.
    Only(Patterns),
    /// What matches is kept out.
    Ignore(Patterns),
}

/// An event, as far as triggers look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// Something happened to a pull request.
    PullRequest {
        /// What, as GitHub names it: `opened`.
        action: &'a str,
        /// The branch that it shall be merged into.
        base: &'a str,
        /// The changed files; `None` when there are too many to know, which passes every filter.
        paths: Option<&'a [String]>,
    },
    /// A branch or tag was pushed.
    Push {
        /// `refs/heads/main`, `refs/tags/v1`.
        reference: &'a str,
        /// As above.
        paths: Option<&'a [String]>,
    },
}

/// Whether an event starts a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Run,
    /// It is one of those that the workflow wants, but a filter keeps it out; why, for people.
    Filtered(String),
    /// The workflow does not want this kind of event at all.
    NoTrigger,
}

/// The actions of a pull request that can start a workflow; the first three do when no `types` are given.
pub const PULL_REQUEST_TYPES: [&str; 8] =
    ["opened", "synchronize", "reopened", "ready_for_review", "converted_to_draft", "edited", "labeled", "unlabeled"];
/// How many of [`PULL_REQUEST_TYPES`] count without being asked for, as on Actions.
const DEFAULT_TYPES: usize = 3;
/// What Actions knows beside them.
const PLANNED_TYPES: [&str; 12] = [
    "assigned",
    "unassigned",
    "closed",
    "locked",
    "unlocked",
    "enqueued",
    "dequeued",
    "milestoned",
    "demilestoned",
    "review_requested",
    "review_request_removed",
    "auto_merge_enabled",
];
/// Kinds of events that the language will have.
const PLANNED_EVENTS: [&str; 9] = [
    "merge_group",
    "schedule",
    "manual",
    "workflow_dispatch",
    "workflow_call",
    "workflow_run",
    "issue_comment",
    "release",
    "pull_request_target",
];

/// Whether an event starts a workflow with these triggers.
#[must_use]
pub fn matches(triggers: &Triggers, subject: &Subject<'_>) -> Verdict {
    match *subject {
        Subject::PullRequest { action, base, paths } => match &triggers.pull_request {
            Some(wanted) if wanted.types.contains(&action) => first_filtered([
                wanted.branches.keeps_out(base, "the base branch", "branches"),
                wanted.paths.keeps_all_out(paths),
            ]),
            Some(_) | None => Verdict::NoTrigger,
        },
        Subject::Push { reference, paths } => match &triggers.push {
            Some(wanted) => wanted.matches(reference, paths),
            None => Verdict::NoTrigger,
        },
    }
}

fn first_filtered<const N: usize>(reasons: [Option<String>; N]) -> Verdict {
    reasons.into_iter().flatten().next().map_or(Verdict::Run, Verdict::Filtered)
}

impl Push {
    fn matches(&self, reference: &str, paths: Option<&[String]>) -> Verdict {
        let by_branch = self.branches != Filter::None;
        let by_tag = self.tags != Filter::None;
        if let Some(tag) = reference.strip_prefix("refs/tags/") {
            if by_branch && !by_tag {
                return Verdict::NoTrigger;
            }
            return first_filtered([self.tags.keeps_out(tag, "the tag", "tags")]);
        }
        if by_tag && !by_branch {
            return Verdict::NoTrigger;
        }
        let branch = reference.strip_prefix("refs/heads/").unwrap_or(reference);
        first_filtered([self.branches.keeps_out(branch, "the branch", "branches"), self.paths.keeps_all_out(paths)])
    }
}

impl Filter {
    fn keeps_out(&self, name: &str, what: &str, field: &str) -> Option<String> {
        match self {
            Self::Only(patterns) if !patterns.match_text(name) => {
                Some(format!("{what} {name} is not among {field}: {patterns}"))
            }
            Self::Ignore(patterns) if patterns.match_text(name) => {
                Some(format!("{what} {name} is among {field}-ignore: {patterns}"))
            }
            Self::None | Self::Only(_) | Self::Ignore(_) => None,
        }
    }

    /// Paths keep an event out only when none of them passes.
    fn keeps_all_out(&self, paths: Option<&[String]>) -> Option<String> {
        let paths = paths?;
        match self {
            Self::Only(patterns) if !paths.iter().any(|path| patterns.match_text(path)) => {
                Some(format!("no changed file is among paths: {patterns}"))
            }
            Self::Ignore(patterns) if paths.iter().all(|path| patterns.match_text(path)) => {
                Some(format!("every changed file is among paths-ignore: {patterns}"))
            }
            Self::None | Self::Only(_) | Self::Ignore(_) => None,
        }
    }

    fn read(fields: &mut Fields<'_>, names: [&'static str; 3], problems: &mut Problems) -> Self {
        let [name, ignore, underscored] = names;
        let only = fields.take(name);
        match (only, fields.take_either(ignore, underscored, problems)) {
            (None, None) => Self::None,
            (Some(only), None) => Self::Only(Patterns::read(only, name, problems)),
            (None, Some(ignored)) => Self::Ignore(Patterns::read(ignored, ignore, problems)),
            (Some(_), Some(ignored)) => {
                let message = format!("{name} and {ignore} exclude each other");
                problems.error(Code::Conflict, ignored.place, message).help(format!("write ! patterns in {name}"));
                Self::None
            }
        }
    }
}

const BRANCHES: [&str; 3] = ["branches", "branches-ignore", "branches_ignore"];
const TAGS: [&str; 3] = ["tags", "tags-ignore", "tags_ignore"];
const PATHS: [&str; 3] = ["paths", "paths-ignore", "paths_ignore"];

impl Triggers {
    /// Reads `on:`, which is one event, a list of events, or a mapping with their filters.
    pub(crate) fn read(node: &Node, problems: &mut Problems) -> Self {
        let mut triggers = Self::default();
        let empty = Node { place: node.place, shape: Shape::Null, written: String::new() };
        if let Shape::Map(entries) = &node.shape {
            for entry in entries {
                triggers.add(&entry.key, entry.place, &entry.node, problems);
            }
        } else {
            for (event, place) in read::texts(node, "on", EVENTS_MAX, problems) {
                triggers.add(&event, place, &empty, problems);
            }
        }
        triggers
    }

    fn add(&mut self, event: &str, place: Place, node: &Node, problems: &mut Problems) {
        match event {
            "pull_request" => self.pull_request = PullRequest::read(node, problems),
            "push" => self.push = Push::read(node, problems),
            _ if PLANNED_EVENTS.contains(&event) => {
                let message = format!("the event {event} is not there yet");
                problems.error(Code::NotYet, place, message).help("remove it for now; pull_request and push are there");
            }
            _ => {
                let all = || Some("there are pull_request and push".to_owned());
                let problem = problems.error(Code::BadValue, place, format!("there is no event {event}"));
                problem.did_you_mean(event, ["pull_request", "push"], all);
            }
        }
    }
}

/// Events in one list.
const EVENTS_MAX: usize = 20;

impl PullRequest {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "pull_request", problems)?;
        let types = match fields.take("types") {
            None => PULL_REQUEST_TYPES[..DEFAULT_TYPES].to_vec(),
            Some(node) => types(node, problems),
        };
        let branches = Filter::read(&mut fields, BRANCHES, problems);
        let paths = Filter::read(&mut fields, PATHS, problems);
        fields.finish(&[], problems);
        Some(Self { types, branches, paths })
    }
}

fn types(node: &Node, problems: &mut Problems) -> Vec<&'static str> {
    let texts = read::texts(node, "types", PULL_REQUEST_TYPES.len() + PLANNED_TYPES.len(), problems);
    if texts.is_empty() {
        problems.error(Code::BadValue, node.place, "types names none, so nothing would ever start");
    }
    let mut types = Vec::with_capacity(texts.len());
    for (text, place) in texts {
        match PULL_REQUEST_TYPES.into_iter().find(|known| *known == text) {
            Some(known) => types.push(known),
            None if PLANNED_TYPES.contains(&text.as_str()) => {
                problems.error(Code::NotYet, place, format!("the type {text} is not there yet"));
            }
            None => {
                let message = format!("there is no type {text}; there are {}", PULL_REQUEST_TYPES.join(", "));
                let problem = problems.error(Code::BadValue, place, message);
                problem.did_you_mean(&text, PULL_REQUEST_TYPES, || None);
            }
        }
    }
    types
}

impl Push {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "push", problems)?;
        let branches = Filter::read(&mut fields, BRANCHES, problems);
        let tags = Filter::read(&mut fields, TAGS, problems);
        let paths = Filter::read(&mut fields, PATHS, problems);
        fields.finish(&[], problems);
        Some(Self { branches, tags, paths })
    }
}

#[cfg(test)]
mod tests;
