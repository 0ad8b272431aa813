//! Every sentence that we write into comments.
//!
//! What people or agents wrote is shown only inside code, by [`code`] and [`block`]. There GitHub renders nothing: no
//! mention notifies, no image loads (which would leak what its address holds), no link, no HTML, no reference to
//! another issue. Against escaping sign by sign, or a zero-width character behind each `@`, that has two merits: there
//! is no list of signs to keep up to date, and what a reader copies is what was written.
//!
//! *Invariant:* a reply says what to do next.

mod text;

use std::fmt::Write;

pub use text::{block, code, cut};

use super::authorize::{Denied, Overrides, Permission, Why};
use super::given::{Approved, Command, Mistake, StepName};
use super::parse::{ARGUMENTS_MAX, COMMANDS_MAX};
use super::verb::Verb;
use crate::ids::{CommitSha, Login};

/// The longest comment that GitHub takes, in characters.
pub const COMMENT_CHARS_MAX: usize = 65_536;
/// Names in one list.
pub const LISTED_MAX: usize = 50;
/// Rows of steps in one status.
pub const STATUS_ROWS_MAX: usize = 100;

/// One comment from its parts. The marker, invisible and in front, is what a later try looks for before it writes
/// the comment again; letters, digits and `:._/#` of `key` go into it.
#[must_use]
pub fn comment(key: &str, parts: &[String]) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '_' | '/' | '#');
    let marker: String = key.chars().filter(plain).collect();
    cut(&format!("<!-- pointsman:{marker} -->\n{}\n", parts.join("\n\n")), COMMENT_CHARS_MAX)
}

/// What `/status` shows: the caller's words for states, ours for the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The commit that it is about.
    pub head: CommitSha,
    /// Why nothing starts, one sentence each: paused by whom, waiting for trust.
    pub holds: Vec<String>,
    /// The workflows of that commit, in order.
    pub workflows: Vec<WorkflowStatus>,
}

/// One workflow in a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowStatus {
    /// Its id.
    pub workflow: String,
    /// In a few words: `running, 3 of 7 steps`, `queued, place 2`.
    pub state: String,
    /// The run's page, if there is a public address.
    pub url: Option<String>,
    /// The steps that are worth a line: what runs, waits or failed.
    pub steps: Vec<StepStatus>,
}

/// One step in a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepStatus {
    /// Its key.
    pub step: String,
    /// In a few words: `running for 12 s, attempt 2, claude-code`.
    pub state: String,
}

/// How a repository is spoken to: whether it reads `/verb`, or `/pointsman verb` alone. What we tell people to write
/// must work where they read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voice {
    /// Whether `/verb` is read.
    pub bare: bool,
}

