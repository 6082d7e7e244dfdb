//! Every call that a probe can make. What is not in this list cannot be sent: the wire takes a [`Call`] and nothing
//! else, and each of them only reads.

use serde_json::json;

use super::aws::sign::escape;
use super::railway;
use super::region::Region;

/// One call that reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Whose key it is. Needs no permission.
    StsIdentity {
        region: Region,
    },
    /// The role behind temporary credentials, for its path.
    IamRole {
        name: String,
    },
    /// What its policies say of these actions. Simulated: none of them is done.
    IamSimulate {
        principal: String,
        actions: &'static [&'static str],
        resources: Vec<String>,
        marker: Option<String>,
    },
    RdsInstances {
        region: Region,
        marker: Option<String>,
    },
    RdsClusters {
        region: Region,
        marker: Option<String>,
    },
    RdsSnapshots {
        region: Region,
        marker: Option<String>,
    },
    RdsClusterSnapshots {
        region: Region,
        marker: Option<String>,
    },
    RdsAutomatedBackups {
        region: Region,
        marker: Option<String>,
    },
    S3Buckets {
        region: Region,
        token: Option<String>,
    },
    S3Versioning {
        region: Region,
        bucket: String,
    },
    S3ObjectLock {
        region: Region,
        bucket: String,
    },
    BackupVaults {
        region: Region,
        token: Option<String>,
    },
    BackupPoints {
        region: Region,
        vault: String,
        token: Option<String>,
    },
    Ec2Volumes {
        region: Region,
        token: Option<String>,
    },
    Ec2Snapshots {
        region: Region,
        token: Option<String>,
    },
    DynamoTables {
        region: Region,
        after: Option<String>,
    },
    DynamoTable {
        region: Region,
        table: String,
    },
    DynamoContinuous {
        region: Region,
        table: String,
    },
    GithubUser,
    GithubRepositories {
        page: u32,
    },
    /// A POST that stores nothing: the server answers what the token may do in a namespace.
    KubeRules {
        namespace: String,
    },
    KubeNamespaces,
    KubeClaims,
    KubeVolumes,
    KubeSnapshots,
    RailwayProjectToken,
    RailwayMe,
    RailwayProjects {
        after: Option<String>,
    },
    RailwayProject {
        id: String,
    },
    RailwayEnvironment {
        id: String,
    },
    RailwayBackups {
        volume: String,
    },
}

/// What a call is called, how it is sent, and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its provider: `aws`, `github`, `kubernetes`, `railway`.
    pub provider: &'static str,
    /// Its name, as the provider has it.
    pub name: &'static str,
    /// The method it is sent with.
    pub method: &'static str,
    /// The path, or the action where one path serves all.
    pub path: &'static str,
}

const fn listed(
    provider: &'static str,
    name: &'static str,
    method: &'static str,
    path: &'static str,
) -> Listed {
    Listed {
        provider,
        name,
        method,
        path,
    }
}

