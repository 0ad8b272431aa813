use serde_json::{Value, json};

use super::*;
use crate::github::stub::{SHA, SHA2, Stub, ok, repo, sha};

fn pull_request(head_repo: Value) -> Value {
    json!({ "number": 7, "state": "open", "draft": true, "title": "Add points", "user": { "login": "mona" },
        "head": { "ref": "points", "sha": SHA, "repo": head_repo },
        "base": { "ref": "main", "sha": SHA2, "repo": { "id": 1, "full_name": "octo/railway" } },
        "updated_at": "2026-11-22T07:00:00Z", "auto_merge": null })
}

#[tokio::test]
async fn where_a_pull_request_comes_from() {
    let stub = Stub::start(|asked| match asked.path.strip_prefix("/repos/octo/railway/pulls/")? {
        "1" => Some(ok(pull_request(json!({ "id": 1, "full_name": "octo/railway" })))),
        "2" => Some(ok(pull_request(json!({ "id": 2, "full_name": "mona/railway" })))),
        "3" => Some(ok(pull_request(Value::Null))),
        _ => None,
    })
    .await;
    let installation = stub.installation().await;
    let own = installation.pull_request(&repo(), 1).await.unwrap();
    assert!(own.open && own.draft && !own.from_fork());
    assert_eq!((own.number, own.title.as_str(), own.author.as_ref().unwrap().as_str()), (7, "Add points", "mona"));
    assert_eq!((own.head.branch.as_str(), &own.head.sha, own.base.branch.as_str()), ("points", &sha(), "main"));
    assert_eq!(own.updated_at.unwrap().rfc3339(), "2026-11-22T07:00:00Z");
    assert!(installation.pull_request(&repo(), 2).await.unwrap().from_fork());
    assert!(installation.pull_request(&repo(), 3).await.unwrap().from_fork());
    assert!(matches!(installation.pull_request(&repo(), 4).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn the_pull_requests_of_a_commit() {
    let stub = Stub::start(|asked| {
        let list = json!([pull_request(Value::Null), pull_request(Value::Null)]);
        (asked.path == format!("/repos/octo/railway/commits/{SHA}/pulls?per_page=100")).then(|| ok(list))
    })
    .await;
    assert_eq!(stub.installation().await.pull_requests_of(&repo(), &sha()).await.unwrap().len(), 2);
}

fn files(count: usize) -> Value {
    (0..count).map(|n| json!({ "filename": format!("src/{n}.rs"), "status": "modified", "patch": "@@" })).collect()
}

#[tokio::test]
async fn a_comparison_that_githubs_limit_cuts_is_not_taken_for_whole() {
    let stub = Stub::start(|asked| {
        let range = asked.path.strip_prefix("/repos/octo/railway/compare/")?.strip_suffix("?per_page=1")?;
        let count = if range == format!("{SHA}...{SHA2}") { 300 } else { 299 };
        Some(ok(json!({ "status": "ahead", "files": files(count) })))
    })
    .await;
    let installation = stub.installation().await;
    let other = CommitSha::full(SHA2).unwrap();
    assert_eq!(installation.changed_files(&repo(), &sha(), &other).await.unwrap(), Changed::Truncated);
    let Changed::Files(all) = installation.changed_files(&repo(), &other, &sha()).await.unwrap() else {
        panic!("299 files are all of them")
    };
    assert_eq!((all.len(), all[3].path.as_str()), (299, "src/3.rs"));
}

#[tokio::test]
async fn the_files_of_a_pull_request_over_pages() {
    let stub = Stub::start(|asked| {
        let host = asked.headers["host"].to_str().unwrap();
        let number = asked.path.strip_prefix("/repos/octo/railway/pulls/")?.split('/').next()?;
        let next =
            |page: usize| format!("<http://{host}/repos/octo/railway/pulls/{number}/files?page={page}>; rel=\"next\"");
        let page = asked.path.split_once("?page=").map_or(1, |(_, page)| page.parse::<usize>().unwrap());
        Some(match (number, page) {
            ("7", 2) => ok(json!([{ "filename": "new.rs", "previous_filename": "old.rs", "status": "renamed" }])),
            _ => ok(files(100)).header("link", next(page + 1)),
        })
    })
    .await;
    let installation = stub.installation().await;
    let Changed::Files(all) = installation.pull_request_files(&repo(), 7).await.unwrap() else { panic!("two pages") };
    assert_eq!(all.len(), 101);
    assert_eq!(all[100].previous.as_deref(), Some("old.rs"));
    assert_eq!(installation.pull_request_files(&repo(), 8).await.unwrap(), Changed::Truncated);
    assert_eq!(stub.asked().len(), 2 + 30);
}
