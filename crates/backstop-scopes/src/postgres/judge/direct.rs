//! Roads by the audited role's own rights and those of the roles that it can become.

use super::rights::{Foreign, Sight};
use super::{Fact, Judge, Move};
use crate::postgres::catalogue::{Oid, PUBLIC, Relation, privilege};
use crate::postgres::road::{By, Certainty};

const ROWS: [Move; 4] = [Move::Insert, Move::Update, Move::Delete, Move::Truncate];

impl Judge<'_> {
    /// Everything that may be done to one relation without going through another.
    pub(super) fn direct(&self, oid: Oid, relation: &Relation) -> Vec<Fact> {
        let mut all = vec![];
        let name = self.catalogue.relation_name(oid);
        self.by_owner(oid, relation, &name, &mut all);
        if relation.kind == 'm' {
            return all;
        }
        for act in ROWS {
            if relation.kind == 'f' && act == Move::Truncate && self.catalogue.major < 14 {
                continue;
            }
            let acl = relation
                .acl
                .as_ref()
                .map_or(&[][..], |acl| acl.0.as_slice());
            for (grantee, bits) in acl {
                if bits & act.bit() == 0 || *grantee == relation.owner {
                    continue;
                }
                self.by_grant(oid, relation, &name, act, *grantee, &mut all);
            }
            if let Some(role) = self.write_all
                && act != Move::Truncate
            {
                let words = format!("`pg_write_all_data` may {} any table", act.verb());
                let found = self.first(role, oid, relation, act, false);
                all.extend(found.map(|f| f.by(By::Predefined).said(words)));
            }
        }
        self.by_column(oid, relation, &name, &mut all);
        all
    }

    fn by_owner(&self, oid: Oid, relation: &Relation, name: &str, all: &mut Vec<Fact>) {
        let title = self.graph.name(relation.owner);
        let owns = |f: Fact| f.by(By::Owner).said(format!("{title} owns `{name}`"));
        // DROP OWNED asks for no name, and so for no right on the schema.
        if relation.extension.is_none() {
            let first = self.candidates(relation.owner).first();
            all.extend(first.map(|at| owns(self.fact(*at, relation.owner, Move::Drop, oid))));
        }
        if relation.kind != 'm' {
            for act in ROWS {
                all.extend(
                    self.first(relation.owner, oid, relation, act, true)
                        .map(owns),
                );
            }
        }
        let Some(schema) = self.catalogue.schemas.get(&relation.schema) else {
            return;
        };
        if schema.owner != relation.owner {
            let owner = self.graph.name(schema.owner);
            let first = self.candidates(schema.owner).first();
            all.extend(first.map(|at| {
                self.fact(*at, schema.owner, Move::Drop, oid)
                    .by(By::SchemaOwner)
                    .said(format!(
                        "{owner} owns the schema `{}`, and may drop what is in it",
                        schema.name
                    ))
            }));
        }
    }

    fn by_grant(
        &self,
        oid: Oid,
        relation: &Relation,
        name: &str,
        act: Move,
        grantee: Oid,
        all: &mut Vec<Fact>,
    ) {
        let Some(mut found) = self.first(grantee, oid, relation, act, false) else {
            return;
        };
        let priv_name = privilege::name(act.bit());
        found.fix = vec![format!(
            "REVOKE {priv_name} ON {name} FROM {}",
            self.graph.ident(grantee)
        )];
        let (by, words) = if grantee == PUBLIC {
            (
                By::Public,
                format!("everybody was granted {priv_name} on `{name}`"),
            )
        } else {
            let who = self.graph.name(grantee);
            (
                By::Grant,
                format!("{who} was granted {priv_name} on `{name}`"),
            )
        };
        all.push(found.by(by).said(words));
    }

    fn by_column(&self, oid: Oid, relation: &Relation, name: &str, all: &mut Vec<Fact>) {
        for grantee in &relation.inserters {
            let found = self.first(*grantee, oid, relation, Move::Insert, false);
            let who = self.catalogue.role_name(*grantee);
            all.extend(found.map(|f| {
                f.by(By::Grant)
                    .said(format!("`{who}` was granted INSERT on columns of `{name}`"))
            }));
        }
        let mut grantees: Vec<Oid> = relation.columns.iter().map(|(who, _)| *who).collect();
        grantees.sort_unstable();
        grantees.dedup();
        for grantee in grantees {
            let Some(mut found) = self.first(grantee, oid, relation, Move::Update, false) else {
                continue;
            };
            let columns = relation.columns.iter().filter(|(who, _)| *who == grantee);
            found.columns = Some(columns.map(|(_, column)| *column).collect());
            let who = self.graph.ident(grantee);
            // A revoked privilege on the table takes those on its columns along.
            found.fix = vec![format!("REVOKE UPDATE ON {name} FROM {who}")];
            let by = if grantee == PUBLIC {
                By::Public
            } else {
                By::Grant
            };
            all.push(found.by(by).said(format!(
                "`{}` was granted UPDATE on columns of `{name}`",
                self.catalogue.role_name(grantee)
            )));
        }
    }

    /// The nearest actor that has the rights of `role` and to whom they are of use on this relation.
    fn first(
        &self,
        role: Oid,
        oid: Oid,
        relation: &Relation,
        act: Move,
        owner: bool,
    ) -> Option<Fact> {
        let mut narrowed = None;
        for at in self.candidates(role) {
            let actor = self.actors.get(*at)?;
            if !self.usable(&actor.rights, relation.schema) {
                continue;
            }
            match self.foreign(actor.role, relation, act) {
                Foreign::Local => {}
                Foreign::Closed => continue,
                Foreign::Leads(words) => {
                    let mut found = self.fact(*at, role, act, oid);
                    found.certainty = Certainty::Depends;
                    return Some(found.said(words));
                }
            }
            if act == Move::Truncate {
                if self.truncatable(&actor.rights, oid) {
                    return Some(self.fact(*at, role, act, oid));
                }
                continue;
            }
            if act == Move::Delete && !owner && self.blocked(oid, act) {
                continue;
            }
            match self.sight(&actor.rights, actor.role, oid, relation, act, owner) {
                Sight::Free => return Some(self.fact(*at, role, act, oid)),
                Sight::Closed => {}
                Sight::Narrowed(words) => {
                    narrowed.get_or_insert_with(|| {
                        let mut found = self.fact(*at, role, act, oid).said(words);
                        found.certainty = Certainty::Depends;
                        found
                    });
                }
            }
        }
        narrowed
    }
}
