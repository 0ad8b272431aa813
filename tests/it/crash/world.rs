//! The binary as an operator runs it, the GitHub and the agent that outlive it, and what they saw.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use pointsman::crash::AT;
use pointsman::playground::{GitHub, Options, State};
use pointsman::time::Clock;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::PATIENCE;
use super::ledger::Ledger;
use crate::wire;

pub const REPO: &str = "octo/app";
/// `shell` starts at once; `robot` takes one attempt at a time, from its queue.
pub const WORKFLOW: &str = "on: { pull_request: {} }
defaults: { retry: { backoff: 100ms, max: 100ms } }
steps:
  - { id: build, run: make }
  - { id: lint, run: make lint, needs: [build] }
  - { id: test, run: make test, needs: [build], retries: 2 }
  - { id: review, type: analysis, agent: robot, needs: [build] }
  - { id: report, run: make report, needs: [lint, test, review] }
";
/// One step, which takes its time.
pub const LONG_WORKFLOW: &str = "on: { pull_request: {} }
steps:
  - { id: wait, type: analysis, agent: robot }
";
/// Every attempt of [`WORKFLOW`].
pub const ATTEMPTS: &[&str] = &["build.a1", "lint.a1", "report.a1", "review.a1", "test.a1", "test.a2"];
/// Of [`LONG_WORKFLOW`].
pub const LONG_ATTEMPTS: &[&str] = &["wait.a1"];
/// How often a port is looked for that nobody takes in between.
const PORTS_MAX: usize = 10;

pub struct World {
    pub github: GitHub,
    pub agent: Ledger,
    pub database: String,
    env: BTreeMap<String, String>,
    /// Of the last process.
    port: u16,
    _folder: TempDir,
}

/// A process of the service.
pub struct Process {
    child: Child,
    said: watch::Receiver<String>,
    pub port: u16,
}

impl World {
    /// On a file of its own, where there can be one replica only.
    pub async fn new(workflow: &str) -> Self {
        Self::on(workflow, None).await
    }

