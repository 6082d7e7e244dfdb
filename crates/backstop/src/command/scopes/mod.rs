//! `backstop scopes`: what could an agent that runs here destroy today?
//!
//! It needs no set-up, reads only, and never shows a secret.

mod baseline;
mod compare;
mod fixes;
mod html;
mod lease;
mod picture;
mod probe;
mod providers;
mod restored;
mod salt;
mod sarif;
mod text;

use std::path::{Path, PathBuf};

use backstop_scopes::find::{Identity, Look};
use backstop_scopes::report::{self, Report, Severity, groups};

use crate::cli::{Scopes, Worst};
use crate::failure::{Code, Failure, Outcome};
use crate::output::Output;
use crate::page::write;

use baseline::Baseline;

/// Runs it.
///
/// # Errors
/// Exit code 3 when something at or above the chosen severity was found; 2 when it could not begin.
pub fn run(config: &Path, args: &Scopes, output: Output) -> Outcome {
    if let Some(lease) = &args.lease {
        return lease::run(config, lease, args, output);
    }
    let other = args.compare.as_deref().map(compare::read).transpose()?;
    let baseline = args.baseline.as_deref().map(Baseline::read).transpose()?;
    let mut report = made(config, args, baseline.as_ref(), output)?;
    if let Some(other) = other {
        let compared = compare::compared(&mut report, other)?;
        output.either(&compared, |paint| compare::told(&compared, paint))?;
        return judged(&report, args);
    }
    if let Some(path) = &args.html {
        write(path, &html::page(&report))?;
        output.say(&format!("wrote {}", path.display()));
    }
    if let Some(folder) = &args.fix {
        for path in fixes::write(folder, &report)? {
            output.say(&format!("wrote {}", path.display()));
        }
        output.say("nothing of it was run: read it first");
    }
    if args.sarif {
        output.value(&sarif::log(&report))?;
    } else if output.json {
        output.value(&report)?;
    } else if output.quiet {
        output.data(&report.verdict)?;
    } else {
        output.data(&text::told(&report, args.all, output.paint))?;
    }
    judged(&report, args)
}

/// The severity that is too bad; none if nothing is.
fn limit(worst: Worst) -> Option<Severity> {
    match worst {
        Worst::Low => Some(Severity::Low),
        Worst::Medium => Some(Severity::Medium),
        Worst::Unknown => Some(Severity::Unknown),
        Worst::High => Some(Severity::High),
        Worst::Critical => Some(Severity::Critical),
        Worst::Never => None,
    }
}

fn judged(report: &Report, args: &Scopes) -> Outcome {
    let Some(limit) = limit(args.fail_on) else {
        return Ok(());
    };
    match report.worst {
        Some(worst) if worst >= limit => {
            let count = report
                .findings
                .iter()
                .filter(|f| f.accepted.is_none() && f.severity >= limit)
                .count();
            Err(Failure::new(format!(
                "{count} credential(s) of severity {} or worse",
                limit.word()
            ))
            .hint("take them away where an agent works, or accept them in a --baseline with a reason and a date")
            .code(Code::Verdict))
        }
        _ => Ok(()),
    }
}

fn made(
    config: &Path,
    args: &Scopes,
    baseline: Option<&Baseline>,
    output: Output,
) -> Outcome<Report> {
    let look = look(args)?;
    output.say("looking; nothing is changed, and no secret is shown");
    let found = look.run().map_err(|e| {
        Failure::new("it could not look")
            .because(e)
            .code(Code::Usage)
    })?;
    let groups = groups(found.findings);
    let audits = if args.probe {
        probe::ask(&groups, &args.probe_at, output)?
    } else {
        std::collections::BTreeMap::new()
    };
    let root = std::env::current_dir().unwrap_or_default();
    let mut report = report::report(args.user.clone(), groups, audits, found.looked, |finding| {
        baseline.and_then(|b| b.accepts(finding, &root))
    });
    report.salt = args.salt_file.is_some().then(|| look.salt.name());
    report.restored(&restored::known(config));
    if let Some(baseline) = baseline {
        for entry in baseline.over() {
            output.warn(&entry);
        }
    }
    Ok(report)
}

/// What to look through, as the command line says.
fn look(args: &Scopes) -> Outcome<Look> {
    let mut look = Look::new().map_err(|e| Failure::new("it could not begin").because(e))?;
    look.paths = match args.paths.as_slice() {
        [] => vec![PathBuf::from(".")],
        paths => paths.to_vec(),
    };
    for path in &look.paths {
        if let Err(error) = path.symlink_metadata() {
            return Err(
                Failure::usage(format!("cannot look into `{}`", path.display()))
                    .because(error)
                    .hint("name files or directories that are there"),
            );
        }
    }
    if let Some(user) = &args.user {
        let identity = Identity::of(user).map_err(|e| {
            Failure::usage(format!("cannot look with the eyes of `{user}`")).because(e)
        })?;
        look.home = args.home.then(|| identity.home.clone());
        look.identity = Some(identity);
    } else if args.home {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
        let home = home.ok_or_else(|| {
            Failure::usage("there is no home directory to look through")
                .hint("set HOME, or name directories")
        })?;
        look.home = Some(PathBuf::from(home));
    }
    if let Some(path) = &args.salt_file {
        look.salt = salt::of(path)?;
    }
    look.history = !args.no_history;
    look.environment = args.user.is_none() && !args.files_only;
    look.processes = !args.files_only;
    look.sockets = !args.files_only;
    look.threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    Ok(look)
}
