#!/bin/bash
# usage: node-start.sh DAEMON   restarts one daemon with its previous command line.
set -euo pipefail
# shellcheck source=env.sh
. "$(dirname "$0")/env.sh"
daemon=$1
alive() { "$CLUSTER_SRC/node-exec.sh" kill -0 "$(cat "$KB/pids/$daemon")" 2>/dev/null; }
! alive || { echo "$daemon is already running" >&2; exit 1; }
# Its output is not inherited: a process reading ours would otherwise wait until the daemon exits.
# $$ is the pid inside the node's namespace, which the daemon keeps: its command line is an exec.
# shellcheck disable=SC2016
"$CLUSTER_SRC/node-exec.sh" setsid bash -c 'echo $$ >"$1"; exec >>"$2" 2>&1 </dev/null; . "$3"' - \
    "$KB/pids/$daemon" "$LOGS/$daemon.log" "$KB/cmd/$daemon" >/dev/null 2>&1 </dev/null &
sleep 0.5
alive || { tail -3 "$LOGS/$daemon.log" >&2; exit 1; }
