//! An installation of the real binary, with tables whose every row tells which action made it.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use crate::person::Person;
use crate::raw::Login;
use crate::support::{Installation, Serving};

/// Markers begin here, so that no other number in a statement is taken for one.
pub const FIRST_MARKER: i64 = 1_000_000;
/// Rows that are there to be deleted: their ids are the markers of what deletes them.
pub const FIRST_PREY: i64 = 900_000_000;
/// How many of them there are.
pub const PREY: i64 = 20_000;
/// Rows that are there to be updated.
pub const CELLS: i64 = 50;

/// What the lease may do: nothing with `precious`, whose every write needs a person.
const SCOPES: [&str; 2] = ["read:public.*", "insert,update,delete:public.marks"];
const MORE_SCOPES: [&str; 3] = [
    "insert,update,delete:public.cells",
    "insert,update,delete:public.prey",
    "insert:public.tally",
];

/// A set-up installation with a person and an agent's lease.
pub struct Setup {
    pub installation: Installation,
    pub person: Arc<Mutex<Person>>,
    /// How the agent connects.
    pub login: Login,
}

impl Setup {
    /// Sets it up and leaves it running.
    pub fn new() -> (Self, Serving) {
        let scopes = [&SCOPES[..], &MORE_SCOPES].concat();
        Self::with(&schema(), &scopes, |text| text)
    }

    /// With these tables, a lease for these scopes, and a configuration changed by `edit`.
    pub fn with(
        schema: &str,
        scopes: &[&str],
        edit: impl FnOnce(String) -> String,
    ) -> (Self, Serving) {
        let installation = Installation::new();
        installation
            .server
            .psql_as(&installation.server.owner(), schema)
            .unwrap();
        installation.edit(|text| {
            edit(
                text.replace("require_tls = true ", "require_tls = false ")
                    .replace("open_holds = 5 ", "open_holds = 1000 ")
                    .replace("holds_per_hour = 60 ", "holds_per_hour = 100000 "),
            )
        });
        let (serving, mut person) = installation.serve_with_person();
        let (lease, secret) = lease(&installation, &mut person, scopes);
        let setup = Self {
            login: Login {
                port: installation.gate,
                user: lease,
                secret,
                database: installation.server.owner().database,
            },
            installation,
            person: Arc::new(Mutex::new(person)),
        };
        (setup, serving)
    }

    /// A session at the server itself, as its superuser.
    pub async fn direct(&self) -> Client {
        let superuser = self.installation.server.superuser();
        let (client, connection) = tokio_postgres::connect(&superuser.dsn(), NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client
    }
}

/// A lease for a long day: the tests outlive ten minutes when they soak.
fn lease(installation: &Installation, person: &mut Person, scopes: &[&str]) -> (String, String) {
    let mut arguments = vec![
        "--json", "lease", "create", "--target", "prod", "--task", "load", "--ttl", "8h",
    ];
    for scope in scopes {
        arguments.extend(["--scope", scope]);
    }
    let child = installation
        .command(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    person.approve(&installation.wait_for_hold()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let granted: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let dsn = url::Url::parse(granted["dsn"].as_str().unwrap()).unwrap();
    (
        granted["lease"].as_str().unwrap().to_owned(),
        dsn.password().unwrap().to_owned(),
    )
}

fn schema() -> String {
    let last = FIRST_PREY + PREY - 1;
    format!(
        "create table marks (marker bigint, how text);
         create table cells (id int primary key, marker bigint not null);
         insert into cells select g, 0 from generate_series(1, {CELLS}) g;
         create table prey (id bigint primary key);
         insert into prey select generate_series({FIRST_PREY}, {last});
         create table precious (marker bigint);
         create table tally (marker bigint);"
    )
}

/// Waits until the server has ended the sessions of the dead gate, and with them their transactions.
pub async fn settled(server: &Client) {
    let others = "select count(*) from pg_stat_activity \
        where backend_type = 'client backend' and pid <> pg_backend_pid()";
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let left: i64 = server.query_one(others, &[]).await.unwrap().get(0);
        if left == 0 {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{left} sessions of a dead gate stay"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How much of a long test's work to do: all of it, or BACKSTOP_SOAK_PERCENT.
pub fn soak(whole: usize) -> usize {
    let percent = std::env::var("BACKSTOP_SOAK_PERCENT").map_or(100, |text| {
        text.parse::<usize>()
            .unwrap_or_else(|_| panic!("BACKSTOP_SOAK_PERCENT={text} is no number"))
    });
    (whole * percent).div_ceil(100).max(1)
}
