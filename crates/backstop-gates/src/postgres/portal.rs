//! FETCH and MOVE, which run a portal on by its name: of a portal that writes, they would act without an intent of
//! what it does (invariant 2), and during a freeze.

use backstop_wire::postgres::backend::Report;
use backstop_wire::postgres::session::Meaning as Known;
use backstop_wire::sql::StatementKind;

use super::error::report;
use super::judge::Judged;
use super::refusal;
use super::relay::Relay;

/// Whether it runs a portal by its name.
pub(super) fn fetches(judged: &Judged) -> bool {
    judged.any(|k| matches!(k, StatementKind::Fetch { .. }))
}

impl Relay<'_> {
    /// Why a FETCH cannot be sent. The session must be settled, if there is one in it.
    pub(super) fn fetches_a_write(&self, judged: &Judged) -> Option<Report> {
        let writes = |name: &str| match self.session.portal(name) {
            Known::Known(meaning) => meaning.judged.writes,
            Known::Unknown | Known::Unsettled => false,
        };
        judged
            .any(|k| matches!(k, StatementKind::Fetch { name } if writes(name)))
            .then(|| {
                report(
                    refusal::FORBIDDEN,
                    "a portal that writes cannot be run by FETCH or MOVE",
                )
                .hint("run it with an Execute message")
            })
    }
}
