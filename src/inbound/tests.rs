//! Every payload of npm `@octokit/webhooks-examples` 7.6.1 (`api.github.com/index.json`, MIT licence, Copyright
//! Gregor Martynus and contributors) for the events that we read, minified and compressed; see `tests/data/README.md`.

use serde_json::{Value, json};

use super::event::*;
use super::*;
use crate::ids::RepoId;

const GUID: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

/// All payloads, as (event, payload).
fn payloads() -> Vec<(String, Value)> {
    let json = zstd::decode_all(&include_bytes!("../../tests/data/webhooks.json.zst")[..]).unwrap();
    let events: Vec<Value> = serde_json::from_slice(&json).unwrap();
    let of = |event: &Value| {
        let name = event["name"].as_str().unwrap().to_owned();
        event["examples"].as_array().unwrap().iter().map(|payload| (name.clone(), payload.clone())).collect::<Vec<_>>()
    };
    events.iter().flat_map(of).collect()
}

/// The first payload of an event with this action.
fn payload(event: &str, action: &str) -> Value {
    let fits = |(name, payload): &(String, Value)| name == event && payload["action"].as_str().unwrap_or("") == action;
    payloads().into_iter().find(fits).unwrap().1
}

fn read(event: &str, payload: &Value) -> Result<Event, Unfit> {
    parse(event, payload.to_string().as_bytes())
}

fn pull_request(payload: &Value) -> PullRequestChanged {
    match read("pull_request", payload).unwrap() {
        Event::PullRequestChanged(event) => *event,
        other => panic!("{other:?}"),
    }
}

/// A comment on a pull request; no example is one.
fn comment() -> Value {
    let mut payload = payload("issue_comment", "created");
    payload["issue"]["pull_request"] = json!({ "url": "https://api.github.com/repos/Codertocat/Hello-World/pulls/1" });
    payload
}

#[test]
fn every_real_payload_goes_through_envelope_and_parser() {
    let payloads = payloads();
    assert_eq!(payloads.len(), 92);
    for (event, payload) in payloads {
        let body = payload.to_string();
        let envelope = Envelope::read(&event, GUID, body.as_bytes()).unwrap();
        let parsed = parse(&event, body.as_bytes()).unwrap_or_else(|unfit| panic!("{unfit}"));
        assert_eq!(envelope.installation.map(|id| id.0), payload["installation"]["id"].as_i64(), "{event}");
        assert_eq!(envelope.repository.map(|id| id.0), payload["repository"]["id"].as_i64(), "{event}");
        assert_eq!(envelope.action.as_deref(), payload["action"].as_str(), "{event}");
        if let (Some(at), true) = (parsed.source_time(), event != "installation") {
            assert_eq!(envelope.at, Some(at), "{event}: envelope and parser know the same time");
        }
    }
}

#[test]
fn lanes_of_real_payloads() {
    let lane = |event: &str, action: &str| {
        Envelope::read(event, GUID, payload(event, action).to_string().as_bytes()).unwrap().lane.to_string()
    };
    assert_eq!(lane("pull_request", "synchronize"), "#2");
    assert_eq!(lane("issue_comment", "created"), "#1");
    assert_eq!(lane("push", ""), "refs/tags/simple-tag");
    assert_eq!(lane("check_suite", "rerequested"), "ec26c3e57ca3a959ca5aad62de7213c562f8c821");
    assert_eq!(lane("installation", "created"), "-");
    assert!(lane("merge_group", "checks_requested").starts_with("refs/heads/gh-readonly-queue/main/pr-104-"));
}

