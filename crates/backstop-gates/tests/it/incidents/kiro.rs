//! Kiro at AWS, December 2025: an environment deleted, to be made again.
//!
//! What exactly was deleted was not published, and Amazon disputes the account: a stack with a queue in it stands for it.

use anyhow::{Context as _, Result};

use super::amazon::{Call, count, replayed};
use super::lines;
use crate::aws::account::Account;

const MAKE: &str = "Action=CreateStack&StackName=explorer&TemplateBody=%7B%22Resources%22%3A%7B%22Costs%22%3A%7B%22Type%22%3A%22AWS%3A%3ASQS%3A%3AQueue%22%2C%22Properties%22%3A%7B%22QueueName%22%3A%22costs%22%7D%7D%7D%7D";

fn stacks(form: &str) -> Call {
    Call::form("cloudformation", format!("Version=2010-05-15&{form}"))
}

async fn environment(account: &Account) -> Result<Vec<Call>> {
    stacks(MAKE).straight(account).await?;
    Ok(vec![stacks("Action=DeleteStack&StackName=explorer")])
}

/// The stack, and what is in it.
async fn left(account: &Account) -> Result<[usize; 2]> {
    let all = stacks("Action=DescribeStacks").straight(account).await?;
    let queues = Call::form("sqs", "Version=2012-11-05&Action=ListQueues");
    let queues = queues.straight(account).await?;
    Ok([count(&all, "StackName"), count(&queues, "QueueUrl")])
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_an_environment_to_make_it_anew_waits_for_a_person() -> Result<()> {
    let played = replayed(environment, left, [[1, 1], [0, 0]]).await?;
    let (account, agent) = (&played.account, &played.agent);
    let met = lines(&account.front.world, &agent.lease);
    let held = ["destroy", "hold", "production-destroy", "held"].map(str::to_owned);
    assert_eq!(met, [held]);
    let holds = account.front.holds(&agent.lease);
    let hold = &holds.first().context("nothing waits")?.hold;
    let objects = hold.effects.iter().map(|effect| &effect.object);
    assert!(
        objects
            .flatten()
            .any(|object| object == "cloudformation-stack.explorer"),
        "{:#?}",
        hold.effects
    );
    assert!(
        !hold.incomplete.is_empty(),
        "what a template takes along is not known, and that is said"
    );
    let (status, told) = played.told.first().context("nothing was told")?;
    assert_eq!(*status, 403, "{told}");
    assert!(told.contains(&format!("/holds/{}", hold.id)), "{told}");
    Ok(())
}
