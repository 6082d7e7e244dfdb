//! The objects of the schema that the double has, and how each finds its fields.
//!
//! A field that it does not have is refused, never made up: an answer here is one that Railway could have given.

mod list;
mod place;
mod service;
mod token;
mod volume;

use std::sync::Arc;

use apollo_compiler::resolvers::{FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::response::{JsonMap, JsonValue};

use self::list::{Edge, List};
pub(super) use self::place::environments_of;
use super::visit::{Found, Refusal, Visit};
use super::world::{
    Backup, Environment, Project, Schedule, Service, ServiceInstance, Token, Variable, Volume,
    VolumeInstance, Workspace,
};
use super::{mutation, query};

/// What a field can lead to.
#[derive(Debug, Clone)]
pub(super) enum Entity {
    Query,
    Mutation,
    User,
    Workspace(Workspace),
    Project(Project),
    Environment(Environment),
    Service(Service),
    ServiceInstance(ServiceInstance),
    Volume(Volume),
    VolumeInstance(VolumeInstance),
    Backup(Backup),
    Schedule(Schedule),
    Variable(Variable),
    ApiToken(Token),
    ProjectToken(Token),
    List(List),
    Edge(Edge),
    /// Of `apiToken`: the workspaces that a token reaches.
    TokenContext(Vec<Entity>),
    /// An object whose fields are all leaves or lists of nothing.
    Plain {
        type_name: &'static str,
        fields: JsonMap,
    },
}

/// An object of one answer.
pub(super) struct Object {
    pub(super) visit: Arc<Visit>,
    pub(super) entity: Entity,
}

impl ObjectValue for Object {
    fn type_name(&self) -> &str {
        match &self.entity {
            Entity::Query => "Query",
            Entity::Mutation => "Mutation",
            Entity::User => "User",
            Entity::Workspace(_) => "Workspace",
            Entity::Project(_) => "Project",
            Entity::Environment(_) => "Environment",
            Entity::Service(_) => "Service",
            Entity::ServiceInstance(_) => "ServiceInstance",
            Entity::Volume(_) => "Volume",
            Entity::VolumeInstance(_) => "VolumeInstance",
            Entity::Backup(_) => "VolumeInstanceBackup",
            Entity::Schedule(_) => "VolumeInstanceBackupSchedule",
            Entity::Variable(_) => "Variable",
            Entity::ApiToken(_) => "ApiToken",
            Entity::ProjectToken(_) => "ProjectToken",
            Entity::TokenContext(_) => "ApiTokenContext",
            Entity::List(list) => &list.type_name,
            Entity::Edge(edge) => &edge.type_name,
            Entity::Plain { type_name, .. } => type_name,
        }
    }

    fn resolve_field<'a>(
        &'a self,
        info: &'a ResolveInfo<'a>,
    ) -> Result<ResolvedValue<'a>, FieldError> {
        match self.find(info) {
            Ok(found) => Ok(self.resolved(found, info)),
            Err(refusal) => Err(FieldError {
                message: refusal.to_string(),
            }),
        }
    }
}

impl Object {
    fn find(&self, info: &ResolveInfo<'_>) -> Result<Found, Refusal> {
        let (visit, field) = (&*self.visit, info.field_name());
        if matches!(self.entity, Entity::Query | Entity::Mutation) {
            visit.runs(field, info.arguments());
        }
        match &self.entity {
            Entity::Query => query::find(visit, field, info.arguments()),
            Entity::Mutation => mutation::find(visit, field, info.arguments()),
            Entity::User => token::user(visit, field),
            Entity::Workspace(one) => place::workspace(visit, one, field),
            Entity::Project(one) => place::project(visit, one, field),
            Entity::Environment(one) => place::environment(visit, one, field),
            Entity::Service(one) => service::service(visit, one, field),
            Entity::ServiceInstance(one) => service::instance(visit, one, field),
            Entity::Volume(one) => volume::volume(visit, one, field),
            Entity::VolumeInstance(one) => volume::instance(visit, one, field),
            Entity::Backup(one) => volume::backup(visit, one, field),
            Entity::Schedule(one) => volume::schedule(one, field),
            Entity::Variable(one) => token::variable(visit, one, field),
            Entity::ApiToken(one) => token::api(one, field),
            Entity::ProjectToken(one) => token::project(visit, one, field),
            Entity::TokenContext(workspaces) => match field {
                "workspaces" => Ok(Found::Many(workspaces.clone())),
                other => unknown("ApiTokenContext", other),
            },
            Entity::List(list) => list.field(field),
            Entity::Edge(edge) => edge.field(field),
            Entity::Plain { type_name, fields } => match fields.get(field) {
                Some(JsonValue::Array(items)) if items.is_empty() => Ok(Found::Many(vec![])),
                Some(value) => Ok(Found::Leaf(value.clone())),
                None => unknown(type_name, field),
            },
        }
    }

    fn resolved<'a>(&self, found: Found, info: &ResolveInfo<'_>) -> ResolvedValue<'a> {
        match found {
            Found::Leaf(value) => ResolvedValue::Leaf(value),
            Found::Maybe(None) => ResolvedValue::null(),
            Found::Maybe(Some(entity)) => ResolvedValue::object(self.beside(entity)),
            Found::Many(entities) => {
                let objects: Vec<Self> = entities.into_iter().map(|one| self.beside(one)).collect();
                ResolvedValue::list(objects.into_iter().map(ResolvedValue::object))
            }
            Found::Nodes(nodes) => {
                let list = List::page(nodes, info);
                ResolvedValue::object(self.beside(Entity::List(list)))
            }
        }
    }

    fn beside(&self, entity: Entity) -> Self {
        Self {
            visit: Arc::clone(&self.visit),
            entity,
        }
    }
}

impl Entity {
    /// The id of what has one: what a cursor names.
    fn id(&self) -> &str {
        match self {
            Self::Workspace(one) => &one.id,
            Self::Project(one) => &one.id,
            Self::Environment(one) => &one.id,
            Self::Service(one) => &one.id,
            Self::ServiceInstance(one) => &one.id,
            Self::Volume(one) => &one.id,
            Self::VolumeInstance(one) => &one.id,
            Self::Backup(one) => &one.id,
            Self::Schedule(one) => &one.id,
            Self::Variable(one) => &one.id,
            Self::ApiToken(one) | Self::ProjectToken(one) => &one.id,
            _ => "",
        }
    }
}

/// A leaf.
pub(super) fn leaf(value: impl Into<JsonValue>) -> Result<Found, Refusal> {
    Ok(Found::Leaf(value.into()))
}

/// A leaf that may be null.
pub(super) fn maybe(value: Option<&String>) -> Result<Found, Refusal> {
    match value {
        Some(text) => leaf(text.as_str()),
        None => nothing(),
    }
}

/// Null.
pub(super) fn nothing() -> Result<Found, Refusal> {
    Ok(Found::Leaf(JsonValue::Null))
}

/// An object.
pub(super) fn one(entity: Entity) -> Result<Found, Refusal> {
    Ok(Found::Maybe(Some(entity)))
}

/// The field of an object that the double does not have.
fn unknown(of: &str, field: &str) -> Result<Found, Refusal> {
    Err(Refusal::NotSimulated(format!("{of}.{field}")))
}
