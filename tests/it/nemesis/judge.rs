//! The verdict: the ledgers of GitHub, of the agents and of the post, and the database, after everything is quiet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pointsman::ids::{InstallationId, RunId};
use pointsman::store::{Store, StoreOptions};
use pointsman::time::Timestamp;
use secrecy::SecretString;

use super::journal::{self, Told};
use super::line::Line;
use super::replica::LEASE;
use super::size::Blow;
use super::world::{REPO, World};

/// What the test process itself may take to note something.
const SLACK: Duration = Duration::from_secs(1);
const MEMORY_MB_MAX: usize = 512;

/// A line of the table.
pub struct Verdict {
    pub promise: &'static str,
    pub words: &'static str,
    pub ran: String,
    pub wrong: Vec<String>,
}

/// Everything that is judged.
pub struct Case<'a> {
    world: &'a World,
    runs: Vec<Told>,
    verdicts: Vec<Verdict>,
}

impl<'a> Case<'a> {
    /// Reads the journals.
    pub async fn open(world: &'a World) -> Self {
        let url = SecretString::from(world.database.direct());
        let store = Store::open(&url, StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as("SELECT installation, id FROM run ORDER BY id")
            .fetch_all(&world.database.pool)
            .await
            .unwrap();
        let span = (world.began.minus(SLACK), world.clock.now().plus(SLACK));
        let mut runs = Vec::new();
        for (installation, id) in rows {
            let uuid = uuid::Uuid::from_slice(&id).unwrap();
            let run = RunId { installation: InstallationId(installation), uuid };
            runs.push(journal::read(&store, run, span).await);
        }
        store.close().await;
        Self { world, runs, verdicts: Vec::new() }
    }

    /// All promises.
    pub async fn judge(mut self, quiet: Duration) -> Vec<Verdict> {
        world_is_whole(&mut self);
        self.post().await;
        self.runs_once();
        self.journals();
        self.checks().await;
        self.agents();
        self.claims();
        self.fences();
        self.cut_off();
        self.memory(quiet);
        self.verdicts
    }

    fn say(&mut self, (promise, words): (&'static str, &'static str), ran: String, wrong: Vec<String>) {
        self.verdicts.push(Verdict { promise, words, ran, wrong });
    }

    fn blamed(&self, promise: &str) -> Vec<String> {
        let all = self.runs.iter().flat_map(|told| &told.wrong);
        all.filter(|(of, _)| *of == promise).map(|(_, why)| why.clone()).collect()
    }

    async fn post(&mut self) {
        let known: Vec<String> =
            sqlx::query_scalar("SELECT guid FROM inbox").fetch_all(&self.world.database.pool).await.unwrap();
        let known: BTreeSet<String> = known.into_iter().collect();
        let letters = self.world.post.letters();
        let kept = letters.iter().filter(|letter| letter.guids.iter().any(|guid| known.contains(guid)));
        let kept: BTreeSet<[u8; 32]> = kept.map(|letter| letter.digest).collect();
        let lost = letters.iter().filter(|letter| letter.acked > 0 && !kept.contains(&letter.digest));
        let lost = lost.map(|letter| format!("{letter:?}")).collect();
        let (sent, acked) = letters.iter().fold((0, 0), |(sent, acked), one| (sent + one.sent, acked + one.acked));
        let ran = format!("{} webhooks, sent {sent} times, acknowledged {acked} times", letters.len());
        self.say(("P1", "no acknowledged webhook is lost"), ran, lost);
    }

    /// One run for each commit, and one for the last commit of each pull request; each command acted at most once.
    fn runs_once(&mut self) {
        let mut of: BTreeMap<String, usize> = BTreeMap::new();
        for told in &self.runs {
            *of.entry(told.row.sha.to_string()).or_default() += 1;
        }
        let mut twice: Vec<String> =
            of.iter().filter(|(_, runs)| **runs > 1).map(|(sha, runs)| format!("{sha} has {runs} runs")).collect();
        let said = self.world.notes.said.lock().unwrap().clone();
        for told in &self.runs {
            for (verb, times) in &told.obeyed {
                let asked =
                    said.iter().filter(|(pull, said)| told.row.pull == i64::try_from(*pull).ok() && said == verb);
                if asked.count() < *times {
                    twice.push(format!("{}: {verb} was obeyed {times} times", told.row.id));
                }
            }
        }
        let renamed: usize = self.world.post.letters().iter().map(|letter| letter.guids.len().saturating_sub(1)).sum();
        let ran =
            format!("{} runs of {} pushes, {} comments, {renamed} forged guids", self.runs.len(), of.len(), said.len());
        self.say(("P3", "a delivery acts at most once"), ran, twice);
        let pulls = self.world.notes.pulls.lock().unwrap().clone();
        let missing = pulls.iter().filter_map(|pull| {
            let sha = self.world.github.read(|state| state.head_of(*pull).to_owned());
            let told = self.runs.iter().find(|told| told.row.sha.to_string() == sha);
            told.is_none_or(|told| told.row.finished_at.is_none()).then(|| format!("pull request {pull} at {sha}"))
        });
        let missing: Vec<String> = missing.collect();
        self.say(("P4", "order does not matter"), format!("{} pull requests, shuffled", pulls.len()), missing);
    }

    fn journals(&mut self) {
        let held: usize = self.count("/pause");
        let cancelled: usize = self.count("/cancel");
        let starts: usize = self.runs.iter().map(|told| told.started.len()).sum();
        let rows: usize = self.runs.iter().map(|told| told.rows).sum();
        self.say(("P9", "a paused run starts nothing"), format!("{held} pauses, {starts} starts"), self.blamed("P9"));
        let ran = format!("{cancelled} cancelled");
        self.say(("P10", "a cancelled run stops"), ran, [self.blamed("P10"), self.never_told()].concat());
        let mut late: Vec<Duration> = self.runs.iter().flat_map(|told| told.timeouts.clone()).collect();
        let ran = format!(
            "{} timeouts, late by {}; {} clocks shifted",
            late.len(),
            spread(&mut late),
            self.world.notes.counted("clocks shifted")
        );
        let mut wrong = self.blamed("P13");
        if self.world.size.strict && self.world.notes.counted("clocks shifted") == 0 {
            wrong.push("no clock was set wrong: run scripts/soak install".to_owned());
        }
        self.say(("P13", "timeouts and retries are kept"), ran, wrong);
        let unfinished = self.runs.iter().filter(|told| told.row.finished_at.is_none());
        let unfinished: Vec<String> = unfinished.map(|told| format!("{:?}", told.row)).collect();
        let mut phases: BTreeMap<&str, usize> = BTreeMap::new();
        for told in &self.runs {
            *phases.entry(&told.row.phase).or_default() += 1;
        }
        let ran = format!("{} runs: {phases:?}", self.runs.len());
        self.say(("--", "every run ended"), ran, unfinished);
        let ran = format!("{} journals, {rows} rows", self.runs.len());
        self.say(("P20", "the journal gives the tables"), ran, self.blamed("P20"));
    }

    fn count(&self, verb: &str) -> usize {
        self.runs.iter().filter_map(|told| told.obeyed.get(verb)).sum()
    }

    /// Tasks that still go on although nobody wants them, and nobody told them.
    fn never_told(&self) -> Vec<String> {
        let tasks = self.world.agents.tasks();
        let left = tasks.values().flatten().filter(|task| !task.state.is_terminal() && task.told.is_none());
        left.map(|task| format!("nobody told {task:?} to stop")).collect()
    }

    async fn checks(&mut self) {
        self.world.hub.read(&self.world.github);
        let (made, mut wrong) = self.world.hub.judge();
        let sql = "SELECT sha, name, generation, conclusion FROM head_check ORDER BY sha, name, generation";
        let rows: Vec<(String, String, i64, Option<String>)> =
            sqlx::query_as(sql).fetch_all(&self.world.database.pool).await.unwrap();
        let last: BTreeMap<_, _> = rows.into_iter().map(|(sha, name, _, ended)| ((sha, name), ended)).collect();
        for ((sha, name), ended) in &last {
            let shown = self.world.github.read(|state| state.check(sha, name));
            let shown = shown.map(|check| check.conclusion);
            if shown.as_ref() != Some(ended) {
                wrong.push(format!("{name} of {sha} is {ended:?} in the database, GitHub shows {shown:?}"));
            }
        }
        for told in &self.runs {
            let shown = last.get(&(told.row.sha.to_string(), "ci".to_owned())).cloned().flatten();
            let plain = matches!(told.row.phase.as_str(), "success" | "failure" | "timed_out" | "cancelled");
            if plain && shown.as_ref() != Some(&told.row.phase) {
                wrong.push(format!("{} ended as {}, shown is {shown:?}", told.row.id, told.row.phase));
            }
        }
        wrong.extend(self.world.github.unexpected_requests());
        wrong.extend(self.comments_twice());
        let requests = self.world.hub.requests();
        let ran = format!("{made} check runs, {} names, {requests} requests of {REPO}", last.len());
        self.say(("P6 P7", "checks: made once, never backwards"), ran, wrong);
    }

    /// What we say begins with a mark of ours: each is there once.
    fn comments_twice(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for pull in self.world.notes.pulls.lock().unwrap().iter() {
            let mut seen = BTreeSet::new();
            for comment in self.world.github.comments(*pull) {
                let mark = comment.body.lines().next().unwrap_or_default().to_owned();
                if mark.starts_with("<!--") && !seen.insert(mark.clone()) {
                    wrong.push(format!("{mark} stands twice on pull request {pull}"));
                }
            }
        }
        wrong
    }

    /// What agents began against what journals say.
    fn agents(&mut self) {
        let started: BTreeMap<&String, &Timestamp> = self.runs.iter().flat_map(|told| &told.started).collect();
        let ended: BTreeMap<&String, &Timestamp> = self.runs.iter().flat_map(|told| &told.ended).collect();
        let (mut wrong, mut again, mut late, mut total) = (Vec::new(), 0, 0, 0);
        for (attempt, tasks) in self.world.agents.tasks() {
            total += tasks.len();
            again += tasks.len() - 1;
            if !started.contains_key(&attempt) {
                wrong.push(format!("{attempt} was begun, and no journal says that it started"));
            }
            let end = ended.get(&attempt).map(|end| end.plus(SLACK));
            for task in tasks.iter().filter(|task| end.is_some_and(|end| task.began > end)) {
                late += 1;
                if !self.was_frozen(&task.by, task.began) {
                    wrong.push(format!("begun after its end was committed: {task:?}"));
                }
            }
        }
        wrong.extend(self.blamed("P12"));
        let ran = format!("{total} tasks, {again} begun twice in doubt, {late} late by a frozen replica");
        self.say(("P12", "an ended step is not begun again"), ran, wrong);
    }

    /// Whether a replica was frozen until just now: what it had begun to say then, it says.
    fn was_frozen(&self, by: &str, at: Timestamp) -> bool {
        let struck = self.world.notes.struck.lock().unwrap();
        struck.iter().any(|one| {
            let him = one.replica.is_some_and(|number| by == format!("replica-{number}"));
            him && one.blow == Blow::Freeze && at > one.from && at < one.over.plus(LEASE)
        })
    }

    /// How long until somebody else had what a killed replica had. A lease later somebody has to be there who can take
    /// it, and the database too: only those cases are fair.
    fn claims(&mut self) {
        let struck = self.world.notes.struck.lock().unwrap().clone();
        let all = self.world.notes.claimed.lock().unwrap().clone();
        let fair = |at: Timestamp| {
            let (from, to) = (at.plus(LEASE * 2 / 3), at.plus(LEASE * 3 / 2));
            let clear = |who| !struck.iter().any(|one| one.replica == who && one.from <= to && one.to >= from);
            clear(None) && (0..self.world.size.replicas).any(|number| clear(Some(number)))
        };
        let fair: Vec<(Timestamp, Duration)> = all.iter().filter(|(at, _)| fair(*at)).copied().collect();
        let mut took: Vec<Duration> = fair.iter().map(|(_, took)| *took).collect();
        let told = spread(&mut took);
        let ran = format!("{} kills with work, {} with somebody there a lease later: {told}", all.len(), took.len());
        let late = fair.iter().filter(|(_, took)| self.world.size.strict && *took > LEASE * 3 / 2);
        let late = late.map(|(at, took)| format!("killed at {at:?}, claimed again after {took:?}")).collect();
        self.say(("P11", "a crash costs at most one and a half leases"), ran, late);
    }

    fn fences(&mut self) {
        let counted = |what: &str| -> usize { self.world.replicas.iter().map(|replica| replica.count(what)).sum() };
        let starts: usize = self.world.replicas.iter().map(|replica| replica.starts().0 - replica.starts().1).sum();
        let back = counted("enters the list of replicas").saturating_sub(starts);
        let (frozen, had) =
            (self.world.notes.counted("frozen for 3 leases"), self.world.notes.counted("attempts frozen"));
        let late = counted("not ours any more") + counted("came late") + counted("comes late");
        let ran = format!(
            "{frozen} freezes over {had} attempts, {back} times struck off and back, {late} late words refused"
        );
        let mut wrong = self.blamed("P5");
        if frozen > 0 && back == 0 {
            wrong.push("nobody was struck off the list: this test does not bite".to_owned());
        }
        self.say(("P5", "only one attempt's result counts"), ran, wrong);
    }

    /// Whoever was cut off for longer than a lease was silent until it was over.
    fn cut_off(&mut self) {
        let struck = self.world.notes.struck.lock().unwrap().clone();
        let cuts: Vec<_> = struck.iter().filter(|one| matches!(one.blow, Blow::Cut | Blow::Silence)).collect();
        let (called, mut wrong) = (self.world.agents.called(), Vec::new());
        for cut in &cuts {
            let number = cut.replica.unwrap();
            let within = |at: Timestamp| at > cut.from.plus(LEASE + SLACK) && at < cut.over;
            let by = format!("replica-{number}");
            let calls = called.iter().filter(|call| call.by == by && within(call.at));
            wrong.extend(calls.map(|call| format!("cut off, and still: {call:?}")));
            let Line { writes, .. } = &self.world.replicas[number].out;
            let writes = writes.lock().unwrap();
            let sent = writes.iter().filter(|(at, _)| within(*at));
            wrong.extend(sent.map(|(at, what)| format!("cut off, and still at {at:?}: replica {number}: {what}")));
        }
        self.say(("P18", "a replica cut off does no harm"), format!("{} cuts", cuts.len()), wrong);
    }

    fn memory(&mut self, quiet: Duration) {
        let peaks: Vec<usize> = self.world.replicas.iter().map(|replica| replica.peak()).collect();
        let over = peaks.iter().filter(|peak| **peak > MEMORY_MB_MAX).map(|peak| format!("{peak} MB")).collect();
        self.say(("P21", "memory is bounded"), format!("at most {peaks:?} MB of RSS (debug build)"), over);
        let killed = self.world.notes.counted("connections killed");
        let ran = format!("{killed} connections killed; all quiet {:.1} s after the storm", quiet.as_secs_f64());
        let slow = self.world.size.strict && quiet > Duration::from_secs(60);
        self.say(
            ("P15", "the database may go away"),
            ran,
            slow.then(|| "it took too long".to_owned()).into_iter().collect(),
        );
    }
}

fn world_is_whole(case: &mut Case<'_>) {
    let panics = case.world.replicas.iter().filter(|replica| replica.count("panicked") > 0);
    let panics: Vec<String> = panics.map(|replica| format!("replica {} panicked", replica.number)).collect();
    let counts = case.world.notes.counts.lock().unwrap().clone();
    let starts: Vec<_> = case.world.replicas.iter().map(|replica| replica.starts()).collect();
    case.say(("--", "what befell them"), format!("{counts:?}; starts, and those in vain: {starts:?}"), panics);
}

/// Half of them within, all but one of a hundred within, the longest.
fn spread(all: &mut [Duration]) -> String {
    all.sort_unstable();
    let at = |share: usize| all.get((all.len() * share).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default();
    format!(
        "p50 {:.1} s, p99 {:.1} s, at most {:.1} s",
        at(50).as_secs_f64(),
        at(99).as_secs_f64(),
        at(100).as_secs_f64()
    )
}
