//! Every AWS service and operation, as the generated data tell. Each service is read when it is first asked for.
//!
//! It must hold facts only: what an operation does is made of them elsewhere.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::template::Template;
use crate::providers::IdempotencyToken;

const TEXT: &str = include_str!("../../../packs/aws/operations.txt");

/// How IAM files an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Read,
    List,
    Write,
    Tagging,
    Permissions,
    Unknown,
}

impl Level {
    /// As IAM's reference writes it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::List => "List",
            Self::Write => "Write",
            Self::Tagging => "Tagging",
            Self::Permissions => "Permissions management",
            Self::Unknown => "nothing known",
        }
    }

    fn of(letter: &str) -> Self {
        match letter {
            "R" => Self::Read,
            "L" => Self::List,
            "W" => Self::Write,
            "T" => Self::Tagging,
            "P" => Self::Permissions,
            _ => Self::Unknown,
        }
    }
}

/// One operation of a service.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) level: Level,
    /// Of the services with a URI for each operation.
    pub(super) template: Option<Template>,
    /// JSON pointers to credentials in the answer, with commas between them; `/` alone for all of it.
    reveals: &'static str,
    /// What IAM calls it, where that is another name.
    pub(super) action: &'static str,
    /// Where its idempotency token stands: `name` in the body, `?name` in the query, `name:` among the headers.
    token: &'static str,
}

impl Known {
    fn parse(line: &'static str) -> Option<Self> {
        let mut fields = line.split('\t');
        let name = fields.next().filter(|n| !n.is_empty())?;
        let level = Level::of(fields.next()?);
        let template = fields.next().and_then(Template::parse);
        Some(Self {
            name,
            level,
            template,
            reveals: fields.next().unwrap_or_default(),
            action: fields.next().unwrap_or_default(),
            token: fields.next().unwrap_or_default(),
        })
    }

    /// JSON pointers to the credentials in its answer; `""` for all of it.
    pub(super) fn reveals(&self) -> Vec<String> {
        let pointers = self.reveals.split(',').filter(|p| !p.is_empty());
        pointers
            .map(|p| {
                if p == "/" {
                    String::new()
                } else {
                    p.to_owned()
                }
            })
            .collect()
    }

    /// Where its clients put what they make anew at every call.
    pub(super) fn token(&self) -> Option<IdempotencyToken> {
        let token = self.token;
        Some(match (token.strip_prefix('?'), token.strip_suffix(':')) {
            (Some(name), _) => IdempotencyToken::Query(name.to_owned()),
            (_, Some(name)) => IdempotencyToken::Header(name.to_owned()),
            _ if token.is_empty() => return None,
            _ => IdempotencyToken::Body(token.to_owned()),
        })
    }
}

/// The operations of one service.
#[derive(Debug, Default)]
pub(super) struct Operations {
    all: Vec<Known>,
    by_name: HashMap<&'static str, usize>,
    by_method: HashMap<&'static str, Vec<usize>>,
}

impl Operations {
    fn parse(lines: &'static str) -> Self {
        let all: Vec<Known> = lines.lines().filter_map(Known::parse).collect();
        let mut by_method: HashMap<_, Vec<usize>> = HashMap::new();
        for (i, known) in all.iter().enumerate() {
            if let Some(template) = &known.template {
                by_method.entry(template.method).or_default().push(i);
            }
        }
        let by_name = all.iter().enumerate().map(|(i, k)| (k.name, i)).collect();
        Self {
            all,
            by_name,
            by_method,
        }
    }

    /// The operation of that name, case and all.
    pub(super) fn named(&self, name: &str) -> Option<&Known> {
        self.by_name.get(name).and_then(|i| self.all.get(*i))
    }

    /// The operations that are called by `method` and a URI of their own.
    pub(super) fn by_method(&self, method: &str) -> impl Iterator<Item = &Known> {
        let places = self.by_method.get(method).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|i| self.all.get(*i))
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> &[Known] {
        &self.all
    }
}

