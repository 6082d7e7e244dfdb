//! What is taken for granted of questions, held against questions as the gate makes them.

use std::str::FromStr as _;

use backstop_core::effect::{Analysis, Bound, Effect, EffectKind, Verb};
use backstop_core::lease::{Lease, LeaseSpec};
use backstop_core::measure::{Limits, Measured};
use backstop_core::policy::{Asker, Policy, Question};
use backstop_core::scope::Scope;
use backstop_core::target::Environment;
use backstop_core::verdict::Decision;
use cedar_policy::{Authorizer, Entities, PolicySet};
use proptest::prelude::*;

use super::of_lease::reach;
use super::statement::{Claim, FACTS, Statement, everywhere};

const KINDS: [EffectKind; 7] = [
    EffectKind::Read,
    EffectKind::Define,
    EffectKind::Write,
    EffectKind::Destroy,
    EffectKind::Reveal,
    EffectKind::Admin,
    EffectKind::Escape,
];
const VERBS: [Verb; 10] = [
    Verb::Read,
    Verb::Insert,
    Verb::Update,
    Verb::Delete,
    Verb::Truncate,
    Verb::Create,
    Verb::Alter,
    Verb::Drop,
    Verb::Execute,
    Verb::Other,
];
const ENVIRONMENTS: [Environment; 3] = [
    Environment::Production,
    Environment::Staging,
    Environment::Development,
];

const SCOPES: [&str; 8] = [
    "read",
    "insert:public.t",
    "update",
    "delete:public.*",
    "create:public.*",
    "temp",
    "read,insert,update,delete",
    "update:other.t",
];

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..3_u64,
        Just(1_000),
        Just(1_001),
        Just(u64::MAX),
        any::<u64>()
    ]
}

fn effect() -> impl Strategy<Value = Effect> {
    let bound = prop_oneof![
        Just(Bound::Structure),
        Just(Bound::Unbounded),
        number().prop_map(Bound::Rows),
    ];
    let object = prop::option::of(prop_oneof![
        Just("public.t".to_owned()),
        Just("other.t".to_owned()),
        Just("t".to_owned()),
        Just("pg_temp.t".to_owned()),
        Just("backstop_kept".to_owned()),
        Just("current_user".to_owned()),
        any::<String>(),
    ]);
    (
        prop::sample::select(&KINDS[..]),
        prop::sample::select(&VERBS[..]),
        object,
        bound,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(kind, verb, object, bound, own, system, safeguard)| Effect {
                own,
                system,
                safeguard,
                ..Effect::new(kind, verb, object).bounded(bound)
            },
        )
}

fn analysis() -> impl Strategy<Value = Analysis> {
    let why = || prop_oneof![Just(vec![]), Just(vec!["code".to_owned()])];
    (prop::collection::vec(effect(), 0..3), why(), why()).prop_map(
        |(effects, incomplete, unseen)| Analysis {
            effects,
            incomplete,
            unseen,
            transactional: true,
        },
    )
}

fn spec() -> impl Strategy<Value = LeaseSpec> {
    let scopes = prop::collection::vec(prop::sample::select(&SCOPES[..]), 0..3);
    (scopes, prop::sample::select(&ENVIRONMENTS[..])).prop_map(|(scopes, environment)| LeaseSpec {
        target: "shop".into(),
        environment,
        task: "a test".into(),
        ttl_seconds: 60,
        scopes: scopes.iter().map(|s| Scope::from_str(s).unwrap()).collect(),
        also: vec![],
        parent: None,
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    (number(), any::<u32>(), number(), number(), number()).prop_map(
        |(rows, share, few, lease_rows, target_rows)| Limits {
            rows,
            share,
            few,
            lease_rows,
            target_rows,
            ..Limits::default()
        },
    )
}

fn measured() -> impl Strategy<Value = Measured> {
    (any::<u32>(), number(), number(), any::<bool>()).prop_map(
        |(share, lease_rows, target_rows, recoverable)| Measured {
            share,
            lease_rows,
            target_rows,
            recoverable,
        },
    )
}

fn lease(spec: LeaseSpec) -> Lease {
    Lease {
        id: "lease_a".into(),
        spec,
        person: "Kim".into(),
        created_ms: 0,
        expires_ms: 60_000,
        verifier: String::new(),
    }
}

fn holds(set: &PolicySet, question: &Question) -> bool {
    let request = question.request().unwrap();
    let answer = Authorizer::new().is_authorized(&request, set, &Entities::empty());
    assert_eq!(answer.diagnostics().errors().count(), 0);
    answer.decision() == cedar_policy::Decision::Allow
}

fn set(expression: &str) -> PolicySet {
    PolicySet::from_str(&format!(
        "permit (principal, action, resource) when {{ {expression} }};"
    ))
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_question_that_is_put_fits_what_is_taken_for_granted(
        spec in spec(),
        analysis in analysis(),
        limits in prop::option::of(limits()),
        measured in measured(),
    ) {
        let lease = lease(spec);
        let asker = |lease| Asker {
            lease,
            target: "shop",
            environment: lease.map_or(Environment::Production, |l: &Lease| l.spec.environment),
            limits,
        };
        let facts = set(FACTS);
        let reach = set(&reach(&lease.spec, limits.is_some()));
        for question in Question::all_of(asker(None), &analysis) {
            prop_assert!(holds(&facts, &question), "{question:?}");
        }
        for question in Question::all_of(asker(Some(&lease)), &analysis) {
            prop_assert!(holds(&facts, &question) && holds(&reach, &question), "{question:?}");
            if limits.is_some() {
                let after = question.after(measured);
                prop_assert!(holds(&facts, &after) && holds(&reach, &after), "{after:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    // What is proved of a policy set is about what it answers: the authorizer is asked the same.
    #[test]
    fn what_is_proved_of_the_default_policies_is_what_they_answer(
        spec in spec(),
        analysis in analysis(),
        limits in limits(),
        measured in measured(),
    ) {
        let lease = lease(spec);
        let asker = Asker {
            lease: Some(&lease),
            target: "shop",
            environment: lease.spec.environment,
            limits: Some(limits),
        };
        DEFAULT.with(|(policy, claims)| {
            for question in Question::all_of(asker, &analysis) {
                for question in [question.clone(), question.after(measured)] {
                    let verdict = policy.judge_one(&question);
                    prop_assert!(
                        !["not-permitted", "policy-error"].contains(&verdict.rule.as_str()),
                        "{question:?}"
                    );
                    let got = (verdict.decision, verdict.people);
                    for (id, about, least) in claims {
                        prop_assert!(
                            got >= *least || !holds(about, &question),
                            "{id}: {question:?} {verdict:?}"
                        );
                    }
                }
            }
            Ok(())
        })?;
    }
}

/// A sentence's name, the questions that it is about, and the mildest verdict that it allows.
type Least = (&'static str, PolicySet, (Decision, u8));

thread_local! {
    static DEFAULT: (Policy, Vec<Least>) = {
        let least = |statement: Statement| match statement.claim {
            Claim::AtLeast(decision, people) => {
                Some((statement.id, set(&statement.about), (decision, people)))
            }
            _ => None,
        };
        let claims = everywhere().into_iter().filter_map(least).collect();
        (Policy::with("").unwrap(), claims)
    };
}
