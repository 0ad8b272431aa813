//! A store in a folder, a GitHub on this machine, a clock that jumps, and the loop between them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pointsman::engine::Event;
use pointsman::engine::state::{Birth, Definition, OperatorLimits, Trigger};
use pointsman::github::{App, Pace};
use pointsman::ids::{CommitSha, InstallationId, RepoId, RunId, random_bytes};
use pointsman::loops::driver::Next;
use pointsman::loops::reconcile::Reconcile;
use pointsman::loops::runs::{Act, Done, Runs, Together};
use pointsman::loops::writer::Writers;
use pointsman::playground::{CheckView, GitHub, Options};
use pointsman::store::{
    DirtyCheck, Door, HeadKey, HeadWrite, Incarnation, InstallationRow, NoFaults, RepositoryRow, Speaker, Store,
    StoreOptions,
};
use pointsman::time::{Clock, Timestamp};
use pointsman::wake::Wakes;
use pointsman::workflow::defaults::Operator;
use pointsman::workflow::parse;
use tempfile::TempDir;
use uuid::Uuid;

use crate::{service, wire};

pub(super) const REPO: &str = "octo/app";
pub(super) const CHECK_RUNS: &str = "/repos/octo/app/check-runs";
const WORKFLOW: &str = "on: { pull_request: {} }
defaults: { retries: 0 }
steps:
  - { id: build, run: make }
  - { id: lint, run: make lint, needs: [build] }
";
/// Pieces of work until nothing is due; more is a loop that never comes to rest.
const TICKS_MAX: usize = 20;

