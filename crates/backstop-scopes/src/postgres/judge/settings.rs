//! Settings: those of superusers' that somebody was granted, and those that wait for others in a database.
//!
//! What a role sets for itself (`ALTER ROLE … SET`) whoever logs in as it finds, with rights that the role has anyway.
//! Whoever may set it for another role (CREATEROLE, ADMIN OPTION) may become that role, too. What an owner of a database
//! sets there, everybody finds who connects to it, superusers included.

use super::Judge;
use crate::postgres::catalogue::{Oid, privilege};
use crate::postgres::road::{Act, By, Certainty, Object, Road};

/// On, it lets everybody remove everybody's large objects.
pub(super) const LO_COMPAT: &str = "lo_compat_privileges";

/// What the server runs as a program, once it has read its settings anew.
const PROGRAMS: &[&str] = &[
    "archive_command",
    "archive_cleanup_command",
    "recovery_end_command",
    "restore_command",
    "ssl_passphrase_command",
];
/// What the server loads, or where it looks for what it loads.
const LIBRARIES: &[&str] = &[
    "archive_library",
    "dynamic_library_path",
    "extension_control_path",
    "jit_provider",
    "local_preload_libraries",
    "session_preload_libraries",
    "shared_preload_libraries",
];

impl Judge<'_> {
    pub(super) fn settings(&self, all: &mut Vec<Road>) {
        for (name, _) in &self.catalogue.parameters {
            let program = PROGRAMS.contains(&name.as_str());
            let library = LIBRARIES.contains(&name.as_str());
            if (program || library)
                && let Some(found) = self.granted(name, privilege::ALTER_SYSTEM)
            {
                let (act, what) = match program {
                    true => (Act::RunPrograms, "a program of the server's own"),
                    false => (Act::RunCode, "libraries that the server loads"),
                };
                let words = format!(
                    "ALTER SYSTEM SET `{name}`, which names {what}, from when it next reads its settings"
                );
                all.push(self.setting(name, "ALTER SYSTEM", found, act, &words));
            }
            if name == "session_preload_libraries"
                && let Some(found) = self.granted(name, privilege::SET)
            {
                let words = format!(
                    "SET `{name}`: a session of its own begins with any library that lies on the server's machine"
                );
                all.push(self.setting(name, "SET", found, Act::RunCode, &words));
            }
        }
        self.waiting(all);
    }

    /// The nearest actor to whom a setting was granted, and the role that it was granted to.
    pub(super) fn granted(&self, name: &str, bit: u16) -> Option<(usize, Oid)> {
        let mut all = self.catalogue.parameters.iter();
        let (_, acl) = all.find(|(parameter, _)| parameter == name)?;
        let grants = acl.0.iter().filter(|(_, bits)| bits & bit != 0);
        grants
            .filter_map(|(who, _)| Some((*self.candidates(*who).first()?, *who)))
            .min()
    }

    fn setting(&self, name: &str, right: &str, found: (usize, Oid), act: Act, words: &str) -> Road {
        let (at, who) = found;
        let mut road = self.plain(at, who, act, Object::Server, By::Grant);
        road.certainty = Certainty::Depends;
        road.fix = vec![format!(
            "REVOKE {right} ON PARAMETER {name} FROM {}",
            self.graph.ident(who)
        )];
        road.chain
            .push(format!("{} may {words}", self.graph.name(who)));
        road
    }

    /// An owner of a database sets what every session there begins with: above all the path on which names are looked
    /// up.
    fn waiting(&self, all: &mut Vec<Road>) {
        for database in &self.catalogue.databases {
            let Some(at) = self.candidates(database.owner).first() else {
                continue;
            };
            let object = Object::Database {
                name: database.name.clone(),
            };
            let mut road = self.plain(*at, database.owner, Act::Plant, object, By::DatabaseOwner);
            road.certainty = Certainty::Depends;
            road.chain.push(format!(
                "{} owns the database `{}`: by ALTER DATABASE … SET search_path it has everybody who connects there look up names in a schema of its own",
                self.graph.name(database.owner),
                database.name
            ));
            all.push(road);
        }
    }
}
