//! Policy: Cedar decides each effect of an action, the strictest answer counts.
//!
//! Must not enforce anything, and must not decide on what an agent says: its only inputs are facts
//! that the gate found (invariant 6). What Cedar cannot evaluate is denied (invariants 1 and 7).

mod question;
mod softened;

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{PoisonError, RwLock};

use cedar_policy::{Authorizer, Entities, PolicyId, PolicySet, Schema, ValidationMode, Validator};

use crate::digest::Digest;
use crate::effect::Analysis;
use crate::measure::Measured;
use crate::verdict::{Decision, Verdict};
use question::questions;

pub use question::{Asker, Question};

/// The default policies, which need no editing.
pub const DEFAULT: &str = include_str!("../policies/default.cedar");
/// The schema that every policy must fit.
pub const SCHEMA: &str = include_str!("../policies/backstop.cedarschema");
/// How many different questions are remembered before the memory starts afresh.
const REMEMBERED: usize = 16_384;

/// A policy set that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It is not Cedar.
    #[error("the policies cannot be read: {0}")]
    Syntax(String),
    /// It does not fit the schema.
    #[error("the policies do not fit the schema: {0}")]
    Schema(String),
    /// A policy lacks or misuses an annotation.
    #[error("policy `{policy}`: {problem}")]
    Annotation {
        /// The policy.
        policy: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// A validated policy set.
pub struct Policy {
    set: PolicySet,
    rules: HashMap<PolicyId, Rule>,
    version: Digest,
    memory: RwLock<HashMap<Question, Verdict>>,
}

#[derive(Debug, Clone)]
struct Rule {
    id: String,
    decision: Decision,
    people: u8,
    reason: String,
}

/// A rule of a policy set: a policy of Cedar's, and what it decides when it is the one that counts.
#[derive(Debug, Clone, Copy)]
pub struct RuleView<'a> {
    /// Its `@id`.
    pub id: &'a str,
    /// What it decides.
    pub decision: Decision,
    /// How many people a hold of it takes; 0 for every other decision.
    pub people: u8,
    /// The policy itself.
    pub cedar: &'a cedar_policy::Policy,
}

impl Policy {
    /// The default set, with `more` policies after it. The default `production-safeguards` may be repeated in `more` with
    /// `@verdict("hold")` for two people or more, and is replaced by that.
    ///
    /// # Errors
    /// When `more` is not Cedar, does not fit the schema, or lacks `@id`.
    pub fn with(more: &str) -> Result<Self, PolicyError> {
        Self::exactly(&format!("{}\n{more}", softened::default_for(more)?))
    }

    /// These policies and no others. No gate runs such a set: it is for asking what a changed set would say.
    ///
    /// # Errors
    /// As [`Policy::with`].
    pub fn exactly(text: &str) -> Result<Self, PolicyError> {
        let parsed = PolicySet::from_str(text).map_err(|e| PolicyError::Syntax(explain(&e)))?;
        let (schema, _) =
            Schema::from_cedarschema_str(SCHEMA).map_err(|e| PolicyError::Schema(e.to_string()))?;
        let result = Validator::new(schema).validate(&parsed, ValidationMode::Strict);
        if !result.validation_passed() {
            let all: Vec<String> = result
                .validation_errors()
                .map(ToString::to_string)
                .collect();
            return Err(PolicyError::Schema(all.join("; ")));
        }
        let mut rules: HashMap<PolicyId, Rule> = HashMap::new();
        for policy in parsed.policies() {
            let rule = Rule::of(policy)?;
            if rules.values().any(|r| r.id == rule.id) {
                return Err(PolicyError::Annotation {
                    policy: rule.id,
                    problem: "its `@id` is used twice".into(),
                });
            }
            rules.insert(policy.id().clone(), rule);
        }
        Ok(Self {
            set: parsed,
            rules,
            version: Digest::of(text.as_bytes()),
            memory: RwLock::default(),
        })
    }

