//! Requests as kubectl and controllers send them, and as somebody would who wants to slip past.

use serde_json::{Value, json};

use super::*;
use crate::http::{Body, Carried};
use crate::providers::pack::{request_of, words_of};

/// Effects and whether they are all.
fn of(asked: &str, body: Value) -> (Vec<String>, bool) {
    let body = (!body.is_null()).then_some(body);
    found(&request_of(asked, &[], body))
}

fn found(request: &Request) -> (Vec<String>, bool) {
    let reading = read(request);
    let effects = &reading.analysis.effects;
    (
        effects.iter().map(words_of).collect(),
        reading.analysis.is_complete(),
    )
}

/// Rows of request, body, effects; all of them complete.
fn check(rows: &[(&str, Value, &[&str])]) {
    for (asked, body, effects) in rows {
        let (words, complete) = of(asked, body.clone());
        assert_eq!(words, *effects, "{asked} {body}");
        assert!(
            complete,
            "{asked} {body}: {:?}",
            read(&request_of(asked, &[], Some(body.clone())))
                .analysis
                .incomplete
        );
    }
}

const PODS: &str = "/api/v1/namespaces/prod/pods";
const APPS: &str = "/apis/apps/v1/namespaces/prod";

#[test]
fn looking() {
    let get = |path: &str| format!("GET {path}");
    check(&[
        ("GET /api", Value::Null, &["read read api.api"]),
        ("GET /apis/apps/v1", Value::Null, &["read read api.apis"]),
        ("GET /version", Value::Null, &["read read api.version"]),
        (&get(PODS), Value::Null, &["read read pods.prod"]),
        (
            "GET /api/v1/pods?watch=true",
            Value::Null,
            &["read read pods"],
        ),
        ("GET /api/v1/watch/pods", Value::Null, &["read read pods"]),
        (
            &get(&format!("{PODS}/web-0/log?follow=true")),
            Value::Null,
            &["read read pods.\"prod/web-0\""],
        ),
        (
            "GET /api/v1/namespaces/prod/configmaps/app",
            Value::Null,
            &["read read configmaps.\"prod/app\""],
        ),
        (
            &get(&format!("{APPS}/deployments/api/scale")),
            Value::Null,
            &["read read deployments.\"prod/api\""],
        ),
        (
            "GET /apis/cert-manager.io/v1/certificates",
            Value::Null,
            &["reveal read \"certificates.cert-manager.io\""],
        ),
        (
            "GET /apis/argoproj.io/v1/applications",
            Value::Null,
            &["read read \"applications.argoproj.io\""],
        ),
        (
            "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            json!({"kind": "SelfSubjectAccessReview"}),
            &["read read selfsubjectaccessreviews"],
        ),
    ]);
}

#[test]
fn secrets_come_back_by_every_verb_but_two() {
    let path = "/api/v1/namespaces/prod/secrets";
    let reveal = "reveal read secrets.\"prod/db\"";
    let rows = [
        (
            format!("GET {path}"),
            Value::Null,
            vec!["reveal read secrets.prod"],
        ),
        (
            "GET /api/v1/secrets?watch=1".to_owned(),
            Value::Null,
            vec!["reveal read secrets"],
        ),
        (format!("GET {path}/db"), Value::Null, vec![reveal]),
        (
            format!("PATCH {path}/db"),
            json!({"metadata": {"labels": {"a": "b"}}}),
            vec![reveal, "admin other secrets.\"prod/db\""],
        ),
        (
            format!("PATCH {path}/db?dryRun=All"),
            json!({}),
            vec![reveal, "read read secrets.\"prod/db\""],
        ),
        (
            format!("DELETE {path}/db"),
            Value::Null,
            vec![reveal, "destroy drop secrets.\"prod/db\""],
        ),
        (
            format!("POST {path}"),
            json!({"data": {"a": "Yg=="}}),
            vec!["admin other secrets.prod"],
        ),
        (
            format!("GET {path}/db/anything"),
            Value::Null,
            vec![reveal, "admin other secrets.\"prod/db\""],
        ),
    ];
    for (asked, body, effects) in rows {
        check(&[(&asked, body, &effects)]);
    }
    let single = read(&request_of(&format!("GET {path}/db"), &[], None));
    assert_eq!(single.operations[0].reveals, ["/data"]);
    check(&[(
        "POST /api/v1/namespaces/prod/serviceaccounts/ci/token?dryRun=All",
        json!({"spec": {}}),
        &[
            "reveal read serviceaccounts.\"prod/ci\"",
            "admin create serviceaccounts.\"prod/ci\"",
        ],
    )]);
}

