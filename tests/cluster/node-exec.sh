#!/bin/bash
# usage: node-exec.sh COMMAND...   runs a command inside the node's namespaces: node-exec.sh kubectl get pods -A
# nsenter changes the working directory: use absolute paths.
set -euo pipefail
# shellcheck source=env.sh
. "$(dirname "$0")/env.sh"
pid=$(node_pid) || { echo "the node is not running; start it with $CLUSTER_SRC/up.sh" >&2; exit 3; }
exec nsenter -t "$pid" -m -n -p -u -i env KUBECONFIG="$KC/admin.conf" PATH="$KBIN:$PATH" \
    CONTAINERD_ADDRESS=/run/containerd/containerd.sock CONTAINERD_NAMESPACE=k8s.io "$@"
