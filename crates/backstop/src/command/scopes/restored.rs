//! What the installation here knows of its targets' recovery points, as `backstop status` has it. Nothing is written,
//! and what does not answer soon counts as not known: the directory that this runs in may be anybody's.

use std::path::Path;
use std::time::Duration;

use backstop_scopes::report::Kept;

use crate::config::Config;
use crate::control::client::Client;
use crate::control::protocol::Request;
use crate::home::Home;
use crate::serve::{Standing, TargetStanding};

/// How long the gate may take; it asks each target.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is kept of each target, or why that is not known.
pub(super) fn known(config: &Path) -> Result<Vec<Kept>, String> {
    let is_file = std::fs::metadata(config).is_ok_and(|meta| meta.is_file());
    let home = is_file.then(|| Config::data_dir_of(config)).flatten();
    let home = home.map(|at| Home::at(&at)).ok_or_else(|| {
        "there is no installation of Backstop here (--config names one)".to_owned()
    })?;
    let shown = home.root().display();
    home.check_or_root()
        .map_err(|_| format!("this user may not ask the installation at `{shown}`"))?;
    let client = Client::find(&home)
        .map_err(|_| format!("this user may not ask the installation at `{shown}`"))?;
    let mut client = client
        .ok_or_else(|| format!("the installation at `{shown}` does not run, and was not asked"))?;
    let asked = client
        .patient(PATIENCE)
        .and_then(|()| client.ask::<Standing>(&Request::Status));
    let standing = asked.map_err(|_| format!("the installation at `{shown}` gave no answer"))?;
    Ok(standing
        .targets
        .into_iter()
        .filter_map(|target| kept(target, &shown.to_string()))
        .collect())
}

fn kept(target: TargetStanding, by: &str) -> Option<Kept> {
    let points = target.points;
    let of = |get: fn(&crate::serve::PointsStanding) -> Option<u64>| points.as_ref().and_then(get);
    Some(Kept {
        by: by.to_owned(),
        target: target.name,
        system_identifier: target.system_identifier?,
        database: target.database,
        newest_age_s: of(|p| p.newest_age_s),
        restored_age_s: of(|p| p.drill_age_s),
        restore_ms: of(|p| p.rto_ms),
        drill_failed: points.and_then(|p| p.drill_failed),
    })
}
