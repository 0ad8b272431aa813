//! How the processes of a command are kept together, so that all of them can be killed. Tried at start, shown in the
//! card and in each result.
//!
//! The programs `bwrap` and `unshare` are started, in place of calling the kernel: that needs no unsafe code, and an
//! operator can try by hand what we do.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::options::{Error, Sandbox};

/// Where programs are looked for, and the `PATH` of commands unless the options say otherwise.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How long a try of a sandbox may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// The first process of a namespace: it takes in orphans, and leaves signals to the command. `exec` would make the
/// command the first process, which the kernel shields from every signal that it does not catch.
const INIT: &str = r#""$@"; exit "$?""#;

/// A way to keep processes together that works here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Jail {
    kind: Kind,
    /// What stands before the command.
    before: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bwrap,
    Unshare,
    Group,
}

impl Jail {
    /// Finds the best way that works, or the wanted one.
    pub(super) async fn probe(wanted: Sandbox) -> Result<Self, Error> {
        let ways = match wanted {
            Sandbox::Auto => vec![bwrap(), unshare(false), unshare(true)],
            Sandbox::Bwrap => vec![bwrap()],
            Sandbox::Unshare => vec![unshare(false), unshare(true)],
            Sandbox::Off => vec![],
        };
        for way in ways.into_iter().flatten() {
            if way.works().await {
                return Ok(way);
            }
        }
        match wanted {
            Sandbox::Bwrap => Err(Error::Sandbox("bwrap")),
            Sandbox::Unshare => Err(Error::Sandbox("unshare")),
            Sandbox::Auto | Sandbox::Off => Ok(Self { kind: Kind::Group, before: Vec::new() }),
        }
    }

    /// Its name.
    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Bwrap => "bwrap",
            Kind::Unshare => "unshare",
            Kind::Group => "process group",
        }
    }

    /// Whether the kernel itself keeps the processes together.
    pub(super) fn is_namespace(&self) -> bool {
        self.kind != Kind::Group
    }

    /// What it does and what it does not, for people.
    pub(super) fn about(&self) -> &'static str {
        match self.kind {
            Kind::Bwrap | Kind::Unshare => {
                "a process namespace of its own for each command; files and network are those of the runner"
            }
            Kind::Group => {
                "no sandbox: processes are found by group, descent and environment; commits of strangers are refused"
            }
        }
    }

    /// The command line that runs a program in here.
    pub(super) fn command(&self, program: &[&str]) -> Command {
        let before = self.before.iter().map(String::as_str);
        let init = if self.is_namespace() { &["/bin/sh", "-c", INIT, "init"][..] } else { &[] };
        let mut words = before.chain(init.iter().copied()).chain(program.iter().copied());
        let mut command = Command::new(words.next().unwrap_or("/bin/false"));
        command.args(words);
        command.env_clear().env("PATH", PATH).stdin(Stdio::null()).process_group(0).kill_on_drop(true);
        command
    }

    async fn works(&self) -> bool {
        let mut command = self.command(&["/bin/sh", "-c", "test -r /proc/self/stat"]);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        matches!(tokio::time::timeout(PROBE_TIMEOUT, status).await, Ok(Ok(status)) if status.success())
    }
}

fn bwrap() -> Option<Jail> {
    let program = find("bwrap")?;
    let flags =
        ["--die-with-parent", "--unshare-pid", "--unshare-ipc", "--dev-bind", "/", "/", "--proc", "/proc", "--"];
    Some(Jail { kind: Kind::Bwrap, before: words(&[&program], &flags) })
}

/// `unshare`, which dies with the runner and takes its namespace along. Whoever is not root needs a user namespace.
fn unshare(as_user: bool) -> Option<Jail> {
    let (setpriv, unshare) = (find("setpriv")?, find("unshare")?);
    let user: &[&str] = if as_user { &["--user", "--map-current-user"] } else { &[] };
    let mut before = words(&[&setpriv], &["--pdeathsig", "KILL"]);
    before.extend(words(&[&unshare], user));
    before.extend(words(&[], &["--pid", "--fork", "--kill-child", "--mount-proc"]));
    Some(Jail { kind: Kind::Unshare, before })
}

fn words(programs: &[&Path], flags: &[&str]) -> Vec<String> {
    let programs = programs.iter().map(|program| program.display().to_string());
    programs.chain(flags.iter().map(|flag| (*flag).to_owned())).collect()
}

/// A program in one of the usual places.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    PATH.split(':').map(|place| Path::new(place).join(program)).find(|path| path.is_file())
}
