//! Code that runs with others' rights or outside the database, and servers that lead elsewhere.

use std::collections::BTreeMap;

use super::{Fact, Judge, Move};
use crate::postgres::catalogue::{Acl, FIRST_USER, Function, Oid, PUBLIC, privilege};
use crate::postgres::libraries::{self, Library};
use crate::postgres::road::{Act, By, Certainty, Object, Road};

impl Judge<'_> {
    /// SECURITY DEFINER functions: what they name goes to `facts`; what was not judged is a road of its own.
    pub(super) fn definers(&self, facts: &mut Vec<Fact>) -> Vec<Road> {
        let mut unjudged = vec![];
        let mut set_off: Vec<(&Function, Fact)> = vec![];
        for function in self
            .catalogue
            .functions
            .values()
            .filter(|f| f.definer && f.callable)
        {
            let (owner, full) = (self.graph.name(function.owner), self.signature(function));
            for (at, grantee) in self.executors(function) {
                let mut from = self.fact(at, grantee, Move::Insert, 0);
                let who = if grantee == PUBLIC {
                    "everybody".to_owned()
                } else {
                    self.graph.name(grantee)
                };
                from.fix = vec![self.revoke_execute(function, grantee)];
                from.chain
                    .push(format!("{who} may run `{full}`, which runs as {owner}"));
                set_off.push((function, from));
            }
        }
        for (name, oid) in &self.catalogue.event_triggers {
            if let Some(function) = self.catalogue.functions.get(oid) {
                let mut from = self.fact(0, PUBLIC, Move::Insert, 0);
                from.fix = vec![];
                from.chain.push(format!(
                    "whoever creates anything fires the event trigger `{name}`, which runs as {}",
                    self.graph.name(function.owner)
                ));
                set_off.push((function, from));
            }
        }
        for (function, from) in set_off {
            let body = function.readable().then_some(function.body.as_str());
            self.run(
                &from,
                function.owner,
                body,
                By::Function,
                facts,
                &mut unjudged,
            );
        }
        unjudged
    }

    /// Who may run a function, nearest first, one for each grant.
    fn executors(&self, function: &Function) -> Vec<(usize, Oid)> {
        let holders = function
            .acl
            .0
            .iter()
            .filter(|(_, bits)| bits & privilege::EXECUTE != 0);
        let builtin = !self.catalogue.schemas.contains_key(&function.schema);
        let nearest = holders.filter_map(|(grantee, _)| {
            let at = self.candidates(*grantee).iter().find(|at| {
                builtin
                    || self
                        .actors
                        .get(**at)
                        .is_some_and(|a| self.usable(&a.rights, function.schema))
            })?;
            Some((*at, *grantee))
        });
        nearest.collect()
    }

    fn signature(&self, function: &Function) -> String {
        let name = if self.catalogue.schemas.contains_key(&function.schema) {
            self.catalogue.qualified(function.schema, &function.name)
        } else {
            format!("pg_catalog.{}", function.name)
        };
        format!("{name}({})", function.arguments)
    }

    fn revoke_execute(&self, function: &Function, grantee: Oid) -> String {
        let full = self.signature(function);
        format!(
            "REVOKE EXECUTE ON ROUTINE {full} FROM {}",
            self.graph.ident(grantee)
        )
    }

    /// Functions, languages and servers that lead outside.
    pub(super) fn outside(&self) -> Vec<Road> {
        let mut all = self.libraries();
        for (name, owner, acl) in &self.catalogue.wild_languages {
            let words = format!(
                "write functions in the language `{name}`, whose mark as trusted its handler does not bear out"
            );
            let fix = format!(
                "REVOKE USAGE ON LANGUAGE {}",
                backstop_wire::sql::ident(name)
            );
            all.extend(self.usage(*owner, acl, &words, &fix).map(|road| Road {
                act: Act::RunCode,
                by: By::Function,
                ..road
            }));
        }
        for server in self.catalogue.servers.values() {
            let words = format!(
                "use the foreign server `{}` (`{}`)",
                server.name, server.wrapper
            );
            let fix = format!(
                "REVOKE USAGE ON FOREIGN SERVER {}",
                backstop_wire::sql::ident(&server.name)
            );
            all.extend(
                self.usage(server.owner, &server.acl, &words, &fix)
                    .map(|mut road| {
                        let mapped = server
                            .mapped
                            .iter()
                            .any(|who| *who == PUBLIC || self.holders.contains_key(who));
                        road.chain.push(
                            if mapped {
                                "credentials for it lie there"
                            } else {
                                "with credentials that it brings"
                            }
                            .to_owned(),
                        );
                        road.object = Object::ForeignServer {
                            name: server.name.clone(),
                        };
                        road
                    }),
            );
        }
        for (name, owner, acl) in &self.catalogue.wrappers {
            let words = format!("make foreign servers of `{name}`");
            let fix = format!(
                "REVOKE USAGE ON FOREIGN DATA WRAPPER {}",
                backstop_wire::sql::ident(name)
            );
            all.extend(self.usage(*owner, acl, &words, &fix));
        }
        all
    }

    /// Who has USAGE, as a road to connections.
    fn usage(&self, owner: Oid, acl: &Acl, words: &str, fix: &str) -> Option<Road> {
        let granted = acl
            .0
            .iter()
            .filter(|(_, bits)| bits & privilege::USAGE != 0);
        let whom = std::iter::once(owner).chain(granted.map(|(who, _)| *who));
        let (at, role) = whom
            .filter_map(|who| Some((*self.candidates(who).first()?, who)))
            .min()?;
        let (mut chain, mut cut) = self.start(at, role);
        let who = if role == PUBLIC {
            "everybody".to_owned()
        } else {
            self.graph.name(role)
        };
        chain.push(format!("{who} may {words}"));
        if role != owner {
            cut = vec![format!("{fix} FROM {}", self.graph.ident(role))];
        }
        Some(Road {
            act: Act::Connect,
            object: Object::Server,
            by: By::ForeignServer,
            acting: self.acting(at),
            chain,
            certainty: Certainty::Depends,
            rows: None,
            bytes: None,
            fix: cut,
        })
    }

    /// Functions in C and in languages that keep nothing inside, and the built-ins of files, one road for each library
    /// or language and act.
    fn libraries(&self) -> Vec<Road> {
        let mut groups: BTreeMap<(Act, String, Certainty, usize, Oid), Vec<&Function>> =
            BTreeMap::new();
        for (oid, function) in &self.catalogue.functions {
            let Some((act, what, certainty)) = leads(*oid, function) else {
                continue;
            };
            // An owner of code outside is a superuser, or was one.
            for (at, grantee) in self.executors(function) {
                groups
                    .entry((act, what.clone(), certainty, at, grantee))
                    .or_default()
                    .push(function);
            }
        }
        let told =
            groups
                .into_iter()
                .map(|((act, what, certainty, at, grantee), mut functions)| {
                    functions.sort_by(|a, b| (&a.name, &a.arguments).cmp(&(&b.name, &b.arguments)));
                    let (mut chain, _) = self.start(at, grantee);
                    let who = if grantee == PUBLIC {
                        "everybody".to_owned()
                    } else {
                        self.graph.name(grantee)
                    };
                    let first = functions.first().map_or(String::new(), |f| f.name.clone());
                    let more = match functions.len() {
                        1 => String::new(),
                        n => format!(" and {} more functions", n - 1),
                    };
                    chain.push(format!("{who} may run `{first}`{more}, {what}"));
                    Road {
                        act,
                        object: Object::Server,
                        by: By::Function,
                        acting: self.acting(at),
                        chain,
                        certainty,
                        rows: None,
                        bytes: None,
                        fix: functions
                            .iter()
                            .map(|f| self.revoke_execute(f, grantee))
                            .collect(),
                    }
                });
        told.collect()
    }
}

