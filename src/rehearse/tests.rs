use std::fs;
use std::path::Path;

use super::*;
use crate::workflow::defaults::Operator;
use crate::workflow::{Workflow, builtin, parse};

const LOOK: Look = Look { width: 90, colours: false };

/// A workflow: a built-in by its name, the sample's `ci`, or YAML.
fn workflow(text: &str) -> Workflow {
    let ci = include_str!("../../.workflows-example/ci.yml");
    let (id, yaml) = match text.trim() {
        "ci" => ("ci", ci),
        name if builtin::text(name).is_some() => (name, builtin::text(name).unwrap()),
        yaml => ("ci", yaml),
    };
    parse(&id.parse().unwrap(), yaml, &Operator::default()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn story(yaml: &str, script: &str, seed: Option<u64>) -> Story {
    let workflow = workflow(yaml);
    let script = Script::read(script, &workflow.plan, &workflow.triggers).unwrap_or_else(|wrong| panic!("{wrong:#?}"));
    rehearse(&workflow, &script, seed).unwrap()
}

/// Stories as files: the workflow, `---`, the script, `---`, and what is told, which is written anew.
/// `UPDATE_GOLDEN=1 cargo test rehearse` does that; read the difference.
#[test]
fn golden_stories_are_told_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rehearse");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 12, "stories are missing");
    let mut differ = Vec::new();
    for path in paths {
        let written = fs::read_to_string(&path).unwrap();
        let mut parts = written.splitn(3, "---\n");
        let (yaml, script) = (parts.next().unwrap(), parts.next().unwrap());
        let told = format!("{yaml}---\n{script}---\n{}", text(&story(yaml, script, None), LOOK));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &told).unwrap();
        } else if told != written {
            differ.push(format!("{}:\n{told}", path.display()));
        }
    }
    assert!(differ.is_empty(), "these stories are told otherwise now:\n{}", differ.join("\n"));
}

#[test]
fn a_seed_gives_one_story() {
    let told = |seed| text(&story("pr_processing", "run_tests: fail, ok\nat 3m: crash", seed), LOOK);
    assert_eq!(told(Some(7)), told(Some(7)));
    assert_eq!(told(None), told(None));
    assert_ne!(told(Some(7)), told(Some(8)));
}

/// Whenever the service dies, and for however long, the story ends as it would have ended.
#[test]
fn a_crash_changes_no_conclusion() {
    let script = "analyze_pr: time out, ok\nrun_tests: fail\nagent aider: away\nvalidate_code on goose: ok";
    let ends = |story: &Story| {
        let steps: Vec<_> = story.steps.iter().map(|end| (end.step.clone(), end.conclusion, end.attempts)).collect();
        (story.conclusion, steps)
    };
    let calm = story("pr_processing", script, None);
    for seconds in (0..calm.took.as_secs() + 5).step_by(7) {
        let crashed = story("pr_processing", &format!("{script}\nat {seconds}s: crash"), None);
        assert_eq!(ends(&crashed), ends(&calm), "crash at {seconds} s");
        assert_eq!(crashed.took, calm.took, "crash at {seconds} s");
        let away = story("pr_processing", &format!("{script}\nat {seconds}s: crash for 20s"), None);
        assert_eq!(away.conclusion, calm.conclusion, "crash for a while at {seconds} s");
    }
}

/// What is wrong with a script, one mistake a line.
fn mistakes(script: &str) -> String {
    let workflow = workflow(
        "on: push\nsteps:\n  - { id: build, run: make }\n  - { id: tests, agent: claude-code, needs: [build] }\n",
    );
    match Script::read(script, &workflow.plan, &workflow.triggers) {
        Ok(_) => "nothing".to_owned(),
        Err(mistakes) => mistakes.iter().map(|mistake| format!("{mistake}\n")).collect(),
    }
}

