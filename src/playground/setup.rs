//! Setting the scene: repositories, permissions, rules, the other App.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::ids::{CommitSha, RepoName};

use super::error::Error;
use super::git::{File, Git};
use super::github::GitHub;
use super::people::Files;
use super::state::{Permission, Required, State, Work};

/// How many files a sample repository may have.
const SAMPLE_FILES_MAX: usize = 2_000;

impl State {
    fn new_repository(&mut self, name: &str, files: Vec<File>) -> Result<RepoName, Error> {
        let name = parse(name)?;
        let git = Git::init(self.place(&name), "main")?;
        let name = self.take_in(name, git, "main");
        let work = Work { branch: "main".to_owned(), message: "Initial commit".to_owned(), files, deleted: Vec::new() };
        self.commit(name.as_str(), "ann", &work, None)?;
        self.install_on(&name);
        Ok(name)
    }

    fn cloned_repository(&mut self, name: &str, source: &Path) -> Result<RepoName, Error> {
        let name = parse(name)?;
        let git = Git::clone_of(source, self.place(&name))?;
        // A detached HEAD is made the branch `main`: a pull request needs one to go into.
        let head = git.run(&["symbolic-ref", "--short", "HEAD"]).map(|branch| branch.trim().to_owned());
        let branch = head.unwrap_or_else(|_| "main".to_owned());
        let reference = format!("refs/heads/{branch}");
        if git.commit_of(&reference).is_none() {
            let commit = git.commit_of("HEAD").ok_or_else(|| Error::missing("commit in", source.display()))?;
            git.set_ref(&reference, &commit)?;
        }
        let name = self.take_in(name, git, &branch);
        self.install_on(&name);
        Ok(name)
    }

    fn install_on(&mut self, name: &RepoName) {
        self.installed.insert(name.clone());
        self.announce_added(name, "ann");
    }
}

fn parse(name: &str) -> Result<RepoName, Error> {
    let name: RepoName = name.parse().map_err(|bad| Error::Refused(format!("{bad}")))?;
    let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains('/');
    if plain(name.owner()) && plain(name.name()) {
        return Ok(name);
    }
    Err(Error::Refused(format!("{name} is not owner/name")))
}

