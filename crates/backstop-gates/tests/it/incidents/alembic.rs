//! `alembic downgrade base && alembic upgrade head`, February 2026: every table dropped and made anew, empty.
//!
//! The tool is the real one, from PyPI, unmodified, with a migration of ours.

use anyhow::Result;
use backstop_testing::clients::{self, Tried};
use backstop_testing::postgres::{Major, PostgresServer};

use super::{Scene, lines};

const ROWS: &str = "
    insert into courses select g, 'course ' || g from generate_series(1, 20) g;
    insert into students select g, 'student ' || g from generate_series(1, 300) g;
    insert into enrolments select g, g % 20 + 1, g % 300 + 1 from generate_series(1, 900) g;
";
/// Those, and the one in which Alembic keeps its place.
const ALL: u64 = 20 + 300 + 900 + 1;

async fn alembic(what: &'static str, url: String) -> Result<Tried> {
    tokio::task::spawn_blocking(move || clients::tool(what, &url)).await?
}

#[tokio::test(flavor = "multi_thread")]
async fn a_downgrade_of_alembic_is_refused_and_loses_nothing() -> Result<()> {
    let server = PostgresServer::start(Major::any()?)?;
    let made = alembic("alembic-upgrade", server.owner().url()).await?;
    assert!(made.done, "{}", made.said);
    server.psql_as(&server.owner(), ROWS)?;
    let scene = Scene::on(server, None).await?;
    assert_eq!(scene.left_without()?, ALL);
    for step in ["alembic-downgrade", "alembic-upgrade"] {
        let said = alembic(step, scene.without.url()).await?;
        assert!(said.done, "{}", said.said);
    }
    assert_eq!(scene.left_without()?, 1, "the tables are there, and empty");

    let world = &scene.world;
    let agent = world.lease(&["read,insert,update,delete:public.*"]).await?;
    let said = alembic("alembic-downgrade", world.through(&agent).url()).await?;
    assert!(
        !said.done && said.said.contains("this needs a person"),
        "{}",
        said.said
    );
    let met = lines(world, &agent.lease);
    assert_eq!(
        met,
        [["destroy", "hold", "production-destroy", "refused"].map(str::to_owned)],
        "it stops at the first table"
    );
    assert_eq!(scene.left()?, ALL);

    // By itself, outside a transaction, such a statement waits for people.
    let said = world.psql(&agent, "DROP TABLE enrolments").await;
    assert!(said.contains("BK001"), "{said}");
    assert_eq!(world.waiting().await?.hold.rule, "production-destroy");
    assert_eq!(scene.left()?, ALL);
    Ok(())
}
