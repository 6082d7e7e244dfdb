"""What the generators of packs share: from a list of operations to TOML, conservative and labelled so.

Facts alone are carried over: methods, paths and the operations' own names. The sentences are made from the names.
"""

import re

VERBS = {
    "add": "Adds", "approve": "Approves", "assign": "Assigns", "attach": "Attaches", "authorize": "Authorizes",
    "cancel": "Cancels", "check": "Checks", "commit": "Commits", "compare": "Compares",
    "convert": "Converts", "count": "Counts", "create": "Creates", "delete": "Deletes", "detach": "Detaches",
    "disable": "Disables", "dismiss": "Dismisses", "download": "Downloads", "enable": "Enables", "export": "Exports",
    "finalize": "Finalizes", "force": "Forces", "generate": "Generates", "get": "Reads", "grant": "Grants",
    "invite": "Invites", "list": "Lists", "lock": "Locks", "mark": "Marks", "merge": "Merges", "move": "Moves",
    "pause": "Pauses", "ping": "Pings", "pin": "Pins", "publish": "Publishes", "push": "Pushes",
    "redeliver": "Redelivers", "remove": "Removes", "rename": "Renames", "render": "Renders", "replace": "Replaces",
    "request": "Requests", "reset": "Resets", "restart": "Restarts", "restore": "Restores", "review": "Reviews",
    "revoke": "Revokes", "search": "Searches", "set": "Sets", "setup": "Sets up", "start": "Starts", "stop": "Stops",
    "submit": "Submits", "suspend": "Suspends", "transfer": "Transfers", "unassign": "Unassigns", "undo": "Undoes",
    "unlock": "Unlocks", "unsuspend": "Unsuspends", "update": "Updates", "upgrade": "Upgrades", "upload": "Uploads",
    "upsert": "Sets", "verify": "Verifies", "apply": "Applies", "star": "Stars", "unstar": "Unstars",
    "follow": "Follows", "unfollow": "Unfollows", "block": "Blocks", "unblock": "Unblocks", "unpin": "Unpins",
    "dequeue": "Dequeues", "enqueue": "Enqueues", "close": "Closes", "reopen": "Reopens", "archive": "Archives",
    "unarchive": "Unarchives", "copy": "Copies", "clone": "Clones", "link": "Links", "unlink": "Unlinks",
    "import": "Imports", "abort": "Aborts", "accept": "Accepts", "decline": "Declines", "access": "Accesses",
    "change": "Changes", "clear": "Clears", "minimize": "Minimizes", "unminimize": "Unminimizes",
    "regenerate": "Regenerates", "reject": "Rejects", "reorder": "Reorders", "reprioritize": "Reprioritizes",
    "rerequest": "Requests again", "resolve": "Resolves", "unresolve": "Unresolves", "retire": "Retires",
    "revert": "Reverts", "unmark": "Unmarks", "fork": "Forks", "deploy": "Deploys", "bulk": "In bulk:",
    "recover": "Recovers", "claim": "Claims", "activate": "Activates", "deactivate": "Deactivates",
    "exchange": "Exchanges", "shutdown": "Shuts down", "run": "Runs", "rollback": "Rolls back", "diff": "Compares",
    "modify": "Modifies", "patch": "Changes", "presign": "Signs", "send": "Sends", "rerun": "Runs again",
    "lists": "Lists", "all": "Everything:",
}

LOSING = re.compile(
    r"(delete|remove|destroy|purge|revoke|reset|wipe|truncate|disable|drop|clear|cancel|terminate|abort|restore|"
    r"rollback|retire|suspend|detach|unassign|disconnect|unlink)"
)
REVEALING = re.compile(
    r"(token|password|secret|credential|jitconfig|connection_?uri|api_?keys?|signing_?keys?|recovery_?codes?|jwt)"
)


def words(name):
    """The words of an operation's own name."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    spaced = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", spaced)
    return [w.lower() for w in re.split(r"[^A-Za-z0-9]+", spaced) if w]


def sentence(name, area=None):
    """A sentence from the operation's own name: no text of the specification's."""
    said = words(name)
    first = VERBS.get(said[0])
    if first is None:
        out = "Calls “" + " ".join(said) + "”"
    else:
        rest = [w for w in said[1:] if w not in ("a", "an", "the")]
        if len(rest) > 1 and rest[0] == "or" and rest[1] in VERBS:
            rest[1] = VERBS[rest[1]].lower()
        out = " ".join([first, *rest])
    return out + (f" ({area})" if area else "") + "."


def segments(path):
    return [s for s in path.split("/") if s]


def is_placeholder(segment):
    return segment.startswith("{")


def singular(word):
    word = re.sub(r"[^a-z0-9]+", "_", word.lower()).strip("_") or "thing"
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def object_of(path):
    """`issue.{owner}/{repo}/{issue_number}`: the last word of the path, and all that it names."""
    parts = segments(path)
    literals = [p for p in parts if not is_placeholder(p)]
    names = [re.sub(r"\.\.\.", "", p) for p in parts if is_placeholder(p)]
    kind = singular(literals[-1]) if literals else "root"
    if kind[0].isdigit():
        kind = "n" + kind
    return f"{kind}.{'/'.join(names)}" if names else kind


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def value(it):
    if isinstance(it, bool):
        return "true" if it else "false"
    if isinstance(it, int):
        return str(it)
    if isinstance(it, str):
        return quoted(it)
    return "[" + ", ".join(value(x) for x in it) + "]"


ORDER = ["match", "id", "effect", "verb", "object", "bound", "reversible", "safeguard", "reveals", "does", "incomplete"]


def table(entry):
    lines = ["[[operation]]"]
    lines += [f"{key} = {value(entry[key])}" for key in ORDER if entry.get(key) is not None]
    return "\n".join(lines) + "\n"


def header(fields, comment):
    lines = [f"# {line}".rstrip() for line in comment.strip().splitlines()]
    lines += [f"{key} = {value(it)}" for key, it in fields.items()]
    return "\n".join(lines) + "\n"


def conservative(method, path, name):
    """What is assumed of an operation by its method and its names, where nobody has looked at it."""
    said = "_".join(words(name))
    last = [s for s in segments(path) if not is_placeholder(s)]
    named = said + "/" + (last[-1] if last else "")
    if method in ("GET", "HEAD", "OPTIONS"):
        return {"effect": "read"}
    if method == "DELETE" or LOSING.search(said):
        return {"effect": "destroy"}
    if REVEALING.search(named.replace("-", "_")):
        return {"effect": ["reveal", "admin"], "reveals": [""]}
    return {"effect": "admin"}
