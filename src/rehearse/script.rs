//! The script of a rehearsal: what attempts answer, when people act and the service crashes, and what is known at the
//! start. A line each; `#` begins a comment.
//!
//! ```text
//! tests: fail, fail, ok 20s            each attempt in turn; the last answer goes for all that follow
//! tests on goose: ok                   the same step with that agent
//! review[1]: time out                  one instance of a fan-out
//! agent codegen: away                  whatever that agent is given
//! analyze outputs: {"areas": ["a"]}    what later expressions see
//! at 90s: /pause                       a maintainer's comment
//! at 2m: crash for 30s                 the service dies, and is back after that
//! at 3m: push                          a newer run of its group takes its place; `close` cancels it
//! environment staging: free at 1m      until then another run has it; `group: free at 1m` as well
//! event: pull request {"draft": true}  what started it, and what `pr` says
//! trusted: no                          the author has no write access
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;

use super::answer::Answer;
use super::people;
use super::scan::{Mistake, Scan, Word};
use crate::command::Command;
use crate::ids::{AgentName, Login, StepKey};
use crate::workflow::plan::Plan;
use crate::workflow::trigger::Triggers;

/// The largest script.
pub const SCRIPT_BYTES_MAX: usize = 64 * 1024;
/// The most lines that say something.
const LINES_MAX: usize = 1_000;
/// Mistakes beyond these are not told: nobody reads on.
const MISTAKES_MAX: usize = 20;
/// The latest moment of an act.
const AT_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// What happens in a rehearsal beside what the workflow says.
#[derive(Debug, Clone)]
pub struct Script {
    pub(super) rules: Vec<Rule>,
    /// By step as the plan or a fan-out names it.
    pub(super) outputs: Vec<(StepKey, String)>,
    pub(super) acts: Vec<Act>,
    pub(super) busy: Vec<(Busy, Duration)>,
    pub(super) event: Happened,
    pub(super) trusted: bool,
}

/// Who answers like this.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) step: Option<StepKey>,
    pub(super) agent: Option<AgentName>,
    pub(super) answers: Vec<Answer>,
}

/// Something that happens at a moment.
#[derive(Debug, Clone)]
pub(super) struct Act {
    pub(super) at: Duration,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// A maintainer's comment, as it was written.
    Comment(String, Command),
    /// The service dies, and is back after so long.
    Crash(Duration),
    /// A newer run of its group takes its place.
    Push,
    /// The pull request is closed.
    Close,
}

/// A gate that another run holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Busy {
    Group,
    Environment(String),
}

/// What started the run.
#[derive(Debug, Clone)]
pub(super) enum Happened {
    PullRequest(Pull),
    Push(Branch),
}

/// What expressions see of the pull request.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Pull {
    pub(super) number: u64,
    pub(super) title: String,
    pub(super) draft: bool,
    pub(super) labels: Vec<String>,
    pub(super) author: Option<Login>,
    pub(super) fork: bool,
    pub(super) branch: String,
    pub(super) base: String,
}

/// What expressions see of a push.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Branch {
    #[serde(rename = "ref")]
    pub(super) reference: String,
}

impl Default for Pull {
    fn default() -> Self {
        Self {
            number: 7,
            title: "Rehearse".to_owned(),
            draft: false,
            labels: Vec::new(),
            author: None,
            fork: false,
            branch: "change".to_owned(),
            base: "main".to_owned(),
        }
    }
}

impl Default for Branch {
    fn default() -> Self {
        Self { reference: "refs/heads/main".to_owned() }
    }
}

impl Script {
    /// Reads a script for a plan.
    ///
    /// # Errors
    /// Everything that is wrong with it, by place.
    pub fn read(text: &str, plan: &Plan, triggers: &Triggers) -> Result<Self, Vec<Mistake>> {
        let event = match (&triggers.pull_request, &triggers.push) {
            (None, Some(_)) => Happened::Push(Branch::default()),
            (Some(_), _) | (None, None) => Happened::PullRequest(Pull::default()),
        };
        let empty = Vec::new;
        let mut script =
            Self { rules: empty(), outputs: Vec::new(), acts: Vec::new(), busy: Vec::new(), event, trusted: true };
        let whole = |message| Mistake { line: 1, column: 1, message, help: None };
        if text.len() > SCRIPT_BYTES_MAX {
            return Err(vec![whole(format!("a script has at most {SCRIPT_BYTES_MAX} bytes"))]);
        }
        let said = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let lines = || (1..).zip(text.lines()).filter(|(_, line)| said(line));
        if lines().nth(LINES_MAX).is_some() {
            return Err(vec![whole(format!("a script has at most {LINES_MAX} lines"))]);
        }
        let names = Names::of(plan);
        let read = lines().filter_map(|(number, line)| script.line(Scan::new(line, number), &names).err());
        let mistakes: Vec<Mistake> = read.take(MISTAKES_MAX).collect();
        if mistakes.is_empty() { Ok(script) } else { Err(mistakes) }
    }

