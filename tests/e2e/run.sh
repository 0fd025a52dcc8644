#!/bin/bash
# usage: run.sh PATH [PYTEST_ARGUMENTS...]   runs tests on the cluster: starts it, and stops it afterwards, even if interrupted.
# A node that was already running is kept; E2E_KEEP=1 keeps it in any case. Logs: build/e2e, or E2E_LOGS.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
kit=$root/tests/cluster
# shellcheck source=../cluster/env.sh
. "$kit/env.sh"
logs=${E2E_LOGS:-$root/build/e2e}

"$kit/check.sh"
mkdir -p "$logs"
if [ -z "$(node_pid || true)" ] && [ -z "${E2E_KEEP:-}" ]; then
    trap '"$kit/node-down.sh"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
fi
start=$SECONDS
"$kit/build.sh" promql
"$kit/up.sh"
echo "cluster ready after $((SECONDS - start)) s"
cd "$root"
status=0
.venv/bin/python -m pytest "$@" -p no:randomly --timeout 900 --durations=15 --junitxml "$logs/junit.xml" || status=$?
[ "$status" = 0 ] || echo "logs, objects and events: $logs"
exit "$status"
