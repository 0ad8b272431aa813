//! What a step gave, and the limits that it must keep: the artifact `result`, schema `step-result/v1`.
//!
//! The runner writes it, the dispatcher reads it; both through these types, so that neither can drift.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::a2a::{Artifact, Part, TaskSnapshot};
use super::text::{self, head};

/// Artifacts of one task.
const ARTIFACTS_MAX: usize = 64;
/// Bytes of a summary.
pub const SUMMARY_BYTES_MAX: usize = 60 * 1024;
/// Bytes of all outputs of a step, as JSON.
pub const OUTPUTS_BYTES_MAX: usize = 16 * 1024;
/// Outputs of a step.
const OUTPUTS_MAX: usize = 100;
/// Bytes of the name of an output.
const OUTPUT_NAME_BYTES_MAX: usize = 100;
/// Annotations of a step.
pub const ANNOTATIONS_MAX: usize = 500;
/// Bytes of the message of an annotation.
pub(crate) const ANNOTATION_BYTES_MAX: usize = 4 * 1024;
/// Bytes of the path of an annotation.
const ANNOTATION_PATH_BYTES_MAX: usize = 1024;
/// Bytes of the title of an annotation; GitHub's limit.
pub(crate) const ANNOTATION_TITLE_BYTES_MAX: usize = 255;
/// Bytes of the end of the log.
pub const LOG_TAIL_BYTES_MAX: usize = 64 * 1024;
/// Bytes of short texts: names, versions, a session.
const NAME_BYTES_MAX: usize = 256;
/// The longest time for which an agent may send us away, in seconds.
const RETRY_AFTER_SECONDS_MAX: u64 = 24 * 60 * 60;
/// The name of the artifact that holds the result, and of its schema.
const RESULT: &str = "result";
const RESULT_SCHEMA: &str = "step-result/v1";

/// The verdict of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Conclusion {
    /// Well.
    Success,
    /// Nothing to say either way.
    Neutral,
    /// Not well.
    #[default]
    Failure,
}

/// Why an attempt failed without a verdict: design law 9 says which class retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A passing trouble of network or server.
    Transient,
    /// The agent or its model has too much to do.
    Overloaded,
    /// A rate was exceeded.
    RateLimit,
    /// It took too long.
    Timeout,
    /// It died.
    Crash,
    /// Its answer cannot be used.
    BadOutput,
    /// A key is missing or wrong.
    Auth,
    /// Settings are wrong.
    Config,
    /// A rule forbids it.
    Policy,
    /// The request is wrong.
    Validation,
    /// The money or the turns are used up.
    Budget,
}

impl<'de> Deserialize<'de> for Class {
    /// Reads our words and those of `agents.md` 5; a word that nobody knows is an answer that cannot be used.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match String::deserialize(deserializer)?.as_str() {
            "transient" => Self::Transient,
            "overloaded" => Self::Overloaded,
            "rate_limit" => Self::RateLimit,
            "timeout" => Self::Timeout,
            "crash" => Self::Crash,
            "auth" => Self::Auth,
            "config" => Self::Config,
            "policy" => Self::Policy,
            "validation" => Self::Validation,
            "budget" => Self::Budget,
            // Out of turns is an unfinished answer: ask once more, then let another try.
            "bad_output" | "invalid" | "turns" => Self::BadOutput,
            other => return Err(serde::de::Error::custom(format_args!("unknown error kind {other:.40}"))),
        })
    }
}

/// What a step gave: the artifact `result`, schema `step-result/v1`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StepResult {
    /// The verdict.
    pub conclusion: Conclusion,
    /// Markdown, for people.
    pub summary: String,
    /// What later steps may use.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Value>,
    /// Remarks on lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Annotation>,
    /// The end of the log.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub log_tail: String,
    /// What it used.
    pub usage: Usage,
    /// Why there is no verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// The agent's session, for a later attempt that goes on with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Who did it.
    pub agent: About,
}

/// A remark on lines of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Annotation {
    /// The file, from the root of the repository.
    pub path: String,
    /// The first line, from 1.
    #[serde(with = "text")]
    pub start_line: u32,
    /// The last line.
    #[serde(with = "text")]
    pub end_line: u32,
    /// How bad it is.
    pub level: Level,
    /// A headline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What is to say.
    pub message: String,
}

/// How bad a remark is, in GitHub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Good to know.
    Notice,
    /// Look at it.
    #[default]
    Warning,
    /// Wrong.
    #[serde(alias = "error")]
    Failure,
}

/// What an attempt used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens read.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Tokens written.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// In millionths of a US dollar; on the wire in dollars.
    #[serde(rename = "cost_usd", with = "text::usd", skip_serializing_if = "Option::is_none")]
    pub cost_micros: Option<u64>,
}

/// Why an attempt has no verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of trouble.
    #[serde(rename = "kind")]
    pub class: Class,
    /// Not before this many seconds have passed.
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// What happened and what to do next.
    #[serde(default)]
    pub message: String,
}

