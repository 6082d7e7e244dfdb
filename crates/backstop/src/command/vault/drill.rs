//! `backstop vault drill`: restores a recovery point into a throwaway server and compares it, once or again and again.

use std::sync::Arc;

use backstop_vault::points::drill::{Drilled, Setup, drill, report};
use backstop_vault::points::rehearse::{Copies, Server};
use backstop_vault::points::{PointError, Tools, keep};
use backstop_vault::reader::Identity;
use backstop_vault::{Listed, list};
use tokio::signal::unix::{SignalKind, signal};

use super::config::user_id;
use super::progress::Told;
use super::reports::Reports;
use super::{failed, identity, named, not_done, unless_stopped};
use crate::cli::VaultDrill;
use crate::command::runtime;
use crate::failure::{Context, Failure, Outcome};
use crate::output::{Output, Paint, safe};
use crate::when;

/// How long it waits at most after drills that failed, until it tries again.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(3_600);

/// Until it is told to stop.
const FOR_EVER: std::time::Duration = std::time::Duration::from_secs(100 * 365 * 86_400);
/// How long it waits when a copy was lost until it makes another: whoever spoils one spoils the next.
const ANEW: std::time::Duration = std::time::Duration::from_secs(600);

/// Drills.
///
/// # Errors
/// Exit code 1 when the point did not come back whole, 4 when it is damaged.
pub fn run(args: &VaultDrill, output: Output) -> Outcome {
    let work = Work {
        args,
        output,
        identity: identity(&args.identity)?,
        reports: Reports::of(args)?,
        copies: args.stay.is_some().then(Arc::default),
    };
    if args.every.is_some() || args.stay.is_some() {
        let user = match &args.stay {
            Some(_) => Some(user_id(&args.gate_user)?),
            None => None,
        };
        return runtime(1)?.block_on(work.again_and_again(user));
    }
    let points = work.points()?;
    let point = match &args.point {
        Some(name) => named(&points, name)?,
        None => newest(&points)?,
    };
    unless_stopped(work.one(point))
}

struct Work<'a> {
    args: &'a VaultDrill,
    output: Output,
    identity: Identity,
    reports: Reports,
    /// Where servers stay that drills leave.
    copies: Option<Arc<Copies>>,
}

