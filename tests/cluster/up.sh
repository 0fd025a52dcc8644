#!/bin/bash
# Everything from nothing: packages, binaries, images, node, Argo Workflows, KubeRay. Safe to run again.
set -euo pipefail
# shellcheck source=env.sh
. "$(dirname "$0")/env.sh"
"$CLUSTER_SRC/check.sh"
"$CLUSTER_SRC/apt.sh"
"$CLUSTER_SRC/build.sh"
"$CLUSTER_SRC/images.sh"
node_pid >/dev/null || "$CLUSTER_SRC/node-up.sh"
"$CLUSTER_SRC/platform-up.sh"