    /// The digest of the policies: approvals are bound to it.
    #[must_use]
    pub const fn version(&self) -> Digest {
        self.version
    }

    /// The rules, in no order.
    pub fn rules(&self) -> impl Iterator<Item = RuleView<'_>> {
        self.set.policies().filter_map(|cedar| {
            let rule = self.rules.get(cedar.id())?;
            Some(RuleView {
                id: &rule.id,
                decision: rule.decision,
                people: rule.people,
                cedar,
            })
        })
    }

    /// The verdict on one effect alone. An action's verdict is the strictest of those on its effects.
    pub fn judge_one(&self, question: &Question) -> Verdict {
        self.ask_cedar(question)
    }

    /// The verdict on an action with these effects.
    pub fn judge(&self, asker: Asker<'_>, analysis: &Analysis) -> Verdict {
        self.strictest(questions(asker, analysis), analysis)
    }

    /// The verdict on what a transaction was measured to have done: of each effect, in the same order, what is
    /// known besides.
    pub fn judge_measured(
        &self,
        asker: Asker<'_>,
        analysis: &Analysis,
        measured: &[Measured],
    ) -> Verdict {
        let mut questions = questions(asker, analysis);
        for (question, measured) in questions.iter_mut().zip(measured) {
            *question = question.after(*measured);
        }
        self.strictest(questions, analysis)
    }

    fn strictest(&self, questions: Vec<Question>, analysis: &Analysis) -> Verdict {
        let mut worst: Option<Verdict> = None;
        for question in questions {
            let verdict = if question.measured.is_some() {
                // Its numbers hardly come again.
                self.ask_cedar(&question)
            } else {
                self.answer(&question)
            };
            let stricter = worst
                .as_ref()
                .is_none_or(|w| (verdict.decision, verdict.people) > (w.decision, w.people));
            if stricter {
                worst = Some(verdict);
            }
        }
        let mut verdict = worst.unwrap_or_else(nothing_to_judge);
        if verdict.rule == "unknown"
            && let Some(why) = analysis.incomplete.first()
        {
            verdict.reason = format!("{}: {why}", verdict.reason);
        }
        verdict
    }

    fn answer(&self, question: &Question) -> Verdict {
        let read = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.get(question) {
            return known.clone();
        }
        drop(read);
        let verdict = self.ask_cedar(question);
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        if memory.len() >= REMEMBERED {
            memory.clear();
        }
        memory.insert(question.clone(), verdict.clone());
        verdict
    }

    fn ask_cedar(&self, question: &Question) -> Verdict {
        let Some(request) = question.request() else {
            return broken("the question cannot be put to the policies");
        };
        let response = Authorizer::new().is_authorized(&request, &self.set, &Entities::empty());
        // Cedar skips a policy that fails to evaluate; a skipped `forbid` must not become an allow.
        if response.diagnostics().errors().next().is_some() {
            return broken("a policy cannot be evaluated");
        }
        let mut reasons: Vec<&Rule> = response
            .diagnostics()
            .reason()
            .filter_map(|id| self.rules.get(id))
            .collect();
        reasons.sort_by(|a, b| {
            (b.decision, b.people)
                .cmp(&(a.decision, a.people))
                .then(a.id.cmp(&b.id))
        });
        match (response.decision(), reasons.first()) {
            (cedar_policy::Decision::Allow, Some(rule)) if rule.decision <= Decision::Measure => {
                rule.verdict()
            }
            (cedar_policy::Decision::Deny, Some(rule)) if rule.decision >= Decision::Hold => {
                rule.verdict()
            }
            (cedar_policy::Decision::Deny, None) => unpermitted(question),
            _ => broken("the policies gave no usable answer"),
        }
    }
}

