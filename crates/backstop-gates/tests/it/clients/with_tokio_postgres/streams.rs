//! Transactions, portals, COPY both ways, and what does not fit into one packet.

use anyhow::Result;
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, TryStreamExt as _, pin_mut};
use tokio_postgres::IsolationLevel;
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::types::Type;

use super::{Session, error};

pub(super) async fn transactions(session: &mut Session) -> Result<()> {
    let Session { client, out, .. } = session;
    out.step("transactions and savepoints");
    const BODY: &str = "SELECT body FROM notes WHERE id = 1801";
    const CHANGE: &str = "UPDATE notes SET body = $1 WHERE id = 1801";
    let mut outer = client.transaction().await?;
    outer.execute(CHANGE, &[&"kept"]).await?;
    let inner = outer.transaction().await?;
    inner.execute(CHANGE, &[&"undone"]).await?;
    inner.rollback().await?;
    let named = outer.savepoint("named").await?;
    let failed = named.query("SELECT 1 / 0", &[]).await;
    out.show("failed", error(&failed.unwrap_err()));
    let refused = named.query(BODY, &[]).await;
    out.show("refused", error(&refused.unwrap_err()));
    drop(named);
    out.show(
        "inside",
        outer.query_one(BODY, &[]).await?.get::<_, String>(0),
    );
    outer.commit().await?;
    out.show(
        "after",
        client.query_one(BODY, &[]).await?.get::<_, String>(0),
    );
    {
        let dropped = client.transaction().await?;
        dropped.execute(CHANGE, &[&"dropped"]).await?;
    }
    out.show(
        "dropped",
        client.query_one(BODY, &[]).await?.get::<_, String>(0),
    );
    let reading = client
        .build_transaction()
        .isolation_level(IsolationLevel::Serializable)
        .read_only(true)
        .deferrable(true)
        .start()
        .await?;
    for setting in ["isolation", "read_only", "deferrable"] {
        let sql = format!("SHOW transaction_{setting}");
        out.show(
            &sql,
            reading.query_one(&sql, &[]).await?.get::<_, String>(0),
        );
    }
    let refused = reading.execute(CHANGE, &[&"never"]).await;
    out.show("read only", error(&refused.unwrap_err()));
    reading.rollback().await?;
    Ok(())
}

pub(super) async fn portals(session: &mut Session) -> Result<()> {
    let Session { client, out, .. } = session;
    out.step("portals");
    let transaction = client.transaction().await?;
    let vans = transaction
        .bind(
            "SELECT id, plate FROM vehicles WHERE class_code = $1 ORDER BY id",
            &[&"van"],
        )
        .await?;
    let numbers = transaction
        .bind("SELECT g::int8, 'n' FROM generate_series(1, 7) g", &[])
        .await?;
    for (portal, rows) in [
        (&vans, 2),
        (&numbers, 5),
        (&vans, 3),
        (&numbers, 5),
        (&numbers, 1),
        (&vans, 0),
    ] {
        let found = transaction.query_portal(portal, rows).await?;
        let shown: Vec<(i64, String)> =
            found.iter().take(3).map(|r| (r.get(0), r.get(1))).collect();
        out.show("rows", (found.len(), shown));
    }
    let writing = transaction
        .bind(
            "UPDATE notes SET n = $1 WHERE id = 1803 RETURNING n",
            &[&33],
        )
        .await?;
    let wrote = transaction.query_portal(&writing, 0).await?;
    out.show("a write", wrote[0].get::<_, i32>(0));
    transaction
        .batch_execute("DECLARE c CURSOR FOR SELECT id FROM vehicles ORDER BY id")
        .await?;
    let fetched = transaction.query("FETCH 3 FROM c", &[]).await?;
    out.show(
        "a cursor",
        fetched.iter().map(|r| r.get(0)).collect::<Vec<i64>>(),
    );
    transaction.commit().await?;
    let gone = client.query("FETCH 3 FROM c", &[]).await;
    out.show("closed", error(&gone.unwrap_err()));
    Ok(())
}

pub(super) async fn copies(session: &mut Session) -> Result<()> {
    let Session { client, out, .. } = session;
    out.step("COPY both ways");
    let sink = client
        .copy_in("COPY notes (id, body, n) FROM STDIN")
        .await?;
    pin_mut!(sink);
    for part in ["1804\tin ", "parts\t4\n", "1805\t\\N\t\\N\n"] {
        sink.send(Bytes::from_static(part.as_bytes())).await?;
    }
    out.show("in", sink.finish().await?);
    client
        .execute("DELETE FROM notes WHERE id = 1805", &[])
        .await?;
    let sink = client
        .copy_in("COPY notes (id, body, n) FROM STDIN (FORMAT binary)")
        .await?;
    let writer = BinaryCopyInWriter::new(sink, &[Type::INT4, Type::TEXT, Type::INT4]);
    pin_mut!(writer);
    writer
        .as_mut()
        .write(&[&1805_i32, &"binary", &None::<i32>])
        .await?;
    out.show("in, binary", writer.finish().await?);
    let query =
        "COPY (SELECT id, body, n FROM notes WHERE id IN (1804, 1805) ORDER BY id) TO STDOUT";
    let stream = client.copy_out(query).await?;
    let data: BytesMut = stream.try_collect().await?;
    out.show("out", data);
    let stream = client.copy_out(&format!("{query} (FORMAT binary)")).await?;
    let rows = BinaryCopyOutStream::new(stream, &[Type::INT4, Type::TEXT, Type::INT4]);
    pin_mut!(rows);
    while let Some(row) = rows.try_next().await? {
        let body: &str = row.try_get(1)?;
        out.show(
            "out, binary",
            (row.get::<i32>(0), body, row.get::<Option<i32>>(2)),
        );
    }
    // Bad data, and a client that gives up.
    let sink = client.copy_in("COPY notes FROM STDIN").await?;
    pin_mut!(sink);
    sink.send(Bytes::from_static(b"1803\ttoo few\n")).await?;
    out.show("bad", error(&sink.finish().await.unwrap_err()));
    {
        let sink = client.copy_in("COPY notes FROM STDIN").await?;
        pin_mut!(sink);
        sink.send(Bytes::from_static(b"1899\tnever\t1\n")).await?;
    }
    let never = client
        .query_one("SELECT count(*) FROM notes WHERE id = 1899", &[])
        .await?;
    out.show("given up", never.get::<_, i64>(0));
    Ok(())
}

pub(super) async fn large(session: &mut Session) -> Result<()> {
    let Session { client, out, .. } = session;
    out.step("what is large");
    let big = "ä".repeat(1 << 20);
    let row = client
        .query_one("SELECT length($1), md5($1), $1", &[&big])
        .await?;
    out.show("a parameter", (row.get::<_, i32>(0), row.get::<_, &str>(1)));
    out.show("unchanged", row.get::<_, &str>(2) == big);
    let rows = client
        .query_raw("SELECT id, name FROM customers", Vec::<i32>::new())
        .await?;
    pin_mut!(rows);
    let (mut count, mut sum) = (0, 0);
    while let Some(row) = rows.try_next().await? {
        count += 1;
        sum += row.try_get::<_, i64>(0)?;
    }
    out.show("streamed", (count, sum));
    Ok(())
}
