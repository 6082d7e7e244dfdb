//! sqlx, as applications use it: its pool, its statement cache, what its macros ask, COPY, LISTEN.
//!
//! It stands on the two crates that `sqlx` is made of, since `sqlx` itself would lock a second SQLite.

mod described;

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::TryStreamExt as _;
use sqlx_core::Either;
use sqlx_core::connection::{ConnectOptions as _, Connection as _};
use sqlx_core::query::query;
use sqlx_core::query_as::query_as;
use sqlx_core::query_scalar::query_scalar;
use sqlx_core::raw_sql::raw_sql;
use sqlx_core::row::Row as _;
use sqlx_postgres::{
    PgAdvisoryLock, PgConnectOptions, PgConnection, PgDatabaseError, PgErrorPosition, PgListener,
    PgPoolOptions, PgSslMode,
};

use super::program::{Login, Transcript, WRONG};

/// Keys 1900 to 1999 of `notes` are this program's.
const CLEAN: &str = "DELETE FROM notes WHERE id IN (1900, 1901, 1902, 1903, 1904, 1905)";

pub async fn run(login: Login) -> Result<String> {
    let mut out = Transcript::default();
    let mut connection = options(&login).connect().await?;
    out.step("start-up");
    out.show("version", connection.server_version_num());
    query(CLEAN).execute(&mut connection).await?;
    queries(&mut connection, &mut out).await?;
    described::types(&mut connection, &mut out).await?;
    described::described(&mut connection, &mut out).await?;
    cached(&login, &mut out).await?;
    transactions(&mut connection, &mut out).await?;
    copies(&mut connection, &mut out).await?;
    errors(&mut connection, &mut out).await?;
    connection = locks(connection, &mut out).await?;
    query(CLEAN).execute(&mut connection).await?;
    connection.close().await?;
    pool(&login, &mut out).await?;
    Ok(out.into_text())
}

pub fn options(login: &Login) -> PgConnectOptions {
    let to = &login.connection;
    let options = PgConnectOptions::new_without_pgpass()
        .host(&to.host)
        .port(to.port)
        .username(&to.user)
        .password(&to.password)
        .database(&to.database)
        .application_name("conformance")
        .options([("geqo", "off")]);
    match &login.authority {
        Some(file) => options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(file),
        None => options.ssl_mode(PgSslMode::Disable),
    }
}

async fn queries(connection: &mut PgConnection, out: &mut Transcript) -> Result<()> {
    out.step("queries");
    let several = "SELECT 1 AS a, NULL AS b; SELECT 'x' WHERE false; INSERT INTO notes VALUES (1900, 'raw', 1)";
    let mut stream = raw_sql(several).fetch_many(&mut *connection);
    while let Some(next) = stream.try_next().await? {
        match next {
            Either::Left(done) => out.show("done", done.rows_affected()),
            Either::Right(row) => out.show("row", (row.len(), row.try_get::<i32, _>(0)?)),
        }
    }
    drop(stream);
    let rows: Vec<(i64, String, time::Date)> =
        query_as("SELECT id, name, born_on FROM customers WHERE id < $1 ORDER BY id")
            .bind(5_i64)
            .fetch_all(&mut *connection)
            .await?;
    out.show("rows", rows);
    let none = query("SELECT id FROM customers WHERE id = $1").bind(-1_i64);
    out.show(
        "none",
        none.fetch_optional(&mut *connection).await?.is_none(),
    );
    // Dropped halfway: what is left of it is read away before the next statement.
    {
        let mut rows = query("SELECT id FROM customers ORDER BY id").fetch(&mut *connection);
        let first = rows.try_next().await?.context("a row")?;
        out.show("the first of many", first.try_get::<i64, _>(0)?);
    }
    for id in 1901..1904_i32 {
        let done = query("INSERT INTO notes VALUES ($1, $2, $3)")
            .bind(id)
            .bind(format!("note {id}"))
            .bind((id > 1901).then_some(id))
            .execute(&mut *connection)
            .await?;
        out.show("inserted", done.rows_affected());
    }
    let changed: Vec<(i32, Option<i32>)> =
        query_as("UPDATE notes SET n = n + 1 WHERE id IN ($1, $2) RETURNING id, n")
            .bind(1901)
            .bind(1902)
            .fetch_all(&mut *connection)
            .await?;
    out.show("changed", changed);
    let once = query_scalar("SELECT $1::int4 + 1")
        .bind(41_i32)
        .persistent(false);
    let once: i32 = once.fetch_one(&mut *connection).await?;
    out.show("not kept", once);
    Ok(())
}