/// One service.
#[derive(Debug)]
pub(super) struct Service {
    /// As the command line and the SDKs call it.
    pub(super) name: &'static str,
    protocols: &'static str,
    hosts: &'static str,
    signing: &'static str,
    /// What stands before the dot in `X-Amz-Target`, and between `service` and `operation` in a CBOR path.
    pub(super) target: &'static str,
    /// The date that requests of the query protocols name as `Version`.
    pub(super) version: &'static str,
    /// What its actions begin with in IAM policies.
    pub(super) iam: &'static str,
    lines: &'static str,
    operations: OnceLock<Operations>,
}

impl Service {
    /// Whether both are asked at the same hosts, in the same version, with the same rights.
    pub(super) fn is_one_with(&self, other: &Self) -> bool {
        let of = |service: &Self| {
            (
                service.hosts,
                service.signing,
                service.target,
                service.version,
                service.iam,
            )
        };
        of(self) == of(other)
    }

    fn parse(section: &'static str) -> Option<Self> {
        let (head, lines) = section.split_once('\n').unwrap_or((section, ""));
        let mut fields = head.split('\t');
        Some(Self {
            name: fields.next()?,
            protocols: fields.next()?,
            hosts: fields.next()?,
            signing: fields.next()?,
            target: fields.next()?,
            version: fields.next()?,
            iam: fields.next()?,
            lines,
            operations: OnceLock::new(),
        })
    }

    /// Whether it speaks the protocol that botocore calls so.
    pub(super) fn speaks(&self, protocol: &str) -> bool {
        self.protocols.split(',').any(|p| p == protocol)
    }

    /// Whether its operations have URIs of their own.
    pub(super) fn is_rest(&self) -> bool {
        self.protocols.starts_with("rest")
    }

    /// Its operations, read at the first call.
    pub(super) fn operations(&self) -> &Operations {
        self.operations
            .get_or_init(|| Operations::parse(self.lines))
    }
}

/// All services.
#[derive(Debug)]
pub(super) struct Catalogue {
    services: Vec<Service>,
    by_host: HashMap<&'static str, Vec<usize>>,
    by_signing: HashMap<&'static str, Vec<usize>>,
}

impl Catalogue {
    fn parse(text: &'static str) -> Self {
        let services: Vec<Service> = text
            .split("\n@\t")
            .skip(1)
            .filter_map(Service::parse)
            .collect();
        let (mut by_host, mut by_signing) = (HashMap::new(), HashMap::new());
        for (i, service) in services.iter().enumerate() {
            for host in service.hosts.split(',') {
                by_host.entry(host).or_insert_with(Vec::new).push(i);
            }
            for name in service.signing.split(',') {
                by_signing.entry(name).or_insert_with(Vec::new).push(i);
            }
        }
        Self {
            services,
            by_host,
            by_signing,
        }
    }

    /// The services at hosts that begin with `key`, region and suffix taken off.
    pub(super) fn hosted(&'static self, key: &str) -> Vec<&'static Service> {
        self.at(self.by_host.get(key))
    }

    /// The services that sign with that name.
    pub(super) fn signed(&'static self, name: &str) -> Vec<&'static Service> {
        self.at(self.by_signing.get(name))
    }

    /// The service that the SDKs call so.
    pub(super) fn named(&'static self, name: &str) -> Option<&'static Service> {
        self.services.iter().find(|s| s.name == name)
    }

    fn at(&'static self, places: Option<&Vec<usize>>) -> Vec<&'static Service> {
        let places = places.map_or(&[][..], Vec::as_slice);
        places
            .iter()
            .filter_map(|i| self.services.get(*i))
            .collect()
    }

    #[cfg(test)]
    pub(super) fn all(&'static self) -> &'static [Service] {
        &self.services
    }
}

/// The catalogue, read at the first call.
pub(super) fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| Catalogue::parse(TEXT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        let lines = TEXT
            .lines()
            .filter(|l| !l.starts_with(['#', '@']) && !l.is_empty());
        let read: usize = catalogue()
            .all()
            .iter()
            .map(|s| s.operations().all().len())
            .sum();
        assert_eq!(lines.count(), read);
        assert!(read > 19_000, "{read}");
        assert!(catalogue().all().len() > 400);
    }

    #[test]
    fn rest_operations_have_templates_and_others_have_none() {
        for service in catalogue().all() {
            for known in service.operations().all() {
                assert_eq!(
                    known.template.is_some(),
                    service.is_rest(),
                    "{}:{}",
                    service.name,
                    known.name
                );
            }
        }
    }
}
