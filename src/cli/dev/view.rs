//! What there is to see on a pull request, as plain values, and what is new between two looks at it.

use std::collections::BTreeMap;

use crate::ids::WorkflowId;
use crate::playground::{CheckView, REHEARSED, State};
use crate::time::Timestamp;

/// Lines of a red step's log that the terminal shows; the check has more.
const LOG_LINES_MAX: usize = 15;
/// Annotations of a red step that the terminal shows.
const ANNOTATIONS_MAX: usize = 10;

/// A pull request at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct View {
    /// The commit that it stands at.
    pub(super) head: String,
    /// The checks of that commit, each workflow's own behind those of its steps.
    pub(super) checks: Vec<Check>,
    pub(super) comments: Vec<Comment>,
}

/// The newest check of one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Check {
    /// A retry is another check of the same name.
    pub(super) id: i64,
    pub(super) name: String,
    /// GitHub's word: how it ended, else where it stands.
    pub(super) word: String,
    pub(super) over: bool,
    pub(super) title: String,
    pub(super) started: Option<Timestamp>,
    /// Where *Details* leads: the run's page.
    pub(super) page: Option<String>,
    /// The end of the log.
    pub(super) log: Vec<String>,
    pub(super) annotations: Vec<String>,
    pub(super) buttons: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Comment {
    pub(super) id: i64,
    pub(super) author: String,
    pub(super) body: String,
    pub(super) reactions: Vec<String>,
}

