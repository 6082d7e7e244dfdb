//! Types, what statements say of themselves, prepared statements, and futures side by side.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use futures_util::future::join_all;
use time::macros::{date, datetime, time};
use tokio_postgres::types::{Kind, ToSql, Type};

use super::{Session, answer, error};

pub(super) async fn types(session: &mut Session) -> Result<()> {
    let Session { client, out, .. } = session;
    out.step("types, there and back");
    macro_rules! back {
        ($($sql:literal $type:ty = $value:expr;)*) => {$(
            let given: $type = $value;
            let sql = concat!("SELECT $1::", $sql);
            let row = client.query_one(sql, &[&given]).await.with_context(|| sql)?;
            out.show($sql, (row.columns()[0].type_().name(), row.try_get::<_, $type>(0)?));
        )*};
    }
    back! {
        "bool" bool = true;
        "\"char\"" i8 = 65;
        "int2" i16 = -3;
        "int4" i32 = i32::MIN;
        "int8" i64 = i64::MAX;
        "oid" u32 = 4_000_000_000;
        "float4" f32 = 0.1;
        "float8" f64 = f64::NEG_INFINITY;
        "text" &str = "naïve – ☃ 𝄞";
        "varchar(3)" &str = "abc";
        "name" &str = "a name";
        "bytea" &[u8] = &[0, 1, 255, 39, 92];
        "date" time::Date = date!(2026 - 02 - 28);
        "time" time::Time = time!(23:59:59.999_999);
        "timestamp" time::PrimitiveDateTime = datetime!(2026-04-25 12:00:00.123_456);
        "timestamptz" time::OffsetDateTime = datetime!(2026-04-25 12:00:00 UTC);
        "jsonb" serde_json::Value = serde_json::json!({"k": [1, "two", null]});
        "json" serde_json::Value = serde_json::json!([1.5]);
        "inet" IpAddr = "::1".parse()?;
        "int4[]" Vec<Option<i32>> = vec![Some(1), None, Some(3)];
        "text[]" Vec<&str> = vec!["a", "b'\"", "{}"];
        "text" Option<&str> = None;
    }
    let row = client
        .query_one(
            "SELECT id, status::text, features, tags, bought_on FROM vehicles WHERE id = $1",
            &[&7_i64],
        )
        .await?;
    let (features, tags): (serde_json::Value, Vec<String>) = (row.try_get(2)?, row.try_get(3)?);
    let (id, status): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
    out.show("a vehicle", (id, status, features.to_string(), tags));
    Ok(())
}

/// For an enum, a domain, an array of these and a row type the client asks the catalogue.
pub(super) async fn described(session: &mut Session) -> Result<()> {
    let Session { client, out, .. } = session;
    out.step("what statements say of themselves");
    for sql in [
        "SELECT * FROM vehicles WHERE status = $1 AND id = ANY ($2)",
        "SELECT daily_rate, ARRAY[status], v, int4range(1, 2) FROM vehicles v JOIN vehicle_classes c ON c.code = v.class_code",
        "SELECT * FROM open_reservations WHERE customer LIKE $1 LIMIT $2",
        "SELECT $1, $2::money_amount, now() - $3",
        "INSERT INTO notes (id, body, n) VALUES ($1, $2, $3) RETURNING *",
        "DELETE FROM notes WHERE id = $1",
        "SET application_name = 'conformance'",
        "BEGIN",
    ] {
        let statement = client.prepare(sql).await.with_context(|| sql)?;
        let parameters: Vec<_> = statement.params().iter().map(kind).collect();
        let columns: Vec<_> = statement
            .columns()
            .iter()
            .map(|c| {
                let place = (c.table_oid().is_some(), c.column_id(), c.type_modifier());
                (c.name().to_owned(), kind(c.type_()), place)
            })
            .collect();
        out.show(sql, (parameters, columns));
    }
    Ok(())
}

fn kind(of: &Type) -> String {
    let kind = match of.kind() {
        Kind::Simple => "simple".to_owned(),
        Kind::Enum(labels) => format!("enum of {labels:?}"),
        Kind::Array(of) => format!("array of {}", of.name()),
        Kind::Range(of) => format!("range of {}", of.name()),
        Kind::Domain(of) => format!("domain over {}", of.name()),
        Kind::Composite(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|f| format!("{} {}", f.name(), f.type_().name()))
                .collect();
            format!("row of {fields:?}")
        }
        _ => "another".to_owned(),
    };
    format!("{}.{}, {kind}", of.schema(), of.name())
}

