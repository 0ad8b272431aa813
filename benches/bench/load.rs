//! Closed-loop load: so many workers, each with one thing under way at a time, for a fixed time after a warm-up.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use url::Url;

use super::setting;

/// How often each contestant is measured; the contestants take turns, and the median counts.
pub const ROUNDS: usize = 3;

/// Does one thing after the other.
pub trait Worker: Send + 'static {
    /// One thing, to its end.
    fn once(&mut self) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// What was seen of one contestant in one round.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// Things done, each second.
    pub rate: f64,
    /// The time that half of them took at most.
    pub p50: Duration,
    /// The time that 99 of 100 took at most.
    pub p99: Duration,
    /// All that were done, with those of the warm-up.
    pub all: u64,
}

impl Seen {
    /// Of the rounds, each figure's median.
    pub fn median(rounds: &[Self]) -> Self {
        let by = |key: fn(&Self) -> f64| {
            let mut all: Vec<f64> = rounds.iter().map(key).collect();
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or_default()
        };
        Self {
            rate: by(|seen| seen.rate),
            p50: Duration::from_secs_f64(by(|seen| seen.p50.as_secs_f64())),
            p99: Duration::from_secs_f64(by(|seen| seen.p99.as_secs_f64())),
            all: rounds.iter().map(|seen| seen.all).sum(),
        }
    }
}

/// Of sorted times, the one below which this share lies.
pub fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let ix = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(ix).copied().unwrap_or_default()
}

/// Lets all workers work, and counts what began after the warm-up and ended in time.
///
/// # Errors
/// As soon as one of them fails: a rate of failures is no rate.
pub async fn load<W: Worker>(workers: Vec<W>) -> anyhow::Result<Seen> {
    let (warm_up, time) =
        (Duration::from_millis(setting("BENCH_WARM_UP_MS", 1_500)), Duration::from_millis(setting("BENCH_MS", 5_000)));
    let from = Instant::now() + warm_up;
    let until = from + time;
    let mut working = JoinSet::new();
    for mut worker in workers {
        working.spawn(async move {
            let (mut times, mut all) = (Vec::new(), 0_u64);
            loop {
                let start = Instant::now();
                if start >= until {
                    return anyhow::Ok((times, all));
                }
                worker.once().await?;
                all += 1;
                let end = Instant::now();
                if start >= from && end <= until {
                    times.push(end - start);
                }
            }
        });
    }
    let (mut times, mut all) = (Vec::new(), 0);
    while let Some(done) = working.join_next().await {
        let (its, count) = done??;
        times.extend(its);
        all += count;
    }
    times.sort_unstable();
    let rate = times.len() as f64 / time.as_secs_f64();
    Ok(Seen { rate, p50: percentile(&times, 0.5), p99: percentile(&times, 0.99), all })
}

/// One connection over which one request follows the other.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    url: Url,
    host: String,
}

impl Connection {
    /// Connects to the host of this address, and asks for its path.
    pub async fn to(url: &Url) -> anyhow::Result<Self> {
        let host = url.host_str().context("no host")?.to_owned();
        let stream = tokio::net::TcpStream::connect((host.as_str(), url.port().context("no port")?)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, url: url.clone(), host })
    }

    /// So many of them.
    pub async fn several(count: usize, url: &Url) -> anyhow::Result<Vec<Self>> {
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            all.push(Self::to(url).await?);
        }
        Ok(all)
    }

    /// Posts, and reads the answer to its end.
    pub async fn post(&mut self, headers: &[(&str, &str)], body: Bytes) -> anyhow::Result<()> {
        let mut request = Request::builder().method(Method::POST).uri(self.url.path()).header("host", &self.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Full::new(body))?).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{} answered {status}: {}", self.url, String::from_utf8_lossy(&body));
        Ok(())
    }
}

impl Worker for Connection {
    async fn once(&mut self) -> anyhow::Result<()> {
        self.post(&[], Bytes::new()).await
    }
}