impl Failure {
    /// A trouble without a time to wait.
    #[must_use]
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, retry_after_s: None, message: message.into() }
    }
}

/// Who did the work.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The model behind it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub model: String,
}

impl StepResult {
    /// An answer that cannot be used, with the reason.
    #[must_use]
    pub fn unusable(why: String) -> Self {
        let error = Failure::new(Class::BadOutput, format!("the agent's answer cannot be used: {why}"));
        Self { error: Some(error), ..Self::default() }
    }

    /// The artifact that carries this result.
    #[must_use]
    pub fn artifact(&self) -> Artifact {
        let mut data = serde_json::to_value(self).unwrap_or_default();
        data["schema"] = RESULT_SCHEMA.into();
        Artifact { artifact_id: RESULT.to_owned(), name: RESULT.to_owned(), parts: vec![Part::data(data)] }
    }

    /// Reads and checks the artifact `result`; `None` when the task has none.
    pub(super) fn read(task: &TaskSnapshot) -> Result<Option<Self>, String> {
        if task.artifacts.len() > ARTIFACTS_MAX {
            return Err(format!("{} artifacts, more than {ARTIFACTS_MAX}", task.artifacts.len()));
        }
        let Some(artifact) = task.artifacts.iter().find(|artifact| artifact.name == RESULT) else { return Ok(None) };
        let data = artifact.parts.iter().find_map(|part| part.data.as_ref()).ok_or("its result holds no data")?;
        if !data.get("conclusion").is_some_and(Value::is_string) {
            return Err("its result has no conclusion".to_owned());
        }
        let result = Self::deserialize(data).map_err(|error| format!("its result: {error}"))?;
        result.check()?;
        Ok(Some(result))
    }

    /// Whether everything is within its limits.
    ///
    /// # Errors
    /// What is not, in words.
    pub fn check(&self) -> Result<(), String> {
        at_most("summary", self.summary.len(), SUMMARY_BYTES_MAX)?;
        at_most("log_tail", self.log_tail.len(), LOG_TAIL_BYTES_MAX)?;
        at_most("session", self.session.as_ref().map_or(0, String::len), NAME_BYTES_MAX)?;
        for name in [&self.agent.name, &self.agent.version, &self.agent.model] {
            at_most("agent", name.len(), NAME_BYTES_MAX)?;
        }
        if let Some(error) = &self.error {
            at_most("error.message", error.message.len(), SUMMARY_BYTES_MAX)?;
            if error.retry_after_s.is_some_and(|seconds| seconds > RETRY_AFTER_SECONDS_MAX) {
                return Err("error.retry_after_s is longer than a day".to_owned());
            }
        }
        check_outputs(&self.outputs)?;
        if self.annotations.len() > ANNOTATIONS_MAX {
            return Err(format!("{} annotations, more than {ANNOTATIONS_MAX}", self.annotations.len()));
        }
        self.annotations.iter().try_for_each(Annotation::check)
    }
}

/// Whether outputs are within their limits: names of words, a bounded count, bounded bytes as JSON.
///
/// # Errors
/// What is not, in words.
pub(crate) fn check_outputs(outputs: &BTreeMap<String, Value>) -> Result<(), String> {
    if outputs.len() > OUTPUTS_MAX {
        return Err(format!("{} outputs, more than {OUTPUTS_MAX}", outputs.len()));
    }
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let wrong = |name: &&String| name.is_empty() || name.len() > OUTPUT_NAME_BYTES_MAX || !name.chars().all(word);
    if let Some(name) = outputs.keys().find(wrong) {
        return Err(format!("{:?} is no name for an output: letters, digits, _ and - only", head(name, 80)));
    }
    let bytes = serde_json::to_vec(outputs).map_err(|error| format!("outputs: {error}"))?.len();
    at_most("outputs", bytes, OUTPUTS_BYTES_MAX)
}

impl Annotation {
    /// Whether it can be shown: a path within the repository, lines in order, bounded texts.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        at_most("annotation.path", self.path.len(), ANNOTATION_PATH_BYTES_MAX)?;
        at_most("annotation.message", self.message.len(), ANNOTATION_BYTES_MAX)?;
        at_most("annotation.title", self.title.as_ref().map_or(0, String::len), ANNOTATION_TITLE_BYTES_MAX)?;
        let outside = self.path.starts_with('/') || self.path.split('/').any(|part| matches!(part, "" | "." | ".."));
        if outside || self.path.contains(char::is_control) {
            return Err(format!("annotation.path {:?} is no path within the repository", head(&self.path, 80)));
        }
        if self.start_line == 0 || self.end_line < self.start_line {
            return Err(format!("annotation lines {} to {} are in no order", self.start_line, self.end_line));
        }
        Ok(())
    }
}

fn at_most(what: &str, bytes: usize, max: usize) -> Result<(), String> {
    if bytes > max { Err(format!("{what} has {bytes} bytes, more than {max}")) } else { Ok(()) }
}
