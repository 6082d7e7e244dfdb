//! Kubernetes: what a token or certificate may do in each namespace, and which claims and snapshots there are.

pub(crate) mod config;
mod rules;

use std::collections::BTreeMap;

use serde_json::Value;
use time::OffsetDateTime;

use super::call::Call;
use super::learnt::{Can, Copies, Learnt, Store};
use super::wire::{Failed, Wire};
use super::words::{age, count, list, moment, stamp, word};
use crate::kinds::Backups;
use crate::report::{DIE, Severity};
use rules::Rules;

/// Namespaces that are asked about.
const NAMESPACES: usize = 30;
/// Stores told as evidence.
const LISTED: usize = 20;
const SNAPSHOTS: &str = "snapshot.storage.k8s.io";

/// Acts that are looked for in each namespace: verb, group, resource, and what it comes to.
const ACTS: &[(&str, &str, &str, &str)] = &[
    (
        "delete",
        "",
        "namespaces",
        "delete namespaces with everything in them",
    ),
    (
        "delete",
        "",
        "persistentvolumeclaims",
        "delete volume claims",
    ),
    (
        "deletecollection",
        "",
        "persistentvolumeclaims",
        "delete all volume claims at once",
    ),
    (
        "delete",
        SNAPSHOTS,
        "volumesnapshots",
        "delete volume snapshots",
    ),
    (
        "create",
        "",
        "pods",
        "run any program with any claim mounted",
    ),
    ("create", "", "pods/exec", "run programs in pods"),
    ("get", "", "secrets", "read secrets"),
    (
        "escalate",
        "rbac.authorization.k8s.io",
        "roles",
        "give itself more rights",
    ),
];

struct Seen {
    rules: BTreeMap<String, Rules>,
    /// Whether every namespace was listed and asked about.
    whole: bool,
    unknown: Vec<String>,
}

impl Seen {
    fn can(&self, verb: &str, group: &str, resource: &str, namespace: &str) -> Can {
        self.rules
            .get(namespace)
            .map_or(Can::Unknown, |rules| rules.can(verb, group, resource))
    }
}

/// Asks.
pub(super) async fn ask(
    wire: &mut Wire<'_>,
    user: &str,
    own: &str,
    others: &[String],
) -> Result<Learnt, Failed> {
    let mut seen = Seen {
        rules: BTreeMap::new(),
        whole: false,
        unknown: vec![],
    };
    let mut namespaces = vec![own.to_owned()];
    match items(wire, &Call::KubeNamespaces, "namespaces", &mut seen).await {
        Some(all) => {
            seen.whole = all.len() <= NAMESPACES;
            if !seen.whole {
                seen.unknown.push(format!(
                    "there are more than the {NAMESPACES} namespaces that were asked about"
                ));
            }
            for name in all.iter().filter_map(|n| text(n, "/metadata/name")) {
                if !namespaces.contains(&name) && namespaces.len() < NAMESPACES {
                    namespaces.push(name);
                }
            }
        }
        None => namespaces.extend(
            ["default", "kube-system"]
                .map(str::to_owned)
                .into_iter()
                .filter(|n| n != own),
        ),
    }
    for namespace in namespaces {
        let call = Call::KubeRules {
            namespace: namespace.clone(),
        };
        match wire.read(&call).await {
            Ok(answer) => match rules::read(&answer.body) {
                Some(rules) => {
                    seen.rules.insert(namespace, rules);
                }
                None => {
                    seen.whole = false;
                    seen.unknown.push(format!(
                        "namespace `{}`: the answer cannot be read",
                        word(&namespace)
                    ));
                }
            },
            Err(why @ Failed::Refused(_)) => return Err(why),
            Err(why) if seen.rules.is_empty() => return Err(why),
            Err(why) => {
                seen.whole = false;
                seen.unknown
                    .push(format!("namespace `{}`: {why}", word(&namespace)));
            }
        }
    }
    if seen.rules.values().any(|rules| rules.incomplete) {
        seen.unknown.push("the cluster says that its list of rules is not whole: `kubectl auth can-i delete pvc -n NAMESPACE` tells of one".to_owned());
    }
    if !others.is_empty() {
        seen.unknown.push(format!(
            "other contexts of the same user were not asked: {}",
            list(others)
        ));
    }
    let stores = stores(wire, &mut seen).await;
    let mut learnt = judge(user, seen, stores);
    learnt.asked = wire.asked();
    Ok(learnt)
}

