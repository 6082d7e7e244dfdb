//! What an account's answers come to.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::Where;
use super::gather::Account;
use super::rights::{BACKUPS, DATA, Rights, TAKE_OVER, any, every};
use super::stores::{Deletion, Saved, Thing};
use crate::kinds::Backups;
use crate::probe::learnt::{Can, Copies, Learnt, Store};
use crate::probe::words::{age, count, list, stamp};
use crate::report::{DIE, Severity};

/// Stores told as evidence; the whole answer has them all.
const LISTED: usize = 20;
/// Stores named in a sentence.
const NAMED: usize = 6;

fn can(rights: &Rights, deletion: &Deletion) -> Can {
    let group = |pairs: &[(&'static str, String)]| {
        any(pairs.iter().map(|(action, arn)| rights.can(action, arn)))
    };
    match deletion {
        Deletion::Locked => Can::No,
        Deletion::Any(pairs) => group(pairs),
        Deletion::Every(groups) => every(groups.iter().map(|pairs| group(pairs))),
    }
}

/// Says what it comes to.
pub(super) fn judge(account: Account, known: &Where) -> Learnt {
    let rights = &account.rights;
    let now = OffsetDateTime::now_utc();
    let mut stores: Vec<Store> = account
        .things
        .iter()
        .map(|thing| store(thing, &account.saved, rights))
        .collect();
    stores.sort_by_key(|store| store.destroyed != Can::Yes);
    let newest = account.saved.iter().filter_map(|saved| saved.newest).max();
    let taken: Vec<String> = TAKE_OVER
        .iter()
        .filter(|action| rights.can(action, "*") == Can::Yes)
        .map(|action| format!("`{action}`"))
        .collect();
    let everything = DATA
        .iter()
        .any(|action| rights.can(action, "*") == Can::Yes);
    let lost: Vec<&Store> = stores.iter().filter(|s| s.destroyed == Can::Yes).collect();
    let all_backups = BACKUPS
        .iter()
        .any(|action| rights.can(action, "*") == Can::Yes);
    let reached = stores
        .iter()
        .flat_map(|store| &store.backups)
        .map(|copies| copies.destroyed)
        .chain([if all_backups { Can::Yes } else { Can::No }]);
    let reached = match any(reached) {
        _ if !taken.is_empty() || rights.root => Can::Yes,
        Can::No if !rights.known() => Can::Unknown,
        can => can,
    };
    let destroys = !lost.is_empty() || everything || !taken.is_empty() || rights.root;
    let doubtful = !rights.known()
        || rights.partial
        || stores.iter().any(|s| s.destroyed == Can::Unknown)
        || DATA
            .iter()
            .any(|action| rights.can(action, "*") == Can::Unknown);
    let severity = match (destroys, reached) {
        (true, Can::Yes) => Severity::Critical,
        (true, _) => Severity::High,
        (false, _) if doubtful || !account.unknown.is_empty() => Severity::High,
        // Read-only: what it reads may still be nobody's business.
        (false, _) => Severity::Medium,
    };
    let who = format!(
        "As `{}` of AWS account {}",
        account.arn.splitn(6, ':').last().unwrap_or_default(),
        account.number
    );
    let sentence = sentence(&who, &lost, &taken, rights, everything, doubtful, &stores);
    let mut evidence: Vec<String> = vec![];
    if !taken.is_empty() {
        evidence.push(format!(
            "it may give itself any right it lacks: {}",
            list(&taken)
        ));
    }
    for action in ["iam:PassRole", "sts:AssumeRole"] {
        if rights.can(action, "*") == Can::Yes {
            evidence.push(format!(
                "`{action}` is allowed on every role: what those may do, it may"
            ));
        }
    }
    if rights.can("kms:ScheduleKeyDeletion", "*") == Can::Yes {
        evidence.push("`kms:ScheduleKeyDeletion` is allowed: what is encrypted with a deleted key is lost, backups too".into());
    }
    evidence.extend(stores.iter().take(LISTED).map(Store::told));
    if stores.len() > LISTED {
        evidence.push(format!("… and {} more stores", stores.len() - LISTED));
    }
    let regions: Vec<String> = known
        .regions
        .iter()
        .map(|r| r.as_str().to_owned())
        .collect();
    let mut unknown = account.unknown;
    unknown.push(format!(
        "other regions: only {} was looked at (and buckets everywhere); set `region` of the profile, or AWS_REGION, for another",
        list(&regions)
    ));
    unknown.push("policies of buckets, keys and vaults, which can allow more than the key's own: look at them by hand".into());
    unknown.extend(known.assumes.iter().map(|profile| {
        format!("profile {profile} takes on a role with this key: what that may do was not asked, since asking would make a new credential")
    }));
    Learnt {
        severity,
        sentence,
        backups: match reached {
            Can::Yes => Backups::Yes,
            Can::No => Backups::No,
            Can::Unknown => Backups::Unknown,
        },
        backups_say: backups(&lost, &stores, reached, destroys, newest, now),
        evidence,
        narrow: None,
        unknown,
        stores,
        asked: vec![],
    }
}

fn store(thing: &Thing, saved: &[Saved], rights: &Rights) -> Store {
    let key = format!("{}/{}", thing.region, thing.name);
    let mut by: BTreeMap<(&str, Option<&String>), Vec<&Saved>> = BTreeMap::new();
    for one in saved.iter().filter(|s| s.of == thing.arn || s.of == key) {
        by.entry((one.what, one.locked.as_ref()))
            .or_default()
            .push(one);
    }
    let backups = by.into_iter().map(|((what, locked), all)| Copies {
        what: what.to_owned(),
        count: all.iter().all(|s| s.counted).then_some(all.len()),
        newest: all.iter().filter_map(|s| s.newest).max().map(stamp),
        // All of them must go before the data is gone for good.
        destroyed: every(all.iter().map(|s| can(rights, &s.deletion))),
        locked: locked.cloned(),
    });
    Store {
        sort: thing.sort,
        name: thing.name.clone(),
        at: thing.region.clone(),
        destroyed: can(rights, &thing.deletion),
        protection: thing.protection.clone(),
        backups: backups.collect(),
        restored: None,
    }
}

/// `3 databases, 2 buckets and 1 table`.
fn sorts(stores: &[&Store]) -> String {
    let mut by: BTreeMap<&str, usize> = BTreeMap::new();
    for store in stores {
        *by.entry(store.sort).or_default() += 1;
    }
    let all: Vec<String> = ["database", "bucket", "table", "volume"]
        .iter()
        .filter_map(|sort| by.get(sort).map(|n| count(*n, sort)))
        .collect();
    list(&all)
}

fn sentence(
    who: &str,
    lost: &[&Store],
    taken: &[String],
    rights: &Rights,
    everything: bool,
    doubtful: bool,
    stores: &[Store],
) -> String {
    let all: Vec<&Store> = stores.iter().collect();
    if rights.root {
        return format!(
            "{who}, its root user, it can destroy everything in the account and the account itself; {} were seen.",
            nothing(&sorts(&all))
        );
    }
    if !taken.is_empty() {
        return format!(
            "{who} it can give itself every right there is, and so destroy everything in the account; {} were seen.",
            nothing(&sorts(&all))
        );
    }
    if !lost.is_empty() {
        return format!("{who} it can delete {}.", sorts(lost));
    }
    if everything {
        return format!(
            "{who} it may delete data of kinds of which none was seen in the regions looked at."
        );
    }
    if doubtful {
        return format!(
            "{who}: whether it can delete any of what was seen ({}) was not answered.",
            nothing(&sorts(&all))
        );
    }
    match stores.is_empty() {
        true => format!("{who} it can delete no data, and none was seen."),
        false => format!(
            "{who} it can delete none of the {} that were seen.",
            sorts(&all)
        ),
    }
}

fn nothing(text: &str) -> &str {
    if text.is_empty() {
        "no stores of data"
    } else {
        text
    }
}

fn backups(
    lost: &[&Store],
    stores: &[Store],
    reached: Can,
    destroys: bool,
    newest: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> String {
    let mut out = vec![];
    let named = |stores: Vec<&&Store>| {
        let rest = stores.len().saturating_sub(NAMED);
        let mut names: Vec<String> = stores
            .iter()
            .take(NAMED)
            .map(|s| format!("`{}`", s.name))
            .collect();
        if rest > 0 {
            names.push(format!("{rest} more"));
        }
        list(&names)
    };
    let (bare, backed): (Vec<&&Store>, Vec<&&Store>) =
        lost.iter().partition(|store| store.backups.is_empty());
    let dead: Vec<&&Store> = backed
        .into_iter()
        .filter(|store| every(store.backups.iter().map(|c| c.destroyed)) == Can::Yes)
        .collect();
    if !dead.is_empty() {
        out.push(DIE.to_owned());
        out.push(format!(
            "It can delete {} and every backup of that in the account.",
            named(dead)
        ));
    } else if destroys && reached == Can::Yes {
        out.push(DIE.to_owned());
    }
    if !bare.is_empty() {
        out.push(format!("Of {} no backup was seen.", named(bare)));
    }
    let locked: Vec<String> = stores
        .iter()
        .flat_map(|store| store.backups.iter().map(move |copies| (store, copies)))
        .filter_map(|(store, copies)| {
            copies
                .locked
                .as_ref()
                .map(|l| format!("those of `{}` are {l}", store.name))
        })
        .collect();
    if !locked.is_empty() {
        out.push(format!(
            "Of the backups, {}.",
            list(&locked.into_iter().take(NAMED).collect::<Vec<_>>())
        ));
    }
    match newest {
        Some(at) => out.push(format!(
            "The newest backup that was seen is {} old.",
            age(at, now)
        )),
        None => out.push("No backup with a date was seen in the account.".to_owned()),
    }
    match reached {
        Can::Yes => {}
        Can::No => out.push("No backup that was seen is within its reach.".to_owned()),
        Can::Unknown => {
            out.push("Whether backups are within its reach was not answered.".to_owned())
        }
    }
    out.push("Whether anybody ever restored one is not known.".to_owned());
    out.join(" ")
}
