//! Commands in comments, buttons and re-runs: who asks, whether they may, what the runs say, and what is answered.
//!
//! *Invariant:* each command acts once: its key is used up in the transaction of what it does.
//! *Invariant:* buttons and re-runs pass the same authorization as comments; any doubt denies.

use std::sync::Arc;

use anyhow::Context as _;

use super::answer::{Back, Told, effects, told};
use super::facts;
use super::intake::{Intake, RUNS_MAX};
use super::page::page;
use super::runs::{Act, Answer, Decided, Together};
use super::status;
use crate::command::reply::{self, Voice};
use crate::command::{Actor, Approved, Command, Denied, Given, Mistake, Overrides, Person, Scope, StepName, authorize};
use crate::engine::state::HoldKind;
use crate::github::Installation;
use crate::ids::{CommitSha, Login, RepoId, RepoName, RunId};
use crate::inbound::Event;
use crate::inbound::event::{Account, CheckActionRequested, CheckRerequested, Commented, SuiteRerequested};
use crate::report::Button;
use crate::route::{Giver, Obeyed, Target, obey};
use crate::store::{Beside, Consumed, Delivery, HoldWrite, PrHold, RunFilter};
use crate::workflow::policy::{self, Policy};

/// Where and for whom a command is obeyed.
struct Place<'a> {
    delivery: &'a Delivery,
    repo: RepoId,
    name: &'a RepoName,
    number: Option<i64>,
    head: CommitSha,
    by: Login,
    person: Person,
    overrides: Overrides,
    voice: Voice,
    targets: Vec<Target>,
    holds: Vec<PrHold>,
}

impl Intake {
    pub(super) async fn comment(&self, delivery: &Delivery, comment: &Commented) -> anyhow::Result<()> {
        // Most comments hold no command: they cost no call.
        if crate::command::parse(&comment.body, true).is_empty() {
            return self.done(delivery, "no command").await;
        }
        let Some(author) = &comment.author else { return self.done(delivery, "its writer is gone").await };
        let github = self.github(delivery.installation).await;
        let name = &comment.repository.name;
        let number = i64::try_from(comment.number).context("a pull request's number")?;
        let pull = github.pull_request(name, number).await?;
        let head = pull.head.sha;
        let sources = facts::sources(&github, name, &pull.base.branch, &head, &self.language).await?;
        let policy = sources.definitions.policy;
        let given = crate::command::parse(&comment.body, policy.bare_commands);
        if given.is_empty() {
            return self.done(delivery, "no command").await;
        }
        let actor = Actor::behind(Some(author), comment.app_id);
        let is_author = comment.pull_request_author.as_ref().is_some_and(|opened| opened.id == author.id);
        let mut place = self.place(delivery, (comment.repository.id, name), (Some(number), head), &policy).await?;
        place.by = author.login.clone();
        place.person = self.person(&github, &place, (actor, Some(author)), is_author).await?;
        let outcome = self.obey_all(&place, comment.comment_id, &given).await?;
        self.done(delivery, &outcome).await
    }

    /// Obeys the commands of a comment in order, each on its own, and stops at the first that may not be given.
    async fn obey_all(&self, place: &Place<'_>, comment: i64, given: &[Given]) -> anyhow::Result<String> {
        let mut outcome = Vec::new();
        for one in given {
            let key = format!("comment:{}:{comment}:{}", place.repo, one.line);
            let back =
                Back { repo: place.name.clone(), number: place.number, comment: Some(comment), key: key.clone() };
            let denied = match &one.command {
                Ok(command) => authorize(command, &place.person, &place.overrides).err(),
                Err(_) => None,
            };
            let stop = denied.is_some();
            let told = self.obey_one(place, (&one.command, denied), one.line, (back, key)).await?;
            outcome.push(format!("line {}: {}", one.line, if told { "obeyed" } else { "not obeyed" }));
            if stop {
                break;
            }
        }
        Ok(outcome.join(", "))
    }

