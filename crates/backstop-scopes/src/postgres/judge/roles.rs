//! Which roles a role can become, and whose rights it has without becoming anybody.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use backstop_wire::sql::ident;

use crate::postgres::catalogue::{Catalogue, Membership, Oid};

/// The first major version in which each membership says whether it is inherited and leads to SET ROLE, and in which
/// CREATEROLE grants only what ADMIN OPTION allows.
const PRECISE: u32 = 16;

/// The rights of one role.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    /// The role itself and all whose rights are its own by inheritance.
    pub(crate) roles: HashSet<Oid>,
    /// From where each was reached.
    from: HashMap<Oid, Membership>,
    pub(crate) superuser: bool,
}

/// A role that the audited one can act as.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    pub(crate) role: Oid,
    /// How it came to be, step by step.
    pub(crate) how: Vec<String>,
    /// What would keep the audited role from it; none for the audited role itself.
    pub(crate) fix: Option<String>,
    pub(crate) rights: Rc<Rights>,
}

/// Memberships by member, the implicit one of the database's owner included.
pub(crate) struct Graph<'a> {
    catalogue: &'a Catalogue,
    by_member: HashMap<Oid, Vec<Membership>>,
    known: RefCell<HashMap<Oid, Rc<Rights>>>,
    nobodys: Option<Oid>,
}

impl<'a> Graph<'a> {
    pub(crate) fn new(catalogue: &'a Catalogue) -> Self {
        let mut by_member: HashMap<Oid, Vec<Membership>> = HashMap::new();
        for membership in &catalogue.memberships {
            by_member
                .entry(membership.member)
                .or_default()
                .push(*membership);
        }
        let nobodys = catalogue.role_named("pg_database_owner");
        let here = catalogue
            .databases
            .iter()
            .find(|d| d.oid == catalogue.database);
        if let (Some(role), Some(here)) = (nobodys, here) {
            let owner = catalogue.roles.get(&here.owner);
            let inherit = catalogue.major >= PRECISE || owner.is_some_and(|o| o.inherit);
            by_member.entry(here.owner).or_default().push(Membership {
                role,
                member: here.owner,
                grantor: 0,
                admin: false,
                inherit,
                set: true,
            });
        }
        Self {
            catalogue,
            by_member,
            known: RefCell::default(),
            nobodys,
        }
    }

    fn of(&self, member: Oid) -> &[Membership] {
        self.by_member.get(&member).map_or(&[], Vec::as_slice)
    }

    /// The rights that `role` has without SET ROLE.
    pub(crate) fn rights(&self, role: Oid) -> Rc<Rights> {
        if let Some(known) = self.known.borrow().get(&role) {
            return Rc::clone(known);
        }
        let mut rights = Rights {
            superuser: self.is_superuser(role),
            ..Rights::default()
        };
        rights.roles.insert(role);
        let mut waiting = VecDeque::from([role]);
        while let Some(member) = waiting.pop_front() {
            for membership in self.of(member).iter().filter(|m| m.inherit) {
                if rights.roles.insert(membership.role) {
                    rights.from.insert(membership.role, *membership);
                    waiting.push_back(membership.role);
                }
            }
        }
        let rights = Rc::new(rights);
        self.known.borrow_mut().insert(role, Rc::clone(&rights));
        rights
    }

    fn is_superuser(&self, role: Oid) -> bool {
        self.catalogue.roles.get(&role).is_some_and(|r| r.superuser)
    }

    /// All that a role is a member of, in whatever way.
    fn member_of(&self, role: Oid) -> HashSet<Oid> {
        let mut seen = HashSet::from([role]);
        let mut waiting = vec![role];
        while let Some(member) = waiting.pop() {
            for membership in self.of(member) {
                if seen.insert(membership.role) {
                    waiting.push(membership.role);
                }
            }
        }
        seen
    }

