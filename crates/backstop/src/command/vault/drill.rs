//! `backstop vault drill`: restores a recovery point into a throwaway server and compares it.

use backstop_vault::points::drill::{Drilled, Setup, drill};
use backstop_vault::points::{PointError, Tools, keep};
use backstop_vault::{Listed, list};

use super::progress::Told;
use super::{failed, identity, named, not_done, unless_stopped};
use crate::cli::VaultDrill;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Paint, safe};

/// Drills.
///
/// # Errors
/// Exit code 1 when the point did not come back whole, 4 when it is damaged.
pub fn run(args: &VaultDrill, output: Output) -> Outcome {
    let dir = &args.place.dir;
    let identity = identity(&args.identity)?;
    let all = list(dir).map_err(failed(format!("cannot list the vault `{}`", dir.display())))?;
    let points = keep::points(all, args.target.as_deref());
    let point = match &args.point {
        Some(name) => named(&points, name)?,
        None => newest(&points)?,
    };
    let name = point.stored.name;
    let told = Told::new(output);
    let drilled = unless_stopped(async {
        let what = || format!("cannot drill `{}`", name.short());
        work(args, point, &identity, &told)
            .await
            .map_err(not_done(what()))
    })?;
    output.either(&drilled, |paint| text(&drilled, paint))?;
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

async fn work(
    args: &VaultDrill,
    point: &Listed,
    identity: &backstop_vault::reader::Identity,
    told: &Told,
) -> Result<Drilled, PointError> {
    let dir = &args.place.dir;
    let name = point.stored.name;
    let (index, manifest) = keep::describe(dir, name, identity).await?;
    let tools = Tools::find(args.programs.pg_bin.as_deref(), manifest.major()).await?;
    let mut hidden = args.hide.clone();
    hidden.push(absolute(dir)?);
    if let Some(keys) = absolute(&args.identity)?.parent() {
        hidden.push(keys.to_owned());
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
    drill(&name, &manifest, &mut roles, &mut archive, &setup, told).await
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

fn text(drilled: &Drilled, paint: Paint) -> String {
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
