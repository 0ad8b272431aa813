//! Every real payload that we have of GitHub's events, through the real door and the real intake.
//!
//! They speak of installations, repositories and commits that the GitHub of this machine has never heard of. None of
//! them may be lost, block those behind it, or be tried for ever: each ends with its reason.

use std::collections::BTreeMap;
use std::time::Duration;

use pointsman::inbound::verify::Secrets;
use pointsman::playground::{GitHub, Options};
use pointsman::time::Clock;
use serde_json::Value;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use crate::{service, wire};

/// Much longer than it takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// All payloads, as (event, body).
fn payloads() -> Vec<(String, String)> {
    let json = zstd::decode_all(&include_bytes!("../data/webhooks.json.zst")[..]).unwrap();
    let events: Vec<Value> = serde_json::from_slice(&json).unwrap();
    let of = |event: &Value| {
        let name = event["name"].as_str().unwrap().to_owned();
        let examples = event["examples"].as_array().unwrap().clone();
        examples.into_iter().map(move |payload| (name.clone(), payload.to_string()))
    };
    events.iter().flat_map(of).collect()
}

/// GitHub's id of a payload's delivery, or of another delivery of it.
fn guid(number: usize, again: u8) -> String {
    format!("72d3162e-cc78-11e3-81ab-{again:04x}{number:08x}")
}

struct Door {
    client: reqwest::Client,
    url: String,
    secrets: Secrets,
}

impl Door {
    /// Posts a delivery as GitHub does; status, and whether it was known.
    async fn post(&self, event: &str, guid: &str, body: &str) -> (u16, bool) {
        let answer = self.client.post(&self.url).header("content-type", "application/json");
        let answer = answer.header("x-github-event", event).header("x-github-delivery", guid);
        let answer = answer.header("x-hub-signature-256", self.secrets.sign(body.as_bytes()));
        let answer = answer.body(body.to_owned()).send().await.unwrap();
        let status = answer.status().as_u16();
        let said: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default();
        (status, said["duplicate"].as_bool().unwrap_or_else(|| panic!("{event} {guid}: {status} {said}")))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_real_payload_goes_through_the_door_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}/store.db", folder.path().display());
    let github = GitHub::start(Options::new(Clock::machine())).await.unwrap();
    let service = service::start(&github, &database, &[]).await;
    let door = Door {
        client: reqwest::Client::builder().no_proxy().build().unwrap(),
        url: format!("http://{}/webhook", service.address),
        secrets: Secrets::new(vec![github.webhook_secret()]).unwrap(),
    };
    let payloads = payloads();
    assert_eq!(payloads.len(), 92);
    for (number, (event, body)) in payloads.iter().enumerate() {
        assert_eq!(door.post(event, &guid(number, 0), body).await, (202, false), "{event} {number}");
    }
    // Again, as GitHub redelivers it; and under another id, which anybody can make up.
    for (number, (event, body)) in payloads.iter().enumerate() {
        assert_eq!(door.post(event, &guid(number, 0), body).await, (202, true), "{event} {number}");
        assert_eq!(door.post(event, &guid(number, 1), body).await, (202, true), "{event} {number}");
    }

    let mut sql = SqliteConnection::connect(&database).await.unwrap();
    let rows = ended(&mut sql).await;
    assert_eq!(rows.len(), payloads.len());
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for (event, outcome) in rows {
        *ends.entry(format!("{event}: {outcome}")).or_default() += 1;
    }
    let ends: String = ends.iter().map(|(end, count)| format!("{count} {end}\n")).collect();
    insta::assert_snapshot!(ends, @"
    3 check_run: another App's check
    3 check_run: check_run.completed: nothing depends on this action
    3 check_run: check_run.created: nothing depends on this action
    2 check_suite: another App's checks
    4 check_suite: check_suite.completed: nothing depends on this action
    3 check_suite: check_suite.requested: nothing depends on this action
    2 installation: installation created
    2 installation: installation deleted
    1 installation: installation new_permissions_accepted
    1 installation: installation suspend
    1 installation: installation unsuspend
    3 installation_repositories: repositories changed
    5 issue_comment: issue_comment.created: it is on an issue; only comments on pull requests are read
    2 issue_comment: issue_comment.deleted: only new comments are obeyed, never edited or deleted ones
    2 issue_comment: issue_comment.edited: only new comments are obeyed, never edited or deleted ones
    2 merge_group: merge groups are not in this release
    4 ping: ping
    1 pull_request: 0 to cancel
    1 pull_request: says the same as an earlier delivery
    5 pull_request: skipped: GitHub knows no installation 0 of the App; it was removed, or is another App's
    22 pull_request: skipped: GitHub knows no installation 1 of the App; it was removed, or is another App's
    4 push: a ref is gone
    1 push: skipped: GitHub knows no installation 0 of the App; it was removed, or is another App's
    2 push: skipped: GitHub knows no installation 1 of the App; it was removed, or is another App's
    4 repository: renamed
    2 repository: repository.created: nothing depends on this action
    2 repository: repository.edited: nothing depends on this action
    2 repository: repository.privatized: nothing depends on this action
    3 repository: repository.publicized: nothing depends on this action
    ");
    // Nothing was begun for repositories that we cannot see, and nothing broke.
    for table in ["run", "head", "effect"] {
        let sentence = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        let count: i64 = sqlx::query(sentence).fetch_one(&mut sql).await.unwrap().get(0);
        assert_eq!(count, 0, "{table}");
    }
    sql.close().await.unwrap();
    service.stop().await;
    let unexpected = github.unexpected_requests();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    wire::holds(&github);
}

/// Waits until no delivery is pending: each with its event and how it ended, parked ones as such.
async fn ended(sql: &mut SqliteConnection) -> Vec<(String, String)> {
    let mut beats = tokio::time::interval(Duration::from_millis(50));
    let asking = async {
        loop {
            beats.tick().await;
            let rows = sqlx::query("SELECT event, pending, parked_at, outcome FROM inbox").fetch_all(&mut *sql);
            let rows = rows.await.unwrap();
            if rows.iter().all(|row| row.get::<Option<i64>, _>("pending").is_none()) {
                return rows;
            }
        }
    };
    let rows = tokio::time::timeout(PATIENCE, asking).await.expect("every delivery ends");
    let end = |row: &sqlx::sqlite::SqliteRow| {
        let parked = row.get::<Option<i64>, _>("parked_at").map_or("", |_| "PARKED: ");
        let outcome: Option<String> = row.get("outcome");
        (row.get("event"), format!("{parked}{}", outcome.expect("a reason")))
    };
    rows.iter().map(end).collect()
}
