//! Kills of the gate, of the vault and of sessions at the server, at random moments between a write and its COMMIT: what
//! was committed has its old rows in the vault, and in the end all of it is undone to the bit.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backstop_core::digest::Digest;
use backstop_journal::{Journal, Options, SigningKey};
use backstop_vault::reader::{self, Identity};
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

use crate::raw::{self, Login};
use crate::setup::{Setup, settled};
use crate::support::{Serving, backstop, eventually, run};

/// Rows of each agent, which no other touches.
const OWN: i32 = 8;
const AGENTS: i32 = 6;
const SCHEMA: &str = "
    create table stock (id int primary key, n int not null, marker bigint not null, body text not null);
    insert into stock select g, 0, 0, repeat(md5(g::text), 20) from generate_series(1, 200) g;
    create function bump(m bigint, i int) returns void language plpgsql as
        $$ begin update public.stock set n = n + 1, marker = m where id = i; end $$;
    analyze stock;
";

/// A row as it was at one time: id, how often it was changed, by whom last.
type Row = (i32, i32, i64);

/// A vault in a process of its own.
struct Vault {
    folder: tempfile::TempDir,
    process: Option<Child>,
}

impl Vault {
    fn new() -> (Self, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let user = rustix::process::geteuid().as_raw().to_string();
        let made = run(&[
            "--json",
            "vault",
            "init",
            "--dir",
            &path("vault"),
            "--identity",
            &path("recovery"),
            "--socket",
            &path("gate.sock"),
            "--gate-user",
            &user,
        ]);
        let lines = made.fine().json()["gate"].as_str().unwrap().to_owned();
        let mut vault = Self {
            folder,
            process: None,
        };
        vault.start();
        (vault, lines)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&mut self) {
        let process = backstop()
            .args(["--json", "vault", "serve", "--dir"])
            .arg(self.path("vault"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(process);
        let socket = self.path("gate.sock");
        eventually("the vault to listen", || {
            std::os::unix::net::UnixStream::connect(&socket).ok()
        });
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What agents know, over all kills.
#[derive(Default)]
struct Told {
    markers: AtomicI64,
    /// How often the change of a row was confirmed.
    confirmed: Mutex<BTreeMap<i32, i32>>,
}

impl Told {
    /// How many changes of rows were confirmed.
    fn changes(&self) -> i32 {
        self.confirmed.lock().unwrap().values().sum()
    }

    fn confirm(&self, rows: &[i32]) {
        let mut confirmed = self.confirmed.lock().unwrap();
        for row in rows {
            *confirmed.entry(*row).or_default() += 1;
        }
    }
}

async fn connect(login: &Login) -> Option<Client> {
    let stream = raw::lend(login).await.ok()?;
    let mut config = tokio_postgres::Config::new();
    config.user(&login.user).dbname(&login.database);
    let (client, connection) = config.connect_raw(stream, NoTls).await.ok()?;
    tokio::spawn(connection);
    Some(client)
}

/// Changes its own rows in every way that there is, until its connection ends.
async fn agent(login: Login, told: Arc<Told>, first: i32) {
    let Some(client) = connect(&login).await else {
        return;
    };
    loop {
        let marker = 1 + told.markers.fetch_add(1, Ordering::Relaxed);
        let at = |n: i64| first + i32::try_from((marker + n) % i64::from(OWN)).unwrap();
        let (one, two) = (at(0), at(1));
        let set = format!("update stock set n = n + 1, marker = {marker} where id");
        let done = match marker % 4 {
            0 => {
                client
                    .batch_execute(&format!("{set} in ({one}, {two})"))
                    .await
            }
            1 => {
                let sql = "update stock set n = n + 1, marker = $1 where id = $2 or id = $3";
                client.execute(sql, &[&marker, &one, &two]).await.map(drop)
            }
            2 => {
                let sql = format!("begin; {set} = {one}; {set} = {two}; commit");
                client.batch_execute(&sql).await
            }
            _ => {
                let sql = format!("select bump({marker}, {one}), bump({marker}, {two})");
                client.batch_execute(&sql).await
            }
        };
        match done {
            Ok(()) => told.confirm(&[one, two]),
            Err(_) if client.is_closed() => return,
            // The vault is away: nothing is committed.
            Err(_) => {
                let _ = client.batch_execute("rollback").await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

/// The rows as transactions left them, by the images that the journal names.
struct Images {
    data: PathBuf,
    read: u64,
    new: BTreeSet<Row>,
    count: usize,
}

impl Images {
    fn read(&mut self, vault: &Vault, identity: &Identity) {
        let copy = tempfile::tempdir().unwrap();
        let from = self.data.join("journal/traffic");
        let done = std::process::Command::new("cp")
            .arg("-a")
            .arg(&from)
            .arg(copy.path())
            .status();
        assert!(done.unwrap().success());
        let key = SigningKey::load(&self.data.join("keys/journal-traffic.key")).unwrap();
        let origin = key.name().to_owned();
        let log = Journal::open(
            &copy.path().join("traffic"),
            &origin,
            key,
            Options::default(),
        );
        let log = log.unwrap();
        for entry in log.iter(self.read) {
            let entry: Value = serde_json::from_slice(&entry.unwrap().1).unwrap();
            if entry["entry"] == "images" {
                self.count += 1;
                self.open(
                    &vault.path("vault"),
                    identity,
                    entry["object"].as_str().unwrap(),
                );
            }
        }
        self.read = log.size();
    }

    /// What the journal names is in the vault, whole.
    fn open(&mut self, dir: &Path, identity: &Identity, object: &str) {
        let mut text = String::new();
        let mut content = reader::open(dir, Digest::from_hex(object).unwrap(), identity).unwrap();
        std::io::Read::read_to_string(&mut content, &mut text).unwrap();
        let mut new = false;
        for line in text.lines() {
            if line.starts_with("copy backstop_images.") {
                new = line.starts_with("copy backstop_images.new_");
            }
            let fields: Vec<&str> = line.split('\t').collect();
            if let ([id, n, marker, _], true) = (&fields[..], new) {
                self.new.insert((
                    id.parse().unwrap(),
                    n.parse().unwrap(),
                    marker.parse().unwrap(),
                ));
            }
        }
    }
}

async fn rows(server: &Client) -> Vec<Row> {
    let rows = server
        .query("select id, n, marker from stock order by id", &[])
        .await
        .unwrap();
    rows.iter()
        .map(|r| (r.get(0), r.get(1), r.get(2)))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_among_kills_is_in_the_vault_and_comes_back() {
    kills(50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_among_more_kills_is_in_the_vault_and_comes_back() {
    kills(50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_among_other_kills_is_in_the_vault_and_comes_back() {
    kills(50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_among_the_last_kills_is_in_the_vault_and_comes_back() {
    kills(50).await;
}

async fn kills(times: usize) {
    let (mut vault, lines) = Vault::new();
    let identity = std::fs::read_to_string(vault.path("recovery")).unwrap();
    let identity = Identity::parse(&identity).unwrap();
    let more = format!("\n{lines}\n[measure]\nlease_rows = 100000000\ntarget_rows = 100000000\n");
    let scopes = ["read,insert,update:public.stock"];
    let (setup, first) = Setup::with(SCHEMA, &scopes, |text| {
        format!(
            "{}{more}",
            text.replace("name = \"prod\"", "name = \"prod\"\npoints = \"off\"")
        )
    });
    let server = setup.direct().await;
    let before = "select md5(string_agg(s::text, '|' order by id)) from stock s";
    let before_all: String = server.query_one(before, &[]).await.unwrap().get(0);
    let told = Arc::new(Told::default());
    let mut images = Images {
        data: setup.installation.data(),
        read: 0,
        new: BTreeSet::new(),
        count: 0,
    };
    let mut serving = Some(first);
    for round in 0..times {
        let running = serving.take().unwrap_or_else(|| setup.installation.serve());
        life(&setup, &told, running, &mut vault, &server, round).await;
        settled(&server).await;
        images.read(&vault, &identity);
        let now = rows(&server).await;
        for row in now.iter().filter(|row| row.1 > 0) {
            assert!(
                images.new.contains(row),
                "{row:?} was committed without its images"
            );
            for n in 1..row.1 {
                let kept = images
                    .new
                    .range((row.0, n, i64::MIN)..=(row.0, n, i64::MAX))
                    .next();
                assert!(kept.is_some(), "change {n} of row {} has no images", row.0);
            }
        }
        let confirmed = told.confirmed.lock().unwrap().clone();
        for (id, times) in confirmed {
            let n = now.iter().find(|row| row.0 == id).map_or(0, |row| row.1);
            assert!(
                n >= times,
                "row {id} was changed {times} times, and only {n} stayed"
            );
        }
    }
    let changes: i32 = rows(&server).await.iter().map(|row| row.1).sum();
    eprintln!(
        "{times} kills: {changes} changes committed, {} images",
        images.count
    );
    // A load that does nothing proves nothing.
    assert!(changes > i32::try_from(times * 4).unwrap(), "{changes}");
    // All of it, the newest first; what was not committed is told apart by the server.
    let serving = setup.installation.serve();
    let (recovery, dir) = (vault.path("recovery"), vault.path("vault"));
    let undone = setup.installation.run(&[
        "--json",
        "undo",
        "--lease",
        &setup.login.user,
        "--apply",
        "--identity",
        &recovery.display().to_string(),
        "--vault",
        &dir.display().to_string(),
    ]);
    undone.fine();
    let after: String = server.query_one(before, &[]).await.unwrap().get(0);
    assert_eq!(after, before_all);
    assert_eq!(serving.stop(), 0);
}

/// One life of the gate: agents at work, perhaps a vault or a session that is lost, and the kill.
async fn life(
    setup: &Setup,
    told: &Arc<Told>,
    mut serving: Serving,
    vault: &mut Vault,
    server: &Client,
    round: usize,
) {
    let agents: Vec<_> = (0..AGENTS)
        .map(|n| tokio::spawn(agent(setup.login.clone(), Arc::clone(told), 1 + n * OWN)))
        .collect();
    // Counted by what is done, so that a slow machine has as much among its kills as a fast one.
    let wanted = told.changes() + i32::try_from(random() % 16).unwrap();
    eventually("some work", || {
        std::thread::sleep(Duration::from_millis(1));
        (told.changes() >= wanted).then_some(())
    });
    match round % 4 {
        1 => {
            vault.kill();
            tokio::time::sleep(Duration::from_micros(random() % 30_000)).await;
        }
        2 => {
            let sql =
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1 limit 2";
            server.query(sql, &[&setup.login.user]).await.unwrap();
            tokio::time::sleep(Duration::from_micros(random() % 10_000)).await;
        }
        _ => tokio::time::sleep(Duration::from_micros(random() % 20_000)).await,
    }
    serving.child.kill().unwrap();
    serving.child.wait().unwrap();
    for agent in agents {
        let ended = tokio::time::timeout(Duration::from_secs(30), agent).await;
        ended.expect("agents notice that the gate is gone").unwrap();
    }
    if vault.process.is_none() {
        vault.start();
    }
}

/// The moment of a kill: no two runs kill at the same.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
