//! The queries that the double answers.
//!
//! They change nothing, but some of them show what must not be shown: `variables` gives values away.

use apollo_compiler::response::{JsonMap, JsonValue};

use super::objects::{Entity, leaf, one};
use super::visit::{Found, Refusal, Visit, optional, text};
use super::world::{Project, Reach, ServiceInstance, Token};

/// Finds the answer of a root field.
pub(super) fn find(visit: &Visit, field: &str, arguments: &JsonMap) -> Result<Found, Refusal> {
    if visit.caller.reach.is_none() {
        return Err(Refusal::NotAuthorized);
    }
    let id = || text(arguments, "id");
    match field {
        "me" => {
            visit.allow(visit.caller.is_account())?;
            one(Entity::User)
        }
        "apiToken" => context(visit),
        "apiTokens" => api_tokens(visit),
        "projectToken" => project_token(visit),
        "projectTokens" => project_tokens(visit, &text(arguments, "projectId")?),
        "workspace" => workspace(visit, &text(arguments, "workspaceId")?),
        "projects" => projects(visit, optional(arguments, "workspaceId")),
        "projectsByIds" => projects_by_ids(visit, arguments),
        "project" => one(Entity::Project(visit.seen_project(&id()?)?)),
        "environments" => environments(visit, &text(arguments, "projectId")?),
        "environment" => one(Entity::Environment(visit.environment(&id()?)?)),
        "service" => one(Entity::Service(visit.service(&id()?)?)),
        "serviceInstance" => service_instance(visit, arguments),
        "variables" | "variablesForServiceDeployment" => variables(visit, arguments),
        "volumeInstance" => one(Entity::VolumeInstance(visit.volume_instance(&id()?)?)),
        "volumeInstanceBackupList" => backups(visit, &text(arguments, "volumeInstanceId")?),
        "volumeInstanceBackupScheduleList" => {
            schedules(visit, &text(arguments, "volumeInstanceId")?)
        }
        "adminVolumeInstancesForVolume" => Err(Refusal::NotAuthorized),
        "workflowStatus" => workflow(visit, &text(arguments, "workflowId")?),
        other => Err(Refusal::NotSimulated(format!("Query.{other}"))),
    }
}

fn context(visit: &Visit) -> Result<Found, Refusal> {
    let world = visit.world();
    let reached = world
        .workspaces
        .iter()
        .filter(|one| visit.caller.reaches_workspace(&one.id));
    let workspaces: Vec<Entity> = reached
        .map(|one| {
            let mut fields = JsonMap::new();
            fields.insert("id", one.id.as_str().into());
            fields.insert("name", one.name.as_str().into());
            Entity::Plain {
                type_name: "ApiTokenWorkspace",
                fields,
            }
        })
        .collect();
    visit.allow(!workspaces.is_empty())?;
    one(Entity::TokenContext(workspaces))
}

fn api_tokens(visit: &Visit) -> Result<Found, Refusal> {
    visit.allow(visit.caller.is_account())?;
    tokens(visit, Entity::ApiToken, |reach| {
        !matches!(reach, Reach::Environment { .. })
    })
}

fn project_tokens(visit: &Visit, id: &str) -> Result<Found, Refusal> {
    visit.project(id)?;
    tokens(
        visit,
        Entity::ProjectToken,
        |reach| matches!(reach, Reach::Environment { project, .. } if project == id),
    )
}

fn tokens(
    visit: &Visit,
    entity: fn(Token) -> Entity,
    wanted: impl Fn(&Reach) -> bool,
) -> Result<Found, Refusal> {
    let world = visit.world();
    let all = world.tokens.iter().filter(|token| wanted(&token.reach));
    Ok(Found::Nodes(all.cloned().map(entity).collect()))
}

/// The token that asks, if it is a project's.
fn project_token(visit: &Visit) -> Result<Found, Refusal> {
    let Some(reach @ Reach::Environment { .. }) = &visit.caller.reach else {
        return Err(Refusal::NotAuthorized);
    };
    let world = visit.world();
    let name = &visit.caller.presented;
    let own = |token: &&Token| {
        token.reach == *reach && *name == super::Presented::Known(token.name.clone())
    };
    match world.tokens.iter().find(own) {
        Some(token) => one(Entity::ProjectToken(token.clone())),
        None => Err(Refusal::NotAuthorized),
    }
}

