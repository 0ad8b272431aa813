//! Check runs: what we send, what we read back, and the calls.
//!
//! A body holds what a check is to show, in full; this file makes it fit GitHub's limits and splits its annotations.
//! Sending is not idempotent: after [`Error::Unclear`] look for the `external_id` with [`Installation::list_checks`]
//! before a second create.

use http::Method;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::installation::Installation;
use super::limits::{self, cut, shortened};
use crate::ids::{CommitSha, RepoName};
use crate::time::Timestamp;

/// A check run, as GitHub numbers it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, minicbor::Encode, minicbor::Decode,
)]
#[serde(transparent)]
#[cbor(transparent)]
pub struct CheckId(#[n(0)] pub i64);

/// What an App may set as status. There are more to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not started.
    Queued,
    /// Started.
    InProgress,
    /// Ended; never to be opened again.
    Completed,
}

/// What an App may set as conclusion. There are more to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Somebody has to act; does not pass.
    ActionRequired,
    /// Ended by somebody; does not pass.
    Cancelled,
    /// Does not pass.
    Failure,
    /// Passes.
    Neutral,
    /// Passes.
    Success,
    /// Passes.
    Skipped,
    /// Does not pass.
    TimedOut,
}

/// What a check run is to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckBody {
    /// What branch protection knows it by.
    pub name: String,
    /// The commit. Set at its birth and never after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_sha: Option<CommitSha>,
    /// How far it is.
    pub status: Status,
    /// How it ended; only with [`Status::Completed`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<Conclusion>,
    /// When it started.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rfc3339")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rfc3339")]
    pub completed_at: Option<Timestamp>,
    /// Where "Details" leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details_url: Option<String>,
    /// Our own name for it: head, name and generation.
    pub external_id: String,
    /// What its page shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// Its buttons; an empty list takes them away.
    pub actions: Vec<Action>,
}

/// What the page of a check run shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Output {
    /// One line.
    pub title: String,
    /// Markdown.
    pub summary: String,
    /// More Markdown, below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Notes on lines; all of them, however many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Annotation>,
}

/// How bad an annotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnotationLevel {
    /// For information.
    Notice,
    /// To be looked at.
    Warning,
    /// To be mended.
    Failure,
}

/// A note on lines of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Annotation {
    /// From the root of the repository.
    pub path: String,
    /// Counted from 1.
    pub start_line: u32,
    /// Not before `start_line`.
    pub end_line: u32,
    /// Counted from 1; GitHub takes columns on a single line only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_column: Option<u32>,
    /// Counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_column: Option<u32>,
    /// How bad it is.
    pub annotation_level: AnnotationLevel,
    /// What is the matter.
    pub message: String,
    /// The same in a few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// More, as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_details: Option<String>,
}

/// A button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Action {
    /// What it says.
    pub label: String,
    /// What it does.
    pub description: String,
    /// What comes back with a click; at most 20 bytes, or the button is left out.
    pub identifier: String,
}

/// A check run that GitHub has written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Written {
    /// Which.
    pub id: CheckId,
    /// The annotations that it has now. An update that repeats them would double them: say so in its `skip`.
    pub annotations: usize,
    /// Why further ones did not follow: the rest of the body was written all the same.
    pub interrupted: Option<Error>,
}

/// A check run of ours, as GitHub shows it. Its words are open: GitHub adds some.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Check {
    /// Which.
    pub id: CheckId,
    /// Its name.
    pub name: String,
    /// Its commit.
    pub head_sha: CommitSha,
    /// How far it is.
    pub status: String,
    /// How it ended.
    pub conclusion: Option<String>,
    /// Our own name for it.
    pub external_id: Option<String>,
    app: Option<Maker>,
    output: Option<Shown>,
}

/// What is told of the output of a check run that is read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Shown {
    #[serde(default)]
    annotations_count: u32,
}

