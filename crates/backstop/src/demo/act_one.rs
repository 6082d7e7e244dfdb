//! Act one, the control: an agent with the owner's credential, as in April.

use backstop_testing::postgres::Server;
use backstop_testing::rental::TABLES;

use super::agent::{Agent, psql};
use super::broken;
use super::story::{Story, number};
use crate::failure::Outcome;

/// The copy that is lost, so that act two has the same data.
const CONTROL: &str = "control";

/// What the agent does when a test does not pass and the schema looks to blame.
pub(super) const WIPE: &str = "DROP TABLE customers, vehicles, reservations, payments CASCADE";

/// Plays it.
pub(super) fn play(server: &Server, story: &Story) -> Outcome {
    story.act("act one: the same with SQL. The agent has the owner's credential");
    let owner = server.owner();
    server
        .psql_as(
            &owner.in_database("postgres"),
            &format!("CREATE DATABASE {CONTROL} TEMPLATE app"),
        )
        .map_err(broken("cannot copy the database"))?;
    let copy = owner.in_database(CONTROL);
    let before = total(server)?;
    let home = std::env::temp_dir();
    let agent = Agent::new(psql(server)?, &copy.url(), &home);
    story.agent(WIPE);
    let came = agent.run(WIPE)?;
    story.answer(&came.shown());
    let after = total(server)?;
    story.loss(&format!(
        "{} of {} rows are gone, and nobody was asked",
        number(before.saturating_sub(after)),
        number(before)
    ));
    if after >= before {
        return Err(crate::failure::Failure::new(
            "the control lost nothing, so the comparison says nothing",
        ));
    }
    Ok(())
}

fn total(server: &Server) -> Outcome<u64> {
    let copy = server.superuser().in_database(CONTROL);
    let names = server
        .psql_as(&copy, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')")
        .map_err(broken("cannot look at the copy"))?;
    let mut rows = 0;
    for table in TABLES.iter().filter(|t| names.lines().any(|n| n == **t)) {
        let count = server
            .psql_as(&copy, &format!("SELECT count(*) FROM public.{table}"))
            .map_err(broken("cannot count the copy"))?;
        rows += count.trim().parse::<u64>().unwrap_or(0);
    }
    Ok(rows)
}
