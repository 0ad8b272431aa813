//! What goes over the wire between us and GitHub, held against GitHub's own descriptions: all that our adapter asks,
//! all that the GitHub of this machine answers, and every webhook that it sends.
//!
//! Every conversation ends with [`holds`], so a new test is a new proof. The story here touches all there is.

mod described;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use pointsman::github::{
    Action, Annotation, AnnotationLevel, App, Changed, CheckBody, CommentId, Conclusion, Installation, Output,
    Reaction, Scope, Status,
};
use pointsman::ids::{CommitSha, RepoName};
use pointsman::playground::{Delivering, GitHub, Options, Request, Weather};
use pointsman::time::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::service;
use described::Described;

static DESCRIBED: LazyLock<Described> = LazyLock::new(Described::new);

/// Fails if anything that passed between us and this GitHub is not as GitHub describes it.
pub fn holds(github: &GitHub) {
    let (_, wrong) = DESCRIBED.judge(github);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

const REPO: &str = "octo/repo";

/// The adapter over a GitHub whose webhooks all get lost, and a pull request in it.
struct Story {
    github: GitHub,
    app: App,
    us: Installation,
    repo: RepoName,
    number: u64,
}

impl Story {
    async fn begins() -> Self {
        let clock = Clock::machine();
        let github = GitHub::start(Options::new(clock.clone())).await.unwrap();
        github.set_delivering(Delivering::Dropped);
        github.set_webhook("http://127.0.0.1/webhook");
        github.add_repository(REPO, &[(".workflows/ci.yml", "on: push\n")]).await.unwrap();
        github.require_check(REPO, "main", "ci", Some(github.app_id())).await.unwrap();
        let files: &[(&str, &str)] = &[("change.txt", "a change\n")];
        let number = github.person("bob").open_pull_request(REPO, "some/change", "A change", files).await.unwrap();
        let app = App::new(&service::adapter(&github), clock).unwrap();
        let us = app.installation(github.installation()).await;
        Self { github, app, us, repo: REPO.parse().unwrap(), number }
    }

    fn head(&self) -> CommitSha {
        CommitSha::full(&self.github.read(|state| state.head_of(self.number).to_owned())).unwrap()
    }

    fn number(&self) -> i64 {
        i64::try_from(self.number).unwrap()
    }

    /// What people do with pull requests and comments, and the owner with the App.
    async fn people_act(&self) {
        let (bob, number) = (self.github.person("bob"), self.number);
        bob.push(REPO, "some/change", &[("change.txt", "more\n")], "More").await.unwrap();
        bob.edit_title(number, "Another title").await.unwrap();
        bob.convert_to_draft(number).await.unwrap();
        bob.ready_for_review(number).await.unwrap();
        bob.close(number).await.unwrap();
        bob.reopen(number).await.unwrap();
        let comment = bob.comment(number, "/retry").await.unwrap();
        bob.edit_comment(comment, "/why").await.unwrap();
        bob.delete_comment(comment).await.unwrap();
        self.github.install().await.unwrap();
        self.github.set_suspended(true).await.unwrap();
        self.github.set_suspended(false).await.unwrap();
        // What is rare: a fork that goes, a branch that goes, a merge.
        let eve = self.github.person("eve");
        let fork = eve.open_pull_request(REPO, "patch", "A patch", &[("patch.txt", "1\n")]).await.unwrap();
        eve.delete_fork("eve/repo").await.unwrap();
        bob.merge(self.github.person("bob").open_pull_request(REPO, "b", "B", &[("b", "b\n")]).await.unwrap())
            .await
            .unwrap();
        bob.delete_branch(REPO, "b").await.unwrap();
        eve.close(fork).await.unwrap();
    }

    /// What the App asks in its own name.
    async fn the_app_asks(&self) {
        assert_eq!(self.app.identity().await.unwrap().id, self.github.app_id());
        assert_eq!(self.app.installations(None).await.unwrap().items.len(), 1);
        assert!(!self.app.installation_of(&self.repo).await.unwrap().suspended);
        let lost = self.app.failed_deliveries(None).await.unwrap();
        assert!(!self.app.all_deliveries(None).await.unwrap().items.is_empty());
        self.app.redeliver(lost.items[0].id).await.unwrap();
    }

    /// Everything that is read of a repository.
    async fn we_read(&self) {
        let (us, repo, head) = (&self.us, &self.repo, self.head());
        let found = us.repository(repo).await.unwrap();
        assert_eq!(us.repository_by_id(found.id).await.unwrap(), found);
        let permissions = BTreeMap::from([("contents".to_owned(), "read".to_owned())]);
        us.token(&Scope { repositories: BTreeSet::from([found.id]), permissions }).await.unwrap();
        assert_eq!(us.permission(repo, &"bob".parse().unwrap()).await.unwrap().permission, "write");
        assert_eq!(us.branch_head(repo, "some/change").await.unwrap().as_ref(), Some(&head));
        assert_eq!(us.required_checks(repo, "main").await.unwrap().len(), 1);
        let parent = us.commit(repo, &head).await.unwrap().parents.remove(0);
        assert!(
            matches!(us.changed_files(repo, &parent, &head).await.unwrap(), Changed::Files(files) if files.len() == 1)
        );
        assert_eq!(us.pull_request(repo, self.number()).await.unwrap().head.sha, head);
        assert_eq!(us.pull_requests_of(repo, &head).await.unwrap().len(), 1);
        assert_ne!(us.pull_request_files(repo, self.number()).await.unwrap(), Changed::Truncated);
        // By REST where there is no GraphQL, and another commit's by that.
        self.github.fail_next(1, ("POST", "/graphql"), Weather::Status(404, String::new()));
        assert_eq!(us.workflow_files(repo, &head).await.unwrap().files.len(), 1);
        let main = self.github.head(REPO, "main").await.unwrap();
        assert_eq!(us.workflow_files(repo, &main).await.unwrap().files.len(), 1);
    }

    /// A check with all that a check can have, and what people do with it.
    async fn we_check(&self) {
        let note = |line| Annotation {
            path: "change.txt".to_owned(),
            start_line: line,
            end_line: line,
            start_column: Some(1),
            end_column: Some(2),
            annotation_level: AnnotationLevel::Warning,
            message: "a typo".to_owned(),
            title: Some("spelling".to_owned()),
            raw_details: Some("typpo".to_owned()),
        };
        let (title, summary, text) = ("It runs".to_owned(), "Running".to_owned(), Some("a log".to_owned()));
        let button =
            |label: &str| Action { label: label.to_owned(), description: "again".into(), identifier: "retry".into() };
        let now = Timestamp(1_795_330_800_000_000);
        let mut body = CheckBody {
            name: "ci".to_owned(),
            head_sha: Some(self.head()),
            status: Status::InProgress,
            conclusion: None,
            started_at: Some(now),
            completed_at: None,
            details_url: Some("https://points.example/runs/1".to_owned()),
            external_id: "ci.1".to_owned(),
            output: Some(Output { title, summary, text, annotations: (1..=51).map(note).collect() }),
            actions: vec![button("Retry")],
        };
        let (us, repo, bob) = (&self.us, &self.repo, self.github.person("bob"));
        let made = us.create_check(repo, &body).await.unwrap();
        assert_eq!((made.annotations, made.interrupted), (51, None));
        (body.status, body.conclusion, body.completed_at) = (Status::Completed, Some(Conclusion::Failure), Some(now));
        let _ = us.update_check(repo, made.id, &body, made.annotations).await.unwrap();
        assert_eq!(us.check(repo, made.id).await.unwrap().conclusion.as_deref(), Some("failure"));
        assert_eq!(us.list_checks(repo, &self.head(), "ci").await.unwrap().len(), 1);
        bob.click(made.id.0, "retry").await.unwrap();
        bob.rerequest_check(made.id.0).await.unwrap();
        let payloads = self.github.events();
        let suite = payloads.iter().find_map(|(_, payload)| payload["check_run"]["check_suite"]["id"].as_i64());
        bob.rerequest_suite(suite.unwrap()).await.unwrap();
    }

    /// How the bot talks.
    async fn we_talk(&self) {
        let (us, repo) = (&self.us, &self.repo);
        let CommentId(id) = us.comment(repo, self.number(), "<!-- mark --> hello").await.unwrap();
        us.edit_comment(repo, CommentId(id), "<!-- mark --> hello again").await.unwrap();
        assert_eq!(us.find_comment_by_marker(repo, self.number(), "mark").await.unwrap(), Some(CommentId(id)));
        for reaction in [Reaction::Eyes, Reaction::Rocket, Reaction::ThumbsDown, Reaction::Confused, Reaction::Eyes] {
            us.react(repo, CommentId(id), reaction).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_we_and_github_say_is_as_github_describes_it() {
    let story = Story::begins().await;
    story.people_act().await;
    story.the_app_asks().await;
    story.we_read().await;
    story.we_check().await;
    story.we_talk().await;
    let (passed, wrong) = DESCRIBED.judge(&story.github);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(story.github.unexpected_requests(), Vec::<String>::new());
    let unseen: Vec<String> = DESCRIBED.names().difference(&passed).cloned().collect();
    assert!(unseen.is_empty(), "described, but neither asked nor sent in this story: {unseen:#?}");
}

/// What is said of a request that got no answer, a line for each.
fn said(requests: &[(&str, Value)]) -> String {
    let said = |(line, body): &(&str, Value)| {
        let (method, path) = line.split_once(' ').unwrap();
        let (method, path) = (method.to_owned(), path.to_owned());
        let request = Request { method, path, body: body.clone(), status: 0, answer: Value::Null, at: Timestamp(0) };
        DESCRIBED.request(&request).unwrap_or_else(|wrong| wrong) + "\n"
    };
    requests.iter().map(said).collect()
}

#[test]
fn planted_faults_of_bodies_are_found() {
    let (make, change) = ("POST /repos/o/r/check-runs", "PATCH /repos/o/r/check-runs/7");
    let said = said(&[
        (make, json!({ "name": "ci", "head_sha": "c0de", "actions": [] })),
        (make, json!({ "name": 7, "head_sha": "c0de" })),
        (make, json!({ "name": "ci", "head_sha": "c0de", "details": "http://localhost/" })),
        (make, json!({ "name": "ci", "head_sha": "c0de", "output": { "title": "", "summary": "", "body": "" } })),
        (make, json!({ "name": "ci", "status": "done", "started_at": "today" })),
        (make, json!({ "name": "ci", "head_sha": "c0de", "conclusion": null })),
        (make, Value::Null),
        (change, json!({ "status": "completed" })),
        ("POST /app/hook/deliveries/7/attempts", json!({})),
        ("POST /graphql", json!({ "query": "{}", "variables": {}, "operation": "" })),
    ]);
    insta::assert_snapshot!(said, @r"
    POST /repos/{owner}/{repo}/check-runs
    POST /repos/o/r/check-runs: /body/name want string, but got number
    POST /repos/o/r/check-runs: /body/details is not described
    POST /repos/o/r/check-runs: /body/output/body is not described
    POST /repos/o/r/check-runs: /body missing properties 'head_sha'; /body/started_at 'today' is not valid date-time: less than 20 characters long; /body/status value must be one of 'queued', 'in_progress', 'completed'
    POST /repos/o/r/check-runs: /body/conclusion want string, but got null
    POST /repos/o/r/check-runs:  missing properties 'body'
    PATCH /repos/o/r/check-runs/7: /body missing properties 'conclusion'; /body/status value must be one of 'queued', 'in_progress'
    POST /app/hook/deliveries/7/attempts: /body is not described
    POST /graphql: /body/operation is not described
    ");
}

#[test]
fn planted_faults_of_addresses_are_found() {
    let said = said(&[
        ("GET /repos/o/r/compare/a...b?per_page=1", Value::Null),
        ("GET /repos/o/r/compare/a...b?perpage=1", Value::Null),
        ("GET /repos/o/r/compare/a...b?per_page=all", Value::Null),
        ("GET /repos/o/r/branches/some%2Fchange", Value::Null),
        ("GET /repos/o/r/branches/some/change", Value::Null),
        ("GET /repos/o/r/check-runs/seven", Value::Null),
        ("PUT /repos/o/r/check-runs/7", Value::Null),
    ]);
    insta::assert_snapshot!(said, @r"
    GET /repos/{owner}/{repo}/compare/{basehead}
    GET /repos/o/r/compare/a...b?perpage=1: /query/perpage is not described
    GET /repos/o/r/compare/a...b?per_page=all: /query/per_page want integer, but got string
    GET /repos/{owner}/{repo}/branches/{branch}
    GET /repos/o/r/branches/some/change: no operation of tests/data/rest.json.zst
    GET /repos/o/r/check-runs/seven: /path/check_run_id want integer, but got string
    PUT /repos/o/r/check-runs/7: no operation of tests/data/rest.json.zst
    ");
}

#[test]
fn planted_faults_of_answers_and_events_are_found() {
    let answers = |status, answer| {
        let (method, path) = ("GET".to_owned(), "/repos/octo/repo/git/blobs/c0de".to_owned());
        DESCRIBED.request(&Request { method, path, body: Value::Null, status, answer, at: Timestamp(0) })
    };
    let blob = json!({ "content": "", "encoding": "utf-8", "url": "http://localhost/b", "sha": "c0de", "size": 0, "node_id": "B" });
    let with = |name: &str, value: Value| {
        let mut blob = blob.clone();
        blob[name] = value;
        answers(200, blob).unwrap_err()
    };
    assert_eq!(answers(200, blob.clone()).unwrap(), "GET /repos/{owner}/{repo}/git/blobs/{file_sha}");
    let blobs = "GET /repos/octo/repo/git/blobs/c0de answered";
    assert_eq!(with("size", json!("0")), format!("{blobs} 200: /size want null or integer, but got string"));
    assert_eq!(with("lines", json!(0)), format!("{blobs} 200: /lines is not described"));
    assert!(answers(200, json!({})).unwrap_err().contains(" missing properties 'sha', 'url', 'node_id'"));
    assert_eq!(answers(206, blob.clone()).unwrap_err(), format!("{blobs} 206: GitHub never does"));
    assert!(answers(502, Value::Null).is_ok(), "bad weather is not described");

    let sends = |event, payload| DESCRIBED.event(event, &payload).unwrap_err();
    assert!(sends("push", json!({ "ref": 7 })).ends_with("/ref want string, but got number"));
    assert!(sends("push", json!({ "ref": "" })).starts_with("push:  missing properties 'before'"));
    assert_eq!(
        sends("check_run", json!({ "action": "stolen" })),
        "check_run.stolen: no event of tests/data/events.json.zst"
    );
}