impl Voice {
    /// What stands before a verb here.
    fn slash(self) -> &'static str {
        if self.bare { "/" } else { "/pointsman " }
    }

    /// What is wrong with the command in this line, and what to write in its place.
    #[must_use]
    pub fn mistake(self, line: u32, mistake: &Mistake) -> String {
        let slash = self.slash();
        let usage = |verb: Verb| format!("Write {}.", self.usage(verb));
        let said = match mistake {
            Mistake::Unknown { verb, did_you_mean: Some(meant) } => {
                format!("there is no command {}. Did you mean `/pointsman {meant}`?", code(verb))
            }
            Mistake::Unknown { verb, did_you_mean: None } => {
                format!("there is no command {}. `/pointsman help` lists the commands.", code(verb))
            }
            Mistake::NotAscii { column } => format!(
                "character {column} is not plain ASCII, and such characters can look like others. Type the line again \
                 without it."
            ),
            Mistake::MarkedUp => {
                "a command is read as it stands, so it cannot hold code, links, images or HTML. Write it without \
                 back-ticks and brackets."
                    .to_owned()
            }
            Mistake::UnclosedQuote => {
                "a `\"` has no partner. Close it, or write `\\\"` inside quotes where you mean the sign itself."
                    .to_owned()
            }
            Mistake::UnknownOption { verb, option } => {
                format!("`{slash}{verb}` has no option {}. {}", code(option), usage(*verb))
            }
            Mistake::Missing { verb, what } => format!("`{slash}{verb}` needs {what}. {}", usage(*verb)),
            Mistake::Unexpected { verb, word } => {
                format!("`{slash}{verb}` does not take {}. {}", code(word), usage(*verb))
            }
            Mistake::BadName { verb, word } => format!(
                "{} is no name that `{slash}{verb}` could take. Names look like `lint`, `ci/lint` or `ci / lint`. {}",
                code(word),
                usage(*verb)
            ),
            Mistake::ShortCommit { verb, word } => format!(
                "{} is not a whole commit. Write all 40 digits behind `{slash}{verb}`: a commit with the same first \
                 digits can be forged.",
                code(word)
            ),
            Mistake::Twice { name } => format!("{} stands twice. Write it once.", code(name)),
            Mistake::AllAndMore => format!(
                "`--all` runs everything again, so it stands alone. Write `{slash}retry --all`, `{slash}retry \
                 <step>…` or `{slash}retry --from <step>`."
            ),
            Mistake::TooManyWords => format!("more than {ARGUMENTS_MAX} words follow the command. Write fewer."),
            Mistake::TooManyCommands => format!(
                "one comment can hold {COMMANDS_MAX} commands. This one and those behind it were not read: write \
                 another comment."
            ),
        };
        format!("Line {line}: {said}")
    }

    /// Why a command was not obeyed, and who can help.
    #[must_use]
    pub fn denied(self, denied: &Denied, login: &Login) -> String {
        let slash = self.slash();
        let Denied { verb, needs, has, authors_may, why } = denied;
        let who = code(login.as_str());
        match why {
            Why::Permission => {
                let has = has.unwrap_or(Permission::None);
                let authors = if *authors_may {
                    " The author of a pull request may do it too: with *triage*, or once the commit is trusted."
                } else {
                    ""
                };
                format!(
                    "`{slash}{verb}` needs *{needs}* on this repository; {who} has *{has}*.{authors} Ask somebody \
                     with *{needs}*."
                )
            }
            Why::Unknown => format!(
                "`{slash}{verb}` needs *{needs}* on this repository, and GitHub did not say what {who} has. Nothing \
                 was done; write the command again in a minute."
            ),
            Why::App(id) => format!(
                "{who} is an App, and `{slash}{verb}` is for people. To allow it, add its number to `apps` in \
                 `.workflows/config.yml` on the default branch: `apps: [{id}]`."
            ),
            Why::Bot => format!("{who} is a bot, and `{slash}{verb}` is for people. Ask somebody with *{needs}*."),
            Why::NotAPerson => format!(
                "`{slash}{verb}` takes a person with *{needs}* who has looked at the code; {who} is an App. No \
                 setting changes that."
            ),
            Why::OwnPullRequest => format!(
                "{who} opened this pull request, so somebody else with *{needs}* must look at the commit and write \
                 `{slash}{verb}`."
            ),
        }
    }

    /// The command is one that a later release obeys.
    #[must_use]
    pub fn not_released(self, command: &Command) -> String {
        let slash = self.slash();
        let what = match command {
            Command::Approve(Approved::Step(step)) => format!("`{slash}approve {step}` (approval of a step)"),
            _ => format!("`{slash}{}`", command.verb()),
        };
        format!("{what} is not in this release yet. `/pointsman help` lists what is.")
    }

    /// The list of commands. `overrides`: what the repository says about rights.
    #[must_use]
    pub fn help(self, overrides: &Overrides) -> String {
        let slash = self.slash();
        let mut help = String::from("| command | what it does | needs |\n|---|---|---|\n");
        for spec in Verb::table().iter().filter(|spec| spec.released) {
            let arguments = if spec.arguments.is_empty() { String::new() } else { format!(" {}", spec.arguments) };
            // Writing to a String cannot fail.
            let needs = overrides.least(spec.verb);
            let _ = writeln!(help, "| `{slash}{}{arguments}` | {} | {needs} |", spec.name, spec.help);
        }
        let later = Verb::table().iter().filter(|spec| !spec.released).map(|spec| format!("`{}`", spec.name));
        let _ = write!(
            help,
            "\nA command is a line of its own, outside code and quotes; a comment holds up to {COMMANDS_MAX}, obeyed \
             in order. Steps are named `lint`, `ci/lint` or `ci / lint`.{}{} Not in this release yet: {}.",
            if self.bare { " `/pointsman <command>` says beyond doubt who is meant." } else { "" },
            if overrides.authors_may(Verb::Retry) && overrides.authors_may(Verb::Cancel) {
                " Authors may `retry` and `cancel` on their own pull request with *triage*, or once its commit is \
                 trusted."
            } else {
                ""
            },
            later.collect::<Vec<_>>().join(", "),
        );
        help
    }

    /// `/approve` alone: the lines to copy, for the head that waits and for steps.
    #[must_use]
    pub fn approve_which(self, head: Option<&CommitSha>, steps: &[StepName]) -> String {
        let slash = self.slash();
        if head.is_none() && steps.is_empty() {
            return "Nothing waits for approval here.".to_owned();
        }
        let mut said = String::from("Say what you approve, by a comment of one of these lines:\n\n");
        // Writing to a String cannot fail.
        if let Some(head) = head {
            let _ = writeln!(said, "- `{slash}approve {head}` (the head of this pull request)");
        }
        for step in steps.iter().take(LISTED_MAX) {
            let _ = writeln!(said, "- `{slash}approve {step}`");
        }
        said.trim_end().to_owned()
    }

    /// The commit that was approved is no longer the head: nobody looked at the new one.
    #[must_use]
    pub fn head_moved(self, approved: &CommitSha, head: &CommitSha) -> String {
        let slash = self.slash();
        format!(
            "{} is not the head of this pull request any more, so nothing was approved. Look at the new commit, then \
             write `{slash}approve {head}`.",
            code(approved.short())
        )
    }

    /// Nothing of an untrusted commit starts.
    #[must_use]
    pub fn untrusted(self, command: &Command, commit: &CommitSha) -> String {
        let slash = self.slash();
        format!(
            "`{slash}{}` starts nothing of a commit that is not trusted. Somebody with *write* looks at it, then \
             writes `{slash}approve {commit}`.",
            command.verb()
        )
    }

    /// `/retry` alone, and all is green.
    #[must_use]
    pub fn nothing_to_retry(self, commit: &CommitSha) -> String {
        let slash = self.slash();
        format!(
            "Everything on {} has succeeded, so there is nothing to run again. `{slash}retry <step>` or `{slash}retry \
             --all` runs it all the same.",
            code(commit.short())
        )
    }

    /// The command found no run to act on.
    #[must_use]
    pub fn nothing_runs(self, command: &Command) -> String {
        let slash = self.slash();
        format!(
            "`{slash}{}` found nothing to act on: no run of this pull request is live. `{slash}status` shows what \
             there is.",
            command.verb()
        )
    }

    /// The run gave way to a newer commit's and never wakes.
    #[must_use]
    pub fn superseded(self, command: &Command, by: &CommitSha) -> String {
        let slash = self.slash();
        format!(
            "`{slash}{}` cannot act on a run that gave way to the one of {}. Commands act on the newest commit.",
            command.verb(),
            code(by.short())
        )
    }

    fn usage(self, verb: Verb) -> String {
        let slash = self.slash();
        let spec = verb.spec();
        if spec.arguments.is_empty() {
            format!("`{slash}{}`", spec.name)
        } else {
            format!("`{slash}{} {}`", spec.name, spec.arguments)
        }
    }
}

