//! Chosen targets made ones that the gate serves, and taken back if it comes to nothing.

use std::path::{Path, PathBuf};

use super::{Chosen, Todo};
use crate::control::client::Client;
use crate::control::protocol::Request;
use crate::failure::{Context, Failure, Outcome};
use crate::home::Home;
use crate::output::Output;

/// What was added, to be taken back if it comes to nothing.
pub(in crate::command::adopt) struct Added {
    config: PathBuf,
    before: u64,
    after: u64,
    names: Vec<String>,
}

/// Makes every chosen target one that is served: seals, adds to the configuration, has the gate take it up.
///
/// # Errors
/// When it cannot be, or the gate does not take it up. What was added is taken back then.
pub(in crate::command::adopt) fn serve(
    chosen: &[(String, Chosen)],
    path: &Path,
    home: &Home,
    client: &mut Client,
    output: Output,
) -> Outcome<Added> {
    let size = || {
        let meta = std::fs::metadata(path).doing(format!("cannot read `{}`", path.display()))?;
        Ok::<_, Failure>(meta.len())
    };
    let mut added = Added {
        config: path.to_owned(),
        before: size()?,
        after: size()?,
        names: vec![],
    };
    let mut changed = false;
    for (_, chosen) in chosen {
        let (Todo::Add(found) | Todo::Seal(found)) = &chosen.todo else {
            continue;
        };
        changed = true;
        if matches!(chosen.todo, Todo::Add(_)) {
            added.names.push(found.name.clone());
        }
        let kept = found.keep(path, home, output).and_then(|()| {
            home.give(&home.credential_path(&found.name))?;
            home.give(&home.target_note(&found.name))
        });
        added.after = size()?;
        if let Err(failure) = kept {
            added.take_back(home);
            return Err(failure);
        }
    }
    if changed && let Err(failure) = client.ask::<()>(&Request::Reload) {
        added.take_back(home);
        let _ = client.ask::<()>(&Request::Reload);
        return Err(failure);
    }
    Ok(added)
}

impl Added {
    /// Takes back what was added, if nobody has changed the configuration since. Says whether anything was.
    pub(in crate::command::adopt) fn take_back(&self, home: &Home) -> bool {
        let size = std::fs::metadata(&self.config).map(|m| m.len());
        if self.names.is_empty() || size.is_ok_and(|size| size != self.after) {
            return false;
        }
        let cut = std::fs::OpenOptions::new()
            .write(true)
            .open(&self.config)
            .and_then(|file| {
                file.set_len(self.before)?;
                file.sync_all()
            });
        if cut.is_err() {
            return false;
        }
        for name in &self.names {
            let _ = std::fs::remove_file(home.credential_path(name));
            let _ = std::fs::remove_file(home.target_note(name));
        }
        true
    }
}
