//! Runs for tests: an example workflow, driven by events, with its journal.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::engine::encode::Row;
use crate::engine::event::{AttemptResult, Verdict};
use crate::engine::state::{Birth, Definition, GateKey, GateKind, Hold, HoldKind, OperatorLimits, Trigger};
use crate::engine::step::FaultClass;
use crate::engine::{Ctx, Event, RunState, RunView, apply};
use crate::ids::{AgentName, InstallationId, RepoId, RunId};
use crate::time::Timestamp;
use crate::workflow::defaults::Operator;
use crate::workflow::parse;

/// The example that `dev` runs.
pub(crate) const CI: &str = include_str!("../../.workflows-example/ci.yml");
/// The built-in with four agents.
pub(crate) const PR_PROCESSING: &str = include_str!("../../.workflows-example/pr_processing.yml");
/// 2026-11-22 14:00 UTC.
pub(crate) const START: Timestamp = Timestamp(1_795_356_000_000_000);

/// A run on its way.
pub(crate) struct Drive {
    pub(crate) state: RunState,
    pub(crate) at: Timestamp,
    pub(crate) journal: Vec<(Timestamp, Row)>,
    eager: BTreeSet<AgentName>,
}

impl Drive {
    /// A run of a workflow for pull request 7, born. `shell` has no limit.
    pub(crate) fn new(id: &str, yaml: &str) -> Self {
        Self::born(id, yaml, |_| {})
    }

    /// The same, with other facts at its birth.
    pub(crate) fn born(id: &str, yaml: &str, alter: impl FnOnce(&mut Birth)) -> Self {
        let workflow = parse(&id.parse().unwrap(), yaml, &Operator::default()).unwrap();
        let uuid = Uuid::parse_str("01934567-89ab-7cde-8f01-23456789abcd").unwrap();
        let run = RunId { installation: InstallationId(42), uuid };
        let mut birth = Birth {
            repository: RepoId(1),
            repository_name: "octo/greet".parse().unwrap(),
            sha: "4f2a9c1b7d8e3f60516273849aabbccddeeff001".parse().unwrap(),
            trigger: Trigger::PullRequest(7),
            source_time: START,
            definition: Definition {
                sha: Some("9d01c3e2b4a5968778695a4b3c2d1e0f00112233".parse().unwrap()),
                path: format!(".workflows/{id}.yml"),
                blob: "b10b".to_owned(),
            },
            gates: Vec::new(),
            holds: Vec::new(),
            limits: OperatorLimits::default(),
            scope: "{}".to_owned(),
        };
        alter(&mut birth);
        let mut drive = Self {
            state: RunState::unborn(run, Arc::new(workflow.plan)),
            at: START,
            journal: Vec::new(),
            eager: BTreeSet::from(["shell".parse().unwrap()]),
        };
        drive.tell(Event::Created(Box::new(birth)));
        drive
    }

    /// One event, which must not be rejected.
    pub(crate) fn tell(&mut self, event: Event) -> &mut Self {
        let ctx = Ctx { at: self.at, jitter: 1 << 40, eager: &self.eager };
        let transition =
            apply(&mut self.state, &event, &ctx).unwrap_or_else(|rejected| panic!("{event:?}: {rejected}"));
        if !transition.changes.is_empty() {
            self.journal.push((transition.at, Row { event, changes: transition.changes }));
        }
        self
    }

    /// Time passes.
    pub(crate) fn after(&mut self, seconds: u64) -> &mut Self {
        self.at = self.at.plus(Duration::from_secs(seconds));
        self
    }

    /// Time passes, and what is due happens.
    pub(crate) fn tick(&mut self, seconds: u64) -> &mut Self {
        self.after(seconds).tell(Event::Ticked)
    }

    /// The number of the live attempt of a step.
    fn live(&self, step: &str) -> u32 {
        let ix = self.state.find(&step.parse().unwrap()).unwrap();
        self.state.steps[ix as usize].live.as_ref().unwrap_or_else(|| panic!("{step} has no live attempt")).number
    }

    /// The agent takes a queued step.
    pub(crate) fn starts(&mut self, step: &str) -> &mut Self {
        let number = self.live(step);
        self.tell(Event::AttemptStarted { step: step.parse().unwrap(), number })
    }

    /// An attempt ends.
    pub(crate) fn ends(&mut self, step: &str, result: AttemptResult) -> &mut Self {
        let number = self.live(step);
        self.tell(Event::AttemptEnded { step: step.parse().unwrap(), number, result, cost_micros: 0 })
    }

    /// An attempt ends well, after so long.
    pub(crate) fn done(&mut self, step: &str, seconds: u64) -> &mut Self {
        self.after(seconds).ends(step, verdict(Verdict::Success, None))
    }

    /// An attempt ends with a red verdict, after so long.
    pub(crate) fn fails(&mut self, step: &str, seconds: u64, message: &str) -> &mut Self {
        self.after(seconds).ends(step, verdict(Verdict::Failure, Some(message)))
    }

    /// An attempt could not be finished, after so long.
    pub(crate) fn breaks(&mut self, step: &str, seconds: u64, class: FaultClass, message: &str) -> &mut Self {
        let result = AttemptResult::Failed { class, message: message.to_owned(), retry_after_ms: None };
        self.after(seconds).ends(step, result)
    }

    /// A person pauses the run.
    pub(crate) fn paused(&mut self, by: &str, why: &str) -> &mut Self {
        let by = Some(by.parse().unwrap());
        self.tell(Event::Held(Hold { kind: HoldKind::Pause, by, why: why.to_owned(), since: self.at }))
    }

    pub(crate) fn view(&self) -> RunView<'_> {
        RunView::new(&self.state, self.at)
    }
}

/// A verdict without outputs.
pub(crate) fn verdict(verdict: Verdict, message: Option<&str>) -> AttemptResult {
    AttemptResult::Done { verdict, outputs: None, message: message.map(str::to_owned) }
}

/// A group for [`Drive::born`]: the run has to be let in.
pub(crate) fn in_group(birth: &mut Birth) {
    birth.gates.push((GateKind::Group, GateKey("group:1:ci:7".to_owned())));
}

/// A hold for [`Drive::born`]: nobody trusts the commit.
pub(crate) fn untrusted(birth: &mut Birth) {
    let why = "the author has no write access".to_owned();
    birth.holds.push(Hold { kind: HoldKind::Trust, by: None, why, since: START });
}
