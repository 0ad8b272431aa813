//! The plan: a workflow resolved into a checked graph, with every default filled in.
//!
//! The engine reads plans and nothing else of a workflow, so this is the border between the language and the
//! engine. A plan is immutable, is stored once per content (its hash is its key) and is pinned in each run.
//!
//! *Invariant:* steps are numbered in declaration order, `needs` are sorted, name only steps of this plan, and hold
//! no cycle.
//! *Invariant:* fields are only ever added, with a default: live runs keep the plans of earlier releases.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::expr::Expr;
use crate::ids::{AgentName, StepKey, WorkflowId};

/// The place of a step in [`Plan::steps`].
pub type PlanIx = u32;

/// A workflow resolved into a checked graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The workflow's id: the name of its file.
    pub workflow: WorkflowId,
    /// Its name for people.
    pub name: String,
    /// Every step, in declaration order; the rollback of a step stands right behind it.
    pub steps: Vec<Step>,
    /// The whole run's timeout, in run time: holds stop it.
    pub timeout: Duration,
    /// What a failed step means for the steps beside and behind it.
    #[serde(default)]
    pub parallel: OnFailure,
    /// At most this much at once in one run.
    pub limits: Limits,
    /// The group that lets only so many runs through.
    #[serde(default)]
    pub concurrency: Option<Concurrency>,
    /// Stop and ask when the agents have cost more than this, in millionths of a US dollar.
    #[serde(default)]
    pub max_cost_micros: Option<u64>,
    /// Who hears of the run.
    #[serde(default)]
    pub notifications: Notifications,
    /// Which steps get a check of their own.
    #[serde(default)]
    pub checks: Checks,
    /// What people are offered when a step failed: `rollback`, `retry`, `skip` …
    #[serde(default)]
    pub recovery_actions: Vec<String>,
    /// The longest chain of timeouts through the graph, in order.
    #[serde(default)]
    pub critical_path: Vec<PlanIx>,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its id in the file; `<id>.rollback` for the rollback of a step.
    pub key: StepKey,
    /// Its name for people.
    pub name: String,
    /// What kind of work it is; sets defaults.
    pub kind: Kind,
    /// What it does: words for an agent or a command line.
    pub action: Action,
    /// The agent that gets it first.
    pub agent: AgentName,
    /// The agents that get it, in order, when the ones before have used up their retries.
    #[serde(default)]
    pub fallback_agents: Vec<AgentName>,
    /// The steps that must have ended well before this one starts; sorted.
    #[serde(default)]
    pub needs: Vec<PlanIx>,
    /// How many of them that takes.
    #[serde(default, skip_serializing_if = "Join::is_all")]
    pub join: Join,
    /// The steps that need this one; sorted. The mirror of `needs`, so that an ended step finds them at once.
    #[serde(default)]
    pub dependants: Vec<PlanIx>,
    /// `if:`; absent means `success()`.
    #[serde(default)]
    pub condition: Option<Expr>,
    /// How long one attempt may take, in wall time, from its start at the agent.
    pub timeout: Duration,
    /// How long it may wait for an agent, in run time. Absent: as long as the run.
    #[serde(default)]
    pub queue_timeout: Option<Duration>,
    /// How long an attempt may show no sign of life, in wall time.
    pub stall_timeout: Duration,
    /// How it is tried again.
    pub retry: Retry,
    /// Whether its failure fails the run.
    #[serde(default = "yes")]
    pub critical: bool,
    /// Whether it may run beside other steps. `false`: it runs alone.
    #[serde(default = "yes")]
    pub parallel: bool,
    /// No two steps of one exclusion group run at once.
    #[serde(default)]
    pub exclusion_group: Option<String>,
    /// Among steps on equally long paths the higher starts first.
    #[serde(default)]
    pub priority: i32,
    /// What the file says it needs; counts for admission. Type defaults do not stand here: they go to the runner.
    #[serde(default)]
    pub resources: Resources,
    /// The GitHub environment it deploys to; one run at a time holds it.
    #[serde(default)]
    pub environment: Option<String>,
    /// Who must approve it before it starts.
    #[serde(default)]
    pub approval: Option<Approval>,
    /// Fan-out at run time: an expression that gives a list; one instance for each item.
    #[serde(default)]
    pub for_each: Option<Expr>,
    /// Fan-out at planning time: `matrix:` as the list of its combinations; one instance for each, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matrix: Vec<Combination>,
    /// An instance of the fan-out that fails cancels its sisters.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fail_fast: bool,
    /// At most this many instances of the fan-out at once. Absent: as many as the run allows.
    #[serde(default)]
    pub max_parallel: Option<u32>,
    /// This step undoes that one: it starts only when that one started and then failed or timed out.
    #[serde(default)]
    pub rollback_of: Option<PlanIx>,
    /// The outputs that it must give, where the file says which.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Output>,
    /// What must be there when it starts: expressions that must not give `null`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_context: Vec<Expr>,
    /// What its agent may touch.
    #[serde(default, skip_serializing_if = "Permissions::is_unsaid")]
    pub permissions: Permissions,
    /// A later expression names its outputs, so they stay in the state.
    #[serde(default)]
    pub outputs_used: bool,
    /// The longest chain of timeouts from this step to an end of the graph, its own timeout included.
    pub path: Duration,
}

