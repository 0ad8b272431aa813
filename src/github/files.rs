//! The workflow files of a commit, in one request.
//!
//! A commit's tree never changes, so what was read once is kept by commit, and by tree, which most commits of a branch
//! share. Where GraphQL is absent or does not understand us, REST reads the same: two trees, then each blob.
//!
//! *Invariant:* "no workflow files" is said only of a commit that GitHub knows. One that it does not know yet (its
//! replicas lag behind its webhooks) is [`Error::NotFound`], and is not remembered.

use std::sync::Arc;

use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::{Effect, Error};
use super::installation::Installation;
use crate::ids::{CommitSha, RepoName};

/// Where workflows live.
pub const DIRECTORY: &str = ".workflows";
/// A file larger than this is not read: no workflow is nearly as large, whatever the operator allows.
pub const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Entries of the directory that are read, by name; the workflow language allows fewer.
pub const FILES_MAX: usize = 100;
/// Where the files lie that the steps of workflows use.
const LIBRARY: &str = ".workflows/lib";
/// How a workflow names one of them; where none does, they are not read.
const LIBRARY_MARK: &str = "./lib/";

/// The directory of workflow files at one commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files {
    /// The directory's own id: the same id, the same files. None where there is no directory.
    pub tree_oid: Option<String>,
    /// Its entries by path; behind them those of its library, where a workflow names one.
    pub files: Vec<File>,
    /// Entries beyond [`FILES_MAX`], which were not read.
    pub left_out: usize,
}

/// One entry of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// From the root of the repository: `.workflows/ci.yml`.
    pub path: String,
    /// The blob.
    pub oid: String,
    /// In bytes; 0 for what is no file.
    pub size: u64,
    /// What is in it.
    pub content: Content,
}

/// What is in a file, as far as it can be a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text.
    Text(String),
    /// Larger than [`FILE_BYTES_MAX`].
    TooBig,
    /// Not UTF-8.
    Binary,
    /// A directory, a submodule or a symbolic link.
    NotAFile,
}

/// How git marks a symbolic link: `120000`, which GraphQL gives as a number and REST as octal digits.
const MODE_LINK: u32 = 0o120_000;

impl Installation {
    /// The workflow files of a commit.
    ///
    /// # Errors
    /// [`Error::NotFound`] when repository or commit is not known (yet); else as of every call.
    pub async fn workflow_files(&self, repo: &RepoName, sha: &CommitSha) -> Result<Arc<Files>, Error> {
        let mut all = self.workflow_files_of(repo, std::slice::from_ref(sha)).await?;
        all.pop().ok_or_else(|| Effect::Read.lost("no files for a commit"))
    }

    /// The workflow files of several commits in their order (default branch and head): still one request.
    ///
    /// # Errors
    /// As of [`Installation::workflow_files`], for any of them.
    #[tracing::instrument(skip_all, fields(github.repo = %repo))]
    pub async fn workflow_files_of(&self, repo: &RepoName, shas: &[CommitSha]) -> Result<Vec<Arc<Files>>, Error> {
        let mut known = Vec::with_capacity(shas.len());
        for sha in shas {
            known.push(self.known_files(repo, sha).await);
        }
        let missing: Vec<&CommitSha> =
            shas.iter().zip(&known).filter(|(_, files)| files.is_none()).map(|(sha, _)| sha).collect();
        if missing.is_empty() {
            return Ok(known.into_iter().flatten().collect());
        }
        let read = match self.files_by_graphql(repo, &missing).await {
            Err(Error::NotFound(_) | Error::Unexpected(_)) => self.files_by_rest(repo, &missing).await,
            result => result,
        };
        let mut read = read?.into_iter();
        let mut all = Vec::with_capacity(shas.len());
        for (sha, known) in shas.iter().zip(known) {
            let files = known.or_else(|| read.next()).ok_or_else(|| Effect::Read.lost("no files for a commit"))?;
            self.app.0.commits.insert((self.id, repo.clone(), sha.clone()), files.tree_oid.clone()).await;
            all.push(files);
        }
        Ok(all)
    }

    async fn known_files(&self, repo: &RepoName, sha: &CommitSha) -> Option<Arc<Files>> {
        match self.app.0.commits.get(&(self.id, repo.clone(), sha.clone())).await? {
            None => Some(Arc::default()),
            Some(oid) => self.app.0.trees.get(&(self.id, oid)).await,
        }
    }

