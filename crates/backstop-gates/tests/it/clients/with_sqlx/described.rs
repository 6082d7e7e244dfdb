//! Types there and back, what the catalogue says of them, and what sqlx's macros ask.

use anyhow::{Context as _, Result};
use serde_json::json;
use sqlx_core::Either;
use sqlx_core::column::Column as _;
use sqlx_core::executor::Executor as _;
use sqlx_core::query::query;
use sqlx_core::query_as::query_as;
use sqlx_core::row::Row as _;
use sqlx_core::statement::Statement as _;
use sqlx_core::type_info::TypeInfo as _;
use sqlx_core::types::Json;
use sqlx_postgres::{PgConnection, PgTypeInfo, PgTypeKind};
use time::macros::{date, datetime, time};

use super::error;
use crate::clients::program::Transcript;

pub(super) async fn types(connection: &mut PgConnection, out: &mut Transcript) -> Result<()> {
    out.step("types, there and back");
    macro_rules! back {
        ($($sql:literal $type:ty = $value:expr;)*) => {$(
            let given: $type = $value;
            let row = query(concat!("SELECT $1::", $sql)).bind(given).fetch_one(&mut *connection).await.with_context(|| $sql)?;
            out.show($sql, (row.column(0).type_info().name(), row.try_get::<$type, _>(0)?));
        )*};
    }
    back! {
        "bool" bool = true;
        "\"char\"" i8 = 65;
        "int2" i16 = -3;
        "int4" i32 = i32::MIN;
        "int8" i64 = i64::MAX;
        "float4" f32 = 0.1;
        "float8" f64 = f64::INFINITY;
        "text" String = "naïve – ☃ 𝄞".to_owned();
        "bytea" Vec<u8> = vec![0, 1, 255, 39, 92];
        "date" time::Date = date!(2026 - 02 - 28);
        "time" time::Time = time!(23:59:59.999_999);
        "timestamp" time::PrimitiveDateTime = datetime!(2026-04-25 12:00:00.123_456);
        "timestamptz" time::OffsetDateTime = datetime!(2026-04-25 12:00:00 UTC);
        "jsonb" Json<serde_json::Value> = Json(json!({"k": [1, "two", null]}));
        "int4[]" Vec<Option<i32>> = vec![Some(1), None, Some(3)];
        "text[]" Vec<String> = vec!["a".to_owned(), "b'\"".to_owned()];
        "text" Option<String> = None;
    }
    let row: (i64, Json<serde_json::Value>, Vec<String>) =
        query_as("SELECT id, features, tags FROM vehicles WHERE id = $1")
            .bind(7_i64)
            .fetch_one(&mut *connection)
            .await?;
    out.show("a vehicle", (row.0, row.1.0.to_string(), row.2));
    // An enum, a domain, a row type: sqlx asks the catalogue for each.
    for sql in [
        "SELECT status FROM vehicles WHERE id = 7",
        "SELECT ARRAY[status, 'sold'] FROM vehicles WHERE id = 7",
        "SELECT daily_rate FROM vehicle_classes WHERE code = 'van'",
        "SELECT n FROM notes n WHERE id = 1901",
        "SELECT int8range(1, 9)",
        "SELECT '1 mon 2 days'::interval",
    ] {
        let row = query(sql).fetch_one(&mut *connection).await?;
        out.show(sql, kind(row.column(0).type_info()));
    }
    Ok(())
}

fn kind(of: &PgTypeInfo) -> String {
    match of.kind() {
        PgTypeKind::Simple => of.name().to_owned(),
        PgTypeKind::Enum(labels) => format!("{}, enum of {labels:?}", of.name()),
        PgTypeKind::Array(of) => format!("array of {}", kind(of)),
        PgTypeKind::Domain(over) => format!("{}, domain over {}", of.name(), kind(over)),
        PgTypeKind::Range(over) => format!("{}, range of {}", of.name(), kind(over)),
        PgTypeKind::Composite(fields) => {
            let fields: Vec<_> = fields.iter().map(|(n, t)| (n.clone(), kind(t))).collect();
            format!("{}, row of {fields:?}", of.name())
        }
        PgTypeKind::Pseudo => format!("{}, pseudo", of.name()),
    }
}

/// What `query!` asks while a program is compiled: types, and which columns may be null, by the catalogue and
/// by `EXPLAIN … EXECUTE` of a statement that was prepared over the protocol.
pub(super) async fn described(connection: &mut PgConnection, out: &mut Transcript) -> Result<()> {
    out.step("what the macros ask");
    for sql in [
        "SELECT id, name, phone, born_on FROM customers WHERE city = $1 AND loyalty > $2",
        "SELECT v.*, r.id AS reservation FROM vehicles v LEFT JOIN reservations r ON r.vehicle_id = v.id WHERE v.id = $1",
        "SELECT count(*), max(total) FROM reservations WHERE status = $1",
        "INSERT INTO notes (id, body, n) VALUES ($1, $2, $3) RETURNING id, body",
        "UPDATE notes SET body = $1 WHERE id = $2",
        "DELETE FROM notes WHERE id = $1 RETURNING *",
        "SELECT * FROM monthly_revenue",
        "SET geqo = off",
    ] {
        let said = connection.describe(sql).await.with_context(|| sql)?;
        let parameters = match said.parameters() {
            Some(Either::Left(types)) => types.iter().map(kind).collect::<Vec<_>>(),
            other => vec![format!("{other:?}")],
        };
        let columns: Vec<_> = said
            .columns()
            .iter()
            .enumerate()
            .map(|(n, c)| (c.name(), kind(c.type_info()), said.nullable(n)))
            .collect();
        out.show(sql, (parameters, columns));
    }
    let wrong = connection.describe("SELECT nope FROM customers").await;
    out.show("wrong", error(&wrong.err().context("an error")?));
    let statement = (&mut *connection)
        .prepare("SELECT body FROM notes WHERE id = $1")
        .await?;
    let columns: Vec<_> = statement.columns().iter().map(|c| c.name()).collect();
    out.show("prepared", columns);
    let row = statement.query().bind(1901).fetch_one(connection).await?;
    out.show("and run", row.try_get::<String, _>(0)?);
    Ok(())
}
