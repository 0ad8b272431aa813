//! `pointsman plan`: what a workflow file means, before anything runs.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use clap::{Args, ValueEnum};
use rustix::termios::tcgetwinsize;

use super::Failure;
use super::source::{self, Source};
use crate::report::layout::STEPS_MAX;
use crate::report::plan::{Paper, dot, json, mermaid, svg, table};
use crate::report::problems::Paint;

/// How wide a table is where nobody says: for a file or another program.
const WIDTH: usize = 110;

/// Show what a workflow means: its waves, its critical path, what it wants.
///
/// Reads no settings and asks nobody, so the same file gives the same plan everywhere; durations are timeouts. Exit code 1,
/// and the problems, when the file is wrong.
#[derive(Debug, Args)]
pub(super) struct Plan {
    /// A file, the id of a workflow in .workflows/, the name of a built-in, or - for standard input.
    #[arg(value_name = "FILE")]
    wanted: String,
    /// As what.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// As what a plan is shown.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For the terminal.
    Table,
    /// A flow chart for Markdown on GitHub.
    Mermaid,
    /// For Graphviz.
    Dot,
    /// A picture.
    Svg,
    /// For programs.
    Json,
}

impl Plan {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let source = source::find(&self.wanted, Path::new("."))?;
        match self.shown(&source, paper()) {
            Ok((said, shown)) => {
                // Nobody is left to be told when standard error is closed.
                let _ = io::stderr().write_all(said.as_bytes());
                Ok(io::stdout().write_all(shown.as_bytes())?)
            }
            Err(Shown::Wrong(problems)) => {
                let _ = io::stderr().write_all(problems.as_bytes());
                Err(Failure::Told)
            }
            Err(Shown::Failed(error)) => Err(error.into()),
        }
    }

    /// Warnings, and the plan.
    fn shown(&self, source: &Source, paper: Paper) -> Result<(String, String), Shown> {
        let paint = if paper.colours { Paint::Colours } else { Paint::Plain };
        let told = |problems| source.told(problems, paint);
        let mut workflow = source.parsed().map_err(|problems| Shown::Wrong(told(problems)))?;
        let warnings = std::mem::take(&mut workflow.warnings);
        let (plan, forecast) = (&workflow.plan, workflow.plan.forecast(&BTreeMap::new()));
        let shown = match self.format {
            Format::Table => table(plan, &forecast, paper),
            Format::Mermaid => mermaid(plan, &forecast),
            Format::Dot => dot(plan, &forecast),
            Format::Json => json(plan, &forecast).map_err(|error| Shown::Failed(error.into()))?,
            Format::Svg if plan.steps.len() > STEPS_MAX => {
                let steps = plan.steps.len();
                let message =
                    format!("a picture shows at most {STEPS_MAX} steps, this plan has {steps}: try --format dot");
                return Err(Shown::Failed(anyhow::Error::msg(message)));
            }
            Format::Svg => svg(plan, &forecast),
        };
        Ok((if warnings.is_empty() { String::new() } else { told(warnings) }, shown))
    }
}

/// Why there is nothing to show.
enum Shown {
    /// The file is wrong, as these lines say.
    Wrong(String),
    Failed(anyhow::Error),
}

/// What standard output is.
fn paper() -> Paper {
    if !io::stdout().is_terminal() {
        return Paper { width: WIDTH, colours: false };
    }
    let columns = tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    Paper { width: columns.unwrap_or(WIDTH), colours: source::paint(true) == Paint::Colours }
}

#[cfg(test)]
mod tests;
