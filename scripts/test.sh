#!/usr/bin/env bash
# Every check and test. Arguments are handed on to the test runner.

. "$(dirname "$0")/lib/common.sh"
cd "$ROOT"

scripts/setup.sh rust lint build postgres servers browser pooler clients solver
scripts/check.sh --without-floors

# A missing server or browser must fail here, never quietly skip its tests.
export BACKSTOP_REQUIRE_ALL=1
features=(--workspace --features backstop-testing/browser --locked)

say "documentation examples"
cargo test --doc "${features[@]}"

# Last, so that the runner's closing line is the last thing on the screen.
say "tests"
if have cargo-nextest; then
    exec cargo nextest run "${features[@]}" --no-fail-fast "$@"
fi
say "cargo-nextest is not installed; cargo test does the same, less prettily"
exec cargo test "${features[@]}" --lib --bins --tests --no-fail-fast "$@"
