#!/usr/bin/env bash
# Builds Backstop and puts it where cargo puts programs.

. "$(dirname "$0")/lib/common.sh"
cd "$ROOT"

scripts/setup.sh rust build
cargo install --locked --path crates/backstop
say "installed; begin with: backstop init --help"
