//! `pointsman dev`: the whole thing on this machine. A GitHub of its own, a sample repository or one of yours, the
//! service on SQLite, and agents; a pull request is opened and its run is shown live.
//!
//! *Invariant:* nothing leaves this machine, and nothing is left on it.

mod run;
mod scene;
mod screen;
mod stage;
mod terminal;
mod typed;
mod view;
mod watch;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::config::{self, Problem};
use crate::runner::Place;

pub(super) use run::Run;

use scene::Wish;
use stage::{Stage, Wanted};
use view::Verdict;
use watch::End;

/// Try everything on this machine, GitHub included: no account, no server, no network.
///
/// bob opens a pull request on a sample repository, and you watch its workflow run, step by step, for real. Then type
/// comments on the pull request, as its people do: /retry, /pause, /status. Ctrl-C ends it and leaves nothing behind.
#[derive(Debug, Args)]
pub struct Dev {
    /// End with the run: exit code 0 when it is green (or neutral), else 1.
    #[arg(long)]
    once: bool,
    /// Let the change break the tests, to see a red run.
    #[arg(long = "break", conflicts_with = "repo")]
    broken: bool,
    /// Which workflow: ci, pr_processing, feature_integration or hotfix_deployment; with --repo, a built-in that is
    /// added to your own.
    ///
    /// Agents that are not set up by their `…_ENDPOINT` (claude-code by CLAUDE_CODE_ENDPOINT) are rehearsed: their
    /// steps run nothing, and their checks are neutral.
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// Play with a copy of this git repository: its HEAD commit and its `.workflows/`. It is only read.
    #[arg(long, value_name = "PATH")]
    repo: Option<PathBuf>,
    /// Keep the database and the log in this folder.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// The port of the service; any free one by default.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// A variable that each `run:` step gets, with its value here unless one is given. May be repeated.
    ///
    /// Steps get PATH and little else. A Rust toolchain needs `--env RUSTUP_HOME --env CARGO_HOME`.
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
}

impl Dev {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let env = config::environment();
        if env.get("NODE_ENV").is_some_and(|word| word == "production") {
            return Err(Failure::Settings(vec![Problem {
                name: "NODE_ENV".to_owned(),
                what: "it is production, where dev is refused".to_owned(),
                remedy: "unset it, or start pointsman serve".to_owned(),
            }]));
        }
        let wish = Wish { repo: self.repo, workflow: self.workflow, broken: self.broken, here: None };
        let wanted = Wanted {
            wish: &wish,
            keep: self.keep.as_deref(),
            port: self.port,
            env: given(&self.env, &env),
            place: Place::Fresh,
            commands: &BTreeMap::new(),
        };
        let mut stage = Stage::start(wanted, &env).await?;
        let end = watch::watch(&mut stage, self.once, &env).await;
        let kept = stage.stop().await;
        let end = end?;
        if let Some(folder) = kept? {
            writeln!(io::stdout(), "Kept: {}", folder.display())?;
        }
        match end {
            End::Ran(Verdict::Green | Verdict::Neutral) | End::Quit => Ok(()),
            End::Interrupted if !self.once => Ok(()),
            // Standard output has said it.
            End::Ran(Verdict::Red) => Err(Failure::Told),
            End::Interrupted => Err(anyhow::anyhow!("stopped before the run had ended").into()),
        }
    }
}

/// The variables that steps get: `PATH`, and what was asked for.
fn given(asked: &[String], env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let path = env.get("PATH").map(|path| ("PATH".to_owned(), path.clone()));
    let asked = asked.iter().filter_map(|asked| match asked.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => env.get(asked).map(|value| (asked.clone(), value.clone())),
    });
    path.into_iter().chain(asked).collect()
}
