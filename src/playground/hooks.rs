//! Webhooks: what is to be delivered, what was, and the list of it that an App may read.
//!
//! *Invariant:* a failed delivery is never tried again by itself. *Invariant:* a redelivery keeps its guid.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::ids::RepoName;
use crate::time::Timestamp;

use super::error::Error;
use super::reply::{Answer, Call, Reply};
use super::shapes::{self, extend};
use super::state::State;
use super::tokens::Caller;

/// How many deliveries are remembered; the oldest go first.
const DELIVERIES_MAX: usize = 10_000;
/// For how long one may ask for a delivery again.
const KEPT: Duration = Duration::from_secs(3 * 86_400);

/// What becomes of new events. Tests choose; GitHub itself may do any of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivering {
    /// Each event is sent once, one after the other, in order.
    #[default]
    Once,
    /// Each event is sent twice with the same guid.
    Twice,
    /// Events wait until [`super::GitHub::release_deliveries`].
    Held,
    /// Events are recorded as failed and not sent: the receiver was down.
    Dropped,
}

/// The order in which held events are let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they happened.
    AsSent,
    /// The last first.
    Reversed,
    /// In an order that follows from the seed.
    Shuffled(u64),
}

/// One attempt to deliver one event.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) id: i64,
    pub(crate) guid: Uuid,
    pub(crate) event: String,
    pub(crate) redelivery: bool,
    pub(crate) payload: Value,
    pub(crate) repository: Option<i64>,
    pub(crate) at: Timestamp,
    /// None while it is under way.
    pub(crate) outcome: Option<Outcome>,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// 0 when there was no answer.
    pub(crate) code: u16,
    /// GitHub's word: `OK`, or what went wrong.
    pub(crate) status: String,
    pub(crate) body: String,
    pub(crate) took: Duration,
}

/// All deliveries.
pub(crate) struct Hooks {
    pub(crate) url: Option<String>,
    pub(crate) secret: SecretString,
    pub(crate) id: i64,
    pub(crate) mode: Delivering,
    pub(crate) deliveries: BTreeMap<i64, Delivery>,
    /// To be sent, in this order.
    pub(crate) waiting: VecDeque<i64>,
    pub(crate) held: Vec<i64>,
    pub(crate) under_way: usize,
}

impl Hooks {
    /// Whether nothing is left to send. What is held back does not count.
    pub(crate) fn settled(&self) -> bool {
        self.waiting.is_empty() && self.under_way == 0
    }

    /// Lets the held ones go.
    pub(crate) fn release(&mut self, order: Order) {
        let mut held = std::mem::take(&mut self.held);
        match order {
            Order::AsSent => {}
            Order::Reversed => held.reverse(),
            Order::Shuffled(seed) => shuffle(&mut held, seed),
        }
        self.waiting.extend(held);
    }
}

/// A push event writes its repository's times as seconds, unlike every other event.
fn push_times(repository: &mut Value, now: Timestamp) {
    let (seconds, branch) = (now.0.div_euclid(1_000_000), repository["default_branch"].clone());
    extend(
        repository,
        json!({ "created_at": seconds, "pushed_at": seconds, "master_branch": branch, "stargazers": 0 }),
    );
}

/// Fisher and Yates, with a generator that needs no crate (SplitMix64).
fn shuffle(items: &mut [i64], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) ^ (mixed >> 31);
        let bound = u64::try_from(last + 1).unwrap_or(1);
        items.swap(last, usize::try_from(mixed % bound).unwrap_or(0));
    }
}

impl State {
    /// An event happened: adds what every payload has, and queues it if our App is told of it.
    pub(crate) fn emit(&mut self, event: &str, repo: Option<&RepoName>, by: &str, payload: Value) {
        let told = repo.is_none_or(|repo| self.installed.contains(repo)) && !self.suspended;
        if self.hooks.url.is_none() || !told {
            return;
        }
        let mut payload = payload;
        let found = repo.and_then(|repo| self.repos.get(repo));
        if let Some(repo) = found {
            extend(
                &mut payload,
                json!({
                    "repository": shapes::repo(self, repo), "organization": self.organization(),
                    "installation": { "id": self.ours.installation, "node_id": shapes::node_id("Installation", self.ours.installation) },
                }),
            );
        }
        if event == "push" {
            push_times(&mut payload["repository"], self.now());
        }
        if !by.is_empty() {
            extend(&mut payload, json!({ "sender": shapes::user(self, by) }));
        }
        let repository = found.map(|repo| repo.id.0);
        let (id, at) = (self.id(), self.now());
        let guid = self.guid(id);
        self.queue(Delivery {
            id,
            guid,
            event: event.to_owned(),
            redelivery: false,
            payload,
            repository,
            at,
            outcome: None,
        });
    }

