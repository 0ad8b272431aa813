//! A request as the resources see it, and their answers in GitHub's shapes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::tokens::Caller;

/// What GitHub gives at most in one page.
const PER_PAGE_MAX: usize = 100;

/// A request, parsed.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// The path under the API's root, decoded, cut at slashes.
    pub(crate) segments: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) body: Value,
    pub(crate) caller: Caller,
    pub(crate) accept: String,
    /// `X-GitHub-Stateless-S2S-Token`: which token format is asked for.
    pub(crate) stateless: Option<String>,
    /// The address as it was asked for, without the query, for `Link`.
    pub(crate) url: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Sent in place of JSON: a file's own content, or a page.
    pub(crate) raw: Option<(&'static str, Vec<u8>)>,
}

/// What a resource answers. An error is an answer too.
pub(crate) type Answer = Result<Reply, Reply>;

impl Reply {
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self { status, body, headers: Vec::new(), raw: None }
    }

    pub(crate) fn ok(body: Value) -> Self {
        Self::new(200, body)
    }

    pub(crate) fn created(body: Value) -> Self {
        Self::new(201, body)
    }

    pub(crate) fn no_content() -> Self {
        Self { raw: Some(("text/plain", Vec::new())), ..Self::new(204, Value::Null) }
    }

    /// `{"message", "documentation_url", "status"}`, as every error of GitHub.
    pub(crate) fn error(status: u16, message: &str) -> Self {
        let body = json!({
            "message": message,
            "documentation_url": "https://docs.github.com/rest",
            "status": status.to_string(),
        });
        Self::new(status, body)
    }

    pub(crate) fn not_found() -> Self {
        Self::error(404, "Not Found")
    }

    pub(crate) fn forbidden() -> Self {
        Self::error(403, "Resource not accessible by integration")
    }

    /// A request whose shape is wrong: GitHub names the sentence in the message.
    pub(crate) fn invalid(why: &str) -> Self {
        Self::error(422, &format!("Invalid request.\n\n{why}"))
    }

    /// A well-formed request that breaks a rule of a resource.
    pub(crate) fn unprocessable(resource: &str, field: &str, message: &str) -> Self {
        let mut reply = Self::error(422, "Validation Failed");
        reply.body["errors"] = json!([{ "resource": resource, "code": "custom", "field": field, "message": message }]);
        reply
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

impl Call {
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// A text of the body, if it is there.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }

    /// A text of the body that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Reply> {
        match self.body.get(name) {
            None | Some(Value::Null) => Err(Reply::invalid(&format!("\"{name}\" wasn't supplied."))),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(Reply::invalid(&format!("For 'properties/{name}', {other} is not a string."))),
        }
    }

    pub(crate) fn per_page(&self) -> usize {
        self.query("per_page").and_then(|text| text.parse().ok()).unwrap_or(30).clamp(1, PER_PAGE_MAX)
    }

    fn link(&self, page: usize) -> String {
        let mut pairs: Vec<String> = Vec::new();
        for (name, value) in self.query.iter().filter(|(name, _)| *name != "page") {
            pairs.push(url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish());
        }
        pairs.push(format!("page={page}"));
        format!("<{}?{}>", self.url, pairs.join("&"))
    }

    /// The asked page of `all` with its `Link` header; `wrap` puts the items into the list's own object.
    pub(crate) fn page<T>(&self, all: &[T], wrap: impl FnOnce(Vec<&T>) -> Value) -> Reply {
        let asked: usize = self.query("page").and_then(|text| text.parse().ok()).unwrap_or(1);
        let (size, page) = (self.per_page(), asked.max(1));
        let last = all.len().div_ceil(size).max(1);
        let items = all.iter().skip((page - 1).saturating_mul(size)).take(size).collect();
        let mut links = Vec::new();
        if page > 1 {
            links.push(format!("{}; rel=\"prev\"", self.link(page - 1)));
        }
        if page < last {
            links.push(format!("{}; rel=\"next\"", self.link(page + 1)));
            links.push(format!("{}; rel=\"last\"", self.link(last)));
        }
        if page > 1 {
            links.push(format!("{}; rel=\"first\"", self.link(1)));
        }
        let reply = Reply::ok(wrap(items));
        if links.is_empty() { reply } else { reply.with("link", links.join(", ")) }
    }
}
