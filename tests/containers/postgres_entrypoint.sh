#!/bin/sh
# As the public Postgres image starts, as far as infra/compose.yaml relies on it, with Debian's Postgres 15.
set -eu
export PATH="/usr/lib/postgresql/15/bin:$PATH"
data="${PGDATA:-/var/lib/postgresql/data}"
if [ ! -s "$data/PG_VERSION" ]; then
    umask 077
    printf '%s\n' "$POSTGRES_PASSWORD" > /tmp/password
    # shellcheck disable=SC2086
    initdb --pgdata "$data" --username postgres --pwfile /tmp/password ${POSTGRES_INITDB_ARGS:-} > /tmp/initdb.log
    rm /tmp/password
    echo "host all all all scram-sha-256" >> "$data/pg_hba.conf"
    pg_ctl --pgdata "$data" --wait --silent --options "-c listen_addresses= -c unix_socket_directories=/var/run/postgresql" start
    for script in /docker-entrypoint-initdb.d/*.sh; do sh "$script"; done
    pg_ctl --pgdata "$data" --wait --silent stop
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
