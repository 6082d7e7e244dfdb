//! What can be found out by connecting to the targets as the gate does.

use backstop_gates::postgres::{Host, Probe, Upstream, UpstreamTls, probe};
use backstop_scopes::postgres::{Place, Trust, Way, unseen};

use super::Finding;
use crate::config::{Config, Target, Tls};
use crate::home::{Home, Keys};
use crate::serve::upstream;

/// Looks at every target.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let home = Home::at(&config.data_dir);
    let Ok(key) = Keys::seal(&home) else {
        return vec![];
    };
    let mut all = vec![];
    let mut seen: Vec<(String, &Target)> = vec![];
    for target in &config.targets {
        let upstream = match upstream(&home, &key, target) {
            Err(failure) => {
                all.push(Finding::failed(&failure));
                continue;
            }
            Ok(upstream) => upstream,
        };
        match probe(&upstream).await {
            Err(error) => all.push(unreachable(target, &error.to_string())),
            Ok(probe) => {
                all.extend(one(target, &probe));
                all.extend(twice(target, &probe, &mut seen));
                all.extend(roads(target, &upstream).await);
            }
        }
    }
    all
}

/// What a measurement would not show at this target: a warning each, or that there is none.
async fn roads(target: &Target, upstream: &Upstream) -> Vec<Finding> {
    let name = &target.name;
    let asked = async { unseen(&way(upstream).connect().await?).await };
    match asked.await {
        Err(error) => vec![unreachable(target, &error.to_string())],
        Ok(none) if none.is_empty() => vec![Finding::good(format!(
            "target `{name}` has no road that measuring would not see"
        ))],
        Ok(roads) => roads
            .into_iter()
            .map(|road| Finding::warning(format!("target `{name}`: {}", road.what), road.fix))
            .collect(),
    }
}

/// The gate's own way in, for the audit's client.
pub(in crate::command) fn way(upstream: &Upstream) -> Way {
    let (place, port) = match &upstream.host {
        Host::Tcp(host, port) => (Place::Tcp(host.clone()), *port),
        Host::Unix(directory, port) => (Place::Unix(directory.clone()), *port),
    };
    Way {
        place,
        port,
        database: upstream.database.clone(),
        user: upstream.user.clone(),
        password: Some(upstream.password.clone()),
        trust: match &upstream.tls {
            UpstreamTls::Disable => Trust::Nothing,
            UpstreamTls::Verify(roots) => Trust::Authorities(roots.clone()),
            UpstreamTls::Pinned(hash) => Trust::Pinned(*hash),
        },
        require_binding: upstream.require_binding,
    }
}

fn unreachable(target: &Target, error: &str) -> Finding {
    let (what, hint) = error
        .split_once("; hint: ")
        .unwrap_or((error, "is it up, and is the credential still right?"));
    Finding::bad(
        format!("target `{}` cannot be reached: {what}", target.name),
        hint,
    )
}

fn one(target: &Target, probe: &Probe) -> Vec<Finding> {
    let name = &target.name;
    let mut all = vec![Finding::good(format!(
        "target `{name}` ({}) answers: PostgreSQL {}",
        target.environment, probe.server_version
    ))];
    if let Some(pooler) = &probe.pooler {
        all.push(Finding::bad(
            format!("target `{name}` is reached through {pooler}"),
            "use its direct or session address",
        ));
    }
    if target.dsn.tls == Tls::Disable && matches!(target.dsn.host, crate::config::Host::Tcp(_)) {
        all.push(Finding::warning(
            format!("target `{name}` is reached without TLS"),
            "set tls = \"verify-full\", unless the network between is yours alone",
        ));
    }
    all.extend(probe.warnings.iter().map(|w| {
        let (what, hint) = w
            .split_once("; ")
            .unwrap_or((w, "revoke it from PUBLIC, or give agents no lease there"));
        Finding::warning(format!("target `{name}`: {what}"), hint)
    }));
    all
}

/// One database under two names must not be two environments.
fn twice<'a>(
    target: &'a Target,
    probe: &Probe,
    seen: &mut Vec<(String, &'a Target)>,
) -> Option<Finding> {
    let identity = format!(
        "{} {}",
        probe.system_identifier.clone()?,
        target.dsn.database
    );
    let other = seen
        .iter()
        .find(|(i, o)| *i == identity && o.environment != target.environment);
    let finding = other.map(|(_, o)| {
        let what = format!(
            "`{}` ({}) and `{}` ({}) are the same database",
            o.name, o.environment, target.name, target.environment
        );
        Finding::bad(
            what,
            "a database has one environment: give both the stricter one",
        )
    });
    seen.push((identity, target));
    finding
}