/// A cache of three statements: the fourth closes the first at the server.
async fn cached(login: &Login, out: &mut Transcript) -> Result<()> {
    out.step("the statement cache");
    let mut connection = options(login).statement_cache_capacity(3).connect().await?;
    for round in 0..3 {
        let mut found = vec![];
        for n in 0..8_i32 {
            let sql = format!("SELECT $1::int4 + {n}");
            let sum: i32 = query_scalar(&sql)
                .bind(round)
                .fetch_one(&mut connection)
                .await?;
            found.push(sum);
        }
        out.show("sums", found);
    }
    let kept =
        "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT $1::int4 +%'";
    let kept: i64 = query_scalar(kept).fetch_one(&mut connection).await?;
    out.show("kept", (kept, connection.cached_statements_size()));
    connection.clear_cached_statements().await?;
    out.show("cleared", connection.cached_statements_size());
    out.show("ping", connection.ping().await.is_ok());
    connection.close().await?;
    Ok(())
}

async fn transactions(connection: &mut PgConnection, out: &mut Transcript) -> Result<()> {
    out.step("transactions and savepoints");
    const BODY: &str = "SELECT body FROM notes WHERE id = 1901";
    const CHANGE: &str = "UPDATE notes SET body = $1 WHERE id = 1901";
    let mut outer = connection.begin().await?;
    query(CHANGE).bind("kept").execute(&mut *outer).await?;
    let mut inner = outer.begin().await?;
    query(CHANGE).bind("undone").execute(&mut *inner).await?;
    let failed = query("SELECT 1 / 0").execute(&mut *inner).await;
    out.show("failed", error(&failed.err().context("an error")?));
    let refused = query(BODY).execute(&mut *inner).await;
    out.show("refused", error(&refused.err().context("an error")?));
    inner.rollback().await?;
    let body: String = query_scalar(BODY).fetch_one(&mut *outer).await?;
    out.show("inside", body);
    outer.commit().await?;
    {
        let mut dropped = connection.begin().await?;
        query(CHANGE).bind("dropped").execute(&mut *dropped).await?;
    }
    let body: String = query_scalar(BODY).fetch_one(&mut *connection).await?;
    out.show("after", body);
    let mut reading = connection
        .begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY")
        .await?;
    let level: String = query_scalar("SHOW transaction_isolation")
        .fetch_one(&mut *reading)
        .await?;
    out.show("isolation", level);
    let refused = query(CHANGE).bind("never").execute(&mut *reading).await;
    out.show("read only", error(&refused.err().context("an error")?));
    drop(reading);
    let settled: i32 = query_scalar("SELECT 1").fetch_one(&mut *connection).await?;
    out.show("and on", settled);
    Ok(())
}

async fn copies(connection: &mut PgConnection, out: &mut Transcript) -> Result<()> {
    out.step("COPY both ways");
    let mut copy = connection
        .copy_in_raw("COPY notes (id, body, n) FROM STDIN (FORMAT csv)")
        .await?;
    out.show("wants", (copy.is_textual(), copy.num_columns()));
    copy.send(&b"1904,copied,4\n1905,"[..]).await?;
    copy.send(&b"\"in two, parts\",\n"[..]).await?;
    out.show("in", copy.finish().await?);
    let query =
        "COPY (SELECT id, body, n FROM notes WHERE id IN (1904, 1905) ORDER BY id) TO STDOUT";
    let parts: Vec<_> = connection.copy_out_raw(query).await?.try_collect().await?;
    out.show("out", parts.concat());
    let mut bad = connection.copy_in_raw("COPY notes FROM STDIN").await?;
    bad.send(&b"1903\ttoo few\n"[..]).await?;
    out.show("bad", error(&bad.finish().await.err().context("an error")?));
    let mut given_up = connection.copy_in_raw("COPY notes FROM STDIN").await?;
    given_up.send(&b"1999\tnever\t1\n"[..]).await?;
    out.show("given up", given_up.abort("no more").await.is_ok());
    let never: i64 = query_scalar("SELECT count(*) FROM notes WHERE id = 1999")
        .fetch_one(connection)
        .await?;
    out.show("none of it", never);
    Ok(())
}

