//! Migrations: one statement a file, since MySQL commits each by itself, and safe when three replicas start together.
//!
//! The lock is a row, compared and set by the database's clock: `GET_LOCK` is not cluster-wide. A process that died
//! between a statement and its record leaves something that "exists already", which is as good as done.
//!
//! *Invariant:* a file is never altered once released; numbers are `<release><three digits>`, so that a binary knows
//! whether the tables are of its own release, the next one (which it can live with), or a later one (which it refuses).

use std::time::Duration;

use super::Error;
use super::crypt::Crypt;
use super::open::{Store, back_off};
use crate::ids::random_bytes;
use crate::time::micros;

/// How long a migrator holds the lock without renewing it; it renews before each statement.
const LOCK_HOLD: Duration = Duration::from_mins(5);
/// How often a waiting migrator looks.
const LOCK_LOOKS_MAX: u32 = 3_000;

macro_rules! files {
    ($($name:literal,)*) => {
        /// Each migration: its name, which begins with its number, and its statement.
        pub(super) const FILES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../migrations/", $name, ".sql"))),)*];
    };
}

files! {
    "1001_app",
    "1002_replica",
    "1003_installation",
    "1004_repository",
    "1005_repository_name",
    "1006_inbox",
    "1007_inbox_lane",
    "1008_inbox_pending",
    "1009_inbox_parked",
    "1010_inbox_done",
    "1011_inbox_part",
    "1012_lane",
    "1013_lane_due",
    "1014_plan",
    "1015_plan_created",
    "1016_run",
    "1017_run_wake",
    "1018_run_live",
    "1019_run_finished",
    "1020_run_repo",
    "1021_run_pull",
    "1022_run_head",
    "1023_run_plan",
    "1024_run_broken",
    "1025_run_event",
    "1026_checkpoint",
    "1027_run_blob",
    "1028_attempt",
    "1029_attempt_queue",
    "1030_attempt_owner",
    "1031_gate",
    "1032_gate_wait",
    "1033_gate_wait_queue",
    "1034_gate_wait_run",
    "1035_gate_ticket",
    "1036_gate_ticket_run",
    "1037_gate_ticket_old",
    "1038_head",
    "1039_head_due",
    "1040_head_seen",
    "1041_head_workflow",
    "1042_pr_hold",
    "1043_head_check",
    "1044_check_dirty",
    "1045_effect",
    "1046_effect_due",
    "1047_effect_ended",
    "1048_consumed_key",
    "1049_consumed_key_at",
}

/// The number of a migration.
pub(super) fn version(name: &str) -> i64 {
    name.split('_').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The newest migration of this binary.
fn known() -> i64 {
    FILES.last().map_or(0, |(name, _)| version(name))
}

impl Store {
    /// Brings the tables up to this release and reads the instance's secrets. Any number of processes may do so at
    /// once: one works, the others wait. Nothing to do costs two queries.
    ///
    /// # Errors
    /// When a statement fails, or the tables are of a release that this one cannot live with.
    pub async fn migrate(&self) -> Result<(), Error> {
        let owner = random_bytes::<16>();
        on!(self, schema::ground(owner))?;
        if self.pending().await?.is_empty() {
            return self.unlock_secrets().await;
        }
        let hold = micros(LOCK_HOLD);
        let mut looks = 0;
        while !on!(self, schema::lock(owner, hold))? {
            looks += 1;
            if looks > LOCK_LOOKS_MAX || self.pending().await?.is_empty() {
                break;
            }
            tokio::time::sleep(back_off(3)).await;
        }
        let done = self.apply(owner).await;
        on!(self, schema::unlock(owner))?;
        done?;
        self.unlock_secrets().await
    }

    async fn apply(&self, owner: [u8; 16]) -> Result<(), Error> {
        for (name, sql) in self.pending().await? {
            let version = version(name);
            if !on!(self, schema::lock(owner, micros(LOCK_HOLD)))? {
                return Err(Error::Schema {
                    found: version,
                    known: known(),
                    remedy: "another process migrates; start again",
                });
            }
            tracing::info!(version, name, "migrating");
            match on!(self, schema::define(sql)) {
                Err(Error::Database(source)) => return Err(Error::Migration { version, name, source }),
                result => result?,
            }
            on!(self, schema::record(version, name))?;
        }
        Ok(())
    }

    /// The migrations that have not run here.
    pub(super) async fn pending(&self) -> Result<Vec<(&'static str, &'static str)>, Error> {
        let applied = on!(self, schema::applied())?;
        let (found, known) = (applied.last().copied().unwrap_or(0), known());
        if found / 1000 > known / 1000 + 1 {
            return Err(Error::Schema { found, known, remedy: "run the newer release" });
        }
        Ok(FILES.iter().copied().filter(|(name, _)| applied.binary_search(&version(name)).is_err()).collect())
    }

    /// Reads the instance secret, and draws it at the very first start. All keyed hashes are derived from it.
    async fn unlock_secrets(&self) -> Result<(), Error> {
        let drawn = Crypt::wrap_secret(&self.keys, &random_bytes::<32>())?;
        let stored = on!(self, schema::app_new(Crypt::SECRET_NAME, &drawn))?;
        let secret = Crypt::unwrap_secret(&self.keys, &stored)?;
        if !Crypt::is_wrapped_by_first(&self.keys, &stored) {
            // A key exists since now, or it was rotated. Whoever loses this compare-and-set finds it done.
            let wrapped = Crypt::wrap_secret(&self.keys, &secret)?;
            on!(self, schema::app_change(Crypt::SECRET_NAME, &stored, &wrapped))?;
        }
        self.set_crypt(Crypt::new(self.keys.clone(), &secret));
        Ok(())
    }
}
