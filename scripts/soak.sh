#!/usr/bin/env bash
# The long tests: those marked #[ignore = "soak…"], one after the other, so that
# their timings mean something. BACKSTOP_SOAK_PERCENT=10 does a tenth of the work.

. "$(dirname "$0")/lib/common.sh"
cd "$ROOT"

scripts/setup.sh rust build postgres servers
export BACKSTOP_REQUIRE_ALL=1
cargo test --workspace --features backstop-testing/browser --locked --lib --bins --tests --no-fail-fast -- --ignored --test-threads=1 "$@"
# What a table of ten gigabytes takes of memory while it is kept.
BACKSTOP_BENCH_GIGABYTES=10 exec cargo bench --locked --package backstop --bench gate -- memory
