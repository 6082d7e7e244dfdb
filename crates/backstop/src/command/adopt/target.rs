//! The target that a login leads to: looked at as `init` does, found among those that are there, or added.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use backstop_core::scope::{Scope, ScopeVerb};
use backstop_core::target::Environment;
use backstop_gates::postgres::Probe;

use super::plan::Login;
use crate::command::init::target::{Found, absolute_ca, guardable, identity, look};
use crate::command::runtime;
use crate::config::{Config, Dsn, Target, Tls};
use crate::control::client::Client;
use crate::control::protocol::Request;
use crate::failure::{Context, Failure, Outcome};
use crate::home::{Home, Keys};
use crate::output::{Output, safe};
use crate::serve::connect_with;

/// More are not understood by who approves them.
const MOST_SCOPES: usize = 64;

/// A target for a login.
pub(super) struct Chosen {
    /// Its name.
    pub(super) name: String,
    /// Its environment.
    pub(super) environment: Environment,
    /// The login's way to the server, with how the server is known.
    pub(super) dsn: Dsn,
    /// What the login may read and write there.
    pub(super) scopes: Vec<Scope>,
    /// Whether the gate logs in there as the same role.
    pub(super) own: bool,
    /// What has to be done for it to be served.
    pub(super) todo: Todo,
}

/// What has to be done for a target to be served.
pub(super) enum Todo {
    /// Nothing.
    Nothing,
    /// Its password is another one now.
    Seal(Box<Found>),
    /// It is new.
    Add(Box<Found>),
}

/// What targets are chosen with.
pub(super) struct Choosing<'a> {
    /// The configuration.
    pub(super) config: &'a Config,
    /// The data directory.
    pub(super) home: &'a Home,
    /// The environment that was said.
    pub(super) given: Option<Environment>,
    /// The certificate to pin.
    pub(super) pin: Option<[u8; 32]>,
    /// Scopes that were said.
    pub(super) scopes: &'a [Scope],
    /// Whether nobody is to be asked.
    pub(super) yes: bool,
    /// Where to speak.
    pub(super) output: Output,
    /// Those chosen before, in this run.
    pub(super) chosen: Vec<(String, Chosen)>,
}

