//! What GitHub accepts in a check run, and how it refuses the rest.

use serde_json::{Value, json};

use crate::time::Timestamp;

use super::checks::Run;
use super::reply::{Call, Reply};

/// `summary` and `text`: documented as characters, enforced as bytes.
const TEXT_BYTES_MAX: usize = 65_535;
/// How many annotations one request may carry.
const ANNOTATIONS_PER_REQUEST_MAX: usize = 50;
const ANNOTATION_TEXT_BYTES_MAX: usize = 65_536;
const ANNOTATION_TITLE_CHARS_MAX: usize = 255;
const ACTIONS_MAX: usize = 3;
/// The fields of an action with how many characters each may have.
const ACTION_FIELDS: [(&str, usize); 3] = [("label", 20), ("description", 40), ("identifier", 20)];
/// The conclusions that an App may give; `stale` is GitHub's own.
const CONCLUSIONS: [&str; 7] =
    ["action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out"];

/// What a request asks a run to become; what it does not name stays.
#[derive(Debug, Default)]
pub(crate) struct Wanted<'a> {
    name: Option<&'a str>,
    pub(crate) status: Option<&'a str>,
    conclusion: Option<&'a str>,
    external_id: Option<&'a str>,
    details_url: Option<&'a str>,
    started_at: Option<&'a str>,
    completed_at: Option<&'a str>,
    output: Option<Output<'a>>,
    actions: Option<Vec<Value>>,
}

#[derive(Debug)]
struct Output<'a> {
    title: Option<&'a str>,
    summary: &'a str,
    text: Option<&'a str>,
    annotations: Vec<Value>,
}

impl<'a> Wanted<'a> {
    /// Reads a request and refuses what GitHub refuses. `create` asks for more than an update does.
    pub(crate) fn parse(call: &'a Call, create: bool) -> Result<Self, Reply> {
        if create {
            call.required("name")?;
            call.required("head_sha")?;
        }
        let status = call.text("status");
        if status.is_some_and(|status| !matches!(status, "queued" | "in_progress" | "completed")) {
            return Err(Reply::invalid(
                "For 'properties/status', it is not a possible value. Only GitHub Actions may set it.",
            ));
        }
        let conclusion = call.text("conclusion");
        if let Some(unknown) = conclusion.filter(|one| !CONCLUSIONS.contains(one)) {
            return Err(Reply::invalid(&format!("For 'properties/conclusion', {unknown:?} is not a possible value.")));
        }
        if status == Some("completed") && conclusion.is_none() {
            return Err(Reply::invalid("\"conclusion\" wasn't supplied."));
        }
        for field in ["started_at", "completed_at"] {
            if call.text(field).is_some_and(|at| Timestamp::parse_rfc3339(at).is_err()) {
                return Err(Reply::invalid(&format!("For 'properties/{field}', it is not a valid date-time.")));
            }
        }
        Ok(Self {
            name: call.text("name"),
            status,
            conclusion,
            external_id: call.text("external_id"),
            details_url: call.text("details_url"),
            started_at: call.text("started_at"),
            completed_at: call.text("completed_at"),
            output: call
                .body
                .get("output")
                .filter(|output| output.is_object())
                .map(|o| output(o, create))
                .transpose()?,
            actions: call.body.get("actions").and_then(Value::as_array).map(|list| actions(list)).transpose()?,
        })
    }

    /// Whether this asks for a status that a completed run cannot have again.
    pub(crate) fn reopens(&self) -> bool {
        self.conclusion.is_none() && self.status.is_some_and(|status| status != "completed")
    }

    /// Does it. Annotations are appended, everything else replaces.
    pub(crate) fn write(self, run: &mut Run, now: Timestamp) {
        let set = |field: &mut String, value: Option<&str>| value.into_iter().for_each(|text| text.clone_into(field));
        set(&mut run.name, self.name);
        set(&mut run.status, self.status);
        set(&mut run.external_id, self.external_id);
        set(&mut run.started_at, self.started_at);
        if let Some(url) = self.details_url {
            run.details_url = Some(url.to_owned());
        }
        if let Some(conclusion) = self.conclusion {
            // A conclusion completes the run by itself.
            "completed".clone_into(&mut run.status);
            run.conclusion = Some(conclusion.to_owned());
            run.completed_at = Some(self.completed_at.map_or_else(|| now.rfc3339(), str::to_owned));
        }
        if let Some(output) = self.output {
            run.title = output.title.map(str::to_owned).or(run.title.take());
            run.summary = Some(output.summary.to_owned());
            run.text = output.text.map(str::to_owned).or(run.text.take());
            run.annotations.extend(output.annotations);
        }
        if let Some(actions) = self.actions {
            run.actions = actions;
        }
    }
}