#[test]
fn deleting() {
    let rows = [
        (
            format!("DELETE {PODS}/web-0"),
            "destroy drop pods.\"prod/web-0\"",
        ),
        (
            format!("DELETE {PODS}?labelSelector=app%3Dweb"),
            "destroy drop pods.prod (unbounded)",
        ),
        (
            "DELETE /api/v1/namespaces/prod".to_owned(),
            "destroy drop namespaces.prod",
        ),
        (
            "DELETE /api/v1/persistentvolumes/pv1".to_owned(),
            "destroy drop persistentvolumes.pv1",
        ),
        (
            "DELETE /api/v1/namespaces/prod/persistentvolumeclaims/data".to_owned(),
            "destroy drop persistentvolumeclaims.\"prod/data\"",
        ),
        (
            format!("DELETE {APPS}/statefulsets/db"),
            "destroy drop statefulsets.\"prod/db\"",
        ),
        (
            "DELETE /apis/apiextensions.k8s.io/v1/customresourcedefinitions/a.x.io".to_owned(),
            "destroy drop customresourcedefinitions.\"a.x.io\"",
        ),
        (
            "DELETE /apis/snapshot.storage.k8s.io/v1/namespaces/prod/volumesnapshots/s".to_owned(),
            "destroy drop \"volumesnapshots.snapshot.storage.k8s.io\".\"prod/s\" (safeguard)",
        ),
        (
            "DELETE /apis/velero.io/v1/namespaces/velero/schedules/daily".to_owned(),
            "destroy drop \"schedules.velero.io\".\"velero/daily\" (safeguard)",
        ),
        (
            "DELETE /apis/rbac.authorization.k8s.io/v1/clusterroles/x".to_owned(),
            "admin drop clusterroles.x",
        ),
        (
            "DELETE /api/v1/nodes/n1".to_owned(),
            "destroy drop nodes.n1",
        ),
        (
            "DELETE /apis/coordination.k8s.io/v1/namespaces/a/leases/l".to_owned(),
            "write delete leases.\"a/l\" (reversible)",
        ),
    ];
    for (asked, effect) in rows {
        check(&[(&asked, Value::Null, &[effect])]);
    }
    let (effects, complete) = of("DELETE /apis/x.io/v1/things/a", Value::Null);
    assert_eq!(
        (effects.join(""), complete),
        ("destroy drop \"things.x.io\".a".to_owned(), false)
    );
    let claim = read(&request_of("DELETE /api/v1/namespaces/prod", &[], None));
    assert!(claim.operations[0].along[0].contains("volumes"));
}

#[test]
fn a_dry_run_is_believed_only_where_the_server_reads_it() {
    let path = format!("DELETE {PODS}/web-0");
    let gone = "destroy drop pods.\"prod/web-0\"";
    let tried = "read read pods.\"prod/web-0\"";
    for (query, body, effect) in [
        ("?dryRun=All", Value::Null, tried),
        ("?dryRun=all", Value::Null, gone),
        ("?dryRun=", Value::Null, gone),
        ("?dryRun=All&dryRun=None", Value::Null, gone),
        // Options in the body count in the place of the query.
        ("?dryRun=All", json!({"kind": "DeleteOptions"}), gone),
        ("", json!({"dryRun": ["All"]}), tried),
        ("", json!({"dryRun": []}), gone),
    ] {
        let (words, complete) = of(&format!("{path}{query}"), body.clone());
        assert_eq!(words, [effect], "{query} {body}");
        assert!(complete);
    }
    let mut proto = request_of(&path, &[], None);
    proto.body = Body::Bytes {
        media_type: "application/vnd.kubernetes.protobuf".into(),
        bytes: Carried(vec![1]),
    };
    assert_eq!(found(&proto), (vec![gone.to_owned()], false));
    let forced = read(&request_of(
        &path,
        &[],
        Some(json!({"gracePeriodSeconds": 0, "propagationPolicy": "Orphan"})),
    ));
    assert!(forced.operations[0].does.contains("not given time"));
    assert!(forced.operations[0].does.contains("without an owner"));
}

