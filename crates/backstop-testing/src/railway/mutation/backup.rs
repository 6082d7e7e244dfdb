//! Backups of a volume in one environment: copies of its data, made into the volume itself.

use apollo_compiler::response::{JsonMap, JsonValue};

use super::{done, workflow};
use crate::railway::ids::{in_days, now, uuid};
use crate::railway::visit::{Found, Refusal, Visit, optional, text};
use crate::railway::world::{Backup, Schedule};

/// How long a backup made by hand is kept.
const KEPT_DAYS: i64 = 6;

pub(super) fn create(visit: &Visit, arguments: &JsonMap) -> Result<Found, Refusal> {
    let instance = visit.volume_instance(&text(arguments, "volumeInstanceId")?)?;
    let backup = Backup {
        id: uuid(),
        instance: instance.id,
        name: optional(arguments, "name"),
        created: now(),
        expires: Some(in_days(KEPT_DAYS)),
    };
    let mut world = visit.world();
    if let Some(disk) = world.disks.get(&backup.instance) {
        disk.back_up(&backup.id)?;
    }
    world.backups.push(backup);
    drop(world);
    workflow(visit)
}

pub(super) fn delete(visit: &Visit, arguments: &JsonMap) -> Result<Found, Refusal> {
    let backup = named(visit, arguments)?;
    let mut world = visit.world();
    if let Some(disk) = world.disks.get(&backup.instance) {
        disk.remove_backup(&backup.id)?;
    }
    world.backups.retain(|one| one.id != backup.id);
    drop(world);
    workflow(visit)
}

/// It no longer expires. It can be deleted still, and goes with its volume.
pub(super) fn lock(visit: &Visit, arguments: &JsonMap) -> Result<Found, Refusal> {
    let backup = named(visit, arguments)?;
    for one in &mut visit.world().backups {
        if one.id == backup.id {
            one.expires = None;
        }
    }
    done()
}

/// Puts a backup in place of the data. What was written since is lost, and so are newer backups.
pub(super) fn restore(visit: &Visit, arguments: &JsonMap) -> Result<Found, Refusal> {
    for name in ["replicaServiceIds", "wipeServiceIds"] {
        if arguments.get(name).is_some_and(|value| !value.is_null()) {
            let what = format!("Mutation.volumeInstanceBackupRestore with `{name}`");
            return Err(Refusal::NotSimulated(what));
        }
    }
    let backup = named(visit, arguments)?;
    let mut world = visit.world();
    let of_it = world
        .backups
        .iter()
        .filter(|one| one.instance == backup.instance);
    let newer: Vec<String> = of_it
        .skip_while(|one| one.id != backup.id)
        .skip(1)
        .map(|one| one.id.clone())
        .collect();
    if let Some(disk) = world.disks.get(&backup.instance) {
        disk.restore(&backup.id)?;
        for id in &newer {
            disk.remove_backup(id)?;
        }
    }
    world.backups.retain(|one| !newer.contains(&one.id));
    drop(world);
    workflow(visit)
}

/// Sets the schedules; an empty list turns backups off, and nobody is told.
pub(super) fn schedule(visit: &Visit, arguments: &JsonMap) -> Result<Found, Refusal> {
    let instance = visit.volume_instance(&text(arguments, "volumeInstanceId")?)?;
    let kinds = arguments.get("kinds").and_then(JsonValue::as_array);
    let kinds = kinds.into_iter().flatten().filter_map(JsonValue::as_str);
    let schedules: Vec<Schedule> = kinds
        .map(|kind| Schedule {
            id: uuid(),
            instance: instance.id.clone(),
            kind: kind.to_owned(),
            created: now(),
        })
        .collect();
    let mut world = visit.world();
    world.schedules.retain(|one| one.instance != instance.id);
    world.schedules.extend(schedules);
    done()
}

fn named(visit: &Visit, arguments: &JsonMap) -> Result<Backup, Refusal> {
    let instance = visit.volume_instance(&text(arguments, "volumeInstanceId")?)?;
    let id = text(arguments, "volumeInstanceBackupId")?;
    let world = visit.world();
    let of_it = |one: &&Backup| one.instance == instance.id && one.id == id;
    let found = world.backups.iter().find(of_it).cloned();
    found.ok_or(Refusal::NotFound("Backup"))
}