    fn line(&mut self, scan: Scan<'_>, names: &Names<'_>) -> Result<(), Mistake> {
        let Some((mut head, mut body)) = scan.split() else {
            return Err(scan.here("this line has no `:`").help("write `tests: fail` or `at 90s: /pause`"));
        };
        let Some(first) = head.word() else {
            return Err(head.here("who?").help("write a step before the `:`"));
        };
        match first.text {
            "at" => {
                let at = head.duration()?;
                if at > AT_MAX {
                    return Err(head.here("nothing happens after 30d"));
                }
                head.finish()?;
                let what = act(&mut body)?;
                self.acts.push(Act { at, what });
            }
            "event" => {
                head.finish()?;
                self.event = happened(&mut body)?;
            }
            "trusted" => {
                head.finish()?;
                self.trusted = yes(&mut body)?;
            }
            "group" => {
                head.finish()?;
                self.busy.push((Busy::Group, free_at(&mut body)?));
            }
            "environment" => {
                let name = names.environment(&mut head)?;
                head.finish()?;
                self.busy.push((Busy::Environment(name), free_at(&mut body)?));
            }
            "agent" => {
                let Some(agent) = head.word() else { return Err(head.here("which agent?")) };
                let agent = Some(names.agent(agent, &head)?);
                head.finish()?;
                self.rules.push(Rule { step: None, agent, answers: Answer::list(&mut body)? });
            }
            // A step that has the name of one of the words above.
            "step" => {
                let Some(step) = head.word() else { return Err(head.here("which step?")) };
                self.step(step, head, body, names)?;
            }
            _ => self.step(first, head, body, names)?,
        }
        Ok(())
    }

    fn step(
        &mut self,
        step: Word<'_>,
        mut head: Scan<'_>,
        mut body: Scan<'_>,
        names: &Names<'_>,
    ) -> Result<(), Mistake> {
        let key = names.step(step, &head)?;
        let mut agent = None;
        match head.word() {
            None => {}
            Some(word) if word.text == "outputs" => {
                head.finish()?;
                let (outputs, _) = body.object()?;
                body.finish()?;
                self.outputs.push((key, outputs.to_owned()));
                return Ok(());
            }
            Some(word) if word.text == "on" => {
                let Some(name) = head.word() else { return Err(head.here("on which agent?")) };
                agent = Some(names.agent(name, &head)?);
            }
            Some(word) => {
                let message = format!("{} says nothing behind a step", word.text);
                let help = "write `tests: …`, `tests on goose: …` or `tests outputs: {…}`";
                return Err(head.at_word(word, message).help(help));
            }
        }
        head.finish()?;
        self.rules.push(Rule { step: Some(key), agent, answers: Answer::list(&mut body)? });
        Ok(())
    }
}

fn act(body: &mut Scan<'_>) -> Result<What, Mistake> {
    if body.peek() == Some('/') {
        let text = body.rest();
        return people::read(text).map_err(|why| body.here(why)).map(|command| What::Comment(text.to_owned(), command));
    }
    let Some(word) = body.word() else { return Err(body.here("what happens then?").help("write /pause or crash")) };
    let what = match word.text {
        "push" => What::Push,
        "close" => What::Close,
        "crash" => match body.word() {
            None => What::Crash(Duration::ZERO),
            Some(word) if word.text == "for" => What::Crash(body.duration()?),
            Some(word) => return Err(body.at_word(word, "crash, and then?").help("write crash for 30s")),
        },
        other => {
            let message = format!("{other:.40} cannot happen");
            return Err(body.at_word(word, message).did_you_mean(other, ["crash", "push", "close"].into_iter()));
        }
    };
    body.finish()?;
    Ok(what)
}

