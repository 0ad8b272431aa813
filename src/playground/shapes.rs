//! The JSON of GitHub's objects, the same in answers and in webhooks.

use serde_json::{Map, Value, json};

use crate::time::Timestamp;

use super::git::{Commit, Signature};
use super::state::{Account, App, Repo, State};

pub(crate) fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| at.rfc3339().into())
}

pub(crate) fn node_id(kind: &str, id: i64) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("0{}:{kind}{id}", kind.len()))
}

/// Adds the fields of one object to another.
pub(crate) fn extend(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}

pub(crate) fn account(state: &State, account: &Account) -> Value {
    let login = &account.login;
    // A bot's login has brackets, which no address has.
    let url = format!("{}/users/{}", state.api(), login.replace('[', "%5B").replace(']', "%5D"));
    let page = login.strip_suffix("[bot]").map_or_else(|| login.clone(), |slug| format!("apps/{slug}"));
    let mut shape = json!({
        "login": login, "id": account.id, "node_id": node_id("User", account.id),
        "avatar_url": format!("{}/avatars/{}", state.base, account.id), "gravatar_id": "",
        "url": url, "html_url": format!("{}/{page}", state.base), "type": account.kind, "site_admin": false,
    });
    let parts = [
        ("followers_url", "/followers"),
        ("following_url", "/following{/other_user}"),
        ("gists_url", "/gists{/gist_id}"),
        ("starred_url", "/starred{/owner}{/repo}"),
        ("subscriptions_url", "/subscriptions"),
        ("organizations_url", "/orgs"),
        ("repos_url", "/repos"),
        ("events_url", "/events{/privacy}"),
        ("received_events_url", "/received_events"),
    ];
    extend(&mut shape, links(&url, &parts));
    shape
}

fn links(url: &str, parts: &[(&str, &str)]) -> Value {
    Value::Object(parts.iter().map(|(name, tail)| ((*name).to_owned(), format!("{url}{tail}").into())).collect())
}

/// The account of a login, or `null` when there is none.
pub(crate) fn user(state: &State, login: &str) -> Value {
    state.account(login).map_or(Value::Null, |found| account(state, found))
}

pub(crate) fn app(state: &State, app: &App) -> Value {
    json!({
        "id": app.id, "slug": app.slug, "client_id": app.client_id, "node_id": node_id("App", app.id),
        "owner": user(state, "octo"), "name": app.name, "description": "",
        "external_url": format!("{}/apps/{}", state.base, app.slug),
        "html_url": format!("{}/apps/{}", state.base, app.slug),
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        "permissions": app.permissions, "events": app.events,
    })
}

pub(crate) fn installation(state: &State, app: &App) -> Value {
    let url = format!("{}/app/installations/{}", state.api(), app.installation);
    json!({
        "id": app.installation, "client_id": app.client_id, "account": user(state, "octo"),
        "repository_selection": "selected",
        "access_tokens_url": format!("{url}/access_tokens"),
        "repositories_url": format!("{}/installation/repositories", state.api()),
        "html_url": format!("{}/organizations/octo/settings/installations/{}", state.base, app.installation),
        "app_id": app.id, "app_slug": app.slug, "target_id": state.account("octo").map_or(0, |octo| octo.id),
        "target_type": "Organization", "permissions": app.permissions, "events": app.events,
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "single_file_name": null,
        "has_multiple_single_files": false, "single_file_paths": [],
        "suspended_by": null,
        "suspended_at": if state.suspended { time(Some(state.now())) } else { Value::Null },
    })
}

/// What a repository links to, below its own address.
const REPO_LINKS: &[(&str, &str)] = &[
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
];

/// The few fields with which lists of repositories name one.
pub(crate) fn repo_brief(repo: &Repo) -> Value {
    json!({
        "id": repo.id.0, "node_id": node_id("Repository", repo.id.0), "name": repo.name.name(),
        "full_name": repo.name.as_str(), "private": repo.private,
    })
}

