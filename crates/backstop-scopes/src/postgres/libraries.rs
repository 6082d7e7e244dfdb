//! Libraries of C code that servers load, by what their functions can do.
//!
//! A library is known by its file, which a function of language C names (`pg_proc.probin`): whoever may create such
//! functions is a superuser, and can give any name to them, but not another file's code to a name.

/// What the functions of a library can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    /// Nothing that a measurement would not show.
    Plain,
    /// What is said here, which a measurement does not show.
    Reaches(&'static str),
    /// Not known.
    Unknown,
}

const CONNECTS: &str = "open connections of their own";

const REACHES: &[(&str, &str)] = &[
    ("adminpack", "write and remove files of the server"),
    ("aws_commons", "call services of a cloud account"),
    ("aws_lambda", "call services of a cloud account"),
    ("aws_s3", "read and write files in a cloud account"),
    ("dblink", CONNECTS),
    ("http", "send requests to other machines"),
    ("lo", "remove large objects"),
    ("oracle_fdw", CONNECTS),
    ("orafce", "write files of the server and send messages"),
    (
        "pg_background",
        "run statements in transactions of their own",
    ),
    (
        "pg_cron",
        "run statements later, in transactions of their own",
    ),
    ("pg_curl", "send requests to other machines"),
    ("pg_net", "send requests to other machines"),
    (
        "pg_surgery",
        "destroy rows beneath the server's own bookkeeping",
    ),
    ("pglogical", CONNECTS),
    ("tcn", "send messages to every listener"),
    (
        "timescaledb",
        "run statements later, in transactions of their own",
    ),
];

/// PostgreSQL's own, and a few in common use.
const PLAIN: &[&str] = &[
    "_int",
    "amcheck",
    "autoinc",
    "bloom",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dict_int",
    "dict_snowball",
    "dict_xsyn",
    "earthdistance",
    // Their servers and tables are looked at instead.
    "file_fdw",
    "fuzzystrmatch",
    "hstore",
    "hypopg",
    "insert_username",
    "isn",
    "ltree",
    "moddatetime",
    "old_snapshot",
    "pageinspect",
    "pg_buffercache",
    "pg_freespacemap",
    "pg_logicalinspect",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_trgm",
    "pg_visibility",
    "pg_walinspect",
    "pgcrypto",
    "pgrowlocks",
    "pgstattuple",
    "pgxml",
    "plpgsql",
    "postgis-3",
    "postgres_fdw",
    "refint",
    "rum",
    "seg",
    "sslinfo",
    "tablefunc",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "uuid-ossp",
    "vector",
];

/// Languages whose handlers keep code from everything outside the database, by library and symbol.
const TRUSTED_HANDLERS: &[(&str, &str)] = &[
    ("plpgsql", "plpgsql_call_handler"),
    ("plperl", "plperl_call_handler"),
    ("pltcl", "pltcl_call_handler"),
    ("plv8", "plv8_call_handler"),
];

/// The name of a library, of how a function names its file.
pub(crate) fn stem(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.strip_suffix(".so").unwrap_or(name)
}

/// What the library in this file can do. Only files in the server's own library folder are known: another folder's
/// file of a known name may be anything.
pub(crate) fn library(file: &str) -> Library {
    let own = match file.rsplit_once('/') {
        None => true,
        Some((folder, _)) => folder == "$libdir" || is_lib_folder(folder),
    };
    let name = stem(file);
    if let Some((_, does)) = REACHES.iter().find(|(known, _)| *known == name) {
        return Library::Reaches(does);
    }
    if own && PLAIN.contains(&name) {
        Library::Plain
    } else {
        Library::Unknown
    }
}

/// Where packages put a server's libraries, as an absolute path.
fn is_lib_folder(folder: &str) -> bool {
    folder.starts_with("/usr/") && folder.contains("/postgresql")
        || folder.starts_with("/usr/pgsql-")
}

/// Whether a language with this handler is as trusted as its mark says.
pub(crate) fn is_trusted_handler(file: &str, symbol: &str) -> bool {
    let name = stem(file);
    let plain = name.split_once('-').map_or(name, |(name, _)| name);
    let own = file.starts_with("$libdir/") || !file.contains('/');
    own && TRUSTED_HANDLERS.contains(&(plain, symbol))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_known_by_its_file() {
        for (file, known) in [
            ("$libdir/hstore", Library::Plain),
            ("pgcrypto", Library::Plain),
            ("/usr/lib/postgresql/15/lib/citext.so", Library::Plain),
            ("$libdir/dblink", Library::Reaches(CONNECTS)),
            ("/tmp/dblink.so", Library::Reaches(CONNECTS)),
            ("/tmp/hstore.so", Library::Unknown),
            ("$libdir/hstore2", Library::Unknown),
            ("$libdir/plugins/hstore", Library::Unknown),
            ("", Library::Unknown),
        ] {
            assert_eq!(library(file), known, "{file}");
        }
    }

    #[test]
    fn a_language_is_known_by_its_handler() {
        assert!(is_trusted_handler(
            "$libdir/plpgsql",
            "plpgsql_call_handler"
        ));
        assert!(is_trusted_handler(
            "$libdir/plv8-3.2.2",
            "plv8_call_handler"
        ));
        assert!(!is_trusted_handler(
            "$libdir/plperl",
            "plperlu_call_handler"
        ));
        assert!(!is_trusted_handler(
            "/tmp/plpgsql.so",
            "plpgsql_call_handler"
        ));
    }
}
