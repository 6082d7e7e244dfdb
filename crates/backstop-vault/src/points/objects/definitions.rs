//! The definitions of what goes, as `pg_dump` writes them, in the two halves between which rows are loaded.
//!
//! Where only relations go, `pg_dump` is asked for those. Where functions, types or schemas go too, it is asked
//! for everything but other tables, and only the entries of what goes are taken from its archive: it knows
//! the order in which they can come back.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::process::Command;

use super::closure::Closure;
use super::gone::with_gone;
use super::relation::Way;
use crate::points::question::Question;
use crate::points::workplace::Workplace;
use crate::points::{PointError, Session, Source, sql};

/// The most that all names on a command line may take, in bytes.
const MOST: usize = 1 << 20;

/// An archive of definitions on disk, closed to others, gone with this value.
pub(super) struct Definitions<'a> {
    source: &'a Source,
    place: Workplace,
    filtered: bool,
}

impl<'a> Definitions<'a> {
    /// Reads the definitions of what goes under `snapshot`, which `session` shares.
    pub(super) async fn read(
        closure: &Closure,
        source: &'a Source,
        snapshot: &str,
        session: &mut Session,
    ) -> Result<Definitions<'a>, PointError> {
        let place = Workplace::new(source.tools.room())?;
        let filtered = !closure.objects.is_empty()
            || closure
                .relations
                .iter()
                .any(|relation| relation.leaves_parent);
        let mut definitions = Self {
            source,
            place,
            filtered,
        };
        let names = if !closure.objects.is_empty() {
            others(closure, session).await?
        } else {
            whole(closure)
        };
        definitions.place.expect("archive");
        definitions.dump(snapshot, names, closure).await?;
        if filtered {
            let list = definitions.list().await?;
            let wanted = members(closure, session).await?;
            let list = choose(&list, &wanted);
            definitions.place.write("list", &list)?;
        }
        Ok(definitions)
    }

    /// Writes what must be there before rows are loaded.
    pub(super) async fn before_rows<W>(&self, sink: &mut W) -> Result<(), PointError>
    where
        W: AsyncWrite + Unpin,
    {
        self.write("pre-data", sink).await
    }

    /// Writes what comes when rows are there: keys, indexes, triggers, policies.
    pub(super) async fn after_rows<W>(&self, sink: &mut W) -> Result<(), PointError>
    where
        W: AsyncWrite + Unpin,
    {
        self.write("post-data", sink).await
    }

    async fn dump(
        &self,
        snapshot: &str,
        names: Vec<String>,
        closure: &Closure,
    ) -> Result<(), PointError> {
        if names.iter().map(String::len).sum::<usize>() > MOST {
            return Err(PointError::Refused(format!(
                "{} relations are too many to name to pg_dump",
                names.len()
            )));
        }
        let mut command = self.source.command("pg_dump");
        command
            .args([
                "--format=custom",
                "--compress=0",
                "--schema-only",
                "--no-password",
            ])
            // A table that is locked by somebody stronger must not make us wait for ever.
            .args(["--lock-wait-timeout=10000", "--strict-names"])
            .arg(format!("--snapshot={snapshot}"))
            .arg(format!("--file={}", self.path("archive").display()));
        let selecting = if closure.objects.is_empty() {
            "--table"
        } else {
            "--exclude-table"
        };
        command.args(names.iter().map(|name| format!("{selecting}={name}")));
        run(command, "pg_dump").await.map(drop)
    }

    async fn list(&self) -> Result<String, PointError> {
        let mut command = self.source.tools.command("pg_restore");
        command
            .args(["--list", "--verbose"])
            .arg(self.path("archive"));
        run(command, "pg_restore").await
    }

    async fn write<W>(&self, section: &str, sink: &mut W) -> Result<(), PointError>
    where
        W: AsyncWrite + Unpin,
    {
        let mut command = self.source.tools.command("pg_restore");
        command.arg(format!("--section={section}")).arg("--file=-");
        if self.filtered {
            command.arg(format!("--use-list={}", self.path("list").display()));
        }
        command.arg(self.path("archive"));
        let mut child = command
            .spawn()
            .map_err(PointError::io("starting pg_restore"))?;
        if let Some(mut output) = child.stdout.take() {
            tokio::io::copy(&mut output, sink)
                .await
                .map_err(PointError::io("passing definitions on to the vault"))?;
        }
        let output = child
            .wait_with_output()
            .await
            .map_err(PointError::io("waiting for pg_restore"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(PointError::tool("pg_restore", &said))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path(name)
    }
}

/// Patterns of the relations that go.
fn whole(closure: &Closure) -> Vec<String> {
    closure
        .relations
        .iter()
        .filter(|relation| relation.way == Way::Whole)
        .map(super::Relation::qualified)
        .collect()
}

/// Patterns of all relations that stay: `pg_dump` locks what it reads and may not read what others own.
async fn others(closure: &Closure, session: &mut Session) -> Result<Vec<String>, PointError> {
    let going: BTreeSet<String> = whole(closure).into_iter().collect();
    let rows = session
        .ask(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S') AND c.relpersistence <> 't'
                AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'",
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| sql::qualified(&sql::text(row, 0), &sql::text(row, 1)))
        .filter(|name| !going.contains(name))
        .collect())
}

