//! Repositories: their files, commits, branches, rules and people.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::ids::RepoName;

use super::git::Entry;
use super::pulls::change_json;
use super::reply::{Answer, Call, Reply};
use super::shapes;
use super::state::{Repo, State};
use super::tokens::Caller;

/// How many entries a tree lists before it is `truncated`.
const TREE_ENTRIES_MAX: usize = 100_000;
/// How many entries a directory lists.
const DIRECTORY_ENTRIES_MAX: usize = 1_000;
/// Above this a file's content comes only with the raw media type.
const CONTENT_BYTES_MAX: usize = 1_048_576;
/// How many files a comparison lists.
const COMPARED_FILES_MAX: usize = 300;
/// How many commits a comparison lists.
const COMPARED_COMMITS_MAX: usize = 250;

fn open<'a>(state: &'a State, call: &Call, path: (&str, &str), permission: &str) -> Result<&'a Repo, Reply> {
    let name = call.repo(state, path.0, path.1, (permission, "read"))?;
    Ok(state.repo(name.as_str())?)
}

/// `GET /repos/{o}/{r}`
pub(crate) fn show(state: &mut State, call: &Call, path: (&str, &str)) -> Answer {
    let repo = open(state, call, path, "metadata")?;
    let mut shape = shapes::repo(state, repo);
    shapes::extend(&mut shape, json!({ "network_count": 0, "subscribers_count": 0 }));
    Ok(Reply::ok(shape))
}

/// `GET /repos/{o}/{r}/installation`: with the App's JWT.
pub(crate) fn installation(state: &mut State, call: &Call, path: (&str, &str)) -> Answer {
    let Caller::App(app) = call.caller else {
        return Err(Reply::error(401, "A JSON web token could not be decoded"));
    };
    let repo = state.repo(&format!("{}/{}", path.0, path.1))?;
    if !state.installed.contains(&repo.name) {
        return Err(Reply::not_found());
    }
    Ok(Reply::ok(shapes::installation(state, state.app(app))))
}

/// `GET /installation/repositories`
pub(crate) fn of_installation(state: &mut State, call: &Call) -> Answer {
    let Caller::Installation(grant) = &call.caller else { return Err(Reply::forbidden()) };
    let repos: Vec<&Repo> = state.installed.iter().filter_map(|name| state.repos.get(name)).collect();
    let inside = |repo: &&Repo| grant.repos.as_ref().is_none_or(|repos| repos.contains(&repo.id.0));
    let repos: Vec<&Repo> = repos.into_iter().filter(inside).collect();
    Ok(call.page(&repos, |page| {
        let page: Vec<Value> = page.into_iter().map(|repo| shapes::repo(state, repo)).collect();
        json!({ "total_count": repos.len(), "repository_selection": "selected", "repositories": page })
    }))
}

/// `GET /repos/{o}/{r}/commits/{ref}`
pub(crate) fn commit(state: &mut State, call: &Call, path: (&str, &str), reference: &str) -> Answer {
    let repo = open(state, call, path, "contents")?;
    let missing = || Reply::error(422, &format!("No commit found for SHA: {reference}"));
    let sha = repo.git.commit_of(reference).ok_or_else(missing)?;
    let commit = repo.git.log(&sha, 1)?.into_iter().next().ok_or_else(missing)?;
    let changes = repo.git.diff(commit.parents.first().map(String::as_str), &sha)?;
    let (api, web) = (format!("{}/repos/{}", state.api(), repo.name), format!("{}/{}", state.base, repo.name));
    let (plus, minus): (u64, u64) =
        changes.iter().fold((0, 0), |(plus, minus), change| (plus + change.additions, minus + change.deletions));
    let mut shape = shapes::commit(state, repo, &commit);
    shape["stats"] = json!({ "total": plus + minus, "additions": plus, "deletions": minus });
    shape["files"] = changes.iter().map(|change| change_json(change, (&api, &web), &sha)).collect();
    Ok(Reply::ok(shape))
}

/// The commit that one side of a comparison names: `branch`, a commit, or `owner:branch` of a fork.
fn side(state: &State, repo: &Repo, name: &str) -> Option<String> {
    let Some((owner, branch)) = name.split_once(':') else { return repo.git.commit_of(name) };
    let related = |other: &&Repo| {
        other.name.owner() == owner && (other.name == repo.name || other.fork_of.as_ref() == Some(&repo.name))
    };
    state.repos.values().find(related)?.git.commit_of(branch)
}