    async fn files_by_graphql(&self, repo: &RepoName, shas: &[&CommitSha]) -> Result<Vec<Arc<Files>>, Error> {
        #[derive(Deserialize)]
        struct Data {
            repository: Option<Map<String, Value>>,
        }
        let data: Data = self.ask(&question(repo, shas)).await?;
        let mut objects = data.repository.ok_or_else(|| Error::NotFound(format!("repository {repo}")))?;
        let mut all = Vec::with_capacity(shas.len());
        for (index, sha) in shas.iter().enumerate() {
            if objects.remove(&format!("c{index}")).is_none_or(|commit| commit.is_null()) {
                return Err(Error::NotFound(format!("commit {sha} of {repo}")));
            }
            let tree = objects.remove(&format!("t{index}")).unwrap_or_default();
            let tree: Option<GraphqlTree> =
                serde_json::from_value(tree).map_err(|_| Error::Unexpected("a tree without its fields".to_owned()))?;
            let mut files = tree.and_then(|tree| tree.files(DIRECTORY)).unwrap_or_default();
            if let Some(oid) = files.library_oid() {
                files.files.extend(self.library_by_graphql(repo, &oid).await?);
            }
            all.push(self.remembered(files).await);
        }
        Ok(all)
    }

    /// The library by the id of its tree, which is that of the commit: no other version can come between.
    async fn library_by_graphql(&self, repo: &RepoName, oid: &str) -> Result<Vec<File>, Error> {
        #[derive(Deserialize)]
        struct Data {
            repository: Option<Library>,
        }
        #[derive(Deserialize)]
        struct Library {
            library: Option<GraphqlTree>,
        }
        let query = format!(
            "query($o:String!,$r:String!,$e:String!){{repository(owner:$o,name:$r){{ \
             library:object(expression:$e){{{TREE}}}}}}}"
        );
        let variables = json!({ "o": repo.owner(), "r": repo.name(), "e": oid });
        let data: Data = self.ask(&json!({ "query": query, "variables": variables })).await?;
        let tree = data.repository.and_then(|repository| repository.library);
        Ok(tree.and_then(|tree| tree.files(LIBRARY)).map(|files| files.files).unwrap_or_default())
    }

    async fn files_by_rest(&self, repo: &RepoName, shas: &[&CommitSha]) -> Result<Vec<Arc<Files>>, Error> {
        let mut all = Vec::with_capacity(shas.len());
        for sha in shas {
            let root = self.rest_tree(repo, sha.as_str()).await?;
            let directory = root.into_iter().find(|entry| entry.path == DIRECTORY && entry.kind == "tree");
            let files = match directory {
                None => Arc::default(),
                Some(directory) => match self.app.0.trees.get(&(self.id, directory.sha.clone())).await {
                    Some(files) => files,
                    None => self.rest_directory(repo, directory.sha).await?,
                },
            };
            all.push(files);
        }
        Ok(all)
    }

    async fn rest_directory(&self, repo: &RepoName, oid: String) -> Result<Arc<Files>, Error> {
        let entries = self.rest_tree(repo, &oid).await?;
        let left_out = entries.len().saturating_sub(FILES_MAX);
        let files = self.rest_files(repo, DIRECTORY, entries).await?;
        let mut files = Files { tree_oid: Some(oid), files, left_out };
        if let Some(oid) = files.library_oid() {
            let entries = self.rest_tree(repo, &oid).await?;
            files.files.extend(self.rest_files(repo, LIBRARY, entries).await?);
        }
        Ok(self.remembered(files).await)
    }

    async fn rest_files(
        &self,
        repo: &RepoName,
        directory: &str,
        mut entries: Vec<RestEntry>,
    ) -> Result<Vec<File>, Error> {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let mut files = Vec::with_capacity(entries.len().min(FILES_MAX));
        for entry in entries.into_iter().take(FILES_MAX) {
            let link = u32::from_str_radix(&entry.mode, 8) == Ok(MODE_LINK);
            let content = match (entry.kind.as_str(), entry.size) {
                ("blob", _) if link => Content::NotAFile,
                ("blob", size) if size > FILE_BYTES_MAX => Content::TooBig,
                ("blob", _) => self.rest_blob(repo, &entry.sha).await?,
                _ => Content::NotAFile,
            };
            files.push(File { path: format!("{directory}/{}", entry.path), oid: entry.sha, size: entry.size, content });
        }
        Ok(files)
    }

    async fn rest_tree(&self, repo: &RepoName, oid: &str) -> Result<Vec<RestEntry>, Error> {
        #[derive(Deserialize)]
        struct Tree {
            tree: Vec<RestEntry>,
            #[serde(default)]
            truncated: bool,
        }
        let tree: Tree = self.read(self.url(repo, &["git", "trees", oid])).await?;
        if tree.truncated {
            return Err(Error::Unexpected(format!("the tree {oid} of {repo} is too large to be listed")));
        }
        Ok(tree.tree)
    }

