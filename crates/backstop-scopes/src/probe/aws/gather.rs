//! Asking one account: identity, listings, then the simulator on what was listed.

use std::collections::{BTreeMap, BTreeSet};

use super::rights::{ALL, Rights};
use super::stores::{Saved, Thing};
use super::xml::{self, Node};
use super::{Where, listing};
use crate::probe::call::Call;
use crate::probe::region::Region;
use crate::probe::wire::{Failed, Wire};
use crate::probe::words::word;

/// ARNs that the simulator is asked of at once.
const AT_ONCE: usize = 20;
/// Pages that are read of any list.
pub(crate) const PAGES: usize = 20;

/// What an account answered.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// The caller's ARN.
    pub(crate) arn: String,
    /// The account's number.
    pub(crate) number: String,
    pub(crate) things: Vec<Thing>,
    pub(crate) saved: Vec<Saved>,
    pub(crate) rights: Rights,
    pub(crate) unknown: Vec<String>,
}

impl Account {
    /// Notes what was not answered.
    pub(crate) fn missing(&mut self, what: &str, why: &Failed) {
        self.unknown.push(format!("{what}: {why}"));
    }
}

/// Asks all of it. Only that nobody answers at all is an error.
pub(crate) async fn account(wire: &mut Wire<'_>, known: &Where) -> Result<Account, Failed> {
    let first = known.regions.first().cloned().unwrap_or(Region::first());
    let answer = wire.read(&Call::StsIdentity { region: first }).await?;
    let node = tree(&answer.body)?;
    let text = |name: &str| {
        node.text(&format!("GetCallerIdentityResult/{name}"))
            .map(word)
            .unwrap_or_default()
    };
    let mut account = Account {
        arn: text("Arn"),
        number: text("Account"),
        ..Account::default()
    };
    if account.arn.is_empty() {
        return Err(Failed::Lost("it answered nobody's name".to_owned()));
    }
    for region in &known.regions {
        listing::databases(wire, region, &mut account).await;
        listing::tables(wire, region, &mut account).await;
        listing::volumes(wire, region, &mut account).await;
        listing::vaults(wire, region, &mut account).await;
    }
    if let Some(region) = known.regions.first() {
        listing::buckets(wire, region, &mut account).await;
    }
    rights(wire, &mut account).await;
    Ok(account)
}

/// The outermost element of an answer.
pub(crate) fn tree(body: &[u8]) -> Result<Node, Failed> {
    std::str::from_utf8(body)
        .ok()
        .and_then(xml::read)
        .ok_or_else(|| Failed::Lost("its answer cannot be read".to_owned()))
}

/// The ARN whose policies are simulated: of a session its role's, whose path only the role itself tells.
async fn principal(wire: &mut Wire<'_>, account: &mut Account) -> Option<String> {
    let arn = account.arn.clone();
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, _, service, _, _, rest] = parts.as_slice() else {
        return None;
    };
    match (*service, rest.split_once('/')) {
        ("iam", None) if *rest == "root" => {
            account.rights.root = true;
            None
        }
        ("iam", Some(("user" | "role", _))) => Some(arn),
        ("sts", Some(("assumed-role", rest))) => {
            let name = rest.split('/').next().unwrap_or_default().to_owned();
            let role = wire.read(&Call::IamRole { name }).await;
            let role = role.and_then(|answer| tree(&answer.body));
            match role.map(|node| node.text("GetRoleResult/Role/Arn").map(word)) {
                Ok(Some(arn)) => Some(arn),
                Ok(None) => None,
                Err(why) => {
                    account.missing("the policies of its role", &why);
                    None
                }
            }
        }
        _ => {
            account
                .unknown
                .push("what a federated user may do: its policies cannot be simulated".to_owned());
            None
        }
    }
}

async fn rights(wire: &mut Wire<'_>, account: &mut Account) {
    let Some(principal) = principal(wire, account).await else {
        return;
    };
    if let Err(why) = simulate(wire, account, &principal, vec![]).await {
        account.missing(
            "what its policies allow (look at them by hand, or ask with iam:SimulatePrincipalPolicy as somebody who may)",
            &why,
        );
        return;
    }
    // A policy that names one database is not seen by asking for all of them.
    let mut wanted: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let deletions = account
        .things
        .iter()
        .map(|thing| &thing.deletion)
        .chain(account.saved.iter().map(|saved| &saved.deletion));
    for (action, resource) in deletions.flat_map(|deletion| deletion.pairs()) {
        let service = action.split(':').next().unwrap_or_default();
        wanted.entry(service).or_default().insert(resource.clone());
    }
    let wanted: Vec<Vec<String>> = wanted
        .into_values()
        .flat_map(|resources| {
            let all: Vec<String> = resources.into_iter().collect();
            all.chunks(AT_ONCE).map(<[_]>::to_vec).collect::<Vec<_>>()
        })
        .collect();
    for resources in wanted {
        if let Err(why) = simulate(wire, account, &principal, resources).await {
            account.missing("what its policies allow on single resources", &why);
            // What they allow on all of them says nothing of one that is denied.
            account.rights.partial = true;
            return;
        }
    }
}

async fn simulate(
    wire: &mut Wire<'_>,
    account: &mut Account,
    principal: &str,
    resources: Vec<String>,
) -> Result<(), Failed> {
    let service = resources
        .first()
        .and_then(|arn| arn.split(':').nth(2))
        .map(str::to_owned);
    let mut marker = None;
    for _ in 0..PAGES {
        let call = Call::IamSimulate {
            principal: principal.to_owned(),
            actions: actions(service.as_deref()),
            resources: resources.clone(),
            marker,
        };
        let answer = wire.read(&call).await?;
        let node = tree(&answer.body)?;
        account.rights.learn(&node, !resources.is_empty());
        let result = node.at("SimulatePrincipalPolicyResult");
        marker = result
            .filter(|result| result.is_true("IsTruncated"))
            .and_then(|result| result.text("Marker").map(str::to_owned));
        if marker.is_none() {
            return Ok(());
        }
    }
    Err(Failed::Lost("its answer has too many pages".to_owned()))
}

/// Only what can be done with such a resource is simulated on it.
fn actions(service: Option<&str>) -> &'static [&'static str] {
    let Some(service) = service else {
        return ALL;
    };
    let start = ALL
        .iter()
        .position(|action| action.split(':').next() == Some(service));
    let Some(start) = start else {
        return ALL;
    };
    let all = ALL.get(start..).unwrap_or_default();
    let end = all
        .iter()
        .position(|action| action.split(':').next() != Some(service))
        .unwrap_or(all.len());
    all.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_actions_of_a_service_stand_together() {
        assert_eq!(
            actions(Some("ec2")),
            ["ec2:DeleteVolume", "ec2:DeleteSnapshot"]
        );
        assert_eq!(actions(None).len(), ALL.len());
        for service in ["rds", "s3", "dynamodb", "ec2", "backup"] {
            let all = ALL.iter().filter(|a| a.starts_with(&format!("{service}:")));
            assert_eq!(actions(Some(service)).len(), all.count(), "{service}");
        }
    }
}
