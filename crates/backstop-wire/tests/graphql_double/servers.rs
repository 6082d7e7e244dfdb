//! How servers understand a request: the double itself, which is strict, and liberal ones before it that take whatever
//! some server out there takes, each in its own way where there are several.

use std::io::Read as _;

use backstop_testing::railway::{RailwayDouble, Ran};
use serde::Deserialize as _;
use serde::de::{MapAccess, Visitor};
use serde_json::{Map, Value};

use super::requests::Sent;

/// How many there are.
pub const COUNT: usize = 4;

/// What one of them carried out of one thing that was asked.
pub struct Done {
    pub ran: Vec<Ran>,
    /// Whether a field failed, so that others may not have been tried.
    pub failed: bool,
}

/// How a liberal server chooses.
#[derive(Clone, Copy)]
struct Habits {
    /// Of a name that comes twice, the first counts.
    first: bool,
    /// What stands in the URL counts before the body.
    url: bool,
}

/// What each of them carries out.
pub fn all(double: &RailwayDouble, sent: &Sent) -> [Vec<Done>; COUNT] {
    let liberal = |first, url| {
        let asked = understood(sent, Habits { first, url }).unwrap_or_default();
        asked
            .iter()
            .map(|one| done(double, |headers| double.ask(headers, &one.to_string())))
            .collect()
    };
    let strict = match sent.method {
        "POST" => vec![done(double, |headers| {
            let stated = sent.headers.iter().map(|(n, v)| (*n, v.as_str()));
            let all: Vec<_> = headers.iter().copied().chain(stated).collect();
            double.ask_as_sent(&all, &sent.body)
        })],
        // It answers nothing else.
        _ => vec![],
    };
    [
        strict,
        liberal(false, false),
        liberal(true, false),
        liberal(false, true),
    ]
}

fn done(double: &RailwayDouble, ask: impl FnOnce(&[(&str, &str)]) -> (u16, Value)) -> Done {
    let before = double.received().len();
    let token = format!("Bearer {}", double.account_token());
    let (_, answer) = ask(&[("authorization", &token)]);
    let ran = double.received().into_iter().skip(before);
    Done {
        ran: ran.flat_map(|one| one.ran).collect(),
        failed: answer.get("errors").is_some(),
    }
}

/// The requests that a liberal server finds, each as plain JSON.
fn understood(sent: &Sent, habits: Habits) -> Option<Vec<Value>> {
    let query = sent.target.split_once('?').map_or("", |(_, query)| query);
    let in_url = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let in_url = parts(in_url, habits);
    if sent.method == "GET" {
        return Some(vec![asked(in_url)?]);
    }
    let header = |name: &str| sent.headers.iter().find(|(n, _)| *n == name);
    let kind = header("content-type")
        .map_or("", |(_, v)| v.as_str())
        .to_ascii_lowercase();
    let encoding = header("content-encoding").map_or("", |(_, v)| v.as_str());
    let body = plain(&sent.body, encoding)?;
    let text = match kind.contains("utf-16") {
        true => {
            let units = body
                .chunks_exact(2)
                .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            String::from_utf16_lossy(&units.collect::<Vec<_>>())
        }
        false => String::from_utf8_lossy(&body).into_owned(),
    };
    let text = text.trim_start_matches('\u{feff}');
    let bodies: Vec<Map<String, Value>> =
        if kind.starts_with("application/graphql") && !kind.contains("json") {
            let mut one = in_url.clone();
            one.insert("query".to_owned(), text.into());
            vec![one]
        } else if kind.contains("form") && !text.starts_with('{') {
            let pairs = url::form_urlencoded::parse(text.as_bytes()).into_owned();
            vec![parts(pairs.collect(), habits)]
        } else if text.trim_start().starts_with('[') {
            // One value is enough; what follows it is left.
            let mut values = serde_json::Deserializer::from_str(text);
            let all = Vec::<Members>::deserialize(&mut values).ok()?;
            all.into_iter().map(|one| chosen(one.0, habits)).collect()
        } else {
            let mut values = serde_json::Deserializer::from_str(text);
            vec![chosen(Members::deserialize(&mut values).ok()?.0, habits)]
        };
    let each = bodies.into_iter().map(|mut body| {
        if habits.url {
            body.extend(in_url.clone());
        }
        asked(body)
    });
    Some(each.flatten().collect())
}

/// Without its content encoding; as it is where it has none of the sort.
fn plain(body: &[u8], encoding: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match encoding {
        "gzip" => flate2::read::GzDecoder::new(body)
            .read_to_end(&mut out)
            .ok()?,
        "deflate" => flate2::read::ZlibDecoder::new(body)
            .read_to_end(&mut out)
            .ok()?,
        _ => return Some(body.to_vec()),
    };
    Some(out)
}

/// The parts of a request that stand as pairs.
fn parts(pairs: Vec<(String, String)>, habits: Habits) -> Map<String, Value> {
    let members = pairs.into_iter().filter_map(|(name, value)| {
        let value = match name.as_str() {
            "variables" => serde_json::from_str(&value).ok()?,
            "query" | "operationName" => value.into(),
            _ => return None,
        };
        Some((name, value))
    });
    chosen(members.collect(), habits)
}

fn chosen(members: Vec<(String, Value)>, habits: Habits) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, value) in members {
        if !habits.first || !out.contains_key(&name) {
            out.insert(name, value);
        }
    }
    out
}

/// A request as every server takes it.
fn asked(mut from: Map<String, Value>) -> Option<Value> {
    let query = from.remove("query")?;
    let mut out = Map::from_iter([("query".to_owned(), query)]);
    for name in ["variables", "operationName"] {
        // An empty name is none.
        let given = from.remove(name).filter(|value| *value != "");
        out.extend(given.map(|value| (name.to_owned(), value)));
    }
    Some(out.into())
}

/// An object's members in order, names that come twice and all.
struct Members(Vec<(String, Value)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = map.next_entry()? {
                    all.push(member);
                }
                Ok(Members(all))
            }
        }
        deserializer.deserialize_map(Each)
    }
}
