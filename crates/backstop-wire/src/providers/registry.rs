//! The packs that are built in, and which of them reads a request.

use std::sync::LazyLock;

use serde_json::Value;

use super::aws;
use super::beyond::graphql_socket;
use super::generic;
use super::kubernetes;
use super::pack::{Call, Pack, PackError, host_matches};
use super::railway;
use super::reading::Reading;
use crate::graphql;
use crate::http::{Refused, Request};

/// A provider that Backstop knows.
#[derive(Debug, Clone, Copy)]
pub struct Provider {
    /// The name that a target's configuration uses.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// The hosts of its API; empty where everyone has their own.
    pub hosts: &'static [&'static str],
    /// What reads a request.
    reader: Reader,
}

/// What reads a request.
#[derive(Debug, Clone, Copy)]
enum Reader {
    /// A pack's entries.
    Pack(&'static LazyLock<Result<Pack, PackError>>),
    /// A pack's entries, for GraphQL alone: requests are read elsewhere, their calls come to [`read_calls`].
    Calls(&'static LazyLock<Result<Pack, PackError>>),
    /// Code of its own.
    Code(fn(&Request) -> Reading),
    /// A reader in a module of its own.
    Elsewhere,
}

macro_rules! pack {
    ($name:ident, $($file:literal),+) => {
        static $name: LazyLock<Result<Pack, PackError>> =
            LazyLock::new(|| Pack::layered(&[$(include_str!(concat!("../../packs/", $file))),+]));
    };
}

pack!(GITHUB, "github/pack.toml", "github/reviewed.toml");
pack!(
    GITHUB_GRAPHQL,
    "github-graphql/pack.toml",
    "github-graphql/reviewed.toml"
);
pack!(NEON, "neon/pack.toml", "neon/reviewed.toml");
pack!(SUPABASE, "supabase/pack.toml", "supabase/reviewed.toml");
pack!(SUPABASE_DATA, "supabase-data/pack.toml");
pack!(ANTHROPIC, "anthropic/pack.toml");
pack!(OPENAI, "openai/pack.toml");
pack!(GEMINI, "gemini/pack.toml");

const PROVIDERS: &[Provider] = &[
    Provider {
        name: "github",
        title: "GitHub REST API",
        hosts: &["api.github.com", "uploads.github.com"],
        reader: Reader::Pack(&GITHUB),
    },
    Provider {
        name: "github-graphql",
        title: "GitHub GraphQL API",
        hosts: &[],
        reader: Reader::Calls(&GITHUB_GRAPHQL),
    },
    Provider {
        name: "kubernetes",
        title: "Kubernetes API",
        hosts: &[
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ],
        reader: Reader::Code(kubernetes::read),
    },
    Provider {
        name: "neon",
        title: "Neon API",
        hosts: &["console.neon.tech"],
        reader: Reader::Pack(&NEON),
    },
    Provider {
        name: "supabase",
        title: "Supabase Management API",
        hosts: &["api.supabase.com"],
        reader: Reader::Pack(&SUPABASE),
    },
    Provider {
        name: "supabase-data",
        title: "Supabase project APIs: data, authentication, storage, functions",
        hosts: &["*.supabase.co"],
        reader: Reader::Pack(&SUPABASE_DATA),
    },
    Provider {
        name: "anthropic",
        title: "Anthropic API",
        hosts: &["api.anthropic.com"],
        reader: Reader::Pack(&ANTHROPIC),
    },
    Provider {
        name: "openai",
        title: "OpenAI API",
        hosts: &["api.openai.com"],
        reader: Reader::Pack(&OPENAI),
    },
    Provider {
        name: "gemini",
        title: "Gemini API",
        hosts: &["generativelanguage.googleapis.com"],
        reader: Reader::Pack(&GEMINI),
    },
    Provider {
        name: "railway",
        title: "Railway GraphQL API",
        hosts: &["backboard.railway.com", "backboard.railway.app"],
        reader: Reader::Elsewhere,
    },
    Provider {
        name: "aws",
        title: "Amazon Web Services",
        hosts: &["*.amazonaws.com", "*.api.aws"],
        reader: Reader::Elsewhere,
    },
    Provider {
        name: generic::rest::NAME,
        title: "Any HTTP API, by method and name",
        hosts: &[],
        reader: Reader::Code(generic::rest::read),
    },
    Provider {
        name: generic::graphql::NAME,
        title: "Any GraphQL API, by kind and name",
        hosts: &[],
        reader: Reader::Elsewhere,
    },
];

impl Provider {
    /// Its pack, where it has one that is written as a file. The text is read at the first call.
    #[must_use]
    pub fn pack(&self) -> Option<&'static Pack> {
        match self.reader {
            Reader::Pack(pack) | Reader::Calls(pack) => pack.as_ref().ok(),
            Reader::Code(_) | Reader::Elsewhere => None,
        }
    }
}

/// Everything built in.
#[must_use]
pub const fn packs() -> &'static [Provider] {
    PROVIDERS
}

