//! Where code can be put that others will run: it destroys nothing by itself.

use super::Judge;
use crate::postgres::catalogue::privilege;
use crate::postgres::road::{Act, By, Certainty, Object, Road};

impl Judge<'_> {
    /// Schemas in which others look up names, and tables that others write to.
    pub(super) fn planting(&self, all: &mut Vec<Road>) {
        for schema in self.catalogue.schemas.values() {
            if !self.catalogue.paths.contains(&schema.name)
                || self.holders.contains_key(&schema.owner)
            {
                continue;
            }
            let grants = schema
                .acl
                .0
                .iter()
                .filter(|(_, bits)| bits & privilege::CREATE != 0);
            for (who, _) in grants {
                if let Some(at) = self.candidates(*who).first() {
                    let object = Object::Schema {
                        name: schema.name.clone(),
                    };
                    let mut road = self.plain(*at, *who, Act::Plant, object, By::Grant);
                    road.certainty = Certainty::Depends;
                    road.fix = vec![format!(
                        "REVOKE CREATE ON SCHEMA {} FROM {}",
                        backstop_wire::sql::ident(&schema.name),
                        self.graph.ident(*who)
                    )];
                    road.chain.push(format!("`{}` may create in `{}`, where others look up names: what it makes there, they may call", self.catalogue.role_name(*who), schema.name));
                    all.push(road);
                }
            }
        }
        for (oid, relation) in &self.catalogue.relations {
            let Some(acl) = relation
                .acl
                .as_ref()
                .filter(|_| !self.holders.contains_key(&relation.owner))
            else {
                continue;
            };
            let grants = acl
                .0
                .iter()
                .filter(|(_, bits)| bits & privilege::TRIGGER != 0);
            for (who, _) in grants {
                let usable = |at: &&usize| {
                    self.actors
                        .get(**at)
                        .is_some_and(|a| self.usable(&a.rights, relation.schema))
                };
                if let (Some(at), Some(object)) =
                    (self.candidates(*who).iter().find(usable), self.object(*oid))
                {
                    let name = self.catalogue.relation_name(*oid);
                    let mut road = self.plain(*at, *who, Act::Plant, object, By::Grant);
                    road.certainty = Certainty::Depends;
                    road.fix = vec![format!(
                        "REVOKE TRIGGER ON {name} FROM {}",
                        self.graph.ident(*who)
                    )];
                    road.chain.push(format!("`{}` may make triggers on `{name}`, which whoever writes there runs with rights of their own", self.catalogue.role_name(*who)));
                    all.push(road);
                }
            }
        }
    }
}
