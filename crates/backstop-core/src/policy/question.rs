//! What a policy is asked: one effect of an action, and everything that an answer may depend on.

use std::str::FromStr;

use cedar_policy::{Context, EntityUid, Request, RestrictedExpression};

use crate::effect::{Analysis, Bound, Effect, EffectKind, Verb};
use crate::lease::Lease;
use crate::measure::{Limits, Measured};
use crate::target::Environment;

/// Everything that an answer depends on: one effect, and what the gate knows of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// The lease's id; empty in the dry run.
    pub lease: String,
    /// The target's name.
    pub target: String,
    /// Its environment.
    pub environment: Environment,
    /// What kind of effect it is.
    pub kind: EffectKind,
    /// The verb on the object.
    pub verb: Verb,
    /// The object in the target's own naming; empty when the effect has none.
    pub object: String,
    /// Whether a scope of the lease names this verb on this object.
    pub in_scope: bool,
    /// Whether the object is the lease's own.
    pub own: bool,
    /// Whether the object belongs to the target's own catalogue.
    pub system: bool,
    /// Whether it takes away or weakens what would bring data back.
    pub safeguard: bool,
    /// Whether the gate knows every effect of the action.
    pub complete: bool,
    /// Whether a measurement before COMMIT will show what is not known yet. Never of what was measured.
    pub measurable: bool,
    /// The most rows it can touch; -1 when no bound is known, 0 for structure.
    pub rows: i64,
    /// The limits on what is measured.
    pub limits: Limits,
    /// What was measured of it, once it was.
    pub measured: Option<Measured>,
}

/// Who asks, and where.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The lease; `None` for the dry run, whose lease covers everything.
    pub lease: Option<&'a Lease>,
    /// The target's name.
    pub target: &'a str,
    /// The target's environment.
    pub environment: Environment,
    /// The limits on what is measured before COMMIT; `None` where nothing is measured.
    pub limits: Option<Limits>,
}

impl Question {
    /// What policies are asked about an action with these effects: one question an effect, in their order, and one
    /// about a harmless read where there is none.
    #[must_use]
    pub fn all_of(asker: Asker<'_>, analysis: &Analysis) -> Vec<Self> {
        questions(asker, analysis)
    }

    /// The same once its effect was measured.
    #[must_use]
    pub fn after(&self, measured: Measured) -> Self {
        Self {
            measurable: false,
            measured: Some(measured),
            ..self.clone()
        }
    }

    /// The request that it is to Cedar; none if it cannot be one.
    #[must_use]
    pub fn request(&self) -> Option<Request> {
        let text = |s: &str| RestrictedExpression::new_string(s.to_owned());
        let flag = RestrictedExpression::new_bool;
        let number = |n: u64| RestrictedExpression::new_long(i64::try_from(n).unwrap_or(i64::MAX));
        let measured = self.measured.unwrap_or_default();
        let limits = self.limits;
        let context = Context::from_pairs([
            ("kind".to_owned(), text(self.kind.word())),
            ("verb".to_owned(), text(verb_word(self.verb))),
            ("object".to_owned(), text(&self.object)),
            ("environment".to_owned(), text(self.environment.word())),
            ("inScope".to_owned(), flag(self.in_scope)),
            ("own".to_owned(), flag(self.own)),
            ("system".to_owned(), flag(self.system)),
            ("safeguard".to_owned(), flag(self.safeguard)),
            ("complete".to_owned(), flag(self.complete)),
            ("rows".to_owned(), RestrictedExpression::new_long(self.rows)),
            ("measurable".to_owned(), flag(self.measurable)),
            ("measured".to_owned(), flag(self.measured.is_some())),
            ("share".to_owned(), number(u64::from(measured.share))),
            ("leaseRows".to_owned(), number(measured.lease_rows)),
            ("targetRows".to_owned(), number(measured.target_rows)),
            ("mostRows".to_owned(), number(limits.rows)),
            ("mostShare".to_owned(), number(u64::from(limits.share))),
            ("fewRows".to_owned(), number(limits.few)),
            ("mostLeaseRows".to_owned(), number(limits.lease_rows)),
            ("mostTargetRows".to_owned(), number(limits.target_rows)),
            ("recoverable".to_owned(), flag(measured.recoverable)),
        ])
        .ok()?;
        let uid = |kind: &str, id: &str| {
            let name = cedar_policy::EntityTypeName::from_str(kind).ok()?;
            Some(EntityUid::from_type_name_and_id(
                name,
                cedar_policy::EntityId::new(id),
            ))
        };
        Request::new(
            uid("Lease", &self.lease)?,
            uid("Action", "act")?,
            uid("Target", &self.target)?,
            context,
            None,
        )
        .ok()
    }
}

pub(super) fn questions(asker: Asker<'_>, analysis: &Analysis) -> Vec<Question> {
    let harmless = Effect {
        system: true,
        ..Effect::new(EffectKind::Read, Verb::Read, None)
    };
    let empty = analysis.effects.is_empty().then_some(&harmless);
    analysis
        .effects
        .iter()
        .chain(empty)
        .map(|effect| Question {
            lease: asker.lease.map_or_else(String::new, |l| l.id.clone()),
            target: asker.target.to_owned(),
            environment: asker.environment,
            kind: effect.kind,
            verb: effect.verb,
            object: effect.object.clone().unwrap_or_default(),
            in_scope: in_scope(asker, effect),
            own: effect.own && !is_new_elsewhere(asker, effect),
            system: effect.system,
            safeguard: effect.safeguard,
            complete: analysis.is_complete(),
            measurable: asker.limits.is_some() && analysis.unseen.is_empty(),
            rows: rows(effect.bound),
            limits: asker.limits.unwrap_or_default(),
            measured: None,
        })
        .collect()
}

fn in_scope(asker: Asker<'_>, effect: &Effect) -> bool {
    match asker.lease {
        // A read without an object looks at nothing that a scope could name.
        Some(_) if effect.kind == EffectKind::Read && effect.object.is_none() => true,
        Some(lease) => lease.covers(asker.target, effect),
        None => matches!(
            effect.verb,
            Verb::Read | Verb::Insert | Verb::Update | Verb::Delete
        ),
    }
}

/// A relation that the lease would make in a schema where no scope lets it: that it will be its owner makes it no less
/// a change of somebody else's schema, whose names others look up.
fn is_new_elsewhere(asker: Asker<'_>, effect: &Effect) -> bool {
    effect.kind == EffectKind::Define
        && effect.verb == Verb::Create
        && asker
            .lease
            .is_some_and(|lease| !lease.covers(asker.target, effect))
}

fn rows(bound: Bound) -> i64 {
    match bound {
        Bound::Structure => 0,
        Bound::Rows(n) => i64::try_from(n).unwrap_or(i64::MAX),
        Bound::Unbounded => -1,
    }
}

const fn verb_word(verb: Verb) -> &'static str {
    match verb {
        Verb::Read => "read",
        Verb::Insert => "insert",
        Verb::Update => "update",
        Verb::Delete => "delete",
        Verb::Truncate => "truncate",
        Verb::Create => "create",
        Verb::Alter => "alter",
        Verb::Drop => "drop",
        Verb::Execute => "execute",
        Verb::Other => "other",
    }
}
