//! What the page of a run says, made from the run and its journal: every field is text to be shown, nothing is decided
//! in the template.

use std::time::Duration;

use crate::engine::encode::{Row, Unreadable};
use crate::engine::state::{Birth, HoldKind, RunOutcome, RunPhase, Trigger};
use crate::engine::step::{StepOutcome, StepPhase, WaitFor};
use crate::engine::view::{RunView, StepView};
use crate::ids::AttemptId;
use crate::report::layout::{self, HEIGHT, STEPS_MAX, WIDTH, layout};
use crate::report::{Annotation, StepReport, in_words, log_tail, plain, run_title, step_title};
use crate::time::{Timestamp, human};
use crate::workflow::plan::PlanIx;

/// Rows of the table of steps; instances of fan-outs count.
const ROWS_MAX: usize = 500;
/// The longest key that a box of the picture shows.
const KEY_CHARS_MAX: usize = 18;

/// A journal row, as far as it could be read.
pub(super) struct JournalRow {
    pub(super) seq: u64,
    pub(super) at: Timestamp,
    pub(super) actor: String,
    pub(super) row: Result<Row, Unreadable>,
}

/// The page of a run.
pub(super) struct Page {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) workflow: String,
    pub(super) look: Look,
    pub(super) title: String,
    pub(super) repository: Link,
    pub(super) commit: Link,
    pub(super) cause: Link,
    pub(super) definition: String,
    pub(super) began: Moment,
    pub(super) ended: Option<Moment>,
    pub(super) took: String,
    pub(super) percent: u32,
    pub(super) left: Option<String>,
    pub(super) cost: Option<String>,
    pub(super) round: u32,
    pub(super) note: Option<String>,
    pub(super) live: bool,
    pub(super) picture: Option<Picture>,
    pub(super) steps: Vec<StepLine>,
    pub(super) steps_left_out: usize,
    pub(super) events: Vec<EventLine>,
    pub(super) events_left_out: u64,
    pub(super) now: Moment,
}

/// How something stands, as the style sheet and the signs know it: one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) class: &'static str,
    /// The same for people who do not see the sign.
    pub(super) word: &'static str,
}

/// Words, and where they lead to on GitHub.
pub(super) struct Link {
    pub(super) text: String,
    pub(super) href: String,
}

/// A moment for machines and people.
pub(super) struct Moment {
    pub(super) machine: String,
    pub(super) day: String,
    pub(super) time: String,
}

impl Moment {
    fn new(at: Timestamp) -> Self {
        let machine = at.rfc3339();
        let (day, time) = machine.split_once('T').unwrap_or((&machine, ""));
        Self { day: day.to_owned(), time: time.trim_end_matches('Z').to_owned(), machine }
    }
}

/// The graph, in pixels.
pub(super) struct Picture {
    pub(super) width: String,
    pub(super) height: String,
    pub(super) boxes: Vec<StepBox>,
    pub(super) lines: Vec<Line>,
}

/// A step of the picture.
pub(super) struct StepBox {
    pub(super) x: String,
    pub(super) y: String,
    pub(super) look: Look,
    pub(super) key: String,
    pub(super) state: String,
    pub(super) title: String,
    pub(super) stack: bool,
    pub(super) anchor: String,
}

/// A line of the picture.
pub(super) struct Line {
    pub(super) path: String,
    pub(super) class: &'static str,
}

/// A row of the table.
pub(super) struct StepLine {
    pub(super) anchor: String,
    pub(super) look: Look,
    pub(super) key: String,
    pub(super) name: Option<String>,
    pub(super) instance: bool,
    pub(super) title: String,
    pub(super) agent: String,
    pub(super) attempts: u32,
    pub(super) took: Option<String>,
    pub(super) fault: Option<String>,
    /// The attempt whose report belongs here.
    pub(super) attempt: Option<AttemptId>,
    pub(super) report: Option<Report>,
    pub(super) open: bool,
}

/// What an attempt left behind.
pub(super) struct Report {
    pub(super) summary: String,
    pub(super) log: String,
    pub(super) cut: bool,
    pub(super) annotations: Vec<Annotation>,
}