pub(super) async fn prepared(session: &mut Session) -> Result<()> {
    let Session { client, out, .. } = session;
    out.step("prepared statements");
    let by_id = client
        .prepare_typed("SELECT body FROM notes WHERE id = $1", &[Type::INT4])
        .await?;
    let insert = client
        .prepare("INSERT INTO notes VALUES ($1, $2, $3)")
        .await?;
    for id in 1801..=1803_i32 {
        let body = format!("note {id}");
        out.show(
            "inserted",
            client.execute(&insert, &[&id, &body, &1]).await?,
        );
        let row = client.query_opt(&by_id, &[&id]).await?;
        out.show("found", row.map(|r| r.get::<_, String>(0)));
    }
    out.show("none", client.query_opt(&by_id, &[&0]).await?.is_none());
    let twice = client.execute(&insert, &[&1801, &"again", &1]).await;
    out.show("a duplicate", error(&twice.unwrap_err()));
    let typed = client
        .query_typed("SELECT $1 + 1", &[(&41_i32, Type::INT4)])
        .await?;
    out.show("unnamed, typed", typed[0].get::<_, i32>(0));
    let returned = client
        .query(
            "UPDATE notes SET n = n + $1 WHERE id IN ($2, 1802) RETURNING id, n",
            &[&10, &1801],
        )
        .await?;
    let mut returned: Vec<(i32, i32)> = returned.iter().map(|r| (r.get(0), r.get(1))).collect();
    returned.sort_unstable();
    out.show("returned", returned);
    drop(by_id);
    // What was dropped is closed at the server with the next message.
    let left = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT body%'";
    client.simple_query("").await?;
    out.show(
        "left of it",
        client.query_one(left, &[]).await?.get::<_, i64>(0),
    );
    Ok(())
}

/// Several futures at once: the client sends their messages without waiting in between.
pub(super) async fn side_by_side(session: &mut Session) -> Result<()> {
    let Session { client, out, .. } = session;
    out.step("side by side");
    let client = &*client;
    let (double, divide, write) = (
        client.prepare("SELECT $1::int4 * 2").await?,
        client.prepare("SELECT 10 / $1::int4").await?,
        client
            .prepare("UPDATE notes SET n = n + $1 WHERE id = 1800 RETURNING n")
            .await?,
    );
    let ask = |statement, n: i32| async move {
        let row = client.query_one(statement, &[&n]).await;
        row.map(|r| r.get::<_, i32>(0)).map_err(|e| error(&e))
    };
    let doubled = join_all((0..40).map(|n| ask(&double, n))).await;
    out.show("doubled", doubled);
    let mixed = join_all((-2..3).map(|n| ask(&divide, n))).await;
    out.show("an error costs its own future only", mixed);
    let among = [
        ask(&write, 1),
        ask(&double, 4),
        ask(&write, 1),
        ask(&divide, 0),
        ask(&write, 1),
    ];
    out.show("writes among them", join_all(among).await);
    let parameters: [&(dyn ToSql + Sync); 1] = [&5_i32];
    let (begun, first, second, done) = tokio::join!(
        client.batch_execute("BEGIN"),
        client.query_one(&write, &parameters),
        client.simple_query("SELECT n FROM notes WHERE id = 1800"),
        client.batch_execute("COMMIT"),
    );
    begun?;
    out.show("a transaction at once", first?.get::<_, i32>(0));
    out.show("and", second?.iter().map(answer).collect::<Vec<_>>());
    done?;
    let (fine, wrong, after, end) = tokio::join!(
        client.batch_execute("BEGIN"),
        client.query_one(&divide, &[&0]),
        client.query_one(&write, &parameters),
        client.simple_query("COMMIT"),
    );
    fine?;
    out.show("one that fails", error(&wrong.unwrap_err()));
    out.show("what follows", error(&after.unwrap_err()));
    out.show("its COMMIT", end?.iter().map(answer).collect::<Vec<_>>());
    out.show("is undone", ask(&write, 0).await);
    Ok(())
}
