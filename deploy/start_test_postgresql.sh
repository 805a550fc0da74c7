#!/bin/sh
# Starts a PostgreSQL of its own for tests and benchmarks: the system's binaries, loopback only, a random
# password, all data in a new temporary folder. Prints the SQLAlchemy URL and the folder, one a line.
#
#   deploy/start_test_postgresql.sh            start
#   deploy/start_test_postgresql.sh --stop DIR stop the server in DIR and remove DIR
#
# POSTGRESQL_OPTIONS adds options of the server, such as "-c fsync=off" for tests that cut no power.
# Exits with 3 and a reason on standard error where PostgreSQL cannot be had.
set -eu

cannot() {
    echo "$1" >&2
    exit 3
}

binaries=${POSTGRESQL_BIN:-}
for folder in "$binaries" $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -Vr) /usr/local/bin /usr/bin; do
    if [ -n "$folder" ] && [ -x "$folder/initdb" ] && [ -x "$folder/pg_ctl" ]; then
        binaries=$folder
        break
    fi
done
[ -n "$binaries" ] && [ -x "$binaries/initdb" ] ||
    cannot "no PostgreSQL server is installed (on Debian: apt-get install postgresql)"

# The server refuses to run as root.
as_owner() { "$@"; }
if [ "$(id -u)" = 0 ]; then
    id postgres >/dev/null 2>&1 || cannot "PostgreSQL does not run as root and there is no user postgres"
    command -v runuser >/dev/null || cannot "PostgreSQL does not run as root and runuser is missing"
    as_owner() { runuser -u postgres -- "$@"; }
fi

if [ "${1:-}" = --stop ]; then
    [ -f "$2/data/postmaster.pid" ] && as_owner "$binaries/pg_ctl" -D "$2/data" -m immediate -w stop >/dev/null
    rm -rf "$2"
    exit 0
fi

root=$(mktemp -d "${TMPDIR:-/tmp}/industriverse-postgresql-XXXXXX")
[ "$(id -u)" = 0 ] && chown postgres "$root"
cd "$root"
password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
port=${POSTGRESQL_PORT:-$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')}
printf '%s' "$password" >"$root/password"
[ "$(id -u)" = 0 ] && chown postgres "$root/password"
chmod 600 "$root/password"
as_owner "$binaries/initdb" -D "$root/data" -U postgres -A scram-sha-256 --pwfile="$root/password" \
    -E UTF8 --locale=C.UTF-8 --data-checksums --no-sync >"$root/initdb.log" 2>&1 ||
    cannot "initdb failed: $(tail -n 1 "$root/initdb.log")"
as_owner "$binaries/pg_ctl" -D "$root/data" -l "$root/server.log" -w -t 60 start \
    -o "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$root ${POSTGRESQL_OPTIONS:-}" >/dev/null 2>&1 ||
    cannot "the server did not start: $(tail -n 1 "$root/server.log")"
echo "postgresql+psycopg://postgres:$password@127.0.0.1:$port/postgres"
echo "$root"
