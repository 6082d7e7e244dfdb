//! Asking the systems behind credentials what these may do: reading only, and each named before it is asked.

use std::path::{Path, PathBuf};

use backstop_core::secret::Secret;
use backstop_scopes::find::Place as Lies;
use backstop_scopes::postgres::{self, Audit, Place, Trust, Way};
use backstop_scopes::report::{Answer, Answers, Group};

use crate::failure::{Context, Outcome};
use crate::output::{Output, safe};

use super::providers;

/// Asks every PostgreSQL server behind a credential for that role's roads, and providers what credentials may do there.
pub(super) fn ask(groups: &[Group], at: &[String], output: Output) -> Outcome<Answers> {
    let hosts = providers::hosts(at)?;
    let mut ways: Vec<(usize, Result<Way, String>)> = vec![];
    for (n, group) in groups.iter().enumerate() {
        if let Some(way) = way(group) {
            ways.push((n, way));
        }
    }
    let mut listed: Vec<String> = ways
        .iter()
        .filter_map(|(_, way)| way.as_ref().ok().map(told))
        .collect();
    listed.sort();
    listed.dedup();
    for one in &listed {
        output.say(&format!("asking, read only: {}", safe(one)));
    }
    let (others, not) = backstop_scopes::probe::plan(groups);
    providers::say(&others, output);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .doing("cannot start the network")?;
    Ok(runtime.block_on(async {
        let mut answers = Answers::new();
        for (n, way) in ways {
            let answer = match way {
                Ok(way) => one(&way)
                    .await
                    .map(|audit| Answer::Postgres(Box::new(audit))),
                Err(why) => Err(why),
            };
            answers.insert(n, answer);
        }
        let provided = providers::ask(others, &hosts, output).await;
        for (n, answer) in not.into_iter().chain(provided) {
            answers.insert(n, answer.map(|learnt| Answer::Provider(Box::new(learnt))));
        }
        answers
    }))
}

async fn one(way: &Way) -> Result<Audit, String> {
    let client = way.connect().await.map_err(|e| e.to_string())?;
    postgres::audit(&client, None)
        .await
        .map_err(|e| e.to_string())
}

fn told(way: &Way) -> String {
    let place = match &way.place {
        Place::Tcp(host) => format!("{host}:{}", way.port),
        Place::Unix(folder) => format!("{}, port {}", folder.display(), way.port),
    };
    format!(
        "the catalogue of PostgreSQL at {place}, database {}, as {}",
        way.database, way.user
    )
}

/// The way to the server, if it is one of PostgreSQL; or what is missing.
fn way(group: &Group) -> Option<Result<Way, String>> {
    let first = group.findings.first()?;
    let facts = group.facts();
    let fact = |name: &str| facts.get(name).filter(|v| !v.is_empty() && *v != "*");
    match first.kind.as_str() {
        "postgres.password" => {
            let secret = group.findings.iter().find_map(|f| f.reveal_secret())?;
            let Ok(password) = String::from_utf8(secret.to_vec()) else {
                return Some(Err("its password is no text".into()));
            };
            let (Some(host), Some(user)) = (fact("host"), fact("user")) else {
                return Some(Err("no host and user stand beside it".into()));
            };
            let port = match fact("port").map(|p| p.parse::<u16>()) {
                None => 5432,
                Some(Ok(port)) => port,
                Some(Err(_)) => return Some(Err("its port is no number".into())),
            };
            let (place, trust) = if host.starts_with('/') {
                (Place::Unix(PathBuf::from(host)), Trust::Nothing)
            } else if here(host) {
                (Place::Tcp(host.clone()), Trust::Nothing)
            } else {
                // A password is shown to nobody who cannot prove to be that host.
                (Place::Tcp(host.clone()), Trust::system())
            };
            Some(Ok(Way {
                place,
                port,
                database: fact("database").unwrap_or(user).clone(),
                user: user.clone(),
                password: Some(Secret::new(password)),
                trust,
                require_binding: false,
            }))
        }
        "postgres.socket" => {
            let Lies::Socket { path } = &first.place else {
                return None;
            };
            let path = path.to_path();
            let folder = path.parent().unwrap_or(Path::new("/")).to_path_buf();
            let port = fact("port").and_then(|p| p.parse().ok()).unwrap_or(5432);
            let user = std::env::var("USER").ok().filter(|u| !u.is_empty());
            Some(Ok(Way {
                place: Place::Unix(folder),
                port,
                database: "postgres".into(),
                user: user.unwrap_or_else(|| "postgres".into()),
                password: None,
                trust: Trust::Nothing,
                require_binding: false,
            }))
        }
        _ => None,
    }
}

fn here(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|a| a.is_loopback())
}
