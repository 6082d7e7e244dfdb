//! Unmodified clients cannot tell the gate from the server: the same program, run against both, prints the same.

mod program;
mod sqlx_migrations;
mod with_sqlx;
mod with_tokio_postgres;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use backstop_core::measure::Limits;
use backstop_gates::postgres::GateConfig;
use backstop_testing::postgres::{Connection, Major, PostgresServer, Server};
use backstop_testing::tls::Authority;
use backstop_testing::{clients, rental};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::world::World;
use program::Login;

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
async fn compare<R>(
    major: Major,
    prepare: impl Fn(&Server, &Connection) -> Result<()>,
    scopes: &[&str],
    program: impl Fn(Login) -> R,
) -> Result<()>
where
    R: Future<Output = Result<String>>,
{
    let server = PostgresServer::start(major)?;
    rental::load(&server)?;
    let direct = rental::make_client(&server, "conformance", "conformance-password")?;
    let owner = server.owner();
    prepare(&server, &direct)?;
    let expected = program(Login {
        connection: direct.clone(),
        authority: None,
        owner: owner.clone(),
    })
    .await
    .context("straight at the server")?;
    forget(&server, &direct)?;
    let authority = Authority::new("backstop test authority")?;
    // On the newest server what they write is measured before COMMIT, which no client may notice either.
    let measures = (major != Major::any()?).then(Limits::default);
    let tune = |config: &mut _| with_tls(config, &authority).expect("TLS");
    let world = World::begin(server, tune, measures).await?;
    let file = world.folder.path().join("ca.pem");
    std::fs::write(&file, authority.certificate_pem())?;
    let agent = world.lease(scopes).await?;
    let through = program(Login {
        connection: world.through(&agent),
        authority: Some(file),
        owner,
    })
    .await
    .context("through the gate")?;
    if expected != through {
        let differences: Vec<String> = diff(&expected, &through);
        panic!(
            "on {major:?} it can tell the gate from the server:\n{}",
            differences.join("\n")
        );
    }
    Ok(())
}

/// What the first run left, and its role: the second finds what the first found.
fn forget(server: &Server, direct: &Connection) -> Result<()> {
    let superuser = server.superuser().in_database(&direct.database);
    server.psql_as(
        &superuser,
        &format!("DROP OWNED BY {0}; DROP ROLE {0}", direct.user),
    )?;
    Ok(())
}

/// A program of `scripts/clients`.
async fn script(name: &'static str, major: Major) -> Result<()> {
    let run = |login: Login| async move {
        tokio::task::spawn_blocking(move || clients::transcript(name, &login.dsn())).await?
    };
    compare(major, |_, _| Ok(()), SCOPES, run).await
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
    ($client:ident, $run:expr) => {
        mod $client {
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            async fn on_the_oldest_server() -> Result<()> {
                let run = $run;
                run(Major::any()?).await
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_the_newest_server() -> Result<()> {
                let run = $run;
                match Major::available()?.last() {
                    Some(newest) if *newest != Major::any()? => run(*newest).await,
                    // Which are missing was said.
                    _ => Ok(()),
                }
            }
        }
    };
}

client!(psql, |major| script("psql", major));
client!(psycopg, |major| script("psycopg", major));
client!(asyncpg, |major| script("asyncpg", major));
client!(sqlalchemy, |major| script("sqlalchemy", major));
client!(django, |major| script("django", major));
client!(node_postgres, |major| script("node-postgres", major));
client!(sequelize, |major| script("sequelize", major));
client!(tokio_postgres, |major| {
    compare(major, |_, _| Ok(()), SCOPES, with_tokio_postgres::run)
});
client!(sqlx, |major| {
    compare(major, |_, _| Ok(()), SCOPES, with_sqlx::run)
});
client!(sqlx_migrator, |major| {
    compare(
        major,
        sqlx_migrations::prepare,
        &["read:*.*", "create:lab"],
        sqlx_migrations::run,
    )
});

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