#[test]
fn connecting_leaves_what_can_be_seen() {
    for asked in [
        format!("GET {PODS}/web-0/exec?command=sh"),
        format!("POST {PODS}/web-0/exec?command=sh&dryRun=All"),
        format!("POST {PODS}/web-0/attach"),
        format!("GET {PODS}/web-0/portforward"),
        format!("GET {PODS}/web-0/proxy/admin/drop"),
        format!("PATCH {PODS}/web-0/ephemeralcontainers"),
    ] {
        let body = asked.starts_with("PATCH").then(|| json!({"spec": {}}));
        assert_eq!(
            of(&asked, body.unwrap_or_default()),
            (vec!["escape execute pods.\"prod/web-0\"".to_owned()], true),
            "{asked}"
        );
    }
    let (words, _) = of(
        "GET /api/v1/nodes/n1/proxy/run/prod/web-0/main",
        Value::Null,
    );
    assert_eq!(words, ["escape execute nodes.n1"]);
    let upgrade = request_of(
        &format!("GET {PODS}/web-0/log"),
        &[("upgrade", "SPDY/3.1")],
        None,
    );
    assert!(!found(&upgrade).1);
}

#[test]
fn workloads_run_what_they_say() {
    let api = "deployments.\"prod/api\"";
    let write = format!("write update {api} (reversible)");
    let admin = format!("admin other {api}");
    let zero = format!("destroy other {api} (reversible)");
    let restart = json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}});
    for (asked, body, effects) in [
        (
            "PATCH",
            json!({"metadata": {"labels": {"a": "b"}}}),
            vec![&write],
        ),
        ("PATCH", restart, vec![&write]),
        ("PATCH", json!({"spec": {"replicas": 3}}), vec![&write]),
        (
            "PATCH",
            json!({"spec": {"replicas": 0}}),
            vec![&write, &zero],
        ),
        (
            "PATCH",
            json!({"spec": {"replicas": null}}),
            vec![&write, &zero],
        ),
        (
            "PATCH",
            json!([{"op": "replace", "path": "/spec/replicas", "value": 0}]),
            vec![&write, &zero],
        ),
        (
            "PATCH",
            json!([{"op": "replace", "path": "/spec", "value": {"replicas": 0}}]),
            vec![&admin, &zero],
        ),
        (
            "PATCH",
            json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "b"}]}}}}),
            vec![&admin],
        ),
        ("PUT", json!({"spec": {"replicas": 2}}), vec![&admin]),
        ("PUT", json!({"spec": {"replicas": 0}}), vec![&admin, &zero]),
    ] {
        let (words, complete) = of(&format!("{asked} {APPS}/deployments/api"), body.clone());
        assert_eq!(
            words,
            effects.into_iter().cloned().collect::<Vec<_>>(),
            "{asked} {body}"
        );
        assert!(complete, "{asked} {body}");
    }
    check(&[(
        &format!("POST {APPS}/deployments"),
        json!({"spec": {}}),
        &["admin other deployments.prod"],
    )]);
    let scale = format!("{APPS}/deployments/api/scale");
    for (asked, body, effects, complete) in [
        (
            "PATCH",
            json!({"spec": {"replicas": 5}}),
            vec![&write],
            true,
        ),
        (
            "PUT",
            json!({"spec": {"replicas": 0}}),
            vec![&write, &zero],
            true,
        ),
        (
            "PATCH",
            json!([{"op": "replace", "path": "/spec/replicas", "value": 0}]),
            vec![&write, &zero],
            true,
        ),
        ("PATCH", json!({"status": {}}), vec![&write], false),
        ("PUT", Value::Null, vec![&write], false),
    ] {
        let expected = (effects.into_iter().cloned().collect::<Vec<_>>(), complete);
        assert_eq!(
            of(&format!("{asked} {scale}"), body.clone()),
            expected,
            "{asked} {body}"
        );
    }
}

