//! People, as tests and `dev` speak of them: `ann.comment(7, "/retry")`.

use crate::ids::{CommitSha, Login, RepoName};

use super::error::Error;
use super::git::File;
use super::github::GitHub;
use super::state::{Permission, State, Work};

/// A person who can do what people do on GitHub. Made by [`GitHub::person`].
#[derive(Clone)]
pub struct Person {
    github: GitHub,
    login: String,
}

/// Files by path, to be written in one commit. What begins with `#!` may be executed.
pub type Files<'a> = &'a [(&'a str, &'a str)];

fn work(branch: &str, message: &str, files: Files<'_>) -> Work {
    let file = |(path, content): &(&str, &str)| File {
        path: (*path).to_owned(),
        content: content.as_bytes().to_vec(),
        executable: content.starts_with("#!"),
    };
    let files = files.iter().map(file).collect();
    Work { branch: branch.to_owned(), message: message.to_owned(), files, deleted: Vec::new() }
}

fn sha(text: &str) -> Result<CommitSha, Error> {
    CommitSha::full(text).map_err(|bad| Error::Refused(bad.to_string()))
}

impl GitHub {
    /// Somebody who acts. The people of every playground: `ann` (admin), `bob` (write), `tess` (triage), `rita` (read),
    /// `eve` (nothing), `renovate[bot]`. Further ones by [`GitHub::set_permission`].
    #[must_use]
    pub fn person(&self, login: &str) -> Person {
        Person { github: self.clone(), login: login.to_owned() }
    }
}

impl Person {
    /// Their login.
    ///
    /// # Errors
    /// When it is not a login at all.
    pub fn login(&self) -> Result<Login, Error> {
        self.login.parse().map_err(|bad: crate::ids::BadId| Error::Refused(bad.to_string()))
    }

