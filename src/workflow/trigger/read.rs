//! Reading `on:`.

use super::{Comment, Filter, Labels, MergeGroup, PULL_REQUEST_TYPES, PullRequest, Push, Triggers};
use crate::workflow::file::{Node, Shape};
use crate::workflow::inputs::Inputs;
use crate::workflow::pattern::Patterns;
use crate::workflow::policy::{Permission, VERBS};
use crate::workflow::problem::{Code, Place, Problems};
use crate::workflow::read::{self, Fields};
use crate::workflow::schedule::Schedule;

/// Events in one list.
const EVENTS_MAX: usize = 20;
/// How many of [`PULL_REQUEST_TYPES`] count without being asked for, as on Actions.
const DEFAULT_TYPES: usize = 3;
/// Labels of one filter.
pub(super) const LABELS_MAX: usize = 64;
/// Commands, and phrases, of one workflow.
pub(super) const PHRASES_MAX: usize = 20;
/// The longest phrase and command.
pub(super) const PHRASE_CHARS_MAX: usize = 100;

const EVENTS: [&str; 6] = ["pull_request", "push", "merge_group", "schedule", "manual", "comment"];
/// What Actions has and how to say it here.
const ELSEWHERE: [(&str, &str); 5] = [
    ("workflow_call", "put the file into .workflows/lib/ with inputs: and without on:, and write uses: in a step"),
    ("workflow_run", "put its steps behind those of the other workflow, with needs:"),
    ("issue_comment", "write comment: { commands: [deploy] }"),
    ("release", "write push: { tags: [\"v*\"] }"),
    ("pull_request_target", "pull_request takes the definition from the default branch already"),
];

const BRANCHES: [&str; 3] = ["branches", "branches-ignore", "branches_ignore"];
const TAGS: [&str; 3] = ["tags", "tags-ignore", "tags_ignore"];
const PATHS: [&str; 3] = ["paths", "paths-ignore", "paths_ignore"];

impl Filter {
    fn read(fields: &mut Fields<'_>, names: [&'static str; 3], problems: &mut Problems) -> Self {
        let [name, ignore, underscored] = names;
        let only = fields.take(name);
        match (only, fields.take_either(ignore, underscored, problems)) {
            (None, None) => Self::None,
            (Some(only), None) => Self::Only(Patterns::read(only, name, problems)),
            (None, Some(ignored)) => Self::Ignore(Patterns::read(ignored, ignore, problems)),
            (Some(_), Some(ignored)) => {
                let message = format!("{name} and {ignore} exclude each other");
                problems.error(Code::Conflict, ignored.place, message).help(format!("write ! patterns in {name}"));
                Self::None
            }
        }
    }
}

impl Triggers {
    /// Reads `on:`, which is one event, a list of events, or a mapping with their filters.
    pub(crate) fn read(node: &Node, problems: &mut Problems) -> Self {
        let mut triggers = Self::default();
        let empty = Node::nothing(node.place);
        if let Shape::Map(entries) = &node.shape {
            for entry in entries {
                triggers.add(&entry.key, entry.place, &entry.node, problems);
            }
        } else {
            for (event, place) in read::texts(node, "on", EVENTS_MAX, problems) {
                triggers.add(&event, place, &empty, problems);
            }
        }
        triggers
    }

    fn add(&mut self, event: &str, place: Place, node: &Node, problems: &mut Problems) {
        let not_yet = match event {
            "pull_request" => {
                self.pull_request = PullRequest::read(node, problems);
                return;
            }
            "push" => {
                self.push = Push::read(node, problems);
                return;
            }
            "merge_group" => {
                self.merge_group = MergeGroup::read(node, problems);
                "for the merge queue"
            }
            "schedule" => {
                self.schedule = Schedule::read_all(node, problems);
                "by the clock"
            }
            "manual" | "workflow_dispatch" => {
                if self.manual.is_some() {
                    problems.error(
                        Code::Conflict,
                        place,
                        "workflow_dispatch is another name of manual: use one of them",
                    );
                }
                self.manual = manual(node, problems);
                "with inputs"
            }
            "comment" => {
                self.comment = Comment::read(node, problems);
                "by a comment of its own"
            }
            _ => return unknown(event, place, problems),
        };
        let message = format!("this release checks {event} but starts no workflow {not_yet} yet");
        problems.warning(Code::NotYet, place, message);
    }
}

fn unknown(event: &str, place: Place, problems: &mut Problems) {
    let problem = problems.error(Code::BadValue, place, format!("there is no event {event}"));
    match ELSEWHERE.iter().find(|(other, _)| *other == event) {
        Some((_, help)) => problem.help(*help),
        None => problem.did_you_mean(event, EVENTS, || Some(format!("there are {}", EVENTS.join(", ")))),
    };
}

impl PullRequest {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "pull_request", problems)?;
        let said = fields.take("types").map(|node| types(node, problems));
        let branches = Filter::read(&mut fields, BRANCHES, problems);
        let paths = Filter::read(&mut fields, PATHS, problems);
        let labels = fields.take("labels").map(|node| Labels::read(node, problems)).unwrap_or_default();
        fields.finish(&[], problems);
        let types = said.unwrap_or_else(|| {
            let mut types = PULL_REQUEST_TYPES[..DEFAULT_TYPES].to_vec();
            // Whoever asks for a label means the moment at which it is given, too.
            types.extend((!labels.any.is_empty()).then_some("labeled"));
            types
        });
        Some(Self { types, branches, paths, labels })
    }
}

