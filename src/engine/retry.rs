//! What follows a fault: again, somebody else, or the end. A table in words:
//!
//! | class | what follows |
//! |---|---|
//! | transient, overloaded, rate limit, timeout, crash | the same agent again after a back-off, then the next agent |
//! | bad output | the same agent once more at once, then the next agent |
//! | auth, config | never again with this agent, whose fault it is; the next agent gets it |
//! | policy, validation | the end: no agent could do better |
//! | verdict (a red test) | the end, unless the step itself says `retries:`; then as transient, without other agents |
//! | budget | the run is held until somebody raises the budget |
//!
//! `immediate_escalation` knows neither retries nor other agents.

use std::time::Duration;

use super::step::{FaultClass, Tries};
use crate::workflow::plan::{Retry, Step, Strategy};

/// What follows a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The same agent again after this long.
    Again(Duration),
    /// The same agent at once, for an answer that can be read.
    AskAgain,
    /// The next agent, at once.
    Fallback,
    /// The run is held.
    Hold,
    /// Nothing: the step failed.
    Fail,
}

/// What follows a fault of a step that was tried so often (the attempt that failed included).
#[must_use]
pub(super) fn next(step: &Step, tries: Tries, class: FaultClass, retry_after: Option<Duration>, jitter: u64) -> Next {
    let again = tries.with_agent <= step.retry.retries;
    let fallback = (tries.agent as usize) < step.fallback_agents.len() && falls_back(step.retry.strategy);
    let or_fallback = if fallback { Next::Fallback } else { Next::Fail };
    if step.retry.strategy == Strategy::ImmediateEscalation {
        return if class == FaultClass::Budget { Next::Hold } else { Next::Fail };
    }
    match class {
        FaultClass::Transient
        | FaultClass::Overloaded
        | FaultClass::RateLimit
        | FaultClass::Timeout
        | FaultClass::Crash => {
            if again {
                Next::Again(back_off(&step.retry, tries.with_agent, retry_after, jitter))
            } else {
                or_fallback
            }
        }
        FaultClass::BadOutput if tries.asked_again => or_fallback,
        FaultClass::BadOutput => Next::AskAgain,
        FaultClass::Auth | FaultClass::Config => or_fallback,
        FaultClass::Policy | FaultClass::Validation => Next::Fail,
        FaultClass::Verdict if step.retry.verdicts && again => {
            Next::Again(back_off(&step.retry, tries.with_agent, retry_after, jitter))
        }
        FaultClass::Verdict => Next::Fail,
        FaultClass::Budget => Next::Hold,
    }
}

fn falls_back(strategy: Strategy) -> bool {
    match strategy {
        Strategy::RetryWithFallback | Strategy::RetryWithAnalysis => true,
        Strategy::Retry | Strategy::ImmediateEscalation => false,
    }
}

/// The back-off after the `tries`-th try: exponential, the upper half of it by chance, and never shorter than what
/// the agent asked for.
fn back_off(retry: &Retry, tries: u32, retry_after: Option<Duration>, jitter: u64) -> Duration {
    let max = retry.backoff_max.as_micros();
    let mut whole = retry.backoff.as_micros();
    for _ in 1..tries.min(64) {
        whole = (whole * u128::from(retry.factor_percent) / 100).min(max);
    }
    let half = whole.min(max).min(u128::from(u64::MAX)) / 2;
    let chance = half * u128::from(jitter) / u128::from(u64::MAX);
    let delay = Duration::from_micros(u64::try_from(half + chance).unwrap_or(u64::MAX));
    delay.max(retry_after.unwrap_or_default())
}

/// A number by chance for one of several steps in one event: the same input gives the same number everywhere.
/// (SplitMix64's finalizer.)
#[must_use]
pub(super) fn spread(jitter: u64, step: u32) -> u64 {
    let mut z = jitter.wrapping_add(u64::from(step).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
