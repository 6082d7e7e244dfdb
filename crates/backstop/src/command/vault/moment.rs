//! `backstop vault restore --until`: a server as it was at a moment, from its operator's own archive.

use std::path::{Path, PathBuf};

use backstop_vault::points::Tools;
use backstop_vault::points::moment::restore::{Reached, Wanted, major, moment, restore};

use super::progress::Told;
use super::{not_done, unless_stopped};
use crate::cli::VaultRestore;
use crate::failure::{Context, Failure, Outcome};
use crate::output::{Output, Paint, safe};

/// Restores.
///
/// # Errors
/// When the moment is none, or is not reached; then there is no data directory.
pub(super) fn run(args: &VaultRestore, output: Output) -> Outcome {
    // The command line requires them together.
    let (Some(until), Some(base), Some(wal), Some(data)) =
        (&args.until, &args.base, &args.wal, &args.data)
    else {
        return Err(Failure::usage("it is not said what to restore")
            .hint("give --point, --into and --identity, or --until, --base, --wal and --data"));
    };
    let until = moment(until).map_err(|why| Failure::usage("no such moment").because(why))?;
    let folder = |path: &Path| -> Outcome<PathBuf> {
        path.canonicalize()
            .map_err(|why| Failure::usage(format!("cannot use `{}`", path.display())).because(why))
    };
    let wanted = Wanted {
        base: folder(base)?,
        wal: folder(wal)?,
        until,
        data: std::path::absolute(data).doing("cannot make sense of --data")?,
        longest: args.longest.0,
    };
    let told = Told::new(output);
    let reached = unless_stopped(async {
        let work = async {
            let major = major(&wanted.base).await?;
            let tools = Tools::find(args.programs.pg_bin.as_deref(), major).await?;
            restore(&wanted, &tools, &told).await
        };
        work.await.map_err(not_done("nothing was restored"))
    })?;
    output.either(&reached, |paint| text(&reached, paint))
}

fn text(reached: &Reached, paint: Paint) -> String {
    let mut lines = vec![format!(
        "{}: the server as it was at {} is in `{}`",
        paint.good("restored"),
        reached.until,
        reached.data.display()
    )];
    lines.extend(
        reached
            .stopped
            .iter()
            .chain(&reached.last)
            .map(|words| safe(words)),
    );
    if !reached.verified {
        lines.push(format!(
            "{} the base backup has no manifest, so its files were not checked",
            paint.warn("note:")
        ));
    }
    lines.push(format!(
        "{} look at it before agents do: start it with its own configuration, and take a base backup at once",
        paint.hint("next:")
    ));
    lines.join("\n")
}
