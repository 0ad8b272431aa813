//! Everything that is there: the database, the replicas with their lines, GitHub, the agents, the post, and notes of
//! what befell whom.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pointsman::ids::random_bytes;
use pointsman::playground::{GitHub, Options};
use pointsman::time::{Clock, Timestamp};
use tempfile::TempDir;
use tokio_util::task::TaskTracker;

use super::agents::Agents;
use super::database::Database;
use super::hub::Harvest;
use super::line::{Far, Line};
use super::post::Post;
use super::replica::Replica;
use super::size::{Blow, Size};

pub const REPO: &str = "octo/app";
/// How long an attempt of `test` and `review` may take.
pub const TIMEOUT: Duration = Duration::from_secs(4);
/// Tries that a step has in one round: the first, and its retries.
pub const TRIES: usize = 3;
/// `shell` starts at once; `robot` takes three attempts at a time, from its queue.
const WORKFLOW: &str = "on: { pull_request: {} }
defaults: { retry: { backoff: 100ms, max: 100ms }, timeout: 4s }
steps:
  - { id: build, run: make, retries: 2 }
  - { id: test, run: make test, needs: [build], retries: 2 }
  - { id: review, type: analysis, agent: robot, needs: [build], retries: 2 }
  - { id: report, run: make report, needs: [test, review], retries: 2 }
";

pub struct World {
    pub size: Size,
    pub clock: Clock,
    pub database: Database,
    pub github: GitHub,
    pub hub: Harvest,
    pub agents: Agents,
    pub post: Post,
    pub replicas: Vec<Replica>,
    pub notes: Arc<Notes>,
    pub began: Timestamp,
    _folder: TempDir,
}

/// What was done, and to whom.
#[derive(Default)]
pub struct Notes {
    pub counts: Mutex<BTreeMap<&'static str, usize>>,
    pub struck: Mutex<Vec<Struck>>,
    /// When a replica was killed that had work, and how long until somebody else had the last of it.
    pub claimed: Mutex<Vec<(Timestamp, Duration)>>,
    /// Those who look for that.
    pub looks: TaskTracker,
    /// Comments: the pull request, and the verb.
    pub said: Mutex<Vec<(u64, &'static str)>>,
    pub pulls: Mutex<Vec<u64>>,
}

/// Somebody was not himself for a while.
#[derive(Debug, Clone)]
pub struct Struck {
    pub blow: Blow,
    /// None: the database.
    pub replica: Option<usize>,
    pub from: Timestamp,
    /// The blow was over.
    pub over: Timestamp,
    /// It was itself again.
    pub to: Timestamp,
}

impl Notes {
    pub fn count(&self, what: &'static str, by: usize) {
        *self.counts.lock().unwrap().entry(what).or_default() += by;
    }

    pub fn counted(&self, what: &str) -> usize {
        self.counts.lock().unwrap().get(what).copied().unwrap_or(0)
    }
}

impl World {
    pub async fn new(size: Size) -> Self {
        let clock = Clock::machine();
        let folder = tempfile::tempdir().unwrap();
        let options = Options { rate_limit: u32::MAX, ..Options::new(clock.clone()) };
        let hosted = async {
            let github = GitHub::start(options).await.unwrap();
            github.add_repository(REPO, &[("README.md", "# app\n"), (".workflows/ci.yml", WORKFLOW)]).await.unwrap();
            github
        };
        let (database, github) = tokio::join!(Database::start(&clock), hosted);
        let (agents, endpoint) = Agents::start(size.seed, clock.clone()).await;
        // A network of its own on this machine: each replica has an address that stays the same and is nobody else's.
        let [a, b] = random_bytes::<2>();
        let mut replicas = Vec::new();
        for number in 0..size.replicas {
            let line = Line::to(database.far(number), clock.clone()).await;
            let api = github.api_url();
            let out = Line::to(Far::Tcp(api.trim_start_matches("http://").to_owned()), clock.clone()).await;
            let mut env: BTreeMap<String, String> = github.settings();
            for name in ["GITHUB_API_URL", "GITHUB_GRAPHQL_URL"] {
                let through = env[name].replace(&api, &format!("http://127.0.0.1:{}", out.port));
                env.insert(name.to_owned(), through);
            }
            let more = [
                ("PATH", std::env::var_os("PATH").unwrap().into_string().unwrap()),
                ("TMPDIR", folder.path().display().to_string()),
                ("DATABASE_URL", database.address(&line)),
                ("HEARTBEAT_INTERVAL", "1s".to_owned()),
                ("LOG_LEVEL", "debug".to_owned()),
                ("AGENTS", "shell,robot".to_owned()),
                ("SHELL_ENDPOINT", endpoint.clone()),
                ("SHELL_API_KEY", format!("replica-{number}")),
                ("ROBOT_ENDPOINT", endpoint.clone()),
                ("ROBOT_API_KEY", format!("replica-{number}")),
                ("ROBOT_MAX_CONCURRENT", "3".to_owned()),
                ("CLAUDE_CODE_ENDPOINT", String::new()),
                ("CODEGEN_ENDPOINT", String::new()),
                ("AIDER_ENDPOINT", String::new()),
                ("GOOSE_ENDPOINT", String::new()),
            ];
            env.extend(more.map(|(name, value)| (name.to_owned(), value)));
            replicas.push(Replica::new(number, format!("127.{a}.{b}.{}", number + 2), (line, out), env));
        }
        let (post, webhook) = Post::start(size.seed, replicas.iter().map(|one| one.url("/webhook")).collect()).await;
        // All at once: the tables are made by one of them, the others wait.
        futures_util::future::join_all(replicas.iter().map(|replica| replica.serve(None))).await;
        // GitHub counts what an installation writes, and an hour's worth is gone in minutes here: nothing is counted.
        let free = "CREATE TRIGGER nemesis_budget BEFORE UPDATE ON installation FOR EACH ROW SET NEW.budget = NULL";
        sqlx::query(free).persistent(false).execute(&database.pool).await.unwrap();
        github.set_webhook(&webhook);
        let (hub, began, notes) = (Harvest::default(), clock.now(), Arc::default());
        Self { size, clock, database, github, hub, agents, post, replicas, notes, began, _folder: folder }
    }

    /// Notes that somebody is not himself while this is done, which says when the blow itself was over.
    pub async fn strike(&self, blow: Blow, replica: Option<usize>, done: impl Future<Output = Timestamp>) {
        let from = self.clock.now();
        let over = done.await;
        self.notes.struck.lock().unwrap().push(Struck { blow, replica, from, over, to: self.clock.now() });
    }

    /// What a person sees, and what everybody said last.
    pub fn tell(&self) -> String {
        let said: String = self.replicas.iter().map(Replica::tail).collect();
        let mut pulls = String::new();
        for number in self.notes.pulls.lock().unwrap().iter() {
            pulls += &self.github.render(*number);
        }
        let tasks = self.agents.tasks();
        let struck = self.notes.struck.lock().unwrap().clone();
        format!("seed {}\n{pulls}\nAGENTS\n{tasks:#?}\nSTRUCK\n{struck:#?}\nSAID\n{said}", self.size.seed)
    }
}
