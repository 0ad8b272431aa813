//! What a commit should show: the checks of its speakers, by name.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use tracing::warn;

use super::body::{body, fingerprint, word};
use super::{QUEUED_PAUSE, Reconcile};
use crate::engine::state::{Birth, RunPhase};
use crate::engine::{RunState, RunView};
use crate::github::CheckBody;
use crate::ids::{AttemptId, RunId, StepKey, WorkflowId};
use crate::loops::page::page;
use crate::loops::runs::Broken;
use crate::report::{
    self, CONFIG_CHECK, Check, Conclusion, Notes, Reason, Status, StepReport, Write, diff, reason_check, run_check,
};
use crate::store::{CheckRow, HeadDue, HeadKey, Speaker, SpeakerRow};
use crate::time::Timestamp;

/// What one name should show, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Desired {
    pub(super) check: Check,
    /// What GitHub is sent, without our name for it.
    pub(super) body: CheckBody,
    pub(super) fingerprint: [u8; 32],
    /// Not worth a first write before: it may well look different by then.
    pub(super) not_before: Option<Timestamp>,
}

impl Desired {
    fn new(check: Check, head: &HeadKey, details_url: Option<String>) -> anyhow::Result<Self> {
        let body = body(&check, head, details_url);
        Ok(Self { fingerprint: fingerprint(&body)?, check, body, not_before: None })
    }

    /// What to write, given the newest check run of that name.
    pub(super) fn against(&self, row: Option<&CheckRow>) -> Write {
        let shown = row.map(|row| report::Shown {
            generation: row.generation,
            completed: row.conclusion.is_some(),
            fingerprint: row.sent_hash,
            same_conclusion: row.conclusion.as_deref() == word(&self.body),
        });
        diff(shown.as_ref(), &self.check, &self.fingerprint)
    }

    pub(super) fn differs(&self, row: Option<&CheckRow>) -> bool {
        self.against(row) != Write::Nothing
    }
}

/// The key under which the report of an attempt is kept; the loop that writes it uses the same.
#[must_use]
pub fn report_key(step: &StepKey, attempt: u32) -> String {
    format!("report:{step}.a{attempt}")
}

impl Reconcile {
    /// What the dirty names of a head should show; all names of a head that is due without any.
    pub(super) async fn desired(
        &self,
        due: &HeadDue,
        rows: &BTreeMap<String, CheckRow>,
    ) -> anyhow::Result<Vec<Desired>> {
        let speakers = self.store.speakers(due.head.clone()).await?;
        let names = (!due.dirty.is_empty()).then(|| with_open_steps(due, rows));
        let mut desired = Vec::new();
        for row in &speakers {
            let mine = |name: &&String| speaks_for(row, name);
            let names: Option<Vec<String>> = names.as_ref().map(|names| names.iter().filter(mine).cloned().collect());
            if names.as_ref().is_none_or(|names| !names.is_empty()) {
                desired.extend(self.of_speaker(&due.head, row, names).await?);
            }
        }
        let gone = rows.values().filter(|row| row.conclusion.is_none()).filter(|row| {
            let asked = names.as_ref().is_none_or(|names| names.contains(&row.name));
            asked && !desired.iter().any(|desired| desired.check.name == row.name)
        });
        let gone: Vec<Desired> =
            gone.map(|row| Desired::new(not_shown(&row.name), &due.head, None)).collect::<anyhow::Result<_>>()?;
        desired.extend(gone);
        Ok(desired)
    }

    async fn of_speaker(
        &self,
        head: &HeadKey,
        row: &SpeakerRow,
        names: Option<Vec<String>>,
    ) -> anyhow::Result<Vec<Desired>> {
        match &row.speaker {
            Speaker::Run(run) => {
                let url = page(&self.store, self.public_url.as_ref(), *run)?;
                let (checks, not_before) = match self.of_run(*run, names).await {
                    Ok(shown) => shown,
                    Err(error) if error.is::<Broken>() => (self.of_broken(&row.workflow, *run).await?, None),
                    Err(error) => return Err(error),
                };
                let ready = |check| Ok(Desired { not_before, ..Desired::new(check, head, url.clone())? });
                checks.into_iter().map(ready).collect()
            }
            Speaker::Reason(text) => {
                let reason: Reason = serde_json::from_str(text)
                    .with_context(|| format!("the reason why {} does not run", row.workflow))?;
                Ok(vec![Desired::new(reason_check(&row.workflow, &reason), head, None)?])
            }
        }
    }

    /// What shows of a run that cannot be read. One that had ended, as one that is being removed, said all it had to say.
    async fn of_broken(&self, workflow: &WorkflowId, run: RunId) -> anyhow::Result<Vec<Check>> {
        let over = self.store.run(run).await?.is_none_or(|row| row.finished_at.is_some());
        Ok(if over { Vec::new() } else { vec![left_alone(workflow, run)] })
    }

