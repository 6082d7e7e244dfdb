//! The copy, and one rehearsal on it from begin to rollback.

use std::path::Path;
use std::time::{Duration, Instant};

use backstop_core::digest::Digest;
use backstop_core::rehearsal::{Bound, Ended, NotMeasured, Rehearsal, Undo, Why};
use backstop_wire::sql::{self as reading, StatementKind};

use super::figures::{self, Baseline, Found};
use super::wire::{Stop, Wire};
use super::{Ask, Bounds, bring_back, objects};
use crate::points::database::{Manifest, differences, measure};
use crate::points::drill::{DATABASE, Throwaway};
use crate::points::question::Question as _;
use crate::points::{PointError, sql};

/// How long a session may take to end once it is told to.
const ENDING: Duration = Duration::from_secs(5);
/// How long looking at what it did may take.
const LOOKING: Duration = Duration::from_secs(60);
/// How long cleaning up may take.
const CLEANING: Duration = Duration::from_secs(120);
/// How often the copy's room is looked at.
const TICK: Duration = Duration::from_millis(300);

/// How deep PostgreSQL's folders are, and some more.
const DEPTH: u8 = 8;

/// A drill's server that stays up. Its server, files and processes are gone when it is dropped.
pub struct Copy {
    pub(super) server: Throwaway,
    pub(super) manifest: Manifest,
    point: Digest,
    bounds: Bounds,
    /// As it was when it came up.
    baseline: Option<Baseline>,
    /// How many bytes it took then.
    bytes: u64,
    /// Tables that the last rehearsal left dead rows in.
    written: Vec<String>,
    /// Something was done to it that cannot be taken back.
    spent: bool,
}

impl std::fmt::Debug for Copy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copy")
            .field("point", &self.point)
            .field("spent", &self.spent)
            .finish_non_exhaustive()
    }
}

/// How the act ended.
enum Acted {
    Ran,
    Refused(String),
    Cut(Bound),
    Lost,
}

impl Copy {
    /// The server of a drill that brought everything back.
    pub(crate) fn of(
        server: Throwaway,
        point: &str,
        manifest: &Manifest,
    ) -> Result<Self, PointError> {
        let point = Digest::from_hex(point)
            .ok_or_else(|| PointError::Broken(format!("`{point}` is no point's name")))?;
        Ok(Self {
            bytes: bytes_below(server.folder(), DEPTH),
            server,
            manifest: manifest.clone(),
            point,
            bounds: Bounds::default(),
            baseline: None,
            written: vec![],
            spent: false,
        })
    }

