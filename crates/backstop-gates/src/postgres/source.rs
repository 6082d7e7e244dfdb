//! A target as PostgreSQL's own programs reach it, and what its server says about archiving.

use backstop_vault::points::moment::{self, Archiving};
use backstop_vault::points::{PointError, Source, Tls, Tools};

use super::config::TargetConfig;
use super::error::GateError;
use super::upstream::{Host, Upstream, UpstreamTls};

/// The target as PostgreSQL's own programs reach it, with programs for a server of this major version.
///
/// # Errors
/// When there are no programs for it, or they cannot verify its certificate as the gate does.
pub async fn source(target: &TargetConfig, major: u16) -> Result<Source, PointError> {
    let upstream = &target.upstream;
    let tools = Tools::find(target.pg_bin.as_deref(), u32::from(major)).await?;
    let (host, port) = match &upstream.host {
        Host::Tcp(host, port) => (host.clone(), *port),
        Host::Unix(folder, port) => (folder.display().to_string(), *port),
    };
    let tls = match (&upstream.tls, &target.ca) {
        (UpstreamTls::Disable, _) => Tls::Off,
        (UpstreamTls::Verify(_), Some(ca)) => Tls::Verified(ca.clone()),
        (UpstreamTls::Verify(_), None) => Tls::System,
        (UpstreamTls::Pinned(_), _) => {
            return Err(PointError::Refused(
                "the server's certificate is pinned, which PostgreSQL's own programs cannot do; hint: give its authority with `ca`".into(),
            ));
        }
    };
    Ok(Source {
        host,
        port,
        user: upstream.user.clone(),
        password: Some(upstream.password.clone()),
        database: upstream.database.clone(),
        tls,
        tools,
    })
}

/// As `source`, of a target whose server is asked for its version first.
///
/// # Errors
/// As `source`, and when the server cannot be reached.
pub async fn source_of(target: &TargetConfig) -> Result<Source, PointError> {
    let asked = async {
        let mut server = target.upstream.connect(&[]).await?;
        server
            .ask("select pg_catalog.current_setting('server_version_num')")
            .await
    };
    let rows = asked
        .await
        .map_err(|why: GateError| PointError::Refused(why.to_string()))?;
    let number = rows.into_iter().flatten().flatten().next();
    let number: u16 = number
        .and_then(|number| number.parse::<u32>().ok())
        .and_then(|number| u16::try_from(number / 10_000).ok())
        .ok_or_else(|| PointError::Refused("the server does not say its version".into()))?;
    source(target, number).await
}

/// Asks a target's server how it archives its write-ahead log.
///
/// # Errors
/// When it cannot be reached or does not answer.
pub async fn archiving(upstream: &Upstream) -> Result<Archiving, GateError> {
    let mut server = upstream
        .connect(&[("client_encoding".to_owned(), "UTF8".to_owned())])
        .await?;
    server.tell("set search_path = ''").await?;
    moment::ask(&mut server).await
}