    fn organization(&self) -> Value {
        let id = self.account("octo").map_or(0, |octo| octo.id);
        let url = format!("{}/orgs/octo", self.api());
        json!({
            "login": "octo", "id": id, "node_id": shapes::node_id("Organization", id), "url": url,
            "repos_url": format!("{url}/repos"), "events_url": format!("{url}/events"),
            "hooks_url": format!("{url}/hooks"), "issues_url": format!("{url}/issues"),
            "members_url": format!("{url}/members{{/member}}"),
            "public_members_url": format!("{url}/public_members{{/member}}"),
            "avatar_url": format!("{}/avatars/{id}", self.base), "description": null,
        })
    }

    /// A guid that is the same in every run of a test.
    fn guid(&self, id: i64) -> Uuid {
        Uuid::from_u64_pair(0x7000_0000_0000_4000, 0x8000_0000_0000_0000 | id.unsigned_abs())
    }

    fn queue(&mut self, delivery: Delivery) {
        let (id, hooks) = (delivery.id, &mut self.hooks);
        hooks.deliveries.insert(id, delivery);
        while hooks.deliveries.len() > DELIVERIES_MAX {
            hooks.deliveries.pop_first();
        }
        match hooks.mode {
            Delivering::Once => hooks.waiting.push_back(id),
            Delivering::Twice => hooks.waiting.extend([id, id]),
            Delivering::Held => hooks.held.push(id),
            Delivering::Dropped => {
                let (status, body) = ("failed to connect to host".to_owned(), String::new());
                let outcome = Outcome { code: 0, status, body, took: Duration::ZERO };
                if let Some(delivery) = hooks.deliveries.get_mut(&id) {
                    delivery.outcome = Some(outcome);
                }
            }
        }
    }

    /// Sends a delivery again: a new attempt with the same guid and payload.
    pub(crate) fn redeliver(&mut self, id: i64) -> Result<i64, Error> {
        let now = self.now();
        let old = self.hooks.deliveries.get(&id).filter(|old| now.since(old.at) <= KEPT);
        let mut again = old.cloned().ok_or_else(|| Error::missing("delivery", id))?;
        (again.id, again.redelivery, again.at, again.outcome) = (self.id(), true, now, None);
        let id = again.id;
        self.queue(again);
        Ok(id)
    }

    /// `ping`, as GitHub sends it when a hook is made.
    pub(crate) fn ping(&mut self) {
        let id = self.hooks.id;
        let config =
            json!({ "url": self.hooks.url, "content_type": "json", "insecure_ssl": "0", "secret": "********" });
        let payload = json!({
            "zen": "Keep it logically awesome.", "hook_id": id,
            "hook": {
                "type": "App", "id": id, "name": "web", "active": true, "events": self.ours.events, "config": config,
                "app_id": self.ours.id, "updated_at": self.now().rfc3339(), "created_at": self.now().rfc3339(),
                "deliveries_url": format!("{}/app/hook/deliveries", self.api()),
            },
        });
        self.emit("ping", None, "", payload);
    }

    /// `installation`: created, deleted, suspend, unsuspend.
    pub(crate) fn announce_installation(&mut self, action: &str, by: &str) {
        let repos = self.installed.iter().filter_map(|name| self.repos.get(name)).map(shapes::repo_brief);
        let payload = json!({
            "action": action, "installation": shapes::installation(self, &self.ours), "requester": null,
            "repositories": repos.collect::<Vec<_>>(),
        });
        self.emit("installation", None, by, payload);
    }

    /// `installation_repositories.added`
    pub(crate) fn announce_added(&mut self, repo: &RepoName, by: &str) {
        let added = self.repos.get(repo).map(shapes::repo_brief);
        let payload = json!({
            "action": "added", "installation": shapes::installation(self, &self.ours), "requester": null,
            "repository_selection": "selected", "repositories_added": added.into_iter().collect::<Vec<_>>(),
            "repositories_removed": [],
        });
        self.emit("installation_repositories", None, by, payload);
    }

    fn delivery_json(&self, delivery: &Delivery) -> Value {
        let outcome = delivery.outcome.as_ref();
        json!({
            "id": delivery.id, "guid": delivery.guid.to_string(), "delivered_at": delivery.at.rfc3339(),
            "redelivery": delivery.redelivery, "duration": outcome.map_or(0.0, |outcome| outcome.took.as_secs_f64()),
            "status": outcome.map_or("pending", |outcome| outcome.status.as_str()),
            "status_code": outcome.map_or(0, |outcome| outcome.code), "event": delivery.event,
            "action": delivery.payload["action"], "installation_id": self.ours.installation,
            "repository_id": delivery.repository, "throttled_at": null,
        })
    }
}

