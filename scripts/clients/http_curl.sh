#!/usr/bin/env bash
# curl at an HTTP API: see README.md, `HTTP programs`. Started by run, with the version to speak and the mode.

set -euo pipefail

version=$1
mode=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

ask() { curl -sS --max-time 60 "$version" "$@"; }
items() { ask -H "Authorization: Bearer $ITEMS_TOKEN" "$@"; }

# What a client sees of a refusal: it is no answer of the service.
problem() {
    local status kind
    read -r status kind < <("$@" -o "$work/body" -w '%{http_code} %{content_type}\n')
    if [ "$status" = 200 ]; then
        printf '%s %s\n' "$status" "$(cat "$work/body")"
    else
        printf '%s %s %s\n' "$status" "$kind" "$(grep -o 'urn:backstop:problem:[a-z-]*' "$work/body")"
    fi
}

count() { grep -o '[0-9]' "$1" | wc -l; }

ordinary() {
    local name status
    for name in items moved; do
        status=$(items -L -o "$work/list" -w '%{http_code}' "$ITEMS_URL/$name")
        printf '%s %s %s\n' "$name" "$status" "$(count "$work/list")"
    done
    printf 'missing %s\n' "$(items -o /dev/null -w '%{http_code}' "$ITEMS_URL/missing")"
    items -o "$work/big" "$ITEMS_URL/big"
    printf 'download %s %s\n' "$(stat -c %s "$work/big")" "$(sha256sum <"$work/big" | cut -d' ' -f1)"
    # From a pipe it has no length: it goes in chunks, as it comes.
    head -c 3145728 /dev/zero | tr '\0' x |
        ask -H "Authorization: Bearer $FILES_TOKEN" -H 'Content-Type: application/octet-stream' \
            -X POST -T - -o "$work/stored" "$FILES_URL/storage/v1/object/bucket/file"
    printf 'upload %s\n' "$(sed 's/^{"bytes":\([0-9]*\),"sha256":"\([0-9a-f]*\)"}$/\1 \2/' "$work/stored")"
}

case $mode in
    ordinary) ordinary ;;
    destroys) problem items -X DELETE "$ITEMS_URL/items/1" ;;
    redirected)
        problem items -L "$ITEMS_URL/away"
        problem items -L "$ITEMS_URL/outside"
        ;;
    stray) problem ask -H "Authorization: Bearer $STRAY" "$ITEMS_URL/items" ;;
    # It carries the credential to wherever it is sent.
    follows) problem items -L --location-trusted "$ITEMS_URL/away" ;;
    *)
        printf 'error: there is no mode %s\n' "$mode" >&2
        exit 2
        ;;
esac
