//! What is played: a repository with its workflows, and the change that bob makes to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::ids::{AgentName, RepoName, WorkflowId};
use crate::playground::{GitHub, Person};
use crate::workflow::defaults::Operator;
use crate::workflow::parse::{FileKind, kind_of};
use crate::workflow::trigger::{Subject, Verdict, matches};
use crate::workflow::uses::LIBRARY;
use crate::workflow::{Library, Workflow, builtin, parse_with};

const FOLDER: &str = ".workflows";
const CI: (&str, &str) = ("ci", include_str!("../../../.workflows-example/ci.yml"));
const GREET: (&str, &str) = ("src/greet.sh", include_str!("../../../.workflows-example/sample/src/greet.sh"));
const README: (&str, &str) = ("README.md", include_str!("../../../.workflows-example/sample/README.md"));
const TESTS: (&str, &str) = ("tests/run.sh", include_str!("../../../.workflows-example/sample/tests/run.sh"));
/// The version that greet.sh has, which every change of bob's raises.
const VERSION: &str = "VERSION=1.2.0";
/// The file that makes the sample's tests fail.
const BREAK: (&str, &str) = ("BREAK", "As long as this file is here, the tests fail.\n");
/// What bob changes in a repository of which we know nothing.
const NOTE: &str = "pointsman-dev.md";
/// The branches that the built-in workflows are made for: into the first, from the second.
const BASES: [&str; 2] = ["main", "develop"];
const BRANCHES: [&str; 2] = ["bob/change", "hotfix/change"];

/// What somebody wants to see.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) repo: Option<PathBuf>,
    pub(super) workflow: Option<String>,
    pub(super) broken: bool,
    /// Run this in a folder of this machine.
    pub(super) here: Option<Here>,
}

/// A workflow that runs in a folder as it stands.
#[derive(Debug)]
pub(super) struct Here {
    pub(super) id: WorkflowId,
    /// Started by every pull request: see [`super::run`].
    pub(super) text: String,
    pub(super) folder: PathBuf,
}

/// What is played.
pub(super) struct Scene {
    pub(super) repo: RepoName,
    /// The workflows that answer to the change; never none.
    pub(super) workflows: Vec<WorkflowId>,
    /// Every agent that they name, but for the shell.
    pub(super) agents: BTreeSet<AgentName>,
    /// The folder that steps run in, where they get no checkouts.
    pub(super) here: Option<PathBuf>,
    branch: &'static str,
    sample: bool,
    broken: bool,
    changes: u32,
}

/// A workflow file as far as `dev` looks at it; one that cannot be read fails its own check.
struct File {
    id: WorkflowId,
    workflow: Option<Workflow>,
}

impl Wish {
    /// Makes the repository.
    ///
    /// # Errors
    /// When there is nothing to play, with what to do about it.
    pub(super) async fn stage(&self, github: &GitHub) -> anyhow::Result<Scene> {
        let sample = self.repo.is_none() && self.here.is_none();
        let repo = match (&self.here, &self.repo) {
            (Some(here), _) => here.repository(github).await?,
            (None, None) => self.sample(github).await?,
            (None, Some(path)) => self.copy(github, path).await?,
        };
        let files = read_files(github, &repo).await?;
        let change = [if sample { GREET.0 } else { NOTE }.to_owned()];
        let bases =
            if sample { BASES.map(str::to_owned).to_vec() } else { vec![github.default_branch(repo.as_str())?] };
        let ways = bases.iter().flat_map(|base| BRANCHES.map(|branch| (base, branch)));
        for (base, branch) in ways {
            let workflows: Vec<WorkflowId> =
                files.iter().filter(|file| file.answers(base, branch, &change)).map(|file| file.id.clone()).collect();
            if workflows.is_empty() {
                continue;
            }
            github.set_default_branch(repo.as_str(), base).await?;
            let agents = files.iter().filter_map(|file| file.workflow.as_ref()).flat_map(agents).collect();
            let here = self.here.as_ref().map(|here| here.folder.clone());
            return Ok(Scene { repo, workflows, agents, here, branch, sample, broken: self.broken, changes: 0 });
        }
        bail!(
            "no workflow in {FOLDER}/ starts for a pull request into {}: give one `on: pull_request`",
            bases.join(" or ")
        )
    }

    async fn sample(&self, github: &GitHub) -> anyhow::Result<RepoName> {
        let name = self.workflow.as_deref().unwrap_or(CI.0);
        let Some(text) = (if name == CI.0 { Some(CI.1) } else { builtin::text(name) }) else {
            let known: Vec<&str> = std::iter::once(CI.0).chain(builtin::BUILTINS.map(|(id, _)| id)).collect();
            bail!("there is no workflow {name:?} to show; choose {}", known.join(", "));
        };
        let path = format!("{FOLDER}/{name}.yml");
        Ok(github.add_repository("octo/greet", &[README, GREET, TESTS, (&path, text)]).await?)
    }

