//! The one table of what this GitHub answers.

use super::reply::{Answer, Call, Reply};
use super::state::State;
use super::{check_lists, checks, comments, hooks, pulls, repos, tokens};

/// Answers a request, or says that this GitHub does not know it.
pub(crate) fn answer(state: &mut State, call: &Call) -> Option<Answer> {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["repos", owner, name, rest @ ..] => repository(state, call, (*owner, *name), rest),
        ["repositories", id, rest @ ..] => {
            let found = state.repos.values().find(|repo| repo.id.0.to_string() == **id);
            let name = found.map(|repo| (repo.name.owner().to_owned(), repo.name.name().to_owned()));
            let (owner, name) = name.unwrap_or_default();
            repository(state, call, (&owner, &name), rest)
        }
        other => of_app(state, call, other),
    }
}

fn of_app(state: &mut State, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (call.method.as_str(), segments) {
        ("GET", ["app"]) => hooks::app(state, call),
        ("GET", ["app", "installations"]) => hooks::installations(state, call),
        ("GET", ["app", "installations", id]) => hooks::installation(state, call, id),
        ("POST", ["app", "installations", id, "access_tokens"]) => tokens::create(state, call, id),
        ("GET", ["app", "hook", "deliveries"]) => hooks::list(state, call),
        ("GET", ["app", "hook", "deliveries", id]) => hooks::show(state, call, id),
        ("POST", ["app", "hook", "deliveries", id, "attempts"]) => hooks::attempt(state, call, id),
        ("GET", ["installation", "repositories"]) => repos::of_installation(state, call),
        ("GET", ["rate_limit"]) => Ok(state.rate_limit_json(call)),
        ("GET", ["meta"]) => Ok(Reply::ok(serde_json::json!({ "hooks": ["127.0.0.0/8"] }))),
        ("GET", ["users", login]) => {
            state.account(login).map_err(Reply::from).map(|found| Reply::ok(super::shapes::account(state, found)))
        }
        _ => return None,
    })
}

fn repository(state: &mut State, call: &Call, repo: (&str, &str), rest: &[&str]) -> Option<Answer> {
    let at = |id| part(repo, id);
    Some(match (call.method.as_str(), rest) {
        ("GET", []) => repos::show(state, call, repo),
        ("GET", ["installation"]) => repos::installation(state, call, repo),
        ("GET", ["collaborators", login, "permission"]) => repos::permission(state, call, repo, login),
        ("GET", ["branches", branch @ ..]) if !branch.is_empty() => repos::branch(state, call, repo, &branch.join("/")),
        ("GET", ["rules", "branches", branch @ ..]) => repos::rules(state, call, repo, &branch.join("/")),
        ("GET", ["compare", range @ ..]) => repos::compare(state, call, repo, &range.join("/")),
        ("GET", ["contents", path @ ..]) => repos::contents(state, call, repo, &path.join("/")),
        ("GET", ["git", "trees", tree @ ..]) => repos::tree(state, call, repo, &tree.join("/")),
        ("GET", ["git", "blobs", sha]) => repos::blob(state, call, repo, sha),
        ("GET", ["commits", reference @ .., "pulls"]) => {
            pulls::of_commit(state, call, part(repo, &reference.join("/")))
        }
        ("GET", ["commits", reference @ .., "check-runs"]) => {
            check_lists::of_commit(state, call, part(repo, &reference.join("/")))
        }
        ("GET", ["commits", reference @ .., "check-suites"]) => {
            check_lists::suites_of_commit(state, call, part(repo, &reference.join("/")))
        }
        ("GET", ["commits", reference @ ..]) if !reference.is_empty() => {
            repos::commit(state, call, repo, &reference.join("/"))
        }
        ("POST", ["check-runs"]) => checks::create(state, call, repo.0, repo.1),
        ("GET", ["check-runs", id]) => checks::show(state, call, at(id)),
        ("PATCH", ["check-runs", id]) => checks::update(state, call, at(id)),
        ("GET", ["check-runs", id, "annotations"]) => checks::annotations(state, call, at(id)),
        ("POST", ["check-runs", id, "rerequest"]) => checks::rerequest(state, call, at(id)),
        ("GET", ["check-suites", id]) => check_lists::suite(state, call, at(id)),
        ("GET", ["check-suites", id, "check-runs"]) => check_lists::of_suite(state, call, at(id)),
        ("POST", ["check-suites", id, "rerequest"]) => check_lists::rerequest_suite(state, call, at(id)),
        ("GET", ["pulls"]) => pulls::list(state, call, repo.0, repo.1),
        ("GET", ["pulls", number]) => pulls::show(state, call, at(number)),
        ("GET", ["pulls", number, "files"]) => pulls::files(state, call, at(number)),
        ("GET", ["pulls", number, "commits"]) => pulls::commits(state, call, at(number)),
        ("GET", ["issues", "comments", id]) => comments::show(state, call, at(id)),
        ("PATCH", ["issues", "comments", id]) => comments::update(state, call, at(id)),
        ("DELETE", ["issues", "comments", id]) => comments::delete(state, call, at(id)),
        ("GET", ["issues", "comments", id, "reactions"]) => comments::reactions(state, call, at(id)),
        ("POST", ["issues", "comments", id, "reactions"]) => comments::react(state, call, at(id)),
        ("DELETE", ["issues", "comments", id, "reactions", reaction]) => {
            comments::unreact(state, call, at(id), reaction)
        }
        ("GET", ["issues", number]) => comments::issue(state, call, at(number)),
        ("GET", ["issues", number, "comments"]) => comments::list(state, call, at(number)),
        ("POST", ["issues", number, "comments"]) => comments::create(state, call, at(number)),
        _ => return None,
    })
}

fn part<'a>(repo: (&'a str, &'a str), id: &'a str) -> (&'a str, &'a str, &'a str) {
    (repo.0, repo.1, id)
}
