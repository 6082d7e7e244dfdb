//! Volumes, a volume in one environment, backups, schedules.

use apollo_compiler::response::JsonValue;

use super::place::{environment_of, project_of};
use super::{Entity, leaf, maybe, nothing, one, unknown};
use crate::railway::visit::{Found, Refusal, Visit};
use crate::railway::world::{Backup, Schedule, Volume, VolumeInstance};

/// What a plan gives a volume.
const SIZE_MB: i32 = 50_000;

pub(super) fn volume(visit: &Visit, it: &Volume, field: &str) -> Result<Found, Refusal> {
    match field {
        "id" => maybe(Some(&it.id)),
        "name" => maybe(Some(&it.name)),
        "projectId" => maybe(Some(&it.project)),
        "project" => project_of(visit, &it.project),
        "createdAt" => maybe(Some(&it.created)),
        "volumeInstances" => {
            let all = visit.instances_of(&it.id).into_iter();
            let reached = all.filter(|one| visit.environment(&one.environment).is_ok());
            Ok(Found::Nodes(reached.map(Entity::VolumeInstance).collect()))
        }
        other => unknown("Volume", other),
    }
}

pub(super) fn instance(visit: &Visit, it: &VolumeInstance, field: &str) -> Result<Found, Refusal> {
    match field {
        "id" => maybe(Some(&it.id)),
        "volumeId" => maybe(Some(&it.volume)),
        "volume" => {
            let world = visit.world();
            let found = world.volumes.iter().find(|one| one.id == it.volume);
            match found {
                Some(volume) => one(Entity::Volume(volume.clone())),
                None => Err(Refusal::NotFound("Volume")),
            }
        }
        "environmentId" => maybe(Some(&it.environment)),
        "environment" => environment_of(visit, &it.environment),
        "serviceId" => maybe(it.service.as_ref()),
        "service" => match &it.service {
            Some(service) => one(Entity::Service(visit.service(service)?)),
            None => Err(Refusal::NotFound("Service")),
        },
        "mountPath" => maybe(Some(&it.mount)),
        "createdAt" => maybe(Some(&it.created)),
        "sizeMB" => leaf(SIZE_MB),
        "currentSizeMB" => {
            let world = visit.world();
            leaf(world.disks.get(&it.id).map_or(0.0, |disk| disk.megabytes()))
        }
        "state" => leaf("READY"),
        "isPendingDeletion" => leaf(false),
        "deletedAt" | "externalId" | "region" => nothing(),
        other => unknown("VolumeInstance", other),
    }
}

pub(super) fn backup(visit: &Visit, it: &Backup, field: &str) -> Result<Found, Refusal> {
    match field {
        "id" | "externalId" => maybe(Some(&it.id)),
        "name" => maybe(it.name.as_ref()),
        "createdAt" => maybe(Some(&it.created)),
        "expiresAt" => maybe(it.expires.as_ref()),
        "creatorId" => maybe(Some(&visit.world().user.id)),
        "volumeInstanceSizeMB" => leaf(SIZE_MB),
        "scheduleId" | "usedMB" | "referencedMB" => nothing(),
        other => unknown("VolumeInstanceBackup", other),
    }
}

pub(super) fn schedule(it: &Schedule, field: &str) -> Result<Found, Refusal> {
    let day = 24 * 60 * 60;
    let (cron, days, name) = match it.kind.as_str() {
        "DAILY" => ("0 0 * * *", 6, "Daily"),
        "WEEKLY" => ("0 0 * * 0", 30, "Weekly"),
        _ => ("0 0 1 * *", 90, "Monthly"),
    };
    match field {
        "id" => maybe(Some(&it.id)),
        "kind" => leaf(it.kind.as_str()),
        "name" => leaf(name),
        "cron" => leaf(cron),
        "retentionSeconds" => Ok(Found::Leaf(JsonValue::from(days * day))),
        "createdAt" => maybe(Some(&it.created)),
        other => unknown("VolumeInstanceBackupSchedule", other),
    }
}
