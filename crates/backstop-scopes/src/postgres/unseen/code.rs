//! Functions in C and in untrusted languages, by who may run them.

use std::collections::BTreeMap;

use backstop_wire::sql::{ident, qualified};

use super::{NOT_SEEN, Unseen, UnseenKind, Who, some};
use crate::postgres::ask::{Answer, Asking};
use crate::postgres::error::Error;
use crate::postgres::libraries::{self, Library};

/// Functions that a statement can call, or a trigger can be made of, whose code is not SQL or of a trusted language.
/// Those with an argument or result that SQL cannot make are for the server alone.
const FUNCTIONS: &str = "\
select n.nspname, p.proname, pg_get_function_identity_arguments(p.oid), l.lanname, coalesce(p.probin, ''), p.prosrc, \
  coalesce(e.extname, ''), has_function_privilege('public', p.oid, 'execute'), \
  has_function_privilege(p.oid, 'execute'), \
  exists (select from pg_catalog.pg_proc b where b.oid < 16384 and b.prolang = 12 and b.prosrc = p.prosrc \
    and b.pronamespace = 'pg_catalog'::regnamespace and has_function_privilege('public', b.oid, 'execute')), \
  l.lanpltrusted, coalesce(h.probin, ''), coalesce(h.prosrc, '') \
from pg_catalog.pg_proc p \
join pg_catalog.pg_namespace n on n.oid = p.pronamespace \
join pg_catalog.pg_language l on l.oid = p.prolang \
left join pg_catalog.pg_proc h on h.oid = l.lanplcallfoid \
left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid \
  and d.refclassid = 'pg_catalog.pg_extension'::regclass and d.deptype = 'e' \
left join pg_catalog.pg_extension e on e.oid = d.refobjid \
where p.oid >= 16384 and p.prolang <> 14 and l.lanname <> 'plpgsql' and p.prokind in ('f', 'p', 'w') \
  and p.prorettype <> all (array['fdw_handler', 'language_handler', 'index_am_handler', 'table_am_handler', \
    'tsm_handler', 'internal']::regtype[]) \
  and not 'internal'::regtype = any (p.proargtypes) \
order by 1, 2, 3";

/// Languages, with what handles them and who may write functions in them.
const LANGUAGES: &str = "\
select l.lanname, l.lanpltrusted, coalesce(h.probin, ''), coalesce(h.prosrc, ''), \
  has_language_privilege('public', l.oid, 'usage'), has_language_privilege(l.oid, 'usage'), \
  (select rolsuper from pg_catalog.pg_roles where rolname = current_user) \
from pg_catalog.pg_language l left join pg_catalog.pg_proc h on h.oid = l.lanplcallfoid \
where l.oid not in (12, 13, 14) order by 1";

/// Why a function's code is a road.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Code {
    /// A library, and what it does; `None`: not known.
    Library(String, Option<&'static str>),
    /// A language.
    Language(String),
    /// A built-in under another name.
    Alias(String),
}

pub(super) async fn functions(asking: &Asking<'_>) -> Result<Vec<Unseen>, Error> {
    let mut groups: BTreeMap<(Who, Code, String), Vec<Function>> = BTreeMap::new();
    for row in asking.rows("functions", FUNCTIONS).await? {
        let Some(who) = Who::of(row.flag(7), row.flag(8)) else {
            continue;
        };
        if let Some(code) = code(&row)? {
            let extension = row.text(6)?;
            let function = Function {
                name: row.text(1)?,
                full: format!(
                    "{}({})",
                    qualified(&row.text(0)?, &row.text(1)?),
                    row.text(2)?
                ),
            };
            groups
                .entry((who, code, extension))
                .or_default()
                .push(function);
        }
    }
    let told = groups
        .into_iter()
        .map(|((who, code, extension), functions)| tell(who, &code, &extension, &functions));
    Ok(told.collect())
}

struct Function {
    name: String,
    full: String,
}

