//! What the file of a credential says that is no secret: its region, its cluster, whether it is another host's. Opened
//! again for it, and only while the credential still stands in it.

use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::aws::Where;
use super::kubernetes::config::{self, Cluster};
use super::region::Region;
use super::words::word;
use crate::find::known::{lines, yaml};
use crate::find::{Finding, Place};
use crate::report::Group;

/// No settings' file is longer, in bytes.
const LONGEST: u64 = 1 << 20;
/// Regions that are looked at for one key.
const REGIONS: usize = 4;

/// A regular file, if it is a short one. Waits for nothing and follows no link.
fn short(path: &Path) -> Option<Vec<u8>> {
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(
            i32::try_from((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits())
                .ok()?,
        )
        .open(path)
        .ok()?;
    let found = file.metadata().ok()?;
    if !found.is_file() || found.len() > LONGEST {
        return None;
    }
    let mut text = vec![];
    file.take(LONGEST).read_to_end(&mut text).ok()?;
    Some(text)
}

fn files(group: &Group) -> impl Iterator<Item = (&Finding, std::path::PathBuf)> {
    group
        .findings
        .iter()
        .filter_map(|finding| match &finding.place {
            Place::File { path, .. } => Some((finding, path.to_path())),
            Place::Environment { process, .. } => {
                Some((finding, format!("/proc/{process}/environ").into()))
            }
            _ => None,
        })
}

/// The values of these variables in a text of assignments, whoever wrote it.
fn values(text: &[u8], names: &[&str]) -> Vec<String> {
    String::from_utf8_lossy(text)
        .split(['\n', '\0'])
        .filter_map(|line| {
            let line = line.trim().trim_start_matches("export ");
            let (name, value) = line.split_once(['=', ':'])?;
            let value = value.trim().trim_matches(['"', '\'', ' ']);
            names
                .contains(&name.trim().trim_matches(['"', '\'']))
                .then(|| value.to_owned())
        })
        .collect()
}

/// The one access key's id that a file or environment assigns, where it stands apart from its secret.
pub(super) fn aws_id(finding: &Finding) -> Option<String> {
    let path = match &finding.place {
        Place::File { path, .. } => path.to_path(),
        Place::Environment { process, .. } => format!("/proc/{process}/environ").into(),
        _ => return None,
    };
    let mut ids = values(&short(&path)?, &["AWS_ACCESS_KEY_ID"]);
    ids.dedup();
    // Of two nobody knows whose secret it is.
    match ids.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}

/// The regions to look at, and the roles that a profile takes on with this key.
pub(super) fn aws(group: &Group) -> Where {
    let mut regions: Vec<Region> = vec![];
    let mut assumes = vec![];
    let add = |text: &str, regions: &mut Vec<Region>| {
        if let Some(region) = Region::of(text)
            && !regions.contains(&region)
            && regions.len() < REGIONS
        {
            regions.push(region);
        }
    };
    for finding in &group.findings {
        if let Some(region) = finding.facts.get("region") {
            add(region, &mut regions);
        }
    }
    for (finding, path) in files(group) {
        let Some(entry) = finding.facts.get("entry") else {
            let text = short(&path).unwrap_or_default();
            for value in values(&text, &["AWS_REGION", "AWS_DEFAULT_REGION"]) {
                add(&value, &mut regions);
            }
            continue;
        };
        let Some(text) = path
            .parent()
            .and_then(|folder| short(&folder.join("config")))
        else {
            continue;
        };
        let entries = lines::ini(&text);
        let value = |section: &str, name: &str| {
            entries
                .iter()
                .find(|e| {
                    e.path.first().is_some_and(|s| s == section)
                        && e.path.get(1).is_some_and(|n| n == name)
                })
                .map(|e| e.value.clone())
        };
        for section in [format!("profile {entry}"), entry.clone()] {
            if let Some(region) = value(&section, "region") {
                add(&region, &mut regions);
            }
        }
        for section in entries.iter().filter_map(|e| e.path.first()) {
            if value(section, "role_arn").is_some()
                && value(section, "source_profile").as_ref() == Some(entry)
            {
                let name = format!("`{}`", word(section.trim_start_matches("profile ")));
                if !assumes.contains(&name) {
                    assumes.push(name);
                }
            }
        }
    }
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        if let Ok(region) = std::env::var(name) {
            add(&region, &mut regions);
        }
    }
    if regions.is_empty() {
        regions.push(Region::first());
    }
    Where { regions, assumes }
}

/// Whether a token is github.com's as far as its own places say: one of an Enterprise host is sent nowhere.
pub(super) fn github(group: &Group, secret: &str) -> Result<(), String> {
    let public = |host: &str| matches!(host, "github.com" | "api.github.com");
    let other = |host: &str| {
        Err(format!(
            "it is a token of `{}`, which was not asked: a token goes to github.com only; ask there by hand (`GET /user`, header X-OAuth-Scopes)",
            word(host)
        ))
    };
    for finding in &group.findings {
        if let Some(host) = finding.facts.get("host").filter(|host| !public(host)) {
            return other(host);
        }
    }
    for (_, path) in files(group) {
        let text = short(&path).unwrap_or_default();
        if path.ends_with("gh/hosts.yml") {
            let host = yaml::read(&text)
                .into_iter()
                .filter(|entry| entry.value == secret)
                .filter_map(|entry| entry.path.first().cloned())
                .find(|host| !public(host));
            match host {
                Some(host) => return other(&host),
                None => continue,
            }
        }
        for value in values(&text, &["GITHUB_API_URL", "GITHUB_SERVER_URL", "GH_HOST"]) {
            let host = value.split("://").last().unwrap_or_default();
            let host = host.split(['/', ':']).next().unwrap_or_default();
            if !host.is_empty() && !public(host) {
                return other(host);
            }
        }
    }
    Ok(())
}

/// The cluster of a token or key, by the kubeconfig that it stands in.
pub(super) fn cluster(group: &Group, secret: &str) -> Result<Cluster, String> {
    let mut why = "it stands in no kubeconfig, so that its cluster is not known".to_owned();
    for (finding, path) in files(group) {
        if matches!(finding.place, Place::Environment { .. }) {
            continue;
        }
        let Some(text) = short(&path) else {
            continue;
        };
        match config::read(&text, secret) {
            Ok(cluster) => return Ok(cluster),
            Err(said) => why = said,
        }
    }
    Err(why)
}