fn yes() -> bool {
    true
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// How many of a step's needs must have ended well before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// Each.
    #[default]
    All,
    /// One: it starts with the first that succeeds or has no opinion. When none does, it is as with all.
    Any,
}

impl Join {
    pub(crate) const WORDS: [(&str, Self); 2] = [("all", Self::All), ("any", Self::Any)];

    fn is_all(&self) -> bool {
        *self == Self::All
    }
}

/// One combination of a matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Combination {
    /// What tells it from the others, for people: `ubuntu, 18`.
    pub title: String,
    /// What `matrix` is in its expressions.
    pub values: BTreeMap<String, Value>,
}

/// One output of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// What kind of value it is.
    pub kind: OutputKind,
    /// Whether a result without it is no result.
    #[serde(default = "yes")]
    pub required: bool,
}

/// Kinds of outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputKind {
    /// Anything.
    Any,
    /// Text.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list.
    List,
    /// A mapping.
    Object,
}

impl OutputKind {
    pub(crate) const WORDS: [(&str, Self); 6] = [
        ("any", Self::Any),
        ("string", Self::String),
        ("number", Self::Number),
        ("boolean", Self::Boolean),
        ("list", Self::List),
        ("object", Self::Object),
    ];

    /// Its word in files.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
        }
    }
}

/// What an agent may touch. What is not said is not limited by the workflow.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Permissions {
    /// Hosts that may be reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<String>,
    /// Paths that may be changed, as globs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write_paths: Vec<String>,
    /// Tools that may be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
}

impl Permissions {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_unsaid(&self) -> bool {
        self.network.is_empty() && self.write_paths.is_empty() && self.tools.is_empty()
    }
}

