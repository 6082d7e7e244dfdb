//! What measuring and keeping cost: a small write, the measurement alone, whole tables, and memory.
//!
//! What is compared runs interleaved on one server with fsync, its journal and vault on the same disk.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use backstop_testing::postgres::{Connection, Server};

use crate::child::Child;
use crate::client::Client;
use crate::machine::{self, resident_kib};
use crate::numbers::{median, ratios, spread, verdict};
use crate::ways::Ways;

/// Writes in one round of each way.
const WRITES: u32 = 200;
const ROUNDS: usize = 5;
/// What the gate may add to the median of a small write, in milliseconds, and how many times the direct one it may be.
const GOAL_ADDED_MS: f64 = 2.0;
const GOAL_TIMES: f64 = 3.0;
/// What a measurement may add, in milliseconds.
const GOAL_MEASURE_MS: f64 = 0.5;
const GOAL_MEMORY_MIB: f64 = 64.0;
/// Bytes of a row of the wide table, about.
const WIDE: u64 = 1_000;

fn fill(server: &Server, name: &str, rows: u64, width: u64) -> Result<()> {
    server.psql_as(
        &server.owner(),
        &format!(
            "create table {name} (id int primary key, n int not null, body text not null, at timestamptz not null);
             insert into {name} select g, g, rpad(md5(g::text), {width}, md5((g * 7)::text)), '2026-01-01'::timestamptz + g * interval '1 second'
                 from generate_series(1, {rows}) g;
             vacuum analyze {name}"
        ),
    )?;
    Ok(())
}

fn scope(name: &str) -> String {
    format!("read,insert,update,delete:public.{name}")
}

/// Ten rows by their keys, from a client that waits for each commit.
fn ten(table: &str, first: u32) -> String {
    let keys: Vec<String> = (first..first + 10).map(|n| n.to_string()).collect();
    format!(
        "update {table} set n = n + 1 where id in ({})",
        keys.join(", ")
    )
}

/// How a client sends a write.
#[derive(Clone, Copy)]
enum Sends {
    /// One simple query.
    Text,
    /// Three: BEGIN, it, and COMMIT.
    Block,
    /// Parse, Bind, Execute and Sync.
    Parameters,
}

