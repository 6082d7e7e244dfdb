//! Whether a target can be reached at all.

use std::sync::Arc;

use backstop_wire::http::Scheme;

use super::limits::Limits;
use super::problem::Problem;
use super::resolve::System;
use super::site::Site;
use super::target::Target;
use super::upstream::{Destination, Upstreams};

/// Connects as for a request, verifies the certificate, and hangs up.
///
/// # Errors
/// What a client would be told that the target cannot be reached.
pub async fn try_out(
    target: &Arc<Target>,
    scheme: Scheme,
    site: &Site,
) -> Result<(), Box<Problem>> {
    let to = Destination {
        target: Arc::clone(target),
        scheme,
        site: site.clone(),
    };
    let upstreams = Upstreams::new(Arc::new(System), &Limits::default());
    let tried = upstreams.try_out(&to).await;
    tried.map_err(|fault| Box::new(fault.problem(site)))
}

/// Connects as for an opaque tunnel, says nothing, and hangs up.
///
/// # Errors
/// What a client would be told that the target cannot be reached.
pub async fn try_road(target: &Arc<Target>, site: &Site) -> Result<(), Box<Problem>> {
    let upstreams = Upstreams::new(Arc::new(System), &Limits::default());
    let tried = upstreams.opaque(target, site).await;
    tried
        .map(drop)
        .map_err(|fault| Box::new(fault.problem(site)))
}
