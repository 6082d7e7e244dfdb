//! Services, and a service in one environment.

use apollo_compiler::response::{JsonMap, JsonValue};

use super::list::{empty, none};
use super::place::project_of;
use super::{Entity, leaf, maybe, nothing, one, unknown};
use crate::railway::visit::{Found, Refusal, Visit};
use crate::railway::world::{Service, ServiceInstance};

pub(super) fn service(visit: &Visit, it: &Service, field: &str) -> Result<Found, Refusal> {
    match field {
        "id" => maybe(Some(&it.id)),
        "name" => maybe(Some(&it.name)),
        "projectId" => maybe(Some(&it.project)),
        "project" => project_of(visit, &it.project),
        "createdAt" | "updatedAt" => maybe(Some(&it.created)),
        "hasHiddenRegistryCredentialsFromTemplate" | "isRestricted" => leaf(false),
        "deletedAt" | "groupId" | "icon" | "templateId" | "templateServiceId"
        | "templateThreadSlug" => nothing(),
        "featureFlags" => none(),
        "deployments" | "repoTriggers" => empty(),
        "serviceInstances" => {
            let instances: Vec<_> = {
                let world = visit.world();
                let all = world.service_instances.iter();
                all.filter(|one| one.service == it.id).cloned().collect()
            };
            let reached = instances
                .into_iter()
                .filter(|one| visit.environment(&one.environment).is_ok());
            Ok(Found::Nodes(reached.map(Entity::ServiceInstance).collect()))
        }
        other => unknown("Service", other),
    }
}

pub(super) fn instance(visit: &Visit, it: &ServiceInstance, field: &str) -> Result<Found, Refusal> {
    match field {
        "id" => maybe(Some(&it.id)),
        "serviceId" => maybe(Some(&it.service)),
        "service" => one(Entity::Service(service_of(visit, &it.service)?)),
        "serviceName" => maybe(Some(&service_of(visit, &it.service)?.name)),
        "environmentId" => maybe(Some(&it.environment)),
        "createdAt" | "updatedAt" => maybe(Some(&it.created)),
        "builder" => leaf("RAILPACK"),
        "restartPolicyType" => leaf("ON_FAILURE"),
        "restartPolicyMaxRetries" => leaf(10),
        "isUpdatable" => leaf(true),
        "activeDeployments" | "watchPatterns" => none(),
        "domains" => one(no_domains()),
        "buildCommand" | "cronSchedule" | "deletedAt" | "dockerfilePath" | "drainingSeconds"
        | "edgeConfig" | "healthcheckPath" | "healthcheckTimeout" | "ipv6EgressEnabled"
        | "latestDeployment" | "nextCronRunAt" | "nixpacksPlan" | "numReplicas"
        | "overlapSeconds" | "preDeployCommand" | "railpackInfo" | "railwayConfigFile"
        | "region" | "rootDirectory" | "sleepApplication" | "source" | "startCommand"
        | "upstreamUrl" => nothing(),
        other => unknown("ServiceInstance", other),
    }
}

/// A service that the caller came to by one of its instances.
fn service_of(visit: &Visit, id: &str) -> Result<Service, Refusal> {
    let world = visit.world();
    let found = world.services.iter().find(|one| one.id == id);
    found.cloned().ok_or(Refusal::NotFound("Service"))
}

fn no_domains() -> Entity {
    let mut fields = JsonMap::new();
    for name in ["customDomains", "serviceDomains"] {
        fields.insert(name, JsonValue::Array(vec![]));
    }
    Entity::Plain {
        type_name: "AllDomains",
        fields,
    }
}
