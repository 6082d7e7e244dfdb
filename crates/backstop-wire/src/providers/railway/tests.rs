//! The pack against its schema and its own tests, and whole requests as clients send them.

use serde_json::json;

use backstop_core::effect::EffectKind;

use super::*;
use crate::graphql::pack::faults;
use crate::http::{Body, Scheme};

#[test]
fn the_pack_fits_its_schema_and_its_tests() {
    let faults = faults(ENTRIES, SCHEMA).unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn request(path: &[&str], query: &[(&str, &str)], body: Body) -> Request {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Request {
        method: if body == Body::Absent { "GET" } else { "POST" }.to_owned(),
        scheme: Scheme::Https,
        host: "backboard.railway.com".to_owned(),
        port: 443,
        raw_path: String::new(),
        segments: path.iter().map(|&segment| segment.to_owned()).collect(),
        query: query.iter().map(pair).collect(),
        headers: Vec::new(),
        body,
    }
}

#[test]
fn the_call_of_april_2026_is_read_whole() {
    let body = json!({"query": "mutation { volumeDelete(volumeId: \"3d2c42fb\") }"});
    let reading = read(&request(&["graphql", "v2"], &[], Body::Json(body)));
    assert_eq!(reading.provider, "railway");
    assert!(reading.analysis.is_complete());
    let [operation] = reading.operations.as_slice() else {
        panic!("one operation");
    };
    assert_eq!(operation.name, "volumeDelete");
    assert!(operation.along.iter().any(|along| along.contains("backup")));
    assert_eq!(reading.analysis.worst(), EffectKind::Destroy);
    let volume = &reading.analysis.effects[0];
    assert_eq!(volume.object.as_deref(), Some("volume.\"3d2c42fb\""));
    assert!(!volume.reversible);
    assert!(
        reading
            .analysis
            .effects
            .iter()
            .any(|effect| effect.safeguard)
    );
}

#[test]
fn both_hosts_are_served_and_no_other() {
    for host in ["backboard.railway.com", "backboard.railway.app"] {
        assert!(serves(host));
    }
    for host in [
        "railway.com",
        "backboard.railway.com.example",
        "backboard.railway-develop.com",
        "",
    ] {
        assert!(!serves(host), "{host}");
    }
}

#[test]
fn everyday_requests_read_and_nothing_more() {
    let query = "query UserProjects { me { name email workspaces { id name team { id } projects { edges { node { id name \
        deletedAt environments { edges { node { id name canAccess } } } services { edges { node { id name } } } } } } } } }";
    for (path, beside) in [
        (&["graphql", "v2"][..], &[][..]),
        (&["graphql", "internal"], &[("q", "UserProjects")]),
        (&["graphql", "v2"], &[("source", "cli")]),
    ] {
        let body = json!({"query": query, "variables": null, "operationName": "UserProjects"});
        let reading = read(&request(path, beside, Body::Json(body)));
        assert!(reading.analysis.is_read(), "{:?}", reading.analysis);
    }
    let get = read(&request(
        &["graphql", "v2"],
        &[("query", "{ me { id } }")],
        Body::Absent,
    ));
    assert!(get.analysis.is_read(), "{:?}", get.analysis);
}

#[test]
fn what_is_not_graphql_is_never_a_read() {
    let query = || Body::Json(json!({"query": "{ me { id } }"}));
    for request in [
        request(&["graphql", "v3"], &[], query()),
        request(&[], &[], query()),
        request(
            &["graphql", "v2"],
            &[("query", "mutation { userDelete }")],
            query(),
        ),
        request(
            &["graphql", "v2"],
            &[("query", "mutation { userDelete }")],
            Body::Absent,
        ),
        request(&["graphql", "v2"], &[], Body::Xml("<a/>".to_owned())),
    ] {
        let reading = read(&request);
        assert!(!reading.analysis.is_complete(), "{request:?}");
    }
}

/// Everything that the schema could return a credential by is marked, or looked at and found harmless.
#[test]
fn fields_that_sound_like_credentials_are_marked() {
    let words = [
        "secret",
        "token",
        "password",
        "credential",
        "variables",
        "config",
        "apikey",
        "accesskey",
        "code",
        "payload",
    ];
    let harmless = [
        // Names without values, and types that are pages of those.
        "Environment.variables",
        "Plugin.variables",
        // What a domain's owner publishes in DNS.
        "CustomDomainStatus.verificationToken",
        "TrustedDomainVerificationData.token",
        // About credentials, not credentials.
        "Passkey.credentialId",
        "Service.hasHiddenRegistryCredentialsFromTemplate",
        "User.apiTokenRateLimit",
        "Team.apiTokenRateLimit",
        "Workspace.apiTokenRateLimit",
        "TwoFactorInfo.hasRecoveryCodes",
        "AdoptionInfo.numConfigFile",
        "AdoptionInfo.numIconConfig",
        "AdoptionInfo.numVariables",
        "Environment.configEtag",
        "ServiceInstance.railwayConfigFile",
        "Query.apiToken",
        // The token that the request came with, whose `displayToken` is marked.
        "Query.projectToken",
        // Public names and settings.
        "ReferralInfo.code",
        "ReferralUser.code",
        "Template.code",
        "SimilarTemplate.code",
        "TemplateSearchResult.code",
        "Template.canvasConfig",
        "ObservabilityDashboardItemInstance.displayConfig",
        "ObservabilityDashboardItem.config",
        "ObservabilityDashboardMonitor.config",
        "PlanLimitOverride.config",
        "EdgeRuleDiagnostic.code",
        "ServiceInstance.edgeConfig",
        "SandboxExecResult.exitCode",
        "SandboxSessionRunState.exitCode",
        "HttpMetricsByStatusResult.statusCode",
        "DnsQueryLog.rcode",
        "CustomerAddress.postalCode",
        "DeploymentEvent.payload",
        "Event.activityPayload",
        "NotificationInstance.payload",
        "SignalChange.payload",
        "Query.workspaceByCode",
        "Query.inviteCode",
    ];
    // Values of any shape that were looked at: layouts, rules of signals and of the edge, limits, reports.
    let harmless_values = [
        "AuditLog.context",
        "CanvasViewMergePreview.mutations",
        "CanvasViewMergePreview.state",
        "ChangeSetApplyResult.diagnostics",
        "ChangeSetPreview.diagnostics",
        "Deployment.diagnosis",
        "EdgeConfig.edgeRules",
        "EdgeConfig.overrides",
        "EdgeConfig.purgeEpochByKind",
        "Environment.canvasGroupRefs",
        "EnvironmentMeta.skippedResourceIds",
        "ServiceInstance.preDeployCommand",
        "ServiceInstance.railpackInfo",
        "Signal.default",
        "Signal.rules",
        "SignalChange.prevState",
        "SignalEvaluation.trace",
        "SignalEvaluation.value",
        "SpendCommitment.features",
        "Template.metadata",
        "Template.supportHealthMetrics",
    ];
    let pack = pack().unwrap();
    let mut unmarked = Vec::new();
    for (of, field, scalar) in pack.fields() {
        let name = format!("{of}.{field}");
        let sounds = words.iter().any(|word| field.to_lowercase().contains(word));
        let any = scalar.is_some_and(|scalar| {
            !matches!(
                scalar,
                "DateTime" | "BigInt" | "SubscriptionPlanLimit" | "ServiceInstanceLimit"
            )
        });
        let looked_at = harmless
            .iter()
            .chain(&harmless_values)
            .any(|known| *known == name);
        if of == "Mutation" || of.starts_with("__") || looked_at || !(sounds || any) {
            continue;
        }
        if !pack.reveals(of, field) {
            unmarked.push(name);
        }
    }
    assert!(
        unmarked.is_empty(),
        "not marked, and not known to be harmless: {unmarked:?}"
    );
}

#[test]
fn every_mutation_that_ends_backups_says_so() {
    let pack = pack().unwrap();
    for name in [
        "volumeDelete",
        "volumeInstanceBackupDelete",
        "volumeInstanceBackupScheduleUpdate",
        "volumeInstanceBackupRestore",
        "projectDelete",
        "projectScheduleDelete",
        "projectScheduleDeleteForce",
        "environmentDelete",
        "workspaceDelete",
        "userDelete",
        "disablePitrForHaCluster",
        "cancelPitrHaWorkflow",
        "pluginDelete",
        "templateRevert",
        "sandboxCheckpointDelete",
    ] {
        assert!(pack.safeguards(name), "{name}");
    }
    for name in [
        "volumeInstanceBackupCreate",
        "volumeInstanceBackupLock",
        "variableUpsert",
        "serviceDelete",
    ] {
        assert!(!pack.safeguards(name), "{name}");
    }
}
