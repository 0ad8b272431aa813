use proptest::prelude::*;

use super::*;

const SHA: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

fn all(comment: &str) -> Vec<Result<Command, Mistake>> {
    parse(comment, true).into_iter().map(|given| given.command).collect()
}

fn one(comment: &str) -> Result<Command, Mistake> {
    let mut commands = all(comment);
    assert_eq!(commands.len(), 1, "{comment:?}: {commands:?}");
    commands.remove(0)
}

fn named(text: &str) -> StepName {
    step(Verb::Retry, text).unwrap()
}

#[test]
fn every_verb_of_the_table_is_itself() {
    for (index, spec) in Verb::table().iter().enumerate() {
        assert_eq!(spec.verb as usize, index, "the table is in the order of the enum");
        assert_eq!(Verb::named(&spec.name.to_uppercase()), Some(spec.verb));
        let line = match spec.verb {
            Verb::Reject | Verb::Skip => format!("/{} lint", spec.name),
            Verb::Run => "/run ci".to_owned(),
            Verb::Answer => "/answer yes".to_owned(),
            _ => format!("/{}", spec.name),
        };
        let command = one(&line).unwrap();
        assert_eq!(command.verb(), spec.verb);
        assert_eq!(command.released(), spec.released);
        assert_eq!(one(&line.replacen('/', "/pointsman ", 1)), Ok(command));
    }
}

#[test]
fn retry_in_all_its_forms() {
    let check = |line: &str, steps: &[&str], scope| {
        let steps = steps.iter().map(|step| named(step)).collect();
        assert_eq!(one(line), Ok(Command::Retry { steps, scope }), "{line}");
    };
    check("/retry", &[], Scope::Chosen);
    check("/Retry", &[], Scope::Chosen);
    check("/retry lint ci/test", &["lint", "ci/test"], Scope::Chosen);
    check("/retry ci / lint", &["ci/lint"], Scope::Chosen);
    check("/retry a ci / lint b", &["a", "ci/lint", "b"], Scope::Chosen);
    check("/retry \"ci / lint\"", &["ci/lint"], Scope::Chosen);
    check("/retry review_each[3]", &["review_each[3]"], Scope::Chosen);
    check("/retry --from lint", &["lint"], Scope::From);
    check("/retry lint\t--from", &["lint"], Scope::From);
    check("/retry --all", &[], Scope::All);
    check("/pointsman   retry   --all", &[], Scope::All);
    assert_eq!(one("/retry --from"), Err(Mistake::Missing { verb: Verb::Retry, what: "the step to start from" }));
    assert_eq!(one("/retry --all lint"), Err(Mistake::AllAndMore));
    assert_eq!(one("/retry --all --from lint"), Err(Mistake::AllAndMore));
    let option = "--al".to_owned();
    assert_eq!(one("/retry --al"), Err(Mistake::UnknownOption { verb: Verb::Retry, option }));
    for word in ["../x", "a/b/c", "/", "ci/", "a;b", "*"] {
        assert!(matches!(one(&format!("/retry {word}")), Err(Mistake::BadName { .. })), "{word}");
    }
}

#[test]
fn approve_takes_a_whole_commit_or_a_step() {
    let approve = |word: &str| one(&format!("/approve {word}"));
    let commit = Ok(Command::Approve(Approved::Commit(CommitSha::full(SHA).unwrap())));
    assert_eq!(approve(SHA), commit);
    assert_eq!(approve(&SHA.to_uppercase()), commit);
    assert_eq!(approve(""), Ok(Command::Approve(Approved::Nothing)));
    assert_eq!(approve("ci / ship"), Ok(Command::Approve(Approved::Step(named("ci/ship")))));
    assert_eq!(approve("facade"), Ok(Command::Approve(Approved::Step(named("facade")))));
    for word in [&SHA[..7], &SHA[..39], &format!("{SHA}0")] {
        assert_eq!(approve(word), Err(Mistake::ShortCommit { verb: Verb::Approve, word: word.to_owned() }));
    }
    assert!(matches!(approve(&format!("{SHA} now")), Err(Mistake::Unexpected { .. })));
    assert!(!approve("ship").unwrap().released() && approve(SHA).unwrap().released());
}

