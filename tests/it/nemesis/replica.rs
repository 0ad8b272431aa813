//! One replica of the service over all its lives, with the lines that lead out of it.

use std::collections::{BTreeMap, VecDeque};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::line::Line;

/// A lease in these tests: three beats of a second.
pub const LEASE: Duration = Duration::from_secs(3);
/// Much longer than a start takes.
const SERVES_WITHIN: Duration = Duration::from_secs(120);
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// What a supervisor waits before he starts again what ended.
const RESTART: Duration = Duration::from_millis(200);
/// Lines of its log that are kept for a failure.
const LINES_MAX: usize = 400;
const PORT: u16 = 3000;
/// Lines of the log that are counted: each is somebody who came too late, or who was found silent.
const COUNTED: [&str; 8] = [
    "an attempt is not ours any more",
    "the end of an attempt came late",
    "what an agent shows comes late",
    "enters the list of replicas",
    "took over the attempts of a replica that fell silent",
    "a replica fell silent",
    "did not stop in time",
    "panicked",
];

/// Lines that would drown the others.
const UNTOLD: [&str; 2] = ["a delivery arrived", "a connection broke"];

pub struct Replica {
    pub number: usize,
    pub host: String,
    /// To the database.
    pub line: Line,
    /// To GitHub.
    pub out: Line,
    env: BTreeMap<String, String>,
    process: tokio::sync::Mutex<Option<Process>>,
    said: Arc<Mutex<Said>>,
}

/// What it said, over all lives.
#[derive(Default)]
struct Said {
    last: VecDeque<String>,
    counts: BTreeMap<&'static str, usize>,
    /// The most memory that it had, in kilobytes.
    peak: usize,
    starts: usize,
    /// Starts that ended before it served.
    refused: usize,
}

struct Process {
    child: Child,
    serves: watch::Receiver<bool>,
}

impl Replica {
    pub fn new(number: usize, host: String, (line, out): (Line, Line), env: BTreeMap<String, String>) -> Self {
        Self { number, host, line, out, env, process: tokio::sync::Mutex::default(), said: Arc::default() }
    }