fn only_app(call: &Call) -> Result<(), Reply> {
    match call.caller {
        Caller::App(_) => Ok(()),
        Caller::Nobody | Caller::Installation(_) | Caller::Person(_) => {
            Err(Reply::error(401, "A JSON web token could not be decoded"))
        }
    }
}

/// `GET /app`
pub(crate) fn app(state: &mut State, call: &Call) -> Answer {
    only_app(call)?;
    let mut shape = shapes::app(state, &state.ours);
    shape["installations_count"] = 1.into();
    Ok(Reply::ok(shape))
}

/// `GET /app/installations`
pub(crate) fn installations(state: &mut State, call: &Call) -> Answer {
    only_app(call)?;
    let all = [shapes::installation(state, &state.ours)];
    Ok(call.page(&all, |page| json!(page)))
}

/// `GET /app/installations/{id}`
pub(crate) fn installation(state: &mut State, call: &Call, id: &str) -> Answer {
    only_app(call)?;
    if id != state.ours.installation.to_string() {
        return Err(Reply::not_found());
    }
    Ok(Reply::ok(shapes::installation(state, &state.ours)))
}

/// `GET /app/hook/deliveries`, newest first, paged by a cursor in `Link`.
pub(crate) fn list(state: &mut State, call: &Call) -> Answer {
    only_app(call)?;
    let before = call.query("cursor").and_then(|cursor| cursor.strip_prefix("v1_")?.parse().ok()).unwrap_or(i64::MAX);
    let failed = |one: &Delivery| one.outcome.as_ref().is_some_and(|outcome| !(200..400).contains(&outcome.code));
    let keep = |one: &&Delivery| match call.query("status") {
        Some("failure") => failed(one),
        Some("success") => one.outcome.is_some() && !failed(one),
        _ => true,
    };
    let older = state.hooks.deliveries.range(..before).rev().map(|(_, one)| one);
    let mut kept = older.filter(|one| state.now().since(one.at) <= KEPT).filter(keep);
    let page: Vec<&Delivery> = kept.by_ref().take(call.per_page()).collect();
    let more = kept.next().is_some();
    let reply = Reply::ok(page.iter().map(|one| state.delivery_json(one)).collect());
    let Some(last) = page.last().filter(|_| more) else { return Ok(reply) };
    let status = call.query("status").map_or(String::new(), |status| format!("&status={status}"));
    let link = format!("<{}?per_page={}{status}&cursor=v1_{}>; rel=\"next\"", call.url, call.per_page(), last.id);
    Ok(reply.with("link", link))
}

/// `GET /app/hook/deliveries/{id}`
pub(crate) fn show(state: &mut State, call: &Call, id: &str) -> Answer {
    only_app(call)?;
    let delivery = id.parse().ok().and_then(|id: i64| state.hooks.deliveries.get(&id)).ok_or_else(Reply::not_found)?;
    let mut shape = state.delivery_json(delivery);
    let answer = delivery.outcome.as_ref().map(|outcome| outcome.body.clone());
    extend(
        &mut shape,
        json!({
            "url": state.hooks.url, "request": { "headers": state.hook_headers(delivery), "payload": delivery.payload },
            "response": { "headers": {}, "payload": answer },
        }),
    );
    Ok(Reply::ok(shape))
}

/// `POST /app/hook/deliveries/{id}/attempts`
pub(crate) fn attempt(state: &mut State, call: &Call, id: &str) -> Answer {
    only_app(call)?;
    state.redeliver(id.parse().map_err(|_| Reply::not_found())?)?;
    Ok(Reply::new(202, json!({})))
}

impl State {
    /// The headers of a delivery, without its signatures.
    pub(crate) fn hook_headers(&self, delivery: &Delivery) -> BTreeMap<&'static str, String> {
        let mut headers = BTreeMap::from([
            ("Accept", "*/*".to_owned()),
            ("Content-Type", "application/json".to_owned()),
            ("User-Agent", "GitHub-Hookshot/7d4c8a1".to_owned()),
            ("X-GitHub-Delivery", delivery.guid.to_string()),
            ("X-GitHub-Event", delivery.event.clone()),
            ("X-GitHub-Hook-ID", self.hooks.id.to_string()),
            ("X-GitHub-Hook-Installation-Target-ID", self.ours.id.to_string()),
            ("X-GitHub-Hook-Installation-Target-Type", "integration".to_owned()),
        ]);
        if self.enterprise {
            headers.insert("X-GitHub-Enterprise-Host", "127.0.0.1".to_owned());
            headers.insert("X-GitHub-Enterprise-Version", "3.21.0".to_owned());
        }
        headers
    }
}
