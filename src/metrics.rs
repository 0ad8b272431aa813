//! What the service counts of itself, for `/metrics` and `/health`.
//!
//! One registry, one handle, one typed method for each thing that can be counted: who counts need not know names, and
//! no label can be spelled in two ways.
//!
//! *Invariant:* label values are bounded. What repositories name (workflows) takes the first [`NAMES_MAX`] values, and
//! `other` from then on; everything else comes from our own enums and settings.
//! *Invariant:* no repository, person, commit or pull request stands in a label.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::engine::state::RunOutcome;
use crate::engine::step::FaultClass;
use crate::ids::{AgentName, WorkflowId};
use crate::workflow::plan::Kind;

/// What [`Metrics::text`] is: the header `Content-Type` of `/metrics`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Distinct values of a label that strangers can name.
pub const NAMES_MAX: usize = 200;
const OTHER: &str = "other";

/// From a second to a day, in seconds: runs and steps.
const WORK_BUCKETS: [f64; 12] = [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 21_600.0, 86_400.0];
/// From 10 ms to ten minutes, in seconds: waiting.
const WAIT_BUCKETS: [f64; 10] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 600.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RunLabels {
    workflow: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabels {
    r#type: &'static str,
    agent: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabels {
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AgentLabels {
    agent: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// What became of a request to `/webhook`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Webhook {
    /// Stored.
    Accepted,
    /// We had it already.
    Duplicate,
    /// No signature of ours.
    Unsigned,
    /// Not JSON by its headers, or compressed.
    WrongType,
    /// Larger than we take.
    TooLarge,
    /// Its body did not come in time, or broke off.
    TooSlow,
    /// Not JSON, or no delivery by its headers.
    Malformed,
    /// Too many bodies at once.
    Busy,
    /// The database did not take it.
    NotStored,
}

impl Webhook {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Accepted,
        Self::Duplicate,
        Self::Unsigned,
        Self::WrongType,
        Self::TooLarge,
        Self::TooSlow,
        Self::Malformed,
        Self::Busy,
        Self::NotStored,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Unsigned => "unsigned",
            Self::WrongType => "wrong_type",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Malformed => "malformed",
            Self::Busy => "busy",
            Self::NotStored => "not_stored",
        }
    }
}

/// What became of an attempt whose replica fell silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Its agent still had it, and we took it over.
    Adopted,
    /// It was sent again.
    SentAgain,
    /// Nothing of it was left.
    Lost,
}

impl Recovery {
    fn word(self) -> &'static str {
        match self {
            Self::Adopted => "adopted",
            Self::SentAgain => "sent_again",
            Self::Lost => "lost",
        }
    }
}

/// A gauge of seconds.
type Seconds = Gauge<f64, AtomicU64>;

/// The handle by which everybody counts. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    workflows: Mutex<BTreeSet<String>>,
    runs: Family<RunLabels, Counter>,
    runs_active: Gauge,
    /// The original design's name of the same.
    runs_active_alias: Gauge,
    runs_started_alias: Gauge,
    runs_unreadable: Counter,
    run_seconds: Histogram,
    step_seconds: Family<StepLabels, Histogram>,
    queue_wait: Histogram,
    retries: Family<ClassLabels, Counter>,
    fallbacks: Counter,
    recoveries: Family<ResultLabels, Counter>,
    slots_used: Family<AgentLabels, Gauge>,
    slots_limit: Family<AgentLabels, Gauge>,
    checks_overdue: Gauge,
    github_writes: Counter,
    inbox_age: Seconds,
    webhooks: Family<OutcomeLabels, Counter>,
}