impl Rule {
    fn of(policy: &cedar_policy::Policy) -> Result<Self, PolicyError> {
        let note = |key: &str| policy.annotation(key).map(str::to_owned);
        let id = note("id").ok_or_else(|| PolicyError::Annotation {
            policy: policy.id().to_string(),
            problem: "it has no `@id`; hint: write `@id(\"some-name\")` above it".into(),
        })?;
        let wrong = |problem: String| PolicyError::Annotation {
            policy: id.clone(),
            problem,
        };
        let permit = policy.effect() == cedar_policy::Effect::Permit;
        let decision = match (permit, note("verdict").as_deref()) {
            (true, None | Some("allow")) => Decision::Allow,
            (true, Some("measure")) => Decision::Measure,
            (false, Some("hold")) => Decision::Hold,
            (false, None | Some("deny")) => Decision::Deny,
            (false, Some("halt")) => Decision::Halt,
            (_, Some(other)) => {
                let can = if permit {
                    "a permit can `allow` or `measure`"
                } else {
                    "a forbid can `hold`, `deny` or `halt`"
                };
                return Err(wrong(format!(
                    "`@verdict(\"{other}\")` does not fit: {can}"
                )));
            }
        };
        let people = match note("people") {
            None => u8::from(decision == Decision::Hold),
            Some(n) => n
                .parse()
                .ok()
                .filter(|n| (1..=9).contains(n))
                .ok_or_else(|| wrong(format!("`@people(\"{n}\")` is not a number from 1 to 9")))?,
        };
        let people = if decision == Decision::Hold {
            people
        } else {
            0
        };
        let reason = note("reason").unwrap_or_else(|| format!("policy `{id}` decided it"));
        Ok(Self {
            id,
            decision,
            people,
            reason,
        })
    }

    fn verdict(&self) -> Verdict {
        Verdict {
            decision: self.decision,
            rule: self.id.clone(),
            reason: self.reason.clone(),
            people: self.people,
        }
    }
}

fn nothing_to_judge() -> Verdict {
    broken("there is nothing to judge")
}

fn broken(reason: &str) -> Verdict {
    Verdict {
        decision: Decision::Deny,
        rule: "policy-error".into(),
        reason: reason.into(),
        people: 0,
    }
}

fn unpermitted(question: &Question) -> Verdict {
    Verdict {
        decision: Decision::Deny,
        rule: "not-permitted".into(),
        reason: format!("no policy permits `{}` here", question.kind),
        people: 0,
    }
}

