//! Who asks: the App's JWT, installation tokens with their scope, and the tokens of people.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::ids::{RepoName, random_bytes};
use crate::time::Timestamp;

use super::reply::{Answer, Call, Reply};
use super::shapes;
use super::state::State;

/// How long an installation token lives.
const TOKEN_LIFE: Duration = Duration::from_secs(3_600);
/// How far ahead a JWT may expire.
const JWT_LIFE_MAX: Duration = Duration::from_secs(600);
/// How many repositories one token may name.
const TOKEN_REPOSITORIES_MAX: usize = 500;

/// How installation tokens look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenFormat {
    /// `ghs_` and 36 letters and digits, as until 2026 and on GitHub Enterprise Server.
    Short,
    /// `ghs_<app>_<JWT>`, about 520 characters with dots.
    #[default]
    Long,
}

/// What an installation token opens.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) app: i64,
    /// Only these repositories, or all of the installation.
    pub(crate) repos: Option<BTreeSet<i64>>,
    pub(crate) permissions: BTreeMap<String, String>,
    pub(crate) expires: Timestamp,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// No `Authorization`.
    Nobody,
    /// An App by JWT.
    App(i64),
    /// An App's installation.
    Installation(Grant),
    /// A person.
    Person(String),
}

/// All tokens that were handed out.
#[derive(Default)]
pub(crate) struct Tokens {
    pub(crate) format: TokenFormat,
    installations: BTreeMap<String, Grant>,
    people: BTreeMap<String, String>,
}

fn letters(count: usize) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefgh";
    let bytes = random_bytes::<64>();
    bytes.iter().take(count).map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

fn long_token(app: i64, expires: Timestamp) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(&json!({ "alg": "RS256", "typ": "JWT" }));
    let claims = part(&json!({ "iss": "github", "exp": expires.0 / 1_000_000, "jti": letters(60) }));
    let signature = URL_SAFE_NO_PAD.encode(random_bytes::<256>());
    format!("ghs_{app}_{header}.{claims}.{signature}")
}

impl Tokens {
    pub(crate) fn new(format: TokenFormat) -> Self {
        Self { format, ..Self::default() }
    }

    /// Hands out a token of a person, as their browser session would have.
    pub(crate) fn person(&mut self, login: &str) -> String {
        let token = format!("ghp_{}", letters(36));
        self.people.insert(token.clone(), login.to_owned());
        token
    }

    pub(crate) fn issue(&mut self, grant: Grant, format: TokenFormat) -> String {
        let token = match format {
            TokenFormat::Short => format!("ghs_{}", letters(36)),
            TokenFormat::Long => long_token(grant.app, grant.expires),
        };
        self.installations.insert(token.clone(), grant);
        token
    }
}

fn unauthorized(message: &str) -> Reply {
    Reply::error(401, message)
}

impl State {
    /// Who sent this `Authorization` header.
    pub(crate) fn caller(&self, authorization: Option<&str>) -> Result<Caller, Reply> {
        let Some(header) = authorization else { return Ok(Caller::Nobody) };
        let Some((scheme, token)) = header.split_once(' ') else { return Err(unauthorized("Bad credentials")) };
        if !scheme.eq_ignore_ascii_case("bearer") && !scheme.eq_ignore_ascii_case("token") {
            return Err(unauthorized("Bad credentials"));
        }
        if let Some(grant) = self.tokens.installations.get(token) {
            if grant.expires <= self.now() {
                return Err(unauthorized("Bad credentials"));
            }
            if self.suspended && grant.app == self.ours.id {
                return Err(Reply::error(403, "This installation has been suspended"));
            }
            return Ok(Caller::Installation(grant.clone()));
        }
        if let Some(login) = self.tokens.people.get(token) {
            return Ok(Caller::Person(login.clone()));
        }
        if token.starts_with("gh") {
            return Err(unauthorized("Bad credentials"));
        }
        self.check_jwt(token).map(|()| Caller::App(self.ours.id))
    }

