//! The store: everything that outlives a process, and the only SQL of the crate.
//!
//! MySQL, MariaDB and SQLite speak through one source of queries (`queries/`), compiled once for each dialect. What
//! changes a run goes through one [`Door`]; the files beside it are the queues and views round it.
//!
//! *Invariant:* every operation runs in a task that nobody cancels: a future of the driver that is dropped half-way
//! hands the next borrower an open transaction.
//! *Invariant:* the store knows no rule of the engine: it compares versions and keeps rows.
//! *Invariant:* every query of an installation's table names the installation.

mod error;
#[macro_use]
mod open;
mod column;
mod crypt;
mod migrate;
mod mysql;
mod sqlite;

mod committer;
mod door;
mod driver;
mod rows;
mod writes;

mod attempts;
mod blobs;
mod checks;
mod doctor;
mod effects;
mod gates;
mod heads;
mod inbox;
mod installs;
mod plans;
mod prune;
mod replicas;
mod runs;

pub use attempts::AttemptRow;
pub use blobs::BlobKey;
pub use checks::CheckRow;
pub use committer::{Batch, Committer, Outcome, Readback, Seen, Step, Ticket, Verdict, Why};
pub use crypt::{MasterKey, Purpose};
pub use doctor::{Finding, Severity};
pub use door::{
    AttemptInsert, AttemptWrite, BUNDLE_BYTES_MAX, BUNDLE_RUNS_MAX, Beside, BlobWrite, Bundle, Claim, Consumed,
    DirtyCheck, EffectWrite, EventWrite, GateId, GateKind, GateWrite, HeadWrite, HoldWrite, RunWrite, Speaker,
    Transition,
};
pub use driver::{Door, Faults, NoFaults, Point};
pub use effects::Effect;
pub use error::Error;
pub use gates::{HolderRow, TicketRow, WaitRow};
pub use heads::{Again, HeadDue, HeadKey, PrHold, SpeakerRow};
pub use inbox::{Arrival, Arrived, Delivery, Lane, Mailbox, Parked};
pub use installs::{Budget, InstallationRow, RepositoryRow};
pub use open::{Store, StoreOptions};
pub use plans::PlanHash;
pub use prune::Pruned;
pub use replicas::{Incarnation, ReplicaRow};
pub use runs::{EventRow, Loaded, RunFilter, RunRow};

#[cfg(test)]
mod tests;
