//! `on:` — which events start a workflow, and whether a given one does.

mod read;

use super::inputs::Inputs;
use super::pattern::Patterns;
use super::policy::Permission;
use super::schedule::Schedule;

/// The kinds of events that start a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Triggers {
    /// Pull requests.
    pub pull_request: Option<PullRequest>,
    /// Pushes of branches and tags.
    pub push: Option<Push>,
    /// Groups of the merge queue.
    pub merge_group: Option<MergeGroup>,
    /// The clock.
    pub schedule: Vec<Schedule>,
    /// A person who gives the inputs; `None` where the file does not say `manual`.
    pub manual: Option<Inputs>,
    /// Comments on pull requests.
    pub comment: Option<Comment>,
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
    /// By labels.
    pub labels: Labels,
}

/// Which pull requests by their labels; case does not count, as on GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels {
    /// At least one of these, where there are any.
    pub any: Vec<String>,
    /// None of these: those written with a `!`.
    pub none: Vec<String>,
}

/// Which groups of the merge queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MergeGroup {
    /// By the branch that they shall be merged into.
    pub branches: Filter,
}

/// Which comments on pull requests: those with a line that is one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// `deploy` for a line that begins with the word `/deploy`.
    pub commands: Vec<String>,
    /// Whole lines, such as `ship it`; case does not count.
    pub phrases: Vec<String>,
    /// The least permission of who writes it.
    pub from: Permission,
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
        /// Its labels; `None` when they are not known, which passes every filter.
        labels: Option<&'a [String]>,
    },
    /// A branch or tag was pushed.
    Push {
        /// `refs/heads/main`, `refs/tags/v1`.
        reference: &'a str,
        /// As above.
        paths: Option<&'a [String]>,
    },
    /// The merge queue wants checks for a group.
    MergeGroup {
        /// The branch that it shall be merged into.
        base: &'a str,
    },
    /// The time of a schedule has come; which one, the clock knows.
    Schedule,
    /// A person wants it, with the inputs that were given.
    Manual,
    /// Somebody wrote a comment on a pull request.
    Comment {
        /// Its lines as people see them, outside quotes and code.
        lines: &'a [&'a str],
        /// What its writer may do; `None` in any doubt.
        permission: Option<Permission>,
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
pub const PULL_REQUEST_TYPES: [&str; 20] = [
    "opened",
    "synchronize",
    "reopened",
    "ready_for_review",
    "converted_to_draft",
    "edited",
    "labeled",
    "unlabeled",
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

/// Whether an event starts a workflow with these triggers.
#[must_use]
pub fn matches(triggers: &Triggers, subject: &Subject<'_>) -> Verdict {
    match *subject {
        Subject::PullRequest { action, base, paths, labels } => match &triggers.pull_request {
            Some(wanted) if wanted.types.contains(&action) => first_filtered([
                wanted.branches.keeps_out(base, "the base branch", "branches"),
                wanted.labels.keep_out(labels),
                wanted.paths.keeps_all_out(paths),
            ]),
            Some(_) | None => Verdict::NoTrigger,
        },
        Subject::Push { reference, paths } => match &triggers.push {
            Some(wanted) => wanted.matches(reference, paths),
            None => Verdict::NoTrigger,
        },
        Subject::MergeGroup { base } => match &triggers.merge_group {
            Some(wanted) => first_filtered([wanted.branches.keeps_out(base, "the base branch", "branches")]),
            None => Verdict::NoTrigger,
        },
        Subject::Schedule if triggers.schedule.is_empty() => Verdict::NoTrigger,
        Subject::Manual if triggers.manual.is_none() => Verdict::NoTrigger,
        Subject::Schedule | Subject::Manual => Verdict::Run,
        Subject::Comment { lines, permission } => match &triggers.comment {
            Some(wanted) => wanted.matches(lines, permission),
            None => Verdict::NoTrigger,
        },
    }
}

fn first_filtered<const N: usize>(reasons: [Option<String>; N]) -> Verdict {
    reasons.into_iter().flatten().next().map_or(Verdict::Run, Verdict::Filtered)
}

impl Triggers {
    /// An event that starts the workflow and belongs to no pull request, in words.
    pub(crate) fn without_pr(&self) -> Option<&'static str> {
        let found = [
            (self.push.is_some(), "a push"),
            (self.merge_group.is_some(), "a merge group"),
            (!self.schedule.is_empty(), "a schedule"),
        ];
        found.into_iter().find(|(starts, _)| *starts).map(|(_, event)| event)
    }
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

impl Labels {
    fn keep_out(&self, labels: Option<&[String]>) -> Option<String> {
        let labels = labels?;
        let has = |wanted: &&String| labels.iter().any(|label| label.eq_ignore_ascii_case(wanted));
        if let Some(unwanted) = self.none.iter().find(has) {
            return Some(format!("it has the label {unwanted}, which labels excludes"));
        }
        let missing = !self.any.is_empty() && !self.any.iter().any(|wanted| has(&wanted));
        missing.then(|| format!("it has none of the labels {}", self.any.join(", ")))
    }
}

impl Comment {
    fn matches(&self, lines: &[&str], permission: Option<Permission>) -> Verdict {
        let is_command = |line: &str| {
            let word = line.strip_prefix('/').and_then(|rest| rest.split_whitespace().next());
            word.is_some_and(|word| self.commands.iter().any(|command| command == word))
        };
        let is_phrase = |line: &str| self.phrases.iter().any(|phrase| phrase.eq_ignore_ascii_case(line));
        if !lines.iter().map(|line| line.trim()).any(|line| is_command(line) || is_phrase(line)) {
            return Verdict::NoTrigger;
        }
        match permission {
            Some(has) if has >= self.from => Verdict::Run,
            Some(_) | None => Verdict::Filtered(format!("who wrote it may not: it takes {}", self.from.word())),
        }
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
}

#[cfg(test)]
mod tests;
