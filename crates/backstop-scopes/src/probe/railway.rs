//! Railway: what a token sees. Queries only, each text a constant; a test holds them against the published schema.

use serde_json::Value;
use time::OffsetDateTime;

use super::call::Call;
use super::learnt::{Can, Copies, Learnt, Store};
use super::wire::{Failed, Wire};
use super::words::{age, count, list, moment, stamp, word};
use crate::kinds::Backups;
use crate::report::{DIE, Severity};

pub(crate) const PROJECT_TOKEN: &str =
    "query projectToken { projectToken { name projectId environmentId } }";
pub(crate) const ME: &str = "query me { me { name email workspaces { id name } } }";
pub(crate) const PROJECTS: &str = "query projects($after: String) { projects(first: 50, after: $after) { edges { node { id name } } pageInfo { hasNextPage endCursor } } }";
pub(crate) const PROJECT: &str = "query project($id: String!) { project(id: $id) { id name environments(first: 50) { edges { node { id name } } pageInfo { hasNextPage } } } }";
pub(crate) const ENVIRONMENT: &str = "query environment($id: String!) { environment(id: $id) { id name volumeInstances(first: 100) { edges { node { id mountPath currentSizeMB state volume { name } } } pageInfo { hasNextPage } } } }";
pub(crate) const BACKUPS: &str = "query volumeInstanceBackupList($volume: String!) { volumeInstanceBackupList(volumeInstanceId: $volume) { id createdAt expiresAt } }";

/// Every query text, for the test against the schema.
pub const QUERIES: &[&str] = &[PROJECT_TOKEN, ME, PROJECTS, PROJECT, ENVIRONMENT, BACKUPS];

/// Projects and environments that are looked into.
const LOOKED: usize = 40;
/// Stores told as evidence.
const LISTED: usize = 20;

#[derive(Default)]
struct Seen {
    stores: Vec<Store>,
    unknown: Vec<String>,
    newest: Option<OffsetDateTime>,
    projects: Vec<String>,
}

/// Asks what a project token sees: its one environment.
pub(super) async fn of_project(wire: &mut Wire<'_>) -> Result<Learnt, Failed> {
    let answer = query(wire, &Call::RailwayProjectToken).await?;
    let token = answer
        .pointer("/projectToken")
        .filter(|token| token.is_object())
        .ok_or_else(unread)?;
    let text = |name: &str| token.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut seen = Seen::default();
    let project = name_of(wire, text("projectId"), &mut seen).await;
    environment(wire, text("environmentId"), &project, &mut seen).await;
    let who = format!(
        "The project token `{}` can change and delete what is in one environment of project `{project}`",
        word(text("name"))
    );
    Ok(learnt(wire, who, seen))
}