/// `GET /repos/{o}/{r}/compare/{base}...{head}`
pub(crate) fn compare(state: &mut State, call: &Call, path: (&str, &str), range: &str) -> Answer {
    let repo = open(state, call, path, "contents")?;
    let (base, head) = range.split_once("...").ok_or_else(Reply::not_found)?;
    let (Some(base), Some(head)) = (side(state, repo, base), side(state, repo, head)) else {
        return Err(Reply::not_found());
    };
    let start = repo.git.merge_base(&base, &head);
    let start = start.ok_or_else(|| Reply::error(404, &format!("No common ancestor between {base} and {head}.")))?;
    let (ahead, behind) = (repo.git.count(&format!("{base}..{head}")), repo.git.count(&format!("{head}..{base}")));
    let status = match (ahead, behind) {
        (0, 0) => "identical",
        (_, 0) => "ahead",
        (0, _) => "behind",
        _ => "diverged",
    };
    let mut commits = repo.git.log(&format!("{base}..{head}"), COMPARED_COMMITS_MAX)?;
    commits.reverse();
    let mut changes = repo.git.diff(Some(&start), &head)?;
    changes.truncate(COMPARED_FILES_MAX);
    let (api, web) = (format!("{}/repos/{}", state.api(), repo.name), format!("{}/{}", state.base, repo.name));
    let one =
        |sha: &str| repo.git.log(sha, 1).ok().and_then(|found| found.first().map(|c| shapes::commit(state, repo, c)));
    Ok(Reply::ok(json!({
        "url": format!("{api}/compare/{range}"), "html_url": format!("{web}/compare/{range}"),
        "permalink_url": format!("{web}/compare/{base}...{head}"),
        "diff_url": format!("{web}/compare/{range}.diff"), "patch_url": format!("{web}/compare/{range}.patch"),
        "base_commit": one(&base), "merge_base_commit": one(&start), "status": status,
        "ahead_by": ahead, "behind_by": behind, "total_commits": ahead,
        "commits": commits.iter().map(|commit| shapes::commit(state, repo, commit)).collect::<Vec<_>>(),
        "files": changes.iter().map(|change| change_json(change, (&api, &web), &head)).collect::<Vec<_>>(),
    })))
}

fn content_json(state: &State, repo: &Repo, entry: &Entry, (place, reference): (&str, &str)) -> Value {
    let api = format!("{}/repos/{}", state.api(), repo.name);
    let web = format!("{}/{}/blob/{reference}/{place}", state.base, repo.name);
    let kind = match (entry.kind.as_str(), entry.mode.as_str()) {
        ("tree", _) => "dir",
        ("commit", _) => "submodule",
        (_, "120000") => "symlink",
        _ => "file",
    };
    let url = format!("{api}/contents/{place}?ref={reference}");
    json!({
        "name": place.rsplit('/').next(), "path": place, "sha": entry.sha, "size": entry.size.unwrap_or(0), "type": kind,
        "url": url, "html_url": web, "git_url": format!("{api}/git/blobs/{}", entry.sha),
        "download_url": if kind == "file" { web.as_str().into() } else { Value::Null },
        "_links": { "self": url, "git": format!("{api}/git/blobs/{}", entry.sha), "html": web },
    })
}

/// `GET /repos/{o}/{r}/contents/{path}?ref=`
pub(crate) fn contents(state: &mut State, call: &Call, path: (&str, &str), place: &str) -> Answer {
    let repo = open(state, call, path, "contents")?;
    let reference = call.query("ref").unwrap_or(&repo.default_branch);
    let commit = repo.git.commit_of(reference);
    let commit = commit.ok_or_else(|| Reply::error(404, &format!("No commit found for the ref {reference}")))?;
    let object = repo.git.resolve(&format!("{commit}:{place}")).ok_or_else(Reply::not_found)?;
    if repo.git.kind(&object).as_deref() == Some("tree") {
        let entries = repo.git.tree(&object, false)?;
        let prefix = if place.is_empty() { String::new() } else { format!("{place}/") };
        let entries = entries.iter().take(DIRECTORY_ENTRIES_MAX);
        let shown = entries.map(|one| content_json(state, repo, one, (&format!("{prefix}{}", one.path), reference)));
        return Ok(Reply::ok(shown.collect()));
    }
    let content = repo.git.blobs(std::slice::from_ref(&object))?.remove(&object).ok_or_else(Reply::not_found)?;
    if call.accept.contains("raw") {
        return Ok(Reply {
            raw: Some(("application/vnd.github.raw; charset=utf-8", content)),
            ..Reply::ok(Value::Null)
        });
    }
    let listed = repo.git.tree(&commit, true)?.into_iter().find(|entry| entry.path == place);
    let mut shape = content_json(state, repo, &listed.ok_or_else(Reply::not_found)?, (place, reference));
    let large = content.len() > CONTENT_BYTES_MAX;
    // GitHub breaks base64 after 60 characters.
    let lines: Vec<String> =
        STANDARD.encode(&content).as_bytes().chunks(60).map(|l| String::from_utf8_lossy(l).into()).collect();
    shape["encoding"] = if large { "none" } else { "base64" }.into();
    shape["content"] = if large { String::new() } else { lines.join("\n") + "\n" }.into();
    Ok(Reply::ok(shape))
}