fn code(row: &Answer) -> Result<Option<Code>, Error> {
    let language = row.text(3)?;
    Ok(match language.as_str() {
        "c" => match libraries::library(&row.text(4)?) {
            Library::Plain => None,
            Library::Reaches(does) => Some(Code::Library(row.text(4)?, Some(does))),
            Library::Unknown => Some(Code::Library(row.text(4)?, None)),
        },
        // Whoever may run the built-in itself gains nothing by another name for it.
        "internal" => (!row.flag(9)).then_some(Code::Alias(row.text(5)?)),
        _ if row.flag(10) && libraries::is_trusted_handler(&row.text(11)?, &row.text(12)?) => None,
        _ => Some(Code::Language(language)),
    })
}

fn tell(who: Who, code: &Code, extension: &str, functions: &[Function]) -> Unseen {
    let mut names: Vec<String> = functions.iter().map(|f| f.name.clone()).collect();
    names.dedup();
    let may = who.may();
    let run = some(&names, "functions");
    let of = if extension.is_empty() {
        String::new()
    } else {
        format!(" of extension `{extension}`")
    };
    let one = names.len() == 1;
    let (kind, what) = match code {
        Code::Library(file, does) => {
            let library = libraries::stem(file);
            let what = match does {
                Some(does) => format!(
                    "{may} run {run}{of} (library `{library}`), which can {does}: {NOT_SEEN}"
                ),
                None => format!(
                    "{may} run {run}{of}, code in C from the library `{file}` that is not known: nobody can say what it does"
                ),
            };
            (UnseenKind::Library, what)
        }
        Code::Language(language) => (
            UnseenKind::Language,
            format!(
                "{may} run {run}{of}, written in `{language}`, whose code nothing keeps inside the database: what it does elsewhere is neither measured nor undone"
            ),
        ),
        Code::Alias(symbol) => (
            UnseenKind::Opened,
            format!(
                "{may} run {run}{of}, {} for the built-in `{symbol}`, which PostgreSQL keeps for superusers",
                if one { "another name" } else { "other names" }
            ),
        ),
    };
    Unseen {
        kind,
        what,
        fix: fix(who, extension, functions),
    }
}

/// The longest list of functions that is given as one statement.
const FEW: usize = 4;

fn fix(who: Who, extension: &str, functions: &[Function]) -> String {
    let whom = match who {
        Who::Everybody => "public",
        Who::Gate => "the gate's role",
    };
    let revoke = if functions.len() <= FEW {
        let list: Vec<&str> = functions.iter().map(|f| f.full.as_str()).collect();
        match who {
            Who::Everybody => format!("REVOKE EXECUTE ON ROUTINE {} FROM PUBLIC", list.join(", ")),
            Who::Gate => format!("take EXECUTE on {} from it", list.join(", ")),
        }
    } else {
        format!("revoke EXECUTE on its functions from {whom}")
    };
    if extension.is_empty() {
        revoke
    } else {
        format!(
            "DROP EXTENSION {}, if nothing needs it; else {revoke}",
            ident(extension)
        )
    }
}

pub(super) async fn languages(asking: &Asking<'_>) -> Result<Vec<Unseen>, Error> {
    let mut all = vec![];
    for row in asking.rows("languages", LANGUAGES).await? {
        let (name, marked) = (row.text(0)?, row.flag(1));
        if marked && libraries::is_trusted_handler(&row.text(2)?, &row.text(3)?) {
            continue;
        }
        // Of an untrusted one only superusers may make functions, whatever is granted.
        let (public, gate) = (
            marked && row.flag(4),
            row.flag(6) || (marked && row.flag(5)),
        );
        let Some(who) = Who::of(public, gate) else {
            continue;
        };
        let but = if marked {
            "is marked as trusted, but its handler is not known to keep code inside the database"
        } else {
            "is not trusted"
        };
        let fix = match who {
            _ if !marked => format!(
                "DROP EXTENSION {0}, or DROP LANGUAGE {0}, if nothing needs it",
                ident(&name)
            ),
            Who::Everybody => format!("REVOKE USAGE ON LANGUAGE {} FROM PUBLIC", ident(&name)),
            Who::Gate => format!(
                "revoke USAGE on language {} from the gate's role",
                ident(&name)
            ),
        };
        all.push(Unseen {
            kind: UnseenKind::Language,
            what: format!("language `{name}` {but}, and {} write functions in it: what they do elsewhere is neither measured nor undone", who.may()),
            fix,
        });
    }
    Ok(all)
}
