use std::time::Duration;

use serde_json::json;

use super::*;
use crate::github::Reaction;
use crate::github::comments::CommentId;
use crate::github::stub::{Stub, answer, html, ok, repo};

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let stub = Stub::start(|asked| {
        let bad = json!({ "message": "Bad credentials" });
        match asked.path.as_str() {
            "/repositories/1" if asked.bearer() == "ghs_token1" => Some(answer(401, bad)),
            "/repositories/1" => Some(ok(json!({ "id": 1, "full_name": "octo/railway", "default_branch": "main",
                "clone_url": "https://github.com/octo/railway.git", "private": false }))),
            "/repositories/2" => Some(answer(401, bad)),
            _ => None,
        }
    })
    .await;
    let installation = stub.installation().await;
    let repository = installation.repository_by_id(crate::ids::RepoId(1)).await.unwrap();
    assert_eq!(repository.name, repo());
    assert_eq!(stub.minted().len(), 2);
    let error = installation.repository_by_id(crate::ids::RepoId(2)).await.unwrap_err();
    assert_eq!(error, Error::Unauthorized("Bad credentials (status 401)".into()));
    assert_eq!((stub.minted().len(), stub.asked().len()), (3, 4));
    let shown = format!("{installation:?} {:?} {error:?}", installation.app());
    assert!(!shown.contains("ghs_"), "{shown}");
}

/// A limit stops all handles of the installation, and no other installation.
#[tokio::test]
async fn nothing_is_sent_before_retry_after() {
    let stub = Stub::start(|asked| {
        let limited = json!({ "message": "You have exceeded a secondary rate limit" });
        (asked.bearer() == "ghs_token1" && asked.path != "/app" && !asked.path.ends_with("_tokens"))
            .then(|| answer(403, limited).header("retry-after", "57"))
    })
    .await;
    let installation = stub.installation().await;
    let react = async |installation: &Installation| {
        installation.react(&repo(), CommentId(5), Reaction::Eyes).await.unwrap_err()
    };
    let until = stub.clock.now().plus(Duration::from_secs(57));
    for _ in 0..5 {
        let again = stub.installation().await;
        assert_eq!(react(&again).await, Error::RateLimited { until, limit: Limit::Secondary });
    }
    assert_eq!(installation.blocked_until(), Some(until));
    assert_eq!(stub.asked().len(), 1);
    let other = stub.app.installation(InstallationId(8)).await;
    assert!(matches!(react(&other).await, Error::NotFound(_)));
    stub.clock.jump(Duration::from_secs(57));
    assert_eq!(installation.blocked_until(), None);
    react(&installation).await;
    assert_eq!(stub.asked().len(), 3);
}

#[tokio::test]
async fn a_limit_that_another_replica_met_counts() {
    let stub = Stub::start(|_| None).await;
    let installation = stub.installation().await;
    let until = stub.clock.now().plus(Duration::from_secs(9));
    installation.block(until);
    let error = installation.pull_request(&repo(), 1).await.unwrap_err();
    assert_eq!(error, Error::RateLimited { until, limit: Limit::Secondary });
    assert_eq!((stub.asked().len(), stub.minted().len()), (0, 0));
}

#[tokio::test]
async fn graphqls_hourly_limit_leaves_rest_alone() {
    let stub = Stub::start(|asked| {
        match asked.path.as_str() {
            "/graphql" => Some(
                ok(json!({ "errors": [{ "type": "RATE_LIMITED", "message": "API rate limit exceeded" }] }))
                    .header("x-ratelimit-remaining", "0")
                    .header("x-ratelimit-reset", "1795332000"),
            ),
            _ => Some(
                ok(json!({ "permission": "read" }))
                    .header("x-ratelimit-remaining", "4999")
                    .header("x-ratelimit-limit", "5000")
                    .header("x-ratelimit-reset", "1795334000"),
            ),
        }
        .filter(|_| !asked.path.ends_with("_tokens"))
    })
    .await;
    let installation = stub.installation().await;
    let expected = Error::RateLimited { until: Timestamp(1_795_332_000_000_000), limit: Limit::Primary };
    for _ in 0..2 {
        assert_eq!(installation.ask::<serde_json::Value>(&json!({})).await.unwrap_err(), expected);
    }
    assert_eq!(stub.asked().len(), 1);
    installation.permission(&repo(), &"octocat".parse().unwrap()).await.unwrap();
    let reset = Timestamp(1_795_334_000_000_000);
    assert_eq!(installation.rate(), Some(Rate { limit: 5_000, remaining: 4_999, reset }));
}