fn explain<E: std::error::Error>(error: &E) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{Bound, Effect, EffectKind, Verb};
    use crate::lease::Lease;
    use crate::measure::Limits;
    use crate::target::Environment;

    fn analysis(kind: EffectKind, verb: Verb, bound: Bound) -> Analysis {
        Analysis {
            effects: vec![Effect::new(kind, verb, Some("public.t".to_owned())).bounded(bound)],
            incomplete: vec![],
            unseen: vec![],
            transactional: true,
        }
    }

    fn judge(environment: Environment, a: &Analysis) -> Verdict {
        let policy = Policy::with("").unwrap();
        policy.judge(
            Asker {
                lease: None,
                target: "t",
                environment,
                limits: None,
            },
            a,
        )
    }

    #[test]
    fn production_defaults() {
        use Environment::Production;
        let cases = [
            (
                EffectKind::Read,
                Verb::Read,
                Bound::Structure,
                Decision::Allow,
                0,
            ),
            (
                EffectKind::Write,
                Verb::Update,
                Bound::Rows(1),
                Decision::Allow,
                0,
            ),
            (
                EffectKind::Write,
                Verb::Insert,
                Bound::Rows(1000),
                Decision::Allow,
                0,
            ),
            (
                EffectKind::Write,
                Verb::Insert,
                Bound::Rows(1001),
                Decision::Hold,
                1,
            ),
            (
                EffectKind::Write,
                Verb::Delete,
                Bound::Unbounded,
                Decision::Hold,
                1,
            ),
            (
                EffectKind::Define,
                Verb::Create,
                Bound::Structure,
                Decision::Hold,
                1,
            ),
            (
                EffectKind::Destroy,
                Verb::Drop,
                Bound::Structure,
                Decision::Hold,
                1,
            ),
            (
                EffectKind::Reveal,
                Verb::Read,
                Bound::Structure,
                Decision::Hold,
                1,
            ),
            (
                EffectKind::Admin,
                Verb::Other,
                Bound::Structure,
                Decision::Hold,
                2,
            ),
            (
                EffectKind::Escape,
                Verb::Execute,
                Bound::Structure,
                Decision::Hold,
                2,
            ),
        ];
        for (kind, verb, bound, decision, people) in cases {
            let verdict = judge(Production, &analysis(kind, verb, bound));
            assert_eq!(
                (verdict.decision, verdict.people),
                (decision, people),
                "{kind} {verb:?} {bound:?}: {verdict:?}"
            );
        }
    }

    #[test]
    fn what_guards_data_is_out_of_reach_in_production() {
        let mut a = analysis(EffectKind::Write, Verb::Update, Bound::Rows(1));
        for effect in &mut a.effects {
            effect.safeguard = true;
        }
        let verdict = judge(Environment::Production, &a);
        assert_eq!(
            (verdict.decision, verdict.rule.as_str()),
            (Decision::Deny, "production-safeguards")
        );
        assert_eq!(judge(Environment::Staging, &a).decision, Decision::Hold);
        assert_eq!(
            judge(Environment::Development, &a).decision,
            Decision::Allow
        );
    }

    #[test]
    fn staging_and_development_defaults() {
        let destroy = analysis(EffectKind::Destroy, Verb::Drop, Bound::Structure);
        let write = analysis(EffectKind::Write, Verb::Delete, Bound::Unbounded);
        assert_eq!(
            judge(Environment::Staging, &destroy).decision,
            Decision::Hold
        );
        assert_eq!(
            judge(Environment::Staging, &write).decision,
            Decision::Allow
        );
        assert_eq!(
            judge(Environment::Development, &destroy).decision,
            Decision::Allow
        );
    }

    #[test]
    fn what_is_unknown_is_never_allowed_anywhere() {
        for environment in [
            Environment::Production,
            Environment::Staging,
            Environment::Development,
        ] {
            for effects in [
                vec![],
                analysis(EffectKind::Read, Verb::Read, Bound::Structure).effects,
            ] {
                let a = Analysis {
                    effects,
                    incomplete: vec!["calls f".into()],
                    unseen: vec!["calls f".into()],
                    transactional: true,
                };
                let verdict = judge(environment, &a);
                assert_eq!(verdict.decision, Decision::Hold, "{environment}");
                assert!(verdict.reason.contains("calls f"));
            }
        }
    }

    #[test]
    fn the_strictest_effect_decides() {
        let mut a = analysis(EffectKind::Read, Verb::Read, Bound::Structure);
        a.effects
            .extend(analysis(EffectKind::Admin, Verb::Other, Bound::Structure).effects);
        a.effects
            .extend(analysis(EffectKind::Destroy, Verb::Drop, Bound::Structure).effects);
        let verdict = judge(Environment::Production, &a);
        assert_eq!(
            (verdict.rule.as_str(), verdict.people),
            ("production-admin", 2)
        );
    }

    #[test]
    fn a_policy_that_cannot_be_evaluated_denies() {
        // Overflow is a run-time error in Cedar, and Cedar would skip the policy.
        let more = "@id(\"boom\") forbid (principal, action, resource) \
                    when { context.rows + 9223372036854775807 > 5 };";
        let policy = Policy::with(more).unwrap();
        let asker = Asker {
            lease: None,
            target: "t",
            environment: Environment::Production,
            limits: None,
        };
        let verdict = policy.judge(
            asker,
            &analysis(EffectKind::Write, Verb::Update, Bound::Rows(1)),
        );
        assert_eq!(
            (verdict.decision, verdict.rule.as_str()),
            (Decision::Deny, "policy-error")
        );
    }

    #[test]
    fn bad_policies_are_refused_with_their_name() {
        for (more, expected) in [
            ("permit (principal, action, resource);", "no `@id`"),
            (
                "@id(\"x\") @verdict(\"hold\") permit (principal, action, resource);",
                "can `allow` or `measure`",
            ),
            (
                "@id(\"x\") @verdict(\"measure\") forbid (principal, action, resource);",
                "can `hold`, `deny` or `halt`",
            ),
            (
                "@id(\"x\") forbid (principal, action, resource) when { context.nope };",
                "do not fit the schema",
            ),
            (
                "@id(\"reads\") forbid (principal, action, resource);",
                "used twice",
            ),
            ("nonsense", "cannot be read"),
        ] {
            let error = Policy::with(more)
                .err()
                .map(|e| e.to_string())
                .unwrap_or_default();
            assert!(error.contains(expected), "{more}: {error}");
        }
    }

    fn measured(rows: u64, facts: Measured) -> Verdict {
        let policy = Policy::with("").unwrap();
        let spec = crate::lease::LeaseSpec {
            target: "t".into(),
            environment: Environment::Production,
            task: String::new(),
            ttl_seconds: 1,
            scopes: vec!["update:public.t".parse().unwrap()],
            also: vec![],
            parent: None,
        };
        let lease = Lease {
            id: "lease_a".into(),
            spec,
            person: String::new(),
            created_ms: 0,
            expires_ms: 1,
            verifier: String::new(),
        };
        let asker = Asker {
            lease: Some(&lease),
            target: "t",
            environment: Environment::Production,
            limits: Some(Limits::default()),
        };
        let done = analysis(EffectKind::Write, Verb::Update, Bound::Rows(rows));
        policy.judge_measured(asker, &done, &[facts])
    }

    #[test]
    fn what_was_measured_passes_up_to_every_limit_and_not_beyond() {
        let fine = Measured {
            share: 999,
            lease_rows: 5_000,
            target_rows: 20_000,
            recoverable: true,
        };
        assert_eq!(measured(1_000, fine).decision, Decision::Allow);
        let lost = Measured {
            recoverable: false,
            ..fine
        };
        for (rows, facts, rule) in [
            (1_001, fine, "measured-rows"),
            (
                21,
                Measured {
                    share: 1_000,
                    ..fine
                },
                "measured-share",
            ),
            (
                1,
                Measured {
                    lease_rows: 5_001,
                    ..fine
                },
                "lease-budget",
            ),
            (
                1,
                Measured {
                    target_rows: 20_001,
                    ..fine
                },
                "target-budget",
            ),
            (1, lost, "not-recoverable"),
        ] {
            let verdict = measured(rows, facts);
            assert_eq!(
                (verdict.decision, verdict.rule.as_str()),
                (Decision::Hold, rule)
            );
        }
        let whole = Measured {
            share: 10_000,
            ..fine
        };
        assert_eq!(
            measured(20, whole).decision,
            Decision::Allow,
            "a few rows of a small table"
        );
    }

    #[test]
    fn a_lease_out_of_scope_cannot_read() {
        let spec = crate::lease::LeaseSpec {
            target: "t".into(),
            environment: Environment::Production,
            task: String::new(),
            ttl_seconds: 1,
            scopes: vec!["read:public.other".parse().unwrap()],
            also: vec![],
            parent: None,
        };
        let lease = Lease {
            id: "lease_x".into(),
            spec,
            person: String::new(),
            created_ms: 0,
            expires_ms: 1,
            verifier: String::new(),
        };
        let asker = Asker {
            lease: Some(&lease),
            target: "t",
            environment: Environment::Production,
            limits: None,
        };
        let policy = Policy::with("").unwrap();
        let verdict = policy.judge(
            asker,
            &analysis(EffectKind::Read, Verb::Read, Bound::Structure),
        );
        assert_eq!(
            (verdict.decision, verdict.rule.as_str()),
            (Decision::Deny, "out-of-scope-read")
        );
    }
}
