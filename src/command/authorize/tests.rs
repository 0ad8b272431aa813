use super::*;
use crate::command::{RunAt, Scope};
use crate::inbound::event::AccountKind;

const EVERY: [Permission; 6] = [
    Permission::None,
    Permission::Read,
    Permission::Triage,
    Permission::Write,
    Permission::Maintain,
    Permission::Admin,
];

fn person(permission: Permission) -> Person {
    Person { actor: Actor::Human, permission: Some(permission), is_author: false, commit_trusted: false }
}

fn approve_commit() -> Command {
    Command::Approve(Approved::Commit("ec26c3e57ca3a959ca5aad62de7213c562f8c821".parse().unwrap()))
}

/// One command of every verb.
fn commands() -> Vec<Command> {
    let step = || crate::command::StepName { workflow: None, step: "lint".parse().unwrap() };
    vec![
        Command::Retry { steps: vec![], scope: Scope::Chosen },
        Command::Pause { words: String::new() },
        Command::Resume { workflow: None },
        Command::Cancel { workflow: None },
        approve_commit(),
        Command::Reject { step: step() },
        Command::Skip { step: step() },
        Command::Run { workflow: "ci".parse().unwrap(), inputs: vec![], at: RunAt::Default },
        Command::Status,
        Command::Plan { workflow: None },
        Command::Why { step: None },
        Command::Answer { words: "yes".to_owned() },
        Command::Help,
    ]
}

