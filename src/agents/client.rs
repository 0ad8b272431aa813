//! The A2A client: one agent endpoint, five calls, every answer mapped to a word that the dispatcher can act on.
//!
//! What matters most is the line between *refused* and *unclear*. Refused means: certainly no task was started, the
//! attempt may go elsewhere at once. Unclear means: there may be one, so list the context before anything else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use url::Url;

use super::a2a::{self, Card, Message, Response, RpcError, TaskSnapshot, code};
use super::address::{BadAddress, Reach, http_client};
use super::request::StepRequest;
use super::result::{Class, Failure};
use super::text::head;

/// How long one call may take, the body included.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of one answer.
const BODY_BYTES_MAX: usize = 8 << 20;
/// Tasks of one answer to `ListTasks`.
const LISTED_TASKS_MAX: usize = 50;
/// Bytes of an agent's words in an error of ours.
const WORDS_BYTES_MAX: usize = 300;
/// Characters of the id of a task: no column of ours holds more.
const TASK_ID_CHARS_MAX: usize = 255;
/// The longest wait that we believe, in seconds.
const RETRY_AFTER_SECONDS_MAX: u64 = 24 * 60 * 60;

/// One endpoint of an agent.
pub struct Client {
    http: reqwest::Client,
    endpoint: Url,
    bearer: Option<SecretString>,
    /// Where the calls go: told by the card, unless the endpoint itself has a path.
    rpc: OnceCell<Url>,
    next_id: AtomicU64,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Sent {
    /// A task was made, or found: a repeated message may give the first one.
    Task(Box<TaskSnapshot>),
    /// The agent answered at once, without any task.
    Message(String),
    /// Certainly nothing was started.
    Refused(Failure),
    /// A task was made that nobody can ask for: its answer cannot be used.
    Unusable(Failure),
    /// Something may have been started: list the context.
    Unclear {
        /// Why nothing is known.
        why: String,
    },
}

/// Why a call about a task gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The agent knows no such task: it was restarted, or never had it.
    #[error("the agent does not know the task any more")]
    Lost,
    /// The task has ended already; get it to learn how.
    #[error("the task has ended already")]
    NotCancelable,
    /// The agent refused the call; the task may be well.
    #[error("{}", .0.message)]
    Refused(Failure),
    /// Nothing is known: ask again.
    #[error("{why}")]
    Unclear {
        /// What happened.
        why: String,
    },
}

impl Client {
    /// A client for one endpoint. An endpoint with a path is the address of the calls; one without is asked for its
    /// card first.
    ///
    /// # Errors
    /// When no connection may be made to the endpoint.
    pub fn new(endpoint: Url, bearer: Option<SecretString>, reach: &Reach) -> Result<Self, BadAddress> {
        reach.check(&endpoint)?;
        let http = http_client(reach, CALL_TIMEOUT)?;
        let rpc = if endpoint.path() == "/" { OnceCell::new() } else { OnceCell::new_with(Some(endpoint.clone())) };
        Ok(Self { http, endpoint, bearer, rpc, next_id: AtomicU64::new(1) })
    }

    /// The endpoint, as it stands in the settings.
    #[must_use]
    pub fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// Sends an attempt. An agent that cannot push is asked again without: we poll anyway.
    pub async fn send(&self, request: &StepRequest) -> Sent {
        let mut params = request.params();
        let mut answer = self.call::<_, Value>("SendMessage", &params).await;
        let cannot_push = matches!(&answer, Err(Trouble::Rpc(error)) if error.code == code::PUSH_NOT_SUPPORTED);
        if cannot_push && params.configuration.task_push_notification_config.take().is_some() {
            answer = self.call("SendMessage", &params).await;
        }
        let result = match answer {
            Ok(result) => result,
            Err(trouble) => return trouble.into_sent(),
        };
        if let Some(task) = result.get("task") {
            return match read_task(task) {
                Ok(task) => Sent::Task(Box::new(task)),
                Err(why) => Sent::Unusable(bad_output(&why)),
            };
        }
        match result.get("message").map(Message::deserialize) {
            Some(Ok(message)) => Sent::Message(message.text()),
            Some(Err(_)) | None => {
                Sent::Unclear { why: "the agent's answer holds neither a task nor a message".into() }
            }
        }
    }

