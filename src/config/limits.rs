//! How much at once, how long, how many.

use std::time::Duration;

use super::reader::Reader;
use super::units;
use crate::workflow::plan::{Limits as RunLimits, Resources};

const DAY: Duration = Duration::from_secs(86_400);

/// How much at once, how long, how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Running runs at once, over all replicas.
    pub runs: u32,
    /// The same for each installation; absent: no limit.
    pub runs_per_installation: Option<u32>,
    /// How long a run may take where its workflow does not say.
    pub run_timeout: Duration,
    /// Of one run: default and ceiling of its `resource_limits`.
    pub run: RunLimits,
    /// Steps of one workflow, after expansion.
    pub plan_steps: u32,
    /// How long a finished run is kept.
    pub retention: Duration,
    /// Whether runs left over at start go on; else they are held.
    pub recovery: bool,
}

impl Limits {
    pub(super) fn read(r: &mut Reader<'_>) -> Option<Self> {
        let runs = r.get("MAX_CONCURRENT_WORKFLOWS", units::count);
        let runs_per_installation = r.get("MAX_CONCURRENT_WORKFLOWS_PER_INSTALLATION", units::count);
        let run_timeout = r.get("DEFAULT_WORKFLOW_TIMEOUT", units::duration);
        let steps = r.get("MAX_CONCURRENT_STEPS", units::count);
        let memory = r.get("PARALLEL_MEMORY_LIMIT", units::bytes);
        let cpu = r.get("PARALLEL_CPU_LIMIT", units::cpu_millis);
        let disk = r.get("PARALLEL_DISK_LIMIT", units::bytes);
        let plan_steps = r.get("MAX_WORKFLOW_STEPS", units::count);
        let days = r.get("RETENTION_DAYS", units::count);
        let recovery = r.get("ENABLE_WORKFLOW_RECOVERY", units::switch);
        let resources = Resources { memory_bytes: memory?, cpu_millis: cpu?, disk_bytes: disk? };
        Some(Self {
            runs: runs?,
            runs_per_installation,
            run_timeout: run_timeout?,
            run: RunLimits { steps: steps?, resources },
            plan_steps: plan_steps?,
            retention: DAY * days?,
            recovery: recovery?,
        })
    }
}
