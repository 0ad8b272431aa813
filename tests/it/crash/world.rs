//! The binary as an operator runs it, the GitHub and the agent that outlive it, and what they saw.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::Duration;

use pointsman::crash::AT;
use pointsman::playground::{GitHub, Options, State};
use pointsman::time::Clock;
use rustix::process::{Pid, Signal, kill_process};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::PATIENCE;
use super::ledger::Ledger;

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
/// Every attempt of it.
const ATTEMPTS: [&str; 6] = ["build.a1", "lint.a1", "report.a1", "review.a1", "test.a1", "test.a2"];
/// Every check of it.
const CHECKS: [&str; 6] = ["ci", "ci / build", "ci / lint", "ci / report", "ci / review", "ci / test"];
/// How often a port is looked for that nobody takes in between.
const PORTS_MAX: usize = 10;

pub struct World {
    pub github: GitHub,
    pub agent: Ledger,
    env: BTreeMap<String, String>,
    pub folder: TempDir,
    /// Of the last process.
    port: u16,
}

/// A process of the service.
pub struct Process {
    child: Child,
    said: watch::Receiver<String>,
    pub port: u16,
}

impl World {
    pub async fn new(workflow: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite://{}", folder.path().join("pointsman.db").display());
        Self::on(workflow, folder, url).await
    }

    pub async fn on(workflow: &str, folder: TempDir, database: String) -> Self {
        let github = GitHub::start(Options::new(Clock::machine())).await.unwrap();
        github.add_repository(REPO, &[("README.md", "# app\n"), (".workflows/ci.yml", workflow)]).await.unwrap();
        let (agent, endpoint) = Ledger::start().await;
        let env = [
            ("PATH", std::env::var_os("PATH").unwrap().into_string().unwrap()),
            ("TMPDIR", folder.path().display().to_string()),
            ("DATABASE_URL", database),
            ("API_HOST", "127.0.0.1".to_owned()),
            ("HEARTBEAT_INTERVAL", "1s".to_owned()),
            ("GITHUB_API_URL", github.api_url()),
            ("GITHUB_GRAPHQL_URL", github.graphql_url()),
            ("GITHUB_SERVER_URL", github.web_url()),
            ("GITHUB_APP_ID", github.app_id().to_string()),
            ("GITHUB_PRIVATE_KEY", github.private_key().expose_secret().to_owned()),
            ("GITHUB_WEBHOOK_SECRET", github.webhook_secret().expose_secret().to_owned()),
            ("AGENTS", "shell,robot".to_owned()),
            ("SHELL_ENDPOINT", endpoint.clone()),
            ("ROBOT_ENDPOINT", endpoint),
            ("CLAUDE_CODE_ENDPOINT", String::new()),
            ("CODEGEN_ENDPOINT", String::new()),
            ("AIDER_ENDPOINT", String::new()),
            ("GOOSE_ENDPOINT", String::new()),
            ("LOG_LEVEL", "debug".to_owned()),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value)).into();
        Self { github, agent, env, folder, port: 0 }
    }

    /// A process that serves, or died on the way to it at the point that is armed. GitHub sends to it from now on.
    pub async fn serve(&mut self, armed: Option<&str>) -> Process {
        for _ in 0..PORTS_MAX {
            // A new process has the address of the one before, unless somebody took it meanwhile.
            let fresh = self.port == 0;
            if fresh {
                self.port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            }
            let mut process = Process::start(&self.env, self.port, armed);
            if process.serves_or_died().await {
                if fresh {
                    self.github.set_webhook(&format!("http://127.0.0.1:{}/webhook", self.port));
                }
                return process;
            }
            self.port = 0;
        }
        panic!("every port is taken");
    }

    /// The next process has another address.
    pub fn move_on(&mut self) {
        self.port = 0;
    }

    pub fn tell(&self, port: u16) {
        self.github.set_webhook(&format!("http://127.0.0.1:{port}/webhook"));
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    pub async fn open(&self) -> u64 {
        let bob = self.github.person("bob");
        bob.open_pull_request(REPO, "change", "A change", &[("a.txt", "a\n")]).await.unwrap()
    }

    pub fn sha(&self, number: u64) -> String {
        self.github.read(|state| state.head_of(number).to_owned())
    }

    /// Returns as soon as this holds; else tells all that is known.
    pub async fn wait(&self, what: &str, process: &Process, holds: impl FnMut(&State) -> bool) {
        let waited = self.github.wait_until(holds, what).await;
        waited.unwrap_or_else(|error| panic!("{error}\nagent: {:?}\n{}", self.agent.begun(), process.said()));
    }

    pub async fn concludes(&self, number: u64, conclusion: &str, process: &Process) {
        let sha = self.sha(number);
        let shown = |state: &State| {
            let check = state.check(&sha, "ci").filter(|check| check.conclusion.as_deref() == Some(conclusion));
            check.is_some()
        };
        self.wait(&format!("ci: {conclusion}"), process, shown).await;
    }

    /// GitHub's ledger and the agent's: nothing was done twice, nothing is missing.
    pub fn judge(&self, number: u64, runs: usize, process: &Process) {
        let log = process.said();
        let begun: Vec<(String, usize)> = self.agent.begun().into_iter().collect();
        let expected: Vec<(String, usize)> = ATTEMPTS.iter().map(|attempt| ((*attempt).to_owned(), runs)).collect();
        assert_eq!(begun, expected, "an attempt began twice, or never\n{log}");
        let checks = self.github.all_checks(&self.sha(number));
        let mut shown: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
        shown.sort_unstable();
        assert_eq!(shown, CHECKS, "one check run per name and generation\n{checks:#?}\n{log}");
        for check in &checks {
            assert_eq!(check.conclusion.as_deref(), Some("success"), "{check:?}\n{log}");
            let remarks = usize::from(check.name == "ci / lint");
            assert_eq!(check.annotations.len(), remarks, "GitHub appends what is sent twice\n{check:?}\n{log}");
        }
        let unexpected = self.github.unexpected_requests();
        assert!(unexpected.is_empty(), "{unexpected:?}");
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

/// A moment between two looks at something that has no event.
pub fn looks() -> tokio::time::Interval {
    tokio::time::interval(Duration::from_millis(20))
}
