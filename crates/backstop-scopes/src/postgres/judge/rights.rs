//! What a role may do to a relation by its own rights, row-level security included.

use std::collections::HashSet;

use super::roles::Rights;
use super::{Judge, Move};
use crate::postgres::catalogue::{Oid, PUBLIC, Relation, privilege};
use crate::postgres::road::Certainty;

/// What row-level security leaves of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sight {
    /// Everything.
    Free,
    /// Nothing.
    Closed,
    /// What these policies let through.
    Narrowed(String),
}

/// Where what is done to a relation's rows leads.
pub(super) enum Foreign {
    /// They lie here.
    Local,
    /// They lie elsewhere, and this road does not lead there.
    Closed,
    /// They lie elsewhere, and this says so.
    Leads(String),
}

/// With what certainty a right reaches rows, and what to say of it.
pub(super) struct Reach {
    pub(super) certainty: Certainty,
    pub(super) step: Option<String>,
    /// Only these columns are updated; none: any.
    pub(super) columns: Option<Vec<i16>>,
}

impl Judge<'_> {
    /// Whether names in a schema can be used.
    pub(super) fn usable(&self, rights: &Rights, schema: Oid) -> bool {
        let everywhere = [self.write_all, self.read_all];
        rights.superuser
            || everywhere
                .iter()
                .flatten()
                .any(|role| rights.roles.contains(role))
            || self.catalogue.schemas.get(&schema).is_some_and(|s| {
                rights.roles.contains(&s.owner)
                    || s.acl
                        .holders(&rights.roles, privilege::USAGE)
                        .next()
                        .is_some()
            })
    }

    /// Whether a privilege on a relation is there without anybody granting it anew.
    pub(super) fn has(&self, rights: &Rights, relation: &Relation, bit: u16) -> bool {
        let everywhere = privilege::INSERT | privilege::UPDATE | privilege::DELETE;
        rights.superuser
            || match &relation.acl {
                None => rights.roles.contains(&relation.owner),
                Some(acl) => acl.holders(&rights.roles, bit).next().is_some(),
            }
            || bit & everywhere != 0
                && self
                    .write_all
                    .is_some_and(|role| rights.roles.contains(&role))
    }

    /// The columns on which somebody granted UPDATE to one of these roles.
    fn columns(rights: &Rights, relation: &Relation) -> Vec<i16> {
        let granted = relation
            .columns
            .iter()
            .filter(|(who, _)| *who == PUBLIC || rights.roles.contains(who));
        granted.map(|(_, column)| *column).collect()
    }

    /// Whether code that runs as `role` may do this to a relation; its rights are taken as they are.
    pub(super) fn can(&self, role: Oid, act: Move, oid: Oid, named: bool) -> Option<Reach> {
        let rights = self.graph.rights(role);
        let relation = self.catalogue.relations.get(&oid)?;
        let mut reach = Reach {
            certainty: Certainty::Proved,
            step: None,
            columns: None,
        };
        if rights.superuser {
            return Some(reach);
        }
        if named && !self.usable(&rights, relation.schema) {
            return None;
        }
        if act == Move::Drop {
            let schema = self.catalogue.schemas.get(&relation.schema)?;
            let owns = [relation.owner, schema.owner]
                .iter()
                .any(|owner| rights.roles.contains(owner));
            return (owns && relation.extension.is_none()).then_some(reach);
        }
        if !self.has(&rights, relation, act.bit()) {
            let columns = Self::columns(&rights, relation);
            if act != Move::Update || columns.is_empty() {
                return None;
            }
            reach.columns = Some(columns);
        }
        match self.foreign(role, relation, act) {
            Foreign::Local => {}
            Foreign::Closed => return None,
            Foreign::Leads(step) => {
                reach.certainty = Certainty::Depends;
                reach.step = Some(step);
                return Some(reach);
            }
        }
        if act == Move::Truncate {
            return self.truncatable(&rights, oid).then_some(reach);
        }
        if act == Move::Delete && self.blocked(oid, act) {
            return None;
        }
        match self.sight(&rights, role, oid, relation, act, false) {
            Sight::Free => {}
            Sight::Closed => return None,
            Sight::Narrowed(step) => {
                reach.certainty = Certainty::Depends;
                reach.step = Some(step);
            }
        }
        Some(reach)
    }

    /// Whether what `role` does to a foreign table is sent on. A login there is of one role or of everybody, and is not
    /// inherited; of other wrappers than PostgreSQL's own nobody here knows whether they need one.
    pub(super) fn foreign(&self, role: Oid, relation: &Relation, act: Move) -> Foreign {
        let server = relation.server.and_then(|s| self.catalogue.servers.get(&s));
        let Some(server) = server.filter(|_| act != Move::Drop) else {
            return Foreign::Local;
        };
        let mapped = server
            .mapped
            .iter()
            .any(|who| *who == PUBLIC || *who == role);
        let sent = match act {
            Move::Truncate => server.wrapper != "file_fdw" && !relation.keeps_all,
            _ => relation.updatable & act.updatable() != 0,
        };
        if !sent || (server.wrapper == "postgres_fdw" && !mapped) {
            return Foreign::Closed;
        }
        Foreign::Leads(format!(
            "`{}` lies on the foreign server `{}`",
            relation.name, server.name
        ))
    }

    /// What row-level security leaves to a role. An owner may lift it (`lift`), where it acts itself.
    pub(super) fn sight(
        &self,
        rights: &Rights,
        role: Oid,
        oid: Oid,
        relation: &Relation,
        act: Move,
        lift: bool,
    ) -> Sight {
        let bypass = self
            .catalogue
            .roles
            .get(&role)
            .is_some_and(|r| r.bypass_rls);
        let owns = rights.roles.contains(&relation.owner) && (lift || !relation.rls_forced);
        if !relation.rls || rights.superuser || bypass || owns {
            return Sight::Free;
        }
        let none = vec![];
        let policies = self.catalogue.policies.get(&oid).unwrap_or(&none);
        let about: Vec<_> = policies
            .iter()
            .filter(|p| p.event == 0 || p.event == act.bit())
            .filter(|p| {
                p.roles
                    .iter()
                    .any(|r| *r == PUBLIC || rights.roles.contains(r))
            })
            .collect();
        let (permissive, restrictive): (Vec<_>, Vec<_>) =
            about.into_iter().partition(|p| p.permissive);
        if permissive.is_empty() {
            return Sight::Closed;
        }
        if permissive.iter().any(|p| p.always) && restrictive.iter().all(|p| p.always) {
            return Sight::Free;
        }
        let names: Vec<String> = permissive
            .iter()
            .chain(&restrictive)
            .map(|p| format!("`{}`", p.name))
            .collect();
        Sight::Narrowed(format!(
            "only rows that row-level security lets through ({})",
            names.join(", ")
        ))
    }

    /// Whether no row of a relation can go, or no key of it can change, whoever tries: a key's check or action runs as the owner of the
    /// referring table, and fails where that owner lacks the rights. Whoever owns the relation drops the key.
    pub(super) fn blocked(&self, oid: Oid, act: Move) -> bool {
        self.keys_to(oid).any(|key| {
            let on = if act == Move::Delete {
                key.on_delete
            } else {
                key.on_update
            };
            let act = match on {
                'c' if act == Move::Update => Move::Update.bit(),
                'c' => Move::Delete.bit(),
                'n' | 'd' => Move::Update.bit(),
                _ => privilege::SELECT,
            };
            self.catalogue.relations.get(&key.from).is_some_and(|from| {
                let owner = self.graph.rights(from.owner);
                !self.usable(&owner, from.schema) || !self.has(&owner, from, act)
            })
        })
    }

    /// Whether TRUNCATE goes through: all that refers to the relation, or to its children, must go too.
    pub(super) fn truncatable(&self, rights: &Rights, oid: Oid) -> bool {
        if rights.superuser {
            return true;
        }
        let owns = |oid: Oid| {
            let relation = self.catalogue.relations.get(&oid);
            relation.is_some_and(|r| rights.roles.contains(&r.owner))
        };
        let mut gone: HashSet<Oid> = HashSet::from([oid]);
        let mut waiting = vec![oid];
        while let Some(at) = waiting.pop() {
            for child in self.catalogue.children.get(&at).into_iter().flatten() {
                if gone.insert(*child) {
                    waiting.push(*child);
                }
            }
            // Whoever owns it drops the key that others refer to.
            if at == oid && owns(at) {
                continue;
            }
            for key in self.keys_to(at) {
                if gone.contains(&key.from) {
                    continue;
                }
                let may = self.catalogue.relations.get(&key.from).is_some_and(|r| {
                    owns(key.from)
                        || self.has(rights, r, privilege::TRUNCATE) && self.usable(rights, r.schema)
                });
                if !may {
                    return false;
                }
                gone.insert(key.from);
                waiting.push(key.from);
            }
        }
        true
    }
}
