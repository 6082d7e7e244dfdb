#!/usr/bin/env python3
"""Writes crates/backstop-wire/packs/github-graphql/pack.toml from GitHub's GraphQL schema.

    npm pack @octokit/graphql-schema && tar xzf octokit-graphql-schema-*.tgz
    scripts/packs/github_graphql.py package/schema.graphql 15.26.1
"""

import pathlib
import re
import sys

import common

HOME = pathlib.Path(__file__).resolve().parents[2]
PACK = HOME / "crates/backstop-wire/packs/github-graphql/pack.toml"

# Talk about code: one thing, which can be written again.
TALK = re.compile(
    r"^(add|create|update|close|reopen|submit|convert|mark|unmark|move|minimize|unminimize|pin|unpin|resolve|unresolve|"
    r"request|reprioritize|follow|unfollow|link|unlink|copy|clone|archive|unarchive|accept|decline|lock|unlock|change)"
    r".*(Assignees|Comment|Discussion|Vote|Labels?|Project|PullRequest|Reaction|Star|SubIssue|Upvote|Issue|Review|"
    r"UserList|Topic|User|Organization|Subscription|Lockable|Thread|Viewed|Status|CheckRun|CheckSuite|Deployment)"
)
RIGHTS = re.compile(r"(Enterprise|Migrator|Rule|Branch|Environment|IpAllow|Domain|Sponsor|Collaborators|Setting|"
                    r"OrganizationMember|Repository$|RepositoryRuleset|Ref)")
# Takes away no more than a mark of one's own.
MARKS = re.compile(r"^remove(Assignees|Labels|Reaction|Star|SubIssue|Upvote)|^clearLabels|^clearProjectV2ItemFieldValue")
SECRETS = re.compile(r"(token|secret|password|credential|recoveryCodes)", re.I)


def block(schema, name):
    start = schema.index(f"type {name} {{")
    return schema[start : schema.index("\n}\n", start)]


def mutations(schema):
    body = re.sub(r'"""(?:.|\n)*?"""', "", block(schema, "Mutation"))
    return re.findall(r"^  (\w+)\(", body, re.M)


def target(schema, name):
    """The argument that names what is changed: the first required ID of the input."""
    found = re.search(r"input " + name[0].upper() + name[1:] + r"Input \{((?:.|\n)*?)\n\}", schema)
    body = re.sub(r'"""(?:.|\n)*?"""', "", found.group(1)) if found else ""
    return next(iter(re.findall(r"^  (\w+): ID!", body, re.M)), None)


def entry(schema, name):
    said = common.words(name)
    rest = [w for w in said[1:] if w not in ("to", "from", "by", "id", "on", "for")] or said
    identity = target(schema, name)
    facts = {"effect": "admin"}
    if MARKS.search(name):
        facts = {"effect": "write", "verb": "delete", "bound": 1, "reversible": True}
    elif common.LOSING.search("_".join(said)):
        facts = {"effect": "destroy"}
    elif TALK.match(name) and not RIGHTS.search(name):
        verb = "insert" if said[0] in ("add", "create", "copy", "clone", "submit") else "update"
        facts = {"effect": "write", "verb": verb, "bound": 1}
    kind = "_".join(rest)
    return {
        "match": f"mutation {name}",
        "object": f"{kind}.{{argument./input/{identity}}}" if identity else kind,
        "does": common.sentence(name),
        **facts,
    }


def credentials(schema):
    """Fields of output types that hold a credential by their name and are texts."""
    plain = re.sub(r'"""(?:.|\n)*?"""', "", schema)
    out = set()
    for body in re.findall(r"^(?:type|interface) \w+[^{]*\{((?:.|\n)*?)^\}", plain, re.M):
        out |= {name for name, _ in re.findall(r"^  (\w+)(?:\([^)]*\))?: (\[?String!?\]?)", body, re.M) if SECRETS.search(name)}
    return sorted(out)


def main():
    schema = pathlib.Path(sys.argv[1]).read_text()
    entries = [entry(schema, name) for name in sorted(mutations(schema))]
    head = {
        "name": "github-graphql",
        "title": "GitHub GraphQL API",
        "source": "GitHub's GraphQL schema, as npm package @octokit/graphql-schema",
        "licence": "MIT",
        "version": sys.argv[2],
        "protocol": "graphql",
        "reads": "by-method",
        "knowledge": "generated",
        "reveal-fields": credentials(schema),
    }
    comment = "Written by scripts/packs/github_graphql.py: do not edit. What matters is in reviewed.toml, which stands above this.\nNames of mutations and arguments are GitHub's, under the MIT licence."
    PACK.parent.mkdir(parents=True, exist_ok=True)
    PACK.write_text(common.header(head, comment) + "\n" + "\n".join(map(common.table, entries)))
    print(f"{len(entries)} mutations; credentials: {', '.join(credentials(schema))}")


main()