impl Work<'_> {
    fn points(&self) -> Outcome<Vec<Listed>> {
        let dir = &self.args.place.dir;
        let all =
            list(dir).map_err(failed(format!("cannot list the vault `{}`", dir.display())))?;
        Ok(keep::points(all, self.args.target.as_deref()))
    }

    /// Drills the newest point of each target, waits, and begins anew. What fails is told and does not end it.
    async fn again_and_again(&self, gate_user: Option<u32>) -> Outcome {
        let mut told = signal(SignalKind::terminate()).doing("cannot listen for signals")?;
        let serving = match (&self.args.stay, &self.copies, gate_user) {
            (Some(socket), Some(copies), Some(user)) => {
                let server =
                    Server::bind(socket, &[user]).map_err(failed("cannot let callers in"))?;
                let copies = Arc::clone(copies);
                Some(tokio::spawn(async move { server.run(copies).await }))
            }
            _ => None,
        };
        loop {
            let round = async {
                let all_well = self.round().await;
                let wait = match self.args.every.map(|every| every.0) {
                    Some(every) if all_well => every,
                    Some(every) => every.min(AGAIN),
                    None if all_well => FOR_EVER,
                    None => AGAIN,
                };
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.copy_lost() => tokio::time::sleep(ANEW).await,
                }
            };
            // What is given up is cleaned up before it is dropped.
            tokio::select! {
                () = round => {}
                _ = tokio::signal::ctrl_c() => break,
                _ = told.recv() => break,
            }
        }
        if let Some(serving) = serving {
            serving.abort();
            let _ = serving.await; // aborted
        }
        Ok(())
    }

    async fn copy_lost(&self) {
        match &self.copies {
            Some(copies) => copies.lost().await,
            None => std::future::pending().await,
        }
    }

    /// Whether all went well.
    async fn round(&self) -> bool {
        let points = self.points().unwrap_or_else(|failure| {
            self.output.failed(&failure);
            vec![]
        });
        if let Some(name) = &self.args.point {
            let one = async { self.one(named(&points, name)?).await };
            return one
                .await
                .map_err(|failure| self.output.failed(&failure))
                .is_ok();
        }
        let mut targets: Vec<&str> = points.iter().map(|one| one.label.target.as_str()).collect();
        targets.sort_unstable();
        targets.dedup();
        let mut all_well = !targets.is_empty();
        for target in targets {
            let Some(point) = points.iter().rfind(|one| one.label.target == target) else {
                continue;
            };
            if let Err(failure) = self.one(point).await {
                self.output.failed(&failure);
                all_well = false;
            }
        }
        all_well
    }

    /// Drills one point, and reports what came of it, whatever it is.
    async fn one(&self, point: &Listed) -> Outcome {
        let name = point.stored.name;
        let began_ms = when::now_ms();
        let drilled = match self.restore(point).await {
            Ok((drilled, drill)) => {
                self.reports.hand_in(&drill)?;
                drilled
            }
            Err(error) => {
                let (target, why) = (&point.label.target, error.to_string());
                let drill = report::of_failure(name, target, began_ms, &why);
                let failure = not_done(format!("cannot drill `{}`", name.short()))(error);
                // That the drill failed weighs more than that nobody was told.
                if let Err(unheard) = self.reports.hand_in(&drill) {
                    self.output.failed(&unheard);
                }
                return Err(failure);
            }
        };
        self.output.either(&drilled, |paint| {
            text(&drilled, self.reports.signs(), paint)
        })?;
        if drilled.succeeded() {
            return Ok(());
        }
        Err(Failure::new(format!(
            "`{}` does not restore to what it was taken of: {} differences",
            name.short(),
            drilled.differences.len()
        ))
        .hint("take a new point at once, and drill an older one"))
    }

    async fn restore(
        &self,
        point: &Listed,
    ) -> Result<(Drilled, backstop_core::point::Drill), PointError> {
        let (args, identity) = (self.args, &self.identity);
        let (dir, told) = (&args.place.dir, Told::new(self.output));
        let name = point.stored.name;
        let (index, manifest) = keep::describe(dir, name, identity).await?;
        let tools = Tools::find(args.programs.pg_bin.as_deref(), manifest.major()).await?;
        let mut hidden = args.hide.clone();
        hidden.push(absolute(dir)?);
        if let Some(socket) = &args.stay {
            hidden.extend(absolute(socket)?.parent().map(std::path::Path::to_owned));
        }
        let keys = [Some(&args.identity), args.signing.as_ref()];
        for key in keys.into_iter().flatten() {
            hidden.extend(absolute(key)?.parent().map(std::path::Path::to_owned));
        }
        let setup = Setup {
            tools,
            scratch: args.scratch.clone(),
            hidden,
            longest: args.longest.0,
            stays: self.copies.is_some(),
        };
        let mut roles = keep::open(dir, &index.roles, identity)?;
        let mut archive = keep::open(dir, &index.archive, identity)?;
        let name = name.to_hex();
        let (drilled, copy) =
            drill(&name, &manifest, &mut roles, &mut archive, &setup, &told).await?;
        if let (Some(copies), Some(copy)) = (&self.copies, copy) {
            copies.put(&index.target, copy);
        }
        let report = report::of(&drilled, &index.target, &manifest)?;
        Ok((drilled, report))
    }
}

fn absolute(path: &std::path::Path) -> Result<std::path::PathBuf, PointError> {
    path.canonicalize().map_err(|cause| PointError::Io {
        what: format!("looking for `{}`", path.display()),
        cause,
    })
}

fn newest(points: &[Listed]) -> Outcome<&Listed> {
    points.last().ok_or_else(|| {
        Failure::usage("there is no recovery point of a database to drill")
            .hint("`backstop vault list --class point` shows what there is")
    })
}

fn text(drilled: &Drilled, signed: bool, paint: Paint) -> String {
    let mut lines: Vec<String> = drilled
        .differences
        .iter()
        .map(|one| format!("{} {}", paint.error("differs:"), safe(one)))
        .collect();
    lines.extend(drilled.left_out.iter().map(|one| {
        format!(
            "{} {}: {}",
            paint.warn("left out:"),
            safe(&one.what),
            safe(&one.why)
        )
    }));
    if !drilled.isolation.user {
        lines.push(format!(
            "{} it ran as this user, kept apart by namespaces only",
            paint.warn("note:")
        ));
    }
    if !signed {
        lines.push(format!(
            "{} nothing signs the report of it, so no gate will know; hint: --signing FILE",
            paint.warn("note:")
        ));
    }
    let word = if drilled.succeeded() {
        paint.good("drilled")
    } else {
        paint.error("failed")
    };
    lines.push(format!(
        "{word}: {} tables with {} rows, restored in {} ms, {} ms in all",
        drilled.tables, drilled.rows, drilled.restore_ms, drilled.milliseconds
    ));
    lines.join("\n")
}
