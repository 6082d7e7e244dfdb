//! The mutations that the double carries out, at once and for good.
//!
//! Every other one of the schema is an error: a success that did nothing would be a lie.

mod backup;
mod delete;
mod token;
mod variable;
mod volume;

use apollo_compiler::response::{JsonMap, JsonValue};

use super::ids::uuid;
use super::objects::{Entity, one};
use super::visit::{Found, Refusal, Visit, input, text};

/// Carries a root field out.
pub(super) fn find(visit: &Visit, field: &str, arguments: &JsonMap) -> Result<Found, Refusal> {
    if visit.caller.reach.is_none() {
        return Err(Refusal::NotAuthorized);
    }
    let id = || text(arguments, "id");
    match field {
        "apiTokenCreate" => token::create(visit, input(arguments)?),
        "apiTokenDelete" => token::delete(visit, &id()?),
        "projectTokenCreate" => token::create_for_project(visit, input(arguments)?),
        "projectTokenDelete" => token::delete_of_project(visit, &id()?),
        "environmentDelete" => delete::environment(visit, &id()?),
        "projectDelete" | "projectScheduleDeleteForce" => delete::project(visit, &id()?),
        "projectScheduleDelete" => delete::schedule(visit, &id()?, true),
        "projectScheduleDeleteCancel" => delete::schedule(visit, &id()?, false),
        "serviceDelete" => delete::service(visit, arguments),
        "volumeDelete" => delete::volume(visit, &text(arguments, "volumeId")?),
        "volumeCreate" => volume::create(visit, input(arguments)?),
        "volumeUpdate" => volume::rename(visit, arguments),
        "volumeInstanceUpdate" => volume::update(visit, arguments),
        "volumeInstanceBackupCreate" => backup::create(visit, arguments),
        "volumeInstanceBackupDelete" => backup::delete(visit, arguments),
        "volumeInstanceBackupLock" => backup::lock(visit, arguments),
        "volumeInstanceBackupRestore" => backup::restore(visit, arguments),
        "volumeInstanceBackupScheduleUpdate" => backup::schedule(visit, arguments),
        "variableUpsert" => variable::upsert(visit, input(arguments)?),
        "variableCollectionUpsert" => variable::upsert_all(visit, input(arguments)?),
        "variableDelete" => variable::delete(visit, input(arguments)?),
        other => Err(Refusal::NotSimulated(format!("Mutation.{other}"))),
    }
}

/// What most mutations answer.
fn done() -> Result<Found, Refusal> {
    Ok(Found::Leaf(JsonValue::Bool(true)))
}

/// What those answer that Railway does in the background; here they have ended.
fn workflow(visit: &Visit) -> Result<Found, Refusal> {
    let id = uuid();
    visit.world().workflows.push(id.clone());
    let mut fields = JsonMap::new();
    fields.insert("workflowId", id.into());
    one(Entity::Plain {
        type_name: "WorkflowId",
        fields,
    })
}
