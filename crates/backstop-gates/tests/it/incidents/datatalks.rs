//! DataTalks.Club, February 2026: `terraform destroy` with an older state file that described production, the automated
//! snapshots with the database.
//!
//! The calls are those that Terraform's provider for AWS makes of such resources; Terraform itself is not run.

use anyhow::{Context as _, Result};

use super::amazon::{Call, count, replayed};
use super::lines;
use crate::aws::account::Account;

fn rds(form: &str) -> Call {
    Call::form("rds", format!("Version=2014-10-31&{form}"))
}

fn ec2(form: &str) -> Call {
    Call::form("ec2", format!("Version=2016-11-15&{form}"))
}

fn ecs(operation: &str, body: &str) -> Call {
    let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
    Call::json("ecs", target, body)
}

/// The database with its backups, the cluster and the network; and what destroys them.
async fn platform(account: &Account) -> Result<Vec<Call>> {
    let database = rds(
        "Action=CreateDBInstance&DBInstanceIdentifier=course&DBInstanceClass=db.t3.micro&Engine=postgres&AllocatedStorage=20&MasterUsername=a&MasterUserPassword=not-a-secret&BackupRetentionPeriod=7",
    );
    database.straight(account).await?;
    let cluster = ecs("CreateCluster", r#"{"clusterName":"course"}"#);
    cluster.straight(account).await?;
    let network = ec2("Action=CreateVpc&CidrBlock=10.1.0.0/16");
    let network = network.straight(account).await?;
    let (_, rest) = network.split_once("<vpcId>").context("no network")?;
    let (id, _) = rest.split_once('<').context("no end of its id")?;
    Ok(vec![
        // `skip_final_snapshot = true`. That the automated backups go is the provider's own default.
        rds(
            "Action=DeleteDBInstance&DBInstanceIdentifier=course&DeleteAutomatedBackups=true&SkipFinalSnapshot=true",
        ),
        ecs("DeleteCluster", r#"{"cluster":"course"}"#),
        ec2(&format!("Action=DeleteVpc&VpcId={id}")),
    ])
}

/// Databases, snapshots that were made by themselves, automated backups, clusters, networks with the account's first.
async fn left(account: &Account) -> Result<[usize; 5]> {
    let databases = rds("Action=DescribeDBInstances").straight(account).await?;
    let snapshots = rds("Action=DescribeDBSnapshots").straight(account).await?;
    let backups = rds("Action=DescribeDBInstanceAutomatedBackups");
    let backups = backups.straight(account).await?;
    let clusters = ecs("DescribeClusters", r#"{"clusters":["course"]}"#);
    let clusters = clusters.straight(account).await?;
    let networks = ec2("Action=DescribeVpcs").straight(account).await?;
    Ok([
        count(&databases, "DBInstanceIdentifier"),
        count(&snapshots, "DBSnapshotIdentifier"),
        count(&backups, "DBInstanceAutomatedBackup"),
        clusters.matches(r#""ACTIVE""#).count(),
        count(&networks, "vpcId"),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn terraform_destroy_takes_the_snapshots_too_and_is_denied() -> Result<()> {
    let played = replayed(platform, left, [[1, 1, 1, 1, 2], [0, 0, 0, 0, 1]]).await?;
    let world = &played.account.front.world;
    let met = lines(world, &played.agent.lease);
    assert_eq!(
        met,
        [
            // What brings data back is out of reach, approval or not: nothing waits for a person.
            ["admin", "deny", "production-safeguards", "denied"],
            ["destroy", "hold", "production-destroy", "held"],
            ["destroy", "hold", "production-destroy", "held"],
        ]
        .map(|line| line.map(str::to_owned))
    );
    let holds = played.account.front.holds(&played.agent.lease);
    let held: Vec<&str> = holds.iter().map(|one| one.hold.summary.as_str()).collect();
    assert!(
        held.len() == 2 && held.iter().all(|what| !what.contains("DeleteDBInstance")),
        "{held:?}"
    );
    for (status, body) in &played.told {
        assert_eq!(*status, 403, "{body}");
    }
    let (_, denied) = played.told.first().context("nothing was told")?;
    assert!(denied.contains("<Code>AccessDenied</Code>"), "{denied}");
    // Looking is harmless.
    let looked = rds("Action=DescribeDBInstances");
    let (status, body) = looked.through(&played.account, &played.agent).await?;
    assert_eq!(
        (status, count(&body, "DBInstanceIdentifier")),
        (200, 1),
        "{body}"
    );
    Ok(())
}
