//! What an action takes, with all that goes with it: pure questions to the catalogue, nothing is locked.

use backstop_core::canonical;
use serde::{Deserialize, Serialize};

use super::gone::{Act, Address, Gone, with_gone};
use super::outside::{self, Outside};
use super::relation::{self, Kind, Relation, Way};
use crate::points::question::{Question, Row};
use crate::points::{PointError, sql};

/// What an action takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closure {
    /// What is done.
    pub act: Act,
    /// To what.
    pub roots: Vec<Address>,
    /// The relations that go, are emptied or changed.
    pub relations: Vec<Relation>,
    /// Other objects that go and stand for themselves: functions, types, schemas.
    pub objects: Vec<Gone>,
    /// What goes from relations that stay: their foreign keys, policies, defaults and the like.
    pub outside: Vec<Outside>,
    /// Code that restoring runs: functions in checks, indexes, defaults and materialised views.
    pub code: Vec<String>,
    /// Why no exact copy can be made; empty if one can.
    pub refusals: Vec<String>,
    /// What a copy does not bring back to the bit, in sentences.
    pub notes: Vec<String>,
    /// The versions of the catalogue's rows of all that goes: another version is another closure.
    pub stamp: String,
}

impl Closure {
    /// How many rows PostgreSQL thinks go.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.relations.iter().map(|relation| relation.rows).sum()
    }

    /// How many bytes they take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.relations.iter().map(|relation| relation.bytes).sum()
    }

    /// The hex digest of what goes and of its versions, without estimates.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn digest(&self) -> Result<String, PointError> {
        let mut plain = self.clone();
        for relation in &mut plain.relations {
            relation.rows = 0;
            relation.bytes = 0;
        }
        canonical::digest(&plain)
            .map(|digest| digest.to_string())
            .map_err(|why| PointError::Refused(why.to_string()))
    }

    /// Whether it can be copied exactly.
    ///
    /// # Errors
    /// With all reasons why not.
    pub fn check(&self) -> Result<(), PointError> {
        if self.refusals.is_empty() {
            return Ok(());
        }
        Err(PointError::Refused(self.refusals.join("; ")))
    }
}

/// Finds what `act` on `roots` takes. Nothing is locked and nothing is changed.
///
/// # Errors
/// When the server refuses a question.
pub async fn closure<Q: Question>(
    server: &mut Q,
    act: Act,
    roots: &[Address],
) -> Result<Closure, PointError> {
    let Some(gone) = with_gone(act, roots) else {
        return Err(PointError::Refused("the action names no object".to_owned()));
    };
    let goes = match act {
        Act::Drop { .. } => Way::Whole,
        Act::Truncate { .. } => Way::Rows,
        Act::Rewrite => Way::Beside,
    };
    let mut found = Closure {
        act,
        roots: roots.to_vec(),
        relations: vec![],
        objects: vec![],
        outside: vec![],
        code: vec![],
        refusals: vec![],
        notes: vec![],
        stamp: String::new(),
    };
    for row in ask(server, &relation::question(&gone), "which relations go").await? {
        if relation::is_temporary(&row) {
            found.refusals.push(format!(
                "{} is temporary and only its own session can read it",
                sql::qualified(&sql::text(&row, 1), &sql::text(&row, 2))
            ));
        }
        found.relations.extend(relation::read(&row, goes));
    }
    if matches!(act, Act::Drop { .. }) {
        for row in ask(server, &objects(&gone), "which other objects go").await? {
            found.take_object(&row);
        }
        found.outside = outside::find(server, &gone).await?;
    }
    for row in ask(
        server,
        &triggered(&gone, act),
        "which triggers the act fires",
    )
    .await?
    {
        let what = sql::text(&row, 0);
        if sql::truth(&row, 1) {
            found
                .refusals
                .push(format!("{what} runs on TRUNCATE and may destroy more"));
        } else {
            found.notes.push(format!(
                "{what} runs too, and what it does is not in the copy"
            ));
        }
    }
    let code = ask(server, &code(&gone), "which code belongs to them").await?;
    found.code = code.iter().map(|row| sql::text(row, 0)).collect();
    let stamp = ask(server, &stamp(&gone), "the versions of what goes").await?;
    found.stamp = stamp
        .first()
        .map(|row| sql::text(row, 0))
        .unwrap_or_default();
    found.say_what_differs();
    Ok(found)
}