fn happened(body: &mut Scan<'_>) -> Result<Happened, Mistake> {
    let words: Vec<Word<'_>> = std::iter::from_fn(|| match body.peek() {
        Some('{') | None => None,
        Some(_) => body.word(),
    })
    .collect();
    let texts: Vec<&str> = words.iter().map(|word| word.text).collect();
    let name = texts.join(" ");
    let unknown = |why: &serde_json::Error| {
        let text = why.to_string();
        text.split(" at line ").next().unwrap_or_default().to_owned()
    };
    let here = body.clone();
    let facts = if body.peek().is_some() { body.object()?.1 } else { serde_json::Map::new() };
    body.finish()?;
    let wrong = |error: serde_json::Error| here.here(unknown(&error));
    let facts = serde_json::Value::Object(facts);
    match name.as_str() {
        "pull request" | "pull_request" => serde_json::from_value(facts).map(Happened::PullRequest).map_err(wrong),
        "push" => serde_json::from_value(facts).map(Happened::Push).map_err(wrong),
        _ => {
            let message = if name.is_empty() { "which event?".to_owned() } else { format!("there is no event {name}") };
            let mistake = match words.first() {
                Some(word) => here.at_word(*word, message),
                None => here.here(message),
            };
            Err(mistake.did_you_mean(&name, ["pull request", "push"].into_iter()))
        }
    }
}

fn yes(body: &mut Scan<'_>) -> Result<bool, Mistake> {
    let word = body.word().map_or("", |word| word.text);
    let yes = match word {
        "yes" | "true" => true,
        "no" | "false" => false,
        _ => return Err(body.here("yes or no?")),
    };
    body.finish()?;
    Ok(yes)
}

fn free_at(body: &mut Scan<'_>) -> Result<Duration, Mistake> {
    let words = [body.word(), body.word()].map(|word| word.map_or("", |word| word.text));
    if words != ["free", "at"] {
        return Err(body.here("when is there a place?").help("write free at 1m"));
    }
    let at = body.duration()?;
    body.finish()?;
    Ok(at)
}

/// The names that a script may use.
struct Names<'a> {
    plan: &'a Plan,
    agents: BTreeSet<&'a AgentName>,
    environments: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    fn of(plan: &'a Plan) -> Self {
        let agents = plan.steps.iter().flat_map(|step| std::iter::once(&step.agent).chain(&step.fallback_agents));
        let environments = plan.steps.iter().filter_map(|step| step.environment.as_deref());
        Self { plan, agents: agents.collect(), environments: environments.collect() }
    }

    fn step(&self, word: Word<'_>, scan: &Scan<'_>) -> Result<StepKey, Mistake> {
        let name = word.text.split('[').next().unwrap_or_default();
        let planned = self.plan.steps.iter().find(|step| step.key.as_str() == name);
        match (planned, word.text.parse()) {
            (Some(step), _) if name != word.text && step.for_each.is_none() => {
                Err(scan.at_word(word, format!("{name} has no instances")).help("only a step with for_each has"))
            }
            (Some(_), Ok(key)) => Ok(key),
            (Some(_), Err(_)) => Err(scan.at_word(word, "this is no instance").help(format!("write {name}[0]"))),
            (None, _) => {
                let known = self.plan.steps.iter().map(|step| step.key.as_str());
                Err(scan.at_word(word, format!("there is no step {name:.80}")).did_you_mean(name, known))
            }
        }
    }

    fn agent(&self, word: Word<'_>, scan: &Scan<'_>) -> Result<AgentName, Mistake> {
        let known = self.agents.iter().map(|agent| agent.as_str());
        let found = self.agents.iter().find(|agent| agent.as_str() == word.text);
        found.map(|agent| Clone::clone(*agent)).ok_or_else(|| {
            scan.at_word(word, format!("no step has the agent {:.80}", word.text)).did_you_mean(word.text, known)
        })
    }

    fn environment(&self, head: &mut Scan<'_>) -> Result<String, Mistake> {
        let Some(word) = head.word() else { return Err(head.here("which environment?")) };
        let known = self.environments.iter().copied();
        match self.environments.contains(word.text) {
            true => Ok(word.text.to_owned()),
            false => {
                let mistake = head.at_word(word, format!("no step has the environment {:.80}", word.text));
                Err(if self.environments.is_empty() { mistake } else { mistake.did_you_mean(word.text, known) })
            }
        }
    }
}
