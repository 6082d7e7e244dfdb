//! A mixed load: reads, scoped writes in every way a client can send them, and held actions, some approved.
//!
//! Every write carries a marker of its own, in its text and in the row that it changes. It must not keep to
//! itself what it was told: [`Record`] holds every confirmation and every approval, for the audit.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_postgres::{AsyncMessage, Client, Error, NoTls};

use crate::raw::{self, Login};
use crate::setup::{CELLS, FIRST_MARKER, FIRST_PREY, PREY};

/// What agents and person know, over all kills.
#[derive(Default)]
pub struct Record {
    markers: AtomicI64,
    prey: AtomicI64,
    /// How much was done, reads included.
    pub steps: AtomicI64,
    /// Writes whose client was told that they are done.
    pub confirmed: Mutex<BTreeSet<i64>>,
    /// Held actions that the person was asked to approve: each once.
    pub approved: Mutex<BTreeSet<i64>>,
    /// Approved actions of which nobody knows whether they were done.
    uncertain: Mutex<BTreeMap<i64, (String, Way)>>,
    /// How many held actions were repeated after a kill.
    pub repeated: AtomicI64,
}

impl Record {
    fn marker(&self) -> i64 {
        FIRST_MARKER + self.markers.fetch_add(1, Ordering::Relaxed)
    }

    fn prey(&self) -> Option<i64> {
        let n = self.prey.fetch_add(1, Ordering::Relaxed);
        (n < PREY).then_some(FIRST_PREY + n)
    }

    fn confirm(&self, markers: &[i64]) {
        self.steps.fetch_add(1, Ordering::Relaxed);
        self.confirmed.lock().unwrap().extend(markers);
    }

    /// The actions to repeat, taken out: one repetition each.
    fn take_uncertain(&self) -> Vec<(String, Way)> {
        std::mem::take(&mut *self.uncertain.lock().unwrap())
            .into_values()
            .collect()
    }
}

/// What the person is asked: the action's marker and its hold, and whom to tell.
pub struct Plea {
    pub marker: i64,
    pub hold: String,
    pub answered: UnboundedSender<bool>,
}

/// Starts all agents; each ends when its connection does.
pub fn start(
    login: &Login,
    record: &Arc<Record>,
    pleas: &UnboundedSender<Plea>,
) -> Vec<tokio::task::JoinHandle<()>> {
    let mut tasks = vec![];
    macro_rules! agent {
        ($work:ident) => {{
            let (login, record) = (login.clone(), Arc::clone(record));
            let pleas = pleas.clone();
            tasks.push(tokio::spawn(async move {
                // The end of every agent is an error: the gate is killed under it.
                let _ = $work(&login, &record, &pleas).await;
            }));
        }};
    }
    agent!(repeats);
    agent!(reads);
    agent!(writes_one_by_one);
    agent!(writes_many);
    agent!(transacts);
    agent!(held);
    agent!(held_in_transaction);
    agent!(ignored);
    tasks
}

/// By which protocol a held action is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Simple,
    Extended,
}

impl Way {
    fn of(marker: i64) -> Self {
        if marker % 2 == 0 {
            Self::Simple
        } else {
            Self::Extended
        }
    }
}

type Pleas = UnboundedSender<Plea>;

/// The gate is gone, or refuses what it should not; the audit tells which.
#[derive(Debug)]
struct Lost;

impl From<Error> for Lost {
    fn from(error: Error) -> Self {
        // Shown when the test fails: what agents were told should be in nobody's way.
        if !error.is_closed() {
            eprintln!("an agent was told: {error:?}");
        }
        Self
    }
}

struct Agent {
    client: Client,
    holds: UnboundedReceiver<String>,
}

async fn connect(login: &Login) -> Result<Agent, Lost> {
    let stream = raw::lend(login).await.map_err(|_| Lost)?;
    let mut config = tokio_postgres::Config::new();
    config.user(&login.user).dbname(&login.database);
    let (client, mut connection) = config.connect_raw(stream, NoTls).await?;
    let (tell, holds) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notice(notice) = message
                && let Some(hold) = hold_in(notice.message())
            {
                let _ = tell.send(hold);
            }
        }
    });
    Ok(Agent { client, holds })
}

/// The hold that a message names.
fn hold_in(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("held as ")?;
    rest.split_once(':').map(|(hold, _)| hold.to_owned())
}

