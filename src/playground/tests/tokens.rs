use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{REPO, World, world, world_with};
use crate::playground::TokenFormat;

impl World {
    /// Seconds since 1970, by the playground's clock.
    fn seconds(&self) -> i64 {
        self.clock.now().0 / 1_000_000
    }

    fn sign(&self, claims: &Value) -> String {
        let pem = self.github.private_key();
        let key = EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes()).unwrap();
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &key).unwrap()
    }

    /// A JWT as a careful App makes it.
    pub(super) fn jwt(&self) -> String {
        let now = self.seconds();
        self.sign(&json!({ "iat": now - 60, "exp": now + 540, "iss": self.github.client_id() }))
    }

    pub(super) async fn ask_app(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.ask_as(&self.jwt(), method, path, body).await
    }

    fn tokens_path(&self) -> String {
        format!("/app/installations/{}/access_tokens", self.github.installation())
    }
}

#[tokio::test]
async fn a_jwt_is_judged_by_its_claims() {
    let world = world().await;
    let now = world.seconds();
    let (id, client) = (world.github.app_id(), world.github.client_id());
    let cases = [
        (json!({ "iat": now - 60, "exp": now + 540, "iss": client }), 200),
        (json!({ "iat": now, "exp": now + 600, "iss": id.to_string() }), 200),
        (json!({ "iat": now, "exp": now + 600, "iss": id }), 200),
        (json!({ "iat": now, "exp": now + 601, "iss": client }), 401),
        (json!({ "iat": now - 60, "exp": now, "iss": client }), 401),
        (json!({ "iat": now + 1, "exp": now + 540, "iss": client }), 401),
        (json!({ "exp": now + 540, "iss": client }), 401),
        (json!({ "iat": now - 60, "iss": client }), 401),
        (json!({ "iat": now - 60, "exp": now + 540, "iss": "12" }), 404),
        (json!({ "iat": now - 60, "exp": now + 540 }), 404),
    ];
    for (claims, status) in cases {
        let (got, said) = world.ask_as(&world.sign(&claims), "GET", "/app", Value::Null).await;
        assert_eq!(got, status, "{claims} -> {said}");
    }
    let mut forged = world.jwt();
    forged.replace_range(forged.len() - 8.., "AAAAAAAA");
    for bad in [forged.as_str(), "a.b.c", "", "ghs_nothing", world.token.as_str()] {
        assert_eq!(world.ask_as(bad, "GET", "/app", Value::Null).await.0, 401, "{bad}");
    }
    assert!(world.github.private_key().expose_secret().starts_with("-----BEGIN RSA PRIVATE KEY-----"));
}

#[tokio::test]
async fn a_token_lives_an_hour() {
    let world = world().await;
    let (status, made) = world.ask_app("POST", &world.tokens_path(), Value::Null).await;
    assert_eq!((status, &made["expires_at"]), (201, &json!("2026-11-22T10:00:00Z")));
    assert_eq!(made["repository_selection"], "all");
    let token = made["token"].as_str().unwrap();
    let place = format!("/repos/{REPO}");
    world.clock.jump(Duration::from_secs(3_599));
    assert_eq!(world.ask_as(token, "GET", &place, Value::Null).await.0, 200);
    world.clock.jump(Duration::from_secs(1));
    let (status, said) = world.ask_as(token, "GET", &place, Value::Null).await;
    assert_eq!((status, &said["message"]), (401, &json!("Bad credentials")));
}

#[tokio::test]
async fn both_formats_of_tokens() {
    let long = world().await;
    let path = long.tokens_path();
    let ask = async |world: &World, stateless: Option<&str>| {
        let mut request = world.request(&world.jwt(), "POST", &path, Value::Null);
        if let Some(stateless) = stateless {
            request = request.header("X-GitHub-Stateless-S2S-Token", stateless);
        }
        let made: Value = request.send().await.unwrap().json().await.unwrap();
        made["token"].as_str().unwrap().to_owned()
    };
    let token = ask(&long, None).await;
    assert!(token.starts_with("ghs_424242_") && token.matches('.').count() == 2 && token.len() > 400, "{token}");
    assert_eq!(long.ask_as(&token, "GET", &format!("/repos/{REPO}"), Value::Null).await.0, 200);
    let short = world_with(|options| options.token_format = TokenFormat::Short).await;
    for token in [ask(&long, Some("disabled")).await, ask(&short, None).await] {
        assert!(token.starts_with("ghs_") && token.len() == 40 && !token.contains('.'), "{token}");
    }
    assert!(ask(&short, Some("enabled")).await.len() > 400);
}

#[tokio::test]
async fn a_token_opens_only_what_it_was_made_for() {
    let world = world().await;
    let other = world.github.add_repository("octo/other", &[("a", "1")]).await.unwrap();
    for name in [REPO, other.as_str()] {
        world.github.set_private(name, true).await.unwrap();
    }
    let id = world.get(&format!("/repos/{REPO}")).await["id"].clone();
    let scope = json!({ "repository_ids": [id], "permissions": { "checks": "write" } });
    let (status, made) = world.ask_app("POST", &world.tokens_path(), scope).await;
    assert_eq!((status, &made["permissions"]), (201, &json!({ "checks": "write", "metadata": "read" })));
    assert_eq!(
        (&made["repository_selection"], &made["repositories"][0]["full_name"]),
        (&json!("selected"), &json!(REPO))
    );
    let token = made["token"].as_str().unwrap();
    let status = async |method: &str, path: &str, body: Value| world.ask_as(token, method, path, body).await.0;
    let check = json!({ "name": "ci", "head_sha": world.main });
    assert_eq!(status("POST", &format!("/repos/{REPO}/check-runs"), check.clone()).await, 201);
    assert_eq!(status("GET", &format!("/repos/{REPO}/contents/README.md"), Value::Null).await, 403);
    assert_eq!(status("GET", "/repos/octo/other", Value::Null).await, 404);
    world.github.set_private("octo/other", false).await.unwrap();
    assert_eq!(status("GET", "/repos/octo/other", Value::Null).await, 200, "what is public may be read");
    assert_eq!(status("POST", "/repos/octo/other/check-runs", check).await, 403);
    for (scope, status) in [
        (json!({ "repository_ids": [1] }), 422),
        (json!({ "permissions": { "administration": "read" } }), 422),
        (json!({ "permissions": { "contents": "write" } }), 422),
    ] {
        assert_eq!(world.ask_app("POST", &world.tokens_path(), scope.clone()).await.0, status, "{scope}");
    }
}

#[tokio::test]
async fn the_app_knows_its_installation() {
    let world = world().await;
    let (_, installation) = world.ask_app("GET", &format!("/repos/{REPO}/installation"), Value::Null).await;
    assert_eq!((&installation["id"], &installation["app_id"]), (&json!(7_001), &json!(424_242)));
    assert_eq!(world.ask_app("GET", "/app/installations/7001", Value::Null).await.0, 200);
    assert_eq!(world.ask_app("GET", "/app/installations/7002", Value::Null).await.0, 404);
    world.github.set_suspended(true).await.unwrap();
    assert_eq!(world.ask_app("POST", &world.tokens_path(), Value::Null).await.0, 403);
    assert_eq!(world.ask("GET", &format!("/repos/{REPO}"), Value::Null).await.0, 403);
}