    /// How a task stands.
    ///
    /// # Errors
    /// [`Fault::Lost`] when the agent does not know it; else what happened.
    pub async fn get(&self, task: &str) -> Result<TaskSnapshot, Fault> {
        let found: Value = self.call("GetTask", &json!({ "id": task, "historyLength": 0 })).await?;
        self.same(task, &found)
    }

    /// The tasks of a context, oldest first as far as their order tells; tasks of other contexts are not shown.
    ///
    /// # Errors
    /// What happened. An agent that knows nothing answers with an empty list.
    pub async fn list(&self, context_id: &str) -> Result<Vec<TaskSnapshot>, Fault> {
        let params = json!({ "contextId": context_id, "includeArtifacts": true, "historyLength": 0 });
        let result: Value = self.call("ListTasks", &params).await?;
        let tasks = match result.get("tasks") {
            Some(Value::Array(tasks)) => tasks.as_slice(),
            // Servers leave empty lists out.
            None if result.is_object() => &[],
            Some(_) | None => return Err(Fault::Refused(bad_output("its list holds no tasks"))),
        };
        let tasks = tasks.iter().take(LISTED_TASKS_MAX).map(read_task).collect::<Result<Vec<_>, String>>();
        let mut tasks = tasks.map_err(|why| Fault::Refused(bad_output(&why)))?;
        tasks.retain(|task| task.context_id == context_id);
        Ok(tasks)
    }

    /// Asks to stop a task. The answer may still be *working*: ask again until it has ended.
    ///
    /// # Errors
    /// [`Fault::NotCancelable`] when it has ended already; else what happened.
    pub async fn cancel(&self, task: &str) -> Result<TaskSnapshot, Fault> {
        let found: Value = self.call("CancelTask", &json!({ "id": task })).await?;
        self.same(task, &found)
    }

    /// The agent's card.
    ///
    /// # Errors
    /// What happened.
    pub async fn card(&self) -> Result<Card, Fault> {
        Ok(self.read_card().await?)
    }

    /// One plain GET, for the health check: the status and nothing else.
    pub(super) async fn status(&self, path: &str, timeout: Duration) -> Result<StatusCode, String> {
        let request = self.http.get(self.beside(path)).headers(self.headers()).timeout(timeout);
        request.send().await.map(|response| response.status()).map_err(|error| describe(&error))
    }

    fn same(&self, wanted: &str, found: &Value) -> Result<TaskSnapshot, Fault> {
        let task = read_task(found).map_err(|why| Fault::Refused(bad_output(&why)))?;
        if task.id == wanted {
            Ok(task)
        } else {
            Err(Fault::Refused(bad_output("it answered with somebody else's task")))
        }
    }

    async fn call<P: Serialize, R: DeserializeOwned>(&self, method: &str, params: &P) -> Result<R, Trouble> {
        let address = self.rpc.get_or_try_init(|| self.find_rpc()).await?.clone();
        let id = self.next_id.fetch_add(1, Ordering::Relaxed).to_string();
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let bytes = read(self.http.post(address).headers(self.headers()).json(&body)).await?;
        let answer: Response = serde_json::from_slice(&bytes).map_err(|error| Trouble::Unclear {
            why: format!("the agent's answer is no JSON-RPC: {error}; is this the address of an A2A agent?"),
        })?;
        match (answer.error, answer.result) {
            (Some(error), _) => Err(Trouble::Rpc(error)),
            (None, Some(result)) => serde_json::from_value(result)
                .map_err(|error| Trouble::Unclear { why: format!("the agent's result: {error}") }),
            (None, None) => Err(Trouble::Unclear { why: "the agent's answer has neither result nor error".into() }),
        }
    }

