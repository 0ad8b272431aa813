//! A runner on a port of its own, a repository with one commit, and words to ask for steps.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::agents::a2a::TaskSnapshot;
use crate::agents::{
    Checkout, Client, Command, Kind, Limits, Outcome, Policy, Push, Reach, Repo, Sent, Step, StepRequest, StepResult,
    Trust,
};
use crate::ids::{AttemptId, CommitSha, InstallationId, RunId};
use crate::runner::{Driver, Error, Options, Place, Runner, Sandbox};
use crate::time::Clock;

/// Much longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(40);

/// Asks again and again until there is an answer.
pub(super) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let mut beats = tokio::time::interval(Duration::from_millis(15));
    let asking = async {
        loop {
            beats.tick().await;
            if let Some(found) = ask().await {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("never came: {what}"))
}

pub(super) struct Bench {
    pub(super) dir: tempfile::TempDir,
    pub(super) sha: CommitSha,
    pub(super) client: Client,
    pub(super) endpoint: Url,
    pub(super) sandbox: &'static str,
    pub(super) stop: CancellationToken,
    pub(super) served: JoinHandle<Result<(), Error>>,
    pub(super) push: Option<Push>,
    next: std::sync::atomic::AtomicU32,
}

pub(super) fn options(workdir: &Path) -> Options {
    Options {
        bind: "127.0.0.1:0".parse().unwrap(),
        driver: Driver::Exec,
        bearer: Some("s3cret".into()),
        workdir: workdir.to_owned(),
        place: Place::Fresh,
        sandbox: Sandbox::Auto,
        max_concurrent: 4,
        name: "shell".to_owned(),
        env: BTreeMap::new(),
        clock: Clock::machine(),
    }
}

pub(super) fn client(endpoint: Url) -> Client {
    Client::new(endpoint, Some("s3cret".into()), &Reach::listed(["127.0.0.1"])).unwrap()
}

impl Bench {
    pub(super) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sha = repository(&dir.path().join("repo"), &[("hello.txt", "hello\n")]);
        let mut options = options(&dir.path().join("work dir"));
        change(&mut options);
        let runner = Runner::bind(options).await.unwrap();
        let endpoint = Url::parse(&format!("http://{}", runner.address())).unwrap();
        let sandbox = runner.sandbox();
        let stop = CancellationToken::new();
        let served = tokio::spawn(runner.run(stop.clone()));
        let client = client(endpoint.clone());
        Self { dir, sha, client, endpoint, sandbox, stop, served, push: None, next: 1.into() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn repo(&self) -> PathBuf {
        self.path("repo")
    }

    pub(super) fn request(&self, run: &str) -> StepRequest {
        let number = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        request(number, &self.repo(), &self.sha, run, self.push.clone())
    }

    pub(super) async fn send(&self, request: &StepRequest) -> TaskSnapshot {
        match self.client.send(request).await {
            Sent::Task(task) => *task,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn ended(&self, task: &TaskSnapshot) -> Outcome {
        until("the end of a task", async || {
            match Outcome::of(&self.client.get(&task.id).await.unwrap(), Kind::Command) {
                Outcome::Working { .. } => None,
                outcome => Some(outcome),
            }
        })
        .await
    }

    pub(super) async fn run_request(&self, request: &StepRequest) -> StepResult {
        let task = self.send(request).await;
        match self.ended(&task).await {
            Outcome::Ended(result) => *result,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn run(&self, command: &str) -> StepResult {
        self.run_request(&self.request(command)).await
    }

    /// Waits until the live text of a task holds these words.
    pub(super) async fn says(&self, task: &TaskSnapshot, words: &str) {
        until(words, async || match Outcome::of(&self.client.get(&task.id).await.unwrap(), Kind::Command) {
            Outcome::Working { text, .. } => text.contains(words).then_some(()),
            other => panic!("{other:?}"),
        })
        .await;
    }

    /// Processes that carry the mark of this bench, or have these words on their command line.
    pub(super) fn processes(&self, words: &str) -> Vec<String> {
        processes(&self.path("work dir"), words)
    }
}

pub(super) fn processes(workdir: &Path, words: &str) -> Vec<String> {
    let mark = format!("POINTSMAN_WORKSPACE={}", workdir.display());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let read = |name| String::from_utf8_lossy(&fs::read(entry.path().join(name)).unwrap_or_default()).into_owned();
        let (environ, cmdline) = (read("environ"), read("cmdline"));
        if environ.contains(&mark) || !words.is_empty() && cmdline.replace('\0', " ").contains(words) {
            found.push(cmdline);
        }
    }
    found
}

pub(super) fn attempt(number: u32) -> AttemptId {
    let run = RunId { installation: InstallationId(7), uuid: uuid::Uuid::from_u128(u128::from(number)) };
    AttemptId { run, step: "lint".parse().unwrap(), number }
}

pub(super) fn request(number: u32, repo: &Path, sha: &CommitSha, run: &str, push: Option<Push>) -> StepRequest {
    let step = Step {
        workflow: "ci".parse().unwrap(),
        steps: 3,
        kind: Kind::Command,
        repo: Repo {
            full_name: "o/r".parse().unwrap(),
            clone_url: "https://github.com/o/r".to_owned(),
            base_sha: None,
            head_sha: sha.clone(),
            trust: Trust::Member,
        },
        checkout: Some(Checkout::Git { url: repo.display().to_string(), sha: sha.clone() }),
        command: Some(Command { run: run.to_owned(), env: BTreeMap::new(), secrets: Vec::new() }),
        with: BTreeMap::new(),
        inputs: serde_json::Map::new(),
        untrusted: BTreeMap::new(),
        limits: Limits::default(),
        policy: Policy::default(),
        want: vec!["result".to_owned()],
    };
    StepRequest { attempt: attempt(number), text: "Run the command.".to_owned(), step, push }
}

/// A repository with these files in one commit.
pub(super) fn repository(path: &Path, files: &[(&str, &str)]) -> CommitSha {
    fs::create_dir_all(path).unwrap();
    git(path, &["init", "--quiet", "--initial-branch=main"]);
    for (name, text) in files {
        fs::write(path.join(name), text).unwrap();
    }
    git(path, &["add", "--all"]);
    git(path, &["commit", "--quiet", "--message=first"]);
    CommitSha::full(git(path, &["rev-parse", "HEAD"]).trim()).unwrap()
}

pub(super) fn git(path: &Path, words: &[&str]) -> String {
    let who = ["-c", "user.name=Octo Cat", "-c", "user.email=octo@example.com"];
    let output = Program::new("git").arg("-C").arg(path).args(who).args(words).output().unwrap();
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
