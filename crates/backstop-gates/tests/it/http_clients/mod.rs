//! Real clients, unmodified, through the HTTP gate with the environment that a lease gets.
//!
//! Each program of `scripts/clients` does the same work straight at the service with the real credential, and through the
//! gate with a placeholder; what it saw must be the same. Then it does what it may not, and says what it was told.

mod git;
mod hostile;
mod kubectl;
mod models;
mod service;
mod sockets;
pub mod web;

use anyhow::{Context as _, Result};
use backstop_testing::clients;

use service::{REAL, Service};

const HELD: &str = "403 application/problem+json urn:backstop:problem:held";
const HALTED: &str = "403 application/problem+json urn:backstop:problem:halted";
const ELSEWHERE: &str = "403 application/problem+json urn:backstop:problem:not-in-lease";

/// A credential that no lease got.
const STRAY: &str = "9b2f6c1e-5d0a-4f6e-8a3c-2d7e1f4b6a90";

/// Runs a program of `scripts/clients` without holding up the gate, which runs in this process.
async fn run(name: &'static str, mode: &'static str, with: &[(String, String)]) -> Result<String> {
    let mut environment = with.to_vec();
    environment.push(("STRAY".to_owned(), STRAY.to_owned()));
    tokio::task::spawn_blocking(move || clients::over_http(name, mode, &environment)).await?
}

async fn conforms(name: &'static str) -> Result<()> {
    let service = Service::start().await?;
    let straight = run(name, "ordinary", &service.straight()?).await?;
    let (granted, environment) = service.lease().await?;
    let before = service.web.noted().len();
    let through = run(name, "ordinary", &environment).await?;
    assert_eq!(through, straight, "{name}");
    for line in [
        "items 200 3",
        "moved 200 3",
        "missing 404",
        "download 4194304 ",
        "upload 3145728 ",
    ] {
        assert!(
            straight.lines().any(|l| l.starts_with(line)),
            "{name}: {line}: {straight}"
        );
    }
    // The placeholder was swapped in every one of them, and the real credential came back in none.
    let noted = service.web.noted();
    let of_lease = &noted[before..];
    assert_eq!(of_lease.len(), before, "{name}: {of_lease:?}");
    let real = format!("Bearer {REAL}");
    assert!(
        of_lease
            .iter()
            .all(|one| one.presented.as_ref() == Some(&real))
    );
    assert!(!through.contains(REAL), "{through}");

    // What deletes is held, and the client is told so.
    let told = run(name, "destroys", &environment).await?;
    assert_eq!(told.trim(), HELD, "{name}");
    assert_eq!(service.web.count("DELETE /items/1"), 0, "{name}");
    assert_eq!(service.front.holds(&granted.lease).len(), 1, "{name}");

    // A redirect elsewhere is another request, judged as one, and carries nothing along.
    let told = run(name, "redirected", &environment).await?;
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines, ["200 a page", ELSEWHERE], "{name}");
    let noted = service.web.noted();
    let page = noted.iter().find(|one| one.line == "GET /page");
    assert_eq!(page.context("nobody came")?.presented, None, "{name}");
    assert_eq!(service.front.halted(&granted.lease), None, "{name}");

    // A credential of somebody else's stops the lease before a byte goes out.
    let (came, opened) = (service.web.noted().len(), service.web.connections());
    let told = run(name, "stray", &environment).await?;
    assert_eq!(told.trim(), HALTED, "{name}");
    assert!(service.front.halted(&granted.lease).is_some(), "{name}");
    let after = (service.web.noted().len(), service.web.connections());
    assert_eq!(after, (came, opened), "{name}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_conforms_over_http1() -> Result<()> {
    conforms("curl-http1").await
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_conforms_over_http2() -> Result<()> {
    conforms("curl-http2").await
}

#[tokio::test(flavor = "multi_thread")]
async fn python_requests_conforms() -> Result<()> {
    conforms("requests").await
}

#[tokio::test(flavor = "multi_thread")]
async fn python_httpx_conforms() -> Result<()> {
    conforms("httpx").await
}

#[tokio::test(flavor = "multi_thread")]
async fn node_fetch_conforms() -> Result<()> {
    conforms("fetch").await
}

/// A client that is told to carry its credential to wherever it is sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_that_follows_a_redirect_stops_the_lease() -> Result<()> {
    let service = Service::start().await?;
    let (granted, environment) = service.lease().await?;
    let told = run("curl-http2", "follows", &environment).await?;
    assert_eq!(told.trim(), HALTED);
    assert!(service.front.halted(&granted.lease).is_some());
    assert_eq!(service.web.count("GET /away"), 1);
    assert_eq!(service.web.count("GET /page"), 0);
    Ok(())
}