impl Closure {
    fn take_object(&mut self, row: &Row) {
        let gone = Gone {
            address: Address {
                class: sql::number(row, 0),
                object: sql::number(row, 1),
                column: 0,
            },
            what: sql::text(row, 2),
        };
        if sql::truth(row, 3) {
            self.refusals.push(format!(
                "{} belongs to an extension, whose members only CREATE EXTENSION brings back",
                gone.what
            ));
        }
        self.objects.push(gone);
    }

    fn say_what_differs(&mut self) {
        for relation in &self.relations {
            let name = relation.qualified();
            match (relation.kind, relation.way) {
                (Kind::MaterialisedView, Way::Whole) if relation.populated => self.notes.push(format!(
                    "{name} is filled anew from its query when it comes back; its old rows are not kept"
                )),
                (Kind::Foreign, _) => self.notes.push(format!(
                    "{name} is a foreign table: its definition comes back, its rows are another server's"
                )),
                (Kind::Table, Way::Beside) => self.notes.push(format!(
                    "the rows of {name} come back beside it, under another name: it stays as it has become"
                )),
                _ => {}
            }
        }
    }
}

/// Asks, and says what was asked if the server refuses.
pub(super) async fn ask<Q: Question>(
    server: &mut Q,
    question: &str,
    what: &str,
) -> Result<Vec<Row>, PointError> {
    server
        .ask(question)
        .await
        .map_err(|error| PointError::Server {
            what: what.to_owned(),
            sqlstate: Q::sqlstate(&error).unwrap_or_default(),
            message: error.to_string(),
            hint: "nothing was destroyed; the server's log says more",
        })
}

/// Objects that are no part of a relation, and whether an extension brought them.
fn objects(with_gone: &str) -> String {
    format!(
        "{with_gone},
        members AS (
            SELECT g.classid, g.objid, bool_or(e.objid IS NOT NULL) AS extension
            FROM gone g
            LEFT JOIN pg_catalog.pg_depend e ON e.classid = g.classid
                AND e.objid = g.objid AND e.deptype = 'e'
            GROUP BY g.classid, g.objid
        )
        SELECT m.classid, m.objid, pg_catalog.pg_describe_object(m.classid, m.objid, 0),
            m.extension OR m.classid = 'pg_catalog.pg_extension'::pg_catalog.regclass
        FROM members m
        LEFT JOIN pg_catalog.pg_class c ON m.classid = 1259::pg_catalog.oid
            AND c.oid = m.objid
        LEFT JOIN pg_catalog.pg_type t
            ON m.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
            AND t.oid = m.objid
        LEFT JOIN pg_catalog.pg_class tc ON tc.oid = t.typrelid
        LEFT JOIN pg_catalog.pg_type te ON te.typarray = t.oid
        LEFT JOIN pg_catalog.pg_class ec ON ec.oid = te.typrelid
        WHERE m.extension OR (
            m.classid NOT IN (
                'pg_catalog.pg_attrdef'::pg_catalog.regclass,
                'pg_catalog.pg_constraint'::pg_catalog.regclass,
                'pg_catalog.pg_trigger'::pg_catalog.regclass,
                'pg_catalog.pg_rewrite'::pg_catalog.regclass,
                'pg_catalog.pg_policy'::pg_catalog.regclass,
                'pg_catalog.pg_statistic_ext'::pg_catalog.regclass,
                'pg_catalog.pg_publication_rel'::pg_catalog.regclass,
                'pg_catalog.pg_publication_namespace'::pg_catalog.regclass)
            AND (c.oid IS NULL OR c.relkind = 'c')
            AND (tc.oid IS NULL OR tc.relkind = 'c')
            AND (ec.oid IS NULL OR ec.relkind = 'c')
        )
        ORDER BY 1, 2"
    )
}