#[test]
fn an_opened_pull_request() {
    insta::assert_debug_snapshot!(pull_request(&payload("pull_request", "opened")), @r#"
    PullRequestChanged {
        action: "opened",
        repository: Repository {
            id: RepoId(
                186853002,
            ),
            name: "Codertocat/Hello-World",
            default_branch: Some(
                "master",
            ),
            private: false,
        },
        number: 2,
        head_sha: "ec26c3e57ca3a959ca5aad62de7213c562f8c821",
        head_ref: "changes",
        head_repository: Some(
            Repository {
                id: RepoId(
                    186853002,
                ),
                name: "Codertocat/Hello-World",
                default_branch: Some(
                    "master",
                ),
                private: false,
            },
        ),
        fork: false,
        base_sha: "f95f852bd8fca8fcc58a9a2d6c842781e32a215e",
        base_ref: "master",
        base_ref_before: None,
        author: Some(
            Account {
                login: "Codertocat",
                id: 21031067,
                kind: User,
            },
        ),
        association: "OWNER",
        draft: false,
        open: true,
        merged: false,
        title: "Update the README with new information.",
        body: "This is a pretty simple change that we need to pull into master.",
        labels: [],
        label: None,
        updated_at: Timestamp(
            1557933633000000,
        ),
        sender: Some(
            Account {
                login: "Codertocat",
                id: 21031067,
                kind: User,
            },
        ),
    }
    "#);
}

#[test]
fn a_pull_request_from_a_fork() {
    let mut payload = payload("pull_request", "opened");
    payload["pull_request"]["head"]["repo"]["id"] = json!(99);
    payload["pull_request"]["head"]["repo"]["full_name"] = json!("stranger/Hello-World");
    payload["pull_request"]["head"]["repo"]["fork"] = json!(true);
    payload["pull_request"]["author_association"] = json!("FIRST_TIME_CONTRIBUTOR");
    let event = pull_request(&payload);
    assert!(event.fork);
    assert_eq!(event.head_repository.unwrap().id, RepoId(99));
    assert_eq!(event.repository.name.as_str(), "Codertocat/Hello-World");
    assert_eq!(event.association, "FIRST_TIME_CONTRIBUTOR");
}

#[test]
fn a_deleted_fork_is_still_a_fork() {
    let mut payload = payload("pull_request", "opened");
    payload["pull_request"]["head"]["repo"] = Value::Null;
    payload["pull_request"]["user"] = Value::Null;
    let event = pull_request(&payload);
    assert_eq!((event.fork, event.head_repository, event.author), (true, None, None));
    payload["pull_request"]["labels"] = Value::Null;
    payload["changes"] = Value::Null;
    assert_eq!(pull_request(&payload).labels, Vec::<String>::new());
}

#[test]
fn labels_edits_and_unknown_actions() {
    let labeled = pull_request(&payload("pull_request", "labeled"));
    assert!(labeled.labels.contains(&labeled.label.unwrap()));
    let mut edited = payload("pull_request", "opened");
    edited["action"] = json!("edited");
    edited["changes"] = json!({ "base": { "ref": { "from": "develop" }, "sha": { "from": "abc" } }, "title": {} });
    assert_eq!(pull_request(&edited).base_ref_before.as_deref(), Some("develop"));
    edited["action"] = json!("an_action_of_next_year");
    assert_eq!(pull_request(&edited).action, "an_action_of_next_year");
}

#[test]
fn a_push() {
    let created = payloads().into_iter().find(|(_, payload)| payload["ref"] == "refs/heads/master").unwrap().1;
    insta::assert_debug_snapshot!(read("push", &created).unwrap(), @r#"
    Pushed(
        Pushed {
            repository: Repository {
                id: RepoId(
                    186853002,
                ),
                name: "Codertocat/Hello-World",
                default_branch: Some(
                    "master",
                ),
                private: false,
            },
            git_ref: Branch(
                "master",
            ),
            before: None,
            after: Some(
                "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
            ),
            created: true,
            deleted: false,
            forced: false,
            message: "Initial commit",
            pusher: "Codertocat",
            pushed_at: Timestamp(
                1557933657000000,
            ),
            sender: Some(
                Account {
                    login: "Codertocat",
                    id: 21031067,
                    kind: User,
                },
            ),
        },
    )
    "#);
}

#[test]
fn a_push_that_deletes_and_a_time_written_as_text() {
    let deletes = |(_, payload): &(String, Value)| payload["deleted"] == json!(true);
    let mut payload = payloads().into_iter().find(deletes).unwrap().1;
    payload["repository"]["pushed_at"] = json!("2019-05-15T15:20:57Z");
    let Event::Pushed(push) = read("push", &payload).unwrap() else { panic!() };
    assert_eq!((push.after, push.git_ref), (None, GitRef::Tag("simple-tag".to_owned())));
    assert_eq!(push.pushed_at.rfc3339(), "2019-05-15T15:20:57Z");
}

#[test]
fn a_comment_on_a_pull_request() {
    insta::assert_debug_snapshot!(read("issue_comment", &comment()).unwrap(), @r#"
    Commented(
        Commented {
            repository: Repository {
                id: RepoId(
                    186853002,
                ),
                name: "Codertocat/Hello-World",
                default_branch: Some(
                    "master",
                ),
                private: false,
            },
            number: 1,
            open: true,
            pull_request_author: Some(
                Account {
                    login: "Codertocat",
                    id: 21031067,
                    kind: User,
                },
            ),
            comment_id: 492700400,
            body: "You are totally right! I'll get this fixed right away.",
            created_at: Timestamp(
                1557933621000000,
            ),
            author: Some(
                Account {
                    login: "Codertocat",
                    id: 21031067,
                    kind: User,
                },
            ),
            association: "OWNER",
            app_id: None,
            sender: Some(
                Account {
                    login: "Codertocat",
                    id: 21031067,
                    kind: User,
                },
            ),
        },
    )
    "#);
}

/// C-03.
#[test]
fn comments_that_are_never_obeyed_are_no_events() {
    let why = |payload: &Value| match read("issue_comment", payload).unwrap() {
        Event::Ignored(ignored) => format!("{}: {}", ignored.what, ignored.why),
        other => panic!("{other:?}"),
    };
    insta::assert_snapshot!(why(&payload("issue_comment", "created")), @"issue_comment.created: it is on an issue; only comments on pull requests are read");
    for action in ["edited", "deleted", "an_action_of_next_year"] {
        let mut payload = comment();
        payload["action"] = json!(action);
        assert!(why(&payload).contains("only new comments are obeyed"), "{action}");
    }
    let review = read("pull_request_review_comment", &comment()).unwrap();
    assert!(matches!(review, Event::Ignored(_)), "{review:?}");
}

#[test]
fn a_comment_says_through_which_app_it_was_written() {
    let mut payload = comment();
    payload["comment"]["performed_via_github_app"] = json!({ "id": 29310, "slug": "x" });
    payload["comment"]["user"] = json!({ "login": "x[bot]", "id": 5, "type": "Bot" });
    let Event::Commented(comment) = read("issue_comment", &payload).unwrap() else { panic!() };
    assert_eq!(comment.app_id, Some(29310));
    assert!(comment.author.unwrap().is_bot());
}

#[test]
fn a_bot_is_known_by_what_it_is_and_never_taken_for_a_person() {
    let account = |login: &str, kind| Account { login: login.parse().unwrap(), id: 1, kind };
    assert!(!account("octocat", AccountKind::User).is_bot());
    assert!(account("octocat", AccountKind::Bot).is_bot());
    assert!(account("octocat", AccountKind::Other).is_bot());
    assert!(account("renovate[bot]", AccountKind::User).is_bot());
}

#[test]
fn clicks_on_checks() {
    insta::assert_debug_snapshot!(read("check_run", &payload("check_run", "requested_action")).unwrap(), @r#"
    CheckActionRequested(
        CheckActionRequested {
            check: Check {
                repository: Repository {
                    id: RepoId(
                        9384267,
                    ),
                    name: "electron/electron",
                    default_branch: Some(
                        "master",
                    ),
                    private: false,
                },
                id: 1494503112,
                name: "API Review",
                external_id: None,
                head_sha: "5bd5f196a46b8222fb7484f05faba41a73cf34bd",
                app_id: Some(
                    25811,
                ),
                completed_at: None,
                suite_updated_at: Some(
                    Timestamp(
                        1607020047000000,
                    ),
                ),
            },
            identifier: "lgtm|26764",
            sender: Some(
                Account {
                    login: "codebytere",
                    id: 2036040,
                    kind: User,
                },
            ),
        },
    )
    "#);
    let rerequested = read("check_run", &payload("check_run", "rerequested")).unwrap();
    assert!(matches!(rerequested, Event::CheckRerequested(_)), "{rerequested:?}");
    let suite = read("check_suite", &payload("check_suite", "rerequested")).unwrap();
    let Event::SuiteRerequested(suite) = suite else { panic!() };
    assert!(suite.sender.unwrap().is_bot());
    let created = read("check_run", &payload("check_run", "created")).unwrap();
    assert!(matches!(created, Event::Ignored(_)), "{created:?}");
}

#[test]
fn a_merge_group_asked_for_and_destroyed() {
    let mut payload = payload("merge_group", "checks_requested");
    insta::assert_debug_snapshot!(read("merge_group", &payload).unwrap(), @r#"
    MergeGroupRequested(
        MergeGroupRequested {
            group: MergeGroup {
                repository: Repository {
                    id: RepoId(
                        17273051,
                    ),
                    name: "octo-org/octo-repo",
                    default_branch: Some(
                        "main",
                    ),
                    private: true,
                },
                head_sha: "2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d",
                head_ref: "refs/heads/gh-readonly-queue/main/pr-104-929f8209d40f77f4abc622a499c93a83babdbe64",
                base_sha: "380387fbc80638b734a49e1be1c4dfec1c01b33c",
                base_ref: "refs/heads/main",
                message: "Merge pull request #2048 from octo-repo/update-readme\n\nUpdate README.md",
                sender: Some(
                    Account {
                        login: "Codertocat",
                        id: 21031067,
                        kind: User,
                    },
                ),
            },
        },
    )
    "#);
    payload["action"] = json!("destroyed");
    payload["reason"] = json!("dequeued");
    let Event::MergeGroupDestroyed(destroyed) = read("merge_group", &payload).unwrap() else { panic!() };
    assert_eq!(destroyed.reason, "dequeued");
}

#[test]
fn installations_and_their_repositories() {
    let Event::InstallationChanged(created) = read("installation", &payload("installation", "created")).unwrap() else {
        panic!()
    };
    assert_eq!(created.permissions.get("checks").map(String::as_str), Some("write"));
    assert!(!created.repositories.is_empty());
    let added = payload("installation_repositories", "added");
    insta::assert_debug_snapshot!(read("installation_repositories", &added).unwrap(), @r#"
    RepositoriesChanged(
        RepositoriesChanged {
            installation: InstallationId(
                957387,
            ),
            added: [
                Repository {
                    id: RepoId(
                        186853007,
                    ),
                    name: "Codertocat/Space",
                    default_branch: None,
                    private: false,
                },
            ],
            removed: [],
            all_repositories: false,
            sender: Some(
                Account {
                    login: "Codertocat",
                    id: 21031067,
                    kind: User,
                },
            ),
        },
    )
    "#);
    let Event::RepositoryRenamed(renamed) = read("repository", &payload("repository", "renamed")).unwrap() else {
        panic!()
    };
    assert_eq!(renamed.repository.name.as_str(), "Octocoders/Hello-World");
    assert_eq!(read("ping", &payload("ping", "")).unwrap(), Event::Ping(Ping { hook_id: Some(109_948_940) }));
}

/// S-05: headers are not signed, so a body may come under any event's name.
#[test]
fn a_body_under_another_events_name_is_unfit() {
    let bodies = payloads();
    for (event, payload) in &bodies {
        for name in ["pull_request", "push", "merge_group", "check_run", "installation"] {
            let parsed = read(name, payload);
            let harmless = matches!(parsed, Err(_) | Ok(Event::Ignored(_)));
            let covers = name == "installation" && event == "installation_repositories";
            assert!(harmless || name == event || covers, "{event} as {name}: {parsed:?}");
        }
    }
    let mut comment = comment();
    comment["action"] = json!("rerequested");
    insta::assert_snapshot!(read("check_run", &comment).unwrap_err(), @"the body does not fit the event check_run: missing field `check_run` at line 1 column 12761; see whether the event's name is right, else report this");
}

#[test]
fn reasons_never_quote_the_body() {
    let mut payload = payload("pull_request", "opened");
    payload["pull_request"]["number"] = json!("ghs_secret");
    let unfit = read("pull_request", &payload).unwrap_err().to_string();
    assert!(unfit.contains("another type") && !unfit.contains("ghs_secret"), "{unfit}");
    for (sha, fits) in
        [("0".repeat(40), false), ("a".repeat(39), false), ("A".repeat(40), false), ("a".repeat(64), true)]
    {
        payload["pull_request"]["number"] = json!(2);
        payload["pull_request"]["head"]["sha"] = json!(sha);
        assert_eq!(read("pull_request", &payload).is_ok(), fits, "{sha}");
    }
}

#[test]
fn the_same_event_means_the_same_and_a_second_click_does_not() {
    let meaning = |event: &str, payload: &Value| read(event, payload).unwrap().meaning();
    let click = payload("check_run", "rerequested");
    let mut copy = click.clone();
    copy["repository"]["stargazers_count"] = json!(1_000);
    assert_eq!(meaning("check_run", &click), meaning("check_run", &copy));
    for (pointer, value) in [
        ("/check_run/id", json!(5)),
        ("/check_run/check_suite/updated_at", json!("2018-05-04T01:15:00Z")),
        ("/sender/id", json!(7)),
        ("/action", json!("requested_action")),
    ] {
        let mut second = click.clone();
        second["requested_action"] = json!({ "identifier": "retry" });
        *second.pointer_mut(pointer).unwrap() = value;
        assert_ne!(meaning("check_run", &click), meaning("check_run", &second), "{pointer}");
    }
    let pushed = payload("pull_request", "synchronize");
    let mut later = pushed.clone();
    later["pull_request"]["updated_at"] = json!("2030-01-01T00:00:00Z");
    assert_ne!(meaning("pull_request", &pushed), meaning("pull_request", &later));
    let mut forged = payload("push", "");
    forged["ref"] = json!("refs/heads/a\":x:\"b");
    assert!(meaning("push", &forged).unwrap().contains(r#"\":x:\""#), "a ref cannot end its own field");
    assert_eq!(meaning("ping", &payload("ping", "")), None);
}

#[test]
fn meanings_of_real_payloads_tell_different_events_apart() {
    let mut seen = std::collections::BTreeMap::new();
    for (event, payload) in payloads() {
        if let Some(meaning) = read(&event, &payload).unwrap().meaning() {
            let what = (payload["action"].clone(), payload["label"].clone());
            let first = seen.entry(meaning.clone()).or_insert_with(|| what.clone());
            assert_eq!(*first, what, "{meaning}");
        }
    }
    assert!(seen.len() > 20, "{}", seen.len());
}
