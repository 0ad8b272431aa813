//! A query, answered.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::ids::RepoName;
use crate::playground::git::Entry;
use crate::playground::reply::{Answer, Call, Reply};
use crate::playground::shapes::node_id;
use crate::playground::state::{Repo, State};
use crate::playground::tokens::Caller;

use super::query::{Argument, Query, Selection, parse};

/// Above this a blob's text is cut, and `isTruncated` says so.
const TEXT_BYTES_MAX: usize = 512_000;
/// How far git looks for a zero byte to call a file binary.
const BINARY_LOOK: usize = 8_000;

/// An object of the graph.
#[derive(Debug, Clone)]
enum Node {
    Query,
    RateLimit,
    Actor,
    Repository(RepoName),
    Ref { repo: RepoName, name: String, sha: String },
    Object { repo: RepoName, sha: String, kind: &'static str },
    Entry { repo: RepoName, entry: Entry },
}

impl Node {
    fn kind(&self) -> &'static str {
        match self {
            Self::Query => "Query",
            Self::RateLimit => "RateLimit",
            Self::Actor => "Bot",
            Self::Repository(_) => "Repository",
            Self::Ref { .. } => "Ref",
            Self::Object { kind, .. } => kind,
            Self::Entry { .. } => "TreeEntry",
        }
    }

    fn is(&self, kind: &str) -> bool {
        let object = matches!(self, Self::Object { .. });
        kind == self.kind() || (object && matches!(kind, "GitObject" | "Node"))
    }
}

/// What a field gives.
enum Given {
    Plain(Value),
    One(Option<Node>),
    Many(Vec<Node>),
    Unknown,
}

struct Answering<'a> {
    state: &'a State,
    call: &'a Call,
    query: &'a Query,
    variables: BTreeMap<String, Value>,
    /// Contents that were read together.
    blobs: BTreeMap<String, Vec<u8>>,
    errors: Vec<Value>,
}

fn failed(message: &str) -> Reply {
    // GraphQL says its errors with 200.
    Reply::ok(json!({ "errors": [{ "message": message }] }))
}

/// `POST /graphql`
pub(crate) fn answer(state: &mut State, call: &Call) -> Answer {
    match &call.caller {
        Caller::Nobody => return Err(Reply::error(401, "This endpoint requires you to be authenticated.")),
        Caller::App(_) => return Err(Reply::forbidden()),
        Caller::Installation(_) | Caller::Person(_) => {}
    }
    let Some(text) = call.text("query") else {
        return Ok(failed("A query attribute must be specified and must be a string."));
    };
    let query = match parse(text) {
        Ok(query) if query.mutation => return Ok(failed("The playground knows no mutations.")),
        Ok(query) => query,
        Err(said) => return Ok(failed(&said)),
    };
    let variables = match variables(&query, call) {
        Ok(variables) => variables,
        Err(said) => return Ok(failed(&said)),
    };
    let mut answering = Answering { state, call, query: &query, variables, blobs: BTreeMap::new(), errors: Vec::new() };
    let data = answering.select(&Node::Query, &query.selection, &mut Vec::new());
    let errors = answering.errors;
    if errors.is_empty() {
        return Ok(Reply::ok(json!({ "data": data })));
    }
    if errors.iter().any(|error| error.get("extensions").is_some()) {
        // A query that does not fit the schema is not run at all.
        for error in &errors {
            state.ledger.unexpected(format!("POST /graphql: {}", error["message"].as_str().unwrap_or_default()));
        }
        return Ok(Reply::ok(json!({ "errors": errors })));
    }
    Ok(Reply::ok(json!({ "data": data, "errors": errors })))
}

fn variables(query: &Query, call: &Call) -> Result<BTreeMap<String, Value>, String> {
    let mut found = BTreeMap::new();
    for variable in &query.variables {
        let given = call.body["variables"].get(&variable.name).filter(|value| !value.is_null());
        let default = match &variable.default {
            Some(Argument::Value(value)) => Some(value),
            Some(Argument::Variable(_)) | None => None,
        };
        match given.or(default) {
            Some(value) => drop(found.insert(variable.name.clone(), value.clone())),
            None if variable.required => {
                return Err(format!(
                    "Variable ${} was provided invalid value: Expected value to not be null",
                    variable.name
                ));
            }
            None => {}
        }
    }
    Ok(found)
}

