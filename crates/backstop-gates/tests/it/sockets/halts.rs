//! A halt ends what is open at once, also where nobody says anything.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::client::Client;
use super::scene::{Held, Scene};

/// What ends within this ended at once.
const SOON: Duration = Duration::from_secs(3);

async fn halt(scene: &Scene, held: &Held, reads: bool) -> Result<()> {
    let store = &scene.front.world.store;
    store.halt(Some(&held.lease), "a test", reads).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_socket_ends_with_its_lease() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let mut client = Client::opened(&scene, &held, "live", "/harmless/echo").await?;
    client.text("hello").await?;
    client.next().await?.context("it ended")?;
    let begun = Instant::now();
    halt(&scene, &held, false).await?;
    let (code, reason) = client.close().await?;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(code, 1008, "{reason}");
    assert!(reason.contains("the lease was stopped"), "{reason}");
    assert_eq!(client.next().await?, None);
    // The target is told that the client goes, and nothing more.
    assert_eq!(scene.server.messages(), ["hello"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_ends_with_a_halt_of_everything() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let mut client = Client::opened(&scene, &held, "live", "/harmless/echo").await?;
    let begun = Instant::now();
    scene.front.world.store.halt(None, "a test", false).await?;
    assert_eq!(client.close().await?.0, 1008);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_only_reads_pass_a_socket_that_writes_ends_and_one_that_reads_does_not() -> Result<()>
{
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let mut reads = Client::opened(&scene, &held, "live", "/harmless/echo").await?;
    let mut writes = Client::opened(&scene, &held, "live", "/writing").await?;
    halt(&scene, &held, true).await?;
    assert_eq!(writes.close().await?.0, 1008);
    reads.text("still here").await?;
    let heard = reads.next().await?.context("it ended")?;
    assert_eq!(heard.text(), "still here");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_stream_of_events_ends_with_its_lease() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let mut client = Client::ask(&scene, &held, "live", "/things/events", &["x-a: b"]).await?;
    assert!(
        client.answer.starts_with("HTTP/1.1 200 "),
        "{}",
        client.answer
    );
    let first = client.raw().await?;
    assert!(String::from_utf8_lossy(&first).contains("data: one"));
    let begun = Instant::now();
    halt(&scene, &held, false).await?;
    while !client.raw().await.unwrap_or_default().is_empty() {}
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    Ok(())
}
