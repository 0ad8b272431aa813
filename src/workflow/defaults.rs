//! The figures of the original design: what a step type and an agent bring with them, and what an operator allows
//! when he says nothing.

use std::time::Duration;

use super::plan::{Kind, Limits, Resources};

/// Retries and timeout of a step of which neither type nor agent says anything.
pub const RETRIES: u32 = 3;
/// See [`RETRIES`].
pub const TIMEOUT: Duration = Duration::from_secs(300);
/// How long an attempt may show no sign of life.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(600);
/// The first back-off; each further one is [`BACKOFF_FACTOR_PERCENT`] of the one before, up to [`BACKOFF_MAX`].
pub const BACKOFF: Duration = Duration::from_secs(1);
/// See [`BACKOFF`].
pub const BACKOFF_FACTOR_PERCENT: u32 = 200;
/// See [`BACKOFF`].
pub const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// The agent that runs command lines.
pub const SHELL: &str = "shell";

const MB: u64 = 1 << 20;
const GB: u64 = 1 << 30;

/// What a step type brings with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindFacts {
    /// The type.
    pub kind: Kind,
    /// Its name in a file.
    pub name: &'static str,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// Retries with each agent.
    pub retries: u32,
    /// What the runner sets aside for it, cut at the run's `resource_limits`; it does not count for admission.
    pub resources: Resources,
}

/// Each step type but `other`, which brings nothing.
pub const KINDS: [KindFacts; 7] = [
    kind(Kind::Analysis, "analysis", 60, 2, 512 * MB, 500),
    kind(Kind::Generation, "generation", 120, 2, GB, 1_000),
    kind(Kind::Deployment, "deployment", 300, 3, GB, 1_000),
    kind(Kind::Validation, "validation", 180, 2, 512 * MB, 500),
    kind(Kind::Testing, "testing", 600, 1, 2 * GB, 2_000),
    kind(Kind::Security, "security", 240, 2, GB, 1_000),
    kind(Kind::Performance, "performance", 360, 1, 2 * GB, 2_000),
];

#[expect(clippy::too_many_arguments, reason = "a row of a table")]
const fn kind(kind: Kind, name: &'static str, seconds: u64, retries: u32, memory_bytes: u64, cpu: u32) -> KindFacts {
    let resources = Resources { memory_bytes, cpu_millis: cpu, disk_bytes: 0 };
    KindFacts { kind, name, timeout: Duration::from_secs(seconds), retries, resources }
}

/// What is known of an agent before anybody has configured it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentFacts {
    /// Its name in a file.
    pub name: &'static str,
    /// Where its address is set.
    pub endpoint_variable: &'static str,
    /// Its address when nothing is set.
    pub endpoint: &'static str,
    /// The step types that it can do.
    pub can: &'static [Kind],
    /// Attempts at once.
    pub at_once: u32,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// Retries with it.
    pub retries: u32,
    /// Its share of the work when several can do it, in hundredths.
    pub weight_percent: u32,
}

/// The four agents of the original design.
pub const AGENTS: [AgentFacts; 4] = [
    AgentFacts {
        name: "claude-code",
        endpoint_variable: "CLAUDE_CODE_ENDPOINT",
        endpoint: "http://localhost:3001",
        can: &[Kind::Analysis, Kind::Deployment, Kind::Testing, Kind::Validation],
        at_once: 3,
        timeout: Duration::from_secs(300),
        retries: 2,
        weight_percent: 100,
    },
    AgentFacts {
        name: "codegen",
        endpoint_variable: "CODEGEN_ENDPOINT",
        endpoint: "http://localhost:3002",
        can: &[Kind::Generation, Kind::Analysis, Kind::Validation],
        at_once: 5,
        timeout: Duration::from_secs(120),
        retries: 2,
        weight_percent: 100,
    },
    AgentFacts {
        name: "aider",
        endpoint_variable: "AIDER_ENDPOINT",
        endpoint: "http://localhost:3003",
        can: &[Kind::Validation, Kind::Testing, Kind::Security],
        at_once: 2,
        timeout: Duration::from_secs(180),
        retries: 2,
        weight_percent: 80,
    },
    AgentFacts {
        name: "goose",
        endpoint_variable: "GOOSE_ENDPOINT",
        endpoint: "http://localhost:3004",
        can: &[Kind::Security, Kind::Performance, Kind::Validation],
        at_once: 2,
        timeout: Duration::from_secs(240),
        retries: 1,
        weight_percent: 70,
    },
];

/// What is known of a step type; nothing of `other`.
#[must_use]
pub fn of_kind(kind: Kind) -> Option<&'static KindFacts> {
    KINDS.iter().find(|facts| facts.kind == kind)
}

/// What is known of an agent; nothing of those that only an operator knows.
#[must_use]
pub fn of_agent(name: &str) -> Option<&'static AgentFacts> {
    AGENTS.iter().find(|facts| facts.name == name)
}

/// What the operator allows every workflow; from the server's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// A run's timeout when its file says none: `DEFAULT_WORKFLOW_TIMEOUT`.
    pub timeout: Duration,
    /// Default and ceiling of `resource_limits`: `MAX_CONCURRENT_STEPS` and `PARALLEL_*_LIMIT`.
    pub limits: Limits,
    /// Steps of one workflow.
    pub steps_max: usize,
}

impl Default for Operator {
    fn default() -> Self {
        let resources = Resources { memory_bytes: 4 * GB, cpu_millis: 4_000, disk_bytes: 20 * GB };
        Self { timeout: Duration::from_secs(3_600), limits: Limits { steps: 5, resources }, steps_max: 1_000 }
    }
}

#[cfg(test)]
mod tests;
