//! Which App this is, and where its GitHub stands.

use jsonwebtoken::EncodingKey;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::reader::{Reader, list};
use super::units;

/// While a secret is rotated there are two.
const WEBHOOK_SECRETS_MAX: usize = 2;

/// The App, and where its GitHub stands.
#[derive(Debug, Clone)]
pub struct GitHub {
    /// The App's number.
    pub app_id: Option<i64>,
    /// The App's client id.
    pub client_id: Option<String>,
    /// The App's private key, PEM.
    pub private_key: SecretString,
    /// One secret of the webhook, or two while rotating; never none.
    pub webhook_secrets: Vec<SecretString>,
    /// The REST API.
    pub api_url: Url,
    /// The GraphQL API.
    pub graphql_url: Url,
    /// The web pages.
    pub web_url: Url,
}

impl GitHub {
    /// Who signs the App's tokens: the client id, else the number.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.client_id.clone().or_else(|| self.app_id.map(|id| id.to_string())).unwrap_or_default()
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Option<Self> {
        let app_id = r.get("GITHUB_APP_ID", app_id);
        let client_id = r.text("GITHUB_CLIENT_ID");
        if r.text("GITHUB_APP_ID").is_none() && client_id.is_none() {
            r.problem(
                "GITHUB_CLIENT_ID",
                "neither it nor GITHUB_APP_ID is set",
                "copy the client id from the App's settings on GitHub (docs/install.md)",
            );
        }
        let private_key = private_key(r);
        let webhook_secrets = webhook_secrets(r);
        let api_url = r.get("GITHUB_API_URL", units::address);
        let graphql_url = r.get("GITHUB_GRAPHQL_URL", units::address);
        let web_url = r.get("GITHUB_SERVER_URL", units::address);
        let api_url = api_url?;
        let graphql_url = graphql_url.or_else(|| graphql_beside(&api_url));
        let web_url = web_url.or_else(|| pages_beside(&api_url));
        Some(Self {
            app_id,
            client_id,
            private_key: private_key?,
            webhook_secrets: webhook_secrets?,
            api_url,
            graphql_url: graphql_url?,
            web_url: web_url?,
        })
    }
}

fn app_id(text: &str) -> Result<i64, units::Remedy> {
    text.parse().ok().filter(|id| *id > 0).ok_or("copy the number \"App ID\" from the App's settings on GitHub")
}

fn private_key(r: &mut Reader<'_>) -> Option<SecretString> {
    let by_path = r.text("GITHUB_PRIVATE_KEY_PATH");
    let (name, key) = match (r.secret("GITHUB_PRIVATE_KEY"), by_path) {
        (Some(_), Some(_)) => {
            r.problem("GITHUB_PRIVATE_KEY_PATH", "the key is given in another way, too", "keep one of them");
            return None;
        }
        (Some(key), None) => ("GITHUB_PRIVATE_KEY", key),
        (None, Some(path)) => ("GITHUB_PRIVATE_KEY_PATH", r.secret_file("GITHUB_PRIVATE_KEY_PATH", &path)?),
        (None, None) => {
            if r.text("GITHUB_PRIVATE_KEY_FILE").is_none() {
                let remedy =
                    "generate a private key in the App's settings, and give the .pem by GITHUB_PRIVATE_KEY_PATH";
                r.problem("GITHUB_PRIVATE_KEY", "it is not set", remedy);
            }
            return None;
        }
    };
    // Places that cannot hold line ends write them as two characters.
    let pem = SecretString::from(key.expose_secret().replace("\\n", "\n"));
    if EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes()).is_err() {
        r.problem(name, "it is no RSA key in PEM", "give the .pem as GitHub made it, its first and last line included");
        return None;
    }
    Some(pem)
}

fn webhook_secrets(r: &mut Reader<'_>) -> Option<Vec<SecretString>> {
    const NAME: &str = "GITHUB_WEBHOOK_SECRET";
    let Some(text) = r.secret(NAME) else {
        if r.text("GITHUB_WEBHOOK_SECRET_FILE").is_none() {
            r.problem(NAME, "it is not set", "make one (openssl rand -hex 32), and give it to the App's webhook, too");
        }
        return None;
    };
    let secrets: Vec<SecretString> = list(text.expose_secret()).map(SecretString::from).collect();
    if secrets.is_empty() || secrets.len() > WEBHOOK_SECRETS_MAX {
        r.problem(NAME, "it is not one secret or two", "separate the new and the old one with a comma");
        return None;
    }
    Some(secrets)
}

/// `https://api.github.com/graphql`, `https://HOST/api/graphql`.
fn graphql_beside(api: &Url) -> Option<Url> {
    let base = api.as_str().trim_end_matches('/');
    Url::parse(&format!("{}/graphql", base.strip_suffix("/v3").unwrap_or(base))).ok()
}

/// `https://github.com` for `https://api.github.com`; `https://HOST` for `https://HOST/api/v3`.
fn pages_beside(api: &Url) -> Option<Url> {
    let mut pages = api.clone();
    pages.set_path("");
    let host = api.host_str()?;
    pages.set_host(Some(host.strip_prefix("api.").unwrap_or(host))).ok()?;
    Some(pages)
}
