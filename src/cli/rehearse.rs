//! `pointsman rehearse`: a run acted out in virtual time, with chosen failures, delays, pauses and crashes.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use rustix::termios::tcgetwinsize;

use super::Failure;
use super::source::{self, whole};
use crate::rehearse::{self, Look, SCRIPT_BYTES_MAX, Script};
use crate::report::problems::Paint;

/// How wide the bars are where nobody says how wide the screen is.
const WIDTH: usize = 100;

/// Act a run of a workflow out in virtual time, and tell the story. Nothing runs, and nothing is touched.
///
/// The engine is the one that serves: retries, fallback agents, approvals, holds, timeouts. Agents are played: each
/// attempt succeeds after half of its timeout, unless the script says otherwise. The same file, script and seed always
/// give the same story.
#[derive(Debug, Args)]
#[command(after_long_help = SCRIPT_HELP)]
pub(super) struct Rehearse {
    /// A workflow file, an id in `.workflows/`, the name of a built-in such as pr_processing, or `-`.
    #[arg(value_name = "FILE")]
    file: String,
    /// A line of the script, or several. May be repeated.
    #[arg(long, value_name = "LINE")]
    script: Vec<String>,
    /// A file with the script; its lines come first. `-` is standard input.
    #[arg(long, value_name = "FILE")]
    script_file: Option<PathBuf>,
    /// Draw durations and back-offs from this number.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// For people, or for programs.
    #[arg(long, value_enum, default_value_t = Format::Story)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// What happened when, how each step ended, and bars over time.
    Story,
    /// One JSON object.
    Json,
}

const SCRIPT_HELP: &str = r#"The script, a line each; # begins a comment:
  tests: fail, fail, ok 20s            each attempt in turn; the last goes on
  tests on goose: ok                   the same step with that agent
  review[1]: time out                  one instance of a for_each
  agent codegen: away                  whatever that agent is given
  analyze outputs: {"areas": ["a"]}    what later expressions see
  at 90s: /pause                       a maintainer's comment: /approve, /retry …
  at 2m: crash for 30s                 the service dies, and is back after that
  at 3m: push                          a newer run takes its place
  at 3m: close                         the pull request is closed
  group: free at 1m                    until then another run has its place
  environment staging: free at 1m      the same
  event: push {"ref": "refs/tags/v1"}  what started it
  event: pull request {"draft": true}  or number title labels author fork branch
                                       base
  trusted: no                          its author has no write access

Answers: ok, fail, neutral, time out, silent, away, declined, ask, transient,
overloaded, rate limit, crash, bad output, auth, config, policy, validation,
budget. Behind one may stand how long it takes (20s), its outputs ({…}), why
("3 tests are red"), retry after 1m, and cost $0.25.

Exit codes: 0 the story was told, whatever its end; 1 the file is wrong; 2 the
script is wrong."#;

impl Rehearse {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.file == "-" && self.script_file.as_deref() == Some(Path::new("-")) {
            return Err(Failure::Usage("FILE and --script-file cannot both be standard input".to_owned()));
        }
        let workflow = source::find(&self.file, Path::new("."))?.workflow()?;
        let script = Script::read(&self.lines()?, &workflow.plan, &workflow.triggers).map_err(|mistakes| {
            let lines: Vec<String> = mistakes.iter().map(|mistake| format!("  script:{mistake}\n")).collect();
            Failure::Usage(format!("the script\n{}`pointsman rehearse --help` shows its words.", lines.concat()))
        })?;
        let story = rehearse::rehearse(&workflow, &script, self.seed)?;
        let told = match self.format {
            Format::Story => rehearse::text(&story, look()),
            Format::Json => format!("{:#}\n", story.json()),
        };
        Ok(io::stdout().write_all(told.as_bytes())?)
    }

    /// The script: that of the file, then what was typed.
    fn lines(&self) -> anyhow::Result<String> {
        let mut lines = match &self.script_file {
            None => String::new(),
            Some(path) if path == Path::new("-") => whole(io::stdin(), "standard input", SCRIPT_BYTES_MAX)?,
            Some(path) => {
                let name = format!("--script-file {}", path.display());
                whole(File::open(path).with_context(|| name.clone())?, &name, SCRIPT_BYTES_MAX)?
            }
        };
        for line in &self.script {
            if !lines.is_empty() && !lines.ends_with('\n') {
                lines.push('\n');
            }
            lines.push_str(line);
        }
        Ok(lines)
    }
}

/// As wide as the terminal, and in colours only there.
fn look() -> Look {
    if !io::stdout().is_terminal() {
        return Look { width: WIDTH, colours: false };
    }
    let width = tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
    Look { width: width.unwrap_or(WIDTH), colours: source::paint(true) == Paint::Colours }
}
