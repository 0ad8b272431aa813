//! Comments and reactions: how the bot talks.
//!
//! A comment of ours carries a hidden marker. It is how a comment is found again after a lost answer, so a marker in
//! somebody else's comment must count for nothing: only what our App wrote is looked at.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::Error;
use super::installation::Installation;
use super::limits::{self, shortened};
use crate::ids::RepoName;

/// A comment on an issue or a pull request, as GitHub numbers it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, minicbor::Encode, minicbor::Decode,
)]
#[serde(transparent)]
#[cbor(transparent)]
pub struct CommentId(#[n(0)] pub i64);

/// What the bot feels about a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// Seen.
    Eyes,
    /// Done.
    Rocket,
    /// Refused.
    #[serde(rename = "-1")]
    ThumbsDown,
    /// Not understood.
    Confused,
}

/// Pages of a hundred comments that are looked through for a marker.
const COMMENT_PAGES_MAX: usize = 50;

#[derive(Deserialize)]
struct Made {
    id: CommentId,
}

impl Installation {
    /// Writes a comment. Never twice for one marker: the caller has looked.
    ///
    /// # Errors
    /// [`Error::Unclear`] when it may be there now; else as of every call.
    #[tracing::instrument(skip_all, fields(github.repo = %repo))]
    pub async fn comment(&self, repo: &RepoName, number: i64, body: &str) -> Result<CommentId, Error> {
        let url = self.url(repo, &["issues", &number.to_string(), "comments"]);
        let body = json!({ "body": shortened(body, limits::COMMENT_BYTES_MAX) });
        self.write::<_, Made>(Method::POST, url, &body).await.map(|made| made.id)
    }

    /// Replaces what a comment of ours says. Repeating it is harmless.
    ///
    /// # Errors
    /// [`Error::NotFound`] when somebody deleted it; else as of every call.
    #[tracing::instrument(skip_all, fields(github.repo = %repo))]
    pub async fn edit_comment(&self, repo: &RepoName, id: CommentId, body: &str) -> Result<(), Error> {
        let url = self.url(repo, &["issues", "comments", &id.0.to_string()]);
        let body = json!({ "body": shortened(body, limits::COMMENT_BYTES_MAX) });
        self.write::<_, Made>(Method::PATCH, url, &body).await.map(drop)
    }

    /// Our own oldest comment that holds `marker`.
    ///
    /// # Errors
    /// As of every call. [`Error::Unexpected`] when there are more comments than can be looked through and none of
    /// these is it: then nothing may be concluded.
    #[tracing::instrument(skip_all, fields(github.repo = %repo))]
    pub async fn find_comment_by_marker(
        &self,
        repo: &RepoName,
        number: i64,
        marker: &str,
    ) -> Result<Option<CommentId>, Error> {
        let us = self.app().identity().await?;
        let bot = format!("{}[bot]", us.slug);
        let url = self.url_with(repo, &["issues", &number.to_string(), "comments"], &[("per_page", "100")]);
        let (comments, complete) = self.list(url, COMMENT_PAGES_MAX, |page: Vec<Read>| page).await?;
        let ours = |comment: &Read| match (&comment.app, &comment.user) {
            (Some(app), _) => app.id == us.id,
            (None, Some(user)) => user.login == bot,
            (None, None) => false,
        };
        let holds =
            |comment: &&Read| comment.body.as_deref().is_some_and(|body| body.contains(marker)) && ours(comment);
        match comments.iter().find(holds) {
            None if !complete => Err(Error::Unexpected(format!("more than {} comments", COMMENT_PAGES_MAX * 100))),
            found => Ok(found.map(|comment| comment.id)),
        }
    }

    /// Reacts to a comment. A second time is no error: GitHub keeps one of each kind.
    ///
    /// # Errors
    /// As of every call; repeating it is harmless.
    #[tracing::instrument(skip_all, fields(github.repo = %repo))]
    pub async fn react(&self, repo: &RepoName, comment: CommentId, reaction: Reaction) -> Result<(), Error> {
        let url = self.url(repo, &["issues", "comments", &comment.0.to_string(), "reactions"]);
        self.write::<_, serde::de::IgnoredAny>(Method::POST, url, &json!({ "content": reaction })).await.map(drop)
    }
}

#[derive(Deserialize)]
struct Read {
    id: CommentId,
    body: Option<String>,
    user: Option<User>,
    #[serde(rename = "performed_via_github_app")]
    app: Option<Writer>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    login: String,
}

#[derive(Deserialize)]
struct Writer {
    id: i64,
}

#[cfg(test)]
mod tests;
