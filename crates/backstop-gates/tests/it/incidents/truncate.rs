//! TRUNCATE with a "read-only" credential, May 2026: read-only by agreement, and the role could write.

use anyhow::Result;
use backstop_testing::rental::TABLES;

use super::{ALL, Scene, all_met};

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_to_read_is_a_credential_that_can_only_read() -> Result<()> {
    let scene = Scene::new().await?;
    let (world, server) = (&scene.world, &scene.world.server);
    let truncate = format!("truncate {}", TABLES.join(", "));
    scene.lose(
        "create role reporting login password 'to-read-with'; \
         grant select, truncate on all tables in schema public to reporting",
    )?;
    let reporting = scene.without.as_role("reporting", "to-read-with");
    server.psql_as(&reporting, &truncate)?;
    assert_eq!(scene.left_without()?, 0, "it could write after all");

    let agent = world.lease(&["read:public.*"]).await?;
    let said = world.psql(&agent, &truncate).await;
    assert!(
        said.contains("BK001") && said.contains("held as hold_"),
        "{said}"
    );
    all_met(
        world,
        &agent,
        1,
        ["destroy", "hold", "production-destroy", "held"],
    );
    assert_eq!(scene.left()?, ALL);
    // Nor could its role: that is no agreement.
    let rights = format!(
        "select count(*) from information_schema.role_table_grants where grantee = '{}' and privilege_type <> 'SELECT'",
        agent.lease
    );
    assert_eq!(world.superuser(&rights), "0");
    Ok(())
}
