//! Comments on pull requests, and the reactions on them.

use serde_json::{Value, json};

use crate::ids::RepoName;
use crate::time::Timestamp;

use super::error::Error;
use super::pulls::Pull;
use super::reply::{Answer, Call, Reply};
use super::shapes::{self, extend, node_id, time};
use super::state::State;

/// How many characters a comment may have.
const BODY_CHARS_MAX: usize = 65_536;
/// What one may react with, and how it looks.
pub(crate) const REACTIONS: [(&str, &str); 8] = [
    ("+1", "👍"),
    ("-1", "👎"),
    ("laugh", "😄"),
    ("confused", "😕"),
    ("heart", "❤️"),
    ("hooray", "🎉"),
    ("rocket", "🚀"),
    ("eyes", "👀"),
];

/// A comment on a pull request.
#[derive(Debug, Clone)]
pub(crate) struct Comment {
    pub(crate) id: i64,
    pub(crate) repo: RepoName,
    pub(crate) number: u64,
    pub(crate) author: String,
    /// The App that wrote it, if one did.
    pub(crate) app: Option<i64>,
    pub(crate) body: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) reactions: Vec<Reaction>,
}

/// One reaction of one person.
#[derive(Debug, Clone)]
pub(crate) struct Reaction {
    id: i64,
    by: String,
    pub(crate) content: String,
    at: Timestamp,
}

fn check_body(body: &str) -> Result<(), Reply> {
    if body.trim().is_empty() {
        return Err(Reply::unprocessable("IssueComment", "body", "Body cannot be blank"));
    }
    if body.chars().count() > BODY_CHARS_MAX {
        return Err(Reply::unprocessable("IssueComment", "data", "Body is too long (maximum is 65536 characters)"));
    }
    Ok(())
}

impl State {
    pub(crate) fn comment_json(&self, comment: &Comment) -> Value {
        let api = format!("{}/repos/{}", self.api(), comment.repo);
        let url = format!("{api}/issues/comments/{}", comment.id);
        let web = format!("{}/{}/pull/{}#issuecomment-{}", self.base, comment.repo, comment.number, comment.id);
        json!({
            "url": url, "html_url": web, "issue_url": format!("{api}/issues/{}", comment.number), "id": comment.id,
            "node_id": node_id("IssueComment", comment.id), "user": shapes::user(self, &comment.author),
            "created_at": comment.created_at.rfc3339(), "updated_at": comment.updated_at.rfc3339(),
            "author_association": self.association_of(&comment.repo, &comment.author), "body": comment.body,
            "reactions": counts(&comment.reactions, &url),
            "performed_via_github_app": comment.app.map(|app| shapes::app(self, self.app(app))),
        })
    }

    /// The issue behind a pull request, as `issue_comment` carries it: it has no head commit.
    pub(crate) fn issue_json(&self, pull: &Pull) -> Value {
        let api = format!("{}/repos/{}", self.api(), pull.repo);
        let (url, number) = (format!("{api}/issues/{}", pull.number), pull.number);
        let web = format!("{}/{}/pull/{number}", self.base, pull.repo);
        let comments = self.comments.values().filter(|comment| comment.number == number).count();
        json!({
            "url": url, "repository_url": api, "labels_url": format!("{url}/labels{{/name}}"),
            "comments_url": format!("{url}/comments"), "events_url": format!("{url}/events"), "html_url": web,
            "id": pull.id, "node_id": node_id("PullRequest", pull.id), "number": number, "title": pull.title,
            "user": shapes::user(self, &pull.author), "labels": [], "state": pull.state(), "locked": false,
            "assignee": null, "assignees": [], "milestone": null, "comments": comments,
            "created_at": pull.created_at.rfc3339(), "updated_at": pull.updated_at.rfc3339(),
            "closed_at": time(pull.closed_at), "author_association": self.association_of(&pull.repo, &pull.author),
            "active_lock_reason": null, "draft": pull.draft, "body": pull.body, "reactions": counts(&[], &url),
            "pull_request": {
                "url": format!("{api}/pulls/{number}"), "html_url": web, "diff_url": format!("{web}.diff"),
                "patch_url": format!("{web}.patch"), "merged_at": time(pull.closed_at.filter(|_| pull.merged.is_some())),
            },
        })
    }

