//! Which operation a request calls, by every way in which AWS lets one be named.
//!
//! Where two ways name two operations the request counts as both, and as not understood.

use std::borrow::Cow;

use super::data::{Known, Service};
use super::host::Bucket;
use super::identify::Identified;
use super::query;
use super::template::{Labels, Template};
use crate::http::Request;

/// The way in which a request says what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// `X-Amz-Target` and a JSON body.
    Json,
    /// `/service/{name}/operation/{name}` and a CBOR body.
    Cbor,
    /// `Action=` in a form or in the query; `ec2` is of this kind.
    Query,
    /// Method and URI.
    Rest,
}

/// An operation that a request calls.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) service: &'static Service,
    pub(super) known: &'static Known,
    pub(super) protocol: Protocol,
    /// Of the URI; empty for the other protocols.
    pub(super) labels: Labels,
}

impl Call {
    /// Whether both are one operation of one endpoint, under the names of several services: what DocumentDB and Neptune
    /// call theirs are operations of RDS. It counts as all of them.
    fn is_one_with(&self, other: &Self) -> bool {
        self.known.name == other.known.name && self.service.is_one_with(other.service)
    }
}

/// The operations found, and what is unclear about them.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) calls: Vec<Call>,
    pub(super) doubts: Vec<String>,
}

impl Calls {
    fn doubt(&mut self, why: impl Into<String>) {
        self.doubts.push(why.into());
    }

    fn add(&mut self, call: Call) {
        let same =
            |c: &Call| c.known.name == call.known.name && c.service.name == call.service.name;
        if !self.calls.iter().any(same) {
            self.calls.push(call);
        }
    }
}

/// Finds the operations that `request` calls at one of the services.
pub(super) fn calls(request: &Request, at: &Identified) -> Calls {
    let mut found = Calls::default();
    if overridden(request) {
        found.doubt("it asks for another method than it has, which AWS does not heed");
    }
    target(request, at, &mut found);
    rpc(request, at, &mut found);
    action(request, at, &mut found);
    rest(request, at, &mut found);
    let other = |first: &Call| found.calls.iter().find(|call| !call.is_one_with(first));
    if let Some((first, second)) = found
        .calls
        .first()
        .and_then(|first| Some((first, other(first)?)))
    {
        let why = format!(
            "it could be {}:{} or {}:{}",
            first.service.name, first.known.name, second.service.name, second.known.name
        );
        found.doubt(why);
    }
    if found.calls.is_empty() && found.doubts.is_empty() {
        let why = at.services.first().map_or_else(
            || "no service is known for it".to_owned(),
            |s| format!("{} has no such operation that the pack knows", s.name),
        );
        found.doubt(why);
    }
    found
}

/// Whether the method that counts elsewhere may not be the one that AWS sees.
fn overridden(request: &Request) -> bool {
    let names = [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
    ];
    let told = |name: &str| names.contains(&name) || name == "_method";
    let query = request.query.iter();
    request
        .headers
        .iter()
        .chain(query)
        .any(|(n, _)| told(&n.to_ascii_lowercase()))
}

/// `X-Amz-Target: DynamoDB_20120810.DeleteTable`.
fn target(request: &Request, at: &Identified, found: &mut Calls) {
    let mut told: Vec<&str> = request
        .headers
        .iter()
        .filter(|(name, _)| name == "x-amz-target")
        .map(|(_, value)| value.trim())
        .collect();
    told.dedup();
    if told.len() > 1 {
        found.doubt("`X-Amz-Target` names two operations");
    }
    for value in told {
        let Some((prefix, name)) = value.rsplit_once('.') else {
            found.doubt("`X-Amz-Target` is not `service.operation`");
            continue;
        };
        named(at, name, Protocol::Json, found, |s| {
            !s.is_rest() && s.target == prefix
        });
    }
}

/// `/service/{service}/operation/{operation}`.
fn rpc(request: &Request, at: &Identified, found: &mut Calls) {
    let [a, service, b, name] = request.segments.as_slice() else {
        return;
    };
    let cbor = at.services.iter().any(|s| s.speaks("smithy-rpc-v2-cbor"));
    if a == "service" && b == "operation" && (cbor || at.services.iter().all(|s| !s.is_rest())) {
        named(at, name, Protocol::Cbor, found, |s| {
            !s.is_rest() && s.target == service
        });
    }
}

