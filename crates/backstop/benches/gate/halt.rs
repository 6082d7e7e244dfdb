//! How fast the red button is: from the order to the last open connection's end, and to the first refusal.
//!
//! The clock starts before the order is written to the gate's process and stops at the agent's side, so that
//! every step between is in it, the journal's fdatasync too.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use backstop_testing::postgres::Connection;

use crate::client::Client;
use crate::numbers::{median, spread, verdict};
use crate::ways::{SCOPES, Ways};

const ROUNDS: usize = 20;
const GOAL_MS: f64 = 100.0;
/// Connections of each kind: never asked, idle after a query, in a transaction, in a long query.
const EACH: usize = 4;
const PATIENCE: Duration = Duration::from_secs(30);

/// Halts one lease after another.
pub fn measure(ways: &Ways) -> Result<()> {
    let (mut ends, mut refusals) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let to = ways.gate.lease(&ways.server.owner(), &SCOPES)?;
        let (ended, refused) = once(ways, &to)?;
        ends.push(ended);
        refusals.push(refused);
    }
    println!(
        "\n### halt of one lease with {} open connections, {ROUNDS} times\n",
        EACH * 4
    );
    println!("| from the order until | median ms | most ms | goal < {GOAL_MS} |");
    println!("| --- | ---: | ---: | --- |");
    for (what, all) in [
        ("the last connection has ended", ends),
        ("a new connection is refused", refusals),
    ] {
        let (_, most) = spread(&all);
        println!(
            "| {what} | {:.1} | {most:.1} | {} |",
            median(&all),
            verdict(most < GOAL_MS)
        );
    }
    Ok(())
}

fn once(ways: &Ways, to: &Connection) -> Result<(f64, f64)> {
    let open = open(to)?;
    std::thread::scope(|scope| {
        let watchers: Vec<_> = open
            .into_iter()
            .map(|client| scope.spawn(|| client.ended()))
            .collect();
        std::thread::sleep(Duration::from_millis(100));
        let begun = Instant::now();
        let refused = scope.spawn(move || first_refusal(to, begun));
        ways.gate.halt(&to.user)?;
        let mut last = Duration::ZERO;
        for watcher in watchers {
            let ended = watcher.join().map_err(|_| anyhow!("a watcher panicked"))?;
            ensure!(ended >= begun, "a connection ended before the halt");
            last = last.max(ended - begun);
        }
        let refused = refused.join().map_err(|_| anyhow!("a client panicked"))??;
        Ok((last.as_secs_f64() * 1e3, refused.as_secs_f64() * 1e3))
    })
}

fn open(to: &Connection) -> Result<Vec<Client>> {
    let mut all = vec![];
    for _ in 0..EACH {
        all.push(Client::connect(to, None)?);
        for sql in ["select 1", "begin"] {
            let mut client = Client::connect(to, None)?;
            client.query(sql)?;
            all.push(client);
        }
        let mut client = Client::connect(to, None)?;
        client.begin("select pg_catalog.pg_sleep(60)")?;
        all.push(client);
    }
    Ok(all)
}

/// Connects again and again; how long after `begun` the first connection that began was refused.
fn first_refusal(to: &Connection, begun: Instant) -> Result<Duration> {
    while begun.elapsed() < PATIENCE {
        if Client::connect(to, None).is_err() {
            return Ok(begun.elapsed());
        }
    }
    Err(anyhow!("new connections are still let in"))
}
