//! Credentials that a lease did not get here. The incident began with one.

use backstop_core::secret::Secret;
use backstop_wire::http::{self, Raw, Request};
use backstop_wire::secrets::Engine;
use hyper::{HeaderMap, header};

use super::known::{Owner, Ring};
use crate::http::Head;

/// A credential that should not be there.
pub(super) struct Foreign {
    /// Where it stands, in words.
    pub(super) place: String,
    /// What its place and form say of its kind.
    pub(super) kind: Option<String>,
    /// Itself, to be looked for on this machine.
    pub(super) value: Option<Secret<String>>,
    /// Whose it is, if the gate knows.
    pub(super) owner: Option<Owner>,
}

impl Foreign {
    /// In a few words without a secret.
    pub(super) fn told(&self) -> String {
        match &self.owner {
            Some(Owner::Placeholder { api, .. }) => {
                format!("a placeholder for `{api}` in {}", self.place)
            }
            Some(Owner::Kept { api, .. }) => {
                format!("a placeholder for what `{api}` revealed, in {}", self.place)
            }
            Some(Owner::Real { api }) => {
                format!("the real credential of `{api}` in {}", self.place)
            }
            None => format!(
                "a credential that this lease did not get, in {}{}",
                self.place,
                self.kind
                    .as_ref()
                    .map_or_else(String::new, |kind| format!(" ({kind})"))
            ),
        }
    }
}

/// What is found in a request.
pub(super) enum Found {
    /// Nothing.
    Clean,
    /// A credential.
    Foreign(Box<Foreign>),
    /// It could not be looked through.
    Missed(&'static str),
}

/// How something stands in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    /// The request says it.
    Said,
    /// The request may only quote it.
    Quoted,
}

/// A request as its server would read it.
pub(super) struct Read<'r> {
    pub(super) request: &'r Request,
    pub(super) raw: &'r Raw<'r>,
    /// The same without what its body only quotes, and that body, where it quotes anything.
    pub(super) said: Option<(&'r Request, &'r [u8])>,
}

/// The first credential in a request from which the lease's own placeholder was taken. `issued` says what the API itself
/// gave this lease, `mine` which of the known ones may stand here.
///
/// Of what is only quoted, what merely looks like a credential is none; one that the gate knows is found there, too.
pub(super) fn find(
    engine: &Engine,
    ring: &Ring,
    head: &Head,
    body: &[u8],
    read: Option<&Read<'_>>,
    mine: impl Fn(&Owner, Stands) -> bool,
    issued: impl Fn(&str) -> bool,
) -> Found {
    let said = |owner: &Owner| mine(owner, Stands::Said);
    let found = in_head(head, ring, &said).or_else(|| in_body(head, body, read, ring, &mine));
    if let Some(found) = found {
        return Found::Foreign(Box::new(found));
    }
    let Some(read) = read else {
        return Found::Clean;
    };
    let request = read.said.map_or(read.request, |(request, _)| request);
    let credentials = http::presented(engine, request, read.raw);
    let mut all = credentials.presented.into_iter();
    if let Some(found) = all.find(|found| !issued(found.value.reveal())) {
        return Found::Foreign(Box::new(Foreign {
            place: found.place.to_string(),
            kind: found.kind,
            value: Some(found.value),
            owner: None,
        }));
    }
    match credentials.missed {
        // What streams is watched while it passes.
        None | Some(http::STREAMED) => Found::Clean,
        Some(why) => Found::Missed(why),
    }
}

/// What the gate itself knows, wherever it hides: it is in no ordinary request.
fn known(ring: &Ring, place: &str, bytes: &[u8], mine: impl Fn(&Owner) -> bool) -> Option<Foreign> {
    ring.find(bytes, mine).map(|hit| Foreign {
        place: place.to_owned(),
        kind: None,
        value: hit.value.cloned(),
        owner: Some(hit.owner.clone()),
    })
}

fn in_head(head: &Head, ring: &Ring, mine: &impl Fn(&Owner) -> bool) -> Option<Foreign> {
    let found = |place: &str, bytes: &[u8]| known(ring, place, bytes, mine);
    let authority = head.authority.as_deref().unwrap_or_default();
    user(authority)
        .or_else(|| found("the URL", authority.as_bytes()))
        .or_else(|| found("the URL", head.target.as_str().as_bytes()))
        .or_else(|| in_headers(&head.headers, &found))
        .or_else(|| in_pieces(&head.headers, ring, mine))
}

fn in_body(
    head: &Head,
    body: &[u8],
    read: Option<&Read<'_>>,
    ring: &Ring,
    mine: &impl Fn(&Owner, Stands) -> bool,
) -> Option<Foreign> {
    let found =
        |bytes: &[u8], stands: Stands| known(ring, "the body", bytes, |owner| mine(owner, stands));
    let said = read.and_then(|read| read.said);
    let may_be = said.map_or(Stands::Said, |_| Stands::Quoted);
    let decoded = || {
        // What is compressed is not seen in the bytes that were sent.
        let read = read.filter(|_| head.headers.contains_key(header::CONTENT_ENCODING))?;
        let values = http::values(read.request, read.raw);
        values.iter().find_map(|value| found(value, may_be))
    };
    found(body, may_be)
        .or_else(|| said.and_then(|(_, said)| found(said, Stands::Said)))
        .or_else(decoded)
}

/// `user:password@` before the host: no placeholder stands there.
fn user(authority: &str) -> Option<Foreign> {
    let (user, _) = authority.rsplit_once('@')?;
    let value = user.split_once(':').map_or(user, |(_, password)| password);
    (!value.is_empty()).then(|| Foreign {
        place: "the user of the URL".to_owned(),
        kind: None,
        value: Some(Secret::new(value.to_owned())),
        owner: None,
    })
}

fn in_headers(
    headers: &HeaderMap,
    found: &impl Fn(&str, &[u8]) -> Option<Foreign>,
) -> Option<Foreign> {
    for (name, value) in headers {
        let place = format!("the header `{name}`");
        let hit =
            found(&place, name.as_str().as_bytes()).or_else(|| found(&place, value.as_bytes()));
        if hit.is_some() {
            return hit;
        }
    }
    None
}

/// One that was cut in pieces over several headers.
fn in_pieces(headers: &HeaderMap, ring: &Ring, mine: &impl Fn(&Owner) -> bool) -> Option<Foreign> {
    let values: Vec<&[u8]> = headers.values().map(|value| value.as_bytes()).collect();
    ring.across(&values, mine).map(|hit| Foreign {
        place: "several headers".to_owned(),
        kind: None,
        value: hit.value.cloned(),
        owner: Some(hit.owner.clone()),
    })
}
