//! What lies in the account: databases, tables, volumes, vaults, buckets, and the backups of each.

use std::collections::BTreeMap;

use serde_json::Value;
use time::OffsetDateTime;

use super::gather::{Account, PAGES, tree};
use super::stores::{Deletion, Saved, Thing};
use super::xml::Node;
use crate::probe::call::Call;
use crate::probe::region::Region;
use crate::probe::wire::{Failed, Wire};
use crate::probe::words::{moment, seconds, word};

/// Buckets and tables that are asked about one by one.
const SINGLE: usize = 60;

type Pairs = Vec<(&'static str, String)>;

fn any(actions: &[&'static str], arn: &str) -> Pairs {
    actions
        .iter()
        .map(|action| (*action, arn.to_owned()))
        .collect()
}

/// All pages of a list that goes by markers, item by item; notes what was not answered.
async fn pages(
    wire: &mut Wire<'_>,
    account: &mut Account,
    what: &str,
    (items, marker): (&str, &str),
    call: impl Fn(Option<String>) -> Call,
    mut take: impl FnMut(&mut Account, &Node),
) -> bool {
    let mut next = None;
    for _ in 0..PAGES {
        let node = match wire
            .read(&call(next.take()))
            .await
            .and_then(|a| tree(&a.body))
        {
            Ok(node) => node,
            Err(why) => {
                account.missing(what, &why);
                return false;
            }
        };
        for item in node.items(items) {
            take(account, item);
        }
        next = node.text(marker).map(str::to_owned);
        if next.is_none() {
            return true;
        }
    }
    account.missing(what, &Failed::Lost("there are more than were read".into()));
    false
}

fn named(node: &Node, path: &str) -> String {
    node.text(path).map(word).unwrap_or_default()
}

/// Databases of RDS and Aurora, with snapshots and automated backups.
pub(super) async fn databases(wire: &mut Wire<'_>, region: &Region, account: &mut Account) {
    let at = region.as_str();
    for (cluster, call, items, marker, sort) in [
        (
            false,
            (|region, marker| Call::RdsInstances { region, marker })
                as fn(Region, Option<String>) -> Call,
            "DescribeDBInstancesResult/DBInstances",
            "DescribeDBInstancesResult/Marker",
            "DB instances",
        ),
        (
            true,
            |region, marker| Call::RdsClusters { region, marker },
            "DescribeDBClustersResult/DBClusters",
            "DescribeDBClustersResult/Marker",
            "DB clusters",
        ),
    ] {
        let take = |account: &mut Account, item: &Node| database(account, item, at, cluster);
        let what = format!("{sort} in {at}");
        let call = |marker| call(region.clone(), marker);
        pages(wire, account, &what, (items, marker), call, take).await;
    }
    for (call, items, marker, [name, arn, of, made], delete, what) in [
        (
            (|region, marker| Call::RdsSnapshots { region, marker })
                as fn(Region, Option<String>) -> Call,
            "DescribeDBSnapshotsResult/DBSnapshots",
            "DescribeDBSnapshotsResult/Marker",
            [
                "DBSnapshotIdentifier",
                "DBSnapshotArn",
                "DBInstanceIdentifier",
                "SnapshotCreateTime",
            ],
            "rds:DeleteDBSnapshot",
            "DB snapshots",
        ),
        (
            |region, marker| Call::RdsClusterSnapshots { region, marker },
            "DescribeDBClusterSnapshotsResult/DBClusterSnapshots",
            "DescribeDBClusterSnapshotsResult/Marker",
            [
                "DBClusterSnapshotIdentifier",
                "DBClusterSnapshotArn",
                "DBClusterIdentifier",
                "SnapshotCreateTime",
            ],
            "rds:DeleteDBClusterSnapshot",
            "DB cluster snapshots",
        ),
    ] {
        let take = |account: &mut Account, item: &Node| {
            let automated = item.text("SnapshotType") == Some("automated");
            let database = named(item, of);
            // An automated snapshot cannot be deleted by itself: it goes with its instance.
            let deletion = match (automated, item.text(arn)) {
                (false, Some(arn)) => Deletion::Any(any(&[delete], &word(arn))),
                _ => Deletion::Any(gone_with(account, &database, at)),
            };
            if item.text(name).is_some() {
                account.saved.push(Saved {
                    of: format!("{at}/{database}"),
                    what: if automated {
                        "automated snapshots in the same account"
                    } else {
                        "snapshots in the same account"
                    },
                    newest: item.text(made).and_then(moment),
                    deletion,
                    locked: None,
                    counted: true,
                });
            }
        };
        let what = format!("{what} in {at}");
        let call = |marker| call(region.clone(), marker);
        pages(wire, account, &what, (items, marker), call, take).await;
    }
    let take = |account: &mut Account, item: &Node| {
        let database = named(item, "DBInstanceIdentifier");
        let mut with = gone_with(account, &database, at);
        with.extend(any(
            &["rds:DeleteDBInstanceAutomatedBackup"],
            &named(item, "DBInstanceAutomatedBackupsArn"),
        ));
        account.saved.push(Saved {
            of: format!("{at}/{database}"),
            what: "automated backups, which go with the instance unless its deletion says otherwise",
            newest: item.text("RestoreWindow/LatestTime").and_then(moment),
            deletion: Deletion::Any(with),
            locked: None,
            counted: false,
        });
    };
    let lists = (
        "DescribeDBInstanceAutomatedBackupsResult/DBInstanceAutomatedBackups",
        "DescribeDBInstanceAutomatedBackupsResult/Marker",
    );
    let call = |marker| Call::RdsAutomatedBackups {
        region: region.clone(),
        marker,
    };
    pages(
        wire,
        account,
        &format!("automated backups in {at}"),
        lists,
        call,
        take,
    )
    .await;
}

/// The actions with which a database itself is deleted, and its automated backups with it.
fn gone_with(account: &Account, database: &str, at: &str) -> Pairs {
    account
        .things
        .iter()
        .filter(|thing| thing.name == database && thing.region == at)
        .flat_map(|thing| match &thing.deletion {
            Deletion::Every(groups) => groups.first().cloned().unwrap_or_default(),
            Deletion::Any(all) => all.clone(),
            Deletion::Locked => vec![],
        })
        .collect()
}

fn database(account: &mut Account, item: &Node, at: &str, cluster: bool) {
    let (name, arn, delete, modify) = if cluster {
        (
            "DBClusterIdentifier",
            "DBClusterArn",
            "rds:DeleteDBCluster",
            "rds:ModifyDBCluster",
        )
    } else {
        (
            "DBInstanceIdentifier",
            "DBInstanceArn",
            "rds:DeleteDBInstance",
            "rds:ModifyDBInstance",
        )
    };
    let arn = named(item, arn);
    let protected = item.is_true("DeletionProtection");
    let delete = any(&[delete], &arn);
    account.things.push(Thing {
        sort: "database",
        name: named(item, name),
        region: at.to_owned(),
        deletion: if protected {
            Deletion::Every(vec![delete, any(&[modify], &arn)])
        } else {
            Deletion::Any(delete)
        },
        protection: protected
            .then(|| format!("its deletion protection is on, which `{modify}` takes off")),
        arn,
    });
    // Of an instance the window of its automated backups; zero days are none.
    let kept = item
        .text("BackupRetentionPeriod")
        .and_then(|days| days.parse::<u32>().ok());
    if kept == Some(0)
        && let Some(thing) = account.things.last_mut()
    {
        let also = thing
            .protection
            .take()
            .map(|text| format!("{text}; "))
            .unwrap_or_default();
        thing.protection = Some(format!("{also}automated backups are off"));
    }
}

/// Tables of DynamoDB, with their point-in-time recovery.
pub(super) async fn tables(wire: &mut Wire<'_>, region: &Region, account: &mut Account) {
    let at = region.as_str();
    let mut names: Vec<String> = vec![];
    let mut after = None;
    for _ in 0..PAGES {
        let call = Call::DynamoTables {
            region: region.clone(),
            after: after.take(),
        };
        let page = match wire.read(&call).await.and_then(|a| json(&a.body)) {
            Ok(page) => page,
            Err(why) => return account.missing(&format!("tables in {at}"), &why),
        };
        let all = page.get("TableNames").and_then(Value::as_array);
        names.extend(
            all.into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned),
        );
        after = page
            .get("LastEvaluatedTableName")
            .and_then(Value::as_str)
            .map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    if after.is_some() || names.len() > SINGLE {
        account.unknown.push(format!(
            "tables in {at}: there are more than the {SINGLE} that were asked about"
        ));
    }
    for table in names.into_iter().take(SINGLE) {
        let described = wire
            .read(&Call::DynamoTable {
                region: region.clone(),
                table: table.clone(),
            })
            .await
            .and_then(|a| json(&a.body));
        let text =
            |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).map(word);
        let (arn, protected) = match &described {
            Ok(value) => (
                text(value, "/Table/TableArn").unwrap_or_default(),
                value.pointer("/Table/DeletionProtectionEnabled") == Some(&Value::Bool(true)),
            ),
            Err(why) => {
                account.missing(&format!("table `{}`", word(&table)), why);
                continue;
            }
        };
        let delete = any(&["dynamodb:DeleteTable"], &arn);
        account.things.push(Thing {
            sort: "table",
            name: word(&table),
            region: at.to_owned(),
            deletion: if protected {
                Deletion::Every(vec![delete, any(&["dynamodb:UpdateTable"], &arn)])
            } else {
                Deletion::Any(delete)
            },
            protection: protected.then(|| {
                "its deletion protection is on, which `dynamodb:UpdateTable` takes off".to_owned()
            }),
            arn: arn.clone(),
        });
        let call = Call::DynamoContinuous {
            region: region.clone(),
            table: table.clone(),
        };
        match wire.read(&call).await.and_then(|a| json(&a.body)) {
            Ok(value) => {
                let recovery =
                    value.pointer("/ContinuousBackupsDescription/PointInTimeRecoveryDescription");
                if recovery
                    .and_then(|r| r.get("PointInTimeRecoveryStatus"))
                    .and_then(Value::as_str)
                    == Some("ENABLED")
                {
                    account.saved.push(Saved {
                        of: arn.clone(),
                        what: "point-in-time recovery, kept for 35 days after the table unless it is turned off before",
                        newest: seconds(recovery.and_then(|r| r.get("LatestRestorableDateTime"))),
                        deletion: Deletion::Any(any(&["dynamodb:UpdateContinuousBackups"], &arn)),
                        locked: None,
                        counted: false,
                    });
                }
            }
            Err(why) => account.missing(&format!("backups of table `{}`", word(&table)), &why),
        }
    }
}

/// Volumes of EC2, with the account's own snapshots.
pub(super) async fn volumes(wire: &mut Wire<'_>, region: &Region, account: &mut Account) {
    let at = region.as_str();
    let number = account.number.clone();
    let take = |account: &mut Account, item: &Node| {
        let id = named(item, "volumeId");
        let arn = format!("arn:aws:ec2:{at}:{number}:volume/{id}");
        account.things.push(Thing {
            sort: "volume",
            name: id,
            region: at.to_owned(),
            deletion: Deletion::Any(any(&["ec2:DeleteVolume"], &arn)),
            protection: None,
            arn,
        });
    };
    let call = |token| Call::Ec2Volumes {
        region: region.clone(),
        token,
    };
    pages(
        wire,
        account,
        &format!("volumes in {at}"),
        ("volumeSet", "nextToken"),
        call,
        take,
    )
    .await;
    let take = |account: &mut Account, item: &Node| {
        let arn = format!("arn:aws:ec2:{at}::snapshot/{}", named(item, "snapshotId"));
        account.saved.push(Saved {
            of: format!("{at}/{}", named(item, "volumeId")),
            what: "snapshots in the same account",
            newest: item.text("startTime").and_then(moment),
            deletion: Deletion::Any(any(&["ec2:DeleteSnapshot"], &arn)),
            locked: None,
            counted: true,
        });
    };
    let call = |token| Call::Ec2Snapshots {
        region: region.clone(),
        token,
    };
    pages(
        wire,
        account,
        &format!("snapshots in {at}"),
        ("snapshotSet", "nextToken"),
        call,
        take,
    )
    .await;
}

/// Vaults of AWS Backup, with what is in them and what locks it.
pub(super) async fn vaults(wire: &mut Wire<'_>, region: &Region, account: &mut Account) {
    let at = region.as_str();
    let mut vaults: Vec<Value> = vec![];
    let mut token = None;
    for _ in 0..PAGES {
        let call = Call::BackupVaults {
            region: region.clone(),
            token: token.take(),
        };
        match wire.read(&call).await.and_then(|a| json(&a.body)) {
            Ok(page) => {
                let all = page.get("BackupVaultList").and_then(Value::as_array);
                vaults.extend(all.into_iter().flatten().cloned());
                token = page
                    .get("NextToken")
                    .and_then(Value::as_str)
                    .map(str::to_owned);
            }
            Err(why) => return account.missing(&format!("backup vaults in {at}"), &why),
        }
        if token.is_none() {
            break;
        }
    }
    if token.is_some() || vaults.len() > SINGLE {
        account.unknown.push(format!(
            "backup vaults in {at}: there are more than the {SINGLE} that were asked about"
        ));
    }
    for vault in vaults.iter().take(SINGLE) {
        let Some(name) = vault.get("BackupVaultName").and_then(Value::as_str) else {
            continue;
        };
        let lock = lock(vault);
        let mut token = None;
        for _ in 0..PAGES {
            let call = Call::BackupPoints {
                region: region.clone(),
                vault: name.to_owned(),
                token: token.take(),
            };
            match wire.read(&call).await.and_then(|a| json(&a.body)) {
                Ok(page) => {
                    for point in page
                        .get("RecoveryPoints")
                        .and_then(Value::as_array)
                        .into_iter()
                        .flatten()
                    {
                        point_of(account, point, name, lock);
                    }
                    token = page
                        .get("NextToken")
                        .and_then(Value::as_str)
                        .map(str::to_owned);
                }
                Err(why) => {
                    account.missing(&format!("what is in backup vault `{}`", word(name)), &why)
                }
            }
            if token.is_none() {
                break;
            }
        }
        if token.is_some() {
            let why = Failed::Lost("there is more than was read".into());
            account.missing(&format!("what is in backup vault `{}`", word(name)), &why);
        }
    }
}

/// How a vault is locked.
#[derive(Clone, Copy)]
enum Lock {
    None,
    /// Whoever may take the lock off may delete.
    Removable,
    /// From this moment on nobody can take it off.
    Compliance,
}

fn lock(vault: &Value) -> Lock {
    if vault.get("Locked") != Some(&Value::Bool(true)) {
        return Lock::None;
    }
    match seconds(vault.get("LockDate")) {
        // Until then it can still be taken off.
        Some(date) if date <= OffsetDateTime::now_utc() => Lock::Compliance,
        _ => Lock::Removable,
    }
}

fn point_of(account: &mut Account, point: &Value, vault: &str, lock: Lock) {
    let text = |name: &str| {
        point
            .get(name)
            .and_then(Value::as_str)
            .map(word)
            .unwrap_or_default()
    };
    let arn = text("RecoveryPointArn");
    let delete = any(&["backup:DeleteRecoveryPoint"], &arn);
    let until = seconds(point.pointer("/CalculatedLifecycle/DeleteAt"))
        .map(|at| format!("until {}", at.date()));
    let (deletion, locked) = match lock {
        Lock::None => (Deletion::Any(delete), None),
        Lock::Removable => {
            let vault = text("BackupVaultArn");
            let off = any(&["backup:DeleteBackupVaultLockConfiguration"], &vault);
            (Deletion::Every(vec![delete, off]), None)
        }
        Lock::Compliance => (
            Deletion::Locked,
            Some(format!(
                "out of its reach {}: vault `{}` is locked in compliance mode",
                until.unwrap_or_else(|| "for as long as they are kept".to_owned()),
                word(vault)
            )),
        ),
    };
    account.saved.push(Saved {
        of: text("ResourceArn"),
        what: "recovery points of AWS Backup",
        newest: seconds(point.get("CreationDate")),
        deletion,
        locked,
        counted: true,
    });
}

/// Buckets, with versions and locks.
pub(super) async fn buckets(wire: &mut Wire<'_>, region: &Region, account: &mut Account) {
    let mut found: BTreeMap<String, Region> = BTreeMap::new();
    let take = |account: &mut Account, item: &Node| {
        let Some(name) = item.text("Name") else {
            return;
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let its = item
            .text("BucketRegion")
            .map_or(Some(region.clone()), Region::of);
        match its.filter(|_| name.len() <= 255 && name.chars().all(plain)) {
            Some(its) => {
                found.insert(name.to_owned(), its);
            }
            None => account.unknown.push(format!(
                "bucket `{}`: its name or region is a strange one",
                word(name)
            )),
        }
    };
    let call = |token| Call::S3Buckets {
        region: region.clone(),
        token,
    };
    pages(
        wire,
        account,
        "buckets",
        ("Buckets", "ContinuationToken"),
        call,
        take,
    )
    .await;
    if found.len() > SINGLE {
        account.unknown.push(format!(
            "versions and locks of buckets: there are more than the {SINGLE} that were asked about"
        ));
    }
    for (n, (bucket, region)) in found.into_iter().enumerate() {
        bucket_of(wire, account, &bucket, region, n < SINGLE).await;
    }
}

async fn bucket_of(
    wire: &mut Wire<'_>,
    account: &mut Account,
    bucket: &str,
    region: Region,
    asked: bool,
) {
    let arn = format!("arn:aws:s3:::{bucket}");
    let objects = format!("{arn}/*");
    let mut versioned = false;
    let mut lock = None;
    if asked {
        let call = Call::S3Versioning {
            region: region.clone(),
            bucket: bucket.to_owned(),
        };
        match wire.read(&call).await.and_then(|a| tree(&a.body)) {
            Ok(node) => versioned = node.text("Status") == Some("Enabled"),
            Err(why) => account.missing(&format!("versions of bucket `{bucket}`"), &why),
        }
        let call = Call::S3ObjectLock {
            region: region.clone(),
            bucket: bucket.to_owned(),
        };
        match wire.read(&call).await.and_then(|a| tree(&a.body)) {
            Ok(node) => lock = retention(&node),
            Err(Failed::Absent) => {}
            Err(why) => account.missing(&format!("object lock of bucket `{bucket}`"), &why),
        }
    }
    let mut remove = any(&["s3:PutLifecycleConfiguration"], &arn);
    let removing = if versioned {
        "s3:DeleteObjectVersion"
    } else {
        "s3:DeleteObject"
    };
    remove.extend(any(&[removing], &objects));
    let (deletion, protection) = match &lock {
        None => (Deletion::Any(remove), None),
        Some((true, time)) => (
            Deletion::Locked,
            Some(format!(
                "out of its reach for {time} after each was written: Object Lock in compliance mode"
            )),
        ),
        Some((false, time)) => (
            Deletion::Every(vec![
                any(&["s3:DeleteObjectVersion"], &objects),
                any(&["s3:BypassGovernanceRetention"], &objects),
            ]),
            Some(format!(
                "Object Lock in governance mode holds each version for {time}, which `s3:BypassGovernanceRetention` passes by"
            )),
        ),
    };
    if versioned {
        account.saved.push(Saved {
            of: arn.clone(),
            what: "older versions of its objects, in the same bucket",
            newest: None,
            locked: protection
                .clone()
                .filter(|_| matches!(deletion, Deletion::Locked)),
            deletion: deletion.clone(),
            counted: false,
        });
    }
    account.things.push(Thing {
        sort: "bucket",
        name: bucket.to_owned(),
        region: region.as_str().to_owned(),
        arn,
        deletion,
        protection,
    });
}

/// Whether the default retention is in compliance mode, and how long it is.
fn retention(node: &Node) -> Option<(bool, String)> {
    let rule = node.at("Rule/DefaultRetention")?;
    let time = match (rule.text("Days"), rule.text("Years")) {
        (Some(days), _) => format!("{} days", word(days)),
        (None, Some(years)) => format!("{} years", word(years)),
        (None, None) => return None,
    };
    Some((rule.text("Mode") == Some("COMPLIANCE"), time))
}

fn json(body: &[u8]) -> Result<Value, Failed> {
    serde_json::from_slice(body).map_err(|_| Failed::Lost("its answer cannot be read".into()))
}
