#!/usr/bin/env python3
"""Writes Railway's schema, as the schema language without descriptions, for the pack in crates/backstop-wire.

    scripts/packs/railway.py INTROSPECTION.json [--date 'August 2026'] > crates/backstop-wire/packs/railway/schema.graphql

INTROSPECTION.json is the introspection result in the public repository railwayapp/cli: src/gql/schema.json, MIT licence.
"""

import argparse
import json

HEADER = """\
# Railway's public GraphQL API: its types, without descriptions.
#
# Source: src/gql/schema.json of the public repository railwayapp/cli, snapshot of {date}.
# Licence: MIT, Copyright (c) 2023 Railway Corp., see LICENSE-railwayapp-cli. Facts carried over by scripts/packs/railway.py; do not edit by hand.
"""

# The specification defines these in every schema; the reader has them.
EVERYWHERE = {"Int", "Float", "String", "Boolean", "ID"}


def reference(of):
    if of["kind"] == "NON_NULL":
        return reference(of["ofType"]) + "!"
    if of["kind"] == "LIST":
        return "[" + reference(of["ofType"]) + "]"
    return of["name"]


def value(item):
    default = item.get("defaultValue")
    return f"{item['name']}: {reference(item['type'])}" + (f" = {default}" if default is not None else "")


def field(item):
    arguments = sorted(item["args"], key=lambda a: a["name"])
    within = f"({', '.join(map(value, arguments))})" if arguments else ""
    return f"{item['name']}{within}: {reference(item['type'])}"


def block(lines):
    return " {\n" + "".join(f" {line}\n" for line in lines) + "}"


def definition(of):
    name, kind = of["name"], of["kind"]
    if of.get("isOneOf"):
        raise SystemExit(f"{name} takes one of its fields only: the reader does not know that yet")
    if kind == "SCALAR":
        return f"scalar {name}"
    if kind == "ENUM":
        return f"enum {name}" + block(v["name"] for v in of["enumValues"])
    if kind == "UNION":
        return f"union {name} = " + " | ".join(sorted(t["name"] for t in of["possibleTypes"]))
    if kind == "INPUT_OBJECT":
        return f"input {name}" + block(sorted(map(value, of["inputFields"])))
    word = {"OBJECT": "type", "INTERFACE": "interface"}[kind]
    above = sorted(i["name"] for i in of.get("interfaces") or [])
    implements = f" implements {' & '.join(above)}" if above else ""
    return f"{word} {name}{implements}" + block(sorted(map(field, of["fields"])))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("introspection")
    arguments.add_argument("--date", default="August 2026", help="when the source was taken")
    given = arguments.parse_args()
    with open(given.introspection, encoding="utf-8") as file:
        read = json.load(file)
    schema = read.get("data", read)["__schema"]
    for kind, expected in (("queryType", "Query"), ("mutationType", "Mutation"), ("subscriptionType", "Subscription")):
        if schema[kind]["name"] != expected:
            raise SystemExit(f"the {kind} is not called {expected}")
    print(HEADER.format(date=given.date))
    for of in sorted(schema["types"], key=lambda t: t["name"]):
        if of["name"] not in EVERYWHERE and not of["name"].startswith("__"):
            print(definition(of))


main()
