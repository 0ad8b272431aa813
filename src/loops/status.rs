//! What `/status` says of one run, and of a pause that outlives runs.

use crate::command::reply::{StepStatus, WorkflowStatus};
use crate::engine::{RunState, RunView};
use crate::report::{run_title, step_title};
use crate::store::PrHold;
use crate::time::Timestamp;

/// A run in a few words, and the steps that are worth a line.
pub(super) fn of(state: &RunState, at: Timestamp) -> WorkflowStatus {
    let view = RunView::new(state, at);
    let worth = view.steps().filter(|step| step.has_begun() || step.held_back_by().is_some());
    let steps = worth.map(|step| StepStatus { step: step.step().key.to_string(), state: step_title(&view, step) });
    let (workflow, state) = (state.plan.workflow.to_string(), run_title(&view));
    WorkflowStatus { workflow, state, url: None, steps: steps.collect() }
}

/// A pause of a pull request, in words; nothing when it has ended.
pub(super) fn pause(hold: &PrHold) -> Option<String> {
    let what = hold.workflow.as_ref().map(|workflow| format!(" of {workflow}")).unwrap_or_default();
    let why = if hold.why.is_empty() { String::new() } else { format!(": {}", hold.why) };
    hold.held.then(|| format!("The pause{what} by @{} holds over pushes too{why}", hold.actor))
}