/// The items of a list; notes why there are none, or not all.
async fn items(
    wire: &mut Wire<'_>,
    call: &Call,
    what: &str,
    seen: &mut Seen,
) -> Option<Vec<Value>> {
    let answer = match wire.read(call).await {
        Ok(answer) => answer,
        Err(Failed::Absent) => return None,
        Err(why) => {
            seen.unknown.push(format!("{what}: {why}"));
            return None;
        }
    };
    let Ok(mut value) = serde_json::from_slice::<Value>(&answer.body) else {
        seen.unknown
            .push(format!("{what}: the answer cannot be read"));
        return None;
    };
    if text(&value, "/metadata/continue").is_some_and(|token| !token.is_empty()) {
        seen.unknown
            .push(format!("{what}: there are more than were read"));
    }
    match value.get_mut("items").map(Value::take) {
        Some(Value::Array(all)) => Some(all),
        _ => Some(vec![]),
    }
}

fn text(value: &Value, path: &str) -> Option<String> {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .map(str::to_owned)
}

async fn stores(wire: &mut Wire<'_>, seen: &mut Seen) -> Vec<Store> {
    let claims = items(wire, &Call::KubeClaims, "volume claims", seen).await;
    let volumes = items(
        wire,
        &Call::KubeVolumes,
        "volumes and what becomes of them",
        seen,
    )
    .await;
    let snapshots = items(wire, &Call::KubeSnapshots, "volume snapshots", seen).await;
    let key = |namespace: Option<String>, name: Option<String>| {
        (namespace.unwrap_or_default(), name.unwrap_or_default())
    };
    let kept: Vec<(String, String)> = volumes
        .iter()
        .flatten()
        .filter(|v| text(v, "/spec/persistentVolumeReclaimPolicy").as_deref() == Some("Retain"))
        .map(|v| {
            key(
                text(v, "/spec/claimRef/namespace"),
                text(v, "/spec/claimRef/name"),
            )
        })
        .collect();
    claims
        .into_iter()
        .flatten()
        .map(|claim| {
            let its = key(
                text(&claim, "/metadata/namespace"),
                text(&claim, "/metadata/name"),
            );
            let (namespace, name) = its.clone();
            let can = |verb: &str, group: &str, what: &str| seen.can(verb, group, what, &namespace);
            let is_kept = kept.contains(&its);
            let mut roads = vec![can("create", "", "pods"), can("create", "", "pods/exec")];
            if !is_kept {
                roads.extend([
                    can("delete", "", "persistentvolumeclaims"),
                    can("deletecollection", "", "persistentvolumeclaims"),
                    can("delete", "", "namespaces"),
                ]);
            }
            let made: Vec<Option<OffsetDateTime>> = snapshots
                .iter()
                .flatten()
                .filter(|s| {
                    text(s, "/spec/source/persistentVolumeClaimName").as_deref() == Some(&name)
                        && text(s, "/metadata/namespace").as_deref() == Some(&namespace)
                })
                .map(|s| text(s, "/status/creationTime").and_then(|at| moment(&at)))
                .collect();
            let backups = match made.len() {
                0 => vec![],
                n => vec![Copies {
                    what: "volume snapshots in the same cluster".to_owned(),
                    count: Some(n),
                    newest: made.iter().flatten().max().copied().map(stamp),
                    destroyed: any([
                        can("delete", SNAPSHOTS, "volumesnapshots"),
                        can("delete", "", "namespaces"),
                    ]),
                    locked: None,
                }],
            };
            Store {
                sort: "claim",
                name: word(&name),
                at: word(&namespace),
                destroyed: any(roads),
                protection: is_kept.then(|| {
                    "its volume is kept when the claim goes (reclaim policy Retain)".to_owned()
                }),
                backups,
                restored: None,
            }
        })
        .collect()
}

