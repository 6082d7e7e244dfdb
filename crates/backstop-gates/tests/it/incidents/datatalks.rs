//! DataTalks.Club, February 2026: `terraform destroy` with an older state file that described production, the automated
//! snapshots with the database.
//!
//! The calls are those that Terraform's provider for AWS makes of such resources; Terraform itself is not run.

use anyhow::Result;
use backstop_core::verdict::Decision;
use backstop_testing::doubles::S3Double;

use super::amazon::{Call, aws, count, judged};

const fn rds(form: &'static str) -> Call {
    Call {
        service: "rds",
        form,
    }
}

const MAKE: Call = rds(
    "Action=CreateDBInstance&Version=2014-10-31&DBInstanceIdentifier=course&DBInstanceClass=db.t3.micro&Engine=postgres&AllocatedStorage=20&MasterUsername=a&MasterUserPassword=not-a-secret&BackupRetentionPeriod=7",
);
const INSTANCES: Call = rds("Action=DescribeDBInstances&Version=2014-10-31");
const SNAPSHOTS: Call = rds("Action=DescribeDBSnapshots&Version=2014-10-31");
/// What `skip_final_snapshot = true` comes to; that automated backups go is the API's own default.
const DESTROY: Call = rds(
    "Action=DeleteDBInstance&Version=2014-10-31&DBInstanceIdentifier=course&SkipFinalSnapshot=true",
);
const NETWORK: Call = Call {
    service: "ec2",
    form: "Action=DeleteVpc&Version=2016-11-15&VpcId=vpc-1",
};

#[tokio::test(flavor = "multi_thread")]
async fn terraform_destroy_takes_the_snapshots_too_and_is_denied() -> Result<()> {
    let moto = S3Double::start()?;
    aws(&moto, &MAKE).await?;
    let left = async || -> Result<(usize, usize)> {
        Ok((
            count(&aws(&moto, &INSTANCES).await?, "DBInstanceIdentifier"),
            count(&aws(&moto, &SNAPSHOTS).await?, "DBSnapshotIdentifier"),
        ))
    };
    assert_eq!(
        left().await?,
        (1, 1),
        "the database, and a snapshot made by itself"
    );
    aws(&moto, &DESTROY).await?;
    assert_eq!(left().await?, (0, 0));

    let (verdict, reading) = judged(&DESTROY)?;
    assert_eq!(
        (verdict.decision, verdict.rule.as_str()),
        (Decision::Deny, "production-safeguards"),
        "{verdict:?}"
    );
    let effects = reading.analysis.effects;
    let backups = effects.iter().filter(|effect| effect.safeguard);
    assert_eq!(
        backups.count(),
        2,
        "the final snapshot and the automated backups: {effects:#?}"
    );
    // What takes no backups with it waits for a person.
    let (verdict, _) = judged(&NETWORK)?;
    assert_eq!(
        (verdict.decision, verdict.rule.as_str()),
        (Decision::Hold, "production-destroy"),
        "{verdict:?}"
    );
    // Looking is harmless.
    assert_eq!(judged(&INSTANCES)?.0.decision, Decision::Allow);
    Ok(())
}
