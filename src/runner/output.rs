//! What a command says besides its exit code: outputs in the file `$POINTSMAN_OUTPUT`, and annotations as the workflow
//! command lines that GitHub Actions knows (`::error file=a.rs,line=3::too long`), so that tools need no new format.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::log::plain;
use crate::agents::{
    ANNOTATION_BYTES_MAX, ANNOTATION_TITLE_BYTES_MAX, ANNOTATIONS_MAX, Annotation, Level, check_outputs, head,
};

/// Bytes of the file of outputs that are looked at: room for comments and repeated keys.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Bytes of a line that may hold a command; the rest of a longer one is not looked at.
const LINE_BYTES_MAX: usize = 8 * 1024;
/// Bytes of output in which annotations are looked for.
const SCANNED_BYTES_MAX: u64 = 64 << 20;

/// Reads the file of outputs: `key=value` lines, `key<<END` blocks, or one JSON object.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn read_outputs(path: &Path) -> Result<BTreeMap<String, Value>, String> {
    let about = match fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(_) => return Ok(BTreeMap::new()),
    };
    // A link could lead to any file of the machine, a pipe would be waited for.
    if !about.is_file() {
        return Err("$POINTSMAN_OUTPUT is no plain file any more".to_owned());
    }
    if about.len() > FILE_BYTES_MAX {
        return Err(format!("$POINTSMAN_OUTPUT has {} bytes, more than {FILE_BYTES_MAX}", about.len()));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| format!("$POINTSMAN_OUTPUT: {error}"))?;
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(|error| format!("$POINTSMAN_OUTPUT: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| "$POINTSMAN_OUTPUT is not UTF-8".to_owned())?;
    let outputs = parse_outputs(&text)?;
    check_outputs(&outputs).map_err(|why| format!("$POINTSMAN_OUTPUT: {why}"))?;
    Ok(outputs)
}

pub(super) fn parse_outputs(text: &str) -> Result<BTreeMap<String, Value>, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| format!("$POINTSMAN_OUTPUT is no JSON object: {error}"));
    }
    let mut outputs = BTreeMap::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        let wrong = || format!("$POINTSMAN_OUTPUT line {}: expected key=value or key<<END", number + 1);
        let (key, value) = match (line.split_once('='), line.split_once("<<")) {
            (Some((key, value)), None) => (key, value.to_owned()),
            (Some((key, value)), Some((before, _))) if key.len() < before.len() => (key, value.to_owned()),
            (_, Some((key, end))) if !end.is_empty() => {
                let mut block = Vec::new();
                loop {
                    match lines.next() {
                        Some((_, line)) if line == end => break,
                        Some((_, line)) => block.push(line),
                        None => return Err(format!("$POINTSMAN_OUTPUT: {end:?} does not end {key:?}")),
                    }
                }
                (key, block.join("\n"))
            }
            (_, Some(_)) | (None, None) => return Err(wrong()),
        };
        outputs.insert(key.to_owned(), Value::String(value));
    }
    Ok(outputs)
}

/// Finds annotations in an output as it comes, chunk by chunk.
#[derive(Debug, Default)]
pub(super) struct Annotations {
    found: Vec<Annotation>,
    line: Vec<u8>,
    scanned: u64,
    /// Between `::stop-commands::TOKEN` and `::TOKEN::` nothing is a command.
    stopped_by: Option<String>,
}

impl Annotations {
    /// Looks at what was written.
    pub(super) fn push(&mut self, chunk: &[u8], root: &Path) {
        self.scanned = self.scanned.saturating_add(chunk.len() as u64);
        if self.scanned > SCANNED_BYTES_MAX {
            return;
        }
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            self.line.extend_from_slice(piece.get(..room).unwrap_or(piece));
            if piece.ends_with(b"\n") {
                self.end_line(root);
            }
        }
    }

    /// What was found; the last line may lack its end.
    pub(super) fn finish(mut self, root: &Path) -> Vec<Annotation> {
        self.end_line(root);
        self.found
    }

    fn end_line(&mut self, root: &Path) {
        let line = std::mem::take(&mut self.line);
        let Some(command) = line.trim_ascii().strip_prefix(b"::") else { return };
        let command = plain(&String::from_utf8_lossy(command));
        if let Some(token) = &self.stopped_by {
            if command.trim_end() == format!("{token}::") {
                self.stopped_by = None;
            }
        } else if let Some(token) = command.strip_prefix("stop-commands::") {
            self.stopped_by = Some(token.trim().to_owned());
        } else if self.found.len() < ANNOTATIONS_MAX {
            self.found.extend(annotation(&command, root).filter(|annotation| annotation.check().is_ok()));
        }
    }
}

/// `error file=a.rs,line=3,endLine=4,title=Too long::message`; one without a file is only a line of the log.
fn annotation(command: &str, root: &Path) -> Option<Annotation> {
    let (head_part, message) = command.split_once("::")?;
    let (word, properties) = head_part.split_once(' ')?;
    let level = match word {
        "error" => Level::Failure,
        "warning" => Level::Warning,
        "notice" => Level::Notice,
        _ => return None,
    };
    let properties: BTreeMap<&str, String> =
        properties.split(',').filter_map(|one| one.split_once('=')).map(|(k, v)| (k.trim(), unescape(v))).collect();
    let path = properties.get("file")?;
    let path = Path::new(path).strip_prefix(root).ok().and_then(Path::to_str).unwrap_or(path);
    let number = |key| properties.get(key).and_then(|text| text.trim().parse::<u32>().ok()).filter(|line| *line > 0);
    let start_line = number("line").unwrap_or(1);
    Some(Annotation {
        path: path.trim_start_matches("./").to_owned(),
        start_line,
        end_line: number("endLine").unwrap_or(start_line).max(start_line),
        level,
        title: properties.get("title").map(|title| head(title, ANNOTATION_TITLE_BYTES_MAX).to_owned()),
        message: head(&unescape(message), ANNOTATION_BYTES_MAX).to_owned(),
    })
}

/// The escapes of workflow commands; `%25` last, so that `%250A` stays `%0A`.
fn unescape(text: &str) -> String {
    let text = text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",");
    text.replace("%25", "%")
}
