//! Throughput and latency, cell by cell, the three ways side by side in every round.
//!
//! Whether a goal is met is said by the same numbers that are printed, never by others.

use anyhow::{Context as _, Result, ensure};

use crate::machine;
use crate::numbers::{median, ratios, spread, verdict};
use crate::pgbench::Load;
use crate::ways::{Way, Ways};

const MODES: [&str; 3] = ["simple", "extended", "prepared"];
const CLIENTS: [u32; 3] = [1, 4, 8];

/// How long and how often.
pub struct Plan {
    seconds: u32,
    rounds: usize,
}

/// What was measured of one cell: transactions a second, one for each round.
#[derive(Default)]
struct Cell {
    direct: Vec<f64>,
    bouncer: Vec<f64>,
    gate: Vec<f64>,
}

impl Plan {
    /// Three seconds and five rounds, unless the environment says otherwise.
    pub fn from_environment() -> Result<Self> {
        let number = |name: &str, default: u32| match std::env::var(name) {
            Ok(text) => text
                .parse()
                .with_context(|| format!("`{name}` is `{text}`, not a number")),
            Err(_) => Ok(default),
        };
        let seconds = number("BACKSTOP_BENCH_SECONDS", 3)?;
        let rounds = number("BACKSTOP_BENCH_ROUNDS", 5)?;
        ensure!(
            seconds > 0 && rounds > 0,
            "a cell needs a second and a round"
        );
        Ok(Self {
            seconds,
            rounds: rounds.try_into()?,
        })
    }
}

/// `-S`: at least PgBouncer's throughput, at most twice its added latency.
pub fn reads(ways: &Ways, plan: &Plan) -> Result<()> {
    let cells = run(ways, plan, true)?;
    title("pgbench -S", plan);
    head();
    for (mode, clients, cell) in &cells {
        cell.print(mode, *clients, 1.0);
    }
    println!(
        "\n| mode, c = 1 | direct µs | pgbouncer adds µs | gate adds µs | gate/pgbouncer | goal ≤ 2 |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | --- |");
    for (mode, _, cell) in cells.iter().filter(|(_, clients, _)| *clients == 1) {
        let (direct, bouncer, gate) = cell.latencies();
        let (bouncer, gate) = (bouncer - direct, gate - direct);
        let ratio = gate / bouncer;
        // Noise on a busy machine: less than nothing cannot be doubled.
        let goal = if bouncer > 0.0 {
            verdict(ratio <= 2.0)
        } else {
            "not measurable"
        };
        println!("| {mode} | {direct:.1} | {bouncer:.1} | {gate:.1} | {ratio:.2} | {goal} |");
    }
    Ok(())
}

/// TPC-B-like: at c = 8 at least 0.9 of PgBouncer; at c = 1 no more than one fdatasync added.
pub fn writes(ways: &Ways, plan: &Plan) -> Result<()> {
    let before = machine::fdatasync_us()?;
    let cells = run(ways, plan, false)?;
    let fdatasync = median(&[before, machine::fdatasync_us()?]);
    title("pgbench, TPC-B-like", plan);
    head();
    for (mode, clients, cell) in &cells {
        // The goal is for eight clients; the others are shown by the same measure.
        cell.print(mode, *clients, 0.9);
    }
    println!(
        "\nAn append of 512 bytes and its fdatasync take {fdatasync:.0} µs on the journal's disk."
    );
    println!(
        "\n| mode, c = 1 | direct µs | pgbouncer adds µs | gate adds µs | goal: at most pgbouncer's + one fdatasync |"
    );
    println!("| --- | ---: | ---: | ---: | --- |");
    for (mode, _, cell) in cells.iter().filter(|(_, clients, _)| *clients == 1) {
        let (direct, bouncer, gate) = cell.latencies();
        let (bouncer, gate) = (bouncer - direct, gate - direct);
        let goal = verdict(gate <= bouncer.max(0.0) + fdatasync);
        println!("| {mode} | {direct:.0} | {bouncer:.0} | {gate:.0} | {goal} |");
    }
    Ok(())
}

fn run(ways: &Ways, plan: &Plan, reads: bool) -> Result<Vec<(&'static str, u32, Cell)>> {
    let mut cells: Vec<(&'static str, u32, Cell)> = MODES
        .iter()
        .flat_map(|mode| CLIENTS.map(|clients| (*mode, clients, Cell::default())))
        .collect();
    for round in 0..plan.rounds {
        ways.tidy()?;
        for (mode, clients, cell) in &mut cells {
            let load = Load {
                reads,
                mode,
                clients: *clients,
                seconds: plan.seconds,
            };
            cell.measure(ways, load, round)?;
        }
        eprintln!("round {} of {} done", round + 1, plan.rounds);
    }
    Ok(cells)
}

impl Cell {
    /// One round; who begins changes, so that no way is always the one after another.
    fn measure(&mut self, ways: &Ways, load: Load, round: usize) -> Result<()> {
        let order = Way::ALL.iter().cycle().skip(round % 3).take(3);
        for way in order {
            let tps = ways.pgbench.tps(&ways.connection(*way), load)?;
            match way {
                Way::Direct => self.direct.push(tps),
                Way::PgBouncer => self.bouncer.push(tps),
                Way::Gate => self.gate.push(tps),
            }
        }
        Ok(())
    }

    fn print(&self, mode: &str, clients: u32, goal: f64) {
        let of_bouncer = ratios(&self.gate, &self.bouncer);
        let (low, high) = spread(&of_bouncer);
        let ratio = median(&of_bouncer);
        println!(
            "| {mode} | {clients} | {:.0} | {:.0} | {:.0} | {:.2} | {ratio:.2} | {low:.2}–{high:.2} | {} |",
            median(&self.direct),
            median(&self.bouncer),
            median(&self.gate),
            median(&ratios(&self.gate, &self.direct)),
            verdict(ratio >= goal),
        );
    }

    /// Microseconds a transaction with one client.
    fn latencies(&self) -> (f64, f64, f64) {
        let us = |tps: &[f64]| 1e6 / median(tps);
        (us(&self.direct), us(&self.bouncer), us(&self.gate))
    }
}

fn title(what: &str, plan: &Plan) {
    println!(
        "\n### {what}: {} rounds of {} s, medians; ratios are medians of each round's\n",
        plan.rounds, plan.seconds
    );
}

fn head() {
    println!(
        "| mode | c | direct tps | pgbouncer tps | gate tps | gate/direct | gate/pgbouncer | least–most | goal |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |");
}
