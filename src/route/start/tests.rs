use std::collections::BTreeMap;

use super::*;
use crate::ids::{Login, RepoId};
use crate::inbound::event::{Account, AccountKind};
use crate::route::{Definitions, OperatorFacts};
use crate::workflow::defaults::Operator;
use crate::workflow::policy::{self, Policy};

fn change(labels: &[&str]) -> PullRequestChanged {
    let repository = Repository {
        id: RepoId(7),
        name: "octo/railway".parse().unwrap(),
        default_branch: Some("main".to_owned()),
        private: false,
    };
    let author = Account { login: "octocat".parse::<Login>().unwrap(), id: 1, kind: AccountKind::User };
    PullRequestChanged {
        action: "opened".to_owned(),
        repository: repository.clone(),
        number: 3,
        head_sha: CommitSha::full(&"a".repeat(40)).unwrap(),
        head_ref: "topic".to_owned(),
        head_repository: Some(repository),
        fork: false,
        base_sha: CommitSha::full(&"b".repeat(40)).unwrap(),
        base_ref: "main".to_owned(),
        base_ref_before: None,
        author: Some(author.clone()),
        association: "MEMBER".to_owned(),
        draft: false,
        open: true,
        merged: false,
        title: "A title".to_owned(),
        body: String::new(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        label: None,
        updated_at: Timestamp(5),
        sender: Some(author),
    }
}

fn decided(yaml: &str, policy: Policy, labels: &[&str]) -> Vec<Intent> {
    let id: WorkflowId = "ci".parse().unwrap();
    let workflow = crate::workflow::parse(&id, yaml, &Operator::default()).unwrap();
    let definition = Definition { path: ".workflows/ci.yml".to_owned(), blob: "0".to_owned(), workflow: Ok(workflow) };
    let facts = Facts {
        definitions: Definitions {
            sha: CommitSha::full(&"c".repeat(40)).unwrap(),
            branch: "main".to_owned(),
            workflows: BTreeMap::from([(id, definition)]),
            policy,
        },
        changed: None,
        trusted: true,
        paused: Vec::new(),
        speakers: BTreeMap::new(),
        operator: OperatorFacts { limits: Default::default(), gates: Vec::new() },
        touched: None,
        pulls: Vec::new(),
        message: None,
    };
    pull_request(&change(labels), &facts)
}

/// Nobody gave inputs, so their defaults count: for the expressions of steps, and for the group.
#[test]
fn inputs_are_there_without_a_person() {
    let yaml = "on: pull_request\ninputs: { where: { default: staging }, dry: { type: boolean } }\n\
                concurrency: 'to-${{ inputs.where }}'\nsteps: [{ id: a, run: x, if: inputs.where == 'staging' }]";
    let intents = decided(yaml, Policy::default(), &[]);
    let [Intent::Start(start)] = intents.as_slice() else { panic!("{intents:?}") };
    let scope: Value = serde_json::from_str(&start.birth.scope).unwrap();
    assert_eq!(scope["inputs"], json!({ "where": "staging", "dry": false }));
    assert!(start.birth.gates.iter().any(|(_, gate)| gate.0.ends_with(":to-staging")), "{:?}", start.birth.gates);
}

#[test]
fn the_repositorys_limits_bind_every_run() {
    let policy = policy::parse("limits: { timeout: 5m }\nbudgets: { max_cost_usd: 1 }").unwrap();
    let intents = decided("on: pull_request\nsteps: [{ id: a, run: x }]", policy, &[]);
    let [Intent::Start(start)] = intents.as_slice() else { panic!("{intents:?}") };
    assert_eq!((start.plan.timeout.as_secs(), start.plan.max_cost_micros), (300, Some(1_000_000)));
}

#[test]
fn labels_filter() {
    let yaml = "on: { pull_request: { labels: [deploy] } }\nsteps: [{ id: a, run: x }]";
    assert!(matches!(decided(yaml, Policy::default(), &["Deploy"]).as_slice(), [Intent::Start(_)]));
    let intents = decided(yaml, Policy::default(), &["other"]);
    let [Intent::Say { reason: Reason::Filtered(why), .. }] = intents.as_slice() else { panic!("{intents:?}") };
    assert_eq!(why, "it has none of the labels deploy");
}
