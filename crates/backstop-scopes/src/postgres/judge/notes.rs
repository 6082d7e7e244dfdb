//! What is no road: what protects less than it seems to, and what is known of backups.

use super::Judge;
use crate::postgres::road::{Act, Backups, Object, Road};

impl Judge<'_> {
    pub(super) fn database_name(&self) -> String {
        let here = self
            .catalogue
            .databases
            .iter()
            .find(|d| d.oid == self.catalogue.database);
        here.map(|d| d.name.clone()).unwrap_or_default()
    }

    pub(super) fn notes(&self) -> Vec<String> {
        let mut all = vec![];
        let of_role = self
            .actors
            .first()
            .and_then(|a| self.catalogue.roles.get(&a.role));
        if self.catalogue.read_only || of_role.is_some_and(|r| r.read_only) {
            all.push("`default_transaction_read_only` is on, which is no protection: whoever is connected turns it off with `SET default_transaction_read_only = off`".to_owned());
        }
        if self.catalogue.standby {
            all.push("this server is a standby, on which nothing can be written; the same role can do all this at its primary".to_owned());
        }
        all
    }

    pub(super) fn backups(&self, roads: &[Road]) -> Backups {
        let mut within_reach = vec![];
        let has = |act: Act| {
            roads
                .iter()
                .any(|r| r.act == act && r.object == Object::Server)
        };
        if has(Act::RunPrograms) || has(Act::WriteFiles) {
            within_reach.push("it can destroy whatever lies on the server's machine or is mounted there: data directory, log archive and backups alike".to_owned());
        }
        if has(Act::RunPrograms) && self.catalogue.archives == Some(true) {
            within_reach.push("it can run the server's archive command, and so use the credentials by which the archive is written".to_owned());
        }
        if roads.iter().any(|r| r.act == Act::DropSlot) {
            within_reach.push(
                "it can drop the replication slots that standbys and log archives depend on"
                    .to_owned(),
            );
        }
        if has(Act::Replicate) {
            within_reach.push("it can copy the whole cluster (`pg_basebackup`)".to_owned());
        }
        Backups {
            archives: self.catalogue.archives,
            within_reach,
        }
    }
}
