//! What an attempt answers, in words: `ok 20s`, `fail "3 tests are red"`, `rate limit retry after 1m`. Scripts of
//! rehearsals are written in them, and so are the stories that test the engine.

use std::time::Duration;

use super::scan::{Mistake, Scan, Word};
use crate::engine::event::{AttemptResult, Verdict};
use crate::engine::step::FaultClass;
use crate::workflow::units;

/// Answers in one line: more would not be read by anybody.
const ANSWERS_MAX: usize = 100;

/// What an attempt answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it does.
    pub deed: Deed,
    /// How long it takes; otherwise the rehearsal chooses.
    pub after: Option<Duration>,
    /// One JSON object, as it was written.
    pub outputs: Option<String>,
    /// What it says went wrong.
    pub message: Option<String>,
    /// When the agent wants to be asked again.
    pub retry_after: Option<Duration>,
    /// In millionths of a US dollar.
    pub cost_micros: u64,
}

/// What an attempt does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It finishes and judges.
    Done(Verdict),
    /// It cannot finish.
    Fault(FaultClass),
    /// Nothing answers at the agent's address.
    Away,
    /// The agent will not have it.
    Declined,
    /// The agent asks a question, and works on when it is answered.
    Ask,
    /// It works until its time is up.
    TimeOut,
    /// It shows no sign of life, and does not stop either.
    Silent,
}

/// The words, as they are listed to people. `_` and `-` count as a blank.
const WORDS: [(&str, Deed); 18] = [
    ("ok", Deed::Done(Verdict::Success)),
    ("fail", Deed::Done(Verdict::Failure)),
    ("neutral", Deed::Done(Verdict::Neutral)),
    ("time out", Deed::TimeOut),
    ("silent", Deed::Silent),
    ("away", Deed::Away),
    ("declined", Deed::Declined),
    ("ask", Deed::Ask),
    ("transient", Deed::Fault(FaultClass::Transient)),
    ("overloaded", Deed::Fault(FaultClass::Overloaded)),
    ("rate limit", Deed::Fault(FaultClass::RateLimit)),
    ("crash", Deed::Fault(FaultClass::Crash)),
    ("bad output", Deed::Fault(FaultClass::BadOutput)),
    ("auth", Deed::Fault(FaultClass::Auth)),
    ("config", Deed::Fault(FaultClass::Config)),
    ("policy", Deed::Fault(FaultClass::Policy)),
    ("validation", Deed::Fault(FaultClass::Validation)),
    ("budget", Deed::Fault(FaultClass::Budget)),
];

impl Default for Answer {
    fn default() -> Self {
        let deed = Deed::Done(Verdict::Success);
        Self { deed, after: None, outputs: None, message: None, retry_after: None, cost_micros: 0 }
    }
}

impl Answer {
    /// The answers of a list, such as `fail, fail, ok 20s`.
    pub(super) fn list(scan: &mut Scan<'_>) -> Result<Vec<Self>, Mistake> {
        let mut answers = vec![Self::one(scan)?];
        while scan.comma() {
            if answers.len() == ANSWERS_MAX {
                return Err(scan.here(format!("a list has at most {ANSWERS_MAX} answers")));
            }
            answers.push(Self::one(scan)?);
        }
        scan.finish()?;
        Ok(answers)
    }

    /// Reads one answer, and nothing else.
    ///
    /// # Errors
    /// When it is none, with the column.
    pub fn read(text: &str) -> Result<Self, Mistake> {
        let mut scan = Scan::new(text, 1);
        let answer = Self::one(&mut scan)?;
        scan.finish()?;
        Ok(answer)
    }

    fn one(scan: &mut Scan<'_>) -> Result<Self, Mistake> {
        let mut answer = Self { deed: deed(scan)?, ..Self::default() };
        while let Some(next) = scan.peek() {
            match next {
                ',' => break,
                '{' => answer.outputs = Some(scan.object()?.0.to_owned()),
                '"' => answer.message = scan.json()?.1.as_str().map(str::to_owned),
                _ => answer.detail(scan)?,
            }
        }
        let gives_outputs = matches!(answer.deed, Deed::Done(_) | Deed::Ask);
        if answer.outputs.is_some() && !gives_outputs {
            return Err(scan.here("only an attempt that is done has outputs").help("write ok {…}"));
        }
        Ok(answer)
    }

