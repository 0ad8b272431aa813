//! What can go wrong when a test or `dev` acts on the playground.

use std::fmt;

/// Why the playground could not do what it was told. Its `Debug` is its text, so that an `unwrap` in a test prints
/// the pull request as a person would see it and not one long escaped line.
#[derive(thiserror::Error)]
pub enum Error {
    /// There is no `git` program.
    #[error("git is not installed; install it")]
    NoGit,
    /// The `git` program failed.
    #[error("git {command}: {said}")]
    Git {
        /// The subcommand with its arguments.
        command: String,
        /// What git wrote to its error output, or why it did not start.
        said: String,
    },
    /// There is no such repository, person, pull request, comment, check or delivery in this playground.
    #[error("the playground has no {kind} {name}")]
    Missing {
        /// What was looked for.
        kind: &'static str,
        /// By which name.
        name: String,
    },
    /// GitHub would not let a person do this.
    #[error("{0}")]
    Refused(String),
    /// What a test waited for did not happen in time.
    #[error("waited in vain for: {what}\n{shown}")]
    NeverHappened {
        /// What was waited for, in words.
        what: String,
        /// Every pull request as a person sees it, and the last requests.
        shown: String,
    },
    /// The server could not be started, or a folder not be read.
    #[error("playground: {0}")]
    Io(#[from] std::io::Error),
    /// The App's key could not be made.
    #[error("playground: no RSA key could be made for the App")]
    Key,
}

impl Error {
    pub(crate) fn missing(kind: &'static str, name: impl fmt::Display) -> Self {
        Self::Missing { kind, name: name.to_string() }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
