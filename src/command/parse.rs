//! From a comment to commands.
//!
//! A command that we cannot read is a [`Mistake`], which is answered, unless it may be meant for another bot: a bare
//! `/verb` that we do not know is ignored without a word, `/pointsman verb` is always ours.

use super::given::{Approved, Command, Given, Mistake, RunAt, Scope, StepName};
use super::lines::{Line, candidates};
use super::verb::Verb;
use crate::ids::{CommitSha, WorkflowId};

/// Commands in one comment.
pub const COMMANDS_MAX: usize = 5;
/// The longest comment that is read. GitHub takes 65,536 characters of at most four bytes.
pub const COMMENT_BYTES_MAX: usize = 4 * 65_536;
/// Words behind one verb.
pub const ARGUMENTS_MAX: usize = 64;
/// The name that makes a command ours beyond doubt.
const NAMESPACE: &str = "pointsman";
/// Letters that a typing error changes.
const TYPO_MAX: usize = 2;

/// The commands of a comment, in order. `bare`: whether `/verb` is read beside `/pointsman verb`.
#[must_use]
pub fn parse(comment: &str, bare: bool) -> Vec<Given> {
    if comment.len() > COMMENT_BYTES_MAX {
        return Vec::new();
    }
    let mut given = Vec::new();
    for line in candidates(comment) {
        let Some(mut command) = read(line, bare) else { continue };
        let full = given.len() == COMMANDS_MAX;
        if full {
            command = Err(Mistake::TooManyCommands);
        }
        given.push(Given { line: line.number, command });
        if full {
            break;
        }
    }
    given
}

/// `words` as its first word and the rest, where the first word is one that `known` knows; else all is the rest.
pub fn split_first(words: &str, known: impl Fn(&str) -> bool) -> (Option<&str>, &str) {
    let (first, rest) = words.split_once([' ', '\t']).unwrap_or((words, ""));
    if known(first) { (Some(first), rest.trim()) } else { (None, words.trim()) }
}

/// `None`: nothing for us.
fn read(line: Line<'_>, bare: bool) -> Option<Result<Command, Mistake>> {
    let text = line.text.strip_prefix('/')?;
    let (first, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let namespaced = first.eq_ignore_ascii_case(NAMESPACE);
    let (word, rest) =
        if namespaced { rest.trim().split_once([' ', '\t']).unwrap_or((rest.trim(), "")) } else { (first, rest) };
    let verb = match Verb::named(word) {
        Some(verb) if namespaced || bare => verb,
        None if namespaced && word.is_empty() => Verb::Help,
        None if namespaced => {
            return Some(Err(Mistake::Unknown { verb: word.to_owned(), did_you_mean: meant(word) }));
        }
        Some(_) | None => return None,
    };
    let plain = |c: char| matches!(c, ' '..='~' | '\t');
    Some(match line.text.chars().position(|c| !plain(c)) {
        _ if line.marked_up => Err(Mistake::MarkedUp),
        Some(index) => Err(Mistake::NotAscii { column: index + 1 }),
        None => arguments(verb, rest.trim()),
    })
}

fn meant(word: &str) -> Option<Verb> {
    let word = word.to_ascii_lowercase();
    let near = Verb::table().iter().map(|spec| (strsim::osa_distance(spec.name, &word), spec.verb));
    near.filter(|(distance, _)| *distance <= TYPO_MAX && *distance < word.len()).min().map(|(_, verb)| verb)
}

fn arguments(verb: Verb, rest: &str) -> Result<Command, Mistake> {
    let optional_workflow = || only(verb, rest, 1)?.map(|name| workflow(verb, &name)).transpose();
    let optional_step = || only(verb, rest, 1)?.map(|name| step(verb, &name)).transpose();
    let one_step = || optional_step()?.ok_or(Mistake::Missing { verb, what: "the step" });
    Ok(match verb {
        // What people say is not taken apart: a lone quote in a reason is no mistake.
        Verb::Pause => Command::Pause { words: rest.to_owned() },
        Verb::Answer if rest.is_empty() => return Err(Mistake::Missing { verb, what: "the answer" }),
        Verb::Answer => Command::Answer { words: rest.to_owned() },
        Verb::Retry => retry(words(&join_names(rest))?)?,
        Verb::Run => run(words(rest)?)?,
        Verb::Resume => Command::Resume { workflow: optional_workflow()? },
        Verb::Cancel => Command::Cancel { workflow: optional_workflow()? },
        Verb::Plan => Command::Plan { workflow: optional_workflow()? },
        Verb::Approve => Command::Approve(only(verb, rest, 1)?.map_or(Ok(Approved::Nothing), |name| approved(&name))?),
        Verb::Reject => Command::Reject { step: one_step()? },
        Verb::Skip => Command::Skip { step: one_step()? },
        Verb::Why => Command::Why { step: optional_step()? },
        Verb::Status => only(verb, rest, 0).map(|_| Command::Status)?,
        Verb::Help => only(verb, rest, 0).map(|_| Command::Help)?,
    })
}

/// The one name behind a verb, if there is one; more than `most` are a mistake, and so is an option.
fn only(verb: Verb, rest: &str, most: usize) -> Result<Option<String>, Mistake> {
    let words = words(&join_names(rest))?;
    if let Some(option) = words.iter().find(|word| word.starts_with("--")) {
        return Err(Mistake::UnknownOption { verb, option: option.clone() });
    }
    match words.get(most) {
        Some(word) => Err(Mistake::Unexpected { verb, word: word.clone() }),
        None => Ok(words.into_iter().next()),
    }
}

/// `ci / lint`, as the check is called, as `ci/lint`.
fn join_names(rest: &str) -> String {
    let single = rest.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    single.replace(" /", "/").replace("/ ", "/")
}

/// Words between blanks; quotes keep blanks inside a word, and `\"` a quote inside quotes.
fn words(rest: &str) -> Result<Vec<String>, Mistake> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if quoted => word.get_or_insert_default().extend(chars.next()),
            ' ' | '\t' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match words.len() {
        _ if quoted => Err(Mistake::UnclosedQuote),
        0..=ARGUMENTS_MAX => Ok(words),
        _ => Err(Mistake::TooManyWords),
    }
}

