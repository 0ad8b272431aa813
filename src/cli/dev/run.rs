//! `pointsman run`: a workflow for real, here and now, in the folder as it stands. The service is the one that serves,
//! on the stage of `dev`: a GitHub of its own asks for the run, and a shell does the steps.

use std::collections::{BTreeMap, BTreeSet};
use std::env::current_dir;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;

use super::scene::{Here, Wish};
use super::stage::{Stage, Wanted, endpoint};
use super::view::Verdict;
use super::watch::{self, End};
use crate::cli::Failure;
use crate::cli::source;
use crate::config;
use crate::ids::{AgentName, WorkflowId};
use crate::runner::{Driver, Place};
use crate::workflow::defaults::Operator;
use crate::workflow::file::{self, Shape};
use crate::workflow::{Workflow, parse};

/// Run a workflow for real, here and now, in this folder as it stands.
///
/// Its `run:` steps are commands of a shell in this very folder, with your environment: what they change stays changed,
/// and steps side by side share the files. What its `on:` says does not matter. Ctrl-C cancels the run.
///
/// Exit codes: 0 when the workflow ends well (or neutral), 1 when not, 2 when it cannot be started like this.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// A workflow file, an id in `.workflows/`, the name of a built-in such as pr_processing, or `-`.
    #[arg(value_name = "FILE")]
    file: String,
    /// Who does the steps of an agent: `claude-code=exec:COMMAND` runs this command for each of them.
    ///
    /// The command finds what to do in the file POINTSMAN_REQUEST (JSON), and gives key=value lines to the file
    /// POINTSMAN_OUTPUT. An agent that speaks A2A is named by its `…_ENDPOINT` instead. May be repeated.
    #[arg(long, value_name = "NAME=exec:COMMAND")]
    agent: Vec<String>,
}

impl Run {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let env = config::environment();
        let commands = self.agent.iter().map(|given| command(given)).collect::<Result<BTreeMap<_, _>, _>>()?;
        let chosen = source::find(&self.file, Path::new("."))?;
        let workflow = chosen.workflow()?;
        missing(&workflow, &commands, &env)?;
        let folder = current_dir().and_then(|folder| folder.canonicalize()).context("this folder")?;
        let text = for_pull_requests(&chosen.id, &chosen.text, &workflow)?;
        let here = Here { id: chosen.id, text, folder: folder.clone() };
        let wish = Wish { repo: None, workflow: None, broken: false, here: Some(here) };
        let place = Place::Here(folder);
        let wanted = Wanted { wish: &wish, keep: None, port: 0, env: env.clone(), place, commands: &commands };
        let mut stage = Stage::start(wanted, &env).await?;
        let end = watch::watch(&mut stage, true, &env).await;
        stage.stop().await?;
        match end? {
            End::Ran(Verdict::Green | Verdict::Neutral) => Ok(()),
            // Standard output has said it.
            End::Ran(Verdict::Red) => Err(Failure::Told),
            End::Interrupted | End::Quit => Err(anyhow!("cancelled before the run had ended").into()),
        }
    }
}

/// `claude-code=exec:COMMAND`
fn command(given: &str) -> Result<(AgentName, String), Failure> {
    let wrong = |why: &str| Failure::Usage(format!("--agent {given}: {why}; write claude-code=exec:COMMAND"));
    let (name, driver) = given.split_once('=').ok_or_else(|| wrong("it has no ="))?;
    let name = name.parse().map_err(|error: crate::ids::BadId| wrong(&error.to_string()))?;
    match driver.parse() {
        Ok(Driver::Command(command)) => Ok((name, command)),
        Ok(Driver::Exec) => Err(wrong("a command is missing")),
        Err(error) => Err(wrong(&error.to_string())),
    }
}

/// Says so where an agent is not to be had that some step is given to first.
fn missing(
    workflow: &Workflow,
    commands: &BTreeMap<AgentName, String>,
    env: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let there = |agent: &AgentName| commands.contains_key(agent) || env.contains_key(&endpoint(agent.as_str()));
    let steps = workflow.plan.steps.iter().filter(|step| step.action.run.is_none() && !there(&step.agent));
    let mut wanted: BTreeMap<&AgentName, Vec<&str>> = BTreeMap::new();
    steps.for_each(|step| wanted.entry(&step.agent).or_default().push(step.key.as_str()));
    if wanted.is_empty() {
        return Ok(());
    }
    let lines: String = wanted
        .iter()
        .map(|(agent, steps)| {
            let set = endpoint(agent.as_str());
            format!("  {agent} ({}): --agent '{agent}=exec:COMMAND', or {set}=http://…\n", steps.join(", "))
        })
        .collect();
    let id = &workflow.plan.workflow;
    Err(Failure::Usage(format!(
        "{id} wants agents that are not here. Say who does their steps:\n{lines}`pointsman rehearse {id}` runs nothing \
         and needs none of them."
    )))
}

/// The same workflow, but started by every pull request: what its `on:` says does not matter here.
fn for_pull_requests(id: &WorkflowId, text: &str, workflow: &Workflow) -> anyhow::Result<String> {
    const ON: &str = "on: pull_request";
    let first_line = |problems: Vec<crate::workflow::problem::Problem>| {
        anyhow!("{}", problems.first().map(ToString::to_string).unwrap_or_default())
    };
    let root = file::read(text).map_err(first_line)?;
    let Shape::Map(entries) = &root.shape else { bail!("{id} is no mapping") };
    let lines: Vec<&str> = text.lines().collect();
    let line = |at: usize| entries.get(at).map_or(lines.len(), |entry| entry.place.line as usize - 1);
    let on = entries.iter().position(|entry| entry.key == "on");
    let (from, to) = on.map_or((line(0), line(0)), |at| (line(at), line(at + 1)));
    let before = lines.get(..from).unwrap_or_default();
    let behind = lines.get(to..).unwrap_or_default();
    let text: String = before.iter().chain([&ON]).chain(behind).map(|line| format!("{line}\n")).collect();
    // Comments aside, nothing else may have changed.
    let told = format!("{id} cannot be run as for a pull request; write its `on:` on lines of its own");
    let read = parse(id, &text, &Operator::default()).map_err(first_line).with_context(|| told.clone())?;
    let types: BTreeSet<&str> = read.triggers.pull_request.iter().flat_map(|on| on.types.iter().copied()).collect();
    if read.plan != workflow.plan || !types.contains("opened") {
        bail!(told);
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