impl Report {
    pub(super) fn new(report: StepReport) -> Option<Self> {
        let (log, cut) = log_tail(&report.log_tail);
        let (summary, log) = (plain(&report.summary).trim().to_owned(), plain(log));
        let empty = summary.is_empty() && log.trim().is_empty() && report.annotations.is_empty();
        (!empty).then_some(Self { summary, log, cut, annotations: report.annotations })
    }
}

/// A line of the journal.
pub(super) struct EventLine {
    pub(super) at: Moment,
    pub(super) since: String,
    pub(super) words: String,
    pub(super) actor: Option<String>,
}

impl Page {
    /// The page of a run. `web` is GitHub's address without a slash at its end.
    pub(super) fn new(
        run: &RunView<'_>,
        birth: &Birth,
        journal: &[JournalRow],
        (web, began): (&str, Timestamp),
    ) -> Self {
        let (state, progress) = (run.state, run.progress());
        let repository = format!("{web}/{}", birth.repository_name);
        let ended = matches!(state.phase, RunPhase::Ended(_));
        let all = run.steps().filter(|step| !idle_rollback(*step));
        let mut lines: Vec<StepLine> = all.map(|step| StepLine::new(run, step)).collect();
        let steps_left_out = lines.len().saturating_sub(ROWS_MAX);
        lines.truncate(ROWS_MAX);
        let event = |row: &JournalRow| EventLine::new(run, row, began);
        Self {
            id: state.id.to_string(),
            name: state.plan.name.clone(),
            workflow: state.plan.workflow.to_string(),
            look: run_look(run),
            title: run_title(run),
            commit: Link { text: birth.sha.short().to_owned(), href: format!("{repository}/commit/{}", birth.sha) },
            cause: cause(&birth.trigger, &repository),
            repository: Link { text: birth.repository_name.to_string(), href: repository },
            definition: definition(birth),
            began: Moment::new(began),
            ended: ended.then(|| Moment::new(state.at)),
            took: human(run.took()),
            percent: progress.percent,
            left: progress.estimated_end.map(|end| human(end.since(run.at))),
            cost: (state.cost_micros > 0).then(|| money(state.cost_micros)),
            round: state.round + 1,
            note: note(run),
            live: !ended,
            picture: Picture::new(run),
            steps: lines,
            steps_left_out,
            events: journal.iter().rev().map(event).collect(),
            events_left_out: journal.first().map_or(0, |first| first.seq.saturating_sub(1)),
            now: Moment::new(run.at),
        }
    }
}

/// A rollback that nobody needs is not worth a line.
fn idle_rollback(step: StepView<'_>) -> bool {
    step.plan().rollback_of.is_some() && step.step().started.is_none()
}

fn cause(trigger: &Trigger, repository: &str) -> Link {
    let link = |text: String, path: String| Link { text, href: format!("{repository}{path}") };
    match trigger {
        Trigger::PullRequest(number) => link(format!("pull request #{number}"), format!("/pull/{number}")),
        Trigger::Push(git_ref) => {
            let name = git_ref.strip_prefix("refs/heads/").or_else(|| git_ref.strip_prefix("refs/tags/"));
            let name = name.unwrap_or(git_ref);
            link(format!("push to {name}"), format!("/tree/{}", path(name)))
        }
        Trigger::MergeGroup(_) => link("merge queue".to_owned(), "/queue".to_owned()),
        Trigger::Manual(by) => link(format!("started by @{by}"), String::new()),
        Trigger::Schedule(cron) => link(format!("schedule {cron}"), String::new()),
    }
}

/// A name of a branch as it may stand in the path of an address.
fn path(name: &str) -> String {
    const KEPT: percent_encoding::AsciiSet =
        percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.');
    percent_encoding::utf8_percent_encode(name, &KEPT).to_string()
}

fn definition(birth: &Birth) -> String {
    match &birth.definition.sha {
        Some(sha) => format!("{} at {}", birth.definition.path, sha.short()),
        None => birth.definition.path.clone(),
    }
}

fn money(micros: u64) -> String {
    format!("${}.{:02}", micros / 1_000_000, micros % 1_000_000 / 10_000)
}