fn output(output: &Value, create: bool) -> Result<Output<'_>, Reply> {
    let text = |name: &str| output.get(name).and_then(Value::as_str);
    if create && text("title").is_none() {
        return Err(Reply::invalid("For 'properties/output', \"title\" wasn't supplied."));
    }
    let summary =
        text("summary").ok_or_else(|| Reply::invalid("For 'properties/output', \"summary\" wasn't supplied."))?;
    for (name, value) in [("summary", Some(summary)), ("text", text("text"))] {
        if value.is_some_and(|value| value.len() > TEXT_BYTES_MAX) {
            let said = format!("{name} exceeds a maximum bytesize of {TEXT_BYTES_MAX}");
            return Err(Reply::unprocessable("CheckRun", name, &said));
        }
    }
    let list = output.get("annotations").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if list.len() > ANNOTATIONS_PER_REQUEST_MAX {
        return Err(too_many("output/annotations", ANNOTATIONS_PER_REQUEST_MAX, list.len()));
    }
    let annotations = list.iter().map(annotation).collect::<Result<_, _>>()?;
    Ok(Output { title: text("title"), summary, text: text("text"), annotations })
}

fn too_many(field: &str, max: usize, count: usize) -> Reply {
    Reply::invalid(&format!("For 'properties/{field}', no more than {max} items are allowed; {count} were supplied."))
}

fn annotation(annotation: &Value) -> Result<Value, Reply> {
    let text = |name: &str| annotation.get(name).and_then(Value::as_str);
    let missing = |name: &str| Reply::invalid(&format!("For 'annotations/items', \"{name}\" wasn't supplied."));
    let wrong = |field: &str, why: &str| Reply::unprocessable("CheckAnnotation", field, why);
    let line = |name: &str| annotation.get(name).and_then(Value::as_u64).ok_or_else(|| missing(name));
    let (start, end) = (line("start_line")?, line("end_line")?);
    let level = text("annotation_level").ok_or_else(|| missing("annotation_level"))?;
    if !matches!(level, "notice" | "warning" | "failure") {
        return Err(Reply::invalid("For 'annotations/items', \"annotation_level\" is not a possible value."));
    }
    text("path").ok_or_else(|| missing("path"))?;
    let message = text("message").ok_or_else(|| missing("message"))?;
    if end < start {
        return Err(wrong("end_line", "end_line is before start_line"));
    }
    let columns = annotation.get("start_column").is_some_and(|column| !column.is_null());
    if columns && start != end {
        return Err(wrong("start_column", "columns are only allowed when start_line and end_line are the same"));
    }
    let raw = text("raw_details").unwrap_or_default();
    if message.len() > ANNOTATION_TEXT_BYTES_MAX || raw.len() > ANNOTATION_TEXT_BYTES_MAX {
        return Err(wrong("message", "message and raw_details are limited to 64 KB"));
    }
    if text("title").is_some_and(|title| title.chars().count() > ANNOTATION_TITLE_CHARS_MAX) {
        return Err(wrong("title", "title is too long (maximum is 255 characters)"));
    }
    Ok(json!({
        "path": annotation["path"], "start_line": start, "end_line": end, "start_column": annotation["start_column"],
        "end_column": annotation["end_column"], "annotation_level": level, "message": message,
        "title": annotation["title"], "raw_details": annotation["raw_details"], "blob_href": "",
    }))
}

fn actions(list: &[Value]) -> Result<Vec<Value>, Reply> {
    if list.len() > ACTIONS_MAX {
        return Err(too_many("actions", ACTIONS_MAX, list.len()));
    }
    for action in list {
        for (field, max) in ACTION_FIELDS {
            let text = action.get(field).and_then(Value::as_str);
            let text =
                text.ok_or_else(|| Reply::invalid(&format!("For 'actions/items', \"{field}\" wasn't supplied.")))?;
            if text.chars().count() > max {
                let said = format!("For 'actions/items', {text:?} is too long: {field} may have {max} characters.");
                return Err(Reply::invalid(&said));
            }
        }
    }
    Ok(list.to_vec())
}