    /// A copy of a repository of this machine, and the wanted built-in in it where it has no such file itself.
    async fn copy(&self, github: &GitHub, path: &Path) -> anyhow::Result<RepoName> {
        let wrong = || format!("--repo {}: give the folder of a git repository with a commit", path.display());
        let path = path.canonicalize().with_context(wrong)?;
        let name = name_of(&path);
        let repo = github.add_repository_from_git(&name, path).await.with_context(wrong)?;
        let files = github.files_in(repo.as_str(), FOLDER).await?;
        if let Some(name) = &self.workflow {
            let file = format!("{FOLDER}/{name}.yml");
            let branch = github.default_branch(repo.as_str())?;
            match builtin::text(name) {
                _ if files.contains_key(&file) => {}
                Some(text) => {
                    let ann = github.person("ann");
                    ann.push(repo.as_str(), &branch, &[(&file, text)], "Add a workflow").await?;
                }
                None => bail!("the repository has no {file} in its HEAD commit, and there is no built-in of that name"),
            }
        } else if files.is_empty() {
            bail!(
                "the repository has no {FOLDER}/*.yml in its HEAD commit: commit one, or add --workflow pr_processing"
            );
        }
        Ok(repo)
    }
}

impl Here {
    /// A repository with nothing but the workflow: the steps work on the folder itself.
    async fn repository(&self, github: &GitHub) -> anyhow::Result<RepoName> {
        let path = format!("{FOLDER}/{}.yml", self.id);
        Ok(github.add_repository(&name_of(&self.folder), &[(&path, &self.text)]).await?)
    }
}

/// What the repository of a folder is called.
fn name_of(path: &Path) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
    let folder = path.file_name().unwrap_or_default().to_string_lossy();
    let name: String = folder.trim_start_matches('.').chars().map(plain).take(80).collect();
    format!("octo/{}", if name.is_empty() { "repository" } else { &name })
}

async fn read_files(github: &GitHub, repo: &RepoName) -> anyhow::Result<Vec<File>> {
    let texts: BTreeMap<String, String> = github.files_in(repo.as_str(), FOLDER).await?;
    let library: Library = github.files_in(repo.as_str(), LIBRARY.trim_end_matches('/')).await?;
    let file = |(path, text): (&String, &String)| match kind_of(path) {
        FileKind::Workflow(id) => {
            Some(File { workflow: parse_with(&id, text, &Operator::default(), &library).ok(), id })
        }
        FileKind::Policy | FileKind::Other => None,
    };
    Ok(texts.iter().filter_map(file).collect())
}

impl File {
    /// Whether its workflow check appears for a change on `branch` that shall go into `base`.
    fn answers(&self, base: &str, branch: &str, paths: &[String]) -> bool {
        let Some(workflow) = &self.workflow else { return true };
        let reference = format!("refs/heads/{branch}");
        let paths = Some(paths);
        matches(&workflow.triggers, &Subject::PullRequest { action: "opened", base, paths, labels: None })
            == Verdict::Run
            || matches(&workflow.triggers, &Subject::Push { reference: &reference, paths }) == Verdict::Run
    }
}

fn agents(workflow: &Workflow) -> Vec<AgentName> {
    let steps = workflow.plan.steps.iter();
    steps
        .filter(|step| step.action.run.is_none())
        .flat_map(|step| std::iter::once(&step.agent).chain(&step.fallback_agents))
        .cloned()
        .collect()
}

impl Scene {
    fn files(&self) -> (&'static str, String) {
        match self.sample {
            true => (GREET.0, GREET.1.replace(VERSION, &format!("VERSION=1.3.{}", self.changes))),
            false => (NOTE, format!("`pointsman dev` made this file; change {}.\n", self.changes)),
        }
    }

    /// bob makes his change and opens a pull request with it. Returns its number.
    pub(super) async fn open(&self, bob: &Person) -> anyhow::Result<u64> {
        let (path, text) = self.files();
        let mut files = vec![(path, text.as_str())];
        files.extend(self.broken.then_some(BREAK));
        let title = if self.sample { "Raise the version of greet" } else { "Try pointsman" };
        Ok(bob.open_pull_request(self.repo.as_str(), self.branch, title, &files).await?)
    }

    /// One more commit on the branch: it mends what is broken, else it changes a little more.
    pub(super) async fn push(&mut self, person: &Person) -> anyhow::Result<()> {
        if self.broken {
            person.delete_file(self.repo.as_str(), self.branch, BREAK.0).await?;
            self.broken = false;
            return Ok(());
        }
        self.changes += 1;
        let (path, text) = self.files();
        let message = format!("Change {path} once more");
        person.push(self.repo.as_str(), self.branch, &[(path, &text)], &message).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
