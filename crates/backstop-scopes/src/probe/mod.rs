//! Asking providers what a credential may do: by calls that only read, each said before it is made.
//!
//! [`plan`] says which credentials would be asked about and where, [`ask`] asks. A credential goes to its provider's own
//! host, which is compiled in; a cluster's to the address in its own kubeconfig. What is not in [`LIST`] cannot be sent.

mod aws;
mod beside;
mod call;
mod github;
mod kubernetes;
mod learnt;
mod railway;
mod region;
mod wire;
mod words;

use std::collections::BTreeMap;

use backstop_core::secret::Secret;
use url::Url;

use crate::find::Finding;
use crate::report::Group;
use wire::{Failed, Proof, Wire};
use words::word;

pub use call::{LIST, Listed};
pub use learnt::{Can, Copies, Learnt, Store};
pub use railway::QUERIES;

/// A provider whose host a person may put another in the place of, on the command line only: for tests with a double.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// Amazon Web Services.
    Aws,
    /// GitHub.
    Github,
    /// Railway.
    Railway,
}

/// Hosts in the place of providers' own; on this machine only.
#[derive(Clone, Debug, Default)]
pub struct Hosts(BTreeMap<Provider, Url>);

impl Hosts {
    /// Puts `url` in the place of a provider's own host.
    ///
    /// # Errors
    /// If it does not lead to this machine by its loopback address.
    pub fn put(&mut self, provider: Provider, url: &str) -> Result<(), String> {
        let url: Url = url.parse().map_err(|e: url::ParseError| e.to_string())?;
        let here = matches!(url.host_str(), Some("127.0.0.1" | "[::1]"));
        if !here || url.scheme() != "http" || !url.username().is_empty() || url.path() != "/" {
            return Err("it is not http://127.0.0.1:PORT, and a credential goes nowhere else than to its provider".into());
        }
        self.0.insert(provider, url);
        Ok(())
    }
}

/// How one credential would be asked about.
pub struct Way {
    /// The groups that it answers for: a key and its session's token are two findings and one credential.
    groups: Vec<usize>,
    /// What it is, and where it is asked.
    pub told: String,
    /// Its provider, as in [`Listed::provider`].
    pub provider: &'static str,
    target: Target,
}

enum Target {
    Aws(Box<(aws::Credential, aws::Where)>),
    Github(Secret<String>),
    RailwayProject(Secret<String>),
    RailwayAccount(Secret<String>),
    Kubernetes(Box<kubernetes::config::Cluster>),
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way").field("told", &self.told).finish()
    }
}

/// What came of asking, by group.
pub type Answers = BTreeMap<usize, Result<Learnt, String>>;

/// Which credentials can be asked about; and why others of the same kinds cannot.
#[must_use]
pub fn plan(groups: &[Group]) -> (Vec<Way>, Answers) {
    let (mut ways, mut not): (Vec<Way>, Answers) = (vec![], Answers::new());
    for (n, group) in groups.iter().enumerate() {
        match way(n, group, groups) {
            None => {}
            Some(Ok(way)) => ways.push(way),
            Some(Err(why)) => {
                not.insert(n, Err(why));
            }
        }
    }
    // Of a session's token its key answers; one without a key cannot be asked with.
    let answered: Vec<usize> = ways.iter().flat_map(|way| way.groups.clone()).collect();
    for (n, group) in groups.iter().enumerate() {
        if kind(group) == "aws.session" && !answered.contains(&n) {
            not.insert(n, Err("its access key does not stand beside it".into()));
        }
    }
    (ways, not)
}

/// Asks, one credential after another. `tell` is given every call before it is made.
pub async fn ask(ways: Vec<Way>, hosts: &Hosts, tell: &dyn Fn(&str)) -> Answers {
    let mut answers = Answers::new();
    for way in ways {
        let answer = one(way.target, hosts, tell).await;
        for n in way.groups {
            answers.insert(n, answer.clone());
        }
    }
    answers
}

async fn one(target: Target, hosts: &Hosts, tell: &dyn Fn(&str)) -> Result<Learnt, String> {
    let at = |provider| hosts.0.get(&provider);
    let said = |provider: &'static str| {
        move |why: Failed| match why {
            Failed::Refused(code) => format!(
                "{provider} does not take it ({code}): it has ended, was revoked, or is none"
            ),
            other => other.to_string(),
        }
    };
    match target {
        Target::Aws(both) => {
            let (credential, known) = *both;
            let mut wire = Wire::new(Proof::Aws(credential), at(Provider::Aws), tell)?;
            aws::ask(&mut wire, &known).await
        }
        Target::Github(token) => {
            let mut wire = Wire::new(Proof::Github(token), at(Provider::Github), tell)?;
            github::ask(&mut wire).await.map_err(said("GitHub"))
        }
        Target::RailwayProject(token) => {
            let mut wire = Wire::new(Proof::RailwayProject(token), at(Provider::Railway), tell)?;
            railway::of_project(&mut wire)
                .await
                .map_err(said("Railway"))
        }
        Target::RailwayAccount(token) => {
            let mut wire = Wire::new(Proof::RailwayBearer(token), at(Provider::Railway), tell)?;
            railway::of_account(&mut wire)
                .await
                .map_err(said("Railway"))
        }
        Target::Kubernetes(cluster) => {
            let (user, own, others) = (cluster.user, cluster.namespace, cluster.others);
            let mut wire = Wire::to_cluster(cluster.proof, &cluster.server, cluster.trust, tell)?;
            kubernetes::ask(&mut wire, &user, &own, &others)
                .await
                .map_err(said("The cluster"))
        }
    }
}

