//! What the policies say to what a lease could ask for: every kind of act, on every sort of object that it can meet.
//!
//! An enumeration, for people to read; that nothing else passes either is what the proofs are for.

use std::collections::BTreeSet;

use backstop_core::effect::{Analysis, Bound, Effect, EffectKind, Verb};
use backstop_core::measure::{Limits, Measured};
use backstop_core::policy::{Asker, Policy};
use backstop_core::scope::{Scope, ScopeVerb};
use backstop_core::verdict::Verdict;
use serde::Serialize;

use super::Held;
use crate::postgres::Object;

/// Tables that are asked about by name.
const TABLES: usize = 40;

/// One answer.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// On what: in words.
    pub on: String,
    /// What is done: in words.
    pub act: String,
    /// The effect's kind.
    pub kind: EffectKind,
    /// Its verb.
    pub verb: Verb,
    /// The object that the policies were asked about.
    pub object: Option<String>,
    /// What they say.
    #[serde(flatten)]
    pub verdict: Verdict,
}

struct Thing {
    on: String,
    object: Option<String>,
    own: bool,
}

/// What is done to a thing that has a name.
const ACTS: &[(&str, EffectKind, Verb)] = &[
    ("read", EffectKind::Read, Verb::Read),
    ("insert", EffectKind::Write, Verb::Insert),
    ("update", EffectKind::Write, Verb::Update),
    ("delete", EffectKind::Write, Verb::Delete),
    ("truncate", EffectKind::Destroy, Verb::Truncate),
    ("drop", EffectKind::Destroy, Verb::Drop),
    ("change with loss", EffectKind::Destroy, Verb::Alter),
    ("create", EffectKind::Define, Verb::Create),
    ("change its structure", EffectKind::Define, Verb::Alter),
    ("change its rights or code", EffectKind::Admin, Verb::Other),
];

/// What has no object.
const OTHER: &[(&str, EffectKind, Verb)] = &[
    (
        "change roles, rights or settings",
        EffectKind::Admin,
        Verb::Other,
    ),
    (
        "reach files, programs, slots or other servers",
        EffectKind::Escape,
        Verb::Execute,
    ),
    ("show a credential", EffectKind::Reveal, Verb::Read),
];

/// All answers, by thing.
pub(super) fn all(asker: Asker<'_>, held: &Held, policy: &Policy) -> Vec<Answer> {
    let mut out = vec![];
    for thing in things(held) {
        for (act, kind, verb) in ACTS {
            ask(&mut out, asker, policy, &thing, (act, *kind, *verb));
        }
    }
    let server = Thing {
        on: "the server".into(),
        object: None,
        own: false,
    };
    for (act, kind, verb) in OTHER {
        ask(&mut out, asker, policy, &server, (act, *kind, *verb));
    }
    for (act, unseen) in [
        ("run code that a measurement shows", false),
        ("run code that no measurement shows", true),
    ] {
        let why = vec!["unknown code".to_owned()];
        let analysis = Analysis {
            effects: vec![Effect::new(EffectKind::Write, Verb::Execute, None)],
            incomplete: why.clone(),
            unseen: if unseen { why } else { vec![] },
            transactional: true,
        };
        let verdict = policy.judge(asker, &analysis);
        out.push(answer(
            &server,
            act.to_owned(),
            (EffectKind::Write, Verb::Execute),
            verdict,
        ));
    }
    out
}

