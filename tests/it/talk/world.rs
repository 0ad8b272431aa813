//! One repository on a GitHub of this machine, the whole service over it, and a desk where the test says how each
//! command of a step ends.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use pointsman::app::Service;
use pointsman::playground::{CheckView, GitHub, Options, Person, State};
use pointsman::runner::{self, Place, Runner, Sandbox};
use pointsman::time::Clock;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{service, wire};

/// Much longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Every test's repository.
pub const REPO: &str = "octo/repo";

/// The workflow of most tests: `test` needs `build`.
pub const CI: &str = "\
on:
  pull_request:
  push: { branches: [main] }
steps:
  - { id: build, run: exec sh \"$DESK/build\", retries: 0 }
  - { id: test, run: exec sh \"$DESK/test\", retries: 0, needs: [build] }
";

/// What [`CI`] shows while its first step runs.
pub const RUNNING: &str = "
    ◉ ci [in_progress]: 0 of 2 steps done
    ◉ ci / build [in_progress]: Running";

/// What [`CI`] shows once all is well, at the first attempt.
pub const GREEN: &str = "
    ✔ ci [success]: All done in 0 s
    ✔ ci / build [success]: Done in 0 s
    ✔ ci / test [success]: Done in 0 s";

pub struct World {
    pub github: GitHub,
    service: Option<Service>,
    /// Where the shell agent is.
    shell: String,
    desk: PathBuf,
    /// Commits by the names that pages show them under, in the order of their first being seen.
    commits: Mutex<Vec<String>>,
    /// The first commit, where the definitions are.
    main: String,
    _runner: DropGuard,
    folder: TempDir,
}

impl World {
    /// A repository with [`CI`] as `.workflows/ci.yml` and nothing else.
    pub async fn new() -> Self {
        Self::with(&[(".workflows/ci.yml", CI)]).await
    }

    /// A repository with these files on `main`, the service over it, everything running.
    pub async fn with(files: &[(&str, &str)]) -> Self {
        // What goes wrong in the service is part of what a failed test says.
        let log = tracing_subscriber::fmt().with_test_writer().with_max_level(tracing::Level::INFO);
        let _ = log.try_init();
        let folder = TempDir::new().unwrap();
        let desk = folder.path().join("desk");
        std::fs::create_dir(&desk).unwrap();
        let clock = Clock::machine();
        let github = GitHub::start(Options::new(clock.clone())).await.unwrap();
        github.add_repository(REPO, files).await.unwrap();
        let main = github.head(REPO, "main").await.unwrap().to_string();
        let path = std::env::var_os("PATH").unwrap().into_string().unwrap();
        let runner = Runner::bind(runner::Options {
            bind: "127.0.0.1:0".parse().unwrap(),
            driver: runner::Driver::Exec,
            bearer: None,
            workdir: folder.path().join("runner"),
            place: Place::Fresh,
            sandbox: Sandbox::Auto,
            max_concurrent: 8,
            name: "shell".to_owned(),
            env: BTreeMap::from([("DESK".to_owned(), desk.display().to_string()), ("PATH".to_owned(), path)]),
            clock,
        });
        let runner = runner.await.unwrap();
        let shell = format!("http://{}/a2a", runner.address());
        let stop = CancellationToken::new();
        tokio::spawn(runner.run(stop.clone()));
        let mut world = Self {
            github,
            service: None,
            shell,
            desk,
            commits: Mutex::default(),
            main,
            _runner: stop.drop_guard(),
            folder,
        };
        world.restarts(&[]).await;
        world.github.install().await.unwrap();
        for name in ["build", "test", "lint", "deploy"] {
            world.desk_takes(name);
        }
        world
    }

    /// Stops the service, if it runs, and starts it with these settings besides.
    pub async fn restarts(&mut self, env: &[(&str, &str)]) {
        if let Some(service) = self.service.take() {
            service.stop().await;
        }
        let database = format!("sqlite://{}/store.db", self.folder.path().display());
        let more: Vec<(&str, &str)> = [("AGENTS", "shell"), ("SHELL_ENDPOINT", self.shell.as_str())]
            .into_iter()
            .chain(env.iter().copied())
            .collect();
        let service = service::start(&self.github, &database, &more).await;
        self.github.set_webhook(&format!("http://{}/webhook", service.address));
        self.service = Some(service);
    }

    /// Lets steps wait for word at the desk under this name.
    fn desk_takes(&self, name: &str) {
        let made = Command::new("mkfifo").arg(self.desk.join(name)).status().unwrap();
        assert!(made.success());
    }

    /// `ann` (admin), `bob` (write), `tess` (triage), `rita` (read), `eve` (nothing).
    pub fn person(&self, login: &str) -> Person {
        self.github.person(login)
    }

    /// Somebody opens a pull request that changes a file.
    pub async fn opens(&self, login: &str) -> u64 {
        let files = &[("change.txt", "a change\n")];
        self.person(login).open_pull_request(REPO, "change", "A change", files).await.unwrap()
    }

    /// Somebody pushes to the branch of [`World::opens`].
    pub async fn pushes(&self, login: &str, text: &str) {
        self.person(login).push(REPO, "change", &[("change.txt", text)], "Another change").await.unwrap();
    }

    /// The same from a fork.
    pub async fn pushes_to_fork(&self, login: &str, text: &str) {
        let files = &[("change.txt", text)];
        self.person(login).push(&format!("{login}/repo"), "change", files, "Another change").await.unwrap();
    }

    /// Somebody comments.
    pub async fn says(&self, login: &str, number: u64, words: &str) -> i64 {
        self.person(login).comment(number, words).await.unwrap()
    }

    /// The head of a pull request.
    pub fn head(&self, number: u64) -> String {
        self.github.read(|state| state.head_of(number).to_owned())
    }

    /// A check of the head, as it stands now.
    pub fn check(&self, number: u64, name: &str) -> CheckView {
        let head = self.head(number);
        self.github.read(|state| state.check(&head, name)).unwrap_or_else(|| panic!("no check {name}"))
    }

    /// What a check of the head says below its title: summary and log.
    pub fn text(&self, number: u64, name: &str) -> String {
        let check = self.check(number, name);
        self.named(format!("{}\n{}", check.summary.unwrap_or_default(), check.text.unwrap_or_default()))
    }

    /// The command that runs (or will run) under this name ends with this script: `exit 1`, `echo a line`.
    pub async fn ends(&self, name: &str, script: &str) {
        let desk = self.desk.join(name);
        let mut beats = tokio::time::interval(Duration::from_millis(10));
        let asking = async {
            loop {
                beats.tick().await;
                // It opens only when somebody reads at the other end: when the step runs.
                if let Ok(pipe) = pipe::OpenOptions::new().open_sender(&desk) {
                    return pipe;
                }
            }
        };
        let Ok(mut pipe) = tokio::time::timeout(PATIENCE, asking).await else {
            panic!("{name} never ran\n{}", self.everything())
        };
        pipe.write_all(script.as_bytes()).await.unwrap();
    }

    /// Both commands of [`CI`] end well, one after the other.
    pub async fn both_end_well(&self) {
        self.ends("build", "exit 0").await;
        self.ends("test", "exit 0").await;
    }

    /// Waits until the pull request shows these checks, with their annotations and buttons.
    #[track_caller]
    pub fn shows<'a>(&'a self, number: u64, expected: &str) -> impl Future<Output = ()> + 'a {
        self.waits_for(expected, move |world| {
            let page = world.page(number);
            page.lines().skip(1).take_while(|line| !line.starts_with('@')).map(|line| format!("{line}\n")).collect()
        })
    }

    /// Waits until a person who reads the whole pull request, conversation and all, sees exactly this.
    #[track_caller]
    pub fn reads<'a>(&'a self, number: u64, expected: &str) -> impl Future<Output = ()> + 'a {
        self.waits_for(expected, move |world| world.page(number))
    }

    /// Somebody comments, and it is answered in words: waits for these and for the second reaction.
    pub async fn asks(&self, login: &str, number: u64, words: &str) {
        let comment = self.says(login, number, words).await;
        let marker = format!(":{comment}:");
        let answered = |state: &State| {
            let replied = state
                .comments(number)
                .iter()
                .any(|reply| reply.body.lines().next().is_some_and(|line| line.contains(&marker)));
            replied && state.reactions(comment).len() == 2
        };
        self.github.wait_until(answered, words).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Waits until a comment has so many kinds of reactions.
    pub async fn reacts(&self, comment: i64, kinds: usize) {
        let seen =
            |state: &State| state.reactions(comment).iter().collect::<std::collections::BTreeSet<_>>().len() == kinds;
        self.github.wait_until(seen, "reactions").await.unwrap_or_else(|error| panic!("{error}"));
    }

    #[track_caller]
    fn waits_for<'a>(&'a self, expected: &str, see: impl Fn(&Self) -> String + 'a) -> impl Future<Output = ()> + 'a {
        let expected = undented(expected);
        let caller = std::panic::Location::caller();
        async move {
            let mut changed = self.github.changed();
            let looking = async {
                while see(self) != expected {
                    changed.changed().await.unwrap();
                }
            };
            if tokio::time::timeout(PATIENCE, looking).await.is_err() {
                panic!("at {caller}\n-- expected\n{expected}-- what there is\n{}{}", see(self), self.everything())
            }
        }
    }

    /// The checks of a commit, once they are these: `name [how it ended or where it stands]: title`.
    pub async fn shows_on(&self, sha: &str, expected: &[&str]) {
        let mut changed = self.github.changed();
        let shown = || {
            let line = |check: CheckView| {
                let word = check.conclusion.unwrap_or(check.status);
                timeless(&format!("{} [{word}]: {}", check.name, check.title.unwrap_or_default()))
            };
            self.github.checks(sha).into_iter().map(line).collect::<Vec<_>>()
        };
        let looking = async {
            while shown() != expected {
                changed.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(PATIENCE, looking).await.is_err() {
            panic!("expected {expected:#?}, there is {:#?}{}", shown(), self.everything())
        }
    }

    /// A pull request as a person sees it, with names in place of commits and without times.
    fn page(&self, number: u64) -> String {
        let (page, head) = self.github.read(|state| (state.render(number), state.head_of(number).to_owned()));
        let mut commits = self.commits.lock().unwrap();
        if !commits.contains(&head) {
            commits.push(head);
        }
        drop(commits);
        self.named(page)
    }

    /// A text with names in place of commits and without times.
    fn named(&self, text: String) -> String {
        let commits = self.commits.lock().unwrap();
        let named = commits.iter().enumerate().fold(text, |text, (at, sha)| {
            let name = format!("<commit {}>", at + 1);
            text.replace(sha, &name).replace(&sha[..7], &name)
        });
        let named = named.replace(&self.main[..7], "<main>");
        // What GitHub does not show: empty lines and our markers.
        let shown = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("<!--");
        named.lines().filter(shown).map(|line| timeless(line) + "\n").collect()
    }

    /// What a failed wait shows: the requests and the webhooks.
    fn everything(&self) -> String {
        let mut said = String::from("-- requests\n");
        for request in self.github.requests().iter().rev().take(30).rev() {
            said += &format!("{} {} {} {}\n", request.method, request.path, request.status, request.body);
        }
        said
    }

    /// Ends the service and judges what GitHub saw: nothing unknown was asked, nothing that it does not describe was
    /// said, and no check was made twice.
    pub async fn closes(mut self) {
        self.github.deliveries_settled().await;
        if let Some(service) = self.service.take() {
            service.stop().await;
        }
        let unexpected = self.github.unexpected_requests();
        assert!(unexpected.is_empty(), "{unexpected:#?}");
        wire::holds(&self.github);
        let heads: Vec<String> = self.commits.lock().unwrap().clone();
        for head in heads {
            let mut ids: Vec<String> =
                self.github.all_checks(&head).into_iter().filter(|c| c.ours).map(|c| c.external_id).collect();
            let all = ids.len();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), all, "two checks are one: {ids:#?}");
        }
    }
}

