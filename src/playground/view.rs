//! What a person sees, for tests and for the terminal of `dev`.

use std::fmt::Write as _;

use crate::time::Timestamp;

use super::checks::Run;
use super::comments::REACTIONS;
use super::pulls::Pull;
use super::state::State;

/// How many requests a failed wait shows.
const REQUESTS_SHOWN: usize = 12;

/// One check run as it shows on a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckView {
    /// GitHub's number of it.
    pub id: i64,
    /// The suite it belongs to.
    pub suite: i64,
    /// Whether our App wrote it.
    pub ours: bool,
    /// Its name.
    pub name: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// How it ended.
    pub conclusion: Option<String>,
    /// When the work began; GitHub knows it to the second.
    pub started_at: Option<Timestamp>,
    /// The line beside its name.
    pub title: Option<String>,
    /// The text above its log.
    pub summary: Option<String>,
    /// The text below it.
    pub text: Option<String>,
    /// Our own name for it.
    pub external_id: String,
    /// Where *Details* leads.
    pub details_url: Option<String>,
    /// `path:line level message` of each annotation.
    pub annotations: Vec<String>,
    /// The identifiers of its buttons.
    pub actions: Vec<String>,
}

/// One comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentView {
    /// GitHub's number of it.
    pub id: i64,
    /// Who wrote it.
    pub author: String,
    /// What it says.
    pub body: String,
    /// What it got: `eyes`, `rocket` …, in order.
    pub reactions: Vec<String>,
}

/// A pull request in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullView {
    /// Its number.
    pub number: u64,
    /// Its repository.
    pub repo: String,
    /// Its title.
    pub title: String,
    /// The commit it stands at.
    pub head: String,
    /// Its branch.
    pub branch: String,
    /// Whether it is open.
    pub open: bool,
}

fn check_view(state: &State, run: &Run) -> CheckView {
    let annotation = |one: &serde_json::Value| {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        format!("{}:{} {} {}", text("path"), one["start_line"], text("annotation_level"), text("message"))
    };
    CheckView {
        id: run.id,
        suite: run.suite,
        ours: run.app == state.ours.id,
        name: run.name.clone(),
        status: run.status.clone(),
        conclusion: run.conclusion.clone(),
        started_at: Timestamp::parse_rfc3339(&run.started_at).ok(),
        title: run.title.clone(),
        summary: run.summary.clone(),
        text: run.text.clone(),
        external_id: run.external_id.clone(),
        details_url: run.details_url.clone(),
        annotations: run.annotations.iter().map(annotation).collect(),
        actions: run.actions.iter().filter_map(|one| one["identifier"].as_str().map(str::to_owned)).collect(),
    }
}

fn icon(check: &CheckView) -> &'static str {
    match check.conclusion.as_deref().unwrap_or(&check.status) {
        "success" => "✔",
        "failure" | "timed_out" | "startup_failure" => "✘",
        "action_required" => "!",
        "neutral" => "◼",
        "skipped" => "⊘",
        "cancelled" | "stale" => "⊝",
        "in_progress" => "◉",
        _ => "○",
    }
}

impl State {
    /// The checks of a commit, by name; of each name the newest.
    #[must_use]
    pub fn checks(&self, sha: &str) -> Vec<CheckView> {
        let mut newest: Vec<CheckView> = Vec::new();
        for check in self.all_checks(sha).into_iter().rev() {
            if !newest.iter().any(|seen| seen.name == check.name && seen.ours == check.ours) {
                newest.push(check);
            }
        }
        newest.sort_by(|one, other| one.name.cmp(&other.name));
        newest
    }

    /// The newest check of a name on a commit.
    #[must_use]
    pub fn check(&self, sha: &str, name: &str) -> Option<CheckView> {
        self.checks(sha).into_iter().find(|check| check.name == name)
    }

    /// All check runs of a commit, oldest first.
    #[must_use]
    pub fn all_checks(&self, sha: &str) -> Vec<CheckView> {
        let runs = self.checks.runs.values().filter(|run| run.sha == sha);
        runs.map(|run| check_view(self, run)).collect()
    }

    /// The comments of a pull request, oldest first.
    #[must_use]
    pub fn comments(&self, number: u64) -> Vec<CommentView> {
        let comments = self.comments.values().filter(|comment| comment.number == number);
        let view = |comment: &super::comments::Comment| CommentView {
            id: comment.id,
            author: comment.author.clone(),
            body: comment.body.clone(),
            reactions: comment.reactions.iter().map(|one| one.content.clone()).collect(),
        };
        comments.map(view).collect()
    }

