#!/usr/bin/env bash
# Compares what `backstop scopes` finds, and how fast, with three scanners from PyPI, in one run on the same trees:
#   speed    the workspace that the benchmark makes (100,000 files, 2 GB), warm, three rounds each
#   planted  the home and workspace of the tests: how many of the credentials, how many of the look-alikes
# Nothing is tried against any service: validation is switched off in all of them.
# Arguments: speed, planted, or none for both.

. "$(dirname "$0")/lib/common.sh"
cd "$ROOT"

scripts/setup.sh rust build scanners
venv=$CACHE/scanners
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
parts=${*:-speed planted}

# scan NAME DIR OUT : runs one of them over DIR; its findings as JSON in OUT.
scan() {
    case $1 in
        detect-secrets) (cd "$2" && "$venv/bin/detect-secrets" -c 2 scan --all-files --no-verify . >"$3") ;;
        kingfisher) "$venv/bin/kingfisher" scan "$2" --no-validate --no-update-check --git-history none --jobs 2 \
            --no-dedup --no-extract-archives \
            --format json --output "$3" >/dev/null 2>&1 || true ;;
        betterleaks) "$venv/bin/betterleaks" auto "$2" --jobs 2 --max-archive-depth=0 --max-decode-depth=0 --silent --no-banner --output "$3" >/dev/null 2>&1 || true ;;
    esac
}

if [[ $parts == *speed* ]]; then
    cargo bench --locked --package backstop-scopes --bench find -- --make "$work/tree"
    cargo bench --locked --package backstop-scopes --bench find -- "$work/tree"
    for name in betterleaks kingfisher detect-secrets; do
        for round in 1 2 3; do
            # detect-secrets takes minutes; once is enough to know.
            [ "$name" != detect-secrets ] || [ "$round" = 1 ] || continue
            begin=$(date +%s.%N)
            ( ulimit -t 1800; scan "$name" "$work/tree" "$work/$name.json" )
            printf '%-15s %s s\n' "$name" "$(echo "$(date +%s.%N) - $begin" | bc)"
        done
    done
fi

if [[ $parts == *planted* ]]; then
    BACKSTOP_PLANT_INTO=$work/planted cargo test --quiet --locked --package backstop-scopes --test it -- \
        --ignored --exact planted::plants_for_other_scanners
    for name in betterleaks kingfisher detect-secrets; do
        scan "$name" "$work/planted/tree" "$work/planted/$name.json"
    done
    /usr/bin/python3 scripts/lib/compare_scanners.py "$work/planted"
fi
