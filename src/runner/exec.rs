//! One attempt of a `run:` step: checkout, command, verdict.
//!
//! An exit code other than 0 is a verdict, `failure`. What kept the command from giving one is an error with a class:
//! out of time, killed, not startable, a checkout that failed. A program that ends itself by a signal (a segmentation
//! fault) has given a verdict; one that somebody else killed has not.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use super::checkout::checkout;
use super::driver::Driver;
use super::jail::{Jail, PATH, find};
use super::options::Place;
use super::output::{Annotations, read_outputs};
use super::tasks::Live;
use super::tree::{MARK, Tree};
use super::workspace::Workspace;
use crate::agents::{About, Annotation, Class, Command, Conclusion, Failure, Step, StepResult, Trust};
use crate::ids::AttemptId;
use crate::time::{Clock, human};

/// How long a command may take when the request does not say, and at most.
const RUN_TIMEOUT: Duration = Duration::from_secs(60 * 60);
const RUN_TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Between the asking and the killing.
const GRACE: Duration = Duration::from_secs(10);
/// How long the output may stay open after every process is gone.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes read at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// Bytes of one variable of the environment, and of all; the kernel's limits are 128 KB and 2 MB.
const VARIABLE_BYTES_MAX: usize = 100 * 1024;
const ENVIRONMENT_BYTES_MAX: usize = 1 << 20;

/// What all attempts of a runner share.
#[derive(Debug)]
pub(super) struct Exec {
    pub(super) jail: Jail,
    pub(super) workspaces: PathBuf,
    pub(super) env: BTreeMap<String, String>,
    pub(super) name: String,
    pub(super) clock: Clock,
    pub(super) driver: Driver,
    pub(super) place: Place,
}

/// One attempt with what it needs.
struct Work<'a> {
    attempt: &'a AttemptId,
    step: &'a Step,
    workspace: &'a Workspace,
    live: &'a Live,
}

/// How an attempt ended.
pub(super) enum End {
    /// With a verdict.
    Completed(StepResult),
    /// Without one.
    Failed(StepResult),
    /// Because somebody asked for it.
    Canceled(StepResult),
}

/// Why the command did not end by itself.
enum Stop {
    Exited(io::Result<ExitStatus>),
    Timeout(Duration),
    Canceled,
}

/// What is left of a command.
struct Ended {
    stop: Stop,
    annotations: Vec<Annotation>,
    took: Duration,
    /// Processes that it left behind, and how many of them live on.
    left_behind: usize,
    alive: usize,
}

impl Exec {
    /// Runs one attempt in a workspace of its own.
    pub(super) async fn run(&self, task: &str, attempt: &AttemptId, step: &Step, live: &Live) -> End {
        let root = self.workspaces.join(task);
        let workspace = match blocking(move || Workspace::create(root)).await {
            Ok(workspace) => workspace,
            Err(error) => return self.failed(Failure::new(Class::Config, format!("the workspace: {error}")), live),
        };
        let end = self.run_in(&Work { attempt, step, workspace: &workspace, live }).await;
        if let Err(error) = blocking(move || workspace.remove()).await {
            tracing::warn!(task, %error, "a workspace could not be removed; it is tried again at the next start");
        }
        end
    }

    async fn run_in(&self, work: &Work<'_>) -> End {
        let live = work.live;
        let command = match self.prepare(work).await {
            Ok(Some(command)) => command,
            Ok(None) => return self.canceled("stopped on request before the command began".to_owned(), live),
            Err(failure) => return self.failed(failure, live),
        };
        match self.start(work, &command) {
            Ok((tree, reader)) => {
                let ended = self.watch(work, tree, reader).await;
                self.judge(ended, &work.workspace.output(), live).await
            }
            Err(error) => {
                let message = format!("the command could not be started: {error}");
                self.failed(Failure::new(Class::Config, message), live)
            }
        }
    }