fn latencies(client: &mut Client, table: &str, sends: Sends) -> Result<Vec<f64>> {
    let mut all = vec![];
    // An array could name any number of rows, and is held where nothing is measured.
    let numbers: Vec<String> = (1..=10).map(|n| format!("${n}")).collect();
    let by_keys = format!(
        "update {table} set n = n + 1 where id in ({})",
        numbers.join(", ")
    );
    for n in 0..WRITES {
        let first = 1 + (n * 10) % 900;
        let sql = ten(table, first);
        let keys: Vec<String> = (first..first + 10).map(|n| n.to_string()).collect();
        let begun = Instant::now();
        match sends {
            Sends::Text => client.query(&sql)?,
            Sends::Block => {
                client.query("begin")?;
                client.query(&sql)?;
                client.query("commit")?;
            }
            Sends::Parameters => client.execute(&by_keys, &keys)?,
        }
        all.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(all)
}

/// A write of ten rows by primary key.
pub fn small_writes(ways: &Ways) -> Result<()> {
    let server = &ways.server;
    fill(server, "few_rows", 1_000, 64)?;
    fill(server, "many_rows", 1_000_000, 64)?;
    let (plain, keeping) = (Child::start(server)?, Child::keeping(server)?);
    let owner = server.owner();
    let scopes = ["few_rows", "many_rows"].map(scope);
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let mut clients = [
        Client::connect(&owner, None)?,
        Client::connect(&plain.lease(&owner, &scopes)?, None)?,
        Client::connect(&keeping.lease(&owner, &scopes)?, None)?,
    ];
    println!(
        "\n### UPDATE of 10 rows by primary key, each a transaction: {ROUNDS} rounds of {WRITES}, medians\n"
    );
    println!(
        "| table | direct ms | gate without vault ms | gate with vault ms | added ms | goal < {GOAL_ADDED_MS} | times direct | least–most | goal < {GOAL_TIMES} |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | --- | ---: | --- | --- |");
    for (table, rows, sends) in [
        ("few_rows", "1,000 rows", Sends::Text),
        ("many_rows", "1,000,000 rows", Sends::Text),
        (
            "many_rows",
            "the same, BEGIN and COMMIT apart",
            Sends::Block,
        ),
        ("many_rows", "the same, by parameters", Sends::Parameters),
    ] {
        let mut medians = [vec![], vec![], vec![]];
        for client in &mut clients {
            // Plans, catalogues and the like are made once.
            latencies(client, table, sends)?;
        }
        for _ in 0..ROUNDS {
            for (client, all) in clients.iter_mut().zip(&mut medians) {
                all.push(median(&latencies(client, table, sends)?));
            }
        }
        let [direct, without, with] = &medians;
        let times = ratios(with, direct);
        let (least, most) = spread(&times);
        let added = median(with) - median(direct);
        println!(
            "| {rows} | {:.2} | {:.2} | {:.2} | {added:.2} | {} | {:.2} | {least:.2}–{most:.2} | {} |",
            median(direct),
            median(without),
            median(with),
            verdict(added < GOAL_ADDED_MS),
            median(&times),
            verdict(median(&times) < GOAL_TIMES)
        );
    }
    reads(&mut clients)
}

/// A read costs nothing more where there is a vault.
fn reads(clients: &mut [Client; 3]) -> Result<()> {
    let [_, without, with] = clients;
    let mut medians = [vec![], vec![]];
    for _ in 0..ROUNDS {
        for (client, all) in [&mut *without, &mut *with].into_iter().zip(&mut medians) {
            let mut took = vec![];
            for n in 0..WRITES * 5 {
                let sql = format!("select n from many_rows where id = {}", 1 + n);
                let begun = Instant::now();
                client.query(&sql)?;
                took.push(begun.elapsed().as_secs_f64() * 1_000_000.0);
            }
            all.push(median(&took));
        }
    }
    let [without, with] = &medians;
    let times = ratios(with, without);
    let (least, most) = spread(&times);
    println!(
        "\nA read of one row by its key, by a lease that may write: {:.0} µs without a vault, {:.0} µs with one; \
         {:.2} times ({least:.2}–{most:.2}).",
        median(without),
        median(with),
        median(&times)
    );
    Ok(())
}

/// The measurement's own questions, asked in a transaction that has written one row, while the schema grows.
pub fn measurements(ways: &Ways) -> Result<()> {
    let server = &ways.server;
    let owner = server.owner();
    fill(server, "measured", 1_000, 64)?;
    println!(
        "\n### Measuring one transaction, by the size of the schema: {ROUNDS} rounds of {WRITES}, medians\n"
    );
    println!("| tables | ms | goal < {GOAL_MEASURE_MS} |");
    println!("| ---: | ---: | --- |");
    let mut made = 0;
    for tables in [10, 1_000, 10_000] {
        let more = format!(
            "do $$ begin for i in {made}..{} loop execute format('create table filler_%s (id int primary key, body text)', i);
             if i % 500 = 0 then commit; end if; end loop; end $$",
            tables - 1
        );
        server.psql_as(&owner, &more)?;
        server.psql("vacuum analyze pg_class")?;
        made = tables;
        let mut client = Client::connect(&owner, None)?;
        // As a session of the gate's does: the second is prepared once.
        let [immediate, measure] = backstop_gates::postgres::measuring();
        client.query(&format!("prepare measure as {measure}"))?;
        let mut medians = vec![];
        for round in 0..=ROUNDS {
            let mut took = vec![];
            for n in 0..WRITES {
                client.query("begin")?;
                client.query(&ten("measured", 1 + n % 900))?;
                let begun = Instant::now();
                for question in [immediate, "execute measure"] {
                    client.query(question)?;
                }
                took.push(begun.elapsed().as_secs_f64() * 1000.0);
                client.query("rollback")?;
            }
            if round > 0 {
                medians.push(median(&took));
            }
        }
        let ms = median(&medians);
        println!("| {tables} | {ms:.3} | {} |", verdict(ms < GOAL_MEASURE_MS));
    }
    server.psql_as(
        &owner,
        &format!(
            "do $$ begin for i in 0..{} loop execute format('drop table filler_%s', i);
             if i % 500 = 0 then commit; end if; end loop; end $$",
            made - 1
        ),
    )?;
    Ok(())
}

/// Runs a line of shell with the way to `to` in its environment; how long it took, in seconds.
fn timed(to: &Connection, bin: &std::path::Path, line: &str) -> Result<f64> {
    let begun = Instant::now();
    let status = Command::new("bash")
        .args(["-euo", "pipefail", "-c", line])
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("PGHOST", &to.host)
        .env("PGPORT", to.port.to_string())
        .env("PGUSER", &to.user)
        .env("PGPASSWORD", &to.password)
        .env("PGDATABASE", &to.database)
        .env("PGOPTIONS", "-c client_min_messages=warning")
        .stdin(Stdio::null())
        .status()
        .context("running bash")?;
    ensure!(status.success(), "`{line}` failed");
    Ok(begun.elapsed().as_secs_f64())
}

/// A table of a million rows: copied as before it is dropped, and brought back.
pub fn whole_tables(ways: &Ways) -> Result<()> {
    let server = &ways.server;
    let owner = server.owner();
    fill(server, "whole", 1_000_000, 64)?;
    let keeping = Child::keeping(server)?;
    let psql = server.installation().client("psql")?;
    let bin = psql.parent().context("where psql is")?.to_owned();
    let folder = tempfile::Builder::new()
        .prefix("backstop-bench-")
        .tempdir_in(machine::disk()?)?;
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (copied, dumped) = (file("copied.zst"), file("dumped"));
    let copy_out =
        format!("psql -qXc 'copy whole to stdout (format binary)' | zstd -1 -q -f -o '{copied}'");
    let dump = format!("pg_dump -Fc -t whole -f '{dumped}'");
    let create = "create table whole (id int not null, n int not null, body text not null, at timestamptz not null)";
    let copy_in = format!(
        "psql -qXc '{create}'; zstd -dc '{copied}' | psql -qXc 'copy whole from stdin (format binary)'; \
         psql -qXc 'alter table whole add primary key (id)'"
    );
    let restore = format!("pg_restore -d back '{dumped}'");
    let back = Connection {
        database: "back".into(),
        ..owner.clone()
    };
    let anew = || -> Result<()> {
        server.psql_as(&owner, "drop database if exists back")?;
        server.psql_as(&owner, "create database back")?;
        Ok(())
    };
    let mut out = [vec![], vec![], vec![]];
    let mut into = [vec![], vec![], vec![]];
    for _ in 0..ROUNDS {
        let [ours, copy, pg_dump] = &mut out;
        let [brought, copied, pg_restore] = &mut into;
        anew()?;
        let (taken, put) = keeping.copy("public.whole", "back")?;
        ours.push(taken);
        brought.push(put);
        copy.push(timed(&owner, &bin, &copy_out)?);
        anew()?;
        copied.push(timed(&back, &bin, &copy_in)?);
        pg_dump.push(timed(&owner, &bin, &dump)?);
        anew()?;
        pg_restore.push(timed(&back, &bin, &restore)?);
    }
    server.psql_as(&owner, "drop database back")?;
    println!("\n### A table of 1,000,000 rows, {ROUNDS} rounds, medians\n");
    println!(
        "| | ours s | COPY binary and zstd -1 s | ours/COPY | least–most | goal ≤ 1 | pg_dump -Fc, pg_restore s | ours/theirs |"
    );
    println!("| --- | ---: | ---: | ---: | --- | --- | ---: | ---: |");
    for (name, [ours, copy, dump]) in [("copied to the vault", &out), ("brought back", &into)] {
        let times = ratios(ours, copy);
        let (least, most) = spread(&times);
        println!(
            "| {name} | {:.2} | {:.2} | {:.2} | {least:.2}–{most:.2} | {} | {:.2} | {:.2} |",
            median(ours),
            median(copy),
            median(&times),
            verdict(median(&times) <= 1.0),
            median(dump),
            median(&ratios(ours, dump))
        );
    }
    deleted(&keeping, server)
}

/// All rows of a table deleted with a person's approval, and undone.
fn deleted(keeping: &Child, server: &Server) -> Result<()> {
    let owner = server.owner();
    let leased = keeping.lease(&owner, &[&scope("whole")])?;
    let mut direct = Client::connect(&owner, None)?;
    direct.query("begin")?;
    let begun = Instant::now();
    direct.query("delete from whole")?;
    let alone = begun.elapsed().as_secs_f64();
    direct.query("rollback")?;
    server.psql("vacuum whole")?;
    let took = approved(keeping, &leased, "delete from whole")?;
    let undone = keeping.undo()?;
    println!(
        "\nDELETE of its 1,000,000 rows takes {alone:.1} s directly; measured, held, approved at once, kept and committed \
         {took:.1} s; `undo` brings the rows back in {undone:.1} s."
    );
    Ok(())
}

/// Runs what is held, and approves it as soon as it is; how long all took, in seconds.
fn approved(keeping: &Child, to: &Connection, sql: &str) -> Result<f64> {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let agent = scope.spawn(|| -> Result<()> {
            let mut client = Client::connect(to, None)?;
            // A hold that waits for its client lets it go on; one inside a transaction is to be repeated.
            match client.query(sql) {
                Err(error) if error.to_string().contains("BK001") => client.query(sql),
                done => done,
            }
        });
        keeping.approve()?;
        agent.join().map_err(|_| anyhow!("the agent panicked"))?
    })?;
    Ok(begun.elapsed().as_secs_f64())
}