/// Something that a person should be told once.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News<'a> {
    /// The pull request stands at another commit.
    Head(&'a str),
    /// The page of a run is known now.
    Page(&'a str),
    /// A check is new or stands elsewhere.
    Changed(&'a Check),
    /// A step has ended badly: why.
    Red(&'a Check),
    /// Somebody said something.
    Said(&'a Comment),
    /// Somebody reacted to a comment.
    Reacted { on: &'a Comment, with: &'a str },
}

/// How all of a commit's workflows ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All that ran is well.
    Green,
    /// Nothing had an opinion.
    Neutral,
    /// Something is not well, or waits for somebody.
    Red,
}

impl Check {
    fn of(check: &CheckView) -> Self {
        let summary = check.summary.as_deref().unwrap_or_default();
        let rehearsed = check.conclusion.as_deref() == Some("neutral") && summary.contains(REHEARSED);
        let title = match rehearsed {
            true => "rehearsed: nothing ran".to_owned(),
            false => clean(check.title.as_deref().unwrap_or_default()),
        };
        Self {
            id: check.id,
            name: clean(&check.name),
            word: check.conclusion.as_ref().unwrap_or(&check.status).replace('_', " "),
            over: check.status == "completed",
            title,
            started: check.started_at.filter(|_| check.status != "queued"),
            page: check.details_url.clone(),
            log: log_of(check.text.as_deref().unwrap_or_default()),
            annotations: check.annotations.iter().take(ANNOTATIONS_MAX).map(|one| clean(one)).collect(),
            buttons: if check.status == "completed" { check.actions.clone() } else { Vec::new() },
        }
    }

    /// The workflow that it belongs to.
    pub(super) fn workflow(&self) -> &str {
        self.name.split(" / ").next().unwrap_or_default()
    }

    fn is_step(&self) -> bool {
        self.name.contains(" / ")
    }

    pub(super) fn bad(&self) -> bool {
        self.over && !matches!(self.word.as_str(), "success" | "neutral" | "skipped")
    }

    fn differs(&self, before: &Self) -> bool {
        (self.id, &self.word, &self.title) != (before.id, &before.word, &before.title)
    }
}

impl View {
    /// Looks at a pull request.
    pub(super) fn of(state: &State, number: u64) -> Self {
        let head = state.head_of(number).to_owned();
        // In the order in which their names first appeared, so that a retry stays in its line.
        let mut newest: Vec<CheckView> = Vec::new();
        for check in state.all_checks(&head).into_iter().filter(|check| check.ours) {
            match newest.iter_mut().find(|seen| seen.name == check.name) {
                Some(seen) => *seen = check,
                None => newest.push(check),
            }
        }
        let mut checks: Vec<Check> = newest.iter().map(Check::of).collect();
        let mut workflows: Vec<String> = Vec::new();
        for check in &checks {
            if !workflows.iter().any(|known| known == check.workflow()) {
                workflows.push(check.workflow().to_owned());
            }
        }
        checks.sort_by_key(|check| {
            (workflows.iter().position(|workflow| workflow == check.workflow()), !check.is_step())
        });
        // Marks for machines do not show on GitHub either.
        let shows = |line: &&str| !(line.starts_with("<!--") && line.ends_with("-->"));
        let comments = state.comments(number).into_iter().map(|comment| Comment {
            id: comment.id,
            author: comment.author,
            body: comment.body.lines().filter(shows).map(clean).collect::<Vec<_>>().join("\n"),
            reactions: comment.reactions,
        });
        Self { head, checks, comments: comments.collect() }
    }

    /// The check of a name, which may be written `ci/test` as well.
    pub(super) fn check(&self, name: &str) -> Option<&Check> {
        let plain = |name: &str| name.replace(" / ", "/");
        self.checks.iter().find(|check| plain(&check.name) == plain(name))
    }

    /// How these workflows ended; nothing as long as one of them has not.
    pub(super) fn verdict(&self, workflows: &[WorkflowId]) -> Option<Verdict> {
        let ended = |workflow: &WorkflowId| self.check(workflow.as_str()).filter(|check| check.over);
        let checks: Vec<&Check> = workflows.iter().map(ended).collect::<Option<_>>()?;
        let all = |words: &[&str]| checks.iter().all(|check| words.contains(&check.word.as_str()));
        Some(match () {
            // A workflow that its own filters kept out says nothing; but if none ran, nobody may call that green.
            () if all(&["skipped"]) => Verdict::Red,
            () if all(&["neutral", "skipped"]) => Verdict::Neutral,
            () if all(&["success", "neutral", "skipped"]) => Verdict::Green,
            () => Verdict::Red,
        })
    }

    /// What is new since an earlier look, in the order in which a person wants to hear it.
    pub(super) fn news<'a>(&'a self, before: &Self) -> Vec<News<'a>> {
        let mut news = Vec::new();
        let same_head = self.head == before.head;
        if !same_head && !before.head.is_empty() {
            news.push(News::Head(&self.head));
        }
        let known: BTreeMap<i64, &Comment> = before.comments.iter().map(|comment| (comment.id, comment)).collect();
        for comment in &self.comments {
            let old = known.get(&comment.id);
            if old.is_none_or(|old| old.body != comment.body) {
                news.push(News::Said(comment));
            }
            let reacted = comment.reactions.iter().filter(|one| old.is_none_or(|old| !old.reactions.contains(one)));
            news.extend(reacted.map(|with| News::Reacted { on: comment, with }));
        }
        for check in &self.checks {
            let old = before.checks.iter().find(|old| same_head && old.name == check.name);
            // All checks of a run lead to its page, whichever of them comes first.
            let paged = before.checks.iter().any(|old| old.page == check.page);
            let page = check.page.as_deref().map(News::Page);
            news.extend(page.filter(|page| !paged && !news.contains(page)));
            if old.is_none_or(|old| check.differs(old)) {
                news.push(News::Changed(check));
            }
            let was_bad = old.is_some_and(|old| old.id == check.id && old.bad());
            if check.bad() && !was_bad && (check.is_step() && !check.log.is_empty() || !check.annotations.is_empty()) {
                news.push(News::Red(check));
            }
        }
        news
    }
}

/// A stranger's text as one line of a terminal: no control characters, and none that turn the direction of writing.
pub(super) fn clean(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}');
    let text = text.replace('\t', "    ");
    text.chars().filter(|c| !c.is_control() && !turns(*c)).collect()
}

/// The end of the log in a check's text: what stands in its fenced block.
fn log_of(text: &str) -> Vec<String> {
    let fence = |line: &&str| line.trim_start().starts_with("```");
    let lines: Vec<&str> = text.lines().skip_while(|line| !fence(line)).skip(1).collect();
    let end = lines.iter().rposition(fence).unwrap_or(lines.len());
    let lines = lines.get(..end).unwrap_or_default();
    lines.iter().skip(lines.len().saturating_sub(LOG_LINES_MAX)).map(|line| clean(line)).collect()
}

#[cfg(test)]
mod tests;