pub(super) struct World {
    pub(super) github: GitHub,
    pub(super) app: App,
    pub(super) store: Store,
    pub(super) runs: Runs,
    pub(super) clock: Clock,
    pub(super) born: Timestamp,
    pub(super) writers: Writers,
    pub(super) reconcile: Reconcile,
    pub(super) installation: InstallationId,
    pub(super) number: u64,
    pace: Pace,
    repo: RepoId,
    head: CommitSha,
    door: Door,
    _folder: TempDir,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::paced(Pace { content_gap: Duration::ZERO, ..Pace::default() }).await
    }

    /// With so many writes an hour.
    pub(super) async fn with_pace(content_per_hour: u32) -> Self {
        Self::paced(Pace { content_gap: Duration::ZERO, content_per_hour, ..Pace::default() }).await
    }

    async fn paced(pace: Pace) -> Self {
        let born = Timestamp(1_795_000_000_000_000);
        let clock = Clock::manual(born);
        let github = GitHub::start(Options::new(clock.clone())).await.unwrap();
        github.add_repository(REPO, &[("README.md", "# app\n")]).await.unwrap();
        let number =
            github.person("ann").open_pull_request(REPO, "change", "A change", &[("a.txt", "a\n")]).await.unwrap();
        let head = CommitSha::full(&github.read(|state| state.head_of(number).to_owned())).unwrap();
        let app = App::new(&service::adapter(&github), clock.clone()).unwrap();
        let installation = github.installation();
        let found = app.installation(installation).await.repository(&REPO.parse().unwrap()).await.unwrap();

        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("db").display());
        let store = Store::open(&url.into(), StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        let row =
            InstallationRow { id: installation, account: "octo".to_owned(), suspended_at: None, removed_at: None };
        store.put_installation(row).await.unwrap();
        let default_branch = found.default_branch.clone();
        store
            .put_repository(RepositoryRow { installation, id: found.id, name: found.name, default_branch })
            .await
            .unwrap();
        let door = Door::open(&store, Arc::new(NoFaults)).unwrap();
        let (me, wakes) = (Incarnation([1; 16]), Wakes::default());
        let (runs, _) = Runs::new((store.clone(), door.clone()), (clock.clone(), wakes), me, BTreeSet::new());
        let writers = Writers::new(store.clone(), me, clock.clone(), pace);
        let reconcile = loop_of(&store, &runs, &app, &writers, &clock);
        let (repo, _folder) = (found.id, folder);
        Self {
            github,
            app,
            store,
            runs,
            clock,
            born,
            writers,
            reconcile,
            installation,
            number,
            pace,
            repo,
            head,
            door,
            _folder,
        }
    }

    /// The loop of another replica, which knows the same runs.
    pub(super) fn replica(&self) -> Reconcile {
        let me = Incarnation(random_bytes());
        let writers = Writers::new(self.store.clone(), me, self.clock.clone(), self.pace);
        loop_of(&self.store, &self.runs, &self.app, &writers, &self.clock)
    }

    /// The loop of another replica, which has no run in memory but as it loads them.
    pub(super) fn stranger(&self) -> Reconcile {
        let me = Incarnation(random_bytes());
        let parts = ((self.store.clone(), self.door.clone()), (self.clock.clone(), Wakes::default()));
        let (runs, _) = Runs::new(parts.0, parts.1, me, BTreeSet::new());
        let writers = Writers::new(self.store.clone(), me, self.clock.clone(), self.pace);
        loop_of(&self.store, &runs, &self.app, &writers, &self.clock)
    }

    pub(super) fn sha(&self) -> &str {
        self.head.as_str()
    }

    fn key(&self) -> HeadKey {
        HeadKey { installation: self.installation, repo: self.repo, sha: self.head.clone() }
    }

    pub(super) fn dirty(&self, name: &str) -> DirtyCheck {
        DirtyCheck { head: self.key(), name: name.to_owned() }
    }

    pub(super) fn speaker(&self, workflow: &str, speaker: Speaker, number: u64) -> HeadWrite {
        HeadWrite {
            head: self.key(),
            workflow: workflow.parse().unwrap(),
            expect: number - 1,
            speaker,
            class: 2,
            source_at: self.clock.now(),
        }
    }

    /// The `number`th run of the workflow; it speaks.
    pub(super) async fn start(&self, number: u64) -> RunId {
        let workflow = parse(&"ci".parse().unwrap(), WORKFLOW, &Operator::default()).unwrap();
        let encoded = workflow.plan.to_json().unwrap();
        let hash = self.store.put_plan(self.installation, encoded.as_bytes(), self.clock.now()).await.unwrap();
        let run = RunId { installation: self.installation, uuid: Uuid::from_u128(u128::from(number)) };
        let birth = Birth {
            repository: self.repo,
            repository_name: REPO.parse().unwrap(),
            sha: self.head.clone(),
            trigger: Trigger::PullRequest(self.number),
            source_time: self.clock.now(),
            definition: Definition { sha: None, path: ".workflows/ci.yml".to_owned(), blob: String::new() },
            gates: Vec::new(),
            holds: Vec::new(),
            limits: OperatorLimits::default(),
            scope: "{}".to_owned(),
        };
        let heads = vec![self.speaker("ci", Speaker::Run(run), number)];
        let born = Event::Created(Box::new(birth));
        self.act(Act { birth: Some((Arc::new(workflow.plan), hash)), heads, ..Act::new(run, born) }).await;
        run
    }

    pub(super) async fn tell(&self, run: RunId, event: Event) {
        self.act(Act::new(run, event)).await;
    }

    pub(super) async fn act(&self, act: Act) {
        let run = act.run;
        match self.runs.commit(vec![act], Together::default()).await.unwrap() {
            Done::Committed(mut all) => all.remove(&run).unwrap().map(drop).unwrap(),
            Done::Lost(claims) => panic!("lost {claims:?}"),
        }
    }

    /// Works until nothing is due now.
    pub(super) async fn settle(&self) {
        for _ in 0..TICKS_MAX {
            match self.reconcile.tick().await.unwrap() {
                Next::At(at) if at > self.clock.now() => return,
                Next::Period => return,
                Next::At(_) | Next::Again => {}
            }
        }
        panic!("it does not come to rest:\n{}", self.github.render(self.number));
    }

    /// No head waits for anything, and nothing was asked that GitHub does not know.
    pub(super) async fn nothing_left(&self) {
        self.settle().await;
        assert_eq!(self.store.oldest_head().await.unwrap(), None);
        assert_eq!(self.github.unexpected_requests(), Vec::<String>::new());
    }

    /// The newest check of each name, as a person sees them.
    pub(super) fn shown(&self) -> Vec<String> {
        let line = |check: CheckView| {
            let word = check.conclusion.unwrap_or(check.status);
            format!("{} [{word}]: {}", check.name, check.title.unwrap_or_default())
        };
        self.github.checks(self.sha()).into_iter().map(line).collect()
    }

    pub(super) fn check(&self, name: &str) -> CheckView {
        let found = self.github.checks(self.sha()).into_iter().find(|check| check.name == name);
        found.unwrap_or_else(|| panic!("no check {name}:\n{}", self.github.render(self.number)))
    }

    /// How many check runs of a name there are.
    pub(super) fn generations(&self, name: &str) -> usize {
        self.github.all_checks(self.sha()).iter().filter(|check| check.name == name).count()
    }

    /// How often somebody asked to make a check of this name.
    pub(super) fn made(&self, name: &str) -> usize {
        let all = self.github.requests();
        all.iter().filter(|one| one.method == "POST" && one.path == CHECK_RUNS && one.body["name"] == name).count()
    }

    pub(super) fn writes(&self) -> usize {
        self.github.requests().iter().filter(|request| request.writes_content()).count()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            wire::holds(&self.github);
        }
    }
}

fn loop_of(store: &Store, runs: &Runs, app: &App, writers: &Writers, clock: &Clock) -> Reconcile {
    Reconcile {
        runs_max: 10,
        store: store.clone(),
        runs: runs.clone(),
        app: app.clone(),
        writers: writers.clone(),
        clock: clock.clone(),
        public_url: Some("http://points.example/base/".parse().unwrap()),
        tables_at: Mutex::new(clock.now()),
    }
}
