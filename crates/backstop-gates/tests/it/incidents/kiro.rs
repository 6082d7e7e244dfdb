//! Kiro at AWS, December 2025: an environment deleted, to be made again.
//!
//! What exactly was deleted was not published, and Amazon disputes the account: a stack with a table in it stands for it.

use anyhow::Result;
use backstop_core::verdict::Decision;
use backstop_testing::doubles::S3Double;

use super::amazon::{Call, aws, count, judged};

const fn stacks(form: &'static str) -> Call {
    Call {
        service: "cloudformation",
        form,
    }
}

const MAKE: Call = stacks(
    "Action=CreateStack&Version=2010-05-15&StackName=explorer&TemplateBody=%7B%22Resources%22%3A%7B%22Costs%22%3A%7B%22Type%22%3A%22AWS%3A%3ASQS%3A%3AQueue%22%2C%22Properties%22%3A%7B%22QueueName%22%3A%22costs%22%7D%7D%7D%7D",
);
const DELETE: Call = stacks("Action=DeleteStack&Version=2010-05-15&StackName=explorer");
const STACKS: Call = stacks("Action=DescribeStacks&Version=2010-05-15");
const RESOURCES: Call = Call {
    service: "sqs",
    form: "Action=ListQueues&Version=2012-11-05",
};

#[tokio::test(flavor = "multi_thread")]
async fn deleting_an_environment_to_make_it_anew_waits_for_a_person() -> Result<()> {
    let moto = S3Double::start()?;
    aws(&moto, &MAKE).await?;
    let left = async || -> Result<(usize, usize)> {
        Ok((
            count(&aws(&moto, &STACKS).await?, "StackName"),
            count(&aws(&moto, &RESOURCES).await?, "QueueUrl"),
        ))
    };
    assert_eq!(left().await?, (1, 1));
    aws(&moto, &DELETE).await?;
    assert_eq!(left().await?, (0, 0), "the stack, and what was in it");

    let (verdict, reading) = judged(&DELETE)?;
    assert_eq!(
        (verdict.decision, verdict.rule.as_str()),
        (Decision::Hold, "production-destroy"),
        "{verdict:?}"
    );
    assert!(
        reading
            .analysis
            .effects
            .iter()
            .any(|effect| effect.object.as_deref() == Some("cloudformation-stack.explorer")),
        "{:#?}",
        reading.analysis
    );
    assert!(
        !reading.analysis.is_complete(),
        "what a template takes along is not known, and that is said"
    );
    assert_eq!(judged(&STACKS)?.0.decision, Decision::Allow);
    Ok(())
}