/// The list, for people to read before anything is asked.
pub const LIST: &[Listed] = &[
    listed(
        "aws",
        "sts:GetCallerIdentity",
        "POST",
        "Action=GetCallerIdentity",
    ),
    listed("aws", "iam:GetRole", "POST", "Action=GetRole"),
    listed(
        "aws",
        "iam:SimulatePrincipalPolicy",
        "POST",
        "Action=SimulatePrincipalPolicy",
    ),
    listed(
        "aws",
        "rds:DescribeDBInstances",
        "POST",
        "Action=DescribeDBInstances",
    ),
    listed(
        "aws",
        "rds:DescribeDBClusters",
        "POST",
        "Action=DescribeDBClusters",
    ),
    listed(
        "aws",
        "rds:DescribeDBSnapshots",
        "POST",
        "Action=DescribeDBSnapshots",
    ),
    listed(
        "aws",
        "rds:DescribeDBClusterSnapshots",
        "POST",
        "Action=DescribeDBClusterSnapshots",
    ),
    listed(
        "aws",
        "rds:DescribeDBInstanceAutomatedBackups",
        "POST",
        "Action=DescribeDBInstanceAutomatedBackups",
    ),
    listed("aws", "s3:ListBuckets", "GET", "/"),
    listed("aws", "s3:GetBucketVersioning", "GET", "/BUCKET?versioning"),
    listed(
        "aws",
        "s3:GetObjectLockConfiguration",
        "GET",
        "/BUCKET?object-lock",
    ),
    listed("aws", "backup:ListBackupVaults", "GET", "/backup-vaults/"),
    listed(
        "aws",
        "backup:ListRecoveryPointsByBackupVault",
        "GET",
        "/backup-vaults/VAULT/recovery-points/",
    ),
    listed(
        "aws",
        "ec2:DescribeVolumes",
        "POST",
        "Action=DescribeVolumes",
    ),
    listed(
        "aws",
        "ec2:DescribeSnapshots",
        "POST",
        "Action=DescribeSnapshots",
    ),
    listed(
        "aws",
        "dynamodb:ListTables",
        "POST",
        "X-Amz-Target: DynamoDB_20120810.ListTables",
    ),
    listed(
        "aws",
        "dynamodb:DescribeTable",
        "POST",
        "X-Amz-Target: DynamoDB_20120810.DescribeTable",
    ),
    listed(
        "aws",
        "dynamodb:DescribeContinuousBackups",
        "POST",
        "X-Amz-Target: DynamoDB_20120810.DescribeContinuousBackups",
    ),
    listed("github", "user", "GET", "/user"),
    listed("github", "user's repositories", "GET", "/user/repos"),
    listed(
        "kubernetes",
        "SelfSubjectRulesReview",
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    ),
    listed("kubernetes", "namespaces", "GET", "/api/v1/namespaces"),
    listed(
        "kubernetes",
        "persistentvolumeclaims",
        "GET",
        "/api/v1/persistentvolumeclaims",
    ),
    listed(
        "kubernetes",
        "persistentvolumes",
        "GET",
        "/api/v1/persistentvolumes",
    ),
    listed(
        "kubernetes",
        "volumesnapshots",
        "GET",
        "/apis/snapshot.storage.k8s.io/v1/volumesnapshots",
    ),
    listed("railway", "projectToken", "POST", "query projectToken"),
    listed("railway", "me", "POST", "query me"),
    listed("railway", "projects", "POST", "query projects"),
    listed("railway", "project", "POST", "query project"),
    listed("railway", "environment", "POST", "query environment"),
    listed(
        "railway",
        "volumeInstanceBackupList",
        "POST",
        "query volumeInstanceBackupList",
    ),
];

/// A service of AWS, as hosts and signatures name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) signed_as: &'static str,
    /// Whether one host serves every region.
    pub(crate) global: bool,
}

/// A request before it has credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    /// The service and region, of a call to AWS.
    pub(crate) service: Option<(Service, Region)>,
}

const fn service(signed_as: &'static str) -> Service {
    Service {
        signed_as,
        global: false,
    }
}

/// A page's size where one can be asked for.
const PAGE: &str = "100";

