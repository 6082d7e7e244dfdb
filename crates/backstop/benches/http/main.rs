//! The HTTP gate's table: `make bench`, or `cargo bench -p backstop --bench http -- [PART…]`.
//!
//! One server with TLS, asked directly, through mitmproxy, through Envoy and through the gate, interleaved in one run
//! and by the same loader; then what thousands of idle connections take, and what judging and certificates cost.
//! Parts: `rates`, `graphql`, `idle`, `costs`; all without any. `open` measures nothing: it puts the gate alone under
//! load until the input ends, for a profiler. `BACKSTOP_BENCH_SECONDS` (2) and `BACKSTOP_BENCH_ROUNDS` (5) set how
//! long a cell runs, and how often; `BACKSTOP_BENCH_CONNECTIONS` (10000) how many are idle. A quick look at all of it:
//! `BACKSTOP_BENCH_SECONDS=0.2 BACKSTOP_BENCH_ROUNDS=1 BACKSTOP_BENCH_CONNECTIONS=500`.
//!
//! It must not compare unlike things: TLS on both sides of every proxy, certificates verified, and no answer counted
//! that is not the whole of what was asked for.

mod asks;
mod carrier;
mod child;
mod costs;
mod front;
mod graphql;
mod idle;
mod loader;
#[path = "../gate/machine.rs"]
#[allow(dead_code, reason = "the PostgreSQL gate's table asks for more of it")]
mod machine;
#[path = "../gate/numbers.rs"]
mod numbers;
mod peers;
#[path = "../gate/people.rs"]
mod people;
mod plan;
mod rates;
mod scene;
mod upstream;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use machine::Machine;
use plan::Plan;
use scene::Scene;

const PARTS: [&str; 5] = ["rates", "graphql", "idle", "costs", "open"];

fn main() -> Result<()> {
    match std::env::var(child::MARK).as_deref() {
        Ok(front::ROLE) => return front::serve(),
        Ok(upstream::ROLE) => return upstream::serve(),
        _ => {}
    }
    let parts = parts()?;
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|p| p == part);
    let plan = Plan::from_environment()?;
    as_many_files_as_may_be()?;
    println!("{}", Machine::here());
    if parts.iter().any(|part| part == "open") {
        return graphql::keep_busy(&Scene::open()?);
    }
    if wanted("costs") {
        costs::measure()?;
    }
    if parts.iter().all(|part| part == "costs") && !parts.is_empty() {
        return Ok(());
    }
    let scene = Scene::open()?;
    println!("{scene}");
    if wanted("rates") {
        rates::measure(&scene, &plan)?;
    }
    if wanted("graphql") {
        graphql::measure(&scene, &plan)?;
    }
    if wanted("idle") {
        idle::measure(&scene, &plan)?;
    }
    Ok(())
}

/// The parts named on the command line; `cargo bench` adds a flag of its own.
fn parts() -> Result<Vec<String>> {
    let parts: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    if let Some(unknown) = parts.iter().find(|p| !PARTS.contains(&p.as_str())) {
        bail!("there is no part `{unknown}`; hint: {}", PARTS.join(", "));
    }
    Ok(parts)
}

/// Thousands of connections, both ends on this machine; what is started from here inherits it.
fn as_many_files_as_may_be() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, most).context("raising the limit of open files")
}
