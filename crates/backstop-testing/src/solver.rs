//! cvc5, which `scripts/setup.sh solver` puts into the repository's cache.
//!
//! It must not look for another one: a test says what it ran with.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::cache;

/// The program; none where it was not put there, and that is no fault.
///
/// # Errors
/// When it is missing and `CI=true` or `BACKSTOP_REQUIRE_ALL=1`.
pub fn cvc5() -> Result<Option<PathBuf>> {
    let folders = cache::folders();
    let programs: Vec<PathBuf> = folders.iter().map(|f| f.join("solver/bin/cvc5")).collect();
    let found = cache::first_existing(programs.iter().map(PathBuf::as_path));
    if found.is_none() && cache::everything_required() {
        bail!("cvc5 is missing; hint: scripts/setup.sh solver");
    }
    Ok(found.map(PathBuf::from))
}
