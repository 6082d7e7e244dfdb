//! What stands in a URL or a form, by name: `query`, `variables`, `operationName`, `extensions`.

use serde_json::Value;

use super::super::Refused;
use super::super::refuse::{refused, shown};
use super::{Incoming, Over, Parts, json};
use crate::http::Request;

/// Names, in lower case and without `_` and `-`, that some server takes a document by.
const DOCUMENTS: &[&str] = &[
    "query",
    "mutation",
    "variables",
    "operation",
    "operations",
    "operationid",
    "extensions",
    "id",
    "docid",
    "documentid",
    "document",
    "queryid",
    "queryhash",
    "hash",
    "sha256hash",
    "persistedquery",
    "map",
    "key",
    "body",
];

fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

pub(super) fn get(request: &Request) -> Result<Incoming, Refused> {
    if request.body != crate::http::Body::Absent {
        return Err(refused(
            "a GET with a body is read in two ways",
            "send a POST",
        ));
    }
    let asked: Vec<_> = request
        .query
        .iter()
        .filter(|(name, _)| KNOWN.contains(&name.as_str()) || is_document(name))
        .collect();
    pairs(asked, Over::Get)
}

const KNOWN: [&str; 4] = ["query", "variables", "operationName", "extensions"];

fn is_document(name: &str) -> bool {
    let name = plain(name);
    name == "operationname" || DOCUMENTS.contains(&name.as_str())
}

/// `application/graphql`: the body is the document, the rest is in the URL.
pub(super) fn text(request: &Request, text: &str) -> Result<Incoming, Refused> {
    let mut asked = vec![("query".to_owned(), text.to_owned())];
    for (name, value) in &request.query {
        if KNOWN.contains(&name.as_str()) || is_document(name) {
            asked.push((name.clone(), value.clone()));
        }
    }
    pairs(&asked, Over::Post)
}

/// Reads parameters, none of which may come twice.
pub(super) fn pairs<'p>(
    pairs: impl IntoIterator<Item = &'p (String, String)>,
    over: Over,
) -> Result<Incoming, Refused> {
    let mut found: [Option<Value>; 4] = [None, None, None, None];
    for (name, value) in pairs {
        let Some(place) = KNOWN.iter().position(|known| known == name) else {
            return Err(refused(
                format!("the parameter {} is not known", shown(name)),
                "send query, variables, operationName and extensions only",
            ));
        };
        let value = if matches!(name.as_str(), "variables" | "extensions") && !value.is_empty() {
            json(value, name)?
        } else if value.is_empty() {
            Value::Null
        } else {
            Value::String(value.clone())
        };
        if found
            .get_mut(place)
            .and_then(|slot| slot.replace(value))
            .is_some()
        {
            return Err(refused(
                format!("the parameter {} comes twice", shown(name)),
                "send it once",
            ));
        }
    }
    let [query, variables, operation, extensions] = &found;
    Parts {
        query: query.as_ref(),
        variables: variables.as_ref(),
        operation: operation.as_ref(),
        extensions: extensions.as_ref(),
    }
    .read(over)
}

/// What stands in the URL beside a POST's body.
pub(super) struct Beside<'r> {
    operation: Option<&'r str>,
    other: Option<&'r str>,
}

impl<'r> Beside<'r> {
    pub(super) fn of(request: &'r Request) -> Result<Self, Refused> {
        let mut beside = Self {
            operation: None,
            other: None,
        };
        for (name, value) in &request.query {
            if name == "operationName" {
                if beside.operation.replace(value).is_some() {
                    return Err(refused("the operation's name comes twice", "send it once"));
                }
            } else if is_document(name) {
                beside.other = Some(name);
            }
        }
        Ok(beside)
    }

    /// Some servers take the URL's parameters before the body's.
    pub(super) fn no_parameters(&self) -> Result<(), Refused> {
        match self.other {
            None => Ok(()),
            Some(name) => Err(refused(
                format!("the URL carries {} and the body a request too", shown(name)),
                "send it in the body alone",
            )),
        }
    }

    /// The same name in both places is harmless.
    pub(super) fn agree(&self, one: &mut Incoming) -> Result<(), Refused> {
        match self.operation {
            Some(name) if one.operation.as_deref() != Some(name) => Err(refused(
                "the URL names another operation than the body",
                "name it in the body alone",
            )),
            _ => Ok(()),
        }
    }
}
