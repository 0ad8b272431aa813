//! Writing one check: what is to be sent is recorded first, and what is not known is asked about first.

use std::time::Duration;

use tracing::{error, warn};

use super::body::{external_id, word};
use super::desired::Desired;
use crate::crash::crashpoint;
use crate::github::{self, CheckId, Error, Installation, Written};
use crate::ids::RepoName;
use crate::loops::writer::{NotNow, Turn};
use crate::report::Write;
use crate::store::{CheckRow, HeadDue, Store};
use crate::time::{Clock, Timestamp};

/// A check run that was made may not be in the list before this: an empty list proves nothing earlier.
const VISIBLE_WITHIN: Duration = Duration::from_secs(2);
/// When GitHub could not be asked.
const UNAVAILABLE_PAUSE: Duration = Duration::from_secs(5);
/// When somebody has to mend something first.
const REFUSED_PAUSE: Duration = Duration::from_secs(300);

/// Writes checks of one head, in one turn.
pub(super) struct Showing<'a> {
    pub(super) store: &'a Store,
    pub(super) clock: &'a Clock,
    pub(super) installation: Installation,
    pub(super) repo: RepoName,
    pub(super) due: &'a HeadDue,
    pub(super) turn: Turn,
}

/// What came of it.
pub(super) enum Shown {
    /// It shows what it should, or GitHub will never take it.
    Done,
    /// Not this one, not before then.
    Later(Timestamp),
    /// Nothing more of this head before then.
    Stop(Timestamp),
}

/// What GitHub has under a name, as far as it can be known.
enum Known {
    /// Nothing.
    Nothing,
    /// A row stands for this generation, but there is no such check run.
    Absent(u32),
    /// This.
    Row(CheckRow),
}

impl Showing<'_> {
    /// Makes one name show what it should.
    pub(super) async fn show(&mut self, desired: &Desired, row: Option<CheckRow>) -> anyhow::Result<Shown> {
        let known = match row {
            None => Known::Nothing,
            Some(row) if row.sent_hash.is_some() => Known::Row(row),
            Some(row) => {
                let until = row.sent_at.plus(VISIBLE_WITHIN);
                if self.clock.now() < until {
                    return Ok(Shown::Later(until));
                }
                match self.ask(row).await {
                    Ok(known) => known,
                    Err(error) => return self.refused(desired, &error).await,
                }
            }
        };
        match &known {
            Known::Nothing => self.create(desired, 1).await,
            Known::Absent(generation) => self.create(desired, *generation).await,
            Known::Row(row) => match desired.against(Some(row)) {
                Write::Nothing => Ok(Shown::Done),
                Write::Create(generation) => self.create(desired, generation).await,
                Write::Update(_) => self.update(desired, row).await,
            },
        }
    }

    /// Asks what became of a write that was never answered.
    async fn ask(&self, row: CheckRow) -> Result<Known, Error> {
        let found = match row.github_id {
            Some(id) => match self.installation.check(&self.repo, CheckId(id)).await {
                Err(Error::NotFound(_)) => return Ok(Known::Absent(row.generation + 1)),
                answer => Some(answer?),
            },
            None => {
                let ours = external_id(&self.due.head, &row.name, row.generation);
                let all = self.installation.list_checks(&self.repo, &self.due.head.sha, &row.name).await?;
                all.into_iter().find(|check| check.external_id.as_ref() == Some(&ours))
            }
        };
        Ok(found.map_or(Known::Absent(row.generation), |check: github::Check| {
            let annotations = check.annotations();
            Known::Row(CheckRow { github_id: Some(check.id.0), conclusion: check.conclusion, annotations, ..row })
        }))
    }

    async fn create(&mut self, desired: &Desired, generation: u32) -> anyhow::Result<Shown> {
        let row = CheckRow {
            name: desired.check.name.clone(),
            generation,
            github_id: None,
            sent_version: self.due.epoch,
            sent_hash: None,
            conclusion: None,
            annotations: 0,
            sent_at: self.clock.now(),
        };
        self.send(desired, row).await
    }

    async fn update(&mut self, desired: &Desired, row: &CheckRow) -> anyhow::Result<Shown> {
        let row = CheckRow { sent_version: self.due.epoch, sent_at: self.clock.now(), ..row.clone() };
        self.send(desired, row).await
    }

    /// Pays, records, sends, and records what came of it.
    async fn send(&mut self, desired: &Desired, mut row: CheckRow) -> anyhow::Result<Shown> {
        let head = &self.due.head;
        let external_id = external_id(head, &row.name, row.generation);
        let body = github::CheckBody { external_id, ..desired.body.clone() };
        let skip = usize::try_from(row.annotations)?;
        match self.turn.pay(body.writes(skip)).await {
            Ok(()) => {}
            Err(NotNow::Wait(wait)) => return Ok(Shown::Stop(wait.until)),
            Err(NotNow::Store(error)) => return Err(error.into()),
        }
        if !self.store.check_sending(head.clone(), row.clone()).await? {
            // Somebody has claimed the head since we did, and knows more than we.
            return Ok(Shown::Stop(self.clock.now()));
        }
        crashpoint!("check_announced_not_sent");
        let sent = match row.github_id {
            Some(id) => {
                let updated = self.installation.update_check(&self.repo, CheckId(id), &body, skip).await;
                crashpoint!("check_updated_not_recorded");
                updated
            }
            None => {
                let made = self.installation.create_check(&self.repo, &body).await;
                crashpoint!("check_made_not_recorded");
                made
            }
        };
        row.sent_at = self.clock.now();
        match sent {
            Ok(Written { id, annotations, interrupted }) => {
                row.github_id = Some(id.0);
                row.annotations = u32::try_from(annotations)?;
                row.conclusion = word(&body).map(str::to_owned);
                row.sent_hash = interrupted.is_none().then_some(desired.fingerprint);
                self.store.check_sent(head.clone(), row).await?;
                match interrupted {
                    None => Ok(Shown::Done),
                    Some(error) => self.refused(desired, &error).await,
                }
            }
            Err(error) => {
                self.store.check_sent(head.clone(), CheckRow { sent_hash: None, ..row }).await?;
                self.refused(desired, &error).await
            }
        }
    }

    /// What an error of GitHub's means for the name and for the head.
    async fn refused(&mut self, desired: &Desired, error: &Error) -> anyhow::Result<Shown> {
        let (name, now) = (&desired.check.name, self.clock.now());
        Ok(match error {
            Error::RateLimited { until, .. } => {
                match self.turn.learned(error).await {
                    Ok(()) | Err(NotNow::Wait(_)) => {}
                    Err(NotNow::Store(error)) => return Err(error.into()),
                }
                Shown::Stop(*until)
            }
            Error::Unclear(_) => Shown::Later(now.plus(VISIBLE_WITHIN)),
            Error::Unavailable(_) => Shown::Stop(now.plus(UNAVAILABLE_PAUSE)),
            Error::NotFound(_) | Error::Uninstalled(_) | Error::Forbidden(_) => {
                warn!(check.name = name, github.repo = %self.repo, %error, "a check cannot be shown; it is given up");
                Shown::Done
            }
            Error::Invalid(_) => {
                error!(check.name = name, github.repo = %self.repo, %error, "GitHub takes a check of ours for wrong");
                Shown::Done
            }
            Error::Unauthorized(_) | Error::Unexpected(_) => {
                warn!(check.name = name, github.repo = %self.repo, %error, "a check cannot be shown now");
                Shown::Stop(now.plus(REFUSED_PAUSE))
            }
        })
    }
}