    /// Writes a comment and tells the Apps.
    pub(crate) fn add_comment(
        &mut self,
        number: u64,
        (app, by): (Option<i64>, &str),
        body: &str,
    ) -> Result<i64, Reply> {
        check_body(body)?;
        let repo = self.pull(number)?.repo.clone();
        let (id, now) = (self.id(), self.now());
        let (author, body) = (by.to_owned(), body.to_owned());
        let comment =
            Comment { id, repo, number, author, app, body, created_at: now, updated_at: now, reactions: Vec::new() };
        self.comments.insert(id, comment);
        self.pull_mut(number)?.updated_at = now;
        self.announce_comment(id, "created", by, json!({}))?;
        Ok(id)
    }

    /// Changes a comment and tells the Apps what it was before.
    pub(crate) fn change_comment(&mut self, id: i64, by: &str, body: &str) -> Result<(), Reply> {
        check_body(body)?;
        let now = self.now();
        let comment = self.comments.get_mut(&id).ok_or_else(|| Error::missing("comment", id))?;
        let before = std::mem::replace(&mut comment.body, body.to_owned());
        comment.updated_at = now;
        Ok(self.announce_comment(id, "edited", by, json!({ "changes": { "body": { "from": before } } }))?)
    }

    /// Removes a comment and tells the Apps.
    pub(crate) fn remove_comment(&mut self, id: i64, by: &str) -> Result<(), Error> {
        self.announce_comment(id, "deleted", by, json!({}))?;
        self.comments.remove(&id);
        Ok(())
    }

    fn announce_comment(&mut self, id: i64, action: &str, by: &str, more: Value) -> Result<(), Error> {
        let comment = self.comments.get(&id).ok_or_else(|| Error::missing("comment", id))?;
        let (repo, issue) = (comment.repo.clone(), self.issue_json(self.pull(comment.number)?));
        let mut payload = json!({ "action": action, "issue": issue, "comment": self.comment_json(comment) });
        extend(&mut payload, more);
        self.emit("issue_comment", Some(&repo), by, payload);
        Ok(())
    }

    fn reaction_json(&self, reaction: &Reaction) -> Value {
        json!({
            "id": reaction.id, "node_id": node_id("Reaction", reaction.id), "user": shapes::user(self, &reaction.by),
            "content": reaction.content, "created_at": reaction.at.rfc3339(),
        })
    }
}

fn counts(reactions: &[Reaction], url: &str) -> Value {
    let mut shape = json!({ "url": format!("{url}/reactions"), "total_count": reactions.len() });
    for (content, _) in REACTIONS {
        shape[content] = reactions.iter().filter(|one| one.content == content).count().into();
    }
    shape
}

/// The issue endpoints are listed under Issues and under Pull requests: either permission will do.
fn repo_of(state: &State, call: &Call, path: (&str, &str), level: &str) -> Result<RepoName, Reply> {
    let by_issues = call.repo(state, path.0, path.1, ("issues", level));
    by_issues.or_else(|_| call.repo(state, path.0, path.1, ("pull_requests", level)))
}

fn find(state: &State, call: &Call, path: (&str, &str, &str), level: &str) -> Result<Comment, Reply> {
    let repo = repo_of(state, call, (path.0, path.1), level)?;
    let comment = path.2.parse().ok().and_then(|id: i64| state.comments.get(&id));
    comment.filter(|comment| comment.repo == repo).cloned().ok_or_else(Reply::not_found)
}

fn number(state: &State, call: &Call, path: (&str, &str, &str), level: &str) -> Result<u64, Reply> {
    let repo = repo_of(state, call, (path.0, path.1), level)?;
    let pull = path.2.parse().ok().and_then(|number: u64| state.pulls.get(&number));
    pull.filter(|pull| pull.repo == repo).map(|pull| pull.number).ok_or_else(Reply::not_found)
}

