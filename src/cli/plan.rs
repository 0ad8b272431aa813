//! `pointsman plan`: what a workflow file means, before anything runs.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use clap::{Args, ValueEnum};
use rustix::termios::tcgetwinsize;

use super::Failure;
use super::source::{self, Source};
use crate::config;
use crate::report::layout::STEPS_MAX;
use crate::report::plan::{Paper, dot, json, mermaid, svg, table};
use crate::workflow::defaults::Operator;
use crate::workflow::parse;

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
        match self.shown(&source, paper(&config::environment())) {
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
        let lines = |problems: &[crate::workflow::problem::Problem]| {
            problems.iter().map(|problem| format!("{}:{problem}\n", source.name)).collect::<String>()
        };
        let workflow = parse(&source.id, &source.text, &Operator::default());
        let workflow = workflow.map_err(|problems| Shown::Wrong(lines(&problems)))?;
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
        Ok((lines(&workflow.warnings), shown))
    }
}

/// Why there is nothing to show.
enum Shown {
    /// The file is wrong, as these lines say.
    Wrong(String),
    Failed(anyhow::Error),
}

/// What standard output is.
fn paper(env: &BTreeMap<String, String>) -> Paper {
    let said = |name: &str| env.get(name).is_some_and(|value| !value.is_empty());
    let dumb = env.get("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
    if !io::stdout().is_terminal() {
        return Paper { width: WIDTH, colours: false };
    }
    let columns = tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    Paper { width: columns.unwrap_or(WIDTH), colours: !dumb && !said("NO_COLOR") }
}

#[cfg(test)]
mod tests;
