//! One request as it is answered: who asks, what is there, and the answers and refusals that a field can have.
//!
//! Every way to an object goes through here and asks whether the caller reaches it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use apollo_compiler::response::{JsonMap, JsonValue};

use super::caller::Caller;
use super::disk::held;
use super::objects::Entity;
use super::received::Ran;
use super::world::{Environment, Project, Service, Volume, VolumeInstance, World};

/// What a field's answer is, before the selection shapes it.
pub(super) enum Found {
    Leaf(JsonValue),
    Maybe(Option<Entity>),
    Many(Vec<Entity>),
    /// Nodes of a connection, before a page is cut.
    Nodes(Vec<Entity>),
}

/// Why a field has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    NotAuthorized,
    NotFound(&'static str),
    /// Railway has this field; the double does not.
    NotSimulated(String),
    Problem(String),
}

/// How the message of a field that is not simulated begins.
pub(super) const NOT_SIMULATED: &str = "not simulated by this double";

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAuthorized => f.write_str("Not Authorized"),
            Self::NotFound(what) => write!(f, "{what} not found"),
            Self::NotSimulated(what) => write!(f, "{NOT_SIMULATED}: {what}"),
            Self::Problem(why) => write!(f, "Problem processing request: {why}"),
        }
    }
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::Problem(format!("{error:#}"))
    }
}

/// One request.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) caller: Caller,
    world: Arc<Mutex<World>>,
    ran: Arc<Mutex<Vec<Ran>>>,
}

impl Visit {
    pub(super) fn new(world: Arc<Mutex<World>>, caller: Caller) -> Self {
        Self {
            caller,
            world,
            ran: Arc::default(),
        }
    }

    /// Notes that a root field is carried out.
    pub(super) fn runs(&self, field: &str, arguments: &JsonMap) {
        held(&self.ran).push(Ran::of(field, arguments));
    }

    /// What was carried out so far.
    pub(super) fn ran(&self) -> Vec<Ran> {
        held(&self.ran).clone()
    }

    /// What is there; nobody else changes it meanwhile.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        held(&self.world)
    }

    /// A project that the caller may look at.
    pub(super) fn seen_project(&self, id: &str) -> Result<Project, Refusal> {
        let project = self.any_project(id)?;
        self.allow(self.caller.sees_project(&project))?;
        Ok(project)
    }

    /// A project that the caller reaches whole.
    pub(super) fn project(&self, id: &str) -> Result<Project, Refusal> {
        let project = self.any_project(id)?;
        self.allow(self.caller.reaches_project(&project))?;
        Ok(project)
    }

    /// An environment that the caller reaches.
    pub(super) fn environment(&self, id: &str) -> Result<Environment, Refusal> {
        let found = self.find(|world| world.environments.iter().find(|one| one.id == id));
        let environment = found.ok_or(self.missing("Environment"))?;
        let project = self.any_project(&environment.project)?;
        self.allow(self.caller.reaches_environment(&project, id))?;
        Ok(environment)
    }

    /// A service of a project that the caller reaches whole: a project's token does not.
    pub(super) fn service(&self, id: &str) -> Result<Service, Refusal> {
        let found = self.find(|world| world.services.iter().find(|one| one.id == id));
        let service = found.ok_or(self.missing("Service"))?;
        self.project(&service.project)?;
        Ok(service)
    }

    /// A volume all instances of which the caller reaches.
    pub(super) fn volume(&self, id: &str) -> Result<Volume, Refusal> {
        let found = self.find(|world| world.volumes.iter().find(|one| one.id == id));
        let volume = found.ok_or(self.missing("Volume"))?;
        let project = self.any_project(&volume.project)?;
        let reached = self.instances_of(id).iter().all(|instance| {
            self.caller
                .reaches_environment(&project, &instance.environment)
        });
        self.allow(reached && self.caller.sees_project(&project))?;
        Ok(volume)
    }

    /// A volume in one environment that the caller reaches.
    pub(super) fn volume_instance(&self, id: &str) -> Result<VolumeInstance, Refusal> {
        let found = self.find(|world| world.volume_instances.iter().find(|one| one.id == id));
        let instance = found.ok_or(self.missing("Volume instance"))?;
        self.environment(&instance.environment)?;
        Ok(instance)
    }

    /// A volume's instances in every environment.
    pub(super) fn instances_of(&self, volume: &str) -> Vec<VolumeInstance> {
        let world = self.world();
        let all = world.volume_instances.iter();
        all.filter(|one| one.volume == volume).cloned().collect()
    }

    /// Refuses unless it is so.
    pub(super) fn allow(&self, so: bool) -> Result<(), Refusal> {
        if so {
            Ok(())
        } else {
            Err(Refusal::NotAuthorized)
        }
    }

    /// Only who reaches the whole account learns that something does not exist.
    pub(super) fn missing(&self, what: &'static str) -> Refusal {
        if self.caller.is_account() {
            Refusal::NotFound(what)
        } else {
            Refusal::NotAuthorized
        }
    }

    fn any_project(&self, id: &str) -> Result<Project, Refusal> {
        let found = self.find(|world| world.projects.iter().find(|one| one.id == id));
        found.ok_or(self.missing("Project"))
    }

    fn find<T: Clone>(&self, look: impl FnOnce(&World) -> Option<&T>) -> Option<T> {
        look(&self.world()).cloned()
    }
}

/// A required text argument.
pub(super) fn text(arguments: &JsonMap, name: &str) -> Result<String, Refusal> {
    optional(arguments, name).ok_or_else(|| Refusal::Problem(format!("`{name}` is missing")))
}

/// A text argument that may be absent or null.
pub(super) fn optional(arguments: &JsonMap, name: &str) -> Option<String> {
    arguments.get(name)?.as_str().map(str::to_owned)
}

/// An input object.
pub(super) fn input(arguments: &JsonMap) -> Result<&JsonMap, Refusal> {
    arguments
        .get("input")
        .and_then(JsonValue::as_object)
        .ok_or_else(|| Refusal::Problem("`input` is missing".to_owned()))
}
