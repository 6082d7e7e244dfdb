#!/usr/bin/env python3
"""Writes crates/backstop-wire/packs/neon/pack.toml from Neon's OpenAPI description.

    npm pack @neondatabase/api-client && tar xzf neondatabase-api-client-*.tgz
    scripts/packs/neon.py package/public-v2-for-users.gen.yaml 2.7.3
"""

import pathlib
import sys

import yaml

import common

HOME = pathlib.Path(__file__).resolve().parents[2]
PACK = HOME / "crates/backstop-wire/packs/neon/pack.toml"


def main():
    spec = yaml.safe_load(pathlib.Path(sys.argv[1]).read_text())
    entries = []
    for path, operations in sorted(spec["paths"].items()):
        for method in ("get", "head", "post", "put", "patch", "delete"):
            if method not in operations:
                continue
            name = operations[method]["operationId"]
            shown = path.replace("{object_key}", "{object_key...}") if path.endswith("{object_key}") else path
            entries.append({
                "match": f"{method.upper()} {shown}",
                "id": name,
                "object": common.object_of(path),
                "does": common.sentence(name),
                **common.conservative(method.upper(), path, name),
            })
    head = {
        "name": "neon",
        "title": "Neon API",
        "source": "Neon's OpenAPI description, as npm package @neondatabase/api-client; paths, methods and names alone",
        "version": f"{spec['info']['version']}, package {sys.argv[2]}",
        "hosts": ["console.neon.tech"],
        "base": "/api/v2",
        "reads": "listed",
        "knowledge": "generated",
    }
    comment = "Written by scripts/packs/neon.py: do not edit. What matters is in reviewed.toml, which stands above this."
    PACK.parent.mkdir(parents=True, exist_ok=True)
    PACK.write_text(common.header(head, comment) + "\n" + "\n".join(map(common.table, entries)))
    print(f"{len(entries)} operations")


main()
