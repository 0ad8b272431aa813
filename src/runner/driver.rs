//! What a runner drives.

use std::fmt;
use std::str::FromStr;

/// What runs the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// The command lines of `run:` steps, by a shell.
    Exec,
}

/// A driver that this release does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown driver {0:?}: this release has exec, which runs the commands of run: steps")]
pub struct UnknownDriver(String);

impl FromStr for Driver {
    type Err = UnknownDriver;
    fn from_str(text: &str) -> Result<Self, UnknownDriver> {
        match text {
            "exec" => Ok(Self::Exec),
            other => Err(UnknownDriver(other.chars().take(80).collect())),
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exec => f.write_str("exec"),
        }
    }
}
