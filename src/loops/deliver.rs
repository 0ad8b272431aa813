//! Says what has to be said once: replies to commands, and reactions to them.
//!
//! Each is a row that was written with the decision itself. GitHub knows no idempotency key, so a comment carries a
//! hidden marker, and before it is written our own comments are searched for it. A reaction needs none: GitHub keeps
//! one of each kind.
//!
//! *Invariant:* an effect ends: done, or given up with its reason.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::driver::Next;
use super::writer::{NotNow, Share, Turn, Writers};
use crate::command::reply;
use crate::crash::crashpoint;
use crate::github::{App, CommentId, Error, Installation, Reaction};
use crate::ids::RepoName;
use crate::store::{Effect, Incarnation, Store};
use crate::time::{Clock, Timestamp};

/// Effects of one piece of work.
const EFFECTS_MAX: u32 = 32;
/// How long a claimed effect is ours. Work on it begins in the first half of this only.
const LEASE: Duration = Duration::from_secs(120);
/// So often something is tried.
const TRIES_MAX: u32 = 10;
/// The pause after the first try; each further one doubles it. Long enough that a comment which was made shows.
const PAUSE: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// An answer later than this helps nobody.
const AGE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// For kinds that this release does not know: a newer replica will take them.
const FOREIGN_PAUSE: Duration = Duration::from_secs(60);

/// The body of an effect of this loop, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outgoing {
    /// A comment of ours.
    Reply {
        /// Where.
        repo: RepoName,
        /// The issue or pull request.
        number: i64,
        /// What its marker is made of: a second one under this key replaces the text of the first.
        key: String,
        /// What it says, without the marker.
        text: String,
    },
    /// A reaction to somebody's comment.
    Reaction {
        /// Where.
        repo: RepoName,
        /// The comment.
        comment: i64,
        /// Which.
        content: Reaction,
    },
}

impl Outgoing {
    /// The kind of its effect.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Reply { .. } => "reply",
            Self::Reaction { .. } => "reaction",
        }
    }
}

/// The loop.
pub struct Deliver {
    /// Where effects are.
    pub store: Store,
    /// GitHub.
    pub app: App,
    /// Turns at writing, shared with the checks, which go first.
    pub writers: Writers,
    /// The service's time.
    pub clock: Clock,
    /// Who claims.
    pub replica: Incarnation,
}

/// What came of a try.
enum Tried {
    Done,
    GivenUp(String),
    Again(String),
    /// Nothing was tried.
    NotBefore(Timestamp),
}