pub(crate) fn repo(state: &State, repo: &Repo) -> Value {
    let url = format!("{}/repos/{}", state.api(), repo.name);
    let web = format!("{}/{}", state.base, repo.name);
    let mut shape = repo_brief(repo);
    let open = state.pulls.values().filter(|pull| pull.repo == repo.name && pull.open()).count();
    extend(
        &mut shape,
        json!({
            "owner": user(state, repo.name.owner()), "html_url": web, "url": url,
            "description": null, "fork": repo.fork_of.is_some(), "default_branch": repo.default_branch,
            "clone_url": state.clone_url(repo), "git_url": state.clone_url(repo), "ssh_url": state.clone_url(repo),
            "svn_url": web,
            "created_at": repo.created_at.rfc3339(), "updated_at": repo.pushed_at.rfc3339(),
            "pushed_at": repo.pushed_at.rfc3339(), "homepage": null, "size": 0, "language": null,
            "archived": false, "disabled": false, "open_issues_count": open, "open_issues": open,
            "visibility": if repo.private { "private" } else { "public" }, "topics": [], "license": null,
            "is_template": false,
        }),
    );
    extend(
        &mut shape,
        json!({
            "stargazers_count": 0, "watchers_count": 0, "forks_count": 0, "forks": 0, "watchers": 0,
            "has_issues": true, "has_projects": true, "has_wiki": true, "has_pages": false, "has_downloads": true,
            "has_discussions": false, "mirror_url": null, "allow_forking": true, "web_commit_signoff_required": false,
        }),
    );
    extend(&mut shape, links(&url, REPO_LINKS));
    shape
}

fn signature(signature: &Signature) -> Value {
    json!({ "name": signature.name, "email": signature.email, "date": signature.at })
}

/// The person behind an address in a commit, if GitHub knows them.
fn author(state: &State, signature: &Signature) -> Value {
    let known = state.accounts.values().find(|one| one.email() == signature.email);
    known.map_or(Value::Null, |known| account(state, known))
}

/// A commit as `GET /commits/{sha}` shows it, without files.
pub(crate) fn commit(state: &State, repo: &Repo, commit: &Commit) -> Value {
    let url = format!("{}/repos/{}", state.api(), repo.name);
    let web = format!("{}/{}/commit", state.base, repo.name);
    let parent =
        |sha: &String| json!({ "sha": sha, "url": format!("{url}/commits/{sha}"), "html_url": format!("{web}/{sha}") });
    json!({
        "sha": commit.sha, "node_id": format!("C_{}", commit.sha),
        "url": format!("{url}/commits/{}", commit.sha), "html_url": format!("{web}/{}", commit.sha),
        "comments_url": format!("{url}/commits/{}/comments", commit.sha),
        "commit": {
            "author": signature(&commit.author), "committer": signature(&commit.committer),
            "message": commit.message, "tree": { "sha": commit.tree, "url": format!("{url}/git/trees/{}", commit.tree) },
            "url": format!("{url}/git/commits/{}", commit.sha), "comment_count": 0,
            "verification": { "verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null },
        },
        "author": author(state, &commit.author), "committer": author(state, &commit.committer),
        "parents": commit.parents.iter().map(parent).collect::<Vec<_>>(),
    })
}

/// A commit as webhooks show it: `head_commit`, `commits[]`.
pub(crate) fn pushed_commit(state: &State, repo: &Repo, commit: &Commit) -> Value {
    let person =
        |one: &Signature| json!({ "name": one.name, "email": one.email, "username": one.name, "date": one.at });
    let mut shape = json!({
        "id": commit.sha, "tree_id": commit.tree, "distinct": true, "message": commit.message,
        "timestamp": commit.committer.at, "url": format!("{}/{}/commit/{}", state.base, repo.name, commit.sha),
        "author": person(&commit.author), "committer": person(&commit.committer),
    });
    let changes = repo.git.diff(commit.parents.first().map(String::as_str), &commit.sha).unwrap_or_default();
    for (field, statuses) in [
        ("added", &["added", "copied"][..]),
        ("removed", &["removed"]),
        ("modified", &["modified", "changed", "renamed"]),
    ] {
        let paths =
            changes.iter().filter(|change| statuses.contains(&change.status)).map(|change| change.path.as_str());
        shape[field] = paths.collect();
    }
    shape
}

/// Drops what API version 2026-03-10 dropped.
pub(crate) fn modernize(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(modernize),
        Value::Object(fields) => {
            drop_fields(fields);
            fields.values_mut().for_each(modernize);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn drop_fields(fields: &mut Map<String, Value>) {
    if fields.contains_key("diff_url") {
        fields.remove("merge_commit_sha");
        fields.remove("assignee");
    }
    if fields.contains_key("full_name") {
        fields.remove("has_downloads");
    }
    if fields.contains_key("resources") {
        fields.remove("rate");
    }
}

impl State {
    /// Where a repository can be cloned from: a folder of this machine.
    pub(crate) fn clone_url(&self, repo: &Repo) -> String {
        let path = repo.git.dir();
        url::Url::from_file_path(path).map_or_else(|()| path.display().to_string(), |url| url.to_string())
    }
}
