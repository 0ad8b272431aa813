//! Reading what a page shows: the run, the end of its journal, and what its attempts left behind.

use std::sync::Arc;

use anyhow::Context as _;

use super::Pages;
use super::model::{JournalRow, Page, Report};
use crate::engine::{RunState, RunView, encode};
use crate::ids::{AttemptId, RunId};
use crate::report::StepReport;
use crate::store::{EventRow, Loaded};

/// Rows of the journal on one page; its end says most.
const EVENTS_MAX: u32 = 300;
/// Reports of attempts on one page.
const REPORTS_MAX: usize = 60;

/// What there is to show.
pub(super) enum Found {
    /// The run.
    Run(Box<Page>),
    /// It was deleted.
    Gone,
    /// It is in quarantine, or cannot be read by this release.
    Broken(String),
}

impl Pages {
    /// Reads a run and makes its page.
    pub(super) async fn load(&self, run: RunId) -> anyhow::Result<Found> {
        let Some(loaded) = self.store.load_run(run).await? else { return Ok(Found::Gone) };
        if let Some(why) = loaded.row.broken {
            return Ok(Found::Broken(why));
        }
        let body =
            self.store.plan(run.installation, loaded.row.plan).await?.context("the plan of the run is missing")?;
        let state = match fold(run, &body, &loaded) {
            Ok(state) => state,
            Err(why) => return Ok(Found::Broken(why)),
        };
        let Some(birth) = state.birth.clone() else { return Ok(Found::Broken("it was never born".to_owned())) };
        let from = state.seq.saturating_sub(EVENTS_MAX.into());
        let journal = self.store.events(run, from, EVENTS_MAX).await?;
        let journal: Vec<JournalRow> = journal.into_iter().map(journal_row).collect();
        let view = RunView::new(&state, self.clock.now().max(state.at));
        let web = self.github.as_str().trim_end_matches('/');
        let mut page = Page::new(&view, &birth, &journal, (web, loaded.row.created_at));
        let with_reports = page.steps.iter_mut().filter(|line| line.attempt.is_some()).take(REPORTS_MAX);
        for line in with_reports {
            if let Some(attempt) = &line.attempt {
                line.report = self.report(attempt).await?;
            }
        }
        Ok(Found::Run(Box::new(page)))
    }

    async fn report(&self, attempt: &AttemptId) -> anyhow::Result<Option<Report>> {
        let key = self.store.blob_key(attempt.run, StepReport::name(attempt).as_bytes())?;
        let body = self.store.blob(attempt.run, key).await?;
        Ok(body.and_then(|body| serde_json::from_slice(&body).ok()).and_then(Report::new))
    }
}

fn journal_row(row: EventRow) -> JournalRow {
    JournalRow { seq: row.seq, at: row.at, actor: row.actor, row: encode::read_row(&row.body) }
}

/// The state of a run: its checkpoint, if it can be read, and the journal behind it.
fn fold(run: RunId, plan: &[u8], loaded: &Loaded) -> Result<RunState, String> {
    let plan = Arc::new(serde_json::from_slice(plan).map_err(|error| format!("its plan: {error}"))?);
    let saved = loaded.checkpoint.as_ref().and_then(|(_, body)| encode::read_checkpoint(body).ok());
    let mut state = match saved {
        Some(data) => RunState::restore(run, plan, data),
        None => RunState::unborn(run, plan),
    };
    for event in loaded.tail.iter().skip_while(|event| event.seq <= state.seq).collect::<Vec<_>>() {
        if event.seq != state.seq + 1 {
            return Err(format!("its journal has no row {}", state.seq + 1));
        }
        let row = encode::read_row(&event.body).map_err(|error| format!("row {} {error}", event.seq))?;
        state.fold(event.at, &row.changes);
    }
    Ok(state)
}
