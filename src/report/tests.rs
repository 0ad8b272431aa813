//! What people see on GitHub, over real runs of real workflows.

use std::fmt::Write as _;
use std::time::Duration;

use super::demo::{CI, Drive, PR_PROCESSING, in_group, untrusted, verdict};
use super::*;
use crate::engine::event::{Again, AttemptResult, Event, Verdict};
use crate::engine::state::{GateKey, GateKind, RunPhase};
use crate::engine::step::FaultClass;

/// A check as a person would read it aloud.
fn shown(check: &Check) -> String {
    let mut out = format!("{} [{:?}] {}\n", check.name, check.status, check.title);
    let _ = writeln!(out, "{}", check.summary.trim_end());
    if let Some(text) = &check.text {
        let _ = writeln!(out, "--\n{text}");
    }
    for note in &check.annotations {
        let _ = writeln!(out, "{:?} {}:{} {}", note.level, note.path, note.start_line, note.message);
    }
    let buttons: Vec<_> = check.buttons.iter().map(|button| button.label()).collect();
    if !buttons.is_empty() {
        let _ = writeln!(out, "[{}]", buttons.join("] ["));
    }
    // What breaks a mention is invisible; here it is to be seen.
    out.replace('\u{200b}', "¦")
}

fn notes(drive: &Drive) -> Notes {
    let birth = drive.state.birth.as_ref().unwrap();
    Notes { definition: None, sha: birth.sha.to_string(), runs_max: Some(10) }
}

/// The workflow check, and every step's check that there is, with these reports.
fn all(drive: &Drive, reports: &[(&str, StepReport)]) -> String {
    let view = drive.view();
    let checks = names(&view).into_iter().map(|name| {
        let report = reports.iter().find(|(step, _)| name.ends_with(&format!(" / {step}"))).map(|(_, report)| report);
        shown(&run_check(&view, &name, report, &notes(drive)).unwrap())
    });
    checks.collect::<Vec<_>>().join("\n")
}

fn workflow(drive: &Drive) -> Check {
    workflow_check(&drive.view(), &notes(drive))
}

fn step(drive: &Drive, key: &str, report: Option<&StepReport>) -> Check {
    let name = format!("{} / {key}", drive.state.plan.workflow);
    run_check(&drive.view(), &name, report, &notes(drive)).unwrap_or_else(|| panic!("no check {name}"))
}

#[test]
fn a_run_that_waits_for_long_says_for_what() {
    let title = |gate: (GateKind, &str)| {
        let mut drive = Drive::born("ci", CI, |birth| birth.gates.push((gate.0, GateKey(gate.1.to_owned()))));
        let at_once = workflow(&drive).title;
        drive.at = drive.at.plus(Duration::from_secs(3));
        (at_once, workflow(&drive).title)
    };
    let queue = "Waits in a queue".to_owned();
    for (gate, said) in [
        ((GateKind::Limit, "service:runs"), "Maximum concurrent workflows reached: 10"),
        ((GateKind::Limit, "installation:runs"), "Maximum concurrent workflows of this installation reached"),
        ((GateKind::Group, "group:1:ci:7"), "Waits for another run of its concurrency group"),
    ] {
        assert_eq!(title(gate), (queue.clone(), said.to_owned()));
    }
}

