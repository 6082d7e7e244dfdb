//! The sentences about one lease.

use std::borrow::Cow;

use backstop_core::effect::Verb;
use backstop_core::lease::LeaseSpec;

use super::statement::{BACKSTOPS_OWN, Claim, DENY, HOLD, MEASURE, Statement};

/// The verbs that a scope can grant, by their words in policies.
const GRANTED: [(Verb, &str); 5] = [
    (Verb::Read, "read"),
    (Verb::Insert, "insert"),
    (Verb::Update, "update"),
    (Verb::Delete, "delete"),
    (Verb::Create, "create"),
];

/// What is true of every question that comes up under a lease's scopes, at its target, with or without a vault: a write
/// of what is not its own is in scope only by a verb that some scope grants. `asked.rs` holds it against questions as
/// the gate makes them.
pub(super) fn reach(spec: &LeaseSpec, vault: bool) -> String {
    let verbs = || spec.scopes.iter().flat_map(|scope| &scope.verbs);
    let in_scope: String = GRANTED
        .iter()
        // The catalogue is read by everybody.
        .filter(|(verb, _)| *verb == Verb::Read || verbs().any(|granted| granted.grants(*verb)))
        .map(|(_, word)| format!(" || context.verb == \"{word}\""))
        .collect();
    let measured = if vault {
        ""
    } else {
        " && !context.measurable && !context.measured"
    };
    format!(
        "context.environment == \"{}\" && \
         (context.kind != \"write\" || !context.inScope || context.own{in_scope}){measured}",
        spec.environment
    )
}

/// What is asked of one lease: of the questions that can come up under its scopes, at its target, with or without a
/// vault that keeps what is changed.
#[must_use]
pub fn of_lease(spec: &LeaseSpec, vault: bool) -> Vec<Statement> {
    let reach = reach(spec, vault);
    let mut out = vec![];
    let mut add = |id, claim: Claim, sentence: &'static str, about: &str| {
        out.push(Statement {
            id,
            sentence: Cow::Borrowed(sentence),
            about: Cow::Owned(format!("{reach} && {about}")),
            claim,
        });
    };
    add(
        "lease-destroys-nothing",
        HOLD,
        "Whatever this lease would destroy, beyond what is its own, waits for a person.",
        "context.kind == \"destroy\" && !context.own",
    );
    if vault {
        add(
            "lease-writes-are-measured",
            MEASURE,
            "Whatever this lease writes is measured before COMMIT, unless it waits for a person.",
            "context.kind == \"write\" && !context.own && context.measurable",
        );
        add(
            "lease-loses-nothing",
            HOLD,
            "Nothing that this lease overwrites or deletes is committed before the old rows are in the vault.",
            "context.kind == \"write\" && !context.own && context.measured && !context.recoverable",
        );
    } else {
        add(
            "lease-loses-nothing",
            HOLD,
            "Whatever this lease would overwrite or delete waits for a person: nothing is kept of it.",
            "context.kind == \"write\" && !context.own && \
             context.verb != \"insert\" && context.verb != \"read\" && context.verb != \"create\"",
        );
    }
    add(
        "lease-unknown-waits",
        HOLD,
        "What this lease does that the gate does not know and cannot measure waits for a person.",
        "!context.complete && !context.measurable",
    );
    add(
        "lease-gains-nothing",
        HOLD,
        "Whatever of this lease changes rights or code, or reaches beyond the database, waits for a person.",
        "(context.kind == \"admin\" || context.kind == \"escape\")",
    );
    add(
        "lease-reaches-no-safeguard",
        DENY,
        "This lease cannot change Backstop itself, whoever approves.",
        BACKSTOPS_OWN,
    );
    out
}
