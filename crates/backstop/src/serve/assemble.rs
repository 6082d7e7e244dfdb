//! From configuration and data directory to what the floors below take.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backstop_core::secret::Secret;
use backstop_gates::postgres::{
    GateConfig, GateLimits, Host as GateHost, TargetConfig, Upstream, UpstreamTls,
};
use backstop_store::SealKey;
use backstop_vault::Recipients;
use backstop_vault::client::{Address, Client as VaultClient, Tls as VaultTls};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::config::{Config, Host, Target, Tls, Whereabouts};
use crate::failure::{Context, Failure, Outcome};
use crate::home::{Authority, Home, Identity};

/// The gate's own way into a target, its password unsealed.
///
/// # Errors
/// When there is no password for it, or no CA to trust.
pub fn upstream(home: &Home, key: &SealKey, target: &Target) -> Outcome<Upstream> {
    let sealed = home.credential(&target.name).read(key).map_err(|e| {
        Failure::new(format!(
            "the gate has no credential for the target `{}`",
            target.name
        ))
        .because(e)
        .hint(format!(
            "`backstop init --target {} --dsn …` seals one",
            target.name
        ))
    })?;
    let password =
        String::from_utf8(sealed.reveal().clone()).doing("a sealed credential is not text")?;
    connect_with(&target.dsn, Secret::new(password))
}

/// The way in that `dsn` says, with `password`.
///
/// # Errors
/// When there is no CA to trust.
pub fn connect_with(dsn: &crate::config::Dsn, password: Secret<String>) -> Outcome<Upstream> {
    let host = match &dsn.host {
        Host::Tcp(host) => GateHost::Tcp(host.clone(), dsn.port),
        Host::Unix(dir) => GateHost::Unix(dir.clone(), dsn.port),
    };
    let tls = match &dsn.tls {
        Tls::Disable => UpstreamTls::Disable,
        Tls::Pinned(hash) => UpstreamTls::Pinned(*hash),
        Tls::Verify { ca } => UpstreamTls::Verify(Arc::new(roots(ca.as_deref())?)),
    };
    Ok(Upstream {
        host,
        database: dsn.database.clone(),
        user: dsn.user.clone(),
        password,
        tls,
        require_binding: dsn.require_binding,
    })
}

fn roots(ca: Option<&Path>) -> Outcome<RootCertStore> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        let what = format!("cannot use the CA file `{}`", path.display());
        for certificate in CertificateDer::pem_file_iter(path).doing(what.clone())? {
            roots
                .add(certificate.doing(what.clone())?)
                .doing(what.clone())?;
        }
        if roots.is_empty() {
            return Err(Failure::usage(what).because("it holds no certificate"));
        }
        return Ok(roots);
    }
    let known = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(known.certs);
    // An empty set trusts nobody; the server's certificate is then shown and can be pinned.
    Ok(roots)
}

/// What the gate is started with.
///
/// # Errors
/// When its certificate cannot be made or read.
pub(super) fn gate_config(config: &Config, home: &Home) -> Outcome<GateConfig> {
    let Identity { tls, certificate } = match &config.gate.identity {
        Some((certificate, key)) => Identity::from_files(certificate, key)?,
        None => {
            let authority = Authority::load(home)?;
            super::publish_ca(config, &authority)?;
            authority.server(&config.gate.hosts)?
        }
    };
    let mut limits = GateLimits {
        images: config.measure.images,
        ..GateLimits::default()
    };
    if let Some(connections) = config.gate.connections_per_lease {
        limits.role.connections = u32::try_from(connections).unwrap_or(u32::MAX);
    }
    Ok(GateConfig {
        listen: config.gate.listen.clone(),
        unix_socket: gate_socket(config),
        tls: Some((tls, certificate)),
        require_tls: config.gate.require_tls,
        pause: config.gate.pause,
        worker_threads: config.gate.worker_threads,
        console_url: config.console.origin(),
        vault: vault(config)?,
        rehearsals: config.vault.as_ref().and_then(|v| v.rehearsals.clone()),
        limits,
    })
}

/// The way to the vault. Its connections live on the runtime that this is called in.
pub fn vault(config: &Config) -> Outcome<Option<VaultClient>> {
    let Some(vault) = &config.vault else {
        return Ok(None);
    };
    let recipients = Recipients::parse(&vault.recipients).doing("cannot use the vault's keys")?;
    let address = match &vault.place {
        Whereabouts::Socket(path) => Address::Unix(path.clone()),
        Whereabouts::Address { at, files } => {
            let read = |path: &Path| {
                std::fs::read(path).doing(format!("cannot read `{}`", path.display()))
            };
            let [authority, certificate, key] = files;
            let tls = VaultTls::new(&read(authority)?, &read(certificate)?, &read(key)?)
                .doing("cannot use the certificates for the vault")?;
            Address::Tcp {
                at: at.clone(),
                tls,
            }
        }
    };
    Ok(Some(VaultClient::new(
        address,
        recipients,
        VaultClient::TIMEOUT,
    )))
}

/// The directory of the gate's unix socket and the port in its name.
pub(super) fn gate_socket(config: &Config) -> Option<(PathBuf, u16)> {
    let port = config.gate.listen.first().map_or(7432, SocketAddr::port);
    config.gate.unix_socket.clone().map(|dir| (dir, port))
}

/// The targets as the gate takes them.
///
/// # Errors
/// As [`upstream`], or when one database would be two environments.
pub(super) fn target_configs(
    config: &Config,
    home: &Home,
    key: &SealKey,
) -> Outcome<Vec<TargetConfig>> {
    one_environment_each(config, home)?;
    config
        .targets
        .iter()
        .map(|target| target_config(config, home, key, target))
        .collect()
}

/// A target as the gate takes it.
///
/// # Errors
/// As [`upstream`].
pub(super) fn target_config(
    config: &Config,
    home: &Home,
    key: &SealKey,
    target: &Target,
) -> Outcome<TargetConfig> {
    Ok(TargetConfig {
        name: target.name.clone(),
        environment: target.environment,
        ca: match &target.dsn.tls {
            Tls::Verify { ca } => ca.clone(),
            _ => None,
        },
        pg_bin: target.pg_bin.clone(),
        measures: config.vault.is_some().then_some(config.measure.limits),
        upstream: upstream(home, key, target)?,
    })
}

/// The same server cannot be production under one name and staging under another.
fn one_environment_each(config: &Config, home: &Home) -> Outcome {
    let mut known: Vec<(String, &Target)> = vec![];
    for target in &config.targets {
        let Ok(note) = std::fs::read_to_string(home.target_note(&target.name)) else {
            continue;
        };
        let identity = format!("{} {}", note.trim(), target.dsn.database);
        if let Some((_, other)) = known
            .iter()
            .find(|(i, o)| *i == identity && o.environment != target.environment)
        {
            return Err(two_environments(
                &target.name,
                target.environment,
                &other.name,
                other.environment,
            ));
        }
        known.push((identity, target));
    }
    Ok(())
}

/// The refusal of one database as two environments.
pub fn two_environments(
    name: &str,
    environment: backstop_core::target::Environment,
    other: &str,
    others: backstop_core::target::Environment,
) -> Failure {
    Failure::usage(format!(
        "the targets `{name}` ({environment}) and `{other}` ({others}) are the same database"
    ))
    .hint("a database has one environment: give both the stricter one")
}
