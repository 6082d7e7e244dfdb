#!/usr/bin/env python3
"""Writes crates/backstop-wire/packs/supabase/pack.toml from a client that is generated from Supabase's OpenAPI.

    npm pack supabase-management-js && tar xzf supabase-management-js-*.tgz
    scripts/packs/supabase.py package/dist/index.mjs 2.0.2
"""

import pathlib
import re
import sys

import common

HOME = pathlib.Path(__file__).resolve().parents[2]
PACK = HOME / "crates/backstop-wire/packs/supabase/pack.toml"

CALL = re.compile(r"var (v1\w+) = async \(.*?\n    (get\w+Url)\(.*?\n      method: \"(\w+)\"", re.S)


def operations(text):
    for chunk in re.split(r"(?=^var v1\w+ = async )", text, flags=re.M)[1:]:
        found = CALL.match(chunk)
        if not found:
            sys.exit(f"supabase.py: not understood: {chunk[:120]}")
        name, url, method = found.groups()
        path = re.search(r"var " + url + r" = .*?return (?:\w+\.length > 0 \? )?`([^`?]*)", text, re.S).group(1)
        yield method, path.replace("${", "{"), name


def main():
    entries = []
    for method, path, name in sorted(operations(pathlib.Path(sys.argv[1]).read_text()), key=lambda o: (o[1], o[0])):
        plain = name.removeprefix("v1")
        entries.append({
            "match": f"{method} {path}",
            "id": name,
            "object": common.object_of(path),
            "does": common.sentence(plain),
            **common.conservative(method, path, plain),
        })
    head = {
        "name": "supabase",
        "title": "Supabase Management API",
        "source": "Supabase's OpenAPI description, by way of npm package supabase-management-js; paths, methods and names alone",
        "version": f"v1, package {sys.argv[2]}",
        "hosts": ["api.supabase.com"],
        "reads": "listed",
        "knowledge": "generated",
    }
    comment = "Written by scripts/packs/supabase.py: do not edit. What matters is in reviewed.toml, which stands above this."
    PACK.parent.mkdir(parents=True, exist_ok=True)
    PACK.write_text(common.header(head, comment) + "\n" + "\n".join(map(common.table, entries)))
    print(f"{len(entries)} operations")


main()
