//! What an idle connection costs in the gate: memory of its process, before and with thousands of them.
//!
//! The server's side of it is not measured: a connection that never asked has none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use backstop_testing::postgres::Connection;
use rustls::ClientConfig;

use crate::child::Child;
use crate::client::{self, Client};
use crate::machine::resident_kib;
use crate::numbers::verdict;
use crate::ways::{SCOPES, Ways};

const CONNECTIONS: usize = 5000;
const OPENERS: usize = 4;
const GOAL_KIB: f64 = 40.0;
/// A few at first, so that what a gate allocates once is not counted as theirs.
const WARMING: usize = 20;
/// Ends of handshakes may still be under way.
const SETTLING: Duration = Duration::from_secs(1);

/// Without and with TLS, each with a gate of its own.
pub fn measure(ways: &Ways) -> Result<()> {
    println!("\n### {CONNECTIONS} idle connections, authenticated, nothing asked yet\n");
    println!(
        "| transport | opened in s | server connections | gate's memory before, MiB | with them, MiB | KiB each | goal < {GOAL_KIB} |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | --- |");
    row(ways, "plain", false)?;
    row(ways, "TLS 1.3", true)
}

fn row(ways: &Ways, name: &str, tls: bool) -> Result<()> {
    let gate = Child::start(&ways.server)?;
    let to = gate.lease(&ways.server.owner(), &SCOPES)?;
    let tls = tls
        .then(|| client::trusting(&gate.certificate_pem))
        .transpose()?;
    drop(open(&to, tls.as_ref(), WARMING)?);
    std::thread::sleep(SETTLING);
    let before = resident_kib(gate.pid())?;
    let begun = Instant::now();
    let clients = open(&to, tls.as_ref(), CONNECTIONS)?;
    let took = begun.elapsed().as_secs_f64();
    std::thread::sleep(SETTLING);
    let with = resident_kib(gate.pid())?;
    let upstream = ways.server.psql(&format!(
        "select count(*) from pg_stat_activity where usename = '{}'",
        to.user
    ))?;
    #[allow(clippy::cast_precision_loss)] // kilobytes
    let each = (with as f64 - before as f64) / CONNECTIONS as f64;
    println!(
        "| {name} | {took:.1} | {} | {} | {} | {each:.1} | {} |",
        upstream.trim(),
        before / 1024,
        with / 1024,
        verdict(each < GOAL_KIB)
    );
    drop(clients);
    Ok(())
}

fn open(to: &Connection, tls: Option<&Arc<ClientConfig>>, count: usize) -> Result<Vec<Client>> {
    std::thread::scope(|scope| {
        let openers: Vec<_> = (0..OPENERS)
            .map(|_| {
                scope.spawn(|| -> Result<Vec<Client>> {
                    (0..count / OPENERS)
                        .map(|_| Client::connect(to, tls))
                        .collect()
                })
            })
            .collect();
        let mut all = Vec::with_capacity(count);
        for opener in openers {
            let opened = opener.join().map_err(|_| anyhow!("an opener panicked"))?;
            all.extend(opened.context("opening idle connections; hint: `ulimit -n 16384`")?);
        }
        Ok(all)
    })
}