/// The provider whose API `host` serves: lower case, without port.
#[must_use]
pub fn for_host(host: &str) -> Option<&'static Provider> {
    let serves = |p: &&Provider| p.hosts.iter().any(|h| host_matches(h, host));
    PROVIDERS.iter().find(serves)
}

/// The provider of that name. `aws/HINT` is AWS behind another host; [`aws::read`] says what a hint may be.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Provider> {
    let (name, hint) = hinted(name);
    let known = PROVIDERS.iter().find(|p| p.name == name)?;
    (hint.is_none() || name == "aws" && hint.is_some_and(|hint| !hint.is_empty())).then_some(known)
}

fn hinted(name: &str) -> (&str, Option<&str>) {
    name.split_once('/')
        .map_or((name, None), |(name, hint)| (name, Some(hint)))
}

/// What `request` does, read by the pack of that name, or by the one that knows its host.
#[must_use]
pub fn read(request: &Request, pack: Option<&str>) -> Reading {
    let known = match pack {
        Some(name) => by_name(name),
        None => for_host(&request.host),
    };
    let Some(provider) = known else {
        let what = match pack {
            Some(name) => format!("there is no pack `{name}`"),
            None => format!("no pack knows the host {}", request.host),
        };
        return unknown("", what, request);
    };
    if provider.name == "github"
        && request
            .segments
            .last()
            .is_some_and(|last| last == "graphql")
    {
        return graphql_api(request, "github-graphql", None);
    }
    match provider.reader {
        Reader::Code(code) => code(request),
        Reader::Pack(pack) => match pack.as_ref() {
            Ok(pack) => pack.read(request),
            Err(_) => unknown(provider.name, "the pack cannot be read".to_owned(), request),
        },
        Reader::Calls(_) | Reader::Elsewhere => {
            match read_elsewhere(provider.name, pack.and_then(|p| hinted(p).1), request) {
                Some(reading) => reading,
                None => unknown(
                    provider.name,
                    format!("nothing reads requests for {} yet", provider.title),
                    request,
                ),
            }
        }
    }
}

/// What has a reader of its own.
fn read_elsewhere(name: &str, hint: Option<&str>, request: &Request) -> Option<Reading> {
    match name {
        "railway" => Some(railway::read(request)),
        "aws" => Some(aws::read(request, hint)),
        "github-graphql" => Some(graphql_api(request, name, None)),
        generic::graphql::NAME => Some(graphql_api(request, name, None)),
        _ => None,
    }
}

/// What `request` does, read by a pack that is not built in.
#[must_use]
pub fn read_by(request: &Request, pack: &Pack) -> Reading {
    if pack.is_graphql() {
        return graphql_api(request, pack.name(), Some(pack));
    }
    pack.read(request)
}