/// Catalogue and OID of everything that goes, as the archive's list writes them.
async fn members(
    closure: &Closure,
    session: &mut Session,
) -> Result<BTreeSet<(String, String)>, PointError> {
    let Some(gone) = with_gone(closure.act, &closure.roots) else {
        return Ok(BTreeSet::new());
    };
    let rows = session
        .ask(&format!(
            "{gone} SELECT DISTINCT classid, objid FROM gone WHERE objsubid = 0
                AND classid <> 'pg_catalog.pg_publication_rel'::pg_catalog.regclass"
        ))
        .await?;
    Ok(rows
        .iter()
        .map(|row| (sql::text(row, 0), sql::text(row, 1)))
        .collect())
}

/// Keeps the entries of what goes, and those without an OID (grants, comments, attachments) that depend on
/// one of them. What is attached to a parent that stays comes back later and otherwise: see `outside`.
fn choose(list: &str, wanted: &BTreeSet<(String, String)>) -> String {
    let mut kept = String::new();
    let mut ids = BTreeSet::new();
    let mut tables = BTreeSet::new();
    let mut pending: Option<(&str, &str)> = None;
    for line in list.lines() {
        if let Some(depends) = line.trim_start().strip_prefix(";\tdepends on:") {
            let known: BTreeSet<&str> = depends
                .split_whitespace()
                .filter(|id| ids.contains(id))
                .collect();
            if let Some((id, entry)) = pending.take()
                && depends_on_enough(entry, &known, &tables)
            {
                ids.insert(id);
                kept.push_str(entry);
                kept.push('\n');
            }
            continue;
        }
        pending = None;
        let Some((id, rest)) = line.split_once("; ") else {
            continue;
        };
        let mut words = rest.split_whitespace();
        // That row security is on is an entry of catalogue 0 with its table's OID.
        let class = match words.next().unwrap_or_default() {
            "0" => "1259",
            class => class,
        };
        let oid = words.next().unwrap_or_default();
        if oid == "0" {
            pending = Some((id, line));
        } else if wanted.contains(&(class.to_owned(), oid.to_owned())) {
            ids.insert(id);
            if words.next() == Some("TABLE") {
                tables.insert(id);
            }
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// An attachment needs both its ends; a parent that stays is not in the archive.
fn depends_on_enough(entry: &str, known: &BTreeSet<&str>, tables: &BTreeSet<&str>) -> bool {
    let rest = entry.split_once(';').map_or("", |(_, rest)| rest);
    if rest.starts_with(" 0 0 TABLE ATTACH ") {
        known.intersection(tables).count() > 1
    } else if rest.starts_with(" 0 0 INDEX ATTACH ") {
        known.difference(tables).count() > 1
    } else {
        !known.is_empty()
    }
}

/// Runs a program to its end and gives back what it printed.
async fn run(mut command: Command, tool: &str) -> Result<String, PointError> {
    command.stdin(Stdio::null());
    let mut child = command
        .spawn()
        .map_err(PointError::io(format!("starting {tool}")))?;
    let mut said = Vec::new();
    if let Some(mut output) = child.stdout.take() {
        output
            .read_to_end(&mut said)
            .await
            .map_err(PointError::io(format!("reading from {tool}")))?;
    }
    let output = child
        .wait_with_output()
        .await
        .map_err(PointError::io(format!("waiting for {tool}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&said).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(PointError::tool(tool, &said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_others_are_left_out_with_their_grants_and_comments() {
        let list = "\
;
; Archive created at …
;
6; 2615 16385 SCHEMA - gone owner
;\tdepends on: 1
3400; 0 0 ACL - SCHEMA gone owner
;\tdepends on: 6
7; 2615 16999 SCHEMA - stays owner
3401; 0 0 ACL - SCHEMA stays owner
;\tdepends on: 7
215; 1259 16386 TABLE gone t owner
;\tdepends on: 6
3402; 0 0 COMMENT gone COLUMN t.a owner
;\tdepends on: 215
3300; 0 16386 ROW SECURITY gone t owner
;\tdepends on: 215
3301; 0 16999 ROW SECURITY stays t owner
";
        let wanted = [("2615", "16385"), ("1259", "16386")]
            .map(|(class, oid)| (class.to_owned(), oid.to_owned()))
            .into();
        let kept = choose(list, &wanted);
        let ids: Vec<&str> = kept
            .lines()
            .filter_map(|line| line.split(';').next())
            .collect();
        assert_eq!(ids, ["6", "3400", "215", "3402", "3300"]);
    }
}