impl Check {
    /// The annotations that it has.
    #[must_use]
    pub fn annotations(&self) -> u32 {
        self.output.as_ref().map_or(0, |output| output.annotations_count)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Maker {
    id: i64,
}

/// Pages of a hundred; GitHub itself keeps a thousand runs of a name.
const CHECK_PAGES_MAX: usize = 10;

impl CheckBody {
    /// How many writes it takes to send it, so that they can be paid for before the first.
    #[must_use]
    pub fn writes(&self, skip: usize) -> usize {
        let annotations =
            self.output.as_ref().map_or(0, |output| output.annotations.len().min(limits::ANNOTATIONS_MAX));
        annotations.saturating_sub(skip).div_ceil(limits::ANNOTATIONS_PER_REQUEST_MAX).max(1)
    }

    /// What fits GitHub's limits, in as many requests as its annotations need. The first is the whole body; the
    /// further ones repeat the output with the next annotations, which GitHub appends.
    fn requests(&self, skip: usize) -> Vec<Self> {
        let mut first = self.fitted();
        let annotations = match &mut first.output {
            None => Vec::new(),
            Some(output) => std::mem::take(&mut output.annotations),
        };
        let rest = annotations.get(skip..).unwrap_or_default();
        let mut chunks = rest.chunks(limits::ANNOTATIONS_PER_REQUEST_MAX);
        let with = |chunk: &[Annotation]| {
            let mut body = first.clone();
            if let Some(output) = &mut body.output {
                output.annotations = chunk.to_vec();
            }
            body
        };
        let head = with(chunks.next().unwrap_or_default());
        std::iter::once(head).chain(chunks.map(&with)).collect()
    }

    fn fitted(&self) -> Self {
        let mut body = self.clone();
        body.name = shortened(&self.name, limits::TITLE_BYTES_MAX);
        body.external_id = cut(&self.external_id, limits::TITLE_BYTES_MAX).to_owned();
        body.output = self.output.as_ref().map(Output::fitted);
        body.actions = self.actions.iter().filter_map(Action::fitted).take(limits::ACTIONS_MAX).collect();
        body
    }
}

impl Output {
    fn fitted(&self) -> Self {
        Self {
            title: shortened(&self.title, limits::TITLE_BYTES_MAX),
            summary: shortened(&self.summary, limits::TEXT_BYTES_MAX),
            text: self.text.as_ref().map(|text| shortened(text, limits::TEXT_BYTES_MAX)),
            annotations: self.annotations.iter().take(limits::ANNOTATIONS_MAX).map(Annotation::fitted).collect(),
        }
    }
}

impl Annotation {
    fn fitted(&self) -> Self {
        let start_line = self.start_line.max(1);
        let end_line = self.end_line.max(start_line);
        let column = |column: Option<u32>| column.filter(|_| start_line == end_line);
        Self {
            path: self.path.clone(),
            start_line,
            end_line,
            start_column: column(self.start_column),
            end_column: column(self.end_column),
            annotation_level: self.annotation_level,
            message: shortened(&self.message, limits::ANNOTATION_BYTES_MAX),
            title: self.title.as_ref().map(|title| shortened(title, limits::ANNOTATION_TITLE_BYTES_MAX)),
            raw_details: self.raw_details.as_ref().map(|text| shortened(text, limits::ANNOTATION_BYTES_MAX)),
        }
    }
}

impl Action {
    fn fitted(&self) -> Option<Self> {
        let known = (1..=limits::ACTION_IDENTIFIER_BYTES_MAX).contains(&self.identifier.len());
        known.then(|| Self {
            label: shortened(&self.label, limits::ACTION_LABEL_BYTES_MAX),
            description: shortened(&self.description, limits::ACTION_DESCRIPTION_BYTES_MAX),
            identifier: self.identifier.clone(),
        })
    }
}

impl Installation {
    /// Makes a check run. Never twice for one `external_id`: the caller has looked.
    ///
    /// # Errors
    /// [`Error::Unclear`] when it may be there now; else as of every call.
    #[tracing::instrument(skip_all, fields(github.repo = %repo))]
    pub async fn create_check(&self, repo: &RepoName, body: &CheckBody) -> Result<Written, Error> {
        let mut requests = body.requests(0).into_iter();
        let first = requests.next().ok_or_else(|| Error::Invalid("an empty check".to_owned()))?;
        let made: Made = self.write(Method::POST, self.url(repo, &["check-runs"]), &first).await?;
        let written = Written { id: made.id, annotations: first.annotations(), interrupted: None };
        Ok(self.annotate(repo, written, requests).await)
    }

    /// Brings a check run up to date; the first `skip` annotations are there already.
    ///
    /// # Errors
    /// As of every call. Repeating it is harmless as long as no new annotation is among it.
    #[tracing::instrument(skip_all, fields(github.repo = %repo))]
    pub async fn update_check(
        &self,
        repo: &RepoName,
        id: CheckId,
        body: &CheckBody,
        skip: usize,
    ) -> Result<Written, Error> {
        let mut requests = body.requests(skip).into_iter();
        let first = requests.next().ok_or_else(|| Error::Invalid("an empty check".to_owned()))?;
        let annotations = skip + first.annotations();
        self.patch_check(repo, id, first).await?;
        Ok(self.annotate(repo, Written { id, annotations, interrupted: None }, requests).await)
    }

    async fn annotate(
        &self,
        repo: &RepoName,
        mut written: Written,
        requests: impl Iterator<Item = CheckBody>,
    ) -> Written {
        for request in requests {
            let more = request.annotations();
            match self.patch_check(repo, written.id, request).await {
                Ok(()) => written.annotations += more,
                Err(error) => {
                    written.interrupted = Some(error);
                    break;
                }
            }
        }
        written
    }

    async fn patch_check(&self, repo: &RepoName, id: CheckId, mut body: CheckBody) -> Result<(), Error> {
        body.head_sha = None;
        let url = self.url(repo, &["check-runs", &id.0.to_string()]);
        self.write::<_, Made>(Method::PATCH, url, &body).await.map(drop)
    }

    /// One check run as it is now: read back after it was completed, so that it cannot have gone backwards unseen.
    ///
    /// # Errors
    /// As of every call.
    #[tracing::instrument(skip_all, fields(github.repo = %repo))]
    pub async fn check(&self, repo: &RepoName, id: CheckId) -> Result<Check, Error> {
        self.read(self.url(repo, &["check-runs", &id.0.to_string()])).await
    }

    /// Our own check runs of that name on a commit, older generations too.
    ///
    /// # Errors
    /// As of every call. [`Error::Unexpected`] when there are more than can be looked through: then nothing may be
    /// concluded from not finding one.
    #[tracing::instrument(skip_all, fields(github.repo = %repo))]
    pub async fn list_checks(&self, repo: &RepoName, sha: &CommitSha, name: &str) -> Result<Vec<Check>, Error> {
        #[derive(Deserialize)]
        struct Found {
            check_runs: Vec<Check>,
        }
        let ours = self.app().identity().await?.id;
        let name = shortened(name, limits::TITLE_BYTES_MAX);
        let query = [("check_name", name.as_str()), ("filter", "all"), ("per_page", "100")];
        let url = self.url_with(repo, &["commits", sha.as_str(), "check-runs"], &query);
        let (mut checks, complete) = self.list(url, CHECK_PAGES_MAX, |page: Found| page.check_runs).await?;
        if !complete {
            return Err(Error::Unexpected(format!("more than {} check runs of {name}", CHECK_PAGES_MAX * 100)));
        }
        checks.retain(|check| check.name == name && check.app.as_ref().is_none_or(|app| app.id == ours));
        Ok(checks)
    }
}

#[derive(Deserialize)]
struct Made {
    id: CheckId,
}

impl CheckBody {
    fn annotations(&self) -> usize {
        self.output.as_ref().map_or(0, |output| output.annotations.len())
    }
}

fn rfc3339<S: serde::Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.serialize_str(&at.rfc3339()),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests;
