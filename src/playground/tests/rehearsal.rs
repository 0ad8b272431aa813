//! The agent that does nothing, asked by the client that the service uses.

use std::collections::BTreeMap;

use url::Url;

use crate::agents::{
    Client, Command, Conclusion, Fault, Kind, Limits, Outcome, Policy, Reach, Repo, Sent, Step, StepRequest, Trust,
    check,
};
use crate::ids::CommitSha;
use crate::playground::rehearsal::{REHEARSED, Rehearsal};

fn request() -> StepRequest {
    let sha = CommitSha::full("0123456789012345678901234567890123456789").unwrap();
    let repo = Repo {
        full_name: "octo/greet".parse().unwrap(),
        clone_url: "https://github.com/octo/greet".to_owned(),
        base_sha: None,
        head_sha: sha,
        trust: Trust::Member,
    };
    let step = Step {
        workflow: "ci".parse().unwrap(),
        steps: 1,
        kind: Kind::Edit,
        repo,
        checkout: None,
        command: Some(Command { run: "true".to_owned(), env: BTreeMap::new(), secrets: Vec::new() }),
        with: BTreeMap::new(),
        inputs: serde_json::Map::new(),
        untrusted: BTreeMap::new(),
        limits: Limits::default(),
        policy: Policy::default(),
        want: vec!["result".to_owned()],
    };
    let attempt = "r_7_00000000000000000000000000000001.validate.a2".parse().unwrap();
    StepRequest { attempt, text: "Do it".to_owned(), step, push: None }
}

#[tokio::test]
async fn every_step_is_neutral_whichever_way_one_asks() {
    let rehearsal = Rehearsal::start().await.unwrap();
    let endpoint: Url = rehearsal.endpoint().parse().unwrap();
    let client = Client::new(endpoint, None, &Reach::listed(["127.0.0.1"])).unwrap();
    check(&client).await.unwrap();
    let request = request();
    let listed = client.list(&request.attempt.to_string()).await.unwrap();
    let Sent::Task(task) = client.send(&request).await else { panic!("no task") };
    let Outcome::Ended(result) = Outcome::of(&task, Kind::Edit) else { panic!("{task:?}") };
    assert_eq!((result.conclusion, result.summary.as_str()), (Conclusion::Neutral, REHEARSED));
    assert_eq!(client.send(&request).await, Sent::Task(task.clone()), "the same message gives the same task");
    assert_eq!(client.get(&task.id).await.unwrap(), *task);
    assert_eq!(listed, [*task.clone()]);
    assert_eq!(client.cancel(&task.id).await, Err(Fault::NotCancelable));
    assert_eq!(client.get("another").await, Err(Fault::Lost));
}
