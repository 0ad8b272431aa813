//! What a maintainer's comment does to the run: read and decided as the service reads and decides it.

use crate::command::reply::Voice;
use crate::command::{self, Approved, Command, StepName, Verb};
use crate::engine::state::HoldKind;
use crate::engine::step::StepPhase;
use crate::engine::{Event, RunState};
use crate::ids::{CommitSha, Login, StepKey};
use crate::route::{self, Giver, Obeyed, Target};
use crate::time::Timestamp;
use crate::workflow::suggest::closest;

/// How the rehearsed repository is spoken to.
const VOICE: Voice = Voice { bare: true };

/// Reads a comment of one line.
pub(super) fn read(text: &str) -> Result<Command, String> {
    let given = command::parse(text, true).into_iter().next();
    let known = || {
        let acts = Verb::table().iter().filter(|spec| !tells(spec.verb));
        acts.map(|spec| format!("/{}", spec.name)).collect::<Vec<_>>().join(" ")
    };
    match given.map(|given| given.command) {
        Some(Ok(command)) if tells(command.verb()) => {
            Err(format!("/{} does nothing to a run; there are {}", command.verb(), known()))
        }
        Some(Ok(command)) => Ok(command),
        Some(Err(mistake)) => Err(VOICE.mistake(1, &mistake)),
        None => {
            let word = text.split_whitespace().next().unwrap_or_default().trim_start_matches('/');
            let meant = closest(word, Verb::table().iter().map(|spec| spec.name));
            let meant = meant.map(|near| format!(", did you mean /{near}")).unwrap_or_default();
            Err(format!("there is no command /{word:.40}{meant}; there are {}", known()))
        }
    }
}

/// Whether a command only tells something, or starts another run.
fn tells(verb: Verb) -> bool {
    match verb {
        Verb::Retry
        | Verb::Pause
        | Verb::Resume
        | Verb::Cancel
        | Verb::Approve
        | Verb::Reject
        | Verb::Skip
        | Verb::Answer => false,
        Verb::Run | Verb::Status | Verb::Plan | Verb::Why | Verb::Help => true,
    }
}

/// What a comment makes happen to the run; otherwise what is answered.
pub(super) fn obey(state: &RunState, command: &Command, by: &Login, at: Timestamp) -> Result<Event, String> {
    let by = || by.clone();
    match command {
        Command::Approve(Approved::Step(step)) => Ok(Event::Approved { step: ours(state, step)?, by: by() }),
        Command::Reject { step } => Ok(Event::Refused { step: ours(state, step)?, by: by() }),
        Command::Skip { step } => Ok(Event::SkipRequested { step: ours(state, step)?, by: by() }),
        Command::Answer { words } => {
            let known = |word: &str| word.parse().is_ok_and(|key: StepKey| state.find(&key).is_some());
            let asks = || state.steps.iter().find(|step| step.phase == StepPhase::AwaitingInput);
            let (step, text) = command::split_first(words, known);
            let step = step.and_then(|word| word.parse().ok()).or_else(|| asks().map(|step| step.key.clone()));
            let step = step.ok_or("no step asks anything")?;
            Ok(Event::Answered { step, by: by(), text: text.to_owned() })
        }
        Command::Retry { .. }
        | Command::Pause { .. }
        | Command::Resume { .. }
        | Command::Cancel { .. }
        | Command::Approve(Approved::Commit(_) | Approved::Nothing)
        | Command::Run { .. }
        | Command::Status
        | Command::Plan { .. }
        | Command::Why { .. }
        | Command::Help => routed(state, command, &by(), at),
    }
}

fn ours(state: &RunState, name: &StepName) -> Result<StepKey, String> {
    match &name.workflow {
        Some(workflow) if *workflow != state.plan.workflow => Err(format!("no workflow {workflow} runs here")),
        Some(_) | None => Ok(name.step.clone()),
    }
}

fn routed(state: &RunState, command: &Command, by: &Login, at: Timestamp) -> Result<Event, String> {
    let head = state.birth.as_ref().map(|birth| birth.sha.clone());
    let head: CommitSha = head.ok_or("nothing runs yet")?;
    let target = Target {
        run: state.id,
        workflow: state.plan.workflow.clone(),
        sha: head.clone(),
        phase: state.phase,
        untrusted: state.holds.contains_key(&HoldKind::Trust),
        paused: state.holds.contains_key(&HoldKind::Pause),
        left_over: state.holds.contains_key(&HoldKind::Recovery),
        steps: state.steps.iter().filter(|step| !step.retired).map(|step| step.key.clone()).collect(),
    };
    match route::obey(command, &Giver { by, head: &head, at, voice: VOICE }, &[target]) {
        Obeyed::Acts { events, .. } => {
            let event = events.into_iter().next().map(|(_, event)| event);
            event.ok_or_else(|| "there is nothing to do".to_owned())
        }
        Obeyed::Cannot(words) => Err(words),
    }
}
