//! How often we write to GitHub: for a quiet run of N steps, and in a burst of 100 pull requests at once
//! (`BENCH_BURST` says how many, `BENCH_BURST_S` for how long they are watched).

#[path = "bench/mod.rs"]
mod bench;

use std::time::Duration;

use anyhow::ensure;
use bench::agent::{Agent, Manner};
use bench::database;
use bench::process::{Process, service};
use bench::table::{Table, say};
use pointsman::playground::{GitHub, Options};
use pointsman::time::Clock;

const REPO: &str = "octo/repo";
const STEPS: [usize; 3] = [1, 3, 6];
const PATIENCE: Duration = Duration::from_secs(120);
/// After the end, whatever is still to be written comes.
const SETTLE: Duration = Duration::from_secs(4);

fn main() -> anyhow::Result<()> {
    bench::main(false, run)
}

/// A GitHub with this repository's workflow of a chain of steps, and the service over it.
async fn world(name: &str, steps: usize) -> anyhow::Result<(GitHub, Process)> {
    let (_agent, url) = Agent::start(Manner::Later).await?;
    let github = GitHub::start(Options::new(Clock::machine())).await?;
    let mut text = "on: { pull_request: {} }\nsteps:\n".to_owned();
    for step in 0..steps {
        let needs = step.checked_sub(1).map(|need| format!(", needs: [s{need}]")).unwrap_or_default();
        text.push_str(&format!("  - {{ id: s{step}, run: 'true'{needs} }}\n"));
    }
    github.add_repository(REPO, &[(".workflows/ci.yml", &text)]).await?;
    let agents = [("AGENTS", "shell"), ("SHELL_ENDPOINT", url.as_str())];
    let service = service(&github, &database::fresh(name).await?, &agents).await?;
    github.set_webhook(service.url.join("/webhook")?.as_str());
    github.install().await?;
    Ok((github, service))
}

fn writes(github: &GitHub) -> usize {
    github.requests().iter().filter(|request| request.writes_content()).count()
}

/// Whether the workflow's check of a pull request is over.
fn is_over(github: &GitHub, number: u64) -> bool {
    github.read(|state| {
        let head = state.head_of(number).to_owned();
        state.check(&head, "ci").is_some_and(|check| check.conclusion.is_some())
    })
}

async fn open(github: &GitHub, number: usize) -> anyhow::Result<u64> {
    let branch = format!("change-{number}");
    let files = [("change.txt", branch.as_str())];
    Ok(github.person("ann").open_pull_request(REPO, &branch, "A change", &files).await?)
}

async fn run() -> anyhow::Result<()> {
    let mut table = Table::new("Content writes to GitHub for a quiet run", &["steps", "writes", "2 N + 2"]);
    for steps in STEPS {
        say(format!("a quiet run of {steps} steps"));
        let (github, service) = world("bench_quiet", steps).await?;
        let before = writes(&github);
        let pull = open(&github, 0).await?;
        let begun = bench::now();
        while !is_over(&github, pull) {
            ensure!(begun.elapsed() < PATIENCE, "the run did not end: {}", github.render(pull));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(SETTLE).await;
        for request in github.requests().iter().filter(|request| request.writes_content()).skip(before) {
            let (name, status) = (&request.body["name"], &request.body["status"]);
            say(format!("{} {} {name} {status} {}", request.method, request.path, request.body["conclusion"]));
        }
        table.row([steps.to_string(), (writes(&github) - before).to_string(), (2 * steps + 2).to_string()]);
        service.end().await?;
    }
    table.print()?;
    burst().await
}

async fn burst() -> anyhow::Result<()> {
    let pulls = usize::try_from(bench::setting("BENCH_BURST", 100))?;
    let watched = Duration::from_secs(bench::setting("BENCH_BURST_S", 180));
    say(format!("a burst of {pulls} pull requests"));
    let (github, service) = world("bench_burst", 2).await?;
    let mut numbers = Vec::new();
    for number in 0..pulls {
        numbers.push(open(&github, number).await?);
    }
    let begun = bench::now();
    let mut over = 0;
    while over < pulls && begun.elapsed() < watched {
        tokio::time::sleep(Duration::from_millis(500)).await;
        over = numbers.iter().filter(|number| is_over(&github, **number)).count();
    }
    let mut table = Table::new(format!("A burst of {pulls} pull requests, runs of 2 steps"), &["", ""]);
    table.row([
        "most content writes in any minute (GitHub: 80)".to_owned(),
        github.content_writes_in_any_minute().to_string(),
    ]);
    table.row(["content writes in all".to_owned(), writes(&github).to_string()]);
    table.row(["workflow checks that show their end".to_owned(), format!("{over} of {pulls}")]);
    table.row(["watched for".to_owned(), format!("{:.0} s", begun.elapsed().as_secs_f64())]);
    service.end().await?;
    table.print()
}
