//! GraphQL queries of 1 KiB through the whole gate, beside the direct connection; and the gate alone under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;

use crate::asks::{Ask, Version};
use crate::numbers::{median, ratios};
use crate::plan::Plan;
use crate::rates::{cells, latencies, run};
use crate::scene::{Scene, Way};

const CLIENTS: [usize; 2] = [1, 8];
const WAYS: [Way; 3] = [Way::Direct, Way::Gate, Way::Reverse];

/// The table.
pub fn measure(scene: &Scene, plan: &Plan) -> Result<()> {
    let loader = scene.loader(&[])?;
    let mut cells = cells(&[Ask::GraphQl], &CLIENTS);
    run(scene, None, &loader, plan, &WAYS, &mut cells)?;
    plan.title("GraphQL queries of 1 KiB, answers a second");
    println!("| version | c | direct | gate | gate, reverse | gate/direct |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for (cell, series) in &cells {
        let direct = series.rates(Way::Direct);
        let gate = series.rates(Way::Gate);
        println!(
            "| {} | {} | {:.0} | {:.0} | {:.0} | {:.2} |",
            cell.version.name(),
            cell.clients,
            median(&direct),
            median(&gate),
            median(&series.rates(Way::Reverse)),
            median(&ratios(&gate, &direct)),
        );
    }
    latencies(&cells, &WAYS);
    Ok(())
}

/// The gate under load until the input ends: REST as a proxy, one version after the other, then GraphQL.
pub fn keep_busy(scene: &Scene) -> Result<()> {
    println!("{scene}");
    println!("gate's process: {}", scene.gate.pid());
    let loader = scene.loader(&[])?;
    let ended = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ended);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        end.store(true, Ordering::Relaxed);
    });
    let all = [Ask::Small, Ask::Large, Ask::GraphQl];
    let all = all.map(|ask| Version::ALL.map(|version| (ask, version)));
    for (ask, version) in all.iter().flatten().cycle() {
        if ended.load(Ordering::Relaxed) {
            break;
        }
        let route = scene.route(Way::Gate, None, *ask, *version)?;
        let measured = loader.run(&route, *version, *ask, 8, Duration::from_secs(10))?;
        println!("{} {}: {:.0}/s", version.name(), ask.name(), measured.rate);
    }
    Ok(())
}
