# What every script here shares: where the repository is, how to speak, how to
# become root. It installs nothing by itself and is only ever sourced.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${BACKSTOP_TEST_CACHE:-$ROOT/.cache}

# Progress is for people and goes to standard error; data keeps standard output.
say() { printf '==> %s\n' "$*" >&2; }

fail() {
    printf 'error: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        fail "this step needs root: $*" "run it as root, or install sudo"
    fi
}

# The user that PostgreSQL runs as when this script is root (it refuses root).
server_user() {
    if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi
}

# Whether the user that runs the servers can enter a folder: a checkout under a
# private home folder is closed to it.
server_user_can_enter() {
    if [ "$(id -u)" != 0 ]; then
        [ -x "$1" ]
    else
        local user
        user=$(server_user)
        setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups test -x "$1"
    fi
}

# Where servers from packages are kept: beside the code, or, when that is closed
# to the user that runs them, where any user may read.
postgres_dir() {
    mkdir -p "$CACHE"
    if server_user_can_enter "$CACHE"; then
        echo "$CACHE/postgres"
    else
        echo /var/cache/backstop/postgres
    fi
}
