//! Planning: a graph of 10,000 and 100,000 steps beside rustworkx on the same graph, and files of up to 200 steps.

#[path = "bench/mod.rs"]
mod bench;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bench::table::{Table, ms, ratio, say};
use pointsman::workflow::defaults::Operator;
use pointsman::workflow::graph::Graph;
use pointsman::workflow::parse;
use pointsman::workflow::plan::PlanIx;

/// Needs of each step, in the middle.
const NEEDS: usize = 3;
/// A step needs some of so many before it.
const REACH: u64 = 500;
const ROUNDS: usize = 31;

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` runs benchmarks, too, to see that they start; `cargo bench` says what it wants.
    if !std::env::args().any(|word| word == "--bench") {
        return Ok(());
    }
    graphs()?;
    files()
}

/// A graph without circles: the same on every machine.
fn needs(nodes: usize) -> Vec<(PlanIx, PlanIx)> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut dice = |sides: u64| {
        // xorshift64, the shortest that is even enough.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % sides
    };
    let mut pairs = Vec::with_capacity(nodes * NEEDS);
    for node in 1..nodes as u64 {
        for _ in 0..NEEDS {
            let need = node - 1 - dice(node.min(REACH));
            pairs.push((node as PlanIx, need as PlanIx));
        }
    }
    pairs
}

fn takes(node: PlanIx) -> u64 {
    u64::from(node) * 7_919 % 600 + 1
}

/// What was found of a graph, and how long building, the look for circles, waves and the longest path took.
#[derive(Debug, Clone)]
struct Round {
    spent: [Duration; 4],
    waves: usize,
    hops: u64,
}

impl Round {
    fn whole(&self) -> Duration {
        self.spent.iter().sum()
    }
}

fn ours(nodes: usize, needs: &[(PlanIx, PlanIx)]) -> anyhow::Result<Round> {
    let begun = bench::now();
    let graph = Graph::new(nodes, needs).context("a need that is not there")?;
    let built = bench::now();
    let order = graph.order().context("a circle")?;
    let ordered = bench::now();
    let waves = graph.waves(&order);
    let waved = bench::now();
    let ahead = graph.ahead(&order, takes, u64::saturating_add);
    let path = graph.longest(&ahead);
    let ended = bench::now();
    let hops = graph.ahead(&order, |_| 1, u64::saturating_add).into_iter().max().unwrap_or(0);
    std::hint::black_box(path);
    let spent = [built - begun, ordered - built, waved - ordered, ended - waved];
    Ok(Round { spent, waves: waves.len(), hops: hops.saturating_sub(1) })
}

/// The same by rustworkx: `None` where it cannot be had. Its longest path counts hops, ours adds up what steps take; what it
/// takes with weights, for each of which it asks Python, is given beside.
fn theirs(nodes: usize, needs: &[(PlanIx, PlanIx)]) -> anyhow::Result<Option<(Vec<Round>, Duration)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = Command::new(root.join("scripts/peers-python")).stderr(Stdio::inherit()).output()?;
    if !installed.status.success() {
        return Ok(None);
    }
    let python = String::from_utf8(installed.stdout)?;
    let mut peer = Command::new(python.trim())
        .arg(root.join("benches/peers/graph.py"))
        .args([nodes.to_string(), ROUNDS.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = String::new();
    for (node, need) in needs {
        writeln!(input, "{node} {need}")?;
    }
    peer.stdin.take().context("no standard input")?.write_all(input.as_bytes())?;
    let output = peer.wait_with_output()?;
    ensure!(output.status.success(), "rustworkx failed");
    let mut rounds = Vec::new();
    let mut weighed_took = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let said: serde_json::Value = serde_json::from_str(line)?;
        let spent = |at: usize| Duration::from_secs_f64(said["us"][at].as_f64().unwrap_or(0.0) / 1e6);
        let number = |name: &str| said[name].as_u64().with_context(|| format!("no {name} in {line}"));
        weighed_took.push(spent(4));
        rounds.push(Round {
            spent: [0, 1, 2, 3].map(spent),
            waves: usize::try_from(number("waves")?)?,
            hops: number("hops")?,
        });
    }
    weighed_took.sort_unstable();
    Ok(Some((rounds, weighed_took[weighed_took.len() / 2])))
}

fn middle(rounds: &mut [Round]) -> anyhow::Result<&Round> {
    rounds.sort_by_key(Round::whole);
    rounds.get(rounds.len() / 2).context("no round")
}

fn graphs() -> anyhow::Result<()> {
    let title = "A graph planned, in the middle of 31 rounds; rustworkx on the same graph, in the same run";
    let columns = ["steps, needs", "build", "circles, order", "waves", "longest path", "all", "÷ rustworkx"];
    let mut table = Table::new(title, &columns);
    for nodes in [10_000, 100_000] {
        let needs = needs(nodes);
        say(format!("{nodes} steps, {} needs", needs.len()));
        let peer = theirs(nodes, &needs)?;
        let mut rounds = (0..ROUNDS).map(|_| ours(nodes, &needs)).collect::<anyhow::Result<Vec<_>>>()?;
        let own = middle(&mut rounds)?;
        let row = |name: String, round: &Round, ratio: String| {
            let [build, order, waves, path] = round.spent.map(ms);
            [name, build, order, waves, path, ms(round.whole()), ratio]
        };
        let name = format!("{nodes}, {}", needs.len());
        match peer {
            Some((mut rounds, weighed_took)) => {
                let peer = middle(&mut rounds)?;
                let found = |round: &Round| (round.waves, round.hops);
                ensure!(found(own) == found(peer), "{own:?} is not {peer:?}");
                let (whole, theirs) = (own.whole().as_secs_f64(), peer.whole().as_secs_f64());
                table.row(row(format!("Pointsman, {name}"), own, ratio(whole, theirs)));
                table.row(row(format!("rustworkx, {name}"), peer, "1.00 ×".to_owned()));
                say(format!("rustworkx with weights from Python: {} more", ms(weighed_took)));
            }
            None => {
                table.row(row(format!("Pointsman, {name}"), own, "–".to_owned()));
                let none = || "–".to_owned();
                table.row([format!("rustworkx, {name}: NOT MEASURED"), none(), none(), none(), none(), none(), none()]);
            }
        }
    }
    table.print()
}

/// A file of so many steps: each says what a step of an ordinary workflow says, or nearly all that it can.
fn file(steps: usize, full: bool) -> anyhow::Result<String> {
    let mut text = String::from("name: Large\non: { pull_request: { branches: [main] } }\nsteps:\n");
    for step in 0..steps {
        let near = [1, 4, 9].iter().filter_map(|far| step.checked_sub(*far));
        let needs: Vec<String> = near.map(|step| format!("step_{step}")).collect();
        writeln!(text, "  - id: step_{step}\n    needs: [{}]", needs.join(", "))?;
        writeln!(text, "    timeout: {}s", step % 90 + 10)?;
        if !full {
            writeln!(text, "    run: make part-{step}")?;
            continue;
        }
        writeln!(text, "    name: The step {step}\n    type: testing\n    agent: claude-code\n    retries: 2")?;
        writeln!(text, "    if: ${{{{ pr.base.ref == 'main' }}}}\n    with: {{ suite: part-{step}, coverage: 80 }}")?;
    }
    Ok(text)
}

fn files() -> anyhow::Result<()> {
    let title =
        "A file read, checked and forecast, in the middle of 31 rounds; the last says nearly all that a step can say";
    let mut table = Table::new(title, &["steps", "bytes", "read and checked", "forecast", "a step, ÷ the first"]);
    let mut smallest = None;
    for (steps, full) in [(10, false), (50, false), (200, false), (200, true)] {
        let text = file(steps, full)?;
        let mut spent = Vec::new();
        for _ in 0..ROUNDS {
            let begun = bench::now();
            let workflow = parse(&"large".parse()?, &text, &Operator::default());
            let read = bench::now();
            let workflow = workflow.map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
            let asked = bench::now();
            std::hint::black_box(workflow.plan.forecast(&BTreeMap::new()));
            spent.push((read - begun, asked.elapsed()));
        }
        spent.sort_unstable();
        let (read, forecast) = spent[spent.len() / 2];
        let each = read.as_secs_f64() / steps as f64;
        let of = ratio(each, *smallest.get_or_insert(each));
        table.row([steps.to_string(), text.len().to_string(), ms(read), ms(forecast), of]);
    }
    table.print()
}
