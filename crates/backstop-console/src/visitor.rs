//! Whose request it is: the visit named by the cookie, the person signed in under it, and proof that a change
//! was asked for by a page made for that visit.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{Method, Request, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::{Form, Json};
use backstop_core::person::Person;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::cookie;
use crate::refusal::{Refusal, Told};
use crate::state::Console;

/// A visit, signed in or not.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) visit: String,
    pub(crate) person: Option<Person>,
}

/// Finds out who it is; gives a newcomer a cookie.
pub(crate) async fn identify(
    State(console): State<Console>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let known = cookie::read(request.headers(), &cookie::name(console.origin()));
    if known.is_none() && comes_from_elsewhere(&request) {
        return bounce(&request);
    }
    let fresh = known.is_none();
    let Ok(visit) = known.map_or_else(cookie::token, Ok) else {
        return Refusal::from("the system gives no random bytes".to_owned()).into_response();
    };
    let person = console.inner.sessions.person(&visit);
    let person = person.and_then(|id| console.store().state().people.get(&id).cloned());
    request.extensions_mut().insert(Visitor {
        visit: visit.clone(),
        person,
    });
    let mut response = next.run(request).await;
    // Signing in and out set their own.
    if fresh
        && !response.headers().contains_key(header::SET_COOKIE)
        && let Some(value) = cookie::set(console.origin(), &visit)
    {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

/// A link in a message: browsers then keep back `SameSite=Strict` cookies.
fn comes_from_elsewhere(request: &Request<Body>) -> bool {
    let site = request.headers().get("sec-fetch-site");
    *request.method() == Method::GET
        && site.is_some_and(|site| site == "cross-site" || site == "same-site")
}

/// A page that loads itself again, as the console's own: then the cookie comes along.
fn bounce(request: &Request<Body>) -> Response {
    let path = request.uri().path();
    let safe = path
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"/_-".contains(&b))
        && !path.starts_with("//");
    let path = if safe { path } else { "/" };
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Backstop</title>\
         <meta http-equiv=\"refresh\" content=\"0;url={path}\"><p><a href=\"{path}\">Open the console</a></p></html>"
    ))
    .into_response()
}

impl Visitor {
    fn of(parts: &Parts) -> Result<Self, Refusal> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Refusal::from("a request without a visit".to_owned()))
    }
}

impl FromRequestParts<Console> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Console) -> Result<Self, Refusal> {
        Self::of(parts)
    }
}

/// A person who is signed in; others are sent to the sign-in page, and from there back.
pub(crate) struct SignedIn {
    pub(crate) person: Person,
    pub(crate) visit: String,
}

impl FromRequestParts<Console> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &Console) -> Result<Self, Response> {
        let visitor = Visitor::of(parts).map_err(IntoResponse::into_response)?;
        if let Some(person) = visitor.person {
            return Ok(Self {
                person,
                visit: visitor.visit,
            });
        }
        if wants_json(parts) {
            let refusal = Refusal::new(
                axum::http::StatusCode::UNAUTHORIZED,
                "you are not signed in any more",
                "load the page again and sign in",
            );
            return Err(refusal.json());
        }
        let path = if parts.method == Method::GET {
            parts.uri.path()
        } else {
            "/holds"
        };
        Err(Redirect::to(&format!("/sign-in?next={path}")).into_response())
    }
}

fn wants_json(parts: &Parts) -> bool {
    let is = |name, start: &str| {
        parts
            .headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .is_some_and(|v| v.starts_with(start))
    };
    is(header::CONTENT_TYPE, "application/json") || is(header::ACCEPT, "text/event-stream")
}

/// A form with its token checked.
pub(crate) struct Checked<T>(pub(crate) T);

#[derive(Deserialize)]
struct WithToken<T> {
    csrf: String,
    #[serde(flatten)]
    rest: T,
}

impl<T: DeserializeOwned> FromRequest<Console> for Checked<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request<Body>, console: &Console) -> Result<Self, Refusal> {
        let visit = visit_of(&request)?;
        let Form(form) = Form::<WithToken<T>>::from_request(request, console)
            .await
            .map_err(|_| Refusal::malformed())?;
        if !console.csrf_matches(&visit, &form.csrf) {
            return Err(Refusal::csrf());
        }
        Ok(Self(form.rest))
    }
}

/// JSON from the console's own script, with the token in a header.
pub(crate) struct CheckedJson<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Console> for CheckedJson<T> {
    type Rejection = Told;

    async fn from_request(request: Request<Body>, console: &Console) -> Result<Self, Told> {
        let visit = visit_of(&request)?;
        let token = request
            .headers()
            .get("x-csrf-token")
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        if !console.csrf_matches(&visit, token) {
            return Err(Refusal::csrf().into());
        }
        let Json(body) = Json::<T>::from_request(request, console)
            .await
            .map_err(|_| Refusal::malformed())?;
        Ok(Self(body))
    }
}

fn visit_of(request: &Request<Body>) -> Result<String, Refusal> {
    let visitor = request.extensions().get::<Visitor>();
    visitor
        .map(|v| v.visit.clone())
        .ok_or_else(|| Refusal::from("a request without a visit".to_owned()))
}

/// A path of the console's own to go on to, or the list of holds.
pub(crate) fn onward(next: Option<&str>) -> String {
    let own = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"/_-".contains(&b))
    };
    next.filter(own).unwrap_or("/holds").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_paths_are_gone_on_to() {
        assert_eq!(onward(Some("/holds/hold_1")), "/holds/hold_1");
        for other in [
            "//evil.example",
            "https://evil.example",
            "/\\evil",
            "holds",
            "/a?b",
            "",
        ] {
            assert_eq!(onward(Some(other)), "/holds", "{other}");
        }
        assert_eq!(onward(None), "/holds");
    }
}
