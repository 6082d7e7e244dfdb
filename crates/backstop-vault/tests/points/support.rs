//! What these tests share: a throwaway server, a session that acts, a picture of a whole database.

use std::process::Stdio;

use anyhow::{Result, ensure};
use backstop_core::secret::Secret;
use backstop_testing::postgres::{Connection, Installation, Major, Server};
use backstop_vault::points::objects::{
    Act, Address, Closure, Copied, Patience, closure, confirm, copy, hold_still,
};
use backstop_vault::points::{PointError, Question, Session, Source, Tls, Tools};

/// Every major version here whose own client programs are here too, oldest first.
pub fn majors() -> Vec<Major> {
    let found: Vec<Major> = Major::available()
        .unwrap()
        .into_iter()
        .filter(|major| {
            let installation = Installation::find(*major).unwrap();
            installation.program("pg_dump").is_file()
        })
        .collect();
    assert!(!found.is_empty());
    found
}

/// Where a throwaway server's database is, for PostgreSQL's own tools.
pub async fn source(server: &Server, connection: &Connection) -> Source {
    let installation = Installation::find(server.major()).unwrap();
    let bin = installation.program("");
    Source {
        host: connection.host.clone(),
        port: connection.port,
        user: connection.user.clone(),
        password: Some(Secret::new(connection.password.clone())),
        database: connection.database.clone(),
        tls: Tls::Off,
        tools: Tools::at(&bin, server.major().number()).await.unwrap(),
    }
}

/// The whole database as `pg_dump` writes it, without what differs from run to run.
pub fn picture(server: &Server) -> String {
    let owner = server.superuser();
    let program = Installation::find(server.major())
        .unwrap()
        .client("pg_dump")
        .unwrap();
    let output = std::process::Command::new(program)
        .env_clear()
        .envs([
            ("PGHOST", owner.host.clone()),
            ("PGPORT", owner.port.to_string()),
            ("PGUSER", owner.user.clone()),
            ("PGPASSWORD", owner.password.clone()),
            ("PGDATABASE", owner.database.clone()),
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A session in which `statement` is about to run, as the owner.
pub async fn acting(source: &Source) -> Session {
    let mut session = Session::open(source).await.unwrap();
    session.ask("BEGIN READ WRITE").await.unwrap();
    session
}

/// The OID of a relation.
pub async fn oid(session: &mut Session, name: &str) -> u32 {
    let rows = session
        .ask(&format!(
            "SELECT '{name}'::pg_catalog.regclass::pg_catalog.oid"
        ))
        .await
        .unwrap();
    rows[0][0].clone().unwrap().parse().unwrap()
}

/// Copies what `statement` takes, then runs it, all in one transaction.
pub async fn destroy(
    source: &Source,
    act: Act,
    roots: &[Address],
    statement: &str,
) -> Result<(Closure, Copied, Vec<u8>), PointError> {
    let mut session = acting(source).await;
    let found = closure(&mut session, act, roots).await?;
    let (held, snapshot) = hold_still(&mut session, &found, Patience::default()).await?;
    let mut script = Vec::new();
    let copied = copy(&held, source, &snapshot, &mut script).await?;
    confirm(&mut session, &held, Patience::default()).await?;
    session.ask(statement).await?;
    session.ask("COMMIT").await?;
    session.close().await;
    Ok((held, copied, script))
}

/// Runs a script with `psql` alone, as anybody could.
pub fn psql_alone(server: &Server, connection: &Connection, script: &[u8]) -> Result<()> {
    use std::io::Write;
    let program = Installation::find(server.major())?.client("psql")?;
    let mut child = std::process::Command::new(program)
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-1", "-o", "/dev/null"])
        .env_clear()
        .envs([
            ("PGHOST", connection.host.clone()),
            ("PGPORT", connection.port.to_string()),
            ("PGUSER", connection.user.clone()),
            ("PGPASSWORD", connection.password.clone()),
            ("PGDATABASE", connection.database.clone()),
        ])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().unwrap().write_all(script)?;
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
