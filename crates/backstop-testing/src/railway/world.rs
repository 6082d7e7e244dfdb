//! What one account holds: workspaces, projects, environments, services, volumes, backups, variables, tokens.
//!
//! It is plain data and what is deleted with what. It must not decide who may.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;

use super::disk::Disk;

/// The account's one user.
#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) created: String,
}

#[derive(Debug, Clone)]
pub(super) struct Workspace {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) created: String,
}

#[derive(Debug, Clone)]
pub(super) struct Project {
    pub(super) id: String,
    pub(super) workspace: String,
    pub(super) name: String,
    pub(super) created: String,
    /// Set while a deletion with a grace period waits.
    pub(super) deleted: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Environment {
    pub(super) id: String,
    pub(super) project: String,
    pub(super) name: String,
    pub(super) created: String,
}

#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) id: String,
    pub(super) project: String,
    pub(super) name: String,
    pub(super) created: String,
}

/// A service in one environment.
#[derive(Debug, Clone)]
pub(super) struct ServiceInstance {
    pub(super) id: String,
    pub(super) service: String,
    pub(super) environment: String,
    pub(super) created: String,
}

/// One id for what may lie in several environments: deleting it deletes all its instances.
#[derive(Debug, Clone)]
pub(super) struct Volume {
    pub(super) id: String,
    pub(super) project: String,
    pub(super) name: String,
    pub(super) created: String,
}

/// A volume in one environment.
#[derive(Debug, Clone)]
pub(super) struct VolumeInstance {
    pub(super) id: String,
    pub(super) volume: String,
    pub(super) environment: String,
    pub(super) service: Option<String>,
    pub(super) mount: String,
    pub(super) created: String,
}

#[derive(Debug, Clone)]
pub(super) struct Backup {
    pub(super) id: String,
    pub(super) instance: String,
    pub(super) name: Option<String>,
    pub(super) created: String,
    /// None once it is locked.
    pub(super) expires: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Schedule {
    pub(super) id: String,
    pub(super) instance: String,
    pub(super) kind: String,
    pub(super) created: String,
}

#[derive(Clone)]
pub(super) struct Variable {
    pub(super) id: String,
    pub(super) environment: String,
    /// None for one that the environment's services share.
    pub(super) service: Option<String>,
    pub(super) name: String,
    pub(super) value: String,
    pub(super) created: String,
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "variable {}", self.name)
    }
}

/// How far a token reaches. There is no other scope: not to read only, not to some operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    /// Everything the account has.
    Account,
    /// Everything of one workspace.
    Workspace(String),
    /// One environment of one project.
    Environment {
        project: String,
        environment: String,
    },
}

#[derive(Clone)]
pub(super) struct Token {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) secret: String,
    pub(super) reach: Reach,
    pub(super) created: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token {} ({:?})", self.name, self.reach)
    }
}

/// Everything there is.
#[derive(Debug)]
pub(super) struct World {
    pub(super) user: User,
    pub(super) workspaces: Vec<Workspace>,
    pub(super) projects: Vec<Project>,
    pub(super) environments: Vec<Environment>,
    pub(super) services: Vec<Service>,
    pub(super) service_instances: Vec<ServiceInstance>,
    pub(super) volumes: Vec<Volume>,
    pub(super) volume_instances: Vec<VolumeInstance>,
    pub(super) backups: Vec<Backup>,
    pub(super) schedules: Vec<Schedule>,
    pub(super) variables: Vec<Variable>,
    pub(super) tokens: Vec<Token>,
    /// Workflows that were begun; here each ends before it is answered.
    pub(super) workflows: Vec<String>,
    /// By volume instance.
    pub(super) disks: BTreeMap<String, Disk>,
}

impl World {
    /// Deletes a volume: its instances in every environment, with what lies on them, backups too.
    pub(super) fn delete_volume(&mut self, id: &str) -> Result<()> {
        let instances = ids(
            &self.volume_instances,
            |one| one.volume == id,
            |one| &one.id,
        );
        for instance in instances {
            self.delete_volume_instance(&instance)?;
        }
        self.volumes.retain(|volume| volume.id != id);
        Ok(())
    }

    fn delete_volume_instance(&mut self, id: &str) -> Result<()> {
        if let Some(disk) = self.disks.remove(id) {
            disk.destroy()?;
        }
        self.backups.retain(|backup| backup.instance != id);
        self.schedules.retain(|schedule| schedule.instance != id);
        self.volume_instances.retain(|instance| instance.id != id);
        Ok(())
    }

    /// Deletes an environment, and the volumes that lie in no other.
    pub(super) fn delete_environment(&mut self, id: &str) -> Result<()> {
        let instances = ids(
            &self.volume_instances,
            |one| one.environment == id,
            |one| &one.id,
        );
        for instance in instances {
            self.delete_volume_instance(&instance)?;
        }
        let left = &self.volume_instances;
        self.volumes
            .retain(|volume| left.iter().any(|one| one.volume == volume.id));
        self.service_instances.retain(|one| one.environment != id);
        self.variables.retain(|one| one.environment != id);
        self.tokens.retain(
            |token| !matches!(&token.reach, Reach::Environment { environment, .. } if environment == id),
        );
        self.environments.retain(|one| one.id != id);
        Ok(())
    }

    /// Deletes a project with all its environments.
    pub(super) fn delete_project(&mut self, id: &str) -> Result<()> {
        for environment in ids(&self.environments, |one| one.project == id, |one| &one.id) {
            self.delete_environment(&environment)?;
        }
        self.volumes.retain(|volume| volume.project != id);
        self.services.retain(|service| service.project != id);
        self.projects.retain(|project| project.id != id);
        Ok(())
    }

    /// Deletes a service, in one environment or in all. Its volumes stay, attached to nothing.
    pub(super) fn delete_service(&mut self, id: &str, environment: Option<&str>) {
        let here = |one: &str| environment.is_none_or(|wanted| wanted == one);
        for instance in &mut self.volume_instances {
            if instance.service.as_deref() == Some(id) && here(&instance.environment) {
                instance.service = None;
            }
        }
        self.variables
            .retain(|one| one.service.as_deref() != Some(id) || !here(&one.environment));
        self.service_instances
            .retain(|one| one.service != id || !here(&one.environment));
        if !self.service_instances.iter().any(|one| one.service == id) {
            self.services.retain(|service| service.id != id);
        }
    }
}

fn ids<T>(all: &[T], wanted: impl Fn(&T) -> bool, id: impl Fn(&T) -> &String) -> Vec<String> {
    all.iter()
        .filter(|one| wanted(one))
        .map(|one| id(one).clone())
        .collect()
}