    /// Checks the request and checks the commit out; `None` when somebody wants no more.
    async fn prepare(&self, work: &Work<'_>) -> Result<Option<Command>, Failure> {
        let command = runnable(work.step, &self.driver, &self.jail)?;
        let disk = |error: io::Error| Failure::new(Class::Config, error.to_string());
        if work.step.command.is_none() {
            let request = serde_json::to_vec_pretty(work.step).map_err(|error| disk(error.into()))?;
            tokio::fs::write(work.workspace.request(), request).await.map_err(disk)?;
        }
        if let Place::Here(_) = self.place {
            return Ok(Some(command));
        }
        let Some(from) = &work.step.checkout else {
            let made = tokio::fs::create_dir_all(work.workspace.source()).await;
            return made.map(|()| Some(command)).map_err(disk);
        };
        let head = &work.step.repo.head_sha;
        work.live.push(format!("checking out {}\n", head.short()).as_bytes(), self.clock.now());
        tokio::select! {
            done = checkout(from, head, work.workspace) => done.map(|()| Some(command)),
            () = work.live.cancel.cancelled() => Ok(None),
        }
    }

    /// Where the command runs.
    fn source(&self, workspace: &Workspace) -> PathBuf {
        match &self.place {
            Place::Fresh => workspace.source(),
            Place::Here(folder) => folder.clone(),
        }
    }

    /// Starts the command. The kernel kills a jail when the *thread* that started it ends, so this runs on a thread of
    /// the runtime itself, which lives as long as the runner.
    fn start(&self, work: &Work<'_>, command: &Command) -> io::Result<(Tree, pipe::Receiver)> {
        let workspace = work.workspace;
        let mut own = environment(work.attempt, work.step, workspace);
        if let Place::Here(_) = self.place {
            // The caller's tools look for their settings where they are.
            own.retain(|name, _| !self.env.contains_key(name) || name.starts_with("POINTSMAN_"));
        }
        let given: Vec<String> = step_variables(work.step, command, &own);
        let env = find("env").ok_or_else(|| io::Error::other("env is not installed"))?.display().to_string();
        // The step's variables are set inside: they must not reach the programs that make the jail.
        let mut words: Vec<&str> = vec![&env];
        words.extend(given.iter().map(String::as_str));
        let bash = find("bash").map(|path| path.display().to_string());
        match &bash {
            Some(bash) => words.extend([bash.as_str(), "--noprofile", "--norc", "-eo", "pipefail", "-c", &command.run]),
            None => words.extend(["/bin/sh", "-e", "-c", &command.run]),
        }
        let (reader, writer) = io::pipe()?;
        let mut process = self.jail.command(&words);
        process.current_dir(self.source(workspace)).stdout(writer.try_clone()?).stderr(writer);
        process.env("PATH", PATH).envs(&self.env).envs(&own);
        let child = process.spawn()?;
        // With the command go its ends of the pipe: the output ends when the last process does.
        drop(process);
        let reader = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
        Ok((Tree::new(child, workspace.root(), self.jail.is_namespace()), reader))
    }