/// What to do, where somebody has to do something.
fn note(run: &RunView<'_>) -> Option<String> {
    let comment = |command: &str, effect: &str| Some(format!("Comment {command} on the pull request {effect}."));
    match run.state.phase {
        RunPhase::Ended(RunOutcome::Failure | RunOutcome::TimedOut | RunOutcome::Cancelled) => {
            comment("/retry", "to run what failed or never ran once more")
        }
        RunPhase::Ended(_) | RunPhase::Stopping(_) => None,
        RunPhase::Asking | RunPhase::Running => match run.hold().map(|hold| hold.kind) {
            Some(HoldKind::Trust) => {
                let sha = run.state.birth.as_ref().map(|birth| birth.sha.to_string()).unwrap_or_default();
                Some(format!("Nothing runs until somebody with write has read this commit and comments /approve {sha}"))
            }
            Some(HoldKind::Pause | HoldKind::Recovery) => comment("/resume", "to go on"),
            Some(HoldKind::Budget) => Some("The budget of this workflow is spent.".to_owned()),
            Some(HoldKind::Queue | HoldKind::Approval) | None => None,
        },
    }
}

impl StepLine {
    fn new(run: &RunView<'_>, step: StepView<'_>) -> Self {
        let state = step.step();
        let (plan, fan_out) = (step.plan(), step.instances().next().is_some());
        let instance = state.parent.is_some();
        let bad = matches!(state.phase, StepPhase::Ended(StepOutcome::Failure | StepOutcome::TimedOut));
        let fault = state.fault.as_ref().filter(|_| bad || state.phase == StepPhase::BackOff);
        Self {
            anchor: format!("step-{}", step.ix),
            look: step_look(state.phase),
            key: state.key.to_string(),
            name: (!instance && !says_the_same(&plan.name, state.key.as_str())).then(|| plan.name.clone()),
            instance,
            title: step_title(run, step),
            agent: if fan_out { String::new() } else { step.agent().to_string() },
            attempts: state.attempts,
            took: step.took().map(human),
            fault: fault.map(|fault| plain(&fault.message)),
            attempt: (state.attempts > 0).then(|| run.state.attempt_id(state, state.attempts)),
            report: None,
            open: bad,
        }
    }
}

/// `Run tests` and `run_tests`: one of them is enough.
fn says_the_same(name: &str, key: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    letters(name) == letters(key)
}

impl EventLine {
    fn new(run: &RunView<'_>, row: &JournalRow, began: Timestamp) -> Self {
        let words = match &row.row {
            Ok(said) => in_words(run.state, &said.event, &said.changes),
            Err(error) => format!("Row {} {error}", row.seq),
        };
        let since = row.at.since(began);
        let since = if since < Duration::from_secs(1) { "0 s".to_owned() } else { human(since) };
        let actor = (!row.actor.is_empty() && !words.contains(&row.actor)).then(|| row.actor.clone());
        Self { at: Moment::new(row.at), since, words, actor }
    }
}

impl Picture {
    fn new(run: &RunView<'_>) -> Option<Self> {
        let planned = |ix: PlanIx| run.step(ix).filter(|step| step.step().parent.is_none() && !idle_rollback(*step));
        let all: Vec<StepView<'_>> = (0..).zip(&run.state.plan.steps).filter_map(|(ix, _)| planned(ix)).collect();
        if all.is_empty() || all.len() > STEPS_MAX {
            return None;
        }
        let place = |ix: PlanIx| (0..).zip(&all).find_map(|(at, step)| (step.ix == ix).then_some(at));
        let needs = |step: &StepView<'_>| step.plan().needs.iter().filter_map(|need| place(*need)).collect::<Vec<_>>();
        let layout = layout(&all.iter().map(needs).collect::<Vec<_>>());
        let boxes = all.iter().zip(&layout.steps).map(|(step, place)| StepBox::new(run, *step, *place)).collect();
        let line =
            |line: &layout::Line| Line { path: line.path.clone(), class: line_class(all[line.from], all[line.to]) };
        Some(Self {
            width: format!("{:.0}", layout.width),
            height: format!("{:.0}", layout.height),
            boxes,
            lines: layout.lines.iter().map(line).collect(),
        })
    }
}