impl Deliver {
    /// Does some effects, those of one installation one after the other.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tick(&self) -> anyhow::Result<Next> {
        let at = self.clock.now();
        let mut groups: BTreeMap<_, Vec<Effect>> = BTreeMap::new();
        for effect in self.store.claim_effects(at, LEASE, self.replica, EFFECTS_MAX).await? {
            groups.entry(effect.installation).or_default().push(effect);
        }
        let done = join_all(groups.into_values().map(|effects| self.effects(effects, at))).await;
        done.into_iter().collect::<anyhow::Result<()>>()?;
        Ok(self.store.oldest_effect().await?.map_or(Next::Period, Next::At))
    }

    async fn effects(&self, effects: Vec<Effect>, claimed_at: Timestamp) -> anyhow::Result<()> {
        for effect in effects {
            let now = self.clock.now();
            let tried = if now.since(claimed_at) > LEASE / 2 {
                Tried::NotBefore(now)
            } else if now.since(effect.created_at) > AGE_MAX {
                Tried::GivenUp("it is a day old".to_owned())
            } else {
                self.effect(&effect).await?
            };
            self.record(&effect, tried).await?;
        }
        Ok(())
    }

    async fn record(&self, effect: &Effect, tried: Tried) -> anyhow::Result<()> {
        let now = self.clock.now();
        let given_up = async |why: &str| {
            warn!(effect.id = %effect.id, effect.kind = effect.kind, why, "an effect was given up");
            self.store.effect_done(effect, &format!("given up: {why}"), now).await
        };
        // False is no error: another replica has claimed it since, and records what it does.
        match tried {
            Tried::Done => self.store.effect_done(effect, "done", now).await?,
            Tried::GivenUp(why) => given_up(&why).await?,
            Tried::Again(why) if effect.tries + 1 >= TRIES_MAX => given_up(&why).await?,
            Tried::Again(why) => {
                let pause = PAUSE.saturating_mul(1 << effect.tries.min(16)).min(PAUSE_MAX);
                self.store.effect_retry(effect, &why, now.plus(pause)).await?
            }
            Tried::NotBefore(until) => self.store.effect_progress(effect, &effect.body, until).await?,
        };
        Ok(())
    }

    async fn effect(&self, effect: &Effect) -> anyhow::Result<Tried> {
        if !["reply", "reaction"].contains(&effect.kind.as_str()) {
            info!(effect.id = %effect.id, effect.kind = effect.kind, "left for a newer release");
            return Ok(Tried::NotBefore(self.clock.now().plus(FOREIGN_PAUSE)));
        }
        let outgoing = match serde_json::from_slice::<Outgoing>(&effect.body) {
            Ok(outgoing) => outgoing,
            Err(error) => return Ok(Tried::GivenUp(format!("its body cannot be read: {error}"))),
        };
        let installation = self.app.installation(effect.installation).await;
        let turn = self.writers.turn(&installation, Share::Part).await;
        let tried = match turn {
            Ok(mut turn) => {
                let tried = self.send(effect, &outgoing, &installation, &mut turn).await;
                turn.end().await?;
                tried
            }
            Err(not_now) => Err(not_now),
        };
        match tried {
            Ok(tried) => Ok(tried),
            Err(NotNow::Wait(wait)) => Ok(Tried::NotBefore(wait.until)),
            Err(NotNow::Store(error)) => Err(error.into()),
        }
    }

    async fn send(
        &self,
        effect: &Effect,
        outgoing: &Outgoing,
        installation: &Installation,
        turn: &mut Turn,
    ) -> Result<Tried, NotNow> {
        crashpoint!("effect_claimed_not_done");
        let sent = match outgoing {
            Outgoing::Reaction { repo, comment, content } => {
                turn.pay(1).await?;
                let reacted = installation.react(repo, CommentId(*comment), *content).await;
                crashpoint!("reaction_made_not_recorded");
                reacted
            }
            Outgoing::Reply { repo, number, key, text } => {
                let body = reply::comment(key, std::slice::from_ref(text));
                let marker = body.lines().next().unwrap_or_default();
                match installation.find_comment_by_marker(repo, *number, marker).await {
                    Ok(found) => {
                        turn.pay(1).await?;
                        say(installation, repo, (*number, found), &body).await
                    }
                    // Too many comments to look through; on the first claim there can be none of ours.
                    Err(Error::Unexpected(_)) if effect.epoch == 1 => {
                        turn.pay(1).await?;
                        say(installation, repo, (*number, None), &body).await
                    }
                    Err(error) => Err(error),
                }
            }
        };
        match sent {
            Ok(()) => Ok(Tried::Done),
            Err(error @ Error::RateLimited { until, .. }) => {
                turn.learned(&error).await?;
                Ok(Tried::NotBefore(until))
            }
            Err(error @ (Error::NotFound(_) | Error::Uninstalled(_) | Error::Forbidden(_) | Error::Invalid(_))) => {
                Ok(Tried::GivenUp(error.to_string()))
            }
            Err(error) => Ok(Tried::Again(error.to_string())),
        }
    }
}

async fn say(
    installation: &Installation,
    repo: &RepoName,
    (number, found): (i64, Option<CommentId>),
    body: &str,
) -> Result<(), Error> {
    let said = match found {
        Some(comment) => installation.edit_comment(repo, comment, body).await,
        None => installation.comment(repo, number, body).await.map(drop),
    };
    crashpoint!("comment_made_not_recorded");
    said
}