fn workspace(visit: &Visit, id: &str) -> Result<Found, Refusal> {
    let found = {
        let world = visit.world();
        world.workspaces.iter().find(|one| one.id == id).cloned()
    };
    let workspace = found.ok_or(visit.missing("Workspace"))?;
    visit.allow(visit.caller.reaches_workspace(id))?;
    one(Entity::Workspace(workspace))
}

fn projects(visit: &Visit, workspace: Option<String>) -> Result<Found, Refusal> {
    let all: Vec<Project> = visit.world().projects.clone();
    let reached: Vec<Entity> = all
        .into_iter()
        .filter(|project| visit.caller.reaches_project(project))
        .filter(|project| {
            workspace
                .as_ref()
                .is_none_or(|wanted| *wanted == project.workspace)
        })
        .map(Entity::Project)
        .collect();
    // A project's token may not list, not even its own.
    let lists = !matches!(visit.caller.reach, Some(Reach::Environment { .. }));
    visit.allow(lists)?;
    Ok(Found::Nodes(reached))
}

fn projects_by_ids(visit: &Visit, arguments: &JsonMap) -> Result<Found, Refusal> {
    let ids = arguments.get("ids").and_then(JsonValue::as_array);
    let ids = ids.into_iter().flatten().filter_map(JsonValue::as_str);
    let projects: Result<Vec<_>, _> = ids.map(|id| visit.project(id)).collect();
    let entities = projects?.into_iter().map(Entity::Project);
    Ok(Found::Many(entities.collect()))
}

fn environments(visit: &Visit, project: &str) -> Result<Found, Refusal> {
    let project = visit.seen_project(project)?;
    Ok(Found::Nodes(super::objects::environments_of(
        visit, &project,
    )))
}

fn service_instance(visit: &Visit, arguments: &JsonMap) -> Result<Found, Refusal> {
    let service = visit.service(&text(arguments, "serviceId")?)?;
    let environment = visit.environment(&text(arguments, "environmentId")?)?;
    let here =
        |one: &&ServiceInstance| one.service == service.id && one.environment == environment.id;
    let found = visit.world().service_instances.iter().find(here).cloned();
    let instance = found.ok_or(visit.missing("Service instance"))?;
    one(Entity::ServiceInstance(instance))
}

/// The values, in clear: of one service with what it shares, or what is shared alone.
fn variables(visit: &Visit, arguments: &JsonMap) -> Result<Found, Refusal> {
    let environment = visit.environment(&text(arguments, "environmentId")?)?;
    visit.allow(environment.project == text(arguments, "projectId")?)?;
    let service = optional(arguments, "serviceId");
    let world = visit.world();
    let mut values = JsonMap::new();
    for variable in &world.variables {
        let shown = variable.service.is_none() || variable.service == service;
        if variable.environment == environment.id && shown {
            values.insert(variable.name.as_str(), variable.value.as_str().into());
        }
    }
    leaf(JsonValue::Object(values))
}

fn backups(visit: &Visit, instance: &str) -> Result<Found, Refusal> {
    visit.volume_instance(instance)?;
    let world = visit.world();
    let all = world.backups.iter().filter(|one| one.instance == instance);
    Ok(Found::Many(all.cloned().map(Entity::Backup).collect()))
}

fn schedules(visit: &Visit, instance: &str) -> Result<Found, Refusal> {
    visit.volume_instance(instance)?;
    let world = visit.world();
    let all = world.schedules.iter();
    let here = all.filter(|one| one.instance == instance).cloned();
    Ok(Found::Many(here.map(Entity::Schedule).collect()))
}

fn workflow(visit: &Visit, id: &str) -> Result<Found, Refusal> {
    let known = visit.world().workflows.iter().any(|one| one == id);
    let mut fields = JsonMap::new();
    fields.insert("status", if known { "Complete" } else { "NotFound" }.into());
    fields.insert("error", JsonValue::Null);
    one(Entity::Plain {
        type_name: "WorkflowResult",
        fields,
    })
}
