#!/usr/bin/env bash
# Builds Backstop and puts it where cargo puts programs.

. "$(dirname "$0")/lib/common.sh"
cd "$ROOT"

scripts/setup.sh rust build
cargo install --locked --path crates/backstop
# Line numbers for profilers are four fifths of the file.
installed="${CARGO_INSTALL_ROOT:-${CARGO_HOME:-$HOME/.cargo}}/bin/backstop"
if [ -f "$installed" ]; then
    strip --strip-debug "$installed"
fi
say "installed; begin with: backstop init --help"
