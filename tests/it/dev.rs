//! `pointsman dev` and `pointsman run`, the binary itself, as somebody uses it who has no terminal: plain lines, each
//! change once.
//!
//! Every test has a folder of its own for what is temporary, and fails when anything is left in it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a line may be waited for. Far more than it takes: the machine may be busy.
const LINE_WITHIN: Duration = Duration::from_secs(120);
/// What every command of the shell agent has in its environment.
const MARK: &str = "POINTSMAN_TEST_OF";

/// A `pointsman dev` or `pointsman run` that runs.
struct Dev {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Everything that it has said so far.
    said: String,
    folder: TempDir,
}

fn pass_on(pipe: impl Read + Send + 'static, lines: Sender<String>) {
    std::thread::spawn(move || {
        BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
    });
}

impl Dev {
    fn start(args: &[&str]) -> Self {
        Self::start_in(args, &[])
    }

    fn start_in(args: &[&str], env: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
        command.arg("dev").args(args).arg(format!("--env={MARK}={}", folder.path().display()));
        Self::spawn(command, env, folder)
    }

    /// `pointsman run` in a folder.
    fn run(work: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
        command.arg("run").args(args).current_dir(work);
        let mark = folder.path().display().to_string();
        let env: Vec<(&str, &str)> = env.iter().copied().chain([(MARK, mark.as_str())]).collect();
        Self::spawn(command, &env, folder)
    }

    fn spawn(mut command: Command, env: &[(&str, &str)], folder: TempDir) -> Self {
        let mut child = command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("TMPDIR", folder.path())
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        pass_on(child.stdout.take().unwrap(), sender.clone());
        pass_on(child.stderr.take().unwrap(), sender);
        Self { stdin: child.stdin.take(), child, lines, said: String::new(), folder }
    }

    /// Reads on up to a line that has this in it, which is returned.
    fn until(&mut self, part: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(LINE_WITHIN) else {
                panic!("waited in vain for {part:?} in\n{}", self.said)
            };
            self.said += &line;
            self.said.push('\n');
            if line.contains(part) {
                return line;
            }
        }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its exit code and all that it said, once it has ended by itself and left nothing behind.
    fn end(mut self) -> (Option<i32>, String) {
        loop {
            match self.lines.recv_timeout(LINE_WITHIN) {
                Ok(line) => self.said += &(line + "\n"),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("it does not end:\n{}", self.said),
            }
        }
        let code = self.child.wait().unwrap().code();
        let left: Vec<_> = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "left behind: {left:?}\n{}", self.said);
        let alive = marked(&self.folder.path().display().to_string());
        assert!(alive.is_empty(), "still running: {alive:?}\n{}", self.said);
        let control = self.said.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(control, None, "{}", self.said);
        (code, std::mem::take(&mut self.said))
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // Only what a failed test left running; else it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command lines of the processes that belong to steps of this test.
fn marked(folder: &str) -> Vec<String> {
    let mark = format!("{MARK}={folder}");
    let of = |process: fs::DirEntry| {
        let environment = fs::read(process.path().join("environ")).ok()?;
        let ours = environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes());
        ours.then(|| fs::read_to_string(process.path().join("cmdline")).unwrap_or_default())
    };
    fs::read_dir("/proc").unwrap().filter_map(Result::ok).filter_map(of).collect()
}

#[track_caller]
fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.lines().any(|line| line.contains(part)), "{part:?} is missing in\n{said}");
    }
}

#[test]
fn once_is_green() {
    let (code, said) = Dev::start(&["--once"]).end();
    let steps = ["build", "lint", "test", "report"].map(|step| format!("✔ ci / {step}  success"));
    assert_says(&said, &steps.each_ref().map(String::as_str));
    assert_says(&said, &["/octo/greet/pull/1", "/runs/", "✔ ci  success", "ci: success."]);
    assert_eq!(code, Some(0), "{said}");
    // The workflow check has the last word of the checks.
    assert!(said.rfind("✔ ci  success") > said.rfind("✔ ci / report  success"), "{said}");
}

#[test]
fn broken_is_red_and_says_why() {
    let (code, said) = Dev::start(&["--once", "--break"]).end();
    assert_eq!(code, Some(1), "{said}");
    assert_says(&said, &["✔ ci / lint  success", "✘ ci / test  failure", "⊝ ci / report  cancelled", "✘ ci  failure"]);
    assert_says(&said, &["│ FAILED: expected 'Goodbye', saw 'Hello'", "▸ src/greet.sh:3 failure the greeting"]);
    assert!(!said.contains("error:"), "what went wrong was said already\n{said}");
}

#[test]
fn without_agents_it_is_a_rehearsal() {
    let (code, said) = Dev::start(&["--once", "--workflow", "pr_processing"]).end();
    assert_eq!(code, Some(0), "{said}");
    for step in ["analyze_pr", "generate_tasks", "deploy_branch", "validate_code", "run_tests", "security_audit"] {
        assert_says(&said, &[&format!("◼ pr_processing / {step}  neutral  rehearsed: nothing ran")]);
    }
    assert_says(&said, &["◼ pr_processing  neutral", "REHEARSED", "CLAUDE_CODE_ENDPOINT"]);
    assert!(!said.contains('✔') && !said.contains("success"), "{said}");
}