    /// On this database. The App was installed before it was there, so nobody has told the service of it.
    pub async fn on(workflow: &str, database: Option<String>) -> Self {
        let folder = TempDir::new().unwrap();
        let file = || format!("sqlite://{}", folder.path().join("pointsman.db").display());
        let database = database.unwrap_or_else(file);
        let github = GitHub::start(Options::new(Clock::machine())).await.unwrap();
        github.add_repository(REPO, &[("README.md", "# app\n"), (".workflows/ci.yml", workflow)]).await.unwrap();
        let (agent, endpoint) = Ledger::start().await;
        let env = [
            ("PATH", std::env::var_os("PATH").unwrap().into_string().unwrap()),
            ("TMPDIR", folder.path().display().to_string()),
            ("DATABASE_URL", database.clone()),
            ("API_HOST", "127.0.0.1".to_owned()),
            ("HEARTBEAT_INTERVAL", "1s".to_owned()),
            ("AGENTS", "shell,robot".to_owned()),
            ("SHELL_ENDPOINT", endpoint.clone()),
            ("ROBOT_ENDPOINT", endpoint),
            ("CLAUDE_CODE_ENDPOINT", String::new()),
            ("CODEGEN_ENDPOINT", String::new()),
            ("AIDER_ENDPOINT", String::new()),
            ("GOOSE_ENDPOINT", String::new()),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(github.settings()).collect();
        Self { github, agent, database, env, port: 0, _folder: folder }
    }

    /// A process that serves, or died on the way to it at the point that is armed. GitHub sends to it from now on.
    pub async fn serve(&mut self, armed: Option<&str>) -> Process {
        let before = self.port;
        let process = self.launch(armed).await;
        if self.port != before {
            self.send_to(&process);
        }
        process
    }

    /// A second replica beside the first. GitHub goes on to send to that one.
    pub async fn join(&mut self) -> Process {
        self.port = 0;
        self.launch(None).await
    }

    /// Where processes find the database that are started from now on.
    pub fn set_database(&mut self, url: String) {
        self.env.insert("DATABASE_URL".to_owned(), url);
    }

    async fn launch(&mut self, armed: Option<&str>) -> Process {
        for _ in 0..PORTS_MAX {
            // A new process has the address of the one before, unless somebody took it meanwhile.
            if self.port == 0 {
                self.port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            }
            let mut process = Process::start(&self.env, self.port, armed);
            if process.serves_or_died().await {
                return process;
            }
            self.port = 0;
        }
        panic!("every port is taken");
    }

    /// GitHub sends to this process from now on.
    pub fn send_to(&self, process: &Process) {
        self.github.set_webhook(&format!("http://127.0.0.1:{}/webhook", process.port));
    }

    /// bob opens a pull request; its number.
    pub async fn open(&self, branch: &str) -> u64 {
        let bob = self.github.person("bob");
        bob.open_pull_request(REPO, branch, "A change", &[("a.txt", branch)]).await.unwrap()
    }

    pub fn sha(&self, number: u64) -> String {
        self.github.read(|state| state.head_of(number).to_owned())
    }

    /// Returns as soon as this holds; else tells all that is known.
    pub async fn wait(&self, what: &str, process: &Process, holds: impl FnMut(&State) -> bool) {
        let waited = self.github.wait_until(holds, what).await;
        waited.unwrap_or_else(|error| panic!("{error}\nagent: {:?}\n{}", self.agent.begun(), process.said()));
    }

    /// Returns as soon as the workflow's check says how it ended.
    pub async fn concludes(&self, number: u64, conclusion: &str, process: &Process) {
        let sha = self.sha(number);
        let shown = |state: &State| {
            let check = state.check(&sha, "ci").filter(|check| check.conclusion.as_deref() == Some(conclusion));
            check.is_some()
        };
        self.wait(&format!("ci: {conclusion}"), process, shown).await;
    }

    /// The agent's ledger: it began each of these attempts once in each run, and nothing else.
    pub fn judge_agent(&self, attempts: &[&str], runs: usize, process: &Process) {
        let expected = attempts.iter().map(|attempt| ((*attempt).to_owned(), runs)).collect();
        assert_eq!(self.agent.begun(), expected, "an attempt began twice, or never\n{}", process.said());
    }

    /// What GitHub shows of a pull request: one check run per name and generation, and each has ended like this.
    pub fn judge_checks(&self, number: u64, (attempts, conclusion): (&[&str], &str), process: &Process) {
        let log = process.said();
        let steps = attempts.iter().filter_map(|attempt| Some(format!("ci / {}", attempt.split_once('.')?.0)));
        let names: BTreeSet<String> = steps.chain(["ci".to_owned()]).collect();
        let checks = self.github.all_checks(&self.sha(number));
        let mut shown: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
        shown.sort_unstable();
        assert_eq!(shown, names.iter().collect::<Vec<_>>(), "a check run too many, or too few\n{checks:#?}\n{log}");
        for check in &checks {
            assert_eq!(check.conclusion.as_deref(), Some(conclusion), "{check:?}\n{log}");
            let remarks = usize::from(check.name == "ci / lint");
            assert_eq!(check.annotations.len(), remarks, "GitHub appends what is sent twice\n{check:?}\n{log}");
        }
        let unexpected = self.github.unexpected_requests();
        assert!(unexpected.is_empty(), "{unexpected:?}");
        wire::holds(&self.github);
    }
}

impl Process {
    fn start(env: &BTreeMap<String, String>, port: u16, armed: Option<&str>) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pointsman"))
            .arg("serve")
            .env_clear()
            .envs(env)
            .env("API_PORT", port.to_string())
            .envs(armed.map(|point| (AT, point)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (sender, said) = watch::channel(String::new());
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                sender.send_modify(|said| *said += &(line + "\n"));
            }
        });
        Self { child, said, port }
    }

    /// Everything that it has said so far.
    pub fn said(&self) -> String {
        self.said.borrow().clone()
    }

    /// True when it serves, or died at a point; false when its port was taken.
    async fn serves_or_died(&mut self) -> bool {
        let said = self.said.wait_for(|said| said.contains("serving") || said.contains("crashpoint "));
        let said = tokio::time::timeout(PATIENCE, said).await.expect("it neither serves nor ends");
        if said.is_ok() {
            return true;
        }
        drop(said);
        let said = self.said();
        assert!(said.contains("cannot listen"), "it ended:\n{said}");
        false
    }

    /// Returns when it has died at this point, and of nothing else.
    pub async fn dies_at(mut self, point: &str) {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let ended = ended.unwrap_or_else(|_| panic!("{point} was never reached\n{}", self.said())).unwrap();
        assert_eq!(ended.signal(), Some(Signal::KILL.as_raw()), "{ended}\n{}", self.said());
        let told = format!("crashpoint {}", point.split('#').next().unwrap());
        let mut said = self.said.clone();
        let told = said.wait_for(|said| said.lines().any(|line| line == told)).await;
        assert!(told.is_ok(), "it died elsewhere than at {point}\n{}", self.said());
    }

    /// Whether it has ended.
    pub fn is_dead(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// `kill -9` from outside.
    pub async fn kill(mut self) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.try_into().unwrap())).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        let ended = self.child.wait().await.unwrap();
        assert_eq!(ended.signal(), Some(Signal::KILL.as_raw()));
    }
}
