use serde_json::json;

use super::*;
use crate::github::stub::{Stub, answer, claims, ok, repo, settings};

#[tokio::test]
async fn it_says_who_it_is_once() {
    let stub = Stub::start(|_| None).await;
    assert_eq!(stub.app.identity().await.unwrap().slug, "pointsman");
    assert_eq!(stub.app.clone().identity().await.unwrap().id, 42);
}

#[tokio::test]
async fn lists_go_on_where_github_says_and_nowhere_else() {
    let stub = Stub::start(|asked| {
        let host = asked.headers["host"].to_str().unwrap();
        let next =
            format!("<http://{host}/app/hook/deliveries?cursor=v1_1>; rel=\"next\", <http://{host}/x>; rel=\"first\"");
        let delivery = |id: i64| {
            json!([{ "id": id, "guid": "g", "delivered_at": "2026-11-22T07:00:00Z", "redelivery": false,
            "status": "Invalid HTTP Response: 503", "status_code": 503, "event": "push", "action": null,
            "installation_id": 7, "repository_id": null, "throttled_at": null }])
        };
        match asked.path.as_str() {
            "/app/hook/deliveries?per_page=100&status=failure" => Some(ok(delivery(1)).header("link", next)),
            "/app/hook/deliveries?cursor=v1_1" => {
                Some(ok(delivery(2)).header("link", "<https://evil.example/steal>; rel=\"next\""))
            }
            "/app/hook/deliveries/2/attempts" => Some(answer(202, json!({}))),
            _ => None,
        }
    })
    .await;
    let first = stub.app.failed_deliveries(None).await.unwrap();
    assert_eq!((first.items[0].id, first.items[0].installation_id), (1, Some(InstallationId(7))));
    let second = stub.app.failed_deliveries(first.next.as_ref()).await.unwrap();
    assert_eq!(second.items[0].at(), Timestamp::parse_rfc3339("2026-11-22T07:00:00Z").ok());
    let elsewhere = stub.app.failed_deliveries(second.next.as_ref()).await.unwrap_err();
    assert_eq!(elsewhere, Error::Unexpected("it leads to another host".into()));
    stub.app.redeliver(2).await.unwrap();
    let asked = stub.asked();
    assert_eq!(asked.last().unwrap().line(), "POST /app/hook/deliveries/2/attempts");
    assert!(asked.iter().all(|asked| claims(asked.bearer())["iss"] == "Iv23liPOINTSMAN"));
    assert_eq!(asked[0].headers["x-github-api-version"], "2022-11-28");
    assert!(asked[0].headers.contains_key("user-agent"));
}

#[tokio::test]
async fn installations_are_found() {
    let one = json!({ "id": 7, "account": { "login": "octo" }, "suspended_at": "2026-01-01T00:00:00Z",
        "permissions": { "checks": "write" }, "html_url": "https://…" });
    let list = json!([one, { "id": 8, "account": null }]);
    let stub = Stub::start(move |asked| match asked.path.as_str() {
        "/app/installations?per_page=100" => Some(ok(list.clone())),
        "/repos/octo/railway/installation" => Some(ok(one.clone())),
        _ => None,
    })
    .await;
    let page = stub.app.installations(None).await.unwrap();
    assert_eq!(page.next, None);
    assert_eq!((page.items[0].suspended, page.items[1].suspended), (true, false));
    assert_eq!(stub.app.installation_of(&repo()).await.unwrap(), page.items[0]);
    let unknown = stub.app.installation_of(&"octo/other".parse().unwrap()).await.unwrap_err();
    assert!(matches!(unknown, Error::NotFound(_)));
}

#[tokio::test]
async fn a_limit_stops_the_app_itself_too() {
    let limited = json!({ "message": "You have exceeded a secondary rate limit" });
    let stub = Stub::start(move |_| Some(answer(403, limited.clone()).header("retry-after", "30"))).await;
    for _ in 0..3 {
        assert!(matches!(stub.app.redeliver(1).await.unwrap_err(), Error::RateLimited { .. }));
    }
    assert_eq!(stub.asked().len(), 1);
    stub.clock.jump(std::time::Duration::from_secs(30));
    stub.app.redeliver(1).await.unwrap_err();
    assert_eq!(stub.asked().len(), 2);
}

#[tokio::test]
async fn enterprise_addresses_keep_their_path() {
    let stub =
        Stub::start(|asked| (asked.path == "/api/v3/app").then(|| ok(json!({ "id": 1, "slug": "enterprise" })))).await;
    for api in ["/api/v3", "/api/v3/"] {
        let settings = Settings { api_url: format!("{}{api}", stub.url).parse().unwrap(), ..settings(&stub.url) };
        let app = App::new(&settings, stub.clock.clone()).unwrap();
        assert_eq!(app.identity().await.unwrap().slug, "enterprise");
        assert!(!format!("{app:?} {settings:?}").contains("BEGIN"));
    }
}
