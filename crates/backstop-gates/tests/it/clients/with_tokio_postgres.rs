//! tokio-postgres, as applications use it: typed statements, futures side by side, portals, COPY, cancel.

mod statements;
mod streams;

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres::error::ErrorPosition;
use tokio_postgres::{AsyncMessage, Client, Config, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::program::{Login, Transcript, WRONG};

/// Keys 1800 to 1899 of `notes` are this program's.
const CLEAN: &str = "DELETE FROM notes WHERE id IN (1800, 1801, 1802, 1803, 1804, 1805)";

/// What the server may say at the start, but for the role's name.
const STATUSES: [&str; 12] = [
    "server_version",
    "server_encoding",
    "client_encoding",
    "application_name",
    "default_transaction_read_only",
    "in_hot_standby",
    "is_superuser",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "integer_datetimes",
    "standard_conforming_strings",
];

struct Session {
    client: Client,
    tls: MakeRustlsConnect,
    heard: UnboundedReceiver<String>,
    out: Transcript,
}

pub async fn run(login: Login) -> Result<String> {
    let mut session = start(&login).await?;
    session.client.execute(CLEAN, &[]).await?;
    simple(&mut session).await?;
    statements::types(&mut session).await?;
    statements::described(&mut session).await?;
    statements::prepared(&mut session).await?;
    statements::side_by_side(&mut session).await?;
    streams::transactions(&mut session).await?;
    streams::portals(&mut session).await?;
    streams::copies(&mut session).await?;
    streams::large(&mut session).await?;
    errors(&mut session).await?;
    notifications(&mut session, &login).await?;
    cancels(&mut session).await?;
    session.client.execute(CLEAN, &[]).await?;
    Ok(session.out.into_text())
}

async fn start(login: &Login) -> Result<Session> {
    let mut out = Transcript::default();
    let tls = tls(login)?;
    let mut config: Config = login.connection.dsn().parse()?;
    config.application_name("conformance");
    config.ssl_mode(SslMode::Disable);
    if login.authority.is_some() {
        // Over TLS nothing but SCRAM-SHA-256-PLUS will do.
        config.ssl_mode(SslMode::Require);
        config.channel_binding(ChannelBinding::Require);
    }
    let (client, mut connection) = config.connect(tls.clone()).await?;
    out.step("start-up");
    for name in STATUSES {
        out.show(name, connection.parameter(name));
    }
    let (told, heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
            let said = match message {
                Ok(AsyncMessage::Notice(n)) => {
                    format!("{} {}: {}", n.severity(), n.code().code(), n.message())
                }
                Ok(AsyncMessage::Notification(n)) => {
                    format!("notified on {}: {}", n.channel(), n.payload())
                }
                Ok(_) => continue,
                Err(error) => {
                    let _ = told.send(format!("lost: {error}"));
                    return;
                }
            };
            let _ = told.send(said);
        }
    });
    Ok(Session {
        client,
        tls,
        heard,
        out,
    })
}