#[test]
fn mistakes_have_their_place_and_a_remedy() {
    let script = "\
# the first line says nothing
tets: fail
tests
tests: fial
tests: fail, , ok
tests: ok 20
tests: ok {areas: 1}
tests: ok [1]
tests: time out {}
tests on goos: ok
tests with goose: ok
build[1]: ok
agent shel: away
environment staging: free at 1m
group: free
event: pul request
event: push {\"branch\": \"x\"}
trusted: perhaps
at : /pause
at 40d: /pause
";
    insta::assert_snapshot!(mistakes(script), @r#"
    2:1: there is no step tets (did you mean tests?)
    3:1: this line has no `:` (write `tests: fail` or `at 90s: /pause`)
    4:8: an attempt does not answer fial (did you mean fail?)
    5:14: an answer is missing (write ok, fail or time out)
    6:11: 20 means 20 ms; write 20s or 20m
    7:12: this is no JSON (quote names and texts with ")
    8:11: [1] says nothing about an answer (behind the word may stand 20s, {…}, "why", retry after 30s and cost $0.25)
    9:19: only an attempt that is done has outputs (write ok {…})
    10:10: no step has the agent goos (there are claude-code, shell)
    11:7: with says nothing behind a step (write `tests: …`, `tests on goose: …` or `tests outputs: {…}`)
    12:1: build has no instances (only a step with for_each has)
    13:7: no step has the agent shel (did you mean shell?)
    14:13: no step has the environment staging
    15:12: when is there a place? (write free at 1m)
    16:8: there is no event pul request (did you mean pull request?)
    17:13: unknown field `branch`, expected `ref`
    18:17: yes or no?
    19:4: a duration is missing (write 90s, 2m or 1h30m)
    20:4: a duration is at most 30d
    "#);
}

#[test]
fn mistakes_in_acts_and_details_have_them_too() {
    let acts = "\
at 1m: /pasue
at 1m: /status
at 1m: /approve
at 1m: explode
at 1m: crash hard
at 1m: crash for ever
at 1m:
: ok
tests: ok cost much
tests: fail retry soon
tests: fail loudly
tests outputs: [1]
tests: ok \"unfinished
";
    insta::assert_snapshot!(mistakes(acts), @r#"
    1:8: there is no command /pasue, did you mean /pause; there are /retry /pause /resume /cancel /approve /reject /skip /answer
    2:8: /status does nothing to a run; there are /retry /pause /resume /cancel /approve /reject /skip /answer
    4:8: explode cannot happen (there are crash, push, close)
    5:14: crash, and then? (write crash for 30s)
    6:18: ever is no duration; write 500ms, 90s, 10m, 1h30m or 2d
    7:7: what happens then? (write /pause or crash)
    8:1: who? (write a step before the `:`)
    9:11: what does it cost? (write cost $0.25)
    10:13: retry what? (write retry after 30s)
    11:13: loudly says nothing about an answer (behind the word may stand 20s, {…}, "why", retry after 30s and cost $0.25)
    12:16: this is no JSON object (write {"areas": ["a", "b"]})
    13:21: this is no JSON (quote names and texts with ")
    "#);
}

#[test]
fn a_script_has_limits() {
    assert_eq!(mistakes(&"# nothing\n".repeat(6_000)), "nothing");
    insta::assert_snapshot!(mistakes(&"build: ok\n".repeat(1_001)), @"1:1: a script has at most 1000 lines");
    insta::assert_snapshot!(mistakes(&"#".repeat(SCRIPT_BYTES_MAX + 1)), @"1:1: a script has at most 65536 bytes");
    assert_eq!(mistakes(&"bild: ok\n".repeat(100)).lines().count(), 20, "nobody reads more");
}

#[test]
fn a_story_that_does_not_end_says_so() {
    let steps = |n: usize| (0..n).map(|n| format!("  - {{ id: s{n}, run: make }}\n")).collect::<String>();
    let again: String = (1..=900).map(|n| format!("at {n}m: /retry --all\n")).collect();
    let story = story(
        &format!("resource_limits: {{ max_concurrent_steps: 60 }}\nsteps:\n{}", steps(60)),
        &format!("agent shell: ok 1s\n{again}"),
        None,
    );
    insta::assert_snapshot!(story.notes.join("\n"), @"This story does not end: it was left after 50000 events.");
}

#[test]
fn the_bars_fit_the_screen() {
    let story = story("pr_processing", "run_tests: time out", None);
    assert!(!chart::chart(&story, Look { width: 1, colours: false }).is_empty());
    for width in [60, 80, 200] {
        let bars = chart::chart(&story, Look { width, colours: false });
        let widest = bars.iter().map(|line| unicode_width::UnicodeWidthStr::width(line.as_str())).max().unwrap();
        assert!(widest < width, "{widest} of {width}:\n{}", bars.join("\n"));
    }
}

#[test]
fn colours_are_only_colours() {
    let story = story("ci", "test: fail", None);
    let coloured = text(&story, Look { width: 90, colours: true });
    assert!(coloured.contains("\u{1b}[31m"), "{coloured}");
    assert_eq!(crate::report::plain(&coloured), text(&story, LOOK));
}

#[test]
fn strangers_words_move_no_cursor() {
    let story = story("ci", r#"build: fail "\u001b[2Jgone\u202e""#, None);
    let told = text(&story, LOOK);
    assert!(!told.contains(['\u{1b}', '\u{202e}']) && told.contains("failed after 30 s: gone"), "{told}");
}

#[test]
fn programs_read_the_same_story() {
    let story = story("ci", "test: fail \"red\"\nlint: ok 5s cost $0.25", None).json();
    insta::assert_snapshot!(serde_json::to_string_pretty(&story["steps"]).unwrap(), @r#"
    [
      {
        "agent": "shell",
        "attempts": 1,
        "conclusion": "success",
        "step": "build",
        "title": "Done in 30 s"
      },
      {
        "agent": "shell",
        "attempts": 1,
        "conclusion": "success",
        "step": "lint",
        "title": "Done in 5 s"
      },
      {
        "agent": "shell",
        "attempts": 1,
        "conclusion": "failure",
        "step": "test",
        "title": "Failed in 30 s"
      },
      {
        "agent": null,
        "attempts": 0,
        "conclusion": "cancelled",
        "step": "report",
        "title": "Never ran: a step that it needs failed"
      }
    ]
    "#);
    insta::assert_snapshot!(story["events"][4], @r#"{"at_ms":30000,"step":"test","text":"test starts with shell","tone":"plain"}"#);
    assert_eq!((&story["conclusion"], &story["cost_usd_micros"]), (&"failure".into(), &250_000.into()));
}