    /// With other bounds.
    #[must_use]
    pub fn bounded(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Whether it can be used no more: what was done to it cannot be taken back, or its server has ended.
    pub fn is_spent(&mut self) -> bool {
        self.spent || !self.server.runs()
    }

    /// What is not as the point has it: empty, unless something was done that cannot be taken back.
    ///
    /// # Errors
    /// When the copy cannot be asked.
    pub async fn differences(&self) -> Result<Vec<String>, PointError> {
        let mut session = self.server.inspecting().await?;
        let tables = measure(&mut session, &()).await?;
        session.close().await;
        Ok(differences(&self.manifest, &tables))
    }

    /// Runs an action, takes figures, brings back what it lost, and rolls all of it back.
    pub async fn rehearse(&mut self, ask: &Ask) -> Rehearsal {
        let mut told = match self.attempt(ask).await {
            Ok(told) => told,
            Err(why) => Rehearsal::not(why),
        };
        told.point = Some(self.point);
        told.bounded()
    }

    async fn attempt(&mut self, ask: &Ask) -> Result<Rehearsal, Why> {
        if self.is_spent() {
            return Err(Why::NoCopy);
        }
        let known = |name: &str| self.manifest.roles.iter().any(|role| role.name == name);
        if !known(&ask.role) || ask.role == self.manifest.bootstrap {
            return Err(Why::NoRole);
        }
        readable(ask, self.manifest.major())?;
        self.know().await.map_err(|_| Why::Lost)?;
        let began = self.run(ask).await;
        let told = match began {
            Ok((told, structure)) if structure => self.with_objects(ask, told).await,
            Ok((told, _)) => told,
            Err(Stop::Refused(sqlstate)) => Rehearsal::without_figures(Ended::Failed { sqlstate }),
            Err(_) => Rehearsal::not(Why::Lost),
        };
        let cleaning = self.clean(&ask.role);
        if !matches!(tokio::time::timeout(CLEANING, cleaning).await, Ok(Ok(()))) {
            tracing::warn!("the copy cannot be cleaned up behind a rehearsal: it is used no more");
            self.spent = true;
        }
        Ok(told)
    }

    /// What the copy is like when nothing has been done to it.
    async fn know(&mut self) -> Result<(), PointError> {
        if self.baseline.is_none() {
            let mut session = self.server.inspecting().await?;
            self.baseline = Some(Baseline::take(&mut session).await?);
            session.close().await;
        }
        Ok(())
    }

    /// The act and its figures, in a transaction that is rolled back; and whether it changed more than rows.
    async fn run(&mut self, ask: &Ask) -> Result<(Rehearsal, bool), Stop> {
        let mut wire = self.connect(ask).await?;
        wire.ask("begin isolation level read committed read write")
            .await?;
        let number = one(
            &mut wire,
            "select pg_catalog.pg_current_xact_id()::pg_catalog.text",
        )
        .await?;
        let began = Instant::now();
        let acted = self.act(&mut wire, ask).await;
        let milliseconds = since(began);
        let told = |end| Rehearsal {
            milliseconds,
            ..Rehearsal::without_figures(end)
        };
        if wire.status == b'I' {
            // No transaction is open any more, however it ended.
            self.spent = true;
            return Ok((told(Ended::Not { why: Why::Escaped }), false));
        }
        match acted {
            Acted::Ran => {}
            Acted::Refused(sqlstate) => return Ok((told(Ended::Failed { sqlstate }), false)),
            Acted::Cut(at) => {
                // What was written until then lies there still.
                self.spent |= at == Bound::Room;
                return Ok((told(Ended::CutOff { at }), false));
            }
            Acted::Lost => return Ok((told(Ended::Not { why: Why::Lost }), false)),
        }
        let same = "select pg_catalog.pg_current_xact_id()::pg_catalog.text";
        if one(&mut wire, same).await? != number {
            self.spent = true;
            return Ok((told(Ended::Not { why: Why::Escaped }), false));
        }
        let Some(baseline) = &self.baseline else {
            return Err(Stop::Lost);
        };
        let mut watcher = self.server.inspecting().await.map_err(|_| Stop::Lost)?;
        let looking = figures::look(&mut wire, &mut watcher, baseline, &self.manifest);
        let found = tokio::time::timeout(LOOKING, looking)
            .await
            .map_err(|_| Stop::Lost)??;
        let mut told = told(Ended::Ran);
        found.tell(&mut told);
        self.written = found.written();
        let lost = told.lost() > 0 || !told.gone.is_empty();
        told.undo = if !lost {
            Undo::Nothing
        } else if found.structure {
            // With the whole objects, in a transaction of its own.
            Undo::Not {
                why: NotMeasured::Unsuited,
            }
        } else {
            self.bring_back(&mut wire, &mut watcher, &found, &number)
                .await
        };
        watcher.close().await;
        // A failed one is rolled back by its end.
        let _ = wire.ask("rollback").await;
        Ok((told, found.structure && lost))
    }

    async fn bring_back(
        &self,
        wire: &mut Wire,
        watcher: &mut crate::points::Session,
        found: &Found,
        number: &str,
    ) -> Undo {
        let work = bring_back::rows(wire, watcher, found, &self.manifest, number);
        match tokio::time::timeout(self.bounds.undo, work).await {
            Ok(Ok(milliseconds)) => Undo::Took { milliseconds },
            Ok(Err(why)) => Undo::Not { why },
            Err(_) => Undo::Not {
                why: NotMeasured::Time,
            },
        }
    }

    async fn with_objects(&self, ask: &Ask, mut told: Rehearsal) -> Rehearsal {
        let Some((act, names)) = &ask.objects else {
            return told;
        };
        if !ask.earlier.is_empty() {
            // What it takes would have to be copied in the middle of its transaction.
            return told;
        }
        let work = objects::bring_back(self, ask, *act, names);
        told.undo = match tokio::time::timeout(self.bounds.undo, work).await {
            Ok(Ok(milliseconds)) => Undo::Took { milliseconds },
            Ok(Err(why)) => Undo::Not { why },
            Err(_) => Undo::Not {
                why: NotMeasured::Time,
            },
        };
        told
    }

    async fn connect(&self, ask: &Ask) -> Result<Wire, Stop> {
        let path: Vec<String> = ask
            .search_path
            .iter()
            .map(|name| sql::ident(name))
            .collect();
        let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut parameters = vec![
            text("user", &ask.role),
            text("database", DATABASE),
            text("search_path", &path.join(", ")),
            text("application_name", "backstop rehearsal"),
            text("client_encoding", "UTF8"),
            text("standard_conforming_strings", "on"),
            text("lock_timeout", "5000"),
        ];
        let meaning = |name: &str| ["DateStyle", "IntervalStyle", "TimeZone"].contains(&name);
        parameters.extend(
            ask.settings
                .iter()
                .filter(|(name, _)| meaning(name))
                .cloned(),
        );
        Wire::connect(&self.server.socket(), self.server.password(), parameters).await
    }

    /// Runs the act and what it left for the end, and cuts it off at its bounds, whatever it set for itself.
    async fn act(&self, wire: &mut Wire, ask: &Ask) -> Acted {
        let canceller = wire.canceller();
        let cut = {
            let work = async {
                for text in &ask.earlier {
                    wire.run(text, None, self.bounds.answer).await?;
                }
                let parameters = ask.parameters.as_ref();
                wire.run(&ask.statement, parameters, self.bounds.answer)
                    .await?;
                if wire.status != b'T' {
                    return Ok(());
                }
                wire.run("set constraints all immediate", None, self.bounds.answer)
                    .await
            };
            tokio::pin!(work);
            let deadline = tokio::time::sleep(self.bounds.act);
            tokio::pin!(deadline);
            let mut tick = tokio::time::interval(TICK);
            let cut = loop {
                tokio::select! {
                    ended = &mut work => match ended {
                        Ok(()) => return Acted::Ran,
                        Err(Stop::Refused(sqlstate)) => return Acted::Refused(sqlstate),
                        Err(Stop::Lost) => return Acted::Lost,
                        Err(Stop::TooMuch) => break Bound::Answer,
                    },
                    () = &mut deadline => break Bound::Time,
                    _ = tick.tick() => if self.has_outgrown().await {
                        break Bound::Room;
                    },
                }
            };
            canceller.cancel().await;
            if cut != Bound::Answer {
                let _ = tokio::time::timeout(ENDING, &mut work).await;
            }
            cut
        };
        if cut == Bound::Answer {
            let _ = tokio::time::timeout(ENDING, wire.settle()).await;
        }
        Acted::Cut(cut)
    }

    async fn has_outgrown(&self) -> bool {
        let folder = self.server.folder().to_owned();
        let now = tokio::task::spawn_blocking(move || bytes_below(&folder, DEPTH)).await;
        now.is_ok_and(|now| now.saturating_sub(self.bytes) > self.bounds.room)
    }

    /// Ends all sessions of the role, puts sequences back, which no rollback does, and clears away dead rows.
    async fn clean(&mut self, role: &str) -> Result<(), PointError> {
        let parameters = [("user", role), ("database", DATABASE), ("search_path", "")];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let ending = async {
            let mut wire = Wire::connect(
                &self.server.socket(),
                self.server.password(),
                parameters.to_vec(),
            )
            .await?;
            wire.ask(
                "select pg_catalog.pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity a \
                 where a.usename = current_user and a.pid <> pg_catalog.pg_backend_pid()",
            )
            .await
        };
        ending
            .await
            .map_err(|_| refused("sessions cannot be ended"))?;
        let mut watcher = self.server.inspecting().await?;
        let left = format!(
            "SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a WHERE a.usename = {}",
            sql::literal(role)
        );
        let deadline = Instant::now() + ENDING;
        while sql::number::<u64>(&watcher.ask(&left).await?.concat(), 0) > 0 {
            if Instant::now() > deadline {
                return Err(refused("a session does not end"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let Some(baseline) = &self.baseline else {
            return Ok(());
        };
        let moved = baseline.moved(&mut watcher).await?;
        watcher.close().await;
        let written = std::mem::take(&mut self.written);
        if !moved.is_empty() || !written.is_empty() {
            let mut session = self.server.maintaining().await?;
            session
                .ask("SET default_transaction_read_only = off")
                .await?;
            for statement in moved {
                session.ask(&statement).await?;
            }
            for table in written {
                session.ask(&format!("VACUUM (FREEZE) {table}")).await?;
            }
            session.close().await;
        }
        if self.has_outgrown().await {
            self.spent = true;
        }
        Ok(())
    }
}

/// Whether it can be taken back at all, as far as its text shows: the gate has read it too, but is not believed.
fn readable(ask: &Ask, major: u32) -> Result<(), Why> {
    let catalogue = reading::Catalog::stock(u16::try_from(major).unwrap_or(0));
    let types = ask.parameters.as_ref().map_or(&[][..], |all| &all.types);
    let earlier = ask.earlier.iter().map(|text| (text, &[][..]));
    for (text, types) in earlier.chain([(&ask.statement, types)]) {
        let session = reading::Session {
            search_path: &ask.search_path,
            role: &ask.role,
            own_roles: &[],
            created: &[],
            prepared: &|_| None,
            parameter_types: types,
        };
        let script =
            reading::analyse(text, &catalogue, &session).map_err(|_| Why::NoTransaction)?;
        if script.statements.iter().any(|one| ends(&one.kind)) {
            return Err(Why::NoTransaction);
        }
    }
    Ok(())
}

const fn ends(kind: &StatementKind) -> bool {
    matches!(
        kind,
        StatementKind::Begin(_)
            | StatementKind::Commit { .. }
            | StatementKind::Rollback { .. }
            | StatementKind::PrepareTransaction(_)
            | StatementKind::CommitPrepared(_)
            | StatementKind::RollbackPrepared(_)
    )
}

async fn one(wire: &mut Wire, sql: &str) -> Result<String, Stop> {
    let rows = wire.ask(sql).await?;
    Ok(rows
        .first()
        .map(|row| sql::text(row, 0))
        .unwrap_or_default())
}

fn refused(why: &str) -> PointError {
    PointError::Refused(why.to_owned())
}

pub(super) fn since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// How many bytes the files below a folder take. Files come and go meanwhile, and what runs in there can make links and
/// folders without end: those are not followed.
fn bytes_below(folder: &Path, depth: u8) -> u64 {
    let mut bytes = 0_u64;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let below = match entry.metadata() {
            Ok(found) if found.is_dir() && depth > 0 => bytes_below(&entry.path(), depth - 1),
            Ok(found) if found.is_file() => found.len(),
            _ => 0,
        };
        bytes = bytes.saturating_add(below);
    }
    bytes
}