fn tls(login: &Login) -> Result<MakeRustlsConnect> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(file) = &login.authority {
        roots.add(CertificateDer::from_pem_file(file)?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

async fn simple(session: &mut Session) -> Result<()> {
    let Session {
        client, heard, out, ..
    } = session;
    out.step("simple queries");
    for sql in [
        "SELECT 1 AS a, NULL AS b; SELECT 'x' WHERE false; VALUES (1), (2)",
        "",
        "SELECT name, city FROM customers WHERE id < 4 ORDER BY id",
        "INSERT INTO notes VALUES (1800, 'simple', 1); UPDATE notes SET n = 2 WHERE id = 1800",
        "SET TimeZone = 'Europe/Lisbon'; SHOW TimeZone; RESET TimeZone",
        "BEGIN; SELECT 1; COMMIT",
        "ROLLBACK",
    ] {
        let answers = client.simple_query(sql).await?;
        out.show(sql, answers.iter().map(answer).collect::<Vec<_>>());
    }
    while let Ok(notice) = heard.try_recv() {
        out.show("heard", notice);
    }
    Ok(())
}

fn answer(message: &SimpleQueryMessage) -> String {
    match message {
        SimpleQueryMessage::Row(row) => {
            let values: Vec<_> = (0..row.len()).map(|n| row.get(n)).collect();
            format!("row {values:?}")
        }
        SimpleQueryMessage::RowDescription(columns) => {
            let names: Vec<_> = columns.iter().map(|c| c.name()).collect();
            format!("columns {names:?}")
        }
        SimpleQueryMessage::CommandComplete(count) => format!("done {count}"),
        other => format!("{other:?}"),
    }
}

async fn errors(session: &mut Session) -> Result<()> {
    let Session { client, out, .. } = session;
    out.step("what goes wrong");
    for sql in WRONG {
        let simple = client.batch_execute(sql).await;
        out.show(&format!("{sql} (simple)"), simple.map_err(|e| error(&e)));
        let extended = client.query(*sql, &[]).await;
        out.show(sql, extended.map(|rows| rows.len()).map_err(|e| error(&e)));
    }
    let kind = client.query_one("SELECT $1::int4", &[&"text"]).await;
    out.show("the client's own", kind.unwrap_err().to_string());
    let ended = client
        .query_one("SELECT generate_series(1, 2)", &[])
        .await
        .unwrap_err();
    out.show("too many rows", ended.to_string());
    Ok(())
}

fn error(error: &tokio_postgres::Error) -> String {
    let Some(db) = error.as_db_error() else {
        return format!("{error:?}");
    };
    let position = db.position().map(|p| match p {
        ErrorPosition::Original(at) => (*at, String::new()),
        ErrorPosition::Internal { position, query } => (*position, query.clone()),
    });
    let more = [
        db.detail(),
        db.hint(),
        db.where_(),
        db.schema(),
        db.table(),
        db.column(),
        db.datatype(),
        db.constraint(),
    ];
    format!(
        "{} {} {} at {position:?} {more:?}",
        db.severity(),
        db.code().code(),
        db.message()
    )
}

async fn notifications(session: &mut Session, login: &Login) -> Result<()> {
    let Session {
        client, heard, out, ..
    } = session;
    out.step("LISTEN");
    client.batch_execute("LISTEN conformance").await?;
    login.notify("conformance", "hello – ☃").await?;
    let next = tokio::time::timeout(Duration::from_secs(20), heard.recv());
    out.show("heard", next.await.context("waiting for the first")?);
    // Inside a transaction it waits for the end.
    client.batch_execute("BEGIN; SELECT 1").await?;
    login.notify("conformance", "meanwhile").await?;
    client.simple_query("SELECT 2").await?;
    out.show("inside", heard.try_recv().is_ok());
    client.batch_execute("COMMIT").await?;
    let next = tokio::time::timeout(Duration::from_secs(20), heard.recv());
    out.show("heard", next.await.context("waiting for the second")?);
    client.batch_execute("UNLISTEN conformance").await?;
    login.notify("conformance", "to nobody").await?;
    client.simple_query("SELECT 3").await?;
    out.show("no more", heard.try_recv().is_ok());
    Ok(())
}

async fn cancels(session: &mut Session) -> Result<()> {
    let Session {
        client, tls, out, ..
    } = session;
    out.step("cancel and timeouts");
    const LONG: &str =
        "SELECT count(*) FROM reservations a, reservations b WHERE a.total > b.total";
    let token = client.cancel_token();
    let soon = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        token.cancel_query(tls.clone()).await
    };
    let (ended, cancelled) = tokio::join!(client.query(LONG, &[]), soon);
    cancelled?;
    out.show("cancelled", error(&ended.unwrap_err()));
    client.batch_execute("SET statement_timeout = 200").await?;
    let late = client.query(LONG, &[]).await;
    out.show("timed out", error(&late.unwrap_err()));
    client.batch_execute("RESET statement_timeout").await?;
    let fine = client.query_one("SELECT 'fine'", &[]).await?;
    out.show("and on", fine.get::<_, &str>(0));
    Ok(())
}
