//! What the gate asks of whoever keeps a drill's copy, and how little hangs on the answer. The copy itself is tested with
//! the vault, and the whole through the binary.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use backstop_core::approval::Answer;
use backstop_core::digest::Digest;
use backstop_core::entry::Event;
use backstop_core::measure::Limits;
use backstop_core::point::Point;
use backstop_core::rehearsal::{Ended, Rehearsal, Why};
use backstop_gates::postgres::GateConfig;
use backstop_testing::postgres::PostgresServer;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use crate::world::{Agent, World};

const SCHEMA: &str = "create table public.notes (id int primary key, body text);
    insert into public.notes select g, 'note' from generate_series(1, 10) g";

/// Whoever keeps the copy, which says what it is told to, or nothing at all; and what it was asked.
struct Keeper {
    _folder: tempfile::TempDir,
    socket: PathBuf,
    asked: mpsc::UnboundedReceiver<Value>,
}

impl Keeper {
    fn answering(answer: Option<Rehearsal>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("copy.sock");
        let listener = UnixListener::bind(&socket)?;
        let (told, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut silent = vec![];
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                let _ = stream.read_line(&mut line).await;
                let _ = told.send(serde_json::from_str(&line).unwrap_or_default());
                match &answer {
                    Some(answer) => {
                        let answer = serde_json::to_vec(answer).unwrap_or_default();
                        let _ = stream.write_all(&answer).await;
                    }
                    None => silent.push(stream),
                }
            }
        });
        Ok(Self {
            _folder: folder,
            socket,
            asked,
        })
    }

    async fn world(&self) -> Result<(World, Agent)> {
        self.world_with(None).await
    }

    async fn world_with(&self, measures: Option<Limits>) -> Result<(World, Agent)> {
        let socket = self.socket.clone();
        let server = PostgresServer::start_any()?;
        server.psql_as(&server.owner(), SCHEMA)?;
        let tune = |config: &mut GateConfig| config.rehearsals = Some(socket);
        let world = World::begin(server, tune, measures).await?;
        let agent = world.lease(&["read,delete:public.notes"]).await?;
        Ok((world, agent))
    }
}

