//! What open connections take that ask nothing for the moment: memory of the gate's process, before and with thousands.
//!
//! Each has a tunnel, its TLS and one answered request behind it. The server's side of it is not measured.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::asks::{Ask, Version};
use crate::loader::{Caller, Connection, Loader, Route};
use crate::machine::resident_kib;
use crate::numbers::verdict;
use crate::plan::Plan;
use crate::scene::{Scene, through};

const OPENERS: usize = 16;
const GOAL_MIB: u64 = 400;
/// A few at first, so that what a gate allocates once is not counted as theirs.
const WARMING: usize = 64;
/// Ends of handshakes may still be under way.
const SETTLING: Duration = Duration::from_secs(1);

/// Both versions, each with a gate of its own.
pub fn measure(scene: &Scene, plan: &Plan) -> Result<()> {
    let count = plan.connections;
    println!(
        "\n### {count} open connections through the gate as a proxy, each after one request\n"
    );
    println!(
        "| version | opened in s | gate's memory before, MiB | with them, MiB | KiB each | goal < {GOAL_MIB} MiB |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | --- |");
    for version in Version::ALL {
        row(scene, version, count)?;
    }
    Ok(())
}

fn row(scene: &Scene, version: Version, count: usize) -> Result<()> {
    let gate = scene.fresh_gate()?;
    let loader = scene.loader(&[&gate.authority_pem])?;
    let api = Ask::Small.api(version);
    let route = through(&gate, scene.server.port(api)?, api)?;
    drop(open(&loader, &route, version, WARMING)?);
    std::thread::sleep(SETTLING);
    let before = resident_kib(gate.pid())?;
    let begun = Instant::now();
    let connections = open(&loader, &route, version, count)?;
    let took = begun.elapsed().as_secs_f64();
    std::thread::sleep(SETTLING);
    let with = resident_kib(gate.pid())?;
    let alive = connections.iter().filter(|c| !c.is_closed()).count();
    ensure!(
        alive == count,
        "only {alive} are open still; hint: the gate lets go of one that is idle for a minute"
    );
    #[allow(clippy::cast_precision_loss)] // kilobytes
    let each = (with as f64 - before as f64) / count as f64;
    println!(
        "| {} | {took:.1} | {} | {} | {each:.1} | {} |",
        version.name(),
        before / 1024,
        with / 1024,
        verdict(with / 1024 < GOAL_MIB)
    );
    Ok(())
}

fn open(loader: &Loader, route: &Route, version: Version, count: usize) -> Result<Vec<Connection>> {
    loader.runtime.block_on(async {
        let openers: Vec<_> = (0..OPENERS)
            .map(|opener| {
                let share = count / OPENERS + usize::from(opener < count % OPENERS);
                let (caller, route) = (loader.caller.clone(), route.clone());
                tokio::spawn(several(caller, route, version, share, opener))
            })
            .collect();
        let mut all = Vec::with_capacity(count);
        for opener in openers {
            let opened = opener.await?;
            all.extend(opened.context("opening idle connections; hint: `ulimit -n 16384`")?);
        }
        Ok(all)
    })
}

async fn several(
    caller: Caller,
    route: Route,
    version: Version,
    count: usize,
    opener: usize,
) -> Result<Vec<Connection>> {
    // Each from an address of its own: ports are scarce.
    let from = Ipv4Addr::new(127, 0, 0, 2 + u8::try_from(opener)?);
    let ask = Ask::Small;
    let request = ask.request(version, &route.authority, &route.credential)?;
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        let mut connection = caller.open(&route, version, from).await?;
        connection.ask(request.clone(), ask).await?;
        all.push(connection);
    }
    Ok(all)
}
