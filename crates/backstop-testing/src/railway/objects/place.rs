//! Workspaces, projects, environments.

use super::list::{empty, none};
use super::{Entity, leaf, maybe, nothing, one, unknown};
use crate::railway::visit::{Found, Refusal, Visit};
use crate::railway::world::{Environment, Project, Workspace};

pub(super) fn workspace(visit: &Visit, one: &Workspace, field: &str) -> Result<Found, Refusal> {
    visit.allow(visit.caller.reaches_workspace(&one.id))?;
    match field {
        "id" => maybe(Some(&one.id)),
        "name" => maybe(Some(&one.name)),
        "createdAt" | "updatedAt" => maybe(Some(&one.created)),
        "plan" => leaf("PRO"),
        "projectCount" => leaf(i64::try_from(projects_of(visit, &one.id).len()).unwrap_or(0)),
        "projects" => Ok(Found::Nodes(projects_of(visit, &one.id))),
        "has2FAEnforcement"
        | "hasAutomaticDiagnosis"
        | "hasGuardrailsAccess"
        | "hasHipaaBAA"
        | "hasSAML"
        | "redactedDueTo2FAPending" => leaf(false),
        "avatar" | "banReason" | "discordRole" | "preferredRegion" | "slackChannelId" | "team" => {
            nothing()
        }
        "identityProviders" => empty(),
        "usersWithout2FA" | "referredUsers" | "adoptionHistory" => none(),
        other => unknown("Workspace", other),
    }
}

pub(super) fn project(visit: &Visit, it: &Project, field: &str) -> Result<Found, Refusal> {
    match field {
        "id" => maybe(Some(&it.id)),
        "name" => maybe(Some(&it.name)),
        "createdAt" | "updatedAt" => maybe(Some(&it.created)),
        "deletedAt" => maybe(it.deleted.as_ref()),
        "workspaceId" => maybe(Some(&it.workspace)),
        "workspace" => {
            let world = visit.world();
            let found = world.workspaces.iter().find(|one| one.id == it.workspace);
            Ok(Found::Maybe(found.cloned().map(Entity::Workspace)))
        }
        "baseEnvironmentId" | "primaryEnvironmentId" => {
            maybe(base(visit, it).map(|e| e.id).as_ref())
        }
        "baseEnvironment" => Ok(Found::Maybe(base(visit, it).map(Entity::Environment))),
        "environments" => Ok(Found::Nodes(environments_of(visit, it))),
        "services" => {
            let world = visit.world();
            let all = world.services.iter().filter(|one| one.project == it.id);
            Ok(Found::Nodes(all.cloned().map(Entity::Service).collect()))
        }
        "volumes" => Ok(Found::Nodes(volumes_of(visit, it))),
        "subscriptionType" => leaf("pro"),
        "botPrEnvironments"
        | "focusedPrEnvironments"
        | "isPublic"
        | "isTempProject"
        | "prDeploys" => leaf(false),
        "description" | "expiredAt" | "team" | "teamId" => nothing(),
        "featureFlags" => none(),
        "buckets" | "deployments" | "deploymentTriggers" | "groups" | "plugins" => empty(),
        other => unknown("Project", other),
    }
}

pub(super) fn environment(visit: &Visit, it: &Environment, field: &str) -> Result<Found, Refusal> {
    match field {
        "id" => maybe(Some(&it.id)),
        "name" => maybe(Some(&it.name)),
        "projectId" => maybe(Some(&it.project)),
        "createdAt" | "updatedAt" => maybe(Some(&it.created)),
        "canAccess" => leaf(true),
        "isEphemeral" => leaf(false),
        "unmergedChangesCount" => leaf(0),
        "deletedAt" | "meta" | "sourceEnvironment" => nothing(),
        "deployments" | "deploymentTriggers" => empty(),
        "serviceInstances" => {
            let world = visit.world();
            let all = world.service_instances.iter();
            let here = all.filter(|one| one.environment == it.id).cloned();
            Ok(Found::Nodes(here.map(Entity::ServiceInstance).collect()))
        }
        "variables" => {
            let world = visit.world();
            let here = world
                .variables
                .iter()
                .filter(|one| one.environment == it.id);
            Ok(Found::Nodes(here.cloned().map(Entity::Variable).collect()))
        }
        "volumeInstances" => {
            let world = visit.world();
            let all = world.volume_instances.iter();
            let here = all.filter(|one| one.environment == it.id).cloned();
            Ok(Found::Nodes(here.map(Entity::VolumeInstance).collect()))
        }
        other => unknown("Environment", other),
    }
}

/// The projects of a workspace; a deletion that waits hides none.
pub(in crate::railway) fn projects_of(visit: &Visit, workspace: &str) -> Vec<Entity> {
    let world = visit.world();
    let all = world
        .projects
        .iter()
        .filter(|one| one.workspace == workspace);
    all.cloned().map(Entity::Project).collect()
}

/// The environments of a project that the caller reaches.
pub(in crate::railway) fn environments_of(visit: &Visit, project: &Project) -> Vec<Entity> {
    let world = visit.world();
    let all = world
        .environments
        .iter()
        .filter(|one| one.project == project.id);
    all.filter(|one| visit.caller.reaches_environment(project, &one.id))
        .cloned()
        .map(Entity::Environment)
        .collect()
}

fn volumes_of(visit: &Visit, project: &Project) -> Vec<Entity> {
    let all: Vec<_> = {
        let world = visit.world();
        let of = world.volumes.iter().filter(|one| one.project == project.id);
        of.cloned().collect()
    };
    all.into_iter()
        .filter(|volume| visit.volume(&volume.id).is_ok())
        .map(Entity::Volume)
        .collect()
}

fn base(visit: &Visit, project: &Project) -> Option<Environment> {
    environments_of(visit, project)
        .into_iter()
        .find_map(|one| match one {
            Entity::Environment(environment) => Some(environment),
            _ => None,
        })
}

/// The project of an id, for those who came by one of its parts.
pub(super) fn project_of(visit: &Visit, id: &str) -> Result<Found, Refusal> {
    one(Entity::Project(visit.seen_project(id)?))
}

/// The environment of an id.
pub(super) fn environment_of(visit: &Visit, id: &str) -> Result<Found, Refusal> {
    one(Entity::Environment(visit.environment(id)?))
}
