use super::*;

#[track_caller]
fn wrong(text: &str, expected: &[&str]) {
    let problems = parse(text).expect_err("is wrong");
    assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_not_said_keeps_its_default() {
    assert_eq!(parse("definition_ref: default").unwrap(), Policy::default());
    assert_eq!(parse("").unwrap(), Policy::default());
    assert_eq!(parse("# bare_commands: false\n\n  # later\n").unwrap(), Policy::default());
    assert_eq!(parse("skip_markers: hold").unwrap(), Policy::default());
}

#[test]
fn everything_can_be_said() {
    let policy = parse(
        "definition_ref: base\nbare_commands: false\ntrusted_apps: [29110, 49699333]\nskip_markers: off\n\
         commands: { retry: read, approve: admin }\n",
    );
    let commands = [("approve", Permission::Admin), ("retry", Permission::Read)];
    assert_eq!(
        policy.unwrap(),
        Policy {
            definition_ref: DefinitionRef::Base,
            bare_commands: false,
            trusted_apps: vec![29_110, 49_699_333],
            commands: commands.into_iter().map(|(verb, permission)| (verb.to_owned(), permission)).collect(),
            skip_markers: SkipMarkers::Off,
        }
    );
}

#[test]
fn slips_are_told() {
    wrong("definition_ref: head", &["1:17 bad-value: definition_ref is one of default, base, not head"]);
    wrong("bare_commands: 'no'", &["1:16 wrong-kind: bare_commands is true or false, not text"]);
    wrong("trusted_apps: [renovate]", &["1:16 wrong-kind: the id of an App is a whole number, not text"]);
    wrong(
        "commands: { retri: read, run: owner }\nbare_command: true\nlimits: {}",
        &[
            "1:13 unknown-field: there is no command retri (did you mean retry?)",
            "1:31 bad-value: run is one of read, triage, write, maintain, admin, not owner",
            "2:1 unknown-field: config.yml has no field bare_command (did you mean bare_commands?)",
            "3:1 not-yet: limits is not there yet (remove it for now)",
        ],
    );
    wrong("[]", &["1:1 wrong-kind: config.yml is a mapping, not a list"]);
}

#[test]
fn permissions_are_ranked() {
    assert!(Permission::Read < Permission::Triage && Permission::Triage < Permission::Write);
    assert!(Permission::Write < Permission::Maintain && Permission::Maintain < Permission::Admin);
}
