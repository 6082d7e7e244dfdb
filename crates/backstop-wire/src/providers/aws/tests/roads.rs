//! Roads around the reading: each names one operation and means another, or hides what it takes.

use backstop_core::effect::EffectKind;
use proptest::prelude::*;
use serde_json::json;

use super::{effects, names, read, request, signed};
use crate::http::{Body, Request};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn rds(query: &str, body: &str) -> Request {
    let authorization = signed("rds", "eu-west-1");
    let headers = [("authorization", authorization.as_str()), FORM];
    let url = format!("https://rds.eu-west-1.amazonaws.com/{query}");
    request("POST", &url, &headers, body.as_bytes())
}

fn s3(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Request {
    request(method, url, headers, body.as_bytes())
}

fn incomplete(request: &Request) -> String {
    read(request, None).analysis.incomplete.join("; ")
}

#[test]
fn host_and_signature_must_agree() {
    let scope = signed("s3", "eu-west-1");
    let headers = [("authorization", scope.as_str()), FORM];
    let body = b"Action=DescribeDBInstances&Version=2014-10-31";
    let asked = request(
        "POST",
        "https://rds.eu-west-1.amazonaws.com/",
        &headers,
        body,
    );
    assert_eq!(
        incomplete(&asked),
        "the host says rds, the signature says s3"
    );
    let scope = signed("rds", "us-east-1");
    let headers = [("authorization", scope.as_str()), FORM];
    let asked = request(
        "POST",
        "https://rds.eu-west-1.amazonaws.com/",
        &headers,
        body,
    );
    assert_eq!(
        incomplete(&asked),
        "the host says eu-west-1, the signature says us-east-1"
    );
    let url = "https://rds.eu-west-1.amazonaws.com/?X-Amz-Credential=A/20260101/eu-west-1/s3/aws4_request";
    let scope = signed("rds", "eu-west-1");
    let headers = [("authorization", scope.as_str()), FORM];
    let asked = request("POST", url, &headers, body);
    assert!(incomplete(&asked).contains("more than one service"));
}

#[test]
fn an_action_named_twice_is_both_and_not_understood() {
    let asked = rds(
        "?Action=DescribeDBInstances",
        "Action=DeleteDBInstance&Version=2014-10-31&DBInstanceIdentifier=prod",
    );
    let reading = read(&asked, None);
    assert_eq!(
        names(&reading),
        ["rds:DescribeDBInstances", "rds:DeleteDBInstance"]
    );
    assert!(!reading.analysis.is_complete());
    assert_eq!(reading.analysis.worst(), EffectKind::Destroy);
    // The same twice is one.
    let asked = rds(
        "?Action=DescribeDBInstances",
        "Action=DescribeDBInstances&Version=2014-10-31",
    );
    assert!(read(&asked, None).analysis.is_read());
}

#[test]
fn an_argument_given_twice_is_not_understood() {
    for (query, body) in [
        ("?SkipFinalSnapshot=true", "SkipFinalSnapshot=false"),
        ("", "SkipFinalSnapshot=true&SkipFinalSnapshot=false"),
    ] {
        let body =
            format!("Action=DeleteDBInstance&Version=2014-10-31&DBInstanceIdentifier=prod&{body}");
        assert!(
            incomplete(&rds(query, &body)).contains("given twice"),
            "{query} {body}"
        );
    }
}

#[test]
fn an_argument_that_nobody_reviewed_is_not_understood() {
    let body =
        "Action=ModifyDBInstance&Version=2014-10-31&DBInstanceIdentifier=prod&WipeEverything=true";
    assert!(incomplete(&rds("", body)).contains("WipeEverything"));
    let body = "Action=DescribeDBInstances&Version=2014-10-31&Newer=x";
    assert_eq!(incomplete(&rds("", body)), "", "a read stays one");
}

#[test]
fn an_unknown_action_is_not_understood() {
    for (query, body) in [
        ("", "Action=ObliterateDBInstance&Version=2014-10-31"),
        ("", "Action=deletedbinstance&Version=2014-10-31"),
        ("", "Version=2014-10-31"),
        ("", ""),
    ] {
        let reading = read(&rds(query, body), None);
        assert!(!reading.analysis.is_complete(), "{body}");
        assert!(!reading.analysis.is_read(), "{body}");
    }
}

#[test]
fn x_amz_target_cannot_speak_for_another_service() {
    let scope = signed("dynamodb", "eu-west-1");
    let at = "https://dynamodb.eu-west-1.amazonaws.com/";
    let ask = |target: &[(&str, &str)], body: &str| {
        let mut headers = vec![
            ("authorization", scope.as_str()),
            ("content-type", "application/x-amz-json-1.0"),
        ];
        headers.extend(target);
        request("POST", at, &headers, body.as_bytes())
    };
    let list = ("x-amz-target", "DynamoDB_20120810.ListTables");
    let delete = ("x-amz-target", "DynamoDB_20120810.DeleteTable");
    assert!(read(&ask(&[list], "{}"), None).analysis.is_read());
    let both = read(&ask(&[list, delete], r#"{"TableName":"t"}"#), None);
    assert!(!both.analysis.is_complete());
    assert_eq!(both.analysis.worst(), EffectKind::Destroy);
    for target in [
        "Kinesis_20131202.ListStreams",
        "DynamoDB_20111205.DeleteTable",
        "ListTables",
        ".",
        "",
    ] {
        let reading = read(&ask(&[("x-amz-target", target)], "{}"), None);
        assert!(!reading.analysis.is_complete(), "{target}");
    }
    // Both as a header and in the query.
    let mut asked = ask(&[list], "{}");
    asked
        .query
        .push(("Action".to_owned(), "DeleteTable".to_owned()));
    assert!(!read(&asked, None).analysis.is_complete());
    // And as a path.
    let mut asked = ask(
        &[("x-amz-target", "GraniteServiceVersion20100801.ListMetrics")],
        "{}",
    );
    asked.host = "monitoring.eu-west-1.amazonaws.com".to_owned();
    asked.headers.retain(|(n, _)| n != "authorization");
    asked.segments = [
        "service",
        "GraniteServiceVersion20100801",
        "operation",
        "DeleteAlarms",
    ]
    .map(String::from)
    .to_vec();
    let reading = read(&asked, None);
    assert_eq!(
        names(&reading),
        ["cloudwatch:ListMetrics", "cloudwatch:DeleteAlarms"]
    );
    assert!(!reading.analysis.is_complete());
}

#[test]
fn json_that_two_readers_read_differently_is_not_understood() {
    let headers = [
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", "DynamoDB_20120810.UpdateContinuousBackups"),
    ];
    let off = r#"{"TableName":"t","PointInTimeRecoverySpecification":{"PointInTimeRecoveryEnabled":true,"PointInTimeRecoveryEnabled":false}}"#;
    for body in [
        off,
        "[]",
        "{} ",
        "{",
        r#"{"TableName":"t"}{"x":1}"#,
        r#"{"tablename":"t"}"#,
    ] {
        let asked = request(
            "POST",
            "https://dynamodb.eu-west-1.amazonaws.com/",
            &headers,
            body.as_bytes(),
        );
        assert_eq!(
            read(&asked, None).analysis.is_complete(),
            body == "{} ",
            "{body}"
        );
    }
    let mut asked = request(
        "POST",
        "https://dynamodb.eu-west-1.amazonaws.com/",
        &headers,
        b"{}",
    );
    asked.body = Body::Streamed {
        media_type: "application/x-amz-json-1.0".into(),
        length: None,
    };
    assert!(!read(&asked, None).analysis.is_complete());
}

#[test]
fn s3_sub_resources_make_the_operation() {
    let at = "https://b.s3.eu-west-1.amazonaws.com";
    for (method, path, operation) in [
        ("DELETE", "/", "s3:DeleteBucket"),
        ("DELETE", "/?lifecycle", "s3:DeleteBucketLifecycle"),
        ("DELETE", "/?policy=", "s3:DeleteBucketPolicy"),
        ("DELETE", "/k", "s3:DeleteObject"),
        ("DELETE", "/k?tagging", "s3:DeleteObjectTagging"),
        ("DELETE", "/k?uploadId=u", "s3:AbortMultipartUpload"),
        ("DELETE", "/k?versionId=v", "s3:DeleteObject"),
        ("POST", "/?delete", "s3:DeleteObjects"),
        ("POST", "/k?uploads", "s3:CreateMultipartUpload"),
        ("PUT", "/?versioning", "s3:PutBucketVersioning"),
        ("PUT", "/?object-lock", "s3:PutObjectLockConfiguration"),
        ("PUT", "/k?retention", "s3:PutObjectRetention"),
        ("PUT", "/k?partNumber=1&uploadId=u", "s3:UploadPart"),
        ("GET", "/?list-type=2", "s3:ListObjectsV2"),
        ("GET", "/", "s3:ListObjects"),
        ("GET", "/?inventory", "s3:ListBucketInventoryConfigurations"),
        (
            "GET",
            "/?inventory&id=x",
            "s3:GetBucketInventoryConfiguration",
        ),
    ] {
        let reading = read(&s3(method, &format!("{at}{path}"), &[], ""), None);
        assert_eq!(
            names(&reading),
            [operation],
            "{method} {path} {:?}",
            reading.analysis.incomplete
        );
        let slashed = format!("https://s3.eu-west-1.amazonaws.com/b{path}");
        let reading = read(&s3(method, &slashed, &[], ""), None);
        assert_eq!(names(&reading), [operation], "{method} {slashed}");
    }
    let copied = s3(
        "PUT",
        &format!("{at}/k"),
        &[("x-amz-copy-source", "/c/x")],
        "",
    );
    assert_eq!(names(&read(&copied, None)), ["s3:CopyObject"]);
    let part = s3(
        "PUT",
        &format!("{at}/k?partNumber=1&uploadId=u"),
        &[("x-amz-copy-source", "/c/x")],
        "",
    );
    assert_eq!(names(&read(&part, None)), ["s3:UploadPartCopy"]);
}

#[test]
fn s3_words_that_could_mean_another_operation_are_not_understood() {
    let at = "https://b.s3.eu-west-1.amazonaws.com";
    for (method, path) in [
        ("PUT", "/?somethingnew"),
        ("PUT", "/?LifeCycle"),
        ("PUT", "/?lifecycle&versioning"),
        ("DELETE", "/k?uploadId="),
        ("DELETE", "/k?uploadId=u&tagging"),
        ("DELETE", "/k?versionId=a&versionId=b"),
        ("PUT", "/k?partNumber=1&uploadId=u&acl"),
        ("POST", "/"),
        ("POST", "/k"),
        ("PATCH", "/k"),
    ] {
        let reading = read(&s3(method, &format!("{at}{path}"), &[], ""), None);
        assert!(
            !reading.analysis.is_complete(),
            "{method} {path} {:?}",
            effects(&reading)
        );
    }
    let asked = s3(
        "DELETE",
        "https://s3.eu-west-1.amazonaws.com/b%2Fk",
        &[],
        "",
    );
    assert!(
        !read(&asked, None).analysis.is_complete(),
        "a slash in the bucket's name"
    );
}

#[test]
fn what_is_a_header_counts_in_a_presigned_query_too() {
    let at = "https://b.s3.eu-west-1.amazonaws.com/k";
    let asked = s3(
        "DELETE",
        &format!("{at}?X-Amz-Bypass-Governance-Retention=true"),
        &[],
        "",
    );
    assert!(
        effects(&read(&asked, None))
            .contains(&"admin delete s3-object.\"b/k\" safeguard".to_owned())
    );
    let asked = s3("PUT", &format!("{at}?x-amz-copy-source=%2Fc%2Fx"), &[], "");
    assert_eq!(names(&read(&asked, None)), ["s3:CopyObject"]);
    let asked = s3("PUT", &format!("{at}?x-amz-acl=public-read"), &[], "");
    assert_eq!(read(&asked, None).analysis.worst(), EffectKind::Escape);
}

#[test]
fn a_method_override_is_not_understood() {
    let at = "https://b.s3.eu-west-1.amazonaws.com/k";
    let asked = s3("GET", at, &[("x-http-method-override", "GET")], "");
    assert!(!read(&asked, None).analysis.is_complete());
}

#[test]
fn xml_cannot_hide_what_it_says() {
    let ask = |body: &str, media: &str| {
        let headers = [("content-type", media)];
        read(
            &s3(
                "PUT",
                "https://b.s3.eu-west-1.amazonaws.com/?versioning",
                &headers,
                body,
            ),
            None,
        )
    };
    let v = |inner: &str| format!("<VersioningConfiguration>{inner}</VersioningConfiguration>");
    for body in [
        v("<Status>Suspended</Status>"),
        v("<Status>Sus<!-- -->pended</Status>"),
        v("<Status><![CDATA[Suspended]]></Status>"),
        v("<x:Status xmlns:x='http://s3.amazonaws.com/doc/2006-03-01/'>&#83;uspended</x:Status>"),
        v("<Status> suspended </Status>"),
    ] {
        for media in ["application/xml", "text/plain", "application/octet-stream"] {
            assert_eq!(
                effects(&ask(&body, media)),
                ["admin alter s3-bucket.b safeguard"],
                "{body} {media}"
            );
        }
    }
    for body in [
        v("<Status>Enabled</Status><Status>Suspended</Status>"),
        v("<Status>Enabled</Status><Other/>"),
        "<!DOCTYPE v [<!ENTITY s 'Suspended'>]><V><Status>&s;</Status></V>".to_owned(),
        "{}".to_owned(),
    ] {
        assert!(
            !ask(&body, "application/xml").analysis.is_complete(),
            "{body}"
        );
    }
    assert!(
        ask(&v("<Status>Enabled</Status>"), "application/xml")
            .analysis
            .is_complete()
    );
}

#[test]
fn a_list_of_objects_is_counted_wherever_it_stands() {
    let objects: String = (0..1000)
        .map(|i| format!("<Object><Key>{i}</Key></Object>"))
        .collect();
    let body =
        format!("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{objects}</Delete>");
    let asked = s3(
        "POST",
        "https://b.s3.eu-west-1.amazonaws.com/?delete",
        &[],
        &body,
    );
    assert_eq!(
        effects(&read(&asked, None)),
        ["destroy delete s3-bucket.b rows=1000"]
    );
    let mut streamed = asked;
    streamed.body = Body::Streamed {
        media_type: "application/xml".into(),
        length: None,
    };
    assert!(!read(&streamed, None).analysis.is_complete());
}

#[test]
fn a_dry_run_is_one_only_if_ec2_thinks_so() {
    let ec2 = |rest: &str| {
        let body = format!("Action=TerminateInstances&Version=2016-11-15&InstanceId.1=i-1{rest}");
        request(
            "POST",
            "https://ec2.eu-west-1.amazonaws.com/",
            &[FORM],
            body.as_bytes(),
        )
    };
    assert!(read(&ec2("&DryRun=true"), None).analysis.is_read());
    for rest in [
        "",
        "&DryRun=false",
        "&DryRun=True ",
        "&dryrun=true",
        "&DryRun=true&DryRun=false",
        "&DryRun.1=true",
        "&DryRun=yes",
    ] {
        assert_eq!(
            read(&ec2(rest), None).analysis.worst(),
            EffectKind::Destroy,
            "{rest}"
        );
    }
    let body = b"Action=DeleteDBInstance&Version=2014-10-31&DBInstanceIdentifier=p&DryRun=true";
    let asked = request(
        "POST",
        "https://rds.eu-west-1.amazonaws.com/",
        &[FORM],
        body,
    );
    assert_eq!(read(&asked, None).analysis.worst(), EffectKind::Destroy);
}

#[test]
fn other_hosts_need_a_hint() {
    let scope = signed("rds", "eu-west-1");
    let headers = [("authorization", scope.as_str()), FORM];
    let body = b"Action=DeleteDBSnapshot&Version=2014-10-31&DBSnapshotIdentifier=s";
    let asked = request("POST", "http://localhost:5000/", &headers, body);
    let reading = read(&asked, None);
    assert_eq!(reading.provider, "");
    assert!(!reading.analysis.is_complete());
    for hint in ["rds", "*"] {
        let reading = read(&asked, Some(hint));
        assert_eq!(names(&reading), ["rds:DeleteDBSnapshot"], "{hint}");
        assert!(reading.analysis.is_complete(), "{hint}");
    }
    for hint in ["s3", "no-such-service"] {
        assert!(!read(&asked, Some(hint)).analysis.is_complete(), "{hint}");
    }
}

#[test]
fn a_host_of_aws_that_is_no_api_is_not_understood() {
    for host in [
        "abc123.execute-api.eu-west-1.amazonaws.com",
        "search-x-y.eu-west-1.es.amazonaws.com",
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com",
        "b.s3-website.eu-west-1.amazonaws.com",
        "nothing.eu-west-1.amazonaws.com",
        "eu-west-1.amazonaws.com",
    ] {
        let reading = read(
            &request("DELETE", &format!("https://{host}/prod/x"), &[], b""),
            None,
        );
        assert!(
            !reading.analysis.is_complete(),
            "{host} {:?}",
            names(&reading)
        );
    }
}

#[test]
fn services_that_share_a_host_are_told_apart() {
    let elb = |version: &str| {
        let body = format!("Action=DeleteLoadBalancer{version}");
        request(
            "POST",
            "https://elasticloadbalancing.eu-west-1.amazonaws.com/",
            &[FORM],
            body.as_bytes(),
        )
    };
    assert_eq!(
        names(&read(&elb("&Version=2012-06-01"), None)),
        ["elb:DeleteLoadBalancer"]
    );
    assert_eq!(
        names(&read(&elb("&Version=2015-12-01"), None)),
        ["elbv2:DeleteLoadBalancer"]
    );
    assert!(!read(&elb(""), None).analysis.is_complete());
}

/// DocumentDB and Neptune are asked at RDS, by the same names.
#[test]
fn an_operation_of_one_endpoint_under_several_names_is_in_no_doubt() {
    let scope = signed("rds", "eu-west-1");
    let headers = [("authorization", scope.as_str()), FORM];
    for (action, kind) in [
        ("DescribeDBInstances", EffectKind::Read),
        ("DescribeDBClusters", EffectKind::Read),
        ("DeleteDBCluster", EffectKind::Destroy),
    ] {
        let body = format!("Action={action}&Version=2014-10-31");
        for url in [
            "https://rds.eu-west-1.amazonaws.com/",
            "http://localhost:5000/",
        ] {
            let asked = request("POST", url, &headers, body.as_bytes());
            let reading = read(&asked, Some("*"));
            let names = names(&reading);
            let all = ["docdb", "neptune", "rds"].map(|service| format!("{service}:{action}"));
            assert!(names.contains(&all[2].as_str()), "{names:?}");
            assert!(
                names.iter().all(|n| all.contains(&(*n).to_owned())),
                "{names:?}"
            );
            assert_eq!(
                reading.analysis.incomplete,
                Vec::<String>::new(),
                "{action}"
            );
            assert_eq!(reading.analysis.worst(), kind, "{action}");
        }
    }
}

#[test]
fn protections_of_unreviewed_services_are_seen() {
    let headers = [
        ("content-type", "application/x-amz-json-1.1"),
        (
            "x-amz-target",
            "AWSCognitoIdentityProviderService.UpdateUserPool",
        ),
    ];
    let body = json!({"UserPoolId": "p", "DeletionProtection": "INACTIVE"}).to_string();
    let asked = request(
        "POST",
        "https://cognito-idp.eu-west-1.amazonaws.com/",
        &headers,
        body.as_bytes(),
    );
    let reading = read(&asked, None);
    assert!(
        reading.analysis.effects.iter().any(|e| e.safeguard),
        "{:?}",
        effects(&reading)
    );
}

fn anything() -> impl Strategy<Value = Request> {
    let word = prop_oneof![
        Just("Action"),
        Just("DeleteDBInstance"),
        Just("DescribeDBInstances"),
        Just("delete"),
        Just("versioning"),
        Just("service"),
        Just("operation"),
        Just("x"),
        Just(""),
        Just("a.1.b"),
        Just("DryRun"),
        Just("true"),
        Just("{}"),
        Just("<Delete><Object/></Delete>"),
    ];
    let host = prop_oneof![
        Just("rds.eu-west-1.amazonaws.com"),
        Just("b.s3.amazonaws.com"),
        Just("s3.eu-west-1.amazonaws.com"),
        Just("monitoring.eu-west-1.amazonaws.com"),
        Just("lambda.eu-west-1.amazonaws.com"),
        Just("localhost"),
        Just(".amazonaws.com"),
        Just("route53.amazonaws.com"),
    ];
    let method = prop_oneof![
        Just("GET"),
        Just("POST"),
        Just("PUT"),
        Just("DELETE"),
        Just("HEAD")
    ];
    let pairs = proptest::collection::vec((word.clone(), word.clone()), 0..4);
    let path = proptest::collection::vec(word.clone(), 0..5);
    (method, host, path, pairs.clone(), pairs, word).prop_map(
        |(method, host, path, query, form, text)| {
            let owned = |p: Vec<(&str, &str)>| {
                p.into_iter()
                    .map(|(a, b)| (a.to_owned(), b.to_owned()))
                    .collect::<Vec<_>>()
            };
            let mut made = request(
                method,
                &format!("https://{}/", host.trim_start_matches('.')),
                &[],
                b"",
            );
            host.clone_into(&mut made.host);
            made.segments = path.into_iter().map(String::from).collect();
            made.query = owned(query);
            made.body = if form.is_empty() {
                Body::Xml(text.to_owned())
            } else {
                Body::Form(owned(form))
            };
            made
        },
    )
}

proptest! {
    /// Whatever comes: a reading, and nothing harmless without an operation.
    #[test]
    fn nothing_panics_and_nothing_unknown_is_harmless(asked in anything(), hint in proptest::option::of(Just("s3"))) {
        let reading = read(&asked, hint);
        if reading.operations.is_empty() {
            prop_assert!(!reading.analysis.is_complete());
        }
        if asked.method == "DELETE" && reading.analysis.is_complete() {
            prop_assert!(!reading.analysis.is_read() || reading.operations.iter().any(|o| o.name.starts_with("rds:")
                || o.name.starts_with("cloudwatch:")), "{:?}", reading);
        }
    }
}