/// `POST /repos/{o}/{r}/issues/{n}/comments`
pub(crate) fn create(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let number = number(state, call, path, "write")?;
    let (app, login) = call.actor(state);
    let id = state.add_comment(number, (app, &login), call.required("body")?)?;
    let comment = state.comments.get(&id).ok_or_else(Reply::not_found)?;
    Ok(Reply::created(state.comment_json(comment)))
}

/// `GET /repos/{o}/{r}/issues/{n}/comments`
pub(crate) fn list(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let number = number(state, call, path, "read")?;
    let since = call.query("since").and_then(|at| Timestamp::parse_rfc3339(at).ok());
    let keep = |comment: &&Comment| comment.number == number && since.is_none_or(|since| comment.updated_at >= since);
    let comments: Vec<&Comment> = state.comments.values().filter(keep).collect();
    Ok(call.page(&comments, |page| page.into_iter().map(|comment| state.comment_json(comment)).collect()))
}

/// `GET /repos/{o}/{r}/issues/{n}`
pub(crate) fn issue(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let number = number(state, call, path, "read")?;
    Ok(Reply::ok(state.issue_json(state.pull(number)?)))
}

/// `GET /repos/{o}/{r}/issues/comments/{id}`
pub(crate) fn show(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let comment = find(state, call, path, "read")?;
    Ok(Reply::ok(state.comment_json(&comment)))
}

/// `PATCH /repos/{o}/{r}/issues/comments/{id}`: an App changes its own comments.
pub(crate) fn update(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let comment = find(state, call, path, "write")?;
    let (_, login) = call.actor(state);
    if comment.author != login {
        return Err(Reply::forbidden());
    }
    state.change_comment(comment.id, &login, call.required("body")?)?;
    show(state, call, path)
}

/// `DELETE /repos/{o}/{r}/issues/comments/{id}`
pub(crate) fn delete(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let comment = find(state, call, path, "write")?;
    let (_, login) = call.actor(state);
    if comment.author != login {
        return Err(Reply::forbidden());
    }
    state.remove_comment(comment.id, &login)?;
    Ok(Reply::no_content())
}

/// `POST /repos/{o}/{r}/issues/comments/{id}/reactions`: 201, or 200 when it was there already.
pub(crate) fn react(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let comment = find(state, call, path, "write")?;
    let content = call.required("content")?.to_owned();
    if !REACTIONS.iter().any(|(known, _)| *known == content) {
        return Err(Reply::invalid(&format!("For 'properties/content', {content:?} is not a possible value.")));
    }
    let (_, by) = call.actor(state);
    if let Some(there) = comment.reactions.iter().find(|one| one.by == by && one.content == content) {
        return Ok(Reply::ok(state.reaction_json(there)));
    }
    let reaction = Reaction { id: state.id(), by, content, at: state.now() };
    let shown = state.reaction_json(&reaction);
    let comment = state.comments.get_mut(&comment.id).ok_or_else(Reply::not_found)?;
    comment.reactions.push(reaction);
    Ok(Reply::created(shown))
}

/// `GET /repos/{o}/{r}/issues/comments/{id}/reactions`
pub(crate) fn reactions(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let comment = find(state, call, path, "read")?;
    Ok(call.page(&comment.reactions, |page| page.into_iter().map(|one| state.reaction_json(one)).collect()))
}

/// `DELETE /repos/{o}/{r}/issues/comments/{id}/reactions/{reaction}`
pub(crate) fn unreact(state: &mut State, call: &Call, path: (&str, &str, &str), reaction: &str) -> Answer {
    let comment = find(state, call, path, "write")?;
    let (_, login) = call.actor(state);
    let comment = state.comments.get_mut(&comment.id).ok_or_else(Reply::not_found)?;
    let (before, asked) = (comment.reactions.len(), reaction.parse().unwrap_or(0));
    comment.reactions.retain(|one| one.id != asked || one.by != login);
    if comment.reactions.len() == before { Err(Reply::not_found()) } else { Ok(Reply::no_content()) }
}
