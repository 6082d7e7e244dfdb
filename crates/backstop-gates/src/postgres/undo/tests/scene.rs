//! A stage with what undoing needs, and digests of everything that is in the database.

use std::collections::BTreeMap;

use crate::postgres::images::tests::stage::{AMPLE, ROLE, Stage, Taken, about, upstream};
use crate::postgres::images::{About, Budget};
use crate::postgres::question::settings;
use crate::postgres::undo::{Summary, UndoError, Wish, apply, plan};
use crate::postgres::upstream::ServerConnection;

/// A stage with a second connection of the gate's.
pub(super) struct Scene {
    pub(super) stage: Stage,
    pub(super) undoer: ServerConnection,
}

impl Scene {
    pub(super) async fn with(stage: Stage) -> Self {
        let undoer = upstream(&stage.server.owner())
            .connect(&settings())
            .await
            .unwrap();
        Self { stage, undoer }
    }

    pub(super) async fn new(schema: &str) -> Self {
        let schema = format!(
            "{schema}; grant select, insert, update, delete on all tables in schema public to {ROLE}"
        );
        Self::with(Stage::new(&schema).await).await
    }

    /// Runs a transaction of the agent's, with its images taken before its COMMIT.
    pub(super) async fn run(&mut self, sql: &str) -> Taken {
        self.stage.say(&format!("begin;{sql}")).await;
        let taken = self.stage.capture().await.unwrap();
        self.stage.say("commit").await;
        taken
    }

    pub(super) async fn plan(&mut self, images: &[&Taken]) -> Result<Summary, UndoError> {
        let files = images.iter().map(|t| t.bytes.as_slice());
        plan(&mut self.undoer, files, 60_000).await
    }

    /// Undoes; gives the undo's own images.
    pub(super) async fn undo(
        &mut self,
        images: &[&Taken],
        leave_conflicts: bool,
    ) -> Result<(Summary, Taken), UndoError> {
        self.undo_how(images, leave_conflicts, false).await
    }

    /// The same, past triggers that do not let rows come back.
    pub(super) async fn undo_past_triggers(
        &mut self,
        images: &Taken,
    ) -> Result<(Summary, Taken), UndoError> {
        self.undo_how(&[images], false, true).await
    }

    async fn undo_how(
        &mut self,
        images: &[&Taken],
        leave_conflicts: bool,
        without_triggers: bool,
    ) -> Result<(Summary, Taken), UndoError> {
        let about = About {
            role: "owner".into(),
            transaction: "undo_1".into(),
            ..about()
        };
        let wish = Wish {
            leave_conflicts,
            without_triggers,
            about: &about,
            budget: Budget { ..AMPLE },
        };
        let files = images.iter().map(|t| t.bytes.as_slice());
        let mut own = vec![];
        let applied = apply(
            &mut self.undoer,
            &mut self.stage.gate,
            files,
            &wish,
            &mut own,
        )
        .await?;
        let captured = applied.captured.clone();
        let summary = applied.commit().await?;
        Ok((summary, Taken::of(captured, own)))
    }

    /// Every row of every table, as text.
    pub(super) fn everything(&self) -> BTreeMap<String, Vec<String>> {
        everything(&self.stage)
    }
}

pub(super) fn everything(stage: &Stage) -> BTreeMap<String, Vec<String>> {
    let tables = stage
        .server
        .psql("select c.oid::regclass from pg_class c join pg_namespace n on n.oid = c.relnamespace \
               where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema') order by 1")
        .unwrap();
    tables
        .lines()
        .map(|table| {
            let rows = stage
                .server
                .psql(&format!(
                    "set extra_float_digits = 1; set timezone = 'UTC'; set search_path = ''; \
                     select t.*::text from only {} t order by 1",
                    if table.contains('.') {
                        table.to_owned()
                    } else {
                        format!("public.{table}")
                    }
                ))
                .unwrap();
            (table.to_owned(), rows.lines().map(str::to_owned).collect())
        })
        .collect()
}