    async fn obey_one(
        &self,
        place: &Place<'_>,
        (command, denied): (&Result<Command, Mistake>, Option<Denied>),
        line: u32,
        (back, key): (Back, String),
    ) -> anyhow::Result<bool> {
        let voice = place.voice;
        let obeyed = match (command, denied) {
            (Err(mistake), _) => Obeyed::Cannot(voice.mistake(line, mistake)),
            (Ok(_), Some(denied)) => Obeyed::Cannot(voice.denied(&denied, &place.by)),
            (Ok(command), None) if !command.released() => Obeyed::Cannot(voice.not_released(command)),
            (Ok(Command::Help), None) => Obeyed::Cannot(voice.help(&place.overrides)),
            (Ok(Command::Status), None) => Obeyed::Cannot(self.status_of(place).await?),
            (Ok(command), None) => {
                let giver = Giver { by: &place.by, head: &place.head, at: self.clock.now(), voice };
                obey(command, &giver, &place.targets)
            }
        };
        let listing = matches!(command, Ok(Command::Help | Command::Status)) && denied.is_none();
        let at = self.clock.now();
        let installation = place.delivery.installation;
        let mut together = Together {
            consumed: vec![Consumed::Key { installation, name: key, at }],
            beside: Beside { at, ..Beside::default() },
            ..Together::default()
        };
        let mut acts = Vec::new();
        let good = match obeyed {
            Obeyed::Cannot(words) => {
                let told = Told { good: listing, words: Some(words) };
                together.beside.effects = effects(&back, &told, installation, at);
                listing
            }
            Obeyed::Acts { events, hold } => {
                acts = events.into_iter().map(|(run, event)| Act::new(run, event)).collect();
                together.holds.extend(hold.and_then(|hold| hold_write(place, hold, at)));
                together.answer = command.as_ref().ok().map(|command| self.answer_to(place, command, back));
                true
            }
        };
        self.settle(place.delivery, acts, together).await?;
        Ok(good)
    }

    /// What is answered once the runs have said what they do with a command.
    fn answer_to(&self, place: &Place<'_>, command: &Command, back: Back) -> Answer {
        let (command, voice, head) = (command.clone(), place.voice, place.head.clone());
        let (clock, installation) = (self.clock.clone(), place.delivery.installation);
        Arc::new(move |decided: &Decided| {
            let told = told(&command, voice, &head, decided);
            effects(&back, &told, installation, clock.now())
        })
    }

    async fn status_of(&self, place: &Place<'_>) -> anyhow::Result<String> {
        let mut workflows = Vec::new();
        for target in place.targets.iter().filter(|target| target.sha == place.head) {
            let at = self.clock.now();
            if let Some(mut status) = self.runs.read(target.run, |state| status::of(state, at)).await? {
                status.url = page(&self.store, self.public_url.as_ref(), target.run)?;
                workflows.push(status);
            }
        }
        let holds = place.holds.iter().filter_map(status::pause).collect();
        Ok(reply::status(&reply::Status { head: place.head.clone(), holds, workflows }))
    }

    /// Somebody pressed "Re-run" on a check of ours.
    pub(super) async fn rerequested(
        &self,
        delivery: &Delivery,
        event: &Event,
        asked: &CheckRerequested,
    ) -> anyhow::Result<()> {
        let check = &asked.check;
        if check.app_id != Some(self.app_id) {
            return self.done(delivery, "another App's check").await;
        }
        let repo = (check.repository.id, &check.repository.name);
        self.again((delivery, event), repo, (&check.head_sha, Some(&check.name)), asked.sender.as_ref()).await
    }

    /// Somebody pressed "Re-run all checks".
    pub(super) async fn suite_rerequested(
        &self,
        delivery: &Delivery,
        event: &Event,
        asked: &SuiteRerequested,
    ) -> anyhow::Result<()> {
        if asked.app_id != Some(self.app_id) {
            return self.done(delivery, "another App's checks").await;
        }
        let repo = (asked.repository.id, &asked.repository.name);
        self.again((delivery, event), repo, (&asked.head_sha, None), asked.sender.as_ref()).await
    }