    /// Asks the card where JSON-RPC 1.x is spoken. Another host than the endpoint's is not followed (N-02).
    async fn find_rpc(&self) -> Result<Url, Trouble> {
        let card = self.read_card().await.map_err(Trouble::before_any_call)?;
        let config = |message: String| Trouble::Refused(Failure::new(Class::Config, message));
        let speaks =
            |way: &&a2a::Interface| way.protocol_binding == "JSONRPC" && way.protocol_version.starts_with("1.");
        let way = card.supported_interfaces.iter().find(speaks).ok_or_else(|| {
            config(
                "the agent's card names no JSON-RPC interface of A2A 1.0; another agent or a newer one is needed"
                    .into(),
            )
        })?;
        let url = Url::parse(&way.url).map_err(|error| config(format!("the agent's card: {error}")))?;
        if url.origin() != self.endpoint.origin() {
            let shown = head(&way.url, WORDS_BYTES_MAX);
            let endpoint = &self.endpoint;
            return Err(config(format!(
                "the agent's card points to another host, {shown}, than its endpoint {endpoint}; set that address as the endpoint if it is right"
            )));
        }
        Ok(url)
    }

    async fn read_card(&self) -> Result<Card, Trouble> {
        let request = self.http.get(self.beside(a2a::CARD_PATH)).headers(self.headers());
        let bytes = read(request).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Trouble::Refused(bad_output(&format!("its card is not readable: {error}"))))
    }

    fn beside(&self, path: &str) -> Url {
        let mut url = self.endpoint.clone();
        url.set_path(path);
        url.set_query(None);
        url.set_fragment(None);
        url
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(a2a::VERSION_HEADER, HeaderValue::from_static(a2a::VERSION));
        headers.insert(a2a::EXTENSIONS_HEADER, HeaderValue::from_static(a2a::STEP_EXTENSION));
        let bearer = self.bearer.as_ref().map(|bearer| format!("Bearer {}", bearer.expose_secret()));
        if let Some(Ok(mut bearer)) = bearer.map(HeaderValue::try_from) {
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        headers
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Client").field(&self.endpoint.as_str()).finish()
    }
}

/// Why a call gave no result, before it is told in the words of the call.
enum Trouble {
    Refused(Failure),
    Unclear { why: String },
    Rpc(RpcError),
}

impl Trouble {
    /// The same trouble while nothing has been asked yet: what is unclear then is only a passing trouble.
    fn before_any_call(self) -> Self {
        match self {
            Self::Unclear { why } => Self::Refused(Failure::new(Class::Transient, why)),
            refused @ (Self::Refused(_) | Self::Rpc(_)) => refused,
        }
    }

    fn into_sent(self) -> Sent {
        match self {
            Self::Refused(failure) => Sent::Refused(failure),
            Self::Unclear { why } => Sent::Unclear { why },
            Self::Rpc(error) => match class_of(&error) {
                Some(class) => Sent::Refused(Failure::new(class, words(&error))),
                None => Sent::Unclear { why: words(&error) },
            },
        }
    }
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(failure) => Self::Refused(failure),
            Trouble::Unclear { why } => Self::Unclear { why },
            Trouble::Rpc(error) if error.code == code::TASK_NOT_FOUND => Self::Lost,
            Trouble::Rpc(error) if error.code == code::NOT_CANCELABLE => Self::NotCancelable,
            Trouble::Rpc(error) => match class_of(&error) {
                Some(class) => Self::Refused(Failure::new(class, words(&error))),
                None => Self::Unclear { why: words(&error) },
            },
        }
    }
}

