//! The target that a login leads to: looked at as `init` does, found among those that are there, or added.

mod reach;
mod served;

use std::path::Path;

use backstop_core::scope::Scope;
use backstop_core::target::Environment;
use backstop_gates::postgres::Probe;

use super::plan::Login;
use crate::command::init::target::{Found, absolute_ca, guardable, identity, look};
use crate::command::runtime;
use crate::config::{Config, Dsn, Target, Tls};
use crate::failure::{Failure, Outcome};
use crate::home::{Home, Keys};
use crate::output::{Output, safe};

use reach::reach;
pub(super) use served::serve;

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