async fn errors(connection: &mut PgConnection, out: &mut Transcript) -> Result<()> {
    out.step("what goes wrong");
    for sql in WRONG {
        let simple = raw_sql(sql).execute(&mut *connection).await;
        let simple = simple.map(|d| d.rows_affected());
        out.show(&format!("{sql} (simple)"), simple.map_err(|e| error(&e)));
        let extended = query(sql).fetch_all(&mut *connection).await;
        out.show(sql, extended.map(|rows| rows.len()).map_err(|e| error(&e)));
    }
    Ok(())
}

pub fn error(error: &sqlx_core::Error) -> String {
    let Some(db) = error.as_database_error() else {
        return error.to_string();
    };
    let db: &PgDatabaseError = db.downcast_ref();
    let position = db.position().map(|p| match p {
        PgErrorPosition::Original(at) => (at, ""),
        PgErrorPosition::Internal { position, query } => (position, query),
    });
    let more = [
        db.detail(),
        db.hint(),
        db.r#where(),
        db.schema(),
        db.table(),
        db.column(),
        db.data_type(),
        db.constraint(),
    ];
    format!(
        "{:?} {} {} at {position:?} {more:?}",
        db.severity(),
        db.code(),
        db.message()
    )
}

async fn locks(connection: PgConnection, out: &mut Transcript) -> Result<PgConnection> {
    out.step("an advisory lock");
    let lock = PgAdvisoryLock::new("conformance");
    let mut held = lock.acquire(connection).await?;
    let inside: i32 = query_scalar("SELECT 1").fetch_one(held.as_mut()).await?;
    out.show("inside", inside);
    let connection = held.release_now().await?;
    let (connection, released) = lock.force_release(connection).await?;
    out.show("released twice", released);
    Ok(connection)
}

async fn pool(login: &Login, out: &mut Transcript) -> Result<()> {
    out.step("a pool");
    let pool = PgPoolOptions::new()
        .max_connections(3)
        .connect_with(options(login))
        .await?;
    let asked = (0..12_i32).map(|n| {
        query_scalar::<_, i32>("SELECT $1::int4 * 3")
            .bind(n)
            .fetch_one(&pool)
    });
    let answers = futures_util::future::try_join_all(asked).await?;
    out.show("at once", answers);
    let long = "SELECT count(*) FROM reservations a, reservations b WHERE a.total > b.total";
    let mut slow = pool.acquire().await?;
    query("SET statement_timeout = 200")
        .execute(&mut *slow)
        .await?;
    let late = query(long).execute(&mut *slow).await;
    out.show("timed out", error(&late.err().context("an error")?));
    query("RESET statement_timeout").execute(&mut *slow).await?;
    drop(slow);

    let mut listener = PgListener::connect_with(&pool).await?;
    listener
        .listen_all(["conformance", "Other Channel"])
        .await?;
    for (channel, payload) in [("conformance", "hello – ☃"), ("Other Channel", "")] {
        login.notify(channel, payload).await?;
        let heard = tokio::time::timeout(Duration::from_secs(20), listener.recv()).await;
        let heard = heard.context("waiting for a notification")??;
        out.show("heard", (heard.channel(), heard.payload()));
    }
    listener.unlisten_all().await?;
    drop(listener);
    pool.close().await;
    Ok(())
}
