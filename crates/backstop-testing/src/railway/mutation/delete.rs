//! Deleting, at once. Nothing asks again, and nothing is kept.

use apollo_compiler::response::JsonMap;

use super::done;
use crate::railway::ids::in_days;
use crate::railway::visit::{Found, Refusal, Visit, optional, text};

/// The call of the incident. One id stands for the volume in every environment, and its backups lie on it.
pub(super) fn volume(visit: &Visit, id: &str) -> Result<Found, Refusal> {
    visit.volume(id)?;
    visit.world().delete_volume(id)?;
    done()
}

pub(super) fn environment(visit: &Visit, id: &str) -> Result<Found, Refusal> {
    let environment = visit.environment(id)?;
    visit.project(&environment.project)?;
    visit.world().delete_environment(id)?;
    done()
}

pub(super) fn project(visit: &Visit, id: &str) -> Result<Found, Refusal> {
    visit.project(id)?;
    visit.world().delete_project(id)?;
    done()
}

/// A deletion with a grace period, or taking it back. The double does not wait for its end.
pub(super) fn schedule(visit: &Visit, id: &str, begin: bool) -> Result<Found, Refusal> {
    visit.project(id)?;
    for project in &mut visit.world().projects {
        if project.id == id {
            project.deleted = begin.then(|| in_days(2));
        }
    }
    done()
}

pub(super) fn service(visit: &Visit, arguments: &JsonMap) -> Result<Found, Refusal> {
    let service = visit.service(&text(arguments, "id")?)?;
    let environment = optional(arguments, "environmentId");
    if let Some(environment) = &environment {
        visit.environment(environment)?;
    }
    visit
        .world()
        .delete_service(&service.id, environment.as_deref());
    done()
}
