//! Where `scripts/setup.sh` put what tests need, and where templates are kept.
//!
//! It must not search from the working directory upwards: a program found in
//! somebody's folder would be run.

use std::env;
use std::path::{Path, PathBuf};

/// Set by `.cargo/config.toml` for everything that cargo starts.
const CACHE: &str = "BACKSTOP_TEST_CACHE";

/// Used where the checkout is closed to the user that servers run as.
const SHARED: &str = "/var/cache/backstop";

/// The folders to look in, best first.
pub(crate) fn folders() -> Vec<PathBuf> {
    env::var_os(CACHE)
        .map(PathBuf::from)
        .into_iter()
        .chain([PathBuf::from(SHARED)])
        .collect()
}

/// Whether tests that lack something they need must fail instead of saying so and going on.
pub(crate) fn everything_required() -> bool {
    let set = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    set("CI", "true") || set("BACKSTOP_REQUIRE_ALL", "1")
}

/// The first of some paths that exists.
pub(crate) fn first_existing<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Option<&'a Path> {
    paths.into_iter().find(|path| path.exists())
}
