//! Credentials in bodies, by their structure: JSON, forms, parts, XML, GraphQL; and one inside of the other.

use serde_json::{Map, Value};

use super::draw::{self, Looks};
use super::headers;
use super::names;
use super::scheme;
use super::sheet::{DEEPEST, Sheet};
use super::target::parameter;
use super::{Part, Place, Why, graphql};
use crate::http::Body;
use crate::secrets::Class;

/// Structures one inside of the other that are followed.
const NESTED: usize = 160;
/// A longer text that is no structure is for people to read.
const SETTINGS: usize = 4 << 10;

/// Reads a body.
pub(super) fn read(sheet: &mut Sheet<'_>, body: &Body) {
    let mut spot = Spot::body();
    match body {
        Body::Absent => {}
        Body::Json(value) | Body::Cbor(value) => {
            json(sheet, &mut spot, &Named::NONE, value, DEEPEST)
        }
        Body::Form(pairs) => form(sheet, &mut spot, pairs),
        Body::Multipart(parts) => {
            for (number, part) in parts.iter().enumerate() {
                let name = part.name.as_deref().unwrap_or_default();
                let number = number.to_string();
                spot.inside(if name.is_empty() { &number } else { name }, |spot| {
                    let place = spot.place();
                    sheet.value(
                        &place,
                        "filename",
                        part.file.as_deref().unwrap_or_default(),
                        DEEPEST,
                    );
                    match std::str::from_utf8(&part.content.0) {
                        Ok(text) if part.file.is_none() => parameter(sheet, &place, name, text),
                        Ok(text) => any_text(sheet, spot, text, &part.media_type),
                        Err(_) => sheet.scan(&place, &part.content.0, Class::Generated),
                    }
                });
            }
        }
        Body::Xml(text) => xml(sheet, &mut spot, text),
        Body::Text { media_type, text } if media_type == "application/graphql" => {
            let _ = graphql::read(sheet, &spot.place(), text);
            sheet.value(&spot.place(), "", text, DEEPEST);
        }
        Body::Text { media_type, text } => any_text(sheet, &mut spot, text, media_type),
        Body::Bytes { media_type, bytes } => {
            if media_type.starts_with("application/grpc") && bytes.0.first() == Some(&1) {
                sheet.miss("its message is compressed as gRPC has it");
            }
            match std::str::from_utf8(&bytes.0) {
                Ok(text) => any_text(sheet, &mut spot, text, media_type),
                Err(_) => sheet.scan(&spot.place(), &bytes.0, Class::Generated),
            }
        }
        Body::Streamed { .. } => sheet.miss(super::STREAMED),
    }
}

/// Reads bytes of which nobody said what they are.
pub(super) fn unknown(sheet: &mut Sheet<'_>, bytes: &[u8]) {
    let mut spot = Spot::body();
    match std::str::from_utf8(bytes) {
        Ok(text) => any_text(sheet, &mut spot, text, "text/plain"),
        Err(_) => sheet.scan(&spot.place(), bytes, Class::Generated),
    }
}

/// Reads what a value holds if it has a structure: JSON, an address with a query.
pub(super) fn inside(sheet: &mut Sheet<'_>, place: &Place, name: &str, value: &str, deeper: u8) {
    let trimmed = value.trim_start();
    if trimmed.starts_with(['{', '[']) {
        if let Ok(value) = serde_json::from_str::<Value>(trimmed) {
            let named = Named { parent: "", name };
            json(sheet, &mut Spot::of(place), &named, &value, deeper);
        }
        return;
    }
    let is_address = trimmed.starts_with('/') || trimmed.contains("://");
    if let Some((_, query)) = trimmed.split_once('?').filter(|_| is_address) {
        let query = query.split('#').next().unwrap_or_default();
        for pair in query.split('&') {
            // Values of it that only the rules know were seen with the whole.
            if let Some((name, value)) = pair.split_once('=')
                && names::parameter(name, value).is_some()
            {
                parameter(sheet, place, name, value);
            }
        }
    }
}

/// Where a walk stands.
struct Spot {
    /// Where all of it stands that is walked, if that is not the body.
    fixed: Option<Place>,
    pointer: String,
    depth: usize,
}

impl Spot {
    const fn body() -> Self {
        Self {
            fixed: None,
            pointer: String::new(),
            depth: 0,
        }
    }

    fn of(place: &Place) -> Self {
        match place {
            Place::Body { pointer } => Self {
                fixed: None,
                pointer: pointer.clone(),
                depth: 0,
            },
            other => Self {
                fixed: Some(other.clone()),
                pointer: String::new(),
                depth: 0,
            },
        }
    }

    fn place(&self) -> Place {
        self.fixed.clone().unwrap_or_else(|| Place::Body {
            pointer: self.pointer.clone(),
        })
    }

