//! Throughput and latency of answers of 1 KiB and 1 MiB, cell by cell, all ways side by side in every round.
//!
//! Whether a goal is met is said by the same numbers that are printed, never by others.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use crate::asks::{Ask, Version};
use crate::loader::{Loader, Measured};
use crate::numbers::{median, ratios, spread, verdict};
use crate::peers::Peers;
use crate::plan::Plan;
use crate::scene::{Scene, Way};

const CLIENTS: [usize; 3] = [1, 8, 64];
const WAYS: [Way; 6] = [
    Way::Direct,
    Way::Mitmproxy,
    Way::Envoy,
    Way::Carrier,
    Way::Gate,
    Way::Reverse,
];
const GOAL_OF_MITMPROXY: f64 = 30.0;
const GOAL_OF_ENVOY: f64 = 1.0;
/// Microseconds that a request may take longer than directly.
pub const GOAL_ADDED_US: f64 = 100.0;

/// What is measured side by side.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    /// The version of HTTP.
    pub version: Version,
    /// What is asked.
    pub ask: Ask,
    /// Requests at once.
    pub clients: usize,
}

/// Of each way, what it came to in each round.
#[derive(Default)]
pub struct Series(BTreeMap<Way, Vec<Measured>>);

/// All of it.
pub fn measure(scene: &Scene, plan: &Plan) -> Result<()> {
    let peers = Peers::start(scene)?;
    println!("{peers}");
    let loader = scene.loader(&[&peers.authority_pem])?;
    let mut cells = cells(&[Ask::Small, Ask::Large], &CLIENTS);
    run(scene, Some(&peers), &loader, plan, &WAYS, &mut cells)?;

    plan.title("Answers a second");
    println!(
        "| version | answer | c | direct | mitmproxy | Envoy | carrier | gate | gate, reverse | gate/direct \
         | gate/mitmproxy | least–most | goal ≥ 30 | reverse/Envoy | least–most | goal ≥ 1 |"
    );
    println!(
        "| --- | --- {}| --- | --- | ---: | --- | --- |",
        "| ---: ".repeat(9)
    );
    for (cell, series) in &cells {
        let rates = |way| series.rates(way);
        let of = |way| format!("{:.0}", median(&rates(way)));
        let of_direct = ratios(&rates(Way::Gate), &rates(Way::Direct));
        let of_mitmproxy = ratios(&rates(Way::Gate), &rates(Way::Mitmproxy));
        let of_envoy = ratios(&rates(Way::Reverse), &rates(Way::Envoy));
        println!(
            "| {} | {} | {} | {} | {:.2} | {} | {} |",
            cell.version.name(),
            cell.ask.name(),
            cell.clients,
            WAYS.map(of).join(" | "),
            median(&of_direct),
            compared(&of_mitmproxy, GOAL_OF_MITMPROXY),
            compared(&of_envoy, GOAL_OF_ENVOY),
        );
    }
    latencies(&cells, &WAYS);
    Ok(())
}

/// Every version with every one of these.
pub fn cells(asks: &[Ask], clients: &[usize]) -> Vec<(Cell, Series)> {
    let mut all = vec![];
    for version in Version::ALL {
        for ask in asks {
            for clients in clients {
                let cell = Cell {
                    version,
                    ask: *ask,
                    clients: *clients,
                };
                all.push((cell, Series::default()));
            }
        }
    }
    all
}

/// All rounds; who begins changes, so that no way is always the one after another.
pub fn run(
    scene: &Scene,
    peers: Option<&Peers>,
    loader: &Loader,
    plan: &Plan,
    ways: &[Way],
    cells: &mut [(Cell, Series)],
) -> Result<()> {
    for round in 0..plan.rounds {
        for (cell, series) in &mut *cells {
            let order = ways.iter().cycle().skip(round % ways.len());
            for way in order.take(ways.len()) {
                let route = scene.route(*way, peers, cell.ask, cell.version)?;
                let measured = loader
                    .run(&route, cell.version, cell.ask, cell.clients, plan.time())
                    .with_context(|| format!("{way:?}, {cell:?}"))?;
                series.0.entry(*way).or_default().push(measured);
            }
        }
        eprintln!("round {} of {} done", round + 1, plan.rounds);
    }
    Ok(())
}

/// What each way adds to one request at a time: the first way is the direct one.
pub fn latencies(cells: &[(Cell, Series)], ways: &[Way]) {
    let others: Vec<Way> = ways.iter().skip(1).copied().collect();
    let heads: Vec<String> = others
        .iter()
        .map(|way| format!("{} adds", way.name()))
        .collect();
    println!(
        "\n| version, c = 1 | answer | direct µs | {} | goal < {GOAL_ADDED_US} |",
        heads.join(" | ")
    );
    println!(
        "| --- | --- {}| ---: | --- |",
        "| ---: ".repeat(others.len())
    );
    for (cell, series) in cells.iter().filter(|(cell, _)| cell.clients == 1) {
        let direct = series.median_us(Way::Direct);
        let added = |way: &Way| series.median_us(*way) - direct;
        let told: Vec<String> = others
            .iter()
            .map(|way| format!("{:.0}", added(way)))
            .collect();
        println!(
            "| {} | {} | {direct:.0} | {} | {} |",
            cell.version.name(),
            cell.ask.name(),
            told.join(" | "),
            verdict(added(&Way::Gate) < GOAL_ADDED_US && added(&Way::Reverse) < GOAL_ADDED_US),
        );
    }
}

/// A ratio, its spread, and whether it is enough.
fn compared(ratios: &[f64], goal: f64) -> String {
    let (low, high) = spread(ratios);
    let ratio = median(ratios);
    let met = verdict(ratio >= goal);
    format!("{ratio:.2} | {low:.2}–{high:.2} | {met}")
}

impl Series {
    /// Answers a second, one for each round.
    pub fn rates(&self, way: Way) -> Vec<f64> {
        self.of(way, |measured| measured.rate)
    }

    /// The median of each round's median.
    pub fn median_us(&self, way: Way) -> f64 {
        median(&self.of(way, |measured| measured.median_us))
    }

    fn of(&self, way: Way, what: impl Fn(&Measured) -> f64) -> Vec<f64> {
        let all = self.0.get(&way).into_iter().flatten();
        all.map(what).collect()
    }
}

impl Way {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Mitmproxy => "mitmproxy",
            Self::Envoy => "Envoy",
            Self::Carrier => "carrier",
            Self::Gate => "gate",
            Self::Reverse => "gate, reverse",
        }
    }
}
