# The Python and Node clients that the conformance programs drive. Versions are
# pinned in scripts/clients. Only sourced, by setup.sh.

setup_clients() {
    setup_python_clients
    setup_node_clients
}

setup_python_clients() {
    local pins=$ROOT/scripts/clients/requirements.txt venv=$CACHE/python
    ! cmp -s "$pins" "$venv/installed.txt" || return 0
    say "installing the Python clients into $venv"
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$pins" >&2 ||
        fail "pip could not install the Python clients" "read its message above"
    cp "$pins" "$venv/installed.txt"
}

setup_node_clients() {
    local pins=$ROOT/scripts/clients/package.json dir=$CACHE/node
    ! cmp -s "$pins" "$dir/installed.json" || return 0
    say "installing the Node clients into $dir"
    rm -rf "$dir"
    mkdir -p "$dir"
    cp "$pins" "$dir/package.json"
    npm install --prefix "$dir" --ignore-scripts --no-package-lock --no-audit --no-fund \
        --loglevel=error >&2 ||
        fail "npm could not install the Node clients" "read its message above"
    cp "$pins" "$dir/installed.json"
}

setup_scanners() {
    local pins=$ROOT/scripts/clients/scanners.txt venv=$CACHE/scanners
    ! cmp -s "$pins" "$venv/installed.txt" || return 0
    say "installing scanners for secrets into $venv"
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$pins" >&2 ||
        fail "pip could not install the scanners" "read its message above"
    cp "$pins" "$venv/installed.txt"
}
