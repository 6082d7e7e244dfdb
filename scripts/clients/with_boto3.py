"""boto3 at AWS, or at what stands in for it: see README.md, `HTTP programs`.

Keys, region and address come from the environment, as boto3 reads it.
"""

import hashlib
import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ONCE = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})


def client(service, **keys):
    return boto3.client(service, config=ONCE, **keys)


def refusal(call, **arguments):
    """What a client sees of a refusal: its code and its message."""
    try:
        call(**arguments)
    except ClientError as error:
        print(error.response["Error"]["Code"], error.response["Error"]["Message"])
    else:
        print("done")


def ordinary():
    s3 = client("s3")
    s3.put_object(Bucket="bucket", Key="a b/small", Body=b"a small one")
    print("small", s3.get_object(Bucket="bucket", Key="a b/small")["Body"].read())
    s3.put_object(Bucket="bucket", Key="large", Body=b"x" * (3 << 20))
    digest, length = hashlib.sha256(), 0
    for piece in s3.get_object(Bucket="bucket", Key="large")["Body"].iter_chunks(65536):
        digest.update(piece)
        length += len(piece)
    print("large", length, digest.hexdigest())
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="bucket")["Contents"]]
    print("keys", sorted(keys))
    print("identity", client("sts").get_caller_identity()["Account"])


def main():
    match sys.argv[1]:
        case "ordinary":
            ordinary()
        case "destroys":
            refusal(client("s3").delete_bucket, Bucket="bucket")
        case "repeats":
            # boto3 gives it a `ClientRequestToken` of its own at each call.
            item = {"TableName": "orders", "Key": {"id": {"S": "1"}}}
            refusal(client("dynamodb").transact_write_items, TransactItems=[{"Delete": item}])
        case "stray":
            keys = {"aws_access_key_id": os.environ["STRAY_ID"], "aws_secret_access_key": os.environ["STRAY"]}
            refusal(client("s3", **keys).list_objects_v2, Bucket="bucket")
        case other:
            sys.exit(f"there is no mode {other}")


main()
