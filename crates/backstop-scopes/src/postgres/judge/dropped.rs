//! What goes when something else is dropped that is not a relation: extensions and types.

use super::{Fact, Judge, Move};
use crate::postgres::catalogue::{Oid, Owned};
use crate::postgres::road::{Act, By, Certainty, Object, Road};

impl Judge<'_> {
    /// Relations that go with an extension, or with the type that they are of.
    pub(super) fn with_extensions(&self) -> Vec<Fact> {
        let mut all = vec![];
        for (oid, relation) in &self.catalogue.relations {
            let extension = relation
                .extension
                .and_then(|e| self.catalogue.extensions.get(&e));
            all.extend(extension.and_then(|e| self.dropping(*oid, e)));
        }
        for (relation, of) in &self.catalogue.typed_tables {
            if let Some((at, role, owned)) = self.type_dropper(*of) {
                let words = format!(
                    "`{}` is of {}, and goes with it",
                    self.catalogue.relation_name(*relation),
                    owned.title
                );
                let mut fact = self.fact(at, role, Move::Drop, *relation).by(By::Cascade);
                fact.chain.push(self.owns(role, owned));
                all.push(fact.said(words));
            }
        }
        all
    }

    fn dropping(&self, oid: Oid, extension: &Owned) -> Option<Fact> {
        let (at, role) = self.dropper([Some(extension.owner), self.owner_of(extension.schema)])?;
        let name = self.catalogue.relation_name(oid);
        let mut fact = self.fact(at, role, Move::Drop, oid).by(By::Cascade);
        fact.chain.push(self.owns(role, extension));
        Some(fact.said(format!("`{name}` is part of it, and goes with it")))
    }

    fn owner_of(&self, schema: Option<Oid>) -> Option<Oid> {
        Some(self.catalogue.schemas.get(&schema?)?.owner)
    }

    /// The nearest actor with the rights of one of these owners, and of which.
    fn dropper(&self, owners: impl IntoIterator<Item = Option<Oid>>) -> Option<(usize, Oid)> {
        let owners = owners.into_iter().flatten();
        owners
            .filter_map(|owner| Some((*self.candidates(owner).first()?, owner)))
            .min_by_key(|(at, _)| *at)
    }

    fn owns(&self, role: Oid, owned: &Owned) -> String {
        let who = self.graph.name(role);
        if role == owned.owner {
            format!("{who} owns the {}", owned.title)
        } else {
            format!("{who} owns what the {} is in", owned.title)
        }
    }

    /// Who may drop a type, by whose right, and what is dropped: the type, or the extension that it is part of. A
    /// schema takes all that is in it along, whoever owns it.
    fn type_dropper(&self, oid: Oid) -> Option<(usize, Oid, &Owned)> {
        self.owned_dropper(self.catalogue.types.get(&oid)?)
    }

    fn owned_dropper<'o>(&'o self, owned: &'o Owned) -> Option<(usize, Oid, &'o Owned)> {
        let schema = self.owner_of(owned.schema);
        let Some(extension) = owned.extension else {
            let (at, role) = self.dropper([Some(owned.owner), schema])?;
            return Some((at, role, owned));
        };
        let extension = self.catalogue.extensions.get(&extension)?;
        let owners = [
            Some(extension.owner),
            self.owner_of(extension.schema),
            schema,
        ];
        let (at, role) = self.dropper(owners)?;
        Some((at, role, extension))
    }

    /// Columns that go with their type, or with what they are made by.
    pub(super) fn with_types(&self) -> Vec<Road> {
        let mut all = vec![];
        let typed = self.catalogue.typed_columns.iter();
        let typed =
            typed.filter_map(|(oid, column, of)| Some((oid, column, self.type_dropper(*of)?)));
        let dependent = self.catalogue.dependent_columns.iter();
        let dependent = dependent
            .filter_map(|(oid, column, owned)| Some((oid, column, self.owned_dropper(owned)?)));
        for (oid, column, (at, role, owned)) in typed.chain(dependent) {
            let Some(relation) = self.catalogue.relations.get(oid) else {
                continue;
            };
            let schema = self.catalogue.schemas.get(&relation.schema);
            let (mut chain, fix) = self.start(at, role);
            chain.push(self.owns(role, owned));
            chain.push(format!(
                "the column `{column}` of `{}` goes with it by DROP … CASCADE",
                self.catalogue.relation_name(*oid)
            ));
            all.push(Road {
                act: Act::Drop,
                object: Object::Column {
                    schema: schema.map(|s| s.name.clone()).unwrap_or_default(),
                    table: relation.name.clone(),
                    name: column.clone(),
                },
                by: By::Cascade,
                acting: self.acting(at),
                chain,
                certainty: Certainty::Proved,
                rows: self.stake(*oid).0,
                bytes: None,
                fix,
            });
        }
        all
    }
}