    /// The reactions on a comment, in order.
    #[must_use]
    pub fn reactions(&self, comment: i64) -> Vec<String> {
        let found = self.comments.get(&comment).map(|comment| comment.reactions.as_slice()).unwrap_or_default();
        found.iter().map(|one| one.content.clone()).collect()
    }

    /// All pull requests, oldest first.
    #[must_use]
    pub fn pull_requests(&self) -> Vec<PullView> {
        let view = |pull: &Pull| PullView {
            number: pull.number,
            repo: pull.repo.to_string(),
            title: pull.title.clone(),
            head: pull.head_sha.clone(),
            branch: pull.head_ref.clone(),
            open: pull.open(),
        };
        self.pulls.values().map(view).collect()
    }

    /// The commit that a pull request stands at; empty if there is no such pull request.
    #[must_use]
    pub fn head_of(&self, number: u64) -> &str {
        self.pulls.get(&number).map_or("", |pull| &pull.head_sha)
    }

    /// A pull request as a person sees it, without ids and times: made for snapshots.
    #[must_use]
    pub fn render(&self, number: u64) -> String {
        let Some(pull) = self.pulls.get(&number) else { return format!("there is no pull request {number}\n") };
        let state = match (&pull.merged, pull.open(), pull.draft) {
            (Some(_), _, _) => "merged",
            (None, false, _) => "closed",
            (None, true, true) => "draft",
            (None, true, false) => "open",
        };
        let from = if pull.fork() { format!("{}:{}", pull.head_owner, pull.head_ref) } else { pull.head_ref.clone() };
        let mut page =
            format!("{} #{number} ({state}): {} -> {} by @{}\n", pull.title, from, pull.base_ref, pull.author);
        let required: Vec<&str> = self.repos.get(&pull.repo).map_or(Vec::new(), |repo| {
            repo.required.iter().filter(|one| one.branch == pull.base_ref).map(|one| one.name.as_str()).collect()
        });
        let checks = self.checks(&pull.head_sha);
        for check in &checks {
            render_check(&mut page, check, required.contains(&check.name.as_str()));
        }
        for missing in required.iter().filter(|name| !checks.iter().any(|check| check.name == **name)) {
            let _ = writeln!(page, "○ {missing} (required): Expected — Waiting for status to be reported");
        }
        for comment in self.comments(number) {
            render_comment(&mut page, &comment);
        }
        page
    }

    /// All pull requests, and the last requests: what a failed wait shows.
    pub(crate) fn render_all(&self) -> String {
        let mut page: String = self.pulls.keys().map(|number| self.render(*number) + "\n").collect();
        let skipped = self.ledger.requests.len().saturating_sub(REQUESTS_SHOWN);
        for request in self.ledger.requests.iter().skip(skipped) {
            let _ = writeln!(page, "{} {} -> {}", request.method, request.path, request.status);
        }
        for delivery in self.hooks.deliveries.values().rev().take(REQUESTS_SHOWN) {
            let outcome = delivery.outcome.as_ref().map_or("pending", |outcome| outcome.status.as_str());
            let _ = writeln!(page, "webhook {} {} -> {outcome}", delivery.event, delivery.payload["action"]);
        }
        page
    }
}

fn render_check(page: &mut String, check: &CheckView, required: bool) {
    let word = check.conclusion.as_deref().unwrap_or(&check.status);
    let required = if required { " (required)" } else { "" };
    let title = check.title.as_ref().map_or(String::new(), |title| format!(": {title}"));
    let _ = writeln!(page, "{} {}{required} [{word}]{title}", icon(check), check.name);
    for annotation in &check.annotations {
        let _ = writeln!(page, "    {annotation}");
    }
    if !check.actions.is_empty() && check.status == "completed" {
        let _ = writeln!(page, "    buttons: {}", check.actions.join(", "));
    }
}

fn render_comment(page: &mut String, comment: &CommentView) {
    let _ = writeln!(page, "@{}:", comment.author);
    for line in comment.body.lines() {
        let _ = writeln!(page, "{}", format!("    {line}").trim_end());
    }
    // In the order in which GitHub shows them, whatever came first.
    let has = |name: &str| comment.reactions.iter().any(|content| content == name);
    let icons: Vec<&str> = REACTIONS.iter().filter(|(name, _)| has(name)).map(|(_, icon)| *icon).collect();
    if !icons.is_empty() {
        let _ = writeln!(page, "    {}", icons.join(" "));
    }
}
