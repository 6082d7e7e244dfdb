//! The rows of a table: the server's own COPY text, passed on as it comes.

use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::relation::{Relation, Way};
use crate::points::question::{Question, Row};
use crate::points::{PointError, Session, sql};

/// A table's columns that hold stored values of their own, in order.
struct Columns(Vec<Row>);

impl Columns {
    /// Generated columns are computed anew.
    async fn of(relation: &Relation, session: &mut Session) -> Result<Self, PointError> {
        let generated = if relation.way == Way::Beside {
            ""
        } else {
            "AND a.attgenerated = ''"
        };
        session
            .ask(&format!(
                "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
                    CASE WHEN a.attcollation <> t.typcollation
                        THEN pg_catalog.format('%I.%I', n.nspname, o.collname) END
                 FROM pg_catalog.pg_attribute a
                 JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
                 LEFT JOIN pg_catalog.pg_collation o ON o.oid = a.attcollation
                 LEFT JOIN pg_catalog.pg_namespace n ON n.oid = o.collnamespace
                 WHERE a.attrelid = {} AND a.attnum > 0 AND NOT a.attisdropped {generated}
                 ORDER BY a.attnum",
                relation.oid
            ))
            .await
            .map(Self)
    }

    /// ` ("a", "b")`, or nothing for a table without columns.
    fn list(&self) -> String {
        let names: Vec<String> = self
            .0
            .iter()
            .map(|row| sql::ident(&sql::text(row, 0)))
            .collect();
        if names.is_empty() {
            return String::new();
        }
        format!(" ({})", names.join(", "))
    }

    /// `"a" integer, "b" text COLLATE …`.
    fn definitions(&self) -> String {
        let column = |row: &Row| {
            let collation = match row.get(2).cloned().flatten() {
                Some(name) => format!(" COLLATE {name}"),
                None => String::new(),
            };
            let name = sql::ident(&sql::text(row, 0));
            format!("{name} {}{collation}", sql::text(row, 1))
        };
        self.0.iter().map(column).collect::<Vec<_>>().join(", ")
    }
}

/// Writes a table's rows as a COPY that puts them back, and gives back how many there are.
///
/// `beside` is the schema for tables that are restored beside themselves.
pub(super) async fn write<W>(
    relation: &Relation,
    beside: &str,
    session: &mut Session,
    sink: &mut W,
) -> Result<u64, PointError>
where
    W: AsyncWrite + Unpin + Send,
{
    let columns = Columns::of(relation, session).await?;
    let own = relation.qualified();
    let mut head = String::new();
    let mut target = own.clone();
    let source = if relation.way == Way::Beside {
        // The OID tells apart tables of one name from two schemas.
        let name = format!("{}_{}", clip(&relation.name), relation.oid);
        target = sql::qualified(beside, &name);
        head = format!("CREATE TABLE {target} ({});\n", columns.definitions());
        // COPY of a table leaves generated columns out; as a query it has them.
        let names = columns.list();
        let names = names.trim_start_matches(" (").trim_end_matches(')');
        format!("(SELECT {names} FROM ONLY {own})")
    } else {
        format!("{own}{}", columns.list())
    };
    let list = columns.list();
    put(sink, &format!("\n{head}COPY {target}{list} FROM stdin;\n")).await?;
    let rows = session
        .copy_out(&format!("COPY {source} TO STDOUT"), sink)
        .await?;
    put(sink, "\\.\n").await?;
    Ok(rows)
}

/// PostgreSQL cuts names at 63 bytes, and would cut off the OID.
fn clip(name: &str) -> &str {
    let mut end = name.len().min(48);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default()
}

/// Writes a piece of the script.
pub(super) async fn put<W: AsyncWrite + Unpin>(sink: &mut W, text: &str) -> Result<(), PointError> {
    sink.write_all(text.as_bytes())
        .await
        .map_err(PointError::io("passing a script on to the vault"))
}
