#!/usr/bin/env python3
"""Writes crates/backstop-wire/packs/github/pack.toml from GitHub's OpenAPI description.

    npm pack @octokit/openapi && tar xzf octokit-openapi-*.tgz
    scripts/packs/github.py package/generated/api.github.com.json

Read the difference afterwards: what is new and matters belongs into reviewed.toml beside it.
"""

import json
import pathlib
import re
import sys

import common

HOME = pathlib.Path(__file__).resolve().parents[2]
PACK = HOME / "crates/backstop-wire/packs/github/pack.toml"

# Placeholders that a client may fill with slashes.
REST = ("/contents/{path}", "/git/refs/{ref}", "/git/ref/{ref}", "/git/matching-refs/{ref}", "/tarball/{ref}",
        "/zipball/{ref}", "/compare/{basehead}", "/commits/{ref}", "/branches/{branch}")

# Talk about code: one thing, which can be written again.
TALK = re.compile(r"^(issues|pulls|reactions|gists|projects|checks|activity|campaigns|copilot-spaces|dependency-graph)/")
# What takes away no more than a mark of one's own.
MARKS = re.compile(
    r"(reactions/delete|unstar|unfollow|unblock|subscription|/star|follow|/pin|/unpin|assignees|requested-reviewers|"
    r"issues/(remove|unlock|lock|delete-issue-field-value)|thread|mark-)"
)
# Calls by POST that keep nothing.
HARMLESS = {"markdown/render", "markdown/render-raw", "repos/generate-release-notes", "apps/check-token",
            "orgs/list-attestations-bulk", "users/list-attestations-bulk"}


def entry(method, path, operation):
    name = operation["operationId"]
    area, _, rest = name.partition("/")
    # One segment in the description's own way of writing.
    path = path.replace("{base}...{head}", "{basehead}")
    for tail in REST:
        if path.endswith(tail):
            path = path[: -1] + "...}"
    facts = common.conservative(method, path, rest)
    if method != "GET":
        if name in HARMLESS:
            facts = {"effect": "read"}
        elif MARKS.search(name):
            facts = {"effect": "write", "bound": 1, "reversible": True}
        elif TALK.match(name) and facts["effect"] == "admin":
            facts = {"effect": "write", "bound": 1}
    return {
        "match": f"{method} {path}",
        "id": name,
        "object": common.object_of(path),
        "does": common.sentence(rest, area),
        **facts,
    }


def main():
    spec = json.loads(pathlib.Path(sys.argv[1]).read_text())
    methods = ("get", "head", "post", "put", "patch", "delete")
    # Some paths stand there twice, with other names for the same places.
    entries = {}
    for path, operations in sorted(spec["paths"].items()):
        for method in methods:
            if method in operations:
                made = entry(method.upper(), path, operations[method])
                entries.setdefault(re.sub(r"\{[^}.]*", "{", made["match"]), made)
    head = {
        "name": "github",
        "title": "GitHub REST API",
        "source": "GitHub's OpenAPI description, as npm package @octokit/openapi",
        "licence": "MIT",
        "version": spec["info"]["version"],
        "hosts": ["api.github.com", "uploads.github.com"],
        "base": ["", "/api/v3"],
        "reads": "listed",
        "knowledge": "generated",
    }
    comment = "Written by scripts/packs/github.py: do not edit. What matters is in reviewed.toml, which stands above this.\nPaths, methods and names of operations are GitHub's, under the MIT licence."
    PACK.parent.mkdir(parents=True, exist_ok=True)
    PACK.write_text(common.header(head, comment) + "\n" + "\n".join(map(common.table, entries.values())))
    print(f"{len(entries)} operations")


main()
