//! Minting tokens and taking them back. A token can be made with any token that reaches as far.

use apollo_compiler::response::JsonMap;

use super::done;
use crate::railway::ids::{now, uuid};
use crate::railway::objects::leaf;
use crate::railway::visit::{Found, Refusal, Visit, optional, text};
use crate::railway::world::{Reach, Token};

/// An account's token, or, with a workspace, that one's.
pub(super) fn create(visit: &Visit, input: &JsonMap) -> Result<Found, Refusal> {
    let reach = match optional(input, "workspaceId") {
        None => {
            visit.allow(visit.caller.is_account())?;
            Reach::Account
        }
        Some(id) => {
            visit.allow(visit.caller.reaches_workspace(&id))?;
            let known = visit.world().workspaces.iter().any(|one| one.id == id);
            known.then_some(()).ok_or(visit.missing("Workspace"))?;
            Reach::Workspace(id)
        }
    };
    mint(visit, text(input, "name")?, reach)
}

pub(super) fn create_for_project(visit: &Visit, input: &JsonMap) -> Result<Found, Refusal> {
    let project = visit.project(&text(input, "projectId")?)?;
    let environment = visit.environment(&text(input, "environmentId")?)?;
    visit.allow(environment.project == project.id)?;
    let reach = Reach::Environment {
        project: project.id,
        environment: environment.id,
    };
    mint(visit, text(input, "name")?, reach)
}

pub(super) fn delete(visit: &Visit, id: &str) -> Result<Found, Refusal> {
    visit.allow(visit.caller.is_account())?;
    remove(visit, id, |reach| {
        !matches!(reach, Reach::Environment { .. })
    })
}

pub(super) fn delete_of_project(visit: &Visit, id: &str) -> Result<Found, Refusal> {
    let found = visit
        .world()
        .tokens
        .iter()
        .find(|one| one.id == id)
        .cloned();
    let token = found.ok_or(visit.missing("Project token"))?;
    let Reach::Environment { project, .. } = &token.reach else {
        return Err(Refusal::NotFound("Project token"));
    };
    visit.project(project)?;
    remove(visit, id, |reach| {
        matches!(reach, Reach::Environment { .. })
    })
}

fn remove(visit: &Visit, id: &str, sort: impl Fn(&Reach) -> bool) -> Result<Found, Refusal> {
    let mut world = visit.world();
    let before = world.tokens.len();
    world
        .tokens
        .retain(|token| token.id != id || !sort(&token.reach));
    if world.tokens.len() == before {
        return Err(Refusal::NotFound("Token"));
    }
    done()
}

/// The one moment in which a token is shown.
fn mint(visit: &Visit, name: String, reach: Reach) -> Result<Found, Refusal> {
    let secret = uuid();
    visit.world().tokens.push(Token {
        id: uuid(),
        name,
        secret: secret.clone(),
        reach,
        created: now(),
    });
    leaf(secret)
}