/// `GET /repos/{o}/{r}/git/trees/{sha}?recursive=1`
pub(crate) fn tree(state: &mut State, call: &Call, path: (&str, &str), tree: &str) -> Answer {
    let repo = open(state, call, path, "contents")?;
    let sha = repo.git.resolve(&format!("{tree}^{{tree}}")).ok_or_else(Reply::not_found)?;
    // GitHub looks only whether the parameter is there.
    let entries = repo.git.tree(&sha, call.query("recursive").is_some())?;
    let api = format!("{}/repos/{}/git", state.api(), repo.name);
    let shown = entries.iter().take(TREE_ENTRIES_MAX).map(|entry| {
        let mut shape = json!({
            "path": entry.path, "mode": entry.mode, "type": entry.kind, "sha": entry.sha,
            "url": format!("{api}/{}s/{}", entry.kind, entry.sha),
        });
        if let Some(size) = entry.size {
            shape["size"] = size.into();
        }
        shape
    });
    Ok(Reply::ok(json!({
        "sha": sha, "url": format!("{api}/trees/{sha}"), "tree": shown.collect::<Vec<_>>(),
        "truncated": entries.len() > TREE_ENTRIES_MAX,
    })))
}

/// `GET /repos/{o}/{r}/git/blobs/{sha}`
pub(crate) fn blob(state: &mut State, call: &Call, path: (&str, &str), sha: &str) -> Answer {
    let repo = open(state, call, path, "contents")?;
    let content = repo.git.blobs(&[sha.to_owned()])?.remove(sha).ok_or_else(Reply::not_found)?;
    let url = format!("{}/repos/{}/git/blobs/{sha}", state.api(), repo.name);
    Ok(Reply::ok(json!({
        "sha": sha, "node_id": format!("B_{sha}"), "size": content.len(), "url": url, "encoding": "base64", "content": STANDARD.encode(content),
    })))
}

/// `GET /repos/{o}/{r}/branches/{branch}`
pub(crate) fn branch(state: &mut State, call: &Call, path: (&str, &str), branch: &str) -> Answer {
    let repo = open(state, call, path, "contents")?;
    let missing = || Reply::error(404, "Branch not found");
    let sha = repo.git.commit_of(&format!("refs/heads/{branch}")).ok_or_else(missing)?;
    let commit = repo.git.log(&sha, 1)?.into_iter().next().ok_or_else(missing)?;
    let required: Vec<_> = repo.required.iter().filter(|one| one.branch == branch).collect();
    let contexts: Vec<&str> = required.iter().map(|one| one.name.as_str()).collect();
    let checks: Vec<Value> = required.iter().map(|one| json!({ "context": one.name, "app_id": one.app })).collect();
    let url = format!("{}/repos/{}/branches/{branch}", state.api(), repo.name);
    Ok(Reply::ok(json!({
        "name": branch, "commit": shapes::commit(state, repo, &commit), "protected": !required.is_empty(),
        "_links": { "self": url, "html": format!("{}/{}/tree/{branch}", state.base, repo.name) },
        "protection": {
            "enabled": !required.is_empty(),
            "required_status_checks": {
                "enforcement_level": if required.is_empty() { "off" } else { "non_admins" },
                "contexts": contexts, "checks": checks,
            },
        },
        "protection_url": format!("{url}/protection"),
    })))
}

/// `GET /repos/{o}/{r}/rules/branches/{branch}`
pub(crate) fn rules(state: &mut State, call: &Call, path: (&str, &str), branch: &str) -> Answer {
    let repo = open(state, call, path, "metadata")?;
    let required = repo.required.iter().filter(|one| one.branch == branch).map(|one| {
        let mut shape = json!({ "context": one.name });
        if let Some(app) = one.app {
            shape["integration_id"] = app.into();
        }
        shape
    });
    let checks: Vec<Value> = required.collect();
    if checks.is_empty() {
        return Ok(Reply::ok(json!([])));
    }
    Ok(Reply::ok(json!([{
        "type": "required_status_checks", "ruleset_source_type": "Repository", "ruleset_source": repo.name.as_str(),
        "ruleset_id": 1,
        "parameters": {
            "strict_required_status_checks_policy": false, "do_not_enforce_on_create": false,
            "required_status_checks": checks,
        },
    }])))
}

/// `GET /repos/{o}/{r}/collaborators/{login}/permission`
pub(crate) fn permission(state: &mut State, call: &Call, path: (&str, &str), login: &str) -> Answer {
    // Even on a public repository this wants a token that knows the repository.
    let name: RepoName = match call.caller {
        Caller::Nobody => return Err(Reply::error(401, "Requires authentication")),
        Caller::App(_) | Caller::Installation(_) | Caller::Person(_) => {
            call.repo(state, path.0, path.1, ("metadata", "read"))?
        }
    };
    let found = state.account(login).map_err(|_| Reply::error(404, &format!("{login} is not a user")))?;
    let level = state.repo(name.as_str())?.permission(&found.login);
    let mut user = shapes::account(state, found);
    let word = level.legacy();
    user["permissions"] = json!({
        "admin": word == "admin", "maintain": matches!(level.role(), "maintain" | "admin"),
        "push": matches!(word, "write" | "admin"), "triage": !matches!(level.role(), "none" | "read"), "pull": word != "none",
    });
    user["role_name"] = level.role().into();
    Ok(Reply::ok(json!({ "permission": word, "role_name": level.role(), "user": user })))
}
