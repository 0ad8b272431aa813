use std::collections::{BTreeMap, BTreeSet};

use secrecy::ExposeSecret;

use super::*;
use crate::github::stub::{Stub, answer, claims, ok, repo};
use serde_json::json;

#[tokio::test]
async fn a_hundred_first_calls_mint_one_token() {
    let stub =
        Stub::start(|asked| asked.path.starts_with("/repos/").then(|| ok(json!({ "permission": "write" })))).await;
    let installation = stub.installation().await;
    let login = "octocat".parse().unwrap();
    let calls = (0..100).map(|_| async { installation.permission(&repo(), &login).await.unwrap().permission });
    let all = futures_util::future::join_all(calls).await;
    assert!(all.iter().all(|permission| permission == "write"));
    assert_eq!(stub.asked().len(), 100);
    let minted = stub.minted();
    assert_eq!(minted.len(), 1);
    assert_eq!(minted[0].line(), "POST /app/installations/7/access_tokens");
    assert_eq!(minted[0].body, json!({}));
    assert_eq!(claims(minted[0].bearer())["iss"], "Iv23liPOINTSMAN");
    assert!(stub.asked().iter().all(|asked| asked.bearer() == "ghs_token1"));
}

#[tokio::test]
async fn a_token_is_renewed_five_minutes_before_its_end() {
    let stub = Stub::start(|_| None).await;
    let installation = stub.installation().await;
    let secret = async || installation.token(&Scope::default()).await.unwrap().secret.expose_secret().to_owned();
    assert_eq!(secret().await, "ghs_token1");
    stub.clock.jump(Duration::from_secs(3_600 - 301));
    assert_eq!(secret().await, "ghs_token1");
    stub.clock.jump(Duration::from_secs(2));
    let both = futures_util::future::join(secret(), secret()).await;
    assert_eq!(both, ("ghs_token2".into(), "ghs_token2".into()));
}

#[tokio::test]
async fn a_narrow_token_is_another_token() {
    let stub = Stub::start(|_| None).await;
    let installation = stub.installation().await;
    let scope = Scope {
        repositories: BTreeSet::from([RepoId(9), RepoId(3)]),
        permissions: BTreeMap::from([("contents".into(), "read".into())]),
    };
    installation.token(&Scope::default()).await.unwrap();
    let narrow = installation.token(&scope).await.unwrap();
    installation.token(&scope).await.unwrap();
    assert_eq!(narrow.secret.expose_secret(), "ghs_token2");
    let minted = stub.minted();
    assert_eq!(minted.len(), 2);
    assert_eq!(minted[1].body, json!({ "repository_ids": [3, 9], "permissions": { "contents": "read" } }));
}

#[tokio::test]
async fn both_formats_are_opaque() {
    let long = format!("ghs_4711_eyJhbGciOiJSUzI1NiJ9.{}.sig-_x", "a".repeat(480));
    let length = long.len();
    let reply = json!({ "token": long, "expires_at": "no time at all" });
    let stub =
        Stub::start(move |asked| asked.path.ends_with("/access_tokens").then(|| answer(201, reply.clone()))).await;
    let token = stub.installation().await.token(&Scope::default()).await.unwrap();
    assert_eq!(token.secret.expose_secret().len(), length);
    assert_eq!(token.until, stub.clock.now().plus(Duration::from_secs(3_600)));
    assert!(!format!("{token:?}").contains("ghs_"), "{token:?}");
}

#[tokio::test]
async fn a_failed_mint_is_shared_and_not_kept() {
    let stub = Stub::start(|asked| {
        (asked.path.ends_with("/access_tokens") && asked.before == 0).then(|| answer(502, json!("bad gateway")))
    })
    .await;
    let installation = stub.installation().await;
    let whole = Scope::default();
    let all = (0..20).map(|_| installation.token(&whole));
    let failed = futures_util::future::join_all(all).await.iter().filter(|result| result.is_err()).count();
    assert_eq!(failed, 20);
    installation.token(&Scope::default()).await.unwrap();
    assert_eq!(stub.minted().len(), 2);
}