    async fn rest_blob(&self, repo: &RepoName, oid: &str) -> Result<Content, Error> {
        #[derive(Deserialize)]
        struct Blob {
            content: String,
        }
        let blob: Blob = self.read(self.url(repo, &["git", "blobs", oid])).await?;
        let packed: String = blob.content.split_ascii_whitespace().collect();
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(packed)
            .map_err(|_| Error::Unexpected(format!("the blob {oid} of {repo} is no base64")))?;
        Ok(match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Content::Text(text),
            _ => Content::Binary,
        })
    }

    /// The same tree is kept once, however many commits have it.
    async fn remembered(&self, files: Files) -> Arc<Files> {
        match files.tree_oid.clone() {
            Some(oid) => self.app.0.trees.get_with((self.id, oid), async { Arc::new(files) }).await,
            None => Arc::new(files),
        }
    }
}

impl Files {
    /// The library's tree, where a workflow names a file of it. What is no directory is not read.
    fn library_oid(&self) -> Option<String> {
        let named = |file: &File| matches!(&file.content, Content::Text(text) if text.contains(LIBRARY_MARK));
        if !self.files.iter().any(named) {
            return None;
        }
        let library = self.files.iter().find(|file| file.path == LIBRARY && file.content == Content::NotAFile);
        library.map(|library| library.oid.clone())
    }

    /// What it holds, in memory.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.files.iter().map(|file| match &file.content {
            Content::Text(text) => text.len(),
            Content::TooBig | Content::Binary | Content::NotAFile => 0,
        });
        let names = self.files.iter().map(|file| 100 + file.path.len() + file.oid.len());
        texts.chain(names).sum()
    }
}

/// What is asked about a directory.
const TREE: &str =
    "...on Tree{oid entries{name path type mode oid object{...on Blob{oid byteSize isBinary isTruncated text}}}}";

/// One question about several commits: does each exist, and what is in its directory. It costs one point.
fn question(repo: &RepoName, shas: &[&CommitSha]) -> Value {
    let mut variables = Map::from_iter([("o".into(), json!(repo.owner())), ("r".into(), json!(repo.name()))]);
    let (mut declared, mut asked) = (String::new(), String::new());
    for (index, sha) in shas.iter().enumerate() {
        declared += &format!(",$c{index}:String!,$e{index}:String!");
        asked +=
            &format!(" c{index}:object(expression:$c{index}){{oid}} t{index}:object(expression:$e{index}){{{TREE}}}");
        variables.insert(format!("c{index}"), json!(sha.as_str()));
        variables.insert(format!("e{index}"), json!(format!("{}:{DIRECTORY}", sha.as_str())));
    }
    let query = format!("query($o:String!,$r:String!{declared}){{repository(owner:$o,name:$r){{{asked}}}}}");
    json!({ "query": query, "variables": variables })
}

#[derive(Deserialize)]
struct GraphqlTree {
    oid: Option<String>,
    #[serde(default)]
    entries: Vec<GraphqlEntry>,
}

#[derive(Deserialize)]
struct GraphqlEntry {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    mode: u32,
    oid: String,
    object: Option<GraphqlBlob>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GraphqlBlob {
    #[serde(default)]
    byte_size: u64,
    is_binary: Option<bool>,
    #[serde(default)]
    is_truncated: bool,
    text: Option<String>,
}

#[derive(Deserialize)]
struct RestEntry {
    path: String,
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    sha: String,
    #[serde(default)]
    size: u64,
}

impl GraphqlTree {
    /// None where the name is that of a file and no directory.
    fn files(mut self, directory: &str) -> Option<Files> {
        let tree_oid = Some(self.oid?);
        self.entries.sort_by(|a, b| a.name.cmp(&b.name));
        let left_out = self.entries.len().saturating_sub(FILES_MAX);
        let files = self.entries.into_iter().take(FILES_MAX).map(|entry| entry.file(directory)).collect();
        Some(Files { tree_oid, files, left_out })
    }
}

impl GraphqlEntry {
    fn file(self, directory: &str) -> File {
        let path = format!("{directory}/{}", self.name);
        let blob = self.object.filter(|_| self.kind == "blob" && self.mode != MODE_LINK);
        let size = blob.as_ref().map_or(0, |blob| blob.byte_size);
        let content = match blob {
            None => Content::NotAFile,
            Some(blob) if blob.is_truncated || blob.byte_size > FILE_BYTES_MAX => Content::TooBig,
            Some(GraphqlBlob { is_binary: Some(true), .. }) => Content::Binary,
            Some(blob) => blob.text.map_or(Content::Binary, Content::Text),
        };
        File { path, oid: self.oid, size, content }
    }
}

#[cfg(test)]
mod tests;
