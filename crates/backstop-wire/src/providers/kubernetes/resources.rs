//! The table of resources: what changing and deleting each of them means.

/// What kind of thing a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Runs code: pods and what makes them.
    Workload,
    /// Credentials.
    Secret,
    /// Rights, admission, extension of the API, and what guards others.
    Rights,
    /// Questions that keep nothing.
    Review,
    /// Traffic and configuration, one object at a time.
    Config,
    /// Made and remade by the cluster itself.
    Fleeting,
    /// Volumes and claims to them.
    Volume,
    /// What brings volumes back: snapshots and backups.
    Backup,
    /// How volumes and snapshots are made, and what becomes of them.
    Policy,
    /// Namespaces.
    Namespace,
    /// Nodes.
    Node,
    /// Databases run by an operator.
    Database,
    /// A resource of somebody's own: an object may stand for anything.
    Foreign,
}

/// What goes along when one is deleted, and the resource that says so.
struct Row {
    group: &'static str,
    resource: &'static str,
    class: Class,
    along: &'static str,
}

const fn row(
    group: &'static str,
    resource: &'static str,
    class: Class,
    along: &'static str,
) -> Row {
    Row {
        group,
        resource,
        class,
        along,
    }
}

const OWNED: &str = "all pods that it made, unless it is told to orphan them";
const DATA: &str = "the data, where the reclaim policy is Delete";

const ROWS: &[Row] = &[
    row("", "bindings", Class::Rights, ""),
    row("", "configmaps", Class::Config, ""),
    row("", "endpoints", Class::Config, ""),
    row("", "events", Class::Fleeting, ""),
    row("", "limitranges", Class::Rights, ""),
    row(
        "",
        "namespaces",
        Class::Namespace,
        "everything in it: workloads, secrets, claims and their volumes",
    ),
    row(
        "",
        "nodes",
        Class::Node,
        "all pods that run on it, and what they keep on its disks",
    ),
    row(
        "",
        "persistentvolumeclaims",
        Class::Volume,
        "the volume that it claims, and its data, where the reclaim policy is Delete",
    ),
    row("", "persistentvolumes", Class::Volume, DATA),
    row(
        "",
        "pods",
        Class::Workload,
        "what it keeps in its own file system and emptyDir volumes",
    ),
    row("", "podtemplates", Class::Workload, ""),
    row("", "replicationcontrollers", Class::Workload, OWNED),
    row("", "resourcequotas", Class::Rights, ""),
    row("", "secrets", Class::Secret, ""),
    row(
        "",
        "serviceaccounts",
        Class::Rights,
        "its tokens: what runs as it loses its access",
    ),
    row(
        "",
        "services",
        Class::Config,
        "its address, and the load balancer behind it",
    ),
    row(
        "apps",
        "controllerrevisions",
        Class::Rights,
        "the history that a rollback needs",
    ),
    row("apps", "daemonsets", Class::Workload, OWNED),
    row("apps", "deployments", Class::Workload, OWNED),
    row("apps", "replicasets", Class::Workload, OWNED),
    row(
        "apps",
        "statefulsets",
        Class::Workload,
        "all pods that it made; its claims and their data, where its retention policy says Delete",
    ),
    row("autoscaling", "horizontalpodautoscalers", Class::Config, ""),
    row(
        "batch",
        "cronjobs",
        Class::Workload,
        "all jobs and pods that it made",
    ),
    row("batch", "jobs", Class::Workload, OWNED),
    row("coordination.k8s.io", "leases", Class::Fleeting, ""),
    row("discovery.k8s.io", "endpointslices", Class::Config, ""),
    row("events.k8s.io", "events", Class::Fleeting, ""),
    row("authentication.k8s.io", "tokenreviews", Class::Review, ""),
    row(
        "authentication.k8s.io",
        "selfsubjectreviews",
        Class::Review,
        "",
    ),
    row(
        "authorization.k8s.io",
        "localsubjectaccessreviews",
        Class::Review,
        "",
    ),
    row(
        "authorization.k8s.io",
        "selfsubjectaccessreviews",
        Class::Review,
        "",
    ),
    row(
        "authorization.k8s.io",
        "selfsubjectrulesreviews",
        Class::Review,
        "",
    ),
    row(
        "authorization.k8s.io",
        "subjectaccessreviews",
        Class::Review,
        "",
    ),
    row(
        "networking.k8s.io",
        "ingresses",
        Class::Config,
        "the roads from outside that it opens",
    ),
    row(
        "gateway.networking.k8s.io",
        "gateways",
        Class::Config,
        "the roads from outside that it opens",
    ),
    row("gateway.networking.k8s.io", "httproutes", Class::Config, ""),
    row("gateway.networking.k8s.io", "grpcroutes", Class::Config, ""),
    row("metrics.k8s.io", "nodes", Class::Fleeting, ""),
    row("metrics.k8s.io", "pods", Class::Fleeting, ""),
    row(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        Class::Rights,
        "all objects of its kind, in all namespaces",
    ),
    row("storage.k8s.io", "storageclasses", Class::Policy, ""),
    row(
        "storage.k8s.io",
        "volumeattachments",
        Class::Volume,
        "a volume is taken from the node that writes to it",
    ),
    row(
        "snapshot.storage.k8s.io",
        "volumesnapshots",
        Class::Backup,
        "the snapshot itself, where the deletion policy is Delete",
    ),
    row(
        "snapshot.storage.k8s.io",
        "volumesnapshotcontents",
        Class::Backup,
        "the snapshot itself, where the deletion policy is Delete",
    ),
    row(
        "snapshot.storage.k8s.io",
        "volumesnapshotclasses",
        Class::Policy,
        "",
    ),
    row(
        "groupsnapshot.storage.k8s.io",
        "volumegroupsnapshots",
        Class::Backup,
        "all snapshots of the group",
    ),
    row(
        "groupsnapshot.storage.k8s.io",
        "volumegroupsnapshotcontents",
        Class::Backup,
        "all snapshots of the group",
    ),
    row("velero.io", "backups", Class::Backup, ""),
    row(
        "velero.io",
        "backupstoragelocations",
        Class::Backup,
        "the way to all backups that lie there",
    ),
    row("velero.io", "deletebackuprequests", Class::Backup, ""),
    row(
        "velero.io",
        "schedules",
        Class::Backup,
        "all backups that it would have made",
    ),
    row("velero.io", "volumesnapshotlocations", Class::Backup, ""),
    row("velero.io", "podvolumebackups", Class::Backup, ""),
    row("velero.io", "backuprepositories", Class::Backup, ""),
    row("postgresql.cnpg.io", "backups", Class::Backup, ""),
    row(
        "postgresql.cnpg.io",
        "scheduledbackups",
        Class::Backup,
        "all backups that it would have made",
    ),
    row(
        "postgresql.cnpg.io",
        "clusters",
        Class::Database,
        "its instances, and their volumes with all data",
    ),
    row(
        "postgresql.cnpg.io",
        "databases",
        Class::Database,
        "the database, where its reclaim policy is delete",
    ),
    row(
        "acid.zalan.do",
        "postgresqls",
        Class::Database,
        "its instances, and their volumes with all data",
    ),
    row(
        "longhorn.io",
        "volumes",
        Class::Volume,
        "its replicas and snapshots with all data",
    ),
    row("longhorn.io", "backups", Class::Backup, ""),
    row(
        "longhorn.io",
        "backupvolumes",
        Class::Backup,
        "all backups of the volume",
    ),
    row(
        "longhorn.io",
        "backuptargets",
        Class::Backup,
        "the way to all backups that lie there",
    ),
    row("longhorn.io", "snapshots", Class::Backup, ""),
    row(
        "longhorn.io",
        "recurringjobs",
        Class::Backup,
        "all backups that it would have made",
    ),
];

