//! Looks settings up, in the environment and then in the file, and gathers what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use secrecy::SecretString;
use toml::de::{DeTable, DeValue};

use super::names;
use super::{Problem, Sources};

/// The most edits between a name and what was probably meant.
const TYPO_EDITS_MAX: usize = 2;

pub(super) struct Reader<'a> {
    env: &'a BTreeMap<String, String>,
    /// The file's settings, by the names of the environment.
    file: BTreeMap<String, String>,
    open: &'a dyn Fn(&Path) -> io::Result<String>,
    problems: Vec<Problem>,
    notices: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &Sources<'a>) -> Self {
        let mut r = Self {
            env: sources.env,
            file: BTreeMap::new(),
            open: sources.open,
            problems: Vec::new(),
            notices: Vec::new(),
        };
        let table = sources.file.and_then(|text| r.parse_file(text));
        let more = r.more_agents(table.as_ref());
        let known = names::all(&more);
        r.look_for_typos(&known);
        if let (Some(text), Some(table)) = (sources.file, &table) {
            r.read_file(text, table, &known);
        }
        r
    }

    pub(super) fn finish(self) -> (Vec<Problem>, Vec<String>) {
        (self.problems, self.notices)
    }

    pub(super) fn problem(&mut self, name: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem { name: name.to_owned(), what: what.into(), remedy: remedy.into() });
    }

    pub(super) fn notice(&mut self, text: impl Into<String>) {
        self.notices.push(text.into());
    }

    /// What was said, even if it is empty.
    pub(super) fn said(&self, name: &str) -> Option<&str> {
        self.env.get(name).or_else(|| self.file.get(name)).map(|text| text.trim())
    }

    /// What was said, where it is not empty.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.said(name).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// What was said, else the default of the table. Absent where there is neither, and where it is wrong: then
    /// there is a problem, too.
    pub(super) fn get<T, E: Into<String>>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let text = self.text(name).or_else(|| names::default_of(name))?;
        self.parsed(name, &text, parse)
    }

    /// Parses a text that was said for `name`.
    pub(super) fn parsed<T, E: Into<String>>(
        &mut self,
        name: &str,
        text: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        parse(text).map_err(|remedy| self.problem(name, format!("{text:?} is not understood"), remedy)).ok()
    }

    /// A secret, said directly or by a file (`NAME_FILE`).
    pub(super) fn secret(&mut self, name: &str) -> Option<SecretString> {
        let by_file = format!("{name}_FILE");
        match (self.text(name), self.text(&by_file)) {
            (Some(_), Some(_)) => {
                self.problem(name, format!("{by_file} is set, too"), "keep one of them");
                None
            }
            (Some(text), None) => Some(text.into()),
            (None, Some(path)) => self.secret_file(&by_file, &path),
            (None, None) => None,
        }
    }

    /// The secret in the file that the setting `name` points to.
    pub(super) fn secret_file(&mut self, name: &str, path: &str) -> Option<SecretString> {
        match (self.open)(Path::new(path)) {
            Ok(text) if text.trim().is_empty() => {
                self.problem(name, format!("{path} is empty"), "put the secret into it");
                None
            }
            Ok(text) => Some(text.trim().into()),
            Err(why) => {
                self.problem(name, format!("{path} cannot be read: {why}"), "give a file that this user may read");
                None
            }
        }
    }

    /// Names of the environment that were probably meant for us. What is surely ours is a problem, else the service
    /// would run without what the operator believes to have said; what only looks alike is a notice.
    fn look_for_typos(&mut self, known: &BTreeSet<String>) {
        for name in self.env.keys().filter(|name| !known.contains(name.as_str())) {
            let bare = name.strip_prefix("POINTSMAN_").unwrap_or(name);
            let Some(meant) = nearest(bare, known) else { continue };
            let remedy = format!("did you mean {meant}?");
            if bare != name || name.ends_with("_ENDPOINT") {
                let what = "is no setting".to_owned();
                self.problems.push(Problem { name: name.clone(), what, remedy });
            } else {
                self.notices.push(format!("{name} is no setting and has no effect; {remedy}"));
            }
        }
    }

    fn parse_file<'t>(&mut self, text: &'t str) -> Option<DeTable<'t>> {
        match DeTable::parse(text) {
            Ok(table) => Some(table.into_inner()),
            Err(why) => {
                let line = why.span().map_or(1, |span| line_of(text, span.start));
                self.problem(&format!("line {line} of the file"), why.message(), "mend the TOML");
                None
            }
        }
    }

    /// `AGENTS`, before anything else is read: it adds to the names that are understood.
    fn more_agents(&self, table: Option<&DeTable<'_>>) -> Vec<String> {
        let in_file = || table.and_then(|table| plain(table.get("agents")?.get_ref()));
        let text = self.env.get("AGENTS").cloned().or_else(in_file).unwrap_or_default();
        list(&text).map(names::prefix).collect()
    }

    /// Reads the file: one flat table whose keys are the names in lower case.
    fn read_file(&mut self, text: &str, table: &DeTable<'_>, known: &BTreeSet<String>) {
        let mut lines: Vec<_> = table.iter().collect();
        lines.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in lines {
            let at = format!("line {} of the file", line_of(text, key.span().start));
            let name = key.get_ref().to_ascii_uppercase();
            if !known.contains(&name) || **key.get_ref() != name.to_ascii_lowercase() {
                let remedy = nearest(&name, known).map_or_else(
                    || "docs/settings.md lists all settings; in the file they are lower case".to_owned(),
                    |meant| format!("did you mean {}?", meant.to_ascii_lowercase()),
                );
                self.problem(&at, format!("{} is no setting", key.get_ref()), remedy);
            } else if let Some(value) = plain(value.get_ref()) {
                self.file.insert(name, value);
            } else {
                self.problem(
                    &at,
                    format!("{} is neither text, number, switch nor list of texts", key.get_ref()),
                    "quote it",
                );
            }
        }
    }
}

/// A value of the file as the environment would say it.
fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().replace('_', "")),
        DeValue::Float(number) => Some(number.as_str().replace('_', "")),
        DeValue::Boolean(on) => Some(on.to_string()),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| match item.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            });
            items.collect::<Option<Vec<_>>>().map(|items| items.join(","))
        }
        DeValue::Integer(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

/// The known name that was probably meant.
fn nearest<'n>(name: &str, known: &'n BTreeSet<String>) -> Option<&'n str> {
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate.as_str()))
        // Short names are near to everything.
        .filter(|(edits, candidate)| *edits <= TYPO_EDITS_MAX && *edits * 4 < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// Splits a list at its commas.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}
