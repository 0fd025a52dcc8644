#!/bin/bash
# usage: node-stop.sh DAEMON [SIGNAL]   stops one daemon by its pid and waits for it to exit.
# TERM by default (PostgreSQL: INT, its fast shutdown), then KILL after 10 s: the apiserver waits a minute for watchers.
set -euo pipefail
# shellcheck source=env.sh
. "$(dirname "$0")/env.sh"
daemon=$1 signal=${2:-TERM}
[ "$daemon$signal" != postgresTERM ] || signal=INT
pid=$(cat "$KB/pids/$daemon")
"$CLUSTER_SRC/node-exec.sh" kill "-$signal" "$pid"
for tenth in $(seq 200); do
    "$CLUSTER_SRC/node-exec.sh" kill -0 "$pid" 2>/dev/null || exit 0
    [ "$tenth" != 100 ] || "$CLUSTER_SRC/node-exec.sh" kill -KILL "$pid"
    sleep 0.1
done
echo "$daemon did not exit" >&2
exit 1
