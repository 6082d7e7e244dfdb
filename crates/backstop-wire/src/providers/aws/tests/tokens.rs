//! Idempotency tokens: where each protocol has them, and what only looks like one.

use super::super::data::catalogue;
use super::{read, request, signed};
use crate::http::{Body, Request};
use crate::providers::IdempotencyToken::{self, Body as InBody, Header, Query};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn tokens(request: &Request) -> Vec<IdempotencyToken> {
    read(request, None).tokens
}

fn ec2(query: &str, body: &str) -> Request {
    let scope = signed("ec2", "eu-west-1");
    let headers = [("authorization", scope.as_str()), FORM];
    let url = format!("https://ec2.eu-west-1.amazonaws.com/{query}");
    request("POST", &url, &headers, body.as_bytes())
}

fn dynamodb(target: &str, more: &[(&str, &str)]) -> Request {
    let target = format!("DynamoDB_20120810.{target}");
    let mut headers = vec![
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", target.as_str()),
    ];
    headers.extend(more);
    let url = "https://dynamodb.eu-west-1.amazonaws.com/";
    request("POST", url, &headers, br#"{"ClientRequestToken":"a"}"#)
}

#[test]
fn every_protocol_has_its_place() {
    let run = "Action=RunInstances&Version=2016-11-15&ImageId=ami-1";
    let with = format!("{run}&ClientToken=a");
    let named = |name: &str| vec![InBody(name.to_owned())];
    assert_eq!(tokens(&ec2("", &with)), named("ClientToken"));
    assert_eq!(
        tokens(&ec2(&format!("?{with}"), "")),
        [Query("ClientToken".into())]
    );
    assert_eq!(
        tokens(&dynamodb("TransactWriteItems", &[])),
        named("ClientRequestToken")
    );
    let delete = "https://access-analyzer.eu-west-1.amazonaws.com/analyzer/a?clientToken=b";
    assert_eq!(
        tokens(&request("DELETE", delete, &[], b"")),
        [Query("clientToken".into())]
    );
    let rename = "https://b.s3.eu-west-1.amazonaws.com/k?renameObject";
    let headers = [("x-amz-rename-source", "/b/j"), ("x-amz-client-token", "a")];
    assert_eq!(
        tokens(&request("PUT", rename, &headers, b"")),
        [Header("x-amz-client-token".into())]
    );
    let create = "https://elasticfilesystem.eu-west-1.amazonaws.com/2015-02-01/file-systems";
    let headers = [("content-type", "application/json")];
    assert_eq!(
        tokens(&request(
            "POST",
            create,
            &headers,
            br#"{"CreationToken":"a"}"#
        )),
        named("CreationToken")
    );
}

#[test]
fn there_is_none_where_it_is_not_clear_what_is_called() {
    let run = "Action=RunInstances&Version=2016-11-15&ImageId=ami-1";
    let with = format!("{run}&ClientToken=a");
    for asked in [
        // In both places: the service chooses.
        ec2("?ClientToken=b", &with),
        // Nobody gave one.
        ec2("", run),
        // Another operation, by another way, or one that nobody knows.
        ec2("?Action=TerminateInstances", &with),
        ec2("?Action=RunInstancesNow", &with),
        // Of the operation next to it.
        dynamodb("DeleteTable", &[]),
        dynamodb(
            "TransactWriteItems",
            &[("x-amz-target", "DynamoDB_20120810.DeleteTable")],
        ),
        dynamodb("TransactWriteItems", &[("x-http-method-override", "PUT")]),
    ] {
        assert!(tokens(&asked).is_empty(), "{asked:?}");
    }
    // Signed for another service than its host.
    let scope = signed("rds", "eu-west-1");
    let asked = dynamodb("TransactWriteItems", &[("authorization", scope.as_str())]);
    assert!(tokens(&asked).is_empty());
    // Where JSON is spoken, a parameter of the query is none.
    let mut asked = dynamodb("TransactWriteItems", &[]);
    asked.body = Body::Absent;
    asked.query = vec![("ClientRequestToken".to_owned(), "a".to_owned())];
    let found = tokens(&asked);
    assert!(
        found.iter().all(|token| token.value(&mut asked).is_none()),
        "{found:?}"
    );
}

/// The models mark as tokens what names a query to delete, the session that a command runs in, and the like.
#[test]
fn what_names_something_is_no_token() {
    let mut met = 0;
    for service in catalogue().all() {
        for known in service.operations().all() {
            let Some(InBody(name) | Query(name) | Header(name)) = known.token() else {
                continue;
            };
            met += 1;
            let name = name.to_lowercase();
            let says =
                name.contains("token") || name.ends_with("requestid") || name == "operationid";
            assert!(says, "{}:{} {name}", service.name, known.name);
        }
    }
    assert!(met > 1_400, "{met}");
    for (service, operation) in [
        ("athena", "DeleteNamedQuery"),
        ("athena", "StopQueryExecution"),
        ("bedrock-agentcore", "InvokeAgentRuntimeCommand"),
        ("chime-sdk-messaging", "ChannelFlowCallback"),
        ("elementalinference", "DisassociateFeed"),
    ] {
        let service = catalogue().named(service).unwrap();
        let known = service.operations().named(operation).unwrap();
        assert_eq!(known.token(), None, "{operation}");
    }
}
