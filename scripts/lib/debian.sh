# Debian packages: collects what is wanted and missing, then installs all of it
# with one apt-get. Only sourced, by setup.sh.

WANTED=()

# want PACKAGE... : notes packages for install_wanted.
want() { WANTED+=("$@"); }

want_build() {
    have gcc || want gcc libc6-dev
    have make || want make
    # bindgen loads libclang at build time and needs its own headers beside it.
    have_libclang || want libclang-dev
}

# The names that bindgen looks for. `libclang-cpp.so.14` is another library, which
# many a machine has without this one.
have_libclang() {
    compgen -G '/usr/lib/llvm-*/lib/libclang.so*' >/dev/null ||
        compgen -G '/usr/lib/llvm-*/lib/libclang-[0-9]*.so*' >/dev/null
}

want_postgres() {
    compgen -G '/usr/lib/postgresql/15/bin/postgres' >/dev/null || want postgresql-15
    compgen -G '/usr/lib/postgresql/*/bin/pgbench' >/dev/null || want postgresql-contrib
    # Makes statements that nobody would write.
    have sqlsmith || want sqlsmith
    want_psql
}

want_psql() { have psql || want postgresql-client-15; }

# Without a font, screenshots are full of boxes.
want_browser() { have chromium || want chromium fonts-dejavu-core; }

want_pgbouncer() { have pgbouncer || [ -x /usr/sbin/pgbouncer ] || want pgbouncer; }

want_python() {
    have python3 || want python3
    /usr/bin/python3 -c 'import venv, ensurepip' 2>/dev/null || want python3-venv
}

# They open what the vault stores, without Backstop.
want_openers() {
    have age || want age
    have zstd || want zstd
}

want_node() {
    have node || want nodejs
    have npm || want npm
}

# What the HTTP gate is tried with.
want_http_clients() {
    have curl || want curl
    have git || want git
    have kubectl || want kubernetes-client
}

install_wanted() {
    [ ${#WANTED[@]} -gt 0 ] || return 0
    have apt-get || fail "missing: ${WANTED[*]}" \
        "this is not Debian; install their counterparts with your own package manager"
    # Two parts may want the same package.
    mapfile -t WANTED < <(printf '%s\n' "${WANTED[@]}" | sort -u)
    say "installing from Debian: ${WANTED[*]}"
    as_root apt-get update -q >&2 || fail "apt-get update failed" "read its message above"
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "${WANTED[@]}" >&2 ||
        fail "apt-get install failed for: ${WANTED[*]}" "read its message above"
}