/// What runs, waits and failed.
#[must_use]
pub fn status(status: &Status) -> String {
    let mut said = format!("Commit {}", code(status.head.short()));
    if status.workflows.is_empty() {
        said.push_str(": no workflow runs here. `.workflows/*.yml` on the default branch says which would.");
    } else {
        said.push_str(":\n\n| | state |\n|---|---|\n");
    }
    let mut rows = 0;
    for workflow in &status.workflows {
        let url = workflow.url.as_ref().map(|url| format!(" ([run]({url}))")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(said, "| **{}**{url} | {} |", cell(&workflow.workflow), cell(&workflow.state));
        for step in workflow.steps.iter().take(STATUS_ROWS_MAX.saturating_sub(rows)) {
            let _ = writeln!(said, "| {} | {} |", cell(&step.step), cell(&step.state));
        }
        rows += workflow.steps.len();
    }
    if rows > STATUS_ROWS_MAX {
        let _ = writeln!(said, "\n… and {} steps more.", rows - STATUS_ROWS_MAX);
    }
    for hold in &status.holds {
        let _ = write!(said, "\n{}\n", code(hold));
    }
    said.trim_end().to_owned()
}

/// The commit needs no trust.
#[must_use]
pub fn already_trusted(commit: &CommitSha) -> String {
    format!("{} is trusted already; nothing waits for it.", code(commit.short()))
}

/// More than one step has this name.
#[must_use]
pub fn ambiguous(name: &StepName, candidates: &[StepName]) -> String {
    format!("{} could be more than one step. Write one of: {}.", code(&name.to_string()), names(candidates))
}

/// No step has this name.
#[must_use]
pub fn unknown_step(name: &StepName, candidates: &[StepName]) -> String {
    let there =
        if candidates.is_empty() { "There are none.".to_owned() } else { format!("There are: {}.", names(candidates)) };
    format!("No step here is called {}. {there}", code(&name.to_string()))
}

/// Inside a table a pipe ends the cell, even in code, and no escape of it is safe behind a backslash.
fn cell(text: &str) -> String {
    code(&text.replace('|', "│"))
}

fn names(candidates: &[StepName]) -> String {
    let listed: Vec<_> = candidates.iter().take(LISTED_MAX).map(|name| code(&name.to_string())).collect();
    let more = candidates.len().saturating_sub(LISTED_MAX);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    listed.join(", ") + &rest
}

#[cfg(test)]
mod tests;
