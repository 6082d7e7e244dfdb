//! Which service a request is for: what the host says and what the signature says must agree.

use super::data::{Service, catalogue};
use super::host::{Bucket, Host, is_region};
use super::signature::{Scope, scopes};
use crate::http::Request;

/// The services that a request may be for.
#[derive(Debug, Default)]
pub(super) struct Identified {
    /// Those that share host and signing name; empty where nobody knows.
    pub(super) services: Vec<&'static Service>,
    /// Where the bucket is named, if one of them is S3.
    pub(super) bucket: Option<Bucket>,
    /// What host or hint call the service.
    said: String,
    /// What does not fit together, one fragment each.
    pub(super) doubts: Vec<String>,
    /// False for a host that is neither AWS's nor told to stand for it.
    pub(super) known_host: bool,
}

/// Finds the services. `hint` tells what a host that is not AWS's stands for: a service's name, `*` for whatever the
/// signature says, and for S3 `s3@BASE` where buckets are named before `BASE`.
pub(super) fn identify(request: &Request, hint: Option<&str>) -> Identified {
    let signed = scopes(request);
    let mut found = match Host::parse(&request.host) {
        Some(host) => at_aws(host, &signed),
        None => hint.map_or_else(Identified::default, |h| at_hint(request, h, &signed)),
    };
    if signed.len() > 1 {
        found
            .doubts
            .push("it is signed for more than one service or region".to_owned());
    }
    for scope in &signed {
        agree(&mut found, scope);
    }
    found
}

fn at_aws(host: Host, signed: &[Scope]) -> Identified {
    let mut found = Identified {
        known_host: true,
        said: host.key.join("."),
        ..Identified::default()
    };
    if let Some(bucket) = host.s3 {
        found.bucket = Some(bucket);
        found.services.extend(catalogue().named("s3"));
    } else {
        found.services = hosted(&host.key);
    }
    // A path names the bucket at the control host of S3 Express.
    if host.key.last().is_some_and(|k| k == "s3express-control") {
        found.bucket = Some(Bucket::Path);
    }
    if found.services.is_empty() {
        found.doubts.push(format!(
            "`{}` is no service's host that the pack knows",
            host.key.join(".")
        ));
    }
    for scope in signed {
        let (Some(here), Some(there)) = (&host.region, &scope.region) else {
            continue;
        };
        if is_region(there) && here != there {
            found
                .doubts
                .push(format!("the host says {here}, the signature says {there}"));
        }
    }
    found
}

/// Labels in front may be accounts or resources: the longest rest that is a service's counts.
fn hosted(labels: &[String]) -> Vec<&'static Service> {
    (0..labels.len())
        .filter_map(|from| labels.get(from..))
        .map(|rest| catalogue().hosted(&rest.join(".")))
        .find(|services| !services.is_empty())
        .unwrap_or_default()
}

fn at_hint(request: &Request, hint: &str, signed: &[Scope]) -> Identified {
    let (name, base) = hint
        .split_once('@')
        .map_or((hint, None), |(n, b)| (n, Some(b)));
    let mut found = Identified {
        known_host: true,
        said: name.to_owned(),
        ..Identified::default()
    };
    if name == "*" {
        match signed.first() {
            Some(scope) => found.services = catalogue().signed(&scope.service),
            None => found
                .doubts
                .push("it is not signed, and nothing else says which service it is for".to_owned()),
        }
    } else if let Some(service) = catalogue().named(name) {
        found.services.push(service);
    } else {
        found.services = catalogue().signed(name);
        for service in catalogue().hosted(name) {
            if !found.services.iter().any(|s| s.name == service.name) {
                found.services.push(service);
            }
        }
        if found.services.is_empty() {
            found
                .doubts
                .push(format!("`{name}` is no service that the pack knows"));
        }
    }
    if found.services.iter().any(|s| s.name == "s3") {
        found.bucket = Some(bucket_before(&request.host, base.unwrap_or("localhost")));
    }
    found
}

fn bucket_before(host: &str, base: &str) -> Bucket {
    let before = host.strip_suffix(base).and_then(|h| h.strip_suffix('.'));
    before.map_or(Bucket::Path, |b| Bucket::Host(b.to_owned()))
}

/// Keeps the services that sign so; where none does, says that host and signature disagree.
fn agree(found: &mut Identified, scope: &Scope) {
    if found.services.is_empty() {
        return;
    }
    let signing = catalogue().signed(&scope.service);
    let both: Vec<_> = found
        .services
        .iter()
        .copied()
        .filter(|s| signing.iter().any(|other| other.name == s.name))
        .collect();
    if !both.is_empty() {
        found.services = both;
        return;
    }
    found.doubts.push(format!(
        "the host says {}, the signature says {}",
        found.said, scope.service
    ));
}

impl Identified {
    /// Whether host or hint call the service so.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.said == name
            || self
                .said
                .strip_suffix(name)
                .is_some_and(|s| s.ends_with('.'))
    }

    /// Of several services with one host and one API, the one that the host is named for.
    pub(super) fn preferred<'a>(&self, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        let names: Vec<&str> = names.collect();
        match names.as_slice() {
            [only] => Some(only),
            several => several.iter().copied().find(|n| self.is_named(n)),
        }
    }
}