/// All files under a folder, `.git` left out, in the order of their paths.
fn files_under(root: &Path) -> Result<Vec<File>, Error> {
    let (mut folders, mut files) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let (entry, path) = entry.map(|entry| (entry.file_type(), entry.path()))?;
            let kind = entry?;
            if kind.is_dir() && path.file_name().is_some_and(|name| name != ".git") {
                folders.push(path);
            } else if kind.is_file() {
                files.push(read(root, &path)?);
            }
            if files.len() > SAMPLE_FILES_MAX {
                return Err(Error::Refused(format!("{} has more than {SAMPLE_FILES_MAX} files", root.display())));
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

fn read(root: &Path, path: &Path) -> Result<File, Error> {
    use std::os::unix::fs::PermissionsExt as _;
    let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
    let executable = std::fs::metadata(path)?.permissions().mode() & 0o100 != 0;
    Ok(File { path: name, content: std::fs::read(path)?, executable })
}

impl GitHub {
    /// A repository with these files on `main`, the App installed on it.
    ///
    /// # Errors
    /// When the name is none, or git fails.
    pub async fn add_repository(&self, name: &str, files: Files<'_>) -> Result<RepoName, Error> {
        let file = |(path, content): &(&str, &str)| File {
            path: (*path).to_owned(),
            content: content.as_bytes().to_vec(),
            executable: content.starts_with("#!"),
        };
        let (name, files) = (name.to_owned(), files.iter().map(file).collect());
        self.act(move |state| state.new_repository(&name, files)).await
    }

    /// A repository with the files of a folder.
    ///
    /// # Errors
    /// When the folder cannot be read, or git fails.
    pub async fn add_repository_from_folder(&self, name: &str, folder: PathBuf) -> Result<RepoName, Error> {
        let name = name.to_owned();
        self.act(move |state| {
            let files = files_under(&folder)?;
            state.new_repository(&name, files)
        })
        .await
    }

    /// A copy of a real git repository of this machine, which is only read.
    ///
    /// # Errors
    /// When there is none, it has no commit, or git fails.
    pub async fn add_repository_from_git(&self, name: &str, path: PathBuf) -> Result<RepoName, Error> {
        let name = name.to_owned();
        self.act(move |state| state.cloned_repository(&name, &path)).await
    }

    /// Where a repository can be cloned from.
    ///
    /// # Errors
    /// When there is no such repository.
    pub fn clone_url(&self, repo: &str) -> Result<String, Error> {
        self.read(|state| state.repo(repo).map(|repo| state.clone_url(repo)))
    }

    /// The commit that a branch (or tag, or commit) of a repository is at.
    ///
    /// # Errors
    /// When there is no such repository or branch.
    pub async fn head(&self, repo: &str, reference: &str) -> Result<CommitSha, Error> {
        let (repo, reference) = (repo.to_owned(), reference.to_owned());
        self.act(move |state| {
            let sha =
                state.repo(&repo)?.git.commit_of(&reference).ok_or_else(|| Error::missing("branch", &reference))?;
            CommitSha::full(&sha).map_err(|bad| Error::Refused(bad.to_string()))
        })
        .await
    }

    /// The name of a repository's default branch.
    ///
    /// # Errors
    /// When there is no such repository.
    pub fn default_branch(&self, repo: &str) -> Result<String, Error> {
        self.read(|state| Ok(state.repo(repo)?.default_branch.clone()))
    }

    /// Makes another branch the default one, from where the default branch stands if it is new.
    ///
    /// # Errors
    /// When there is no such repository, or git fails.
    pub async fn set_default_branch(&self, repo: &str, branch: &str) -> Result<(), Error> {
        let (repo, branch) = (repo.to_owned(), branch.to_owned());
        self.act(move |state| {
            let found = state.repo_mut(&repo)?;
            let reference = format!("refs/heads/{branch}");
            if found.git.commit_of(&reference).is_none() {
                let from = format!("refs/heads/{}", found.default_branch);
                let commit = found.git.commit_of(&from).ok_or_else(|| Error::missing("branch", &from))?;
                found.git.set_ref(&reference, &commit)?;
            }
            found.default_branch = branch;
            Ok(())
        })
        .await
    }

    /// The files right in a folder of the default branch, by path; none when there is no such folder. What is no text
    /// is left out.
    ///
    /// # Errors
    /// When there is no such repository, or git fails.
    pub async fn files_in(&self, repo: &str, folder: &str) -> Result<BTreeMap<String, String>, Error> {
        let (repo, folder) = (repo.to_owned(), folder.to_owned());
        self.act(move |state| {
            let found = state.repo(&repo)?;
            let revision = format!("refs/heads/{}:{folder}", found.default_branch);
            let Some(tree) = found.git.resolve(&revision) else { return Ok(BTreeMap::new()) };
            let mut entries = found.git.tree(&tree, false)?;
            entries.retain(|entry| entry.kind == "blob");
            let shas: Vec<String> = entries.iter().map(|entry| entry.sha.clone()).collect();
            let blobs = found.git.blobs(&shas)?;
            let text = |sha: &str| String::from_utf8(blobs.get(sha)?.clone()).ok();
            let files = entries.iter().filter_map(|one| Some((format!("{folder}/{}", one.path), text(&one.sha)?)));
            Ok(files.collect())
        })
        .await
    }

    /// What somebody may do in a repository; who is not known yet joins GitHub with it.
    ///
    /// # Errors
    /// When there is no such repository.
    pub async fn set_permission(&self, repo: &str, login: &str, level: Permission) -> Result<(), Error> {
        let (repo, login) = (repo.to_owned(), login.to_owned());
        self.act(move |state| {
            if state.account(&login).is_err() {
                state.add_account(&login, if login.ends_with("[bot]") { "Bot" } else { "User" });
            }
            state.repo_mut(&repo)?.permissions.insert(login, level);
            Ok(())
        })
        .await
    }

    /// Hides a repository from those without permission, or shows it.
    ///
    /// # Errors
    /// When there is no such repository.
    pub async fn set_private(&self, repo: &str, private: bool) -> Result<(), Error> {
        let repo = repo.to_owned();
        self.act(move |state| {
            state.repo_mut(&repo)?.private = private;
            Ok(())
        })
        .await
    }

    /// Demands that a check of this name passes before anything is merged into a branch; from any App, or from this one.
    ///
    /// # Errors
    /// When there is no such repository.
    pub async fn require_check(&self, repo: &str, branch: &str, name: &str, app: Option<i64>) -> Result<(), Error> {
        let (repo, branch, name) = (repo.to_owned(), branch.to_owned(), name.to_owned());
        self.act(move |state| {
            state.repo_mut(&repo)?.required.push(Required { branch, name, app });
            Ok(())
        })
        .await
    }

    /// Sends `installation.created`, as when the App is installed.
    ///
    /// # Errors
    /// Never today.
    pub async fn install(&self) -> Result<(), Error> {
        self.act(|state| {
            state.announce_installation("created", "ann");
            Ok(())
        })
        .await
    }

    /// Suspends the App's installation, or takes it back.
    ///
    /// # Errors
    /// Never today.
    pub async fn set_suspended(&self, suspended: bool) -> Result<(), Error> {
        self.act(move |state| {
            state.suspended = false;
            state.announce_installation(if suspended { "suspend" } else { "unsuspend" }, "ann");
            state.suspended = suspended;
            Ok(())
        })
        .await
    }
}