fn any(all: impl IntoIterator<Item = Can>) -> Can {
    super::aws::any(all)
}

fn judge(user: &str, seen: Seen, mut stores: Vec<Store>) -> Learnt {
    stores.sort_by_key(|store| store.destroyed != Can::Yes);
    let everywhere = |verb: &str, group: &str, what: &str| -> (Vec<String>, bool) {
        let names = |wanted: Can| {
            seen.rules
                .iter()
                .filter(|(_, rules)| rules.can(verb, group, what) == wanted)
                .map(|(name, _)| format!("`{}`", word(name)))
                .collect::<Vec<_>>()
        };
        (names(Can::Yes), !names(Can::Unknown).is_empty())
    };
    let total = seen
        .rules
        .values()
        .all(|rules| rules.can("*", "*", "*") == Can::Yes)
        && seen.rules.len() > 1;
    let mut evidence = vec![];
    let mut acts: Vec<&str> = vec![];
    let mut doubtful = false;
    for (verb, group, what, does) in ACTS {
        let (names, unknown) = everywhere(verb, group, what);
        doubtful |= unknown && *verb != "get";
        if !names.is_empty() {
            acts.push(does);
            let shown: Vec<String> = names.iter().take(8).cloned().collect();
            let more = names.len().saturating_sub(8);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            evidence.push(format!("it may {does} in {}{more}", list(&shown)));
        }
    }
    let destroys = acts.iter().any(|act| *act != "read secrets");
    let backups_too = acts.contains(&"delete volume snapshots")
        || acts.contains(&"delete namespaces with everything in them");
    let lost = stores.iter().filter(|s| s.destroyed == Can::Yes).count();
    let newest = stores
        .iter()
        .flat_map(|s| &s.backups)
        .filter_map(|c| c.newest.as_deref().and_then(moment))
        .max();
    evidence.extend(stores.iter().take(LISTED).map(Store::told));
    let severity = match (destroys, backups_too, acts.is_empty()) {
        (true, true, _) => Severity::Critical,
        (true, false, _) => Severity::High,
        _ if doubtful || !seen.whole => Severity::High,
        (false, _, false) => Severity::Medium,
        (false, _, true) => Severity::Low,
    };
    let who = format!("As `{user}` of the cluster");
    let sentence = match (total, acts.is_empty()) {
        (true, _) => format!(
            "{who} it can do everything in every namespace that was asked about: {} can be emptied.",
            count(lost, "volume claim")
        ),
        (false, false) => format!(
            "{who} it can {} ({} can be emptied).",
            list(&acts.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>()),
            count(lost, "volume claim")
        ),
        (false, true) => format!(
            "{who} it can delete no claim, namespace or snapshot where it was asked about ({}).",
            count(seen.rules.len(), "namespace")
        ),
    };
    let old = match newest {
        Some(at) => format!(
            "The newest that was seen is {} old.",
            age(at, OffsetDateTime::now_utc())
        ),
        None => "No snapshot was seen.".to_owned(),
    };
    let restored = "Whether anybody ever restored one is not known.";
    let (backups, backups_say) = match (destroys && backups_too, backups_too) {
        (true, _) => (
            Backups::Yes,
            format!(
                "{DIE} Volume snapshots are objects of the same cluster, and it may delete them. {old} {restored}"
            ),
        ),
        (false, true) => (
            Backups::Yes,
            format!("It may delete volume snapshots. {old} {restored}"),
        ),
        (false, false) if doubtful || !seen.whole => (
            Backups::Unknown,
            format!(
                "Whether backups are within its reach was not answered for all of the cluster. {old} {restored}"
            ),
        ),
        (false, false) => (
            Backups::No,
            format!("Volume snapshots are out of its reach. {old} {restored}"),
        ),
    };
    Learnt {
        severity,
        sentence,
        backups,
        backups_say,
        evidence,
        narrow: None,
        unknown: seen.unknown,
        stores,
        asked: vec![],
    }
}
