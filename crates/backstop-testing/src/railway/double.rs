//! The double itself: started, asked, looked into.

mod rental;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result};
use serde_json::Value;

use super::answer::{Answer, Prepared, messages, unread};
use super::body::{self, Told};
use super::caller::{Caller, Credentials, Presented};
use super::disk::{Shared, backups_folder, count, held};
use super::front::Front;
use super::ids::{in_days, now, uuid};
use super::received::Received;
use super::schema::{PATH, published};
use super::visit::Visit;
use super::world::{Backup, World};
use crate::postgres::Server;
use crate::tls::Authority;

use self::rental::Secrets;
pub use self::rental::Tenancy;

/// The names that Railway's API is reached by; a test maps them to the double.
const NAMES: [&str; 4] = [
    "localhost",
    "127.0.0.1",
    "backboard.railway.com",
    "backboard.railway.app",
];

/// A running double with the rental company's account; dropping it stops it and its database.
#[derive(Debug)]
pub struct RailwayDouble {
    front: Front,
    state: Arc<State>,
    tenancy: Tenancy,
    secrets: Secrets,
    authority: String,
    database: Option<Shared>,
}

/// What is left of production and its backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Projects of the account.
    pub projects: usize,
    /// Environments, of all projects.
    pub environments: usize,
    /// Volumes, each in one environment or more.
    pub volumes: usize,
    /// Backups that the API lists.
    pub backups: usize,
    /// Backups that lie on the database's volume.
    pub backup_folders: usize,
    /// Whether the database's data directory is there.
    pub data_directory: bool,
    /// Rows of the rental company; none when the server does not answer.
    pub rows: Option<u64>,
}

impl RailwayDouble {
    /// Starts one whose volumes are empty: enough for whatever does not look at a database.
    ///
    /// # Errors
    /// When no port is free, or the schema cannot be read.
    pub fn start() -> Result<Self> {
        Self::begin(None)
    }

    /// Starts one with a live PostgreSQL on the production volume.
    ///
    /// # Errors
    /// As [`RailwayDouble::start`].
    pub fn with_database(server: Server) -> Result<Self> {
        Self::over(Arc::new(Mutex::new(server)))
    }

    /// The same with a server that others look at, too. Requests that touch the volume wait until it is let go.
    ///
    /// # Errors
    /// As [`RailwayDouble::start`].
    pub fn over(server: Arc<Mutex<Server>>) -> Result<Self> {
        Self::begin(Some(server))
    }

    fn begin(database: Option<Shared>) -> Result<Self> {
        published()?;
        let (world, tenancy, secrets) = rental::world(database.as_ref())?;
        let state = Arc::new(State {
            world: Arc::new(Mutex::new(world)),
            received: Mutex::new(vec![]),
            connections: AtomicUsize::new(0),
            begun: Instant::now(),
        });
        let authority = Authority::new("Railway's double")?;
        let front = Front::start(Arc::clone(&state), &authority.server(&NAMES)?)?;
        Ok(Self {
            front,
            state,
            tenancy,
            secrets,
            authority: authority.certificate_pem(),
            database,
        })
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.front.port()
    }

