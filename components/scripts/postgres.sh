#!/bin/sh
# Starts PostgreSQL with the options given, after making or mending what is in the volume.
set -eu
here=${0%/*}

if [ ! -d "$PGDATA" ]; then
    # Made beside and renamed: a start that is killed here leaves no half-made cluster.
    rm -rf "$PGDATA.new"
    initdb --pgdata "$PGDATA.new" --username postgres --encoding UTF8 --locale C.UTF-8 \
        --data-checksums --no-instructions --auth-local peer --auth-host reject
    mv "$PGDATA.new" "$PGDATA"
fi

# On a socket of its own, so that nobody takes the server for ready before it is.
socket=$(mktemp -d)
pg_ctl start --silent --wait --log /dev/stderr \
    --options "-c listen_addresses= -c unix_socket_directories=$socket -c hba_file=$here/pg_hba.conf"
psql -XqA --set ON_ERROR_STOP=1 --host "$socket" --username postgres --dbname postgres \
    --file "$here/reconcile.sql"
pg_ctl stop --silent --wait --mode fast

exec postgres "$@"
