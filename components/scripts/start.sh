#!/bin/sh
# Starts a container's process: start.sh [--user UID:GID] [--chown PATH]... [--keep CAPABILITY] -- COMMAND...
# Secrets become its environment here, where nothing outside the container sees them.
set -eu

for file in /run/secrets/env/*; do
    [ -f "$file" ] && export "${file##*/}=$(cat "$file")"
done

user='' keep=''
while [ "$1" != -- ]; do
    case $1 in
    --user) user=$2 ;;
    --chown) [ "$(stat -c %u:%g "$2")" = "$user" ] || chown -R "$user" "$2" ;;
    --keep) keep="--inh-caps +$2 --ambient-caps +$2" ;;
    esac
    shift 2
done
shift
# shellcheck disable=SC2086 # several words
[ -z "$user" ] || set -- setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups $keep -- "$@"
exec "$@"
