//! A subagent's DELETE on every table, May 2026: scripts to test a reset, with production's credentials in `.env`.

use anyhow::{Context as _, Result};
use backstop_testing::rental::TABLES;

use super::{ALL, Scene, lines};

fn deletes() -> Vec<String> {
    TABLES
        .iter()
        .map(|table| format!("delete from {table}"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_on_every_table_is_held_whatever_the_lease_may() -> Result<()> {
    let scene = Scene::measuring().await?;
    scene.lose(&deletes().join("; "))?;
    assert_eq!(scene.left_without()?, 0);

    let world = &scene.world;
    // For the task: the tests of a test suite need no right to delete.
    let narrow = world.lease(&["read:public.*"]).await?;
    let deletes = deletes();
    let (first, rest) = deletes.split_at(5);
    for delete in first {
        let said = world.psql(&narrow, delete).await;
        assert!(said.contains("BK001"), "{delete}: {said}");
    }
    // So many things of one lease wait at a time, and no more.
    for delete in rest {
        let said = world.psql(&narrow, delete).await;
        assert!(said.contains("too-many-holds"), "{delete}: {said}");
    }
    let met = lines(world, &narrow.lease);
    let expected = ["destroy", "hold", "production-destroy"].map(str::to_owned);
    assert!(met.iter().all(|line| line[..3] == expected), "{met:#?}");
    let results: Vec<&str> = met.iter().map(|line| line[3].as_str()).collect();
    assert_eq!(
        results,
        [["held"; 5].as_slice(), ["refused"; 2].as_slice()].concat()
    );
    assert_eq!(scene.left()?, ALL);

    // One that may delete: without a condition it is held, and with one that says little it is measured before COMMIT,
    // rolled back, and held with its numbers.
    let wide = world.lease(&["read,insert,update,delete:public.*"]).await?;
    let said = world.psql(&wide, "delete from customers").await;
    assert!(said.contains("BK001"), "{said}");
    for table in ["reservations", "payments", "customers"] {
        let delete = format!("delete from {table} where id > 0");
        let said = world.psql(&wide, &delete).await;
        assert!(
            said.contains("BK001") && said.contains("rolled back"),
            "{table}: {said}"
        );
        let hold = world.waiting().await?.hold;
        assert!(
            hold.rule.starts_with("measured-")
                && hold.summary.contains(&format!("rows of public.{table}")),
            "{} {}",
            hold.rule,
            hold.summary
        );
    }
    assert_eq!(scene.left()?, ALL);
    // Whatever a transcript says, the journal says which lease did what.
    let met = lines(world, &wide.lease);
    let (plain, measured) = met.split_first().context("nothing is journaled")?;
    assert_eq!(
        plain,
        &["destroy", "hold", "production-destroy", "held"].map(str::to_owned)
    );
    assert!(
        measured.len() == 3
            && measured
                .iter()
                .all(|line| line[1] == "measure" && line[3] == "held"),
        "{met:#?}"
    );
    Ok(())
}