/// Where a function leads, if it leads outside.
fn leads(oid: Oid, function: &Function) -> Option<(Act, String, Certainty)> {
    if oid < FIRST_USER {
        let act = if function.name == "lo_export" {
            Act::WriteFiles
        } else {
            Act::ReadFiles
        };
        return Some((
            act,
            "which PostgreSQL keeps for superusers".to_owned(),
            Certainty::Proved,
        ));
    }
    if !function.callable {
        return None;
    }
    if function.language != "c" {
        let what = format!(
            "written in `{}`, whose code nothing keeps inside the database",
            function.language
        );
        return (!function.trusted).then_some((Act::RunCode, what, Certainty::Depends));
    }
    let name = libraries::stem(&function.library);
    match libraries::library(&function.library) {
        Library::Plain => None,
        Library::Unknown => {
            let what = format!("code in C from the library `{name}`, which is not known");
            Some((Act::RunCode, what, Certainty::Depends))
        }
        Library::Reaches(does) => {
            let act = match name {
                "adminpack" => Act::WriteFiles,
                // These do nothing that their caller's own rights do not allow.
                "lo" | "pg_surgery" | "tcn" | "pg_cron" | "timescaledb" | "pg_background" => {
                    return None;
                }
                _ => Act::Connect,
            };
            let what = format!("of the library `{name}`, which can {does}");
            Some((act, what, Certainty::Depends))
        }
    }
}