/// Groups in which everything is about rights and guards.
const RIGHTS: &[&str] = &[
    "admissionregistration.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// Groups of the cluster's own.
const BUILT_IN: &[&str] = &[
    "",
    "apiextensions.k8s.io",
    "apps",
    "autoscaling",
    "batch",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
];

/// What kind of thing a resource is.
pub fn class(group: &str, resource: &str) -> Class {
    let listed = ROWS
        .iter()
        .find(|r| r.group == group && r.resource == resource);
    match listed {
        Some(row) => row.class,
        // What the cluster's own groups have besides, later versions too, guards something.
        None if is_built_in(group) => Class::Rights,
        None => Class::Foreign,
    }
}

/// What goes along when one is deleted.
pub fn along(group: &str, resource: &str) -> &'static str {
    let listed = ROWS
        .iter()
        .find(|r| r.group == group && r.resource == resource);
    listed.map_or("", |row| row.along)
}

/// Whether a group is the cluster's own.
pub fn is_built_in(group: &str) -> bool {
    BUILT_IN.contains(&group) || RIGHTS.contains(&group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_guards_something_or_is_unknown() {
        assert_eq!(
            class("rbac.authorization.k8s.io", "clusterroles"),
            Class::Rights
        );
        assert_eq!(class("networking.k8s.io", "networkpolicies"), Class::Rights);
        assert_eq!(class("networking.k8s.io", "ingresses"), Class::Config);
        assert_eq!(class("x.io", "deployments"), Class::Foreign);
        assert_eq!(class("", "novelties"), Class::Rights);
    }

    #[test]
    fn no_resource_stands_twice() {
        let mut seen = std::collections::BTreeSet::new();
        assert!(ROWS.iter().all(|r| seen.insert((r.group, r.resource))));
    }
}
