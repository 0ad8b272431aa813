use super::*;
use crate::command::{Actor, Permission, Person, Scope, authorize, parse};

const BARE: Voice = Voice { bare: true };

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
        BARE.mistake(given.line, &given.command.unwrap_err())
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
    insta::assert_snapshot!(lines.map(said).join("\n"), @r#"
    Line 1: there is no command `rety`. Did you mean `/pointsman retry`?
    Line 1: there is no command `@octocat`. `/pointsman help` lists the commands.
    Line 1: character 9 is not plain ASCII, and such characters can look like others. Type the line again without it.
    Line 1: a command is read as it stands, so it cannot hold code, links, images or HTML. Write it without back-ticks and brackets.
    Line 1: a `"` has no partner. Close it, or write `\"` inside quotes where you mean the sign itself.
    Line 1: `/retry` has no option `--al`. Write `/retry [step…] [--from] [--all]`.
    Line 1: `/skip` needs the step. Write `/skip <step>`.
    Line 1: `/status` does not take `now`. Write `/status`.
    Line 1: `a/b/c` is no name that `/retry` could take. Names look like `lint`, `ci/lint` or `ci / lint`. Write `/retry [step…] [--from] [--all]`.
    Line 1: `ec26c3e` is not a whole commit. Write all 40 digits behind `/approve`: a commit with the same first digits can be forged.
    Line 1: `a` stands twice. Write it once.
    Line 1: `--all` runs everything again, so it stands alone. Write `/retry --all`, `/retry <step>…` or `/retry --from <step>`.
    Line 1: more than 64 words follow the command. Write fewer.
    Line 6: one comment can hold 5 commands. This one and those behind it were not read: write another comment.
    "#);
}

