//! What a request must get past before any page sees it: the right name, no lease in hand, our own origin
//! behind every change, and a bound on its time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};

use crate::origin::split_port;
use crate::presented;
use crate::refusal::Refusal;
use crate::state::Console;

/// Where a request came from; without a connection (in tests), nowhere.
pub(crate) fn source<B>(request: &Request<B>) -> IpAddr {
    let info = request.extensions().get::<ConnectInfo<SocketAddr>>();
    info.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| {
        address.ip()
    })
}

/// Answers only under the console's own name: other names are DNS rebinding, addresses get no passkeys.
pub(crate) async fn name(
    State(console): State<Console>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let origin = console.origin();
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if host == origin.authority() {
        return next.run(request).await;
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads && is_address(host) && origin.rp_id() == "localhost" {
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str());
        return Redirect::permanent(&format!("{origin}{path}")).into_response();
    }
    Refusal::new(
        StatusCode::MISDIRECTED_REQUEST,
        "this console answers under another name",
        format!("open {origin}"),
    )
    .into_response()
}

fn is_address(host: &str) -> bool {
    let Some((host, _)) = split_port(host) else {
        return false;
    };
    let inner = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<Ipv4Addr>().is_ok() || inner.parse::<Ipv6Addr>().is_ok()
}

/// Refuses and reports whatever presents a lease.
pub(crate) async fn lease(
    State(console): State<Console>,
    request: Request<Body>,
    next: Next,
) -> Response {
    match presented::look(&request, source(&request)) {
        None => next.run(request).await,
        Some(presented) => {
            tracing::warn!(lease = presented.lease, source = %presented.source, what = presented.what,
                "a lease was presented at the console");
            console.inner.alarm.lease_at_console(presented);
            Refusal::new(
                StatusCode::FORBIDDEN,
                "the console is for people and takes no credentials of agents",
                "this was reported; stop, and tell the person you work for",
            )
            .into_response()
        }
    }
}

/// Takes changes only from the console's own pages.
pub(crate) async fn origin(
    State(console): State<Console>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads || is_own(request.headers(), console.origin().as_str()) {
        return next.run(request).await;
    }
    Refusal::new(
        StatusCode::FORBIDDEN,
        "the request does not come from a page of the console",
        "open the console and use its buttons",
    )
    .into_response()
}

/// Every browser that knows passkeys sends `Origin` with a POST; `Sec-Fetch-Site` must not contradict it.
fn is_own(headers: &HeaderMap, origin: &str) -> bool {
    let is = |name: &str, wanted: &str| {
        headers
            .get(name)
            .is_some_and(|value| value.as_bytes() == wanted.as_bytes())
    };
    is("origin", origin)
        && (!headers.contains_key("sec-fetch-site") || is("sec-fetch-site", "same-origin"))
}

/// Bounds the time from a request's head to the head of its answer.
pub(crate) async fn time(
    State(console): State<Console>,
    request: Request<Body>,
    next: Next,
) -> Response {
    match tokio::time::timeout(console.inner.limits.request, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            "the request took too long",
            "try again",
        )
        .into_response(),
    }
}
