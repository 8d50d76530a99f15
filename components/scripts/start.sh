#!/bin/sh
# Starts a container's process: start.sh [--chown UID:GID PATH] -- COMMAND...
# Secrets become its environment here, where nothing outside the container sees them.
set -eu

for file in /run/secrets/env/*; do
    [ -f "$file" ] && export "${file##*/}=$(cat "$file")"
done

if [ "$1" = --chown ]; then
    identity=$2 path=$3
    shift 3
    [ "$(stat -c %u:%g "$path")" = "$identity" ] || chown -R "$identity" "$path"
    shift
    exec setpriv --reuid "${identity%:*}" --regid "${identity#*:}" --clear-groups -- "$@"
fi
shift
exec "$@"