    /// Somebody pressed a button of ours.
    pub(super) async fn clicked(
        &self,
        delivery: &Delivery,
        event: &Event,
        click: &CheckActionRequested,
    ) -> anyhow::Result<()> {
        let check = &click.check;
        let repo = (check.repository.id, &check.repository.name);
        match Button::clicked(&click.identifier) {
            _ if check.app_id != Some(self.app_id) => self.done(delivery, "another App's check").await,
            Some(Button::Retry) => {
                self.again((delivery, event), repo, (&check.head_sha, Some(&check.name)), click.sender.as_ref()).await
            }
            Some(Button::ApproveCommit) => {
                let command = Command::Approve(Approved::Commit(check.head_sha.clone()));
                self.press((delivery, event), repo, &check.head_sha, (command, click.sender.as_ref())).await
            }
            Some(Button::ApproveStep) | None => self.done(delivery, "a button that is not in this release").await,
        }
    }

    /// Runs a check, or all of a commit, once more: what failed; everything where nothing did.
    async fn again(
        &self,
        cause: (&Delivery, &Event),
        repo: (RepoId, &RepoName),
        (sha, check): (&CommitSha, Option<&str>),
        sender: Option<&Account>,
    ) -> anyhow::Result<()> {
        let command = match check.and_then(|name| name.split_once(" / ")) {
            Some((workflow, step)) => {
                let named = StepName { workflow: workflow.parse().ok(), step: step.parse().context("a step's name")? };
                Command::Retry { steps: vec![named], scope: Scope::Chosen }
            }
            None => Command::Retry { steps: Vec::new(), scope: Scope::Chosen },
        };
        self.press(cause, repo, sha, (command, sender)).await
    }

    /// Obeys what a click asks for, on the commit of its check.
    async fn press(
        &self,
        (delivery, event): (&Delivery, &Event),
        (repo, name): (RepoId, &RepoName),
        sha: &CommitSha,
        (command, sender): (Command, Option<&Account>),
    ) -> anyhow::Result<()> {
        let Some(sender) = sender else { return self.done(delivery, "whoever pressed it is gone").await };
        let github = self.github(delivery.installation).await;
        let default = github.repository(name).await?.default_branch;
        let policy = facts::sources(&github, name, &default, sha, &self.language).await?.definitions.policy;
        let mut place = self.place(delivery, (repo, name), (None, sha.clone()), &policy).await?;
        let (number, author) = self.pull_of(&place).await?;
        place.number = number;
        place.by = sender.login.clone();
        if let Some(number) = number {
            // A button trusts the commit that its check is on, and that one has to be the head still.
            place.head = github.pull_request(name, number).await?.head.sha;
        }
        let is_author = author.as_ref() == Some(&sender.login);
        place.person =
            self.person(&github, &place, (Actor::behind(Some(sender), None), Some(sender)), is_author).await?;
        let denied = authorize(&command, &place.person, &place.overrides).err();
        let key = super::intake::key_of(&event.meaning().unwrap_or_else(|| delivery.guid.clone()));
        let back = Back { repo: name.clone(), number, comment: None, key: key.clone() };
        let good = self.obey_one(&place, (&Ok(command), denied), 0, (back, key)).await?;
        self.done(delivery, if good { "obeyed" } else { "not obeyed" }).await
    }

    /// The pull request of a commit's runs, and who opened it.
    async fn pull_of(&self, place: &Place<'_>) -> anyhow::Result<(Option<i64>, Option<Login>)> {
        for target in &place.targets {
            let seen = self.runs.read(target.run, |state| {
                let birth = state.birth.as_ref()?;
                let crate::engine::state::Trigger::PullRequest(number) = birth.trigger else { return None };
                let scope: serde_json::Value = serde_json::from_str(&birth.scope).ok()?;
                let author = scope.pointer("/pr/author").and_then(|author| author.as_str()?.parse().ok());
                Some((i64::try_from(number).ok()?, author))
            });
            if let Some(Some((number, author))) = seen.await? {
                return Ok((Some(number), author));
            }
        }
        Ok((None, None))
    }

