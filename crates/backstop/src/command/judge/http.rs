//! `backstop judge http`: what Backstop would say to requests, without sending any.

use std::path::Path;

use backstop_core::effect::Analysis;
use backstop_core::policy::{Asker, Policy};
use backstop_core::target::Environment;
use backstop_core::verdict::{Decision, Verdict};
use backstop_wire::http::{self, Raw, RawBody, Request, Scheme, Version};
use backstop_wire::providers::{self, Beyond, Pack, Reading};
use backstop_wire::secrets::Engine;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use url::Url;

use super::{Cases, stream, verdict};
use crate::cli::JudgeHttp;
use crate::config::Config;
use crate::failure::{Context, Failure, Outcome};

/// Judges standard input.
pub(super) fn run(path: &Path, args: &JudgeHttp) -> Outcome {
    let config = if path.exists() {
        Some(Config::load(path)?)
    } else {
        None
    };
    let more = config.as_ref().map_or("", |c| c.policy.as_str());
    stream(&Judge {
        policy: Policy::with(more).doing("the policies cannot be used")?,
        environment: args.environment.unwrap_or_default(),
        pack: args.pack.clone(),
        own: args.pack_file.as_deref().map(own).transpose()?,
        engine: Engine::new().map_err(Failure::new)?,
    })
}

/// What judging needs. The lease covers every provider that a pack knows, and the gate's credential would be put in.
struct Judge {
    policy: Policy,
    environment: Environment,
    pack: Option<String>,
    own: Option<Pack>,
    engine: Engine,
}

/// A pack from a file.
fn own(file: &Path) -> Outcome<Pack> {
    let what = || format!("the pack `{}` cannot be used", file.display());
    let text = std::fs::read_to_string(file).doing(what())?;
    Pack::tried(&text).map_err(|error| {
        Failure::usage(what())
            .because(error)
            .hint("docs/packs.md has the format")
    })
}

impl Cases for Judge {
    fn judge(&self, case: &Value) -> Result<(Verdict, Analysis), String> {
        let case = Case::read(case)?;
        Ok(self.verdict(&case))
    }
}

impl Judge {
    fn verdict(&self, case: &Case) -> (Verdict, Analysis) {
        let headers = case.headers();
        let nothing = Analysis::default();
        let raw = case.raw(&headers);
        let request = match http::read(&raw) {
            Ok(request) => request,
            Err(refused) => return (verdict(Decision::Deny, "ambiguous", &refused.what), nothing),
        };
        let reading = self.reading(&request);
        let said = reading
            .as_ref()
            .and_then(|(_, reading)| http::without_quoted(&request, reading.quoted()));
        let found = http::presented(&self.engine, said.as_ref().unwrap_or(&request), &raw);
        if let Some(found) = found.presented.first() {
            let why = format!(
                "a credential that the lease did not get, in {}",
                found.place
            );
            return (verdict(Decision::Halt, "foreign-credential", &why), nothing);
        }
        if let Some(why) = found.missed {
            return (verdict(Decision::Deny, "unsearched", why), nothing);
        }
        let Some((target, reading)) = reading else {
            let why = "the host is no target that a pack knows";
            return (verdict(Decision::Deny, "not-in-lease", why), nothing);
        };
        self.said(&request, target, reading)
    }

    /// What it does, and the name of the pack that says so.
    fn reading(&self, request: &Request) -> Option<(&str, Reading)> {
        if let Some(own) = &self.own {
            return Some((own.name(), providers::read_by(request, own)));
        }
        let pack = match &self.pack {
            Some(pack) => pack.as_str(),
            None => providers::for_host(&request.host)?.name,
        };
        Some((pack, providers::read(request, Some(pack))))
    }

    /// What the gate says to a request that was read.
    fn said(&self, request: &Request, target: &str, reading: Reading) -> (Verdict, Analysis) {
        let beyond = Beyond::told(request).filter(|beyond| !beyond.is_known(&reading));
        let analysis = reading.analysis;
        if let Some(beyond) = beyond {
            let refused = verdict(Decision::Deny, beyond.rule(), beyond.why());
            return (refused, analysis);
        }
        (self.policy.judge(self.asker(target), &analysis), analysis)
    }

    const fn asker<'t>(&self, target: &'t str) -> Asker<'t> {
        Asker {
            lease: None,
            target,
            environment: self.environment,
            limits: None,
        }
    }
}

/// A case as it is written.
struct Case {
    method: String,
    scheme: Scheme,
    authority: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Case {
    fn read(case: &Value) -> Result<Self, String> {
        let request = case.get("request").ok_or("the object has no `request`")?;
        let text = |name: &str| request.get(name).and_then(Value::as_str);
        let method = text("method").ok_or("the request has no string `method`")?;
        let written = text("url").ok_or("the request has no string `url`")?;
        let (scheme, authority, target) = split(written)?;
        Ok(Self {
            method: method.to_owned(),
            scheme,
            authority,
            target,
            headers: headers(request.get("headers"))?,
            body: match (text("body"), text("body_base64")) {
                (Some(_), Some(_)) => return Err("the request has two bodies".into()),
                (Some(body), None) => body.as_bytes().to_vec(),
                (None, Some(body)) => STANDARD
                    .decode(body)
                    .map_err(|_| "`body_base64` is not base64".to_owned())?,
                (None, None) => vec![],
            },
        })
    }

    fn headers(&self) -> Vec<(&str, &[u8])> {
        let all = self.headers.iter();
        all.map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect()
    }

    fn raw<'a>(&'a self, headers: &'a [(&'a str, &'a [u8])]) -> Raw<'a> {
        Raw {
            method: &self.method,
            version: Version::Http11,
            scheme: self.scheme,
            authority: Some(&self.authority),
            target: &self.target,
            headers,
            tls_name: None,
            tunnel: None,
            reverse: None,
            body: if self.body.is_empty() {
                RawBody::Absent
            } else {
                RawBody::Whole(&self.body)
            },
        }
    }
}

/// Scheme, authority, and path with query, as they are written: what is ambiguous in them is for the reader to find.
fn split(written: &str) -> Result<(Scheme, String, String), String> {
    Url::parse(written).map_err(|error| format!("`url` is not a URL: {error}"))?;
    let (scheme, rest) = written.split_once("://").ok_or("`url` is not absolute")?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err("`url` is neither http nor https".into()),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let target = match target.chars().next() {
        None => "/".to_owned(),
        Some('/') => target.to_owned(),
        Some(_) => format!("/{target}"),
    };
    // A fragment is the client's own and never sent.
    let sent = target.split('#').next().unwrap_or_default().to_owned();
    Ok((scheme, authority.to_owned(), sent))
}

/// `[["name", "value"], …]`, or an object.
fn headers(value: Option<&Value>) -> Result<Vec<(String, String)>, String> {
    let wrong = || "`headers` is not a list of [name, value]".to_owned();
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(wrong);
    match value {
        None | Some(Value::Null) => Ok(vec![]),
        Some(Value::Object(all)) => all
            .iter()
            .map(|(name, value)| Ok((name.clone(), text(value)?)))
            .collect(),
        Some(Value::Array(all)) => all
            .iter()
            .map(|pair| match pair.as_array().map(Vec::as_slice) {
                Some([name, value]) => Ok((text(name)?, text(value)?)),
                _ => Err(wrong()),
            })
            .collect(),
        Some(_) => Err(wrong()),
    }
}
