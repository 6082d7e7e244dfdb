//! `backstop demo`: the incident as it happened, with Backstop in between, and worse ones that come to nothing.
//!
//! Everything is real but the person: server, gate, console, journal and client are what they are in production.
//! Must not guard anything real: its authenticator says yes to whatever the script says.

mod act_four;
mod act_one;
mod act_three;
mod act_two;
mod agent;
mod incident;
mod person;
mod provider;
mod scene;
mod story;
mod vault;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use backstop_testing::postgres::{PostgresServer, Server};
use backstop_testing::rental;

use crate::cli::Demo;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use scene::Scene;
use story::Story;

/// Runs the demo.
///
/// # Errors
/// When something cannot be started, or anything did not hold.
pub fn run(args: &Demo, output: Output) -> Outcome {
    let begun = Instant::now();
    let story = Story::new(output);
    let interrupted = Arc::new(AtomicBool::new(false));
    let runtime = crate::command::runtime(2)?;
    listen_for_ctrl_c(&runtime, &interrupted);
    story.title("backstop demo: nine seconds in April, twice");
    let seed = args.seed.unwrap_or(rental::SEED);
    incident::control(seed, &story)?;
    check(&interrupted)?;
    let server = prepare(seed, &story)?;
    let before = rental::counts(&server).map_err(broken("cannot count the rows"))?;
    act_one::play(&server, &story)?;
    check(&interrupted)?;
    let scene = Scene::set(server, &runtime, before)?;
    let took = act_two::play(&scene, &story, &interrupted).and_then(|mut person| {
        let took = begun.elapsed();
        if args.stay {
            scene.stay(&mut person, &story, &interrupted)?;
        }
        Ok(took)
    });
    let struck = scene.strike(&runtime);
    let took = took?;
    struck?;
    story.end(took)
}

fn prepare(seed: u64, story: &Story) -> Outcome<Server> {
    story.scene("a throwaway PostgreSQL with a rental company's data");
    let server = PostgresServer::start_any().map_err(broken("cannot start a PostgreSQL"))?;
    rental::load_seed(&server, seed).map_err(broken("cannot load the rental company's data"))?;
    let rows = rental::total(&server).map_err(broken("cannot count the rows"))?;
    story.fact(&format!(
        "{} on {}:{}, seed {seed}: {} rows in {} tables",
        server.major(),
        server.host(),
        server.port(),
        story::number(rows),
        rental::TABLES.len()
    ));
    Ok(server)
}

/// The first Ctrl-C lets everything be put away; waiting steps look at the flag.
fn listen_for_ctrl_c(runtime: &tokio::runtime::Runtime, interrupted: &Arc<AtomicBool>) {
    let flag = Arc::clone(interrupted);
    runtime.spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            flag.store(true, Ordering::Relaxed);
        }
    });
}

/// Whether somebody pressed Ctrl-C.
fn check(interrupted: &AtomicBool) -> Outcome {
    if interrupted.load(Ordering::Relaxed) {
        return Err(Failure::new("interrupted; everything was put away"));
    }
    Ok(())
}

/// Looks again and again until `ready` gives something, for at most `within`.
fn wait_for<T>(
    what: &str,
    within: Duration,
    interrupted: &AtomicBool,
    mut ready: impl FnMut() -> Outcome<Option<T>>,
) -> Outcome<T> {
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        check(interrupted)?;
        if let Some(found) = ready()? {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(Failure::new(format!("waited in vain for {what}")))
}

fn broken(what: &'static str) -> impl FnOnce(anyhow::Error) -> Failure {
    move |error| {
        Failure::new(what)
            .because(format!("{error:#}"))
            .hint("`scripts/setup.sh postgres` installs what the demo needs")
    }
}