impl Choosing<'_> {
    /// Looks at where a login of `folder` leads, and chooses a target for it. `guess` is asked for the environment of a
    /// new one. Nothing is changed.
    ///
    /// # Errors
    /// When it cannot be reached or cannot be guarded as it is.
    pub(super) fn choose(
        &mut self,
        login: &Login,
        folder: &Path,
        guess: impl FnOnce() -> Outcome<Environment>,
    ) -> Outcome<usize> {
        let mut dsn = login.dsn.clone();
        dsn.password = None;
        if let Tls::Verify { ca: Some(ca) } = &mut dsn.tls {
            // Named from where the program runs, which is where its file lies.
            *ca = folder.join(&*ca);
        }
        absolute_ca(&mut dsn);
        if let Some(pin) = self.pin {
            dsn.tls = Tls::Pinned(pin);
        }
        let same = format!("{}\0{:?}\0{}", dsn, dsn.tls, login.password.reveal());
        if let Some(known) = self.chosen.iter().position(|(key, _)| *key == same) {
            return Ok(known);
        }
        self.output.say(&format!("looking at {dsn}"));
        let looked = async {
            let probe = look(&mut dsn, &login.password, self.yes, self.output).await?;
            let reused = self.reusable(&dsn, &probe);
            let probe = match reused {
                Some(target) => self.there(target, &mut dsn, probe, login).await?,
                None => probe,
            };
            let scopes = match self.scopes {
                [] => reach(&dsn, login).await?,
                said => said.to_vec(),
            };
            Ok::<_, Failure>((probe, reused.cloned(), scopes))
        };
        let (probe, reused, scopes) = runtime(1)?.block_on(looked)?;
        let own = reused.as_ref().is_none_or(|t| t.dsn.user == dsn.user);
        let (name, environment, todo) = match reused {
            Some(target) => self.reuse(&target, &dsn, &probe, login)?,
            None => self.add(&dsn, &probe, login, guess)?,
        };
        self.chosen.push((
            same,
            Chosen {
                name,
                environment,
                dsn,
                scopes,
                own,
                todo,
            },
        ));
        Ok(self.chosen.len() - 1)
    }

    /// The target of the configuration that leases in place of this login are made by: its own, or, where its role
    /// cannot make roles (a program's own rarely can), another one of the same database.
    fn reusable(&self, dsn: &Dsn, probe: &Probe) -> Option<&Target> {
        let here = identity(dsn, probe);
        let mut there = self
            .config
            .targets
            .iter()
            .filter(|t| self.note(&t.name) == here && t.dsn.database == dsn.database);
        let own = there.clone().find(|t| t.dsn.user == dsn.user);
        let mut other = || (probe.superuser || !probe.createrole).then(|| there.next());
        own.or_else(|| other().flatten())
    }

    /// Looks again at the target's own address. A file may lead to a server that only says it is the same one: neither
    /// the target's password nor what a lease may do there is taken from its word.
    async fn there(
        &self,
        target: &Target,
        dsn: &mut Dsn,
        probe: Probe,
        login: &Login,
    ) -> Outcome<Probe> {
        if (&dsn.host, dsn.port, &dsn.tls) == (&target.dsn.host, target.dsn.port, &target.dsn.tls) {
            return Ok(probe);
        }
        let given = std::mem::replace(
            dsn,
            Dsn {
                user: login.dsn.user.clone(),
                ..target.dsn.clone()
            },
        );
        let looked = look(dsn, &login.password, true, self.output).await;
        let same = |probe: &Probe| probe.system_identifier.is_some();
        match looked {
            Ok(probe) if same(&probe) && identity(dsn, &probe) == self.note(&target.name) => Ok(probe),
            Ok(_) => Err(Failure::new(format!(
                "{given} says that it is the database of the target `{}`, and {dsn} is another",
                target.name
            ))),
            Err(failure) => Err(Failure::new(format!(
                "{given} says that it is the database of the target `{}`, but this login is not let in there",
                target.name
            ))
            .because(failure.what)
            .hint("find out where it really leads before it is adopted")),
        }
    }

    fn reuse(
        &self,
        target: &Target,
        dsn: &Dsn,
        probe: &Probe,
        login: &Login,
    ) -> Outcome<(String, Environment, Todo)> {
        self.same(target.environment, &target.name)?;
        let name = target.name.clone();
        if target.dsn.user != dsn.user {
            self.output.say(&format!(
                "leases in place of {dsn} are made by the target `{name}`, which is the same database"
            ));
            return Ok((name, target.environment, Todo::Nothing));
        }
        guardable(dsn, probe)?;
        let todo = match self.is_sealed(&name, login) {
            true => Todo::Nothing,
            false => Todo::Seal(found(&name, target.environment, dsn, probe, login, true)),
        };
        Ok((name, target.environment, todo))
    }

    fn add(
        &self,
        dsn: &Dsn,
        probe: &Probe,
        login: &Login,
        guess: impl FnOnce() -> Outcome<Environment>,
    ) -> Outcome<(String, Environment, Todo)> {
        guardable(dsn, probe)?;
        if !probe.createrole {
            return Err(Failure::new(format!("no lease can be made as {dsn}"))
                .because("it may not make roles, and each lease has a role of its own")
                .hint(format!(
                    "set the database up first with a role that may: `backstop init --target NAME --dsn …`; or allow it: `alter role {} createrole`",
                    ident(&dsn.user)
                )));
        }
        let environment = match self.known(&identity(dsn, probe)) {
            Some((environment, other)) => {
                self.same(environment, other)?;
                environment
            }
            None => guess()?,
        };
        probe
            .warnings
            .iter()
            .for_each(|warning| self.output.warn(warning));
        let name = self.free_name(&dsn.database);
        let todo = Todo::Add(found(&name, environment, dsn, probe, login, false));
        Ok((name, environment, todo))
    }

    /// The environment that this server has already, and by which target.
    fn known(&self, here: &str) -> Option<(Environment, &str)> {
        let mut targets = self.config.targets.iter();
        let configured = targets
            .find(|t| self.note(&t.name) == here)
            .map(|t| (t.environment, t.name.as_str()));
        configured.or_else(|| {
            self.chosen
                .iter()
                .find_map(|(_, chosen)| match &chosen.todo {
                    Todo::Add(found) if identity(&found.dsn, &found.probe) == here => {
                        Some((chosen.environment, chosen.name.as_str()))
                    }
                    _ => None,
                })
        })
    }

    /// One server has one environment: roles are the server's, and what one database's role may is not that database's
    /// alone.
    fn same(&self, has: Environment, name: &str) -> Outcome {
        match self.given {
            Some(given) if given != has => Err(Failure::usage(format!(
                "it leads to the same server as the target `{name}`, which is {has} and not {given}"
            ))
            .hint(format!(
                "a server has one environment: leave --environment out, or say {has}"
            ))),
            _ => Ok(()),
        }
    }

    fn note(&self, name: &str) -> String {
        std::fs::read_to_string(self.home.target_note(name))
            .unwrap_or_default()
            .trim()
            .to_owned()
    }

    fn is_sealed(&self, name: &str, login: &Login) -> bool {
        let sealed = Keys::seal(self.home)
            .ok()
            .and_then(|key| self.home.credential(name).read(&key).ok());
        sealed.is_some_and(|s| s.reveal() == login.password.reveal().as_bytes())
    }

    fn free_name(&self, database: &str) -> String {
        let plain = |c: char| {
            let c = c.to_ascii_lowercase();
            if c.is_ascii_alphanumeric() { c } else { '-' }
        };
        let mut base: String = database.chars().map(plain).take(30).collect();
        if !base.starts_with(|c: char| c.is_ascii_lowercase()) {
            base.insert_str(0, "db-");
        }
        let taken = |name: &str| {
            self.config.targets.iter().any(|t| t.name == name)
                || self.chosen.iter().any(|(_, c)| c.name == name)
        };
        (1..)
            .map(|n| match n {
                1 => base.clone(),
                n => format!("{base}-{n}"),
            })
            .find(|name| !taken(name))
            .unwrap_or(base.clone())
    }
}

