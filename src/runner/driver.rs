//! What a runner drives.

use std::fmt;
use std::str::FromStr;

/// What runs the steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Driver {
    /// The command lines of `run:` steps, by a shell.
    Exec,
    /// The same, and this command line for steps that have none: it is told what to do by `POINTSMAN_REQUEST`, a file.
    Command(String),
}

impl Driver {
    /// What does steps without `run:`.
    pub(super) fn command(&self) -> Option<&str> {
        match self {
            Self::Exec => None,
            Self::Command(command) => Some(command),
        }
    }
}

/// A driver that this release does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown driver {0:?}: this release has exec, which runs the commands of run: steps, and exec:COMMAND")]
pub struct UnknownDriver(String);

impl FromStr for Driver {
    type Err = UnknownDriver;
    fn from_str(text: &str) -> Result<Self, UnknownDriver> {
        match (text, text.strip_prefix("exec:").map(str::trim)) {
            ("exec", _) => Ok(Self::Exec),
            (_, Some(command)) if !command.is_empty() => Ok(Self::Command(command.to_owned())),
            (other, _) => Err(UnknownDriver(other.chars().take(80).collect())),
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exec => f.write_str("exec"),
            Self::Command(command) => write!(f, "exec:{command}"),
        }
    }
}
