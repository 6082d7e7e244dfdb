#!/usr/bin/env bash
# Builds Backstop and runs `backstop demo`. Arguments are handed on: --stay.

. "$(dirname "$0")/lib/common.sh"
cd "$ROOT"

scripts/setup.sh rust build postgres
say "building backstop (the first time takes some minutes)"
cargo build --release --locked --package backstop
exec target/release/backstop demo "$@"
