//! What must hold whatever the catalogue says.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::audit;
use crate::postgres::catalogue::{
    Acl, Catalogue, Database, Key, Membership, Oid, Relation, Role, Schema, privilege,
};
use crate::postgres::road::{Act, Certainty, Object};

const ROLES: Oid = 6;
const TABLES: Oid = 6;

/// Roles 1 to 6, schema 50, tables 101 to 106, and what was drawn.
fn world(
    major: u32,
    owners: &[Oid],
    members: &[(Oid, Oid, bool, bool, bool)],
    grants: &[(Oid, Oid, u16)],
    keys: &[(Oid, Oid, char)],
) -> Catalogue {
    let mut world = Catalogue {
        major,
        database: 1,
        me: 1,
        ..Catalogue::default()
    };
    for oid in 1..=ROLES {
        let role = Role {
            name: format!("r{oid}"),
            inherit: true,
            login: true,
            ..Role::default()
        };
        world.roles.insert(oid, role);
    }
    world.databases.push(Database {
        oid: 1,
        name: "app".to_owned(),
        owner: ROLES,
        ..Database::default()
    });
    let schema = Schema {
        name: "s".to_owned(),
        owner: ROLES,
        acl: Acl(vec![(0, privilege::USAGE)]),
    };
    world.schemas.insert(50, schema);
    for (at, owner) in (0..TABLES).zip(owners) {
        let oid = 101 + at;
        let acl = grants.iter().filter(|(table, ..)| *table == oid);
        let mut acl: Vec<(Oid, u16)> = acl.map(|(_, who, bits)| (*who, *bits)).collect();
        acl.push((*owner, u16::MAX));
        let table = Relation {
            schema: 50,
            name: format!("t{at}"),
            kind: 'r',
            owner: *owner,
            acl: Some(Acl(acl)),
            ..Relation::default()
        };
        world.relations.insert(oid, table);
    }
    for (role, member, admin, inherit, set) in members {
        // From the higher to the lower, so that there are no circles.
        if role > member {
            world.memberships.push(Membership {
                role: *role,
                member: *member,
                grantor: ROLES,
                admin: *admin,
                inherit: *inherit,
                set: *set,
            });
        }
    }
    for (from, to, on_delete) in keys {
        world.keys.push(Key {
            from: *from,
            to: *to,
            name: "k".to_owned(),
            on_delete: *on_delete,
            on_update: 'a',
            from_columns: vec![1],
            to_columns: vec![1],
        });
    }
    world
}

/// What is destroyed, with how sure that is.
fn destroyed(world: &Catalogue) -> BTreeMap<(Act, Object), Certainty> {
    let mut all = BTreeMap::new();
    for road in audit(world, 1).roads {
        assert!(
            !road.chain.is_empty() && !road.acting.is_empty(),
            "{road:?}"
        );
        let certainty = all.entry((road.act, road.object)).or_insert(road.certainty);
        *certainty = road.certainty.min(*certainty);
    }
    all
}

fn roles() -> impl Strategy<Value = Oid> {
    1..=ROLES
}

fn tables() -> impl Strategy<Value = Oid> {
    101..101 + TABLES
}

fn bits() -> impl Strategy<Value = u16> {
    prop::sample::select(vec![
        privilege::DELETE,
        privilege::UPDATE,
        privilege::TRUNCATE,
        privilege::INSERT,
    ])
}

proptest! {
    /// Whoever is given more can do no less.
    #[test]
    fn a_grant_takes_no_road_away(
        major in 15_u32..=18,
        owners in prop::collection::vec(roles(), 6),
        members in prop::collection::vec((roles(), roles(), any::<bool>(), any::<bool>(), any::<bool>()), 0..8),
        grants in prop::collection::vec((tables(), roles(), bits()), 0..10),
        keys in prop::collection::vec((tables(), tables(), prop::sample::select(vec!['c', 'n', 'a'])), 0..5),
        more in (tables(), roles(), bits()),
        joins in (roles(), roles()),
    ) {
        let before = destroyed(&world(major, &owners, &members, &grants, &keys));
        let mut granted = grants.clone();
        granted.push(more);
        let mut joined = members.clone();
        joined.push((joins.0, joins.1, true, true, true));
        for after in [
            destroyed(&world(major, &owners, &members, &granted, &keys)),
            destroyed(&world(major, &owners, &joined, &grants, &keys)),
        ] {
            for (what, certainty) in &before {
                prop_assert!(after.get(what).is_some_and(|c| c <= certainty), "{what:?} is gone");
            }
        }
    }

    /// What it owns it can drop, truncate, delete from and update; what nothing leads to it cannot.
    #[test]
    fn owners_can_and_strangers_cannot(
        major in 15_u32..=18,
        owners in prop::collection::vec(roles(), 6),
        keys in prop::collection::vec((tables(), tables(), prop::sample::select(vec!['c', 'n', 'a'])), 0..5),
    ) {
        let found = destroyed(&world(major, &owners, &[], &[], &keys));
        for (at, owner) in owners.iter().enumerate() {
            let object = Object::Table { schema: "s".to_owned(), name: format!("t{at}") };
            for act in [Act::Drop, Act::Truncate, Act::Delete, Act::Update] {
                let told = found.contains_key(&(act, object.clone()));
                if *owner == 1 {
                    prop_assert!(told, "{act:?} {object:?}");
                } else if act == Act::Drop || keys.is_empty() {
                    prop_assert!(!told, "{act:?} {object:?}");
                }
            }
        }
    }

    /// The order in which the server answers changes nothing.
    #[test]
    fn the_order_of_grants_changes_nothing(
        owners in prop::collection::vec(roles(), 6),
        members in prop::collection::vec((roles(), roles(), any::<bool>(), any::<bool>(), any::<bool>()), 0..8),
        grants in prop::collection::vec((tables(), roles(), bits()), 0..10),
    ) {
        let one = destroyed(&world(16, &owners, &members, &grants, &[]));
        let (mut members, mut grants) = (members, grants);
        members.reverse();
        grants.reverse();
        let other = destroyed(&world(16, &owners, &members, &grants, &[]));
        prop_assert_eq!(one.keys().collect::<BTreeSet<_>>(), other.keys().collect::<BTreeSet<_>>());
    }
}