    async fn person(
        &self,
        github: &Installation,
        place: &Place<'_>,
        (actor, account): (Actor, Option<&Account>),
        is_author: bool,
    ) -> anyhow::Result<Person> {
        let permission = facts::permission(github, place.name, account).await?;
        let here = place.targets.iter().filter(|target| target.sha == place.head);
        let commit_trusted = here.clone().next().is_some() && here.into_iter().all(|target| !target.untrusted);
        Ok(Person { actor, permission, is_author, commit_trusted })
    }

    async fn place<'a>(
        &self,
        delivery: &'a Delivery,
        (repo, name): (RepoId, &'a RepoName),
        (number, head): (Option<i64>, CommitSha),
        policy: &Policy,
    ) -> anyhow::Result<Place<'a>> {
        let installation = delivery.installation;
        let filter = match number {
            Some(number) => RunFilter::Pull(repo, number),
            None => RunFilter::Head(repo, head.clone()),
        };
        let mut ids: Vec<RunId> = Vec::new();
        for row in self.store.list_runs(installation, filter, None, RUNS_MAX).await? {
            if row.finished_at.is_none() || row.sha == head {
                ids.push(row.id);
            }
        }
        let speaking = facts::speakers(&self.store, &self.runs, &facts::head(installation, repo, &head)).await?;
        let speaks = |run: &RunId| speaking.speaks.values().any(|speaks| speaks.run.is_some_and(|(id, _)| id == *run));
        let mut targets = Vec::new();
        for run in ids {
            let target = self.runs.read(run, |state| target(run, state)).await?.flatten();
            targets.extend(target.filter(|target| facts::is_live(target.phase) || speaks(&run)));
        }
        let holds = match number {
            Some(number) => self.store.pr_holds(installation, repo, number).await?,
            None => Vec::new(),
        };
        Ok(Place {
            delivery,
            repo,
            name,
            number,
            head,
            by: "ghost".parse()?,
            person: Person { actor: Actor::Bot, permission: None, is_author: false, commit_trusted: false },
            overrides: overrides(policy),
            voice: Voice { bare: policy.bare_commands },
            targets,
            holds,
        })
    }
}

fn target(run: RunId, state: &crate::engine::RunState) -> Option<Target> {
    Some(Target {
        run,
        workflow: state.plan.workflow.clone(),
        sha: state.birth.as_ref()?.sha.clone(),
        phase: state.phase,
        untrusted: !facts::is_trusted(state),
        paused: state.holds.contains_key(&HoldKind::Pause),
        left_over: state.holds.contains_key(&HoldKind::Recovery),
        steps: state.steps.iter().filter(|step| !step.retired).map(|step| step.key.clone()).collect(),
    })
}

fn hold_write(
    place: &Place<'_>,
    (workflow, held, why): (Option<crate::ids::WorkflowId>, bool, String),
    at: crate::time::Timestamp,
) -> Option<HoldWrite> {
    let known = place.holds.iter().find(|hold| hold.workflow == workflow);
    Some(HoldWrite {
        installation: place.delivery.installation,
        repo: place.repo,
        number: place.number?,
        workflow,
        expect: known.map_or(0, |hold| hold.version),
        held,
        actor: place.by.to_string(),
        why,
        at,
    })
}

fn overrides(policy: &Policy) -> Overrides {
    let named = |(verb, permission): (&String, &policy::Permission)| {
        Some((crate::command::Verb::named(verb)?, granted(*permission)))
    };
    Overrides {
        needs: policy.commands.iter().filter_map(named).collect(),
        apps: policy.trusted_apps.iter().copied().collect(),
    }
}

/// The policy's word for a permission in the words of commands.
fn granted(permission: policy::Permission) -> crate::command::Permission {
    use crate::command::Permission as Has;
    match permission {
        policy::Permission::Read => Has::Read,
        policy::Permission::Triage => Has::Triage,
        policy::Permission::Write => Has::Write,
        policy::Permission::Maintain => Has::Maintain,
        policy::Permission::Admin => Has::Admin,
    }
}
