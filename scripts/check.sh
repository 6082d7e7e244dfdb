#!/usr/bin/env bash
# Formatting, lints, documentation and floors. No tests beyond that. `--without-floors` where the tests come next, which
# have the floors among them.

. "$(dirname "$0")/lib/common.sh"
cd "$ROOT"

scripts/setup.sh rust lint build

say "formatting"
cargo fmt --all --check

say "lints"
cargo clippy --workspace --all-targets --features backstop-testing/browser --locked -- -D warnings

say "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --features backstop-testing/browser --no-deps --locked --quiet

say "shell scripts parse"
find scripts .ci -type f \( -name '*.sh' -o -path '.ci/run' -o -path 'scripts/clients/run' \) -print0 |
    xargs -0 -n1 bash -n

# The floors and the licences are a test too (backstop-testing, tests/integration/floors.rs),
# so that nobody needs cargo-deny to be told; where it is installed it has a say.
say "floors and licences"
if [[ "${1:-}" != --without-floors ]]; then
    cargo test --quiet --locked --package backstop-testing --test integration floors::
fi
if have cargo-deny; then
    cargo deny check bans licenses sources
fi
