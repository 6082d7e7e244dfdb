//! The user, tokens and variables. A token's value is shown once, by the mutation that makes it.

use super::list::none;
use super::place::{environment_of, project_of};
use super::{Entity, leaf, maybe, nothing, one, unknown};
use crate::railway::visit::{Found, Refusal, Visit};
use crate::railway::world::{Reach, Token, Variable};

pub(super) fn user(visit: &Visit, field: &str) -> Result<Found, Refusal> {
    let world = visit.world();
    let it = world.user.clone();
    match field {
        "id" => maybe(Some(&it.id)),
        "name" => maybe(Some(&it.name)),
        "email" => maybe(Some(&it.email)),
        "createdAt" | "lastLogin" | "termsAgreedOn" => maybe(Some(&it.created)),
        "registrationStatus" => leaf("REGISTERED"),
        "agreedFairUse" | "isVerified" => leaf(true),
        "has2FA" | "hasPasskeys" | "isAdmin" | "isConductor" => leaf(false),
        "avatar" | "banReason" | "githubProviderId" | "githubUsername" | "riskLevel"
        | "username" | "workspace" => nothing(),
        "featureFlags" | "flags" | "platformFeatureFlags" => none(),
        "workspaces" => {
            let all = world.workspaces.iter().cloned();
            Ok(Found::Many(all.map(Entity::Workspace).collect()))
        }
        other => unknown("User", other),
    }
}

pub(super) fn variable(visit: &Visit, it: &Variable, field: &str) -> Result<Found, Refusal> {
    match field {
        "id" => maybe(Some(&it.id)),
        "name" => maybe(Some(&it.name)),
        "environmentId" => maybe(Some(&it.environment)),
        "environment" => environment_of(visit, &it.environment),
        "serviceId" => maybe(it.service.as_ref()),
        "service" => match &it.service {
            Some(service) => one(Entity::Service(visit.service(service)?)),
            None => Err(Refusal::NotFound("Service")),
        },
        "createdAt" | "updatedAt" => maybe(Some(&it.created)),
        "isSealed" => leaf(false),
        "references" => none(),
        "pluginId" => nothing(),
        other => unknown("Variable", other),
    }
}

pub(super) fn api(it: &Token, field: &str) -> Result<Found, Refusal> {
    match field {
        "id" => maybe(Some(&it.id)),
        "name" => maybe(Some(&it.name)),
        "displayToken" => leaf(shown(it)),
        "expiresAt" => nothing(),
        "workspaceId" => match &it.reach {
            Reach::Workspace(workspace) => maybe(Some(workspace)),
            _ => nothing(),
        },
        other => unknown("ApiToken", other),
    }
}

pub(super) fn project(visit: &Visit, it: &Token, field: &str) -> Result<Found, Refusal> {
    let Reach::Environment {
        project,
        environment,
    } = &it.reach
    else {
        return Err(Refusal::NotAuthorized);
    };
    match field {
        "id" => maybe(Some(&it.id)),
        "name" => maybe(Some(&it.name)),
        "createdAt" => maybe(Some(&it.created)),
        "displayToken" => leaf(shown(it)),
        "projectId" => maybe(Some(project)),
        "project" => project_of(visit, project),
        "environmentId" => maybe(Some(environment)),
        "environment" => environment_of(visit, environment),
        other => unknown("ProjectToken", other),
    }
}

/// The last four characters of a token.
fn shown(token: &Token) -> String {
    let last = token.secret.len().saturating_sub(4);
    format!("****-{}", token.secret.get(last..).unwrap_or_default())
}