    async fn watch(&self, work: &Work<'_>, mut tree: Tree, reader: pipe::Receiver) -> Ended {
        let (live, source) = (work.live, self.source(work.workspace));
        let began = self.clock.now();
        let timeout = work.step.limits.timeout_ms.map_or(RUN_TIMEOUT, Duration::from_millis).min(RUN_TIMEOUT_MAX);
        let deadline = tokio::time::sleep(timeout);
        tokio::pin!(deadline);
        let mut output =
            Output { reader, annotations: Annotations::default(), root: &source, live, clock: &self.clock };
        let stop = tokio::select! {
            status = async {
                tokio::select! {
                    status = tree.wait() => status,
                    () = output.drain() => tree.wait().await,
                }
            } => Stop::Exited(status),
            () = &mut deadline => Stop::Timeout(timeout),
            () = live.cancel.cancelled() => Stop::Canceled,
        };
        let (left_behind, alive) = match stop {
            Stop::Exited(_) => tree.kill().await,
            Stop::Timeout(_) | Stop::Canceled => {
                // Somebody must read, or a process that has last words blocks on a full pipe.
                let alive = tokio::select! {
                    alive = tree.stop(GRACE) => alive,
                    () = async { output.drain().await; std::future::pending().await } => 0,
                };
                (0, alive)
            }
        };
        // A process that cannot be killed keeps the pipe open; its words are not waited for.
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, output.drain()).await;
        let took = self.clock.now().since(began);
        Ended { stop, annotations: output.annotations.finish(&source), took, left_behind, alive }
    }

    async fn judge(&self, ended: Ended, output: &Path, live: &Live) -> End {
        let path = output.to_owned();
        let outputs = blocking(move || Ok(read_outputs(&path))).await.unwrap_or_else(|error| Err(error.to_string()));
        let (outputs, bad_outputs) = match outputs {
            Ok(outputs) => (outputs, None),
            Err(why) => (BTreeMap::new(), Some(why)),
        };
        let took = human(ended.took);
        let rest = self.rest(ended.left_behind, ended.alive);
        let result = StepResult { outputs, annotations: ended.annotations, ..StepResult::default() };
        let failed = |class, message: String| {
            End::Failed(self.dressed(StepResult { error: Some(Failure::new(class, message)), ..result.clone() }, live))
        };
        let status = match ended.stop {
            Stop::Canceled => {
                return self.canceled(format!("stopped on request after {took}; {rest}"), live);
            }
            Stop::Timeout(limit) => {
                return failed(Class::Timeout, format!("the command ran longer than {}; {rest}", human(limit)));
            }
            Stop::Exited(Err(error)) => return failed(Class::Crash, format!("the command was lost: {error}; {rest}")),
            Stop::Exited(Ok(status)) => status,
        };
        let (conclusion, summary) = match how(status) {
            How::Killed(signal) => {
                return failed(Class::Crash, format!("the command was killed by signal {signal} after {took}; {rest}"));
            }
            How::Code(0) => (Conclusion::Success, format!("The command ended well after {took}; {rest}.")),
            How::Code(code) => {
                (Conclusion::Failure, format!("The command ended with exit code {code} after {took}; {rest}."))
            }
        };
        match bad_outputs {
            Some(why) if conclusion == Conclusion::Success => failed(Class::BadOutput, why),
            Some(why) => {
                let summary = format!("{summary} Its outputs are not used: {why}.");
                End::Completed(self.dressed(StepResult { conclusion, summary, ..result }, live))
            }
            None => End::Completed(self.dressed(StepResult { conclusion, summary, ..result }, live)),
        }
    }

    /// What became of the processes, in words.
    fn rest(&self, left_behind: usize, alive: usize) -> String {
        let how = self.jail.name();
        match (left_behind, alive) {
            (_, 1..) => format!("{alive} of its processes could not be killed ({how})"),
            (0, 0) => format!("no process is left ({how})"),
            (left, 0) => format!("{left} processes that it left behind were killed, none is left ({how})"),
        }
    }

    fn failed(&self, failure: Failure, live: &Live) -> End {
        End::Failed(self.dressed(StepResult { error: Some(failure), ..StepResult::default() }, live))
    }

    fn canceled(&self, message: String, live: &Live) -> End {
        let error = Some(Failure::new(Class::Crash, message));
        End::Canceled(self.dressed(StepResult { error, ..StepResult::default() }, live))
    }

    fn dressed(&self, result: StepResult, live: &Live) -> StepResult {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let agent = About { name: self.name.clone(), version, model: String::new() };
        StepResult { log_tail: live.tail().0, agent, ..result }
    }
}

/// The command of a step that this runner may and can run.
pub(super) fn runnable(step: &Step, driver: &Driver, jail: &Jail) -> Result<Command, Failure> {
    let refused = |class, message: &str| Err(Failure::new(class, message));
    let own = |run: &str| Command { run: run.to_owned(), env: BTreeMap::new(), secrets: Vec::new() };
    let Some(command) = step.command.clone().or_else(|| driver.command().map(own)) else {
        return refused(Class::Config, "the step has no run: command, and this agent runs nothing else; name another");
    };
    if !command.secrets.is_empty() {
        return refused(Class::Config, "the step asks for secrets, which this release cannot bind; remove secrets:");
    }
    if step.repo.trust == Trust::Fork && !jail.is_namespace() {
        return refused(Class::Policy, "a stranger's commit is not run without a sandbox; install bwrap or unshare");
    }
    let sizes = command.env.iter().map(|(name, value)| name.len() + value.len());
    let with = step.with.iter().map(|(name, value)| name.len() + value.as_str().map_or(24, str::len));
    let sizes: Vec<usize> = sizes.chain(with).chain([command.run.len()]).collect();
    if sizes.iter().any(|size| *size > VARIABLE_BYTES_MAX) || sizes.iter().sum::<usize>() > ENVIRONMENT_BYTES_MAX {
        return refused(Class::Validation, "the command or its environment is too long; put it into a file");
    }
    let wrong = |text: &str| text.contains('\0');
    if wrong(&command.run) || command.env.iter().any(|(name, value)| wrong(value) || !is_variable(name)) {
        return refused(Class::Validation, "env: a name must be letters, digits and _, a value holds no NUL");
    }
    Ok(command)
}