    /// The roles that `actor` may grant, with the words for why.
    fn grantable(&self, actor: &Actor) -> Vec<(Oid, &'static str)> {
        let precise = self.catalogue.major >= PRECISE;
        let maker = self.makes_roles(actor.role);
        if maker && !precise {
            let all = self.catalogue.roles.iter();
            let mut all: Vec<Oid> = all
                .filter(|(oid, role)| !role.superuser && Some(**oid) != self.nobodys)
                .map(|(oid, _)| *oid)
                .collect();
            all.sort_unstable();
            return all
                .into_iter()
                .map(|oid| (oid, "CREATEROLE before PostgreSQL 16"))
                .collect();
        }
        let holders = if precise {
            actor.rights.roles.clone()
        } else {
            self.member_of(actor.role)
        };
        let mut all: Vec<Oid> = holders
            .iter()
            .flat_map(|holder| self.of(*holder))
            .filter(|m| m.admin && !self.is_superuser(m.role))
            .map(|m| m.role)
            .collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter().map(|oid| (oid, "ADMIN OPTION")).collect()
    }

    fn makes_roles(&self, role: Oid) -> bool {
        self.catalogue
            .roles
            .get(&role)
            .is_some_and(|r| r.createrole)
    }

    /// Every role that `role` can act as, itself first, nearest first.
    pub(crate) fn actors(&self, role: Oid) -> Vec<Actor> {
        let mut all = vec![Actor {
            role,
            how: vec![],
            fix: None,
            rights: self.rights(role),
        }];
        let mut seen = HashSet::from([role]);
        let mut at = 0;
        while let Some(actor) = all.get(at).cloned() {
            at += 1;
            if actor.rights.superuser {
                continue;
            }
            let name = self.name(actor.role);
            for membership in self.of(actor.role).iter().filter(|m| m.set) {
                let fix = self.revoke(membership);
                let step = format!("{name} may SET ROLE {}", self.name(membership.role));
                self.add(&mut all, &mut seen, &actor, membership.role, step, fix);
            }
            for (other, why) in self.grantable(&actor) {
                // A role cannot be granted to its own member; whoever makes roles makes a login for it instead.
                let circle = self.member_of(other).contains(&role);
                if circle && !self.makes_roles(actor.role) {
                    continue;
                }
                let how = if circle {
                    "make a login for"
                } else {
                    "grant itself"
                };
                let step = format!("{name} may {how} {} ({why})", self.name(other));
                let fix = if self.makes_roles(actor.role) {
                    format!("ALTER ROLE {} NOCREATEROLE", self.ident(actor.role))
                } else {
                    let from = self.ident(actor.role);
                    format!("REVOKE ADMIN OPTION FOR {} FROM {from}", self.ident(other))
                };
                self.add(&mut all, &mut seen, &actor, other, step, fix);
            }
        }
        all
    }

    fn add(
        &self,
        all: &mut Vec<Actor>,
        seen: &mut HashSet<Oid>,
        from: &Actor,
        role: Oid,
        step: String,
        fix: String,
    ) {
        if seen.insert(role) {
            let mut how = from.how.clone();
            how.push(step);
            all.push(Actor {
                role,
                how,
                fix: from.fix.clone().or(Some(fix)),
                rights: self.rights(role),
            });
        }
    }

    /// The steps by inheritance from the owner of `rights` to `role`, and what would cut the first of them.
    pub(crate) fn inherited(&self, rights: &Rights, role: Oid) -> (Vec<String>, Option<String>) {
        let (mut steps, mut fix, mut at) = (vec![], None, role);
        while let Some(membership) = rights.from.get(&at) {
            let (member, role) = (self.name(membership.member), self.name(membership.role));
            if membership.grantor == 0 {
                steps.push(format!("{member} owns the database, and so is {role}"));
            } else {
                steps.push(format!("{member} is a member of {role} and has its rights"));
                fix = Some(self.revoke(membership));
            }
            at = membership.member;
        }
        steps.reverse();
        (steps, fix)
    }

    fn revoke(&self, membership: &Membership) -> String {
        let (role, member) = (self.ident(membership.role), self.ident(membership.member));
        if self.catalogue.major >= PRECISE {
            let by = self.ident(membership.grantor);
            format!("REVOKE {role} FROM {member} GRANTED BY {by}")
        } else {
            format!("REVOKE {role} FROM {member}")
        }
    }

    pub(crate) fn name(&self, role: Oid) -> String {
        format!("`{}`", self.catalogue.role_name(role))
    }

    pub(crate) fn ident(&self, role: Oid) -> String {
        match role {
            0 => "PUBLIC".to_owned(),
            _ => ident(&self.catalogue.role_name(role)),
        }
    }
}
