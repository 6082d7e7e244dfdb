# psql, as a person at a terminal and as a script use it. Called by `run`.

set -euo pipefail

here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

printf '1110\tcopied in\t10\n1111\ttab\\tand newline\\n\t\\N\n' >"$work/in.tsv"

# Errors are part of the script and must come in their place among the results.
psql --no-psqlrc --quiet --set "in=$work/in.tsv" --file "$here/psql.sql" "$DSN" 2>&1 |
    sed -e "s#$work#WORK#g" -e "s#$here/##g"

echo '== \copy to a file'
psql --no-psqlrc --quiet "$DSN" \
    -c "\\copy (SELECT id, name, city FROM customers WHERE id < 6 ORDER BY id) TO '$work/out.csv' WITH (FORMAT csv, HEADER)"
cat "$work/out.csv"

echo '== rights, schemas, databases, roles'
# Rights name the role, which is another one through the gate; unaligned, its length makes no difference.
role=$(psql --no-psqlrc --no-align --tuples-only "$DSN" -c 'SELECT current_user')
psql --no-psqlrc --no-align "$DSN" -c '\dp [cnpv]*' -c '\z customers' -c '\dn+' -c '\l [pt]*' -c '\l+ template1' \
    -c '\db' -c '\du postgres' -c '\dg+ postgres' -c '\ddp' -c '\dL' -c '\dO' -c '\dX' -c '\dRp' -c '\dFt' -c '\dl' \
    -c '\dt *.vehicle*' -c '\di+ vehicles_*' -c '\d+ vehicles' -c '\d+ monthly_revenue' -c '\dT+ vehicle_*' \
    -c '\dfp' -c '\dft' -c '\dAc btree int4' -c '\sv open_reservations' -c '\dtS pg_auth*' -c '\conninfo' 2>&1 |
    sed -e "s#$role#ROLE#g" -e '/^You are connected/d' -e '/^SSL connection/d'

echo '== COPY through standard input and output'
psql --no-psqlrc --quiet "$DSN" -c 'DELETE FROM notes WHERE id = 1120'
printf '1120,piped,1\n' | psql --no-psqlrc "$DSN" -c 'COPY notes FROM STDIN WITH (FORMAT csv)'
psql --no-psqlrc --quiet "$DSN" -c 'COPY (SELECT * FROM notes WHERE id = 1120) TO STDOUT'
psql --no-psqlrc "$DSN" -c 'DELETE FROM notes WHERE id = 1120'

echo '== several statements in one -c, and --single-transaction'
psql --no-psqlrc "$DSN" -c "SELECT 1 AS one; SELECT 2 AS two" -c 'SELECT 3 AS three'
printf "INSERT INTO notes VALUES (1121, 'both', 1);\nSELECT 1 / 0;\n" |
    psql --no-psqlrc --single-transaction --set ON_ERROR_STOP=1 "$DSN" 2>&1 || echo "exit code $?"
psql --no-psqlrc "$DSN" -c 'SELECT count(*) FROM notes WHERE id = 1121'

# Waits until a file holds a pattern some number of times, then interrupts psql.
interrupt_after() {
    local file=$1 pattern=$2 times=$3 process=$4 found
    for _ in $(seq 600); do
        # The file may not be there yet.
        found=$(grep -c -- "$pattern" "$file" 2>/dev/null) || true
        [ "${found:-0}" -lt "$times" ] || break
        sleep 0.05
    done
    kill -INT "$process"
    wait "$process" || true
}

echo '== \watch, ended with Ctrl-C'
printf 'SELECT count(*) AS classes FROM vehicle_classes \\watch 0.2\n' >"$work/watch.sql"
stdbuf -oL psql --no-psqlrc --file "$work/watch.sql" "$DSN" >"$work/watched" 2>&1 &
interrupt_after "$work/watched" '(1 row)' 2 $!
# How often it ran before it was interrupted is chance: the first two are shown.
sed -e '/(every /d' "$work/watched" | grep -v '^$' | head -n 8

echo '== Ctrl-C ends a query'
cat >"$work/cancel.sql" <<'SQL'
\echo begins
SELECT count(*) FROM reservations AS a, reservations AS b WHERE a.total > b.total;
SQL
stdbuf -oL psql --no-psqlrc --file "$work/cancel.sql" "$DSN" >"$work/cancelled" 2>&1 &
process=$!
until grep -q begins "$work/cancelled"; do sleep 0.05; done
sleep 0.5
interrupt_after "$work/cancelled" begins 1 "$process"
sed -e "s#$work/##g" "$work/cancelled"