/// What a JSON-RPC error says about the request; `None` when a task may exist all the same.
fn class_of(error: &RpcError) -> Option<Class> {
    match error.code {
        code::PARSE | code::REQUEST | code::PARAMS => Some(Class::Validation),
        code::METHOD
        | code::VERSION
        | code::UNSUPPORTED
        | code::CONTENT_TYPE
        | code::EXTENSION_REQUIRED
        | code::PUSH_NOT_SUPPORTED
        | code::TASK_NOT_FOUND => Some(Class::Config),
        code::INVALID_RESPONSE => Some(Class::BadOutput),
        // A crash while blocking is told as an internal error although the task exists.
        _ => None,
    }
}

fn words(error: &RpcError) -> String {
    format!("the agent answered with error {}: {}", error.code, head(&error.message, WORDS_BYTES_MAX))
}

fn bad_output(why: &str) -> Failure {
    Failure::new(Class::BadOutput, format!("the agent's answer cannot be used: {why}"))
}

fn read_task(value: &Value) -> Result<TaskSnapshot, String> {
    let task: TaskSnapshot = serde_json::from_value(value.clone()).map_err(|error| format!("its task: {error}"))?;
    match task.id.chars().count() {
        0 => Err("its task has no id".to_owned()),
        1..=TASK_ID_CHARS_MAX => Ok(task),
        chars => Err(format!("the id of its task has {chars} characters, more than {TASK_ID_CHARS_MAX}")),
    }
}

/// Sends a request and reads its body, at most [`BODY_BYTES_MAX`] of it.
async fn read(request: reqwest::RequestBuilder) -> Result<Vec<u8>, Trouble> {
    let mut response = request.send().await.map_err(|error| {
        let why = describe(&error);
        if error.is_builder() || refused_address(&error) {
            Trouble::Refused(Failure::new(Class::Config, why))
        } else if error.is_connect() {
            Trouble::Refused(Failure::new(Class::Transient, why))
        } else {
            Trouble::Unclear { why }
        }
    })?;
    check_status(&response)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Trouble::Unclear { why: describe(&error) })? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(Trouble::Unclear { why: format!("the agent's answer is longer than {BODY_BYTES_MAX} bytes") });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What the status and the content type say before the body is looked at.
fn check_status(response: &reqwest::Response) -> Result<(), Trouble> {
    let status = response.status();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after_s = header(RETRY_AFTER).and_then(|text| text.trim().parse().ok());
    let refused = |class, what: &str| {
        let retry_after_s = retry_after_s.map(|seconds: u64| seconds.min(RETRY_AFTER_SECONDS_MAX));
        Err(Trouble::Refused(Failure { class, retry_after_s, message: format!("the agent answered {status}: {what}") }))
    };
    match status.as_u16() {
        200..=299 => {}
        300..=399 => return refused(Class::Config, "redirects are not followed; set the address that it leads to"),
        401 | 403 => return refused(Class::Auth, "check the agent's API key"),
        408 => return Err(Trouble::Unclear { why: format!("the agent answered {status}") }),
        413 => return refused(Class::Validation, "the request is too large for it"),
        429 => return refused(Class::RateLimit, "it wants fewer requests"),
        503 => return refused(Class::Overloaded, "it has too much to do or is starting"),
        400..=499 => return refused(Class::Config, "is this the address of an A2A 1.0 agent?"),
        _ => return Err(Trouble::Unclear { why: format!("the agent answered {status}") }),
    }
    let kind = header(CONTENT_TYPE).unwrap_or("application/json").to_ascii_lowercase();
    if kind.contains("json") { Ok(()) } else { refused(Class::BadOutput, &format!("{kind:.80} in place of JSON")) }
}

/// Whether our own resolver refused the address.
fn refused_address(error: &reqwest::Error) -> bool {
    sources(error).any(|source| source.is::<BadAddress>())
}

/// The error with its causes, without the address: that may hold what is nobody's business.
fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", CALL_TIMEOUT.as_secs());
    }
    let causes: Vec<String> = sources(error).map(ToString::to_string).collect();
    match causes.last() {
        Some(cause) => format!("the connection failed: {cause}"),
        None => "the connection failed".to_owned(),
    }
}

fn sources(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |error| error.source())
}
