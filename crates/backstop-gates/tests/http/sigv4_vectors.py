"""Writes sigv4_vectors.json: requests signed by botocore (Apache-2.0), to compare the gate's signatures with.

pip install botocore; python sigv4_vectors.py > sigv4_vectors.json
"""

import datetime
import json

import botocore
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

NOW = datetime.datetime(2026, 4, 24, 12, 30, 45)
KEY = ("AKIAEXAMPLEEXAMPLE00", "not/a+real+secret+key+for+anything+at+al")

CASES = [
    ("GET", "https://ec2.eu-west-1.amazonaws.com/?Action=DescribeInstances&Version=2016-11-15", {}, "", "ec2", None),
    ("POST", "https://dynamodb.us-east-1.amazonaws.com/", {"content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.DeleteTable"}, '{"TableName": "users"}', "dynamodb", None),
    ("POST", "https://iam.amazonaws.com/", {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}, "Action=DeleteUser&UserName=x&Version=2010-05-08", "iam", "a-session-token+/="),
    ("GET", "https://bucket.s3.us-east-1.amazonaws.com/a/../b//c%20d%2Fe~f?versionId=3&prefix=a%20b&list-type=2&acl", {}, "", "s3", None),
    ("PUT", "https://bucket.s3.us-east-1.amazonaws.com/key", {"content-type": "text/plain", "content-md5": "XUFAKrxLKna5cZ2REBfFkg==", "x-amz-meta-note": "  two   spaces "}, "hello", "s3", "token"),
    ("DELETE", "https://backup.eu-central-1.amazonaws.com/backup-vaults/v/recovery-points/arn%3Aaws%3Aec2%3A1", {}, "", "backup", None),
    ("GET", "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/../a//b/./c/", {}, "", "lambda", None),
    ("GET", "https://route53.amazonaws.com/2013-04-01/hostedzone?b=2&a=2&a=1&c=%E2%82%AC&d=", {}, "", "route53", None),
    ("POST", "https://localhost:8443/x", {"x-amz-b": "2", "x-amz-a": "1"}, "{}", "sts", None),
]


def sign(method, url, headers, body, service, token):
    class Fixed(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return NOW.replace(tzinfo=tz)

        @classmethod
        def utcnow(cls):
            return NOW

    botocore.auth.datetime = type("datetime", (), {"datetime": Fixed})
    if hasattr(botocore.auth, "get_current_datetime"):
        botocore.auth.get_current_datetime = lambda remove_tzinfo=True: NOW
    kind = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
    request = AWSRequest(method=method, url=url, headers=headers, data=body)
    request.context["payload_signing_enabled"] = True
    kind(Credentials(*KEY, token), service, "us-east-1").add_auth(request)
    return {
        "method": method,
        "url": url,
        "headers": list(headers.items()),
        "body": body,
        "service": service,
        "token": token,
        "authorization": request.headers["Authorization"],
    }


print(json.dumps({"source": f"botocore {botocore.__version__}", "region": "us-east-1", "time": NOW.isoformat() + "Z", "key": KEY, "cases": [sign(*case) for case in CASES]}, indent=1))
