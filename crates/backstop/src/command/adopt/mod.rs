//! `backstop adopt`: takes credentials out of files and puts leases in their place; and puts them back.
//!
//! Must not lose an original, nor leave a file that leads nowhere: what is there is sealed before anything is written,
//! and nothing is written before the lease is granted.

mod book;
mod dotenv;
mod edit;
mod environment;
mod family;
mod file;
mod form;
mod lease;
mod placeholder;
mod plan;
mod record;
mod recover;
mod renew;
mod rotate;
mod target;
mod tell;
mod tracked;
mod undo;
mod write;

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use backstop_store::SealKey;

use crate::cli::Adopt;
use crate::config::{Config, fingerprint};
use crate::failure::{Context, Failure, Outcome};
use crate::home::{Home, Keys};
use crate::output::Output;
use crate::when;

use book::Book;
use file::Found;
use plan::{Plan, Wanted};
use target::Choosing;

pub(in crate::command) use plan::salt as fingerprints;
pub(in crate::command) use record::{Opens, Record, all as records};
pub(in crate::command) use rotate::of_role;

/// What is adopted where nothing is named.
const USUAL: &str = ".env";

/// A file and what is to be done in it.
struct Work {
    file: Found,
    plan: Plan,
    /// For each login, which of the chosen targets it is of.
    chosen: Vec<usize>,
}

/// Adopts, or undoes it.
///
/// # Errors
/// Why it was not done; what was not done is as it was.
pub fn run(path: &Path, args: &Adopt, output: Output) -> Outcome {
    let config = Config::load(path)?;
    let home = Home::at(&config.data_dir);
    home.check_or_root()?;
    let key = Keys::seal(&home)?;
    if args.undo {
        return undo::run(&config, &home, &key, args, output);
    }
    if args.renew {
        return renew::run(&config, &home, &key, args, output);
    }
    let _alone = alone(&home)?;
    let mut files = open(&args.files, &config, output)?;
    if !args.dry_run {
        let paths: HashSet<PathBuf> = files.iter().map(|f| f.path.clone()).collect();
        if recover::run(&config, &home, &key, &paths, output)? {
            files = open(&args.files, &config, output)?;
        }
    }
    let mut work = planned(files, &config, &home, &key, args)?;
    let todo = |w: &Work| !w.plan.logins.is_empty() || !w.plan.masked.is_empty();
    if !work.iter().any(todo) {
        output.say("there is nothing to adopt");
        return tell::done(&work, &[], &[], args, output);
    }
    let pin = match &args.pin {
        None => None,
        Some(pin) => Some(fingerprint(pin).ok_or_else(|| {
            Failure::usage("--pin is not a SHA-256 fingerprint").hint("write 64 hex digits")
        })?),
    };
    // A dry run shows what would be, whether or not the gate runs.
    let mut book = match args.dry_run {
        true => None,
        false => Some(Book::running(&home)?),
    };
    let mut choosing = Choosing {
        config: &config,
        home: &home,
        given: args.environment,
        pin,
        scopes: &args.scopes,
        yes: args.yes,
        output,
        chosen: vec![],
    };
    choose(&mut work, &mut choosing, args, output)?;
    let chosen = choosing.chosen;
    let Some(book) = &mut book else {
        return tell::would(&work, &chosen, &config, args, output);
    };
    work.iter()
        .filter(|w| todo(w))
        .try_for_each(|w| w.file.can_be_swapped())?;
    let added = target::serve(&chosen, path, &home, book.client()?, output)?;
    let known = record::all(&home, &key)?;
    let asked = lease::ask(&work, &chosen, &known, book.client()?, args, output);
    let granted = match asked {
        Ok(Some(granted)) => granted,
        Ok(None) => return Ok(()),
        Err(failure) => {
            if added.take_back(&home) {
                let _ = book
                    .client()?
                    .ask::<()>(&crate::control::protocol::Request::Reload);
            }
            return Err(failure);
        }
    };
    let written = write::all(&work, &chosen, &granted, &home, &key, book)?;
    tell::done(&work, &chosen, &written, args, output)
}

/// Only one run at a time: what one is about to write, another must not take for abandoned.
fn alone(home: &Home) -> Outcome<File> {
    let folder = record::folder(home)?;
    let path = folder.join("lock");
    let doing = || format!("cannot open `{}`", path.display());
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let lock = options.open(&path).doing(doing())?;
    home.give(&path)?;
    match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(_) => Err(Failure::new("another `backstop adopt` is at work")
            .hint("it may be waiting for a person; `backstop holds` says so")),
    }
}

/// The files that are named, each once.
fn open(named: &[PathBuf], config: &Config, output: Output) -> Outcome<Vec<Found>> {
    let usual = [PathBuf::from(USUAL)];
    let named = if named.is_empty() { &usual[..] } else { named };
    let mut files: Vec<Found> = vec![];
    for path in named {
        let file = Found::open(path).map_err(|f| match f.hint {
            None => f.hint("name the files that hold credentials, as in `backstop adopt .env`"),
            Some(_) => f,
        })?;
        let own = std::fs::canonicalize(&config.data_dir).unwrap_or(config.data_dir.clone());
        let configured = std::fs::canonicalize(&config.path).unwrap_or(config.path.clone());
        if file.path.starts_with(&own) || file.path == configured {
            return Err(Failure::usage(format!(
                "`{}` is Backstop's own",
                path.display()
            )));
        }
        if files.iter().any(|known| known.path == file.path) {
            continue;
        }
        if let Some(link) = &file.link {
            output.say(&format!(
                "`{}` is a link; the file that it leads to is rewritten: {}",
                link.display(),
                file.path.display()
            ));
        }
        files.push(file);
    }
    Ok(files)
}

fn planned(
    files: Vec<Found>,
    config: &Config,
    home: &Home,
    key: &SealKey,
    args: &Adopt,
) -> Outcome<Vec<Work>> {
    let known = record::all(home, key)?;
    let ports: Vec<u16> = config.gate.listen.iter().map(|a| a.port()).collect();
    files
        .into_iter()
        .map(|file| {
            let ours: Vec<String> = known
                .iter()
                .filter(|r| r.path() == file.path)
                .flat_map(|r| r.changes.iter().map(|c| c.new_text().to_owned()))
                .collect();
            let wanted = Wanted {
                seal_others: args.seal_others,
                skip: &args.skip,
                ours: &ours,
                ports: &ports,
            };
            Ok(Work {
                plan: plan::plan(&file, key, &wanted)?,
                file,
                chosen: vec![],
            })
        })
        .collect()
}

/// A target for each login. The first that cannot be guarded ends it.
fn choose(work: &mut [Work], choosing: &mut Choosing<'_>, args: &Adopt, output: Output) -> Outcome {
    for work in work {
        let folder = work.file.path.parent().unwrap_or(Path::new("/")).to_owned();
        for login in &work.plan.logins {
            let guess = || environment::of(&work.file, args.environment, args.yes, output);
            let chosen = choosing.choose(login, &folder, guess).map_err(|f| {
                let mut failure = Failure::new(format!(
                    "`{}` in {} cannot be adopted, and nothing was changed",
                    login.seen.name,
                    work.file.path.display()
                ))
                .because(f.what)
                .code(f.code);
                failure.causes.extend(f.causes);
                let skip = format!("`--skip {}` leaves it as it is", login.seen.name);
                failure.hint(
                    f.hint
                        .map_or(skip.clone(), |hint| format!("{hint}; {skip}")),
                )
            })?;
            work.chosen.push(chosen);
        }
    }
    Ok(())
}

fn now() -> i64 {
    when::now_ms()
}