    fn check_jwt(&self, token: &str) -> Result<(), Reply> {
        let mut rules = Validation::new(Algorithm::RS256);
        // Times are judged by the playground's clock, below.
        rules.validate_exp = false;
        rules.validate_aud = false;
        rules.required_spec_claims.clear();
        let key = DecodingKey::from_rsa_der(&self.key.public);
        let claims = jsonwebtoken::decode::<Value>(token, &key, &rules)
            .map_err(|_| unauthorized("A JSON web token could not be decoded"))?
            .claims;
        let now = self.now().0.div_euclid(1_000_000);
        let Some(expires) = claims["exp"].as_i64().filter(|at| *at > now) else {
            return Err(unauthorized(
                "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
            ));
        };
        if expires - now > i64::try_from(JWT_LIFE_MAX.as_secs()).unwrap_or(i64::MAX) {
            return Err(unauthorized("'Expiration time' claim ('exp') is too far in the future"));
        }
        if claims["iat"].as_i64().is_none_or(|at| at > now) {
            return Err(unauthorized(
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
            ));
        }
        let issuer = match &claims["iss"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if issuer == self.ours.id.to_string() || issuer == self.ours.client_id {
            return Ok(());
        }
        Err(Reply::error(404, "Integration not found"))
    }

    /// A token of an App with all that its installation has.
    pub(crate) fn full_token(&mut self, other: bool) -> String {
        let app = if other { &self.other } else { &self.ours };
        let (app, permissions) = (app.id, app.permissions.clone());
        let grant = Grant { app, repos: None, permissions, expires: self.now().plus(TOKEN_LIFE) };
        let format = self.tokens.format;
        self.tokens.issue(grant, format)
    }
}

/// `POST /app/installations/{id}/access_tokens`
pub(crate) fn create(state: &mut State, call: &Call, installation: &str) -> Answer {
    let Caller::App(app) = call.caller else {
        return Err(unauthorized("A JSON web token could not be decoded"));
    };
    if installation != state.app(app).installation.to_string() {
        return Err(Reply::not_found());
    }
    if state.suspended {
        return Err(Reply::error(403, "This installation has been suspended"));
    }
    let chosen = chosen_repositories(state, call)?;
    let permissions = chosen_permissions(&state.app(app).permissions, call)?;
    let expires = state.now().plus(TOKEN_LIFE);
    let repos =
        chosen.as_ref().map(|names| names.iter().filter_map(|name| Some(state.repos.get(name)?.id.0)).collect());
    let format = match call.stateless.as_deref() {
        Some("enabled") => TokenFormat::Long,
        Some("disabled") => TokenFormat::Short,
        _ => state.tokens.format,
    };
    let token = state.tokens.issue(Grant { app, repos, permissions: permissions.clone(), expires }, format);
    let mut body = json!({
        "token": token,
        "expires_at": expires.rfc3339(),
        "permissions": permissions,
        "repository_selection": if chosen.is_some() { "selected" } else { "all" },
    });
    if let Some(names) = chosen {
        let repos = names.iter().filter_map(|name| state.repos.get(name));
        body["repositories"] = repos.map(|repo| shapes::repo(state, repo)).collect();
    }
    Ok(Reply::created(body))
}

fn chosen_repositories(state: &State, call: &Call) -> Result<Option<Vec<RepoName>>, Reply> {
    let (by_id, by_name) = (call.body["repository_ids"].as_array(), call.body["repositories"].as_array());
    let Some(asked) = by_id.or(by_name) else { return Ok(None) };
    if asked.len() > TOKEN_REPOSITORIES_MAX {
        return Err(Reply::error(422, "Too many repositories for installation. Maximum: 500"));
    }
    let find = |asked: &Value| {
        let repos = state.installed.iter().filter_map(|name| state.repos.get(name));
        let mut same =
            repos.filter(|repo| asked.as_i64() == Some(repo.id.0) || asked.as_str() == Some(repo.name.name()));
        same.next().map(|repo| repo.name.clone())
    };
    let found: Option<Vec<RepoName>> = asked.iter().map(find).collect();
    found.map(Some).ok_or_else(|| {
        Reply::error(
            422,
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        )
    })
}

fn chosen_permissions(all: &BTreeMap<String, String>, call: &Call) -> Result<BTreeMap<String, String>, Reply> {
    let Some(asked) = call.body["permissions"].as_object() else { return Ok(all.clone()) };
    let mut chosen = BTreeMap::new();
    for (name, level) in asked {
        let level = level.as_str().unwrap_or_default();
        let granted = all.get(name).is_some_and(|granted| granted == level || (level == "read" && granted == "write"));
        if !granted {
            return Err(Reply::error(422, "The permissions requested are not granted to this installation."));
        }
        chosen.insert(name.clone(), level.to_owned());
    }
    // Metadata comes with every token.
    chosen.entry("metadata".to_owned()).or_insert_with(|| "read".to_owned());
    Ok(chosen)
}

impl Call {
    /// The repository of the path, if the caller may do this to it. Public repositories may be read by everyone.
    pub(crate) fn repo(&self, state: &State, owner: &str, name: &str, need: (&str, &str)) -> Result<RepoName, Reply> {
        let repo = state.repo(&format!("{owner}/{name}"))?;
        let public_read = !repo.private && need.1 == "read";
        match &self.caller {
            Caller::Nobody if public_read => Ok(repo.name.clone()),
            Caller::Nobody => Err(unauthorized("Requires authentication")),
            Caller::App(_) => Err(Reply::forbidden()),
            Caller::Person(login) => {
                let level = repo.permission(login);
                let enough =
                    level.legacy() != "none" && (need.1 == "read" || matches!(level.legacy(), "write" | "admin"));
                if enough { Ok(repo.name.clone()) } else { Err(Reply::not_found()) }
            }
            Caller::Installation(grant) => {
                let inside = state.installed.contains(&repo.name)
                    && grant.repos.as_ref().is_none_or(|repos| repos.contains(&repo.id.0));
                let level = grant.permissions.get(need.0).map(String::as_str);
                let enough = level == Some("write") || level == Some(need.1);
                match (inside && enough) || public_read {
                    true => Ok(repo.name.clone()),
                    false if !inside && repo.private => Err(Reply::not_found()),
                    false => Err(Reply::forbidden()),
                }
            }
        }
    }

    /// The App behind the caller, and the login that its acts show.
    pub(crate) fn actor(&self, state: &State) -> (Option<i64>, String) {
        match &self.caller {
            Caller::App(app) => (Some(*app), state.app(*app).bot()),
            Caller::Installation(grant) => (Some(grant.app), state.app(grant.app).bot()),
            Caller::Person(login) => (None, login.clone()),
            Caller::Nobody => (None, String::new()),
        }
    }
}