#[test]
fn a_run_that_waits_in_a_queue() {
    let drive = Drive::born("ci", CI, in_group);
    insta::assert_snapshot!(all(&drive, &[]), @"
    ci [Queued] Waits in a queue
    | | step | | agent | time |
    |---|---|---|---|---|
    | ⏳ | build | Waits until the run may begin | shell |  |
    | ⏳ | lint | Waits for the steps that it needs | shell |  |
    | ⏳ | test | Waits for the steps that it needs | shell |  |
    | ⏳ | report | Waits for the steps that it needs | shell |  |
    ");
}

#[test]
fn a_commit_of_a_stranger() {
    let drive = Drive::born("ci", CI, untrusted);
    insta::assert_snapshot!(all(&drive, &[]), @"
    ci [Completed(ActionRequired)] Somebody with write must approve this commit
    The author or pusher of this commit has no write access, so nothing has run. **Next:** read the change; then somebody with write presses **Approve this commit**, or comments

    ```
    /approve 4f2a9c1b7d8e3f60516273849aabbccddeeff001
    ```

    It counts for this commit alone: a push takes it back.

    | | step | | agent | time |
    |---|---|---|---|---|
    | ⏳ | build | Waits until this commit is approved | shell |  |
    | ⏳ | lint | Waits for the steps that it needs | shell |  |
    | ⏳ | test | Waits for the steps that it needs | shell |  |
    | ⏳ | report | Waits for the steps that it needs | shell |  |
    [Approve this commit]
    ");
}

#[test]
fn a_run_on_its_way() {
    let mut drive = Drive::new("ci", CI);
    drive.done("build", 2).after(1);
    insta::assert_snapshot!(all(&drive, &[]), @"
    ci [InProgress] 1 of 4 steps done
    | | step | | agent | time |
    |---|---|---|---|---|
    | ✅ | build | Done in 2 s | shell | 2 s |
    | 🔵 | lint | Running | shell | 1 s |
    | 🔵 | test | Running | shell | 1 s |
    | ⏳ | report | Waits for the steps that it needs | shell |  |

    25 % · about 9 s left

    ci / build [Completed(Success)] Done in 2 s
    agent **shell** · attempt 1 · took 2 s

    ci / lint [InProgress] Running
    agent **shell** · attempt 1 · took 1 s

    ci / test [InProgress] Running
    agent **shell** · attempt 1 · took 1 s
    ");
}

#[test]
fn a_run_that_a_person_paused() {
    let mut drive = Drive::new("ci", CI);
    drive.done("build", 2).done("lint", 1).paused("octocat", "wait for Ana").done("test", 5);
    insta::assert_snapshot!(all(&drive, &[]), @"
    ci [InProgress] Paused by @octocat: wait for Ana
    | | step | | agent | time |
    |---|---|---|---|---|
    | ✅ | build | Done in 2 s | shell | 2 s |
    | ✅ | lint | Done in 1 s | shell | 1 s |
    | ✅ | test | Done in 6 s | shell | 6 s |
    | ⏳ | report | Paused by @¦octocat: wait for Ana | shell |  |

    75 %

    **Next:** `/resume` goes on.

    ci / build [Completed(Success)] Done in 2 s
    agent **shell** · attempt 1 · took 2 s

    ci / lint [Completed(Success)] Done in 1 s
    agent **shell** · attempt 1 · took 1 s

    ci / test [Completed(Success)] Done in 6 s
    agent **shell** · attempt 1 · took 6 s
    ");
}

#[test]
fn a_step_that_will_be_tried_again_and_falls_back() {
    let mut drive = Drive::new("pr_processing", PR_PROCESSING);
    drive.starts("analyze_pr").breaks("analyze_pr", 12, FaultClass::RateLimit, "429 from the model");
    insta::assert_snapshot!(shown(&step(&drive, "analyze_pr", None)), @"
    pr_processing / analyze_pr [InProgress] Will be tried again after a rate limit
    agent **claude-code** · attempt 1 · took 12 s
    ");
    drive.tick(60).starts("analyze_pr").breaks("analyze_pr", 1, FaultClass::Auth, "the key was refused");
    insta::assert_snapshot!(shown(&step(&drive, "analyze_pr", None)), @"
    pr_processing / analyze_pr [InProgress] Waits for goose, attempt 3
    agent **goose** · attempt 3 · took 1 m 13 s
    ");
    drive.starts("analyze_pr").done("analyze_pr", 30);
    insta::assert_snapshot!(shown(&step(&drive, "analyze_pr", None)), @"
    pr_processing / analyze_pr [Completed(Success)] Done in 1 m 43 s, attempt 3 with goose
    agent **goose** · attempt 3 · took 1 m 43 s
    ");
}

const APPROVAL: &str = "name: Ship\non: pull_request\nsteps:\n  - { id: build, run: make }\n  - id: ship\n    run: make ship\n    needs: [build]\n    approval: { from: maintain }\n";

#[test]
fn a_step_that_wants_approval() {
    let mut drive = Drive::new("ship", APPROVAL);
    drive.done("build", 3);
    insta::assert_snapshot!(all(&drive, &[]), @"
    ship [InProgress] ship waits for approval
    | | step | | agent | time |
    |---|---|---|---|---|
    | ✅ | build | Done in 3 s | shell | 3 s |
    | ✋ | ship | Waits for approval | shell |  |

    50 %

    ship / build [Completed(Success)] Done in 3 s
    agent **shell** · attempt 1 · took 3 s

    ship / ship [Completed(ActionRequired)] Waits for approval
    agent **shell**

    **Next:** somebody with *maintain* presses **Approve**, or comments `/approve ship/ship`.
    [Approve]
    ");
    drive.tell(Event::Refused { step: "ship".parse().unwrap(), by: "ana".parse().unwrap() });
    insta::assert_snapshot!(all(&drive, &[]), @"
    ship [Completed(Failure)] ship was not approved
    | | step | | agent | time |
    |---|---|---|---|---|
    | ✅ | build | Done in 3 s | shell | 3 s |
    | 🚫 | ship | Not approved | shell |  |

    **Next:** push a fix, or comment `/retry` to run what failed or never ran once more.
    [Retry]

    ship / build [Completed(Success)] Done in 3 s
    agent **shell** · attempt 1 · took 3 s

    ship / ship [Completed(Cancelled)] Not approved
    agent **shell**
    [Retry]
    ");
}

#[test]
fn red_with_its_log_and_its_lines() {
    let mut drive = Drive::new("ci", CI);
    drive.done("build", 2).done("lint", 1).fails("test", 7, "2 of 9 tests failed");
    let place = Annotation {
        path: "src/greet.sh".to_owned(),
        start_line: 12,
        end_line: 12,
        level: Level::Failure,
        title: None,
        message: "expected hello world".to_owned(),
    };
    let report = StepReport {
        attempt: 1,
        summary: "The German greeting is missing.".to_owned(),
        log_tail: "ok 1\n10 %\r50 %\r100 %\r\nnot ok 2 - \u{1b}[31mgreets\u{1b}[0m\n".to_owned(),
        annotations: vec![place],
    };
    insta::assert_snapshot!(all(&drive, &[("test", report)]), @"
    ci [Completed(Failure)] test failed, in 10 s
    | | step | | agent | time |
    |---|---|---|---|---|
    | ✅ | build | Done in 2 s | shell | 2 s |
    | ✅ | lint | Done in 1 s | shell | 1 s |
    | ❌ | test | Failed in 8 s | shell | 8 s |
    | 🚫 | report | Never ran: a step that it needs failed | shell |  |

    **Next:** push a fix, or comment `/retry` to run what failed or never ran once more.
    [Retry]

    ci / build [Completed(Success)] Done in 2 s
    agent **shell** · attempt 1 · took 2 s

    ci / lint [Completed(Success)] Done in 1 s
    agent **shell** · attempt 1 · took 1 s

    ci / test [Completed(Failure)] Failed in 8 s
    > The German greeting is missing.

    **What went wrong:** 2 of 9 tests failed

    agent **shell** · attempt 1 · took 8 s

    **Next:** push a fix, or comment `/retry ci/test` to run this step once more, `/retry` for everything that failed.
    --
    ### Log

    ```text
    ok 1
    100 %
    not ok 2 - greets
    ```
    Failure src/greet.sh:12 expected hello world
    [Retry]

    ci / report [Completed(Cancelled)] Never ran: a step that it needs failed
    agent **shell**
    [Retry]
    ");
}

#[test]
fn all_green() {
    let mut drive = Drive::new("ci", CI);
    drive.done("build", 2).done("lint", 1).done("test", 4).done("report", 1);
    insta::assert_snapshot!(all(&drive, &[]), @"
    ci [Completed(Success)] All done in 8 s
    | | step | | agent | time |
    |---|---|---|---|---|
    | ✅ | build | Done in 2 s | shell | 2 s |
    | ✅ | lint | Done in 1 s | shell | 1 s |
    | ✅ | test | Done in 5 s | shell | 5 s |
    | ✅ | report | Done in 1 s | shell | 1 s |

    ci / build [Completed(Success)] Done in 2 s
    agent **shell** · attempt 1 · took 2 s

    ci / lint [Completed(Success)] Done in 1 s
    agent **shell** · attempt 1 · took 1 s

    ci / test [Completed(Success)] Done in 5 s
    agent **shell** · attempt 1 · took 5 s

    ci / report [Completed(Success)] Done in 1 s
    agent **shell** · attempt 1 · took 1 s
    ");
}

#[test]
fn rehearsed_steps_have_no_opinion() {
    let mut drive = Drive::new("ci", CI);
    for step in ["build", "lint", "test", "report"] {
        drive.after(1).ends(step, verdict(Verdict::Neutral, None));
    }
    insta::assert_snapshot!(shown(&workflow(&drive)), @"
    ci [Completed(Neutral)] Nothing had an opinion
    | | step | | agent | time |
    |---|---|---|---|---|
    | ⚪ | build | Done in 1 s, without an opinion | shell | 1 s |
    | ⚪ | lint | Done in 1 s, without an opinion | shell | 1 s |
    | ⚪ | test | Done in 2 s, without an opinion | shell | 2 s |
    | ⚪ | report | Done in 1 s, without an opinion | shell | 1 s |
    ");
    insta::assert_snapshot!(shown(&step(&drive, "lint", None)), @"
    ci / lint [Completed(Neutral)] Done in 1 s, without an opinion
    agent **shell** · attempt 1 · took 1 s
    ");
}

#[test]
fn a_cancelled_run() {
    let mut drive = Drive::new("ci", CI);
    let by = Some("octocat".parse().unwrap());
    drive.done("build", 2).tell(Event::CancelRequested { by, why: String::new() });
    insta::assert_snapshot!(shown(&workflow(&drive)), @"
    ci [InProgress] Stopping; 1 of 4 steps had finished
    | | step | | agent | time |
    |---|---|---|---|---|
    | ✅ | build | Done in 2 s | shell | 2 s |
    | 🔵 | lint | Stopping | shell | 0 s |
    | 🔵 | test | Stopping | shell | 0 s |
    | 🚫 | report | Cancelled with its run | shell |  |

    50 %
    ");
    drive.ends("lint", AttemptResult::Stopped).ends("test", AttemptResult::Stopped);
    insta::assert_snapshot!(all(&drive, &[]), @"
    ci [Completed(Cancelled)] Cancelled; 1 of 4 steps had finished
    | | step | | agent | time |
    |---|---|---|---|---|
    | ✅ | build | Done in 2 s | shell | 2 s |
    | 🚫 | lint | Cancelled with its run | shell | 0 s |
    | 🚫 | test | Cancelled with its run | shell | 0 s |
    | 🚫 | report | Cancelled with its run | shell |  |

    **Next:** push a fix, or comment `/retry` to run what failed or never ran once more.
    [Retry]

    ci / build [Completed(Success)] Done in 2 s
    agent **shell** · attempt 1 · took 2 s

    ci / lint [Completed(Cancelled)] Cancelled with its run
    agent **shell** · attempt 1 · took 0 s
    [Retry]

    ci / test [Completed(Cancelled)] Cancelled with its run
    agent **shell** · attempt 1 · took 0 s
    [Retry]

    ci / report [Completed(Cancelled)] Cancelled with its run
    agent **shell**
    [Retry]
    ");
}

#[test]
fn a_superseded_run() {
    let mut drive = Drive::new("ci", CI);
    drive.tell(Event::Superseded).ends("build", AttemptResult::Stopped);
    insta::assert_snapshot!(shown(&workflow(&drive)), @"
    ci [Completed(Cancelled)] A newer run took its place
    | | step | | agent | time |
    |---|---|---|---|---|
    | 🚫 | build | Cancelled with its run | shell | 0 s |
    | 🚫 | lint | Cancelled with its run | shell |  |
    | 🚫 | test | Cancelled with its run | shell |  |
    | 🚫 | report | Cancelled with its run | shell |  |
    ");
}

#[test]
fn a_run_whose_time_is_up() {
    let mut drive = Drive::new("ci", CI);
    drive.tick(61).ends("build", AttemptResult::Stopped).tick(3_600);
    insta::assert_snapshot!(shown(&workflow(&drive)), @"
    ci [Completed(TimedOut)] Took longer than 10 m
    | | step | | agent | time |
    |---|---|---|---|---|
    | 🚫 | build | Cancelled: the run took too long | shell | 1 h 1 m |
    | 🚫 | lint | Cancelled: the run took too long | shell |  |
    | 🚫 | test | Cancelled: the run took too long | shell |  |
    | 🚫 | report | Cancelled: the run took too long | shell |  |

    **Next:** push a fix, or comment `/retry` to run what failed or never ran once more.
    [Retry]
    ");
}

const FAN_OUT: &str = "name: Areas\non: pull_request\nsteps:\n  - { id: areas, run: make areas }\n  - id: each\n    run: make it\n    needs: [areas]\n    for_each: ${{ steps.areas.outputs.list }}\n";

fn fanned_out(count: usize) -> Drive {
    let mut drive = Drive::new("areas", FAN_OUT);
    let list: Vec<usize> = (0..count).collect();
    let outputs = Some(serde_json::json!({ "list": list }).to_string());
    drive.ends("areas", AttemptResult::Done { verdict: Verdict::Success, outputs, message: None });
    drive
}

#[test]
fn a_fan_out_is_one_check_with_a_table_that_ends() {
    let mut drive = fanned_out(150);
    drive.done("each[0]", 3).fails("each[1]", 1, "no");
    let check = step(&drive, "each", None);
    assert_eq!(check.title, "2 of 150 done");
    assert_eq!(check.summary.lines().filter(|line| line.starts_with("| ") && line.contains("each")).count(), 100);
    assert!(check.summary.contains("… and 50 more"), "{}", check.summary);
    insta::assert_snapshot!(check.summary.lines().take(5).collect::<Vec<_>>().join("\n"), @r"
    | | step | | agent | time |
    |---|---|---|---|---|
    | ✅ | each\[0\] \(0\) | Done in 3 s | shell | 3 s |
    | ❌ | each\[1\] \(1\) | Failed in 4 s | shell | 4 s |
    | 🔵 | each\[2\] \(2\) | Running | shell | 4 s |
    ");
    assert_eq!(names(&drive.view()), ["areas", "areas / areas", "areas / each"]);
    // An instance has no check of its own, even if somebody asks for it.
    assert_eq!(run_check(&drive.view(), "areas / each[0]", None, &notes(&drive)), None);
    let table = workflow(&drive).summary;
    assert!(table.len() < 65_536 && table.contains("… and 52 more"), "{table}");
}

#[test]
fn hostile_words_of_an_agent_do_no_harm() {
    let mut drive = Drive::new("ci", CI);
    drive.done("build", 2).done("lint", 1);
    drive.fails("test", 1, "@octocat ![x](http://evil/?t=1) <b>bold</b> | cell | `code` \u{202e}txt.exe\n# Heading");
    let evil = "@octocat see ![x](http://evil/p.png) and <img src=http://evil/q.png> &#64;team\n```\n<!-- still inside?\n</details>\n| a | b |";
    let report = StepReport {
        attempt: 1,
        summary: evil.to_owned(),
        log_tail: format!(
            "````\n\u{1b}]0;title\u{7}\u{1b}[2Jclean\u{1b}[1;31m red\u{0}\n@octocat in a log is text\n{}",
            "x".repeat(10)
        ),
        annotations: Vec::new(),
    };
    let check = step(&drive, "test", Some(&report));
    insta::assert_snapshot!(shown(&check), @r"
    ci / test [Completed(Failure)] Failed in 2 s
    > @¦octocat see !¦[x](http://evil/p.png) and <¦img src=http://evil/q.png> &¦#64;team
    > ```
    > <¦!-- still inside?
    > <¦/details>
    > | a | b |

    **What went wrong:** @¦octocat \!\[x\]\(http://evil/?t=1\) &lt;b\>bold&lt;/b\> \| cell \| \`code\` txt.exe \# Heading

    agent **shell** · attempt 1 · took 2 s

    **Next:** push a fix, or comment `/retry ci/test` to run this step once more, `/retry` for everything that failed.
    --
    ### Log

    `````text
    ````
    clean red
    @octocat in a log is text
    xxxxxxxxxx
    `````
    [Retry]
    ");
    assert!(!check.summary.contains("@octocat") && !check.summary.contains("<img") && !check.summary.contains("!["));
}

#[test]
fn bodies_stay_below_what_github_takes() {
    let mut drive = Drive::new("ci", CI);
    drive.done("build", 2).done("lint", 1).fails("test", 1, &"é".repeat(5_000));
    let report = StepReport {
        attempt: 1,
        summary: "ü@<!".repeat(50_000),
        log_tail: "a line of the log, quite long, again and again\n".repeat(5_000),
        annotations: Vec::new(),
    };
    let check = step(&drive, "test", Some(&report));
    assert!(check.summary.len() <= 65_535, "{}", check.summary.len());
    assert!(check.summary.ends_with("… cut here: GitHub takes no more."));
    let text = check.text.unwrap();
    assert!(text.len() <= 65_535 && text.starts_with("### Log (its end)\n\n```text\na line"), "{}", &text[..80]);
    assert!(text.ends_with("\n```"));
}

#[test]
fn what_is_too_long_is_cut_where_a_character_ends() {
    let check = |body: String, cut_off: bool| {
        let long = cut(body.clone());
        assert!(long.len() <= 65_535);
        assert_eq!(long != body, cut_off);
    };
    check("x".repeat(65_535), false);
    check("x".repeat(65_536), true);
    check("é".repeat(40_000), true);
    check("🚂".repeat(20_000), true);
}

#[test]
fn plain_text_is_what_a_terminal_leaves() {
    let check = |text: &str, expected: &str| assert_eq!(plain(text), expected, "{text:?}");
    check("\u{1b}[1;31mred\u{1b}[0m\n", "red\n");
    check("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{7}", "link");
    check("1 %\r50 %\r100 %\nnext\r\n", "100 %\nnext\n");
    check("a\u{0}\u{8}b\tc\u{9b}", "ab\tc");
    check("\u{1b}", "");
    check("\u{1b}[", "");
    check("a\u{202e}b\u{2066}c", "abc");
    check("ümlaut 🚂", "ümlaut 🚂");
}

#[test]
fn a_fence_cannot_be_closed_from_inside() {
    assert_eq!(fence("a"), "```text\na\n```");
    assert_eq!(fence("```\n`````\n"), "``````text\n```\n`````\n``````");
    assert_eq!(fence(""), "```text\n\n```");
}

#[test]
fn words_in_a_sentence_are_words() {
    assert_eq!(escape("a|b\nc"), "a\\|b c");
    assert_eq!(escape("<b>&amp;"), "&lt;b\\>&amp;amp;");
    assert_eq!(escape("@me #1 [x](y)"), "@\u{200b}me \\#1 \\[x\\]\\(y\\)");
}

fn problem(path: &str, line: u32, level: Level, message: &str) -> Annotation {
    let (title, message) = (None, message.to_owned());
    Annotation { path: path.to_owned(), start_line: line, end_line: line, level, title, message }
}

#[test]
fn the_check_of_changed_files() {
    let fine = FileProblems { path: ".workflows/ci.yml".to_owned(), problems: Vec::new() };
    let wrong = FileProblems {
        path: ".workflows/ship.yml".to_owned(),
        problems: vec![
            problem(".workflows/ship.yml", 9, Level::Failure, "ship needs biuld, but there is no such step"),
            problem(".workflows/ship.yml", 12, Level::Warning, "<b> looks odd"),
        ],
    };
    let check = |files: &[FileProblems]| shown(&config_check(files, "main"));
    insta::assert_snapshot!(check(&[fine.clone(), wrong.clone()]), @r"
    pointsman / config [Completed(Failure)] 1 of 2 workflow files wrong
    - ✅ `.workflows/ci.yml`
    - ❌ `.workflows/ship.yml`
      - line 9: ship needs biuld, but there is no such step
      - line 12: &lt;b\> looks odd

    These files count when merged into `main`.
    Failure .workflows/ship.yml:9 ship needs biuld, but there is no such step
    Warning .workflows/ship.yml:12 <b> looks odd
    ");
    insta::assert_snapshot!(check(&[fine]), @"
    pointsman / config [Completed(Success)] 1 workflow file fine
    - ✅ `.workflows/ci.yml`

    These files count when merged into `main`.
    ");
    insta::assert_snapshot!(check(&[wrong]), @r"
    pointsman / config [Completed(Failure)] 1 workflow file wrong
    - ❌ `.workflows/ship.yml`
      - line 9: ship needs biuld, but there is no such step
      - line 12: &lt;b\> looks odd

    These files count when merged into `main`.
    Failure .workflows/ship.yml:9 ship needs biuld, but there is no such step
    Warning .workflows/ship.yml:12 <b> looks odd
    ");
    insta::assert_snapshot!(check(&[]), @"
    pointsman / config [Completed(Success)] No workflow file any more
    This pull request takes out every workflow. It counts when merged into `main`.
    ");
}

#[test]
fn the_check_where_no_run_speaks() {
    let check = |reason: Reason| shown(&reason_check(&"ci".parse().unwrap(), &reason));
    insta::assert_snapshot!(check(Reason::Filtered("no changed path matches src/**".to_owned())), @r"
    ci [Completed(Skipped)] Not for this change
    no changed path matches src/\*\*
    ");
    insta::assert_snapshot!(check(Reason::HeldByMarker("[skip ci]".to_owned())), @r"
    ci [Completed(ActionRequired)] Held by the commit's message
    The commit's message says `\[skip ci\]`. **Next:** push a commit that does not.
    ");
    insta::assert_snapshot!(check(Reason::PassedByMarker("[skip ci]".to_owned())), @r"
    ci [Completed(Skipped)] Skipped by the commit's message
    The commit's message says `\[skip ci\]`, and `config.yml` lets that pass.
    ");
    insta::assert_snapshot!(check(Reason::Draft), @"
    ci [Queued] Waits until this is no draft
    This workflow does not run on drafts. It starts when the pull request is ready for review.
    ");
    insta::assert_snapshot!(check(Reason::BadFile(vec!["line 3: unknown field setps, did you mean steps?".to_owned()])), @"
    ci [Completed(Failure)] Its file is wrong
    `.workflows/ci.yml` cannot be read, so nothing ran:

    - line 3: unknown field setps, did you mean steps?

    **Next:** mend the file on the branch that it is taken from.
    ");
}

/// Writes what is dirty after each event at once, and counts what is new.
fn writes(drive: &Drive) -> usize {
    let mut replay = crate::engine::RunState::unborn(drive.state.id, drive.state.plan.clone());
    let mut shown_last: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    let mut writes = 0;
    for (at, row) in &drive.journal {
        replay.fold(*at, &row.changes);
        let view = crate::engine::RunView::new(&replay, *at);
        for name in dirty(&replay, &row.changes).now {
            let Some(check) = run_check(&view, &name, None, &notes(drive)) else { continue };
            let text = shown(&check);
            if shown_last.insert(name, text.clone()).as_ref() != Some(&text) {
                writes += 1;
            }
        }
    }
    assert!(matches!(replay.phase, RunPhase::Ended(_)));
    for name in names(&drive.view()) {
        let right = shown(&run_check(&drive.view(), &name, None, &notes(drive)).unwrap());
        assert_eq!(shown_last.get(&name), Some(&right), "{name} shows what it should in the end");
    }
    writes
}

#[test]
fn a_quiet_run_costs_two_writes_a_step_and_two_more() {
    let mut ci = Drive::new("ci", CI);
    ci.done("build", 2).done("lint", 1).done("test", 4).done("report", 1);
    assert!(writes(&ci) <= 2 * 4 + 2, "{}", writes(&ci));
    let mut long = "name: Long\non: push\nsteps:\n  - { id: s0, run: make }\n".to_owned();
    for n in 1..30 {
        let _ = writeln!(long, "  - {{ id: s{n}, run: make, needs: [s{}] }}", n - 1);
    }
    let mut long = Drive::new("long", &long);
    for n in 0..30 {
        long.done(&format!("s{n}"), 3);
    }
    assert!(writes(&long) <= 2 * 30 + 2, "{}", writes(&long));
    let mut queued = Drive::new("pr_processing", PR_PROCESSING);
    for step in ["analyze_pr", "generate_tasks", "deploy_branch", "validate_code", "run_tests", "security_audit"] {
        queued.after(1).starts(step).done(step, 20);
    }
    assert!(writes(&queued) <= 2 * 6 + 2, "{}", writes(&queued));
}

#[test]
fn runs_that_end_badly_show_it_everywhere() {
    let mut red = Drive::new("ci", CI);
    red.fails("build", 2, "no");
    writes(&red);
    let mut cancelled = Drive::new("ci", CI);
    cancelled.done("build", 1).tell(Event::CancelRequested { by: None, why: "closed".to_owned() });
    cancelled.ends("lint", AttemptResult::Stopped).ends("test", AttemptResult::Fenced);
    writes(&cancelled);
    let mut again = Drive::new("ci", CI);
    again.fails("build", 2, "no").tell(Event::RetryRequested { what: Again::Failed, by: None });
    again.done("build", 2).done("lint", 1).done("test", 4).done("report", 1);
    writes(&again);
    let mut paused = Drive::new("ci", CI);
    paused.done("build", 1).paused("octocat", "").done("lint", 1).done("test", 1);
    paused.tell(Event::Released { kind: crate::engine::state::HoldKind::Pause, by: None }).done("report", 1);
    writes(&paused);
    let mut queued = Drive::born("ci", CI, in_group);
    queued.after(60).tell(Event::Granted(GateKey("group:1:ci:7".to_owned())));
    queued.done("build", 2).done("lint", 1).done("test", 4).done("report", 1);
    writes(&queued);
    let mut fan = fanned_out(3);
    fan.done("each[0]", 1).fails("each[1]", 1, "no").done("each[2]", 1);
    writes(&fan);
}

#[test]
fn what_has_to_be_written() {
    let drive = Drive::new("ci", CI);
    let open = workflow(&drive);
    let mut closed = open.clone();
    closed.status = Status::Completed(Conclusion::Success);
    let shown = |completed, print: Option<u8>, same| Shown {
        generation: 3,
        completed,
        fingerprint: print.map(|print| [print; 32]),
        same_conclusion: same,
    };
    let check = |shown: Option<Shown>, desired: &Check, expected| {
        assert_eq!(diff(shown.as_ref(), desired, &[1; 32]), expected, "{shown:?} {:?}", desired.status);
    };
    check(None, &open, Write::Create(1));
    check(Some(shown(false, Some(1), false)), &open, Write::Nothing);
    check(Some(shown(false, Some(2), false)), &open, Write::Update(3));
    check(Some(shown(false, None, false)), &open, Write::Update(3));
    check(Some(shown(false, Some(2), false)), &closed, Write::Update(3));
    check(Some(shown(true, Some(1), true)), &closed, Write::Nothing);
    check(Some(shown(true, Some(2), true)), &closed, Write::Update(3));
    // A completed check run is never opened again, and never ends another way.
    check(Some(shown(true, Some(2), false)), &closed, Write::Create(4));
    check(Some(shown(true, Some(2), true)), &open, Write::Create(4));
    check(Some(shown(true, None, true)), &open, Write::Create(4));
}

/// The journal of a run in words.
fn told(drive: &Drive) -> String {
    let line = |(at, row): &(crate::time::Timestamp, crate::engine::encode::Row)| {
        format!(
            "+{} {}",
            crate::time::human(at.since(super::demo::START)),
            in_words(&drive.state, &row.event, &row.changes)
        )
    };
    drive.journal.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_run_told_in_words() {
    let mut ci = Drive::born("ci", CI, in_group);
    ci.after(5).tell(Event::Granted(GateKey("group:1:ci:7".to_owned())));
    ci.done("build", 2).done("lint", 1).fails("test", 7, "2 of 9 tests failed");
    ci.after(60).tell(Event::RetryRequested { what: Again::Failed, by: Some("octocat".parse().unwrap()) });
    ci.after(2).tell(Event::Granted(GateKey("group:1:ci:7".to_owned())));
    ci.done("test", 4);
    ci.paused("ana", "wait").after(9);
    ci.tell(Event::Released { kind: crate::engine::state::HoldKind::Pause, by: Some("ana".parse().unwrap()) });
    ci.done("report", 1);
    insta::assert_snapshot!(told(&ci), @"
    +0 s Pull request #7 asked for this run of commit 4f2a9c1. May start when its turn comes: build. The run waits in a queue.
    +5 s There is a place for it in its concurrency group. Started with shell: build.
    +7 s build is done. Started with shell: lint and test.
    +8 s lint is done.
    +15 s test failed: 2 of 9 tests failed. It is not tried again. Never ran: a step that it needs failed: report. The run is over: it failed.
    +1 m 15 s @octocat wanted what failed or never ran once more. Starts over: test and report. May start when its turn comes: test. The run waits in a queue.
    +1 m 17 s There is a place for it in its concurrency group. Started with shell: test (attempt 2).
    +1 m 21 s test is done (attempt 2). Started with shell: report.
    +1 m 21 s @ana paused the run: wait.
    +1 m 30 s @ana resumed the run.
    +1 m 31 s report is done. The run is over: all is well.
    ");
}

#[test]
fn retries_fallbacks_and_timeouts_told_in_words() {
    let mut pr = Drive::new("pr_processing", PR_PROCESSING);
    pr.starts("analyze_pr").breaks("analyze_pr", 12, FaultClass::RateLimit, "429 from the model");
    pr.tick(60).starts("analyze_pr").breaks("analyze_pr", 1, FaultClass::Auth, "the key was refused");
    pr.starts("analyze_pr").tick(61).ends("analyze_pr", AttemptResult::Fenced);
    pr.tell(Event::SkipRequested { step: "analyze_pr".parse().unwrap(), by: "ana".parse().unwrap() });
    pr.tell(Event::CancelRequested { by: Some("ana".parse().unwrap()), why: "enough".to_owned() });
    insta::assert_snapshot!(told(&pr), @"
    +0 s Pull request #7 asked for this run of commit 4f2a9c1. Queued for claude-code: analyze_pr.
    +0 s analyze_pr started.
    +12 s analyze_pr could not finish: 429 from the model (a rate limit). It will be tried again.
    +1 m 12 s Queued for claude-code: analyze_pr (attempt 2).
    +1 m 12 s analyze_pr started (attempt 2).
    +1 m 13 s analyze_pr could not finish (attempt 2): the key was refused (the agent's credentials were refused). Queued for goose: analyze_pr (attempt 3).
    +1 m 13 s analyze_pr started (attempt 3).
    +2 m 14 s Took too long and is being stopped: analyze_pr.
    +2 m 14 s Nobody knows how analyze_pr ended (attempt 3); what it says later does not count. It will be tried again.
    +2 m 14 s @ana skipped analyze_pr. Queued for codegen: generate_tasks.
    +2 m 14 s @ana cancelled the run: enough. Whatever had not ended is cancelled. The run is over: it was cancelled.
    ");
    let mut ship = Drive::born("ship", APPROVAL, untrusted);
    ship.tell(Event::Released { kind: crate::engine::state::HoldKind::Trust, by: Some("ana".parse().unwrap()) });
    ship.done("build", 1).tell(Event::Approved { step: "ship".parse().unwrap(), by: "ana".parse().unwrap() });
    ship.tick(7_200);
    insta::assert_snapshot!(told(&ship), @"
    +0 s Pull request #7 asked for this run of commit 4f2a9c1. May start when its turn comes: build.
    +0 s @ana approved this commit. Started with shell: build.
    +1 s build is done. Waits for approval: ship.
    +1 s @ana approved ship. Started with shell: ship.
    +2 h The run took too long. Took too long and is being stopped: ship. Whatever had not ended is cancelled.
    ");
    insta::assert_snapshot!(told(&fanned_out(12)), @"
    +0 s Pull request #7 asked for this run of commit 4f2a9c1. Started with shell: areas.
    +0 s areas is done. each has 12 parts. Started with shell: each[0], each[1], each[2], each[3] and 1 more.
    ");
}
