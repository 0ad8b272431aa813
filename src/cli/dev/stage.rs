//! Everything that `dev` starts, and its end: GitHub, a shell agent, a rehearsal, the service, the folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::scene::{Scene, Wish};
use crate::app::{Extra, Service};
use crate::cli::{Failure, log};
use crate::config::{self, Settings, Sources, names};
use crate::ids::AgentName;
use crate::playground::{GitHub, Options, Rehearsal};
use crate::runner::{self, Driver, Place, Runner, Sandbox};
use crate::time::Clock;
use crate::workflow::defaults::SHELL;

/// Steps that the shell agent runs at once.
const SHELL_STEPS_MAX: usize = 4;
/// How long the end of what was started may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the service waits for what is under way: nobody minds what is lost with a playground.
const DRAIN: &str = "1s";
/// What `dev` writes into its folder.
const DATABASE: &str = "dev.db";
const LOG: &str = "pointsman.log";

/// Where things are kept while it runs, and whether they stay.
enum Folder {
    Gone(TempDir),
    Kept(PathBuf),
}

impl Folder {
    fn new(keep: Option<&Path>) -> anyhow::Result<Self> {
        let Some(keep) = keep else {
            let made = tempfile::Builder::new().prefix("pointsman-dev-").tempdir();
            return Ok(Self::Gone(made.context("no temporary folder; set TMPDIR to a place that can be written")?));
        };
        let wrong = || format!("--keep {}: give a folder that can be written", keep.display());
        fs::create_dir_all(keep).with_context(wrong)?;
        if keep.join(DATABASE).exists() {
            // Each playground begins anew with the same numbers: an old database would take them for its own.
            bail!("--keep {}: it holds an earlier {DATABASE}; remove that, or give another folder", keep.display());
        }
        Ok(Self::Kept(keep.canonicalize().with_context(wrong)?))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Gone(folder) => folder.path(),
            Self::Kept(folder) => folder,
        }
    }
}

/// Everything that runs.
pub(super) struct Stage {
    pub(super) github: GitHub,
    pub(super) scene: Scene,
    pub(super) clock: Clock,
    /// Agents that are rehearsed because nobody set them up.
    pub(super) rehearsed: Vec<AgentName>,
    /// What keeps the shell's processes together.
    pub(super) sandbox: &'static str,
    pub(super) address: String,
    service: Service,
    runners: Vec<JoinHandle<Result<(), runner::Error>>>,
    stop: CancellationToken,
    /// Without [`Stage::stop`] the runners still end with this.
    _guard: DropGuard,
    _rehearsal: Rehearsal,
    folder: Folder,
}

/// What a person may say about it.
pub(super) struct Wanted<'a> {
    pub(super) wish: &'a Wish,
    pub(super) keep: Option<&'a Path>,
    pub(super) port: u16,
    /// Variables that every step gets.
    pub(super) env: BTreeMap<String, String>,
    /// Where steps run.
    pub(super) place: Place,
    /// Command lines that do the steps of these agents.
    pub(super) commands: &'a BTreeMap<AgentName, String>,
}

impl Stage {
    /// Starts everything; webhooks arrive from here on.
    pub(super) async fn start(wanted: Wanted<'_>, env: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let clock = Clock::machine();
        let folder = Folder::new(wanted.keep)?;
        let github = GitHub::start(Options::new(clock.clone())).await?;
        let bind = async |name: &str, driver| {
            let options = runner::Options {
                bind: ([127, 0, 0, 1], 0).into(),
                driver,
                bearer: None,
                workdir: folder.path().join("runner").join(name),
                place: wanted.place.clone(),
                sandbox: Sandbox::Auto,
                max_concurrent: SHELL_STEPS_MAX,
                name: name.to_owned(),
                env: wanted.env.clone(),
                clock: clock.clone(),
            };
            Runner::bind(options).await
        };
        let shell = bind(SHELL, Driver::Exec).await?;
        let mut addresses = BTreeMap::new();
        let mut runners = Vec::new();
        for (agent, command) in wanted.commands {
            let runner = bind(agent.as_str(), Driver::Command(command.clone())).await?;
            addresses.insert(agent.clone(), runner.address().to_string());
            runners.push(runner);
        }
        let scene = wanted.wish.stage(&github).await?;
        let rehearsal = Rehearsal::start().await?;
        let set_up = |agent: &AgentName| addresses.contains_key(agent) || env.contains_key(&endpoint(agent.as_str()));
        // What runs for real must not pass because a fallback agent was played.
        let plays = scene.here.is_none();
        let rehearsed: Vec<AgentName> = scene.agents.iter().filter(|agent| plays && !set_up(agent)).cloned().collect();
        let agents = Agents {
            shell: shell.address().to_string(),
            commands: &addresses,
            rehearsal: &rehearsal,
            rehearsed: &rehearsed,
        };
        let settings = settings(&github, &folder, wanted.port, agents.settings(env))?;
        log::start_in(settings.logging, File::create(folder.path().join(LOG)).context("the log")?);
        let (stop, sandbox) = (CancellationToken::new(), shell.sandbox());
        runners.push(shell);
        let runners = runners.into_iter().map(|runner| tokio::spawn(runner.run(stop.clone()))).collect();
        let guard = stop.clone().drop_guard();
        let service = Service::start(settings, Extra { public_url_from_bind: true });
        let service = service.await.map_err(|error| in_use(error, wanted.port))?;
        let address = format!("http://{}", service.address);
        github.set_webhook(&format!("{address}/webhook"));
        github.install().await?;
        Ok(Self {
            github,
            scene,
            clock,
            rehearsed,
            sandbox,
            address,
            service,
            runners,
            stop,
            _guard: guard,
            _rehearsal: rehearsal,
            folder,
        })
    }

