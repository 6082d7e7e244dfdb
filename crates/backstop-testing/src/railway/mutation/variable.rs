//! Variables of an environment, shared or of one service.

use apollo_compiler::response::{JsonMap, JsonValue};

use super::done;
use crate::railway::ids::{now, uuid};
use crate::railway::visit::{Found, Refusal, Visit, optional, text};
use crate::railway::world::Variable;

/// Whose variables an input means.
struct Place {
    environment: String,
    service: Option<String>,
}

pub(super) fn upsert(visit: &Visit, input: &JsonMap) -> Result<Found, Refusal> {
    let place = place(visit, input)?;
    set(visit, &place, &text(input, "name")?, text(input, "value")?);
    done()
}

/// Many at once; with `replace`, those that are not among them are deleted.
pub(super) fn upsert_all(visit: &Visit, input: &JsonMap) -> Result<Found, Refusal> {
    let place = place(visit, input)?;
    let values = input.get("variables").and_then(JsonValue::as_object);
    let values = values.ok_or_else(|| Refusal::Problem("`variables` is no object".to_owned()))?;
    if input.get("replace").and_then(JsonValue::as_bool) == Some(true) {
        visit.world().variables.retain(|one| !place.has(one));
    }
    for (name, value) in values {
        let text = match value.as_str() {
            Some(text) => text.to_owned(),
            None => value.to_string(),
        };
        set(visit, &place, name.as_str(), text);
    }
    done()
}

pub(super) fn delete(visit: &Visit, input: &JsonMap) -> Result<Found, Refusal> {
    let place = place(visit, input)?;
    let name = text(input, "name")?;
    visit
        .world()
        .variables
        .retain(|one| !(place.has(one) && one.name == name));
    done()
}

impl Place {
    fn has(&self, variable: &Variable) -> bool {
        variable.environment == self.environment && variable.service == self.service
    }
}

fn place(visit: &Visit, input: &JsonMap) -> Result<Place, Refusal> {
    let environment = visit.environment(&text(input, "environmentId")?)?;
    visit.allow(environment.project == text(input, "projectId")?)?;
    let service = optional(input, "serviceId");
    if let Some(id) = &service {
        let known = visit.world().services.iter().any(|one| one.id == *id);
        known.then_some(()).ok_or(visit.missing("Service"))?;
    }
    Ok(Place {
        environment: environment.id,
        service,
    })
}

fn set(visit: &Visit, place: &Place, name: &str, value: String) {
    let mut world = visit.world();
    world
        .variables
        .retain(|one| !(place.has(one) && one.name == name));
    world.variables.push(Variable {
        id: uuid(),
        environment: place.environment.clone(),
        service: place.service.clone(),
        name: name.to_owned(),
        value,
        created: now(),
    });
}