impl Call {
    /// Its place in [`LIST`].
    pub(crate) fn listed(&self) -> Option<&'static Listed> {
        let name = match self {
            Self::StsIdentity { .. } => "sts:GetCallerIdentity",
            Self::IamRole { .. } => "iam:GetRole",
            Self::IamSimulate { .. } => "iam:SimulatePrincipalPolicy",
            Self::RdsInstances { .. } => "rds:DescribeDBInstances",
            Self::RdsClusters { .. } => "rds:DescribeDBClusters",
            Self::RdsSnapshots { .. } => "rds:DescribeDBSnapshots",
            Self::RdsClusterSnapshots { .. } => "rds:DescribeDBClusterSnapshots",
            Self::RdsAutomatedBackups { .. } => "rds:DescribeDBInstanceAutomatedBackups",
            Self::S3Buckets { .. } => "s3:ListBuckets",
            Self::S3Versioning { .. } => "s3:GetBucketVersioning",
            Self::S3ObjectLock { .. } => "s3:GetObjectLockConfiguration",
            Self::BackupVaults { .. } => "backup:ListBackupVaults",
            Self::BackupPoints { .. } => "backup:ListRecoveryPointsByBackupVault",
            Self::Ec2Volumes { .. } => "ec2:DescribeVolumes",
            Self::Ec2Snapshots { .. } => "ec2:DescribeSnapshots",
            Self::DynamoTables { .. } => "dynamodb:ListTables",
            Self::DynamoTable { .. } => "dynamodb:DescribeTable",
            Self::DynamoContinuous { .. } => "dynamodb:DescribeContinuousBackups",
            Self::GithubUser => "user",
            Self::GithubRepositories { .. } => "user's repositories",
            Self::KubeRules { .. } => "SelfSubjectRulesReview",
            Self::KubeNamespaces => "namespaces",
            Self::KubeClaims => "persistentvolumeclaims",
            Self::KubeVolumes => "persistentvolumes",
            Self::KubeSnapshots => "volumesnapshots",
            Self::RailwayProjectToken => "projectToken",
            Self::RailwayMe => "me",
            Self::RailwayProjects { .. } => "projects",
            Self::RailwayProject { .. } => "project",
            Self::RailwayEnvironment { .. } => "environment",
            Self::RailwayBackups { .. } => "volumeInstanceBackupList",
        };
        LIST.iter().find(|one| one.name == name)
    }

    /// What it is about, where it is about one thing.
    pub(crate) fn about(&self) -> Option<String> {
        match self {
            Self::IamRole { name } => Some(name.clone()),
            Self::IamSimulate {
                actions, resources, ..
            } => Some(match resources.len() {
                0 => format!("{} actions on every resource", actions.len()),
                n => format!("{} actions on {n} resources", actions.len()),
            }),
            Self::S3Versioning { bucket, .. } | Self::S3ObjectLock { bucket, .. } => {
                Some(bucket.clone())
            }
            Self::BackupPoints { vault, .. } => Some(vault.clone()),
            Self::DynamoTable { table, .. } | Self::DynamoContinuous { table, .. } => {
                Some(table.clone())
            }
            Self::KubeRules { namespace } => Some(format!("namespace {namespace}")),
            Self::RailwayProject { id } | Self::RailwayEnvironment { id } => Some(id.clone()),
            Self::RailwayBackups { volume } => Some(volume.clone()),
            _ => None,
        }
    }

    /// The request.
    pub(crate) fn plain(&self) -> Plain {
        match self {
            Self::StsIdentity { region } => action(
                service("sts"),
                region,
                "GetCallerIdentity",
                "2011-06-15",
                vec![],
            ),
            Self::IamRole { name } => iam("GetRole", vec![("RoleName".into(), name.clone())]),
            Self::IamSimulate {
                principal,
                actions,
                resources,
                marker,
            } => {
                let mut with = vec![("PolicySourceArn".into(), principal.clone())];
                with.extend(members("ActionNames.member", actions.iter().copied()));
                with.extend(members(
                    "ResourceArns.member",
                    resources.iter().map(String::as_str),
                ));
                with.extend(named("Marker", marker));
                iam("SimulatePrincipalPolicy", with)
            }
            Self::RdsInstances { region, marker } => rds(region, "DescribeDBInstances", marker),
            Self::RdsClusters { region, marker } => rds(region, "DescribeDBClusters", marker),
            Self::RdsSnapshots { region, marker } => rds(region, "DescribeDBSnapshots", marker),
            Self::RdsClusterSnapshots { region, marker } => {
                rds(region, "DescribeDBClusterSnapshots", marker)
            }
            Self::RdsAutomatedBackups { region, marker } => {
                rds(region, "DescribeDBInstanceAutomatedBackups", marker)
            }
            Self::S3Buckets { region, token } => {
                let mut query = vec![("max-buckets".to_owned(), "1000".to_owned())];
                query.extend(named("continuation-token", token));
                get(service("s3"), region, "/".into(), query)
            }
            Self::S3Versioning { region, bucket } => {
                let query = vec![("versioning".to_owned(), String::new())];
                get(service("s3"), region, format!("/{}", escape(bucket)), query)
            }
            Self::S3ObjectLock { region, bucket } => {
                let query = vec![("object-lock".to_owned(), String::new())];
                get(service("s3"), region, format!("/{}", escape(bucket)), query)
            }
            Self::BackupVaults { region, token } => {
                let query = named("nextToken", token).into_iter().collect();
                get(service("backup"), region, "/backup-vaults/".into(), query)
            }
            Self::BackupPoints {
                region,
                vault,
                token,
            } => {
                let query = named("nextToken", token).into_iter().collect();
                let path = format!("/backup-vaults/{}/recovery-points/", escape(vault));
                get(service("backup"), region, path, query)
            }
            Self::Ec2Volumes { region, token } => {
                let mut with = vec![("MaxResults".to_owned(), "500".to_owned())];
                with.extend(named("NextToken", token));
                action(service("ec2"), region, "DescribeVolumes", EC2, with)
            }
            Self::Ec2Snapshots { region, token } => {
                let mut with = vec![
                    ("MaxResults".to_owned(), "500".to_owned()),
                    ("Owner.1".to_owned(), "self".to_owned()),
                ];
                with.extend(named("NextToken", token));
                action(service("ec2"), region, "DescribeSnapshots", EC2, with)
            }
            Self::DynamoTables { region, after } => {
                let body = match after {
                    Some(after) => json!({ "ExclusiveStartTableName": after }),
                    None => json!({}),
                };
                dynamo(region, "ListTables", &body)
            }
            Self::DynamoTable { region, table } => {
                dynamo(region, "DescribeTable", &json!({ "TableName": table }))
            }
            Self::DynamoContinuous { region, table } => dynamo(
                region,
                "DescribeContinuousBackups",
                &json!({ "TableName": table }),
            ),
            Self::GithubUser => plain_get("/user", vec![]),
            Self::GithubRepositories { page } => plain_get(
                "/user/repos",
                vec![
                    ("per_page".into(), PAGE.into()),
                    ("page".into(), page.to_string()),
                ],
            ),
            Self::KubeRules { namespace } => Plain {
                method: "POST",
                path: "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews".into(),
                headers: vec![("content-type", "application/json".into())],
                body: json!({
                    "apiVersion": "authorization.k8s.io/v1",
                    "kind": "SelfSubjectRulesReview",
                    "spec": { "namespace": namespace },
                })
                .to_string(),
                ..Plain::default()
            },
            Self::KubeNamespaces => kube("/api/v1/namespaces"),
            Self::KubeClaims => kube("/api/v1/persistentvolumeclaims"),
            Self::KubeVolumes => kube("/api/v1/persistentvolumes"),
            Self::KubeSnapshots => kube("/apis/snapshot.storage.k8s.io/v1/volumesnapshots"),
            Self::RailwayProjectToken => graphql(railway::PROJECT_TOKEN, &json!({})),
            Self::RailwayMe => graphql(railway::ME, &json!({})),
            Self::RailwayProjects { after } => {
                graphql(railway::PROJECTS, &json!({ "after": after }))
            }
            Self::RailwayProject { id } => graphql(railway::PROJECT, &json!({ "id": id })),
            Self::RailwayEnvironment { id } => graphql(railway::ENVIRONMENT, &json!({ "id": id })),
            Self::RailwayBackups { volume } => {
                graphql(railway::BACKUPS, &json!({ "volume": volume }))
            }
        }
    }
}

