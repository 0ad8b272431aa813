use serde_json::json;

use super::*;
use crate::github::stub::{SHA, SHA2, Stub, answer, html, ok, repo, sha};

#[tokio::test]
async fn permissions() {
    let stub = Stub::start(|asked| {
        let login = asked.path.strip_prefix("/repos/octo/railway/collaborators/")?.strip_suffix("/permission")?;
        Some(match login {
            "mona" => ok(json!({ "permission": "write", "role_name": "maintain", "user": { "login": "mona" } })),
            "old-server" => ok(json!({ "permission": "admin" })),
            "renovate[bot]" | "renovate%5Bbot%5D" => ok(json!({ "permission": "read", "role_name": "read" })),
            "denied" => answer(403, json!({ "message": "Resource not accessible by integration" })),
            "broken" => html(500),
            _ => return None,
        })
    })
    .await;
    let installation = stub.installation().await;
    let of = async |login: &str| {
        let permission = installation.permission(&repo(), &login.parse().unwrap()).await?;
        Ok::<_, Error>((permission.permission, permission.role_name))
    };
    let pair = |permission: &str, role: &str| (permission.to_owned(), role.to_owned());
    assert_eq!(of("mona").await, Ok(pair("write", "maintain")));
    assert_eq!(of("old-server").await, Ok(pair("admin", "")));
    assert_eq!(of("renovate[bot]").await, Ok(pair("read", "read")));
    assert_eq!(of("stranger").await, Ok(pair("none", "none")));
    assert!(matches!(of("denied").await, Err(Error::Forbidden(_))));
    assert!(matches!(of("broken").await, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn a_commit_with_and_without_people() {
    let stub = Stub::start(|asked| match asked.path.strip_prefix("/repos/octo/railway/commits/")? {
        path if path == format!("{SHA}?per_page=1") => {
            Some(ok(json!({ "sha": SHA, "author": null, "committer": { "login": "web-flow" },
            "commit": { "message": "feat: points\n\nskip-checks: true" }, "parents": [{ "sha": SHA2 }] })))
        }
        // An author whose account is gone is shown as an empty object.
        path if path == format!("{SHA2}?per_page=1") => Some(ok(json!({ "sha": SHA2, "author": {}, "committer": null,
            "commit": { "message": "" }, "parents": [] }))),
        _ => None,
    })
    .await;
    let installation = stub.installation().await;
    let commit = installation.commit(&repo(), &sha()).await.unwrap();
    assert_eq!((commit.author, commit.committer), (None, Some("web-flow".parse().unwrap())));
    assert_eq!(commit.parents, [CommitSha::full(SHA2).unwrap()]);
    let orphan = installation.commit(&repo(), &commit.parents[0]).await.unwrap();
    assert_eq!((orphan.author, orphan.committer, orphan.parents), (None, None, vec![]));
}

#[tokio::test]
async fn required_checks_come_from_rulesets_and_from_protection() {
    let stub = Stub::start(|asked| {
        let rules = json!([
            { "type": "deletion" },
            { "type": "pull_request", "parameters": { "required_approving_review_count": 1 } },
            { "type": "required_status_checks", "parameters": { "strict_required_status_checks_policy": true,
              "required_status_checks": [{ "context": "ci", "integration_id": 42 }, { "context": "lint" }] } },
        ]);
        let protection = |it| json!({ "name": "x", "protection": { "enabled": true, "required_status_checks": it } });
        match asked.path.as_str() {
            "/repos/octo/railway/rules/branches/main?per_page=100" => Some(ok(rules)),
            "/repos/octo/railway/branches/main" => Some(ok(protection(json!({ "contexts": ["ci", "docs"],
                "checks": [{ "context": "ci", "app_id": 42 }, { "context": "docs", "app_id": null }, { "context": "any", "app_id": -1 }] })))),
            "/repos/octo/railway/branches/release%2F1.0" => Some(ok(protection(json!({ "contexts": ["old"] })))),
            "/repos/octo/railway/branches/secret" => Some(answer(403, json!({ "message": "no" }))),
            _ => None,
        }
    })
    .await;
    let installation = stub.installation().await;
    let of = async |branch: &str| {
        let checks = installation.required_checks(&repo(), branch).await?;
        Ok::<_, Error>(checks.into_iter().map(|check| (check.name, check.app)).collect::<Vec<_>>())
    };
    let expected = [("any", None), ("ci", Some(42)), ("docs", None), ("lint", None)];
    assert_eq!(of("main").await.unwrap(), expected.map(|(name, app)| (name.to_owned(), app)));
    assert_eq!(of("release/1.0").await.unwrap(), [("old".to_owned(), None)]);
    assert_eq!(of("nowhere").await.unwrap(), []);
    assert!(matches!(of("secret").await, Err(Error::Forbidden(_))));
}

#[tokio::test]
async fn a_repository() {
    let stub = Stub::start(|asked| {
        (asked.path == "/repos/octo/railway").then(|| {
            ok(json!({ "id": 1, "full_name": "octo/rail-way", "default_branch": "trunk", "private": true,
                "clone_url": "https://github.com/octo/rail-way.git", "archived": false, "forks": 3 }))
        })
    })
    .await;
    let found = stub.installation().await.repository(&repo()).await.unwrap();
    assert_eq!((found.id, found.name.as_str(), found.default_branch.as_str()), (RepoId(1), "octo/rail-way", "trunk"));
}
