# cvc5, the solver that the proofs about policies ask. Debian's is older than what
# Cedar's compiler is made for, and the package on PyPI has the library without the
# program: cvc5_program.py stands in for that. Only sourced, by setup.sh.

setup_solver() {
    local pins=$ROOT/scripts/clients/solver.txt program=$ROOT/scripts/lib/cvc5_program.py venv=$CACHE/solver
    if ! cmp -s "$pins" "$venv/installed.txt"; then
        say "installing the solver cvc5 into $venv"
        rm -rf "$venv"
        /usr/bin/python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: -r "$pins" >&2 ||
            fail "pip could not install cvc5" "read its message above"
    fi
    if ! cmp -s "$program" "$venv/cvc5_program.py" || [ ! -x "$venv/bin/cvc5" ]; then
        say "writing $venv/bin/cvc5, which runs it as a program"
        cp "$program" "$venv/cvc5_program.py"
        cat >"$venv/bin/cvc5" <<'PROGRAM'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
exec "$here/python" "$here/../cvc5_program.py" "$@"
PROGRAM
        chmod 755 "$venv/bin/cvc5"
    fi
    "$venv/bin/cvc5" --version >/dev/null ||
        fail "cvc5 does not run on this machine" "delete $venv and run again"
    # Last, so that a run that was stopped half-way leaves nothing that looks finished.
    cp "$pins" "$venv/installed.txt"
}