/// What was written down of the hold that waits.
async fn rehearsed(world: &World) -> Result<Rehearsal> {
    for _ in 0..200 {
        if let Some(told) = world.waiting().await?.rehearsed {
            return Ok(*told);
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    anyhow::bail!("nothing was written down")
}

fn ran(point: Digest) -> Rehearsal {
    Rehearsal {
        point: Some(point),
        milliseconds: 5,
        ..Rehearsal::without_figures(Ended::Ran)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_is_asked_once_with_all_that_gives_the_action_its_meaning() -> Result<()> {
    let point = Digest([7; 32]);
    let mut keeper = Keeper::answering(Some(ran(point)))?;
    let (world, agent) = keeper.world().await?;
    let taken = Event::PointTaken {
        target: "prod".to_owned(),
        point: Point {
            name: point,
            parts: vec![],
            taken_ms: 0,
            milliseconds: 0,
            stored: 0,
            bytes: 0,
            tables: 0,
            rows: 0,
            manifest: Digest([8; 32]),
            figures: Digest([9; 32]),
        },
    };
    world.store.note(taken).await?;
    let script = "set datestyle = 'SQL, DMY'; set search_path = public, pg_temp;";
    let said = world
        .psql_args(&agent, &["-c", script, "-c", "delete from notes"])
        .await;
    assert!(said.contains("BK001"), "{said}");
    let asked = keeper.asked.recv().await.context("a question")?;
    assert_eq!(asked["statement"], "delete from notes");
    assert_eq!(asked["target"], "prod");
    assert_eq!(asked["role"], world.server.owner().user);
    assert_eq!(asked["search_path"][0], "public");
    assert!(
        asked["settings"].to_string().contains("SQL, DMY"),
        "{asked}"
    );
    assert_eq!(rehearsed(&world).await?.end, Ended::Ran);
    // The identical action again is the same hold, and asks nothing more.
    world
        .psql_args(&agent, &["-c", script, "-c", "delete from notes"])
        .await;
    assert!(keeper.asked.try_recv().is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_that_the_gate_does_not_know_is_not_shown() -> Result<()> {
    let keeper = Keeper::answering(Some(ran(Digest([7; 32]))))?;
    let (world, agent) = keeper.world().await?;
    world.psql(&agent, "delete from notes").await;
    assert_eq!(rehearsed(&world).await?, Rehearsal::not(Why::UnknownPoint));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_rehearsed_says_so_and_asks_nobody() -> Result<()> {
    let mut keeper = Keeper::answering(Some(ran(Digest([7; 32]))))?;
    let (world, agent) = keeper.world().await?;
    let said = world.psql(&agent, "vacuum full notes").await;
    assert!(said.contains("BK001"), "{said}");
    assert_eq!(rehearsed(&world).await?, Rehearsal::not(Why::NoTransaction));
    assert!(keeper.asked.try_recv().is_err());
    Ok(())
}

/// What the copy is asked of a block of the agent's.
async fn asked_of(sql: &str) -> Result<Value> {
    let limits = Limits {
        few: 2,
        ..Limits::default()
    };
    let mut keeper = Keeper::answering(Some(ran(Digest([7; 32]))))?;
    let (world, agent) = keeper.world_with(Some(limits)).await?;
    let parts: Vec<&str> = sql.split("; ").flat_map(|part| ["-c", part]).collect();
    let said = world.psql_args(&agent, &parts).await;
    assert!(said.contains("BK001"), "{sql}: {said}");
    keeper.asked.recv().await.context("a question")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_given_as_a_whole() -> Result<()> {
    // Held at COMMIT, for all that it did.
    let asked = asked_of(
        "begin; delete from notes where id < 4; select 1; delete from notes where id > 7; commit",
    )
    .await?;
    assert_eq!(
        asked["earlier"],
        json!(["delete from notes where id < 4", "select 1"])
    );
    assert_eq!(asked["statement"], "delete from notes where id > 7");
    // What was before the transaction is no part of it.
    let asked =
        asked_of("delete from notes where id = 10; begin; delete from notes where id < 9; commit")
            .await?;
    assert_eq!(asked["earlier"], Value::Null);
    assert_eq!(asked["statement"], "delete from notes where id < 9");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_with_parameters_says_that_the_copy_cannot_be_given_it() -> Result<()> {
    let limits = Limits {
        few: 2,
        ..Limits::default()
    };
    let mut keeper = Keeper::answering(Some(ran(Digest([7; 32]))))?;
    let (world, agent) = keeper.world_with(Some(limits)).await?;
    let client = world.client(&agent).await?;
    client.batch_execute("begin").await?;
    client
        .execute("delete from notes where id < $1", &[&9])
        .await?;
    let said = client.batch_execute("commit").await.unwrap_err();
    assert_eq!(said.code().map(|code| code.code()), Some("BK001"));
    assert_eq!(
        rehearsed(&world).await?,
        Rehearsal::not(Why::InsideTransaction)
    );
    assert!(keeper.asked.try_recv().is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_copy_that_never_answers() -> Result<()> {
    let mut keeper = Keeper::answering(None)?;
    let (world, agent) = keeper.world().await?;
    let began = Instant::now();
    let said = world.psql(&agent, "delete from notes").await;
    assert!(said.contains("BK001"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(10));
    keeper.asked.recv().await.context("a question")?;
    let record = world.waiting().await?;
    assert!(record.rehearsed.is_none());
    world.decide(&record.hold.id, Answer::Approve, "").await?;
    let said = world.psql(&agent, "delete from notes").await;
    assert!(!said.contains("ERROR"), "{said}");
    assert_eq!(world.direct("select count(*) from notes"), "0");
    Ok(())
}