    fn detail(&mut self, scan: &mut Scan<'_>) -> Result<(), Mistake> {
        let Some(word) = scan.word() else { return Ok(()) };
        match word.text {
            "retry" => match scan.word() {
                Some(after) if after.text == "after" => self.retry_after = Some(scan.duration()?),
                Some(_) | None => return Err(scan.at_word(word, "retry what?").help("write retry after 30s")),
            },
            "cost" => {
                let amount = scan.word().and_then(|word| units::decimal(word.text.trim_start_matches('$'), 6));
                let help = "write cost $0.25";
                self.cost_micros = amount.ok_or_else(|| scan.at_word(word, "what does it cost?").help(help))?;
            }
            text if text.starts_with(|c: char| c.is_ascii_digit()) => self.after = Some(scan.duration_of(word)?),
            text => {
                let message = format!("{text} says nothing about an answer");
                let help = "behind the word may stand 20s, {…}, \"why\", retry after 30s and cost $0.25";
                return Err(scan.at_word(word, message).help(help));
            }
        }
        Ok(())
    }

    /// What the engine hears when it is over. A question or silence ends nothing.
    #[must_use]
    pub fn result(&self) -> Option<AttemptResult> {
        let message = |otherwise: &str| self.message.clone().unwrap_or_else(|| otherwise.to_owned());
        Some(match self.deed {
            Deed::Done(verdict) => {
                let (outputs, message) = (self.outputs.clone(), self.message.clone());
                AttemptResult::Done { verdict, outputs, message }
            }
            Deed::Fault(class) => {
                let wait = self.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
                AttemptResult::Failed { class, message: message(in_words(class)), retry_after_ms: wait }
            }
            Deed::Away => {
                let (class, message) = (FaultClass::Transient, message("Agent not available"));
                AttemptResult::Failed { class, message, retry_after_ms: None }
            }
            Deed::Declined => AttemptResult::Declined { message: message("too much to do") },
            Deed::Ask => {
                let (verdict, outputs, message) = (Verdict::Success, self.outputs.clone(), self.message.clone());
                AttemptResult::Done { verdict, outputs, message }
            }
            Deed::TimeOut | Deed::Silent => return None,
        })
    }
}

fn deed(scan: &mut Scan<'_>) -> Result<Deed, Mistake> {
    let Some(first) = scan.word() else {
        return Err(scan.here("an answer is missing").help("write ok, fail or time out"));
    };
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', '-'], " ");
    let mut said = plain(first.text);
    if WORDS.iter().any(|(word, _)| word.split_once(' ').is_some_and(|(one, _)| one == said))
        && let Some(Word { text, .. }) = scan.word()
    {
        said = format!("{said} {}", plain(text));
    }
    // Most people write `timeout`.
    let same = |word: &str| word == said || word.replace(' ', "") == said;
    let found = WORDS.iter().find(|(word, _)| same(word));
    found.map(|(_, deed)| *deed).ok_or_else(|| {
        let known = WORDS.iter().map(|(word, _)| *word);
        scan.at_word(first, format!("an attempt does not answer {said:.40}")).did_you_mean(&said, known)
    })
}

fn in_words(class: FaultClass) -> &'static str {
    match class {
        FaultClass::Transient => "a hiccup",
        FaultClass::Overloaded => "the agent is too busy",
        FaultClass::RateLimit => "the rate limit is reached",
        FaultClass::Timeout => "it took too long",
        FaultClass::Crash => "the agent crashed",
        FaultClass::BadOutput => "the answer cannot be read",
        FaultClass::Auth => "the agent's credentials were refused",
        FaultClass::Config => "the agent is set up wrongly",
        FaultClass::Policy => "the agent may not do that",
        FaultClass::Validation => "the input is wrong",
        FaultClass::Budget => "the agent's budget is spent",
        FaultClass::Verdict => "it failed",
    }
}