/// A table: a row for each verb, a column for each permission from none to admin.
fn table(person: impl Fn(Permission) -> Person, overrides: &Overrides) -> String {
    let row = |command: &Command| {
        let may = |permission| if authorize(command, &person(permission), overrides).is_ok() { " yes" } else { "   -" };
        format!("{:8}{}", command.verb(), EVERY.map(may).concat())
    };
    commands().iter().map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_verb_by_every_permission() {
    assert_eq!(commands().len(), Verb::table().len());
    insta::assert_snapshot!(table(person, &Overrides::default()), @r#"
    retry      -   -   - yes yes yes
    pause      -   -   - yes yes yes
    resume     -   -   - yes yes yes
    cancel     -   -   - yes yes yes
    approve    -   -   - yes yes yes
    reject     -   -   - yes yes yes
    skip       -   -   - yes yes yes
    run        -   -   - yes yes yes
    status     - yes yes yes yes yes
    plan       - yes yes yes yes yes
    why        - yes yes yes yes yes
    answer     -   -   - yes yes yes
    help       - yes yes yes yes yes
    "#);
}

#[test]
fn authors_of_pull_requests() {
    let author = |permission| Person { is_author: true, ..person(permission) };
    insta::assert_snapshot!(table(author, &Overrides::default()), @r#"
    retry      -   - yes yes yes yes
    pause      -   -   - yes yes yes
    resume     -   -   - yes yes yes
    cancel     -   - yes yes yes yes
    approve    -   -   -   -   -   -
    reject     -   -   - yes yes yes
    skip       -   -   - yes yes yes
    run        -   -   - yes yes yes
    status     - yes yes yes yes yes
    plan       - yes yes yes yes yes
    why        - yes yes yes yes yes
    answer     -   -   - yes yes yes
    help       - yes yes yes yes yes
    "#);
    let trusted = |permission| Person { commit_trusted: true, ..author(permission) };
    insta::assert_snapshot!(table(trusted, &Overrides::default()), @r#"
    retry      - yes yes yes yes yes
    pause      -   -   - yes yes yes
    resume     -   -   - yes yes yes
    cancel     - yes yes yes yes yes
    approve    -   -   -   -   -   -
    reject     -   -   - yes yes yes
    skip       -   -   - yes yes yes
    run        -   -   - yes yes yes
    status     - yes yes yes yes yes
    plan       - yes yes yes yes yes
    why        - yes yes yes yes yes
    answer     -   -   - yes yes yes
    help       - yes yes yes yes yes
    "#);
}

#[test]
fn what_a_repository_says_about_rights() {
    let needs = BTreeMap::from([
        (Verb::Cancel, Permission::Maintain),
        (Verb::Retry, Permission::Read),
        (Verb::Approve, Permission::Triage),
        (Verb::Status, Permission::Write),
    ]);
    let overrides = Overrides { needs, apps: BTreeSet::new() };
    let trusted_author = |permission| Person { is_author: true, commit_trusted: true, ..person(permission) };
    let cancel = Command::Cancel { workflow: None };
    assert!(authorize(&cancel, &trusted_author(Permission::Write), &overrides).is_err(), "no exception remains");
    insta::assert_snapshot!(table(person, &overrides), @r#"
    retry      - yes yes yes yes yes
    pause      -   -   - yes yes yes
    resume     -   -   - yes yes yes
    cancel     -   -   -   - yes yes
    approve    -   -   - yes yes yes
    reject     -   -   - yes yes yes
    skip       -   -   - yes yes yes
    run        -   -   - yes yes yes
    status     -   -   - yes yes yes
    plan       - yes yes yes yes yes
    why        - yes yes yes yes yes
    answer     -   -   - yes yes yes
    help       - yes yes yes yes yes
    "#);
}

/// C-01.
#[test]
fn any_doubt_denies() {
    let why = |command: &Command, person: Person, overrides: &Overrides| {
        authorize(command, &person, overrides).map_err(|denied| denied.why)
    };
    let none = Overrides::default();
    let listed = Overrides { apps: BTreeSet::from([7]), ..Overrides::default() };
    let admin = person(Permission::Admin);
    for command in commands() {
        assert_eq!(why(&command, Person { permission: None, ..admin }, &none), Err(Why::Unknown));
        assert_eq!(why(&command, Person { actor: Actor::Bot, ..admin }, &listed), Err(Why::Bot));
        assert_eq!(why(&command, Person { actor: Actor::App(8), ..admin }, &listed), Err(Why::App(8)));
        let expected = if approves(command.verb()) { Err(Why::NotAPerson) } else { Ok(()) };
        assert_eq!(why(&command, Person { actor: Actor::App(7), permission: None, ..admin }, &listed), expected);
    }
    let own = Person { is_author: true, commit_trusted: true, ..admin };
    assert_eq!(why(&approve_commit(), own, &none), Err(Why::OwnPullRequest));
    assert_eq!(why(&approve_commit(), person(Permission::Triage), &none), Err(Why::Permission));
    let maintain = Overrides { needs: BTreeMap::from([(Verb::Run, Permission::Maintain)]), ..listed };
    let run = Command::Run { workflow: "ci".parse().unwrap(), inputs: vec![], at: RunAt::Default };
    let app = Person { actor: Actor::App(7), ..admin };
    assert_eq!(why(&run, app, &maintain), Err(Why::Permission), "a listed App has write, not more");
}

#[test]
fn only_a_plain_account_is_a_person() {
    let account = |login: &str, kind| Account { login: login.parse().unwrap(), id: 1, kind };
    let person = account("octocat", AccountKind::User);
    assert_eq!(Actor::behind(Some(&person), None), Actor::Human);
    assert_eq!(Actor::behind(Some(&person), Some(7)), Actor::App(7));
    assert_eq!(Actor::behind(None, None), Actor::Bot);
    for (login, kind) in [("x[bot]", AccountKind::Bot), ("x[bot]", AccountKind::User), ("x", AccountKind::Other)] {
        assert_eq!(Actor::behind(Some(&account(login, kind)), None), Actor::Bot);
    }
}

#[test]
fn permissions_as_github_tells_them() {
    let check = |permission, role: Option<&str>, expected| {
        assert_eq!(Permission::from_github(permission, role), expected, "{permission} {role:?}");
    };
    check("admin", Some("admin"), Some(Permission::Admin));
    check("write", Some("maintain"), Some(Permission::Maintain));
    check("write", Some("write"), Some(Permission::Write));
    check("write", Some("release-captain"), Some(Permission::Write));
    check("read", Some("triage"), Some(Permission::Triage));
    check("read", Some("read"), Some(Permission::Read));
    check("read", None, Some(Permission::Read));
    check("none", Some("none"), Some(Permission::None));
    // A role that contradicts its permission never raises it.
    check("read", Some("admin"), Some(Permission::Read));
    check("none", Some("write"), Some(Permission::None));
    check("", Some("admin"), None);
    check("owner", None, None);
    for permission in EVERY {
        let known = permission != Permission::None;
        assert_eq!(Permission::named(permission.as_str()), known.then_some(permission));
    }
}
