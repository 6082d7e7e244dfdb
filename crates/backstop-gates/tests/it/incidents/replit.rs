//! Replit and SaaStr, July 2025: destructive commands during a code freeze that was only said.
//!
//! The statements were not published: these are ours, of the kind that was told.

use anyhow::Result;
use backstop_core::action::Ask;
use backstop_core::approval::Answer;
use serde_json::json;

use super::{ALL, Scene, all_met, lines};

const COMMANDS: [&str; 4] = [
    "delete from reservations",
    "truncate payments",
    "drop table customers cascade",
    "update vehicles set plate = 'none'",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_code_freeze_that_a_machine_keeps_loses_nothing() -> Result<()> {
    let scene = Scene::new().await?;
    assert_eq!(scene.left_without()?, ALL);
    scene.lose(&COMMANDS.join("; "))?;
    let left = scene.left_without()?;
    assert_eq!(ALL - left, 1_500 + 1_500 + 400, "{left} rows are left");

    let world = &scene.world;
    // The agent builds the application: it may write, and it may delete.
    let agent = world.lease(&["read,insert,update,delete:public.*"]).await?;
    world.store.freeze("code freeze").await?;
    let said = world.psql(&agent, "select count(*) from customers").await;
    assert_eq!(said.trim(), "400", "reads pass in a freeze");
    for command in COMMANDS {
        let said = world.psql(&agent, command).await;
        assert!(
            said.contains("BK004") && said.contains("code freeze"),
            "{command}: {said}"
        );
    }
    assert_eq!(scene.left()?, ALL);
    let frozen = world.decisions();
    let frozen = frozen.iter().find(|entry| entry["event"] == "frozen");
    assert_eq!(frozen.unwrap()["why"], json!("code freeze"));
    let met = lines(world, &agent.lease);
    assert_eq!(met.len(), COMMANDS.len(), "{met:#?}");
    assert!(met.iter().all(|line| line[3] == "halted"), "{met:#?}");

    // Only a passkey lifts it, and then what destroys is held all the same.
    let hold = world.ask(Ask::Unfreeze).await?;
    world.decide(&hold, Answer::Approve, "").await?;
    let other = world.lease(&["read,insert,update,delete:public.*"]).await?;
    let said = world.psql(&other, "drop table customers cascade").await;
    assert!(said.contains("BK001"), "{said}");
    all_met(
        world,
        &other,
        1,
        ["destroy", "hold", "production-destroy", "held"],
    );
    assert_eq!(scene.left()?, ALL);
    Ok(())
}