    /// Ends everything and clears up. The folder that was kept, if one was.
    pub(super) async fn stop(self) -> anyhow::Result<Option<PathBuf>> {
        let ending = async {
            // The service first: it tells the shell which commands to stop.
            self.service.stop().await;
            self.stop.cancel();
            for runner in self.runners {
                runner.await.context("an agent broke")??;
            }
            anyhow::Ok(())
        };
        let ended = tokio::time::timeout(STOP_TIMEOUT, ending).await;
        let late = "something did not stop in time; look for processes that are left";
        ended.context(late)??;
        match self.folder {
            Folder::Gone(folder) => {
                let path = folder.path().to_owned();
                folder.close().with_context(|| format!("{} could not be removed", path.display()))?;
                Ok(None)
            }
            Folder::Kept(path) => Ok(Some(path)),
        }
    }
}

/// The name of the setting that says where an agent is.
pub(super) fn endpoint(agent: &str) -> String {
    format!("{}_ENDPOINT", names::prefix(agent))
}

/// Who does the work.
struct Agents<'a> {
    shell: String,
    /// Where those are that command lines play.
    commands: &'a BTreeMap<AgentName, String>,
    rehearsal: &'a Rehearsal,
    rehearsed: &'a [AgentName],
}

impl Agents<'_> {
    /// Their settings: those of the environment, the shell, and the rehearsed ones.
    fn settings(&self, env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let more = env.get("AGENTS").map(String::as_str).unwrap_or_default();
        let more = more.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != SHELL);
        let mut agents: BTreeSet<&str> = more.chain([SHELL]).collect();
        agents.extend(self.commands.keys().map(AgentName::as_str));
        agents.extend(self.rehearsed.iter().map(AgentName::as_str));
        let known = names::AGENTS.map(str::to_owned);
        let prefixes = known.into_iter().chain(agents.iter().map(|agent| names::prefix(agent)));
        let prefixes: Vec<String> = prefixes.collect();
        let theirs = |name: &str| {
            let of = |prefix: &String| name.strip_prefix(prefix.as_str()).is_some_and(|rest| SUFFIXES.contains(&rest));
            prefixes.iter().any(of)
        };
        let passed = env.iter().filter(|(name, _)| theirs(name) || matches!(name.as_str(), "LOG_LEVEL" | "DEBUG_MODE"));
        let mut settings: BTreeMap<String, String> =
            passed.map(|(name, value)| (name.clone(), value.clone())).collect();
        settings.insert("AGENTS".to_owned(), agents.into_iter().collect::<Vec<_>>().join(","));
        settings.insert(endpoint(SHELL), format!("http://{}/a2a", self.shell));
        for (agent, address) in self.commands {
            settings.insert(endpoint(agent.as_str()), format!("http://{address}/a2a"));
        }
        settings.insert("SHELL_MAX_CONCURRENT".to_owned(), SHELL_STEPS_MAX.to_string());
        for agent in self.rehearsed {
            settings.insert(endpoint(agent.as_str()), self.rehearsal.endpoint());
        }
        // Whom the scene does not name needs no look at its health.
        for prefix in names::AGENTS {
            settings.entry(format!("{prefix}_ENDPOINT")).or_default();
        }
        settings
    }
}

/// What follows an agent's name in a setting.
const SUFFIXES: [&str; 5] = ["_ENDPOINT", "_API_KEY", "_API_KEY_FILE", "_TIMEOUT", "_MAX_CONCURRENT"];

/// The ordinary settings of the server, pointed at this machine's GitHub.
fn settings(
    github: &GitHub,
    folder: &Folder,
    port: u16,
    agents: BTreeMap<String, String>,
) -> Result<Settings, Failure> {
    let mut env = agents;
    env.extend(github.settings());
    env.extend(
        [
            ("DATABASE_URL", format!("sqlite://{}", folder.path().join(DATABASE).display())),
            ("API_HOST", "127.0.0.1".to_owned()),
            ("DRAIN_TIMEOUT", DRAIN.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    let sources = Sources { env: &env, file: None, open: &config::open };
    let mut settings = Settings::read(&sources).map_err(Failure::Settings)?;
    // No operator may say 0, any port that is free: nobody would find the service.
    settings.server.port = port;
    Ok(settings)
}

fn in_use(error: anyhow::Error, port: u16) -> anyhow::Error {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    if kinds.into_iter().any(|kind| kind == std::io::ErrorKind::AddrInUse) {
        return anyhow::anyhow!("port {port} is in use: choose another one, or leave --port out for any that is free");
    }
    error
}

#[cfg(test)]
mod tests;