/// Asks what an account's or workspace's token sees: every project of it.
pub(super) async fn of_account(wire: &mut Wire<'_>) -> Result<Learnt, Failed> {
    let me = query(wire, &Call::RailwayMe).await;
    let mut seen = Seen::default();
    let who = match &me {
        Ok(answer) => answer
            .pointer("/me/name")
            .or_else(|| answer.pointer("/me/email"))
            .and_then(Value::as_str)
            .map(|name| format!("As `{}` of Railway it", word(name))),
        // A workspace's token is nobody's.
        Err(Failed::Denied(_)) => Some("The workspace token".to_owned()),
        Err(why) => return Err(why.clone()),
    };
    let mut after = None;
    let mut projects: Vec<(String, String)> = vec![];
    for _ in 0..LOOKED {
        let page = match query(
            wire,
            &Call::RailwayProjects {
                after: after.take(),
            },
        )
        .await
        {
            Ok(page) => page,
            Err(why) if me.is_err() => return Err(why),
            Err(why) => {
                seen.unknown.push(format!("its projects: {why}"));
                break;
            }
        };
        for node in nodes(page.pointer("/projects")) {
            let text = |name: &str| node.get(name).and_then(Value::as_str).unwrap_or_default();
            projects.push((text("id").to_owned(), word(text("name"))));
        }
        let info = page.pointer("/projects/pageInfo");
        let more = info.and_then(|i| i.get("hasNextPage")) == Some(&Value::Bool(true));
        after = info
            .filter(|_| more)
            .and_then(|i| i.get("endCursor"))
            .and_then(Value::as_str)
            .map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    if projects.len() > LOOKED || after.is_some() {
        seen.unknown.push(format!(
            "there are more projects than the {LOOKED} that were looked into"
        ));
    }
    seen.projects = projects.iter().map(|(_, name)| name.clone()).collect();
    for (id, name) in projects.iter().take(LOOKED) {
        let answer = match query(wire, &Call::RailwayProject { id: id.clone() }).await {
            Ok(answer) => answer,
            Err(why) => {
                seen.unknown.push(format!("project `{name}`: {why}"));
                continue;
            }
        };
        let environments = answer.pointer("/project/environments");
        cut(
            environments,
            &format!("environments of project `{name}`"),
            &mut seen,
        );
        for node in nodes(environments) {
            let id = node.get("id").and_then(Value::as_str).unwrap_or_default();
            environment(wire, id, name, &mut seen).await;
        }
    }
    let who = format!(
        "{} can delete {}",
        who.unwrap_or_else(|| "It".to_owned()),
        count(projects.len(), "project")
    );
    Ok(learnt(wire, who, seen))
}

async fn name_of(wire: &mut Wire<'_>, id: &str, seen: &mut Seen) -> String {
    match query(wire, &Call::RailwayProject { id: id.to_owned() }).await {
        Ok(answer) => answer
            .pointer("/project/name")
            .and_then(Value::as_str)
            .map(word)
            .unwrap_or_default(),
        Err(why) => {
            seen.unknown.push(format!("the project's name: {why}"));
            word(id)
        }
    }
}

async fn environment(wire: &mut Wire<'_>, id: &str, project: &str, seen: &mut Seen) {
    let answer = match query(wire, &Call::RailwayEnvironment { id: id.to_owned() }).await {
        Ok(answer) => answer,
        Err(why) => {
            seen.unknown
                .push(format!("an environment of project `{project}`: {why}"));
            return;
        }
    };
    let name = answer
        .pointer("/environment/name")
        .and_then(Value::as_str)
        .map(word)
        .unwrap_or_default();
    let volumes = answer.pointer("/environment/volumeInstances");
    cut(volumes, &format!("volumes of `{project}`, `{name}`"), seen);
    for node in nodes(volumes) {
        let volume = node
            .pointer("/volume/name")
            .and_then(Value::as_str)
            .map(word)
            .unwrap_or_default();
        let id = node.get("id").and_then(Value::as_str).unwrap_or_default();
        let backups = copies(wire, id, &volume, seen).await;
        seen.stores.push(Store {
            sort: "volume",
            name: volume,
            at: format!("{project}, {name}"),
            destroyed: Can::Yes,
            protection: None,
            backups,
            restored: None,
        });
    }
}

async fn copies(wire: &mut Wire<'_>, id: &str, volume: &str, seen: &mut Seen) -> Vec<Copies> {
    let answer = match query(
        wire,
        &Call::RailwayBackups {
            volume: id.to_owned(),
        },
    )
    .await
    {
        Ok(answer) => answer,
        Err(why) => {
            seen.unknown
                .push(format!("backups of volume `{volume}`: {why}"));
            return vec![];
        }
    };
    let all = answer
        .pointer("/volumeInstanceBackupList")
        .and_then(Value::as_array);
    let made: Vec<Option<OffsetDateTime>> = all
        .into_iter()
        .flatten()
        .map(|backup| {
            backup
                .get("createdAt")
                .and_then(Value::as_str)
                .and_then(moment)
        })
        .collect();
    let newest = made.iter().flatten().max().copied();
    seen.newest = seen.newest.max(newest);
    match made.len() {
        0 => vec![],
        n => vec![Copies {
            what: "backups that belong to the volume and are deleted by the same API".to_owned(),
            count: Some(n),
            newest: newest.map(stamp),
            destroyed: Can::Yes,
            locked: None,
        }],
    }
}

fn learnt(wire: &mut Wire<'_>, who: String, seen: Seen) -> Learnt {
    let with = seen.stores.iter().filter(|s| !s.backups.is_empty()).count();
    let mut evidence: Vec<String> = vec![];
    if !seen.projects.is_empty() {
        let shown: Vec<String> = seen.projects.iter().take(10).cloned().collect();
        evidence.push(format!(
            "it sees {}: {}",
            count(seen.projects.len(), "project"),
            list(&shown)
        ));
    }
    evidence.extend(seen.stores.iter().take(LISTED).map(Store::told));
    if seen.stores.len() > LISTED {
        evidence.push(format!("… and {} more volumes", seen.stores.len() - LISTED));
    }
    let newest = match seen.newest {
        Some(at) => format!("The newest is {} old.", age(at, OffsetDateTime::now_utc())),
        None => "None was seen.".to_owned(),
    };
    Learnt {
        severity: Severity::Critical,
        sentence: format!(
            "{who}: {} with what is on them, and no right of it can be taken away.",
            count(seen.stores.len(), "volume")
        ),
        backups: Backups::Yes,
        backups_say: format!(
            "{DIE} Backups belong to their volume and go with it: {with} of {} have any. {newest} Whether anybody ever restored one is not known.",
            count(seen.stores.len(), "volume")
        ),
        evidence,
        narrow: None,
        unknown: seen.unknown,
        stores: seen.stores,
        asked: wire.asked(),
    }
}

/// The data of an answer. An error in it is one, whatever its status.
async fn query(wire: &mut Wire<'_>, call: &Call) -> Result<Value, Failed> {
    let answer = wire.read(call).await?;
    let mut value: Value = serde_json::from_slice(&answer.body).map_err(|_| unread())?;
    let error = value
        .pointer("/errors/0/message")
        .and_then(Value::as_str)
        .map(word);
    match (value.get_mut("data").map(Value::take), error) {
        (Some(data), None) if data.is_object() => Ok(data),
        (_, Some(why)) if why.to_ascii_lowercase().contains("not authorized") => {
            Err(Failed::Denied(why))
        }
        (_, Some(why)) => Err(Failed::Lost(why)),
        _ => Err(unread()),
    }
}

fn unread() -> Failed {
    Failed::Lost("its answer cannot be read".to_owned())
}

/// The nodes of a connection.
fn nodes(connection: Option<&Value>) -> Vec<&Value> {
    connection
        .and_then(|c| c.get("edges"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|edge| edge.get("node"))
        .collect()
}

/// Notes that a list went on.
fn cut(connection: Option<&Value>, what: &str, seen: &mut Seen) {
    let more = connection.and_then(|c| c.pointer("/pageInfo/hasNextPage"));
    if more == Some(&Value::Bool(true)) {
        seen.unknown
            .push(format!("{what}: there are more than were read"));
    }
}