/// What every command is told.
fn environment(attempt: &AttemptId, step: &Step, workspace: &Workspace) -> BTreeMap<String, String> {
    let path = |path: PathBuf| path.display().to_string();
    let mut env: BTreeMap<&str, String> = BTreeMap::from([
        ("HOME", path(workspace.home())),
        ("TMPDIR", path(workspace.tmp())),
        ("LANG", "C.UTF-8".to_owned()),
        ("CI", "true".to_owned()),
        (MARK, path(workspace.root().to_owned())),
        ("POINTSMAN_OUTPUT", path(workspace.output())),
        ("POINTSMAN_RUN", attempt.run.to_string()),
        ("POINTSMAN_STEP", attempt.step.to_string()),
        ("POINTSMAN_ATTEMPT", attempt.number.to_string()),
        ("POINTSMAN_WORKFLOW", step.workflow.to_string()),
        ("POINTSMAN_REPOSITORY", step.repo.full_name.to_string()),
        ("POINTSMAN_SHA", step.repo.head_sha.to_string()),
    ]);
    if step.command.is_none() {
        env.insert("POINTSMAN_REQUEST", path(workspace.request()));
    }
    if let Some(base) = &step.repo.base_sha {
        env.insert("POINTSMAN_BASE_SHA", base.to_string());
    }
    env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// `env:` as it stands and the plain values of `with:` as `INPUT_NAME`, as `NAME=value`; none of them replaces ours.
fn step_variables(step: &Step, command: &Command, own: &BTreeMap<String, String>) -> Vec<String> {
    let plain = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let with = step.with.iter().filter_map(|(name, value)| {
        let name = format!("INPUT_{}", name.to_ascii_uppercase().replace(['-', ' ', '.'], "_"));
        plain(value).filter(|value| !value.contains('\0')).map(|value| (name, value))
    });
    let env = command.env.iter().map(|(name, value)| (name.clone(), value.clone()));
    let ours = |name: &str| name.starts_with("POINTSMAN_") && own.contains_key(name);
    let all: BTreeMap<String, String> = with.chain(env).filter(|(name, _)| is_variable(name) && !ours(name)).collect();
    all.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn is_variable(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(word) && !name.starts_with(|c: char| c.is_ascii_digit())
}

enum How {
    Code(i32),
    Killed(i32),
}

/// Shells tell of a signal as 128 and its number. HUP, KILL and TERM come from outside.
fn how(status: ExitStatus) -> How {
    let from_outside = |signal: i32| matches!(signal, 1 | 9 | 15);
    match (status.signal(), status.code()) {
        (Some(signal), _) => How::Killed(signal),
        (None, Some(code)) if from_outside(code - 128) => How::Killed(code - 128),
        (None, code) => How::Code(code.unwrap_or(-1)),
    }
}

/// The output of a command as it comes.
struct Output<'a> {
    reader: pipe::Receiver,
    annotations: Annotations,
    root: &'a Path,
    live: &'a Live,
    clock: &'a Clock,
}

impl Output<'_> {
    /// Reads to the end. May be dropped and called again: a read that was not finished took nothing.
    async fn drain(&mut self) {
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Ok(count @ 1..) = self.reader.read(&mut chunk).await {
            let read = chunk.get(..count).unwrap_or_default();
            self.live.push(read, self.clock.now());
            self.annotations.push(read, self.root);
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
