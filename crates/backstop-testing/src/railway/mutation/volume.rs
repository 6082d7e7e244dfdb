//! Making and changing volumes.

use apollo_compiler::response::JsonMap;

use super::done;
use crate::railway::disk::Disk;
use crate::railway::ids::{now, uuid};
use crate::railway::objects::{Entity, one};
use crate::railway::visit::{Found, Refusal, Visit, input, optional, text};
use crate::railway::world::{Environment, Volume, VolumeInstance};

/// A volume in one environment, or in every one of the project.
pub(super) fn create(visit: &Visit, input: &JsonMap) -> Result<Found, Refusal> {
    let project = visit.project(&text(input, "projectId")?)?;
    let environments: Vec<Environment> = match optional(input, "environmentId") {
        Some(id) => vec![visit.environment(&id)?],
        None => {
            let world = visit.world();
            let all = world.environments.iter();
            all.filter(|one| one.project == project.id)
                .cloned()
                .collect()
        }
    };
    visit.allow(environments.iter().all(|one| one.project == project.id))?;
    let service = match optional(input, "serviceId") {
        Some(id) => Some(visit.service(&id)?.id),
        None => None,
    };
    let id = uuid();
    let volume = Volume {
        name: format!("volume-{}", id.get(..8).unwrap_or_default()),
        id,
        project: project.id,
        created: now(),
    };
    let mount = text(input, "mountPath")?;
    let mut world = visit.world();
    for environment in environments {
        let instance = VolumeInstance {
            id: uuid(),
            volume: volume.id.clone(),
            environment: environment.id,
            service: service.clone(),
            mount: mount.clone(),
            created: now(),
        };
        world.disks.insert(instance.id.clone(), Disk::empty()?);
        world.volume_instances.push(instance);
    }
    world.volumes.push(volume.clone());
    one(Entity::Volume(volume))
}

pub(super) fn rename(visit: &Visit, arguments: &JsonMap) -> Result<Found, Refusal> {
    let mut volume = visit.volume(&text(arguments, "volumeId")?)?;
    if let Some(name) = optional(input(arguments)?, "name") {
        volume.name = name;
    }
    for one in &mut visit.world().volumes {
        if one.id == volume.id {
            *one = volume.clone();
        }
    }
    one(Entity::Volume(volume))
}

/// Where a volume is mounted and by whom. Its `state` is Railway's own to set.
pub(super) fn update(visit: &Visit, arguments: &JsonMap) -> Result<Found, Refusal> {
    let volume = visit.volume(&text(arguments, "volumeId")?)?;
    let input = input(arguments)?;
    if input.get("state").is_some_and(|state| !state.is_null()) {
        let what = "Mutation.volumeInstanceUpdate with `state`";
        return Err(Refusal::NotSimulated(what.to_owned()));
    }
    let service = match optional(input, "serviceId") {
        Some(id) => Some(visit.service(&id)?.id),
        None => None,
    };
    let (mount, environment) = (
        optional(input, "mountPath"),
        optional(arguments, "environmentId"),
    );
    for instance in &mut visit.world().volume_instances {
        let here = environment
            .as_ref()
            .is_none_or(|id| *id == instance.environment);
        if instance.volume == volume.id && here {
            instance.mount = mount.clone().unwrap_or_else(|| instance.mount.clone());
            instance.service = service.clone().or_else(|| instance.service.clone());
        }
    }
    done()
}
