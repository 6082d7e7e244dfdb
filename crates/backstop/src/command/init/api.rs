//! A new HTTP API: its credential is sealed, and the configuration extended.

use std::io::Write;
use std::path::{Path, PathBuf};

use backstop_core::secret::Secret;

use super::ask;
use crate::cli::Init;
use crate::config::{Config, Usual, target_name, template};
use crate::failure::{Context, Failure, Outcome};
use crate::home::{Home, Keys};
use crate::output::Output;
use crate::serve::unfit;

/// Seals the credential and adds the target, if it is new.
///
/// # Errors
/// When the target cannot be one, or a file cannot be written.
pub(super) fn add(
    path: &Path,
    config: &Config,
    home: &Home,
    args: &Init,
    output: Output,
) -> Outcome {
    let (Some(name), Some(url)) = (&args.target, &args.url) else {
        return Ok(());
    };
    target_name(name).map_err(Failure::usage)?;
    let usual = Usual::at(url, args.pack.as_deref());
    let placed = args.credential.as_deref().unwrap_or(usual.credential);
    let mut text = template::api(name, args.environment, url, placed, usual.everyone);
    text.push_str(&template::reach(
        args.pack.as_deref().map(from_here).transpose()?.as_deref(),
        args.ca.as_deref().map(absolute).transpose()?.as_deref(),
        args.private,
    ));
    if config.http.is_none() {
        text.push_str(&template::http());
    }
    let known = config.apis.iter().any(|api| api.name == *name);
    // What does not work is told before anything is written.
    let extended = match known {
        true => config.clone(),
        false => {
            let whole =
                std::fs::read_to_string(path).doing(format!("cannot read `{}`", path.display()))?;
            Config::parse(path, &format!("{whole}{text}"))?
        }
    };
    if placed != "none" {
        let secret = credential(args, name)?;
        let mut apis = extended.apis.iter().filter(|api| api.name == *name);
        if let Some(why) = apis.find_map(|api| api.placing.refuses(secret.reveal())) {
            return Err(unfit(name, why));
        }
        let key = Keys::seal(home)?;
        home.credential(name)
            .write(&key, secret.reveal().as_bytes())
            .doing("cannot seal the credential")?;
    }
    if known {
        output.say(&format!("sealed the credential of `{name}` anew"));
        return Ok(());
    }
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(path)
        .doing(format!("cannot write `{}`", path.display()))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .doing(format!("cannot write `{}`", path.display()))?;
    output.say(&format!(
        "added the target `{name}` ({}): {url}{}",
        args.environment,
        if usual.everyone {
            ", for every lease"
        } else {
            ""
        }
    ));
    Ok(())
}

/// The configuration's own paths begin where it lies, those of the command line where that was written.
fn absolute(path: &Path) -> Outcome<PathBuf> {
    std::path::absolute(path).doing(format!("cannot find `{}`", path.display()))
}

/// A pack's name, or its file.
fn from_here(pack: &str) -> Outcome<String> {
    match pack.ends_with(".toml") {
        true => Ok(absolute(Path::new(pack))?.display().to_string()),
        false => Ok(pack.to_owned()),
    }
}

/// From a file or the terminal, never from the command line, which other users can read.
fn credential(args: &Init, name: &str) -> Outcome<Secret<String>> {
    let text = match &args.credential_file {
        Some(file) => {
            std::fs::read_to_string(file).doing(format!("cannot read `{}`", file.display()))?
        }
        None => return ask::password(&format!("credential of `{name}`: ")),
    };
    match text.trim_end_matches(['\n', '\r']) {
        "" => Err(Failure::usage("the file holds no credential")),
        text => Ok(Secret::new(text.to_owned())),
    }
}