/// Memory of gate and vault together, while a large table is kept.
pub fn memory(ways: &Ways) -> Result<()> {
    let gigabytes: u64 = match std::env::var("BACKSTOP_BENCH_GIGABYTES") {
        Ok(text) => text.parse().context("BACKSTOP_BENCH_GIGABYTES")?,
        Err(_) => 2,
    };
    let server = &ways.server;
    fill(server, "wide", gigabytes * 1_000_000_000 / WIDE, WIDE)?;
    let keeping = Child::keeping(server)?;
    let leased = keeping.lease(&server.owner(), &[&scope("wide")])?;
    Client::connect(&leased, None)?.query("update wide set n = n + 1 where id = 1")?;
    println!(
        "\n### Memory of gate and vault, in one process, while a table of {gigabytes} GB goes\n"
    );
    println!("| | s | before, MiB | most, MiB | over, MiB | goal < {GOAL_MEMORY_MIB} |");
    println!("| --- | ---: | ---: | ---: | ---: | --- |");
    let acts = [
        (
            "rows kept: UPDATE of all, approved",
            "update wide set n = n + 1",
        ),
        ("objects kept: TRUNCATE, approved", "truncate wide"),
    ];
    for (name, sql) in acts {
        std::thread::sleep(Duration::from_secs(1));
        let before = resident_kib(keeping.pid())?;
        let over = AtomicBool::new(false);
        let (took, most) = std::thread::scope(|scope| -> Result<(f64, u64)> {
            let watcher = scope.spawn(|| {
                let mut most = 0;
                while !over.load(Ordering::Relaxed) {
                    most = most.max(resident_kib(keeping.pid()).unwrap_or(0));
                    std::thread::sleep(Duration::from_millis(20));
                }
                most
            });
            let took = approved(&keeping, &leased, sql);
            over.store(true, Ordering::Relaxed);
            let most = watcher
                .join()
                .map_err(|_| anyhow!("the watcher panicked"))?;
            Ok((took?, most))
        })?;
        #[allow(clippy::cast_precision_loss)] // kilobytes
        let more = most.saturating_sub(before) as f64 / 1024.0;
        println!(
            "| {name} | {took:.0} | {} | {} | {more:.0} | {} |",
            before / 1024,
            most / 1024,
            verdict(more < GOAL_MEMORY_MIB)
        );
    }
    server.psql_as(&server.owner(), "drop table wide")?;
    Ok(())
}
