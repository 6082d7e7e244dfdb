//! What a DROP … CASCADE takes from relations that stay: definitions as PostgreSQL itself writes them.

use serde::{Deserialize, Serialize};

use super::closure::ask;
use crate::points::question::Question;
use crate::points::{PointError, sql};

/// A part of a relation that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outside {
    /// As PostgreSQL describes it: `constraint orders_customer_fkey on table public.orders`.
    pub what: String,
    /// What brings it back, a statement without its semicolon.
    pub statement: String,
}

/// Parts that go, each with its statement, in the order in which they can come back.
pub(super) async fn find<Q: Question>(
    server: &mut Q,
    with_gone: &str,
) -> Result<Vec<Outside>, PointError> {
    let rows = ask(server, &question(with_gone), "what others lose").await?;
    Ok(rows
        .iter()
        .map(|row| Outside {
            what: sql::text(row, 1),
            statement: sql::text(row, 2),
        })
        .collect())
}

/// Keys before the foreign keys that need them; a default before anything that fills rows.
fn question(with_gone: &str) -> String {
    format!(
        "{with_gone},
        parts AS (SELECT DISTINCT classid, objid FROM gone),
        staying(oid, name) AS (
            SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname)
            FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE NOT EXISTS (SELECT FROM gone g WHERE g.objid = c.oid
                AND g.classid = 1259::pg_catalog.oid
                AND g.objsubid = 0)
        ),
        lost(rank, classid, objid, statement) AS (
            {PARTITIONS} UNION ALL {DEFAULTS} UNION ALL {CONSTRAINTS} UNION ALL {DOMAIN_CHECKS} UNION ALL {INDEXES}
            UNION ALL {RULES} UNION ALL {TRIGGERS} UNION ALL {POLICIES} UNION ALL {STATISTICS}
            UNION ALL {PUBLICATIONS} UNION ALL {OWNED}
        )
        SELECT rank, pg_catalog.pg_describe_object(classid, objid, 0), statement
        FROM lost
        ORDER BY rank, objid"
    )
}

/// Attached when it has its own keys, so that the parent's find them instead of making new ones.
const PARTITIONS: &str = "
    SELECT 0, p.classid, p.objid, pg_catalog.format('ALTER TABLE ONLY %s ATTACH PARTITION %I.%I %s',
        s.name, n.nspname, c.relname, pg_catalog.pg_get_expr(c.relpartbound, c.oid))
    FROM parts p
    JOIN pg_catalog.pg_class c ON c.oid = p.objid AND c.relispartition AND c.relkind IN ('r', 'p', 'f')
    JOIN gone g ON g.classid = p.classid AND g.objid = p.objid AND g.objsubid = 0
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid
    JOIN staying s ON s.oid = i.inhparent
    WHERE p.classid = 1259::pg_catalog.oid";

const DEFAULTS: &str = "
    SELECT 1, p.classid, p.objid, pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s',
        s.name, a.attname, pg_catalog.pg_get_expr(d.adbin, d.adrelid))
    FROM parts p
    JOIN pg_catalog.pg_attrdef d ON d.oid = p.objid
    JOIN staying s ON s.oid = d.adrelid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid
        AND a.attnum = d.adnum
    WHERE p.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
        AND a.attgenerated = ''
        AND NOT EXISTS (SELECT FROM gone g WHERE g.objid = d.adrelid
            AND g.classid = 1259::pg_catalog.oid
            AND g.objsubid = d.adnum)";

/// `NOT VALID` and deferral are in the definition; inherited ones come with their parent's.
const CONSTRAINTS: &str = "
    SELECT CASE WHEN k.contype = 'f' THEN 5 ELSE 2 END, p.classid, p.objid,
        pg_catalog.format('ALTER TABLE %s%s ADD CONSTRAINT %I %s',
        CASE WHEN c.relkind = 'p' OR k.contype <> 'f'
            THEN '' ELSE 'ONLY ' END,
        s.name, k.conname, pg_catalog.pg_get_constraintdef(k.oid))
    FROM parts p
    JOIN pg_catalog.pg_constraint k ON k.oid = p.objid
    JOIN staying s ON s.oid = k.conrelid
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    WHERE p.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
        AND k.conparentid = 0::pg_catalog.oid
        AND k.conislocal AND k.contype IN ('f', 'c', 'p', 'u', 'x')";

const DOMAIN_CHECKS: &str = "
    SELECT 2, p.classid, p.objid, pg_catalog.format('ALTER DOMAIN %I.%I ADD CONSTRAINT %I %s',
        n.nspname, t.typname, k.conname, pg_catalog.pg_get_constraintdef(k.oid))
    FROM parts p
    JOIN pg_catalog.pg_constraint k ON k.oid = p.objid
    JOIN pg_catalog.pg_type t ON t.oid = k.contypid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE p.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
        AND k.contype = 'c'
        AND NOT EXISTS (SELECT FROM gone g WHERE g.objid = t.oid
            AND g.classid = 'pg_catalog.pg_type'::pg_catalog.regclass)";

