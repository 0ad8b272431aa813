//! Which database, by URL or by the original design's parts.

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::reader::Reader;
use super::units;

/// The file when nothing is said: in the working folder, where an operator sees it.
const DEFAULT_URL: &str = "sqlite://pointsman.db";
const KINDS: &str = "use mysql://user:password@host/name (MySQL 8, MariaDB 10.6 or later) or sqlite://file";
/// The settings that stand in place of a URL.
const PARTS: [&str; 5] = ["DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME", "DATABASE_USERNAME", "DATABASE_PASSWORD"];

/// What the URL speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// MySQL or MariaDB.
    MySql,
    /// A file of this machine.
    Sqlite,
}

/// Where the service keeps what it knows.
#[derive(Debug, Clone)]
pub struct Database {
    /// The address, with its password.
    pub url: SecretString,
    /// What it speaks.
    pub kind: Kind,
    /// Connections at once.
    pub max_connections: u32,
    /// Start although the server may lose commits.
    pub relaxed_durability: bool,
}

impl Database {
    pub(super) fn read(r: &mut Reader<'_>) -> Option<Self> {
        let kind = named_kind(r);
        let url = match r.secret("DATABASE_URL") {
            Some(url) => given(r, url, kind),
            None => from_parts(r, kind),
        };
        let max_connections = r.get("DATABASE_MAX_CONNECTIONS", units::count);
        let relaxed_durability = r.get("DATABASE_RELAXED_DURABILITY", units::switch);
        let (url, kind) = url?;
        Some(Self { url, kind, max_connections: max_connections?, relaxed_durability: relaxed_durability? })
    }
}

/// What `DATABASE_TYPE` says.
fn named_kind(r: &mut Reader<'_>) -> Option<Kind> {
    match r.text("DATABASE_TYPE")?.to_ascii_lowercase().as_str() {
        "mysql" | "mariadb" => Some(Kind::MySql),
        "sqlite" => Some(Kind::Sqlite),
        other => {
            let what = format!("{other:?} is not supported");
            r.problem("DATABASE_TYPE", what, "set it to mysql, mariadb or sqlite");
            None
        }
    }
}

/// A URL that was given; it is a secret and never shown.
fn given(r: &mut Reader<'_>, url: SecretString, named: Option<Kind>) -> Option<(SecretString, Kind)> {
    let kind = match kind_of(url.expose_secret()) {
        Ok(kind) => kind,
        Err(what) => {
            r.problem("DATABASE_URL", what, KINDS);
            return None;
        }
    };
    if named.is_some_and(|named| named != kind) {
        r.problem("DATABASE_TYPE", "it is not what DATABASE_URL says", "unset it: the URL is enough");
    }
    if let Some(part) = PARTS.into_iter().find(|part| r.text(part).is_some()) {
        r.notice(format!("{part} has no effect beside DATABASE_URL"));
    }
    Some((url, kind))
}

fn kind_of(url: &str) -> Result<Kind, String> {
    let scheme = url.split(':').next().unwrap_or_default();
    match scheme {
        "sqlite" => Ok(Kind::Sqlite),
        "mysql" | "mariadb" => {
            let parsed = Url::parse(url).map_err(|why| format!("it cannot be read: {why}"))?;
            match parsed.path().trim_matches('/') {
                "" => Err("it names no database".to_owned()),
                _ => Ok(Kind::MySql),
            }
        }
        "postgres" | "postgresql" => Err("PostgreSQL is not supported".to_owned()),
        _ => Err("its kind is not known".to_owned()),
    }
}

fn from_parts(r: &mut Reader<'_>, named: Option<Kind>) -> Option<(SecretString, Kind)> {
    let any = PARTS.into_iter().any(|part| r.text(part).is_some() || r.text(&format!("{part}_FILE")).is_some());
    match named {
        Some(Kind::Sqlite) => {
            let url = r.text("DATABASE_NAME").map_or(DEFAULT_URL.to_owned(), |file| format!("sqlite://{file}"));
            Some((url.into(), Kind::Sqlite))
        }
        // A type that is not known has its problem already.
        None if r.text("DATABASE_TYPE").is_some() => None,
        None if !any => Some((DEFAULT_URL.into(), Kind::Sqlite)),
        None | Some(Kind::MySql) => mysql(r).map(|url| (url, Kind::MySql)),
    }
}

fn mysql(r: &mut Reader<'_>) -> Option<SecretString> {
    let host = r.get("DATABASE_HOST", words);
    let port = r.get("DATABASE_PORT", units::port);
    let name = r.get("DATABASE_NAME", words);
    let user = r.get("DATABASE_USERNAME", words);
    let password = r.secret("DATABASE_PASSWORD");
    let host = host?;
    let bracketed = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.clone() };
    let Ok(mut url) = Url::parse(&format!("mysql://{bracketed}")) else {
        r.problem("DATABASE_HOST", format!("{host:?} is no host name"), "give the name or address of the server alone");
        return None;
    };
    // These fail only for URLs without a host.
    let _ = url.set_port(Some(port?));
    let _ = url.set_username(&user?);
    let _ = url.set_password(password.as_ref().map(|password| password.expose_secret()));
    url.path_segments_mut().ok()?.push(&name?);
    Some(String::from(url).into())
}

/// Any text.
fn words(text: &str) -> Result<String, units::Remedy> {
    Ok(text.to_owned())
}