    async fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut State, &str) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let login = self.login.clone();
        self.github
            .act(move |state| {
                let login = state.account(&login)?.login.clone();
                act(state, &login)
            })
            .await
    }

    /// Pushes one commit to a branch, which is made from the default branch if it is new.
    ///
    /// # Errors
    /// When they may not push, or git fails.
    pub async fn push(&self, repo: &str, branch: &str, files: Files<'_>, message: &str) -> Result<CommitSha, Error> {
        let (repo, work) = (repo.to_owned(), work(branch, message, files));
        sha(&self.act(move |state, by| state.push(&repo, by, &work)).await?)
    }

    /// Pushes a commit that deletes a file.
    ///
    /// # Errors
    /// When they may not push, or git fails.
    pub async fn delete_file(&self, repo: &str, branch: &str, path: &str) -> Result<CommitSha, Error> {
        let mut work = work(branch, &format!("Delete {path}"), &[]);
        work.deleted.push(path.to_owned());
        let repo = repo.to_owned();
        sha(&self.act(move |state, by| state.push(&repo, by, &work)).await?)
    }

    /// Pushes a branch with these files and opens a pull request into the default branch. Who may not push does it
    /// from a fork of their own, as on GitHub.
    ///
    /// # Errors
    /// When they cannot see the repository, or git fails.
    pub async fn open_pull_request(
        &self,
        repo: &str,
        branch: &str,
        title: &str,
        files: Files<'_>,
    ) -> Result<u64, Error> {
        let (repo, title, work) = (repo.to_owned(), title.to_owned(), work(branch, title, files));
        self.act(move |state, by| {
            let head = state.prepare_head(&repo, by, &work)?;
            state.open_pull(&repo, by, &head, (&title, false))
        })
        .await
    }

    /// The same, as a draft.
    ///
    /// # Errors
    /// When they cannot see the repository, or git fails.
    pub async fn open_draft(&self, repo: &str, branch: &str, title: &str, files: Files<'_>) -> Result<u64, Error> {
        let (repo, title, work) = (repo.to_owned(), title.to_owned(), work(branch, title, files));
        self.act(move |state, by| {
            let head = state.prepare_head(&repo, by, &work)?;
            state.open_pull(&repo, by, &head, (&title, true))
        })
        .await
    }

    /// Opens a pull request for a branch that is there: `branch`, or `owner:branch` of a fork.
    ///
    /// # Errors
    /// When there is no such branch.
    pub async fn open_pull_request_of(&self, repo: &str, head: &str, title: &str) -> Result<u64, Error> {
        let (repo, head, title) = (repo.to_owned(), head.to_owned(), title.to_owned());
        self.act(move |state, by| state.open_pull(&repo, by, &head, (&title, false))).await
    }

    /// Forks a repository; returns the fork's name.
    ///
    /// # Errors
    /// When there is no such repository, or git fails.
    pub async fn fork(&self, repo: &str) -> Result<RepoName, Error> {
        let repo = repo.to_owned();
        self.act(move |state, by| state.fork(&repo, by)).await
    }

    /// Deletes a fork.
    ///
    /// # Errors
    /// When there is none.
    pub async fn delete_fork(&self, fork: &str) -> Result<(), Error> {
        let fork = fork.to_owned();
        self.act(move |state, _| state.delete_fork(&fork)).await
    }

    /// Deletes a branch.
    ///
    /// # Errors
    /// When they may not, or there is none.
    pub async fn delete_branch(&self, repo: &str, branch: &str) -> Result<(), Error> {
        let (repo, branch) = (repo.to_owned(), branch.to_owned());
        self.act(move |state, by| state.delete_branch(&repo, by, &branch)).await
    }

    /// Closes a pull request.
    ///
    /// # Errors
    /// When they may not, or it is closed.
    pub async fn close(&self, number: u64) -> Result<(), Error> {
        self.act(move |state, by| state.turn(number, by, "closed")).await
    }

    /// Opens a closed pull request again.
    ///
    /// # Errors
    /// When they may not, or it is open or merged.
    pub async fn reopen(&self, number: u64) -> Result<(), Error> {
        self.act(move |state, by| state.turn(number, by, "reopened")).await
    }

    /// Says that a draft is ready.
    ///
    /// # Errors
    /// When they may not, or it is no draft.
    pub async fn ready_for_review(&self, number: u64) -> Result<(), Error> {
        self.act(move |state, by| state.turn(number, by, "ready_for_review")).await
    }

    /// Makes a pull request a draft.
    ///
    /// # Errors
    /// When they may not, or it is a draft.
    pub async fn convert_to_draft(&self, number: u64) -> Result<(), Error> {
        self.act(move |state, by| state.turn(number, by, "converted_to_draft")).await
    }

    /// Changes a pull request's title.
    ///
    /// # Errors
    /// When there is no such pull request.
    pub async fn edit_title(&self, number: u64, title: &str) -> Result<(), Error> {
        let title = title.to_owned();
        self.act(move |state, by| state.edit_pull(number, by, &title)).await
    }

    /// Merges a pull request with a merge commit, which is returned.
    ///
    /// # Errors
    /// When they may not, it is closed or a draft, or it conflicts.
    pub async fn merge(&self, number: u64) -> Result<CommitSha, Error> {
        sha(&self.act(move |state, by| state.merge(number, by)).await?)
    }

    /// Comments on a pull request; returns the comment's id.
    ///
    /// # Errors
    /// When there is no such pull request, or GitHub refuses the text.
    pub async fn comment(&self, number: u64, body: &str) -> Result<i64, Error> {
        let body = body.to_owned();
        self.act(move |state, by| state.add_comment(number, (None, by), &body).map_err(refused)).await
    }

    /// Changes a comment.
    ///
    /// # Errors
    /// When there is no such comment, or GitHub refuses the text.
    pub async fn edit_comment(&self, id: i64, body: &str) -> Result<(), Error> {
        let body = body.to_owned();
        self.act(move |state, by| state.change_comment(id, by, &body).map_err(refused)).await
    }

    /// Deletes a comment.
    ///
    /// # Errors
    /// When there is no such comment.
    pub async fn delete_comment(&self, id: i64) -> Result<(), Error> {
        self.act(move |state, by| state.remove_comment(id, by)).await
    }

    /// Presses one of a check's own buttons.
    ///
    /// # Errors
    /// When they may not, or the button does not show.
    pub async fn click(&self, check_run: i64, identifier: &str) -> Result<(), Error> {
        let identifier = identifier.to_owned();
        self.act(move |state, by| state.click(check_run, by, &identifier)).await
    }

    /// Presses *Re-run* on one check.
    ///
    /// # Errors
    /// When they may not.
    pub async fn rerequest_check(&self, check_run: i64) -> Result<(), Error> {
        self.act(move |state, by| state.rerequest_run(check_run, by)).await
    }

    /// Presses *Re-run all checks*.
    ///
    /// # Errors
    /// When they may not.
    pub async fn rerequest_suite(&self, check_suite: i64) -> Result<(), Error> {
        self.act(move |state, by| state.rerequest_suite(check_suite, by)).await
    }

    /// A token of theirs, to speak to the API as a person.
    #[must_use]
    pub fn token(&self) -> secrecy::SecretString {
        self.github.shared.lock().tokens.person(&self.login).into()
    }
}

fn refused(reply: super::reply::Reply) -> Error {
    let said = &reply.body["errors"][0]["message"];
    let said = said.as_str().or_else(|| reply.body["message"].as_str()).unwrap_or("GitHub refused");
    Error::Refused(said.to_owned())
}

impl State {
    /// Pushes where this person may push: here, or to their fork. Returns the head's name.
    fn prepare_head(&mut self, repo: &str, by: &str, work: &Work) -> Result<String, Error> {
        if self.reach(self.repo(repo)?, by)? >= Permission::Write {
            self.push(repo, by, work)?;
            return Ok(work.branch.clone());
        }
        let fork = self.fork(repo, by)?;
        self.push(fork.as_str(), by, work)?;
        Ok(format!("{by}:{}", work.branch))
    }
}
