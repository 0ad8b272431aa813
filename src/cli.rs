//! The command line: which words there are, and what a process says at its end.
//!
//! Exit codes: 0 fine, 1 the run failed or the file is wrong, 2 wrong usage or settings.
//!
//! *Invariant:* a subcommand is a struct of its arguments with one `run`; what it does lives elsewhere ([`crate::app`]).

mod agent;
mod dev;
mod explain;
mod health;
mod init;
pub mod log;
mod man;
mod plan;
mod rehearse;
mod schema;
mod serve;
mod source;
mod validate;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

pub use dev::Dev;
pub use health::Health;
pub use serve::{DatabaseArgs, SettingsArgs};

use crate::app;
use crate::config::Problem;

/// A self-hosted GitHub App that drives the workflows of a repository as durable graphs of steps.
#[derive(Debug, Parser)]
#[command(name = "pointsman", version, arg_required_else_help = true, max_term_width = 120)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve: take GitHub's webhooks, drive runs, show checks.
    Serve(SettingsArgs),
    Dev(Dev),
    Init(init::Init),
    Validate(validate::Validate),
    Plan(plan::Plan),
    Explain(explain::Explain),
    Rehearse(rehearse::Rehearse),
    Run(dev::Run),
    Agent(agent::Agent),
    Schema(schema::Schema),
    /// Bring the database up to date, and do nothing else. `serve` does it too, at its start.
    Migrate(DatabaseArgs),
    Health(Health),
    /// Print completions for a shell: `pointsman completions bash > /etc/bash_completion.d/pointsman`.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    Man(man::Man),
}

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub enum Failure {
    /// Wrong usage or settings: exit code 2.
    Settings(Vec<Problem>),
    /// Wrong usage that only shows when one looks: exit code 2.
    Usage(String),
    /// It did not work, or what it looked at is wrong: exit code 1.
    Failed(anyhow::Error),
    /// What it looked at is wrong, and everything was said about it: exit code 1.
    Told,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Failure {
    /// The exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::Usage(_) => 2,
            Self::Failed(_) | Self::Told => 1,
        }
    }

    /// What the operator reads on standard error.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Settings(problems) => {
                let one_each: Vec<String> = problems.iter().map(|problem| format!("  {problem}\n")).collect();
                format!("error: settings\n{}`pointsman serve --help` lists all settings.\n", one_each.concat())
            }
            Self::Usage(words) => format!("error: {words}\n"),
            Self::Failed(error) => format!("error: {}\n", causes(error)),
            Self::Told => String::new(),
        }
    }
}

/// An error and its causes, each in its own words only: what a cause repeats of the one before is left out.
fn causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match said.as_str() {
        "" => cause,
        before if before.contains(&cause) => said,
        before => format!("{before}: {cause}"),
    })
}

/// The whole program. Usage errors end the process here, with code 2.
pub async fn main() -> ExitCode {
    // The first to come: rustls panics where two providers are compiled in and none was chosen.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match Cli::parse().command.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to be told when standard error is closed.
            let _ = io::stderr().write_all(failure.text().as_bytes());
            failure.code().into()
        }
    }
}

impl Command {
    async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Serve(args) => serve(&args).await,
            Self::Dev(dev) => dev.run().await,
            Self::Run(run) => run.run().await,
            Self::Explain(explain) => explain.run(),
            Self::Rehearse(rehearse) => rehearse.run(),
            Self::Agent(agent) => agent.run().await,
            Self::Init(init) => init.run(),
            Self::Validate(validate) => validate.run(),
            Self::Plan(plan) => plan.run(),
            Self::Schema(schema) => schema.run(),
            Self::Migrate(args) => migrate(&args).await,
            Self::Health(health) => health.run().await,
            Self::Completions { shell } => completions(shell),
            Self::Man(man) => man.run(Cli::command()),
        }
    }
}

async fn serve(args: &SettingsArgs) -> Result<(), Failure> {
    let settings = args.read()?;
    log::start(settings.logging);
    #[cfg(debug_assertions)]
    if let Some(point) = crate::config::environment().get(crate::crash::AT) {
        crate::crash::arm(point).map_err(anyhow::Error::msg)?;
    }
    Ok(app::serve(settings).await?)
}

async fn migrate(args: &DatabaseArgs) -> Result<(), Failure> {
    let store = app::migrated(&args.read()?, &[], false).await?;
    store.close().await;
    Ok(io::stdout().write_all(b"The database is up to date.\n")?)
}

fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pointsman", &mut script);
    Ok(io::stdout().write_all(&script)?)
}

#[cfg(test)]
mod tests;
