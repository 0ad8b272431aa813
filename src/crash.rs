//! Crash points: named places where a test lets the process die as by `kill -9`, to see that nothing is lost there.
//!
//! Kills at random rarely hit the few microseconds between a deed and its record. So the places where such a gap is are
//! named in the code: what has happened, then what has not. One of them may be armed at the start of a process, and
//! kills it there. Only builds with debug assertions have them: in a release `crashpoint!` is nothing at all, and nobody
//! can arm one.
//!
//! *Invariant:* layer 1 has none. What it decides is durable or it is not; the gaps are where others act on it.

/// Dies here if this point is armed. Nothing at all in a release.
macro_rules! crashpoint {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        $crate::crash::reached($name);
    };
}
pub(crate) use crashpoint;

#[cfg(debug_assertions)]
pub(crate) use armed::reached;
#[cfg(debug_assertions)]
pub use armed::{AT, POINTS, arm};

#[cfg(debug_assertions)]
mod armed {
    use std::io::Write as _;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    /// The variable that arms a point: its name, or `name#3` for the third time that it is reached.
    pub const AT: &str = "POINTSMAN_CRASH_AT";

    /// All points, in the order of a run's life. A test compares them with the code, and visits each.
    pub const POINTS: &[&str] = &[
        "webhook_read_not_stored",
        "webhook_stored_not_answered",
        "delivery_claimed_not_decided",
        "plan_stored_run_not_created",
        "decision_committed_not_woken",
        "transition_written_not_committed",
        "transition_committed_not_answered",
        "run_waits_nobody_admits",
        "ticket_taken_run_not_granted",
        "attempt_started_not_handed_on",
        "slot_taken_attempt_not_claimed",
        "attempt_claimed_not_sent",
        "task_made_not_recorded",
        "task_recorded_not_watched",
        "result_seen_not_committed",
        "result_committed_not_followed",
        "timer_due_run_not_told",
        "cancel_sent_not_recorded",
        "head_claimed_not_compared",
        "check_announced_not_sent",
        "check_made_not_recorded",
        "check_updated_not_recorded",
        "head_shown_not_settled",
        "effect_claimed_not_done",
        "comment_made_not_recorded",
        "reaction_made_not_recorded",
        "beat_shown_nothing_taken_over",
        "attempt_taken_over_not_resumed",
        "redelivery_asked_not_marked",
        "old_rows_gone_in_part",
    ];

    struct Armed {
        name: String,
        /// Visits that are left, this one included.
        left: AtomicU32,
    }

    static ARMED: OnceLock<Armed> = OnceLock::new();

    /// Arms a point, once for the life of the process.
    ///
    /// # Errors
    /// When there is no such point: a test that never dies proves nothing.
    pub fn arm(point: &str) -> Result<(), String> {
        let (name, visit) = point.split_once('#').unwrap_or((point, "1"));
        let left = visit.parse().ok().filter(|visit| *visit > 0);
        let left = left.filter(|_| POINTS.contains(&name)).ok_or_else(|| format!("{AT}: no point {point:?}"))?;
        // Whoever armed one first has it.
        let _ = ARMED.set(Armed { name: name.to_owned(), left: AtomicU32::new(left) });
        Ok(())
    }

    /// This point is reached.
    pub(crate) fn reached(name: &str) {
        let Some(armed) = ARMED.get().filter(|armed| armed.name == name) else { return };
        if armed.left.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let _ = writeln!(std::io::stderr(), "crashpoint {name}");
        let _ = kill_process(getpid(), Signal::KILL);
        // The signal comes at once, but for this thread perhaps a little later: it goes nowhere.
        loop {
            std::thread::park();
        }
    }
}
