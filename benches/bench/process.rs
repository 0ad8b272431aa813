//! Processes that are measured: peers, the service itself, and this very program in another role.

use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use pointsman::playground::GitHub;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use url::Url;

/// In which role this program was started again.
pub const ROLE: &str = "POINTSMAN_BENCH_ROLE";
/// Until a peer says where it listens.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A process that serves, with all that it started; they end with this value.
pub struct Process {
    child: Child,
    /// Where it listens.
    pub url: Url,
}

impl Process {
    /// Starts a program that says on its first line where it listens.
    pub async fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let line =
            tokio::time::timeout(READY_WITHIN, lines.next_line()).await.context("it never said where it is")??;
        let Some(line) = line else { bail!("it ended: {}", child.wait().await?) };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, url: line.trim().parse().with_context(|| format!("it said {line:?}"))? })
    }

    /// A peer, by the name of its program. Nothing where the peers could not be installed, which is said.
    pub async fn peer(name: &str, env: &[(&str, &str)]) -> Result<Self, String> {
        let folder = std::env::var("PEERS").map_err(|_| "not installed".to_owned())?;
        let mut command = Command::new("node");
        command.arg(format!("{name}.mjs")).current_dir(folder).envs(env.iter().copied()).stderr(Stdio::null());
        Self::start(&mut command).await.map_err(|error| format!("did not start: {error:#}"))
    }

    /// This program once more, in another role.
    pub async fn role(name: &str, env: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(ROLE, name).envs(env.iter().copied());
        Self::start(&mut command).await
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = self.id()?;
        Ok(kill_process_group(Pid::from_raw(id).context("no process")?, signal)?)
    }

    /// Its number.
    pub fn id(&self) -> anyhow::Result<i32> {
        Ok(i32::try_from(self.child.id().context("it has ended")?)?)
    }

    /// Nothing of it runs until it is measured: what it has left to do is no load on the others.
    pub fn rest(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// It goes on.
    pub fn wake(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Asks it to end, and waits.
    pub async fn end(mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::CONT)?;
        self.signal(Signal::TERM)?;
        Ok(self.child.wait().await?)
    }

    /// Its resident memory, in bytes.
    pub fn memory(&self) -> anyhow::Result<u64> {
        memory_of(self.id()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended by itself has no number any more.
        let _ = self.signal(Signal::KILL);
    }
}

/// The whole service, `pointsman serve` of the same build, as the App of this GitHub. It is ready when this returns.
pub async fn service(github: &GitHub, database: &str, more: &[(&str, &str)]) -> anyhow::Result<Process> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let url = Url::parse(&format!("http://127.0.0.1:{port}"))?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    command.arg("serve").envs(github.settings()).env("DATABASE_URL", database).env("API_HOST", "127.0.0.1");
    command.env("API_PORT", port.to_string()).env("LOG_LEVEL", "error").env("PUBLIC_URL", url.as_str());
    command.env("MAX_CONCURRENT_WORKFLOWS", "100000");
    for agent in pointsman::config::names::AGENTS {
        command.env(format!("{agent}_ENDPOINT"), "");
    }
    command.envs(more.iter().copied()).stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
    let service = Process { child: command.spawn()?, url };
    let ready = service.url.join("/ready")?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let until = Instant::now() + READY_WITHIN;
    while !client.get(ready.clone()).send().await.is_ok_and(|answer| answer.status().is_success()) {
        ensure!(Instant::now() < until, "the service is not ready");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(service)
}

/// The resident memory of a process, in bytes.
pub fn memory_of(id: i32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? << 10)
}