#[test]
fn where_bare_verbs_are_not_read_none_is_recommended() {
    let voice = Voice { bare: false };
    let retry = Command::Retry { steps: vec![], scope: Scope::Chosen };
    let (verb, word) = (Verb::Retry, || "x".to_owned());
    let said = [
        voice.mistake(1, &Mistake::AllAndMore),
        voice.mistake(1, &Mistake::Missing { verb, what: "the step" }),
        voice.mistake(1, &Mistake::BadName { verb, word: word() }),
        voice.mistake(1, &Mistake::ShortCommit { verb: Verb::Approve, word: word() }),
        voice.head_moved(&sha('a'), &sha('b')),
        voice.untrusted(&retry, &sha('a')),
        voice.nothing_to_retry(&sha('a')),
        voice.nothing_runs(&retry),
        voice.superseded(&retry, &sha('a')),
        voice.not_released(&Command::Status),
        voice.help(&Overrides::default()),
    ];
    for said in said {
        let bare = Verb::table().iter().find(|spec| said.contains(&format!("`/{}", spec.name)));
        assert!(bare.is_none() && !said.contains("{slash}"), "{said}");
    }
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
    .map(|(command, person)| {
        BARE.denied(&authorize(command, &person, &listed).unwrap_err(), &"octocat".parse().unwrap())
    });
    insta::assert_snapshot!(said.join("\n"), @r#"
    `/retry` needs *write* on this repository; `octocat` has *read*. The author of a pull request may do it too: with *triage*, or once the commit is trusted. Ask somebody with *write*.
    `/pause` needs *write* on this repository; `octocat` has *none*. Ask somebody with *write*.
    `/retry` needs *write* on this repository, and GitHub did not say what `octocat` has. Nothing was done; write the command again in a minute.
    `octocat` is an App, and `/retry` is for people. To allow it, add its number to `apps` in `.workflows/config.yml` on the default branch: `apps: [5]`.
    `octocat` is a bot, and `/retry` is for people. Ask somebody with *write*.
    `/approve` takes a person with *write* who has looked at the code; `octocat` is an App. No setting changes that.
    `octocat` opened this pull request, so somebody else with *write* must look at the commit and write `/approve`.
    "#);
}

#[test]
fn the_list_of_commands() {
    insta::assert_snapshot!(BARE.help(&Overrides::default()), @r#"
    | command | what it does | needs |
    |---|---|---|
    | `/retry [step…] [--from] [--all]` | run again what failed or never ran; these steps; with `--from` all behind them too; or everything | write |
    | `/pause [workflow] [why…]` | start nothing more on this pull request, over pushes too, until `resume` | write |
    | `/resume [workflow]` | end the pause | write |
    | `/cancel [workflow]` | stop the runs of this pull request | write |
    | `/approve <40 digits of a commit> or <step>` | trust a commit, or let a step that waits for approval go on | write |
    | `/status` | say what runs, waits and failed | read |
    | `/help` | show this list | read |

    A command is a line of its own, outside code and quotes; a comment holds up to 5, obeyed in order. Steps are named `lint`, `ci/lint` or `ci / lint`. `/pointsman <command>` says beyond doubt who is meant. Authors may `retry` and `cancel` on their own pull request with *triage*, or once its commit is trusted. Not in this release yet: `reject`, `skip`, `run`, `plan`, `why`, `answer`.
    "#);
    let needs = [(Verb::Cancel, Permission::Admin)].into();
    let strict = Voice { bare: false }.help(&Overrides { needs, ..Overrides::default() });
    assert!(strict.contains("| `/pointsman cancel [workflow]` | stop the runs of this pull request | admin |"));
    assert!(!strict.contains("Authors may"));
}

#[test]
fn later_commands_are_announced() {
    let said = |comment: &str| BARE.not_released(&parse(comment, true).pop().unwrap().command.unwrap());
    insta::assert_snapshot!([said("/skip lint"), said("/approve ci / ship")].join("\n"), @r#"
    `/skip` is not in this release yet. `/pointsman help` lists what is.
    `/approve ci/ship` (approval of a step) is not in this release yet. `/pointsman help` lists what is.
    "#);
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
    insta::assert_snapshot!(status(&view), @"Commit `aaaaaaa`: no workflow runs here. `.workflows/*.yml` on the default branch says which would.");
    view.workflows =
        vec![workflow(2), WorkflowStatus { url: None, steps: vec![], state: "a\\|b|@c".to_owned(), ..workflow(0) }];
    view.holds = vec!["paused by octocat: deploy freeze @team".to_owned()];
    insta::assert_snapshot!(status(&view), @r#"
    Commit `aaaaaaa`:

    | | state |
    |---|---|
    | **`ci`** ([run](https://p.example/runs/r_1_x?k=y)) | `running, 3 of 7 steps` |
    | `step_0` | `running for 12 s, attempt 2` |
    | `step_1` | `running for 12 s, attempt 2` |
    | **`ci`** | `a\│b│@c` |

    `paused by octocat: deploy freeze @team`
    "#);
    view.workflows = vec![workflow(70), workflow(70)];
    assert!(status(&view).contains("… and 40 steps more."));
}

#[test]
fn answers_to_commands_that_cannot_act() {
    let retry = Command::Retry { steps: vec![], scope: Scope::Chosen };
    let lint = StepName { workflow: None, step: "lint".parse().unwrap() };
    let said = [
        BARE.approve_which(None, &[]),
        BARE.approve_which(Some(&sha('a')), &[step("ci/ship")]),
        BARE.head_moved(&sha('a'), &sha('b')),
        already_trusted(&sha('a')),
        BARE.untrusted(&retry, &sha('a')),
        ambiguous(&lint, &[step("ci/lint"), step("docs/lint")]),
        unknown_step(&lint, &[step("ci/test")]),
        unknown_step(&lint, &[]),
        BARE.nothing_to_retry(&sha('a')),
        BARE.nothing_runs(&Command::Cancel { workflow: None }),
        BARE.superseded(&retry, &sha('b')),
    ];
    insta::assert_snapshot!(said.join("\n\n"), @r#"
    Nothing waits for approval here.

    Say what you approve, by a comment of one of these lines:

    - `/approve aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` (the head of this pull request)
    - `/approve ci/ship`

    `aaaaaaa` is not the head of this pull request any more, so nothing was approved. Look at the new commit, then write `/approve bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb`.

    `aaaaaaa` is trusted already; nothing waits for it.

    `/retry` starts nothing of a commit that is not trusted. Somebody with *write* looks at it, then writes `/approve aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`.

    `lint` could be more than one step. Write one of: `ci/lint`, `docs/lint`.

    No step here is called `lint`. There are: `ci/test`.

    No step here is called `lint`. There are none.

    Everything on `aaaaaaa` has succeeded, so there is nothing to run again. `/retry <step>` or `/retry --all` runs it all the same.

    `/cancel` found nothing to act on: no run of this pull request is live. `/status` shows what there is.

    `/retry` cannot act on a run that gave way to the one of `bbbbbbb`. Commands act on the newest commit.
    "#);
    let many = vec![step("ci/lint"); 60];
    assert!(ambiguous(&lint, &many).ends_with(" and 10 more."));
}

#[test]
fn a_comment_is_marked_and_fits() {
    insta::assert_snapshot!(comment("7:#12/3 --> <b>", &["One.".to_owned(), "Two.".to_owned()]), @r#"
    <!-- pointsman:7:#12/3b -->
    One.

    Two.
    "#);
    let long = comment("x", &["é".repeat(80_000)]);
    assert_eq!(long.chars().count(), COMMENT_CHARS_MAX);
    assert!(long.starts_with("<!-- pointsman:x -->\n") && long.ends_with('…'));
}

#[test]
fn what_we_say_to_write_is_read_where_we_say_it() {
    let lines = |voice: Voice| {
        let said = voice.approve_which(Some(&sha('a')), &[step("ci/ship")]);
        said.split('`').filter(|code| code.starts_with('/')).map(str::to_owned).collect::<Vec<_>>()
    };
    for bare in [true, false] {
        let lines = lines(Voice { bare });
        assert_eq!(lines.len(), 2);
        for line in lines {
            assert!(matches!(&parse(&line, bare)[0].command, Ok(Command::Approve(_))), "{line}");
        }
    }
}

#[test]
fn our_own_replies_never_command_us() {
    let said = [BARE.help(&Overrides::default()), BARE.approve_which(Some(&sha('a')), &[step("ci/ship")])];
    for reply in said {
        assert_eq!(parse(&comment("x", &[reply]), true), []);
    }
}
