#!/usr/bin/env bash
# Runs the fuzz targets of fuzz/, one after the other: `scripts/fuzz.sh [SECONDS [TARGET…]]`, 60 seconds each
# and all of them unless said otherwise. It starts from the statement corpus of the tests and from what real
# clients said and what each pack knows (fuzz/seeds). What it learns stays in fuzz/corpus, what it finds in fuzz/artifacts.
#
# BACKSTOP_FUZZ_SANITIZER (none): `address` looks over the Rust side's memory too, at half the speed. The SQL
# parser is C and is built without it either way.

. "$(dirname "$0")/lib/common.sh"
cd "$ROOT"

scripts/setup.sh rust build fuzz

seconds=${1:-60}
[ $# = 0 ] || shift
[[ $seconds =~ ^[0-9]+$ ]] || fail "\`$seconds\` is no number of seconds" "for instance: scripts/fuzz.sh 60 analysis"

# cargo-fuzz passes flags that only a nightly compiler admits to. A stable one has them all the same, and this
# lets it. Nothing that is shipped is built so.
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR=$ROOT/fuzz/target

# Each line of the corpus is what it is said to be, ` :: `, and the statement.
seed_statements() {
    mkdir -p fuzz/corpus/analysis
    sed -n 's/^.* :: //p' crates/backstop-wire/tests/sql_corpus/*.txt |
        awk '{ file = sprintf("fuzz/corpus/analysis/corpus-%04d", NR); printf "%s", $0 > file; close(file) }'
}
seed_statements

mapfile -t all < <(sed -n 's/^path = "fuzz_targets\/\(.*\)\.rs"$/\1/p' fuzz/Cargo.toml)
for target in "${@:-${all[@]}}"; do
    [ -f "fuzz/fuzz_targets/$target.rs" ] || fail "there is no fuzz target \`$target\`" "one of: ${all[*]}"
    mkdir -p "fuzz/corpus/$target" "fuzz/seeds/$target"
    say "fuzzing $target for $seconds seconds"
    # Ten seconds for one input is a hang; 64 kB are enough for what grows with the square to show.
    cargo fuzz run --sanitizer "${BACKSTOP_FUZZ_SANITIZER:-none}" "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=4096 -print_final_stats=1
done
