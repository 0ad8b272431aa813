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
         commands: { retry: read, approve: admin }\n\
         limits: { max_concurrent_steps: 2, timeout: 30m, memory_limit: 1GB, max_concurrent_workflows: 3 }\n\
         notifications: { on_failure: true, channels: [slack] }\n\
         budgets: { max_cost_usd: 2.5, max_cost_usd_per_day: 20 }\n",
    )
    .unwrap();
    let warnings: Vec<_> = policy.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "6:95 warning: not-yet: this release checks max_concurrent_workflows of a repository but does not hold runs \
             to it yet",
            "8:53 warning: not-yet: this release checks max_cost_usd_per_day but adds up no costs over runs yet",
        ]
    );
    let commands = [("approve", Permission::Admin), ("retry", Permission::Read)];
    assert_eq!(
        Policy { warnings: Vec::new(), ..policy },
        Policy {
            definition_ref: DefinitionRef::Base,
            bare_commands: false,
            trusted_apps: vec![29_110, 49_699_333],
            commands: commands.into_iter().map(|(verb, permission)| (verb.to_owned(), permission)).collect(),
            skip_markers: SkipMarkers::Off,
            limits: Ceilings {
                steps: Some(2),
                timeout: Some(Duration::from_secs(1_800)),
                resources: Resources { memory_bytes: 1 << 30, ..Resources::default() },
                max_cost_micros: Some(2_500_000),
            },
            notifications: Some(Notifications {
                on_failure: true,
                channels: vec!["slack".to_owned()],
                ..Notifications::default()
            }),
            warnings: Vec::new(),
        }
    );
}

#[test]
fn slips_are_told() {
    wrong("definition_ref: head", &["1:17 bad-value: definition_ref is one of default, base, not head"]);
    wrong(
        "bare_commands: 'no'",
        &["1:16 wrong-kind: bare_commands is true or false, not text (write false, without quotes)"],
    );
    wrong("trusted_apps: [renovate]", &["1:16 wrong-kind: the id of an App is a whole number, not text"]);
    wrong(
        "commands: { retri: read, run: owner }\nbare_command: true\nlimits: { steps: 1 }\nbudgets: { max_cost_usd: much }",
        &[
            "1:13 unknown-field: there is no command retri (did you mean retry?)",
            "1:31 bad-value: run is one of read, triage, write, maintain, admin, not owner",
            "2:1 unknown-field: config.yml has no field bare_command (did you mean bare_commands?)",
            "3:11 unknown-field: limits has no field steps (it has max_concurrent_steps, timeout, memory_limit, cpu_limit, \
             disk_space, max_concurrent_workflows)",
            "4:26 bad-value: max_cost_usd: much is no amount of dollars; write 5 or 0.50",
        ],
    );
    wrong("[]", &["1:1 wrong-kind: config.yml is a mapping, not a list"]);
}

#[test]
fn permissions_are_ranked() {
    assert!(Permission::Read < Permission::Triage && Permission::Triage < Permission::Write);
    assert!(Permission::Write < Permission::Maintain && Permission::Maintain < Permission::Admin);
}

/// The repository's word cuts what a file says, and never adds to it.
#[test]
fn plans_are_bound() {
    let plan = |file: &str| {
        let text = format!("{file}\nsteps: [{{ id: a, run: x }}]");
        crate::workflow::parse(&"ci".parse().unwrap(), &text, &crate::workflow::defaults::Operator::default())
            .unwrap()
            .plan
    };
    let policy = parse(
        "limits: { max_concurrent_steps: 2, timeout: 30m, memory_limit: 1GB }\nbudgets: { max_cost_usd: 2 }\n\
         notifications: { on_failure: true, channels: [slack] }",
    )
    .unwrap();
    let bound = |file: &str| {
        let mut plan = plan(file);
        policy.bound(&mut plan);
        let of_run = (plan.limits.steps, plan.timeout.as_secs(), plan.limits.resources.memory_bytes >> 20);
        (of_run, plan.max_cost_micros, plan.notifications.on_failure, plan.notifications.on_start)
    };
    assert_eq!(bound(""), ((2, 1_800, 1_024), Some(2_000_000), true, false));
    let small =
        "timeout: 5m\nbudget: { max_cost_usd: 1 }\nresource_limits: { max_concurrent_steps: 1, memory_limit: 512MB }";
    assert_eq!(bound(small), ((1, 300, 512), Some(1_000_000), true, false));
    assert!(!bound("notifications: { on_start: true }").2);
    let mut untouched = plan(small);
    Policy::default().bound(&mut untouched);
    assert_eq!(untouched, plan(small));
}