fn kind(group: &Group) -> &str {
    group.findings.first().map_or("", |f| f.kind.as_str())
}

/// How a credential is asked about; `None` for kinds that no probe knows.
fn way(n: usize, group: &Group, groups: &[Group]) -> Option<Result<Way, String>> {
    let kind = kind(group);
    let known = matches!(
        kind,
        "aws.access-key"
            | "github.classic"
            | "github.fine-grained"
            | "github.oauth"
            | "github.token"
            | "github.app"
            | "railway.token"
            | "railway.session"
            | "railway.project"
            | "kubernetes.token"
            | "kubernetes.client-key"
    );
    if !known {
        return None;
    }
    // What is only shaped like a provider's credential may be somebody else's secret.
    let Some(sure) = group.findings.iter().find(|f| !f.confidence.is_doubtful()) else {
        return Some(Err(
            "it is doubtful that it is one, so that it was sent nowhere".into(),
        ));
    };
    let Some(secret) = text(sure) else {
        return Some(Err("its secret is not at hand".into()));
    };
    let one = |told: String, provider: &'static str, target: Target| Way {
        groups: vec![n],
        told,
        provider,
        target,
    };
    let name = crate::kinds::of(kind).map_or(kind, |k| k.name.as_str());
    Some(match kind {
        "aws.access-key" => aws_way(n, group, sure, secret, groups),
        "railway.project" => Ok(one(
            format!("{name}, at backboard.railway.com"),
            "railway",
            Target::RailwayProject(secret),
        )),
        "railway.token" | "railway.session" => Ok(one(
            format!("{name}, at backboard.railway.com"),
            "railway",
            Target::RailwayAccount(secret),
        )),
        "kubernetes.token" | "kubernetes.client-key" => beside::cluster(group, secret.reveal())
            .map(|cluster| {
                let told = format!(
                    "{name} of `{}`, at {}",
                    cluster.user,
                    word(cluster.server.as_ref())
                );
                one(told, "kubernetes", Target::Kubernetes(Box::new(cluster)))
            }),
        _ => beside::github(group, secret.reveal()).map(|()| {
            one(
                format!("{name}, at api.github.com"),
                "github",
                Target::Github(secret),
            )
        }),
    })
}

fn aws_way(
    n: usize,
    group: &Group,
    sure: &Finding,
    secret: Secret<String>,
    groups: &[Group],
) -> Result<Way, String> {
    let id = access_key(sure)
        .or_else(|| group.findings.iter().find_map(access_key))
        .ok_or("its access key id does not stand beside it")?;
    let mut numbers = vec![n];
    let mut session = None;
    if id.starts_with("ASIA") {
        let of_session = groups.iter().enumerate().find_map(|(n, group)| {
            let found = group
                .findings
                .iter()
                .find(|f| f.kind == "aws.session" && access_key(f).as_ref() == Some(&id))?;
            Some((n, text(found)?))
        });
        let (number, token) = of_session
            .ok_or("it is a temporary key, and its session's token does not stand beside it")?;
        numbers.push(number);
        session = Some(token);
    }
    let known = beside::aws(group);
    let regions: Vec<&str> = known.regions.iter().map(|r| r.as_str()).collect();
    Ok(Way {
        groups: numbers,
        told: format!(
            "AWS access key {id}, at amazonaws.com in {}",
            regions.join(", ")
        ),
        provider: "aws",
        target: Target::Aws(Box::new((
            aws::Credential {
                id,
                secret,
                session,
            },
            known,
        ))),
    })
}

/// The id of an access key that stands beside a secret: it goes into a header, so only the shape of one will do.
fn access_key(finding: &Finding) -> Option<String> {
    ["access_key_id", "aws_access_key_id", "accesskeyid"]
        .iter()
        .filter_map(|name| finding.facts.get(*name).cloned())
        .chain(beside::aws_id(finding))
        .find(|id| {
            (16..=128).contains(&id.len())
                && id
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        })
}

/// A secret as it can stand in a header.
fn text(finding: &Finding) -> Option<Secret<String>> {
    let secret = finding.reveal_secret()?;
    let fits = !secret.is_empty() && secret.iter().all(u8::is_ascii_graphic);
    let text = String::from_utf8(secret.to_vec()).ok()?;
    fits.then(|| Secret::new(text))
}

#[cfg(test)]
mod tests;
