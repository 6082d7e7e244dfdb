//! What is not a table: databases, schemas, the server's machine, sessions, slots, large objects.

use super::Judge;
use super::settings::LO_COMPAT;
use crate::postgres::catalogue::{Oid, PUBLIC, privilege};
use crate::postgres::road::{Act, By, Certainty, Object, Road};

/// Predefined roles that reach beyond tables: the act, and in words.
const PREDEFINED: &[(&str, Act, &str)] = &[
    (
        "pg_execute_server_program",
        Act::RunPrograms,
        "may run programs on the server's machine as the server's user, which is as good as being a superuser",
    ),
    (
        "pg_write_server_files",
        Act::WriteFiles,
        "may overwrite any file that the server's user may, its data and settings too",
    ),
    (
        "pg_read_server_files",
        Act::ReadFiles,
        "may read any file that the server's user may, its data too",
    ),
    (
        "pg_maintain",
        Act::Disturb,
        "may lock and rewrite every table (VACUUM FULL, CLUSTER)",
    ),
    ("pg_checkpoint", Act::Disturb, "may force checkpoints"),
];

impl Judge<'_> {
    pub(super) fn plain(&self, at: usize, role: Oid, act: Act, object: Object, by: By) -> Road {
        let (chain, fix) = self.start(at, role);
        Road {
            act,
            object,
            by,
            acting: self.acting(at),
            chain,
            certainty: Certainty::Proved,
            rows: None,
            bytes: None,
            fix,
        }
    }

    /// The nearest actor with the rights of a role, or a superuser.
    pub(super) fn holder(&self, role: Oid) -> Option<(usize, By)> {
        let own = self.candidates(role).first().map(|at| (*at, By::Owner));
        own.or_else(|| self.superuser().map(|at| (at, By::Superuser)))
    }

    /// A superuser's roads to relations: all of them.
    pub(super) fn everything(&self, at: usize) -> Vec<Road> {
        let mut all = vec![];
        for (oid, relation) in &self.catalogue.relations {
            let acts: &[Act] = match relation.kind {
                'r' | 'p' => &[Act::Drop, Act::Truncate, Act::Delete, Act::Update],
                _ => &[Act::Drop],
            };
            let Some(object) = self.object(*oid) else {
                continue;
            };
            let (rows, bytes) = self.stake(*oid);
            all.extend(
                acts.iter()
                    .map(|act| self.super_road(at, *act, object.clone(), rows, bytes)),
            );
        }
        for (act, what) in [
            (Act::RunPrograms, "runs programs"),
            (Act::WriteFiles, "writes files"),
            (Act::ReadFiles, "reads files"),
            (Act::RunCode, "loads code"),
        ] {
            let mut road = self.super_road(at, act, Object::Server, None, None);
            road.chain
                .push(format!("a superuser {what} on the server's machine"));
            all.push(road);
        }
        all
    }

    fn super_road(
        &self,
        at: usize,
        act: Act,
        object: Object,
        rows: Option<u64>,
        bytes: Option<u64>,
    ) -> Road {
        let role = self.actors.get(at).map_or(0, |a| a.role);
        let mut road = self.plain(at, role, act, object, By::Superuser);
        road.chain
            .push(format!("{} is a superuser", self.graph.name(role)));
        if at == 0 {
            road.fix = vec![format!("ALTER ROLE {} NOSUPERUSER", self.graph.ident(role))];
        }
        Road {
            rows,
            bytes,
            ..road
        }
    }

    /// Everything of the server as a whole.
    pub(super) fn server(&self) -> Vec<Road> {
        let mut all = vec![];
        self.owned(&mut all);
        self.machine(&mut all);
        self.sessions(&mut all);
        self.large_objects(&mut all);
        self.replication(&mut all);
        self.subscriptions(&mut all);
        if self.superuser().is_none() {
            self.settings(&mut all);
            self.planting(&mut all);
        }
        all
    }

    fn owned(&self, all: &mut Vec<Road>) {
        for database in &self.catalogue.databases {
            let Some((at, by)) = self.holder(database.owner) else {
                continue;
            };
            let object = Object::Database {
                name: database.name.clone(),
            };
            let by = if by == By::Owner {
                By::DatabaseOwner
            } else {
                by
            };
            let mut road = self.plain(at, database.owner, Act::Drop, object, by);
            road.chain.push(self.right(
                at,
                database.owner,
                by,
                &format!("the database `{}`", database.name),
            ));
            road.bytes = database.bytes;
            all.push(road);
        }
        let mut bytes = std::collections::HashMap::<Oid, u64>::new();
        for relation in self.catalogue.relations.values() {
            *bytes.entry(relation.schema).or_default() += relation.bytes.unwrap_or_default();
        }
        for (oid, schema) in &self.catalogue.schemas {
            if let Some((at, by)) = self.holder(schema.owner) {
                let object = Object::Schema {
                    name: schema.name.clone(),
                };
                let mut road = self.plain(at, schema.owner, Act::Drop, object, by);
                road.chain.push(self.right(
                    at,
                    schema.owner,
                    by,
                    &format!("the schema `{}`", schema.name),
                ));
                road.bytes = bytes.get(oid).copied();
                all.push(road);
            }
        }
    }

    pub(super) fn right(&self, at: usize, owner: Oid, by: By, what: &str) -> String {
        if by == By::Superuser {
            format!("`{}` is a superuser", self.acting(at))
        } else {
            format!("{} owns {what}", self.graph.name(owner))
        }
    }

    fn machine(&self, all: &mut Vec<Road>) {
        for (name, act, words) in PREDEFINED {
            let Some(role) = self.catalogue.role_named(name) else {
                continue;
            };
            if let Some(at) = self.candidates(role).first() {
                let mut road = self.plain(*at, role, *act, Object::Server, By::Predefined);
                road.chain.push(format!("`{name}` {words}"));
                all.push(road);
            }
        }
    }

    fn sessions(&self, all: &mut Vec<Road>) {
        let signal = self.catalogue.role_named("pg_signal_backend");
        for (role, count) in &self.catalogue.sessions {
            let object = Object::Sessions {
                role: self.catalogue.role_name(*role),
                count: *count,
            };
            let superuser = self.catalogue.roles.get(role).is_some_and(|r| r.superuser);
            let able = |right: Oid| {
                self.candidates(right)
                    .first()
                    .copied()
                    .filter(|_| !superuser)
            };
            let found = able(*role)
                .map(|at| (at, *role, By::Owner))
                .or_else(|| signal.and_then(|s| Some((able(s)?, s, By::Predefined))))
                .or_else(|| self.superuser().map(|at| (at, *role, By::Superuser)));
            if let Some((at, right, by)) = found {
                let mut road = self.plain(at, right, Act::Terminate, object, by);
                road.chain.push(match by {
                    By::Owner => format!("{} may end its own sessions", self.graph.name(*role)),
                    By::Predefined => {
                        "`pg_signal_backend` ends sessions of all but superusers".to_owned()
                    }
                    _ => format!("`{}` is a superuser", self.acting(at)),
                });
                all.push(road);
            }
        }
    }

    fn large_objects(&self, all: &mut Vec<Road>) {
        let set = self.granted(LO_COMPAT, privilege::SET);
        for (owner, acl, count) in &self.catalogue.large_objects {
            let object = Object::LargeObjects {
                owner: self.catalogue.role_name(*owner),
                count: *count,
            };
            // To write into one, it must be opened for reading too.
            let held = |at: &usize, bit: u16| {
                let actor = self.actors.get(*at)?;
                acl.holders(&actor.rights.roles, bit).next()
            };
            let granted = (0..self.actors.len()).find_map(|at| {
                held(&at, privilege::SELECT)?;
                Some((at, held(&at, privilege::UPDATE)?))
            });
            let found = self
                .holder(*owner)
                .map(|(at, by)| (at, *owner, by))
                .or_else(|| {
                    granted.map(|(at, who)| {
                        (at, who, if who == PUBLIC { By::Public } else { By::Grant })
                    })
                })
                .or_else(|| self.catalogue.lo_compat.then_some((0, PUBLIC, By::Public)))
                .or_else(|| set.map(|(at, who)| (at, who, By::Grant)));
            let Some((at, right, by)) = found else {
                continue;
            };
            let mut road = self.plain(at, right, Act::Unlink, object, by);
            road.chain.push(match by {
                By::Grant | By::Public if granted.is_some() => {
                    "SELECT and UPDATE on them were granted".to_owned()
                }
                By::Grant => format!("it may set `{LO_COMPAT}`, and then asks for no right"),
                By::Public => "`lo_compat_privileges` is on, and asks for no right".to_owned(),
                _ => self.right(at, *owner, by, "them"),
            });
            all.push(road);
        }
    }

    fn replication(&self, all: &mut Vec<Road>) {
        let able = self.actors.iter().position(|a| {
            a.rights.superuser
                || self
                    .catalogue
                    .roles
                    .get(&a.role)
                    .is_some_and(|r| r.replication)
        });
        let Some(at) = able else {
            return;
        };
        let role = self.actors.get(at).map_or(0, |a| a.role);
        let own = self.graph.name(role);
        let may_log_in = self.catalogue.roles.get(&role).is_some_and(|r| r.login);
        let cut = (at == 0).then(|| {
            vec![format!(
                "ALTER ROLE {} NOREPLICATION",
                self.graph.ident(role)
            )]
        });
        let make = |act, object, words: &str| {
            let mut road = self.plain(at, role, act, object, By::Attribute);
            road.chain.push(format!("{own} {words}"));
            if let Some(cut) = &cut {
                road.fix.clone_from(cut);
            }
            road
        };
        let mut whole = make(
            Act::Replicate,
            Object::Server,
            "has REPLICATION: it copies the whole cluster, and makes slots that keep the log until the disk is full",
        );
        if at != 0 || !may_log_in {
            // SET ROLE makes slots, but only a login of the role's own copies the cluster.
            whole
                .chain
                .push("to copy, it must log in as that role".to_owned());
            whole.certainty = Certainty::Depends;
        }
        all.push(whole);
        for slot in &self.catalogue.slots {
            all.push(make(
                Act::DropSlot,
                Object::Slot { name: slot.clone() },
                "may drop any replication slot that is not in use",
            ));
        }
    }
}
