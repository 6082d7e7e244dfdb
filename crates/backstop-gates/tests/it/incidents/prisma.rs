//! `prisma db push` and `migrate reset`, March 2026: the database emptied to be made anew.
//!
//! The statements are those that the source of Prisma's schema engine has for a reset, and, for a push that accepts the
//! loss of data, its drops. The engine itself is a binary that no package registry has, and is not run.

use anyhow::Result;

use super::{ALL, Scene, all_met};

const RESET: [&str; 4] = [
    "SELECT pg_advisory_lock(72707369)",
    "DROP SCHEMA \"public\" CASCADE",
    "CREATE SCHEMA \"public\"",
    "DROP TABLE _prisma_migrations",
];
const PUSH: &str = "DROP TABLE \"notes\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_of_prisma_is_held_and_loses_nothing() -> Result<()> {
    let scene = Scene::new().await?;
    scene.lose(PUSH)?;
    assert_eq!(scene.left_without()?, ALL - 50);
    // The last one fails, as it does for Prisma, which goes on.
    scene.lose(&RESET[..3].join("; "))?;
    assert_eq!(
        scene.left_without()?,
        0,
        "tables, functions, types and rows are gone"
    );

    let world = &scene.world;
    let agent = world.lease(&["read,insert,update,delete:public.*"]).await?;
    let said = world.psql(&agent, RESET[1]).await;
    assert!(
        said.contains("BK001") && said.contains("held as hold_"),
        "{said}"
    );
    let hold = world.waiting().await?.hold;
    assert_eq!(hold.rule, "production-destroy");
    let said = world.psql(&agent, PUSH).await;
    assert!(said.contains("BK001"), "{said}");
    all_met(
        world,
        &agent,
        2,
        ["destroy", "hold", "production-destroy", "held"],
    );
    assert_eq!(scene.left()?, ALL);
    assert_eq!(
        world.direct("select paid_for(1)"),
        "120.00",
        "functions stand, too"
    );
    Ok(())
}
