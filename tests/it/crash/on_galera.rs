//! Nodes of a Galera cluster are lost under two replicas, each of which has a node of its own.

use std::time::Duration;

use pointsman::ids::random_bytes;
use pointsman::inbound::verify::Secrets;
use pointsman::time::Clock;
use serde_json::json;
use tokio::process::Command;

use super::world::{ATTEMPTS, Process, WORKFLOW, World};
use super::{Database, fleet};

/// From the moment at which nodes serve again until replicas do.
const BACK_WITHIN: Duration = Duration::from_secs(60);

/// The nodes of the cluster that `scripts/galera` began.
#[expect(clippy::disallowed_methods, reason = "the tests have no config")]
fn nodes() -> Option<Vec<String>> {
    let urls = std::env::var("TEST_GALERA_URLS").ok().filter(|urls| !urls.is_empty())?;
    Some(urls.split(',').map(|url| url.rsplit_once('/').unwrap().0.to_owned()).collect())
}

async fn node(number: &str, verb: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/galera");
    let done = Command::new(script).args(["node", number, verb]).status().await.unwrap();
    assert!(done.success(), "node {number} {verb}: {done}");
}

async fn says(process: &Process, status: u16) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{}/ready", process.port);
    fleet::until(&format!("{url} says {status}"), async || {
        let answer = http.get(&url).send().await.ok()?;
        (answer.status().as_u16() == status).then_some(())
    })
    .await;
}

/// What is said to a webhook that is signed, and of which nothing will come.
async fn webhook(world: &World, process: &Process) -> u16 {
    let body = json!({ "action": "created", "installation": { "id": world.github.installation().0 } }).to_string();
    let secrets = Secrets::new(vec![world.github.webhook_secret()]).unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.post(format!("http://127.0.0.1:{}/webhook", process.port));
    let request = request.header("content-type", "application/json").header("x-github-event", "issue_comment");
    let request = request.header("x-github-delivery", uuid::Uuid::from_bytes(random_bytes()).to_string());
    let request = request.header("x-hub-signature-256", secrets.sign(body.as_bytes())).body(body);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_lost_and_then_the_majority() {
    let Some(nodes) = nodes() else {
        eprintln!("NOT TESTED on Galera: TEST_GALERA_URLS names no cluster (scripts/test-galera)");
        return;
    };
    let clock = Clock::machine();
    let (first, server) = fleet::mysql().await;
    let _database = Database(server);
    let second = first.replacen(&nodes[0], &nodes[1], 1);
    let mut world = World::on(WORKFLOW, Some(first)).await;
    let one = world.serve(None).await;
    world.set_database(second);
    let two = world.join().await;

    // A node that nobody asks: the others wait until they are sure of it, and go on.
    node("3", "kill").await;
    let began = clock.now();
    let number = world.open("one-node-less").await;
    world.concludes(number, "success", &one).await;
    println!("a run took {:.1} s while a node was lost", clock.now().since(began).as_secs_f64());

    // One replica has no node, the node of the other has no quorum: nobody may say that he has stored something.
    node("1", "kill").await;
    says(&one, 503).await;
    says(&two, 503).await;
    assert_eq!(tokio::join!(webhook(&world, &one), webhook(&world, &two)), (503, 503));

    node("1", "start").await;
    node("3", "start").await;
    for number in ["1", "2", "3"] {
        node(number, "synced").await;
    }
    let quorum = clock.now();
    says(&one, 200).await;
    says(&two, 200).await;
    let took = clock.now().since(quorum);
    println!("both replicas served {:.1} s after the nodes", took.as_secs_f64());
    assert!(took < BACK_WITHIN, "{took:?}");
    assert_eq!(tokio::join!(webhook(&world, &one), webhook(&world, &two)), (202, 202));
    for (process, branch) in [(&one, "by-the-first"), (&two, "by-the-second")] {
        world.send_to(process);
        let number = world.open(branch).await;
        world.concludes(number, "success", process).await;
        world.judge_checks(number, (ATTEMPTS, "success"), process);
    }
    world.judge_agent(ATTEMPTS, 3, &one);
    one.kill().await;
    two.kill().await;
}