    /// Where it listens, in each of its lives.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}:{PORT}{path}", self.host)
    }

    /// As it stands on the list of replicas.
    pub fn name(&self) -> String {
        format!("{}:{PORT}", self.host)
    }

    /// Starts it, as a supervisor would: again and again until it serves. `shift` sets its clock wrong.
    pub async fn serve(&self, shift: Option<&str>) {
        let serving = async {
            loop {
                let mut process = self.spawn(shift);
                if process.serves.wait_for(|serves| *serves).await.is_ok() {
                    return process;
                }
                let _ = process.child.wait().await;
                self.said.lock().unwrap().refused += 1;
                tokio::time::sleep(RESTART).await;
            }
        };
        let serving = tokio::time::timeout(SERVES_WITHIN, serving).await;
        let process = serving.unwrap_or_else(|_| panic!("replica {} does not come up\n{}", self.number, self.tail()));
        *self.process.lock().await = Some(process);
    }

    fn spawn(&self, shift: Option<&str>) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
        command.arg("serve").env_clear().envs(&self.env);
        command.env("API_HOST", &self.host).env("API_PORT", PORT.to_string());
        if let (Some(shift), Some(library)) = (shift, faketime()) {
            // The machine's own clock only: what is measured in spans goes on as it is.
            command.env("LD_PRELOAD", library).env("FAKETIME", shift).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let (sender, serves) = watch::channel(false);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = self.said.clone();
        said.lock().unwrap().starts += 1;
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let serving = line.contains(" serving ");
                said.lock().unwrap().heard(line);
                if serving {
                    sender.send_replace(true);
                }
            }
        });
        Process { child, serves }
    }

    /// A start that is expected to be refused; what it says.
    pub async fn refused(&self) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
        command.arg("serve").env_clear().envs(&self.env).env("API_HOST", "127.0.0.1").env("API_PORT", "1");
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(SERVES_WITHIN, output).await.expect("it serves").unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn signal(process: &Process, signal: Signal) {
        let pid = process.child.id().and_then(|id| Pid::from_raw(id.try_into().unwrap())).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Ends it by this signal.
    async fn end(&self, signal: Signal) -> std::process::ExitStatus {
        self.weigh().await;
        let mut process = self.process.lock().await.take().unwrap();
        let before = process.child.try_wait().unwrap();
        assert!(before.is_none(), "replica {} had ended by itself: {before:?}\n{}", self.number, self.tail());
        Self::signal(&process, signal);
        let ended = tokio::time::timeout(SERVES_WITHIN, process.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("replica {} does not end\n{}", self.number, self.tail())).unwrap()
    }

    /// `kill -9`.
    pub async fn kill(&self) {
        assert_eq!(self.end(Signal::KILL).await.signal(), Some(9));
    }

    /// As a supervisor asks it.
    pub async fn stop(&self) {
        let ended = self.end(Signal::TERM).await;
        assert!(ended.success(), "replica {} stopped badly: {ended}\n{}", self.number, self.tail());
    }

    pub async fn freeze(&self, signal: Signal) {
        Self::signal(self.process.lock().await.as_ref().unwrap(), signal);
    }

    /// Returns when it is itself again: it shows a beat, and has a database.
    pub async fn ready(&self) {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWERS_WITHIN).build().unwrap();
        let ready = async {
            while !http.get(self.url("/ready")).send().await.is_ok_and(|answer| answer.status().is_success()) {
                tokio::time::sleep(RESTART).await;
            }
        };
        let ready = tokio::time::timeout(SERVES_WITHIN, ready).await;
        ready.unwrap_or_else(|_| panic!("replica {} is never ready again\n{}", self.number, self.tail()));
    }

    /// Lets it go on if it was frozen, and serves if it was not there.
    pub async fn thaw_or_serve(&self) {
        let lives = match &mut *self.process.lock().await {
            Some(process) => {
                Self::signal(process, Signal::CONT);
                process.child.try_wait().unwrap().is_none()
            }
            None => false,
        };
        if !lives {
            self.serve(None).await;
        }
    }

    /// Looks at how much memory it has.
    pub async fn weigh(&self) {
        let process = self.process.lock().await;
        let Some(id) = process.as_ref().and_then(|process| process.child.id()) else { return };
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let peak =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        let mut said = self.said.lock().unwrap();
        said.peak = said.peak.max(peak.unwrap_or(0));
    }

    /// The most memory that it ever had, in megabytes.
    pub fn peak(&self) -> usize {
        self.said.lock().unwrap().peak / 1024
    }

    /// How often it was started, and how often that ended before it served.
    pub fn starts(&self) -> (usize, usize) {
        let said = self.said.lock().unwrap();
        (said.starts, said.refused)
    }

    /// How often it said this; one of [`COUNTED`].
    pub fn count(&self, what: &str) -> usize {
        self.said.lock().unwrap().counts.get(what).copied().unwrap_or(0)
    }

    /// The last that it said.
    pub fn tail(&self) -> String {
        self.said.lock().unwrap().last.iter().map(|line| format!("  [{}] {line}\n", self.number)).collect()
    }
}

impl Said {
    fn heard(&mut self, line: String) {
        for what in COUNTED.into_iter().filter(|what| line.contains(what)) {
            *self.counts.entry(what).or_default() += 1;
        }
        if UNTOLD.iter().any(|what| line.contains(what)) {
            return;
        }
        if self.last.len() == LINES_MAX {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }
}

/// The library that shifts a clock, where Debian puts it.
pub fn faketime() -> Option<PathBuf> {
    let machine = format!("{}-linux-gnu", std::env::consts::ARCH);
    let path = Path::new("/usr/lib").join(machine).join("faketime/libfaketimeMT.so.1");
    path.is_file().then_some(path)
}
