//! A new target: reached, looked at, and only then kept.
//!
//! Must not weaken how the server is known: a certificate that no CA here knows is pinned only when a person
//! has seen its fingerprint, or gave it.

use std::io::Write;
use std::path::Path;

use backstop_core::digest::Digest;
use backstop_core::secret::Secret;
use backstop_core::target::Environment;
use backstop_gates::postgres::{GateError, Probe, probe};

use super::ask;
use crate::cli::Init;
use crate::config::{Config, Dsn, Host, Pgpass, Tls, fingerprint, target_name, template};
use crate::failure::{Context, Failure, Outcome};
use crate::home::{Home, Keys};
use crate::output::Output;
use crate::serve::{connect_with, two_environments};

/// A target that answered.
pub(in crate::command) struct Found {
    /// The target's name.
    pub(in crate::command) name: String,
    /// Its environment.
    pub(in crate::command) environment: Environment,
    /// Where it is.
    pub(in crate::command) dsn: Dsn,
    /// The gate's password there.
    pub(in crate::command) password: Secret<String>,
    /// What was seen of it.
    pub(in crate::command) probe: Probe,
    /// Whether the configuration has it already.
    pub(in crate::command) known: bool,
}

/// Reaches the target and looks at it.
///
/// # Errors
/// When it cannot be reached or cannot be guarded as it is.
pub(super) async fn find(
    config: &Config,
    home: &Home,
    name: &str,
    dsn: &str,
    args: &Init,
    output: Output,
) -> Outcome<Found> {
    target_name(name).map_err(Failure::usage)?;
    let mut dsn = Dsn::parse(dsn).map_err(Failure::usage)?;
    absolute_ca(&mut dsn);
    if let Some(pin) = &args.pin {
        let hash = fingerprint(pin).ok_or_else(|| {
            Failure::usage("--pin is not a SHA-256 fingerprint").hint("write 64 hex digits")
        })?;
        dsn.tls = Tls::Pinned(hash);
    }
    let known = already(config, name, &dsn, args.environment)?;
    let password = password(&dsn)?;
    output.say(&format!("looking at {dsn}"));
    let probe = look(&mut dsn, &password, args.yes, output).await?;
    guardable(&dsn, &probe)?;
    one_environment(config, home, name, args.environment, &dsn, &probe)?;
    probe
        .warnings
        .iter()
        .for_each(|warning| output.warn(warning));
    Ok(Found {
        name: name.to_owned(),
        environment: args.environment,
        dsn,
        password,
        probe,
        known,
    })
}

/// Names the CA file from the root: the gate runs elsewhere.
pub(in crate::command) fn absolute_ca(dsn: &mut Dsn) {
    if let Tls::Verify { ca: Some(ca) } = &mut dsn.tls
        && let Ok(whole) = std::path::absolute(&ca)
    {
        *ca = whole;
    }
}

/// Whether the configuration has this target; refused when it is another one.
fn already(config: &Config, name: &str, dsn: &Dsn, environment: Environment) -> Outcome<bool> {
    let Some(target) = config.targets.iter().find(|t| t.name == name) else {
        return Ok(false);
    };
    if target.dsn.to_string() == dsn.to_string() && target.environment == environment {
        return Ok(true);
    }
    Err(Failure::usage(format!(
        "there is another target `{name}` already: {} ({})",
        target.dsn, target.environment
    ))
    .hint("give the new one another name, or edit the configuration"))
}

fn password(dsn: &Dsn) -> Outcome<Secret<String>> {
    if let Some(password) = &dsn.password {
        return Ok(password.clone());
    }
    if let Some(password) = std::env::var("PGPASSWORD").ok().filter(|p| !p.is_empty()) {
        return Ok(Secret::new(password));
    }
    if let Some(file) = Pgpass::usual()
        && let Some(password) = file.find(dsn).map_err(Failure::usage)?
    {
        return Ok(password);
    }
    if ask::somebody() {
        return ask::password(&format!("password of {dsn}: "));
    }
    Err(Failure::usage(format!("there is no password for {dsn}"))
        .hint("set PGPASSWORD, or write it into ~/.pgpass"))
}

/// Probes; where the certificate is not known here, shows it and pins it once it is confirmed.
///
/// # Errors
/// When it cannot be reached, does not let the role in, or is not known to be the right one.
pub(in crate::command) async fn look(
    dsn: &mut Dsn,
    password: &Secret<String>,
    yes: bool,
    output: Output,
) -> Outcome<Probe> {
    let upstream = connect_with(dsn, password.clone())?;
    let refused = match probe(&upstream).await {
        Ok(probe) => return Ok(probe),
        Err(error @ GateError::Tls(_)) => error,
        Err(error) => return Err(unreachable(dsn, &error)),
    };
    let certificate = upstream
        .certificate()
        .await
        .map_err(|e| unreachable(dsn, &e))?;
    let hash = Digest::of(&certificate);
    let shown = colons(hash);
    if matches!(dsn.tls, Tls::Pinned(_)) {
        return Err(
            Failure::new(format!("{dsn} does not show the pinned certificate"))
                .because(format!("the SHA-256 of the one it shows is {shown}"))
                .hint("compare that with the server's own: if it was renewed, pin the new one; if it differs, somebody stands between"),
        );
    }
    let unknown = Failure::new(format!("the certificate of {dsn} is not trusted here"))
        .because(untrusted(&refused));
    if !ask::somebody() || yes {
        return Err(unknown.hint(format!("connect by a name that it is for, name its CA with sslrootcert=FILE in the DSN, or pin it with --pin {} after comparing that with the server's own", hash.to_hex())));
    }
    output.err(&format!("no CA here vouches for the certificate of {dsn}; its SHA-256 is\n  {}\ncompare it on the server:\n  openssl x509 -noout -fingerprint -sha256 -in server.crt", output.paint_err.strong(&shown)));
    if !ask::confirm(
        "Is it the same, and shall exactly this certificate be pinned?",
        output,
    )? {
        return Err(unknown.hint("name its CA with sslrootcert=FILE in the DSN"));
    }
    dsn.tls = Tls::Pinned(hash.0);
    let upstream = connect_with(dsn, password.clone())?;
    probe(&upstream).await.map_err(|e| unreachable(dsn, &e))
}

