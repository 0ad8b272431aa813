//! Asks GitHub for the webhooks that never reached us: it tries once and never again by itself.
//!
//! Its log of failed deliveries is read back to where the last look ended, oldest first; a delivery that we have, or
//! that came through later, is left alone. What is asked for comes with the same guid, so even a needless one acts
//! once.
//!
//! *Invariant:* one replica looks at a time, and the mark of how far it got moves only behind what was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tracing::{info, warn};

use super::driver::Next;
use crate::crash::crashpoint;
use crate::github::{App, Cursor, Delivery, Error, Page};
use crate::store::Store;
use crate::time::{Clock, Timestamp};

/// How often the log is looked at.
pub const PERIOD: Duration = Duration::from_secs(300);
/// The pause between two batches: 100 in 40 s keep far from GitHub's 180 writes a minute.
const BATCH_PAUSE: Duration = Duration::from_secs(40);
const BATCH_MAX: usize = 100;
/// How long GitHub can send a delivery again; an Enterprise Server would for a week.
const KEPT: Duration = Duration::from_secs(3 * 86_400);
/// A delivery may fail half a minute after it was sent.
const OVERLAP: Duration = Duration::from_secs(60);
/// Pages of a hundred that are looked through.
const PAGES_MAX: usize = 100;
/// Until when one replica has the turn, in microseconds.
const TURN: &str = "redeliver.turn";
/// Up to when everything was asked for, in microseconds.
const SEEN: &str = "redeliver.seen";

/// The loop.
pub struct Redeliver {
    /// Where deliveries and marks are.
    pub store: Store,
    /// GitHub.
    pub app: App,
    /// The service's time.
    pub clock: Clock,
    /// When this process began: what was missed while the one before it died is not to wait for that one's next turn.
    pub since: Timestamp,
}

impl Redeliver {
    /// Looks at the log, if it is time and nobody else does, and asks for one batch.
    ///
    /// # Errors
    /// When the database or GitHub does not answer.
    pub async fn tick(&self) -> anyhow::Result<Next> {
        let now = self.clock.now();
        let turn = self.store.bookmark(TURN).await?;
        let until = moment(turn.as_deref());
        let taken_here = until >= self.since.plus(PERIOD);
        if now < until && taken_here {
            return Ok(Next::At(until));
        }
        let (mine, next) = (now.plus(PERIOD).0.to_string(), now.plus(PERIOD));
        if !self.store.move_bookmark(TURN, turn.as_deref(), &mine).await? {
            return Ok(Next::At(next));
        }
        match self.look(now).await {
            Ok(true) => {
                // The turn is ours until then: whoever comes first after the pause goes on.
                let soon = self.clock.now().plus(BATCH_PAUSE);
                self.store.move_bookmark(TURN, Some(&mine), &soon.0.to_string()).await?;
                Ok(Next::At(soon))
            }
            Ok(false) => Ok(Next::At(next)),
            Err(error) => {
                let soon = match error.downcast_ref::<Error>() {
                    Some(Error::RateLimited { until, .. }) => *until,
                    _ => self.clock.now().plus(BATCH_PAUSE),
                };
                self.store.move_bookmark(TURN, Some(&mine), &soon.0.to_string()).await?;
                Err(error)
            }
        }
    }

    /// Asks for one batch; whether there is more.
    async fn look(&self, now: Timestamp) -> anyhow::Result<bool> {
        let seen = self.store.bookmark(SEEN).await?;
        let oldest = Timestamp(now.0.saturating_sub(crate::time::micros(KEPT)));
        let from = Timestamp(moment(seen.as_deref()).0.saturating_sub(crate::time::micros(OVERLAP))).max(oldest);
        let missed = self.missed(from).await?;
        let more = missed.len() > BATCH_MAX;
        let mut upto = if more { None } else { Some(now) };
        for delivery in missed.iter().take(BATCH_MAX) {
            match self.app.redeliver(delivery.id).await {
                Ok(()) => info!(delivery.id = delivery.guid, "asked GitHub to send a missed webhook again"),
                Err(error @ (Error::NotFound(_) | Error::Invalid(_) | Error::Forbidden(_))) => {
                    warn!(delivery.id = delivery.guid, %error, "GitHub does not send a missed webhook again");
                }
                Err(error) => return Err(error.into()),
            }
            upto = if more { delivery.at() } else { upto };
        }
        if !missed.is_empty() {
            crashpoint!("redelivery_asked_not_marked");
        }
        if let Some(upto) = upto {
            self.store.move_bookmark(SEEN, seen.as_deref(), &upto.0.to_string()).await?;
        }
        Ok(more)
    }

    /// The newest try of each delivery that failed since then and that we do not have, oldest first.
    async fn missed(&self, from: Timestamp) -> anyhow::Result<Vec<Delivery>> {
        let mut failed: BTreeMap<String, Delivery> = BTreeMap::new();
        let mut page = self.app.failed_deliveries(None).await?;
        for pages in 1.. {
            let next = next_page(&page, from);
            for delivery in page.items.into_iter().filter(|delivery| is_after(delivery, from)) {
                failed.entry(delivery.guid.clone()).or_insert(delivery);
            }
            let Some(cursor) = next else { break };
            if pages >= PAGES_MAX {
                warn!(pages, "more failed webhooks than can be looked through; the oldest are left");
                break;
            }
            page = self.app.failed_deliveries(Some(&cursor)).await?;
        }
        // What we ourselves refused, twice, is refused again.
        failed.retain(|_, delivery| !(delivery.redelivery && (400..500).contains(&delivery.status_code)));
        let app = self.app.identity().await?.id;
        for guid in self.store.known_deliveries(app, failed.keys().cloned().collect()).await? {
            failed.remove(&guid);
        }
        let oldest = failed.values().filter_map(Delivery::at).min();
        if let Some(oldest) = oldest {
            for guid in self.succeeded(oldest).await? {
                failed.remove(&guid);
            }
        }
        let mut missed: Vec<Delivery> = failed.into_values().collect();
        missed.sort_by_key(|delivery| (delivery.at(), delivery.id));
        Ok(missed)
    }

    /// The deliveries that came through since then: not all of these are kept by us.
    async fn succeeded(&self, from: Timestamp) -> anyhow::Result<BTreeSet<String>> {
        let mut through = BTreeSet::new();
        let mut page = self.app.all_deliveries(None).await?;
        for _ in 0..PAGES_MAX {
            let next = next_page(&page, from);
            let good = page.items.into_iter().filter(|delivery| (200..300).contains(&delivery.status_code));
            through.extend(good.map(|delivery| delivery.guid));
            let Some(cursor) = next else { break };
            page = self.app.all_deliveries(Some(&cursor)).await?;
        }
        Ok(through)
    }
}

/// Where the list goes on, unless all the rest is older.
fn next_page(page: &Page<Delivery>, from: Timestamp) -> Option<Cursor> {
    page.next.clone().filter(|_| page.items.last().is_some_and(|last| is_after(last, from)))
}

/// A delivery whose time cannot be read counts as new: asking for it once more is harmless.
fn is_after(delivery: &Delivery, from: Timestamp) -> bool {
    delivery.at().is_none_or(|at| at >= from)
}

fn moment(bookmark: Option<&str>) -> Timestamp {
    Timestamp(bookmark.and_then(|text| text.parse().ok()).unwrap_or(0))
}
