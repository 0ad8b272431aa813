//! stand-in
use crate::ids::RepoName;
use serde::{Deserialize, Serialize};
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outgoing {
    Reply { repo: RepoName, number: i64, key: String, text: String },
    Reaction { repo: RepoName, comment: i64, content: String },
}
impl Outgoing {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Reply { .. } => "reply",
            Self::Reaction { .. } => "reaction",
        }
    }
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