/// A line is lit once what it comes from has ended well, and moves while what it leads to works.
fn line_class(from: StepView<'_>, to: StepView<'_>) -> &'static str {
    let passed = from.step().outcome().is_some_and(StepOutcome::satisfies);
    let works = matches!(to.step().phase, StepPhase::Running | StepPhase::Queued);
    match (passed, works) {
        (true, true) => "lit moving",
        (true, false) => "lit",
        (false, _) => "dim",
    }
}

impl StepBox {
    /// The size of every box, for the template.
    pub(super) const WIDTH: f32 = WIDTH;
    pub(super) const HEIGHT: f32 = HEIGHT;

    fn new(run: &RunView<'_>, step: StepView<'_>, (x, y): (f32, f32)) -> Self {
        let state = step.step();
        let key = state.key.as_str();
        let short = match key.char_indices().nth(KEY_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &key[..end]),
            None => key.to_owned(),
        };
        Self {
            x: format!("{x:.1}"),
            y: format!("{y:.1}"),
            look: step_look(state.phase),
            key: short,
            state: box_words(step),
            title: format!("{key}: {}", step_title(run, step)),
            stack: step.plan().fan_out().is_some(),
            anchor: format!("step-{}", step.ix),
        }
    }
}

/// The second line of a box: a word, and a figure where there is one.
fn box_words(step: StepView<'_>) -> String {
    let state = step.step();
    let word = step_look(state.phase).word;
    let all = step.instances().count();
    if all > 0 {
        let over = step.instances().filter(|instance| instance.step().outcome().is_some()).count();
        return format!("{word} · {over} of {all}");
    }
    let tried = if state.attempts > 1 { format!(" · try {}", state.attempts) } else { String::new() };
    match step.took() {
        Some(took) => format!("{word} · {}{tried}", human(took)),
        None => format!("{word}{tried}"),
    }
}

fn step_look(phase: StepPhase) -> Look {
    let look = |class, word| Look { class, word };
    match phase {
        StepPhase::Waiting(WaitFor::Approval) => look("asks", "wants approval"),
        StepPhase::AwaitingInput => look("asks", "asks a question"),
        StepPhase::Waiting(_) => look("waits", "waiting"),
        StepPhase::Queued => look("waits", "queued"),
        StepPhase::Running => look("runs", "running"),
        StepPhase::BackOff => look("asks", "tries again"),
        StepPhase::Stopping(_) => look("runs", "stopping"),
        StepPhase::Ended(StepOutcome::Success) => look("good", "done"),
        StepPhase::Ended(StepOutcome::Neutral) => look("plain", "no opinion"),
        StepPhase::Ended(StepOutcome::Failure) => look("bad", "failed"),
        StepPhase::Ended(StepOutcome::TimedOut) => look("bad", "timed out"),
        StepPhase::Ended(StepOutcome::Cancelled(_)) => look("off", "cancelled"),
        StepPhase::Ended(StepOutcome::SkippedByIf | StepOutcome::SkippedByCommand) => look("off", "skipped"),
    }
}

fn run_look(run: &RunView<'_>) -> Look {
    let look = |class, word| Look { class, word };
    match run.state.phase {
        RunPhase::Asking | RunPhase::Running => match run.hold().map(|hold| hold.kind) {
            Some(HoldKind::Pause | HoldKind::Recovery) => look("asks", "paused"),
            Some(HoldKind::Trust | HoldKind::Approval) => look("asks", "wants approval"),
            Some(HoldKind::Budget) => look("asks", "held"),
            Some(HoldKind::Queue) => look("waits", "queued"),
            None if run.state.phase == RunPhase::Asking => look("waits", "queued"),
            None => look("runs", "running"),
        },
        RunPhase::Stopping(_) => look("runs", "stopping"),
        RunPhase::Ended(RunOutcome::Success) => look("good", "passed"),
        RunPhase::Ended(RunOutcome::Failure) => look("bad", "failed"),
        RunPhase::Ended(RunOutcome::TimedOut) => look("bad", "timed out"),
        RunPhase::Ended(RunOutcome::Cancelled) => look("off", "cancelled"),
        RunPhase::Ended(RunOutcome::Superseded) => look("off", "superseded"),
        RunPhase::Ended(RunOutcome::Dropped) => look("off", "dropped"),
        RunPhase::Ended(RunOutcome::HandedOver) => look("off", "handed over"),
    }
}
