//! What a walk has found so far. It must not lose anything: merging takes the worse of two.

use backstop_core::effect::{Analysis, Bound, Effect, EffectKind};

use super::super::limits::MAX_FOUND;
use super::super::script::{ResolvedRelation, Setting};

/// What was found out about a statement, or about code that a statement reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    pub(crate) effects: Vec<Effect>,
    pub(crate) incomplete: Vec<String>,
    /// What of it not even a measurement of what was done would show.
    pub(crate) unseen: Vec<String>,
    /// Cannot run inside a transaction block.
    pub(crate) outside_transaction: bool,
    pub(crate) relations: Vec<ResolvedRelation>,
    pub(crate) unresolved: Vec<String>,
    /// Settings that the statement changes while it runs (`set_config`).
    pub(crate) settings: Vec<Setting>,
    /// Runs a text whose names are looked up only when it runs.
    pub(crate) runs_text: bool,
}

impl Findings {
    pub(crate) fn effect(&mut self, new: Effect) {
        if self.effects.len() >= MAX_FOUND {
            self.one_effect_too_many(new);
            return;
        }
        let same = self.effects.iter_mut().find(|known| {
            known.kind == new.kind
                && known.verb == new.verb
                && known.object == new.object
                && known.own == new.own
                && known.because == new.because
        });
        match same {
            Some(known) => {
                known.bound = sum(known.bound, new.bound);
                known.reversible &= new.reversible;
            }
            None => self.effects.push(new),
        }
    }

    /// What is kept must still show the worst kind there is.
    fn one_effect_too_many(&mut self, new: Effect) {
        self.overflow();
        let as_bad = |known: &Effect| known.kind >= new.kind;
        if new.kind != EffectKind::Read
            && !self.effects.iter().any(as_bad)
            && let Some(last) = self.effects.last_mut()
        {
            *last = new;
        }
    }

    /// More was found than is kept: what is kept is a lower bound.
    fn overflow(&mut self) {
        const WHY: &str = "does more different things than are followed";
        self.unseen(WHY);
        if self.incomplete.first().is_none_or(|first| first != WHY) {
            self.incomplete.insert(0, WHY.to_owned());
        }
    }

    /// Something that neither the text nor a measurement of what it did would show.
    pub(crate) fn incomplete(&mut self, why: impl Into<String>) {
        let why = why.into();
        self.unseen(&why);
        self.unproven(why);
    }

    fn unseen(&mut self, why: &str) {
        if self.unseen.len() < MAX_FOUND && !self.unseen.iter().any(|known| known == why) {
            self.unseen.push(why.to_owned());
        }
    }

    /// Something that the text does not show, but that a measurement before COMMIT would; `blind` says why it would
    /// not after all.
    pub(crate) fn unproven_unless(&mut self, why: String, blind: Option<&str>) {
        match blind {
            None => self.unproven(why),
            Some(blind) => self.incomplete(format!("{why}; it {blind}")),
        }
    }

    /// Something that the text does not show, but that a measurement before COMMIT would.
    pub(crate) fn unproven(&mut self, why: impl Into<String>) {
        let why = why.into();
        if self.incomplete.len() < MAX_FOUND && !self.incomplete.contains(&why) {
            self.incomplete.push(why);
        }
    }

    pub(crate) fn unresolved(&mut self, name: String) {
        if self.unresolved.len() >= MAX_FOUND {
            self.overflow();
        } else if !self.unresolved.contains(&name) {
            self.unresolved.push(name);
        }
    }

    pub(crate) fn relation(&mut self, relation: ResolvedRelation) {
        if self.relations.len() >= MAX_FOUND {
            self.overflow();
        } else if !self.relations.contains(&relation) {
            self.relations.push(relation);
        }
    }

    /// Takes over what reached code does. Its reads run with its owner's rights and are no reads of the lease's;
    /// they are kept among the relations only.
    pub(crate) fn reach(&mut self, code: &Self, through: &str) {
        for effect in code
            .effects
            .iter()
            .filter(|effect| effect.kind != EffectKind::Read)
        {
            let mut effect = effect.clone();
            effect.because = Some(match effect.because.take() {
                Some(because) => format!("{because}, through {through}"),
                None => format!("through {through}"),
            });
            self.effect(effect);
        }
        for why in &code.incomplete {
            self.unproven(format!("{why}, through {through}"));
        }
        for why in &code.unseen {
            self.unseen(&format!("{why}, through {through}"));
        }
        for relation in &code.relations {
            self.relation(relation.clone());
        }
        for name in &code.unresolved {
            self.unresolved(name.clone());
        }
        self.settings.extend(code.settings.iter().cloned());
        self.outside_transaction |= code.outside_transaction;
        self.runs_text |= code.runs_text;
    }

    /// Takes over what a part of the same statement does, as it is.
    pub(crate) fn merge(&mut self, other: Self) {
        for effect in other.effects {
            self.effect(effect);
        }
        for why in other.incomplete {
            self.unproven(why);
        }
        for why in &other.unseen {
            self.unseen(why);
        }
        for relation in other.relations {
            self.relation(relation);
        }
        for name in other.unresolved {
            self.unresolved(name);
        }
        self.settings.extend(other.settings);
        self.outside_transaction |= other.outside_transaction;
        self.runs_text |= other.runs_text;
    }

    /// Whether it may change which objects names mean.
    pub(crate) fn moves_names(&self) -> bool {
        self.settings.iter().any(Setting::moves_names)
    }

    pub(crate) fn analysis(&self) -> Analysis {
        Analysis {
            effects: self.effects.clone(),
            incomplete: self.incomplete.clone(),
            unseen: self.unseen.clone(),
            transactional: !self.outside_transaction,
        }
    }
}

/// The bound of two effects together.
pub(crate) fn sum(one: Bound, other: Bound) -> Bound {
    match (one, other) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => Bound::Unbounded,
        (Bound::Rows(a), Bound::Rows(b)) => Bound::Rows(a.saturating_add(b)),
        (Bound::Rows(a), Bound::Structure) | (Bound::Structure, Bound::Rows(a)) => Bound::Rows(a),
        (Bound::Structure, Bound::Structure) => Bound::Structure,
    }
}
