#!/usr/bin/env bash
# The long tests: those marked #[ignore = "soak…"], one after the other, so that
# their timings mean something.

. "$(dirname "$0")/lib/common.sh"
cd "$ROOT"

scripts/setup.sh rust build postgres servers
export BACKSTOP_REQUIRE_ALL=1
exec cargo test --workspace --locked --lib --bins --tests --no-fail-fast -- --ignored --test-threads=1 "$@"
