//! A GraphQL API that no pack knows: by the kind of operation and the names of its root fields.
//!
//! It does not read documents: what a document asks for is handed in.

use backstop_core::effect::{Bound, Effect, EffectKind, Verb};

use super::words;
use crate::providers::pack::{Call, add_effect};
use crate::providers::{Knowledge, Operation, Reading};
use crate::sql::ident;

/// The pack's name.
pub const NAME: &str = "generic-graphql";

/// What root fields do, as far as their names tell.
#[must_use]
pub fn read(calls: &[Call<'_>]) -> Reading {
    let mut reading = Reading {
        provider: NAME.to_owned(),
        ..Reading::default()
    };
    if calls.is_empty() {
        let what = "it asks for no field that could be read";
        reading.analysis.incomplete.push(what.to_owned());
    }
    for call in calls {
        field(call, &mut reading);
    }
    reading
}

/// What one root field does, added to a reading.
pub fn field(call: &Call<'_>, reading: &mut Reading) {
    let incomplete = &mut reading.analysis.incomplete;
    let does = match call.kind {
        "query" | "subscription" => {
            if words::acts(call.field) {
                incomplete.push(format!(
                    "`{}` should only look, but is the name of an action",
                    call.field
                ));
            }
            "Reads, by its kind."
        }
        "mutation" if words::destroys(call.field) => "Destroys, by its name.",
        kind => {
            incomplete.push(match kind {
                "mutation" => format!("a generic API: what `{}` does is not known", call.field),
                _ => format!("`{}` is of no kind that GraphQL has", call.field),
            });
            "Changes something, by its kind."
        }
    };
    let reveals = is_credential(call);
    effects(call, reveals, &mut reading.analysis.effects);
    reading.operations.push(Operation {
        name: call.field.to_owned(),
        knowledge: Knowledge::Generic,
        does: does.to_owned(),
        along: Vec::new(),
        grace: None,
        preview: None,
        reveals: match reveals {
            true => vec![format!("/data/{}", call.field)],
            false => Vec::new(),
        },
    });
}

fn effects(call: &Call<'_>, reveals: bool, into: &mut Vec<Effect>) {
    let object = || format!("{}.{}", call.kind, ident(call.field));
    let looks = matches!(call.kind, "query" | "subscription");
    if reveals {
        let why = "by its name, what it answers is a credential";
        add_effect(
            Effect::new(EffectKind::Reveal, Verb::Read, object()).because(why),
            into,
        );
    }
    match (looks, reveals) {
        (true, true) => {}
        (true, false) => add_effect(Effect::new(EffectKind::Read, Verb::Read, object()), into),
        (false, _) if words::destroys(call.field) => {
            add_effect(Effect::new(EffectKind::Destroy, Verb::Drop, object()), into);
        }
        (false, _) => add_effect(
            Effect::new(EffectKind::Write, Verb::Other, object()).bounded(Bound::Unbounded),
            into,
        ),
    }
}

/// By the field's own name, and by the names of what is selected below it.
fn is_credential(call: &Call<'_>) -> bool {
    let credential = |name: &&str| words::is_credential_field(name);
    words::is_credential(call.field) || call.selects.iter().any(credential)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::providers::pack::words_of;

    fn of(kind: &str, field: &str, selects: &[&str]) -> Reading {
        read(&[Call {
            kind,
            field,
            arguments: &Value::Null,
            selects,
        }])
    }

    #[test]
    fn by_kind_and_name() {
        for (kind, field, selects, effects, complete) in [
            (
                "query",
                "projects",
                &["id"][..],
                &["read read query.projects"][..],
                true,
            ),
            (
                "query",
                "deleteAll",
                &[],
                &["read read query.\"deleteAll\""],
                false,
            ),
            (
                "query",
                "project",
                &["id", "tokens"],
                &["reveal read query.project"],
                true,
            ),
            (
                "mutation",
                "volumeDelete",
                &[],
                &["destroy drop mutation.\"volumeDelete\""],
                true,
            ),
            (
                "mutation",
                "tokenCreate",
                &[],
                &[
                    "reveal read mutation.\"tokenCreate\"",
                    "write other mutation.\"tokenCreate\" (unbounded)",
                ],
                false,
            ),
            (
                "mutation",
                "userUpdate",
                &[],
                &["write other mutation.\"userUpdate\" (unbounded)"],
                false,
            ),
            (
                "subscription",
                "logs",
                &[],
                &["read read subscription.logs"],
                true,
            ),
            (
                "extend",
                "logs",
                &[],
                &["write other extend.logs (unbounded)"],
                false,
            ),
        ] {
            let reading = of(kind, field, selects);
            let words: Vec<_> = reading.analysis.effects.iter().map(words_of).collect();
            assert_eq!(words, effects, "{kind} {field}");
            assert_eq!(reading.analysis.is_complete(), complete, "{kind} {field}");
        }
        assert!(!read(&[]).analysis.is_complete());
    }
}