fn retry(words: Vec<String>) -> Result<Command, Mistake> {
    let verb = Verb::Retry;
    let (mut from, mut all, mut steps) = (false, false, Vec::new());
    for word in words {
        match word.as_str() {
            "--from" => from = true,
            "--all" => all = true,
            option if option.starts_with("--") => return Err(Mistake::UnknownOption { verb, option: word }),
            name => steps.push(step(verb, name)?),
        }
    }
    match (from, all, steps.is_empty()) {
        (true, true, _) | (false, true, false) => Err(Mistake::AllAndMore),
        (true, false, true) => Err(Mistake::Missing { verb, what: "the step to start from" }),
        (true, false, false) => Ok(Command::Retry { steps, scope: Scope::From }),
        (false, true, true) => Ok(Command::Retry { steps, scope: Scope::All }),
        (false, false, _) => Ok(Command::Retry { steps, scope: Scope::Chosen }),
    }
}

fn run(words: Vec<String>) -> Result<Command, Mistake> {
    let verb = Verb::Run;
    let mut words = words.into_iter();
    let first = words.next().ok_or(Mistake::Missing { verb, what: "the workflow" })?;
    let workflow = workflow(verb, &first)?;
    let mut inputs: Vec<(String, String)> = Vec::new();
    let mut at = RunAt::Default;
    while let Some(word) = words.next() {
        if word == "--ref" {
            let value = words.next().ok_or(Mistake::Missing { verb, what: "`head` or a commit behind `--ref`" })?;
            if at != RunAt::Default {
                return Err(Mistake::Twice { name: word });
            }
            at = if value == "head" { RunAt::Head } else { RunAt::Commit(commit(verb, &value)?) };
        } else if word.starts_with("--") {
            return Err(Mistake::UnknownOption { verb, option: word });
        } else if let Some((key, value)) = word.split_once('=') {
            let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            if key.is_empty() || !key.bytes().all(name) {
                return Err(Mistake::BadName { verb, word: key.to_owned() });
            }
            if inputs.iter().any(|(given, _)| given == key) {
                return Err(Mistake::Twice { name: key.to_owned() });
            }
            inputs.push((key.to_owned(), value.to_owned()));
        } else {
            return Err(Mistake::Unexpected { verb, word });
        }
    }
    Ok(Command::Run { workflow, inputs, at })
}

fn approved(word: &str) -> Result<Approved, Mistake> {
    let hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let looks_like_commit = hex && word.len() >= 7 && word.bytes().any(|byte| byte.is_ascii_digit());
    if looks_like_commit {
        return commit(Verb::Approve, word).map(Approved::Commit);
    }
    step(Verb::Approve, word).map(Approved::Step)
}

fn commit(verb: Verb, word: &str) -> Result<CommitSha, Mistake> {
    CommitSha::full(&word.to_ascii_lowercase()).map_err(|_| Mistake::ShortCommit { verb, word: word.to_owned() })
}

fn workflow(verb: Verb, word: &str) -> Result<WorkflowId, Mistake> {
    // No file of ours starts with a dot, and `..` must never come near a path.
    let id = word.parse().ok().filter(|_| !word.starts_with('.'));
    id.ok_or_else(|| Mistake::BadName { verb, word: word.to_owned() })
}

fn step(verb: Verb, word: &str) -> Result<StepName, Mistake> {
    let (workflow_part, step) = match word.split_once('/') {
        Some((workflow, step)) => (Some(workflow), step),
        None => (None, word),
    };
    let bad = || Mistake::BadName { verb, word: word.to_owned() };
    let workflow = workflow_part.map(|part| workflow(verb, part).map_err(|_| bad())).transpose()?;
    Ok(StepName { workflow, step: step.parse().map_err(|_| bad())? })
}

#[cfg(test)]
mod tests;