/// Why a certificate is not trusted, without the words of the library that looked.
fn untrusted(error: &GateError) -> String {
    let text = error.to_string();
    let why = text.split("; hint:").next().unwrap_or_default();
    match why {
        _ if why.contains("CaUsedAsEndEntity") => {
            "it is self-made: no CA vouches for it".to_owned()
        }
        _ if why.contains("Expired") => "it has expired".to_owned(),
        _ if why.contains("not valid for name") || why.contains("NotValidForName") => {
            why.to_owned()
        }
        _ if why.contains("invalid peer certificate") => {
            "no CA that is known here vouches for it".to_owned()
        }
        _ => why.to_owned(),
    }
}

fn unreachable(dsn: &Dsn, error: &GateError) -> Failure {
    let mut failure = Failure::new(format!("cannot use {dsn}")).because(error);
    let hint = match error {
        GateError::Io { .. } | GateError::Timeout(_) => {
            "is the server up, and are host and port in the DSN right?"
        }
        GateError::Refused(_) => {
            "the password comes from the DSN, else PGPASSWORD, else ~/.pgpass; try it with psql"
        }
        GateError::Server(_) => "try the same DSN with psql",
        _ => return failure,
    };
    failure.hint.get_or_insert_with(|| hint.to_owned());
    failure
}

fn colons(hash: Digest) -> String {
    let hex: Vec<String> = hash.0.iter().map(|b| format!("{b:02X}")).collect();
    hex.join(":")
}

/// What cannot be guarded is refused.
///
/// # Errors
/// Why it cannot be.
pub(in crate::command) fn guardable(dsn: &Dsn, probe: &Probe) -> Outcome {
    if let Some(pooler) = &probe.pooler {
        return Err(Failure::new(format!("{dsn} is {pooler}"))
            .because("each transaction of an agent could run in another session there")
            .hint("give the direct address of the database, or the pooler's session mode; managed services list it beside the pooled one"));
    }
    // What is approved runs as this role: it must not be able to do what no agent could be given.
    if probe.superuser {
        return Err(Failure::new(format!("{dsn} is a superuser's"))
            .because("approved actions run as the gate's role, and nothing bounds a superuser")
            .hint("`create role backstop login createrole password '…'` makes one that is enough; let it own what agents may touch"));
    }
    Ok(())
}

fn one_environment(
    config: &Config,
    home: &Home,
    name: &str,
    environment: Environment,
    dsn: &Dsn,
    probe: &Probe,
) -> Outcome {
    for other in config.targets.iter().filter(|t| t.name != name) {
        let note = std::fs::read_to_string(home.target_note(&other.name)).unwrap_or_default();
        let same = note.trim() == identity(dsn, probe) && other.dsn.database == dsn.database;
        if same && other.environment != environment {
            return Err(two_environments(
                name,
                environment,
                &other.name,
                other.environment,
            ));
        }
    }
    Ok(())
}

/// What no two servers share; where the role may not ask for that, the address is the next best thing.
pub(in crate::command) fn identity(dsn: &Dsn, probe: &Probe) -> String {
    probe
        .system_identifier
        .clone()
        .unwrap_or_else(|| match &dsn.host {
            Host::Tcp(host) => format!("{host}:{}", dsn.port),
            Host::Unix(dir) => format!("{}:{}", dir.display(), dsn.port),
        })
}

impl Found {
    /// Keeps it: password sealed, identity noted, configuration extended.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(in crate::command) fn keep(&self, path: &Path, home: &Home, output: Output) -> Outcome {
        let key = Keys::seal(home)?;
        home.credential(&self.name)
            .write(&key, self.password.reveal().as_bytes())
            .doing("cannot seal the password")?;
        let note = home.target_note(&self.name);
        std::fs::write(&note, format!("{}\n", identity(&self.dsn, &self.probe)))
            .doing(format!("cannot write `{}`", note.display()))?;
        if self.known {
            output.say(&format!("sealed the password of `{}` anew", self.name));
            return Ok(());
        }
        let text = template::target(&self.name, self.environment, &self.dsn);
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(path)
            .doing(format!("cannot write `{}`", path.display()))?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .doing(format!("cannot write `{}`", path.display()))?;
        output.say(&format!(
            "added the target `{}` ({}): PostgreSQL {}",
            self.name, self.environment, self.probe.server_version
        ));
        Ok(())
    }
}
