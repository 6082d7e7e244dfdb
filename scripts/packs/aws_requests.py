#!/usr/bin/env python3
"""Captures what botocore sends, for the tests of crates/backstop-wire/src/providers/aws. Nothing is sent anywhere.

    python3 -m venv venv && venv/bin/pip install botocore
    venv/bin/python scripts/packs/aws_requests.py

Writes packs/aws/requests.ndjson: each `[[test]]` of packs/aws/reviewed, and requests of every protocol and of every way
to address S3, with credentials that are AWS's own examples. Signatures, dates and checksums are taken out.
"""

import base64
import glob
import json
import os
import re
import tomllib
import uuid

import botocore.session
from botocore.config import Config

HERE = os.path.dirname(os.path.abspath(__file__))
PACKS = os.path.join(HERE, "../../crates/backstop-wire/packs/aws")
FIXED = uuid.UUID("00000000-0000-4000-8000-000000000000")
uuid.uuid4 = lambda: FIXED
KEPT = re.compile(r"^(authorization|content-type|smithy-protocol|x-amz-(?!date|content-sha256|checksum|sdk|security).*)$", re.I)


class Captured(Exception):
    """Ends a call before anything is sent."""

    def __init__(self, request):
        self.request = request


def session():
    made = botocore.session.Session()
    made.set_credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    return made


def stop(request, **_):
    raise Captured(request)


def snake(name):
    return botocore.xform_name(name)


# Parameters are not checked: what a careful client refuses to send is sent by others.
def call(service, operation, arguments, region="eu-west-1", endpoint=None, config=None, presign=False):
    made = session().create_client(service, region_name=region, endpoint_url=endpoint,
                                   config=Config(retries={"max_attempts": 0}, parameter_validation=False).merge(
                                       Config(**(config or {}))))
    made.meta.events.register("before-send", stop)
    method = snake(operation)
    if presign:
        url = made.generate_presigned_url(method, Params=arguments, ExpiresIn=60)
        return {"method": presign, "url": plain(url), "headers": [], "body": ""}
    try:
        getattr(made, method)(**arguments)
    except Captured as captured:
        return shown(captured.request)
    raise SystemExit(f"{service}:{operation} was not sent")


def plain(text):
    text = re.sub(r"(Signature=)[0-9a-f]{64}", r"\g<1>0", text)
    text = re.sub(r"/\d{8}/", "/20260101/", text)
    text = re.sub(r"%2F\d{8}%2F", "%2F20260101%2F", text)
    return re.sub(r"(X-Amz-Date=)[0-9TZ]+", r"\g<1>20260101T000000Z", text)


def shown(request):
    headers = []
    for name, value in request.headers.items():
        value = value.decode() if isinstance(value, bytes) else str(value)
        if KEPT.match(name):
            if name.lower() == "authorization":
                value = re.sub(r"SignedHeaders=[^,]*", "SignedHeaders=host", plain(value))
            headers.append([name, value])
    body = request.body or b""
    body = body if isinstance(body, (bytes, bytearray)) else (body.encode() if isinstance(body, str) else body.read())
    body = bytes(body)
    out = {"method": request.method, "url": request.url, "headers": sorted(headers)}
    # A body in checksummed chunks is its content with a frame around it.
    chunked = re.fullmatch(rb"[0-9a-f]+\r\n(.*)\r\n0\r\n.*", body, re.S)
    body = chunked[1] if chunked else re.sub(rb"^0\r\nx-amz.*", b"", body, flags=re.S)
    try:
        out["body"] = body.decode()
    except UnicodeDecodeError:
        out["body_base64"] = base64.b64encode(body).decode()
    return out


def record(service, operation, arguments, hint=None, **how):
    out = {"service": service, "operation": operation, "arguments": arguments}
    if hint:
        out["hint"] = hint
    out.update(call(service, operation, arguments, **how))
    return out