fn found(
    name: &str,
    environment: Environment,
    dsn: &Dsn,
    probe: &Probe,
    login: &Login,
    known: bool,
) -> Box<Found> {
    Box::new(Found {
        name: name.to_owned(),
        environment,
        dsn: dsn.clone(),
        password: login.password.clone(),
        probe: probe.clone(),
        known,
    })
}

/// What the login's role may read and write: the lease that stands in for it gets that, and no more.
async fn reach(dsn: &Dsn, login: &Login) -> Outcome<Vec<Scope>> {
    const ASK: &str = "select n.nspname::pg_catalog.text, c.relname::pg_catalog.text, \
        pg_catalog.has_table_privilege(c.oid, 'select'), pg_catalog.has_table_privilege(c.oid, 'insert'), \
        pg_catalog.has_table_privilege(c.oid, 'update'), pg_catalog.has_table_privilege(c.oid, 'delete') \
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace \
        where c.relkind operator(pg_catalog.=) any (array['r','p','v','m','f']::pg_catalog.\"char\"[]) \
        and not n.nspname operator(pg_catalog.~) '^pg_' \
        and not n.nspname operator(pg_catalog.=) 'information_schema' \
        and pg_catalog.has_schema_privilege(n.oid, 'usage') order by 1, 2";
    let doing = || format!("cannot ask what {dsn} may do");
    let upstream = connect_with(dsn, login.password.clone())?;
    let client = crate::command::doctor::way(&upstream)
        .connect()
        .await
        .doing(doing())?;
    let rows = client.query(ASK, &[]).await.doing(doing())?;
    let mut schemas: BTreeMap<String, Vec<(String, Vec<ScopeVerb>)>> = BTreeMap::new();
    for row in &rows {
        let get = |n: usize| row.try_get::<_, bool>(n).unwrap_or(false);
        let text = |n: usize| row.try_get::<_, String>(n).unwrap_or_default();
        let verbs = [
            ScopeVerb::Read,
            ScopeVerb::Insert,
            ScopeVerb::Update,
            ScopeVerb::Delete,
        ];
        let has = (2..)
            .zip(verbs)
            .filter(|(n, _)| get(*n))
            .map(|(_, verb)| verb);
        schemas
            .entry(text(0))
            .or_default()
            .push((text(1), has.collect()));
    }
    let scopes = scopes(schemas);
    if scopes.is_empty() || scopes.len() > MOST_SCOPES {
        let why = match scopes.len() {
            0 => "it may read and write nothing that is there yet".to_owned(),
            n => format!("{n} scopes would be needed to say it table by table"),
        };
        return Err(Failure::new(format!(
            "what a lease in place of {dsn} may do has to be said"
        ))
        .because(why)
        .hint("say it with --scope, as in `--scope read --scope write:public.orders`"));
    }
    Ok(scopes)
}

