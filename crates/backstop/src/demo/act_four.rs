//! Act five: the volume with the server's whole data directory and its backups is gone, and a new one is restored from
//! the vault.

use std::time::Duration;

use backstop_core::point::Drill;
use backstop_core::secret::Secret;
use backstop_testing::rental;
use backstop_vault::points::database::{Restored, restore};
use backstop_vault::points::drill::{Drilled, Setup, drill, report};
use backstop_vault::points::{PointError, Source, Tls, Tools, keep};
use backstop_vault::reader::Identity;
use backstop_vault::{Listed, list};

use super::act_two::Play;
use super::story::number;
use super::{broken, wait_for};
use crate::control::protocol::Request;
use crate::failure::{Context, Failure, Outcome};
use crate::serve::Standing;

/// What the agent writes after the last recovery point.
const LATE_WRITE: &str =
    "INSERT INTO notes (id, body, n) VALUES (900002, 'written after the last point', 1)";
/// How long the next point may be in coming: the schedule's time, and what taking it takes on a busy machine.
const POINT: Duration = Duration::from_secs(90);
/// How long a drill may take.
const LONGEST_DRILL: Duration = Duration::from_secs(120);

impl Play<'_> {
    pub(super) fn total_loss(&mut self) -> Outcome {
        self.story
            .act("act five: people approve that call after all: the database and its backups are deleted");
        let at_point = rental::fingerprints(&self.scene.server())
            .map_err(broken("cannot look at the rows"))?;
        let (point, every) = self.next_point()?;
        self.drill(&point)?;
        self.late_write()?;
        let before =
            rental::counts(&self.scene.server()).map_err(broken("cannot count the rows"))?;
        let at_end = rental::fingerprints(&self.scene.server())
            .map_err(broken("cannot look at the rows"))?;
        self.lose_on_purpose()?;
        let newest = self.newest()?;
        let restored = self.bring_back(&newest)?;
        let server = self.scene.server();
        let after = rental::fingerprints(&server).map_err(broken("cannot look at the rows"))?;
        self.story.beat(
            // Another point may have been taken just before the loss, and then nothing is lost.
            restored.differences.is_empty() && (after == at_point || after == at_end),
            &format!(
                "restored in {}.{} s: {} rows, every table as it was at the point, digest by digest",
                restored.milliseconds / 1000,
                restored.milliseconds % 1000 / 100,
                number(restored.rows)
            ),
        );
        for one in &restored.left_out {
            self.story
                .fact(&format!("left to a superuser: {}", one.what));
        }
        let there = rental::counts(&server).map_err(broken("cannot count the rows"))?;
        let rows = |counts: &rental::Counts| counts.values().sum::<u64>();
        let lost = rows(&before).saturating_sub(rows(&there));
        self.story.beat(
            lost <= 1,
            &format!(
                "rows lost: {lost}, written after the point. A point is taken every {every} s: that is the most that can be lost (RPO); a drill said how long restoring takes (RTO)"
            ),
        );
        Ok(())
    }

    /// Waits for the next recovery point that `serve` takes; with how often it takes one, in seconds.
    fn next_point(&self) -> Outcome<(Listed, u64)> {
        let known = self.points_taken()?.0;
        self.story
            .scene("the gate takes a recovery point of the whole database, on its schedule");
        let every = wait_for("a recovery point", POINT, self.interrupted, || {
            let (taken, every) = self.points_taken()?;
            Ok((taken > known).then_some(every))
        })?;
        let point = self.newest()?;
        self.story.fact(&format!(
            "recovery point {} is in the vault, sealed to a key that the gate does not have",
            point.stored.name.short()
        ));
        Ok((point, every))
    }

    /// How many points there are of the target, and how often one is taken, in seconds.
    fn points_taken(&self) -> Outcome<(usize, u64)> {
        let standing: Standing = self.scene.client()?.ask(&Request::Status)?;
        let points = standing.targets.into_iter().find_map(|t| t.points);
        points
            .map(|p| (p.taken, p.every_s.unwrap_or(0)))
            .ok_or_else(|| Failure::new("no recovery points are taken of the target"))
    }

    fn newest(&self) -> Outcome<Listed> {
        let all = list(&self.scene.vault.dir).doing("cannot list the vault")?;
        keep::points(all, Some("prod"))
            .pop()
            .ok_or_else(|| Failure::new("there is no recovery point in the vault"))
    }

    fn drill(&self, point: &Listed) -> Outcome {
        self.story
            .scene("a drill: it is restored into a throwaway server, shut off from all else");
        let (drilled, report) = self
            .scene
            .block_on(self.drilled(point))
            .doing("cannot drill the recovery point")?;
        let signed = report::sign(&report, &self.scene.vault.drill_key)
            .doing("cannot sign the report of the drill")?;
        self.scene
            .client()?
            .ask::<serde_json::Value>(&Request::Drilled { report: signed })?;
        self.story.beat(
            drilled.succeeded(),
            &format!(
                "drilled: {} rows in {} tables equal those of the point; restoring takes {}.{} s",
                number(drilled.rows),
                drilled.tables,
                drilled.restore_ms / 1000,
                drilled.restore_ms % 1000 / 100
            ),
        );
        Ok(())
    }

    async fn drilled(&self, point: &Listed) -> Result<(Drilled, Drill), PointError> {
        let (dir, identity) = (&self.scene.vault.dir, self.identity()?);
        let name = point.stored.name;
        let (index, manifest) = keep::describe(dir, name, &identity).await?;
        let setup = Setup {
            tools: Tools::find(None, manifest.major()).await?,
            scratch: std::env::temp_dir(),
            hidden: vec![dir.clone()],
            longest: LONGEST_DRILL,
            stays: false,
        };
        let mut roles = keep::open(dir, &index.roles, &identity)?;
        let mut archive = keep::open(dir, &index.archive, &identity)?;
        let name = name.to_hex();
        let (drilled, _) = drill(&name, &manifest, &mut roles, &mut archive, &setup, &()).await?;
        let report = report::of(&drilled, "prod", &manifest)?;
        Ok((drilled, report))
    }

    fn late_write(&mut self) -> Outcome {
        let grant = self.lease()?;
        let agent = self.scene.agent(&grant.dsn)?;
        let came = self.say(&agent, LATE_WRITE)?;
        self.story
            .beat(came.done, "a last row is written after the point");
        Ok(())
    }

    fn bring_back(&self, point: &Listed) -> Outcome<Restored> {
        self.scene
            .server()
            .begin_anew()
            .map_err(broken("cannot start a new server"))?;
        self.story.scene(&format!(
            "a new, empty server; backstop vault restore {}, with the recovery key",
            point.stored.name.short()
        ));
        self.scene
            .block_on(self.restored(point))
            .doing("cannot restore the recovery point")
    }

    async fn restored(&self, point: &Listed) -> Result<Restored, PointError> {
        let (dir, identity) = (&self.scene.vault.dir, self.identity()?);
        let (index, manifest) = keep::describe(dir, point.stored.name, &identity).await?;
        let owner = self.scene.server().owner();
        let into = Source {
            host: owner.host,
            port: owner.port,
            user: owner.user,
            password: Some(Secret::new(owner.password)),
            database: owner.database,
            tls: Tls::Off,
            tools: Tools::find(None, manifest.major()).await?,
        };
        let mut archive = keep::open(dir, &index.archive, &identity)?;
        restore(&manifest, &mut archive, &into, &()).await
    }

    fn identity(&self) -> Result<Identity, PointError> {
        let path = &self.scene.vault.identity;
        let text = std::fs::read_to_string(path).map_err(|cause| PointError::Io {
            what: "reading the demo's recovery key".to_owned(),
            cause,
        })?;
        Identity::parse(&text).map_err(|error| PointError::Refused(error.to_string()))
    }
}
