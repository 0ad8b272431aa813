//! The post between GitHub and the replicas: takes each webhook once, delivers it one to five times, out of order, to any
//! replica, sometimes under a new guid; and remembers what was acknowledged.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use uuid::Uuid;

use super::size::Dice;

/// GitHub's header for the guid of a delivery. It is not signed, so anybody may send a body under another one.
const GUID: &str = "x-github-delivery";
/// GitHub waits so long for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The pause before a letter that nobody took is tried again, as a person would in the App's settings.
const AGAIN: Duration = Duration::from_millis(300);
/// How much later than the first copy another one may come.
const SPREAD_MS: u64 = 1_500;

/// One webhook.
#[derive(Debug, Clone, Default)]
#[expect(dead_code, reason = "a failure shows all of it")]
pub struct Letter {
    pub event: String,
    /// Of its body: GitHub may say the same twice, and then it is one.
    pub digest: [u8; 32],
    /// Under which it was sent.
    pub guids: Vec<String>,
    pub sent: usize,
    /// Answered with 202.
    pub acked: usize,
}

#[derive(Clone)]
pub struct Post(Arc<Inner>);

struct Inner {
    targets: Vec<String>,
    letters: Mutex<Vec<Letter>>,
    /// Letters that have copies under way, or are not acknowledged.
    open: watch::Sender<usize>,
    dice: Mutex<Dice>,
    http: reqwest::Client,
}

impl Post {
    /// The post, and where GitHub shall send to.
    pub async fn start(seed: u64, targets: Vec<String>) -> (Self, String) {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build().unwrap();
        let (letters, open) = (Mutex::default(), watch::Sender::new(0));
        let dice = Mutex::new(Dice::new(seed, "post"));
        let post = Self(Arc::new(Inner { targets, letters, open, dice, http }));
        let router = Router::new().route("/webhook", axum::routing::post(take)).with_state(post.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (post, url)
    }

    pub fn letters(&self) -> Vec<Letter> {
        self.0.letters.lock().unwrap().clone()
    }

    /// Returns when every letter was acknowledged, and no copy is under way.
    pub async fn idle(&self) {
        self.0.open.subscribe().wait_for(|open| *open == 0).await.unwrap();
    }

    async fn deliver(self, number: usize, headers: HeaderMap, body: Bytes) {
        let copies: Vec<(Duration, bool)> = {
            let mut dice = self.0.dice.lock().unwrap();
            let copies = 1 + dice.below(5);
            (0..copies).map(|_| (dice.millis(0, SPREAD_MS), dice.percent(10))).collect()
        };
        let sending = copies.into_iter().map(|(after, renamed)| {
            let (this, mut headers, body) = (self.clone(), headers.clone(), body.clone());
            async move {
                tokio::time::sleep(after).await;
                if renamed {
                    let guid = Uuid::from_bytes(pointsman::ids::random_bytes()).to_string();
                    headers.insert(GUID, guid.parse().unwrap());
                }
                this.send(number, headers, body).await
            }
        });
        let mut acked = futures_util::future::join_all(sending).await.contains(&true);
        while !acked {
            tokio::time::sleep(AGAIN).await;
            acked = self.send(number, headers.clone(), body.clone()).await;
        }
        self.0.open.send_modify(|open| *open -= 1);
    }

    async fn send(&self, number: usize, headers: HeaderMap, body: Bytes) -> bool {
        let target = self.0.dice.lock().unwrap().below(self.0.targets.len());
        let guid = headers[GUID].to_str().unwrap().to_owned();
        {
            let letter = &mut self.0.letters.lock().unwrap()[number];
            letter.sent += 1;
            if !letter.guids.contains(&guid) {
                letter.guids.push(guid);
            }
        }
        let request = self.0.http.post(&self.0.targets[target]).headers(headers).body(body);
        let acked = request.send().await.is_ok_and(|answer| answer.status() == StatusCode::ACCEPTED);
        if acked {
            self.0.letters.lock().unwrap()[number].acked += 1;
        }
        acked
    }
}

async fn take(State(post): State<Post>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let digest = Sha256::digest(&body).into();
    let mut kept = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| name.as_str().starts_with("x-") || *name == "content-type") {
        kept.insert(name, value.clone());
    }
    let event = headers["x-github-event"].to_str().unwrap().to_owned();
    let number = {
        let mut letters = post.0.letters.lock().unwrap();
        letters.push(Letter { event, digest, ..Letter::default() });
        letters.len() - 1
    };
    post.0.open.send_modify(|open| *open += 1);
    tokio::spawn(post.deliver(number, kept, body));
    StatusCode::ACCEPTED
}
