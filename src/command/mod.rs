//! What maintainers write in comments, whether they may, and every sentence that we answer.
//!
//! *Invariant:* a command is a whole line that GitHub shows as plain text; nothing quoted, hidden or formatted fires.
//! *Invariant:* in doubt nobody may.

pub mod authorize;
mod given;
mod lines;
mod parse;
pub mod reply;
mod verb;

pub use authorize::{Actor, Denied, Overrides, Permission, Person, authorize};
pub use given::{Approved, Command, Given, Mistake, RunAt, Scope, StepName};
pub use parse::{ARGUMENTS_MAX, COMMANDS_MAX, COMMENT_BYTES_MAX, parse, split_first};
pub use verb::{Spec, Verb};