    /// Does something one step further in.
    fn inside<T>(&mut self, step: &str, run: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.pointer.len();
        self.pointer.push('/');
        for c in step.chars() {
            match c {
                '~' => self.pointer.push_str("~0"),
                '/' => self.pointer.push_str("~1"),
                c => self.pointer.push(c),
            }
        }
        self.depth += 1;
        let done = run(self);
        self.depth -= 1;
        self.pointer.truncate(length);
        done
    }
}

/// What a value is called, and what that stands in.
#[derive(Clone, Copy)]
struct Named<'a> {
    parent: &'a str,
    name: &'a str,
}

impl<'a> Named<'a> {
    const NONE: Self = Self {
        parent: "",
        name: "",
    };

    const fn then(&self, name: &'a str) -> Self {
        Self {
            parent: self.name,
            name,
        }
    }
}

fn json(sheet: &mut Sheet<'_>, spot: &mut Spot, named: &Named<'_>, value: &Value, deeper: u8) {
    if spot.depth > NESTED {
        return sheet.miss("its body is nested too deeply");
    }
    match value {
        Value::Object(map) => object(sheet, spot, named, map, deeper),
        Value::Array(values) => {
            for (number, value) in values.iter().enumerate() {
                spot.inside(&number.to_string(), |spot| {
                    json(sheet, spot, named, value, deeper)
                });
            }
        }
        Value::String(text) => leaf(sheet, spot, named, text, deeper),
        // A password may be a number, and a name may be anything.
        Value::Number(number) if names::field(named.name, &number.to_string()).is_some() => {
            leaf(sheet, spot, named, &number.to_string(), deeper);
        }
        _ if named.name.len() >= 16 => sheet.value(&spot.place(), named.name, "", deeper),
        _ => {}
    }
}

fn object(
    sheet: &mut Sheet<'_>,
    spot: &mut Spot,
    named: &Named<'_>,
    map: &Map<String, Value>,
    deeper: u8,
) {
    if map.is_empty() && named.name.len() >= 16 {
        sheet.value(&spot.place(), named.name, "", deeper);
    }
    let text = |key: &str| map.get(key).and_then(Value::as_str);
    // `{"name": "API_TOKEN", "value": "…"}` is a field of that name.
    let called = ["name", "Name", "key", "Key"]
        .iter()
        .find_map(|key| text(key));
    if let Some(query) = text("query") {
        let variables = spot.inside("query", |spot| graphql::read(sheet, &spot.place(), query));
        let given = map.get("variables").and_then(Value::as_object);
        for (variable, argument) in variables {
            if let Some(value) = given.and_then(|given| given.get(&variable)?.as_str()) {
                spot.inside("variables", |spot| {
                    spot.inside(&variable, |spot| {
                        named_value(sheet, &spot.place(), &argument, value);
                    });
                });
            }
        }
    }
    let grants = map.contains_key("grant_type");
    for (key, value) in map {
        spot.inside(key, |spot| match value {
            Value::String(text) if grants && names::is_grant_field(key) => {
                sheet.credential(&spot.place(), key, text, None, Why::Position);
            }
            Value::String(text) if key.eq_ignore_ascii_case("value") => {
                let by_name =
                    called.is_some_and(|name| named_value(sheet, &spot.place(), name, text));
                if !by_name {
                    leaf(sheet, spot, &named.then(key), text, deeper);
                }
            }
            value => json(sheet, spot, &named.then(key), value, deeper),
        });
    }
}

/// A credential, if the name and the value say so.
fn named_value(sheet: &mut Sheet<'_>, place: &Place, name: &str, value: &str) -> bool {
    let at = |_: Part| place.clone();
    if name.eq_ignore_ascii_case("authorization")
        || name.eq_ignore_ascii_case("proxy-authorization")
    {
        scheme::read(sheet, &at, name, value, None, true);
        return true;
    }
    if name.eq_ignore_ascii_case("cookie") {
        headers::cookies(sheet, value, &|_| place.clone());
        return true;
    }
    if scheme::is_one(value) {
        scheme::read(sheet, &at, name, value, None, false);
        return true;
    }
    let Some(kind) = names::field(name, value) else {
        return false;
    };
    sheet.credential(place, name, value, Some(kind), Why::Position);
    true
}

fn leaf(sheet: &mut Sheet<'_>, spot: &Spot, named: &Named<'_>, text: &str, deeper: u8) {
    let place = spot.place();
    if named.parent.is_empty() {
        if !named_value(sheet, &place, named.name, text) {
            sheet.value(&place, named.name, text, deeper);
        }
        return;
    }
    // `{"railway": {"token": …}}` says more than `token`.
    let name = format!("{}.{}", named.parent, named.name);
    let said = named_value(sheet, &place, named.name, text)
        || crate::secrets::meaning(named.name.as_bytes()).is_some()
            && named_value(sheet, &place, &name, text);
    if !said {
        sheet.value(&place, &name, text, deeper);
    }
}

