#!/usr/bin/env bash
# Writes PostgreSQL's own catalogue, as the servers at hand have it, into
# crates/backstop-wire/data/stock: what `backstop judge` knows without a target.
# Each line starts with the majors that have it. Run it again for a new major
# and read the difference: every new volatile function needs an entry in
# crates/backstop-wire/src/sql/builtins.rs.
set -euo pipefail
cd "$(dirname "$0")/.."
queries=crates/backstop-wire/data/queries
stock=crates/backstop-wire/data/stock
majors=(15 16 17 18)
work=$(mktemp -d)
chmod 755 "$work"
started=()

as_server_user() {
  if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"; else "$@"; fi
}

stop_all() {
  local major
  for major in "${started[@]:-}"; do
    [ -n "$major" ] && as_server_user "$(bindir "$major")/pg_ctl" -D "$work/$major/data" -m immediate stop >/dev/null || true
  done
  rm -rf "$work"
}
trap stop_all EXIT

bindir() {
  local found
  for found in "/usr/lib/postgresql/$1/bin" "$PWD/.cache/postgres/$1/bin"; do
    if [ -x "$found/postgres" ]; then echo "$found"; return; fi
  done
  echo "catalogue-data: PostgreSQL $1 is not there" >&2
  echo "hint: run \`make setup\` first" >&2
  return 1
}

for major in "${majors[@]}"; do
  bin=$(bindir "$major")
  mkdir -p "$work/$major"
  [ "$(id -u)" = 0 ] && chown postgres "$work/$major"
  as_server_user "$bin/initdb" -D "$work/$major/data" -U postgres -A trust -E UTF8 --locale=C >"$work/$major/log" 2>&1
  port=$((20000 + RANDOM % 20000))
  as_server_user "$bin/pg_ctl" -D "$work/$major/data" -w -l "$work/$major/server.log" \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off" start >/dev/null
  started+=("$major")
  for name in schemas relations functions operators types; do
    PGOPTIONS='-c search_path=' psql -X -q -h 127.0.0.1 -p "$port" -U postgres -d template1 \
      -c "copy ($(grep -v '^--' "$queries/$name.sql")) to stdout" >"$work/$name.$major"
  done
done

mkdir -p "$stock"
for name in schemas relations functions operators types; do
  for major in "${majors[@]}"; do
    sed "s/^/$major\t/" "$work/$name.$major"
  done | awk -F'\t' '{
    line = substr($0, length($1) + 2)
    if (!(line in at)) { at[line] = ++n; lines[n] = line; first[n] = majors[n] = $1 } else majors[at[line]] = majors[at[line]] "," $1
  } END { for (i = 1; i <= n; i++) print (majors[i] == "15,16,17,18" ? "*" : majors[i]) "\t" lines[i] }' >"$stock/$name.tsv"
done
wc -l "$stock"/*.tsv
