//! How each old credential is replaced, since whoever could read the file may have it already.

use backstop_scopes::kinds;

use super::plan::Seen;
use super::target::{Chosen, ident};
use crate::config::Dsn;

/// What to do about one old credential.
pub(super) struct Rotate {
    /// Which.
    pub(super) name: String,
    /// What to do.
    pub(super) how: String,
    /// Where.
    pub(super) at: String,
}

/// A database's login. Where the gate logs in as the same role, it has to be told the new password, too.
pub(super) fn login(seen: &Seen, chosen: &Chosen) -> Rotate {
    let (how, at) = of_role(&chosen.dsn, chosen.own.then_some(&chosen.name));
    Rotate {
        name: seen.name.clone(),
        how,
        at,
    }
}

/// How a role gets a new password, and where. `own` is the target at which the gate logs in as that role.
pub(in crate::command) fn of_role(dsn: &Dsn, own: Option<&String>) -> (String, String) {
    let role = ident(&dsn.user);
    // `\password` sends a verifier and no password; ALTER ROLE with one in it stays in histories and logs.
    let change = format!(
        "`ALTER ROLE {role} PASSWORD '…'` (in psql, `\\password {role}` does that and keeps the password out of logs)"
    );
    let how = match own {
        Some(target) => format!(
            "{change}, then seal the new one with `backstop init --target {target} --dsn {}`",
            dsn.to_url()
        ),
        None => change,
    };
    (
        how,
        format!("at {dsn}, as that role or one that may alter it"),
    )
}

/// What is known of any other kind.
pub(super) fn other(seen: &Seen) -> Rotate {
    let known = kinds::of(&seen.kind);
    Rotate {
        name: seen.name.clone(),
        how: known.map_or_else(
            || {
                "make a new one where it came from, put it in place, and take the old one away"
                    .into()
            },
            |k| k.rotate.clone(),
        ),
        at: known.map_or_else(|| "where it came from".into(), |k| k.revoke.clone()),
    }
}