fn form(sheet: &mut Sheet<'_>, spot: &mut Spot, pairs: &[(String, String)]) {
    // `curl -d` says of JSON that it is a form, and many servers take it for JSON.
    if pairs
        .first()
        .is_some_and(|(name, _)| name.starts_with(['{', '[']))
    {
        let pairs = pairs.iter().map(|(name, value)| match value.as_str() {
            "" => name.clone(),
            value => format!("{name}={value}"),
        });
        let text = pairs.collect::<Vec<_>>().join("&");
        sheet.value(&spot.place(), "", &text, DEEPEST);
    }
    let grants = pairs.iter().any(|(name, _)| name == "grant_type");
    let value_of = |wanted: &str| {
        let pair = pairs.iter().find(|(name, _)| name == wanted);
        pair.map(|(_, value)| value.as_str())
    };
    // GraphQL as a form: what a variable is for stands in the query.
    let variables = value_of("query").map(|query| graphql::read(sheet, &spot.place(), query));
    let given: Option<Value> =
        value_of("variables").and_then(|text| serde_json::from_str(text).ok());
    for (variable, argument) in variables.unwrap_or_default() {
        if let Some(value) = given
            .as_ref()
            .and_then(|given| given.get(&variable)?.as_str())
        {
            spot.inside("variables", |spot| {
                named_value(sheet, &spot.place(), &argument, value)
            });
        }
    }
    for (name, value) in pairs {
        spot.inside(name, |spot| {
            let place = spot.place();
            if grants && names::is_grant_field(name) {
                sheet.credential(&place, name, value, None, Why::Position);
            } else {
                parameter(sheet, &place, name, value);
            }
        });
    }
}

fn xml(sheet: &mut Sheet<'_>, spot: &mut Spot, text: &str) {
    let Ok(document) = roxmltree::Document::parse(text) else {
        return any_text(sheet, spot, text, "text/xml");
    };
    for node in document.descendants() {
        let element = if node.is_text() {
            node.parent()
        } else {
            Some(node)
        };
        let name = element.map_or("", |element| element.tag_name().name());
        spot.inside(name, |spot| {
            if let Some(text) = node.text().filter(|_| node.is_text() || node.is_comment()) {
                leaf(
                    sheet,
                    spot,
                    &Named { parent: "", name },
                    text.trim(),
                    DEEPEST,
                );
            }
            for attribute in node.attributes() {
                let named = Named {
                    parent: name,
                    name: attribute.name(),
                };
                leaf(sheet, spot, &named, attribute.value(), DEEPEST);
            }
        });
    }
}

/// A text of which its type says little: what it looks like is what a server may take it for.
fn any_text(sheet: &mut Sheet<'_>, spot: &mut Spot, text: &str, media_type: &str) {
    let trimmed = text.trim();
    if trimmed.starts_with(['{', '[', '"']) {
        if let Ok(value) = serde_json::from_str::<Value>(trimmed) {
            return json(sheet, spot, &Named::NONE, &value, DEEPEST);
        }
        if lines(sheet, spot, trimmed) {
            return;
        }
    }
    let is_form = !trimmed.is_empty()
        && trimmed.contains('=')
        && !trimmed.contains(|c: char| c.is_whitespace() || c == '<' || c == '"');
    if is_form {
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(trimmed.as_bytes())
            .into_owned()
            .collect();
        form(sheet, spot, &pairs);
    }
    let place = spot.place();
    sheet.value(&place, "", text, DEEPEST);
    if draw::looks(trimmed) == Looks::Drawn && trimmed.len() >= 24 {
        sheet.credential(&place, "", trimmed, None, Why::Entropy);
    }
    sheet.scan(&place, text.as_bytes(), class_of_text(media_type, text));
}

/// JSON, one value on each line.
fn lines(sheet: &mut Sheet<'_>, spot: &mut Spot, text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    if serde_json::from_str::<Value>(first).is_err() {
        return false;
    }
    for (number, line) in text.lines().enumerate() {
        spot.inside(&number.to_string(), |spot| {
            match serde_json::from_str::<Value>(line) {
                Ok(value) => json(sheet, spot, &Named::NONE, &value, DEEPEST),
                Err(_) => sheet.value(&spot.place(), "", line, DEEPEST),
            }
        });
    }
    true
}

fn class_of_text(media_type: &str, text: &str) -> Class {
    let settings = ["yaml", "toml", "properties", "ini", "x-sh"];
    if settings.iter().any(|word| media_type.contains(word)) {
        return Class::Settings;
    }
    match media_type {
        "" | "text/plain" | "text/xml" | "application/octet-stream" if text.len() <= SETTINGS => {
            Class::Settings
        }
        "" | "text/plain" | "text/markdown" => Class::Prose,
        _ => Class::Generated,
    }
}
