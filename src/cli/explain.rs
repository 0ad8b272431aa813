//! `pointsman explain`: which workflows would run for a webhook's payload, which not, and why.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::Failure;
use super::source::{self, whole};
use crate::explain::{self, Changed, KNOWN_EVENTS, Known};
use crate::ids::CommitSha;
use crate::inbound::envelope::BODY_BYTES_MAX;
use crate::route::{Definition, Definitions};
use crate::workflow;
use crate::workflow::defaults::Operator;
use crate::workflow::parse::FILES_MAX;
use crate::workflow::policy::{self, Policy};
use crate::workflow::suggest::closest;

/// Lists of changed files beyond this are cut off by GitHub, too: then every filter of paths passes.
const CHANGED_FILES_MAX: usize = 3_000;
/// The largest file with such a list.
const CHANGED_BYTES_MAX: usize = 4 << 20;
/// The policy's file.
const POLICY: &str = "config.yml";

/// Say which workflows would run for a webhook's payload, which not, and why. Nothing is sent or run.
///
/// The payload is what GitHub posts, as `gh api` or the App's "Recent deliveries" show it. What it does not say is told.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// Workflow files, or folders with them.
    #[arg(value_name = "PATHS", default_value = ".workflows")]
    paths: Vec<PathBuf>,
    /// A file with the payload, or `-`.
    #[arg(long, value_name = "FILE")]
    event: PathBuf,
    /// What GitHub calls the event in X-GitHub-Event: pull_request, push, issue_comment … Guessed where it can be.
    #[arg(long, value_name = "NAME")]
    event_name: Option<String>,
    /// A file with the paths that changed, one a line, as `git diff --name-only` prints them; or `-`.
    #[arg(long, value_name = "FILE")]
    changed_files: Option<PathBuf>,
    /// For people, or for programs.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Explain {
    pub(super) fn run(self) -> Result<(), Failure> {
        let input = Path::new("-");
        if self.event == input && self.changed_files.as_deref() == Some(input) {
            return Err(Failure::Usage("--event and --changed-files cannot both be standard input".to_owned()));
        }
        let body = read(&self.event, "--event", BODY_BYTES_MAX)?;
        let name = self.name(&body)?;
        let changed = self.changed_files.as_deref().map_or(Ok(Changed::Unknown), changed_files)?;
        let known = Known { definitions: definitions(&self.paths)?, changed };
        let told = explain::explain(&name, body.as_bytes(), &known).map_err(anyhow::Error::from)?;
        let said = match self.format {
            Format::Text => explain::text(&told),
            Format::Json => format!("{}\n", serde_json::to_string_pretty(&told)?),
        };
        Ok(io::stdout().write_all(said.as_bytes())?)
    }

    fn name(&self, body: &str) -> Result<String, Failure> {
        let known = KNOWN_EVENTS.join(", ");
        match &self.event_name {
            Some(name) if KNOWN_EVENTS.contains(&name.as_str()) => Ok(name.clone()),
            Some(name) => {
                let meant =
                    closest(name, KNOWN_EVENTS).map(|near| format!("did you mean {near}? ")).unwrap_or_default();
                Err(Failure::Usage(format!(
                    "--event-name {name}: nothing depends on that event; {meant}Something depends on {known}"
                )))
            }
            None => {
                let payload: Value = serde_json::from_str(body).with_context(|| "--event: the payload is no JSON")?;
                let guessed = payload.as_object().and_then(explain::guess);
                let guessed = guessed.ok_or_else(|| {
                    Failure::Usage(format!("--event-name: the payload does not tell its event; give one of {known}"))
                })?;
                Ok(guessed.to_owned())
            }
        }
    }
}

fn read(path: &Path, what: &str, bytes_max: usize) -> anyhow::Result<String> {
    if path == Path::new("-") {
        return whole(io::stdin(), "standard input", bytes_max);
    }
    let name = format!("{what} {}", path.display());
    whole(File::open(path).with_context(|| name.clone())?, &name, bytes_max)
}

/// The paths of a list.
fn changed_files(path: &Path) -> anyhow::Result<Changed> {
    let listed = read(path, "--changed-files", CHANGED_BYTES_MAX)?;
    let paths: Vec<String> = listed.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    Ok(if paths.len() > CHANGED_FILES_MAX { Changed::TooMany } else { Changed::Files(paths) })
}

/// The workflows of these files and folders, taken as those that count.
fn definitions(paths: &[PathBuf]) -> anyhow::Result<Definitions> {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in paths {
        if path.is_dir() { files.extend(source::ymls(path)?) } else { files.push(path.clone()) }
    }
    files.sort();
    files.dedup();
    let mut workflows = BTreeMap::new();
    let mut policy = Policy::default();
    for path in &files {
        let from = path.display().to_string();
        let content = source::read(path)?;
        if path.file_name().is_some_and(|name| name == POLICY) {
            policy = policy::parse(&content).unwrap_or_default();
            continue;
        }
        let id: crate::ids::WorkflowId = path.file_stem().unwrap_or_default().to_string_lossy().parse()?;
        let library = source::library(&path.parent().unwrap_or(Path::new(".")).join("lib"))?;
        let read = workflow::parse_with(&id, &content, &Operator::default(), &library);
        let workflow = read.map_err(|problems| problems.iter().map(|problem| format!("{from}:{problem}")).collect());
        workflows.insert(id, Definition { path: from, blob: String::new(), workflow });
    }
    match workflows.len() {
        0 => bail!(
            "there is no workflow in {}",
            paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
        ),
        many if many > FILES_MAX => bail!("there are {many} workflows; a repository has at most {FILES_MAX}"),
        _ => {}
    }
    let sha = CommitSha::full(&"0".repeat(40)).map_err(|why| anyhow!("{why}"))?;
    Ok(Definitions { sha, branch: String::new(), workflows, policy })
}
