//! Of what was found in one text, what counts.

use std::time::{SystemTime, UNIX_EPOCH};

use backstop_wire::secrets::{self, Hit};

/// Of hits in the same bytes the best. What says itself that it has ended is doubted.
pub(crate) fn best(hits: Vec<Hit>) -> Vec<Hit> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let ended = |hit: &Hit| hit.ends.is_some_and(|end| end < now);
    let doubt = |hit: Hit| match ended(&hit) {
        true => hit.doubted("it has expired"),
        false => hit,
    };
    secrets::best(hits.into_iter().map(doubt).collect())
}
