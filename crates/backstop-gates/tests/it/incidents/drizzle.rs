//! `drizzle-kit push --force`, February 2026: a schema pushed over production, every table that it does not name dropped.
//!
//! The tool is the real one, from npm, unmodified. Its `--force` answers its own question, not the gate's.

use anyhow::Result;
use backstop_testing::clients;

use super::{ALL, Scene, lines};

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_push_of_drizzle_kit_is_held_and_loses_nothing() -> Result<()> {
    let scene = Scene::new().await?;
    let url = scene.without.url() + "?sslmode=disable";
    let pushed = tokio::task::spawn_blocking(move || clients::tool("drizzle-push", &url)).await??;
    assert!(pushed.done, "{}", pushed.said);
    let left = scene.left_without()?;
    assert!(
        left <= 50,
        "only the notes can be left, and {left} rows are"
    );

    let world = &scene.world;
    let agent = world.lease(&["read,insert,update,delete:*.*"]).await?;
    let url = world.through(&agent).url() + "?sslmode=disable";
    let pushed = tokio::task::spawn_blocking(move || clients::tool("drizzle-push", &url)).await??;
    // Its exit code says nothing: it is 0 after an error, too.
    assert!(pushed.said.contains("held as hold_"), "{}", pushed.said);
    let hold = world.waiting().await?.hold;
    // It drops policies and views before it comes to the tables.
    assert!(hold.rule.starts_with("production-"), "{hold:#?}");
    let met = lines(world, &agent.lease);
    assert!(
        !met.is_empty()
            && met
                .iter()
                .all(|line| line[1] == "hold" && line[3] == "held"),
        "{met:#?}"
    );
    assert_eq!(scene.left()?, ALL);
    Ok(())
}
