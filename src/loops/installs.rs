//! Where the App is installed, as deliveries tell it.

use super::intake::Intake;
use crate::ids::InstallationId;
use crate::inbound::event::{InstallationChanged, RepositoriesChanged, Repository};
use crate::store::{Delivery, InstallationRow, RepositoryRow};

impl Intake {
    pub(super) async fn remember(&self, installation: InstallationId, repository: &Repository) -> anyhow::Result<()> {
        let row = RepositoryRow {
            installation,
            id: repository.id,
            name: repository.name.clone(),
            default_branch: repository.default_branch.clone().unwrap_or_default(),
        };
        if self.store.repository(installation, repository.id).await?.as_ref() == Some(&row) {
            return Ok(());
        }
        Ok(self.store.put_repository(row).await?)
    }

    pub(super) async fn installation(&self, delivery: &Delivery, change: &InstallationChanged) -> anyhow::Result<()> {
        let at = self.clock.now();
        let gone = change.action == "deleted";
        let row = InstallationRow {
            id: change.installation,
            account: change.account.as_ref().map(|account| account.login.to_string()).unwrap_or_default(),
            suspended_at: (change.action == "suspend").then_some(at),
            removed_at: gone.then_some(at),
        };
        self.store.put_installation(row).await?;
        for repository in &change.repositories {
            self.remember(change.installation, repository).await?;
        }
        self.done(delivery, &format!("installation {}", change.action)).await
    }

    pub(super) async fn repositories(&self, delivery: &Delivery, change: &RepositoriesChanged) -> anyhow::Result<()> {
        for repository in &change.added {
            self.remember(delivery.installation, repository).await?;
        }
        for repository in &change.removed {
            self.store.remove_repository(delivery.installation, repository.id, self.clock.now()).await?;
        }
        self.done(delivery, "repositories changed").await
    }
}
