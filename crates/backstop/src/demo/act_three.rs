//! Act three: a person says yes by mistake, and all of it comes back.

use backstop_testing::rental;
use serde_json::Value;

use super::act_two::Play;
use super::broken;
use crate::cli::Undo;
use crate::command::ask_undo;
use crate::failure::Outcome;

/// Deletes every customer; reservations and payments go with them, triggers write what they write.
const WIPE_ROWS: &str = "DELETE FROM customers";

impl Play<'_> {
    pub(super) fn mistaken_yes(&mut self) -> Outcome {
        self.story
            .act("act three: the person approves the wipe by mistake");
        let before = rental::fingerprints(&self.scene.server())
            .map_err(broken("cannot look at the rows"))?;
        let grant = self.lease()?;
        let agent = self.scene.agent(&grant.dsn)?;
        self.story.agent(WIPE_ROWS);
        let known = self.waiting()?;
        let underway = agent.send(WIPE_ROWS)?;
        let hold = self.new_hold(&known)?;
        self.story.beat(
            hold.recoverable.contains("vault"),
            &format!("held: {}; recoverable: {}", hold.summary, hold.recoverable),
        );
        self.story.person(&format!(
            "is tired, and approves {} with a passkey",
            hold.hold
        ));
        self.person
            .approve(&hold.hold)
            .map_err(broken("cannot approve"))?;
        let came = underway.finish()?;
        self.story.answer(&came.shown());
        let gone = self.scene.look("SELECT count(*) FROM customers")?;
        self.story.beat(
            came.done && gone.trim() == "0",
            "it ran: the customers are gone, and their reservations and payments with them",
        );
        let args = Undo {
            target: None,
            entry: None,
            lease: Some(grant.lease.clone()),
            since: None,
            identity: self.scene.vault.identity.clone(),
            vault: self.scene.vault.dir.clone(),
            apply: true,
            leave_conflicts: false,
            without_triggers: false,
        };
        self.story.scene(&format!(
            "backstop undo --lease {} --apply, with the recovery key",
            grant.lease
        ));
        let (answer, _) = ask_undo(self.scene.config_path(), &args)?;
        let number = |v: &Value, key: &str| v.get(key).and_then(Value::as_u64).unwrap_or(0);
        let tables = answer.pointer("/summary/tables").and_then(Value::as_array);
        let back: u64 = tables
            .into_iter()
            .flatten()
            .map(|t| number(t, "back"))
            .sum();
        let after = rental::fingerprints(&self.scene.server())
            .map_err(broken("cannot look at the rows"))?;
        self.story.beat(
            number(&answer, "conflicts") == 0 && before == after,
            &format!(
                "{} rows came back, and the digest of every table is what it was before",
                super::story::number(back)
            ),
        );
        self.story.fact(
            "in this demo the vault is on the same machine: `status` calls that not isolated",
        );
        Ok(())
    }
}
