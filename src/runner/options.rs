//! How a runner is set up, and why it may not start.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::SecretString;

use super::driver::Driver;
use crate::time::Clock;

/// How a runner is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens.
    pub bind: SocketAddr,
    /// What it drives.
    pub driver: Driver,
    /// What callers must show. Absent: only allowed on loopback.
    pub bearer: Option<SecretString>,
    /// Where the journal and the workspaces are. One runner at a time may use it.
    pub workdir: PathBuf,
    /// Where commands run.
    pub place: Place,
    /// How processes are kept together.
    pub sandbox: Sandbox,
    /// Tasks that run at once.
    pub max_concurrent: usize,
    /// Its name in the card.
    pub name: String,
    /// Variables that every command gets; `PATH` here replaces the plain one.
    pub env: BTreeMap<String, String>,
    /// Where the time comes from.
    pub clock: Clock,
}

/// Where commands run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Place {
    /// Each in a fresh checkout of its commit, which is removed afterwards.
    #[default]
    Fresh,
    /// All in this folder as it stands, with the caller's own `HOME`: what they change there stays changed.
    Here(PathBuf),
}

/// How processes are kept together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sandbox {
    /// The best that works here.
    #[default]
    Auto,
    /// `bwrap`, or no start.
    Bwrap,
    /// `unshare`, or no start.
    Unshare,
    /// A process group only. Commits of strangers are refused.
    Off,
}

impl FromStr for Sandbox {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "bwrap" => Ok(Self::Bwrap),
            "unshare" => Ok(Self::Unshare),
            "off" => Ok(Self::Off),
            other => Err(format!("unknown sandbox {other:?}: auto, bwrap, unshare or off")),
        }
    }
}

/// Why a runner cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Anybody on the network could run commands.
    #[error("{0} can be reached from outside, so a bearer token is needed; set one, or bind to 127.0.0.1")]
    OpenToAll(SocketAddr),
    /// The port is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The wanted address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another runner works there.
    #[error("{} is in use by another runner; give each its own --workdir", .0.display())]
    InUse(PathBuf),
    /// The working directory cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    Workdir {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The wanted sandbox does not work on this machine.
    #[error("the sandbox {0} does not work here; choose auto, or install it and allow user namespaces")]
    Sandbox(&'static str),
    /// The commands need a program that is not here.
    #[error("{0} is not installed; install it")]
    Program(&'static str),
    /// The server stopped.
    #[error("the server stopped: {0}")]
    Server(std::io::Error),
}
