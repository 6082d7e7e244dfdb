//! The reviewed table of PostgreSQL's settings: which of them a session may change without anybody asking.
//! It must not know what the gate does about the answer. A setting that stands nowhere here is not harmless.

/// What a change of a setting means to the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Touches this session's comfort only.
    Harmless,
    /// Changes which objects the names in later statements mean (`search_path`).
    Meaning,
    /// Changes whether later transactions may write; the gate keeps its own view of that.
    Transaction,
    /// Would let gate and server read the same bytes differently: refused, whoever asks.
    Refused,
    /// Changes rights, safeguards, logs or loaded code, or is not known here: `admin`.
    Held,
}

/// The class of setting `name` (lower case) to `values`; none is a reset to its default.
/// The second part says why, where the class is not harmless.
#[must_use]
pub fn classify(name: &str, values: Option<&[String]>) -> (Class, Option<&'static str>) {
    let value = values
        .and_then(<[String]>::first)
        .map(|v| v.trim().to_ascii_lowercase());
    match name {
        "search_path" => (Class::Meaning, Some("changes what names mean")),
        "client_encoding" => encoding(value.as_deref()),
        "standard_conforming_strings" => strings(value.as_deref()),
        "transaction_read_only" | "default_transaction_read_only" => read_only(value.as_deref()),
        "role" => identity(value.as_deref(), "none", "takes another role"),
        "session_authorization" => identity(value.as_deref(), "default", "takes another identity"),
        _ if HARMLESS.binary_search(&name).is_ok() => (Class::Harmless, None),
        _ if name.contains('.') => custom(name),
        _ => (
            Class::Held,
            Some("changes a setting that is not reviewed as harmless"),
        ),
    }
}

/// Whether changing `name` is judged by the value it gets.
#[must_use]
pub fn depends_on_value(name: &str) -> bool {
    matches!(
        name,
        "client_encoding"
            | "standard_conforming_strings"
            | "transaction_read_only"
            | "default_transaction_read_only"
            | "role"
            | "session_authorization"
            | "search_path"
    )
}

/// Whether reading `name` gives away a credential.
#[must_use]
pub fn reveals(name: &str) -> bool {
    matches!(name, "primary_conninfo" | "ssl_passphrase_command")
}

fn encoding(value: Option<&str>) -> (Class, Option<&'static str>) {
    let plain: Option<String> = value.map(|v| {
        v.chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
    });
    match plain.as_deref() {
        None | Some("utf8" | "unicode") => (Class::Harmless, None),
        Some(_) => (
            Class::Refused,
            Some("an encoding other than UTF8 would let gate and server read different texts"),
        ),
    }
}

fn strings(value: Option<&str>) -> (Class, Option<&'static str>) {
    match value {
        None => (Class::Harmless, None),
        Some(v) if is_on(v) => (Class::Harmless, None),
        Some(_) => (
            Class::Refused,
            Some("would let gate and server read string literals differently"),
        ),
    }
}

fn read_only(value: Option<&str>) -> (Class, Option<&'static str>) {
    match value {
        None => (Class::Transaction, None),
        Some(v) if is_on(v) => (Class::Transaction, None),
        Some(_) => (
            Class::Transaction,
            Some("asks for transactions that may write"),
        ),
    }
}

fn identity(value: Option<&str>, nobody: &str, why: &'static str) -> (Class, Option<&'static str>) {
    match value {
        None => (Class::Harmless, None),
        Some(v) if v == nobody => (Class::Harmless, None),
        Some(_) => (Class::Held, Some(why)),
    }
}

fn custom(name: &str) -> (Class, Option<&'static str>) {
    let prefix = name.split('.').next().unwrap_or_default();
    if GUARDING.contains(&prefix) {
        (
            Class::Held,
            Some("changes what is logged, audited or run by an extension"),
        )
    } else {
        (Class::Harmless, None)
    }
}

/// The spellings that PostgreSQL takes for true; anything else is not taken for it.
pub(super) fn is_on(value: &str) -> bool {
    matches!(
        value,
        "on" | "true" | "tru" | "tr" | "t" | "yes" | "ye" | "y" | "1"
    )
}

/// Extensions whose settings are safeguards or run code.
const GUARDING: &[&str] = &[
    "anon",
    "auto_explain",
    "cron",
    "credcheck",
    "pg_stat_statements",
    "pgaudit",
    "pgauditlogtofile",
    "pgsodium",
    "pgtle",
    "plperl",
    "plpython",
    "pltcl",
    "plv8",
    "rds",
    "set_user",
    "supautils",
    "vault",
];