#[test]
fn what_is_typed_is_obeyed() {
    let mut dev = Dev::start(&["--break"]);
    dev.until("ci: not green");
    dev.say("as rita: /retry");
    dev.until("👎 on \"/retry\"");
    dev.say("/retry");
    dev.until("🚀 on \"/retry\"");
    dev.until("✘ ci / test  failure");
    dev.until("ci: not green");
    assert_eq!(dev.said.matches("✔ ci / lint  success").count(), 1, "what was green does not run again\n{}", dev.said);
    dev.say("help");
    dev.until("as rita: /retry");
    dev.say("push");
    dev.until("✔ ci / report  success");
    dev.until("ci: success.");
    dev.say("quit");
    assert_eq!(dev.end().0, Some(0));
}

#[test]
fn an_interrupt_leaves_nothing() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut dev = Dev::start(&[]);
        dev.until("ci / test  in progress");
        dev.signal(signal);
        let (code, said) = dev.end();
        assert_eq!(code, Some(0), "{said}");
    }
    let mut dev = Dev::start(&["--once"]);
    // Not `build`: it may be over before it is shown to run.
    dev.until("ci / test  in progress");
    dev.signal(Signal::INT);
    let (code, said) = dev.end();
    assert_eq!(code, Some(1), "{said}");
    assert_says(&said, &["stopped before the run had ended"]);
}

#[test]
fn what_cannot_work_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    let empty = folder.path().display().to_string();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], i32, &'a str);
    let cases: &[Case<'_>] = &[
        (&["--once"], &[("NODE_ENV", "production")], 2, "NODE_ENV: it is production"),
        (&["--once"], &[("PATH", &empty)], 1, "git is not installed; install it"),
        (&["--once", "--workflow", "cj"], &[], 1, "there is no workflow \"cj\" to show; choose ci, pr_processing"),
        (&["--once", "--repo", &empty], &[], 1, "give the folder of a git repository with a commit"),
        (&["--once", "--port", &port], &[], 1, "is in use: choose another one"),
    ];
    for (args, env, expected, part) in cases {
        let (code, said) = Dev::start_in(args, env).end();
        assert_eq!(code, Some(*expected), "{said}");
        assert_says(&said, &[part]);
    }
}

/// A folder with a workflow: `make` writes, `check` reads what stands there and what `make` said.
fn work(check: &str) -> TempDir {
    let work = TempDir::new().unwrap();
    fs::create_dir(work.path().join(".workflows")).unwrap();
    fs::write(work.path().join("here.txt"), "as it stands\n").unwrap();
    let workflow = r#"
on:
  push: { branches: [nowhere] }
steps:
  - id: make
    run: |
      cat here.txt > made.txt
      echo "made=$WHO" >> "$POINTSMAN_OUTPUT"
  - id: check
    needs: [make]
    env: { MADE: "${{ steps.make.outputs.made }}" }
    run: |
      CHECK
"#;
    let workflow = workflow.replace("CHECK", check);
    fs::write(work.path().join(".workflows/local.yml"), workflow).unwrap();
    work
}

#[test]
fn a_workflow_runs_in_the_folder_as_it_stands() {
    let work = work("test \"$(cat made.txt) by $MADE\" = \"as it stands by me\"");
    let (code, said) = Dev::run(work.path(), &["local"], &[("WHO", "me")]).end();
    assert_says(
        &said,
        &["local runs for real in ", "✔ local / make  success", "✔ local / check  success", "✔ local  success"],
    );
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fs::read_to_string(work.path().join("made.txt")).unwrap(), "as it stands\n");
}

#[test]
fn a_red_step_shows_its_log() {
    let work = work("sh -c 'echo three are red; exit 3'");
    let (code, said) = Dev::run(work.path(), &[".workflows/local.yml"], &[("WHO", "me")]).end();
    assert_eq!(code, Some(1), "{said}");
    assert_says(&said, &["✔ local / make  success", "✘ local / check  failure", "│ three are red", "local: not green"]);
    assert!(!said.contains("error:"), "what went wrong was said already\n{said}");
}

#[test]
fn a_command_does_the_steps_of_an_agent() {
    let work = work("true");
    let review = "on: push\nsteps:\n  - { id: review, agent: claude-code, with: { focus: security } }\n";
    fs::write(work.path().join(".workflows/review.yml"), review).unwrap();
    let (code, said) = Dev::run(work.path(), &["review"], &[]).end();
    assert_eq!(code, Some(2), "{said}");
    assert_says(&said, &["claude-code (review): --agent 'claude-code=exec:COMMAND', or CLAUDE_CODE_ENDPOINT=http://…"]);
    let agent = "--agent=claude-code=exec:grep -o '\"focus\": \"security\"' \"$POINTSMAN_REQUEST\" > asked.txt";
    let (code, said) = Dev::run(work.path(), &["review", agent], &[]).end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fs::read_to_string(work.path().join("asked.txt")).unwrap(), "\"focus\": \"security\"\n");
}

#[test]
fn an_interrupt_cancels_the_run() {
    let work = work("sleep 1000");
    let mut run = Dev::run(work.path(), &["local"], &[("WHO", "me")]);
    run.until("local / check  in progress");
    run.signal(Signal::INT);
    let (code, said) = run.end();
    assert_eq!(code, Some(1), "{said}");
    assert_says(&said, &["cancelled before the run had ended"]);
}
