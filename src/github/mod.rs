//! GitHub, in our own words: one concrete client over octocrab, and nothing of octocrab seen outside.
//!
//! [`App`] speaks in the App's own name (a signature); [`Installation`] in the name of one installation (a token) and
//! has an operation for each thing that we ask or do. An operation is one question or one write: nothing is retried
//! here, since only the durable loops know whether a lost answer may be asked for again. [`Error`] tells them.
//! [`Budget`] is what the one writer of an installation pays from.
//!
//! *Invariant:* no token, key or body of a request is in any `Debug`, error or log line.
//! *Invariant:* a limit of GitHub's never looks like a denial, and a lost write never like a failed one.

mod app;
mod blocks;
mod budget;
mod checks;
mod comments;
mod error;
mod files;
mod installation;
pub mod limits;
mod people;
mod pulls;
mod settings;
mod token;
mod wire;

pub use app::{App, Cursor, Delivery, Identity, Installed, Page};
pub use budget::{Budget, Cost, Pace, Wait};
pub use checks::{Action, Annotation, AnnotationLevel, Check, CheckBody, CheckId, Conclusion, Output, Status, Written};
pub use comments::{CommentId, Reaction};
pub use error::{Error, Limit};
pub use files::{Content, DIRECTORY, FILE_BYTES_MAX, FILES_MAX, File, Files};
pub use installation::{Installation, Rate};
pub use people::{Commit, Permission, Repository, RequiredCheck};
pub use pulls::{Changed, ChangedFile, PullRequest, Side};
pub use settings::{BadSettings, Settings};
pub use token::{Scope, Token};

#[cfg(test)]
mod stub;
