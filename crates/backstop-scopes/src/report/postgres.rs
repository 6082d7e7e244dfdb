//! What a server's answer means in sentences.

use std::collections::{BTreeMap, BTreeSet};

use super::backups::DIE;
use super::{Probed, Ranked, Severity};
use crate::kinds::Backups;
use crate::postgres::{Act, Audit, Certainty, Object, Road};

/// Roads listed as evidence; the whole answer has them all.
const LISTED: usize = 12;
/// SQL statements proposed; the whole answer has them all.
const PROPOSED: usize = 40;

/// Puts the server's answer in the place of what is true of any such credential.
pub(super) fn apply(ranked: &mut Ranked, audit: Audit) {
    ranked.probed = Probed::Answered;
    let total = audit.roads.iter().any(|r| total(r.act));
    let destroys = audit.roads.iter().any(|r| r.act.destroys());
    let of_backups = !audit.backups.within_reach.is_empty();
    ranked.severity = match (total || (destroys && of_backups), destroys) {
        (true, _) => Severity::Critical,
        (false, true) => Severity::High,
        (false, false) if !audit.roads.is_empty() => Severity::Medium,
        (false, false) => Severity::Low,
    };
    ranked.sentence = sentence(&audit);
    ranked.evidence = evidence(&audit);
    (ranked.backups, ranked.backups_say) = backups(&audit, destroys);
    let mut sql: Vec<String> = vec![];
    for statement in audit.roads.iter().flat_map(|r| &r.fix) {
        if !sql.contains(statement) && sql.len() < PROPOSED {
            sql.push(statement.clone());
        }
    }
    ranked.fix.sql = sql;
    ranked.fix.role.clone_from(&audit.narrow_role);
    let target = word(&audit.database);
    ranked.fix.lease = Some(format!(
        "backstop lease create --target {target} --task \"…\" --ttl 1h --scope read"
    ));
    ranked.fix.config = Some(config(&target, &audit, &ranked.facts));
    ranked.audit = Some(Box::new(audit));
}

/// As good as everything on the server.
fn total(act: Act) -> bool {
    matches!(act, Act::RunPrograms | Act::RunCode | Act::WriteFiles)
}

fn sentence(audit: &Audit) -> String {
    let role = &audit.role;
    let database = &audit.database;
    let becomes = match audit.becomes.len() {
        0 | 1 => String::new(),
        2 => " (and another role that it can become)".to_owned(),
        n => format!(" (and the {} roles it can become)", n - 1),
    };
    if audit.roads.iter().any(|r| total(r.act)) {
        return format!(
            "As `{role}`{becomes} it can take over the whole database server: drop every database and reach the files of the machine{}.",
            if audit.backups.within_reach.is_empty() {
                ""
            } else {
                ", backups included"
            }
        );
    }
    let mut lost: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    let mut dropped = BTreeSet::new();
    let (mut schemas, mut databases) = (BTreeSet::new(), BTreeSet::new());
    for road in &audit.roads {
        match (&road.object, road.act) {
            (Object::Table { schema, name }, Act::Drop | Act::Truncate | Act::Delete) => {
                let table = (schema.clone(), name.clone());
                lost.insert(
                    table.clone(),
                    (road.rows.unwrap_or(0), road.bytes.unwrap_or(0)),
                );
                if road.act == Act::Drop {
                    dropped.insert(table);
                }
            }
            (Object::Schema { name }, Act::Drop) => {
                schemas.insert(name.clone());
            }
            (Object::Database { name }, Act::Drop) => {
                databases.insert(name.clone());
            }
            _ => {}
        }
    }
    let rows: u64 = lost.values().map(|(rows, _)| rows).sum();
    let bytes: u64 = lost.values().map(|(_, bytes)| bytes).sum();
    let mut can = vec![];
    if !databases.is_empty() {
        can.push(format!(
            "drop {}",
            count(databases.len(), "database", "databases")
        ));
    }
    if !dropped.is_empty() {
        can.push(format!("drop {}", count(dropped.len(), "table", "tables")));
    } else if !schemas.is_empty() {
        can.push(format!(
            "drop {}",
            count(schemas.len(), "schema", "schemas")
        ));
    }
    let emptied = lost.len() - dropped.len();
    if emptied > 0 {
        can.push(
            format!("empty {}", count(emptied, "more table", "more tables"))
                .replace("more ", if dropped.is_empty() { "" } else { "more " }),
        );
    }
    if can.is_empty() {
        return match audit.roads.first() {
            None => format!("As `{role}`{becomes} it can destroy nothing in `{database}`."),
            Some(road) if road.act.destroys() => {
                format!(
                    "As `{role}`{becomes} it can change data in `{database}`: {}.",
                    told(road)
                )
            }
            Some(road) => format!(
                "As `{role}`{becomes} it can destroy nothing in `{database}`, but: {}.",
                told(road)
            ),
        };
    }
    format!(
        "As `{role}`{becomes} it can {} in `{database}`: about {} rows, {}.",
        can.join(" and "),
        grouped(rows),
        size(bytes)
    )
}

