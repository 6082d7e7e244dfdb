#!/usr/bin/env bash
# Prints the performance table: each crate's own benchmarks, then the HTTP gate against a direct connection, mitmproxy
# and Envoy, then the PostgreSQL gate against a direct connection and PgBouncer. Arguments are parts of one of the
# two, and only those run, after the others: `scripts/bench.sh reads idle`, or `scripts/bench.sh http costs`.
# BACKSTOP_BENCH_SECONDS (3; 2 for HTTP) and BACKSTOP_BENCH_ROUNDS (5) set how long a cell of the tables runs, and how
# often; BACKSTOP_BENCH_CONNECTIONS (10000) how many HTTP connections are idle.

. "$(dirname "$0")/lib/common.sh"
cd "$ROOT"

scripts/setup.sh rust build postgres bench

# has_bench CRATE NAME
has_bench() { [ -f "crates/$1/benches/$2.rs" ] || [ -f "crates/$1/benches/$2/main.rs" ]; }

# Thousands of idle connections, both ends on this machine.
[ "$(ulimit -n)" = unlimited ] || [ "$(ulimit -n)" -ge 16384 ] || ulimit -n 16384 2>/dev/null ||
    say "at most $(ulimit -n) open files: the idle connections may not fit"

for pair in backstop-wire:analysis backstop-wire:graphql backstop-wire:providers backstop-wire:presented \
    backstop-gates:decision backstop-journal:journal backstop-scopes:find backstop-scopes:roads; do
    if has_bench "${pair%%:*}" "${pair#*:}"; then
        say "${pair%%:*}: ${pair#*:}"
        cargo bench --locked --package "${pair%%:*}" --bench "${pair#*:}"
    fi
done

for bench in http gate; do
    has_bench backstop "$bench" || fail "the gate has no benchmark" \
        "crates/backstop/benches/$bench is expected to print its performance table"
done

if [ "${1:-http}" = http ]; then
    say "the HTTP gate against a direct connection, mitmproxy and Envoy"
    cargo bench --locked --package backstop --bench http -- "${@:2}"
    [ $# = 0 ] || exit 0
fi
say "the PostgreSQL gate against a direct connection and PgBouncer"
exec cargo bench --locked --package backstop --bench gate -- "$@"
