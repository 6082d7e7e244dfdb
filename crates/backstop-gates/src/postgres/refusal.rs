//! What a client is told when it does not get what it asked for: stable codes, a sentence, a hint, and a
//! detail that a program can read. Nothing of the inside is in it.

use backstop_core::hold::Hold;
use backstop_core::verdict::Verdict;
use backstop_wire::postgres::backend::{Report, Severity, SqlState};

use super::error::report;

/// Waiting for people: ask again after the approval.
pub const HELD: &str = "BK001";
/// A person said no.
pub const DENIED: &str = "BK002";
/// A policy said no.
pub const FORBIDDEN: &str = "BK003";
/// The lease is halted, frozen or over.
pub const HALTED: &str = "BK004";

/// The notice that goes out at once.
pub(crate) fn held_notice(hold: &Hold, url: &str, seconds: u64) -> Report {
    Report::new(
        Severity::Notice,
        SqlState::new("01000").unwrap_or(SqlState::UNKNOWN),
        format!(
            "held as {}: {}; waiting up to {seconds} s for a person",
            hold.id, hold.reason
        ),
    )
    .detail(detail("held", &hold.id, url))
    .hint(format!("a person can decide at {url}"))
}

/// Nobody decided in time.
pub(crate) fn held(hold: &Hold, url: &str, why: &str) -> Report {
    report(HELD, format!("held as {}: {}{why}", hold.id, hold.reason))
        .detail(detail("held", &hold.id, url))
        .hint(format!(
            "nothing has run; a person can decide at {url}; after the approval send exactly the same statement again"
        ))
}

/// A person said no.
pub(crate) fn denied(hold: &Hold, reason: &str, url: &str) -> Report {
    let words = if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    };
    report(DENIED, format!("a person denied this action{words}"))
        .detail(detail("denied", &hold.id, url))
        .hint("do not ask for it again; do what the person says, or stop and report")
}

/// A policy said no.
pub(crate) fn forbidden(verdict: &Verdict) -> Report {
    let code = if verdict.rule == "out-of-scope-read" {
        "42501"
    } else {
        FORBIDDEN
    };
    report(code, format!("denied: {}", verdict.reason))
        .detail(format!(
            "{{\"backstop\":\"denied\",\"rule\":\"{}\"}}",
            verdict.rule
        ))
        .hint("ask a person for a lease whose scope names this")
}

/// The lease cannot act.
pub(crate) fn halted(why: &str) -> Report {
    let why = if why.is_empty() {
        "the lease has expired"
    } else {
        why
    };
    report(HALTED, format!("halted: {why}"))
        .detail("{\"backstop\":\"halted\"}")
        .hint("stop what you are doing and tell the person you work for; only a passkey resumes this lease")
}

/// Something inside failed: nothing has run. The inside stays in the log.
pub(crate) fn broken() -> Report {
    report("58000", "the gate cannot do this now, and nothing has run")
        .hint("tell the person who runs Backstop; its log says why")
}

fn detail(word: &str, hold: &str, url: &str) -> String {
    format!("{{\"backstop\":\"{word}\",\"hold\":\"{hold}\",\"url\":\"{url}\"}}")
}