/// Settings that touch the session's own comfort, plans or output only. Sorted.
const HARMLESS: &[&str] = &[
    "application_name",
    "array_nulls",
    "backend_flush_after",
    "backslash_quote",
    "bytea_output",
    "check_function_bodies",
    "client_connection_check_interval",
    "client_min_messages",
    "commit_siblings",
    "compute_query_id",
    "constraint_exclusion",
    "cpu_index_tuple_cost",
    "cpu_operator_cost",
    "cpu_tuple_cost",
    "cursor_tuple_fraction",
    "datestyle",
    "deadlock_timeout",
    "debug_parallel_query",
    "debug_pretty_print",
    "debug_print_parse",
    "debug_print_plan",
    "debug_print_rewritten",
    "default_statistics_target",
    "default_table_access_method",
    "default_tablespace",
    "default_text_search_config",
    "default_toast_compression",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "effective_cache_size",
    "effective_io_concurrency",
    "enable_async_append",
    "enable_bitmapscan",
    "enable_distinct_reordering",
    "enable_gathermerge",
    "enable_group_by_reordering",
    "enable_hashagg",
    "enable_hashjoin",
    "enable_incremental_sort",
    "enable_indexonlyscan",
    "enable_indexscan",
    "enable_material",
    "enable_memoize",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_parallel_append",
    "enable_parallel_hash",
    "enable_partition_pruning",
    "enable_partitionwise_aggregate",
    "enable_partitionwise_join",
    "enable_presorted_aggregate",
    "enable_self_join_elimination",
    "enable_seqscan",
    "enable_sort",
    "enable_tidscan",
    "escape_string_warning",
    "exit_on_error",
    "extra_float_digits",
    "file_copy_method",
    "force_parallel_mode",
    "from_collapse_limit",
    "geqo",
    "geqo_effort",
    "geqo_generations",
    "geqo_pool_size",
    "geqo_seed",
    "geqo_selection_bias",
    "geqo_threshold",
    "gin_fuzzy_search_limit",
    "gin_pending_list_limit",
    "hash_mem_multiplier",
    "icu_validation_level",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "io_combine_limit",
    "jit",
    "jit_above_cost",
    "jit_expressions",
    "jit_inline_above_cost",
    "jit_optimize_above_cost",
    "jit_tuple_deforming",
    "join_collapse_limit",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "logical_decoding_work_mem",
    "maintenance_io_concurrency",
    "maintenance_work_mem",
    "max_parallel_maintenance_workers",
    "max_parallel_workers",
    "max_parallel_workers_per_gather",
    "md5_password_warnings",
    "min_parallel_index_scan_size",
    "min_parallel_table_scan_size",
    "parallel_leader_participation",
    "parallel_setup_cost",
    "parallel_tuple_cost",
    "plan_cache_mode",
    "quote_all_identifiers",
    "random_page_cost",
    "recursive_worktable_factor",
    "restrict_nonsystem_relation_kind",
    "seed",
    "seq_page_cost",
    "statement_timeout",
    "stats_fetch_consistency",
    "synchronize_seqscans",
    "synchronous_commit",
    "tcp_keepalives_count",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_user_timeout",
    "temp_buffers",
    "temp_tablespaces",
    "timezone",
    "timezone_abbreviations",
    "trace_notify",
    "trace_sort",
    "track_io_timing",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_timeout",
    "vacuum_buffer_usage_limit",
    "vacuum_cost_delay",
    "vacuum_cost_limit",
    "vacuum_cost_page_dirty",
    "vacuum_cost_page_hit",
    "vacuum_cost_page_miss",
    "vacuum_failsafe_age",
    "vacuum_freeze_min_age",
    "vacuum_freeze_table_age",
    "vacuum_max_eager_freeze_failure_rate",
    "vacuum_multixact_failsafe_age",
    "vacuum_multixact_freeze_min_age",
    "vacuum_multixact_freeze_table_age",
    "vacuum_truncate",
    "wal_sender_timeout",
    "wal_skip_threshold",
    "work_mem",
    "xmlbinary",
    "xmloption",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str, value: &str) -> Class {
        classify(name, Some(&[value.to_owned()])).0
    }

    #[test]
    fn the_harmless_ones_are_sorted() {
        assert!(HARMLESS.is_sorted());
    }

    #[test]
    fn values_decide_where_they_must() {
        assert_eq!(class("client_encoding", "UTF-8"), Class::Harmless);
        assert_eq!(class("client_encoding", "SJIS"), Class::Refused);
        assert_eq!(class("standard_conforming_strings", "on"), Class::Harmless);
        assert_eq!(class("standard_conforming_strings", "off"), Class::Refused);
        assert_eq!(class("role", "none"), Class::Harmless);
        assert_eq!(class("role", "postgres"), Class::Held);
        assert_eq!(class("work_mem", "64MB"), Class::Harmless);
        assert_eq!(class("session_replication_role", "replica"), Class::Held);
        assert_eq!(class("pgaudit.log", "none"), Class::Held);
        assert_eq!(class("app.tenant", "7"), Class::Harmless);
    }
}
