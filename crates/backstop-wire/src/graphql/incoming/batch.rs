//! JSON bodies: one request, or a list of them.

use serde_json::Value;

use super::super::Refused;
use super::super::refuse::{refused, shown};
use super::url::Beside;
use super::{Incoming, Over, Parts};

/// Requests in one batch.
const MOST: usize = 100;

pub(super) fn value(
    value: &Value,
    over: Over,
    beside: &Beside<'_>,
) -> Result<Vec<Incoming>, Refused> {
    let Value::Array(list) = value else {
        let mut one = one(value, over)?;
        beside.agree(&mut one)?;
        return Ok(vec![one]);
    };
    if list.is_empty() || list.len() > MOST {
        return Err(refused(
            "the batch is empty or longer than 100",
            "send fewer at once",
        ));
    }
    list.iter()
        .enumerate()
        .map(|(place, value)| {
            let mut one = one(value, over)?;
            beside.agree(&mut one)?;
            one.place = Some(place);
            Ok(one)
        })
        .collect()
}

pub(super) fn one(value: &Value, over: Over) -> Result<Incoming, Refused> {
    let Value::Object(object) = value else {
        return Err(refused(
            "the body is not an object with a query",
            "send `query` and `variables`",
        ));
    };
    let mut parts = Parts::default();
    for (name, value) in object {
        match name.as_str() {
            "query" => parts.query = Some(value),
            "variables" => parts.variables = Some(value),
            "operationName" => parts.operation = Some(value),
            "extensions" => parts.extensions = Some(value),
            // Servers that keep documents take an id by many names.
            _ => {
                return Err(refused(
                    format!(
                        "the request has the key {}, which is not known",
                        shown(name)
                    ),
                    "send query, variables, operationName and extensions only",
                ));
            }
        }
    }
    parts.read(over)
}