/// One scope for a schema in which all is alike, otherwise one for each relation.
fn scopes(schemas: BTreeMap<String, Vec<(String, Vec<ScopeVerb>)>>) -> Vec<Scope> {
    let mut all = vec![];
    for (schema, relations) in schemas {
        let scope = |verbs: &[ScopeVerb], name| Scope {
            verbs: verbs.iter().copied().collect(),
            schema: Some(schema.clone()),
            name,
        };
        let first = relations
            .first()
            .map(|(_, verbs)| verbs.clone())
            .unwrap_or_default();
        if relations.iter().all(|(_, verbs)| *verbs == first) {
            all.extend((!first.is_empty()).then(|| scope(&first, None)));
            continue;
        }
        let some = relations.iter().filter(|(_, verbs)| !verbs.is_empty());
        all.extend(some.map(|(name, verbs)| scope(verbs, Some(name.clone()))));
    }
    all
}

/// What was added, to be taken back if it comes to nothing.
pub(super) struct Added {
    config: PathBuf,
    before: u64,
    after: u64,
    names: Vec<String>,
}

/// Makes every chosen target one that is served: seals, adds to the configuration, has the gate take it up.
///
/// # Errors
/// When it cannot be, or the gate does not take it up. What was added is taken back then.
pub(super) fn serve(
    chosen: &[(String, Chosen)],
    path: &Path,
    home: &Home,
    client: &mut Client,
    output: Output,
) -> Outcome<Added> {
    let size = || {
        let meta = std::fs::metadata(path).doing(format!("cannot read `{}`", path.display()))?;
        Ok::<_, Failure>(meta.len())
    };
    let mut added = Added {
        config: path.to_owned(),
        before: size()?,
        after: size()?,
        names: vec![],
    };
    let mut changed = false;
    for (_, chosen) in chosen {
        let (Todo::Add(found) | Todo::Seal(found)) = &chosen.todo else {
            continue;
        };
        changed = true;
        if matches!(chosen.todo, Todo::Add(_)) {
            added.names.push(found.name.clone());
        }
        let kept = found.keep(path, home, output).and_then(|()| {
            home.give(&home.credential_path(&found.name))?;
            home.give(&home.target_note(&found.name))
        });
        added.after = size()?;
        if let Err(failure) = kept {
            added.take_back(home);
            return Err(failure);
        }
    }
    if changed && let Err(failure) = client.ask::<()>(&Request::Reload) {
        added.take_back(home);
        let _ = client.ask::<()>(&Request::Reload);
        return Err(failure);
    }
    Ok(added)
}

impl Added {
    /// Takes back what was added, if nobody has changed the configuration since. Says whether anything was.
    pub(super) fn take_back(&self, home: &Home) -> bool {
        let size = std::fs::metadata(&self.config).map(|m| m.len());
        if self.names.is_empty() || size.is_ok_and(|size| size != self.after) {
            return false;
        }
        let cut = std::fs::OpenOptions::new()
            .write(true)
            .open(&self.config)
            .and_then(|file| {
                file.set_len(self.before)?;
                file.sync_all()
            });
        if cut.is_err() {
            return false;
        }
        for name in &self.names {
            let _ = std::fs::remove_file(home.credential_path(name));
            let _ = std::fs::remove_file(home.target_note(name));
        }
        true
    }
}

/// A role's name as SQL writes it, for a person to read.
pub(super) fn ident(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain {
        return name.to_owned();
    }
    safe(&format!("\"{}\"", name.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_gets_what_the_login_had_and_no_more() {
        let read = vec![ScopeVerb::Read];
        let both = vec![ScopeVerb::Read, ScopeVerb::Insert];
        let schemas = BTreeMap::from([
            (
                "alike".to_owned(),
                vec![
                    ("a".to_owned(), both.clone()),
                    ("b".to_owned(), both.clone()),
                ],
            ),
            (
                "mixed".to_owned(),
                vec![
                    ("a".to_owned(), both),
                    ("b".to_owned(), vec![]),
                    ("c".to_owned(), read),
                ],
            ),
            ("none".to_owned(), vec![("a".to_owned(), vec![])]),
        ]);
        let shown: Vec<String> = scopes(schemas).iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            ["read,insert:alike.*", "read,insert:mixed.a", "read:mixed.c"]
        );
    }
}
