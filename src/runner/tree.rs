//! All processes of a command, and their end.
//!
//! Killing the process group is not enough: tools start their children in sessions of their own, and daemons leave
//! their parents. In a namespace the kernel knows the members. Without one they are found by group and session, by
//! descent, and by a variable of their environment that names the workspace.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::Child;

/// The variable that marks the processes of a task.
pub(super) const MARK: &str = "POINTSMAN_WORKSPACE";
/// How often the members are looked for and killed, and the pause between: a fork bomb is outrun or told about.
const KILL_ROUNDS_MAX: u32 = 100;
const KILL_ROUND_PAUSE: Duration = Duration::from_millis(20);

/// The processes of one command.
#[derive(Debug)]
pub(super) struct Tree {
    child: Child,
    root: u32,
    mark: Vec<u8>,
    /// The process namespace below the root.
    namespace: Option<Namespace>,
}

/// A process namespace. Held open: the kernel gives the number of one that is gone to the next one at once, and that
/// may be another command's.
#[derive(Debug)]
struct Namespace {
    name: String,
    _open: File,
}

impl Tree {
    /// The tree that grows from a started process. `workspace` is what its environment is marked with.
    pub(super) fn new(child: Child, workspace: &Path, in_namespace: bool) -> Self {
        let root = child.id().unwrap_or(u32::MAX);
        let mut tree = Self { child, root, mark: mark(workspace), namespace: None };
        if in_namespace {
            tree.learn_namespace();
        }
        tree
    }

    /// Waits for the first process to end.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks all to end, waits for `grace`, and kills what is left. Returns how many could not be killed.
    pub(super) async fn stop(&mut self, grace: Duration) -> usize {
        // The program that holds the namespace would take it down at once: it is asked last.
        let members = self.members();
        let spared = self.namespace.as_ref().map(|_| self.root);
        for pid in members.into_iter().filter(|pid| Some(*pid) != spared) {
            signal(pid, Signal::TERM);
        }
        if spared.is_none() {
            self.signal_group(Signal::TERM);
        }
        // Whether it ends or not: what follows is the same.
        let _ = tokio::time::timeout(grace, self.child.wait()).await;
        self.kill().await.1
    }

    /// Kills all that is left. Returns how many there were, and how many could not be killed.
    pub(super) async fn kill(&mut self) -> (usize, usize) {
        let mut seen = BTreeSet::new();
        self.signal_group(Signal::KILL);
        for _ in 0..KILL_ROUNDS_MAX {
            let members = self.members();
            if members.is_empty() {
                return (seen.len(), 0);
            }
            for pid in &members {
                signal(*pid, Signal::KILL);
            }
            seen.extend(members);
            // Also reaps the first process, without which it would stay in sight.
            let _ = tokio::time::timeout(KILL_ROUND_PAUSE, self.child.wait()).await;
            tokio::time::sleep(KILL_ROUND_PAUSE).await;
        }
        (seen.len(), self.members().len())
    }

    /// `unshare` and `bwrap` make the namespace after they were started, so it is looked for until it differs from
    /// ours.
    fn learn_namespace(&mut self) {
        if self.child.id().is_none() {
            // Its number may be another's by now.
            return;
        }
        let ours = namespace_of("self/ns/pid");
        let below = children(self.root).into_iter().map(|pid| format!("{pid}/ns/pid"));
        let mut places = [format!("{}/ns/pid_for_children", self.root)].into_iter().chain(below);
        self.namespace = places.find_map(|place| Namespace::open(&place).filter(|it| Some(&it.name) != ours.as_ref()));
    }

    /// The group of the first process, as long as that was not reaped: where there is no `/proc` it is all we have.
    fn signal_group(&self, signal: Signal) {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) {
            let _ = kill_process_group(pid, signal);
        }
    }

    fn members(&mut self) -> BTreeSet<u32> {
        if self.namespace.is_none() {
            self.learn_namespace();
        }
        let all = processes();
        let us = std::process::id();
        let inside = |pid| {
            self.namespace.as_ref().is_some_and(|it| namespace_of(&format!("{pid}/ns/pid")).as_ref() == Some(&it.name))
        };
        let mut members: BTreeSet<u32> = all
            .iter()
            .filter(|process| {
                [process.pid, process.group, process.session].contains(&self.root)
                    || inside(process.pid)
                    || has_mark(process.pid, &self.mark)
            })
            .map(|process| process.pid)
            .collect();
        // Descent, to the last generation.
        loop {
            let born: Vec<u32> = all
                .iter()
                .filter(|process| members.contains(&process.parent) && !members.contains(&process.pid))
                .map(|process| process.pid)
                .collect();
            if born.is_empty() {
                break;
            }
            members.extend(born);
        }
        members.remove(&us);
        members
    }
}

impl Namespace {
    fn open(place: &str) -> Option<Self> {
        let open = File::open(format!("/proc/{place}")).ok()?;
        // The name of what was opened, not of what stands there by now.
        let name = namespace_of(&format!("self/fd/{}", open.as_raw_fd()))?;
        Some(Self { name, _open: open })
    }
}

/// Kills every process that an earlier runner of this working directory left. Returns how many there were.
pub(super) fn sweep(workspaces: &Path) -> usize {
    let mut mark = mark(workspaces);
    mark.pop();
    mark.push(b'/');
    let us = std::process::id();
    let left: Vec<u32> =
        processes().iter().map(|process| process.pid).filter(|pid| *pid != us && has_mark(*pid, &mark)).collect();
    for pid in &left {
        signal(*pid, Signal::KILL);
    }
    left.len()
}

#[derive(Debug)]
struct Process {
    pid: u32,
    parent: u32,
    group: u32,
    session: u32,
}

/// All processes that are not dead already.
fn processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(process).collect()
}

fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, parentheses too.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    let mut number = || fields.next()?.parse().ok();
    Some(Process { pid, parent: number()?, group: number()?, session: number()? })
}

fn children(of: u32) -> Vec<u32> {
    processes().into_iter().filter(|process| process.parent == of).map(|process| process.pid).collect()
}

fn namespace_of(place: &str) -> Option<String> {
    fs::read_link(format!("/proc/{place}")).ok()?.into_os_string().into_string().ok()
}

fn mark(workspace: &Path) -> Vec<u8> {
    let mut mark = format!("{MARK}=").into_bytes();
    mark.extend_from_slice(workspace.as_os_str().as_bytes());
    mark.push(0);
    mark
}

fn has_mark(pid: u32, mark: &[u8]) -> bool {
    let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
    environment.split_inclusive(|byte| *byte == 0).any(|variable| variable.starts_with(mark))
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // Gone already is what we want; not ours is told by the count of what is left.
        let _ = kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests;