impl Answering<'_> {
    fn select(&mut self, node: &Node, selection: &[Selection], path: &mut Vec<String>) -> Value {
        let mut shape = Map::new();
        self.fill(&mut shape, node, selection, path);
        Value::Object(shape)
    }

    fn fill(&mut self, shape: &mut Map<String, Value>, node: &Node, selection: &[Selection], path: &mut Vec<String>) {
        for wanted in selection {
            match wanted {
                Selection::On { kind, selection } => {
                    if kind.as_deref().is_none_or(|kind| node.is(kind)) {
                        self.fill(shape, node, selection, path);
                    }
                }
                Selection::Spread(name) => match self.query.fragments.get(name) {
                    Some(fragment) if path.len() < 64 => {
                        self.fill(shape, node, std::slice::from_ref(fragment), path);
                    }
                    _ => self.errors.push(json!({ "message": format!("Fragment {name} was used, but not defined") })),
                },
                Selection::Field { alias, name, arguments, selection } => {
                    path.push(alias.clone());
                    let value = self.field(node, (name, arguments), selection, path);
                    path.pop();
                    shape.insert(alias.clone(), value);
                }
            }
        }
    }

    fn field(
        &mut self,
        node: &Node,
        (name, arguments): (&str, &[(String, Argument)]),
        selection: &[Selection],
        path: &mut Vec<String>,
    ) -> Value {
        if name == "__typename" {
            return node.kind().into();
        }
        let given = match node {
            Node::Query => self.root(name, arguments, path),
            Node::RateLimit => self.rate_limit(name),
            Node::Actor => self.actor(name),
            Node::Repository(repo) => self.repository(repo, name, arguments),
            Node::Ref { repo, name: branch, sha } => reference(repo, branch, sha, name),
            Node::Object { repo, sha, kind } => self.object(repo, (sha, kind), name),
            Node::Entry { repo, entry } => entry_field(repo, entry, name),
        };
        match given {
            Given::Plain(value) => value,
            Given::One(None) => Value::Null,
            Given::One(Some(node)) => self.select(&node, selection, path),
            Given::Many(nodes) => nodes.iter().map(|node| self.select(node, selection, path)).collect(),
            Given::Unknown => {
                let kind = node.kind();
                self.errors.push(json!({
                    "message": format!("Field '{name}' doesn't exist on type '{kind}'"), "path": path,
                    "extensions": { "code": "undefinedField", "typeName": kind, "fieldName": name },
                }));
                Value::Null
            }
        }
    }

    fn argument(&self, arguments: &[(String, Argument)], name: &str) -> Option<String> {
        let (_, argument) = arguments.iter().find(|(known, _)| known == name)?;
        let value = match argument {
            Argument::Variable(variable) => self.variables.get(variable)?,
            Argument::Value(value) => value,
        };
        value.as_str().map(str::to_owned)
    }

    fn root(&mut self, name: &str, arguments: &[(String, Argument)], path: &[String]) -> Given {
        match name {
            "rateLimit" => Given::One(Some(Node::RateLimit)),
            "viewer" => Given::One(Some(Node::Actor)),
            "repository" => {
                let text = |name| self.argument(arguments, name).unwrap_or_default();
                let (owner, repo) = (text("owner"), text("name"));
                match self.call.repo(self.state, &owner, &repo, ("contents", "read")) {
                    Ok(found) => Given::One(Some(Node::Repository(found))),
                    Err(_) => {
                        let said = format!("Could not resolve to a Repository with the name '{owner}/{repo}'.");
                        self.errors.push(json!({ "type": "NOT_FOUND", "path": path, "message": said }));
                        Given::One(None)
                    }
                }
            }
            _ => Given::Unknown,
        }
    }

    fn rate_limit(&self, name: &str) -> Given {
        let limit = self.state.limit_json("graphql");
        Given::Plain(match name {
            "cost" => 1.into(),
            "nodeCount" => 0.into(),
            "limit" | "remaining" | "used" => limit[name].clone(),
            "resetAt" => {
                let seconds = limit["reset"].as_i64().unwrap_or(0);
                crate::time::Timestamp(seconds.saturating_mul(1_000_000)).rfc3339().into()
            }
            _ => return Given::Unknown,
        })
    }

    fn actor(&self, name: &str) -> Given {
        let (_, login) = self.call.actor(self.state);
        let account = self.state.account(&login).ok();
        match name {
            "login" => Given::Plain(login.clone().into()),
            "databaseId" => Given::Plain(account.map(|account| account.id).into()),
            "id" => Given::Plain(account.map(|account| node_id("User", account.id)).into()),
            _ => Given::Unknown,
        }
    }

    fn repository(&self, name: &RepoName, field: &str, arguments: &[(String, Argument)]) -> Given {
        let Some(repo) = self.state.repos.get(name) else { return Given::One(None) };
        let branch = |name: &str| {
            let sha = repo.git.commit_of(&format!("refs/heads/{name}"))?;
            Some(Node::Ref { repo: repo.name.clone(), name: name.to_owned(), sha })
        };
        match field {
            "object" => {
                let expression = self.argument(arguments, "expression").or_else(|| self.argument(arguments, "oid"));
                Given::One(expression.and_then(|expression| object_of(repo, &repo.git.resolve(&expression)?)))
            }
            "defaultBranchRef" => Given::One(branch(&repo.default_branch)),
            "ref" => {
                let asked = self.argument(arguments, "qualifiedName").unwrap_or_default();
                Given::One(branch(asked.strip_prefix("refs/heads/").unwrap_or(&asked)))
            }
            "id" => Given::Plain(node_id("Repository", repo.id.0).into()),
            "databaseId" => Given::Plain(repo.id.0.into()),
            "name" => Given::Plain(repo.name.name().into()),
            "nameWithOwner" => Given::Plain(repo.name.as_str().into()),
            "isPrivate" => Given::Plain(repo.private.into()),
            "isFork" => Given::Plain(repo.fork_of.is_some().into()),
            _ => Given::Unknown,
        }
    }

    fn object(&mut self, name: &RepoName, (sha, kind): (&str, &'static str), field: &str) -> Given {
        let Some(repo) = self.state.repos.get(name) else { return Given::One(None) };
        match (kind, field) {
            (_, "oid") => Given::Plain(sha.into()),
            (_, "abbreviatedOid") => Given::Plain(sha.get(..7).into()),
            (_, "id") => Given::Plain(format!("O_{sha}").into()),
            ("Tree", "entries") => {
                let entries = repo.git.tree(sha, false).unwrap_or_default();
                let blobs: Vec<String> =
                    entries.iter().filter(|entry| entry.kind == "blob").map(|entry| entry.sha.clone()).collect();
                self.blobs.extend(repo.git.blobs(&blobs).unwrap_or_default());
                Given::Many(entries.into_iter().map(|entry| Node::Entry { repo: name.clone(), entry }).collect())
            }
            ("Blob", _) => self.blob(repo, sha, field),
            ("Commit", _) => commit_field(repo, sha, field),
            _ => Given::Unknown,
        }
    }

    fn blob(&mut self, repo: &Repo, sha: &str, field: &str) -> Given {
        if !self.blobs.contains_key(sha) {
            self.blobs.extend(repo.git.blobs(&[sha.to_owned()]).unwrap_or_default());
        }
        let Some(content) = self.blobs.get(sha) else { return Given::Plain(Value::Null) };
        let binary = content.iter().take(BINARY_LOOK).any(|byte| *byte == 0);
        Given::Plain(match field {
            "byteSize" => content.len().into(),
            "isBinary" => binary.into(),
            "isTruncated" => (content.len() > TEXT_BYTES_MAX).into(),
            "text" if binary => Value::Null,
            "text" => {
                let text = String::from_utf8_lossy(content);
                text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).into()
            }
            _ => return Given::Unknown,
        })
    }
}