async fn breathe(marker: i64) {
    let pause = 2 + marker.unsigned_abs() % 5;
    tokio::time::sleep(Duration::from_millis(pause)).await;
}

async fn reads(login: &Login, record: &Record, _: &Pleas) -> Result<(), Lost> {
    let agent = connect(login).await?;
    loop {
        agent
            .client
            .query_one("select count(*) from marks", &[])
            .await?;
        agent.client.simple_query("select pg_sleep(0.005)").await?;
        record.confirm(&[]);
        breathe(record.markers.load(Ordering::Relaxed)).await;
    }
}

/// Simple and prepared statements, each its own transaction.
async fn writes_one_by_one(login: &Login, record: &Record, _: &Pleas) -> Result<(), Lost> {
    let client = connect(login).await?.client;
    loop {
        let marker = record.marker();
        let sql = format!("insert into marks values ({marker}, 'autocommit')");
        client.batch_execute(&sql).await?;
        record.confirm(&[marker]);
        if let Some(prey) = record.prey() {
            let sql = format!("delete from prey where id = {prey}");
            client.batch_execute(&sql).await?;
            record.confirm(&[prey]);
        }
        let marker = record.marker();
        let sql = format!("insert into marks values ({marker}, $1)");
        client.execute(&sql, &[&"prepared"]).await?;
        record.confirm(&[marker]);
        breathe(marker).await;
    }
}

/// Pipelines, and COPY.
async fn writes_many(login: &Login, record: &Record, _: &Pleas) -> Result<(), Lost> {
    let client = connect(login).await?.client;
    loop {
        let markers = [record.marker(), record.marker(), record.marker()];
        let sql = markers.map(|m| format!("insert into marks values ({m}, $1)"));
        let (a, b, c) = tokio::try_join!(
            client.prepare(&sql[0]),
            client.prepare(&sql[1]),
            client.prepare(&sql[2])
        )?;
        tokio::try_join!(
            client.execute(&a, &[&"pipelined"]),
            client.execute(&b, &[&"pipelined"]),
            client.execute(&c, &[&"pipelined"])
        )?;
        record.confirm(&markers);
        let marker = record.marker();
        let sql = format!("copy marks from stdin /* {marker} */");
        let mut sink = std::pin::pin!(client.copy_in::<_, Bytes>(&sql).await?);
        sink.send(Bytes::from(format!("{marker}\tcopied\n")))
            .await?;
        sink.finish().await?;
        record.confirm(&[marker]);
        breathe(marker).await;
    }
}

async fn transacts(login: &Login, record: &Record, _: &Pleas) -> Result<(), Lost> {
    let agent = connect(login).await?;
    loop {
        let (one, two, undone) = (record.marker(), record.marker(), record.marker());
        let cell = 1 + one % CELLS;
        let client = &agent.client;
        client.batch_execute("begin").await?;
        let sql = format!("insert into marks values ({one}, 'transaction')");
        client.batch_execute(&sql).await?;
        client.batch_execute("savepoint s").await?;
        let sql = format!("insert into marks values ({undone}, 'rolled back')");
        client.batch_execute(&sql).await?;
        client.batch_execute("rollback to savepoint s").await?;
        let sql = format!("update cells set marker = {two} where id = $1");
        let id = i32::try_from(cell).unwrap_or(1);
        client.execute(&sql, &[&id]).await?;
        let end = if one % 5 == 0 { "rollback" } else { "commit" };
        client.batch_execute(end).await?;
        if end == "commit" {
            record.confirm(&[one]);
        }
        // The same in one text.
        let (one, two) = (record.marker(), record.marker());
        let sql = format!(
            "begin; insert into marks values ({one}, 'script'); insert into marks values ({two}, 'script'); commit"
        );
        client.batch_execute(&sql).await?;
        record.confirm(&[one, two]);
        breathe(one).await;
    }
}

