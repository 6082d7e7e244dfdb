#!/usr/bin/env bash
# Prints the performance table: each crate's own benchmarks, then the gate
# against a direct connection and PgBouncer. Arguments are handed on to the gate's:
# `scripts/bench.sh reads idle` runs only those parts of it, after the others.
# BACKSTOP_BENCH_SECONDS (3) and BACKSTOP_BENCH_ROUNDS (5) set how long a cell of
# the table runs, and how often.

. "$(dirname "$0")/lib/common.sh"
cd "$ROOT"

scripts/setup.sh rust build postgres bench

# has_bench CRATE NAME
has_bench() { [ -f "crates/$1/benches/$2.rs" ] || [ -f "crates/$1/benches/$2/main.rs" ]; }

# Thousands of idle connections, both ends on this machine.
[ "$(ulimit -n)" = unlimited ] || [ "$(ulimit -n)" -ge 16384 ] || ulimit -n 16384 2>/dev/null ||
    say "at most $(ulimit -n) open files: the idle connections may not fit"

for pair in backstop-wire:analysis backstop-gates:decision backstop-journal:journal backstop-scopes:find backstop-scopes:roads; do
    if has_bench "${pair%%:*}" "${pair#*:}"; then
        say "${pair%%:*}: ${pair#*:}"
        cargo bench --locked --package "${pair%%:*}" --bench "${pair#*:}"
    fi
done

has_bench backstop gate || fail "the gate has no benchmark" \
    "crates/backstop/benches/gate is expected to print the performance table"
say "the gate against a direct connection and PgBouncer"
exec cargo bench --locked --package backstop --bench gate -- "$@"
