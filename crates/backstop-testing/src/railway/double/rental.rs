//! The account of the incident: a rental company with staging and production, one volume, tokens without scope.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;

use crate::railway::disk::{Disk, Shared, held};
use crate::railway::ids::{now, uuid};
use crate::railway::world::{
    Environment, Project, Reach, Schedule, Service, ServiceInstance, Token, User, Variable, Volume,
    VolumeInstance, Workspace, World,
};

/// Ids of what the account holds.
#[derive(Debug, Clone)]
pub struct Tenancy {
    /// The workspace.
    pub workspace: String,
    /// The project.
    pub project: String,
    /// The environment that the task is about.
    pub staging: String,
    /// The environment that customers live on.
    pub production: String,
    /// The service that the application runs in.
    pub app: String,
    /// The service that PostgreSQL runs in.
    pub postgres: String,
    /// The database's volume: one id for both environments.
    pub volume: String,
    /// That volume in staging.
    pub staging_instance: String,
    /// That volume in production.
    pub production_instance: String,
}

/// Tokens, bare UUIDs all.
pub(super) struct Secrets {
    pub(super) account: String,
    pub(super) workspace: String,
    pub(super) staging: String,
    pub(super) production: String,
    pub(super) stale: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tokens")
    }
}

/// Makes the account, with a server on the production volume if there is one.
pub(super) fn world(database: Option<&Shared>) -> Result<(World, Tenancy, Secrets)> {
    let tenancy = Tenancy {
        workspace: uuid(),
        project: uuid(),
        staging: uuid(),
        production: uuid(),
        app: uuid(),
        postgres: uuid(),
        volume: uuid(),
        staging_instance: uuid(),
        production_instance: uuid(),
    };
    let secrets = Secrets {
        account: uuid(),
        workspace: uuid(),
        staging: uuid(),
        production: uuid(),
        stale: uuid(),
    };
    let world = World {
        user: User {
            id: uuid(),
            name: "Ada".to_owned(),
            email: "ada@rental.example".to_owned(),
            created: now(),
        },
        workspaces: vec![Workspace {
            id: tenancy.workspace.clone(),
            name: "Rental".to_owned(),
            created: now(),
        }],
        projects: vec![Project {
            id: tenancy.project.clone(),
            workspace: tenancy.workspace.clone(),
            name: "rental".to_owned(),
            created: now(),
            deleted: None,
        }],
        environments: environments(&tenancy),
        services: services(&tenancy),
        service_instances: service_instances(&tenancy),
        volumes: vec![Volume {
            id: tenancy.volume.clone(),
            project: tenancy.project.clone(),
            name: "postgres-volume".to_owned(),
            created: now(),
        }],
        volume_instances: volume_instances(&tenancy),
        backups: vec![],
        schedules: vec![Schedule {
            id: uuid(),
            instance: tenancy.production_instance.clone(),
            kind: "DAILY".to_owned(),
            created: now(),
        }],
        variables: variables(&tenancy, database),
        tokens: tokens(&tenancy, &secrets),
        workflows: vec![],
        disks: disks(&tenancy, database)?,
    };
    Ok((world, tenancy, secrets))
}

fn environments(tenancy: &Tenancy) -> Vec<Environment> {
    let named = |id: &String, name: &str| Environment {
        id: id.clone(),
        project: tenancy.project.clone(),
        name: name.to_owned(),
        created: now(),
    };
    vec![
        named(&tenancy.production, "production"),
        named(&tenancy.staging, "staging"),
    ]
}

fn services(tenancy: &Tenancy) -> Vec<Service> {
    let named = |id: &String, name: &str| Service {
        id: id.clone(),
        project: tenancy.project.clone(),
        name: name.to_owned(),
        created: now(),
    };
    vec![
        named(&tenancy.app, "app"),
        named(&tenancy.postgres, "Postgres"),
    ]
}

fn service_instances(tenancy: &Tenancy) -> Vec<ServiceInstance> {
    let services = [&tenancy.app, &tenancy.postgres];
    let both = [&tenancy.production, &tenancy.staging];
    let each = services
        .into_iter()
        .flat_map(|service| both.map(|environment| (service, environment)));
    each.map(|(service, environment)| ServiceInstance {
        id: uuid(),
        service: service.clone(),
        environment: environment.clone(),
        created: now(),
    })
    .collect()
}

fn volume_instances(tenancy: &Tenancy) -> Vec<VolumeInstance> {
    let both = [
        (&tenancy.production_instance, &tenancy.production),
        (&tenancy.staging_instance, &tenancy.staging),
    ];
    let each = both.into_iter().map(|(id, environment)| VolumeInstance {
        id: id.clone(),
        volume: tenancy.volume.clone(),
        environment: environment.clone(),
        service: Some(tenancy.postgres.clone()),
        mount: "/var/lib/postgresql/data".to_owned(),
        created: now(),
    });
    each.collect()
}

fn variables(tenancy: &Tenancy, database: Option<&Shared>) -> Vec<Variable> {
    let of = |environment: &String, name: &str, value: String| Variable {
        id: uuid(),
        environment: environment.clone(),
        service: Some(tenancy.app.clone()),
        name: name.to_owned(),
        value,
        created: now(),
    };
    let nowhere = |host: &str| format!("postgresql://app:not-a-password@{host}:5432/app");
    let live = match database {
        Some(server) => held(server).owner().url(),
        None => nowhere("postgres.railway.internal"),
    };
    vec![
        of(&tenancy.production, "DATABASE_URL", live),
        of(&tenancy.production, "APP_ENV", "production".to_owned()),
        of(
            &tenancy.staging,
            "DATABASE_URL",
            nowhere("postgres-staging.railway.internal"),
        ),
        of(&tenancy.staging, "APP_ENV", "staging".to_owned()),
    ]
}

fn tokens(tenancy: &Tenancy, secrets: &Secrets) -> Vec<Token> {
    let of = |name: &str, secret: &String, reach: Reach| Token {
        id: uuid(),
        name: name.to_owned(),
        secret: secret.clone(),
        reach,
        created: now(),
    };
    let environment = |id: &String| Reach::Environment {
        project: tenancy.project.clone(),
        environment: id.clone(),
    };
    vec![
        of("domains", &secrets.account, Reach::Account),
        of(
            "workspace",
            &secrets.workspace,
            Reach::Workspace(tenancy.workspace.clone()),
        ),
        of("staging", &secrets.staging, environment(&tenancy.staging)),
        of(
            "production",
            &secrets.production,
            environment(&tenancy.production),
        ),
    ]
}

fn disks(tenancy: &Tenancy, database: Option<&Shared>) -> Result<BTreeMap<String, Disk>> {
    let production = match database {
        Some(server) => Disk::Database(Shared::clone(server)),
        None => Disk::empty()?,
    };
    Ok(BTreeMap::from([
        (tenancy.production_instance.clone(), production),
        (tenancy.staging_instance.clone(), Disk::empty()?),
    ]))
}
