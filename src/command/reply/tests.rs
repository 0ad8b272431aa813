use super::*;
use crate::command::{Actor, Permission, Person, Scope, authorize, parse};

fn sha(digit: char) -> CommitSha {
    CommitSha::full(&digit.to_string().repeat(40)).unwrap()
}

fn step(text: &str) -> StepName {
    let (workflow, step) = text.split_once('/').unwrap();
    StepName { workflow: Some(workflow.parse().unwrap()), step: step.parse().unwrap() }
}

#[test]
fn every_mistake_says_what_to_write() {
    let said = |comment: &str| {
        let given = parse(comment, true).pop().unwrap();
        mistake(given.line, &given.command.unwrap_err())
    };
    let lines = [
        "/pointsman rety",
        "/pointsman @octocat",
        "/retry l\u{456}nt",
        "/retry `lint`",
        "/run ci a=\"b",
        "/retry --al",
        "/skip",
        "/status now",
        "/retry a/b/c",
        "/approve ec26c3e",
        "/run ci a=1 a=2",
        "/retry --all lint",
        &format!("/run ci{}", " a".repeat(70)),
        &"/help\n".repeat(6),
    ];
    insta::assert_snapshot!(lines.map(said).join("\n"), @"");
}

#[test]
fn every_denial_says_who_can_help() {
    let person =
        Person { actor: Actor::Human, permission: Some(Permission::Read), is_author: false, commit_trusted: false };
    let retry = Command::Retry { steps: vec![], scope: Scope::Chosen };
    let approve = Command::Approve(Approved::Commit(sha('a')));
    let listed = Overrides { apps: [7].into(), ..Overrides::default() };
    let said = [
        (&retry, person),
        (&Command::Pause { words: String::new() }, Person { permission: Some(Permission::None), ..person }),
        (&retry, Person { permission: None, ..person }),
        (&retry, Person { actor: Actor::App(5), ..person }),
        (&retry, Person { actor: Actor::Bot, ..person }),
        (&approve, Person { actor: Actor::App(7), ..person }),
        (&approve, Person { is_author: true, permission: Some(Permission::Admin), ..person }),
    ]
    .map(|(command, person)| denied(&authorize(command, &person, &listed).unwrap_err(), &"octocat".parse().unwrap()));
    insta::assert_snapshot!(said.join("\n"), @"");
}

#[test]
fn the_list_of_commands() {
    insta::assert_snapshot!(help(true, &Overrides::default()), @"");
    let needs = [(Verb::Cancel, Permission::Admin)].into();
    let strict = help(false, &Overrides { needs, ..Overrides::default() });
    assert!(strict.contains("| `/pointsman cancel [workflow]` | stop the runs of this pull request | admin |"));
    assert!(!strict.contains("Authors may"));
}

#[test]
fn later_commands_are_announced() {
    let said = |comment: &str| not_released(&parse(comment, true).pop().unwrap().command.unwrap());
    insta::assert_snapshot!([said("/skip lint"), said("/approve ci / ship")].join("\n"), @"");
}

fn workflow(steps: usize) -> WorkflowStatus {
    let step = |n| StepStatus { step: format!("step_{n}"), state: "running for 12 s, attempt 2".to_owned() };
    WorkflowStatus {
        workflow: "ci".to_owned(),
        state: "running, 3 of 7 steps".to_owned(),
        url: Some("https://p.example/runs/r_1_x?k=y".to_owned()),
        steps: (0..steps).map(step).collect(),
    }
}

#[test]
fn what_runs() {
    let mut view = Status { head: sha('a'), holds: vec![], workflows: vec![] };
    insta::assert_snapshot!(status(&view), @"");
    view.workflows =
        vec![workflow(2), WorkflowStatus { url: None, steps: vec![], state: "a\\|b|@c".to_owned(), ..workflow(0) }];
    view.holds = vec!["paused by octocat: deploy freeze @team".to_owned()];
    insta::assert_snapshot!(status(&view), @"");
    view.workflows = vec![workflow(70), workflow(70)];
    assert!(status(&view).contains("… and 40 steps more."));
}

#[test]
fn answers_to_commands_that_cannot_act() {
    let retry = Command::Retry { steps: vec![], scope: Scope::Chosen };
    let lint = StepName { workflow: None, step: "lint".parse().unwrap() };
    let said = [
        approve_which(&[], &[]),
        approve_which(&[(sha('a'), "stranger".to_owned())], &[step("ci/ship")]),
        head_moved(&sha('a'), &sha('b')),
        already_trusted(&sha('a')),
        untrusted(&retry, &sha('a')),
        ambiguous(&lint, &[step("ci/lint"), step("docs/lint")]),
        unknown_step(&lint, &[step("ci/test")]),
        unknown_step(&lint, &[]),
        nothing_to_retry(&sha('a')),
        nothing_runs(&Command::Cancel { workflow: None }),
        superseded(&retry, &sha('b')),
    ];
    insta::assert_snapshot!(said.join("\n\n"), @"");
    let many = vec![step("ci/lint"); 60];
    assert!(ambiguous(&lint, &many).ends_with(" and 10 more."));
}

#[test]
fn a_comment_is_marked_and_fits() {
    insta::assert_snapshot!(comment("7:#12/3 --> <b>", &["One.".to_owned(), "Two.".to_owned()]), @"");
    let long = comment("x", &["é".repeat(80_000)]);
    assert_eq!(long.chars().count(), COMMENT_CHARS_MAX);
    assert!(long.starts_with("<!-- pointsman:x -->\n") && long.ends_with('…'));
}

#[test]
fn our_own_replies_never_command_us() {
    let said = [help(true, &Overrides::default()), approve_which(&[(sha('a'), "x".to_owned())], &[step("ci/ship")])];
    for reply in said {
        assert_eq!(parse(&comment("x", &[reply]), true), []);
    }
}
