//! What the expressions of a step see: the facts of the run's birth, the steps, and the item or the combination of an
//! instance.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::state::RunState;
use super::step::{StepIx, StepOutcome, StepPhase, StepState};
use crate::workflow::expr::{Scope, Status};

/// The scope of one step's expressions.
pub struct StepScope<'a> {
    state: &'a RunState,
    step: StepIx,
    status: Status,
    /// The steps that the expression names: only they are looked up.
    named: BTreeSet<String>,
}

impl<'a> StepScope<'a> {
    /// The scope of an expression of a step whose needs ended like this.
    #[must_use]
    pub fn new(state: &'a RunState, step: StepIx, status: Status, named: BTreeSet<String>) -> Self {
        Self { state, step, status, named }
    }
}

impl Scope for StepScope<'_> {
    fn value(&self, root: &str) -> Option<Value> {
        match root {
            "steps" => Some(self.steps()),
            "workflow" => Some(Value::from(self.state.plan.workflow.as_str())),
            "run" => Some(Value::from(self.state.id.to_string())),
            "item" | "matrix" => {
                let item = self.state.steps.get(self.step as usize)?.item.as_ref()?;
                serde_json::from_str(item).ok()
            }
            _ => {
                let birth = self.state.birth.as_ref()?;
                let mut facts: Map<String, Value> = serde_json::from_str(&birth.scope).ok()?;
                facts.remove(root)
            }
        }
    }

    fn status(&self) -> Status {
        self.status
    }
}

impl StepScope<'_> {
    /// The named steps, by key. That each of them comes before this one was checked when the file was read.
    fn steps(&self) -> Value {
        let find = |name: &String| self.state.steps.get(self.state.find(&name.parse().ok()?)? as usize);
        let named = self.named.iter().filter_map(find).map(|step| (step.key.to_string(), seen(step)));
        Value::Object(named.collect())
    }
}

fn seen(step: &StepState) -> Value {
    let outputs = step.outputs.as_ref().and_then(|text| serde_json::from_str(text).ok());
    let mut fields = Map::new();
    fields.insert("status".to_owned(), Value::from(status_word(step.phase)));
    fields.insert("outputs".to_owned(), outputs.unwrap_or_else(|| Value::Object(Map::new())));
    Value::Object(fields)
}

/// The word for a step's status in expressions.
#[must_use]
pub fn status_word(phase: StepPhase) -> &'static str {
    match phase {
        StepPhase::Waiting(_) => "waiting",
        StepPhase::Queued => "queued",
        StepPhase::Running | StepPhase::AwaitingInput | StepPhase::Stopping(_) => "running",
        StepPhase::BackOff => "retrying",
        StepPhase::Ended(StepOutcome::Success) => "success",
        StepPhase::Ended(StepOutcome::Neutral) => "neutral",
        StepPhase::Ended(StepOutcome::Failure) => "failure",
        StepPhase::Ended(StepOutcome::TimedOut) => "timed_out",
        StepPhase::Ended(StepOutcome::Cancelled(_)) => "cancelled",
        StepPhase::Ended(StepOutcome::SkippedByIf | StepOutcome::SkippedByCommand) => "skipped",
    }
}