fn ask(
    out: &mut Vec<Answer>,
    asker: Asker<'_>,
    policy: &Policy,
    thing: &Thing,
    (act, kind, verb): (&str, EffectKind, Verb),
) {
    let effect = |bound| {
        let mut effect = Effect::new(kind, verb, thing.object.clone()).bounded(bound);
        effect.own = thing.own;
        Analysis {
            effects: vec![effect],
            incomplete: vec![],
            unseen: vec![],
            transactional: true,
        }
    };
    let mut say = |act: String, verdict| {
        out.push(answer(thing, act, (kind, verb), verdict));
    };
    if kind != EffectKind::Write {
        say(
            act.to_owned(),
            policy.judge(asker, &effect(Bound::Structure)),
        );
        return;
    }
    let Some(limits) = asker.limits else {
        for (rows, bound) in [
            ("a row", Bound::Rows(1)),
            ("any number of rows", Bound::Unbounded),
        ] {
            say(format!("{act} {rows}"), policy.judge(asker, &effect(bound)));
        }
        return;
    };
    // By its text first; a verdict `measure` is followed by another, on what it did.
    let by_text = policy.judge(asker, &effect(Bound::Unbounded));
    say(format!("{act} rows"), by_text);
    for (words, rows, measured) in measurements(limits) {
        let verdict = policy.judge_measured(asker, &effect(Bound::Rows(rows)), &[measured]);
        say(format!("{act} rows, {words}"), verdict);
    }
}

fn measurements(limits: Limits) -> [(&'static str, u64, Measured); 3] {
    let little = Measured {
        share: 0,
        lease_rows: 1,
        target_rows: 1,
        recoverable: true,
    };
    [
        ("measured within the limits", 1, little),
        (
            "measured beyond the limits",
            limits.rows.saturating_add(1),
            little,
        ),
        (
            "measured and not in the vault",
            1,
            Measured {
                recoverable: false,
                ..little
            },
        ),
    ]
}

fn answer(
    thing: &Thing,
    act: String,
    (kind, verb): (EffectKind, Verb),
    verdict: Verdict,
) -> Answer {
    Answer {
        on: thing.on.clone(),
        act,
        kind,
        verb,
        object: thing.object.clone(),
        verdict,
    }
}

/// The sorts of objects that it can meet.
fn things(held: &Held) -> Vec<Thing> {
    let scopes = &held.lease.spec.scopes;
    let mut out: Vec<Thing> = scopes
        .iter()
        .map(|scope| Thing {
            on: format!("what `{scope}` names"),
            object: Some(an_object_of(scope)),
            own: false,
        })
        .collect();
    let mut tables = BTreeSet::new();
    for road in held.audit.iter().flat_map(|audit| &audit.roads) {
        if let Object::Table { schema, name } | Object::View { schema, name } = &road.object {
            tables.insert(format!("{}.{}", quoted(schema), quoted(name)));
        }
    }
    out.extend(tables.into_iter().take(TABLES).map(|table| Thing {
        on: format!("`{table}`"),
        object: Some(table),
        own: false,
    }));
    if !scopes.iter().any(|scope| scope.schema.is_none()) {
        out.push(Thing {
            on: "what no scope names".into(),
            object: Some("some_other_schema.some_other_table".into()),
            own: false,
        });
    }
    let made = scopes.iter().find(|scope| {
        scope.verbs.contains(&ScopeVerb::Create) || scope.verbs.contains(&ScopeVerb::Temp)
    });
    if let Some(scope) = made {
        let object = if scope.verbs.contains(&ScopeVerb::Create) {
            an_object_of(scope)
        } else {
            "pg_temp.some_table".into()
        };
        out.push(Thing {
            on: "what it made itself".into(),
            object: Some(object),
            own: true,
        });
    }
    out.push(Thing {
        on: "Backstop's own".into(),
        object: Some("backstop_kept".into()),
        own: false,
    });
    out
}

fn an_object_of(scope: &Scope) -> String {
    let part = |part: Option<&str>, any: &str| quoted(part.unwrap_or(any));
    format!(
        "{}.{}",
        part(scope.schema.as_deref(), "some_schema"),
        part(scope.name.as_deref(), "some_table")
    )
}

/// A name as PostgreSQL prints it. Quotes that it would not need are never left out where it needs them.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c == '_';
    let simple = name.chars().next().is_some_and(plain)
        && name.chars().all(|c| plain(c) || c.is_ascii_digit());
    if simple {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