#[test]
fn run_takes_inputs_once_each() {
    let run = |rest: &str| one(&format!("/run {rest}"));
    let Ok(Command::Run { workflow, inputs, at }) = run(r#"ci env=staging note="a b=\"c\" / d" empty= --ref head"#)
    else {
        panic!()
    };
    assert_eq!((workflow.as_str(), at), ("ci", RunAt::Head));
    let inputs: Vec<_> = inputs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(inputs, [("env", "staging"), ("note", "a b=\"c\" / d"), ("empty", "")]);
    let commit = RunAt::Commit(CommitSha::full(SHA).unwrap());
    assert!(matches!(run(&format!("ci --ref {SHA}")), Ok(Command::Run { at, .. }) if at == commit));
    assert!(matches!(run("ci --ref main"), Err(Mistake::ShortCommit { .. })));
    assert_eq!(run("ci a=1 a=2"), Err(Mistake::Twice { name: "a".to_owned() }));
    assert_eq!(run("ci --ref head --ref head"), Err(Mistake::Twice { name: "--ref".to_owned() }));
    assert_eq!(run("ci a=\"x"), Err(Mistake::UnclosedQuote));
    assert!(matches!(run("ci loose"), Err(Mistake::Unexpected { .. })));
    assert!(matches!(run("ci a b=1"), Err(Mistake::Unexpected { .. })));
    assert!(matches!(run("ci =1"), Err(Mistake::BadName { .. })));
    assert!(matches!(run("../ci"), Err(Mistake::BadName { .. })));
    assert_eq!(run(""), Err(Mistake::Missing { verb: Verb::Run, what: "the workflow" }));
    assert_eq!(run(&format!("ci{}", " a=1".repeat(65))), Err(Mistake::TooManyWords));
}

#[test]
fn a_reason_is_taken_as_it_is() {
    let Ok(Command::Pause { words }) = one("/pause ci it's 5\" too wide --all / x") else { panic!() };
    assert_eq!(words, "ci it's 5\" too wide --all / x");
    let is_ci = |word: &str| word == "ci";
    assert_eq!(split_first(&words, is_ci), (Some("ci"), "it's 5\" too wide --all / x"));
    assert_eq!(split_first("deploy freeze", is_ci), (None, "deploy freeze"));
    assert_eq!(split_first("ci", is_ci), (Some("ci"), ""));
    assert_eq!(split_first("", is_ci), (None, ""));
}

#[test]
fn unknown_verbs_are_answered_only_where_they_are_ours() {
    assert_eq!(all("/retest\n/path/to/file\n/run/x is gone\n/ok-to-test\n/\n//\n/retry!\n/re\u{301}try"), []);
    let unknown = |verb: &str, did_you_mean| {
        let verb = verb.to_owned();
        Err(Mistake::Unknown { verb, did_you_mean })
    };
    assert_eq!(one("/pointsman rety lint"), unknown("rety", Some(Verb::Retry)));
    assert_eq!(one("/pointsman cancle"), unknown("cancle", Some(Verb::Cancel)));
    assert_eq!(one("/pointsman deploy"), unknown("deploy", None));
    assert_eq!(one("/pointsman x"), unknown("x", None));
    assert_eq!(one("/pointsman"), Ok(Command::Help));
    assert_eq!(parse("/retry\n/help", false), []);
    assert_eq!(parse("/retry\n/pointsman retry", false).len(), 1);
}

/// C-02.
#[test]
fn only_plain_ascii_is_a_command() {
    for comment in
        ["/r\u{435}try", "/retry\u{200b}", "\u{200b}/retry", "/ret\u{200b}ry", "／retry", "/ｒetry", "/retry\u{a0}lint"]
    {
        assert_eq!(all(comment), [], "{comment:?}");
    }
    assert_eq!(one("/retry l\u{456}nt"), Err(Mistake::NotAscii { column: 9 }));
    assert_eq!(one("/retry lint\u{200b}"), Err(Mistake::NotAscii { column: 12 }));
    assert_eq!(one("/retry lint\u{202e}"), Err(Mistake::NotAscii { column: 12 }));
    assert_eq!(one("/retry li\u{7}nt"), Err(Mistake::NotAscii { column: 10 }));
    assert_eq!(one("/retry a\r/cancel"), Err(Mistake::NotAscii { column: 9 }));
    assert_eq!(one("/retry `lint`"), Err(Mistake::MarkedUp));
    assert_eq!(one("/retry [lint](http://x)"), Err(Mistake::MarkedUp));
    assert_eq!(one("/retry <!-- all -->"), Err(Mistake::MarkedUp));
    assert_eq!(all("> /retry\n\n```\n/cancel\n```\n<!-- /approve -->"), []);
}

#[test]
fn at_most_five_commands_in_order() {
    let given = parse(&"/retry\r\n".repeat(9), true);
    let lines: Vec<_> = given.iter().map(|given| (given.line, given.command.is_ok())).collect();
    assert_eq!(lines, [(1, true), (2, true), (3, true), (4, true), (5, true), (6, false)]);
    assert_eq!(given[5].command, Err(Mistake::TooManyCommands));
    let mixed: Vec<_> = all("/pause\n\nand then\n/resume\n/retry --x\n/status").iter().map(Result::is_ok).collect();
    assert_eq!(mixed, [true, true, false, true]);
}

#[test]
fn long_comments_are_read_and_longer_ones_are_not() {
    let long = format!("{}\n\n/retry", "word ".repeat(12_000));
    assert_eq!(all(&long).len(), 1);
    assert_eq!(all(&format!("/retry\n{}", "x".repeat(COMMENT_BYTES_MAX))), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_markdown_panics(comment in r#"([ \n\t\r>*_`~$<>!\[\]()#|:=\\"'-]|/retry|/run ci a=|<details>|</div>|<!--|-->|\[\^1\]:|http://x|é|\u{200b}|a){0,40}"#) {
        let _ = parse(&comment, true);
    }

    #[test]
    fn no_text_panics(comment in any::<String>(), bare: bool) {
        let _ = parse(&format!("/retry {comment}"), bare);
        let _ = parse(&comment, bare);
    }

    #[test]
    fn a_command_in_a_fence_never_fires(before in "[a-z \n]{0,20}", inside in "[a-z /\n>*-]{0,40}", fence in "(`{3,6}|~{3,6})") {
        let comment = format!("{before}\n{fence}\n{inside}\n/retry\n{inside}\n{fence}\n");
        // What stands before the fence holds no slash, so whatever fires stands inside.
        prop_assert_eq!(parse(&comment, true), []);
    }

    #[test]
    fn a_quoted_comment_never_fires(comment in "[a-z /\n`*#-]{0,60}") {
        let quoted: String = format!("{comment}\n/retry").lines().map(|line| format!("> {line}\n")).collect();
        prop_assert_eq!(parse(&quoted, true), []);
    }

    #[test]
    fn what_fires_is_a_line_that_starts_so(comment in r"([ \n>*`~<-]|/retry|/cancel|a|<b>|</b>){0,30}") {
        for given in parse(&comment, true) {
            let line = comment.split('\n').nth(given.line as usize - 1).unwrap();
            prop_assert!(line.starts_with('/'), "{line:?}");
        }
    }
}
