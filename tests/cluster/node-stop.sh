#!/bin/bash
# usage: node-stop.sh DAEMON [SIGNAL]   ends one daemon by its pid and waits until it is gone.
# TERM by default (PostgreSQL: INT, its fast shutdown), and KILL after 10 s: the apiserver would wait a minute for its watchers.
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
echo "$daemon did not end" >&2
exit 1
