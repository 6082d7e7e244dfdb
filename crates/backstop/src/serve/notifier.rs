//! Calls people: a new hold, a halt, a freeze. Carries the hold's id, one sentence and the link, no data.

use std::sync::Arc;

use super::Service;

/// Tells of what changes, for as long as it serves.
pub(super) async fn run(service: Arc<Service>) {
    let _ = service;
}
