//! Who and what is there from the start: the Apps, the people, and nothing else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use secrecy::SecretString;

use crate::ids::{RepoId, RepoName, random_bytes};

use super::checks::Checks;
use super::error::Error;
use super::git::Git;
use super::github::Options;
use super::hooks::{Delivering, Hooks};
use super::key::AppKey;
use super::ledger::Ledger;
use super::state::{App, Permission, Repo, State};
use super::tokens::Tokens;
use super::weather::Forecast;

fn our_app() -> App {
    let grants = [
        ("checks", "write"),
        ("contents", "read"),
        ("issues", "read"),
        ("merge_queues", "read"),
        ("metadata", "read"),
        ("pull_requests", "write"),
    ];
    let events = ["check_run", "check_suite", "issue_comment", "merge_group", "pull_request", "push", "repository"];
    App {
        id: 424_242,
        client_id: "Iv23liPLAYGROUND0001".to_owned(),
        slug: "pointsman".to_owned(),
        name: "Pointsman".to_owned(),
        installation: 7_001,
        permissions: grants.map(|(name, level)| (name.to_owned(), level.to_owned())).into(),
        events: events.map(str::to_owned).into(),
    }
}

fn other_app() -> App {
    App {
        id: 15_368,
        client_id: "Iv23liPLAYGROUND0002".to_owned(),
        slug: "other-ci".to_owned(),
        name: "Other CI".to_owned(),
        installation: 7_002,
        ..our_app()
    }
}

/// The people that every playground has, with what they may do in each of its repositories.
const PEOPLE: [(&str, Permission); 6] = [
    ("ann", Permission::Admin),
    ("bob", Permission::Write),
    ("tess", Permission::Triage),
    ("rita", Permission::Read),
    ("eve", Permission::None),
    ("renovate[bot]", Permission::None),
];

impl State {
    pub(crate) fn new(options: Options, base: String, folder: PathBuf) -> Result<Self, Error> {
        let secret = hex::encode(random_bytes::<20>());
        let hooks = Hooks {
            url: None,
            secret: SecretString::from(secret),
            id: 501,
            mode: Delivering::default(),
            deliveries: BTreeMap::new(),
            waiting: VecDeque::new(),
            held: Vec::new(),
            under_way: 0,
        };
        let mut state = Self {
            clock: options.clock,
            base,
            enterprise: options.enterprise,
            folder,
            key: AppKey::generate()?,
            rate_limit: options.rate_limit,
            hours: BTreeMap::new(),
            ours: our_app(),
            other: other_app(),
            accounts: BTreeMap::new(),
            repos: BTreeMap::new(),
            installed: BTreeSet::new(),
            suspended: false,
            pulls: BTreeMap::new(),
            comments: BTreeMap::new(),
            checks: Checks::default(),
            tokens: Tokens::new(options.token_format),
            hooks,
            ledger: Ledger::default(),
            forecast: Forecast::default(),
            last_id: 1_000,
            last_number: 0,
            commits: 0,
        };
        state.add_account("octo", "Organization");
        for (login, _) in PEOPLE {
            state.add_account(login, if login.ends_with("[bot]") { "Bot" } else { "User" });
        }
        for bot in [state.ours.bot(), state.other.bot()] {
            state.add_account(&bot, "Bot");
        }
        Ok(state)
    }

    /// Takes a repository in: the default people, and the App installed on it.
    pub(crate) fn take_in(&mut self, name: RepoName, git: Git, default_branch: &str) -> RepoName {
        if self.account(name.owner()).is_err() {
            self.add_account(name.owner(), "User");
        }
        let (id, now) = (RepoId(self.id()), self.now());
        let mut permissions: BTreeMap<String, Permission> =
            PEOPLE.into_iter().map(|(login, level)| (login.to_owned(), level)).collect();
        permissions.insert(name.owner().to_owned(), Permission::Admin);
        let default_branch = default_branch.to_owned();
        let repo = Repo {
            id,
            name: name.clone(),
            git,
            default_branch,
            private: false,
            fork_of: None,
            permissions,
            required: Vec::new(),
            created_at: now,
            pushed_at: now,
        };
        self.repos.insert(name.clone(), repo);
        name
    }

    /// Where a repository's git directory lies.
    pub(crate) fn place(&self, name: &RepoName) -> PathBuf {
        self.folder.join(format!("{name}.git"))
    }
}
