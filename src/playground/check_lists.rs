//! Lists of check runs and suites.

use serde_json::{Value, json};

use super::checks::{Run, Suite};
use super::reply::{Answer, Call, Reply};
use super::state::State;

fn filtered<'a>(call: &Call, runs: Vec<&'a Run>) -> Vec<&'a Run> {
    let keep = |run: &&Run| {
        call.query("check_name").is_none_or(|name| name == run.name)
            && call.query("status").is_none_or(|status| status == run.status)
            && call.query("app_id").is_none_or(|app| app == run.app.to_string())
    };
    runs.into_iter().filter(keep).collect()
}

fn shown(state: &State, call: &Call, runs: &[&Run]) -> Reply {
    call.page(runs, |page| {
        let page: Vec<Value> = page.into_iter().map(|run| state.run_json(run, false)).collect();
        json!({ "total_count": runs.len(), "check_runs": page })
    })
}

fn latest(call: &Call) -> bool {
    call.query("filter") != Some("all")
}

/// The suites of a branch, tag or commit, newest first.
fn suites<'a>(state: &'a State, call: &Call, path: (&str, &str, &str)) -> Result<Vec<&'a Suite>, Reply> {
    let repo = call.repo(state, path.0, path.1, ("checks", "read"))?;
    let sha = state.repo(repo.as_str())?.git.commit_of(path.2);
    let sha = sha.ok_or_else(|| Reply::error(422, &format!("No commit found for SHA: {}", path.2)))?;
    Ok(state.checks.suites.values().rev().filter(|suite| suite.repo == repo && suite.sha == sha).collect())
}

/// `GET /repos/{o}/{r}/commits/{ref}/check-runs`
pub(crate) fn of_commit(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let suites = suites(state, call, path)?;
    let mut runs: Vec<&Run> = suites.iter().flat_map(|suite| state.checks.of_suite(suite.id, latest(call))).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.id));
    Ok(shown(state, call, &filtered(call, runs)))
}

/// `GET /repos/{o}/{r}/commits/{ref}/check-suites`
pub(crate) fn suites_of_commit(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let suites = suites(state, call, path)?;
    let suites: Vec<&Suite> =
        suites.into_iter().filter(|one| call.query("app_id").is_none_or(|app| app == one.app.to_string())).collect();
    Ok(call.page(&suites, |page| {
        let page: Vec<Value> = page.into_iter().map(|suite| state.suite_json(suite)).collect();
        json!({ "total_count": suites.len(), "check_suites": page })
    }))
}

fn find<'a>(state: &'a State, call: &Call, path: (&str, &str, &str), level: &str) -> Result<&'a Suite, Reply> {
    let repo = call.repo(state, path.0, path.1, ("checks", level))?;
    let suite = path.2.parse().ok().and_then(|id: i64| state.checks.suites.get(&id));
    suite.filter(|suite| suite.repo == repo).ok_or_else(Reply::not_found)
}

/// `GET /repos/{o}/{r}/check-suites/{id}`
pub(crate) fn suite(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let suite = find(state, call, path, "read")?;
    Ok(Reply::ok(state.suite_json(suite)))
}

/// `GET /repos/{o}/{r}/check-suites/{id}/check-runs`
pub(crate) fn of_suite(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let suite = find(state, call, path, "read")?;
    let runs = state.checks.of_suite(suite.id, latest(call));
    Ok(shown(state, call, &filtered(call, runs)))
}

/// `POST /repos/{o}/{r}/check-suites/{id}/rerequest`
pub(crate) fn rerequest_suite(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let suite = find(state, call, path, "write")?.id;
    let (_, login) = call.actor(state);
    state.rerequest_suite(suite, &login)?;
    Ok(Reply::created(json!({})))
}