/// An action beyond the lease's scope, sent by two agents at once, and approved once.
async fn held(login: &Login, record: &Record, pleas: &Pleas) -> Result<(), Lost> {
    let (mut one, mut two) = tokio::try_join!(connect(login), connect(login))?;
    loop {
        let marker = record.marker();
        let way = Way::of(marker);
        let sql = format!("insert into precious values ({marker})");
        record
            .uncertain
            .lock()
            .unwrap()
            .insert(marker, (sql.clone(), way));
        let both =
            async { tokio::join!(send(&one.client, &sql, way), send(&two.client, &sql, way)) };
        let person = async {
            let hold = tokio::select! {
                hold = one.holds.recv() => hold,
                hold = two.holds.recv() => hold,
            };
            ask(pleas, marker, hold).await;
        };
        let ((first, second), ()) = tokio::join!(both, person);
        if first.is_ok() || second.is_ok() {
            // One of them did it; the other was held anew, and nobody approves that.
            record.confirm(&[marker]);
        }
        for result in [first, second] {
            still_connected(result)?;
        }
        record.uncertain.lock().unwrap().remove(&marker);
        while one.holds.try_recv().is_ok() || two.holds.try_recv().is_ok() {}
    }
}

async fn send(client: &Client, sql: &str, way: Way) -> Result<(), Error> {
    match way {
        Way::Simple => client.batch_execute(sql).await,
        Way::Extended => client.execute(sql, &[]).await.map(drop),
    }
}

/// Asks the person, and waits for their answer.
async fn ask(pleas: &Pleas, marker: i64, hold: Option<String>) -> bool {
    let Some(hold) = hold else { return false };
    let (answered, mut answer) = mpsc::unbounded_channel();
    let plea = Plea {
        marker,
        hold,
        answered,
    };
    pleas.send(plea).is_ok() && answer.recv().await.unwrap_or(false)
}

/// An error from the gate is an answer; a lost connection is the end.
fn still_connected(result: Result<(), Error>) -> Result<(), Lost> {
    match result {
        Err(error) if error.as_db_error().is_none() || error.is_closed() => Err(error.into()),
        _ => Ok(()),
    }
}

/// A write within the scope, but without a bound: held inside a transaction, approved, and sent again in an
/// identical one.
async fn held_in_transaction(login: &Login, record: &Record, pleas: &Pleas) -> Result<(), Lost> {
    let agent = connect(login).await?;
    loop {
        let (before, marker) = (record.marker(), record.marker());
        let refused = tally(&agent.client, before, marker).await;
        let hold = refused
            .as_ref()
            .err()
            .and_then(Error::as_db_error)
            .and_then(|e| hold_in(e.message()));
        still_connected(refused)?;
        agent.client.batch_execute("rollback").await?;
        if ask(pleas, marker, hold).await {
            tally(&agent.client, before, marker).await?;
            agent.client.batch_execute("commit").await?;
            record.confirm(&[before, marker]);
        }
    }
}

async fn tally(client: &Client, before: i64, marker: i64) -> Result<(), Error> {
    client.batch_execute("begin").await?;
    let sql = format!("insert into marks values ({before}, 'before a hold')");
    client.batch_execute(&sql).await?;
    let sql = format!("insert into tally select {marker} from generate_series(1, 1)");
    client.batch_execute(&sql).await
}

/// Held actions that nobody ever approves.
async fn ignored(login: &Login, record: &Record, _: &Pleas) -> Result<(), Lost> {
    let agent = connect(login).await?;
    loop {
        let marker = record.marker();
        let way = Way::of(marker);
        let sql = format!("insert into precious values ({marker})");
        still_connected(send(&agent.client, &sql, way).await)?;
    }
}

async fn cancel(client: &Client, login: &Login) -> Result<(), Lost> {
    let stream = TcpStream::connect(("127.0.0.1", login.port))
        .await
        .map_err(|_| Lost)?;
    client
        .cancel_token()
        .cancel_query_raw(stream, NoTls)
        .await?;
    Ok(())
}

/// After a kill: what was approved is sent again by two agents, and nobody approves it a second time.
async fn repeats(login: &Login, record: &Record, _: &Pleas) -> Result<(), Lost> {
    let uncertain = record.take_uncertain();
    if uncertain.is_empty() {
        return Ok(());
    }
    let (one, two) = tokio::try_join!(connect(login), connect(login))?;
    for (sql, way) in uncertain {
        let both = async {
            let _ = tokio::join!(send(&one.client, &sql, way), send(&two.client, &sql, way));
        };
        // Held anew, it would wait for longer than there is time.
        let waited = tokio::time::timeout(Duration::from_millis(300), both).await;
        record.repeated.fetch_add(1, Ordering::Relaxed);
        if waited.is_err() {
            let _ = tokio::join!(cancel(&one.client, login), cancel(&two.client, login));
        }
    }
    Ok(())
}
