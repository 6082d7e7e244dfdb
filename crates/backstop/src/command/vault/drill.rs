//! `backstop vault drill`: restores a recovery point into a throwaway server and compares it, once or again and again.

use backstop_vault::points::drill::{Drilled, Setup, drill, report};
use backstop_vault::points::{PointError, Tools, keep};
use backstop_vault::reader::Identity;
use backstop_vault::{Listed, list};
use tokio::signal::unix::{SignalKind, signal};

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
    };
    if let Some(every) = args.every {
        return runtime(1)?.block_on(work.again_and_again(every.0));
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
}

impl Work<'_> {
    fn points(&self) -> Outcome<Vec<Listed>> {
        let dir = &self.args.place.dir;
        let all =
            list(dir).map_err(failed(format!("cannot list the vault `{}`", dir.display())))?;
        Ok(keep::points(all, self.args.target.as_deref()))
    }

    /// Drills the newest point of each target, waits, and begins anew. What fails is told and does not end it.
    async fn again_and_again(&self, every: std::time::Duration) -> Outcome {
        let mut told = signal(SignalKind::terminate()).doing("cannot listen for signals")?;
        loop {
            let round = async {
                let all_well = self.round().await;
                let wait = if all_well { every } else { every.min(AGAIN) };
                tokio::time::sleep(wait).await;
            };
            // What is given up is cleaned up before it is dropped.
            tokio::select! {
                () = round => {}
                _ = tokio::signal::ctrl_c() => return Ok(()),
                _ = told.recv() => return Ok(()),
            }
        }
    }

    /// Whether all went well.
    async fn round(&self) -> bool {
        let points = self.points().unwrap_or_else(|failure| {
            self.output.failed(&failure);
            vec![]
        });
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
        let keys = [Some(&args.identity), args.signing.as_ref()];
        for key in keys.into_iter().flatten() {
            hidden.extend(absolute(key)?.parent().map(std::path::Path::to_owned));
        }
        let setup = Setup {
            tools,
            scratch: args.scratch.clone(),
            hidden,
            longest: args.longest.0,
        };
        let mut roles = keep::open(dir, &index.roles, identity)?;
        let mut archive = keep::open(dir, &index.archive, identity)?;
        let name = name.to_hex();
        let drilled = drill(&name, &manifest, &mut roles, &mut archive, &setup, &told).await?;
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
