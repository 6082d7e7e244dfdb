"""How many planted credentials each scanner found, and how many look-alikes it took for one.

By file: a credential counts as found where a scanner reports anything in its file, which is kind to it; what it
reports in a file that holds nothing secret is wrong. Findings that Backstop reports with a doubt count as none.
"""

import json
import os
import sys

folder = sys.argv[1]
tree = os.path.join(folder, "tree")
planted = json.load(open(os.path.join(folder, "planted.json")))
credentials, lookalikes = set(planted["credentials"]), set(planted["lookalikes"])


def read(name):
    path = os.path.join(folder, name + ".json")
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        return None
    try:
        return json.load(open(path))
    except json.JSONDecodeError:
        return [json.loads(line) for line in open(path) if line.strip()]


def paths(found):
    """Every string in the scanner's own report that is a path of the tree, however that report is built."""
    if isinstance(found, dict):
        for key, value in found.items():
            yield from paths(key)
            yield from paths(value)
    elif isinstance(found, list):
        for value in found:
            yield from paths(value)
    elif isinstance(found, str):
        path = os.path.relpath(os.path.join(tree, found), tree)
        if path in credentials or path in lookalikes:
            yield path


print(f"{len(credentials)} files with credentials, {len(lookalikes)} files with look-alikes")
reports = {"backstop": planted["found"]}
reports.update({name: read(name) for name in ("betterleaks", "kingfisher", "detect-secrets")})
for name, found in reports.items():
    if found is None:
        print(f"{name:15} no report")
        continue
    hit = set(paths(found))
    right, wrong = len(hit & credentials), len(hit & lookalikes)
    print(
        f"{name:15} recall {100 * right / len(credentials):5.1f} %   precision {100 * right / max(1, right + wrong):5.1f} %"
        f"   ({wrong} look-alikes taken for credentials)"
    )
