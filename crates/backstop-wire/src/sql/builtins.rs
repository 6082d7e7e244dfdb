//! The reviewed table of functions that may do more than look: PostgreSQL's own volatile ones of 15 to 18, the
//! stable ones that run texts they are given, and those of the extensions in common use.
//!
//! It must name every volatile built-in of every supported server: a test compares. What is volatile and not here
//! is never harmless.

use std::collections::HashMap;
use std::sync::OnceLock;

use backstop_core::effect::{EffectKind, Verb};

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Looks, or touches the session only, or cannot be called from SQL.
    Harmless,
    /// Has this effect, for this reason.
    Does(EffectKind, Verb, &'static str),
    /// Advances the sequence in its first argument.
    Sequence,
    /// Sets the sequence in its first argument.
    SetSequence,
    /// Changes the setting in its first argument.
    SetConfig,
    /// Reads the setting in its first argument.
    CurrentSetting,
    /// Runs the text in the argument at this place.
    QueryText(usize),
    /// Reads the whole table in its first argument.
    TableText,
    /// Does what nobody can tell from its arguments.
    Opaque(&'static str),
}

use EffectKind::{Admin, Define, Destroy, Escape, Reveal};
use Rule::{
    CurrentSetting, Does, Harmless, Opaque, QueryText, Sequence, SetConfig, SetSequence, TableText,
};

/// The rule for a function of PostgreSQL's own.
pub(crate) fn rule(name: &str) -> Option<Rule> {
    static TABLE: OnceLock<HashMap<&'static str, Rule>> = OnceLock::new();
    TABLE.get_or_init(|| flat(SYSTEM)).get(name).copied()
}

/// The rule for a function of an extension in common use, by name.
pub(crate) fn extension_function(name: &str) -> Option<Rule> {
    static TABLE: OnceLock<HashMap<&'static str, Rule>> = OnceLock::new();
    let known = TABLE.get_or_init(|| flat(EXTENSIONS)).get(name).copied();
    known.or_else(|| name.starts_with("dblink").then_some(DBLINK))
}

/// Whether an operator of that name comes with an extension in common use.
pub(crate) fn extension_operator(name: &str) -> bool {
    EXTENSION_OPERATORS.contains(&name)
}

fn flat(groups: &[(Rule, &[&'static str])]) -> HashMap<&'static str, Rule> {
    groups
        .iter()
        .flat_map(|(rule, names)| names.iter().map(|name| (*name, *rule)))
        .collect()
}

const DBLINK: Rule = Does(Escape, Verb::Execute, "opens a connection of its own");

const SYSTEM: &[(Rule, &[&str])] = &[
    // Values, clocks, chance.
    (
        Harmless,
        &[
            "array_sample",
            "array_shuffle",
            "clock_timestamp",
            "current_query",
            "currval",
            "gen_random_uuid",
            "lastval",
            "random",
            "random_normal",
            "setseed",
            "timeofday",
            "uuidv4",
            "uuidv7",
        ],
    ),
    // Waits and advisory locks: bounded by the gate's timeouts, which an agent cannot change.
    (
        Harmless,
        &[
            "pg_advisory_lock",
            "pg_advisory_lock_shared",
            "pg_advisory_unlock",
            "pg_advisory_unlock_all",
            "pg_advisory_unlock_shared",
            "pg_advisory_xact_lock",
            "pg_advisory_xact_lock_shared",
            "pg_sleep",
            "pg_sleep_for",
            "pg_sleep_until",
            "pg_try_advisory_lock",
            "pg_try_advisory_lock_shared",
            "pg_try_advisory_xact_lock",
            "pg_try_advisory_xact_lock_shared",
        ],
    ),
    // Looks at the server's state, sizes and counters.
    (
        Harmless,
        &[
            "amvalidate",
            "currtid2",
            "pg_available_wal_summaries",
            "pg_blocking_pids",
            "pg_collation_actual_version",
            "pg_control_checkpoint",
            "pg_control_init",
            "pg_control_recovery",
            "pg_control_system",
            "pg_current_logfile",
            "pg_current_wal_flush_lsn",
            "pg_current_wal_insert_lsn",
            "pg_current_wal_lsn",
            "pg_database_collation_actual_version",
            "pg_database_size",
            "pg_get_aios",
            "pg_get_backend_memory_contexts",
            "pg_get_loaded_modules",
            "pg_get_multixact_members",
            "pg_get_sequence_data",
            "pg_get_shmem_allocations",
            "pg_get_shmem_allocations_numa",
            "pg_get_wait_events",
            "pg_get_wal_replay_pause_state",
            "pg_get_wal_resource_managers",
            "pg_get_wal_summarizer_state",
            "pg_indexes_size",
            "pg_is_in_recovery",
            "pg_is_wal_replay_paused",
            "pg_isolation_test_session_is_blocked",
            "pg_jit_available",
            "pg_last_committed_xact",
            "pg_last_wal_receive_lsn",
            "pg_last_wal_replay_lsn",
            "pg_last_xact_replay_timestamp",
            "pg_lock_status",
            "pg_ls_archive_statusdir",
            "pg_ls_logdir",
            "pg_ls_logicalmapdir",
            "pg_ls_logicalsnapdir",
            "pg_ls_replslotdir",
            "pg_ls_summariesdir",
            "pg_ls_tmpdir",
            "pg_ls_waldir",
            "pg_notification_queue_usage",
            "pg_partition_ancestors",
            "pg_partition_tree",
            "pg_prepared_xact",
            "pg_relation_size",
            "pg_replication_origin_progress",
            "pg_replication_origin_session_is_setup",
            "pg_replication_origin_session_progress",
            "pg_safe_snapshot_blocking_pids",
            "pg_sequence_last_value",
            "pg_show_replication_origin_status",
            "pg_stat_clear_snapshot",
            "pg_stat_force_next_flush",
            "pg_stat_get_backend_io",
            "pg_stat_get_backend_wal",
            "pg_stat_get_io",
            "pg_stat_get_recovery_prefetch",
            "pg_stat_get_xact_blocks_fetched",
            "pg_stat_get_xact_blocks_hit",
            "pg_stat_get_xact_function_calls",
            "pg_stat_get_xact_function_self_time",
            "pg_stat_get_xact_function_total_time",
            "pg_stat_get_xact_numscans",
            "pg_stat_get_xact_tuples_deleted",
            "pg_stat_get_xact_tuples_fetched",
            "pg_stat_get_xact_tuples_hot_updated",
            "pg_stat_get_xact_tuples_inserted",
            "pg_stat_get_xact_tuples_newpage_updated",
            "pg_stat_get_xact_tuples_returned",
            "pg_stat_get_xact_tuples_updated",
            "pg_stat_have_stats",
            "pg_table_size",
            "pg_tablespace_size",
            "pg_total_relation_size",
            "pg_wal_summary_contents",
            "pg_xact_commit_timestamp",
            "pg_xact_commit_timestamp_origin",
            "pg_xact_status",
            "txid_status",
        ],
    ),
    // A snapshot for another session of the same rights, as pg_dump shares it.
    (Harmless, &["pg_export_snapshot"]),
    (
        Opaque("it runs a portal on, which may be one that writes"),
        &["cursor_to_xml"],
    ),
    (Harmless, &["cursor_to_xmlschema"]),
    // Reads of large objects, and a descriptor of one, which is good for nothing else until it is written through.
    (
        Harmless,
        &[
            "lo_close",
            "lo_get",
            "lo_lseek",
            "lo_lseek64",
            "lo_open",
            "lo_tell",
            "lo_tell64",
            "loread",
        ],
    ),
    // Handlers and trigger functions: the server refuses to run them as a call from SQL.
    (
        Harmless,
        &[
            "RI_FKey_cascade_del",
            "RI_FKey_cascade_upd",
            "RI_FKey_check_ins",
            "RI_FKey_check_upd",
            "RI_FKey_noaction_del",
            "RI_FKey_noaction_upd",
            "RI_FKey_restrict_del",
            "RI_FKey_restrict_upd",
            "RI_FKey_setdefault_del",
            "RI_FKey_setdefault_upd",
            "RI_FKey_setnull_del",
            "RI_FKey_setnull_upd",
            "bernoulli",
            "brinhandler",
            "bthandler",
            "dsnowball_init",
            "dsnowball_lexize",
            "ginhandler",
            "gisthandler",
            "hashhandler",
            "heap_tableam_handler",
            "plpgsql_call_handler",
            "plpgsql_inline_handler",
            "plpgsql_validator",
            "spghandler",
            "suppress_redundant_updates_trigger",
            "system",
            "tsvector_update_trigger",
            "tsvector_update_trigger_column",
            "unique_key_recheck",
        ],
    ),
    (Sequence, &["nextval"]),
    (SetSequence, &["setval"]),
    (SetConfig, &["set_config"]),
    (CurrentSetting, &["current_setting"]),
    // Run a text, or read a table that a text names.
    (
        QueryText(0),
        &[
            "query_to_xml",
            "query_to_xml_and_xmlschema",
            "query_to_xmlschema",
            "ts_stat",
        ],
    ),
    (QueryText(1), &["ts_rewrite"]),
    (
        TableText,
        &[
            "table_to_xml",
            "table_to_xml_and_xmlschema",
            "table_to_xmlschema",
        ],
    ),
    (
        Opaque("it reads every table of a schema or database, and runs the code of its views"),
        &[
            "database_to_xml",
            "database_to_xml_and_xmlschema",
            "database_to_xmlschema",
            "schema_to_xml",
            "schema_to_xml_and_xmlschema",
            "schema_to_xmlschema",
        ],
    ),
    // Large objects.
    (
        Does(Define, Verb::Create, "makes a large object"),
        &["lo_creat", "lo_create", "lo_from_bytea"],
    ),
    (
        Does(Destroy, Verb::Drop, "removes a large object"),
        &["lo_unlink"],
    ),
    (
        Does(Destroy, Verb::Update, "overwrites a large object"),
        &["lo_put", "lo_truncate", "lo_truncate64", "lowrite"],
    ),
    (
        Does(
            Escape,
            Verb::Execute,
            "reads or writes a file of the server's machine",
        ),
        &[
            "lo_export",
            "lo_import",
            "pg_ls_dir",
            "pg_read_binary_file",
            "pg_read_file",
            "pg_read_file_old",
            "pg_stat_file",
        ],
    ),
    (
        Does(Reveal, Verb::Read, "shows how the server authenticates"),
        &[
            "pg_hba_file_rules",
            "pg_ident_file_mappings",
            "pg_show_all_file_settings",
        ],
    ),
    // Other sessions.
    (
        Does(Escape, Verb::Execute, "sends a signal to another session"),
        &[
            "pg_cancel_backend",
            "pg_log_backend_memory_contexts",
            "pg_terminate_backend",
        ],
    ),
    (
        Does(Escape, Verb::Execute, "sends a message to every listener"),
        &["pg_notify"],
    ),
    // Write-ahead log, backup, recovery.
    (
        Does(
            Escape,
            Verb::Execute,
            "writes into the write-ahead log for others to read",
        ),
        &[
            "pg_create_restore_point",
            "pg_log_standby_snapshot",
            "pg_logical_emit_message",
            "pg_switch_wal",
        ],
    ),
    (
        Does(Admin, Verb::Execute, "starts or stops a backup"),
        &["pg_backup_start", "pg_backup_stop"],
    ),
    (
        Does(
            Admin,
            Verb::Execute,
            "changes how the server recovers or who leads",
        ),
        &["pg_promote", "pg_wal_replay_pause", "pg_wal_replay_resume"],
    ),
    (
        Does(
            Admin,
            Verb::Execute,
            "makes the server read its configuration anew or turn its log over",
        ),
        &[
            "pg_reload_conf",
            "pg_rotate_logfile",
            "pg_rotate_logfile_old",
        ],
    ),
    // Replication.
    (
        Does(
            Destroy,
            Verb::Drop,
            "drops a replication slot, which ROLLBACK does not take back",
        ),
        &["pg_drop_replication_slot"],
    ),
    (
        Does(
            Escape,
            Verb::Execute,
            "makes or moves a replication slot, which ROLLBACK does not take back",
        ),
        &[
            "pg_copy_logical_replication_slot",
            "pg_copy_physical_replication_slot",
            "pg_create_logical_replication_slot",
            "pg_create_physical_replication_slot",
            "pg_logical_slot_get_binary_changes",
            "pg_logical_slot_get_changes",
            "pg_replication_slot_advance",
            "pg_sync_replication_slots",
        ],
    ),
    (
        Does(
            Escape,
            Verb::Execute,
            "reads the changes of every table from a replication slot",
        ),
        &[
            "pg_logical_slot_peek_binary_changes",
            "pg_logical_slot_peek_changes",
        ],
    ),
    (
        Does(
            Admin,
            Verb::Execute,
            "changes what replication believes it has seen",
        ),
        &[
            "pg_replication_origin_advance",
            "pg_replication_origin_create",
            "pg_replication_origin_drop",
            "pg_replication_origin_session_reset",
            "pg_replication_origin_session_setup",
            "pg_replication_origin_xact_reset",
            "pg_replication_origin_xact_setup",
        ],
    ),
    // Statistics and maintenance.
    (
        Does(
            Admin,
            Verb::Execute,
            "clears or sets statistics, which ROLLBACK may not take back",
        ),
        &[
            "pg_clear_attribute_stats",
            "pg_clear_relation_stats",
            "pg_restore_attribute_stats",
            "pg_restore_relation_stats",
            "pg_stat_reset",
            "pg_stat_reset_backend_stats",
            "pg_stat_reset_replication_slot",
            "pg_stat_reset_shared",
            "pg_stat_reset_single_function_counters",
            "pg_stat_reset_single_table_counters",
            "pg_stat_reset_slru",
            "pg_stat_reset_subscription_stats",
        ],
    ),
    (
        Does(Admin, Verb::Execute, "rebuilds parts of an index"),
        &[
            "brin_desummarize_range",
            "brin_summarize_new_values",
            "brin_summarize_range",
            "gin_clean_pending_list",
        ],
    ),
    (
        Does(Admin, Verb::Execute, "changes the system catalogue"),
        &[
            "binary_upgrade_add_sub_rel_state",
            "binary_upgrade_create_empty_extension",
            "binary_upgrade_logical_slot_has_caught_up",
            "binary_upgrade_replorigin_advance",
            "binary_upgrade_set_missing_value",
            "binary_upgrade_set_next_array_pg_type_oid",
            "binary_upgrade_set_next_attribute_versions",
            "binary_upgrade_set_next_heap_pg_class_oid",
            "binary_upgrade_set_next_heap_relfilenode",
            "binary_upgrade_set_next_index_pg_class_oid",
            "binary_upgrade_set_next_index_relfilenode",
            "binary_upgrade_set_next_multirange_array_pg_type_oid",
            "binary_upgrade_set_next_multirange_pg_type_oid",
            "binary_upgrade_set_next_pg_authid_oid",
            "binary_upgrade_set_next_pg_enum_oid",
            "binary_upgrade_set_next_pg_tablespace_oid",
            "binary_upgrade_set_next_pg_type_oid",
            "binary_upgrade_set_next_toast_pg_class_oid",
            "binary_upgrade_set_next_toast_relfilenode",
            "binary_upgrade_set_record_init_privs",
            "pg_extension_config_dump",
            "pg_import_system_collations",
            "pg_nextoid",
            "pg_stop_making_pinned_objects",
        ],
    ),
];

/// Functions of extensions, by name: a call of one is judged so whether or not the catalogue shows the extension.
const EXTENSIONS: &[(Rule, &[&str])] = &[
    (
        Harmless,
        &[
            // pgcrypto, uuid-ossp
            "armor",
            "crypt",
            "dearmor",
            "decrypt",
            "decrypt_iv",
            "digest",
            "encrypt",
            "encrypt_iv",
            "gen_random_bytes",
            "gen_salt",
            "hmac",
            "pgp_armor_headers",
            "pgp_key_id",
            "pgp_pub_decrypt",
            "pgp_pub_decrypt_bytea",
            "pgp_pub_encrypt",
            "pgp_pub_encrypt_bytea",
            "pgp_sym_decrypt",
            "pgp_sym_decrypt_bytea",
            "pgp_sym_encrypt",
            "pgp_sym_encrypt_bytea",
            "uuid_generate_v1",
            "uuid_generate_v1mc",
            "uuid_generate_v3",
            "uuid_generate_v4",
            "uuid_generate_v5",
            "uuid_nil",
            "uuid_ns_dns",
            "uuid_ns_oid",
            "uuid_ns_url",
            "uuid_ns_x500",
            // pg_trgm, unaccent, fuzzystrmatch
            "daitch_mokotoff",
            "difference",
            "dmetaphone",
            "dmetaphone_alt",
            "levenshtein",
            "levenshtein_less_equal",
            "metaphone",
            "set_limit",
            "show_limit",
            "show_trgm",
            "similarity",
            "soundex",
            "strict_word_similarity",
            "text_soundex",
            "unaccent",
            "word_similarity",
            // hstore, ltree, intarray, cube, earthdistance
            "akeys",
            "avals",
            "cube",
            "cube_dim",
            "cube_distance",
            "delete",
            "earth_box",
            "earth_distance",
            "each",
            "exist",
            "hstore",
            "hstore_to_array",
            "hstore_to_json",
            "hstore_to_jsonb",
            "hstore_to_matrix",
            "icount",
            "lca",
            "ll_to_earth",
            "nlevel",
            "skeys",
            "slice",
            "sort_asc",
            "sort_desc",
            "subltree",
            "subpath",
            "svals",
            "text2ltree",
            "ltree2text",
            "uniq",
            // vector
            "binary_quantize",
            "cosine_distance",
            "inner_product",
            "l1_distance",
            "l2_distance",
            "l2_norm",
            "l2_normalize",
            "subvector",
            "vector_dims",
            "vector_norm",
            // postgis
            "geometrytype",
            "st_area",
            "st_asewkb",
            "st_asewkt",
            "st_asgeojson",
            "st_asmvt",
            "st_asmvtgeom",
            "st_asbinary",
            "st_astext",
            "st_azimuth",
            "st_buffer",
            "st_centroid",
            "st_collect",
            "st_contains",
            "st_convexhull",
            "st_covers",
            "st_coveredby",
            "st_crosses",
            "st_difference",
            "st_disjoint",
            "st_distance",
            "st_distancesphere",
            "st_dwithin",
            "st_envelope",
            "st_equals",
            "st_extent",
            "st_geogfromtext",
            "st_geohash",
            "st_geometryfromtext",
            "st_geometrytype",
            "st_geomfromewkb",
            "st_geomfromewkt",
            "st_geomfromgeojson",
            "st_geomfromtext",
            "st_geomfromwkb",
            "st_intersection",
            "st_intersects",
            "st_isvalid",
            "st_length",
            "st_linefromtext",
            "st_makeenvelope",
            "st_makeline",
            "st_makepoint",
            "st_makepolygon",
            "st_makevalid",
            "st_npoints",
            "st_overlaps",
            "st_perimeter",
            "st_point",
            "st_pointfromtext",
            "st_polygonfromtext",
            "st_setsrid",
            "st_simplify",
            "st_srid",
            "st_tileenvelope",
            "st_touches",
            "st_transform",
            "st_union",
            "st_within",
            "st_x",
            "st_y",
            "st_z",
            // timescaledb's time_bucket, tablefunc's normal_rand
            "time_bucket",
            "time_bucket_gapfill",
            "normal_rand",
            // looks of pg_stat_statements, pgstattuple, pg_buffercache, pgrowlocks, pg_prewarm
            "pg_buffercache_pages",
            "pg_buffercache_summary",
            "pg_prewarm",
            "pg_relpages",
            "pg_stat_statements",
            "pg_stat_statements_info",
            "pgrowlocks",
            "pgstatginindex",
            "pgstathashindex",
            "pgstatindex",
            "pgstattuple",
            "pgstattuple_approx",
        ],
    ),
    (
        QueryText(0),
        &[
            "crosstab",
            "crosstab2",
            "crosstab3",
            "crosstab4",
            "crosstabn",
        ],
    ),
    (
        DBLINK,
        &["postgres_fdw_disconnect", "postgres_fdw_disconnect_all"],
    ),
    (
        Does(
            Escape,
            Verb::Execute,
            "reaches a file, a program, a network or another scheduler",
        ),
        &[
            "http",
            "http_delete",
            "http_get",
            "http_patch",
            "http_post",
            "http_put",
            "pg_file_rename",
            "pg_file_sync",
            "pg_file_unlink",
            "pg_file_write",
            "schedule",
            "schedule_in_database",
            "unschedule",
        ],
    ),
    (
        Does(
            Admin,
            Verb::Execute,
            "clears statistics, which ROLLBACK does not take back",
        ),
        &["pg_stat_statements_reset"],
    ),
];

const EXTENSION_OPERATORS: &[&str] = &[
    "%>", "%>>", "<%", "<<%", "<->>", "<<->", "<->>>", "<<<->", "<=>", "<#>", "<+>", "<~>", "<%>",
    "#=", "%%", "%#", "?~", "?@>", "?<@", "^@>", "^<@", "&&&", "<<|>>",
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::catalog::{Catalog, Volatility};
    use super::*;

    #[test]
    fn every_volatile_built_in_of_every_major_is_reviewed() {
        let stock = Catalog::stock(0);
        let missing: HashSet<&str> = stock
            .functions()
            .filter(|f| {
                f.is_system() && f.volatility == Volatility::Volatile && rule(&f.name).is_none()
            })
            .map(|f| &*f.name)
            .collect();
        assert!(missing.is_empty(), "not reviewed: {missing:?}");
    }

    #[test]
    fn the_table_names_only_what_exists() {
        let stock = Catalog::stock(0);
        for name in flat(SYSTEM).keys() {
            // `pg_read_file_old` and `pg_rotate_logfile_old` belong to the adminpack of older majors.
            assert!(
                !stock.functions_named(name).is_empty(),
                "{name} is nobody's function"
            );
        }
    }

    #[test]
    fn nothing_stands_twice() {
        for groups in [SYSTEM, EXTENSIONS] {
            let mut seen = HashSet::new();
            for name in groups.iter().flat_map(|(_, names)| names.iter()) {
                assert!(seen.insert(*name), "{name}");
            }
        }
    }

    #[test]
    fn system_operators_only_look() {
        let stock = Catalog::stock(0);
        for operator in stock.all_operators() {
            let function = stock.function(operator.function).unwrap();
            assert!(
                function.volatility != Volatility::Volatile,
                "{}",
                function.name
            );
        }
    }
}