const INDEXES: &str = "
    SELECT 3, p.classid, p.objid, pg_catalog.pg_get_indexdef(i.indexrelid)
    FROM parts p
    JOIN pg_catalog.pg_index i ON i.indexrelid = p.objid
    JOIN staying s ON s.oid = i.indrelid
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
    WHERE p.classid = 1259::pg_catalog.oid
        AND NOT c.relispartition AND t.relkind IN ('r', 'p', 'm')
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
            WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))";

const RULES: &str = "
    SELECT 6, p.classid, p.objid, pg_catalog.rtrim(pg_catalog.pg_get_ruledef(r.oid), ';')
    FROM parts p
    JOIN pg_catalog.pg_rewrite r ON r.oid = p.objid
    JOIN staying s ON s.oid = r.ev_class
    WHERE p.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        AND r.rulename <> '_RETURN'";

const TRIGGERS: &str = "
    SELECT 7, p.classid, p.objid, pg_catalog.concat(pg_catalog.pg_get_triggerdef(t.oid),
        CASE t.tgenabled
            WHEN 'D' THEN pg_catalog.format('; ALTER TABLE %s DISABLE TRIGGER %I', s.name, t.tgname)
            WHEN 'A' THEN pg_catalog.format('; ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', s.name, t.tgname)
            WHEN 'R' THEN pg_catalog.format('; ALTER TABLE %s ENABLE REPLICA TRIGGER %I', s.name, t.tgname)
        END)
    FROM parts p
    JOIN pg_catalog.pg_trigger t ON t.oid = p.objid
    JOIN staying s ON s.oid = t.tgrelid
    WHERE p.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
        AND NOT t.tgisinternal AND t.tgparentid = 0::pg_catalog.oid";

const POLICIES: &str = "
    SELECT 8, p.classid, p.objid, pg_catalog.concat(
        pg_catalog.format('CREATE POLICY %I ON %s AS %s FOR %s TO ', y.polname, s.name,
            CASE WHEN y.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
            CASE y.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                WHEN 'd' THEN 'DELETE' ELSE 'ALL' END),
        (SELECT pg_catalog.string_agg(COALESCE(pg_catalog.quote_ident(r.rolname), 'PUBLIC'), ', ')
            FROM pg_catalog.unnest(y.polroles) m(role)
            LEFT JOIN pg_catalog.pg_roles r ON r.oid = m.role),
        ' USING (' || pg_catalog.pg_get_expr(y.polqual, y.polrelid) || ')',
        ' WITH CHECK (' || pg_catalog.pg_get_expr(y.polwithcheck, y.polrelid) || ')')
    FROM parts p
    JOIN pg_catalog.pg_policy y ON y.oid = p.objid
    JOIN staying s ON s.oid = y.polrelid
    WHERE p.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass";

const STATISTICS: &str = "
    SELECT 4, p.classid, p.objid, pg_catalog.pg_get_statisticsobjdef(x.oid)
    FROM parts p
    JOIN pg_catalog.pg_statistic_ext x ON x.oid = p.objid
    JOIN staying s ON s.oid = x.stxrelid
    WHERE p.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass";

/// `pg_dump` leaves these out for some tables that it copies, so they are never taken from its archive.
const PUBLICATIONS: &str = "
    SELECT 9, p.classid, p.objid, pg_catalog.concat(
        pg_catalog.format('ALTER PUBLICATION %I ADD TABLE ONLY %I.%I', u.pubname, n.nspname, c.relname),
        (SELECT ' (' || pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum)
            || ')' FROM pg_catalog.pg_attribute a WHERE a.attrelid = x.prrelid
            AND a.attnum = ANY (x.prattrs)),
        ' WHERE (' || pg_catalog.pg_get_expr(x.prqual, x.prrelid) || ')')
    FROM parts p
    JOIN pg_catalog.pg_publication_rel x ON x.oid = p.objid
    JOIN pg_catalog.pg_publication u ON u.oid = x.prpubid
    JOIN pg_catalog.pg_class c ON c.oid = x.prrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE p.classid = 'pg_catalog.pg_publication_rel'::pg_catalog.regclass";

/// A sequence that goes though the table that it belongs to stays.
const OWNED: &str = "
    SELECT 10, p.classid, p.objid, pg_catalog.format('ALTER SEQUENCE %I.%I OWNED BY %s.%I',
        n.nspname, c.relname, s.name, a.attname)
    FROM parts p
    JOIN pg_catalog.pg_class c ON c.oid = p.objid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_depend d ON d.classid = p.classid
        AND d.objid = p.objid AND d.deptype = 'a'
        AND d.refclassid = 1259::pg_catalog.oid
    JOIN staying s ON s.oid = d.refobjid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid
        AND a.attnum = d.refobjsubid
    WHERE p.classid = 1259::pg_catalog.oid
        AND c.relkind = 'S'";