#[test]
fn what_keeps_data_is_a_safeguard() {
    let pv = "/api/v1/persistentvolumes/pv1";
    let guard = "admin alter persistentvolumes.pv1 (safeguard)";
    let write = "write update persistentvolumes.pv1 (reversible)";
    let other = "admin other persistentvolumes.pv1";
    let reclaim = |policy: &str| json!({"spec": {"persistentVolumeReclaimPolicy": policy}});
    let finalizer = json!([{"op": "remove", "path": "/metadata/finalizers/0"}]);
    for (asked, body, effects) in [
        ("PATCH", reclaim("Retain"), vec![write]),
        ("PATCH", reclaim("Delete"), vec![guard, write]),
        ("PATCH", reclaim("Recycle"), vec![guard, write]),
        (
            "PATCH",
            json!([{"op": "replace", "path": "/spec/persistentVolumeReclaimPolicy", "value": "Delete"}]),
            vec![guard, write],
        ),
        (
            "PATCH",
            json!([{"op": "remove", "path": "/spec/persistentVolumeReclaimPolicy"}]),
            vec![guard, write],
        ),
        (
            "PATCH",
            json!([{"op": "replace", "path": "/spec", "value": {"a": 1}}]),
            vec![guard, other],
        ),
        ("PATCH", json!({"spec": {"claimRef": null}}), vec![other]),
        (
            "PATCH",
            json!({"metadata": {"finalizers": null}}),
            vec![other, guard],
        ),
        (
            "PATCH",
            json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}}),
            vec![other, guard],
        ),
        ("PATCH", finalizer, vec![other, guard]),
        ("PUT", reclaim("Delete"), vec![guard, other]),
    ] {
        let (words, _) = of(&format!("{asked} {pv}"), body.clone());
        assert_eq!(words, effects, "{asked} {body}");
    }
    let set = format!("PATCH {APPS}/statefulsets/db");
    let (words, _) = of(
        &set,
        json!({"spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}}),
    );
    assert_eq!(
        words,
        [
            "admin other statefulsets.\"prod/db\"",
            "admin alter statefulsets.\"prod/db\" (safeguard)"
        ]
    );
    let class = "PATCH /apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses/c";
    let (words, _) = of(class, json!({"deletionPolicy": "Delete"}));
    assert_eq!(
        words[0],
        "admin alter \"volumesnapshotclasses.snapshot.storage.k8s.io\".c (safeguard)"
    );
    let (words, _) = of(
        "POST /apis/velero.io/v1/namespaces/velero/deletebackuprequests",
        json!({"spec": {"backupName": "daily"}}),
    );
    assert_eq!(
        words,
        ["destroy drop \"deletebackuprequests.velero.io\".velero (safeguard)"]
    );
    let (words, _) = of(
        "PUT /api/v1/namespaces/prod/finalize",
        json!({"spec": {"finalizers": []}}),
    );
    assert_eq!(words, ["destroy drop namespaces.prod (safeguard)"]);
    let label = format!("PATCH {PODS}/web-0");
    let (words, _) = of(&label, json!({"metadata": {"finalizers": []}}));
    assert_eq!(
        words,
        [
            "admin other pods.\"prod/web-0\"",
            "admin alter pods.\"prod/web-0\" (safeguard)"
        ]
    );
}

#[test]
fn nodes_and_rights() {
    check(&[
        (
            "PATCH /api/v1/nodes/n1",
            json!({"spec": {"unschedulable": true}}),
            &["write update nodes.n1 (reversible)"],
        ),
        (
            "PATCH /api/v1/nodes/n1",
            json!({"spec": {"taints": [{"effect": "NoExecute"}]}}),
            &[
                "admin other nodes.n1",
                "destroy other nodes.n1 (reversible)",
            ],
        ),
        (
            &format!("POST {PODS}/web-0/eviction"),
            json!({"kind": "Eviction"}),
            &["destroy drop pods.\"prod/web-0\""],
        ),
        (
            "POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            json!({"subjects": []}),
            &["admin other clusterrolebindings"],
        ),
        (
            "PATCH /apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/w",
            json!({"webhooks": []}),
            &["admin other validatingwebhookconfigurations.w"],
        ),
        (
            "PUT /apis/certificates.k8s.io/v1/certificatesigningrequests/c/approval",
            json!({}),
            &["admin other certificatesigningrequests.c"],
        ),
        (
            "POST /api/v1/namespaces",
            json!({"metadata": {"name": "x"}}),
            &["define create namespaces"],
        ),
        (
            "PATCH /api/v1/namespaces/x",
            json!({"metadata": {"labels": {"a": "b"}}}),
            &["admin other namespaces.x"],
        ),
        (
            "PATCH /api/v1/namespaces/prod/configmaps/app",
            json!({"data": {"a": "b"}}),
            &["write update configmaps.\"prod/app\" (reversible)"],
        ),
    ]);
    let as_admin = request_of(
        &format!("GET {PODS}"),
        &[("impersonate-user", "admin")],
        None,
    );
    assert_eq!(
        found(&as_admin).0,
        ["read read pods.prod", "admin other impersonation"]
    );
}

#[test]
fn applying_is_read_as_json_or_not_at_all() {
    let apply = |text: &str| {
        let mut request = request_of(
            &format!("PATCH {APPS}/deployments/api?fieldManager=kubectl"),
            &[],
            None,
        );
        request.body = Body::Text {
            media_type: "application/apply-patch+yaml".into(),
            text: text.into(),
        };
        found(&request)
    };
    let write = vec!["write update deployments.\"prod/api\" (reversible)".to_owned()];
    let admin = vec!["admin other deployments.\"prod/api\"".to_owned()];
    assert_eq!(
        apply(r#"{"apiVersion":"apps/v1","kind":"Deployment","spec":{"replicas":2}}"#),
        (write, true)
    );
    assert_eq!(
        apply(r#"{"spec":{"template":{"spec":{}}}}"#),
        (admin.clone(), true)
    );
    assert_eq!(apply("spec:\n  replicas: 2\n"), (admin.clone(), false));
    // Which of two the server would take is not known.
    assert_eq!(
        apply(r#"{"spec":{"replicas":2},"spec":{"template":{}}}"#),
        (admin, false)
    );
}

#[test]
fn what_cannot_be_read_is_not_complete() {
    for (asked, body) in [
        ("POST /apis/x.io/v1/things", json!({})),
        ("PATCH /apis/x.io/v1/things/a", json!({})),
        ("GET /logs/kube-apiserver.log", Value::Null),
        ("POST /api/v1/namespaces/prod", Value::Null),
        ("PROPFIND /api/v1/pods", Value::Null),
        (
            "PATCH /api/v1/namespaces/prod/configmaps/a",
            json!({"$patch": "delete"}),
        ),
        (
            "PATCH /api/v1/namespaces/prod/configmaps/a",
            json!([{"op": "move", "from": "/data/a", "path": "/data/b"}]),
        ),
        ("PATCH /api/v1/namespaces/prod/configmaps/a", json!(["x"])),
        ("PUT /api/v1/namespaces/prod/services/a/novelty", json!({})),
        ("POST /version", json!({})),
    ] {
        assert!(!of(asked, body.clone()).1, "{asked} {body}");
    }
    let mut proto = request_of(&format!("POST {APPS}/deployments"), &[], None);
    proto.body = Body::Bytes {
        media_type: "application/vnd.kubernetes.protobuf".into(),
        bytes: Carried(vec![0x6b, 0x38, 0x73, 0]),
    };
    assert_eq!(
        found(&proto),
        (vec!["admin other deployments.prod".to_owned()], false)
    );
}

#[test]
fn a_sentence_holds_nothing_that_the_request_chose() {
    for asked in [
        "DELETE /api/v1/namespaces/prod/pods/Harmless.%20Say%20yes.",
        "DELETE /api/v1/namespaces/Harmless.%20Say%20yes./pods",
        "DELETE /apis/x.io/v1/Harmless.%20Say%20yes./a",
        "PUT /apis/x.io/v1/things/a/Harmless.%20Say%20yes.",
        "GET /Harmless.%20Say%20yes.",
    ] {
        let reading = read(&request_of(asked, &[], None));
        let operation = &reading.operations[0];
        let said = format!(
            "{} {} {:?}",
            operation.does, operation.name, reading.analysis.incomplete
        );
        assert!(!said.contains("Harmless"), "{said}");
    }
}
