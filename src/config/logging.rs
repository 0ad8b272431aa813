//! What the service says, and how.

use tracing::Level;

use super::reader::Reader;
use super::units::{self, Remedy};

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// What the service says, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logging {
    /// The least important that is still said.
    pub level: Level,
    /// How.
    pub format: Format,
    /// Say why each decision was taken.
    pub decisions: bool,
}

impl Logging {
    pub(super) fn read(r: &mut Reader<'_>) -> Option<Self> {
        let level = r.get("LOG_LEVEL", level);
        let said = r.get("LOG_FORMAT", format);
        let debug = r.get("DEBUG_MODE", units::switch);
        let production = r.text("NODE_ENV").as_deref() == Some("production");
        let format = said.unwrap_or(if production { Format::Json } else { Format::Text });
        let (level, decisions) = (level?, debug?);
        // Levels grow with detail.
        let level = if decisions { level.max(Level::DEBUG) } else { level };
        Some(Self { level, format, decisions })
    }
}

fn level(text: &str) -> Result<Level, Remedy> {
    const REMEDY: Remedy = "write error, warn, info, debug or trace";
    if text.bytes().all(|b| b.is_ascii_digit()) { Err(REMEDY) } else { text.parse().map_err(|_| REMEDY) }
}

fn format(text: &str) -> Result<Format, Remedy> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err("write text or json"),
    }
}
