//! The whole service in the test's process, as a GitHub's App; and its adapter alone.

use std::collections::BTreeMap;

use pointsman::app::{Extra, Service};
use pointsman::config::{self, Settings, Sources};
use pointsman::github;
use pointsman::playground::GitHub;

/// Starts it over this database with these settings besides, on any port that is free. It has only agents that they name.
pub async fn start(github: &GitHub, database: &str, more: &[(&str, &str)]) -> Service {
    let mut env: BTreeMap<String, String> = github.settings();
    let ours = [("DATABASE_URL", database), ("API_HOST", "127.0.0.1"), ("DRAIN_TIMEOUT", "5s")];
    env.extend(ours.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    for agent in config::names::AGENTS {
        env.entry(format!("{agent}_ENDPOINT")).or_default();
    }
    let sources = Sources { env: &env, file: None, open: &config::open };
    let mut settings = Settings::read(&sources).unwrap_or_else(|all| panic!("{all:#?}"));
    settings.server.port = 0;
    Service::start(settings, Extra { public_url_from_bind: true }).await.unwrap()
}

/// What the adapter is told of this GitHub, where a test has the adapter alone.
pub fn adapter(github: &GitHub) -> github::Settings {
    github::Settings {
        api_url: github.api_url().parse().unwrap(),
        graphql_url: github.graphql_url().parse().unwrap(),
        web_url: github.web_url().parse().unwrap(),
        issuer: github.client_id(),
        private_key: github.private_key(),
    }
}