fn object_of(repo: &Repo, sha: &str) -> Option<Node> {
    let kind = match repo.git.kind(sha)?.as_str() {
        "commit" => "Commit",
        "tree" => "Tree",
        "tag" => "Tag",
        _ => "Blob",
    };
    Some(Node::Object { repo: repo.name.clone(), sha: sha.to_owned(), kind })
}

fn reference(repo: &RepoName, branch: &str, sha: &str, field: &str) -> Given {
    match field {
        "name" => Given::Plain(branch.into()),
        "prefix" => Given::Plain("refs/heads/".into()),
        "target" => Given::One(Some(Node::Object { repo: repo.clone(), sha: sha.to_owned(), kind: "Commit" })),
        _ => Given::Unknown,
    }
}

fn commit_field(repo: &Repo, sha: &str, field: &str) -> Given {
    let commit = repo.git.log(sha, 1).ok().and_then(|mut found| found.pop());
    let Some(commit) = commit else { return Given::One(None) };
    match field {
        "message" => Given::Plain(commit.message.into()),
        "committedDate" => Given::Plain(commit.committer.at.into()),
        "tree" => Given::One(object_of(repo, &commit.tree)),
        _ => Given::Unknown,
    }
}

fn entry_field(repo: &RepoName, entry: &Entry, field: &str) -> Given {
    let kind = match entry.kind.as_str() {
        "tree" => "Tree",
        "commit" => "Commit",
        _ => "Blob",
    };
    match field {
        "name" => Given::Plain(entry.path.rsplit('/').next().into()),
        "path" => Given::Plain(entry.path.as_str().into()),
        "type" => Given::Plain(entry.kind.as_str().into()),
        "oid" => Given::Plain(entry.sha.as_str().into()),
        "mode" => Given::Plain(i64::from_str_radix(&entry.mode, 8).unwrap_or(0).into()),
        "size" => Given::Plain(entry.size.unwrap_or(0).into()),
        // A submodule's commit is not in this repository.
        "object" if kind == "Commit" => Given::One(None),
        "object" => Given::One(Some(Node::Object { repo: repo.clone(), sha: entry.sha.clone(), kind })),
        _ => Given::Unknown,
    }
}
