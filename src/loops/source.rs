//! Where the files of a commit come from: the repository's address, with a token that can read it and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, anyhow};
use secrecy::ExposeSecret as _;
use url::Url;

use crate::agents::Checkout;
use crate::engine::state::Birth;
use crate::github::{App, Scope};
use crate::ids::InstallationId;

/// Where repositories are fetched from.
#[derive(Clone)]
pub enum Source {
    /// From GitHub, or from what plays it.
    GitHub(App),
    /// From one address, whatever the repository: for runs on this machine.
    One(String),
}

/// What an agent is told of a repository. It may hold a token: not for logs, so it has no `Debug`.
pub(super) struct Files {
    /// The address without any login.
    pub(super) clone_url: String,
    /// How to fetch the commit.
    pub(super) checkout: Checkout,
}

impl Source {
    /// The files of a run's commit.
    ///
    /// # Errors
    /// When GitHub does not say where the repository is, or gives no token.
    pub(super) async fn files(&self, installation: InstallationId, birth: &Birth) -> anyhow::Result<Files> {
        let git = |url: String| Checkout::Git { url, sha: birth.sha.clone() };
        let app = match self {
            Self::GitHub(app) => app,
            Self::One(url) => return Ok(Files { clone_url: url.clone(), checkout: git(url.clone()) }),
        };
        let installation = app.installation(installation).await;
        let repository = installation.repository_by_id(birth.repository).await.context("where the repository is")?;
        let clone_url = repository.clone_url;
        let mut url = Url::parse(&clone_url).context("the repository's address")?;
        if url.scheme() == "https" {
            let scope = Scope {
                repositories: BTreeSet::from([birth.repository]),
                permissions: BTreeMap::from([("contents".to_owned(), "read".to_owned())]),
            };
            let token = installation.token(&scope).await.context("a token for the checkout")?;
            let login = url.set_username("x-access-token");
            let login = login.and_then(|()| url.set_password(Some(token.secret.expose_secret())));
            login.map_err(|()| anyhow!("the repository's address takes no login"))?;
        }
        Ok(Files { clone_url, checkout: git(url.into()) })
    }
}
