//! Commands in comments, buttons and re-runs: who asks, whether they may, what the runs say, and what is answered.
//!
//! *Invariant:* each command acts once: its key is used up in the transaction of what it does.
//! *Invariant:* buttons and re-runs pass the same authorization as comments; any doubt denies.

use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::answer::{Back, Told, effects, told};
use super::facts;
use super::intake::{Intake, RACES_MAX};
use super::page::page;
use super::place::{Asker, Place, hold_writes};
use super::runs::{Act, Answer, Decided, Done, Together};
use super::status;
use crate::command::reply;
use crate::command::{Actor, Approved, Command, Denied, Given, Mistake, Scope, StepName, authorize};
use crate::github::Installation;
use crate::ids::{CommitSha, RepoId, RepoName};
use crate::inbound::Event;
use crate::inbound::event::{Account, CheckActionRequested, CheckRerequested, Commented, SuiteRerequested};
use crate::report::{Button, CONFIG_CHECK};
use crate::route::{Giver, Obeyed, obey};
use crate::store::{Beside, Claim, Consumed, Delivery};

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
        let asker = Asker {
            delivery,
            repo: (comment.repository.id, name),
            pull: (number, head),
            policy: &policy,
            account: author,
            actor,
            is_author,
        };
        let outcome = self.obey_all(&github, &asker, (comment.comment_id, &given)).await?;
        self.done(delivery, &outcome).await
    }

    /// Obeys the commands of a comment in order, each on its own and on what the one before it left, and stops at the
    /// first that may not be given.
    async fn obey_all(
        &self,
        github: &Installation,
        asker: &Asker<'_>,
        (comment, given): (i64, &[Given]),
    ) -> anyhow::Result<String> {
        let mut outcome = Vec::new();
        for one in given {
            let (told, denied) = self.obey_line(github, asker, (comment, one)).await?;
            outcome.push(format!("line {}: {}", one.line, if told { "obeyed" } else { "not obeyed" }));
            if denied {
                break;
            }
        }
        Ok(outcome.join(", "))
    }

    /// Obeys one command. Whether it was obeyed, and whether that was denied.
    async fn obey_line(
        &self,
        github: &Installation,
        asker: &Asker<'_>,
        (comment, one): (i64, &Given),
    ) -> anyhow::Result<(bool, bool)> {
        for _ in 0..RACES_MAX {
            let place = self.place_of(github, asker).await?;
            let key = format!("comment:{}:{comment}:{}", place.repo, one.line);
            let back =
                Back { repo: place.name.clone(), number: place.number, comment: Some(comment), key: key.clone() };
            let denied = match &one.command {
                Ok(command) => authorize(command, &place.person, &place.overrides).err(),
                Err(_) => None,
            };
            if let Some(told) = self.obey_one(&place, (&one.command, denied), one.line, (back, key)).await? {
                return Ok((told, denied.is_some()));
            }
        }
        bail!("what the command acts on changed {RACES_MAX} times in a row")
    }

    /// `None`: what it rests on has changed meanwhile, and nothing was done.
    async fn obey_one(
        &self,
        place: &Place<'_>,
        (command, denied): (&Result<Command, Mistake>, Option<Denied>),
        line: u32,
        (back, key): (Back, String),
    ) -> anyhow::Result<Option<bool>> {
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
                together.holds.extend(hold.into_iter().flat_map(|hold| hold_writes(place, hold, at)));
                together.answer = command.as_ref().ok().map(|command| self.answer_to(place, command, back));
                true
            }
        };
        match self.runs.commit(acts, together).await? {
            Done::Committed(_) => {
                self.decided();
                Ok(Some(good))
            }
            // An earlier try of this delivery did it.
            Done::Lost(claims) if claims.iter().any(|claim| matches!(claim, Claim::Key(..))) => Ok(Some(good)),
            Done::Lost(_) => Ok(None),
        }
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
            if let Some(mut status) = self.runs.read_newest(target.run, |state| status::of(state, at)).await? {
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
                self.press((delivery, event), repo, (&check.head_sha, None), (command, click.sender.as_ref())).await
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
        if check == Some(CONFIG_CHECK) {
            return self.done(cause.0, "workflow files are looked at with each push").await;
        }
        let command = match check.and_then(|name| name.split_once(" / ")) {
            Some((workflow, step)) => {
                let named = StepName { workflow: workflow.parse().ok(), step: step.parse().context("a step's name")? };
                Command::Retry { steps: vec![named], scope: Scope::Chosen }
            }
            None => Command::Retry { steps: Vec::new(), scope: Scope::Chosen },
        };
        // The check of a workflow speaks for that workflow alone.
        let only = check.filter(|name| !name.contains(" / "));
        self.press(cause, repo, (sha, only), (command, sender)).await
    }

    /// Obeys what a click asks for, on the commit of its check, for the runs of one workflow or of all.
    async fn press(
        &self,
        (delivery, event): (&Delivery, &Event),
        (repo, name): (RepoId, &RepoName),
        (sha, only): (&CommitSha, Option<&str>),
        (command, sender): (Command, Option<&Account>),
    ) -> anyhow::Result<()> {
        let Some(sender) = sender else { return self.done(delivery, "whoever pressed it is gone").await };
        let github = self.github(delivery.installation).await;
        let default = github.repository(name).await?.default_branch;
        let policy = facts::sources(&github, name, &default, sha, &self.language).await?.definitions.policy;
        let key = super::intake::key_of(&event.meaning().unwrap_or_else(|| delivery.guid.clone()));
        for _ in 0..RACES_MAX {
            let mut place = self.place(delivery, (repo, name), (None, sha.clone()), &policy).await?;
            let (number, author) = self.pull_of(&place).await?;
            place.number = number;
            place.by = sender.login.clone();
            place.targets.retain(|target| only.is_none_or(|only| target.workflow.as_str() == only));
            if let Some(number) = number {
                // A button trusts the commit that its check is on, and that one has to be the head still.
                place.head = github.pull_request(name, number).await?.head.sha;
            }
            let is_author = author.as_ref() == Some(&sender.login);
            place.person =
                self.person(&github, &place, (Actor::behind(Some(sender), None), Some(sender)), is_author).await?;
            let denied = authorize(&command, &place.person, &place.overrides).err();
            let back = Back { repo: name.clone(), number, comment: None, key: key.clone() };
            if let Some(good) = self.obey_one(&place, (&Ok(command.clone()), denied), 0, (back, key.clone())).await? {
                return self.done(delivery, if good { "obeyed" } else { "not obeyed" }).await;
            }
        }
        bail!("what the button acts on changed {RACES_MAX} times in a row")
    }
}