const EC2: &str = "2016-11-15";

fn named(name: &str, value: &Option<String>) -> Option<(String, String)> {
    value.as_ref().map(|value| (name.to_owned(), value.clone()))
}

fn members<'a>(
    name: &str,
    values: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = (String, String)> {
    values
        .enumerate()
        .map(move |(n, value)| (format!("{name}.{}", n + 1), value.to_owned()))
}

fn iam(name: &str, with: Vec<(String, String)>) -> Plain {
    let global = Service {
        signed_as: "iam",
        global: true,
    };
    action(global, &Region::first(), name, "2010-05-08", with)
}

fn rds(region: &Region, name: &str, marker: &Option<String>) -> Plain {
    let mut with = vec![("MaxRecords".to_owned(), PAGE.to_owned())];
    with.extend(named("Marker", marker));
    action(service("rds"), region, name, "2014-10-31", with)
}

/// A call of AWS's Query protocol: a form with an action.
fn action(
    service: Service,
    region: &Region,
    name: &str,
    version: &str,
    with: Vec<(String, String)>,
) -> Plain {
    let mut body = format!("Action={name}&Version={version}");
    for (name, value) in with {
        body.push_str(&format!("&{}={}", escape(&name), escape(&value)));
    }
    Plain {
        method: "POST",
        path: "/".into(),
        headers: vec![(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8".into(),
        )],
        body,
        service: Some((service, region.clone())),
        ..Plain::default()
    }
}

fn get(service: Service, region: &Region, path: String, query: Vec<(String, String)>) -> Plain {
    Plain {
        method: "GET",
        path,
        query,
        service: Some((service, region.clone())),
        ..Plain::default()
    }
}

fn dynamo(region: &Region, name: &str, body: &serde_json::Value) -> Plain {
    Plain {
        method: "POST",
        path: "/".into(),
        headers: vec![
            ("content-type", "application/x-amz-json-1.0".into()),
            ("x-amz-target", format!("DynamoDB_20120810.{name}")),
        ],
        body: body.to_string(),
        service: Some((service("dynamodb"), region.clone())),
        ..Plain::default()
    }
}

fn plain_get(path: &str, query: Vec<(String, String)>) -> Plain {
    Plain {
        method: "GET",
        path: path.into(),
        query,
        ..Plain::default()
    }
}

fn kube(path: &str) -> Plain {
    plain_get(path, vec![("limit".into(), "500".into())])
}

fn graphql(query: &'static str, variables: &serde_json::Value) -> Plain {
    Plain {
        method: "POST",
        path: "/graphql/v2".into(),
        headers: vec![("content-type", "application/json".into())],
        body: json!({ "query": query, "variables": variables }).to_string(),
        ..Plain::default()
    }
}
