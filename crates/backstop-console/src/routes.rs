//! Every address of the console and who answers it, and the guards in front, outermost last.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

use crate::page::{
    asset, cancel, deletion, enrol, events, freeze, hold, holds, journal, lease, leases, people,
    points, recover, sign_in,
};
use crate::refusal::Refusal;
use crate::state::Console;
use crate::{guard, headers, visitor};

/// The console as a service.
pub fn router(console: Console) -> Router {
    let with = |console: &Console| console.clone();
    pages()
        .fallback(|| async { Refusal::not_found("page") })
        .method_not_allowed_fallback(|| async {
            Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "that cannot be done to this page",
                "use its buttons",
            )
        })
        .layer(DefaultBodyLimit::max(console.inner.limits.body_bytes))
        .layer(from_fn_with_state(with(&console), visitor::identify))
        .merge(Router::new().route("/assets/{name}", get(asset::show)))
        .layer(from_fn_with_state(with(&console), guard::origin))
        .layer(from_fn_with_state(with(&console), guard::name))
        .layer(from_fn_with_state(with(&console), guard::lease))
        .layer(from_fn_with_state(with(&console), guard::time))
        .layer(from_fn_with_state(with(&console), headers::add))
        .layer(from_fn(log))
        .with_state(console)
}

fn pages() -> Router<Console> {
    Router::new()
        .route("/", get(holds::start))
        .route("/sign-in", get(sign_in::show).post(sign_in::finish))
        .route("/sign-in/challenge", post(sign_in::challenge))
        .route("/sign-out", post(sign_in::out))
        .route("/recover", get(recover::show).post(recover::redeem))
        .route("/enrol/{token}", get(enrol::show).post(enrol::finish))
        .route("/enrol/{token}/challenge", post(enrol::challenge))
        .route("/enrol/{token}/recovery", post(enrol::recovery))
        .route("/holds", get(holds::list))
        .route("/holds/{id}", get(hold::show))
        .route("/holds/{id}/challenge", post(hold::challenge))
        .route("/holds/{id}/decide", post(hold::decide))
        .route("/invited/{token}", get(hold::invited))
        .route("/leases", get(leases::list))
        .route("/leases/{id}", get(lease::show))
        .route("/leases/{id}/halt", post(lease::halt))
        .route("/leases/{id}/revoke", post(lease::revoke))
        .route("/leases/{id}/resume", post(lease::resume))
        .route("/freeze", get(freeze::show).post(freeze::freeze))
        .route("/freeze/lift", post(freeze::lift))
        .route("/halt", post(freeze::halt_all))
        .route("/halt/lift", post(freeze::resume_all))
        .route("/journal", get(journal::show))
        .route("/points", get(points::show))
        .route("/points/accept", post(points::accept))
        .route("/people", get(people::show).post(people::add))
        .route("/people/{id}/passkey", post(people::add_passkey))
        .route("/events", get(events::stream))
        .merge(deletions())
}

/// A ticket may be longer than anything else that is sent here.
fn deletions() -> Router<Console> {
    Router::new()
        .route("/deletion", get(deletion::show).post(deletion::look))
        .route("/deletion/challenge", post(deletion::challenge))
        .route("/deletion/sign", post(deletion::sign))
        .route("/deletion/cancel/challenge", post(cancel::challenge))
        .route("/deletion/cancel", post(cancel::finish))
        .layer(DefaultBodyLimit::max(deletion::BODY_BYTES))
}

/// One line a request, without the query: it may hold what somebody searched for, or a secret.
async fn log(
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> axum::response::Response {
    let (method, source) = (request.method().clone(), guard::source(&request));
    // The token in an invitation's path is a secret too.
    let path = match request.uri().path() {
        path if path.starts_with("/enrol/") => "/enrol/…".to_owned(),
        path => path.to_owned(),
    };
    let response = next.run(request).await;
    tracing::debug!(%method, path, %source, status = response.status().as_u16(), "answered");
    response
}
