//! What an agent is asked: one attempt of one step, as an A2A message with words for any agent and a data part
//! (`step/v1`) for those that know our extension.
//!
//! *Invariant:* the context is the attempt's id and the message id is derived from it, so every replica that sends the
//! same attempt sends the same message.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;

use super::a2a::{Configuration, Message, Part, PushConfig, STEP_EXTENSION, SendMessage};
use super::text;
use crate::ids::{AttemptId, CommitSha, RepoName, WorkflowId};

/// The name and version of the data part.
const SCHEMA: &str = "step/v1";

/// One attempt, ready to be sent.
#[derive(Debug, Clone)]
pub struct StepRequest {
    /// The attempt: context and fence.
    pub attempt: AttemptId,
    /// What is to be done, in words.
    pub text: String,
    /// What is to be done, in data.
    pub step: Step,
    /// Where to tell of changes. Absent: we ask.
    pub push: Option<Push>,
}

/// Where an agent tells of changes.
#[derive(Debug, Clone)]
pub struct Push {
    /// Our address for callbacks.
    pub url: Url,
    /// Random for each attempt; we keep only its hash.
    pub token: SecretString,
}

/// A step as data: all that an agent is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The workflow.
    pub workflow: WorkflowId,
    /// How many steps the run has.
    #[serde(with = "text")]
    pub steps: u32,
    /// What kind of result is wanted.
    pub kind: Kind,
    /// The repository and the commits.
    pub repo: Repo,
    /// Where the files come from. Absent: the step needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkout: Option<Checkout>,
    /// The command line of a `run:` step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// `with:` of the step, expressions resolved.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, Value>,
    /// What earlier steps gave: `{"from": {"analyze": {"summary": "…"}}}`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub inputs: Map<String, Value>,
    /// Words of strangers, kept apart so that an agent can tell them from orders.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub untrusted: BTreeMap<String, String>,
    /// How much may be used.
    #[serde(default)]
    pub limits: Limits,
    /// What may be touched.
    #[serde(default)]
    pub policy: Policy,
    /// Which artifacts are wanted: `result`, `patch`.
    #[serde(default)]
    pub want: Vec<String>,
}

/// What kind of result is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Words about the code.
    Review,
    /// A change of the code.
    Edit,
    /// A verdict from tests.
    Test,
    /// A command's verdict.
    Command,
}

/// The repository and the commits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repo {
    /// `owner/name`.
    pub full_name: RepoName,
    /// Its public address, without any login.
    pub clone_url: String,
    /// What the change is measured against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_sha: Option<CommitSha>,
    /// The commit to work on.
    pub head_sha: CommitSha,
    /// Whose commit it is.
    pub trust: Trust,
}

/// Whose commit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// A stranger's, even if somebody approved it.
    Fork,
    /// Of somebody who may write.
    Member,
}

/// Where the files come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub enum Checkout {
    /// A git bundle of exactly the head commit; no token reaches the agent.
    Bundle {
        /// Where it lies.
        url: Url,
        /// The SHA-256 of its bytes, in hexadecimal digits.
        sha256: String,
    },
    /// A repository to fetch from: a local path for `dev` and `run`, or a public address.
    Git {
        /// A path or an address.
        url: String,
        /// The commit, in full.
        sha: CommitSha,
    },
}

/// The command line of a `run:` step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The text for the shell.
    pub run: String,
    /// Its environment, expressions resolved.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Names of secrets that the runner should bind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
}

/// How much may be used. What is absent is not limited by the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// When the attempt ends at the latest, RFC 3339, by the engine's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// The same as a span from the start at the agent, in milliseconds: clocks differ, spans do not.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// In millionths of a US dollar; on the wire in dollars.
    #[serde(rename = "max_cost_usd", with = "text::usd", skip_serializing_if = "Option::is_none")]
    pub max_cost_micros: Option<u64>,
    /// Turns of the model.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<u32>,
    /// Bytes of the patch.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub max_patch_bytes: Option<u64>,
    /// Bytes of memory.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Thousandths of a core.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u32>,
    /// Bytes of disk.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
}

/// What an agent may touch. An agent that cannot hold to it must refuse.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Hosts that may be reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<String>,
    /// Paths that may be changed, as globs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write_paths: Vec<String>,
    /// Tools that may be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
}

impl StepRequest {
    /// The id of the message: one attempt has one.
    #[must_use]
    pub fn message_id(&self) -> String {
        format!("{}.m1", self.attempt)
    }

    /// The parameters of `SendMessage`. They hold the push token: not for logs.
    #[must_use]
    pub fn params(&self) -> SendMessage {
        let push = self.push.as_ref().map(|push| PushConfig {
            url: push.url.to_string(),
            token: push.token.expose_secret().to_owned(),
            authentication: None,
        });
        SendMessage {
            message: Message {
                message_id: self.message_id(),
                context_id: self.attempt.to_string(),
                role: "ROLE_USER".to_owned(),
                parts: vec![Part::text(&*self.text), Part::data(self.step.data(&self.attempt))],
                extensions: vec![STEP_EXTENSION.to_owned()],
                ..Message::default()
            },
            configuration: Configuration {
                return_immediately: true,
                accepted_output_modes: vec!["application/json".to_owned(), "text/markdown".to_owned()],
                task_push_notification_config: push,
            },
        }
    }
}

impl Step {
    /// The data part of this step for this attempt.
    #[must_use]
    pub fn data(&self, attempt: &AttemptId) -> Value {
        let mut data = json!({
            "schema": SCHEMA,
            "run": attempt.run.to_string(),
            "step": attempt.step,
            "attempt": attempt.number.to_string(),
            "fence": attempt.to_string(),
        });
        if let (Some(data), Ok(Value::Object(step))) = (data.as_object_mut(), serde_json::to_value(self)) {
            data.extend(step);
        }
        data
    }

    /// Finds and reads the data part of a message: the other side of [`Step::data`].
    ///
    /// # Errors
    /// In words for the sender, when there is none or it is wrong.
    pub fn read(message: &Message) -> Result<(AttemptId, Self), String> {
        let data = message.parts.iter().filter_map(|part| part.data.as_ref());
        let data = data
            .into_iter()
            .find(|data| data.get("schema").and_then(Value::as_str) == Some(SCHEMA))
            .ok_or("the message has no data part with schema step/v1; this agent runs nothing else")?;
        let fence = data.get("fence").and_then(Value::as_str).ok_or("the data part has no fence")?;
        let attempt: AttemptId = fence.parse().map_err(|error| format!("fence: {error}"))?;
        let step: Self = serde_json::from_value(data.clone()).map_err(|error| format!("step/v1: {error}"))?;
        CommitSha::full(step.repo.head_sha.as_str()).map_err(|error| format!("repo.head_sha: {error}"))?;
        Ok((attempt, step))
    }
}