    /// The checks of a run, of these names or of all that it shows; and before when they are not worth a first write.
    async fn of_run(&self, run: RunId, names: Option<Vec<String>>) -> anyhow::Result<(Vec<Check>, Option<Timestamp>)> {
        let at = self.clock.now();
        let look = |state: &RunState| {
            let names = names.unwrap_or_else(|| report::names(&RunView::new(state, at)));
            let attempt = |name: &String| attempt(state, name);
            names.into_iter().map(|name| (attempt(&name), name)).collect::<Vec<_>>()
        };
        let mut shown = Vec::new();
        for (attempt, name) in self.runs.read_newest(run, look).await?.unwrap_or_default() {
            let report = match attempt {
                Some(attempt) => self.report(&attempt).await?,
                None => None,
            };
            shown.push((name, report));
        }
        // A report of another attempt than the last is not shown, so it does no harm if the run has moved meanwhile.
        let make = |state: &RunState| {
            let (view, notes) = (RunView::new(state, at), notes(state.birth.as_ref(), self.runs_max));
            let checks = shown.iter().filter_map(|(name, report)| run_check(&view, name, report.as_ref(), &notes));
            // Just born: only its gates have looked at it.
            let is_new = state.round == 0 && state.phase == RunPhase::Asking && !state.is_held();
            (checks.collect(), is_new.then(|| state.clock.origin.plus(QUEUED_PAUSE)))
        };
        Ok(self.runs.read(run, make).await?.unwrap_or_default())
    }

    async fn report(&self, attempt: &AttemptId) -> anyhow::Result<Option<StepReport>> {
        let name = report_key(&attempt.step, attempt.number);
        let key = self.store.blob_key(attempt.run, name.as_bytes())?;
        let Some(body) = self.store.blob(attempt.run, key).await? else { return Ok(None) };
        let report = serde_json::from_slice(&body);
        if report.is_err() {
            warn!(attempt.id = %attempt, "the report of an attempt cannot be read; its check does without");
        }
        Ok(report.ok())
    }
}

/// The dirty names, and with a workflow's own name its steps that are open: when another run has come to speak, nobody
/// else marks the steps that only the old one shows.
fn with_open_steps(due: &HeadDue, rows: &BTreeMap<String, CheckRow>) -> BTreeSet<String> {
    let dirty: BTreeSet<&str> = due.dirty.iter().map(|(name, _)| name.as_str()).collect();
    let step_of_dirty =
        |row: &&CheckRow| row.name.split_once(" / ").is_some_and(|(workflow, _)| dirty.contains(workflow));
    let open = rows.values().filter(|row| row.conclusion.is_none()).filter(step_of_dirty);
    open.map(|row| row.name.clone()).chain(dirty.iter().map(|name| (*name).to_owned())).collect()
}

/// Whether a speaker answers for a name. No workflow is called `config`: that file holds the policy.
fn speaks_for(row: &SpeakerRow, name: &str) -> bool {
    let workflow = row.workflow.as_str();
    match &row.speaker {
        Speaker::Reason(_) if workflow == "config" => name == CONFIG_CHECK || name == workflow,
        Speaker::Reason(_) => name == workflow,
        Speaker::Run(_) => name == workflow || name.strip_prefix(workflow).is_some_and(|rest| rest.starts_with(" / ")),
    }
}

/// The last attempt of the step that a name is of.
fn attempt(state: &RunState, name: &str) -> Option<AttemptId> {
    let key: StepKey = name.strip_prefix(state.plan.workflow.as_str())?.strip_prefix(" / ")?.parse().ok()?;
    let step = state.steps.get(state.find(&key)? as usize)?;
    (step.attempts > 0).then(|| state.attempt_id(step, step.attempts))
}

fn notes(birth: Option<&Birth>, runs_max: u32) -> Notes {
    let Some(birth) = birth else { return Notes::default() };
    let definition = &birth.definition;
    let path = definition.path.replace('`', "'");
    let definition = match &definition.sha {
        Some(sha) => format!("Defined by `{path}` at `{}`.", sha.short()),
        None => format!("Defined by `{path}`."),
    };
    Notes { definition: Some(definition), sha: birth.sha.to_string(), runs_max: Some(runs_max) }
}

/// A run that is quarantined. Its workflow must not wait for ever.
fn left_alone(workflow: &WorkflowId, run: RunId) -> Check {
    let summary = format!(
        "A fault of Pointsman's own stopped this run, and nothing more happens to it. **Next:** tell the operator the \
         code `{run}`; a push starts a new run."
    );
    over(workflow.to_string(), Conclusion::Failure, "Internal error", summary)
}

/// An open check of which its workflow's speaker knows nothing.
fn not_shown(name: &str) -> Check {
    let summary = "What this was about speaks for the commit no more: another run, or a reason why none runs, has taken \
                   its place. **Next:** see the check of the workflow.";
    over(name.to_owned(), Conclusion::Cancelled, "Another run took its place", summary.to_owned())
}

fn over(name: String, conclusion: Conclusion, title: &str, summary: String) -> Check {
    Check {
        name,
        status: Status::Completed(conclusion),
        title: title.to_owned(),
        summary,
        text: None,
        annotations: Vec::new(),
        buttons: Vec::new(),
        started: None,
        ended: None,
    }
}