/// The few figures that `/health` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Runs that are not over, over all replicas.
    pub runs_active: i64,
    /// Runs that began on this replica since it started.
    pub runs_started: i64,
    /// Writes to GitHub of this replica.
    pub github_writes: u64,
    /// Checks that do not show what they should for too long.
    pub checks_overdue: i64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        let mut inner = Inner {
            registry: Registry::default(),
            workflows: Mutex::default(),
            runs: Family::default(),
            runs_active: Gauge::default(),
            runs_active_alias: Gauge::default(),
            runs_started_alias: Gauge::default(),
            runs_unreadable: Counter::default(),
            run_seconds: Histogram::new(WORK_BUCKETS),
            step_seconds: Family::new_with_constructor(|| Histogram::new(WORK_BUCKETS)),
            queue_wait: Histogram::new(WAIT_BUCKETS),
            retries: Family::default(),
            fallbacks: Counter::default(),
            recoveries: Family::default(),
            slots_used: Family::default(),
            slots_limit: Family::default(),
            checks_overdue: Gauge::default(),
            github_writes: Counter::default(),
            inbox_age: Seconds::default(),
            webhooks: Family::default(),
        };
        inner.register();
        // A rate needs a zero to start from.
        for outcome in Webhook::ALL {
            drop(inner.webhooks.get_or_create(&OutcomeLabels { outcome: outcome.word() }));
        }
        Self(Arc::new(inner))
    }

    /// Everything as OpenMetrics text; see [`CONTENT_TYPE`].
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        // A String takes everything that is written to it.
        let _ = text::encode(&mut out, &self.0.registry);
        out
    }

    /// The few figures of `/health`.
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures {
            runs_active: self.0.runs_active.get(),
            runs_started: self.0.runs_started_alias.get(),
            github_writes: self.0.github_writes.get(),
            checks_overdue: self.0.checks_overdue.get(),
        }
    }

    /// A run was made.
    pub fn run_began(&self) {
        self.0.runs_started_alias.inc();
    }

    /// A run is over, and took so long.
    pub fn run_ended(&self, workflow: &WorkflowId, outcome: RunOutcome, took: Duration) {
        let labels = RunLabels { workflow: self.bounded(workflow.as_str()), result: result_word(outcome) };
        self.0.runs.get_or_create(&labels).inc();
        self.0.run_seconds.observe(took.as_secs_f64());
    }

    /// So many runs are not over.
    pub fn runs_active(&self, count: u64) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.0.runs_active.set(count);
        self.0.runs_active_alias.set(count);
    }

    /// A run's journal could not be read, or the run was quarantined.
    pub fn run_unreadable(&self) {
        self.0.runs_unreadable.inc();
    }

    /// A step is over, and its agent worked on it so long.
    pub fn step_ended(&self, kind: Kind, agent: &AgentName, took: Duration) {
        let labels = StepLabels { r#type: kind_word(kind), agent: agent.to_string() };
        self.0.step_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// An attempt waited so long for its agent.
    pub fn queue_waited(&self, waited: Duration) {
        self.0.queue_wait.observe(waited.as_secs_f64());
    }

    /// A step will be tried again after a fault of this class.
    pub fn retried(&self, class: FaultClass) {
        self.0.retries.get_or_create(&ClassLabels { class: class_word(class) }).inc();
    }

    /// A step went to its next agent.
    pub fn fell_back(&self) {
        self.0.fallbacks.inc();
    }

    /// An attempt of a silent replica was looked after.
    pub fn recovered(&self, what: Recovery) {
        self.0.recoveries.get_or_create(&ResultLabels { result: what.word() }).inc();
    }

    /// So many attempts an agent has at once, and may have.
    pub fn slots(&self, agent: &AgentName, used: u32, limit: Option<u32>) {
        let labels = AgentLabels { agent: agent.to_string() };
        self.0.slots_used.get_or_create(&labels).set(used.into());
        if let Some(limit) = limit {
            self.0.slots_limit.get_or_create(&labels).set(limit.into());
        }
    }

    /// So many checks do not show what they should for too long.
    pub fn checks_overdue(&self, count: u64) {
        self.0.checks_overdue.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// GitHub took a write.
    pub fn github_wrote(&self) {
        self.0.github_writes.inc();
    }

    /// The oldest delivery that still waits is this old; zero when none does.
    pub fn inbox_age(&self, age: Duration) {
        self.0.inbox_age.set(age.as_secs_f64());
    }

    /// A request to `/webhook` was answered.
    pub fn webhook(&self, outcome: Webhook) {
        self.0.webhooks.get_or_create(&OutcomeLabels { outcome: outcome.word() }).inc();
    }

    /// The name itself while there are few, then `other`.
    fn bounded(&self, name: &str) -> String {
        let mut known = self.0.workflows.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < NAMES_MAX {
            known.insert(name.to_owned());
        }
        if known.contains(name) { name.to_owned() } else { OTHER.to_owned() }
    }
}

impl Inner {
    /// The names of the design. A counter's `_total` and a unit's `_seconds` are put on by the encoder.
    fn register(&mut self) {
        let to = &mut self.registry;
        to.register("pointsman_runs", "Runs that are over", self.runs.clone());
        to.register("pointsman_runs_active", "Runs that are not over, over all replicas", self.runs_active.clone());
        to.register("pointsman_runs_unreadable", "Runs that are left alone", self.runs_unreadable.clone());
        to.register_with_unit("pointsman_run", "How long runs took", Unit::Seconds, self.run_seconds.clone());
        to.register_with_unit("pointsman_step", "How long steps took", Unit::Seconds, self.step_seconds.clone());
        let help = "How long attempts waited for their agent";
        to.register_with_unit("pointsman_queue_wait", help, Unit::Seconds, self.queue_wait.clone());
        to.register("pointsman_retries", "Attempts after a fault", self.retries.clone());
        to.register("pointsman_fallbacks", "Steps that went to their next agent", self.fallbacks.clone());
        to.register("pointsman_recoveries", "Attempts of silent replicas", self.recoveries.clone());
        to.register("pointsman_slots_used", "Attempts that agents have", self.slots_used.clone());
        to.register("pointsman_slots_limit", "Attempts that agents may have", self.slots_limit.clone());
        let help = "Checks that do not show what they should for too long";
        to.register("pointsman_checks_overdue", help, self.checks_overdue.clone());
        to.register("pointsman_github_writes", "Writes that GitHub took", self.github_writes.clone());
        let help = "Age of the oldest delivery that waits";
        to.register_with_unit("pointsman_inbox_age", help, Unit::Seconds, self.inbox_age.clone());
        to.register("pointsman_webhooks", "Requests to /webhook", self.webhooks.clone());
        to.register("workflow_active_count", "As pointsman_runs_active", self.runs_active_alias.clone());
        to.register("workflow_total_executions", "Runs begun since the start", self.runs_started_alias.clone());
    }
}

fn result_word(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Success => "success",
        RunOutcome::Failure => "failure",
        RunOutcome::TimedOut => "timed_out",
        RunOutcome::Cancelled => "cancelled",
        RunOutcome::Superseded => "superseded",
        RunOutcome::Dropped => "dropped",
        RunOutcome::HandedOver => "handed_over",
    }
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Analysis => "analysis",
        Kind::Generation => "generation",
        Kind::Deployment => "deployment",
        Kind::Validation => "validation",
        Kind::Testing => "testing",
        Kind::Security => "security",
        Kind::Performance => "performance",
        Kind::Other => OTHER,
    }
}

fn class_word(class: FaultClass) -> &'static str {
    match class {
        FaultClass::Transient => "transient",
        FaultClass::Overloaded => "overloaded",
        FaultClass::RateLimit => "rate_limit",
        FaultClass::Timeout => "timeout",
        FaultClass::Crash => "crash",
        FaultClass::BadOutput => "bad_output",
        FaultClass::Auth => "auth",
        FaultClass::Config => "config",
        FaultClass::Policy => "policy",
        FaultClass::Validation => "validation",
        FaultClass::Budget => "budget",
        FaultClass::Verdict => "verdict",
    }
}

#[cfg(test)]
mod tests;
