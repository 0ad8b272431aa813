//! What `/status` says of one run.

use crate::command::reply::{StepStatus, WorkflowStatus};
use crate::engine::{RunState, RunView};
use crate::report::{run_title, step_title};
use crate::time::Timestamp;

/// A run in a few words, the steps that are worth a line, and why it is held.
pub(super) fn of(state: &RunState, at: Timestamp) -> (WorkflowStatus, Option<String>) {
    let view = RunView::new(state, at);
    let worth = view.steps().filter(|step| step.has_begun() || step.held_back_by().is_some());
    let steps = worth.map(|step| StepStatus { step: step.step().key.to_string(), state: step_title(&view, step) });
    let title = run_title(&view);
    let hold = view.hold().map(|_| title.clone());
    let status =
        WorkflowStatus { workflow: state.plan.workflow.to_string(), state: title, url: None, steps: steps.collect() };
    (status, hold)
}