/// A cut line, a gateway's page, a success that is none: a read is asked again, a write is looked for.
#[tokio::test]
async fn lost_answers() {
    let stub = Stub::start(|asked| {
        let body = json!({ "id": 5, "permission": "write" });
        Some(match asked.path.split('/').nth(2)? {
            "cut" => answer(201, body).cut(),
            "gateway" => html(502),
            "nonsense" => html(200),
            _ => return None,
        })
    })
    .await;
    let installation = stub.installation().await;
    for owner in ["cut", "gateway", "nonsense"] {
        let repo: RepoName = format!("{owner}/railway").parse().unwrap();
        let write = installation.comment(&repo, 1, "hello").await.unwrap_err();
        assert!(matches!(write, Error::Unclear(_)), "{owner}: {write:?}");
        let read = installation.permission(&repo, &"octocat".parse().unwrap()).await.unwrap_err();
        assert!(matches!(read, Error::Unavailable(_)), "{owner}: {read:?}");
        assert!(!format!("{write:?}{read:?}").contains("Unicorn"));
    }
    // Nothing was repeated.
    assert_eq!(stub.asked().len(), 6);
}

#[tokio::test]
async fn a_refused_connection_did_nothing() {
    let stub = Stub::start(|_| None).await;
    let installation = stub.installation().await;
    installation.token(&Scope::default()).await.unwrap();
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let app = crate::github::App::new(&crate::github::stub::settings(&format!("http://{free}")), stub.clock.clone());
    let error = app.unwrap().redeliver(1).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn what_has_not_changed_comes_from_memory() {
    let stub = Stub::start(|asked| {
        if !asked.path.starts_with("/repos/") {
            return None;
        }
        let version = if asked.before < 2 { "\"v1\"" } else { "\"v2\"" };
        let role = if asked.before < 2 { "maintain" } else { "read" };
        let body = json!({ "permission": "write", "role_name": role });
        let same = asked.headers.get("if-none-match").is_some_and(|known| known == version);
        Some(if same { answer(304, json!(null)) } else { ok(body) }.header("etag", version))
    })
    .await;
    let installation = stub.installation().await;
    let login = "renovate[bot]".parse().unwrap();
    let mut roles = Vec::new();
    for _ in 0..4 {
        roles.push(installation.permission(&repo(), &login).await.unwrap().role_name);
    }
    assert_eq!(roles, ["maintain", "maintain", "read", "read"]);
    assert_eq!(stub.asked()[0].headers.get("if-none-match"), None);
    assert_eq!(stub.asked()[3].headers["if-none-match"], "\"v2\"");
}

#[tokio::test]
async fn a_write_follows_a_renamed_repository_once() {
    let stub = Stub::start(|asked| match asked.line().as_str() {
        "POST /repos/octo/railway/issues/1/comments" => {
            let host = asked.headers["host"].to_str().unwrap();
            Some(answer(307, json!({})).header("location", format!("http://{host}/repositories/1/issues/1/comments")))
        }
        "POST /repositories/1/issues/1/comments" => {
            Some(answer(201, json!({ "id": asked.body["body"].as_str()?.len() })))
        }
        "POST /repos/octo/away/issues/1/comments" => {
            Some(answer(307, json!({})).header("location", "https://evil.example/x"))
        }
        _ => None,
    })
    .await;
    let installation = stub.installation().await;
    assert_eq!(installation.comment(&repo(), 1, "hello").await.unwrap(), CommentId(5));
    let away = installation.comment(&"octo/away".parse().unwrap(), 1, "hello").await.unwrap_err();
    assert!(matches!(away, Error::Unexpected(_)), "{away:?}");
}
