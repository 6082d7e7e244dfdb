//! Logical replication: who may subscribe to other servers, end what flows in, or have code of their own run by the
//! worker that writes it.
//!
//! Source: PostgreSQL's documentation, "Logical Replication", "Security".

use super::Judge;
use crate::postgres::catalogue::{Subscription, privilege};
use crate::postgres::road::{Act, By, Certainty, Object, Road};

impl Judge<'_> {
    pub(super) fn subscriptions(&self, all: &mut Vec<Road>) {
        self.subscribing(all);
        for subscription in &self.catalogue.subscriptions {
            self.ending(subscription, all);
            self.riding(subscription, all);
        }
    }

    /// Making one takes the predefined role and CREATE on the database, both by the same role. Before 16 only
    /// superusers may.
    fn subscribing(&self, all: &mut Vec<Road>) {
        let here = self
            .catalogue
            .databases
            .iter()
            .find(|d| d.oid == self.catalogue.database);
        let role = self.catalogue.role_named("pg_create_subscription");
        let (Some(role), Some(here)) = (role, here) else {
            return;
        };
        let both = self.candidates(role).iter().find(|at| {
            let rights = self.actors.get(**at).map(|a| &a.rights);
            rights.is_some_and(|r| {
                r.roles.contains(&here.owner)
                    || here
                        .acl
                        .holders(&r.roles, privilege::CREATE)
                        .next()
                        .is_some()
            })
        });
        if let Some(at) = both {
            let mut road = self.plain(*at, role, Act::Connect, Object::Server, By::Predefined);
            road.chain.push("`pg_create_subscription`, with CREATE on the database, subscribes to other servers, makes slots there and has their rows written here".to_owned());
            all.push(road);
        }
    }

    /// Its owner may drop it, or lead it to another server.
    fn ending(&self, subscription: &Subscription, all: &mut Vec<Road>) {
        let Some((at, by)) = self.holder(subscription.owner) else {
            return;
        };
        let object = Object::Subscription {
            name: subscription.name.clone(),
        };
        let mut road = self.plain(at, subscription.owner, Act::Drop, object, by);
        let what = format!(
            "the subscription `{}`: rows flow in no more, and its slot at the publisher goes with it",
            subscription.name
        );
        road.chain
            .push(self.right(at, subscription.owner, by, &what));
        all.push(road);
    }

    /// Where the worker writes with the rights of the subscription's owner, code on the table runs with them: a trigger
    /// that fires always, a default, a check. Only the table's owner puts it there.
    fn riding(&self, subscription: &Subscription, all: &mut Vec<Road>) {
        let rider = self.holders.contains_key(&subscription.owner) || self.superuser().is_some();
        if rider || !subscription.as_owner {
            return;
        }
        for oid in &subscription.tables {
            let Some(relation) = self.catalogue.relations.get(oid) else {
                continue;
            };
            let Some(at) = self.candidates(relation.owner).first() else {
                continue;
            };
            let object = Object::Role {
                name: self.catalogue.role_name(subscription.owner),
            };
            let mut road = self.plain(*at, relation.owner, Act::RunAs, object, By::Trigger);
            road.certainty = Certainty::Depends;
            road.chain.push(format!(
                "{} owns `{}`, where the subscription `{}` writes as {}: a trigger there runs as that role once a row comes",
                self.graph.name(relation.owner),
                self.catalogue.relation_name(*oid),
                subscription.name,
                self.graph.name(subscription.owner)
            ));
            all.push(road);
        }
    }
}