/// Durations, addresses of run pages, and how far a run has come while it runs are not the same on a busy machine.
fn timeless(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let is_unit = |word: &&str| matches!(word.trim_end_matches(|c: char| !c.is_ascii_alphabetic()), "s" | "ms");
    let mut said: Vec<String> = Vec::new();
    for word in words {
        let after_number = said
            .last()
            .is_some_and(|last| last.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<u32>().is_ok());
        if is_unit(&word) && after_number {
            let number = said.pop().unwrap_or_default();
            said.push(number.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned() + "0");
            said.push(word.replacen("ms", "s", 1));
        } else if let Some((before, rest)) = word.split_once("http://127.0.0.1") {
            said.push(format!("{before}<page>{}", rest.find(')').map_or("", |at| &rest[at..])));
        } else {
            said.push(word.to_owned());
        }
    }
    let said = said.join(" ");
    if said.contains("[in_progress]: 1 of") { said.replace(": 1 of", ": 0 of") } else { said }
}

/// Whether two texts say the same, however they are indented.
#[track_caller]
pub fn same(said: &str, expected: &str) {
    assert_eq!(said, undented(expected), "said: {said}");
}

/// The lines without what they are all indented by, and without empty ones.
fn undented(text: &str) -> String {
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let indent = lines().map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    lines().map(|line| format!("{}\n", line[indent..].trim_end())).collect()
}
