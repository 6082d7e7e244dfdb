#!/usr/bin/env bash
# Prints the performance table: each crate's own benchmarks, then the gate
# against a direct connection and PgBouncer. Arguments are handed on to the gate's.

. "$(dirname "$0")/lib/common.sh"
cd "$ROOT"

scripts/setup.sh rust build postgres bench

# has_bench CRATE NAME
has_bench() { [ -f "crates/$1/benches/$2.rs" ]; }

for pair in backstop-wire:analysis backstop-core:decision backstop-journal:journal; do
    if has_bench "${pair%%:*}" "${pair#*:}"; then
        say "${pair%%:*}: ${pair#*:}"
        cargo bench --locked --package "${pair%%:*}" --bench "${pair#*:}"
    fi
done

has_bench backstop gate || fail "the gate has no benchmark" \
    "crates/backstop/benches/gate.rs is expected to print the performance table"
say "the gate against a direct connection and PgBouncer"
exec cargo bench --locked --package backstop --bench gate -- "$@"