/// `Action=DeleteDBInstance&Version=2014-10-31`.
fn action(request: &Request, at: &Identified, found: &mut Calls) {
    if at.services.iter().all(|s| s.is_rest()) {
        return;
    }
    let pairs = query::pairs(request);
    let mut told: Vec<&str> = query::values(&pairs, "Action").collect();
    told.dedup();
    if told.len() > 1 {
        found.doubt("`Action` names two operations");
    }
    let versions: Vec<&str> = query::values(&pairs, "Version").collect();
    let dated = at.services.iter().any(|s| versions.contains(&s.version));
    for name in told {
        named(at, name, Protocol::Query, found, |s| {
            !s.is_rest() && (!dated || versions.contains(&s.version))
        });
    }
}

/// Adds the operation of that name at the services that `fits` takes; where several share it, the one that the host is
/// named for.
fn named(
    at: &Identified,
    name: &str,
    protocol: Protocol,
    found: &mut Calls,
    fits: impl Fn(&Service) -> bool,
) {
    let calls: Vec<Call> = at
        .services
        .iter()
        .copied()
        .filter(|s| fits(s))
        .filter_map(|service| {
            Some(Call {
                service,
                known: service.operations().named(name)?,
                protocol,
                labels: Labels::new(),
            })
        })
        .collect();
    match at.preferred(calls.iter().map(|c| c.service.name)) {
        Some(name) => calls
            .into_iter()
            .filter(|c| c.service.name == name)
            .for_each(|c| found.add(c)),
        None if calls.is_empty() => {
            found.doubt("it names an operation that the pack does not know");
        }
        None => calls.into_iter().for_each(|c| found.add(c)),
    }
}

/// Method and URI.
fn rest(request: &Request, at: &Identified, found: &mut Calls) {
    let mut fitting: Vec<(Call, &'static Template)> = Vec::new();
    for service in at.services.iter().copied().filter(|s| s.is_rest()) {
        let path = path(request, at, service);
        if service.name == "s3" && path.first().is_some_and(|b| b.contains('/')) {
            found.doubt("the bucket's name holds a slash");
        }
        for known in service.operations().by_method(&request.method) {
            let Some(template) = &known.template else {
                continue;
            };
            if let Some(labels) = template.matches(request, &path) {
                let call = Call {
                    service,
                    known,
                    protocol: Protocol::Rest,
                    labels,
                };
                fitting.push((call, template));
            }
        }
    }
    let Some(closest) = fitting.iter().map(|(_, t)| t.rank()).max() else {
        return;
    };
    fitting.retain(|(_, t)| t.rank() == closest);
    let templates: Vec<_> = fitting.iter().map(|(_, t)| *t).collect();
    let best = |t: &Template| !templates.iter().any(|other| other.asks_more_than(t));
    fitting.retain(|(_, t)| best(t));
    directory_buckets(at, &mut fitting);
    // Services that are one API under two names have the same operations.
    let mut names: Vec<&str> = Vec::new();
    for (call, _) in fitting {
        if !names.contains(&call.known.name) {
            names.push(call.known.name);
            found.add(call);
        }
    }
}

/// `GET /` lists buckets, and at the control host of S3 Express directory buckets.
fn directory_buckets(at: &Identified, fitting: &mut Vec<(Call, &'static Template)>) {
    let express = at.is_named("s3express-control");
    let here = |name: &str| match name {
        "ListBuckets" => !express,
        "ListDirectoryBuckets" => express,
        _ => true,
    };
    fitting.retain(|(call, _)| call.service.name != "s3" || here(call.known.name));
}

/// The path as the templates count it: the bucket is its first segment, wherever it was named.
fn path<'a>(request: &'a Request, at: &'a Identified, service: &Service) -> Vec<Cow<'a, str>> {
    let bucket = match &at.bucket {
        Some(Bucket::Host(name)) if service.name == "s3" => Some(Cow::Borrowed(name.as_str())),
        _ => None,
    };
    let segments = request.segments.iter().map(|s| Cow::Borrowed(s.as_str()));
    bucket.into_iter().chain(segments).collect()
}