/// A GraphQL API whose schema is not here: what runs is read, what it does is told from names or by a pack of its own.
fn graphql_api(request: &Request, name: &str, own: Option<&Pack>) -> Reading {
    if let Some(opens) = graphql_socket(request, name) {
        return opens;
    }
    let mut reading = Reading {
        provider: name.to_owned(),
        ..Reading::default()
    };
    let asked = match graphql::requests(request) {
        Ok(asked) => asked,
        Err(refused) => {
            let what = format!("refused: {}", refused.what);
            reading.analysis.incomplete.push(what);
            return reading;
        }
    };
    for incoming in &asked {
        if let Err(refused) = called(incoming, name, own, &mut reading) {
            let what = format!("refused: {}", refused.what);
            reading.analysis.incomplete.push(what);
        }
    }
    asks_something(&mut reading);
    reading
}

/// What a message on a WebSocket to a GraphQL API asks, read by the pack of that name, or by one that is not built in.
#[must_use]
pub fn read_message(asked: &graphql::Incoming, pack: &str, own: Option<&Pack>) -> Reading {
    if own.is_none() && pack == "railway" {
        return railway::asked(asked);
    }
    // A pack of another kind has no names for it.
    let own = own.filter(|pack| pack.is_graphql());
    let name = match (own, pack) {
        (Some(own), _) => own.name(),
        (None, "github" | "github-graphql") => "github-graphql",
        (None, _) => generic::graphql::NAME,
    };
    let mut reading = Reading {
        provider: name.to_owned(),
        ..Reading::default()
    };
    if let Err(refused) = called(asked, name, own, &mut reading) {
        let what = format!("refused: {}", refused.what);
        reading.analysis.incomplete.push(what);
    }
    asks_something(&mut reading);
    reading
}

fn asks_something(reading: &mut Reading) {
    if reading.operations.is_empty() && reading.analysis.is_complete() {
        let what = "the request asks nothing".to_owned();
        reading.analysis.incomplete.push(what);
    }
}

/// Adds what one document calls.
fn called(
    incoming: &graphql::Incoming,
    name: &str,
    own: Option<&Pack>,
    reading: &mut Reading,
) -> Result<(), Refused> {
    let document = graphql::Document::parse(incoming.text(&|_| None)?)?;
    for call in graphql::resolve(None, &document, incoming)? {
        let arguments = Value::Object(call.arguments.clone());
        let selects: Vec<&str> = call.selects.iter().map(|select| select.field).collect();
        let one = Call {
            kind: call.kind.word(),
            field: call.field,
            arguments: &arguments,
            selects: &selects,
        };
        if let Some(pack) = own {
            pack.read_call(&one, reading);
            continue;
        }
        let more = read_calls(&[one], Some(name));
        reading.operations.extend(more.operations);
        reading.analysis.effects.extend(more.analysis.effects);
        reading.analysis.incomplete.extend(more.analysis.incomplete);
    }
    Ok(())
}

/// What the root fields of a GraphQL document do at the provider of that name, or at one that is not known.
#[must_use]
pub fn read_calls(calls: &[Call<'_>], pack: Option<&str>) -> Reading {
    let provider = pack.and_then(by_name);
    let Some(Reader::Calls(pack)) = provider.map(|p| p.reader) else {
        return generic::graphql::read(calls);
    };
    let mut reading = Reading::default();
    match pack.as_ref() {
        Ok(pack) => calls
            .iter()
            .for_each(|call| pack.read_call(call, &mut reading)),
        Err(_) => {
            let what = "the pack cannot be read";
            reading.analysis.incomplete.push(what.to_owned());
        }
    }
    if calls.is_empty() {
        let what = "it asks for no field that could be read";
        reading.analysis.incomplete.push(what.to_owned());
    }
    reading
}

/// What is not known: no more than its method and its names tell, and never complete.
fn unknown(provider: &str, what: String, request: &Request) -> Reading {
    let mut reading = generic::rest::read(request);
    provider.clone_into(&mut reading.provider);
    reading.analysis.incomplete.insert(0, what);
    reading
}

#[cfg(test)]
mod tests;
