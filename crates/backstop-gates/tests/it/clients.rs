//! Unmodified clients cannot tell the gate from the server: the same program, run against both, prints the same.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use backstop_gates::postgres::GateConfig;
use backstop_testing::postgres::{Major, PostgresServer};
use backstop_testing::tls::Authority;
use backstop_testing::{clients, rental};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::world::World;

const SCOPES: &[&str] = &["read:*.*", "insert,update,delete:public.notes", "temp"];

/// TLS as `init` sets it up: a certificate for the loopback addresses from an authority of our own.
fn with_tls(config: &mut GateConfig, authority: &Authority) -> Result<()> {
    let identity = authority.loopback()?;
    let certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(identity.certificate_pem.as_bytes())
            .collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes())?;
    let first = certificates.first().context("a certificate")?.to_vec();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    config.tls = Some((Arc::new(server), first));
    config.require_tls = true;
    Ok(())
}

/// Runs the program against the server and through the gate, and compares.
async fn compare(name: &'static str, major: Major) -> Result<()> {
    let server = PostgresServer::start(major)?;
    rental::load(&server)?;
    let direct = rental::make_client(&server, "conformance", "conformance-password")?;
    let expected = clients::transcript(name, &format!("{} sslmode=disable", direct.dsn()))?;
    let authority = Authority::new("backstop test authority")?;
    let world = World::before(server, |config| with_tls(config, &authority).expect("TLS")).await?;
    let file = world.folder.path().join("ca.pem");
    std::fs::write(&file, authority.certificate_pem())?;
    let agent = world.lease(SCOPES).await?;
    let dsn = format!(
        "{} sslmode=verify-full sslrootcert={}",
        world.through(&agent).dsn(),
        file.display()
    );
    let through = tokio::task::spawn_blocking(move || clients::transcript(name, &dsn)).await??;
    if expected != through {
        let differences: Vec<String> = diff(&expected, &through);
        panic!(
            "{name} on {major:?} can tell the gate from the server:\n{}",
            differences.join("\n")
        );
    }
    Ok(())
}

fn diff(expected: &str, through: &str) -> Vec<String> {
    let (a, b): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), through.lines().collect());
    let start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let show = |sign: &str, lines: &[&str]| -> Vec<String> {
        lines
            .iter()
            .skip(start.saturating_sub(3))
            .take(12)
            .map(|l| format!("{sign} {l}"))
            .collect()
    };
    [show("direct ", &a), show("through", &b)].concat()
}

macro_rules! client {
    ($test:ident, $name:literal) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() -> Result<()> {
            compare($name, Major::any()?).await
        }
    };
}

client!(psql, "psql");
client!(psycopg, "psycopg");
client!(asyncpg, "asyncpg");
client!(sqlalchemy, "sqlalchemy");
client!(django, "django");
client!(node_postgres, "node-postgres");
client!(sequelize, "sequelize");

/// pgbench in all its modes: reads, and writes that the lease names.
#[tokio::test(flavor = "multi_thread")]
async fn pgbench() -> Result<()> {
    let server = PostgresServer::start(Major::any()?)?;
    let program = server.installation().client("pgbench")?;
    let owner = server.owner();
    let made = std::process::Command::new(&program)
        .args(["-i", "-q", "-s", "1"])
        .arg(owner.dsn())
        .output()?;
    anyhow::ensure!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let world = World::before(server, |_| {}).await?;
    let agent = world
        .lease(&[
            "read,update:public.pgbench_accounts",
            "read,update:public.pgbench_branches",
            "read,update:public.pgbench_tellers",
            "insert:public.pgbench_history",
        ])
        .await?;
    let mut transactions = 0;
    for mode in ["simple", "extended", "prepared"] {
        for script in ["-S", "-N", "-b tpcb-like"] {
            let dsn = world.through(&agent).dsn() + " sslmode=disable";
            let run = tokio::process::Command::new(&program)
                .args(["-n", "-M", mode, "-c", "2", "-t", "20"])
                .args(script.split(' '))
                .arg(dsn)
                .output()
                .await?;
            let said = format!(
                "{}{}",
                String::from_utf8_lossy(&run.stdout),
                String::from_utf8_lossy(&run.stderr)
            );
            assert!(
                run.status.success() && said.contains("40/40"),
                "{mode} {script}: {said}"
            );
            transactions += if script == "-S" { 0 } else { 40 };
        }
    }
    assert_eq!(
        world.direct("select count(*) from pgbench_history"),
        transactions.to_string()
    );
    Ok(())
}