def of_packs():
    for path in sorted(glob.glob(os.path.join(PACKS, "reviewed/*.toml"))):
        pack = tomllib.load(open(path, "rb"))
        for number, test in enumerate(pack.get("test", [])):
            yield {"test": number, **record(pack["service"], test["call"], test["with"])}


def others():
    path_style = {"s3": {"addressing_style": "path"}}
    local = "http://localhost:5000"
    cases = [
        ("s3", "DeleteObject", {"Bucket": "b", "Key": "a b/c+d%"}, {"config": path_style}),
        ("s3", "ListObjectsV2", {"Bucket": "b", "Prefix": "x/"}, {"config": path_style}),
        ("s3", "ListObjectsV2", {"Bucket": "my.dotted.bucket"}, {}),
        ("s3", "GetObject", {"Bucket": "b-1", "Key": "k"}, {"config": {"s3": {"use_dualstack_endpoint": True}}}),
        ("s3", "GetObject", {"Bucket": "b-1", "Key": "k"}, {"config": {"s3": {"use_accelerate_endpoint": True}}}),
        ("s3", "GetObject", {"Bucket": "b-1", "Key": "k"}, {"region": "us-gov-west-1", "config": {"use_fips_endpoint": True}}),
        ("s3", "GetObject", {"Bucket": "b-1", "Key": "k"}, {"region": "cn-north-1"}),
        ("s3", "DeleteBucket", {"Bucket": "b-1"}, {"region": "us-east-1"}),
        ("s3", "HeadObject", {"Bucket": "b-1", "Key": "k"}, {}),
        ("s3", "PutBucketVersioning", {"Bucket": "b", "VersioningConfiguration": {"Status": "Suspended"}},
         {"endpoint": local, "hint": "s3"}),
        ("s3", "DeleteBucket", {"Bucket": "b-1"}, {"endpoint": "http://127.0.0.1:5000", "hint": "s3"}),
        ("s3", "DeleteBucket", {"Bucket": "b-1"}, {"endpoint": "http://s3.test:5000", "hint": "s3@s3.test",
                                                   "config": {"s3": {"addressing_style": "virtual"}}}),
        ("s3", "DeleteObject", {"Bucket": "arn:aws:s3:eu-west-1:111122223333:accesspoint/my-ap", "Key": "k"}, {}),
        ("s3", "GetObject", {"Bucket": "arn:aws:s3-object-lambda:eu-west-1:111122223333:accesspoint/my-ap", "Key": "k"}, {}),
        ("s3", "ListBuckets", {}, {}),
        ("s3", "ListDirectoryBuckets", {}, {"region": "us-east-1"}),
        ("s3", "GetObject", {"Bucket": "b-1", "Key": "a/b"}, {"presign": "GET", "config": {"signature_version": "s3v4"}}),
        ("s3", "DeleteObject", {"Bucket": "b-1", "Key": "a/b"}, {"presign": "DELETE", "config": {"signature_version": "s3v4"}}),
        ("s3", "PutObject", {"Bucket": "b-1", "Key": "a/b"}, {"presign": "PUT", "config": {"signature_version": "s3v4"}}),
        ("s3control", "ListAccessPoints", {"AccountId": "111122223333"}, {}),
        ("sts", "GetCallerIdentity", {}, {"presign": "POST"}),
        ("rds", "DescribeDBInstances", {"Filters": [{"Name": "engine", "Values": ["postgres", "mysql"]}]}, {}),
        ("rds", "DeleteDBSnapshot", {"DBSnapshotIdentifier": "s"}, {"endpoint": local, "hint": "rds"}),
        ("neptune", "DeleteDBCluster", {"DBClusterIdentifier": "c", "SkipFinalSnapshot": True}, {}),
        ("docdb", "DescribeDBClusters", {}, {}),
        ("elb", "DeleteLoadBalancer", {"LoadBalancerName": "x"}, {}),
        ("elbv2", "DeleteLoadBalancer", {"LoadBalancerArn": "arn:aws:x"}, {}),
        ("sns", "Publish", {"TopicArn": "arn:aws:sns:eu-west-1:111122223333:t", "Message": "m",
                            "MessageAttributes": {"a": {"DataType": "String", "StringValue": "v"}}}, {}),
        ("autoscaling", "DeleteAutoScalingGroup", {"AutoScalingGroupName": "g", "ForceDelete": True}, {}),
        ("elasticache", "DeleteCacheCluster", {"CacheClusterId": "c"}, {}),
        ("ec2", "DescribeInstances", {"Filters": [{"Name": "tag:a", "Values": ["b"]}], "InstanceIds": ["i-1"]}, {}),
        ("sqs", "PurgeQueue", {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/111122223333/q"}, {}),
        ("dynamodb", "GetItem", {"TableName": "t", "Key": {"id": {"S": "1"}}}, {"endpoint": local, "hint": "*"}),
        ("dynamodbstreams", "ListStreams", {"TableName": "t"}, {}),
        ("logs", "DeleteLogGroup", {"logGroupName": "g"}, {}),
        ("logs", "PutRetentionPolicy", {"logGroupName": "g", "retentionInDays": 1}, {}),
        ("ecs", "DeleteCluster", {"cluster": "c"}, {}),
        ("ecr", "GetAuthorizationToken", {}, {}),
        ("ecr", "DeleteRepository", {"repositoryName": "r", "force": True}, {}),
        ("organizations", "CloseAccount", {"AccountId": "111122223333"}, {}),
        ("cloudwatch", "DeleteAlarms", {"AlarmNames": ["a", "b"]}, {}),
        ("cloudwatch", "GetMetricData", {"MetricDataQueries": [], "StartTime": 1, "EndTime": 2}, {}),
        ("codebuild", "DeleteProject", {"name": "p"}, {}),
        ("eks", "DeleteCluster", {"name": "prod"}, {}),
        ("eks", "ListClusters", {}, {}),
        ("apigateway", "DeleteRestApi", {"restApiId": "abc"}, {}),
        ("apigatewayv2", "DeleteApi", {"ApiId": "abc"}, {}),
        ("opensearch", "DeleteDomain", {"DomainName": "d"}, {}),
        ("bedrock-runtime", "InvokeModel", {"modelId": "m", "body": "{}"}, {}),
        ("sesv2", "DeleteEmailIdentity", {"EmailIdentity": "a@b.example"}, {}),
        ("glacier", "DeleteVault", {"accountId": "-", "vaultName": "v"}, {}),
        ("cloudfront", "DeleteDistribution", {"Id": "E1", "IfMatch": "e"}, {}),
        ("iot-data", "GetThingShadow", {"thingName": "t"}, {}),
        ("servicediscovery", "DiscoverInstances", {"NamespaceName": "n", "ServiceName": "s"}, {}),
        ("stepfunctions", "StartSyncExecution", {"stateMachineArn": "arn:aws:states:eu-west-1:111122223333:stateMachine:x"}, {}),
        ("chime-sdk-meetings", "BatchCreateAttendee", {"MeetingId": "m", "Attendees": [{"ExternalUserId": "u1"}]}, {}),
        ("iam", "ListUsers", {}, {}),
        ("cloudwatchomni", "DeleteSpace", {"spaceId": "s"}, {}),
        ("redshift", "DeleteCluster", {"ClusterIdentifier": "c", "SkipFinalClusterSnapshot": True}, {}),
    ]
    for service, operation, arguments, how in cases:
        yield record(service, operation, arguments, **how)


def main():
    lines = [json.dumps(r, sort_keys=True, separators=(",", ":")) for r in [*of_packs(), *others()]]
    path = os.path.join(PACKS, "requests.ndjson")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    print(f"{len(lines)} requests, {os.path.getsize(path):,} bytes")


if __name__ == "__main__":
    main()
