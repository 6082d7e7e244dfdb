//! The performance table: `make bench`, or `cargo bench -p backstop --bench gate -- [PART…]`.
//!
//! pgbench against a server directly, through PgBouncer and through the gate, interleaved in one run; then what
//! an idle connection costs, how fast a halt is, and what it costs to measure what is written and to keep old rows.
//! Parts: `reads`, `writes`, `idle`, `halt`, `small`, `measure`, `whole`, `memory`; all without any.
//! `open` measures nothing: it says how to reach the three ways, for a profiler, and waits for the input's end.
//! `BACKSTOP_BENCH_SECONDS` and `BACKSTOP_BENCH_ROUNDS` set how long a cell runs, and how often.
//!
//! It must not compare unlike things: the same transport, server, table and client program on all three ways.

mod child;
mod client;
mod halt;
mod idle;
mod installation;
mod keeping;
mod kept;
mod machine;
mod numbers;
mod people;
mod pgbench;
mod table;
mod ways;

use anyhow::{Result, bail};

use machine::Machine;
use table::Plan;
use ways::Ways;

const PARTS: [&str; 9] = [
    "reads", "writes", "idle", "halt", "small", "measure", "whole", "memory", "open",
];

fn main() -> Result<()> {
    if std::env::var_os(child::MARK).is_some() {
        return child::serve();
    }
    let parts = parts()?;
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|p| p == part);
    let plan = Plan::from_environment()?;
    let machine = Machine::here();
    let ways = Ways::open()?;
    println!("{machine}");
    println!("{ways}");
    if parts.iter().any(|part| part == "open") {
        return ways.wait();
    }
    if wanted("reads") {
        table::reads(&ways, &plan)?;
    }
    if wanted("writes") {
        table::writes(&ways, &plan)?;
    }
    if wanted("idle") {
        idle::measure(&ways)?;
    }
    if wanted("halt") {
        halt::measure(&ways)?;
    }
    if wanted("small") {
        keeping::small_writes(&ways)?;
    }
    if wanted("measure") {
        keeping::measurements(&ways)?;
    }
    if wanted("whole") {
        keeping::whole_tables(&ways)?;
    }
    if wanted("memory") {
        keeping::memory(&ways)?;
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
