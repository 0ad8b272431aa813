//! `pointsman agent`: a runner that serves A2A and does the steps that a server hands it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::Failure;
use super::log;
use crate::app;
use crate::config::{self, Format, Logging};
use crate::runner::{self, Driver, Options, Place, Sandbox};
use crate::time::Clock;

/// Run an agent: serve A2A and do the steps that a Pointsman server hands to it, each in a fresh checkout.
#[derive(Debug, Args)]
pub(super) struct Agent {
    /// What does the work: `exec` runs the `run:` commands of workflows; `exec:COMMAND` runs this command for steps
    /// without one, and tells it by the file POINTSMAN_REQUEST what to do.
    #[arg(long, default_value = "exec")]
    driver: Driver,
    /// Where to listen. Outside of this machine a bearer token is needed.
    #[arg(long, default_value = "127.0.0.1:3005")]
    bind: SocketAddr,
    /// Where the journal and the workspaces lie. One runner at a time may use it.
    #[arg(long, default_value = "pointsman-agent")]
    workdir: PathBuf,
    /// How processes are kept together: `auto` takes the best that works here, else `bwrap`, `unshare` or `off`.
    #[arg(long, default_value = "auto")]
    sandbox: Sandbox,
    /// Steps at once; further ones wait, and beyond four times as many are sent away.
    #[arg(long, default_value_t = 4)]
    max_concurrent: usize,
    /// Its name in its card.
    #[arg(long, default_value = "shell")]
    name: String,
    /// A file that holds the bearer token that servers must show: the server's `SHELL_API_KEY`.
    #[arg(long, value_name = "FILE")]
    bearer_file: Option<PathBuf>,
}

impl Agent {
    pub(super) async fn run(self) -> Result<(), Failure> {
        log::start(Logging { level: Level::INFO, format: Format::Text, decisions: false });
        let bearer = self.bearer_file.as_ref().map(|path| config::open(path)).transpose()?;
        let options = Options {
            bind: self.bind,
            driver: self.driver,
            bearer: bearer.map(|token| SecretString::from(token.trim().to_owned())),
            workdir: self.workdir,
            place: Place::Fresh,
            sandbox: self.sandbox,
            max_concurrent: self.max_concurrent,
            name: self.name,
            env: std::collections::BTreeMap::new(),
            clock: Clock::machine(),
        };
        let stop = CancellationToken::new();
        let serving = tokio::spawn(runner::serve(options, stop.clone()));
        tokio::select! {
            stopped = app::stop_signal() => stopped?,
            () = stop.cancelled() => {}
        }
        stop.cancel();
        Ok(serving.await??)
    }
}