/// Where the instances of a fan-out come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FanOut<'a> {
    /// A list that an expression gives.
    Each(&'a Expr),
    /// The combinations of a matrix.
    Matrix(&'a [Combination]),
}

impl Step {
    /// Where its instances come from, if it has instances.
    #[must_use]
    pub fn fan_out(&self) -> Option<FanOut<'_>> {
        match &self.for_each {
            _ if !self.matrix.is_empty() => Some(FanOut::Matrix(&self.matrix)),
            Some(list) => Some(FanOut::Each(list)),
            None => None,
        }
    }

    /// Takes what the file says for all its steps, where the step says nothing of its own.
    pub(crate) fn inherit(&mut self, env: &BTreeMap<String, String>, permissions: &Permissions) {
        if self.action.run.is_some() {
            for (name, value) in env {
                self.action.env.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        if self.permissions.is_unsaid() {
            self.permissions = permissions.clone();
        }
    }

    /// What is wrong with outputs, one JSON object as text, against those that the step must give.
    #[must_use]
    pub fn unfit(&self, outputs: Option<&str>) -> Option<String> {
        if self.outputs.is_empty() {
            return None;
        }
        let given: BTreeMap<String, Value> = match outputs.map(serde_json::from_str) {
            Some(Ok(given)) => given,
            Some(Err(_)) => return Some("the outputs are no JSON object".to_owned()),
            None => BTreeMap::new(),
        };
        self.outputs.iter().find_map(|(name, output)| match given.get(name) {
            Some(value) if output.kind.fits(value) => None,
            Some(_) => Some(format!("the output {name} is not what the step declares: {}", output.kind.word())),
            None => output.required.then(|| format!("the output {name} is missing")),
        })
    }

    /// Whether its `if:` is asked for each instance, because it looks at what tells them apart.
    #[must_use]
    pub fn condition_of_instances(&self) -> Option<&Expr> {
        let condition = self.condition.as_ref().filter(|_| self.fan_out().is_some())?;
        let names = condition.names();
        (names.contains("item") || names.contains("matrix")).then_some(condition)
    }
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Action {
    /// `run:`: a command line for a shell. Absent: the agent is told in words.
    #[serde(default)]
    pub run: Option<String>,
    /// `with:`: free-form, handed to the agent as it stands. Strings may hold expressions.
    #[serde(default)]
    pub with: BTreeMap<String, Value>,
    /// `env:` of a `run:` step. Values may hold expressions; they reach the shell only as environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Names of secrets that the runner binds.
    #[serde(default)]
    pub secrets: Vec<String>,
}

/// What kind of work a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Read and understand.
    Analysis,
    /// Write something new.
    Generation,
    /// Bring it somewhere.
    Deployment,
    /// Check that it is right.
    Validation,
    /// Run tests.
    Testing,
    /// Look for holes.
    Security,
    /// Measure.
    Performance,
    /// Anything else.
    Other,
}

/// How a step is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// The strategy of its workflow.
    pub strategy: Strategy,
    /// Retries with each agent: a step is tried at most `retries + 1` times by each.
    pub retries: u32,
    /// The step itself says `retries:`, so a verdict of failure (a red test) is tried again too, not only a fault.
    #[serde(default)]
    pub verdicts: bool,
    /// The first back-off.
    pub backoff: Duration,
    /// Each further back-off is this many times as long as the one before, in hundredths.
    pub factor_percent: u32,
    /// The longest back-off.
    pub backoff_max: Duration,
}

/// What happens when a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Try again.
    Retry,
    /// Try again, then let the fallback agents try.
    RetryWithFallback,
    /// As `RetryWithFallback`, and each attempt is told what went wrong before.
    RetryWithAnalysis,
    /// Do not try again: tell people.
    ImmediateEscalation,
}

/// What a failed step means for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// A failed step that is not critical counts as satisfied; dependants of a critical one are cancelled.
    Continue,
    /// Dependants of the failed step are cancelled, the rest runs.
    #[default]
    FailDependent,
    /// Everything is cancelled.
    FailFast,
}

/// What one run may use at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Steps at once.
    pub steps: u32,
    /// Memory, CPU and disk of the steps that run, together.
    pub resources: Resources,
}

/// Memory, CPU and disk. Zero means: not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resources {
    /// Bytes of memory.
    #[serde(default)]
    pub memory_bytes: u64,
    /// Thousandths of a core.
    #[serde(default)]
    pub cpu_millis: u32,
    /// Bytes of disk.
    #[serde(default)]
    pub disk_bytes: u64,
}

/// The group that lets only so many runs through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    /// An expression text such as `${{ pr.number || sha }}`; evaluated once, when the run is made.
    pub group: Expr,
    /// Runs at once.
    pub limit: u32,
    /// What happens to a run beyond the limit.
    pub on_conflict: OnConflict,
}

/// What happens when a group is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// The new run waits.
    Queue,
    /// The new run takes the place of what runs and waits.
    ReplaceRunning,
    /// The new run takes the place of what waits, and waits itself.
    ReplaceQueued,
    /// The new run is dropped.
    DropNew,
}

/// Who must approve a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The least permission: `write`, `maintain`, `admin`.
    pub from: String,
    /// Whether the author of the pull request may not.
    #[serde(default)]
    pub not_author: bool,
}

/// Who hears of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Notifications {
    /// When it starts.
    #[serde(default)]
    pub on_start: bool,
    /// When it ends well.
    #[serde(default)]
    pub on_complete: bool,
    /// When it ends badly.
    #[serde(default)]
    pub on_failure: bool,
    /// Whether it is told as urgent.
    #[serde(default)]
    pub critical: bool,
    /// Where: `slack`, `email`, `sms`, `webhook`.
    #[serde(default)]
    pub channels: Vec<String>,
    /// Who is told when retries do not help: `notify_admin`.
    #[serde(default)]
    pub escalation: Option<String>,
}

/// Which steps get a check of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checks {
    /// Each step.
    #[default]
    EachStep,
    /// Only failed ones.
    Failed,
    /// None: the workflow check alone.
    Workflow,
}
