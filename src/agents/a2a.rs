//! The wire of A2A 1.0, as far as we speak it: thin structs for both sides, the client here and the server of the
//! runner.
//!
//! Own structs in place of an SDK: a dozen fields matter to us, unknown ones must be ignored, and every bound must be
//! ours. Fields that a server leaves out take their defaults; what must be there is checked by the reader.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version that every request names; without it a server assumes 0.3 and refuses.
pub const VERSION: &str = "1.0";
/// The header that carries [`VERSION`].
pub const VERSION_HEADER: &str = "a2a-version";
/// The header that names the extensions in use.
pub const EXTENSIONS_HEADER: &str = "a2a-extensions";
/// The header of a push that carries the token of its attempt.
pub const TOKEN_HEADER: &str = "x-a2a-notification-token";
/// Where an agent shows its card.
pub const CARD_PATH: &str = "/.well-known/agent-card.json";
/// Our extension: a step as a data part, its result as an artifact.
pub const STEP_EXTENSION: &str = "https://pointsman.dev/ext/step/v1";

/// The numbers of JSON-RPC errors, as A2A 1.0 gives them out.
pub mod code {
    /// The body is no JSON.
    pub const PARSE: i64 = -32700;
    /// It is no request.
    pub const REQUEST: i64 = -32600;
    /// The method is not known.
    pub const METHOD: i64 = -32601;
    /// The parameters are wrong.
    pub const PARAMS: i64 = -32602;
    /// The server broke; the task may exist all the same.
    pub const INTERNAL: i64 = -32603;
    /// There is no such task.
    pub const TASK_NOT_FOUND: i64 = -32001;
    /// The task has ended already.
    pub const NOT_CANCELABLE: i64 = -32002;
    /// The agent cannot push.
    pub const PUSH_NOT_SUPPORTED: i64 = -32003;
    /// The operation does not fit the task.
    pub const UNSUPPORTED: i64 = -32004;
    /// A part has a media type that the agent does not take.
    pub const CONTENT_TYPE: i64 = -32005;
    /// The agent's own answer was not valid.
    pub const INVALID_RESPONSE: i64 = -32006;
    /// An extension that the agent demands was not named.
    pub const EXTENSION_REQUIRED: i64 = -32008;
    /// The version is not spoken.
    pub const VERSION: i64 = -32009;
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TaskState {
    /// Taken, not begun.
    #[serde(rename = "TASK_STATE_SUBMITTED")]
    Submitted,
    /// Being worked on.
    #[serde(rename = "TASK_STATE_WORKING")]
    Working,
    /// Ended by its own account well; the result says more.
    #[serde(rename = "TASK_STATE_COMPLETED")]
    Completed,
    /// Ended by a fault.
    #[serde(rename = "TASK_STATE_FAILED")]
    Failed,
    /// Ended because somebody asked for it.
    #[serde(rename = "TASK_STATE_CANCELED")]
    Canceled,
    /// Never taken.
    #[serde(rename = "TASK_STATE_REJECTED")]
    Rejected,
    /// Waits for words from a person.
    #[serde(rename = "TASK_STATE_INPUT_REQUIRED")]
    InputRequired,
    /// Waits for a login.
    #[serde(rename = "TASK_STATE_AUTH_REQUIRED")]
    AuthRequired,
    /// Not said, or a word that we do not know.
    #[default]
    #[serde(rename = "TASK_STATE_UNSPECIFIED", other)]
    Unspecified,
}

impl TaskState {
    /// Whether nothing follows.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled | Self::Rejected)
    }
}

/// A task as the agent told of it at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskSnapshot {
    /// The agent's id for it.
    pub id: String,
    /// The context; an agent that keeps ours echoes the attempt's id.
    pub context_id: String,
    /// Where it stands.
    pub status: TaskStatus,
    /// What it made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
}

/// Where a task stands, and what it last said.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskStatus {
    /// The state.
    pub state: TaskState,
    /// The last words: live progress, a question, an apology.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// When that was, RFC 3339, by the agent's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
}

/// Something that a task made.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Artifact {
    /// The agent's id for it.
    pub artifact_id: String,
    /// Its name; ours is `result`.
    pub name: String,
    /// Its content.
    pub parts: Vec<Part>,
}

/// Words from one side to the other.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Message {
    /// The sender's id for it. Our runner takes a repeated one for the same message.
    pub message_id: String,
    /// The context that it belongs to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub context_id: String,
    /// The task that it continues.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub task_id: String,
    /// `ROLE_USER` or `ROLE_AGENT`.
    pub role: String,
    /// Its content.
    pub parts: Vec<Part>,
    /// The extensions that it uses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<String>,
    /// Whatever the sender adds; some agents put their cost here.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub metadata: Value,
}

impl Message {
    /// Its text parts, joined by blank lines.
    #[must_use]
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.parts.iter().filter_map(|part| part.text.as_deref()).collect();
        texts.join("\n\n")
    }
}

/// A piece of content: one of text, data, raw bytes or an address.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Part {
    /// Words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// JSON. Servers keep it as a protobuf struct, where numbers become doubles: ours are strings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// What kind of content it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

impl Part {
    /// Words.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// JSON.
    #[must_use]
    pub fn data(data: Value) -> Self {
        Self { data: Some(data), media_type: Some("application/json".to_owned()), ..Self::default() }
    }
}

/// The parameters of `SendMessage`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SendMessage {
    /// What is said.
    pub message: Message,
    /// How it is to be taken.
    pub configuration: Configuration,
}

/// How a message is to be taken.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Configuration {
    /// Answer before the work is done. The protocol's default is to block.
    pub return_immediately: bool,
    /// What the sender can read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accepted_output_modes: Vec<String>,
    /// Where to tell of changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_push_notification_config: Option<PushConfig>,
}

/// Where an agent tells of changes. Its `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PushConfig {
    /// The address to POST to.
    pub url: String,
    /// Given back in the header [`TOKEN_HEADER`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token: String,
    /// How to log in there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication: Option<PushAuthentication>,
}

impl std::fmt::Debug for PushConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PushConfig").field("url", &self.url).finish_non_exhaustive()
    }
}

/// How a push logs in.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PushAuthentication {
    /// `Bearer`.
    pub scheme: String,
    /// What follows the scheme.
    pub credentials: String,
}

/// An agent's card, as far as we read it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Card {
    /// The agent's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where and how it is spoken to.
    pub supported_interfaces: Vec<Interface>,
}

/// One way to speak to an agent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Interface {
    /// The address.
    pub url: String,
    /// `JSONRPC`, `HTTP+JSON`, `GRPC`.
    pub protocol_binding: String,
    /// `1.0`.
    pub protocol_version: String,
}

/// The answer of JSON-RPC.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Response {
    /// The result, when it went well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// What went wrong. It comes with HTTP 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<RpcError>,
}

/// What went wrong, as JSON-RPC says it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RpcError {
    /// One of [`code`].
    pub code: i64,
    /// In words.
    pub message: String,
}
