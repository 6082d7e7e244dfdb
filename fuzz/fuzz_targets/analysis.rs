//! Any bytes as SQL: the analysis ends without a panic, and stays within the text.
//!
//! Run with `scripts/fuzz.sh 60 analysis`.

#![no_main]

use backstop_wire::sql::{self, Catalog, Session};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let path = ["public".to_owned()];
    let session = Session {
        search_path: &path,
        role: "agent",
        own_roles: &[],
        created: &[],
        prepared: &|_| None,
        parameter_types: &[],
    };
    if let Ok(script) = sql::analyse(text, &Catalog::stock(0), &session) {
        for statement in &script.statements {
            assert!(text.get(statement.range.clone()).is_some());
            assert!(statement.fragments.iter().all(|fragment| text.get(fragment.clone()).is_some()));
        }
    }
    let _ = sql::redact::redact(text);
});