fn evidence(audit: &Audit) -> Vec<String> {
    let mut roads: Vec<&Road> = audit.roads.iter().collect();
    // The worst first: what loses most, and what is certain.
    roads.sort_by_key(|r| {
        (
            !total(r.act),
            !r.act.destroys(),
            r.certainty == Certainty::Depends,
            std::cmp::Reverse(r.rows.unwrap_or(0)),
            r.act,
        )
    });
    let mut out: Vec<String> = roads.iter().take(LISTED).map(|r| told(r)).collect();
    if roads.len() > LISTED {
        out.push(format!("… and {} more roads", roads.len() - LISTED));
    }
    out.extend(audit.notes.iter().cloned());
    out
}

/// One road in words.
pub(crate) fn told(road: &Road) -> String {
    let act = match road.act {
        Act::Drop => "drops",
        Act::Truncate => "truncates",
        Act::Delete => "deletes from",
        Act::Update => "overwrites rows of",
        Act::Unlink => "removes large objects:",
        Act::RunAs => "runs code as",
        Act::RunPrograms => "runs programs on the machine of",
        Act::RunCode => "runs code that nothing confines in",
        Act::WriteFiles => "overwrites files of",
        Act::ReadFiles => "reads files of",
        Act::Connect => "connects out through",
        Act::Replicate => "copies, or fills the disk of,",
        Act::DropSlot => "drops the replication slot",
        Act::Terminate => "ends the sessions of",
        Act::Plant => "plants code that others run in",
        Act::Disturb => "locks or rewrites",
    };
    let depends = match road.certainty {
        Certainty::Proved => "",
        Certainty::Depends => " (depends on what was not judged)",
    };
    format!(
        "{act} {}: {}{depends}",
        object(&road.object),
        road.chain.join(", ")
    )
}

fn object(object: &Object) -> String {
    match object {
        Object::Server => "the server".into(),
        Object::Database { name } => format!("the database `{name}`"),
        Object::Schema { name } => format!("the schema `{name}`"),
        Object::Table { schema, name } | Object::View { schema, name } => {
            format!("`{schema}.{name}`")
        }
        Object::Column {
            schema,
            table,
            name,
        } => format!("`{schema}.{table}.{name}`"),
        Object::Role { name } | Object::Slot { name } | Object::ForeignServer { name } => {
            format!("`{name}`")
        }
        Object::Subscription { name } => format!("the subscription `{name}`"),
        Object::LargeObjects { owner, count } => format!("{count} of `{owner}`"),
        Object::Sessions { role, count } => format!("`{role}` ({count} now)"),
    }
}

fn backups(audit: &Audit, destroys: bool) -> (Backups, String) {
    let within: Vec<String> = audit
        .backups
        .within_reach
        .iter()
        .map(|s| sentenced(s))
        .collect();
    let within = within.join(" ");
    if !within.is_empty() {
        let die = if destroys {
            format!("{DIE} ")
        } else {
            String::new()
        };
        return (Backups::Yes, format!("{die}{within}"));
    }
    let archives = match audit.backups.archives {
        Some(true) => "The server archives its log.",
        Some(false) => "The server archives no log.",
        None => "Whether the server archives its log is not shown to it.",
    };
    (
        Backups::Unknown,
        format!(
            "No backup is within its reach that the server knows of. {archives} Where your backups are and how old the newest is, the server does not know: look."
        ),
    )
}

/// A part of a sentence as one by itself.
fn sentenced(part: &str) -> String {
    let mut chars = part.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    let end = if part.ends_with('.') { "" } else { "." };
    format!("{}{}{end}", first.unwrap_or_default(), chars.as_str())
}

/// The lines that put the gate before this database.
fn config(target: &str, audit: &Audit, facts: &BTreeMap<String, String>) -> String {
    let fact = |name: &str| facts.get(name).map(String::as_str).unwrap_or_default();
    let host = match fact("host") {
        "" => "localhost",
        host => host,
    };
    let port = match fact("port") {
        "" => "5432",
        port => port,
    };
    format!(
        "# backstop init --target {target} --dsn 'host={host} port={port} dbname={} user=backstop'\n# writes the target's own lines, its password sealed apart from them.",
        audit.database
    )
}

/// A database's name as a target's: letters, digits and dashes.
fn word(name: &str) -> String {
    let word: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .take(40)
        .collect();
    match word.trim_matches('-') {
        "" => "prod".to_owned(),
        word => word.to_owned(),
    }
}

fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes;
    let mut rest = 0;
    let mut unit = 0;
    while value >= 1024 && unit + 1 < units.len() {
        rest = value % 1024 * 10 / 1024;
        value /= 1024;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or_default();
    match unit {
        0 => format!("{value} {name}"),
        _ => format!("{value}.{rest} {name}"),
    }
}