fn types(node: &Node, problems: &mut Problems) -> Vec<&'static str> {
    let texts = read::texts(node, "types", PULL_REQUEST_TYPES.len(), problems);
    if texts.is_empty() {
        problems.error(Code::BadValue, node.place, "types names none, so nothing would ever start");
    }
    let mut types = Vec::with_capacity(texts.len());
    for (text, place) in texts {
        match PULL_REQUEST_TYPES.into_iter().find(|known| *known == text) {
            Some(known) => {
                if known == "closed" {
                    let message = "this release cancels what runs for a closed pull request and starts nothing for it";
                    problems.warning(Code::NotYet, place, message);
                }
                types.push(known);
            }
            None => {
                let all = || Some(format!("there are {}", PULL_REQUEST_TYPES.join(", ")));
                let problem = problems.error(Code::BadValue, place, format!("there is no type {text}"));
                problem.did_you_mean(&text, PULL_REQUEST_TYPES, all);
            }
        }
    }
    types
}

impl Labels {
    fn read(node: &Node, problems: &mut Problems) -> Self {
        let mut labels = Self::default();
        for (text, place) in read::texts(node, "labels", LABELS_MAX, problems) {
            match text.strip_prefix('!').unwrap_or(&text).trim() {
                "" => _ = problems.error(Code::BadValue, place, "a label is empty"),
                label if text.starts_with('!') => labels.none.push(label.to_owned()),
                label => labels.any.push(label.to_owned()),
            }
        }
        labels
    }
}

impl Push {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "push", problems)?;
        let branches = Filter::read(&mut fields, BRANCHES, problems);
        let tags = Filter::read(&mut fields, TAGS, problems);
        let paths = Filter::read(&mut fields, PATHS, problems);
        fields.finish(&[], problems);
        Some(Self { branches, tags, paths })
    }
}

impl MergeGroup {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        const TYPES: [(&str, ()); 1] = [("checks_requested", ())];
        let mut fields = Fields::of(node, "merge_group", problems)?;
        if let Some(node) = fields.take("types") {
            for (text, place) in read::texts(node, "types", TYPES.len(), problems) {
                if TYPES.iter().all(|(known, ())| *known != text) {
                    problems.error(
                        Code::BadValue,
                        place,
                        format!("merge_group has the type checks_requested, not {text}"),
                    );
                }
            }
        }
        let branches = Filter::read(&mut fields, BRANCHES, problems);
        fields.finish(&[], problems);
        Some(Self { branches })
    }
}

fn manual(node: &Node, problems: &mut Problems) -> Option<Inputs> {
    let mut fields = Fields::of(node, "manual", problems)?;
    let inputs = fields.take("inputs").map(|node| Inputs::read(node, problems)).unwrap_or_default();
    fields.finish(&[], problems);
    Some(inputs)
}

impl Comment {
    /// `comment: deploy`, a list of commands, or a mapping.
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut comment = Self { commands: Vec::new(), phrases: Vec::new(), from: Permission::Write };
        match node.shape {
            Shape::Text | Shape::List(_) => comment.commands = commands(node, problems),
            Shape::Null | Shape::Bool(_) | Shape::Number(_) | Shape::Map(_) => {
                let mut fields = Fields::of(node, "comment", problems)?;
                comment.commands = fields.take("commands").map(|n| commands(n, problems)).unwrap_or_default();
                comment.phrases = fields.take("phrases").map(|n| phrases(n, problems)).unwrap_or_default();
                if let Some(node) = fields.take("from") {
                    comment.from = read::choice(node, "from", &Permission::WORDS, problems)?;
                }
                fields.finish(&[], problems);
            }
        }
        if comment.commands.is_empty() && comment.phrases.is_empty() && !problems.has_errors() {
            problems.error(Code::MissingField, node.place, "comment names nothing that somebody would write");
            problems.help("write comment: { commands: [deploy] } for a line /deploy");
        }
        Some(comment)
    }
}

fn commands(node: &Node, problems: &mut Problems) -> Vec<String> {
    let mut commands = Vec::new();
    for (text, place) in read::texts(node, "commands", PHRASES_MAX, problems) {
        let word = text.strip_prefix('/').unwrap_or(&text);
        let plain = word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
        if !plain || !word.starts_with(|c: char| c.is_ascii_lowercase()) || word.len() > PHRASE_CHARS_MAX {
            problems
                .error(Code::BadValue, place, format!("{text:?} is no word of a command"))
                .help("write deploy for /deploy");
        } else if VERBS.contains(&word) || word == "pointsman" {
            problems.error(Code::Conflict, place, format!("/{word} is a command of its own; choose another word"));
        } else {
            commands.push(word.to_owned());
        }
    }
    commands
}

fn phrases(node: &Node, problems: &mut Problems) -> Vec<String> {
    let mut phrases = Vec::new();
    for (text, place) in read::texts(node, "phrases", PHRASES_MAX, problems) {
        let text = text.trim();
        if text.is_empty() || text.contains(['\n', '\r']) || text.chars().count() > PHRASE_CHARS_MAX {
            let message = format!("a phrase is one line of at most {PHRASE_CHARS_MAX} characters");
            problems.error(Code::BadValue, place, message);
        } else if text.starts_with('/') {
            problems.error(Code::BadValue, place, format!("{text} is a command")).help("write it into commands:");
        } else {
            phrases.push(text.to_owned());
        }
    }
    phrases
}