/// Triggers that run when tables are emptied, and event triggers that run when definitions change.
fn triggered(with_gone: &str, act: Act) -> String {
    let truncates = matches!(act, Act::Truncate { .. });
    format!(
        "{with_gone}
        SELECT pg_catalog.pg_describe_object('pg_catalog.pg_trigger'::pg_catalog.regclass, t.oid, 0), true
        FROM pg_catalog.pg_trigger t JOIN gone g ON g.objid = t.tgrelid AND g.classid = 1259::pg_catalog.oid
        WHERE {truncates} AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
            AND (t.tgtype & 32) <> 0
        UNION
        SELECT pg_catalog.pg_describe_object('pg_catalog.pg_event_trigger'::pg_catalog.regclass, e.oid, 0),
            false
        FROM pg_catalog.pg_event_trigger e
        WHERE NOT {truncates} AND e.evtenabled IN ('O', 'A') AND e.evtevent <> 'login'
        ORDER BY 1"
    )
}

/// Functions outside `pg_catalog` that parts of what goes depend on; those of the catalogue are known.
fn code(with_gone: &str) -> String {
    format!(
        "{with_gone},
        parts(classid, objid) AS (
            SELECT classid, objid FROM gone
          UNION
            SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid
            FROM pg_catalog.pg_constraint k JOIN gone g ON g.objid = k.conrelid
          UNION
            SELECT 1259::pg_catalog.oid, i.indexrelid
            FROM pg_catalog.pg_index i JOIN gone g ON g.objid = i.indrelid
          UNION
            SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, t.oid
            FROM pg_catalog.pg_trigger t JOIN gone g ON g.objid = t.tgrelid
        )
        SELECT DISTINCT pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0)
        FROM parts p
        JOIN pg_catalog.pg_depend d ON d.classid = p.classid
            AND d.objid = p.objid
        JOIN pg_catalog.pg_proc f ON f.oid = d.refobjid
        JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
        WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
            AND n.nspname <> 'pg_catalog'
        ORDER BY 1"
    )
}

/// Which rows of the catalogue, in which version. GRANT takes no lock that would keep it out.
fn stamp(with_gone: &str) -> String {
    let version = |catalogue: &str, id: &str| {
        format!(
            "SELECT g.classid, g.objid, g.objsubid, x.xmin::pg_catalog.text AS v
             FROM gone g JOIN pg_catalog.{catalogue} x ON x.{id} = g.objid
             WHERE g.classid = 'pg_catalog.{catalogue}'::pg_catalog.regclass"
        )
    };
    let parts = [
        version("pg_class", "oid"),
        version("pg_proc", "oid"),
        version("pg_type", "oid"),
        version("pg_namespace", "oid"),
        version("pg_constraint", "oid"),
        version("pg_policy", "oid"),
        version("pg_trigger", "oid"),
        version("pg_rewrite", "oid"),
        "SELECT 1249::pg_catalog.oid, a.attrelid, a.attnum, a.xmin::pg_catalog.text
         FROM gone g JOIN pg_catalog.pg_attribute a ON a.attrelid = g.objid
         WHERE g.classid = 1259::pg_catalog.oid"
            .to_owned(),
        "SELECT g.classid, g.objid, g.objsubid, '' FROM gone g".to_owned(),
    ];
    format!(
        "{with_gone},
        versions(c, o, s, v) AS ({})
        SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(COALESCE(pg_catalog.string_agg(
            pg_catalog.concat_ws(':', c, o, s, v), ',' ORDER BY c, o, s, v), ''), 'UTF8')), 'hex')
        FROM versions",
        parts.join(" UNION ")
    )
}