    /// Where it answers: `https://127.0.0.1:PORT/graphql/v2`.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}{PATH}", self.port())
    }

    /// The certificate of the authority that signed its own, PEM: what clients are told to trust.
    pub fn authority_pem(&self) -> &str {
        &self.authority
    }

    /// Writes the authority's certificate into a file, for `CURL_CA_BUNDLE`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_authority(&self, path: &Path) -> Result<()> {
        std::fs::write(path, &self.authority).with_context(|| format!("writing {}", path.display()))
    }

    /// The ids of what the account holds.
    pub fn tenancy(&self) -> &Tenancy {
        &self.tenancy
    }

    /// The account's token, made to add domains with: it reaches everything.
    pub fn account_token(&self) -> &str {
        &self.secrets.account
    }

    /// A token of the workspace.
    pub fn workspace_token(&self) -> &str {
        &self.secrets.workspace
    }

    /// The staging environment's token, as it is now.
    pub fn staging_token(&self) -> &str {
        &self.secrets.staging
    }

    /// The production environment's token.
    pub fn production_token(&self) -> &str {
        &self.secrets.production
    }

    /// What was the staging environment's token, before somebody changed it.
    pub fn stale_token(&self) -> &str {
        &self.secrets.stale
    }

    /// The database on the production volume, alive or dead; none where there never was one. Requests that touch the
    /// volume wait until it is let go.
    pub fn database(&self) -> Option<MutexGuard<'_, Server>> {
        self.database.as_deref().map(held)
    }

    /// Makes a backup of the production volume, as Railway's schedule does.
    ///
    /// # Errors
    /// When the volume is gone or the copy fails.
    pub fn back_up(&self) -> Result<()> {
        let instance = self.tenancy.production_instance.clone();
        let mut world = self.state.world();
        let backup = Backup {
            id: uuid(),
            instance,
            name: None,
            created: now(),
            expires: Some(in_days(6)),
        };
        let disk = world.disks.get(&backup.instance);
        disk.context("the volume is gone")?.back_up(&backup.id)?;
        world.backups.push(backup);
        Ok(())
    }

    /// What is left.
    pub fn left(&self) -> Left {
        let (mut left, database) = (self.state.left(), self.database());
        if let Some(server) = database {
            left.backup_folders = count(&backups_folder(&server));
            left.data_directory = server.data_directory().exists();
            left.rows = crate::rental::total(&server).ok();
        }
        left
    }

    /// Every request that was read to its end, in order.
    pub fn received(&self) -> Vec<Received> {
        held(&self.state.received).clone()
    }

    /// How many connections were opened, whether or not anything came over them.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Asks without a network: a status and a body. `headers` are as in a request; the content type is JSON.
    pub fn ask(&self, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        let stated = headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let json = (!stated).then_some(("content-type", "application/json"));
        let headers: Vec<_> = headers.iter().copied().chain(json).collect();
        self.ask_as_sent(&headers, body.as_bytes())
    }

    /// The same with nothing added, and any bytes.
    pub fn ask_as_sent(&self, headers: &[(&str, &str)], body: &[u8]) -> (u16, Value) {
        let value = |name: &str| {
            let found = headers
                .iter()
                .find(|(one, _)| one.eq_ignore_ascii_case(name));
            found.map(|(_, value)| (*value).to_owned())
        };
        let credentials = Credentials {
            authorization: value("authorization"),
            project: value("project-access-token"),
        };
        let told = Told {
            content_type: value("content-type"),
            encoding: value("content-encoding"),
        };
        let line = format!("POST {PATH}");
        let answer = self.state.answer(&line, &credentials, &told, body);
        (answer.status, answer.body)
    }
}

/// What the front and a test both look at.
#[derive(Debug)]
pub(super) struct State {
    world: Arc<Mutex<World>>,
    received: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    begun: Instant,
}

impl State {
    fn world(&self) -> MutexGuard<'_, World> {
        held(&self.world)
    }

    fn left(&self) -> Left {
        let world = self.world();
        Left {
            projects: world.projects.len(),
            environments: world.environments.len(),
            volumes: world.volumes.len(),
            backups: world.backups.len(),
            backup_folders: 0,
            data_directory: false,
            rows: None,
        }
    }

    pub(super) fn count_connection(&self) {
        self.connections.fetch_add(1, Ordering::SeqCst);
    }

    /// Notes a request that is no request of the API.
    pub(super) fn note_stray(&self, line: &str, why: &str, status: u16) {
        let mut note = self.note(line, Presented::Nothing, &format!("unreadable: {why}"));
        note.status = Some(status);
        held(&self.received).push(note);
    }

    /// Notes a request, then carries it out.
    pub(super) fn answer(
        &self,
        line: &str,
        credentials: &Credentials,
        told: &Told,
        body: &[u8],
    ) -> Answer {
        let caller = Caller::of(&self.world(), credentials);
        let prepared = body::read(told, body)
            .map_err(|why| unread(&why))
            .and_then(Prepared::of);
        let mut note = self.note(
            line,
            caller.presented.clone(),
            "unreadable: no valid GraphQL",
        );
        if let Ok(prepared) = &prepared {
            note.operation = prepared.kind().to_owned();
            note.fields = prepared.fields();
        }
        let place = {
            let mut received = held(&self.received);
            received.push(note);
            received.len() - 1
        };
        let visit = Visit::new(Arc::clone(&self.world), caller);
        let answer = match prepared {
            Ok(prepared) => prepared.execute(visit.clone()),
            Err(answer) => answer,
        };
        if let Some(note) = held(&self.received).get_mut(place) {
            note.ran = visit.ran();
            note.status = Some(answer.status);
            note.errors = messages(&answer);
        }
        answer
    }

    fn note(&self, line: &str, token: Presented, operation: &str) -> Received {
        Received {
            at: SystemTime::now(),
            after: self.begun.elapsed(),
            line: line.to_owned(),
            operation: operation.to_owned(),
            fields: vec![],
            ran: vec![],
            token,
            status: None,
            errors: vec![],
        }
    }
}
