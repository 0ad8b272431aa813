//! Where a command is given: the pull request, its runs and pauses, and what whoever gives it may do there.

use crate::command::reply::Voice;
use crate::command::{Actor, Overrides, Person};
use crate::engine::RunState;
use crate::engine::state::{HoldKind, Trigger};
use crate::github::Installation;
use crate::ids::{CommitSha, Login, RepoId, RepoName, RunId, WorkflowId};
use crate::inbound::event::Account;
use crate::route::Target;
use crate::store::{Delivery, HoldWrite, PrHold, RunFilter};
use crate::time::Timestamp;
use crate::workflow::policy::{self, Policy};

use super::facts;
use super::intake::{Intake, RUNS_MAX};

/// Where and for whom a command is obeyed.
pub(super) struct Place<'a> {
    pub(super) delivery: &'a Delivery,
    pub(super) repo: RepoId,
    pub(super) name: &'a RepoName,
    pub(super) number: Option<i64>,
    pub(super) head: CommitSha,
    pub(super) by: Login,
    pub(super) person: Person,
    pub(super) overrides: Overrides,
    pub(super) voice: Voice,
    pub(super) targets: Vec<Target>,
    pub(super) holds: Vec<PrHold>,
}

/// Who gives commands by a comment, and where.
pub(super) struct Asker<'a> {
    pub(super) delivery: &'a Delivery,
    pub(super) repo: (RepoId, &'a RepoName),
    /// The pull request and its head.
    pub(super) pull: (i64, CommitSha),
    pub(super) policy: &'a Policy,
    pub(super) account: &'a Account,
    pub(super) actor: Actor,
    pub(super) is_author: bool,
}

impl Intake {
    /// The place of a comment's command, as it is now.
    pub(super) async fn place_of<'a>(&self, github: &Installation, asker: &Asker<'a>) -> anyhow::Result<Place<'a>> {
        let (number, head) = asker.pull.clone();
        let mut place = self.place(asker.delivery, asker.repo, (Some(number), head), asker.policy).await?;
        place.by = asker.account.login.clone();
        place.person = self.person(github, &place, (asker.actor, Some(asker.account)), asker.is_author).await?;
        Ok(place)
    }

    /// The pull request of a commit's runs, and who opened it.
    pub(super) async fn pull_of(&self, place: &Place<'_>) -> anyhow::Result<(Option<i64>, Option<Login>)> {
        for target in &place.targets {
            let seen = self.runs.read_newest(target.run, |state| {
                let birth = state.birth.as_ref()?;
                let Trigger::PullRequest(number) = birth.trigger else { return None };
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

    pub(super) async fn person(
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

    pub(super) async fn place<'a>(
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
            // Nobody can act on a quarantined run, and the others of the pull request are not to suffer for it.
            if row.broken.is_none() && (row.finished_at.is_none() || row.sha == head) {
                ids.push(row.id);
            }
        }
        let speaking = facts::speakers(&self.store, &self.runs, &facts::head(installation, repo, &head)).await?;
        let speaks = |run: &RunId| speaking.speaks.values().any(|speaks| speaks.run.is_some_and(|(id, _)| id == *run));
        let mut targets = Vec::new();
        for run in ids {
            let target = self.runs.read_newest(run, |state| target(run, state)).await?.flatten();
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

fn target(run: RunId, state: &RunState) -> Option<Target> {
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

/// The rows of a hold that is put or lifted. To lift it everywhere lifts that of each workflow too.
pub(super) fn hold_writes(
    place: &Place<'_>,
    (workflow, held, why): (Option<WorkflowId>, bool, String),
    at: Timestamp,
) -> Vec<HoldWrite> {
    let Some(number) = place.number else { return Vec::new() };
    let lifted = place.holds.iter().filter(|hold| !held && workflow.is_none() && hold.held && hold.workflow.is_some());
    let workflows = lifted.map(|hold| hold.workflow.clone()).chain([workflow.clone()]);
    let write = |workflow: Option<WorkflowId>| HoldWrite {
        installation: place.delivery.installation,
        repo: place.repo,
        number,
        expect: place.holds.iter().find(|hold| hold.workflow == workflow).map_or(0, |hold| hold.version),
        workflow,
        held,
        actor: place.by.to_string(),
        why: why.clone(),
        at,
    };
    workflows.map(write).collect()
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
